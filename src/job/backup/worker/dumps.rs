//! Dumps of databases: the output of commands, and files.

use super::{Worker, WorkerContext};
use crate::buffer::Buffer;
use crate::event::FindingKind;
use crate::format::entry::{ContentState, Core};
use crate::job::backup::command::{CommandLine, RunningCommand};
use crate::job::backup::large_file::{ChunkRun, LargeFile};
use crate::job::backup::reading::{ReadFailure, UNKNOWN_SIZE};
use crate::job::backup::{BackupError, Result};
use crate::tripwire::content::ContentSample;
use crate::tripwire::dump::is_dump;
use crossbeam_channel::Sender;
use std::io;
use std::sync::Arc;

impl Worker<'_> {
    /// Runs a command and reads its output; the runs are stored by whichever worker is free. Of a command that fails the
    /// entry has no content, and the others have their night.
    pub(super) fn share_output(
        &mut self,
        mut core: Box<Core>,
        line: CommandLine,
        large: &Arc<LargeFile>,
        send_run: &Sender<ChunkRun>,
    ) -> Result<()> {
        let WorkerContext { watcher, tally, stop, failed, contents, .. } = *self.context;
        let mut sample = watcher.sample(&core.path, large.facts.previous.as_ref());
        match self.share_command(&mut core, line, &mut sample, large, send_run) {
            Ok(failed_check) => {
                tally.add_size(core.size);
                watcher.there(&core.path, 1, core.size);
                if sample.is_nothing() {
                    tally.finding(FindingKind::SourceEmpty, &core.path, nothing(core.size).into());
                } else if sample.is_cut_off() {
                    tally.finding(FindingKind::DumpCutOff, &core.path, String::new());
                } else if let Some((kind, detail)) = contents.judge_dump(&core.path, core.size, sample.head()) {
                    tally.finding(kind, &core.path, detail);
                }
                if let Some(why) = failed_check {
                    tally.finding(FindingKind::CheckFailed, &core.path, why);
                }
            }
            // It failed because the run ends.
            Err(e) => {
                stop.check()?;
                if !e.is_of_command() {
                    return Err(e);
                }
                (core.size, core.digests, core.state) = (0, None, ContentState::Unreadable { errno: 0 });
                watcher.is_absent(&core.path);
                tally.finding(FindingKind::CommandFailed, &core.path, e.reason());
                failed.lock().push(e);
            }
        }
        self.finish_reading(large, core, sample)
    }

    /// Returns why the command's own check of its output failed, if it did.
    fn share_command(
        &mut self,
        core: &mut Core,
        line: CommandLine,
        sample: &mut ContentSample,
        large: &Arc<LargeFile>,
        send_run: &Sender<ChunkRun>,
    ) -> Result<Option<String>> {
        let WorkerContext { stop, pack_hasher, .. } = *self.context;
        let mut command = RunningCommand::start(line)?;
        core.size = UNKNOWN_SIZE;
        let mut input = |buffer: &mut Buffer, want, _| {
            let filled = buffer.fill(want, |room, _| {
                loop {
                    match command.read(room, &|| stop.check().is_err()) {
                        // A command that writes nothing for a while: no pack waits for what it may never say.
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock && stop.check().is_ok() && pack_hasher.flush() => {}
                        read => return read,
                    }
                }
            });
            filled.map_err(|e| ReadFailure::Run(stop.check().err().unwrap_or(BackupError::CommandOutput(e))))
        };
        match self.share_runs(&mut input, core, sample, large, send_run) {
            Ok(()) => command.finish(&|| stop.check()),
            Err(ReadFailure::Run(e)) => Err(e),
            Err(ReadFailure::Source(_)) => unreachable!("a command's output fails as a whole"),
        }
    }

    /// Reports a dump that is nothing, was cut off, or is not what it was. `is_source`: the file is all of its source; one of 0 bytes is
    /// then reported as a source without content.
    pub(super) fn judge_dump(&self, path: &[u8], size: u64, sample: &ContentSample, is_source: bool) {
        let WorkerContext { tally, contents, .. } = *self.context;
        if !is_dump(path) && !contents.was_dump(path) {
            return;
        }
        let found = if sample.is_nothing() && !(is_source && size == 0) {
            Some((FindingKind::EmptyDump, nothing(size).into()))
        } else if sample.is_cut_off() {
            Some((FindingKind::DumpCutOff, String::new()))
        } else {
            contents.judge_dump(path, size, sample.head())
        };
        if let Some((kind, detail)) = found {
            tally.finding(kind, path, detail);
            contents.doubt(path);
        }
    }
}

/// How nothing is told.
fn nothing(bytes: u64) -> &'static str {
    if bytes == 0 { "0 bytes" } else { "no content" }
}
