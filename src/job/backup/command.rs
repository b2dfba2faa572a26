//! Sources that are commands: what they write to their standard output is one file.

use super::{BackupError, SourceOptions};
use crate::format::cbor::Time;
use crate::format::entry::{Core, EntryKind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

type Result<T> = std::result::Result<T, BackupError>;

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
    pub fn outputs(&mut self, now: Time) -> Vec<(Box<Core>, Box<dyn std::io::Read + Send>)> {
        let outputs = self.0.iter_mut().filter_map(|(name, _, child)| Some((name, child.stdout.take()?)));
        outputs
            .map(|(name, output)| {
                let mut core = Box::new(Core::new(name.clone(), EntryKind::File));
                (core.mode, core.mtime, core.ctime) = (0o600, now, now);
                (core.uid, core.gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
                (core, Box::new(output) as Box<dyn std::io::Read + Send>)
            })
            .collect()
    }

    /// Waits for the commands. Each must have succeeded: half a dump is no dump.
    pub fn finish(mut self) -> Result<()> {
        for (_, program, child) in &mut self.0 {
            let status = child.wait().map_err(BackupError::CommandOutput)?;
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
