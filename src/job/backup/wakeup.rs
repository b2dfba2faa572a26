//! A wake-up that never blocks its sender.

use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::atomic::{Ordering, fence};

/// Wakes a thread that selects on the [`WakeupReceiver`]. Wake-ups that it has not received yet are one: it looks for
/// everything that is new.
pub struct Wakeup(Sender<()>);

/// The receiving end.
pub struct WakeupReceiver(Receiver<()>);

/// A wake-up and its receiving end.
pub fn wakeup() -> (Wakeup, WakeupReceiver) {
    let (sender, receiver) = bounded(1);
    (Wakeup(sender), WakeupReceiver(receiver))
}

impl Wakeup {
    /// Wakes the receiver. What was written before is visible to it afterwards.
    pub fn wake(&self) {
        // Together with the fence in `received`: if the channel is still full, whoever empties it sees what was written
        // before.
        fence(Ordering::SeqCst);
        let _ = self.0.try_send(());
    }
}

impl WakeupReceiver {
    /// For `select!`. It disconnects when the sender is gone. [`Self::received`] MUST follow a message.
    pub fn messages(&self) -> &Receiver<()> {
        &self.0
    }

    /// Makes visible what was written before the wake-up.
    pub fn received(&self) {
        fence(Ordering::SeqCst);
    }

    /// Whether a wake-up was waiting.
    pub fn poll(&self) -> bool {
        let was_waiting = self.0.try_recv().is_ok();
        if was_waiting {
            self.received();
        }
        was_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    #[test]
    fn a_wakeup_waits_for_its_receiver_and_several_are_one() {
        let (wakeup, receiver) = wakeup();
        assert!(!receiver.poll());
        wakeup.wake();
        wakeup.wake();
        assert!(receiver.poll() && !receiver.poll());
    }

    #[test]
    fn whoever_is_woken_last_sees_everything() {
        const LAST: u64 = 20_000;
        let written = AtomicU64::new(0);
        let (wakeup, receiver) = wakeup();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 1..=LAST {
                    written.store(n, Ordering::Relaxed);
                    wakeup.wake();
                }
            });
            // If a wake-up were lost, nothing would come any more.
            while written.load(Ordering::Relaxed) < LAST {
                receiver.messages().recv_timeout(Duration::from_secs(60)).expect("a wake-up");
                receiver.received();
            }
        });
        drop(wakeup);
        assert!(receiver.messages().iter().count() <= 1 && !receiver.poll());
    }
}
