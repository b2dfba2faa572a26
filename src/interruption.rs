//! The user's wish to stop, for what is too deep for an [`Env`](crate::env::Env): the readers of a medium and of a
//! source's folders.

use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop that may come at any time. Whoever meets it ends at once with an error that nobody takes for damage.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interruption(Option<&'static AtomicBool>);

impl Interruption {
    /// It comes when `flag` is set. The default never comes.
    pub fn by(flag: &'static AtomicBool) -> Self {
        Self(Some(flag))
    }

    /// Whether it has come.
    pub fn is_there(self) -> bool {
        self.0.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}
