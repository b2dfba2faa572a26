//! The sorted walk of the sources merged with the sorted entries of the last generation.
//!
//! An entry whose type, size, mtime, ctime and inode are unchanged is taken over as it is; the rest is described and read. Both
//! sides are read once, in order, in constant memory.

use super::batch::{Batch, HardLink, Item, Names, Verbatim};
use super::tally::Tally;
use super::worker::is_shared;
use super::{BackupError, Stop};
use crate::event::FindingKind;
use crate::format::cbor::Time;
use crate::format::entry::{Core, Entry, EntryHead, EntryKind, compare_paths, record_length};
use crate::pipeline::source::{ProblemKind, SourceTree, WalkedEntry};
use crate::tripwire::{PreviousContent, Watcher};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Entries in a batch.
const BATCH_ENTRIES: usize = 256;
/// Bytes to be read, or taken over, in a batch.
const BATCH_BYTES: u64 = 1 << 20;
/// Files with several names whose further names are awaited; beyond that a further name is read like a file of its own, which
/// stores nothing twice.
const LINKS_KEPT: usize = 100_000;
const SECOND: i128 = 1_000_000_000;
/// Linux stamps files with the time of its last tick, which comes 100 times a second at least. Nanoseconds.
const TICK: i128 = SECOND / 100;
/// FAT keeps times in steps of 2 seconds, or of 10 milliseconds.
const COARSE: i128 = 2 * SECOND;

/// The last generation's entry stream on the host.
pub struct Previous {
    stream: Option<BufReader<std::fs::File>>,
    record: Vec<u8>,
    /// Nanoseconds since 1970. Entries that changed then or later are read again.
    started: i64,
    /// Entries are taken over where nothing about them changed; else everything is read, and only compared with what was there.
    is_trusted: bool,
}

impl Previous {
    /// `started`: when the run that wrote the stream began, nanoseconds since 1970.
    pub fn new(stream: std::fs::File, started: i64) -> Self {
        Self { stream: Some(BufReader::with_capacity(1 << 20, stream)), record: Vec::new(), started, is_trusted: true }
    }

    /// Everything is read, whatever its times say: somebody may have set them.
    pub fn distrusted(self) -> Self {
        Self { is_trusted: false, ..self }
    }

    /// Nothing to merge with: everything is read.
    pub fn none() -> Self {
        Self { stream: None, record: Vec::new(), started: i64::MIN, is_trusted: true }
    }

    /// Goes to the next record. A stream that ends early or is damaged only means that more is read.
    fn advance(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let mut prefix = [0; 4];
        let read = stream.read_exact(&mut prefix).ok().and_then(|()| record_length(prefix).ok()).and_then(|n| {
            self.record.resize(n, 0);
            stream.read_exact(&mut self.record).ok()
        });
        if read.is_none() {
            self.stream = None;
            self.record.clear();
        }
        read.is_some()
    }
}

impl Previous {
    /// Goes on to the record of `path`, or to where it would be; whether it is there. Records passed over are `gone`.
    fn seek(&mut self, path: &[u8], there: &mut bool, gone: &dyn Fn(&EntryHead)) -> bool {
        while *there {
            let Ok(glance) = EntryHead::at(&self.record) else {
                *there = false;
                break;
            };
            match compare_paths(glance.path, path) {
                Ordering::Less => {
                    gone(&glance);
                    *there = self.advance();
                }
                Ordering::Equal => return true,
                Ordering::Greater => break,
            }
        }
        false
    }

    /// What was there at the path of the record at hand, if that was a file that could be read.
    fn before(&self) -> Option<PreviousContent> {
        let core = Entry::decode(&self.record).ok()?.0.core;
        let settled = core.mtime.as_nanoseconds() + SETTLED <= i128::from(self.started);
        core.blake3.map(|digest| PreviousContent { digest, size: core.size, settled })
    }
}

/// A file that was written this long before a run was not being written when the run read it. Nanoseconds.
const SETTLED: i128 = 600 * SECOND;

/// Where entries come from.
pub enum Origin<'t> {
    Tree(&'t SourceTree),
    /// A command whose standard output is one file; described, and running already.
    Command(Box<Core>, Box<dyn Read + Send>),
}

/// Walks the sources and sends batches in the order of the entry stream. Returns how many it sent.
pub fn merge(
    origins: Vec<Origin>,
    mut previous: Previous,
    with_sha256: bool,
    tally: &Tally,
    watcher: &Watcher,
    stop: &Stop,
    send: &mut dyn FnMut(Batch) -> Result<(), BackupError>,
) -> Result<u64, BackupError> {
    let mut out = Batches { send, sequence: 0, items: Vec::new(), entries: 0, bytes: 0 };
    let mut links = Links::default();
    let mut there = previous.advance();
    let gone = |g: &EntryHead| {
        tally.counts.gone.fetch_add(1, Relaxed);
        if g.kind == EntryKind::File {
            watcher.gone(g.path);
        }
    };
    for origin in origins {
        let tree = match origin {
            Origin::Tree(tree) => tree,
            Origin::Command(core, output) => {
                let known = previous.seek(&core.path, &mut there, &gone);
                let before = if known { previous.before() } else { None };
                let count = if known && previous.is_trusted { &tally.counts.changed } else { &tally.counts.new };
                for n in [count, &tally.counts.entries, &tally.counts.files] {
                    n.fetch_add(1, Relaxed);
                }
                if known {
                    there = previous.advance();
                }
                out.alone(Item::Stream(core, output, before))?;
                continue;
            }
        };
        let (mut files, mut bytes) = (0, 0);
        for found in tree.walk() {
            stop.check()?;
            let found = match found {
                Ok(found) => found,
                Err(p) => {
                    let kind = match p.kind {
                        ProblemKind::Vanished => FindingKind::Vanished,
                        ProblemKind::Skipped => FindingKind::MediumInSource,
                        _ => FindingKind::Unreadable,
                    };
                    tally.finding(kind, &p.path, p.to_string());
                    continue;
                }
            };
            let c = &tally.counts;
            c.entries.fetch_add(1, Relaxed);
            if found.stat.kind == EntryKind::File {
                c.files.fetch_add(1, Relaxed);
                c.bytes.fetch_add(found.stat.size, Relaxed);
                files += 1;
                bytes += found.stat.size;
            }
            let known = previous.seek(&found.path, &mut there, &gone);
            let before = if known { EntryHead::at(&previous.record).ok() } else { None };
            let (started, is_trusted) = (previous.started, previous.is_trusted);
            let unchanged = before.filter(|b| is_trusted && is_unchanged(b, &found, started, with_sha256));
            let (names, first) = links.name(&found);
            // What the last run said of the names of a file must still hold.
            let unchanged = unchanged.filter(|b| b.link_to == first.as_ref().map(|f| &f.0[..]));
            match (unchanged, before) {
                (Some(g), _) => {
                    c.unchanged.fetch_add(1, Relaxed);
                    out.verbatim(&previous.record, g.core_bytes as u32, names)?;
                }
                (None, before) => {
                    let count = if before.is_some() && is_trusted { &c.changed } else { &c.new };
                    count.fetch_add(1, Relaxed);
                    let before = before.filter(|b| b.kind == EntryKind::File).and_then(|_| previous.before());
                    match first {
                        Some((first, last)) => out.item(Item::Link(HardLink { path: found.path, first, last }), 0)?,
                        None if is_shared(&found.stat) => out.alone(Item::Read(found, names, before))?,
                        None if found.stat.kind == EntryKind::File => {
                            let bytes = found.stat.size;
                            out.item(Item::Read(found, names, before), bytes)?;
                        }
                        None => match tree.describe(&found) {
                            Ok(described) => {
                                for lack in described.lacks {
                                    tally.finding(FindingKind::Unreadable, &lack.path, lack.to_string());
                                }
                                out.item(Item::Ready(Box::new(described.core), names), 0)?;
                            }
                            Err(p) => tally.finding(FindingKind::Unreadable, &p.path, p.to_string()),
                        },
                    }
                }
            }
            if known {
                there = previous.advance();
            }
        }
        watcher.there(tree.name(), files, bytes);
    }
    while there {
        if let Ok(glance) = EntryHead::at(&previous.record) {
            gone(&glance);
        }
        there = previous.advance();
    }
    out.flush()?;
    Ok(out.sequence)
}

/// Whether an entry changed so shortly before the last run that a later change could have left the same time.
fn is_racy(ctime: Time, started: i64) -> bool {
    let stamp = ctime.as_nanoseconds();
    let step = if stamp % TICK == 0 { COARSE } else { 2 * TICK };
    stamp + step >= started.into()
}

fn is_unchanged(before: &EntryHead, found: &WalkedEntry, started: i64, with_sha256: bool) -> bool {
    let s = &found.stat;
    before.good
        && before.kind == s.kind
        && before.inode == s.inode
        && before.mtime == s.mtime
        && before.ctime == s.ctime
        && !is_racy(before.ctime, started)
        && (s.kind != EntryKind::File || before.size == s.size && before.has_sha256 == with_sha256)
}

/// Files with several names: the first name in the order of the walk stands for the file.
#[derive(Default)]
struct Links {
    /// By device and inode: the first name, and how many further ones are still to come.
    first: HashMap<(u64, u64), (Name, u64)>,
}

type Name = Arc<[u8]>;

impl Links {
    /// Whether this is the first of several names; or, if it is a further one, the first name and whether this is the last.
    fn name(&mut self, found: &WalkedEntry) -> (Names, Option<(Name, bool)>) {
        let s = &found.stat;
        if s.nlink < 2 || s.kind == EntryKind::Directory {
            return (Names::One, None);
        }
        let key = (s.device, s.inode);
        if let Some((first, left)) = self.first.get_mut(&key) {
            let first = first.clone();
            *left -= 1;
            let last = *left == 0;
            if last {
                self.first.remove(&key);
            }
            return (Names::One, Some((first, last)));
        }
        if self.first.len() >= LINKS_KEPT {
            return (Names::One, None);
        }
        self.first.insert(key, (found.path.as_slice().into(), s.nlink - 1));
        (Names::First, None)
    }
}

struct Batches<'a> {
    send: &'a mut dyn FnMut(Batch) -> Result<(), BackupError>,
    sequence: u64,
    items: Vec<Item>,
    entries: usize,
    bytes: u64,
}

impl Batches<'_> {
    fn verbatim(&mut self, record: &[u8], core_bytes: u32, names: Names) -> Result<(), BackupError> {
        if names == Names::First || !matches!(self.items.last(), Some(Item::Verbatim(Verbatim { names: Names::One, .. }))) {
            self.items.push(Item::Verbatim(Verbatim { names, ..Verbatim::default() }));
        }
        let Some(Item::Verbatim(v)) = self.items.last_mut() else { unreachable!("just pushed") };
        v.bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        v.bytes.extend_from_slice(record);
        v.records.push((record.len() as u32, core_bytes));
        // Taken over without work: a batch holds more of them.
        self.bytes += record.len() as u64 * 4;
        self.full()
    }

    fn item(&mut self, item: Item, bytes: u64) -> Result<(), BackupError> {
        self.items.push(item);
        self.entries += 1;
        self.bytes += bytes;
        self.full()
    }

    fn alone(&mut self, item: Item) -> Result<(), BackupError> {
        self.flush()?;
        self.items.push(item);
        self.flush()
    }

    fn full(&mut self) -> Result<(), BackupError> {
        if self.entries >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), BackupError> {
        if self.items.is_empty() {
            return Ok(());
        }
        let batch = Batch { sequence: self.sequence, items: std::mem::take(&mut self.items) };
        self.sequence += 1;
        (self.entries, self.bytes) = (0, 0);
        (self.send)(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_a_moment_before_a_run_is_read_again() {
        let racy = |seconds, nanoseconds| is_racy(Time { seconds, nanoseconds }, 1_000_000_000_000);
        assert!(racy(1_000, 1) && racy(1_001, 0) && racy(999, 980_000_001));
        assert!(!racy(999, 979_999_999) && !racy(998, 123_456_789));
        // A file system with coarse times.
        assert!(racy(998, 0) && racy(999, 0) && racy(998, 20_000_000));
        assert!(!racy(997, 990_000_000) && !racy(997, 0));
        assert!(
            !is_racy(Time { seconds: i64::MIN, nanoseconds: 1 }, 0) && is_racy(Time { seconds: i64::MAX, nanoseconds: 1 }, 0)
        );
    }
}
