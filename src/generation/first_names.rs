//! Further names (hard links) compared with the first name of their file.
//!
//! No record says whether further names follow it. So the first names are looked up when a further one is met: a few by
//! a search in the stream, and if there are more, all in two passes over it. A generation without hard links costs
//! nothing, and memory grows only with the names that are linked to.

use super::entries::is_unread;
use super::raw::RawRecords;
use super::{Generation, Result};
use crate::format::Malformed;
use crate::format::entry::{Entry, EntryHead, Record, RefusedEntry};
use std::collections::HashMap;

/// First names that are searched for one by one. Each takes a dozen frames.
const MOST_SEARCHES: usize = 16;

/// The first half of a digest. 128 bits keep two paths or records apart even if somebody crafts them.
type ShortDigest = [u8; 16];

fn short(digest: &[u8; 32]) -> ShortDigest {
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// What the stream says of a path that a further name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstName {
    /// Its record has this [`Entry::inode_digest`].
    Good(ShortDigest),
    /// It is refused, or is itself a further name.
    Bad,
    /// Only a newer program knows it.
    Newer,
    /// It has no record.
    Missing,
    /// Its record may be lost in damage.
    Unknown,
}

impl FirstName {
    fn of(record: &Record) -> Self {
        match &record.entry {
            Ok(entry) if entry.core.link_to.is_none() => Self::Good(short(&entry.inode_digest())),
            Err(refused) if refused.is_newer() => Self::Newer,
            _ => Self::Bad,
        }
    }
}

/// The first names that were looked up so far, by the digests of their paths.
#[derive(Default)]
pub(super) struct FirstNames {
    known: HashMap<ShortDigest, FirstName>,
    /// What is not in `known`, now that it contains all first names.
    others: Option<FirstName>,
}

impl FirstNames {
    fn find(&mut self, generation: &Generation, path: &[u8]) -> Result<FirstName> {
        let key = short(blake3::hash(path).as_bytes());
        if let Some(found) = self.known.get(&key).copied().or(self.others) {
            return Ok(found);
        }
        if generation.medium.is_sequential() || self.known.len() >= MOST_SEARCHES {
            self.read_all(generation)?;
            return Ok(self.known.get(&key).copied().or(self.others).unwrap_or(FirstName::Unknown));
        }
        let searched = generation.entry_frames().and_then(|mut frames| frames.record(path));
        let found = match searched {
            Ok(Some(record)) => FirstName::of(&record),
            Ok(None) => FirstName::Missing,
            Err(e) if is_unread(&e) => generation.is_there().map(|()| FirstName::Unknown)?,
            Err(e) => return Err(e),
        };
        self.known.insert(key, found);
        Ok(found)
    }

    /// Finds out which paths further names lead to, and reads their records.
    fn read_all(&mut self, generation: &Generation) -> Result<()> {
        self.known.clear();
        let mut has_gaps = false;
        each_record(generation, &mut has_gaps, |record| {
            if let Ok(EntryHead { link_to: Some(first), .. }) = EntryHead::at(record) {
                self.known.insert(short(blake3::hash(first).as_bytes()), FirstName::Missing);
            }
        })?;
        if !self.known.is_empty() {
            each_record(generation, &mut has_gaps, |record| {
                let Ok(record) = Record::decode(record) else { return };
                if let Some(first) = self.known.get_mut(&short(blake3::hash(record.path()).as_bytes())) {
                    *first = FirstName::of(&record);
                }
            })?;
        }
        let others = if has_gaps { FirstName::Unknown } else { FirstName::Missing };
        self.known.values_mut().filter(|first| **first == FirstName::Missing).for_each(|first| *first = others);
        self.others = Some(others);
        Ok(())
    }
}

/// Calls `on_record` with every record that can be read.
fn each_record(generation: &Generation, has_gaps: &mut bool, mut on_record: impl FnMut(&[u8])) -> Result<()> {
    let mut raw = RawRecords::all(generation);
    loop {
        match raw.advance() {
            Ok(true) => on_record(raw.record()),
            Ok(false) => return Ok(()),
            Err(e) if is_unread(&e) => {
                generation.is_there()?;
                *has_gaps = true;
                raw.resume();
            }
            Err(e) => return Err(e),
        }
    }
}

impl Generation<'_> {
    /// Compares the record of a further name with that of the first one. Where damage hides the first one, nothing speaks
    /// against the further one.
    pub(super) fn check_link(&self, entry: Entry) -> Result<std::result::Result<Entry, RefusedEntry>> {
        let Some(first) = &entry.core.link_to else { return Ok(Ok(entry)) };
        let wrong = |why: &str| Malformed::new("entry", why);
        let why = match self.first_names.lock().find(self, first)? {
            FirstName::Unknown => return Ok(Ok(entry)),
            FirstName::Good(digest) if digest == short(&entry.inode_digest()) => return Ok(Ok(entry)),
            FirstName::Good(_) => wrong("it contradicts the first name of its file"),
            FirstName::Bad | FirstName::Missing => wrong("it leads to no first name of its file"),
            FirstName::Newer => Malformed::Unknown { what: "entry", why: "the first name of its file".into() },
        };
        Ok(Err(RefusedEntry { path: entry.core.path, kind: Some(entry.core.kind), why }))
    }
}
