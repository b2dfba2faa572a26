//! What a test needs of the machine that it runs on. What is not there is skipped aloud, never silently.

#![allow(dead_code, reason = "each test program takes what it needs")]

use std::fmt::Display;
use std::io::Write;

/// Says what is not tried here, and why. `.ci/run` fails where such a line is not in `.ci/skips`.
///
/// Not `eprintln!`: the test passes, and what a passing test prints is swallowed.
pub fn skipped(what: impl Display) {
    let line = format!("\n*** SKIPPED: {what} ***\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
}

/// Whether something that not every machine permits was done; if not, says so.
pub fn tried<E: Display>(what: &str, done: Result<(), E>) -> bool {
    if let Err(e) = &done {
        skipped(format!("{what}: {e}"));
    }
    done.is_ok()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `f` as a user who may not read everything; the threads that it starts are that user's too.
pub fn without_privileges<T>(f: impl FnOnce() -> T) -> T {
    use rustix::process::Uid;
    use rustix::thread::set_thread_res_uid;
    if !is_root() {
        return f();
    }
    let (root, nobody) = (Uid::ROOT, Uid::from_raw(65_534));
    set_thread_res_uid(root, nobody, root).expect("another user");
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    set_thread_res_uid(root, root, root).expect("root again");
    done.unwrap_or_else(|e| std::panic::resume_unwind(e))
}
