//! What this host remembers of content, whichever set it was stored in: since when a source has been the same, which files
//! were dumps, and what canaries contain.
//!
//! Each set's folder has a file of it (`contents`), and a run reads those of all sets: a disk that is new knows, too. It is a
//! cache: without it, tonight is the first night for what is judged by it.

use super::Result;
use crate::event::FindingKind;
use crate::format::entry::{ContentId, Entry, EntryKind};
use crate::host::state::{SetState, StateDir};
use crate::tripwire::canaries::CanaryDigest;
use crate::tripwire::dump::kind_of_dump;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Dumps that are remembered, the last seen first.
const DUMPS: usize = 1_000;
/// Canaries that are remembered, the last read first.
const CANARIES: usize = 10_000;
/// A dump of fewer bytes than one in so many of the last one is not what it was.
const FRACTION: u64 = 20;
/// Bytes of a dump from which on a fraction of it says something.
const LEAST_BYTES: u64 = 16 << 10;

/// The content of a source, and since when it is what it is. Times are in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SameContent {
    source: Vec<u8>,
    digest: [u8; 32],
    since: i64,
    seen: i64,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownDump {
    path: Vec<u8>,
    /// It began like a dump. If not, somebody has announced that.
    is_dump: bool,
    bytes: u64,
    seen: i64,
    /// What was read last was not as a dump has to be. The other fields are of the last one that was, if there was one.
    #[serde(default)]
    is_doubtful: bool,
}

/// A canary, as it was read last without an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownCanary {
    path: Vec<u8>,
    digest: CanaryDigest,
    seen: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    sources: Vec<SameContent>,
    dumps: Vec<KnownDump>,
    #[serde(default)]
    canaries: Vec<KnownCanary>,
}

/// What all sets of the host remember, and what tonight adds.
#[derive(Default)]
pub struct HostContents {
    sources: BTreeMap<Vec<u8>, SameContent>,
    dumps: BTreeMap<Vec<u8>, KnownDump>,
    doubtful: BTreeSet<Vec<u8>>,
    canaries: BTreeMap<Vec<u8>, KnownCanary>,
    tonight: Mutex<BTreeMap<Vec<u8>, KnownDump>>,
    is_announced: bool,
    now: i64,
}

impl HostContents {
    /// `now`: seconds since 1970. `is_announced`: somebody has announced that much changes.
    pub fn of(state: &StateDir, now: i64, is_announced: bool) -> Self {
        let mut all = Self { is_announced, now, ..Self::default() };
        for set in state.sets() {
            let known: Option<Remembered> = set.contents().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let known = known.unwrap_or_default();
            // What a clock that was ahead has left says nothing.
            for source in known.sources.into_iter().filter(|s| s.seen <= now) {
                if all.sources.get(&source.source).is_none_or(|newest| newest.seen < source.seen) {
                    all.sources.insert(source.source.clone(), source);
                }
            }
            for dump in known.dumps.into_iter().filter(|d| d.seen <= now) {
                if all.dumps.get(&dump.path).is_none_or(|newest| newest.seen < dump.seen) {
                    all.dumps.insert(dump.path.clone(), dump);
                }
            }
            for canary in known.canaries.into_iter().filter(|c| c.seen <= now) {
                if all.canaries.get(&canary.path).is_none_or(|newest| newest.seen < canary.seen) {
                    all.canaries.insert(canary.path.clone(), canary);
                }
            }
        }
        all.doubtful = all.dumps.values().filter(|dump| dump.is_doubtful).map(|dump| dump.path.clone()).collect();
        all
    }

    /// Whether what was read last of the dump at this path was none: it is read again, also when it has not changed, so that it is
    /// told again.
    pub fn is_doubtful(&self, path: &[u8]) -> bool {
        self.doubtful.contains(path)
    }

    /// What was read of the dump at this path is none.
    pub fn doubt(&self, path: &[u8]) {
        let first = || KnownDump { path: path.to_vec(), is_dump: false, bytes: 0, seen: 0, is_doubtful: true };
        let last = self.dumps.get(path).cloned().unwrap_or_else(first);
        self.tonight.lock().insert(path.to_vec(), KnownDump { seen: self.now, is_doubtful: true, ..last });
    }

    /// Whether a file of this path was a dump.
    pub fn was_dump(&self, path: &[u8]) -> bool {
        self.dumps.get(path).is_some_and(|known| known.is_dump)
    }

    /// Judges a file or an output that was read, which begins with `head`, by the last one. What is found is told each
    /// time it is read, until the dump is one again or somebody announces that it is none.
    pub fn judge_dump(&self, path: &[u8], bytes: u64, head: &[u8]) -> Option<(FindingKind, String)> {
        let is_dump = kind_of_dump(head).is_some();
        let known = self.dumps.get(path).filter(|known| known.is_dump);
        if let Some(before) = known.filter(|_| !self.is_announced) {
            if !is_dump {
                return Some((FindingKind::NoDump, String::new()));
            }
            if before.bytes >= LEAST_BYTES && bytes < before.bytes / FRACTION {
                return Some((FindingKind::DumpShrank, format!("{bytes} of {} bytes", before.bytes)));
            }
        }
        if is_dump || known.is_some() || self.is_doubtful(path) {
            let dump = KnownDump { path: path.to_vec(), is_dump, bytes, seen: self.now, is_doubtful: false };
            self.tonight.lock().insert(path.to_vec(), dump);
        }
        None
    }

    /// What the canaries with these paths contain, where it is known.
    pub fn canaries(&self, paths: &[Vec<u8>]) -> BTreeMap<Vec<u8>, CanaryDigest> {
        paths.iter().filter_map(|path| Some((path.clone(), self.canaries.get(path)?.digest))).collect()
    }

    /// Remembers what canaries contain.
    pub fn learn_canaries(&mut self, read: Vec<(Vec<u8>, CanaryDigest)>) {
        let seen = self.now;
        self.canaries.extend(read.into_iter().map(|(path, digest)| (path.clone(), KnownCanary { path, digest, seen })));
    }

    /// Since when the content of a source has been what it is tonight, in seconds since 1970.
    pub fn same_since(&mut self, source: &[u8], digest: [u8; 32]) -> i64 {
        let before = self.sources.get(source).filter(|before| before.digest == digest);
        let since = before.map_or(self.now, |before| before.since.min(self.now));
        let same = SameContent { source: source.to_vec(), digest, since, seen: self.now };
        self.sources.insert(source.to_vec(), same);
        since
    }

    /// Keeps all of it for the next run, of whichever set.
    pub fn put(mut self, state: &SetState) -> Result<()> {
        self.dumps.append(&mut self.tonight.into_inner());
        let mut dumps: Vec<KnownDump> = self.dumps.into_values().collect();
        dumps.sort_by_key(|dump| std::cmp::Reverse(dump.seen));
        dumps.truncate(DUMPS);
        let sources: Vec<SameContent> = self.sources.into_values().collect();
        let mut canaries: Vec<KnownCanary> = self.canaries.into_values().collect();
        canaries.sort_by_key(|canary| std::cmp::Reverse(canary.seen));
        canaries.truncate(CANARIES);
        if sources.is_empty() && dumps.is_empty() && canaries.is_empty() && state.contents().is_none() {
            return Ok(());
        }
        Ok(state.put_contents(&serde_json::to_vec(&Remembered { sources, dumps, canaries }).unwrap_or_default())?)
    }
}

/// Digests of the content of some sources, out of the records of the entry stream.
#[derive(Default)]
pub struct SourceDigests(Vec<SourceDigest>);

struct SourceDigest {
    source: Vec<u8>,
    hasher: blake3::Hasher,
    files: u64,
    /// The content of each file is known.
    is_whole: bool,
}

impl SourceDigests {
    /// For these sources.
    pub fn of<'s>(sources: impl Iterator<Item = &'s [u8]>) -> Self {
        let one = |name: &[u8]| SourceDigest { source: name.to_vec(), hasher: blake3::Hasher::new(), files: 0, is_whole: true };
        Self(sources.map(one).collect())
    }

    /// Adds a record, without its length prefix, of the entry at `path`.
    pub fn add(&mut self, path: &[u8], record: &[u8]) {
        let lies_in =
            |s: &&mut SourceDigest| path.strip_prefix(&s.source[..]).is_some_and(|r| matches!(r.first(), None | Some(b'/')));
        let Some(source) = self.0.iter_mut().find(lies_in) else { return };
        let Ok((entry, _)) = Entry::decode(record) else { return source.is_whole = false };
        if entry.core.kind != EntryKind::File {
            return;
        }
        source.files += 1;
        source.hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
        match entry.core.content_id() {
            Some(ContentId::Whole(blake3)) => drop(source.hasher.update(&blake3)),
            Some(ContentId::Stored { blake3, holes }) => drop(source.hasher.update(&blake3).update(&holes)),
            None => source.is_whole = false,
        }
    }

    /// Of each source whose content is known, and is not nothing.
    pub fn finish(self) -> Vec<(Vec<u8>, [u8; 32])> {
        let known = self.0.into_iter().filter(|s| s.is_whole && s.files > 0);
        known.map(|s| (s.source, *s.hasher.finalize().as_bytes())).collect()
    }
}
