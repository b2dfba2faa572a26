//! Sources that are commands: what they write to their standard output is one file.

use super::{BackupError, SourceOptions};
use crate::format::cbor::Time;
use crate::format::entry::{Core, EntryKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
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

/// Commands that run as sources.
pub struct Commands(Vec<(Vec<u8>, PathBuf, Child)>);

impl Commands {
    /// Starts the commands among the sources.
    pub fn start(sources: &[&SourceOptions]) -> Result<Self> {
        let mut running = Self(Vec::new());
        for s in sources {
            let Some((program, arguments)) = s.command.split_first() else { continue };
            let program = PathBuf::from(program);
            let child =
                Command::new(&program).args(arguments).current_dir(&s.path).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
            match child {
                Ok(child) => running.0.push((s.name.clone(), program, child)),
                Err(source) => return Err(BackupError::CommandStart { program, source }),
            }
        }
        Ok(running)
    }

    /// The commands' outputs, as entries that begin now.
    pub fn outputs(&mut self, now: Time) -> Vec<(Box<Core>, Box<dyn Read + Send>)> {
        let outputs = self.0.iter_mut().filter_map(|(name, _, child)| Some((name, child.stdout.take()?)));
        outputs
            .map(|(name, output)| {
                let mut core = Box::new(Core::new(name.clone(), EntryKind::File));
                (core.mode, core.mtime, core.ctime) = (0o600, now, now);
                (core.uid, core.gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
                (core, Box::new(CommandOutput(output)) as Box<dyn Read + Send>)
            })
            .collect()
    }

    /// Waits for the commands. Each must have succeeded: half a dump is no dump.
    pub fn finish(mut self, check: &dyn Fn() -> Result<()>) -> Result<()> {
        for (_, program, child) in &mut self.0 {
            // It may go on after it has closed its output.
            let status = loop {
                check()?;
                match child.try_wait().map_err(BackupError::CommandOutput)? {
                    Some(status) => break status,
                    None => std::thread::sleep(WAIT),
                }
            };
            if !status.success() {
                return Err(BackupError::CommandFailed { program: program.clone(), status });
            }
        }
        self.0.clear();
        Ok(())
    }
}

/// Ends commands that are still running when the run fails.
impl Drop for Commands {
    fn drop(&mut self) {
        for (_, _, child) in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
