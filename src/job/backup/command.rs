//! Sources that are commands: what they write to their standard output is one file.

use super::{BackupError, SourceOptions};
use crate::format::cbor::Time;
use crate::format::entry::{Core, EntryKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

type Result<T> = std::result::Result<T, BackupError>;

/// How long a command is waited for between two looks at whether to stop.
const WAIT: Duration = Duration::from_millis(20);
/// The same, for its output.
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
}

impl CommandLine {
    /// Of a source; `None` for a tree.
    pub fn of(source: &SourceOptions) -> Option<Self> {
        let (program, arguments) = source.command.split_first()?;
        Some(Self { program: program.into(), arguments: arguments.to_vec(), folder: source.path.clone() })
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
    child: Child,
    output: CommandOutput,
}

impl RunningCommand {
    /// Starts a command. From now on its output has to be read: a database gives up a client that takes nothing.
    pub fn start(line: CommandLine) -> Result<Self> {
        let CommandLine { program, arguments, folder } = line;
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.spawn().and_then(|mut child| match child.stdout.take() {
            Some(output) => Ok((child, CommandOutput(output))),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        });
        match started {
            Ok((child, output)) => Ok(Self { program, child, output }),
            Err(source) => Err(BackupError::CommandStart { program, source }),
        }
    }

    /// What it writes.
    pub fn output(&mut self) -> &mut impl Read {
        &mut self.output
    }

    /// Waits for its end. It must have succeeded: half a dump is no dump.
    pub fn finish(mut self, check: &dyn Fn() -> Result<()>) -> Result<()> {
        // It may go on after it has closed its output.
        let status = loop {
            check()?;
            match self.child.try_wait().map_err(BackupError::CommandOutput)? {
                Some(status) => break status,
                None => std::thread::sleep(WAIT),
            }
        };
        if status.success() { Ok(()) } else { Err(BackupError::CommandFailed { program: self.program.clone(), status }) }
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        // Of a command that has ended, both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
