//! Finished packs that wait for the medium.

use crate::pipeline::compressor::CompressionLevel;
use crate::pipeline::place::FinishedPack;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;

/// What both ends of the queue share.
struct Shared {
    state: Mutex<State>,
    /// Notified when anything in `state` changes.
    changed: Condvar,
    capacity: usize,
}

struct State {
    packs: VecDeque<FinishedPack>,
    /// No more packs come.
    is_closed: bool,
    /// Somebody waits for the numbers of packs in the queue.
    is_urgent: bool,
    has_receiver: bool,
}

/// A queue for at most `capacity` packs.
pub fn pack_queue(capacity: usize) -> (PackSender, PackReceiver) {
    let state = State { packs: VecDeque::new(), is_closed: false, is_urgent: false, has_receiver: true };
    let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), capacity });
    (PackSender(shared.clone()), PackReceiver(shared))
}

/// Where all packers send their finished packs.
pub struct PackSender(Arc<Shared>);

impl PackSender {
    /// Sends a pack, and waits while the queue is full. Returns `false` if the medium takes no more. How many packs
    /// wait decides how hard to compress.
    pub fn send(&self, pack: FinishedPack, effort: &CompressionLevel) -> bool {
        let Shared { state, changed, capacity } = &*self.0;
        let mut state = state.lock();
        if state.packs.len() >= *capacity {
            effort.raise();
        } else if state.packs.is_empty() {
            effort.lower();
        }
        changed.wait_while(&mut state, |s| s.packs.len() >= *capacity && s.has_receiver && !s.is_closed);
        if !state.has_receiver || state.is_closed {
            return false;
        }
        state.packs.push_back(pack);
        changed.notify_all();
        true
    }

    /// While urgent, packs are appended at once, however few they are: somebody waits for their numbers.
    pub fn set_urgent(&self, is_urgent: bool) {
        let mut state = self.0.state.lock();
        if state.is_urgent != is_urgent {
            state.is_urgent = is_urgent;
            self.0.changed.notify_all();
        }
    }

    /// Closes the queue when the guard is dropped, so that the receiver ends even if a thread panics.
    pub fn close_on_drop(&self) -> CloseOnDrop<'_> {
        CloseOnDrop(self)
    }
}

/// Closes the queue when it is dropped: no more packs come.
pub struct CloseOnDrop<'q>(&'q PackSender);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.0.state.lock().is_closed = true;
        self.0.0.changed.notify_all();
    }
}

/// Where the appender receives packs. When it is dropped, senders stop waiting.
pub struct PackReceiver(Arc<Shared>);

impl PackReceiver {
    /// The next pack, if one waits.
    pub fn try_receive(&self) -> Option<FinishedPack> {
        let pack = self.0.state.lock().packs.pop_front();
        if pack.is_some() {
            self.0.changed.notify_all();
        }
        pack
    }

    /// Waits for the next pack. `None` after the last one.
    pub fn receive(&self) -> Option<FinishedPack> {
        let mut state = self.0.state.lock();
        self.0.changed.wait_while(&mut state, |s| s.packs.is_empty() && !s.is_closed);
        let pack = state.packs.pop_front();
        self.0.changed.notify_all();
        pack
    }

    /// If the queue is empty, waits until it is three quarters full, or no more packs come, or the packs in it are
    /// urgent. Returns whether it was empty and more packs were to come.
    pub fn wait_until_filled(&self) -> bool {
        let mut state = self.0.state.lock();
        if !state.packs.is_empty() || state.is_closed {
            return false;
        }
        let enough = (self.0.capacity * 3 / 4).max(1);
        let is_filled = |s: &State| s.packs.len() >= enough || s.is_closed || s.is_urgent && !s.packs.is_empty();
        self.0.changed.wait_while(&mut state, |s| !is_filled(s));
        true
    }

    /// Packs that the queue has room for.
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// Packs that wait, and whether the queue is to be kept full: more packs come, and nobody waits for their numbers.
    pub fn level(&self) -> (usize, bool) {
        let state = self.0.state.lock();
        (state.packs.len(), !state.is_closed && !state.is_urgent)
    }
}

impl Drop for PackReceiver {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.has_receiver = false;
        state.packs.clear();
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use crate::format::pack::ChunkId;
    use crate::pipeline::encryptor::Identity;
    use crate::pipeline::pack_hasher::PackHasher;
    use crate::pipeline::packer::Packer;
    use std::time::{Duration, Instant};

    /// Finished packs, of 1, 2, 3 … bytes of content.
    fn packs(count: usize) -> Vec<FinishedPack> {
        let (recipients, effort, made) = (Identity::generate().recipients(), CompressionLevel::new(None), Mutex::default());
        let sink = |pack| {
            Vec::push(&mut made.lock(), pack);
            true
        };
        let hasher = PackHasher::new(true, &sink);
        let mut packer = Packer::new(&recipients, &effort, 1 << 20, &Buffers::default(), &hasher).expect("a packer");
        for n in 1..=count {
            packer.next_place(n).expect("a place");
            packer.add(ChunkId([n as u8; 16]), &vec![0; n]);
            packer.finish().expect("a pack");
        }
        drop(packer);
        made.into_inner()
    }

    /// Long enough for another thread to do what it must not do.
    fn pause() {
        std::thread::sleep(Duration::from_millis(50));
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::yield_now();
        }
    }

    fn until_somebody_waits(queue: &Shared) {
        until("somebody waits", || queue.changed.notify_all() > 0);
    }

    #[test]
    fn packs_come_in_their_order_and_senders_wait_while_the_queue_is_full() {
        let (sender, receiver) = pack_queue(2);
        let effort = CompressionLevel::new(None);
        let begun = effort.get();
        let sender = &sender;
        // The receiver is dropped if an assertion fails, so that the sender ends.
        std::thread::scope(|scope| {
            let receiver = receiver;
            let effort = &effort;
            let sends = scope.spawn(move || {
                let closes = sender.close_on_drop();
                let all = packs(5).into_iter().all(|pack| sender.send(pack, effort));
                drop(closes);
                all
            });
            until_somebody_waits(&receiver.0);
            // Until the sender waits again: that question has woken it.
            pause();
            assert_eq!(receiver.level(), (2, true), "the third has to wait");
            assert_eq!(effort.get(), begun + 1, "the medium is slower: there is time to compress harder");
            for (n, receive) in [(1, PackReceiver::receive as fn(&_) -> _), (2, PackReceiver::try_receive)] {
                assert_eq!(receive(&receiver).map(|p| p.content_bytes), Some(n));
                until("the queue is full again", || receiver.level().0 == 2);
            }
            let rest = std::iter::from_fn(|| receiver.receive()).map(|p| p.content_bytes);
            assert_eq!(rest.take(3).collect::<Vec<_>>(), [3, 4, 5]);
            assert!(sends.join().expect("no panic"));
            assert_eq!(receiver.level(), (0, false), "closed");
            assert!(receiver.receive().is_none());
        });
    }

    #[test]
    fn a_sender_ends_when_nobody_receives() {
        let (sender, receiver) = pack_queue(1);
        let effort = CompressionLevel::new(None);
        std::thread::scope(|scope| {
            let receiver = receiver;
            let sends = scope.spawn(|| packs(2).into_iter().map(|pack| sender.send(pack, &effort)).collect::<Vec<_>>());
            until_somebody_waits(&receiver.0);
            drop(receiver);
            until("the sender ends", || sends.is_finished());
            assert_eq!(sends.join().expect("no panic"), [true, false]);
        });
    }

    #[test]
    fn a_drive_waits_for_three_quarters_or_for_whoever_needs_numbers() {
        let (sender, receiver) = pack_queue(4);
        let effort = CompressionLevel::new(None);
        let begun = effort.get();
        effort.raise();
        let mut packs = packs(5).into_iter();
        let mut send = || assert!(sender.send(packs.next().expect("a pack"), &effort));
        std::thread::scope(|scope| {
            let _closes = sender.close_on_drop();
            let waits = scope.spawn(|| receiver.wait_until_filled());
            until_somebody_waits(&sender.0);
            send();
            assert_eq!(effort.get(), begun, "the medium waits: there is no time to compress harder");
            send();
            pause();
            assert!(!waits.is_finished(), "two of four are not enough");
            send();
            assert!(waits.join().expect("no panic"));
            assert!(!receiver.wait_until_filled(), "packs wait already");
            while receiver.try_receive().is_some() {}
            let waits = scope.spawn(|| receiver.wait_until_filled());
            until_somebody_waits(&sender.0);
            send();
            pause();
            assert!(!waits.is_finished(), "one of four is not enough");
            sender.set_urgent(true);
            until("the numbers are needed", || waits.is_finished());
            assert!(waits.join().expect("no panic"));
            assert_eq!(receiver.level(), (1, false), "urgent: nobody fills the queue");
        });
    }
}
