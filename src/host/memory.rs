//! Whether what the host remembers of a set's sources and of its last generation is there, can be read, and is not older than that
//! generation.

use super::files::{STATE_BYTES, open_own, read_own};
use super::nights::SealedNight;
use super::roots::SourceRoots;
use super::state::SetState;
use crate::format::entry::{EntryHead, record_length};
use crate::format::watch;
use std::collections::BTreeSet;
use std::io::{self, Read};

/// An alarm, as far as it matters here.
#[derive(serde::Deserialize)]
struct RaisedIn {
    generation: u64,
}

/// Files that may have nothing to say: without a source that is a folder there are no roots, and without dumps, canaries or
/// expected changes there is no content to remember. That there was something, the log of nights tells.
const NOT_ALWAYS: [&str; 2] = ["contents", "roots"];

impl SetState {
    /// Those of these files that have something.
    pub fn memory(&self) -> Vec<String> {
        let has_some = |name: &&&str| self.folder().join(name).metadata().is_ok_and(|m| m.len() > 0);
        NOT_ALWAYS.iter().filter(has_some).map(|name| (*name).to_owned()).collect()
    }

    /// Whether such a file is gone or empty that had something after `night`, the last one of the set.
    pub fn has_forgotten(&self, night: &SealedNight) -> bool {
        let is_lost = |name: &&str| match self.folder().join(name).metadata() {
            Ok(file) => file.len() == 0,
            Err(e) => e.kind() == io::ErrorKind::NotFound,
        };
        NOT_ALWAYS.iter().filter(|name| night.memory.iter().any(|had| had == *name)).any(is_lost)
    }

    /// The generations in which the tripwires raised alarms, as far as they are kept. A run notes them before it seals.
    pub fn alarmed_generations(&self) -> BTreeSet<u64> {
        let alarms = self.alarms().and_then(|bytes| serde_json::from_slice::<Vec<RaisedIn>>(&bytes).ok());
        alarms.unwrap_or_default().iter().map(|a| a.generation).collect()
    }

    /// Whether the host knows how the sources of a set usually are, up to its last generation. A run notes its night before it seals.
    pub fn knows_sources(&self, last: u64) -> bool {
        let is_watch_whole = self.watch().is_some_and(|bytes| watch::decode(&bytes).is_ok());
        let newest = self.watched_generation().filter(|_| is_watch_whole);
        let are_contents = self.contents().is_none_or(|text| serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        newest.is_some_and(|newest| newest >= last) && are_contents && self.are_roots_whole()
    }

    fn are_roots_whole(&self) -> bool {
        let bytes = read_own(&self.folder().join("roots"), STATE_BYTES).unwrap_or_default();
        SourceRoots::decode(&bytes).encode().len() == bytes.len()
    }

    /// Whether the entries of the last generation are there, as far as their beginning tells. Which generation they are of, only
    /// reading all of them shows.
    pub fn knows_entries(&self) -> bool {
        self.has_new_entries() || !matches!(self.first_entry(), Ok(false))
    }

    /// Whether the file with the entries begins with one. An error: it cannot be read here.
    fn first_entry(&self) -> io::Result<bool> {
        let mut file = match open_own(&self.entries()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let mut prefix = [0; 4];
        let mut record = Vec::new();
        let read = file.read_exact(&mut prefix).and_then(|()| {
            record.resize(record_length(prefix).map_err(|_| io::ErrorKind::InvalidData)?, 0);
            file.read_exact(&mut record)
        });
        Ok(read.is_ok() && EntryHead::at(&record).is_ok())
    }
}
