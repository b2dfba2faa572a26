//! Sources that are commands: what they write to their standard output is one file.

use super::error::how_it_ended;
use super::{BackupError, SourceOptions};
use crate::env::clean_environment;
use crate::format::cbor::Time;
use crate::format::entry::{Core, EntryKind};
use crate::user::User;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use rustix::thread::CapabilitySet;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

type Result<T> = std::result::Result<T, BackupError>;

/// How long a command is waited for between two looks at whether to stop.
const WAIT: Duration = Duration::from_millis(20);
/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_millis(700);
/// The same as [`WAIT`], for its output.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What a command writes. Reading fails with `WouldBlock` where nothing comes for a while, so that a slow command does
/// not hide the wish to stop.
struct CommandOutput(ChildStdout);

impl Read for CommandOutput {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&POLL_INTERVAL)) {
            Ok(0) | Err(Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            Ok(_) => self.0.read(into),
            Err(e) => Err(e.into()),
        }
    }
}

/// What is run, and where.
pub struct CommandLine {
    program: PathBuf,
    arguments: Vec<OsString>,
    folder: PathBuf,
    /// Program and arguments of a check that gets the output, too.
    check: Vec<OsString>,
    /// Whose rights both have; `None`: this program's.
    user: Option<String>,
}

impl CommandLine {
    /// Of a source; `None` for a tree.
    pub fn of(source: &SourceOptions) -> Option<Self> {
        let (program, arguments) = source.command.split_first()?;
        Some(Self {
            program: program.into(),
            arguments: arguments.to_vec(),
            folder: source.path.clone(),
            check: source.check.clone(),
            user: source.user.clone(),
        })
    }
}

/// The entry of a command's output, which begins `now`.
pub fn output_core(source: &SourceOptions, now: Time) -> Box<Core> {
    let mut core = Box::new(Core::new(source.name.clone(), EntryKind::File));
    (core.mode, core.mtime, core.ctime) = (0o600, now, now);
    (core.uid, core.gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    core
}

/// A command that runs. It is ended when this is dropped.
pub struct RunningCommand {
    program: PathBuf,
    child: OwnedChild,
    output: CommandOutput,
    check: Option<RunningCheck>,
}

/// Is ended when it is dropped, with everything that it has started.
struct OwnedChild {
    child: Child,
    has_group: bool,
    has_ended: bool,
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end();
        }
    }
}

impl OwnedChild {
    /// Starts a program in a process group of its own, so that what it has started can be ended with it. At a terminal it stays
    /// in the group of this program: another one could not ask for a password there, and Ctrl-C reaches all of this one.
    fn start(command: &mut Command, user: Option<&User>) -> io::Result<Self> {
        let has_group = std::fs::File::open("/dev/tty").is_err();
        if has_group {
            command.process_group(0);
        }
        let child = match user {
            Some(user) => user.spawn(command, CapabilitySet::empty())?,
            None => command.spawn()?,
        };
        Ok(Self { child, has_group, has_ended: false })
    }

    /// Waits for its end.
    fn finish(&mut self, check: &dyn Fn() -> Result<()>) -> Result<ExitStatus> {
        loop {
            check()?;
            match self.child.try_wait().map_err(BackupError::CommandOutput)? {
                Some(status) => {
                    self.has_ended = true;
                    return Ok(status);
                }
                None => std::thread::sleep(WAIT),
            }
        }
    }

    /// Asks it to end, and soon makes it. Until it is waited for, nobody else can have the number of its group.
    fn end(&mut self) {
        let process = Pid::from_child(&self.child);
        let send = |signal| match self.has_group {
            true => kill_process_group(process, signal),
            false => kill_process(process, signal),
        };
        let has_ended = || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            !matches!(waitid(WaitId::Pid(process), options), Ok(None))
        };
        let _ = send(Signal::TERM);
        // What it has started got the same signal at the same moment, and has a moment more.
        for _ in 0..GRACE.as_millis() / WAIT.as_millis() {
            let is_last = has_ended();
            std::thread::sleep(WAIT);
            if is_last {
                break;
            }
        }
        let _ = send(Signal::KILL);
        let _ = self.child.wait();
    }
}

impl RunningCommand {
    /// Starts a command. From now on its output has to be read: a database gives up a client that takes nothing.
    pub fn start(line: CommandLine) -> Result<Self> {
        let CommandLine { program, arguments, folder, check, user } = line;
        let user = match user.as_deref().map(User::named).transpose() {
            Ok(user) => user,
            Err(source) => return Err(BackupError::CommandStart { program, source }),
        };
        let mut command = Command::new(&program);
        clean_environment(&mut command).args(arguments).current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = OwnedChild::start(&mut command, user.as_ref()).and_then(|mut started| match started.child.stdout.take() {
            Some(output) => Ok((started, CommandOutput(output))),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        });
        match started {
            Ok((child, output)) => {
                Ok(Self { program, child, output, check: RunningCheck::start(&check, &folder, user.as_ref()) })
            }
            Err(source) => Err(BackupError::CommandStart { program, source }),
        }
    }

    /// Reads what it writes.
    pub fn read(&mut self, into: &mut [u8], is_stopped: &dyn Fn() -> bool) -> io::Result<usize> {
        let n = self.output.read(into)?;
        if let Some(check) = &mut self.check {
            check.feed(&into[..n], is_stopped);
        }
        Ok(n)
    }

    /// Waits for its end. It must have succeeded: half a dump is no dump. Returns why the check failed, if it did.
    pub fn finish(mut self, check: &dyn Fn() -> Result<()>) -> Result<Option<String>> {
        // It may go on after it has closed its output.
        let status = self.child.finish(check)?;
        if !status.success() {
            return Err(BackupError::CommandFailed { program: self.program, status });
        }
        self.check.map_or(Ok(None), |running| running.finish(check))
    }
}

/// A program that gets a copy of the output and judges it.
struct RunningCheck {
    program: String,
    child: io::Result<OwnedChild>,
    input: Option<ChildStdin>,
}

impl RunningCheck {
    /// `None` if there is none. One that does not start has failed, and the output is stored all the same.
    fn start(line: &[OsString], folder: &Path, user: Option<&User>) -> Option<Self> {
        let (program, arguments) = line.split_first()?;
        let mut command = Command::new(program);
        clean_environment(&mut command).args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = OwnedChild::start(&mut command, user);
        let input = child.as_mut().ok().and_then(|started| started.child.stdin.take());
        // So that a check that is slow or hangs does not hide the wish to stop.
        let input = input.filter(|input| fcntl_setfl(input, OFlags::NONBLOCK).is_ok());
        Some(Self { program: program.display().to_string(), child, input })
    }

    /// Writes to the check, unless it wants no more.
    fn feed(&mut self, mut bytes: &[u8], is_stopped: &dyn Fn() -> bool) {
        while let Some(input) = self.input.as_mut().filter(|_| !bytes.is_empty()) {
            match input.write(bytes) {
                Ok(n) if n > 0 => bytes = &bytes[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !is_stopped() => {
                    // Whatever it answers, the next write tells.
                    let _ = poll(&mut [PollFd::new(&*input, PollFlags::OUT)], Some(&POLL_INTERVAL));
                }
                // It has closed its end: it needs no more to judge by.
                _ => self.input = None,
            }
        }
    }

    fn finish(self, check: &dyn Fn() -> Result<()>) -> Result<Option<String>> {
        let Self { program, child, input } = self;
        drop(input);
        let why = match child {
            Ok(mut child) => Some(child.finish(check)?).filter(|status| !status.success()).map(how_it_ended),
            Err(e) => Some(e.to_string()),
        };
        Ok(why.map(|why| format!("{program}: {why}")))
    }
}
