//! What the program inherits from whatever started it (a shell, `nohup`, cron, systemd, a desktop), put right before
//! it does anything: the umask, capabilities that would be handed down, and the signals that it was told to ignore.
//!
//! Closed standard descriptors need nothing here: before `main`, Rust's runtime opens `/dev/null` in their place, so
//! that no file of a medium is ever standard output, and ignores SIGPIPE, so that writing to a closed pipe is an error
//! like any other.

use super::ui::exit::Exit;
use super::ui::output::to_stderr;
use super::ui::text::find;
use azekura::user::hand_down_nothing;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the first signal to stop. Jobs check it, and end in order.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether a job runs that ends in order.
static ENDS_IN_ORDER: AtomicBool = AtomicBool::new(false);

/// Called once, at the start.
pub fn put_right() {
    limit_umask();
    hand_down_nothing();
    leave_no_core();
    // Without a listener a signal ends the program at once, which is safe.
    let _ = listen();
}

/// Whatever the umask is, the owner can use what the program makes, and only the owner can change it. Who wants others
/// to read nothing still gets that.
fn limit_umask() {
    let inherited = rustix::process::umask(Mode::WGRP | Mode::WOTH);
    rustix::process::umask(inherited & (Mode::RWXG | Mode::RWXO) | Mode::WGRP | Mode::WOTH);
}

/// Keys are in memory: it is not written to a disk when the program crashes, and no other process of the same user reads it.
/// Where the kernel does not know this, the program runs all the same.
fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// From now on the first signal to stop asks the job to end, and does not end the program at once.
pub fn end_in_order() {
    ENDS_IN_ORDER.store(true, Ordering::Relaxed);
}

/// SIGTERM is obeyed even if it was ignored: a service manager has nothing else. SIGINT and SIGHUP stay ignored, for
/// that is what `nohup` and a shell's `&` are for. With SIGCHLD ignored nobody would learn how a program ended that was
/// started.
fn listen() -> std::io::Result<()> {
    let ignored = ignored_signals();
    let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
    let mut signals = Signals::new([SIGTERM])?;
    for signal in [SIGINT, SIGHUP].into_iter().filter(|s| !is_ignored(*s)) {
        signals.add_signal(signal)?;
    }
    if is_ignored(SIGCHLD) {
        signals.add_signal(SIGCHLD)?;
    }
    let listener = std::thread::Builder::new().name("signals".into());
    listener.spawn(move || signals.forever().filter(|signal| *signal != SIGCHLD).for_each(|_| stop()))?;
    Ok(())
}

/// The first signal asks the job to end in order; the second ends the program at once, as does any where no job runs.
/// Both are safe for the medium: what is not sealed does not count.
fn stop() {
    if INTERRUPTED.swap(true, Ordering::Relaxed) || !ENDS_IN_ORDER.load(Ordering::Relaxed) {
        std::process::exit(i32::from(Exit::Interrupted.code()));
    }
    to_stderr(&format!("\n{}\n", find("talk.interrupted")));
}

/// The signals that this process was started to ignore: signal 1 is the lowest bit. None where the kernel does not show
/// them.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
