//! Files that are written and not yet synced.
//!
//! **Only `fsync` of each file is reliable.** On exFAT and vfat neither `syncfs` nor unmounting sends the disk a flush;
//! ext4 and exFAT may answer every write of an unplugged disk with success. So each file stays open until it has been
//! synced: the kernel reports an error of writing back to the files that are open at that moment, and may never report
//! it to one opened later.

use super::folder::SetFolder;
use super::thousands::{OPEN_FOLDERS, Thousands};
use crate::medium::{Immutable, MediumError};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::IFlags;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The most that may wait for a sync, in bytes and files. Beyond it an append syncs the oldest files itself, so that
/// neither unwritten memory nor open files grow with the size of a backup.
const PENDING_BYTES: u64 = 256 << 20;
const PENDING_FILES: usize = 64;

#[derive(Debug)]
pub(super) struct SyncQueue {
    /// The folder `AZEKURA` and the root: the names that lead to the set's folder are in them.
    above: [OwnedFd; 2],
    /// Whether files get the immutable attribute.
    pub immutable: bool,
    state: Mutex<State>,
    /// Locked throughout a sync, so that a second sync does not return before the first. Locked before `state`.
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct State {
    /// Written, not yet synced; oldest first.
    pending: VecDeque<Pending>,
    pending_bytes: u64,
    /// The first failed sync: what and why.
    broken: Option<(&'static str, Errno)>,
    /// The kernel's first refusal of the immutable attribute.
    refused: Option<Errno>,
}

/// A file that was written in full.
#[derive(Debug)]
pub(super) struct Pending {
    /// The folder of its name.
    pub within: Arc<Thousands>,
    pub file: Arc<OwnedFd>,
    pub number: u64,
    pub length: u64,
}

/// Which names are known to be durable. An interrupted run may have created folders and not synced their names, so only
/// what was synced since this was opened counts.
#[derive(Debug, Default)]
struct Names {
    /// Folders of thousands with names of synced files, not synced yet. They stay open until then, as files do.
    unsynced: BTreeMap<u64, Arc<Thousands>>,
    /// Folders of thousands whose own names are durable.
    durable: BTreeSet<u64>,
    /// The names of the set's folder and of those above it are durable.
    above_synced: bool,
    /// A file was synced, or the set's folder created, and [`SyncQueue::sync`] has not ended well since.
    unfinished: bool,
    /// The file that was synced last.
    last: Option<Arc<OwnedFd>>,
}

impl SyncQueue {
    /// `is_new`: the set's folder was created just now.
    pub fn new(above: [OwnedFd; 2], immutable: bool, is_new: bool) -> Self {
        let names = Names { unfinished: is_new, ..Names::default() };
        Self { above, immutable, state: Mutex::default(), names: Mutex::new(names) }
    }

    /// The folder `AZEKURA`, and the root.
    pub fn above(&self) -> &[OwnedFd; 2] {
        &self.above
    }

    /// Fails after an earlier sync has failed.
    pub fn check(&self, folder: &SetFolder) -> Result<(), MediumError> {
        let broken = self.state.lock().broken;
        match broken {
            None => Ok(()),
            Some((what, e)) => Err(match folder.fault(what, e) {
                gone @ MediumError::Gone { .. } => gone,
                _ => MediumError::Broken { medium: folder.name(), what, source: e.into() },
            }),
        }
    }

    /// Adds a file that was written in full; syncs the oldest ones if too much is pending.
    pub fn push(&self, folder: &SetFolder, new: Pending) -> Result<(), MediumError> {
        let too_much = {
            let mut state = self.state.lock();
            state.pending_bytes += new.length;
            state.pending.push_back(new);
            state.pending_bytes > PENDING_BYTES || state.pending.len() > PENDING_FILES
        };
        if too_much {
            let mut names = self.names.lock();
            self.check(folder)?;
            // Half stays pending, so that the disk has work while the next objects are prepared.
            self.sync_files(folder, &mut names, PENDING_BYTES / 2, PENDING_FILES / 2)?;
        }
        Ok(())
    }

    pub fn is_pending(&self, number: u64) -> bool {
        self.state.lock().pending.iter().any(|p| p.number == number)
    }

    /// Makes every pending file and its name durable.
    pub fn sync(&self, folder: &SetFolder) -> Result<(), MediumError> {
        let mut names = self.names.lock();
        self.check(folder)?;
        self.sync_files(folder, &mut names, 0, 0)?;
        if names.unfinished {
            self.sync_names(folder, &mut names)?;
            // Once more after the folders: this sync makes the immutable attributes durable, and sends the flush that
            // syncing a folder does not send on some file systems.
            if let Some(file) = names.last.take() {
                fsync(&file).map_err(|e| self.break_off(folder, "syncing a file", e, 0))?;
            }
            names.unfinished = false;
        }
        Ok(())
    }

    /// Whether the files get the immutable attribute.
    pub fn immutable(&self) -> Immutable {
        match (self.immutable, self.state.lock().refused) {
            (false, _) => Immutable::Off,
            (true, None) => Immutable::On,
            (true, Some(e)) => Immutable::Refused { why: e.to_string() },
        }
    }

    /// Syncs the oldest files until at most so many bytes and files are pending. `names` proves that the caller has the
    /// lock.
    fn sync_files(&self, folder: &SetFolder, names: &mut Names, bytes: u64, files: usize) -> Result<(), MediumError> {
        loop {
            let (within, file, length) = match self.state.lock() {
                s if s.pending_bytes <= bytes && s.pending.len() <= files => return Ok(()),
                s => match s.pending.front() {
                    Some(p) => (Arc::clone(&p.within), Arc::clone(&p.file), p.length),
                    None => return Ok(()),
                },
            };
            names.unfinished = true;
            fsync(&file).map_err(|e| self.break_off(folder, "syncing a file", e, length))?;
            if self.immutable {
                self.make_immutable(&file);
            }
            // Of a folder that was opened twice the first one is kept, which gets the errors of both.
            names.unsynced.entry(within.thousands).or_insert(within);
            // Only the thread that has locked `names` removes files from the front. Until here the file counted as
            // pending.
            {
                let mut state = self.state.lock();
                state.pending.pop_front();
                state.pending_bytes -= length;
            }
            names.last = Some(file);
            if names.unsynced.len() >= OPEN_FOLDERS {
                self.sync_names(folder, names)?;
            }
        }
    }

    /// A help against accidents, not a promise. The first refusal is kept for [`SyncQueue::immutable`] and ends the
    /// attempts.
    fn make_immutable(&self, file: &OwnedFd) {
        if self.state.lock().refused.is_some() {
            return;
        }
        let set = rustix::fs::ioctl_getflags(file).and_then(|flags| rustix::fs::ioctl_setflags(file, flags | IFlags::IMMUTABLE));
        if let Err(e) = set {
            self.state.lock().refused = Some(e);
        }
    }

    fn sync_names(&self, folder: &SetFolder, names: &mut Names) -> Result<(), MediumError> {
        let is_new = |thousands| !names.durable.contains(thousands);
        let set = !names.above_synced || names.unsynced.keys().any(is_new);
        let above: &[OwnedFd] = if names.above_synced { &[] } else { &self.above };
        let inner = names.unsynced.values().map(|f| &f.fd);
        for fd in inner.chain(set.then_some(&folder.fd)).chain(above) {
            match fsync(fd) {
                // This file system cannot sync folders.
                Ok(()) | Err(Errno::INVAL) => {}
                Err(e) => return Err(self.break_off(folder, "syncing a folder", e, 0)),
            }
        }
        names.above_synced = true;
        names.durable.extend(std::mem::take(&mut names.unsynced).into_keys());
        Ok(())
    }

    /// A sync has failed: at least `needed` bytes are not known to be stored.
    fn break_off(&self, folder: &SetFolder, what: &'static str, e: Errno, needed: u64) -> MediumError {
        self.state.lock().broken.get_or_insert((what, e));
        folder.write_fault(what, e, needed, true)
    }
}

pub(super) fn fsync(file: &OwnedFd) -> Result<(), Errno> {
    loop {
        match rustix::fs::fsync(file) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}
