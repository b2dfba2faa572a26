//! Records of entries, from what the file system says of them.

use super::node::{Node, Stat};
use super::{OpenFile, Problem, ProblemKind, SourceTree, WalkedEntry};
use crate::format::entry::{ContentState, Core, EntryKind};
use rustix::fd::AsFd;
use rustix::fs::{OFlags, readlinkat};
use rustix::io::Errno;

/// An entry's record and what could not be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedEntry {
    pub core: Core,
    /// Attributes or flags that the kernel would not give; the record is otherwise complete.
    pub lacks: Vec<Problem>,
}

impl SourceTree {
    /// The record of anything that was found, as it is now. Of a file: everything but its content's digests, its holes
    /// and its flags, which need it open ([`SourceTree::describe_file`]).
    ///
    /// Errors: it is gone, cannot be reached, or is something else now.
    pub fn describe(&self, found: &WalkedEntry) -> Result<DescribedEntry, Problem> {
        let path = &found.path;
        let relative = self.relative(path)?;
        if found.stat.kind == EntryKind::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            match self.open_for_reading(relative, flags) {
                Ok(fd) => return self.describe_found(found, &Node::open(fd.as_fd()), true),
                // Without leave to list it, its attributes may still be had.
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

    /// The record of an opened file, with the status it had then, but for its content's digests.
    pub fn describe_file(&self, path: &[u8], file: &OpenFile) -> DescribedEntry {
        let mut described = self.describe_node(path, file.opened(), &file.node(), true);
        described.core.holes = file.holes(described.core.size);
        described
    }

    /// The record of a file that cannot be read, from what the walk knows of it.
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
