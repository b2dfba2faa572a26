//! The sorted walk of the sources merged with the sorted entries of the last generation.
//!
//! An entry whose type, size, mtime, ctime and inode are unchanged is copied as it is; the rest is described and read.
//! Both sides are read once, in order, in constant memory.

use super::Result;
use super::batches::Batches;
use super::command::CommandLine;
use super::contents::HostContents;
use super::entries::{HardLink, WalkEntry};
use super::freshness::{FUTURE, Freshness};
use super::lacking::Lacking;
use super::linked_files::{LinkedFiles, NameOfFile};
use super::previous::PreviousEntries;
use super::record_budget::RecordBudget;
use super::stop::Stop;
use super::tally::BackupTally;
use super::unread::{PassedEntries, UnreadPlaces};
use super::worker::is_shared;
use crate::event::FindingKind;
use crate::format::cbor::Time;
use crate::format::entry::{Core, EntryHead, EntryKind, add_sizes};
use crate::pipeline::source::{Problem, ProblemKind, SourceTree, WalkedEntry};
use crate::tripwire::Watcher;
use std::sync::atomic::Ordering::Relaxed;

const SECOND: i128 = 1_000_000_000;
/// Linux stamps files with the time of its last tick, which comes 100 times a second at least. Nanoseconds.
const TICK: i128 = SECOND / 100;
/// FAT keeps times in steps of 2 seconds, or of 10 milliseconds.
const COARSE: i128 = 2 * SECOND;

/// A source that entries are read from.
pub enum OpenSource<'t> {
    /// A tree.
    Tree(TreeSource<'t>),
    /// A tree whose root cannot be opened: its name.
    Unreadable(&'t [u8]),
    /// A command, and its standard output described as a file.
    Command(Box<Core>, Box<CommandLine>),
}

/// A tree, and what is expected of it.
pub struct TreeSource<'t> {
    pub tree: &'t SourceTree,
    /// When its newest file must have been written, if that matters.
    pub fresh: Option<Freshness>,
    /// Entries that are read.
    pub max_entries: Option<u64>,
}

/// Merges the sources with the last generation.
pub struct EntryMerge<'a> {
    pub previous: PreviousEntries,
    pub with_sha256: bool,
    pub tally: &'a BackupTally<'a>,
    pub watcher: &'a Watcher,
    pub stop: &'a Stop<'a>,
    pub linked: LinkedFiles,
    pub lacking: &'a Lacking,
    pub contents: &'a HostContents,
    pub unread: UnreadPlaces,
    pub batches: Batches<'a>,
    pub records: &'a RecordBudget,
}

impl<'a> EntryMerge<'a> {
    /// Reads the sources, which ascend by name, and sends batches in the order of the entry stream.
    pub fn merge(mut self, sources: Vec<OpenSource>) -> Result<()> {
        for source in sources {
            match source {
                OpenSource::Tree(source) => self.merge_tree(source)?,
                OpenSource::Unreadable(name) => {
                    self.watcher.is_absent(name);
                    self.pass_unread(name)?;
                }
                OpenSource::Command(core, line) => self.merge_command(core, line)?,
            }
        }
        let (previous, mut passed) = self.passed();
        previous.finish(&mut |head, record| passed.pass(head, record))?;
        self.unread.come_to(None, self.tally);
        self.batches.flush()
    }

    fn passed(&mut self) -> (&mut PreviousEntries, PassedEntries<'_, 'a>) {
        let Self { previous, unread, batches, tally, watcher, lacking, .. } = self;
        let may_be_taken_over = previous.may_be_taken_over;
        (previous, PassedEntries { unread, batches, tally, watcher, lacking, may_be_taken_over })
    }

    /// Whether the last generation has an entry of this path.
    fn find_previous(&mut self, path: &[u8]) -> Result<bool> {
        let (previous, mut passed) = self.passed();
        let is_known = previous.seek(path, &mut |head, record| passed.pass(head, record))?;
        self.unread.come_to(Some(path), self.tally);
        Ok(is_known)
    }

    /// Neither the entry `path` nor what is in it can be read, except what the walk returns after this.
    fn pass_unread(&mut self, path: &[u8]) -> Result<()> {
        let is_known = self.find_previous(path)?;
        self.unread.enter(path);
        self.watcher.cannot_see(path);
        self.pass_known(is_known)
    }

    /// The walk has passed the entry of the last generation that it has come to, if there is one.
    fn pass_known(&mut self, is_known: bool) -> Result<()> {
        let (previous, mut passed) = self.passed();
        match previous.head().filter(|_| is_known) {
            Some(head) => passed.pass(&head, previous.record()),
            None => Ok(()),
        }
    }

    fn merge_command(&mut self, core: Box<Core>, line: Box<CommandLine>) -> Result<()> {
        let is_known = self.find_previous(&core.path)?;
        let content = if is_known { self.previous.content() } else { None };
        let counts = &self.tally.counts;
        let count = if is_known { &counts.changed } else { &counts.new };
        for n in [count, &counts.entries, &counts.files] {
            n.fetch_add(1, Relaxed);
        }
        self.batches.push_alone(WalkEntry::Output(core, line, content))
    }

    /// The walk has come to `path`. It and what is behind it in the tree is not read.
    fn break_off(&mut self, tree: &SourceTree, path: &[u8]) -> Result<()> {
        let is_known = self.find_previous(path)?;
        self.unread.enter(tree.name());
        self.watcher.cannot_see(tree.name());
        self.pass_known(is_known)
    }

    fn merge_tree(&mut self, source: TreeSource) -> Result<()> {
        let TreeSource { tree, fresh, max_entries } = source;
        let counts = &self.tally.counts;
        let mut all = TreeFacts::default();
        let mut walk = tree.walk();
        while let Some(found) = walk.next() {
            self.stop.check()?;
            let found = match found {
                Ok(found) if self.records.take_path(&found.path) => found,
                Ok(found) => {
                    walk.leave_folder();
                    all.has_unread = true;
                    let folder = folder_of(&found.path);
                    self.pass_unread(folder)?;
                    let (_, folders) = all.too_long.get_or_insert_with(|| (folder.to_vec(), 0));
                    *folders += 1;
                    continue;
                }
                Err(problem) => {
                    self.report(&problem);
                    if problem.hides_entries() {
                        all.has_unread = true;
                        self.pass_unread(&problem.path)?;
                    }
                    continue;
                }
            };
            if let Some(most) = max_entries.filter(|most| all.entries >= *most) {
                let path = tree.name().to_vec();
                self.report(&Problem { path, kind: ProblemKind::TooMany { most }, errno: 0 });
                all.has_unread = true;
                self.break_off(tree, &found.path)?;
                break;
            }
            counts.entries.fetch_add(1, Relaxed);
            all.entries += 1;
            all.has_others |= !matches!(found.stat.kind, EntryKind::File | EntryKind::Directory);
            if found.stat.kind == EntryKind::File {
                counts.files.fetch_add(1, Relaxed);
                self.tally.add_size(found.stat.size);
                all.files += 1;
                all.bytes = add_sizes(all.bytes, found.stat.size);
                all.add_time(found.stat.mtime.seconds, fresh);
                self.watcher.saw(&found.path);
            }
            let is_root = found.path == tree.name();
            let inode = found.stat.inode;
            let before = self.merge_entry(tree, found)?;
            if is_root {
                all.is_another_root = before.is_some_and(|before| before != inode);
            }
        }
        self.watcher.there(tree.name(), all.files, all.bytes);
        if let Some((path, folders)) = &all.too_long {
            let problem = Problem { path: path.clone(), kind: ProblemKind::TooMuch, errno: 0 };
            self.tally.finding(FindingKind::Unreadable, path, format!("{problem}: {folders} folders"));
        }
        if let Some(what) = all.nothing() {
            self.tally.finding(FindingKind::SourceEmpty, tree.name(), what.into());
        }
        if let Some(why) = fresh.and_then(|fresh| all.why_stale(fresh)) {
            self.tally.stale(tree.name(), why);
        }
        // As an empty folder is where nothing is mounted. If it is the same folder as before, somebody has emptied it.
        if all.entries <= 1 && all.is_another_root && !all.has_unread && all.files == 0 {
            self.watcher.is_absent(tree.name());
        }
        Ok(())
    }

    fn report(&self, problem: &Problem) {
        let kind = match problem.kind {
            ProblemKind::Vanished => FindingKind::Vanished,
            ProblemKind::Skipped => FindingKind::MediumInSource,
            _ => FindingKind::Unreadable,
        };
        self.tally.finding(kind, &problem.path, problem.to_string());
    }

    /// Returns the inode that the entry had in the last generation.
    fn merge_entry(&mut self, tree: &SourceTree, found: WalkedEntry) -> Result<Option<u64>> {
        let counts = &self.tally.counts;
        let is_known = self.find_previous(&found.path)?;
        let previous = &self.previous;
        let head = if is_known { previous.head() } else { None };
        let before = head.as_ref().map(|head| head.inode);
        let name = self.linked.add(&found);
        // What the last run recorded of the names of a file must still be true.
        let is_unchanged = |head: &EntryHead| {
            is_unchanged(head, &found, previous.started, self.with_sha256)
                && head.link_to == name.link_to()
                // What the last run could not read is read again.
                && !self.lacking.contains(head.link_to.unwrap_or(head.path))
                && !self.contents.is_doubtful(head.path)
        };
        let is_same = head.as_ref().is_some_and(is_unchanged);
        if let Some(head) = head.as_ref().filter(|_| is_same && previous.is_trusted) {
            counts.unchanged.fetch_add(1, Relaxed);
            self.batches.push_unchanged(previous.record(), head.core_bytes as u32, name.further_names())?;
            return Ok(before);
        }
        // Where everything is read, what looks as it was counts so, too.
        let count = match head {
            Some(_) if is_same => &counts.unchanged,
            Some(_) => &counts.changed,
            None => &counts.new,
        };
        count.fetch_add(1, Relaxed);
        let further_names = match name {
            NameOfFile::Further { first, is_last } => {
                self.batches.push(WalkEntry::Link(HardLink { path: found.path, first, is_last }), 0)?;
                return Ok(before);
            }
            NameOfFile::First(further_names) => further_names,
        };
        let content = head.filter(|head| head.kind == Some(EntryKind::File)).and_then(|_| previous.content());
        let pushed = match found.stat.kind {
            EntryKind::File if is_shared(&found.stat) => self.batches.push_alone(WalkEntry::File(found, further_names, content)),
            EntryKind::File => {
                let bytes = found.stat.size;
                self.batches.push(WalkEntry::File(found, further_names, content), bytes)
            }
            _ => match tree.describe(&found) {
                Ok(mut described) => {
                    if !self.records.take_attributes(&mut described.core) {
                        let path = described.core.path.clone();
                        described.lacks.push(Problem { path, kind: ProblemKind::TooMuch, errno: 0 });
                    }
                    described.lacks.iter().for_each(|lack| self.tally.lacks(&lack.path, lack.to_string()));
                    self.batches.push(WalkEntry::Described(Box::new(described.core), further_names), 0)
                }
                Err(problem) => {
                    self.unreadable(&problem);
                    Ok(())
                }
            },
        };
        pushed.map(|()| before)
    }

    fn unreadable(&self, problem: &Problem) {
        self.tally.finding(FindingKind::Unreadable, &problem.path, problem.to_string());
    }
}

/// What a walk has found of a tree.
#[derive(Default)]
struct TreeFacts {
    entries: u64,
    files: u64,
    bytes: u64,
    /// When the newest file was written, in seconds since 1970, as far as that can be.
    newest: Option<i64>,
    /// A file has a time that is still to come.
    is_of_future: bool,
    /// Links, devices and the like.
    has_others: bool,
    /// Some of it could not be read.
    has_unread: bool,
    /// The root is not the folder that it was in the last generation.
    is_another_root: bool,
    /// The first folder whose rest was left out because the paths there are too long, and how many folders that are. One finding
    /// says so: somebody may make them in any number, each with a path of a megabyte.
    too_long: Option<(Vec<u8>, u64)>,
}

/// The path of the folder that has the entry.
fn folder_of(path: &[u8]) -> &[u8] {
    &path[..path.iter().rposition(|b| *b == b'/').unwrap_or(path.len())]
}

impl TreeFacts {
    fn add_time(&mut self, mtime: i64, fresh: Option<Freshness>) {
        match fresh.is_some_and(|fresh| fresh.is_future(mtime)) {
            true => self.is_of_future = true,
            false => self.newest = self.newest.max(Some(mtime)),
        }
    }

    /// Why the tree is older than it should be, if it is.
    fn why_stale(&self, fresh: Freshness) -> Option<String> {
        // What could not be read may be newer.
        if self.has_unread || self.files == 0 || self.newest.is_some_and(|newest| fresh.is_fresh(newest)) {
            return None;
        }
        match self.newest {
            Some(newest) if !self.is_of_future => Some(fresh.age(newest)),
            _ => Some(FUTURE.into()),
        }
    }

    /// Why the tree is as good as nothing, if it is: that is suspicious, and the generation is not `good`.
    fn nothing(&self) -> Option<&'static str> {
        match self {
            Self { has_unread: true, .. } | Self { has_others: true, .. } => None,
            Self { files: 0, entries: 0 | 1, .. } => Some(""),
            Self { files: 0, .. } => Some("only folders"),
            Self { bytes: 0, .. } => Some("0 bytes"),
            _ => None,
        }
    }
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
        && before.kind == Some(s.kind)
        && before.inode == s.inode
        && before.mtime == s.mtime
        && before.ctime == s.ctime
        && !is_racy(before.ctime, started)
        && (s.kind != EntryKind::File || before.size == s.size && before.has_sha256 == with_sha256)
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
