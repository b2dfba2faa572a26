//! What a worker does: reads files of the tree and classifies them by their records.

use super::difference::{Class, ClassifiedFile, ComparisonCounts, Difference, FileSummary, Reason};
use super::hash::{FileContent, Wanted, add_hole, former_content, read};
use super::merge::{FilePair, FileTask, TaskBatch};
use super::rules::classify;
use super::scope::{Scope, scope_of};
use super::sides::OtherEntry;
use crate::env::Env;
use crate::format::entry::{ContentState, Core, DataRange, Entry, EntryKind};
use crate::format::rules::Allowed;
use crate::generation::Generation;
use crate::pipeline::source::{Problem, ProblemKind, SourceTree, WalkedEntry};
use crate::tripwire::FormerContent;

/// A batch's files that are not identical, in their order, and the batch's counts.
#[derive(Default)]
pub(super) struct BatchResult {
    pub(super) differences: Vec<ClassifiedFile>,
    pub(super) counts: ComparisonCounts,
}

pub(super) struct Reader<'a, 'g> {
    scopes: &'a [Scope],
    /// The generation on the other side; `None`: there are trees.
    other: Option<&'a Generation<'g>>,
    exact: bool,
    env: &'a Env<'a>,
    buffer: Vec<u8>,
}

impl<'a, 'g> Reader<'a, 'g> {
    pub(super) fn new(scopes: &'a [Scope], other: Option<&'a Generation<'g>>, exact: bool, env: &'a Env<'a>) -> Self {
        Self { scopes, other, exact, env, buffer: Vec::new() }
    }

    pub(super) fn compare(&mut self, batch: TaskBatch) -> BatchResult {
        let mut result = BatchResult::default();
        for task in batch.tasks {
            let file = match task {
                FileTask::Classified(file) => *file,
                FileTask::Folder(pair) => {
                    result.counts.metadata += u64::from(!self.has_same_metadata(&pair.old.core, &pair.new));
                    continue;
                }
                FileTask::Pair(pair) => {
                    ClassifiedFile { difference: self.compare_pair(*pair, &mut result.counts), may_be_renamed: false }
                }
            };
            result.counts.count(file.difference.class);
            if file.difference.class != Class::Identical {
                result.differences.push(file);
            }
        }
        result
    }

    fn compare_pair(&mut self, pair: FilePair, counts: &mut ComparisonCounts) -> Difference {
        let old = &pair.old.core;
        let before = FileSummary::recorded(old);
        let mut after = pair.new.summary();
        let differs_in_flag = old.path != pair.new.path();
        let (class, reason) = self.classify_pair(&pair, &before, &mut after, differs_in_flag, counts);
        if class == Class::Identical && !self.has_same_metadata(old, &pair.new) {
            counts.metadata += 1;
        }
        Difference {
            class,
            reason,
            former: differs_in_flag.then(|| old.path.clone()),
            path: pair.new.path().to_vec(),
            before: Some(before),
            after: Some(after),
        }
    }

    /// Reads as much as is needed to classify a pair. `after` gets the size and digest of what was read.
    fn classify_pair(
        &mut self,
        pair: &FilePair,
        before: &FileSummary,
        after: &mut FileSummary,
        differs_in_flag: bool,
        counts: &mut ComparisonCounts,
    ) -> (Class, Reason) {
        let old = &pair.old.core;
        if before.kind != after.kind {
            return (Class::OutsideRules, Reason::Type);
        }
        if old.kind != EntryKind::File {
            return match self.has_other_target(old, &pair.new) {
                Ok(false) => (Class::Identical, Reason::None),
                Ok(true) if has_kept_time(old, &pair.new) => (Class::OutsideRules, Reason::TimeKept),
                Ok(true) if pair.allowed == Allowed::Anything => (Class::Updated, Reason::Target),
                Ok(true) => (Class::OutsideRules, Reason::Target),
                Err(p) => (Class::NotVerified, unreadable(&p)),
            };
        }
        if matches!(old.state, ContentState::Unreadable { .. }) {
            return (Class::NotVerified, Reason::NoContent);
        }
        // If any change is allowed, a different length is enough to know. With the time of the record none is.
        if pair.allowed == Allowed::Anything && before.size != after.size && !has_kept_time(old, &pair.new) {
            return (Class::Updated, Reason::Content);
        }
        let is_grown = pair.allowed == Allowed::Growth && after.size > before.size;
        let read = match &pair.new {
            OtherEntry::Walked(walked) => self.content(walked, old, is_grown, counts),
            OtherEntry::Recorded(e) if matches!(e.core.state, ContentState::Unreadable { .. }) => {
                return (Class::NotVerified, Reason::NoContent);
            }
            OtherEntry::Recorded(e) => self.recorded_content(e, old, is_grown, counts),
        };
        let content = match read {
            Ok(content) => content,
            Err(p) => return (Class::NotVerified, unreadable(&p)),
        };
        (after.size, after.content) = (content.size, content.content_id);
        let classified = match classify(pair.allowed, before, after, content.has_grown, differs_in_flag) {
            (_, Reason::Content) if has_kept_time(old, &pair.new) => (Class::OutsideRules, Reason::TimeKept),
            classified => classified,
        };
        match classified {
            // The record mixes two moments of the file. To differ from it proves nothing.
            (Class::OutsideRules, _) if old.state == ContentState::Changed => (Class::NotVerified, Reason::NoContent),
            (Class::OutsideRules, _) if content.is_changing => (Class::NotVerified, Reason::Changing),
            classified => classified,
        }
    }

    /// Whether a symbolic link leads elsewhere, or a device has another number.
    fn has_other_target(&self, old: &Core, new: &OtherEntry) -> Result<bool, Problem> {
        let walked = match new {
            OtherEntry::Recorded(e) => return Ok((&e.core.target, e.core.device) != (&old.target, old.device)),
            OtherEntry::Walked(walked) => walked,
        };
        match old.kind {
            EntryKind::Symlink => Ok(self.tree(&walked.path)?.describe(walked)?.core.target != old.target),
            EntryKind::CharDevice | EntryKind::BlockDevice => Ok(Some(walked.stat.rdev) != old.device),
            _ => Ok(false),
        }
    }

    fn has_same_metadata(&self, old: &Core, new: &OtherEntry) -> bool {
        let seen = match new {
            OtherEntry::Walked(w) => (w.stat.mode, w.stat.uid, w.stat.gid, w.stat.mtime),
            OtherEntry::Recorded(e) => (e.core.mode, e.core.uid, e.core.gid, e.core.mtime),
        };
        (old.mode, old.uid, old.gid, old.mtime) == seen && (!self.exact || self.has_same_attributes(old, new))
    }

    /// Extended attributes, access lists and file attributes. What cannot be read is not the same.
    fn has_same_attributes(&self, old: &Core, new: &OtherEntry) -> bool {
        let walked = match new {
            OtherEntry::Recorded(e) => return (&e.core.xattrs, e.core.flags) == (&old.xattrs, old.flags),
            OtherEntry::Walked(walked) => walked,
        };
        let Ok(tree) = self.tree(&walked.path) else { return false };
        let Ok(now) = tree.describe(walked) else { return false };
        let flags = match old.kind {
            EntryKind::File => tree.open_file(&walked.path).ok().and_then(|file| file.flags().ok()).unwrap_or(0),
            _ => now.core.flags,
        };
        (&now.core.xattrs, flags) == (&old.xattrs, old.flags)
    }

    fn tree(&self, path: &[u8]) -> Result<&'a SourceTree, Problem> {
        let tree = scope_of(self.scopes, path).and_then(|s| s.tree.as_ref());
        tree.ok_or_else(|| Problem { path: path.to_vec(), kind: ProblemKind::Vanished, errno: 0 })
    }

    fn content(
        &mut self,
        walked: &WalkedEntry,
        before: &Core,
        growth: bool,
        counts: &mut ComparisonCounts,
    ) -> Result<FileContent, Problem> {
        let file = self.tree(&walked.path)?.open_file(&walked.path)?;
        let wanted = Wanted { before: Some(before), growth, check: &|| self.env.check() };
        let content = read(&file, &mut self.buffer, wanted).map_err(|e| Problem {
            path: walked.path.clone(),
            kind: ProblemKind::Unreadable,
            errno: e.raw_os_error().unwrap_or(0).unsigned_abs(),
        })?;
        counts.bytes_read += content.bytes_read;
        Ok(content)
    }

    /// The content that a record describes. Its digest is as good as reading; only the beginning of a file that has
    /// grown is read out of the packs.
    fn recorded_content(
        &self,
        entry: &Entry,
        before: &Core,
        growth: bool,
        counts: &mut ComparisonCounts,
    ) -> Result<FileContent, Problem> {
        let core = &entry.core;
        let failed = || Problem { path: core.path.clone(), kind: ProblemKind::Unreadable, errno: 0 };
        let mut content = FileContent {
            size: core.size,
            content_id: Some(core.content_id().ok_or_else(failed)?),
            has_grown: false,
            is_changing: core.state == ContentState::Changed,
            bytes_read: 0,
        };
        if let (true, Some(generation)) = (growth, self.other) {
            content.has_grown = self.begins_with(entry, before, generation, counts).ok_or_else(failed)?;
        }
        Ok(content)
    }

    /// Whether a recorded file begins with the content of another record. `None`: it could not be read.
    fn begins_with(&self, entry: &Entry, before: &Core, generation: &Generation, counts: &mut ComparisonCounts) -> Option<bool> {
        let mut former = former_content(before)?;
        let mut holes = entry.core.holes.iter().peekable();
        let (mut at, mut is_stopped) = (0, false);
        let mut pass_hole = |former: &mut FormerContent, at: &mut u64, hole: &DataRange| {
            *at += hole.length;
            is_stopped |= add_hole(former, *hole, &|| self.env.check()).is_err();
        };
        generation
            .content(&entry.extents, |mut piece| {
                while !piece.is_empty() && at < before.size {
                    if let Some(hole) = holes.next_if(|h| h.offset <= at) {
                        pass_hole(&mut former, &mut at, hole);
                        continue;
                    }
                    let room = holes.peek().map_or(u64::MAX, |h| h.offset - at);
                    let (data, rest) = piece.split_at(room.min(piece.len() as u64) as usize);
                    former.update(data);
                    at += data.len() as u64;
                    counts.bytes_read += data.len() as u64;
                    piece = rest;
                }
                at < before.size && self.env.check().is_ok()
            })
            .ok()?;
        while let Some(hole) = holes.next_if(|h| h.offset <= at && at < before.size) {
            pass_hole(&mut former, &mut at, hole);
        }
        (!is_stopped).then(|| former.is_found())
    }
}

fn unreadable(p: &Problem) -> Reason {
    match p.kind {
        ProblemKind::Replaced | ProblemKind::Vanished => Reason::Changing,
        _ => Reason::Unreadable { errno: p.errno },
    }
}

/// Whether the time of a changed entry is still that of its record. A program that writes moves it; it stays only where
/// somebody put it back. Tools that put it back may lose the end of its nanoseconds: they store µs, ms or seconds, or go by
/// way of a floating-point number.
fn has_kept_time(old: &Core, new: &OtherEntry) -> bool {
    let now = match new {
        OtherEntry::Walked(w) => w.stat.mtime,
        OtherEntry::Recorded(e) => e.core.mtime,
    };
    let (then, is_cut) = (old.mtime, |unit: u32| now.nanoseconds == old.mtime.nanoseconds / unit * unit);
    then.seconds == now.seconds
        && (then.nanoseconds.abs_diff(now.nanoseconds) < 1_000 || is_cut(1_000_000) || is_cut(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor::Time;
    use crate::format::digests::Digests;
    use crate::format::entry::ContentDigests;
    use crate::medium::loader::NoLoader;
    use std::sync::atomic::AtomicBool;

    fn digests(of: u8) -> Option<ContentDigests> {
        Some(ContentDigests::Whole(Digests { blake3: [of; 32], sha256: None }))
    }

    fn recorded(path: &str, kind: EntryKind, change: impl FnOnce(&mut Core)) -> Box<Entry> {
        let mut core = Core::new(path.into(), kind);
        if kind == EntryKind::File {
            (core.size, core.digests) = (1, digests(1));
        }
        change(&mut core);
        Box::new(Entry { core, extents: Vec::new() })
    }

    fn compared(old: Box<Entry>, new: Box<Entry>) -> (Class, Reason, u64) {
        let pair = FilePair { old, new: OtherEntry::Recorded(new), allowed: Allowed::Nothing };
        let batch = TaskBatch { sequence: 0, tasks: vec![FileTask::Pair(Box::new(pair))] };
        let env = Env {
            now: &Time::default,
            random: &|_| {},
            host: "host",
            interrupted: &AtomicBool::new(false),
            loader: &NoLoader,
            threads: 1,
        };
        let result = Reader::new(&[], None, false, &env).compare(batch);
        let first = result.differences.first().map(|d| (d.difference.class, d.difference.reason));
        let (class, reason) = first.unwrap_or((Class::Identical, Reason::None));
        (class, reason, result.counts.metadata)
    }

    /// A record of a file that the backup could not read, or read while it changed, proves no tampering, and nothing
    /// else.
    #[test]
    fn a_record_without_good_content_is_not_verified() {
        let file = |change: fn(&mut Core)| recorded("s/f", EntryKind::File, change);
        let unreadable: fn(&mut Core) = |c| (c.digests, c.state) = (None, ContentState::Unreadable { errno: 13 });
        let torn: fn(&mut Core) = |c| (c.digests, c.state) = (digests(2), ContentState::Changed);
        let not_verified = (Class::NotVerified, Reason::NoContent, 0);
        assert_eq!(compared(file(unreadable), file(|_| {})), not_verified);
        assert_eq!(compared(file(|_| {}), file(unreadable)), not_verified);
        assert_eq!(compared(file(unreadable), file(unreadable)), not_verified);
        assert_eq!(compared(file(torn), file(|_| {})), not_verified);
        assert_eq!(compared(file(|_| {}), file(torn)), (Class::NotVerified, Reason::Changing, 0));
        assert_eq!(compared(file(torn), file(torn)), (Class::Identical, Reason::None, 0));
        let later: fn(&mut Core) = |c| (c.digests, c.mtime.seconds) = (digests(2), 1);
        assert_eq!(compared(file(|_| {}), file(later)), (Class::OutsideRules, Reason::Content, 0));
    }

    #[test]
    fn a_different_device_or_link_target_is_a_change() {
        let device = |minor: u32| recorded("s/null", EntryKind::CharDevice, |c| c.device = Some((1, minor)));
        assert_eq!(compared(device(3), device(3)), (Class::Identical, Reason::None, 0));
        assert_eq!(compared(device(3), device(1)), (Class::OutsideRules, Reason::TimeKept, 0));
        let link =
            |to: &str, time| recorded("s/l", EntryKind::Symlink, |c| (c.target, c.mtime.seconds) = (Some(to.into()), time));
        assert_eq!(compared(link("a", 0), link("b", 0)), (Class::OutsideRules, Reason::TimeKept, 0));
        assert_eq!(compared(link("a", 0), link("b", 1)), (Class::OutsideRules, Reason::Target, 0));
    }

    #[test]
    fn identical_files_with_other_metadata_are_counted() {
        let plain = || recorded("s/f", EntryKind::File, |_| {});
        let changes: [fn(&mut Core); 4] = [|c| c.mode = 0o4755, |c| c.uid = 7, |c| c.gid = 7, |c| c.mtime.seconds = 7];
        for change in changes {
            assert_eq!(compared(plain(), recorded("s/f", EntryKind::File, change)), (Class::Identical, Reason::None, 1));
        }
        assert_eq!(compared(plain(), plain()).2, 0);
    }
}
