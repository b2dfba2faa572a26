//! Sources: a tree is walked and its entries are read. The opposite direction is [`target`](super::target).
//!
//! **Invariant:** nothing outside the tree's root is ever opened: a path is opened beneath the root and without following
//! symbolic links. So a tree that changes during the walk gives a [`Problem`], never the bytes of another file.

pub(in crate::pipeline) mod beneath;
mod describe;
mod file;
pub(in crate::pipeline) mod node;
mod owners;
mod problem;
#[cfg(test)]
pub(in crate::pipeline) mod tests;
mod walk;

pub use describe::DescribedEntry;
pub use file::{Holes, SourceFile, data_ranges, next_data, next_hole};
pub use node::Stat;
pub use owners::Owners;
pub use problem::{Problem, ProblemKind};
pub use walk::Walk;
pub(in crate::pipeline) use walk::only as walk_only;

use crate::format::Malformed;
use crate::format::entry::{EntryKind, check_path};
use crate::interruption::Interruption;
use crate::trust::{self, Untrusted};
use beneath::Beneath;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use node::Node;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How a tree is walked.
#[derive(Debug, Clone, Default)]
pub struct TreeOptions {
    /// Patterns in gitignore syntax, relative to the root; a later one overrides an earlier one. Excluded entries are neither
    /// walked nor reported.
    pub excludes: Vec<Vec<u8>>,
    /// Folders on other file systems are entries, but are not entered.
    pub one_file_system: bool,
    /// Device and inode of folders that must not be backed up, such as the medium when it lies in the source.
    pub skip: Vec<(u64, u64)>,
    /// Does not change times of access where the kernel permits that: to the owner and to root.
    pub no_atime: bool,
}

/// Why a tree cannot be walked at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source's name would not be a valid path of an entry: too long, empty, absolute, or with `..`.
    #[error("the source's name cannot be used")]
    Name {
        /// Which rule the name breaks.
        source: Malformed,
    },
    /// Nothing is at the root's path. Perhaps a file system is not mounted.
    #[error("the source {} does not exist", root.display())]
    Missing {
        /// The root on the host.
        root: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// The root is there, but may not or cannot be opened. Below the root that is a [`Problem`] instead.
    #[error("the source {} cannot be opened", root.display())]
    Unreadable {
        /// The root on the host.
        root: PathBuf,
        /// What the kernel says.
        source: std::io::Error,
    },
    /// Another user owns a link on the way to the root. Whoever it is decides what it leads to, so it is not followed.
    #[error("the source {} is reached by the link {} of another user", root.display(), link.display())]
    Link {
        /// The root on the host.
        root: PathBuf,
        /// The link.
        link: PathBuf,
    },
    /// The root is a device, a pipe or a socket: it has no content of its own that a walk could read.
    #[error("the source {} is neither a folder nor a file", root.display())]
    NoFile {
        /// The root on the host.
        root: PathBuf,
    },
    /// Patterns are text, although names need not be.
    #[error("the exclude pattern \"{}\" is not UTF-8", String::from_utf8_lossy(pattern))]
    ExcludeText {
        /// The pattern as it was given.
        pattern: Vec<u8>,
    },
    /// It is not gitignore syntax. It is not left out: then more would be backed up than was wanted.
    #[error("the exclude pattern \"{pattern}\" is not understood")]
    Exclude {
        /// The pattern as it was given.
        pattern: String,
        /// What is wrong with its syntax.
        source: ignore::Error,
    },
}

/// An entry that the walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkedEntry {
    /// The source's name, then `/` and the path from the root; the name alone for the root.
    pub path: Vec<u8>,
    /// Its status when it was found.
    pub stat: Stat,
}

/// A source that is a tree of files, or a single file. All methods may be called by several threads at once.
pub struct SourceTree {
    name: Vec<u8>,
    /// Of the root, or of the folder of a root that is no directory.
    beneath: Beneath,
    /// The name of a root that is no directory.
    leaf: Option<Vec<u8>>,
    root: Stat,
    /// The root without links.
    place: PathBuf,
    options: TreeOptions,
    excludes: Gitignore,
    owners: Owners,
    /// Listing a folder, and waiting for a lease, end when it comes.
    interruption: Interruption,
    /// Microseconds that are left to wait for leases, all files together: anybody may take them, on any number of files.
    lease_wait: AtomicU64,
    /// Threads that wait for one at this moment: together they use the time up once.
    lease_waiters: AtomicU64,
}

/// How long it is waited for the leases of a source. A process that does not answer loses its lease after
/// `/proc/sys/fs/lease-break-time`, usually 45 seconds; Samba's clients answer within milliseconds.
const LEASE_WAIT_US: u64 = 60_000_000;
/// How often it is looked whether a lease was released.
const LEASE_POLL_US: u64 = 20_000;

impl SourceTree {
    /// Opens the source `name` with its root on the host. A symbolic link on the way to `root` is followed if it is root's or
    /// the caller's own, because a person named it; links beneath it are not.
    pub fn open(name: Vec<u8>, root: &Path, options: TreeOptions) -> Result<Self, SourceError> {
        check_path(&name).map_err(|source| SourceError::Name { source })?;
        let excludes = matcher(&options.excludes)?;
        let fail = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { root: root.into(), source: e },
            _ => SourceError::Unreadable { root: root.into(), source: e },
        };
        let place = trust::resolve(root).map_err(|e| match e {
            Untrusted::Others(link) => SourceError::Link { root: root.into(), link },
            Untrusted::Io(e) => fail(e.into()),
        })?;
        // From here on no link is followed: one that has appeared since is not the root that was looked at.
        let top = open(c"/", beneath::FOLDER | OFlags::CLOEXEC, Mode::empty()).map_err(|e| fail(e.into()))?;
        let top = Beneath::new(top);
        let open_as = |path: &Path, flags| match path.as_os_str().as_bytes() {
            b"/" => top.open(b".", flags),
            path => top.open(&path[1..], flags),
        };
        let open_as = |path: &Path, flags| open_as(path, flags).map_err(|e| fail(e.into()));
        let handle = open_as(&place, OFlags::PATH)?;
        let stat = Node::handle(handle.as_fd()).stat().map_err(|e| fail(e.into()))?;
        let (folder, leaf) = if stat.kind == EntryKind::Directory {
            (open_as(&place, OFlags::RDONLY | OFlags::DIRECTORY)?, None)
        } else if stat.kind != EntryKind::File {
            return Err(SourceError::NoFile { root: root.into() });
        } else {
            let parent = place.parent().unwrap_or(Path::new("/"));
            let leaf = place.file_name().unwrap_or_default().as_bytes().to_vec();
            (open_as(parent, beneath::FOLDER)?, Some(leaf))
        };
        let beneath = Beneath::new(folder);
        Ok(Self {
            name,
            beneath,
            leaf,
            root: stat,
            place,
            options,
            excludes,
            owners: Owners::of_host(),
            interruption: Interruption::default(),
            lease_wait: AtomicU64::new(LEASE_WAIT_US),
            lease_waiters: AtomicU64::new(0),
        })
    }

    /// Adds folders to [`TreeOptions::skip`], by device and inode.
    pub fn skip(&mut self, folders: &[(u64, u64)]) {
        self.options.skip.extend_from_slice(folders);
    }

    /// Listing a folder ends when the user wants to stop: with a problem, or without the rest of its entries. Whoever
    /// walks the tree looks whether to stop after each entry.
    pub fn stopped_by(&mut self, interruption: Interruption) {
        self.interruption = interruption;
    }

    /// The source's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The tree that a path of the entry stream belongs to: the one with the longest name that is the path or above it.
    pub fn of<'t>(trees: &'t [Self], path: &[u8]) -> Option<&'t Self> {
        let contains = |t: &&Self| path.strip_prefix(&t.name[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
        trees.iter().filter(contains).max_by_key(|t| t.name.len())
    }

    /// The root's status when the tree was opened.
    pub fn root(&self) -> &Stat {
        &self.root
    }

    /// The root's path without links, when the tree was opened.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Whether the root is a directory without entries: something may not be mounted.
    pub fn is_empty(&self) -> Result<bool, Problem> {
        if self.leaf.is_some() {
            return Ok(false);
        }
        walk::is_empty(self.beneath.root().as_fd()).map_err(|e| Problem::failed(&self.name, e))
    }

    /// All entries in the order of the entry stream, the root first.
    pub fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    /// Opens a regular file for reading. Waits for a lease on it, but not longer than for all files of the source together.
    ///
    /// Errors: `Replaced` if it is no regular file any more, or a symbolic link is on the way; `Leased`.
    pub fn open_file(&self, path: &[u8]) -> Result<SourceFile, Problem> {
        self.lease_waiters.fetch_add(1, Relaxed);
        let opened = loop {
            match self.open_file_now(path) {
                Err(p) if p.kind == ProblemKind::Leased && !self.interruption.is_there() && self.takes_lease_wait() => {
                    std::thread::sleep(Duration::from_micros(LEASE_POLL_US));
                }
                opened => break opened,
            }
        };
        self.lease_waiters.fetch_sub(1, Relaxed);
        opened
    }

    /// The same without waiting. A process that has a lease on the file (Samba's oplocks) is asked to release it, and its time
    /// begins to run.
    pub fn open_file_now(&self, path: &[u8]) -> Result<SourceFile, Problem> {
        let relative = self.relative(path)?;
        // `O_NONBLOCK`: the call must not wait if a pipe has replaced the file.
        let fd = match self.open_for_reading(relative, OFlags::RDONLY | OFlags::NONBLOCK) {
            Err(e @ Errno::AGAIN) => {
                return Err(Problem { errno: e.raw_os_error() as u32, ..Problem::new(path, ProblemKind::Leased) });
            }
            other => other.map_err(|e| Problem::failed(path, e))?,
        };
        let stat = Node::open(fd.as_fd()).stat().map_err(|e| Problem::failed(path, e))?;
        if stat.kind != EntryKind::File {
            return Err(Problem::new(path, ProblemKind::Replaced));
        }
        Ok(SourceFile::new(fd.into(), stat))
    }

    fn takes_lease_wait(&self) -> bool {
        let share = LEASE_POLL_US / self.lease_waiters.load(Relaxed).max(1);
        self.lease_wait.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(share.max(1))).is_ok()
    }

    fn open_for_reading(&self, relative: &[u8], flags: OFlags) -> rustix::io::Result<rustix::fd::OwnedFd> {
        self.without_atime(flags, |flags| self.beneath.open(relative, flags))
    }

    /// Calls `open` with `O_NOATIME`, and again without it where it is not permitted.
    fn without_atime<T>(&self, flags: OFlags, open: impl Fn(OFlags) -> rustix::io::Result<T>) -> rustix::io::Result<T> {
        if !self.options.no_atime {
            return open(flags);
        }
        match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags),
            other => other,
        }
    }

    /// The path from `beneath`'s root.
    fn relative<'a>(&'a self, path: &'a [u8]) -> Result<&'a [u8], Problem> {
        let foreign = || Problem::failed(path, Errno::NOENT);
        let rest = path.strip_prefix(self.name.as_slice()).ok_or_else(foreign)?;
        match (rest.split_first(), &self.leaf) {
            (None, None) => Ok(b"."),
            (None, Some(leaf)) => Ok(leaf),
            (Some((b'/', rest)), None) => Ok(rest),
            _ => Err(foreign()),
        }
    }

    fn excludes(&self, path: &[u8], directory: bool) -> bool {
        !self.excludes.is_empty() && self.excludes.matched(OsStr::from_bytes(&path[self.name.len() + 1..]), directory).is_ignore()
    }
}

fn matcher(patterns: &[Vec<u8>]) -> Result<Gitignore, SourceError> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        // Replacing the invalid bytes by a wildcard would exclude more than the pattern says.
        let text = std::str::from_utf8(pattern).map_err(|_| SourceError::ExcludeText { pattern: pattern.clone() })?;
        builder.add_line(None, text).map_err(|source| SourceError::Exclude { pattern: text.into(), source })?;
    }
    builder.build().map_err(|source| SourceError::Exclude { pattern: "all together".into(), source })
}
