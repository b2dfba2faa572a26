//! Records of entries, from what the file system says of them.

use super::node::{Node, Stat};
use super::{Problem, ProblemKind, SourceFile, SourceTree, WalkedEntry};
use crate::format::entry::{ContentState, Core, EntryKind};
use rustix::fd::AsFd;
use rustix::fs::{OFlags, readlinkat};
use rustix::io::Errno;

/// Bytes of holes that are read as data where a file has more holes than are recorded, and for each byte of data some
/// more. So no file takes a night to be read that was made in a moment.
const FREE_HOLE_BYTES: u64 = 64 << 30;
const HOLES_PER_DATA: u64 = 16;

/// An entry's record, and which part of it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedEntry {
    /// The record.
    pub core: Core,
    /// Attributes or flags that could not be read; the record is otherwise complete.
    pub lacks: Vec<Problem>,
}

impl SourceTree {
    /// The record of an entry that was found, as it is now. For a file without digests, holes and flags, which only
    /// [`SourceTree::describe_file`] reads.
    ///
    /// Errors: the entry is gone, cannot be opened, or has another type now.
    pub fn describe(&self, found: &WalkedEntry) -> Result<DescribedEntry, Problem> {
        let path = &found.path;
        let relative = self.relative(path)?;
        if found.stat.kind == EntryKind::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            match self.open_for_reading(relative, flags) {
                Ok(fd) => return self.describe_found(found, &Node::open(fd.as_fd()), true),
                // Even where it may not be listed, its attributes may be readable.
                Err(Errno::ACCESS) => {}
                Err(e) => return Err(Problem::failed(path, e)),
            }
        }
        let fd = self.beneath.open(relative, OFlags::PATH).map_err(|e| Problem::failed(path, e))?;
        let mut described = self.describe_found(found, &Node::handle(fd.as_fd()), false)?;
        if found.stat.kind == EntryKind::Symlink {
            let target = readlinkat(&fd, c"", Vec::new()).map_err(|e| Problem::failed(path, e))?;
            described.core.target = Some(target.into_bytes());
        }
        Ok(described)
    }

    /// The record of an opened file, with the status that it had when it was opened, without digests. Where
    /// `is_stopped` says so, it ends early.
    ///
    /// Errors: `TooSparse`.
    pub fn describe_file(
        &self,
        path: &[u8],
        file: &SourceFile,
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<DescribedEntry, Problem> {
        let mut described = self.describe_node(path, file.opened(), &file.node(), true);
        let holes = file.holes(described.core.size, is_stopped);
        let data_bytes = file.opened().blocks.saturating_mul(512);
        if holes.other_bytes > FREE_HOLE_BYTES.saturating_add(data_bytes.saturating_mul(HOLES_PER_DATA)) {
            let errno = Errno::FBIG.raw_os_error() as u32;
            return Err(Problem { errno, ..Problem::new(path, ProblemKind::TooSparse) });
        }
        described.core.holes = holes.ranges;
        Ok(described)
    }

    /// The record of a file that cannot be read, from its status.
    pub fn describe_unreadable(&self, found: &WalkedEntry, problem: &Problem) -> Core {
        let mut core = self.core(&found.path, &found.stat);
        core.state = ContentState::Unreadable { errno: problem.errno };
        core
    }

    fn describe_found(&self, found: &WalkedEntry, node: &Node, flags: bool) -> Result<DescribedEntry, Problem> {
        let stat = node.stat().map_err(|e| Problem::failed(&found.path, e))?;
        if stat.kind != found.stat.kind {
            return Err(Problem::new(&found.path, ProblemKind::Replaced));
        }
        Ok(self.describe_node(&found.path, &stat, node, flags))
    }

    fn describe_node(&self, path: &[u8], stat: &Stat, node: &Node, flags: bool) -> DescribedEntry {
        let mut core = self.core(path, stat);
        let mut lacks = Vec::new();
        let (xattrs, error) = node.xattrs();
        core.xattrs = xattrs;
        lacks.extend(error.map(|e| Problem::failed(path, e)));
        if flags {
            match node.flags() {
                Ok(flags) => core.flags = flags,
                Err(e) => lacks.push(Problem::failed(path, e)),
            }
        }
        DescribedEntry { core, lacks }
    }

    fn core(&self, path: &[u8], stat: &Stat) -> Core {
        let mut core = Core::new(path.to_vec(), stat.kind);
        core.mode = stat.mode;
        core.uid = stat.uid;
        core.gid = stat.gid;
        core.user = self.owners.user(stat.uid).map(<[u8]>::to_vec);
        core.group = self.owners.group(stat.gid).map(<[u8]>::to_vec);
        core.mtime = stat.mtime;
        core.ctime = stat.ctime;
        core.inode = stat.inode;
        match stat.kind {
            EntryKind::File => core.size = stat.size,
            EntryKind::CharDevice | EntryKind::BlockDevice => core.device = Some(stat.rdev),
            _ => {}
        }
        core
    }
}
