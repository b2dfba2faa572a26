//! Locks on files and folders, between processes.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::{Deref, DerefMut};

/// A file or folder that no other process has locked. The kernel releases the lock when its holder dies, however it
/// dies, so there is no stale lock to break.
///
/// A lock belongs to the open file: two locks through copies of one descriptor do not exclude each other.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Locks the file, and waits for as long as another process has locked it.
    pub fn wait(file: File) -> io::Result<Self> {
        loop {
            match file.lock() {
                Ok(()) => return Ok(Self(file)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Locks the file, or returns it if another process has locked it.
    pub fn acquire(file: File) -> io::Result<Result<Self, File>> {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Ok(Self(file))),
                Err(TryLockError::WouldBlock) => return Ok(Err(file)),
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(TryLockError::Error(e)) => return Err(e),
            }
        }
    }
}

impl Deref for FileLock {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for FileLock {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for FileLock {
    /// Closing the file is not enough: a program that another thread starts at this moment has a copy of the descriptor
    /// until it runs, and the lock lasts as long as any copy.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_and_file() -> io::Result<(tempfile::TempDir, [std::path::PathBuf; 2])> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("f");
        File::create(&file)?;
        let paths = [dir.path().to_owned(), file];
        Ok((dir, paths))
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() -> io::Result<()> {
        let (_dir, paths) = folder_and_file()?;
        for path in &paths {
            let first = FileLock::acquire(File::open(path)?)?;
            assert!(first.is_ok());
            assert!(FileLock::acquire(File::open(path)?)?.is_err());
            drop(first);
            assert!(FileLock::acquire(File::open(path)?)?.is_ok());
        }
        Ok(())
    }

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() -> io::Result<()> {
        let (_dir, paths) = folder_and_file()?;
        for path in &paths {
            let lock = FileLock::wait(File::open(path)?)?;
            // What a program has between fork and exec.
            let _copy = lock.try_clone()?;
            drop(lock);
            assert!(FileLock::acquire(File::open(path)?)?.is_ok());
        }
        Ok(())
    }

    #[test]
    fn whoever_waited_has_the_lock() -> io::Result<()> {
        let (_dir, paths) = folder_and_file()?;
        for path in &paths {
            let waited = FileLock::wait(File::open(path)?)?;
            assert!(FileLock::acquire(File::open(path)?)?.is_err());
            drop(waited);
            assert!(FileLock::acquire(File::open(path)?)?.is_ok());
        }
        Ok(())
    }
}
