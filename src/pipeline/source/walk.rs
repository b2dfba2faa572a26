//! The walk: depth first, the names of each directory by their bytes.

use super::node::Stat;
use super::{Problem, ProblemKind, SourceTree, WalkedEntry};
use crate::format::entry::EntryKind;
use crate::format::limit;
use crate::interruption::Interruption;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, fstat, openat, statat};
use rustix::io::{self, Errno};
use std::ffi::CStr;

/// Directories of the walk's stack that are open at once. The others are opened again on the way back.
const OPEN_FOLDERS: usize = 64;
/// Bytes of one `getdents` call: about 2,000 names.
const LISTING_BYTES: usize = 64 << 10;
/// What the names of a directory and those above it may take in memory: forty million names. A file system in a program may
/// list names for ever.
const NAMES_BYTES: usize = 1 << 30;

/// Iterates over a tree in the order of the entry stream. A problem does not end it.
///
/// Keeps in memory the names of the directories from the root to the present one, and at most 64 descriptors.
pub struct Walk<'t> {
    tree: &'t SourceTree,
    started: bool,
    /// The present directory's, with the source's name.
    path: Vec<u8>,
    /// From the root to the present directory.
    levels: Vec<Level>,
    /// **Invariant:** the levels from here on are open, those before are not.
    lowest_open: usize,
    /// The directory that was returned last, which is entered next.
    entering: Option<Level>,
    /// To be returned next: a problem of the entry that was returned last.
    problem: Option<Problem>,
    buffer: Vec<u8>,
    spare: Vec<FolderNames>,
}

struct Level {
    fd: Option<OwnedFd>,
    stat: Stat,
    /// Length of this directory's path in `Walk::path`.
    path_bytes: usize,
    names: FolderNames,
}

type Item = Result<WalkedEntry, Problem>;

impl<'t> Walk<'t> {
    pub(super) fn new(tree: &'t SourceTree) -> Self {
        Self {
            tree,
            started: false,
            path: tree.name.clone(),
            levels: Vec::new(),
            lowest_open: 0,
            entering: None,
            problem: None,
            buffer: Vec::with_capacity(LISTING_BYTES),
            spare: Vec::new(),
        }
    }

    /// Returns nothing more of the folder of the entry that was returned last, and does not enter that entry.
    pub fn leave_folder(&mut self) {
        (self.entering, self.problem) = (None, None);
        match self.levels.last_mut() {
            Some(level) => {
                level.names.finish();
                self.path.truncate(level.path_bytes);
            }
            None => self.path.truncate(self.tree.name.len()),
        }
    }

    fn root(&mut self) -> Item {
        let root = self.tree.beneath.root().as_fd();
        let path = self.tree.name.clone();
        if let Some(leaf) = &self.tree.leaf {
            return match stat_at(root, leaf) {
                Ok(stat) => Ok(WalkedEntry { path, stat }),
                Err(e) => Err(Problem::failed(&path, e)),
            };
        }
        match self.open_folder(root, c".") {
            Ok((fd, stat)) => self.found_folder(path, fd, stat),
            Err(e) => Err(Problem::failed(&path, e)),
        }
    }

    /// The next name of the present directory; `None` if it is excluded.
    fn entry(&mut self, key: Key) -> Option<Item> {
        let level = self.levels.last()?;
        let (Some(fd), name) = (&level.fd, level.names.get(key)) else { return None };
        let bytes = name.to_bytes();
        let mut path = Vec::with_capacity(self.path.len() + 1 + bytes.len());
        path.extend_from_slice(&self.path);
        path.push(b'/');
        path.extend_from_slice(bytes);
        if path.len() as u64 > limit::PATH_BYTES {
            return Some(Err(Problem::new(&path, ProblemKind::TooLong)));
        }
        let stat_now = || statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).map(|s| Stat::new(&s));
        // A directory is opened before its status is read, so that both are of the same one. With `one_file_system` the status
        // comes first: opening a folder on another file system may mount it or wait for a server.
        let stat_first = key.kind != ListedKind::Directory || self.tree.options.one_file_system;
        let seen = match stat_first.then(stat_now).transpose() {
            Ok(seen) => seen,
            Err(e) => return Some(Err(Problem::failed(&path, e))),
        };
        let directory = seen.is_none_or(|s| s.kind == EntryKind::Directory);
        if self.tree.excludes(&path, directory) {
            return None;
        }
        if let Some(stat) = seen
            && (!directory || self.tree.options.one_file_system && stat.device != self.tree.root.device)
        {
            let skipped = directory && self.tree.options.skip.contains(&(stat.device, stat.inode));
            return Some(if skipped { Err(Problem::new(&path, ProblemKind::Skipped)) } else { Ok(WalkedEntry { path, stat }) });
        }
        match self.open_folder(fd.as_fd(), name) {
            Ok((fd, stat)) => Some(self.found_folder(path, fd, stat)),
            Err(e) => match stat_now() {
                Ok(stat) => {
                    // If it is no directory any more, it is returned as what it is now.
                    if stat.kind == EntryKind::Directory {
                        self.problem = Some(Problem { kind: ProblemKind::Unreadable, ..Problem::failed(&path, e) });
                    }
                    Some(Ok(WalkedEntry { path, stat }))
                }
                Err(e) => Some(Err(Problem::failed(&path, e))),
            },
        }
    }

    fn found_folder(&mut self, path: Vec<u8>, fd: OwnedFd, stat: Stat) -> Item {
        if self.tree.options.skip.contains(&(stat.device, stat.inode)) {
            return Err(Problem::new(&path, ProblemKind::Skipped));
        }
        let elsewhere = self.tree.options.one_file_system && stat.device != self.tree.root.device;
        if self.levels.iter().any(|l| l.stat.same_inode(&stat)) {
            self.problem = Some(Problem::new(&path, ProblemKind::Loop));
        } else if !elsewhere {
            self.entering = Some(Level { fd: Some(fd), stat, path_bytes: path.len(), names: FolderNames::default() });
            self.path.clone_from(&path);
        }
        Ok(WalkedEntry { path, stat })
    }

    fn open_folder(&self, folder: BorrowedFd, name: &CStr) -> io::Result<(OwnedFd, Stat)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = self.tree.without_atime(flags, |flags| openat(folder, name, flags, Mode::empty()))?;
        let stat = Stat::new(&fstat(&fd)?);
        Ok((fd, stat))
    }

    /// Lists the directory and makes it the present one.
    fn enter(&mut self, mut level: Level) -> Result<(), Problem> {
        level.names = self.spare.pop().unwrap_or_default();
        let listed = match &level.fd {
            Some(fd) => {
                let held: usize = self.levels.iter().map(|l| l.names.bytes()).sum();
                let room = NAMES_BYTES.saturating_sub(held);
                level.names.list(fd.as_fd(), &mut self.buffer, self.tree.interruption, room)
            }
            None => Ok(()),
        };
        self.levels.push(level);
        if self.levels.len() - self.lowest_open > OPEN_FOLDERS {
            self.levels[self.lowest_open].fd = None;
            self.lowest_open += 1;
        }
        listed.map_err(|e| match e {
            Errno::OVERFLOW => Problem::new(&self.path, ProblemKind::TooLong),
            e => Problem { kind: ProblemKind::Unreadable, ..Problem::failed(&self.path, e) },
        })
    }

    /// Returns to the directory above, and opens it again if it was closed.
    fn leave(&mut self) -> Result<(), Problem> {
        let Some(child) = self.levels.pop() else { return Ok(()) };
        self.spare.push(child.names.cleared());
        let Some(top) = self.levels.len().checked_sub(1) else { return Ok(()) };
        self.path.truncate(self.levels[top].path_bytes);
        if self.levels[top].fd.is_none() {
            self.lowest_open = top;
            match self.reopen(top, child.fd.as_ref()) {
                Ok(fd) => self.levels[top].fd = Some(fd),
                Err(e) => {
                    // Its remaining names cannot be read any more.
                    let has_more = !self.levels[top].names.is_done();
                    self.levels[top].names.finish();
                    if has_more {
                        return Err(Problem { kind: ProblemKind::Replaced, ..Problem::failed(&self.path, e) });
                    }
                }
            }
        }
        Ok(())
    }

    /// By `..` from the child, unless the child was moved; then from the root.
    fn reopen(&self, top: usize, child: Option<&OwnedFd>) -> io::Result<OwnedFd> {
        let is_it = |found: io::Result<(OwnedFd, Stat)>| match found {
            Ok((fd, stat)) if stat.same_inode(&self.levels[top].stat) => Ok(fd),
            Ok(_) => Err(Errno::STALE),
            Err(e) => Err(e),
        };
        if let Some(child) = child
            && let Ok(fd) = is_it(self.open_folder(child.as_fd(), c".."))
        {
            return Ok(fd);
        }
        let relative = self.path.get(self.tree.name.len() + 1..).filter(|_| top > 0).unwrap_or(b".");
        let fd = self.tree.open_for_reading(relative, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let stat = Stat::new(&fstat(&fd)?);
        is_it(Ok((fd, stat)))
    }
}

impl Iterator for Walk<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(problem) = self.problem.take() {
            return Some(Err(problem));
        }
        if !self.started {
            self.started = true;
            return Some(self.root());
        }
        if let Some(level) = self.entering.take()
            && let Err(problem) = self.enter(level)
        {
            return Some(Err(problem));
        }
        loop {
            let key = self.levels.last_mut()?.names.next();
            match key {
                Some(key) => {
                    if let Some(item) = self.entry(key) {
                        return Some(item);
                    }
                }
                None => {
                    if let Err(problem) = self.leave() {
                        return Some(Err(problem));
                    }
                }
            }
        }
    }
}

/// The type of a name in a listing. Some file systems do not report it; such a name is `Other` until its status is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ListedKind {
    Directory,
    Other,
}

#[derive(Clone, Copy)]
struct Key {
    /// Eight bytes of the name behind the prefix of all names, so that sorting seldom compares the names themselves.
    prefix: u64,
    /// Of the name in the arena.
    start: u32,
    kind: ListedKind,
}

/// The names of one directory, ascending: one arena of names that end with NUL, and 16 bytes a name.
#[derive(Default)]
struct FolderNames {
    arena: Vec<u8>,
    order: Vec<Key>,
    next: usize,
}

impl FolderNames {
    fn get(&self, key: Key) -> &CStr {
        // Every name in the arena ends with NUL.
        CStr::from_bytes_until_nul(&self.arena[key.start as usize..]).unwrap_or(c"")
    }

    fn bytes(&self) -> usize {
        self.arena.len() + size_of_val(&self.order[..])
    }

    fn next(&mut self) -> Option<Key> {
        let key = self.order.get(self.next).copied();
        self.next += 1;
        key
    }

    fn is_done(&self) -> bool {
        self.next >= self.order.len()
    }

    fn finish(&mut self) {
        self.next = self.order.len();
    }

    /// Emptied for the next directory. The memory of a very large one is freed.
    fn cleared(mut self) -> Self {
        self.arena.clear();
        self.order.clear();
        self.next = 0;
        self.arena.shrink_to(1 << 20);
        self.order.shrink_to(1 << 16);
        self
    }

    /// Reads and sorts the names of a directory. After an error it has the names that were read until then.
    /// They take at most `room` bytes.
    fn list(&mut self, fd: BorrowedFd, buffer: &mut Vec<u8>, interruption: Interruption, room: usize) -> io::Result<()> {
        let read = self.read(fd, buffer, interruption, room);
        if interruption.is_there() {
            self.order.clear();
        }
        self.sort();
        read
    }

    fn read(&mut self, fd: BorrowedFd, buffer: &mut Vec<u8>, interruption: Interruption, room: usize) -> io::Result<()> {
        let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            if interruption.is_there() {
                return Err(Errno::CANCELED);
            }
            let entry = entry?;
            let name = entry.file_name().to_bytes_with_nul();
            if name == b".\0" || name == b"..\0" || name == b"\0" {
                continue;
            }
            if self.bytes() + name.len() + size_of::<Key>() > room {
                return Err(Errno::OVERFLOW);
            }
            let kind = if entry.file_type() == FileType::Directory { ListedKind::Directory } else { ListedKind::Other };
            self.order.push(Key { prefix: 0, start: self.arena.len() as u32, kind });
            self.arena.extend_from_slice(name);
        }
        Ok(())
    }

    fn sort(&mut self) {
        let (arena, order) = (&self.arena, &mut self.order);
        let name = |k: &Key| {
            let tail = &arena[k.start as usize..];
            &tail[..tail.iter().position(|b| *b == 0).unwrap_or(tail.len())]
        };
        let Some(first) = order.first().map(name) else { return };
        let shared = order.iter().fold(first.len(), |n, k| first[..n].iter().zip(name(k)).take_while(|(a, b)| a == b).count());
        for k in order.iter_mut() {
            let mut eight = [0; 8];
            let rest = &name(k)[shared..];
            let n = rest.len().min(8);
            eight[..n].copy_from_slice(&rest[..n]);
            k.prefix = u64::from_be_bytes(eight);
        }
        order.sort_unstable_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| name(a).cmp(name(b))));
        // A directory that changes while it is listed may give a name twice; a record must not.
        order.dedup_by(|a, b| a.prefix == b.prefix && name(a) == name(b));
    }
}

fn stat_at(folder: BorrowedFd, name: &[u8]) -> io::Result<Stat> {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).map(|s| Stat::new(&s))
}

/// Whether a directory has no entries.
pub(in crate::pipeline) fn is_empty(folder: BorrowedFd) -> io::Result<bool> {
    only(folder, |_| false)
}

/// Whether a directory has only entries that are `allowed`.
pub(in crate::pipeline) fn only(folder: BorrowedFd, allowed: impl Fn(&[u8]) -> bool) -> io::Result<bool> {
    let fd = openat(folder, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut buffer = Vec::with_capacity(LISTING_BYTES);
    let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
    while let Some(entry) = listing.next() {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." && !allowed(&name) {
            return Ok(false);
        }
    }
    Ok(true)
}
