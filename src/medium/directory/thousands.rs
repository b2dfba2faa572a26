//! The folders of thousands below a set's folder.

use crate::format::object::{FOLDER_OBJECTS, folder_name};
use crate::medium::layout::open_folder;
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, fchmod, fstat, mkdirat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// The most folders that are kept open. A run appends in one or two of them, and each thread of a restore reads in one.
pub(super) const OPEN_FOLDERS: usize = 8;

/// A folder of thousands, open.
#[derive(Debug)]
pub(super) struct Thousands {
    /// The numbers of its objects, divided by [`FOLDER_OBJECTS`].
    pub thousands: u64,
    pub fd: OwnedFd,
}

/// The folders that were used last; the oldest is closed first.
#[derive(Debug, Default)]
pub(super) struct OpenFolders(Mutex<VecDeque<Arc<Thousands>>>);

impl OpenFolders {
    /// The folder where an object of the set belongs, whose folder is open as `set`. `NOENT` if there is none; `NOTDIR`
    /// if something else, also a link, has its name.
    pub fn of(&self, set: &OwnedFd, number: u64) -> Result<Arc<Thousands>, Errno> {
        let thousands = number / FOLDER_OBJECTS;
        // Locked until it is open: no folder is opened twice at a time.
        let mut open = self.0.lock();
        let known = open.iter().position(|f| f.thousands == thousands).and_then(|i| open.remove(i));
        let folder = match known {
            Some(folder) => folder,
            None => {
                let fd = open_folder(set, Path::new(&folder_name(thousands)), false);
                Arc::new(Thousands { thousands, fd: fd.map_err(|e| if e == Errno::LOOP { Errno::NOTDIR } else { e })? })
            }
        };
        open.truncate(OPEN_FOLDERS - 1);
        open.push_front(Arc::clone(&folder));
        Ok(folder)
    }

    /// The same, created if there is none. Its own name is not durable before the set's folder is synced.
    pub fn make(&self, set: &OwnedFd, number: u64) -> Result<Arc<Thousands>, Errno> {
        match self.of(set, number) {
            Err(Errno::NOENT) => {}
            done => return done,
        }
        // Whoever may look into the set's folder may look into this one, too.
        let mode = Mode::from_raw_mode(fstat(set)?.st_mode);
        match mkdirat(set, folder_name(number / FOLDER_OBJECTS), mode) {
            Ok(()) => {
                let folder = self.of(set, number)?;
                // Whatever the umask. Fails only where the file system has no modes.
                let _ = fchmod(&folder.fd, mode);
                Ok(folder)
            }
            Err(Errno::EXIST) => self.of(set, number),
            Err(e) => Err(e),
        }
    }
}
