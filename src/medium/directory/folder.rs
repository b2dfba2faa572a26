//! The folder of one set, open, and what its errors mean.

use super::thousands::OpenFolders;
use crate::buffer::Buffers;
use crate::format::object::{ObjectKind, object_path};
use crate::interruption::Interruption;
use crate::medium::device::{Device, fault, gone};
use crate::medium::file_system::{FileSystem, free_bytes};
use crate::medium::layout::{SetEntry, Unreadable, each_entry, is_litter};
use crate::medium::{FOREIGN_NAMES, Listed, Listing, MediumError, probe};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Debug)]
pub(super) struct SetFolder {
    pub fd: OwnedFd,
    pub folders: OpenFolders,
    pub path: PathBuf,
    pub file_system: FileSystem,
    pub device: Device,
    /// The disk had errors while its folders were listed last.
    pub is_doubtful: AtomicBool,
    /// For direct reads and writes.
    pub buffers: Buffers,
    /// Reading ends when it comes.
    pub interruption: Interruption,
}

impl SetFolder {
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub fn fault(&self, what: &'static str, e: Errno) -> MediumError {
        fault(&self.path, &self.device, what, e)
    }

    /// As [`SetFolder::fault`]; [`MediumError::Full`] also gets its numbers.
    pub fn write_fault(&self, what: &'static str, e: Errno, needed: u64, torn: bool) -> MediumError {
        match self.fault(what, e) {
            MediumError::Full { medium, .. } => MediumError::Full { medium, needed, free: free_bytes(&self.fd), torn },
            other => other,
        }
    }

    pub fn read_fault(&self, what: &'static str, e: Errno, number: u64, kind: ObjectKind) -> MediumError {
        if e == Errno::CANCELED && self.interruption.is_there() {
            return MediumError::Interrupted;
        }
        let medium = self.name();
        match (self.fault(what, e), e) {
            (gone @ MediumError::Gone { .. }, _) => gone,
            (_, Errno::NOENT) => self.check_readable().err().unwrap_or(MediumError::Missing { medium, number, kind }),
            // File systems return these for bad sectors, wrong checksums, and invalid structures.
            (_, Errno::IO | Errno::ILSEQ | Errno::BADMSG | Errno::UCLEAN) => {
                MediumError::Unreadable { medium, number, kind, source: e.into() }
            }
            (other, _) => other,
        }
    }

    /// [`MediumError::Gone`] if the device is. For an unplugged disk some file systems answer from the cache, or with
    /// nothing, and report no error.
    pub fn check_attached(&self, what: &'static str) -> Result<(), MediumError> {
        match self.device.is_gone() {
            true => Err(MediumError::Gone { medium: self.name(), what, source: None }),
            false => Ok(()),
        }
    }

    /// The error of this folder, or of one below it, that cannot be read.
    pub fn list_fault(&self, (below, e): Unreadable) -> MediumError {
        let path = below.map_or_else(|| self.path.clone(), |b| self.path.join(b));
        fault(&path, &self.device, "listing", e)
    }

    pub fn list(&self) -> Result<Listing, MediumError> {
        let (listing, is_doubtful) = probe::look(&self.device, || self.list_once())?;
        self.is_doubtful.store(is_doubtful, Ordering::Relaxed);
        self.check_readable()?;
        Ok(listing)
    }

    /// Fails if the disk is gone, or no byte of it can be read: for what is not there, or cannot be read.
    pub fn check_readable(&self) -> Result<(), MediumError> {
        probe::check(&self.path, &self.device, Some(self.fd.as_fd()), self.fd.as_fd())
    }

    /// Fails if there may be more in the folders than was listed last.
    pub fn check_complete(&self) -> Result<(), MediumError> {
        match self.is_doubtful.load(Ordering::Relaxed) {
            true => Err(gone(&self.path, "listing", Some(Errno::IO))),
            false => self.check_readable(),
        }
    }

    fn list_once(&self) -> Result<Listing, MediumError> {
        let mut listing = Listing::default();
        let (mut foreign, mut litter): (BTreeSet<OsString>, BTreeSet<OsString>) = Default::default();
        let listed = each_entry(&self.fd, |entry| {
            let path = match entry {
                SetEntry::Foreign(path) => path,
                SetEntry::Object { folder, name, number, kind } => match self.length_of(folder, name)? {
                    Found::File(length) => {
                        listing.objects.push(Listed { number, kind, length });
                        return Ok(());
                    }
                    Found::Nothing => return Ok(()),
                    Found::Else => object_path(number, kind).into(),
                },
            };
            let is_litter = is_litter(&path);
            listing.foreign_count += u64::from(!is_litter);
            let names = if is_litter { &mut litter } else { &mut foreign };
            names.insert(path);
            if names.len() > FOREIGN_NAMES {
                names.pop_last();
            }
            Ok(())
        });
        listed.map_err(|e| self.list_fault(e))?;
        listing.objects.sort_unstable_by_key(|o| (o.number, o.kind.code()));
        listing.foreign = foreign.into_iter().collect();
        listing.litter = litter.into_iter().collect();
        Ok(listing)
    }

    fn length_of(&self, folder: &OwnedFd, name: &[u8]) -> Result<Found, Errno> {
        match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(s) if FileType::from_raw_mode(s.st_mode).is_file() => Ok(Found::File(s.st_size as u64)),
            Ok(_) => Ok(Found::Else),
            // A damaged directory entry must not hide the others. Reading the object will report the damage.
            Err(Errno::IO | Errno::UCLEAN | Errno::BADMSG) if !self.device.is_gone() => Ok(Found::File(0)),
            Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(e) => Err(e),
        }
    }
}

/// What has the name of an object.
enum Found {
    /// A plain file of so many bytes.
    File(u64),
    Else,
    Nothing,
}
