//! Finished packs that wait for the medium.

use crate::pipeline::compressor::CompressionLevel;
use crate::pipeline::packer::FinishedPack;
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
