//! The two sides of a comparison, each in the order of the entry stream.

use super::Result;
use super::difference::FileSummary;
use super::scope::{Scope, scope_of};
use crate::format::entry::{Entry, EntryKind, RefusedEntry};
use crate::generation::{Generation, GenerationError};
use crate::pipeline::source::{Problem, ProblemKind, Walk, WalkedEntry};
use crossbeam_channel::{Receiver, bounded};
use std::thread::{Scope as ThreadScope, ScopedJoinHandle};

/// Items that the reading thread sends at once, or bytes of their records, and how many such chunks may wait.
const CHUNK_ITEMS: usize = 256;
const CHUNK_BYTES: usize = 1 << 20;
const QUEUED_CHUNKS: usize = 16;

enum StreamItem {
    Record(Recorded),
    /// Records are lost here.
    Gap,
    Failed(GenerationError),
}

/// What a generation says of a path.
pub(super) enum Recorded {
    Entry(Box<Entry>),
    /// The entry is refused: nothing can be compared with it.
    Refused(Vec<u8>),
}

impl Recorded {
    fn of(entry: std::result::Result<Entry, RefusedEntry>) -> Self {
        entry.map_or_else(|refused| Self::Refused(refused.path), |entry| Self::Entry(Box::new(entry)))
    }

    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Entry(e) => &e.core.path,
            Self::Refused(path) => path,
        }
    }
}

/// A generation's records, read by a thread of their own: to decrypt and decode them takes as long as the walk does.
pub(super) struct RecordStream {
    receiver: Receiver<Vec<StreamItem>>,
    chunk: std::vec::IntoIter<StreamItem>,
    head: Option<Recorded>,
    is_behind_gap: bool,
}

impl RecordStream {
    /// Starts the thread, which reads the records of the compared sources and ends with the number of records lost.
    pub(super) fn spawn<'s, 'e>(
        generation: &'s Generation<'s>,
        scopes: &'s [Scope],
        threads: &'s ThreadScope<'s, 'e>,
    ) -> (Self, ScopedJoinHandle<'s, u64>) {
        let (sender, receiver) = bounded(QUEUED_CHUNKS);
        let thread = threads.spawn(move || {
            let mut entries = generation.entries().past_damage();
            let mut chunk = Vec::with_capacity(CHUNK_ITEMS);
            let (mut is_connected, mut chunk_bytes) = (true, 0);
            while let Some(record) = entries.next() {
                if entries.is_behind_gap() {
                    chunk.push(StreamItem::Gap);
                }
                chunk_bytes += entries.encoded().len();
                match record {
                    Ok(r) if scope_of(scopes, r.path()).is_some() => chunk.push(StreamItem::Record(Recorded::of(r.entry))),
                    Ok(_) => {}
                    Err(e) => chunk.push(StreamItem::Failed(e)),
                }
                if chunk.len() >= CHUNK_ITEMS || chunk_bytes >= CHUNK_BYTES {
                    chunk_bytes = 0;
                    is_connected = sender.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ITEMS))).is_ok();
                    if !is_connected {
                        break;
                    }
                }
            }
            if entries.gaps().last().is_some_and(|g| g.before.is_empty()) {
                chunk.push(StreamItem::Gap);
            }
            if is_connected {
                // The receiver may be gone already: the comparison has failed for another reason.
                let _ = sender.send(chunk);
            }
            if entries.gaps().is_empty() { 0 } else { entries.expected().saturating_sub(entries.seen()) }
        });
        (Self { receiver, chunk: Vec::new().into_iter(), head: None, is_behind_gap: false }, thread)
    }

    /// The record that comes next.
    pub(super) fn head(&self) -> Option<&Recorded> {
        self.head.as_ref()
    }

    /// Whether records before the head are lost. A file without a record may have had one there.
    pub(super) fn is_behind_gap(&self) -> bool {
        self.is_behind_gap
    }

    /// Returns the head, and moves on to the next record.
    pub(super) fn advance(&mut self) -> Result<Option<Recorded>> {
        let old_head = self.head.take();
        self.is_behind_gap = false;
        loop {
            match self.chunk.next() {
                Some(StreamItem::Record(record)) => {
                    self.head = Some(record);
                    break;
                }
                Some(StreamItem::Gap) => self.is_behind_gap = true,
                Some(StreamItem::Failed(e)) => return Err(e.into()),
                None => match self.receiver.recv() {
                    Ok(chunk) => self.chunk = chunk.into_iter(),
                    Err(_) => break,
                },
            }
        }
        Ok(old_head)
    }
}

/// An entry of the side that is compared with the reference generation.
pub(super) enum OtherEntry {
    Walked(WalkedEntry),
    Recorded(Box<Entry>),
}

impl OtherEntry {
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Walked(w) => &w.path,
            Self::Recorded(e) => &e.core.path,
        }
    }

    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Self::Walked(w) => w.stat.kind,
            Self::Recorded(e) => e.core.kind,
        }
    }

    /// What is known of it before its content is read.
    pub(super) fn summary(&self) -> FileSummary {
        match self {
            Self::Walked(w) => {
                let size = if w.stat.kind == EntryKind::File { w.stat.size } else { 0 };
                FileSummary { kind: w.stat.kind, size, content: None }
            }
            Self::Recorded(e) => FileSummary::recorded(&e.core),
        }
    }
}

/// What comes next on the side that is compared with the reference generation.
pub(super) enum OtherItem {
    Entry(OtherEntry),
    /// An entry, or everything below it, that could not be looked at.
    Problem(Problem),
    /// An entry of a generation that is refused.
    Refused(Vec<u8>),
}

impl OtherItem {
    pub(super) fn path(&self) -> &[u8] {
        match self {
            Self::Entry(e) => e.path(),
            Self::Problem(p) => &p.path,
            Self::Refused(path) => path,
        }
    }
}

/// The side that is compared with the reference generation.
pub(super) enum OtherSide<'s> {
    Records(RecordStream),
    Trees { scopes: std::slice::Iter<'s, Scope>, walk: Option<Box<Walk<'s>>> },
}

impl<'s> OtherSide<'s> {
    pub(super) fn trees(scopes: &'s [Scope]) -> Self {
        Self::Trees { scopes: scopes.iter(), walk: None }
    }

    /// Whether an entry that is not on this side may have been lost in damage. Valid after [`Self::next`].
    pub(super) fn is_behind_gap(&self) -> bool {
        matches!(self, Self::Records(r) if r.is_behind_gap())
    }

    pub(super) fn next(&mut self) -> Result<Option<OtherItem>> {
        match self {
            Self::Records(records) => {
                records.advance()?;
                Ok(records.head.take().map(|record| match record {
                    Recorded::Entry(e) => OtherItem::Entry(OtherEntry::Recorded(e)),
                    Recorded::Refused(path) => OtherItem::Refused(path),
                }))
            }
            Self::Trees { scopes, walk } => loop {
                match walk.as_mut().and_then(|w| w.next()) {
                    Some(Ok(walked)) => return Ok(Some(OtherItem::Entry(OtherEntry::Walked(walked)))),
                    // A vanished entry counts as missing. A skipped one is in no backup either.
                    Some(Err(p)) if matches!(p.kind, ProblemKind::Vanished | ProblemKind::Skipped) => {}
                    Some(Err(p)) => return Ok(Some(OtherItem::Problem(p))),
                    None => {
                        let Some(scope) = scopes.next() else { return Ok(None) };
                        *walk = scope.tree.as_ref().map(|t| Box::new(t.walk()));
                    }
                }
            },
        }
    }
}
