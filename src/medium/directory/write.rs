//! New files in a set's folder.

use super::folder::SetFolder;
use crate::format::object::{ObjectKind, file_name, parse_file_name};
use crate::medium::file_system::{free_bytes, reserved_bytes};
use crate::medium::{MediumError, direct};
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;

/// The numbers in use on the medium, under any kind. Read from the folder at the first append.
#[derive(Debug, Default)]
pub(super) struct Numbers(Mutex<Option<HashSet<u64>>>);

impl Numbers {
    /// Marks the number as used. [`MediumError::Exists`] if it is used already.
    fn reserve(&self, folder: &SetFolder, number: u64) -> Result<(), MediumError> {
        let mut known = self.0.lock();
        let numbers = match &mut *known {
            Some(numbers) => numbers,
            None => known.insert(read_numbers(folder).map_err(|e| folder.fault("listing", e))?),
        };
        match numbers.insert(number) {
            true => Ok(()),
            false => Err(MediumError::Exists { medium: folder.name(), number }),
        }
    }

    /// The number is free again: no file was created under it.
    fn release(&self, number: u64) {
        if let Some(numbers) = &mut *self.0.lock() {
            numbers.remove(&number);
        }
    }

    /// Creates an object's file and writes all of it. Not durable before the file and the folder are synced.
    pub fn write_file(&self, folder: &SetFolder, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<OwnedFd, MediumError> {
        self.reserve(folder, number)?;
        let file = self.create_file(folder, number, kind, bytes.len() as u64)?;
        direct::write_whole(file.as_fd(), bytes, folder.file_system, &folder.buffers)
            .map_err(|e| folder.write_fault("writing", e, bytes.len() as u64, true))?;
        Ok(file)
    }

    fn create_file(&self, folder: &SetFolder, number: u64, kind: ObjectKind, needed: u64) -> Result<OwnedFd, MediumError> {
        // Checked before writing, so that a full medium is not left with a torn object. Writing may still find it full.
        let reserved = if kind == ObjectKind::Pack { reserved_bytes(&folder.fd) } else { 0 };
        if let Some(free) = free_bytes(&folder.fd).filter(|f| *f < needed.saturating_add(reserved)) {
            self.release(number);
            folder.check_attached("asking for room")?;
            return Err(MediumError::Full { medium: folder.name(), needed, free: Some(free), torn: false });
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o444);
        match rustix::fs::openat(&folder.fd, file_name(number, kind), flags, mode) {
            Ok(file) => {
                // The format's mode, whatever the umask. Fails only where the file system has no modes.
                let _ = rustix::fs::fchmod(&file, mode);
                Ok(file)
            }
            Err(Errno::EXIST) => Err(MediumError::Exists { medium: folder.name(), number }),
            Err(e) => {
                self.release(number);
                Err(folder.write_fault("making a file", e, needed, false))
            }
        }
    }
}

fn read_numbers(folder: &SetFolder) -> Result<HashSet<u64>, Errno> {
    let mut numbers = HashSet::new();
    folder.each_name(|name| {
        numbers.extend(std::str::from_utf8(name).ok().and_then(parse_file_name).map(|(n, _)| n));
        Ok(())
    })?;
    Ok(numbers)
}
