//! How the threads of a run stop together.

use super::{BackupError, Result};
use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

/// Ends all threads of a run when one fails or panics, or when the user interrupts it.
pub struct Stop<'a> {
    interrupted: &'a AtomicBool,
    failed: AtomicBool,
    /// Dropped on the first failure, which disconnects `stopped`.
    running: Mutex<Option<Sender<Infallible>>>,
    stopped: Receiver<Infallible>,
}

impl<'a> Stop<'a> {
    pub fn new(interrupted: &'a AtomicBool) -> Self {
        let (running, stopped) = bounded(0);
        Self { interrupted, failed: AtomicBool::new(false), running: Mutex::new(Some(running)), stopped }
    }

    /// Fails if the thread that calls has to stop. Called between two units of work.
    pub fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(BackupError::Interrupted)
        } else if self.failed.load(Ordering::Relaxed) {
            Err(BackupError::Stopped)
        } else {
            Ok(())
        }
    }

    /// A channel that disconnects when the run fails. Every thread that waits for others selects on it: a thread that
    /// fails never sends what they wait for. An interruption reaches them through the thread that works at that moment
    /// and checks.
    pub fn stopped(&self) -> &Receiver<Infallible> {
        &self.stopped
    }

    /// Why a thread that waited ends: [`Self::stopped`] or a channel to another thread was disconnected.
    pub fn reason(&self) -> BackupError {
        self.check().err().unwrap_or(BackupError::Stopped)
    }

    /// Runs the part of one thread. If it fails or panics, the others stop.
    pub fn guard<T>(&self, part: impl FnOnce() -> Result<T>) -> Result<T> {
        struct FailOnDrop<'s, 'a>(&'s Stop<'a>);
        impl Drop for FailOnDrop<'_, '_> {
            fn drop(&mut self) {
                self.0.failed.store(true, Ordering::Relaxed);
                *self.0.running.lock() = None;
            }
        }
        let fail = FailOnDrop(self);
        let done = part()?;
        std::mem::forget(fail);
        Ok(done)
    }
}

/// Waits for a thread. One that panicked has failed.
pub fn join<T>(thread: ScopedJoinHandle<Result<T>>) -> Result<T> {
    thread.join().unwrap_or(Err(BackupError::Stopped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::RecvTimeoutError;
    use std::time::Duration;

    #[test]
    fn an_interruption_comes_before_a_failure() {
        let interrupted = AtomicBool::new(false);
        let stop = Stop::new(&interrupted);
        assert!(stop.guard::<()>(|| Err(BackupError::NoSource)).is_err());
        assert!(matches!((stop.check(), stop.reason()), (Err(BackupError::Stopped), BackupError::Stopped)));
        interrupted.store(true, Ordering::Relaxed);
        assert!(matches!((stop.check(), stop.reason()), (Err(BackupError::Interrupted), BackupError::Interrupted)));
    }

    #[test]
    fn a_failure_and_a_panic_wake_whoever_waits() {
        let interrupted = AtomicBool::new(false);
        for part in [|| Err(BackupError::NoSource), || panic!("a bug")] {
            let stop = Stop::new(&interrupted);
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| stop.stopped().recv_timeout(Duration::from_secs(60)));
                stop.guard(|| Ok(())).expect("a part that succeeds");
                assert!(stop.check().is_ok() && !waits.is_finished());
                let failed = scope.spawn(|| stop.guard::<()>(part));
                assert!(join(failed).is_err());
                assert!(matches!(waits.join().expect("no panic"), Err(RecvTimeoutError::Disconnected)));
                assert!(matches!(stop.check(), Err(BackupError::Stopped)));
            });
        }
    }
}
