//! One writer at a time: a lock on a set's folder.
//!
//! The folder itself is locked: a lock file could not be removed from a medium.

use super::MediumError;
use crate::lock::FileLock;
use rustix::fd::AsFd;
use rustix::fs::{Mode, OFlags, fstat, major, minor, openat};
use std::fs::File;
use std::io;
use std::path::Path;

/// Locks the folder that `folder` is open on. `path` is for messages.
pub(super) fn lock(folder: impl AsFd, path: &Path) -> Result<FileLock, MediumError> {
    let failed = |what| move |source: io::Error| MediumError::Io { medium: path.display().to_string(), what, source };
    // Opened anew: two locks through one open file would not exclude each other.
    let own = openat(folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let own = own.map_err(|e| failed("opening the folder to lock it")(e.into()))?;
    match FileLock::acquire(File::from(own)).map_err(failed("locking the folder"))? {
        Ok(lock) => Ok(lock),
        Err(own) => Err(MediumError::Busy { path: path.to_owned(), pid: holder(&own) }),
    }
}

/// The process that has the lock, from the kernel's list. `None` if it is not listed (another PID namespace, or
/// released just now) or if the file system shows other device numbers there than `stat(2)` does (btrfs).
fn holder(folder: impl AsFd) -> Option<u32> {
    let stat = fstat(folder).ok()?;
    let file = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
    let table = std::fs::read_to_string("/proc/locks").ok()?;
    listed_holder(&table, &file)
}

/// Lines are `1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`.
fn listed_holder(table: &str, file: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            [_, "FLOCK", _, "WRITE", pid, at, ..] if at == file => pid.parse().ok().filter(|p| *p > 0),
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
        let folder = File::open(dir.path()).unwrap();
        let guard = lock(&folder, dir.path()).unwrap();
        // What the program has between fork and exec.
        let _copy = guard.try_clone().unwrap();
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
