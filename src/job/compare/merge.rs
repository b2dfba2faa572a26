//! Merges the reference generation's records with the other side. What is on both sides becomes a pair to be compared;
//! what is on one side is missing or added.

use super::difference::{Class, ClassifiedFile, ComparisonCounts, Difference, FileSummary, Reason};
use super::scope::{Scope, scope_of};
use super::sides::{OtherEntry, OtherItem, OtherSide, RecordStream, Recorded};
use super::{CompareError, Result};
use crate::format::entry::{Entry, EntryKind, compare_paths};
use crate::format::manifest::Rules;
use crate::format::rules::{Allowed, allowed, differ_in_flag, flag};
use crate::generation::is_within;
use crate::pipeline::source::Problem;
use std::cmp::Ordering;

/// A batch is full when it has this many files, or this many bytes to be read and of paths. The last file may exceed the bytes.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 4 << 20;
/// Files of one SS-MIX2 record with its flags that wait for a pair. A storage that follows the rules has a few.
const MAX_UNPAIRED: usize = 10_000;

/// What a worker gets at once.
pub(super) struct TaskBatch {
    /// By the order of the entry stream, from 0.
    pub(super) sequence: u32,
    pub(super) tasks: Vec<FileTask>,
}

pub(super) enum FileTask {
    /// Nothing has to be read.
    Classified(Box<ClassifiedFile>),
    /// A folder on both sides, whose attributes are to be compared.
    Folder(Box<FilePair>),
    Pair(Box<FilePair>),
}

/// A file on both sides, under one path or under two paths that differ in the flag.
pub(super) struct FilePair {
    pub(super) old: Box<Entry>,
    pub(super) new: OtherEntry,
    pub(super) allowed: Allowed,
}

/// See [`Merge::run`].
pub(super) struct Merge<'a> {
    scopes: &'a [Scope],
    exact: bool,
    /// Sends a batch to the workers. Returns false if they accept no more.
    send: &'a dyn Fn(TaskBatch) -> bool,
    batch: TaskBatch,
    batch_bytes: u64,
    counts: ComparisonCounts,
    /// Folders above the present path that could not be listed completely, each with Linux's error number.
    unlisted: Vec<(Vec<u8>, u32)>,
    unpaired: UnpairedFiles,
}

/// Files of an SS-MIX2 storage that are on one side only. They wait until all names have been met that differ from
/// theirs in the flag.
#[derive(Default)]
struct UnpairedFiles {
    /// The paths' common start: the first file's path up to its flag.
    stem: Vec<u8>,
    missing: Vec<Entry>,
    added: Vec<OtherEntry>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(scopes: &'a [Scope], exact: bool, send: &'a dyn Fn(TaskBatch) -> bool) -> Self {
        Self {
            scopes,
            exact,
            send,
            batch: TaskBatch { sequence: 0, tasks: Vec::new() },
            batch_bytes: 0,
            counts: ComparisonCounts::default(),
            unlisted: Vec::new(),
            unpaired: UnpairedFiles::default(),
        }
    }

    /// Sends all files in batches, in the order of the entry stream. Returns the counts of folders; files are counted
    /// by the workers.
    pub(super) fn run(mut self, mut reference: RecordStream, mut other: OtherSide) -> Result<ComparisonCounts> {
        reference.advance()?;
        let mut next = other.next()?;
        loop {
            let order = match (reference.head(), &next) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(next)) => compare_paths(old.path(), next.path()),
            };
            let path = if order.is_gt() { next.as_ref().map(OtherItem::path) } else { reference.head().map(Recorded::path) };
            self.move_to(path.unwrap_or_default())?;
            let old = if order.is_gt() { None } else { reference.advance()? };
            let new = if order.is_lt() { None } else { next.take() };
            match (old, new) {
                (Some(Recorded::Refused(path)), new) => self.refused(path, None, new)?,
                (old, Some(OtherItem::Refused(path))) => self.refused(path, old, None)?,
                (Some(Recorded::Entry(old)), Some(OtherItem::Entry(new))) => self.on_both(old, new)?,
                (Some(Recorded::Entry(old)), Some(OtherItem::Problem(p))) => {
                    self.unlisted.push((p.path, p.errno));
                    self.old_not_verified(old, Reason::Unreadable { errno: p.errno })?;
                }
                (Some(Recorded::Entry(old)), None) if other.is_behind_gap() => self.old_not_verified(old, Reason::NoRecord)?,
                (Some(Recorded::Entry(old)), None) => self.only_old(old)?,
                (None, Some(OtherItem::Entry(new))) => self.only_new(new, reference.is_behind_gap())?,
                (None, Some(OtherItem::Problem(p))) => self.unrecorded_problem(p)?,
                (None, None) => {}
            }
            if order.is_ge() {
                next = other.next()?;
            }
        }
        self.settle_unpaired()?;
        self.flush()?;
        Ok(self.counts)
    }

    /// Forgets the folders that `path` is not in, and settles unpaired files that no later path can fit.
    fn move_to(&mut self, path: &[u8]) -> Result<()> {
        while self.unlisted.last().is_some_and(|(folder, _)| !is_within(path, folder)) {
            self.unlisted.pop();
        }
        let is_full = self.unpaired.missing.len() + self.unpaired.added.len() >= MAX_UNPAIRED;
        if is_full || !path.starts_with(&self.unpaired.stem) { self.settle_unpaired() } else { Ok(()) }
    }

    fn on_both(&mut self, old: Box<Entry>, new: OtherEntry) -> Result<()> {
        if (old.core.kind, new.kind()) == (EntryKind::Directory, EntryKind::Directory) {
            self.counts.folders += 1;
            let is_compared = self.exact;
            let folder = || FileTask::Folder(Box::new(FilePair { old, new, allowed: Allowed::Nothing }));
            return if is_compared { self.push(folder(), 0) } else { Ok(()) };
        }
        self.pair(old, new)
    }

    fn pair(&mut self, old: Box<Entry>, new: OtherEntry) -> Result<()> {
        let allowed = self.allowed(&old.core.path);
        let bytes = if let OtherEntry::Walked(w) = &new { w.stat.size } else { 0 };
        self.push(FileTask::Pair(Box::new(FilePair { old, new, allowed })), bytes)
    }

    fn only_old(&mut self, old: Box<Entry>) -> Result<()> {
        if let Some((_, errno)) = self.unlisted.last() {
            let errno = *errno;
            return self.old_not_verified(old, Reason::Unreadable { errno });
        }
        if let Some(stem) = self.stem(&old.core.path, old.core.kind) {
            self.unpaired.begin(stem);
            self.unpaired.missing.push(*old);
            return Ok(());
        }
        self.missing(*old)
    }

    fn missing(&mut self, old: Entry) -> Result<()> {
        if old.core.kind == EntryKind::Directory {
            self.counts.folders_missing += 1;
            return Ok(());
        }
        let before = FileSummary::recorded(&old.core);
        let may_be_renamed = self.may_be_renamed(&old.core.path, &before) && before.content.is_some();
        let (class, reason, path) = (Class::Missing, Reason::None, old.core.path);
        self.push_classified(Difference { class, reason, path, former: None, before: Some(before), after: None }, may_be_renamed)
    }

    fn only_new(&mut self, new: OtherEntry, may_be_recorded: bool) -> Result<()> {
        if may_be_recorded && new.kind() != EntryKind::Directory {
            return self.new_file(Class::NotVerified, Reason::NoRecord, new);
        }
        if let Some(stem) = self.stem(new.path(), new.kind()) {
            self.unpaired.begin(stem);
            self.unpaired.added.push(new);
            return Ok(());
        }
        self.added(new)
    }

    fn added(&mut self, new: OtherEntry) -> Result<()> {
        if new.kind() == EntryKind::Directory {
            self.counts.folders_added += 1;
            return Ok(());
        }
        self.new_file(Class::Added, Reason::None, new)
    }

    fn new_file(&mut self, class: Class, reason: Reason, new: OtherEntry) -> Result<()> {
        let after = new.summary();
        let may_be_renamed = class == Class::Added && self.may_be_renamed(new.path(), &after);
        let path = new.path().to_vec();
        self.push_classified(Difference { class, reason, path, former: None, before: None, after: Some(after) }, may_be_renamed)
    }

    fn old_not_verified(&mut self, old: Box<Entry>, reason: Reason) -> Result<()> {
        if old.core.kind == EntryKind::Directory {
            self.counts.folders_missing += u64::from(reason == Reason::NoRecord);
            return Ok(());
        }
        let before = Some(FileSummary::recorded(&old.core));
        let (class, path) = (Class::NotVerified, old.core.path);
        self.push_classified(Difference { class, reason, path, former: None, before, after: None }, false)
    }

    /// One side's record is refused: what the other side has cannot be compared with it.
    fn refused(&mut self, path: Vec<u8>, old: Option<Recorded>, new: Option<OtherItem>) -> Result<()> {
        let before = match &old {
            Some(Recorded::Entry(old)) => Some(FileSummary::recorded(&old.core)),
            _ => None,
        };
        let after = match new {
            Some(OtherItem::Entry(new)) => Some(new.summary()),
            Some(OtherItem::Problem(p)) => {
                self.unlisted.push((p.path, p.errno));
                None
            }
            _ => None,
        };
        let (class, reason) = (Class::NotVerified, Reason::Refused);
        self.push_classified(Difference { class, reason, path, former: None, before, after }, false)
    }

    /// The path has no record, or its folder was compared already. Everything below it cannot be looked at.
    fn unrecorded_problem(&mut self, p: Problem) -> Result<()> {
        self.unlisted.push((p.path.clone(), p.errno));
        let (class, reason) = (Class::NotVerified, Reason::Unreadable { errno: p.errno });
        self.push_classified(Difference { class, reason, path: p.path, former: None, before: None, after: None }, false)
    }

    /// Pairs files that differ in the flag, files of the same size first. The rest is missing or added.
    fn settle_unpaired(&mut self) -> Result<()> {
        let UnpairedFiles { missing, mut added, .. } = std::mem::take(&mut self.unpaired);
        for old in missing {
            let fits = |new: &OtherEntry| new.kind() == EntryKind::File && differ_in_flag(&old.core.path, new.path());
            let has_same_size = |new: &OtherEntry| new.summary().size == old.core.size;
            let index = added.iter().position(|n| fits(n) && has_same_size(n)).or_else(|| added.iter().position(fits));
            match index {
                Some(index) => self.pair(Box::new(old), added.remove(index))?,
                None => self.missing(old)?,
            }
        }
        added.into_iter().try_for_each(|new| self.added(new))
    }

    /// The common start of the paths of all files that may be this one with another flag.
    fn stem(&self, path: &[u8], kind: EntryKind) -> Option<Vec<u8>> {
        let is_flagged = |s: &&Scope| !self.exact && s.rules == Rules::SsMix2 && kind == EntryKind::File;
        let scope = scope_of(self.scopes, path).filter(is_flagged)?;
        let below = path.get(scope.name.len() + 1..)?;
        flag(below).map(|at| path[..scope.name.len() + 1 + at].to_vec())
    }

    fn allowed(&self, path: &[u8]) -> Allowed {
        let allowed_in = |s: &Scope| {
            if self.exact { Allowed::Nothing } else { allowed(s.rules, path.get(s.name.len() + 1..).unwrap_or_default()) }
        };
        scope_of(self.scopes, path).map_or(Allowed::Nothing, allowed_in)
    }

    /// In an SS-MIX2 storage a file's name belongs to its record: a record that is not in its place is missing. Empty
    /// files are alike without being the same.
    fn may_be_renamed(&self, path: &[u8], summary: &FileSummary) -> bool {
        let is_storage = scope_of(self.scopes, path).is_some_and(|s| s.rules == Rules::SsMix2);
        !is_storage && summary.kind == EntryKind::File && summary.size > 0
    }

    fn push_classified(&mut self, difference: Difference, may_be_renamed: bool) -> Result<()> {
        self.push(FileTask::Classified(Box::new(ClassifiedFile { difference, may_be_renamed })), 0)
    }

    fn push(&mut self, task: FileTask, bytes: u64) -> Result<()> {
        let path = match &task {
            FileTask::Classified(classified) => &classified.difference.path,
            FileTask::Folder(pair) | FileTask::Pair(pair) => &pair.old.core.path,
        };
        self.batch_bytes = self.batch_bytes.saturating_add(bytes).saturating_add(path.len() as u64);
        self.batch.tasks.push(task);
        if self.batch.tasks.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let sequence = self.batch.sequence + 1;
        let batch = std::mem::replace(&mut self.batch, TaskBatch { sequence, tasks: Vec::with_capacity(BATCH_FILES) });
        self.batch_bytes = 0;
        if (self.send)(batch) { Ok(()) } else { Err(CompareError::Stopped) }
    }
}

impl UnpairedFiles {
    /// Sets the stem, if no files wait.
    fn begin(&mut self, stem: Vec<u8>) {
        if self.missing.is_empty() && self.added.is_empty() {
            self.stem = stem;
        }
    }
}
