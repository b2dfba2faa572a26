//! The entries of the last generation, out of the host's copy of its entry stream.

use super::{BackupError, Result};
use crate::env::Env;
use crate::format::entry::{Entry, EntryHead, compare_paths, record_length};
use crate::host::files::open_own;
use crate::set::writer::SetWriter;
use crate::tripwire::PreviousContent;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// A file that was written this long before a run was not being written when the run read it. Nanoseconds.
const SETTLED: i128 = 600_000_000_000;

/// The last generation's entries, in their order.
pub struct PreviousEntries {
    stream: Option<BufReader<File>>,
    /// The record that was read last, without its length prefix.
    record: Vec<u8>,
    /// `record` was not returned yet.
    is_ahead: bool,
    /// When the run that wrote the stream began, in nanoseconds since 1970. Entries that changed then or later are read
    /// again.
    pub started: i64,
    /// Entries that have not changed are copied. Otherwise everything is read, and only compared with what was there.
    pub is_trusted: bool,
    /// What lies in places that cannot be read is copied. Otherwise it may point to what is damaged, or may not be referenced.
    pub may_be_taken_over: bool,
    /// There is no copy, and no power failure explains that.
    pub is_lost: bool,
}

impl PreviousEntries {
    /// The host's copy of the last entry stream if it is whole; otherwise none, and everything is read. `is_trusted`,
    /// `may_be_taken_over`: see the fields.
    pub fn of(set: &SetWriter, is_trusted: bool, may_be_taken_over: bool, env: &Env) -> Result<Self> {
        let none = Self {
            stream: None,
            record: Vec::new(),
            is_ahead: false,
            started: i64::MIN,
            is_trusted: true,
            may_be_taken_over,
            is_lost: false,
        };
        let Some(last) = &set.log.last else { return Ok(none) };
        // The name of the newer one may not have reached the disk. Of an adopted generation the host never had any.
        let is_lost = || {
            let next = set.host.state.next_entries();
            Ok::<_, BackupError>(
                last.entries_digest != [0; 32] && digest(&next, env)?.is_none_or(|(d, _)| d != last.entries_digest),
            )
        };
        let file = match digest(&set.host.state.entries(), env)? {
            Some((digest, file)) if digest == last.entries_digest => file,
            _ => return Ok(Self { is_trusted, is_lost: is_lost()?, ..none }),
        };
        let stream = BufReader::with_capacity(1 << 20, file);
        Ok(Self { stream: Some(stream), started: last.started, is_trusted, ..none })
    }

    /// Whether there is a copy to compare with.
    pub fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// Goes to the record of `path`, or to where it would be. Returns whether it is there. `passed` gets the records
    /// before it that nobody asked for, with their heads.
    pub fn seek(&mut self, path: &[u8], passed: &mut dyn FnMut(&EntryHead, &[u8]) -> Result<()>) -> Result<bool> {
        while self.peek() {
            let Some(head) = self.head() else { break };
            match compare_paths(head.path, path) {
                Ordering::Less => passed(&head, &self.record)?,
                Ordering::Equal => {
                    self.is_ahead = false;
                    return Ok(true);
                }
                Ordering::Greater => return Ok(false),
            }
            self.is_ahead = false;
        }
        Ok(false)
    }

    /// Goes to the end. `passed` gets the remaining records.
    pub fn finish(&mut self, passed: &mut dyn FnMut(&EntryHead, &[u8]) -> Result<()>) -> Result<()> {
        while self.peek() {
            let Some(head) = self.head() else { break };
            passed(&head, &self.record)?;
            self.is_ahead = false;
        }
        Ok(())
    }

    /// The record that [`Self::seek`] has found.
    pub fn record(&self) -> &[u8] {
        &self.record
    }

    /// Its head.
    pub fn head(&self) -> Option<EntryHead<'_>> {
        EntryHead::at(&self.record).ok()
    }

    /// Its content, if it is a file that could be read, and this program understands its record.
    pub fn content(&self) -> Option<PreviousContent> {
        let core = Entry::decode(&self.record).ok()?.0.core;
        let settled = core.mtime.as_nanoseconds() + SETTLED <= i128::from(self.started);
        PreviousContent::of(&core, settled)
    }

    /// Whether there is a next record, which is then in `record`. A stream that ends early or is damaged only means that
    /// more is read.
    fn peek(&mut self) -> bool {
        if !self.is_ahead {
            let Some(stream) = self.stream.as_mut() else { return false };
            let mut prefix = [0; 4];
            let record = &mut self.record;
            let read = stream.read_exact(&mut prefix).ok().and_then(|()| record_length(prefix).ok()).and_then(|n| {
                record.resize(n, 0);
                stream.read_exact(record).ok()
            });
            self.is_ahead = read.is_some() && EntryHead::at(&self.record).is_ok();
            if !self.is_ahead {
                self.stream = None;
                self.record.clear();
            }
        }
        self.is_ahead
    }
}

/// The BLAKE3 of a file of the host's own, and the file at its beginning. `None`: there is none that can be opened.
fn digest(path: &Path, env: &Env) -> Result<Option<([u8; 32], File)>> {
    let Ok(mut file) = open_own(path) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        if env.is_interrupted() {
            return Err(BackupError::Interrupted);
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => drop(hasher.update(&buffer[..n])),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(BackupError::HostFile(e)),
        }
    }
    file.rewind().map_err(BackupError::HostFile)?;
    Ok(Some((*hasher.finalize().as_bytes(), file)))
}
