//! New files below a set's folder.

use super::folder::SetFolder;
use super::thousands::Thousands;
use crate::format::object::{FOLDER_OBJECTS, ObjectKind, file_name, folder_name};
use crate::medium::device::folder_fault;
use crate::medium::file_system::{free_bytes, reserved_bytes};
use crate::medium::layout::{SetEntry, Unreadable, each_entry};
use crate::medium::{MediumError, direct};
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::sync::Arc;

/// The numbers in use on the medium, under any kind. Read from the folder at the first append.
#[derive(Debug, Default)]
pub(super) struct Numbers(Mutex<Option<HashSet<u64>>>);

impl Numbers {
    /// Marks the number as used. [`MediumError::Exists`] if it is used already.
    fn reserve(&self, folder: &SetFolder, number: u64) -> Result<(), MediumError> {
        let mut known = self.0.lock();
        let numbers = match &mut *known {
            Some(numbers) => numbers,
            None => known.insert(read_numbers(folder).map_err(|e| folder.list_fault(e))?),
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

    /// Creates an object's file and writes all of it; also gives the folder of thousands where it is. Not durable
    /// before the file, that folder and the set's folder are synced.
    pub fn write_file(
        &self,
        folder: &SetFolder,
        number: u64,
        kind: ObjectKind,
        bytes: &[u8],
    ) -> Result<(Arc<Thousands>, OwnedFd), MediumError> {
        self.reserve(folder, number)?;
        let (within, file) = self.create_file(folder, number, kind, bytes.len() as u64)?;
        direct::write_whole(file.as_fd(), bytes, folder.file_system, &folder.buffers)
            .map_err(|e| folder.write_fault("writing", e, bytes.len() as u64, true))?;
        Ok((within, file))
    }

    fn create_file(
        &self,
        folder: &SetFolder,
        number: u64,
        kind: ObjectKind,
        needed: u64,
    ) -> Result<(Arc<Thousands>, OwnedFd), MediumError> {
        // Checked before writing, so that a full medium is not left with a torn object. Writing may still find it full.
        let reserved = if kind == ObjectKind::Pack { reserved_bytes(&folder.fd) } else { 0 };
        if let Some(free) = free_bytes(&folder.fd).filter(|f| *f < needed.saturating_add(reserved)) {
            self.release(number);
            folder.check_attached("asking for room")?;
            return Err(MediumError::Full { medium: folder.name(), needed, free: Some(free), torn: false });
        }
        let within = folder.folders.make(&folder.fd, number).map_err(|e| {
            self.release(number);
            match e {
                // Something else has the folder's name. None of its numbers can be used on this medium.
                Errno::NOTDIR => folder_fault(&folder.path.join(folder_name(number / FOLDER_OBJECTS)), &folder.device, e),
                e => folder.write_fault("making a folder", e, needed, false),
            }
        })?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o444);
        match rustix::fs::openat(&within.fd, file_name(number, kind), flags, mode) {
            Ok(file) => {
                // The format's mode, whatever the umask. Fails only where the file system has no modes.
                let _ = rustix::fs::fchmod(&file, mode);
                Ok((within, file))
            }
            Err(Errno::EXIST) => Err(MediumError::Exists { medium: folder.name(), number }),
            Err(e) => {
                self.release(number);
                Err(folder.write_fault("making a file", e, needed, false))
            }
        }
    }
}

/// Whatever has the name of an object uses up its number.
fn read_numbers(folder: &SetFolder) -> Result<HashSet<u64>, Unreadable> {
    let mut numbers = HashSet::new();
    each_entry(&folder.fd, |entry| {
        if let SetEntry::Object { number, .. } = entry {
            numbers.insert(number);
        }
        Ok(())
    })?;
    Ok(numbers)
}
