//! One writer at a time: a lock on a set's folder.
//!
//! It is `flock(2)` on the folder itself. The kernel lets go of it when its holder dies, however it dies, so there is no
//! stale lock to break and no lock file on a medium where nothing may be removed.

use super::MediumError;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, major, minor, openat};
use rustix::io::Errno;
use std::path::Path;

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub struct Guard {
    folder: OwnedFd,
}

impl Drop for Guard {
    /// Not only closed: a program that another thread starts at this moment has a copy of the descriptor until it runs, and the
    /// lock lasts as long as any copy.
    fn drop(&mut self) {
        let _ = flock(&self.folder, FlockOperation::Unlock);
    }
}

/// Locks the folder that `folder` is open on. `path` is for messages.
pub(super) fn lock(folder: impl AsFd, path: &Path) -> Result<Guard, MediumError> {
    let failed = |what, e: Errno| MediumError::Io { place: path.display().to_string(), what, source: e.into() };
    // Opened anew: a lock belongs to the open file, so two locks through one would not exclude each other.
    let own = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| failed("opening the folder to lock it", e))?;
    loop {
        match flock(&own, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Guard { folder: own }),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Err(MediumError::Busy { path: path.to_owned(), pid: holder(&own) }),
            Err(e) => return Err(failed("locking the folder", e)),
        }
    }
}

/// The process that holds the lock, from the kernel's list. `None` when it is not listed (another PID namespace, or let go
/// just now) or when the file system shows other device numbers there than to `stat(2)` (btrfs).
fn holder(folder: impl AsFd) -> Option<u32> {
    let stat = fstat(folder).ok()?;
    let place = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
    let table = std::fs::read_to_string("/proc/locks").ok()?;
    listed_holder(&table, &place)
}

/// Lines are `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`.
fn listed_holder(table: &str, place: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, "WRITE", pid, at, ..] if at == place => pid.parse().ok().filter(|p| *p > 0),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_started_meanwhile_does_not_keep_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let folder = std::fs::File::open(dir.path()).unwrap();
        let guard = lock(&folder, dir.path()).unwrap();
        // What the program has between fork and exec.
        let _copy = guard.folder.try_clone().unwrap();
        drop(guard);
        lock(&folder, dir.path()).unwrap();
    }

    #[test]
    fn finds_the_holder_in_the_kernels_list() {
        let table = "1: POSIX  ADVISORY  WRITE 7 fe:00:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 1234 fe:00:42 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 99 fe:00:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 0 fe:00:43 0 EOF\n";
        assert_eq!(listed_holder(table, "fe:00:42"), Some(1234));
        assert_eq!(listed_holder(table, "fe:00:43"), None);
        assert_eq!(listed_holder(table, "fe:00:44"), None);
    }
}
