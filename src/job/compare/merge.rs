//! The generation's records merged with the other side: what is on both sides is to be read, what is on one is missing or added.

use super::sides::{Next, Present, Records, Side};
use super::{Class, CompareError, Counts, Difference, Reason, Result, Scope, Seen, scope_of};
use crate::format::entry::{Entry, EntryKind, compare_paths};
use crate::format::manifest::Rules;
use crate::format::rules::{Allowed, allowed, differ_in_flag, flag};
use crate::generation::is_within;
use crate::pipeline::source::Problem;
use std::cmp::Ordering;

/// Files in a batch, and bytes to be read, but for the last file.
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 4 << 20;
/// Files of one record with its flags that wait for one another; in a storage as the rules have it, there are a few.
const WAITING: usize = 10_000;

pub struct Batch {
    pub sequence: u32,
    pub tasks: Vec<Task>,
}

pub enum Task {
    /// What is known without reading; and whether it may be a file that was renamed.
    Judged(Difference, bool),
    Pair(Box<Pair>),
}

/// A file on both sides: under one path, or under two that differ in the flag.
pub struct Pair {
    pub old: Box<Entry>,
    pub new: Present,
    pub allowed: Allowed,
}

/// See [`Merge::run`].
pub struct Merge<'a> {
    scopes: &'a [Scope],
    /// Takes a batch; false when no more is wanted.
    send: &'a dyn Fn(Batch) -> bool,
    batch: Batch,
    batch_bytes: u64,
    counts: Counts,
    /// Folders around the present path that could not be listed whole, with Linux's number.
    unlisted: Vec<(Vec<u8>, u32)>,
    waiting: Waiting,
}

/// Files of an SS-MIX2 storage on one side only, until all names that differ from theirs in the flag have come by.
#[derive(Default)]
struct Waiting {
    /// What their paths begin with: up to the flag of the first one.
    stem: Vec<u8>,
    gone: Vec<Entry>,
    come: Vec<Present>,
}

impl<'a> Merge<'a> {
    pub fn new(scopes: &'a [Scope], send: &'a dyn Fn(Batch) -> bool) -> Self {
        Self {
            scopes,
            send,
            batch: Batch { sequence: 0, tasks: Vec::new() },
            batch_bytes: 0,
            counts: Counts::default(),
            unlisted: Vec::new(),
            waiting: Waiting::default(),
        }
    }

    /// Sends all files in batches, in order. Folders are counted here.
    pub fn run(mut self, mut base: Records, mut side: Side) -> Result<Counts> {
        base.advance()?;
        let mut next = side.next()?;
        loop {
            let order = match (base.head(), &next) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(next)) => compare_paths(&old.core.path, next.path()),
            };
            let path = if order.is_gt() { next.as_ref().map(Next::path) } else { base.head().map(|e| &e.core.path[..]) };
            self.come_to(path.unwrap_or_default())?;
            let old = if order.is_gt() { None } else { Some((base.is_behind_gap(), base.advance()?)) };
            let new = if order.is_lt() { None } else { next.take() };
            match (old, new) {
                (Some((_, Some(old))), Some(Next::Present(new))) => self.both(old, new)?,
                (Some((_, Some(old))), Some(Next::Problem(p))) => {
                    self.unlisted.push((p.path, p.errno));
                    self.not_verified(old, Reason::Unreadable { errno: p.errno })?;
                }
                (Some((_, Some(old))), None) if side.is_behind_gap() => self.not_verified(old, Reason::NoRecord)?,
                (Some((_, Some(old))), None) => self.gone(old)?,
                (_, Some(Next::Present(new))) => self.come(new, base.is_behind_gap())?,
                (_, Some(Next::Problem(p))) => self.problem(p)?,
                _ => {}
            }
            if order.is_ge() {
                next = side.next()?;
            }
        }
        self.settle()?;
        self.flush()?;
        Ok(self.counts)
    }

    /// What was waiting for paths before this one has waited long enough.
    fn come_to(&mut self, path: &[u8]) -> Result<()> {
        while self.unlisted.last().is_some_and(|(folder, _)| !is_within(path, folder)) {
            self.unlisted.pop();
        }
        let is_full = self.waiting.gone.len() + self.waiting.come.len() >= WAITING;
        if is_full || !path.starts_with(&self.waiting.stem) { self.settle() } else { Ok(()) }
    }

    fn both(&mut self, old: Box<Entry>, new: Present) -> Result<()> {
        if (old.core.kind, new.kind()) == (EntryKind::Directory, EntryKind::Directory) {
            self.counts.folders += 1;
            return Ok(());
        }
        self.pair(old, new)
    }

    fn pair(&mut self, old: Box<Entry>, new: Present) -> Result<()> {
        let allowed = self.allowed(&old.core.path);
        let bytes = if let Present::Found(f) = &new { f.stat.size } else { 0 };
        self.push(Task::Pair(Box::new(Pair { old, new, allowed })), bytes)
    }

    fn gone(&mut self, old: Box<Entry>) -> Result<()> {
        if let Some((_, errno)) = self.unlisted.last() {
            let errno = *errno;
            return self.not_verified(old, Reason::Unreadable { errno });
        }
        if let Some(stem) = self.stem(&old.core.path, old.core.kind) {
            self.waiting.begin(stem);
            self.waiting.gone.push(*old);
            return Ok(());
        }
        self.missing(*old)
    }

    fn missing(&mut self, old: Entry) -> Result<()> {
        if old.core.kind == EntryKind::Directory {
            self.counts.folders_missing += 1;
            return Ok(());
        }
        let before = Seen::recorded(&old.core);
        let may_be_renamed = self.may_be_renamed(&old.core.path, &before) && before.blake3.is_some();
        let (class, reason, path) = (Class::Missing, Reason::None, old.core.path);
        self.push(
            Task::Judged(Difference { class, reason, path, former: None, before: Some(before), after: None }, may_be_renamed),
            0,
        )
    }

    fn come(&mut self, new: Present, may_be_recorded: bool) -> Result<()> {
        if may_be_recorded && new.kind() != EntryKind::Directory {
            let (class, reason) = (Class::NotVerified, Reason::NoRecord);
            return self.one(class, reason, new);
        }
        if let Some(stem) = self.stem(new.path(), new.kind()) {
            self.waiting.begin(stem);
            self.waiting.come.push(new);
            return Ok(());
        }
        self.added(new)
    }

    fn added(&mut self, new: Present) -> Result<()> {
        if new.kind() == EntryKind::Directory {
            self.counts.folders_added += 1;
            return Ok(());
        }
        self.one(Class::Added, Reason::None, new)
    }

    fn one(&mut self, class: Class, reason: Reason, new: Present) -> Result<()> {
        let after = new.seen();
        let may_be_renamed = class == Class::Added && self.may_be_renamed(new.path(), &after);
        let path = new.path().to_vec();
        self.push(
            Task::Judged(Difference { class, reason, path, former: None, before: None, after: Some(after) }, may_be_renamed),
            0,
        )
    }

    fn not_verified(&mut self, old: Box<Entry>, reason: Reason) -> Result<()> {
        if old.core.kind == EntryKind::Directory {
            self.counts.folders_missing += u64::from(reason == Reason::NoRecord);
            return Ok(());
        }
        let before = Some(Seen::recorded(&old.core));
        let (class, path) = (Class::NotVerified, old.core.path);
        self.push(Task::Judged(Difference { class, reason, path, former: None, before, after: None }, false), 0)
    }

    /// Nothing is recorded there, or the folder itself was compared already; what lies below cannot be looked at.
    fn problem(&mut self, p: Problem) -> Result<()> {
        self.unlisted.push((p.path.clone(), p.errno));
        let (class, reason) = (Class::NotVerified, Reason::Unreadable { errno: p.errno });
        self.push(Task::Judged(Difference { class, reason, path: p.path, former: None, before: None, after: None }, false), 0)
    }

    /// Pairs what has waited, the same bytes first, and says of the rest that it is missing or added.
    fn settle(&mut self) -> Result<()> {
        let Waiting { gone, mut come, .. } = std::mem::take(&mut self.waiting);
        for old in gone {
            let fits = |new: &Present| new.kind() == EntryKind::File && differ_in_flag(&old.core.path, new.path());
            let same = |new: &Present| new.seen().size == old.core.size;
            let place = come.iter().position(|n| fits(n) && same(n)).or_else(|| come.iter().position(fits));
            match place {
                Some(place) => self.pair(Box::new(old), come.remove(place))?,
                None => self.missing(old)?,
            }
        }
        come.into_iter().try_for_each(|new| self.added(new))
    }

    /// What the paths of all files that may be this one with another flag begin with.
    fn stem(&self, path: &[u8], kind: EntryKind) -> Option<Vec<u8>> {
        let (_, scope) = scope_of(self.scopes, path).filter(|(_, s)| s.rules == Rules::SsMix2 && kind == EntryKind::File)?;
        let below = path.get(scope.name.len() + 1..)?;
        flag(below).map(|at| path[..scope.name.len() + 1 + at].to_vec())
    }

    fn allowed(&self, path: &[u8]) -> Allowed {
        let allowed_in = |(_, s): (usize, &Scope)| allowed(s.rules, path.get(s.name.len() + 1..).unwrap_or_default());
        scope_of(self.scopes, path).map_or(Allowed::Nothing, allowed_in)
    }

    /// In an SS-MIX2 storage names are the records' own: a record that is not where it belongs is missing. And that two files are empty
    /// says nothing.
    fn may_be_renamed(&self, path: &[u8], seen: &Seen) -> bool {
        let strict = scope_of(self.scopes, path).is_some_and(|(_, s)| s.rules == Rules::SsMix2);
        !strict && seen.kind == EntryKind::File && seen.size > 0
    }

    fn push(&mut self, task: Task, bytes: u64) -> Result<()> {
        self.batch.tasks.push(task);
        self.batch_bytes += bytes;
        if self.batch.tasks.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let sequence = self.batch.sequence + 1;
        let batch = std::mem::replace(&mut self.batch, Batch { sequence, tasks: Vec::with_capacity(BATCH_FILES) });
        self.batch_bytes = 0;
        if (self.send)(batch) { Ok(()) } else { Err(CompareError::Stopped) }
    }
}

impl Waiting {
    fn begin(&mut self, stem: Vec<u8>) {
        if self.gone.is_empty() && self.come.is_empty() {
            self.stem = stem;
        }
    }
}
