//! Where data goes back to: creating entries beneath a folder. The way there is [`source`](super::source).
//!
//! **Invariant:** nothing is created outside the folder, and nothing that was there is overwritten: a path is walked without
//! following symbolic links, and the last name is created exclusively.

mod error;
mod finish;
mod folders;
mod page;
mod parents;
mod special;
#[cfg(test)]
mod tests;

pub use error::TargetError;
pub use finish::{Aspect, Shortfall};

use super::source::beneath::FOLDER;
use super::source::node::{Node, Stat};
use super::source::walk_only;
use crate::format::entry::{Core, EntryKind, check_path};
use error::failed;
use folders::Folders;
use parents::Parents;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetOptions {
    /// Gives every entry its recorded user and group; needs root. Otherwise all belongs to the caller.
    pub owners: bool,
    /// Accepts a folder that is not empty, and folders in it. Other entries that exist are still refused.
    pub into_existing: bool,
    /// Goes on with an interrupted restore: what exists and may be its work is handed back instead of refused.
    pub resume: bool,
    /// Nobody may write to what is restored: files get the mode 0444 and folders 0555, without access lists and capabilities. Folders
    /// that were there before, too, if something is restored into them.
    pub read_only: bool,
}

/// Whether an entry was made or stood there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    New,
    Existing,
}

/// A file to be filled: data by `write_all_at`, around its holes; then [`Target::finish_file`].
#[derive(Debug)]
pub struct CreatedFile {
    pub file: File,
    /// Only with `resume`: the bytes that a file had which stood there already. Its content is to be checked and, where
    /// it differs, written again. It is open for reading alone if it has other names or cannot be written.
    pub existing: Option<u64>,
}

/// A file that was closed before it had all its content: what it is known by when it is opened again.
#[derive(Debug)]
pub struct ClosedFile(Stat);

/// A folder that entries are restored to. All methods may be called by several threads at once.
pub struct Target {
    dir: PathBuf,
    folders: Folders,
    options: TargetOptions,
    /// New entries may take over access lists or flags from folders that were there before.
    inherits: bool,
    parents: Parents,
}

impl Target {
    /// Opens `dir`, which is made (mode 0700) if it does not exist. An empty file system's `lost+found` does not count.
    pub fn create(dir: &Path, options: TargetOptions) -> Result<Self, TargetError> {
        let fail = |source: io::Error| TargetError::Folder { dir: dir.into(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(dir, flags, Mode::empty()).map_err(|e| fail(e.into()))?;
        let existing = options.into_existing || options.resume;
        if !existing && !walk_only(root.as_fd(), |name| name == b"lost+found").map_err(|e| fail(e.into()))? {
            return Err(TargetError::NotEmpty { dir: dir.into() });
        }
        let node = Node::open(root.as_fd());
        let listed = node.xattrs().0.iter().any(|(name, _)| name == b"system.posix_acl_default");
        let flagged = node.flags().is_ok_and(|flags| flags != 0);
        Ok(Self {
            dir: dir.into(),
            inherits: existing || listed || flagged,
            folders: Folders::new(root),
            options,
            parents: Parents::default(),
        })
    }

    /// Makes a folder that the caller can write to until [`Target::finish_directory`].
    pub fn create_directory(&self, core: &Core) -> Result<Creation, TargetError> {
        let (folder, name) = self.place(&core.path)?;
        match mkdirat(&folder, name, Mode::RWXU) {
            Ok(()) => return Ok(Creation::New),
            Err(Errno::EXIST) if self.options.into_existing || self.options.resume => {}
            Err(e) => return Err(failed(&core.path, "make the folder", e)),
        }
        let exists = || TargetError::Exists { path: core.path.clone() };
        let fd = self.folders.beneath().step(folder.as_fd(), name, FOLDER).map_err(|_| exists())?;
        // An earlier run may have finished it with a mode that keeps its own user out.
        if self.options.resume || self.options.read_only {
            open_up(&fd, 0o700);
        }
        Ok(Creation::Existing)
    }

    /// Makes a file of mode 0600.
    ///
    /// With `resume`, a regular file that is not longer than the record says is handed back.
    pub fn create_file(&self, core: &Core) -> Result<CreatedFile, TargetError> {
        let (folder, name) = self.place(&core.path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&folder, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(CreatedFile { file: fd.into(), existing: None }),
            Err(Errno::EXIST) if self.options.resume => self.existing_file(&folder, name, core),
            Err(e) => Err(failed(&core.path, "make the file", e)),
        }
    }

    fn existing_file(&self, folder: &OwnedFd, name: &[u8], core: &Core) -> Result<CreatedFile, TargetError> {
        let may_be_ours = |seen: &Stat| seen.kind == EntryKind::File && seen.size <= core.size;
        let exists = || TargetError::Exists { path: core.path.clone() };
        // An earlier run may have finished it with a mode that lets not even its own user write the rest.
        if self.options.resume
            && let Ok(handle) = self.folders.beneath().step(folder.as_fd(), name, OFlags::PATH)
            && Node::handle(handle.as_fd()).stat().is_ok_and(|seen| may_be_ours(&seen) && seen.nlink == 1)
        {
            open_up(&handle, 0o600);
        }
        let (file, seen) = self.open_existing(folder, name, core, may_be_ours, exists)?;
        Ok(CreatedFile { file, existing: Some(seen.size) })
    }

    /// Notes what a file is that is closed for a while, because only so many can be open.
    pub fn close_file(&self, file: &File) -> io::Result<ClosedFile> {
        Ok(ClosedFile(Node::open(file.as_fd()).stat()?))
    }

    /// Opens a file again that this restore has made, and nothing else that may stand under its name by now.
    pub fn reopen_file(&self, core: &Core, closed: &ClosedFile) -> Result<File, TargetError> {
        let (folder, name) = self.place(&core.path)?;
        let is_it = |seen: &Stat| seen.kind == EntryKind::File && seen.same_inode(&closed.0);
        let replaced = || TargetError::Replaced { path: core.path.clone() };
        Ok(self.open_existing(&folder, name, core, is_it, replaced)?.0)
    }

    /// Opens a file that exists, if it is the one `wanted`.
    fn open_existing(
        &self,
        folder: &OwnedFd,
        name: &[u8],
        core: &Core,
        wanted: impl Fn(&Stat) -> bool,
        otherwise: impl Fn() -> TargetError,
    ) -> Result<(File, Stat), TargetError> {
        let open_as = |flags| self.folders.beneath().step(folder.as_fd(), name, flags);
        // Looked at by a handle first: opening a device may already act on it.
        let handle = open_as(OFlags::PATH).map_err(|e| failed(&core.path, "look at the file that exists", e))?;
        let seen = Node::handle(handle.as_fd()).stat().map_err(|_| otherwise())?;
        if !wanted(&seen) {
            return Err(otherwise());
        }
        // Through another name the file may belong to somebody else, so it is not written to.
        let writable = if seen.nlink == 1 { open_as(OFlags::RDWR | OFlags::NONBLOCK) } else { Err(Errno::PERM) };
        let fd = writable
            .or_else(|_| open_as(OFlags::RDONLY | OFlags::NONBLOCK))
            .map_err(|e| failed(&core.path, "open the file that exists", e))?;
        match Node::open(fd.as_fd()).stat() {
            Ok(stat) if stat.same_inode(&seen) => Ok((fd.into(), stat)),
            _ => Err(otherwise()),
        }
    }

    /// A file for what the restore keeps for itself: nobody else sees it, and it is gone when it is closed.
    pub fn nameless_file(&self, random: &dyn Fn(&mut [u8])) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(self.folders.beneath().root(), c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(fd.into()),
            Err(_) => self.unnamed_file(random),
        }
    }

    /// The same where the file system has no such files (NFS, SMB, FAT): its name is taken away before anything is in it.
    #[expect(clippy::disallowed_methods, reason = "a name that this restore made a moment ago, in the target")]
    fn unnamed_file(&self, random: &dyn Fn(&mut [u8])) -> io::Result<File> {
        let root = self.folders.beneath().root();
        let mut number = [0; 16];
        random(&mut number);
        let name = format!(".azekura-{:032x}", u128::from_le_bytes(number));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(root, &name, flags, Mode::RUSR | Mode::WUSR)?;
        unlinkat(root, &name, AtFlags::empty())?;
        Ok(fd.into())
    }

    /// Takes away a file that could not be filled, so that nobody takes it for what it was to be.
    #[expect(clippy::disallowed_methods, reason = "a file that this restore made, in the target")]
    pub fn discard_file(&self, core: &Core) -> Result<(), TargetError> {
        let (folder, name) = self.place(&core.path)?;
        unlinkat(&folder, name, AtFlags::empty()).map_err(|e| failed(&core.path, "take away the incomplete file", e))
    }

    /// Gives a file that has its content everything else. A hole at its end is made here.
    #[expect(clippy::disallowed_methods, reason = "the file is shorter and becomes longer")]
    pub fn finish_file(&self, file: &File, core: &Core) -> Vec<Shortfall> {
        let mut shortfalls = Vec::new();
        if core.holes.last().is_some_and(|h| h.offset + h.length == core.size)
            && file.metadata().is_ok_and(|m| m.len() < core.size)
            && let Err(e) = file.set_len(core.size)
        {
            let errno = e.raw_os_error().unwrap_or(0) as u32;
            shortfalls.push(Shortfall { path: core.path.clone(), what: Aspect::Size, errno });
        }
        shortfalls.extend(self.finish(&Node::open(file.as_fd()), core, true));
        shortfalls
    }

    /// Gives a folder its permissions, times and the rest, after everything in it was made and finished: of two
    /// folders, the deeper one first.
    pub fn finish_directory(&self, core: &Core) -> Vec<Shortfall> {
        let opened = self.place(&core.path).and_then(|(folder, name)| {
            self.folders
                .beneath()
                .step(folder.as_fd(), name, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|e| failed(&core.path, "open the folder", e))
        });
        match opened {
            Ok(fd) => self.finish(&Node::open(fd.as_fd()), core, true),
            Err(e) => vec![Shortfall { path: core.path.clone(), what: Aspect::Entry, errno: e.errno() }],
        }
    }

    /// Makes everything durable that was made so far. What the kernel could not write in the meantime is an error here, too.
    pub fn sync(&self) -> Result<(), TargetError> {
        let not_durable = |e: Errno| TargetError::NotDurable { dir: self.dir.clone(), source: e.into() };
        self.folders.sync().map_err(not_durable)
    }

    /// The folder to create in, and the name.
    fn place<'p>(&self, path: &'p [u8]) -> Result<(Arc<OwnedFd>, &'p [u8]), TargetError> {
        check_path(path).map_err(|source| TargetError::Path { source })?;
        let (above, name) = split(path).unwrap_or((b"", path));
        let folder = self.folders.open(above).map_err(|e| failed(path, "open the folder it belongs in", e))?;
        Ok((folder, name))
    }
}

/// Gives what exists the user's permissions that are `needed`, until it is finished again. In vain where it is somebody else's.
fn open_up(entry: &OwnedFd, needed: u32) {
    let node = Node::handle(entry.as_fd());
    if let Ok(stat) = node.stat()
        && stat.mode & needed != needed
    {
        let _ = node.set_mode(stat.mode | needed);
    }
}

fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    path.iter().rposition(|b| *b == b'/').map(|i| (&path[..i], &path[i + 1..]))
}
