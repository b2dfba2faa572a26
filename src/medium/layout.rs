//! Section 10: how a set and its objects are named on a medium, and how such names are opened.

use super::MediumError;
use crate::format::limit;
use crate::format::object::{FOLDER_OBJECTS, ObjectKind, parse_file_name, parse_folder_name};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The folder below a medium's root that contains the folders of the sets.
pub const FOLDER: &str = "AZEKURA";

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
    let path = path.into_c_str()?;
    match rustix::fs::openat(&at, &*path, flags, Mode::empty()) {
        Ok(file) => {
            let mode = rustix::fs::fstat(&file)?.st_mode;
            Ok(FileType::from_raw_mode(mode).is_file().then_some(file))
        }
        Err(Errno::LOOP) => Ok(None),
        // A socket, or a device without a driver. Of a plain file it says that the medium is gone.
        Err(e @ (Errno::NXIO | Errno::NODEV)) => match rustix::fs::statat(&at, &*path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) if !FileType::from_raw_mode(status.st_mode).is_file() => Ok(None),
            _ => Err(e),
        },
        Err(e) => Err(e),
    }
}

/// A name below a set's folder.
pub(super) enum SetEntry<'a> {
    /// The name of an object, in the folder where it belongs. Whether a plain file has it is not known.
    Object {
        /// The folder of thousands.
        folder: &'a OwnedFd,
        name: &'a [u8],
        number: u64,
        kind: ObjectKind,
    },
    /// Any other name: the path below the set's folder.
    Foreign(OsString),
}

/// A folder that cannot be read, and why: its path below the set's folder, or `None` for that folder itself.
pub(super) type Unreadable = (Option<PathBuf>, Errno);

/// Calls `f` with every name below a set's folder, except those of the folders of thousands. No link is followed, and
/// no other folder is opened. One folder of thousands is open at a time.
pub(super) fn each_entry(set: &OwnedFd, mut f: impl FnMut(SetEntry) -> Result<(), Errno>) -> Result<(), Unreadable> {
    let mut unreadable = None;
    let walked = each_name(set, |name| {
        let Some(thousands) = text(name).and_then(parse_folder_name) else {
            return f(SetEntry::Foreign(OsStr::from_bytes(name).to_owned()));
        };
        let path = Path::new(OsStr::from_bytes(name));
        let walked = match open_folder(set, path, false) {
            Ok(folder) => each_name_of_thousands(&folder, path, thousands, &mut f),
            Err(Errno::NOTDIR | Errno::LOOP) => f(SetEntry::Foreign(path.into())),
            Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(e),
        };
        walked.inspect_err(|_| unreadable = Some(path.to_owned()))
    });
    walked.map_err(|e| (unreadable, e))
}

/// `path`: the folder's, for foreign names.
pub(super) fn each_name_of_thousands(
    folder: &OwnedFd,
    path: &Path,
    thousands: u64,
    mut f: impl FnMut(SetEntry) -> Result<(), Errno>,
) -> Result<(), Errno> {
    each_name(folder, |name| match text(name).and_then(parse_file_name) {
        Some((number, kind)) if number / FOLDER_OBJECTS == thousands => f(SetEntry::Object { folder, name, number, kind }),
        _ => f(SetEntry::Foreign(path.join(OsStr::from_bytes(name)).into())),
    })
}

/// The thousands that a set's folder has folders for, ascending. A name alone decides: it may be on something else.
pub(super) fn thousands_in(set: &OwnedFd) -> Result<Vec<u64>, Errno> {
    let mut all = Vec::new();
    each_name(set, |name| {
        all.extend(text(name).and_then(parse_folder_name));
        Ok(())
    })?;
    all.sort_unstable();
    Ok(all)
}

/// Calls `f` with every name in a folder, in no order.
pub(super) fn each_name(folder: impl AsFd, mut f: impl FnMut(&[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        match entry.file_name().to_bytes() {
            b"." | b".." => {}
            name => f(name)?,
        }
    }
    Ok(())
}

/// What macOS, Windows and Linux desktops put into folders by themselves, in small letters (section 10 of the format).
const LITTER: [&str; 12] = [
    ".ds_store",
    ".directory",
    ".fseventsd",
    ".spotlight-v100",
    ".temporaryitems",
    ".trash",
    ".trashes",
    "$recycle.bin",
    "desktop.ini",
    "ehthumbs.db",
    "system volume information",
    "thumbs.db",
];

/// Whether a desktop system has left a name, by its last part.
pub(super) fn is_litter(path: &OsStr) -> bool {
    let name = Path::new(path).file_name().map(|name| name.as_bytes().to_ascii_lowercase());
    let is = |name: &[u8]| {
        LITTER.iter().any(|l| l.as_bytes() == name) || [".trash-", "._"].iter().any(|p| name.starts_with(p.as_bytes()))
    };
    name.is_some_and(|name| is(&name))
}

fn text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()
}
