//! The environment of a job: clock, random bytes, host name, the loader of media, the user's wish to stop.

use crate::format::cbor::Time;
use crate::medium::Loader;
use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a job needs from outside of the library.
pub struct Env<'a> {
    /// The time now.
    pub now: &'a (dyn Fn() -> Time + Sync),
    /// Fills a buffer from the system's secure source.
    pub random: &'a (dyn Fn(&mut [u8]) + Sync),
    /// The host's name.
    pub host: &'a str,
    /// Set when the user wants the job to end.
    pub interrupted: &'a AtomicBool,
    /// Opens drives and brings media.
    pub loader: &'a dyn Loader,
    /// Worker threads; at least 1.
    pub threads: usize,
}

/// The variables of this program's own: where its keys, its state and its sessions are.
pub const OWN_VARIABLES: [&str; 4] = ["AZEKURA_EVIDENCE", "AZEKURA_IDENTITY", "AZEKURA_PASSPHRASE_FILE", "AZEKURA_STATE"];

/// Where programs are looked for that are started by their name. Not set: where the system says.
static PROGRAM_PATH: OnceLock<OsString> = OnceLock::new();

/// From now on programs are looked for in these folders, divided by colons. The first call counts.
pub fn look_for_programs_in(path: OsString) {
    let _ = PROGRAM_PATH.set(path);
}

/// Gives a program that is started an environment without [`OWN_VARIABLES`]: it must not learn where the recovery key is.
pub fn clean_environment(command: &mut Command) -> &mut Command {
    if let Some(path) = PROGRAM_PATH.get() {
        command.env("PATH", path);
    }
    OWN_VARIABLES.iter().fold(command, |command, name| command.env_remove(name))
}

impl Env<'_> {
    /// Whether the user wants the job to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Fails if the user wants the job to end: for what is done between two buffers of a long reading or writing. Who
    /// began it asks [`Self::is_interrupted`] before an error counts as one.
    pub fn check(&self) -> io::Result<()> {
        if self.is_interrupted() { Err(io::Error::other("the run was interrupted")) } else { Ok(()) }
    }

    /// The time now, as seals and labels contain it.
    pub fn time_text(&self) -> String {
        time_text((self.now)())
    }
}

/// RFC 3339 in UTC, whole seconds.
pub fn time_text(t: Time) -> String {
    let at = chrono::DateTime::from_timestamp(t.seconds, 0).unwrap_or_default();
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Times that a host's clock may show, in seconds since 1970: since this version was made (1 January 2026; a new version
/// may move it), and before 2090. A dead battery gives 1970 or a year of the firmware, a slip of the hand any other.
pub const POSSIBLE_TIMES: std::ops::Range<i64> = 1_767_225_600..3_786_912_000;

/// Name and version of this program, as objects carry it.
pub const TOOL: &str = concat!("azekura ", env!("CARGO_PKG_VERSION"));
