//! What a thread does: reads and hashes files of the tree, and judges them against their records.

use super::merge::{Batch, Pair, Task};
use super::rules::judge;
use super::sides::Present;
use super::{Class, Counts, Difference, Reason, Scope, Seen};
use crate::format::entry::{ContentState, Core, Entry, EntryKind};
use crate::format::rules::Allowed;
use crate::generation::Generation;
use crate::pipeline::hasher::update_zeros;
use crate::pipeline::source::{OpenFile, Problem, ProblemKind, SourceTree, WalkedEntry, data_ranges};
use std::os::unix::fs::FileExt;

/// Files up to this are read in one call.
const AT_ONCE_BYTES: usize = 1 << 20;

/// A batch's files that are not identical, in their order; and its counts.
#[derive(Default)]
pub struct Judged {
    pub differences: Vec<(Difference, Hint)>,
    pub counts: Counts,
}

/// Whether a file that is missing or added may be one that was renamed.
pub type Hint = bool;

pub struct Reader<'a, 'g> {
    scopes: &'a [Scope],
    other: Option<&'a Generation<'g>>,
    buffer: Vec<u8>,
}

/// A file's content as it was found.
pub struct Content {
    pub size: u64,
    pub blake3: [u8; 32],
    /// The digest of the first bytes, as many as were asked for.
    start: Option<[u8; 32]>,
    is_changing: bool,
}

impl<'a, 'g> Reader<'a, 'g> {
    pub fn new(scopes: &'a [Scope], other: Option<&'a Generation<'g>>) -> Self {
        Self { scopes, other, buffer: Vec::new() }
    }

    pub fn work(&mut self, batch: Batch) -> Judged {
        let mut judged = Judged::default();
        for task in batch.tasks {
            let (difference, hint) = match task {
                Task::Judged(difference, hint) => (difference, hint),
                Task::Pair(pair) => (self.pair(*pair, &mut judged.counts), false),
            };
            judged.counts.count(difference.class);
            if difference.class != Class::Identical {
                judged.differences.push((difference, hint));
            }
        }
        judged
    }

    fn pair(&mut self, pair: Pair, counts: &mut Counts) -> Difference {
        let old = &pair.old.core;
        let before = Seen::recorded(old);
        let mut after = pair.new.seen();
        let is_flagged = old.path != pair.new.path();
        let (class, reason) = self.judge(&pair, &before, &mut after, is_flagged, counts);
        if class == Class::Identical && !has_same_metadata(old, &pair.new) {
            counts.metadata += 1;
        }
        Difference {
            class,
            reason,
            former: is_flagged.then(|| old.path.clone()),
            path: pair.new.path().to_vec(),
            before: Some(before),
            after: Some(after),
        }
    }

    fn judge(&mut self, pair: &Pair, before: &Seen, after: &mut Seen, is_flagged: bool, counts: &mut Counts) -> (Class, Reason) {
        let old = &pair.old.core;
        let by_rules = |reason| (if pair.allowed == Allowed::Anything { Class::Updated } else { Class::OutsideRules }, reason);
        if before.kind != after.kind {
            return (Class::OutsideRules, Reason::Type);
        }
        if old.kind != EntryKind::File {
            return match self.leads_elsewhere(old, &pair.new) {
                Ok(false) => (Class::Identical, Reason::None),
                Ok(true) => by_rules(Reason::Target),
                Err(p) => (Class::NotVerified, unreadable(&p)),
            };
        }
        if matches!(old.state, ContentState::Unreadable { .. }) {
            return (Class::NotVerified, Reason::NoContent);
        }
        // Where any change is lawful, another length says enough.
        if pair.allowed == Allowed::Anything && before.size != after.size {
            return (Class::Updated, Reason::Content);
        }
        let is_grown = pair.allowed == Allowed::Growth && after.size > before.size;
        let read = match &pair.new {
            Present::Found(found) => self.content(found, is_grown.then_some(before.size), counts),
            Present::Recorded(e) if matches!(e.core.state, ContentState::Unreadable { .. }) => {
                return (Class::NotVerified, Reason::NoContent);
            }
            Present::Recorded(e) => self.recorded(e, is_grown.then_some(before.size), counts),
        };
        let content = match read {
            Ok(content) => content,
            Err(p) => return (Class::NotVerified, unreadable(&p)),
        };
        (after.size, after.blake3) = (content.size, Some(content.blake3));
        match judge(pair.allowed, before, after, content.start, is_flagged) {
            // Its record is of a mix of two moments: that it differs from that says nothing.
            (Class::OutsideRules, _) if old.state == ContentState::Changed => (Class::NotVerified, Reason::NoContent),
            (Class::OutsideRules, _) if content.is_changing => (Class::NotVerified, Reason::Changing),
            judged => judged,
        }
    }

    /// Whether a symbolic link or a device is another one.
    fn leads_elsewhere(&self, old: &Core, new: &Present) -> Result<bool, Problem> {
        let found = match new {
            Present::Recorded(e) => return Ok((&e.core.target, e.core.device) != (&old.target, old.device)),
            Present::Found(found) => found,
        };
        match old.kind {
            EntryKind::Symlink => Ok(self.tree(&found.path)?.describe(found)?.core.target != old.target),
            EntryKind::CharDevice | EntryKind::BlockDevice => Ok(Some(found.stat.rdev) != old.device),
            _ => Ok(false),
        }
    }

    fn tree(&self, path: &[u8]) -> Result<&'a SourceTree, Problem> {
        let tree = super::scope_of(self.scopes, path).and_then(|(_, s)| s.tree.as_ref());
        tree.ok_or_else(|| Problem { path: path.to_vec(), kind: ProblemKind::Vanished, errno: 0 })
    }

    fn content(&mut self, found: &WalkedEntry, start: Option<u64>, counts: &mut Counts) -> Result<Content, Problem> {
        let file = self.tree(&found.path)?.open_file(&found.path)?;
        let content = read(&file, &mut self.buffer, start).map_err(|e| Problem {
            path: found.path.clone(),
            kind: ProblemKind::Unreadable,
            errno: e.raw_os_error().unwrap_or(0).unsigned_abs(),
        })?;
        counts.bytes_read += content.size;
        Ok(content)
    }

    /// A recorded digest is as good as reading; only where a file has grown do its first bytes have to be read out of the packs.
    fn recorded(&self, entry: &Entry, start: Option<u64>, counts: &mut Counts) -> Result<Content, Problem> {
        let core = &entry.core;
        let failed = || Problem { path: core.path.clone(), kind: ProblemKind::Unreadable, errno: 0 };
        let blake3 = core.blake3.ok_or_else(failed)?;
        let mut content = Content { size: core.size, blake3, start: None, is_changing: core.state == ContentState::Changed };
        if let (Some(start), Some(generation)) = (start, self.other) {
            let mut hasher = Hasher::new(Some(start));
            let mut holes = core.holes.iter().peekable();
            generation
                .content(&entry.extents, |mut piece| {
                    while !piece.is_empty() && hasher.start.is_none() {
                        if let Some(hole) = holes.next_if(|h| h.offset <= hasher.at) {
                            hasher.zeros(hole.length);
                            continue;
                        }
                        let room = holes.peek().map_or(u64::MAX, |h| h.offset - hasher.at);
                        let (now, rest) = piece.split_at(room.min(piece.len() as u64) as usize);
                        hasher.update(now);
                        piece = rest;
                    }
                    hasher.start.is_none()
                })
                .map_err(|_| failed())?;
            counts.bytes_read += hasher.at;
            holes.for_each(|h| hasher.zeros(h.length));
            content.start = hasher.start;
        }
        Ok(content)
    }
}

fn unreadable(p: &Problem) -> Reason {
    match p.kind {
        ProblemKind::Replaced | ProblemKind::Vanished => Reason::Changing,
        _ => Reason::Unreadable { errno: p.errno },
    }
}

fn has_same_metadata(old: &Core, new: &Present) -> bool {
    let new = match new {
        Present::Found(f) => (f.stat.mode, f.stat.uid, f.stat.gid, f.stat.mtime),
        Present::Recorded(e) => (e.core.mode, e.core.uid, e.core.gid, e.core.mtime),
    };
    (old.mode, old.uid, old.gid, old.mtime) == new
}

/// Reads a file of the length that it was opened with, once, and hashes it; with `start`, its first so many bytes as well.
pub fn read(file: &OpenFile, buffer: &mut Vec<u8>, start: Option<u64>) -> std::io::Result<Content> {
    let size = file.opened().size;
    let mut hasher = Hasher::new(start);
    let holes = file.holes(size);
    let mut end = 0;
    buffer.resize(AT_ONCE_BYTES, 0);
    'data: for run in data_ranges(size, &holes) {
        hasher.zeros(run.offset - end);
        end = run.offset;
        while end < run.offset + run.length {
            let want = (run.offset + run.length - end).min(AT_ONCE_BYTES as u64) as usize;
            match file.file().read_at(&mut buffer[..want], end) {
                // It has become shorter.
                Ok(0) => break 'data,
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    end += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
    if holes.last().is_some_and(|h| h.offset == end) {
        hasher.zeros(size - end);
    }
    let opened = file.opened();
    let now = file.stat()?;
    let is_changing = (now.size, now.mtime, now.ctime) != (opened.size, opened.mtime, opened.ctime);
    Ok(Content { size: hasher.at, blake3: *hasher.whole.finalize().as_bytes(), start: hasher.start, is_changing })
}

/// The digest of a file's first bytes and that of all of them, in one pass.
struct Hasher {
    whole: blake3::Hasher,
    at: u64,
    /// How many bytes are the first; none are.
    first: Option<u64>,
    start: Option<[u8; 32]>,
}

impl Hasher {
    fn new(first: Option<u64>) -> Self {
        Self { whole: blake3::Hasher::new(), at: 0, first, start: None }
    }

    fn update(&mut self, piece: &[u8]) {
        let cut = self.cut(piece.len() as u64) as usize;
        self.whole.update(&piece[..cut]);
        self.mark(cut as u64);
        self.whole.update(&piece[cut..]);
        self.at += (piece.len() - cut) as u64;
    }

    fn zeros(&mut self, length: u64) {
        let cut = self.cut(length);
        update_zeros(&mut self.whole, cut);
        self.mark(cut);
        update_zeros(&mut self.whole, length - cut);
        self.at += length - cut;
    }

    /// How many of the next bytes belong to the first ones.
    fn cut(&self, length: u64) -> u64 {
        self.first.filter(|_| self.start.is_none()).map_or(0, |first| length.min(first - self.at))
    }

    fn mark(&mut self, length: u64) {
        self.at += length;
        if self.start.is_none() && self.first == Some(self.at) {
            self.start = Some(*self.whole.finalize().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_hashed_on_the_way() {
        let content: Vec<u8> = (0..5_000u32).map(|i| if (100..300).contains(&i) { 0 } else { i as u8 }).collect();
        for first in [0, 1, 99, 100, 200, 300, 4_999, 5_000] {
            let mut hasher = Hasher::new(Some(first));
            hasher.update(&content[..100]);
            hasher.zeros(200);
            content[300..].chunks(777).for_each(|c| hasher.update(c));
            assert_eq!(hasher.start, Some(*blake3::hash(&content[..first as usize]).as_bytes()), "{first}");
            assert_eq!(hasher.whole.finalize(), blake3::hash(&content));
            assert_eq!(hasher.at, 5_000);
        }
        let mut short = Hasher::new(Some(5_001));
        short.update(&content);
        assert_eq!(short.start, None);
    }

    fn recorded(path: &str, kind: EntryKind, change: impl FnOnce(&mut Core)) -> Box<Entry> {
        let mut core = Core::new(path.into(), kind);
        if kind == EntryKind::File {
            (core.size, core.blake3) = (1, Some([1; 32]));
        }
        change(&mut core);
        Box::new(Entry { core, extents: Vec::new() })
    }

    fn judged(old: Box<Entry>, new: Box<Entry>) -> (Class, Reason, u64) {
        let pair = Pair { old, new: Present::Recorded(new), allowed: Allowed::Nothing };
        let batch = Batch { sequence: 0, tasks: vec![Task::Pair(Box::new(pair))] };
        let judged = Reader::new(&[], None).work(batch);
        let told = judged.differences.first().map(|(d, _)| (d.class, d.reason));
        let (class, reason) = told.unwrap_or((Class::Identical, Reason::None));
        (class, reason, judged.counts.metadata)
    }

    /// What a backup could not read, or read while it was being written, accuses nobody; and it is no proof of anything.
    #[test]
    fn a_record_without_good_content_is_not_verified() {
        let file = |change: fn(&mut Core)| recorded("s/f", EntryKind::File, change);
        let unreadable: fn(&mut Core) = |c| (c.blake3, c.state) = (None, ContentState::Unreadable { errno: 13 });
        let torn: fn(&mut Core) = |c| (c.blake3, c.state) = (Some([2; 32]), ContentState::Changed);
        let not_verified = (Class::NotVerified, Reason::NoContent, 0);
        assert_eq!(judged(file(unreadable), file(|_| {})), not_verified);
        assert_eq!(judged(file(|_| {}), file(unreadable)), not_verified);
        assert_eq!(judged(file(unreadable), file(unreadable)), not_verified);
        assert_eq!(judged(file(torn), file(|_| {})), not_verified);
        assert_eq!(judged(file(|_| {}), file(torn)), (Class::NotVerified, Reason::Changing, 0));
        assert_eq!(judged(file(torn), file(torn)), (Class::Identical, Reason::None, 0));
        assert_eq!(judged(file(|_| {}), file(|c| c.blake3 = Some([2; 32]))), (Class::OutsideRules, Reason::Content, 0));
    }

    #[test]
    fn another_device_or_another_target_is_a_change() {
        let device = |minor: u32| recorded("s/null", EntryKind::CharDevice, |c| c.device = Some((1, minor)));
        assert_eq!(judged(device(3), device(3)), (Class::Identical, Reason::None, 0));
        assert_eq!(judged(device(3), device(1)), (Class::OutsideRules, Reason::Target, 0));
        let link = |to: &str| recorded("s/l", EntryKind::Symlink, |c| c.target = Some(to.into()));
        assert_eq!(judged(link("a"), link("b")), (Class::OutsideRules, Reason::Target, 0));
    }

    #[test]
    fn another_owner_mode_or_time_of_the_same_content_is_counted() {
        let plain = || recorded("s/f", EntryKind::File, |_| {});
        let changes: [fn(&mut Core); 4] = [|c| c.mode = 0o4755, |c| c.uid = 7, |c| c.gid = 7, |c| c.mtime.seconds = 7];
        for change in changes {
            assert_eq!(judged(plain(), recorded("s/f", EntryKind::File, change)), (Class::Identical, Reason::None, 1));
        }
        assert_eq!(judged(plain(), plain()).2, 0);
    }
}
