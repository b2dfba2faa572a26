//! Section 10: a set's objects as plain files in a folder.
//!
//! **Invariant:** the only calls here that change a medium make a folder, make a new file (never one that exists), write it
//! from its start once, and set the immutable attribute. Nothing removes, renames, truncates or opens a stored file for writing.
//!
//! **Only `fsync` of each file tells the truth.** On exFAT and vfat neither `syncfs` nor unmounting sends the disk a flush; ext4
//! and exFAT may answer every write of an unplugged disk with success. So each file stays open until it has been synced: an
//! error of writing back is told to the files open then, and may never be told to one opened later.

use super::direct;
use super::file_system::{Device, FileSystem, free_bytes, is_mount_point, reserved_bytes};
use super::lock;
use super::sets::root_device;
use super::{Description, FOREIGN_NAMES, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::buffer::Buffers;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind, file_name, parse_file_name};
use crate::lock::FileLock;
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Advice, AtFlags, Dir, FileType, IFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder on a medium's root that holds the sets.
pub(super) const FOLDER: &str = "AZEKURA";

/// What may wait for a sync at most, in bytes and files. Beyond it an append syncs the oldest files itself, so that neither
/// unwritten memory nor open files grow with the size of a backup.
const PENDING_BYTES: u64 = 256 << 20;
const PENDING_FILES: usize = 64;

/// Whether stored objects carry the immutable attribute (`chattr +i`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Immutable {
    /// Not asked for.
    Off,
    On,
    /// Asked for, but the file system or the privileges do not allow it.
    Refused {
        /// The kernel's word.
        why: String,
    },
}

/// One set in a folder.
#[derive(Debug)]
pub struct Directory {
    /// The set's folder.
    folder: OwnedFd,
    /// `AZEKURA` and the root: the names that lead to the set's folder lie in them.
    above: [OwnedFd; 2],
    path: PathBuf,
    file_system: FileSystem,
    device: Device,
    /// For direct reads and writes.
    buffers: Buffers,
    immutable: bool,
    writing: Mutex<Writing>,
    /// Held throughout a sync, so that a second one does not answer before the first has done. Taken before `writing`.
    syncing: Mutex<Syncing>,
}

#[derive(Debug, Default)]
struct Writing {
    /// Numbers in use; read from the folder at the first append.
    numbers: Option<HashSet<u64>>,
    /// Written, not yet synced; oldest first.
    pending: VecDeque<Pending>,
    pending_bytes: u64,
    /// The first failed sync: what and why.
    broken: Option<(&'static str, Errno)>,
    /// The kernel's first refusal of the immutable attribute.
    refused: Option<Errno>,
}

#[derive(Debug)]
struct Pending {
    file: Arc<OwnedFd>,
    number: u64,
    length: u64,
}

#[derive(Debug, Default)]
struct Syncing {
    /// The folders above have been synced since this was opened. A run that died may have made them and not come that far.
    above: bool,
    /// Something has been made whose name has not been synced.
    unnamed: bool,
}

impl Directory {
    /// Opens the set on the medium whose root folder is `root`. A folder that only bears the set's name, because work ended
    /// before its label was whole, is opened too; a folder whose label names the set goes before it.
    pub fn open(root: &Path, set: Id) -> Result<Self, MediumError> {
        let sets = Self::sets(root)?;
        if let Some(found) = sets.found.iter().find(|s| s.id == set) {
            return Self::open_at(root, &found.path);
        }
        match sets.broken.into_iter().find(|b| b.folder_id() == Some(set)) {
            Some(b) if matches!(b.why, MediumError::NewerFormat { .. }) => Err(b.why),
            Some(b) => Self::open_at(root, &b.path),
            None => Err(MediumError::NoSuchSet { path: root.to_owned(), set }),
        }
    }

    /// Makes a set's folder on the medium whose root folder is `root`, which must exist. Durable with the first sync.
    pub fn create(root: &Path, set: Id) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let path = root.join(FOLDER);
        let make = |path: &Path| rustix::fs::mkdir(path, Mode::from_raw_mode(0o755));
        match make(&path) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(fault(&path, &device, "making the folder", e)),
        }
        // A link here would lead the set off the medium.
        open_folder(rustix::fs::CWD, &path, false).map_err(|e| folder_fault(&path, &device, e))?;
        let path = path.join(set.to_string());
        match make(&path) {
            Ok(()) => {
                let made = Self::open_at(root, &path)?;
                made.syncing.lock().unnamed = true;
                Ok(made)
            }
            Err(Errno::EXIST) => Err(MediumError::SetExists { path: root.to_owned(), set }),
            Err(e) => Err(fault(&path, &device, "making the set's folder", e)),
        }
    }

    fn open_at(root: &Path, path: &Path) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let open = |path: &Path, follow| open_folder(rustix::fs::CWD, path, follow).map_err(|e| folder_fault(path, &device, e));
        let folder = open(path, false)?;
        let above = [open(&root.join(FOLDER), false)?, open(root, true)?];
        Ok(Self {
            file_system: FileSystem::of(&folder),
            folder,
            above,
            path: path.to_owned(),
            immutable: Self::wants_immutable(root),
            device,
            buffers: Buffers::default(),
            writing: Mutex::default(),
            syncing: Mutex::default(),
        })
    }

    /// Whether objects on `root` get the immutable attribute unless told otherwise: only where a file system of its own is
    /// mounted, so that a folder for trying things out can be thrown away.
    pub fn wants_immutable(root: &Path) -> bool {
        is_mount_point(root)
    }

    /// Overrules [`Directory::wants_immutable`].
    #[must_use]
    pub fn with_immutable(self, immutable: bool) -> Self {
        Self { immutable, ..self }
    }

    /// The set's folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other writers out of this set until the guard is dropped or the process ends: [`MediumError::Busy`] when there is
    /// one. Whoever appends holds it; readers need not.
    pub fn lock(&self) -> Result<FileLock, MediumError> {
        lock::lock(&self.folder, &self.path)
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn fault(&self, what: &'static str, e: Errno) -> MediumError {
        fault(&self.path, &self.device, what, e)
    }

    /// Some file systems answer for an unplugged disk from the cache, or with nothing at all, and no error.
    fn still_there(&self, what: &'static str) -> Result<(), MediumError> {
        match self.device.is_gone() {
            true => Err(MediumError::Gone { place: self.place(), what, source: None }),
            false => Ok(()),
        }
    }

    /// `Full` gets its figures here.
    fn write_fault(&self, what: &'static str, e: Errno, needed: u64, torn: bool) -> MediumError {
        match self.fault(what, e) {
            MediumError::Full { place, .. } => MediumError::Full { place, needed, free: self.free_bytes(), torn },
            other => other,
        }
    }

    /// Calls `f` with every name in the folder.
    fn each_name(&self, mut f: impl FnMut(&[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => f(name)?,
            }
        }
        Ok(())
    }

    /// A sync has failed: `needed` bytes at least are not known to be stored.
    fn break_off(&self, what: &'static str, e: Errno, needed: u64) -> MediumError {
        self.writing.lock().broken.get_or_insert((what, e));
        self.write_fault(what, e, needed, true)
    }

    fn check_broken(&self) -> Result<(), MediumError> {
        let broken = self.writing.lock().broken;
        match broken {
            None => Ok(()),
            Some((what, e)) => Err(match self.fault(what, e) {
                gone @ MediumError::Gone { .. } => gone,
                _ => MediumError::Broken { place: self.place(), what, source: e.into() },
            }),
        }
    }

    /// Takes the number, or says that it is in use.
    fn reserve(&self, number: u64) -> Result<(), MediumError> {
        let mut writing = self.writing.lock();
        if writing.numbers.is_none() {
            let mut numbers = HashSet::new();
            self.each_name(|name| {
                numbers.extend(std::str::from_utf8(name).ok().and_then(parse_file_name).map(|(n, _)| n));
                Ok(())
            })
            .map_err(|e| self.fault("listing", e))?;
            writing.numbers = Some(numbers);
        }
        match writing.numbers.as_mut().is_some_and(|n| n.insert(number)) {
            true => Ok(()),
            false => Err(MediumError::Exists { place: self.place(), number }),
        }
    }

    /// Gives back a number under which nothing was made.
    fn release(&self, number: u64) {
        if let Some(numbers) = &mut self.writing.lock().numbers {
            numbers.remove(&number);
        }
    }

    fn create_file(&self, number: u64, kind: ObjectKind, needed: u64) -> Result<OwnedFd, MediumError> {
        // Asked beforehand, so that a full medium is not left with a torn object. Writing may still find it full.
        let reserved = if kind == ObjectKind::Pack { reserved_bytes(&self.folder) } else { 0 };
        if let Some(free) = self.free_bytes().filter(|f| *f < needed.saturating_add(reserved)) {
            self.release(number);
            self.still_there("asking for room")?;
            return Err(MediumError::Full { place: self.place(), needed, free: Some(free), torn: false });
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o444);
        match rustix::fs::openat(&self.folder, file_name(number, kind), flags, mode) {
            Ok(file) => {
                // The format's mode, whatever the umask. Where there are no modes there is nothing to lose.
                let _ = rustix::fs::fchmod(&file, mode);
                Ok(file)
            }
            Err(Errno::EXIST) => Err(MediumError::Exists { place: self.place(), number }),
            Err(e) => {
                self.release(number);
                Err(self.write_fault("making a file", e, needed, false))
            }
        }
    }

    /// Syncs the oldest files until at most so much is pending; the answer is the last of them. The caller holds `syncing`.
    fn sync_files(&self, syncing: &mut Syncing, bytes: u64, files: usize) -> Result<Option<Arc<OwnedFd>>, MediumError> {
        let mut last = None;
        loop {
            let (file, length) = match self.writing.lock() {
                w if w.pending_bytes <= bytes && w.pending.len() <= files => return Ok(last),
                w => match w.pending.front() {
                    Some(p) => (Arc::clone(&p.file), p.length),
                    None => return Ok(last),
                },
            };
            syncing.unnamed = true;
            retry(|| rustix::fs::fsync(&file)).map_err(|e| self.break_off("syncing a file", e, length))?;
            if self.immutable {
                self.make_immutable(&file);
            }
            // Only whoever holds `syncing` takes from the front; until here the file counted as pending.
            let mut writing = self.writing.lock();
            writing.pending.pop_front();
            writing.pending_bytes -= length;
            last = Some(file);
        }
    }

    /// A help against accidents, not a promise: a refusal is kept for [`Medium::describe`], and one is enough.
    fn make_immutable(&self, file: &OwnedFd) {
        if self.writing.lock().refused.is_some() {
            return;
        }
        let set = rustix::fs::ioctl_getflags(file).and_then(|flags| rustix::fs::ioctl_setflags(file, flags | IFlags::IMMUTABLE));
        if let Err(e) = set {
            self.writing.lock().refused = Some(e);
        }
    }

    fn sync_names(&self, syncing: &mut Syncing) -> Result<(), MediumError> {
        let above: &[OwnedFd] = if syncing.above { &[] } else { &self.above };
        for folder in std::iter::once(&self.folder).chain(above) {
            match retry(|| rustix::fs::fsync(folder)) {
                // The file system knows no such thing as syncing a folder.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(e) => return Err(self.break_off("syncing a folder", e, 0)),
            }
        }
        syncing.above = true;
        syncing.unnamed = false;
        Ok(())
    }

    fn open_object(&self, number: u64, kind: ObjectKind) -> Result<OwnedFd, MediumError> {
        check_name(number, kind)?;
        match open_plain(&self.folder, file_name(number, kind)) {
            Ok(Some(file)) => Ok(file),
            Ok(None) => Err(MediumError::NotAFile { place: self.place(), number, kind }),
            Err(e) => Err(self.read_fault("opening a file", e, number, kind)),
        }
    }

    fn read_fault(&self, what: &'static str, e: Errno, number: u64, kind: ObjectKind) -> MediumError {
        match (self.fault(what, e), e) {
            (gone @ MediumError::Gone { .. }, _) => gone,
            (_, Errno::NOENT) => MediumError::Missing { place: self.place(), number, kind },
            // What file systems answer to a bad sector, a failed checksum, and structures that make no sense.
            (_, Errno::IO | Errno::ILSEQ | Errno::BADMSG | Errno::UCLEAN) => {
                MediumError::Unreadable { place: self.place(), number, kind, source: e.into() }
            }
            (other, _) => other,
        }
    }
}

impl Medium for Directory {
    fn list(&self) -> Result<Listing, MediumError> {
        let mut listing = Listing::default();
        let mut foreign: BTreeSet<OsString> = BTreeSet::new();
        let listed = self.each_name(|name| {
            if let Some((number, kind)) = std::str::from_utf8(name).ok().and_then(parse_file_name) {
                match rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(s) if FileType::from_raw_mode(s.st_mode).is_file() => {
                        listing.objects.push(Listed { number, kind, length: s.st_size as u64 });
                        return Ok(());
                    }
                    Ok(_) => {}
                    // A damaged entry must not hide the others: reading it will tell.
                    Err(Errno::IO | Errno::UCLEAN | Errno::BADMSG) if !self.device.is_gone() => {
                        listing.objects.push(Listed { number, kind, length: 0 });
                        return Ok(());
                    }
                    Err(Errno::NOENT) => return Ok(()),
                    Err(e) => return Err(e),
                }
            }
            listing.foreign_count += 1;
            foreign.insert(OsString::from_vec(name.to_vec()));
            if foreign.len() > FOREIGN_NAMES {
                foreign.pop_last();
            }
            Ok(())
        });
        listed.map_err(|e| self.fault("listing", e))?;
        // vfat lists an unplugged disk as empty.
        self.still_there("listing")?;
        listing.objects.sort_unstable_by_key(|o| (o.number, o.kind.code()));
        listing.foreign = foreign.into_iter().collect();
        Ok(listing)
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<(), MediumError> {
        check_name(number, kind)?;
        self.check_broken()?;
        self.reserve(number)?;
        let length = bytes.len() as u64;
        let file = self.create_file(number, kind, length)?;
        direct::write_whole(file.as_fd(), bytes, self.file_system, &self.buffers)
            .map_err(|e| self.write_fault("writing", e, length, true))?;
        let too_much = {
            let mut writing = self.writing.lock();
            writing.pending.push_back(Pending { file: file.into(), number, length });
            writing.pending_bytes += length;
            writing.pending_bytes > PENDING_BYTES || writing.pending.len() > PENDING_FILES
        };
        if too_much {
            let mut syncing = self.syncing.lock();
            self.check_broken()?;
            // Half stays, so that the disk has work while the next objects are made.
            self.sync_files(&mut syncing, PENDING_BYTES / 2, PENDING_FILES / 2)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), MediumError> {
        let mut syncing = self.syncing.lock();
        self.check_broken()?;
        let last = self.sync_files(&mut syncing, 0, 0)?;
        if syncing.unnamed {
            self.sync_names(&mut syncing)?;
            // Once more after the folders: it carries the immutable attributes, and a flush behind all of them on file systems
            // whose folders send none.
            if let Some(file) = last {
                retry(|| rustix::fs::fsync(&file)).map_err(|e| self.break_off("syncing a file", e, 0))?;
            }
        }
        // Nobody has been asked whether the disk is there if there was nothing to write.
        self.still_there("syncing")
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread, MediumError> {
        let file = self.open_object(number, kind)?;
        // Only what is on the device can be dropped from the cache. A failure is told to the pending file as well.
        let pending = self.writing.lock().pending.iter().any(|p| p.number == number);
        if pending {
            retry(|| rustix::fs::fsync(&file)).map_err(|e| self.fault("syncing a file", e))?;
        }
        let (length, digest, how) =
            direct::read_back(self.folder.as_fd(), &file_name(number, kind), file.as_fd(), self.file_system, &self.buffers)
                .map_err(|e| self.read_fault("reading", e, number, kind))?;
        self.still_there("reading")?;
        Ok(Reread { length, digest, how })
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError> {
        let file = self.open_object(number, kind)?;
        let length =
            rustix::fs::fstat(&file).map_err(|e| self.read_fault("asking for a length", e, number, kind))?.st_size as u64;
        self.still_there("opening a file")?;
        // Read ahead far: objects are mostly read from end to end.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        Ok(Box::new(OpenFile { file: file.into(), length }))
    }

    fn is_there(&self) -> Result<(), MediumError> {
        match self.device.is_gone_soon() {
            true => self.still_there("reading"),
            false => Ok(()),
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.folder)
    }

    fn describe(&self) -> Description {
        let immutable = match (self.immutable, self.writing.lock().refused) {
            (false, _) => Immutable::Off,
            (true, None) => Immutable::On,
            (true, Some(e)) => Immutable::Refused { why: e.to_string() },
        };
        Description { file_system: self.file_system, place: self.path.clone(), immutable }
    }
}

struct OpenFile {
    file: File,
    length: u64,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

impl OpenObject for OpenFile {
    fn length(&self) -> u64 {
        self.length
    }
}

/// Whether an object may bear this name.
pub(super) fn check_name(number: u64, kind: ObjectKind) -> Result<(), MediumError> {
    match number > limit::OBJECT_NUMBER || kind == ObjectKind::Void {
        true => Err(MediumError::BadName { number, kind }),
        false => Ok(()),
    }
}

/// What an error of the kernel means on a medium. ENOSPC and EROFS, too, may come from a disk that was pulled.
pub(super) fn fault(path: &Path, device: &Device, what: &'static str, e: Errno) -> MediumError {
    let place = path.display().to_string();
    let source = e.into();
    match e {
        Errno::IO | Errno::NOSPC | Errno::ROFS if device.is_gone_soon() => {
            MediumError::Gone { place, what, source: Some(source) }
        }
        _ if device.is_gone() => MediumError::Gone { place, what, source: Some(source) },
        Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::STALE | Errno::NOTCONN => {
            MediumError::Gone { place, what, source: Some(source) }
        }
        Errno::NOSPC | Errno::DQUOT => MediumError::Full { place, needed: 0, free: None, torn: false },
        Errno::ROFS => MediumError::ReadOnly { place },
        Errno::ACCESS | Errno::PERM => MediumError::Denied { place, what, source },
        _ => MediumError::Io { place, what, source },
    }
}

fn folder_fault(path: &Path, device: &Device, e: Errno) -> MediumError {
    match e {
        Errno::NOENT => MediumError::NotFound { path: path.to_owned() },
        Errno::NOTDIR | Errno::LOOP => MediumError::NotADirectory { path: path.to_owned() },
        e => fault(path, device, "opening the folder", e),
    }
}

pub(super) fn open_folder(at: impl AsFd, path: &Path, follow: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, if follow { flags } else { flags | OFlags::NOFOLLOW }, Mode::empty())
}

/// Opens a plain file for reading; `None` when it is something else. Never waits for a fifo's other end.
pub(super) fn open_plain(at: impl AsFd, path: impl rustix::path::Arg) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(at, path, flags, Mode::empty()) {
        Ok(file) => {
            let mode = rustix::fs::fstat(&file)?.st_mode;
            Ok(FileType::from_raw_mode(mode).is_file().then_some(file))
        }
        Err(Errno::LOOP) => Ok(None),
        Err(e) => Err(e),
    }
}

fn retry(mut call: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
