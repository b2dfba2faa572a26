//! What makes a restored tree durable, by the file system that it lies on.
//!
//! On a file system with a journal or with copies on write, one `syncfs` in the end stores everything and sends the disk
//! a flush. On exFAT, vfat and ntfs-3g it sends none, and what a disk has in its own cache is gone when it is pulled;
//! so there, and wherever nothing is known, each file and each folder is flushed by itself, as on a medium.

use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, fstatfs, fsync, openat, syncfs};
use rustix::io::{self, Errno, fcntl_dupfd_cloexec};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether one `syncfs` makes everything on a file system durable, by its number in `statfs(2)`: ext4 (with ext2 and
/// ext3), XFS, btrfs, F2FS, ZFS, bcachefs, layers of these, and those in memory, which a restart ends anyway.
fn is_stored_by_syncfs(magic: u32) -> bool {
    matches!(
        magic,
        0xEF53 | 0x5846_5342 | 0x9123_683E | 0xF2F5_2010 | 0x2FC1_2FC1 | 0xCA45_1A4E | 0x794C_7630 | 0x0102_1994 | 0x8584_58F6
    )
}

/// The file systems that a restore has written to.
pub(super) struct FileSystems {
    /// By their numbers.
    all: Mutex<BTreeMap<u64, FileSystem>>,
    /// One of them needs each file flushed.
    flushes_each: AtomicBool,
    is_stored_by_syncfs: fn(u32) -> bool,
}

struct FileSystem {
    /// A folder to sync it by.
    folder: io::Result<OwnedFd>,
    flushes_each: bool,
    /// The file that was flushed last.
    last: Option<OwnedFd>,
}

impl FileSystems {
    pub fn new() -> Self {
        Self { all: Mutex::default(), flushes_each: AtomicBool::new(false), is_stored_by_syncfs }
    }

    /// Treats every file system as one that needs each file flushed.
    #[cfg(test)]
    pub fn unknown() -> Self {
        Self { is_stored_by_syncfs: |_| false, ..Self::new() }
    }

    /// The file that was flushed last.
    #[cfg(test)]
    pub fn last_inode(&self) -> Option<u64> {
        self.all.lock().values().find_map(|f| fstat(f.last.as_ref()?).ok()).map(|s| s.st_ino)
    }

    /// Treats what `fd` lies on as a file system that needs each file flushed.
    #[cfg(test)]
    pub fn note_as(&self, fd: impl AsFd) {
        let system = FileSystem { folder: Err(Errno::INVAL), flushes_each: true, last: None };
        self.all.lock().insert(fstat(fd).unwrap().st_dev, system);
    }

    /// Notes the file system of a folder.
    pub fn note(&self, folder: &OwnedFd) {
        let Ok(stat) = fstat(folder) else { return };
        self.all.lock().entry(stat.st_dev).or_insert_with(|| {
            let is_stored = fstatfs(folder).is_ok_and(|s| (self.is_stored_by_syncfs)(s.f_type as u32));
            self.flushes_each.fetch_or(!is_stored, Ordering::Relaxed);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            FileSystem { folder: openat(folder, c".", flags, Mode::empty()), flushes_each: !is_stored, last: None }
        });
    }

    /// Whether folders have to be flushed one by one, too.
    pub fn flushes_each(&self) -> bool {
        self.flushes_each.load(Ordering::Relaxed)
    }

    /// Makes a complete file durable, if its file system needs that. Its name may not be durable yet.
    pub fn flush_file(&self, file: impl AsFd) -> io::Result<()> {
        let Some(number) = self.needs_flush(&file) else { return Ok(()) };
        flush(&file)?;
        let again = fcntl_dupfd_cloexec(&file, 0).ok();
        let before = self.all.lock().get_mut(&number).and_then(|f| std::mem::replace(&mut f.last, again));
        // Closed when the lock is released: on a network closing may wait.
        drop(before);
        Ok(())
    }

    /// Makes the names in a folder durable, if its file system needs that and can do it.
    pub fn flush_folder(&self, folder: impl AsFd) -> io::Result<()> {
        match self.needs_flush(&folder).map(|_| flush(&folder)) {
            // This file system cannot sync folders.
            None | Some(Ok(()) | Err(Errno::INVAL)) => Ok(()),
            Some(Err(e)) => Err(e),
        }
    }

    fn needs_flush(&self, fd: impl AsFd) -> Option<u64> {
        if !self.flushes_each() {
            return None;
        }
        let number = fstat(fd).ok()?.st_dev;
        self.all.lock().get(&number).filter(|f| f.flushes_each).map(|_| number)
    }

    /// Makes everything durable. Files and folders that need it were flushed before; those in `rest` are flushed here, and
    /// so are the folders above `root`, which the restore may have made.
    pub fn sync(&self, root: &Path, rest: impl IntoIterator<Item = io::Result<Arc<OwnedFd>>>) -> io::Result<()> {
        for file_system in self.all.lock().values() {
            syncfs(file_system.folder.as_ref().map_err(|e| *e)?)?;
        }
        if !self.flushes_each() {
            return Ok(());
        }
        for folder in rest {
            // It was opened to find names in, not to be synced.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            self.flush_folder(openat(&*folder?, c".", flags, Mode::empty())?)?;
        }
        for above in root.ancestors() {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            // A folder that may not be read was not made just now.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(folder) = rustix::fs::open(above, flags, Mode::empty()) else { continue };
            self.flush_folder(folder)?;
        }
        // Once more after the folders: syncing a folder sends no flush on some file systems.
        self.all.lock().values().filter_map(|f| f.last.as_ref()).try_for_each(flush)
    }
}

fn flush(fd: impl AsFd) -> io::Result<()> {
    loop {
        match fsync(&fd) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_syncfs_is_known_to_flush_the_disk_is_it_enough() {
        for magic in [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010] {
            assert!(is_stored_by_syncfs(magic));
        }
        // exFAT, vfat, NTFS (in the kernel, old and new), FUSE as ntfs-3g has it, NFS, SMB, UDF, and one that nobody knows.
        for magic in [0x2011_BAB0, 0x4D44, 0x5346_544E, 0x7366_746E, 0x6573_5546, 0x6969, 0xFF53_4D42, 0x1501_3346, 0] {
            assert!(!is_stored_by_syncfs(magic), "{magic:#x}");
        }
    }
}
