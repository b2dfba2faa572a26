//! Targets of a restore: entries are created beneath a folder. The opposite direction is [`source`](super::source).
//!
//! **Invariant:** nothing is created outside the folder, and nothing that existed is overwritten: paths are opened without
//! following symbolic links, and the last name is created exclusively.

mod durable;
mod error;
mod finish;
mod folders;
mod page;
mod parents;
mod special;
#[cfg(test)]
mod tests;

pub use error::{DiskFault, TargetError};
pub use finish::{Aspect, Shortfall, Withheld};

use super::source::beneath::FOLDER;
use super::source::node::{Node, Stat};
use super::source::walk_only;
use crate::format::entry::{Core, EntryKind, check_path};
use crate::trust::{self, Untrusted, is_roots};
use durable::FileSystems;
use error::failed;
use folders::Folders;
use parents::Parents;
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, open, openat, unlinkat};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How entries are restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TargetOptions {
    /// Sets the recorded user and group of every entry; needs root. Otherwise the caller owns everything.
    pub owners: bool,
    /// Accepts a target that is not empty, and folders that exist in it. Other entries that exist are refused.
    pub into_existing: bool,
    /// Continues an interrupted restore: an entry that exists and may be its work is returned instead of refused.
    pub resume: bool,
    /// Nobody may write to restored entries: files get the mode 0444 and folders 0555, without access lists and capabilities. This
    /// includes folders that existed before, if something is restored into them.
    pub read_only: bool,
    /// Restores what may give rights on this host: devices, set-id bits of files, and attributes of `security.*` and `trusted.*`.
    /// Otherwise each of them is named as withheld.
    pub privileged: bool,
}

/// Whether an entry was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It was created.
    New,
    /// It existed already.
    Existing,
}

/// A file to be filled by `write_all_at`, except for its holes; then call [`Target::finish_file`].
#[derive(Debug)]
pub struct CreatedFile {
    /// Open for reading and writing; only for reading if it existed, and has other names or cannot be written.
    pub file: File,
    /// The size of a file that existed already, only with `resume`. Its content is to be compared and, where it differs, written
    /// again.
    pub existing: Option<u64>,
}

/// Identifies a file that was closed before it had all its content, for when it is opened again.
#[derive(Debug)]
pub struct ClosedFile(Stat);

/// Opens the folder, and makes it with mode 0700 if it does not exist.
fn open_root(dir: &Path, is_guarded: bool) -> Result<OwnedFd, TargetError> {
    let fail = |source: io::Error| TargetError::Folder { dir: dir.into(), source };
    if is_guarded {
        return trust::open_folder(dir).map_err(|e| match e {
            Untrusted::Others(at) => TargetError::Others { dir: dir.into(), at },
            Untrusted::Io(e) => fail(e.into()),
        });
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    open(dir, flags, Mode::empty()).map_err(|e| fail(e.into()))
}

/// A folder that entries are restored to. All methods may be called by several threads at once.
pub struct Target {
    dir: PathBuf,
    folders: Folders,
    options: TargetOptions,
    /// Root restores: everything is made in folders that nobody else may change.
    is_guarded: bool,
    /// New entries may inherit access lists or flags from folders that existed before.
    inherits: bool,
    parents: Parents,
    /// Folders without a record, where folders have to be made durable one by one.
    made_parents: Mutex<BTreeSet<Vec<u8>>>,
}

impl Target {
    /// Opens `dir`, and creates it with mode 0700 if it does not exist. A `lost+found` alone counts as an empty folder. For root,
    /// neither the folder nor any above it may be one that others can change: they could take away what only the
    /// permissions of a folder above protect.
    pub fn create(dir: &Path, options: TargetOptions) -> Result<Self, TargetError> {
        Self::create_on(dir, options, FileSystems::new())
    }

    /// Makes the folder that [`Target::create`] will open, for whoever cannot make one any more by then. What fails is an error
    /// there. Returns the folders that were made, inner ones first.
    pub fn prepare(dir: &Path) -> Vec<PathBuf> {
        let missing: Vec<PathBuf> = dir.ancestors().take_while(|above| !above.exists()).map(Path::to_owned).collect();
        if missing.is_empty() {
            return missing;
        }
        let Ok(root) = open_root(dir, rustix::process::geteuid().is_root()) else { return Vec::new() };
        let file_systems = FileSystems::new();
        file_systems.note(&root);
        // Where one sync in the end is not enough, the names of these folders are flushed now, while the folders above may be read.
        for above in dir.ancestors().filter(|_| file_systems.flushes_each()) {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            let _ = File::open(above).and_then(|folder| folder.sync_all());
        }
        missing
    }

    fn create_on(dir: &Path, options: TargetOptions, file_systems: FileSystems) -> Result<Self, TargetError> {
        let fail = |source: io::Error| TargetError::Folder { dir: dir.into(), source };
        let is_guarded = rustix::process::geteuid().is_root();
        let root = open_root(dir, is_guarded)?;
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
            folders: Folders::new(root, file_systems, is_guarded),
            options,
            is_guarded,
            parents: Parents::default(),
            made_parents: Mutex::default(),
        })
    }

    /// Creates a folder that the caller can write to until [`Target::finish_directory`].
    pub fn create_directory(&self, core: &Core) -> Result<Creation, TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        match mkdirat(&folder, name, Mode::RWXU) {
            Ok(()) => return Ok(Creation::New),
            Err(Errno::EXIST) if self.options.into_existing || self.options.resume => {}
            Err(e) => return Err(failed(&core.path, "make the folder", e)),
        }
        let exists = || TargetError::Exists { path: core.path.clone() };
        let fd = self.folders.beneath().step(folder.as_fd(), name, FOLDER).map_err(|_| exists())?;
        if self.is_guarded {
            self.take(&fd, core)?;
        }
        // An earlier run may have finished it with a mode that denies access to its own user.
        if self.options.resume || self.options.read_only {
            open_up(&fd, 0o700);
        }
        Ok(Creation::Existing)
    }

    /// Lets nobody but root change a folder that exists, until it is finished: its owner could put another in its place. Nor does it
    /// let in whom the record lets not: what is restored into it may have no other protection. Where the record's owner will not be
    /// set, the folder of another user is left as it is, and is an error.
    fn take(&self, folder: &OwnedFd, core: &Core) -> Result<(), TargetError> {
        let others = |_| TargetError::OthersWithin { path: core.path.clone() };
        let node = Node::handle(folder.as_fd());
        let stat = node.stat().map_err(others)?;
        if !is_roots(stat.uid, stat.mode) {
            if !self.options.owners {
                return Err(others(Errno::PERM));
            }
            node.set_owner(0, stat.gid).and_then(|()| node.set_mode(0o700)).map_err(others)?;
        } else if stat.mode & 0o077 & !core.mode != 0 {
            node.set_mode(stat.mode & 0o7777 & (core.mode | !0o077)).map_err(others)?;
        }
        match node.stat() {
            Ok(now) if is_roots(now.uid, now.mode) => Ok(()),
            _ => Err(others(Errno::PERM)),
        }
    }

    /// Creates a file with mode 0600. With `resume`, a regular file that exists and is not longer than the record says is
    /// returned.
    pub fn create_file(&self, core: &Core) -> Result<CreatedFile, TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&folder, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(CreatedFile { file: fd.into(), existing: None }),
            Err(Errno::EXIST) if self.options.resume => self.existing_file(&folder, name, core),
            Err(e) => Err(failed(&core.path, "make the file", e)),
        }
    }

    fn existing_file(&self, folder: &OwnedFd, name: &[u8], core: &Core) -> Result<CreatedFile, TargetError> {
        // Root fills no file that somebody else may have open.
        let is_owned = |seen: &Stat| !self.is_guarded || seen.uid == 0 || self.options.owners && seen.uid == core.uid;
        let may_be_ours = |seen: &Stat| seen.kind == EntryKind::File && seen.size <= core.size && is_owned(seen);
        let exists = || TargetError::Exists { path: core.path.clone() };
        // An earlier run may have finished it with a mode that forbids even its own user to write the rest.
        if self.options.resume
            && let Ok(handle) = self.folders.beneath().step(folder.as_fd(), name, OFlags::PATH)
            && Node::handle(handle.as_fd()).stat().is_ok_and(|seen| may_be_ours(&seen) && seen.nlink == 1)
        {
            open_up(&handle, 0o600);
        }
        let (file, seen) = self.open_existing(folder, name, core, may_be_ours, exists)?;
        Ok(CreatedFile { file, existing: Some(seen.size) })
    }

    /// Identifies a file that the caller is about to close, because only a limited number can be open.
    pub fn close_file(&self, file: &File) -> io::Result<ClosedFile> {
        Ok(ClosedFile(Node::open(file.as_fd()).stat()?))
    }

    /// Opens a file of this restore again. Fails if something else has its name by now.
    pub fn reopen_file(&self, core: &Core, closed: &ClosedFile) -> Result<File, TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        let is_it = |seen: &Stat| seen.kind == EntryKind::File && seen.same_inode(&closed.0);
        let replaced = || TargetError::Replaced { path: core.path.clone() };
        Ok(self.open_existing(&folder, name, core, is_it, replaced)?.0)
    }

    /// Opens a file that exists, if its status is the one `wanted`.
    fn open_existing(
        &self,
        folder: &OwnedFd,
        name: &[u8],
        core: &Core,
        wanted: impl Fn(&Stat) -> bool,
        otherwise: impl Fn() -> TargetError,
    ) -> Result<(File, Stat), TargetError> {
        let open_as = |flags| self.folders.beneath().step(folder.as_fd(), name, flags);
        // The status is read through a handle first: opening a device may already have an effect.
        let handle = open_as(OFlags::PATH).map_err(|e| failed(&core.path, "look at the file that exists", e))?;
        let seen = Node::handle(handle.as_fd()).stat().map_err(|_| otherwise())?;
        if !wanted(&seen) {
            return Err(otherwise());
        }
        // A file with another name may belong to somebody else, so it is not written to.
        let writable = if seen.nlink == 1 { open_as(OFlags::RDWR | OFlags::NONBLOCK) } else { Err(Errno::PERM) };
        let fd = writable
            .or_else(|_| open_as(OFlags::RDONLY | OFlags::NONBLOCK))
            .map_err(|e| failed(&core.path, "open the file that exists", e))?;
        match Node::open(fd.as_fd()).stat() {
            Ok(stat) if stat.same_inode(&seen) => Ok((fd.into(), stat)),
            _ => Err(otherwise()),
        }
    }

    /// A temporary file without a name: nobody else sees it, and it is gone when it is closed.
    pub fn nameless_file(&self, random: &dyn Fn(&mut [u8])) -> io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match openat(self.folders.beneath().root(), c".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(fd.into()),
            Err(_) => self.unnamed_file(random),
        }
    }

    /// The same where the file system has no such files (NFS, SMB, FAT): the name is removed before anything is written.
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

    /// Removes a file that could not be filled, so that nobody mistakes it for the restored file.
    #[expect(clippy::disallowed_methods, reason = "a file that this restore made, in the target")]
    pub fn discard_file(&self, core: &Core) -> Result<(), TargetError> {
        let (folder, name) = self.locate(&core.path)?;
        unlinkat(&folder, name, AtFlags::empty()).map_err(|e| failed(&core.path, "remove the incomplete file", e))
    }

    /// Sets owner, permissions, times and the rest of a file that has its content. A hole at its end is made here. Returns what
    /// could not be set.
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

    /// Sets owner, permissions, times and the rest of a folder. Call it after everything in the folder was finished. Returns what
    /// could not be set.
    pub fn finish_directory(&self, core: &Core) -> Vec<Shortfall> {
        let opened = self.locate(&core.path).and_then(|(folder, name)| {
            self.folders
                .beneath()
                .step(folder.as_fd(), name, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(|e| failed(&core.path, "open the folder", e))
        });
        match opened {
            Ok(fd) if self.is_guarded && !Node::open(fd.as_fd()).stat().is_ok_and(|s| is_roots(s.uid, s.mode)) => {
                vec![Shortfall::new(core, Aspect::Entry, Errno::PERM)]
            }
            Ok(fd) => {
                let mut shortfalls = self.finish(&Node::open(fd.as_fd()), core, true);
                let flushed = self.folders.file_systems().flush_folder(&fd);
                shortfalls.extend(flushed.err().map(|e| Shortfall::new(core, Aspect::Durable, e)));
                shortfalls
            }
            Err(e) => vec![Shortfall { path: core.path.clone(), what: Aspect::Entry, errno: e.errno() }],
        }
    }

    /// Whether finished files have to be flushed one by one: [`Target::flush_file`].
    pub fn flushes_each(&self) -> bool {
        self.folders.file_systems().flushes_each()
    }

    /// Makes a finished file durable where [`Target::sync`] alone would not. Returns that it could not be.
    pub fn flush_file(&self, file: &File, core: &Core) -> Option<Shortfall> {
        let flushed = self.folders.file_systems().flush_file(file);
        flushed.err().map(|e| Shortfall::new(core, Aspect::Durable, e))
    }

    /// Makes everything durable that was created so far. Also fails if the kernel could not write some of it earlier.
    pub fn sync(&self) -> Result<(), TargetError> {
        let not_durable = |e: Errno| TargetError::NotDurable { dir: self.dir.clone(), source: e.into() };
        let made = std::mem::take(&mut *self.made_parents.lock());
        let opened = made.iter().map(|path| self.folders.open(path));
        self.folders.file_systems().sync(&self.dir, opened).map_err(not_durable)
    }

    /// The folder that contains `path`, and its name there.
    fn locate<'p>(&self, path: &'p [u8]) -> Result<(Arc<OwnedFd>, &'p [u8]), TargetError> {
        check_path(path).map_err(|source| TargetError::Path { source })?;
        let (above, name) = split(path).unwrap_or((b"", path));
        let folder = self.folders.open(above).map_err(|e| failed(path, "open the folder it belongs in", e))?;
        Ok((folder, name))
    }
}

/// Adds the user's permissions that are `needed` to an entry that exists, until it is finished again. No effect where the entry
/// belongs to somebody else.
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
