//! The disk that is restored to: what an error of the kernel says of all of it, not of one file.

use super::RestoreError;
use crate::medium::{WatchedDisk, watch};
use crate::pipeline::target::{Aspect, DiskFault, Shortfall, TargetError};
use std::path::{Path, PathBuf};

pub(super) struct TargetDisk {
    dir: PathBuf,
    disk: WatchedDisk,
}

impl TargetDisk {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), disk: watch(dir, Path::new("/")) }
    }

    /// What ends the restore, if `errno` is not about one entry: the disk is gone, full, read-only by now, or fails. A full
    /// or failing disk costs up to a second, for one that was pulled says the same at first.
    pub(super) fn fault(&self, errno: u32) -> Option<TargetError> {
        let fault = DiskFault::of(errno, || self.disk.is_gone() == Some(true))?;
        let source = std::io::Error::from_raw_os_error(errno.cast_signed());
        Some(TargetError::Disk { dir: self.dir.clone(), fault, source })
    }

    /// As [`Self::fault`], of an entry that could not be created. One that the disk alone refuses says nothing of the
    /// others.
    pub(super) fn fault_of(&self, error: &TargetError) -> Option<TargetError> {
        let is_one = |e: &TargetError| matches!(e, TargetError::Disk { fault: DiskFault::Failing, .. });
        self.fault(error.errno()).filter(|e| !is_one(e))
    }

    /// The first of the shortfalls of an entry that is not about this entry. An attribute may lack room by itself.
    pub(super) fn fault_in(&self, shortfalls: &[Shortfall]) -> Option<TargetError> {
        shortfalls.iter().find_map(|s| match s.what {
            Aspect::Durable => self.fault_of_sync(s.errno),
            Aspect::Size | Aspect::Entry => self.fault(s.errno),
            _ => None,
        })
    }

    /// As [`Self::fault`], of a sync. What the kernel could not write it may still show to who reads it: nothing is said
    /// there of going on, unless the disk has to be attached anew.
    fn fault_of_sync(&self, errno: u32) -> Option<TargetError> {
        self.fault(errno).map(|e| match e {
            TargetError::Disk { dir, fault, source } if fault != DiskFault::Gone => TargetError::NotDurable { dir, source },
            gone => gone,
        })
    }

    /// As [`Self::fault`], of what ends the restore anyway: it stays what it is if nothing more is known.
    pub(super) fn explain(&self, error: RestoreError) -> RestoreError {
        let fault = match &error {
            RestoreError::Target(e @ TargetError::NotDurable { .. }) => self.fault_of_sync(e.errno()),
            RestoreError::Target(e) => self.fault_of(e),
            _ => None,
        };
        fault.map_or(error, RestoreError::Target)
    }
}

/// Why a file could not be written.
pub(super) struct WriteFailure {
    pub(super) why: String,
    /// Linux's number of a call on the target that failed; 0 if another reason is known.
    pub(super) errno: u32,
}

impl From<String> for WriteFailure {
    fn from(why: String) -> Self {
        Self { why, errno: 0 }
    }
}

impl From<std::io::Error> for WriteFailure {
    fn from(error: std::io::Error) -> Self {
        Self { errno: error.raw_os_error().unwrap_or(0).unsigned_abs(), why: error.to_string() }
    }
}

impl From<TargetError> for WriteFailure {
    fn from(error: TargetError) -> Self {
        Self { errno: error.errno(), why: crate::event::chain_text(&error) }
    }
}
