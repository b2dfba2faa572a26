//! Folders without a record: those above a source whose name has several parts, and those whose records are lost.

use super::finish::FOLDER_MODE;
use super::{Aspect, Shortfall, Target, TargetError, failed, open_up, split};
use crate::format::entry::check_path;
use crate::pipeline::source::beneath::FOLDER;
use crate::pipeline::source::node::Node;
use parking_lot::Mutex;
use rustix::fd::AsFd;
use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;
use std::collections::BTreeSet;

/// The folders that have to become read-only in the end.
#[derive(Default)]
pub struct Parents(Mutex<BTreeSet<Vec<u8>>>);

impl Target {
    /// Creates the folders above `path` that have no record, with mode 0700.
    pub fn create_parents(&self, path: &[u8]) -> Result<(), TargetError> {
        check_path(path).map_err(|source| TargetError::Path { source })?;
        let Some((above, _)) = split(path) else { return Ok(()) };
        let is_known = || self.parents.0.lock().contains(above);
        if above.is_empty() || self.folders.open(above).is_ok() && (!self.options.read_only || is_known()) {
            return Ok(());
        }
        let ends = above.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i).chain([above.len()]);
        for end in ends {
            let (folder, name) = self.locate(&path[..end])?;
            match mkdirat(&folder, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(failed(&path[..end], "make the folder", e)),
            }
            // No record will set its owner again.
            if matches!(self.folders.open(&path[..end]), Err(Errno::PERM)) && self.is_guarded {
                return Err(TargetError::OthersWithin { path: path[..end].to_vec() });
            }
            if self.folders.file_systems().flushes_each() {
                self.made_parents.lock().insert(path[..end].to_vec());
            }
            if self.options.read_only
                && let Ok(fd) = self.folders.beneath().step(folder.as_fd(), name, FOLDER)
            {
                open_up(&fd, 0o700);
                self.parents.0.lock().insert(path[..end].to_vec());
            }
        }
        self.folders.open(above).map(drop).map_err(|e| failed(above, "open the folder", e))
    }

    /// Makes these folders read-only, after everything in them was restored. Returns those where that failed: some file systems
    /// have no such permissions.
    pub fn finish_parents(&self) -> Vec<Shortfall> {
        let parents = std::mem::take(&mut *self.parents.0.lock());
        // In reverse order a folder comes after everything in it.
        let closed = parents.into_iter().rev().map(|path| (self.close(&path), path));
        let lacking = |(done, path): (Result<(), TargetError>, _)| {
            done.err().map(|e| Shortfall { path, what: Aspect::Mode, errno: e.errno() })
        };
        closed.filter_map(lacking).collect()
    }

    fn close(&self, path: &[u8]) -> Result<(), TargetError> {
        let (folder, name) = self.locate(path)?;
        let opened = self.folders.beneath().step(folder.as_fd(), name, FOLDER);
        let closed = opened.and_then(|fd| Node::handle(fd.as_fd()).set_mode(FOLDER_MODE));
        closed.map_err(|e| failed(path, "close the folder", e))
    }
}
