//! Whether a disk can still be read, asked by a way that no cache answers.
//!
//! FAT answers ENOENT for folders that it cannot read, or lists them without what is there; and of a disk that does not answer
//! any more, every file system goes on to read from the cache. So what is not there is only believed after the disk itself
//! was read: nothing is called missing, empty or blank before.

use super::MediumError;
use super::device::{Device, check_attached, gone, is_no_answer};
use super::direct::read_first;
use super::layout::{SetEntry, each_entry, open_plain};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::fsync;
use rustix::io::Errno;
use std::path::Path;

/// Files of which one must be readable: on a disk with a few bad spots one of them is.
const FILES: usize = 4;

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
    let answer = match files.is_empty() {
        false => files.iter().map(|file| read_first(file.as_fd())).find(Result::is_ok).unwrap_or(Err(Errno::IO)),
        // Whoever may not read the disk itself asks it to write what it has cached.
        true => device.read_first().unwrap_or_else(|| fsync(folder)),
    };
    match answer {
        Err(e) if is_no_answer(e) => Err(gone(path, "reading", Some(e))),
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
