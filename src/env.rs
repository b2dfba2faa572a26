//! What a job gets from outside: clock, chance, host name, the loader of media, the wish to stop.

use crate::format::cbor::Time;
use crate::medium::Loader;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a job needs from outside.
pub struct Env<'a> {
    pub now: &'a (dyn Fn() -> Time + Sync),
    /// Fills a buffer from the system's secure source.
    pub random: &'a (dyn Fn(&mut [u8]) + Sync),
    pub host: &'a str,
    /// Set when the user wants the job to end.
    pub interrupted: &'a AtomicBool,
    /// Opens drives and brings media.
    pub loader: &'a dyn Loader,
    /// Worker threads; at least 1.
    pub threads: usize,
}

impl Env<'_> {
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Now, as seals and labels write it.
    pub fn time_text(&self) -> String {
        time_text((self.now)())
    }
}

/// RFC 3339 in UTC, whole seconds.
pub fn time_text(t: Time) -> String {
    let at = chrono::DateTime::from_timestamp(t.seconds, 0).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Name and version of this program, as objects carry it.
pub const TOOL: &str = concat!("azekura ", env!("CARGO_PKG_VERSION"));
