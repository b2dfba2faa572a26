//! Entries that are made by name alone: symbolic links, special files, further names.

use super::finish::{LOCKING_FLAGS, Shortfall};
use super::{Creation, Target, TargetError, failed};
use crate::format::entry::{Core, EntryKind};
use crate::pipeline::source::node::{Node, Stat};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, linkat, makedev, mknodat, readlinkat, symlinkat};
use rustix::io::Errno;

impl Target {
    /// Creates a symbolic link. Returns what could not be set of it.
    pub fn create_symlink(&self, core: &Core) -> Result<(Creation, Vec<Shortfall>), TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        let target =
            core.target.as_deref().ok_or_else(|| TargetError::Incomplete { path: core.path.clone(), what: "link's target" })?;
        let made = match symlinkat(target, &folder, name) {
            Ok(()) => Creation::New,
            Err(Errno::EXIST) if self.options.resume => Creation::Existing,
            Err(e) => return Err(failed(&core.path, "make the symbolic link", e)),
        };
        let same = |fd: &OwnedFd, stat: &Stat| {
            self.is_own(made, stat) && readlinkat(fd, c"", Vec::new()).is_ok_and(|t| t.to_bytes() == target)
        };
        Ok((made, self.finish_made(&folder, name, core, same)?))
    }

    /// Creates a pipe, a device or a socket. Returns what could not be set of it. Without [`TargetOptions::privileged`](super::TargetOptions)
    /// a device is `Withheld`.
    pub fn create_special(&self, core: &Core) -> Result<(Creation, Vec<Shortfall>), TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        let lacks = |what| TargetError::Incomplete { path: core.path.clone(), what };
        let kind = match core.kind {
            EntryKind::Fifo => FileType::Fifo,
            EntryKind::Socket => FileType::Socket,
            EntryKind::CharDevice => FileType::CharacterDevice,
            EntryKind::BlockDevice => FileType::BlockDevice,
            EntryKind::File | EntryKind::Directory | EntryKind::Symlink => return Err(lacks("special type")),
        };
        let device = match (kind, core.device) {
            (FileType::Fifo | FileType::Socket, _) => (0, 0),
            (_, Some(device)) => device,
            (_, None) => return Err(lacks("device number")),
        };
        if self.withholds(core) {
            return Err(TargetError::Withheld { path: core.path.clone() });
        }
        let made = match mknodat(&folder, name, kind, Mode::RUSR | Mode::WUSR, makedev(device.0, device.1)) {
            Ok(()) => Creation::New,
            Err(Errno::EXIST) if self.options.resume => Creation::Existing,
            Err(e) => return Err(failed(&core.path, "make the special file", e)),
        };
        let same = |_: &OwnedFd, stat: &Stat| self.is_own(made, stat) && (device == (0, 0) || stat.rdev == device);
        Ok((made, self.finish_made(&folder, name, core, same)?))
    }

    /// A device is restored only if the caller asks for it.
    fn withholds(&self, core: &Core) -> bool {
        !self.options.privileged && matches!(core.kind, EntryKind::CharDevice | EntryKind::BlockDevice)
    }

    /// What was made a moment ago belongs to whoever made it, and has no other name.
    fn is_own(&self, made: Creation, stat: &Stat) -> bool {
        made == Creation::Existing || !self.is_guarded || stat.uid == 0 && stat.nlink == 1
    }

    /// Finishes an entry that was created by name, if a handle shows that it is still that entry.
    fn finish_made(
        &self,
        folder: &OwnedFd,
        name: &[u8],
        core: &Core,
        same: impl Fn(&OwnedFd, &Stat) -> bool,
    ) -> Result<Vec<Shortfall>, TargetError> {
        let exists = || TargetError::Exists { path: core.path.clone() };
        let fd = self
            .folders
            .beneath()
            .step(folder.as_fd(), name, OFlags::PATH)
            .map_err(|e| failed(&core.path, "open what was made", e))?;
        let node = Node::handle(fd.as_fd());
        let stat = node.stat().map_err(|e| failed(&core.path, "look at what was made", e))?;
        if stat.kind != core.kind || !same(&fd, &stat) {
            return Err(exists());
        }
        Ok(self.finish(&node, core, false))
    }

    /// Creates a hard link to the entry at `core.link_to`, which may be finished already.
    ///
    /// Errors: `Refused` with `EPERM`, `EOPNOTSUPP` or `EMLINK` where the file system supports no (more) hard links. The caller
    /// may then restore the content a second time.
    pub fn link(&self, core: &Core) -> Result<Creation, TargetError> {
        let first =
            core.link_to.as_deref().ok_or_else(|| TargetError::Incomplete { path: core.path.clone(), what: "first name" })?;
        if self.withholds(core) {
            return Err(TargetError::Withheld { path: core.path.clone() });
        }
        let (from, old) = self.locate(first)?;
        let (to, new) = self.locate(&core.path)?;
        let link = || linkat(&from, old, &to, new, AtFlags::empty());
        let done = match link() {
            // Nobody, not even root, can link an immutable or append-only file.
            Err(Errno::PERM) if core.kind == EntryKind::File && core.flags & LOCKING_FLAGS != 0 => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK;
                self.folders.beneath().step(from.as_fd(), old, flags).and_then(|fd| {
                    let node = Node::open(fd.as_fd());
                    node.set_flags(core.flags & !LOCKING_FLAGS)?;
                    let done = link();
                    node.set_flags(core.flags)?;
                    done
                })
            }
            other => other,
        };
        match done {
            Ok(()) => Ok(Creation::New),
            Err(Errno::EXIST) if self.options.resume && self.is_one(&from, old, &to, new) => Ok(Creation::Existing),
            Err(e) => Err(failed(&core.path, "link it to its first name", e)),
        }
    }

    fn is_one(&self, from: &OwnedFd, old: &[u8], to: &OwnedFd, new: &[u8]) -> bool {
        let stat = |folder: &OwnedFd, name| {
            let fd = self.folders.beneath().step(folder.as_fd(), name, OFlags::PATH)?;
            Node::handle(fd.as_fd()).stat()
        };
        matches!((stat(from, old), stat(to, new)), (Ok(a), Ok(b)) if a.same_inode(&b))
    }
}
