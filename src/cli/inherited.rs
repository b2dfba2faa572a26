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
use parking_lot::Mutex;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

/// Set by the first signal to stop. Jobs check it, and end in order.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether a job runs that ends in order.
static ENDS_IN_ORDER: AtomicBool = AtomicBool::new(false);

/// The thread that waits for signals.
static LISTENER: Mutex<Option<(Handle, JoinHandle<()>)>> = Mutex::new(None);

/// Called once, at the start.
pub fn put_right() {
    limit_umask();
    hand_down_nothing();
    leave_no_core();
    // Without a listener a signal ends the program at once, which is safe.
    let _ = caught().and_then(listen);
}

/// The same for a process that ends with the one that has started it: no signal ends it, although one that is typed reaches both.
pub fn put_right_for_helper() {
    limit_umask();
    leave_no_core();
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        // Where it fails, the helper ends before its time.
        let _ = signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)));
    }
}

/// Does what holds only this thread and those that it starts: the one that waits for signals is another one afterwards. No signal
/// is lost meanwhile.
pub fn with_one_thread<T>(enter: impl FnOnce() -> T) -> T {
    // First, for it takes sockets. A signal that comes while both wait counts twice: it ends the program at once.
    let next = caught();
    let mut listener = LISTENER.lock();
    if let Some((handle, thread)) = listener.take_if(|_| next.is_ok()) {
        handle.close();
        let _ = thread.join();
    }
    drop(listener);
    let entered = enter();
    let _ = next.and_then(listen);
    entered
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
fn caught() -> std::io::Result<Signals> {
    let ignored = *IGNORED.get_or_init(ignored_signals);
    let is_ignored = |signal: i32| ignored & (1 << (signal - 1)) != 0;
    let signals = Signals::new([SIGTERM])?;
    for signal in [SIGINT, SIGHUP].into_iter().filter(|s| !is_ignored(*s)) {
        signals.add_signal(signal)?;
    }
    if is_ignored(SIGCHLD) {
        signals.add_signal(SIGCHLD)?;
    }
    Ok(signals)
}

fn listen(mut signals: Signals) -> std::io::Result<()> {
    let handle = signals.handle();
    let thread = std::thread::Builder::new().name("signals".into());
    let thread = thread.spawn(move || signals.forever().filter(|signal| *signal != SIGCHLD).for_each(|_| stop()))?;
    *LISTENER.lock() = Some((handle, thread));
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

/// As it was at the start: what was ignored then is caught now.
static IGNORED: OnceLock<u64> = OnceLock::new();

/// The signals that this process was started to ignore: signal 1 is the lowest bit. None where the kernel does not show
/// them.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
