//! Section 10: a set's objects as plain files in folders.
//!
//! **Invariant:** the only calls here that change a medium create a folder, create a new file (never one that exists),
//! write it once from its start, and set the immutable attribute. Nothing removes, renames, truncates or opens a stored
//! file for writing.

mod folder;
mod read;
mod sync;
mod thousands;
mod write;

use self::folder::SetFolder;
use self::sync::{Pending, SyncQueue, fsync};
use self::thousands::OpenFolders;
use self::write::Numbers;
use super::device::{fault, folder_fault, root_device};
use super::file_system::{FileSystem, free_bytes};
use super::layout::{FOLDER, check_name, is_litter, open_folder};
use super::mounts::is_mount_point;
use super::sets::{PlaceOfSet, Sets};
use super::{Description, Listing, Medium, MediumError, OpenObject, Reread, lock};
use crate::buffer::Buffers;
use crate::format::digests::Hashes;
use crate::format::object::{Id, ObjectKind};
use crate::interruption::Interruption;
use crate::lock::FileLock;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// One set in a folder.
#[derive(Debug)]
pub struct Directory {
    folder: SetFolder,
    numbers: Numbers,
    queue: SyncQueue,
}

/// Takes away what the mode permits to others than the owner. No effect where the file system has no modes, or where the folder is
/// somebody else's.
fn close(folder: &OwnedFd) {
    const OTHERS: u32 = 0o077;
    if let Ok(stat) = rustix::fs::fstat(folder)
        && stat.st_mode & OTHERS != 0
    {
        let _ = rustix::fs::fchmod(folder, Mode::from_raw_mode(stat.st_mode & !OTHERS));
    }
}

/// Whether a root folder has nothing but the folder of the sets, and what systems put there by themselves.
fn has_only_sets(root: &OwnedFd) -> bool {
    let is_expected = |name: &[u8]| {
        let name = OsStr::from_bytes(name);
        matches!(name.as_bytes(), b"." | b".." | b"lost+found") || name == FOLDER || is_litter(name)
    };
    let names = rustix::fs::Dir::read_from(root);
    names.is_ok_and(|mut names| names.all(|entry| entry.is_ok_and(|e| is_expected(e.file_name().to_bytes()))))
}

impl Directory {
    /// Opens the set on the medium whose root folder is `root`. The set is found by its label. If no label names it, a
    /// folder named after the set is opened: work may have ended before its label was whole.
    pub fn open(root: &Path, set: Id) -> Result<Self, MediumError> {
        Self::open_found(root, &Sets::find(root)?.places(), set)
    }

    /// The same, where the sets were looked for before.
    pub(super) fn open_found(root: &Path, places: &BTreeMap<Id, PlaceOfSet>, set: Id) -> Result<Self, MediumError> {
        match places.get(&set) {
            Some(PlaceOfSet::At(path)) => Self::open_at(root, path, false),
            Some(PlaceOfSet::Newer { path, found }) => Err(MediumError::NewerFormat { path: path.clone(), found: *found }),
            None => Err(MediumError::NoSuchSet { path: root.to_owned(), set }),
        }
    }

    /// Creates a set's folder on the medium whose root folder is `root`, which must exist. Durable with the first sync.
    pub fn create(root: &Path, set: Id) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let path = root.join(FOLDER);
        let create = |path: &Path| rustix::fs::mkdir(path, Mode::RWXU);
        match create(&path) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(fault(&path, &device, "making the folder", e)),
        }
        // A symbolic link here would lead the set to another medium.
        open_folder(CWD, &path, false).map_err(|e| folder_fault(&path, &device, e))?;
        let path = path.join(set.to_string());
        match create(&path) {
            Ok(()) => Self::open_at(root, &path, true),
            Err(Errno::EXIST) => Err(MediumError::SetExists { path: root.to_owned(), set }),
            Err(e) => Err(fault(&path, &device, "making the set's folder", e)),
        }
    }

    fn open_at(root: &Path, path: &Path, is_new: bool) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let open = |path: &Path, follow| open_folder(CWD, path, follow).map_err(|e| folder_fault(path, &device, e));
        let fd = open(path, false)?;
        let above = [open(&root.join(FOLDER), false)?, open(root, true)?];
        let (file_system, buffers) = (FileSystem::of(&fd), Buffers::default());
        Ok(Self {
            folder: SetFolder {
                fd,
                folders: OpenFolders::default(),
                path: path.to_owned(),
                file_system,
                device,
                is_doubtful: AtomicBool::new(false),
                buffers,
                interruption: Interruption::default(),
            },
            numbers: Numbers::default(),
            queue: SyncQueue::new(above, Self::wants_immutable(root), is_new),
        })
    }

    /// Whether objects below `root` get the immutable attribute by default: only where a file system of its own is
    /// mounted, so that a folder made for trying things out can be deleted.
    pub fn wants_immutable(root: &Path) -> bool {
        is_mount_point(root)
    }

    /// Overrules [`Directory::wants_immutable`].
    #[must_use]
    pub fn with_immutable(mut self, immutable: bool) -> Self {
        self.queue.immutable = immutable;
        self
    }

    /// Reading ends when the user wants to stop.
    #[must_use]
    pub fn stopped_by(mut self, interruption: Interruption) -> Self {
        self.folder.interruption = interruption;
        self
    }

    /// The set's folder.
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    /// Excludes other writers from this set until the lock is dropped or the process ends: [`MediumError::Busy`] while
    /// another process has it. A process that appends must have the lock; readers need not.
    ///
    /// The medium's folders are closed to other users first, and stay closed: whoever has his working directory on it, or a
    /// file of it open, keeps the disk from being unmounted.
    pub fn lock(&self) -> Result<FileLock, MediumError> {
        let [above, root] = self.queue.above();
        close(&self.folder.fd);
        close(above);
        let is_disk = self.path().parent().and_then(Path::parent).is_some_and(is_mount_point);
        // Nobody else needs the root of a disk that has nothing else.
        if is_disk && has_only_sets(root) {
            close(root);
        }
        lock::lock(&self.folder.fd, &self.folder.path)
    }
}

impl Medium for Directory {
    fn list(&self) -> Result<Listing, MediumError> {
        self.folder.list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<(), MediumError> {
        check_name(number, kind)?;
        self.queue.check(&self.folder)?;
        let (within, file) = self.numbers.write_file(&self.folder, number, kind, bytes)?;
        self.queue.push(&self.folder, Pending { within, file: file.into(), number, length: bytes.len() as u64 })
    }

    fn sync(&self) -> Result<(), MediumError> {
        self.queue.sync(&self.folder)?;
        // With nothing to write, no call has reached the disk.
        self.folder.check_attached("syncing")
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread, MediumError> {
        let (within, file) = self.folder.open_file(number, kind)?;
        // Only what is on the device can be dropped from the cache. The kernel reports a failure to the pending file as
        // well.
        if self.queue.is_pending(number) {
            fsync(&file).map_err(|e| self.folder.fault("syncing a file", e))?;
        }
        self.folder.read_back(&within, &file, number, kind, hashes)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError> {
        self.folder.open_object(number, kind)
    }

    fn check_attached(&self) -> Result<(), MediumError> {
        if self.folder.interruption.is_there() {
            return Err(MediumError::Interrupted);
        }
        self.folder.check_readable()
    }

    fn check_complete(&self) -> Result<(), MediumError> {
        self.folder.check_complete()
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.folder.fd)
    }

    fn describe(&self) -> Description {
        let (file_system, path) = (self.folder.file_system, self.folder.path.clone());
        Description { file_system, path, immutable: self.queue.immutable() }
    }
}
