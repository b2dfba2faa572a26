//! The folder of one set, open, and what its errors mean.

use crate::buffer::Buffers;
use crate::format::object::{ObjectKind, parse_file_name};
use crate::medium::device::{Device, fault};
use crate::medium::file_system::{FileSystem, free_bytes};
use crate::medium::{FOREIGN_NAMES, Listed, Listing, MediumError};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct SetFolder {
    pub fd: OwnedFd,
    pub path: PathBuf,
    pub file_system: FileSystem,
    pub device: Device,
    /// For direct reads and writes.
    pub buffers: Buffers,
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
        let medium = self.name();
        match (self.fault(what, e), e) {
            (gone @ MediumError::Gone { .. }, _) => gone,
            (_, Errno::NOENT) => MediumError::Missing { medium, number, kind },
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

    /// Calls `f` with every name in the folder.
    pub fn each_name(&self, mut f: impl FnMut(&[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => f(name)?,
            }
        }
        Ok(())
    }

    pub fn list(&self) -> Result<Listing, MediumError> {
        let mut listing = Listing::default();
        let mut foreign: BTreeSet<OsString> = BTreeSet::new();
        let listed = self.each_name(|name| {
            if let Some((number, kind)) = std::str::from_utf8(name).ok().and_then(parse_file_name) {
                match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(s) if FileType::from_raw_mode(s.st_mode).is_file() => {
                        listing.objects.push(Listed { number, kind, length: s.st_size as u64 });
                        return Ok(());
                    }
                    Ok(_) => {}
                    // A damaged directory entry must not hide the others. Reading the object will report the damage.
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
        self.check_attached("listing")?;
        listing.objects.sort_unstable_by_key(|o| (o.number, o.kind.code()));
        listing.foreign = foreign.into_iter().collect();
        Ok(listing)
    }
}
