//! Section 10: how a set and its objects are named on a medium, and how such names are opened.

use super::MediumError;
use crate::format::limit;
use crate::format::object::ObjectKind;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::path::Path;

/// The folder below a medium's root that contains the folders of the sets.
pub(super) const FOLDER: &str = "AZEKURA";

/// Whether an object may have this number and kind.
pub(super) fn check_name(number: u64, kind: ObjectKind) -> Result<(), MediumError> {
    match number > limit::OBJECT_NUMBER || kind == ObjectKind::Void {
        true => Err(MediumError::BadName { number, kind }),
        false => Ok(()),
    }
}

/// Opens a folder. `follow`: `path` itself may be a symbolic link.
pub(super) fn open_folder(at: impl AsFd, path: &Path, follow: bool) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, if follow { flags } else { flags | OFlags::NOFOLLOW }, Mode::empty())
}

/// Opens a plain file for reading; `None` if it is something else. Never waits for the other end of a fifo.
pub(super) fn open_plain(at: impl AsFd, path: impl rustix::path::Arg) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(at, path, flags, Mode::empty()) {
        Ok(file) => {
            let mode = rustix::fs::fstat(&file)?.st_mode;
            Ok(FileType::from_raw_mode(mode).is_file().then_some(file))
        }
        Err(Errno::LOOP) => Ok(None),
        Err(e) => Err(e),
    }
}
