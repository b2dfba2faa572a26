//! Whether a disk can still be read, asked by a way that no cache answers.
//!
//! FAT answers ENOENT for folders that it cannot read, or lists them without what is there; and of a disk that does not answer
//! any more, every file system goes on to read from the cache. So what is not there is only believed after the disk itself
//! was read: nothing is called missing, empty or blank before.

use super::MediumError;
use super::device::{Device, check_attached, gone};
use super::layout::{SetEntry, each_entry, open_plain};
use crate::buffer::Buffers;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Advice, Mode, OFlags, fadvise, fsync, open};
use rustix::io::{Errno, pread};
use std::os::fd::AsRawFd;
use std::path::Path;

/// Files of which one must be readable: on a disk with a few bad spots one of them is.
const FILES: usize = 4;
/// The least that a direct read takes, on disks in use.
const BYTES: usize = 4096;

/// Looks at folders, and once more if the disk had errors meanwhile. True if it had errors again: then there may be more than
/// was seen.
pub(super) fn look<T>(device: &Device, mut once: impl FnMut() -> Result<T, MediumError>) -> Result<(T, bool), MediumError> {
    let mut counted = || {
        let before = device.errors();
        let seen = once()?;
        Ok((seen, device.errors() > before))
    };
    match counted()? {
        (_, true) => counted(),
        sound => Ok(sound),
    }
}

/// Fails with [`MediumError::Gone`] if the disk is gone, or no byte of it can be read. `set`: a folder that has objects,
/// if there is one; else `folder`, any of the disk.
pub(super) fn check(path: &Path, device: &Device, set: Option<BorrowedFd>, folder: BorrowedFd) -> Result<(), MediumError> {
    check_attached(path, device)?;
    let files = set.map(some_files).unwrap_or_default();
    let mut read = files.iter().map(|file| read_past_cache(file.as_fd()));
    let answer = match files.is_empty() {
        false => read.find(Result::is_ok).unwrap_or(Err(Errno::IO)),
        // Whoever may not read the disk itself asks it to write what it has cached.
        true => device
            .node_in_dev()
            .and_then(|node| open_past_cache(&node).ok())
            .map_or_else(|| fsync(folder), |disk| read_past_cache(disk.as_fd())),
    };
    match answer {
        Err(e @ (Errno::IO | Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::STALE | Errno::NOTCONN)) => {
            Err(gone(path, "reading", Some(e)))
        }
        // Anything else is the answer of a file system that cannot do this.
        _ => check_attached(path, device),
    }
}

/// The first objects of a set's folder that can be opened.
fn some_files(set: BorrowedFd) -> Vec<OwnedFd> {
    let mut files = Vec::new();
    let Ok(set) = set.try_clone_to_owned() else { return files };
    // Ends with an error when there are enough.
    let _ = each_entry(&set, |entry| {
        if let SetEntry::Object { folder, name, .. } = entry
            && let Ok(Some(file)) = open_plain(folder, name)
            && rustix::fs::fstat(&file).is_ok_and(|s| s.st_size > 0)
        {
            files.push(file);
        }
        if files.len() < FILES { Ok(()) } else { Err(Errno::CANCELED) }
    });
    files
}

fn open_past_cache(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDONLY | OFlags::DIRECT | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
}

/// Reads the first bytes of a file: directly, else with its pages dropped from the cache.
fn read_past_cache(file: BorrowedFd) -> Result<(), Errno> {
    let mut buffer = Buffers::default().take(BYTES);
    let mut read = |file: BorrowedFd| {
        buffer.truncate(0);
        let filled = buffer.fill(BYTES, |room, filled| if filled == 0 { Ok(pread(file, room, 0)?) } else { Ok(0) });
        filled.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    };
    let direct = open_past_cache(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())));
    if let Ok(direct) = direct {
        match read(direct.as_fd()) {
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {}
            answer => return answer,
        }
    }
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    read(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;
    use std::cell::Cell;

    #[test]
    fn a_folder_with_files_or_without_can_be_read() -> Result<(), Box<dyn std::error::Error>> {
        for root in ["/tmp", "/dev/shm", env!("CARGO_MANIFEST_DIR")] {
            let Ok(dir) = tempfile::tempdir_in(root) else { continue };
            let folder = crate::medium::layout::open_folder(CWD, dir.path(), false)?;
            let device = Device::below(&folder, dir.path());
            check(dir.path(), &device, None, folder.as_fd())?;
            check(dir.path(), &device, Some(folder.as_fd()), folder.as_fd())?;
            std::fs::create_dir(dir.path().join("00000"))?;
            std::fs::write(dir.path().join("00000/00000001.pack"), "some bytes")?;
            assert_eq!(some_files(folder.as_fd()).len(), 1);
            check(dir.path(), &device, Some(folder.as_fd()), folder.as_fd())?;
        }
        Ok(())
    }

    #[test]
    fn what_was_seen_while_the_disk_had_errors_is_looked_at_again() {
        let node = tempfile::tempdir().unwrap();
        std::fs::create_dir(node.path().join("device")).unwrap();
        let count = |n: u32| std::fs::write(node.path().join("device/ioerr_cnt"), format!("0x{n:x}\n")).unwrap();
        let device = Device::at(node.path());
        for (looks_with_errors, is_doubtful, wanted) in [(0, false, 1), (1, false, 2), (9, true, 2)] {
            count(0x1f);
            let looks = Cell::new(0);
            let seen = look(&device, || {
                looks.set(looks.get() + 1);
                if looks.get() <= looks_with_errors {
                    count(0x1f + looks.get());
                }
                Ok(())
            });
            assert_eq!((seen.unwrap().1, looks.get()), (is_doubtful, wanted), "{looks_with_errors}");
        }
        // A disk that does not count is believed.
        std::fs::remove_file(node.path().join("device/ioerr_cnt")).unwrap();
        assert!(!look(&device, || Ok(())).unwrap().1);
    }
}
