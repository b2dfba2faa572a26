//! Reading objects of a set's folder.

use super::folder::SetFolder;
use super::thousands::Thousands;
use crate::format::digests::Hashes;
use crate::format::object::{ObjectKind, file_name};
use crate::interruption::Interruption;
use crate::medium::layout::{check_name, open_plain};
use crate::medium::{MediumError, OpenObject, Reread, direct};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::Advice;
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

impl SetFolder {
    /// Opens an object's file; also gives the folder of thousands where it is.
    pub fn open_file(&self, number: u64, kind: ObjectKind) -> Result<(Arc<Thousands>, OwnedFd), MediumError> {
        check_name(number, kind)?;
        if self.interruption.is_there() {
            return Err(MediumError::Interrupted);
        }
        let within = self.folders.of(&self.fd, number).map_err(|e| {
            // What has the folder's name instead is not looked into: it has no object.
            let e = if e == Errno::NOTDIR { Errno::NOENT } else { e };
            self.read_fault("opening a folder", e, number, kind)
        })?;
        match open_plain(&within.fd, file_name(number, kind)) {
            Ok(Some(file)) => Ok((within, file)),
            Ok(None) => Err(MediumError::NotAFile { medium: self.name(), number, kind }),
            Err(e) => Err(self.read_fault("opening a file", e, number, kind)),
        }
    }

    /// Reads a file that is on the device already, past the cache where possible.
    pub fn read_back(
        &self,
        within: &Thousands,
        file: &OwnedFd,
        number: u64,
        kind: ObjectKind,
        hashes: Hashes,
    ) -> Result<Reread, MediumError> {
        let name = file_name(number, kind);
        let stat = rustix::fs::fstat(file).map_err(|e| self.read_fault("asking for a length", e, number, kind))?;
        // Not by its kind: a void object keeps the name of the kind that it was to be.
        if let Some(why) = ObjectKind::Void.misfit(stat.st_size as u64) {
            let source = std::io::Error::other(why);
            return Err(MediumError::Unreadable { medium: self.name(), number, kind, source });
        }
        let reading = direct::Reading { hashes, interruption: self.interruption, buffers: &self.buffers };
        let seen = reading.read_back(within.fd.as_fd(), &name, file.as_fd(), self.file_system);
        let (length, digests, how) = seen.map_err(|e| self.read_fault("reading", e, number, kind))?;
        self.check_attached("reading")?;
        Ok(Reread { length, digests, how })
    }

    pub fn open_object(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError> {
        let (_, file) = self.open_file(number, kind)?;
        let stat = rustix::fs::fstat(&file).map_err(|e| self.read_fault("asking for a length", e, number, kind))?;
        self.check_attached("opening a file")?;
        // Most objects are read from start to end, so a long read-ahead pays.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::Sequential);
        let (length, interruption) = (stat.st_size as u64, self.interruption);
        Ok(Box::new(OpenFile { file: file.into(), length, interruption }))
    }
}

struct OpenFile {
    file: File,
    length: u64,
    interruption: Interruption,
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.interruption.is_there() {
            true => Err(std::io::Error::other(MediumError::Interrupted)),
            false => self.file.read(buffer),
        }
    }
}

impl Seek for OpenFile {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

impl OpenObject for OpenFile {
    fn length(&self) -> u64 {
        self.length
    }
}
