//! Open folders of the target, shared by the threads that create in them.

use crate::pipeline::source::beneath::{Beneath, FOLDER, last_cut};
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, openat, syncfs};
use rustix::io;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Together 256 descriptors, a quarter of the usual limit of 1,024. Threads that work in different folders seldom meet.
const SHARDS: usize = 16;
const FOLDERS_IN_SHARD: usize = 16;

pub struct Folders {
    beneath: Beneath,
    shards: [Mutex<Vec<CachedFolder>>; SHARDS],
    /// Every file system that a folder was opened on, by its number, as something that can be synced.
    file_systems: Mutex<BTreeMap<u64, io::Result<OwnedFd>>>,
}

struct CachedFolder {
    hash: u64,
    path: Vec<u8>,
    fd: Arc<OwnedFd>,
}

impl Folders {
    pub fn new(root: OwnedFd) -> Self {
        let folders = Self { beneath: Beneath::new(root), shards: Default::default(), file_systems: Mutex::default() };
        folders.note_file_system(folders.beneath.root());
        folders
    }

    /// Others than the root's may be mounted beneath it.
    fn note_file_system(&self, folder: &OwnedFd) {
        let Ok(stat) = fstat(folder) else { return };
        let mut known = self.file_systems.lock();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        known.entry(stat.st_dev).or_insert_with(|| openat(folder, c".", flags, Mode::empty()));
    }

    /// Makes durable whatever was made in the folders, and whatever else lies on their file systems.
    pub fn sync(&self) -> io::Result<()> {
        let known = self.file_systems.lock();
        known.values().try_for_each(|folder| syncfs(folder.as_ref().map_err(|e| *e)?))
    }

    pub fn beneath(&self) -> &Beneath {
        &self.beneath
    }

    /// The folder at `path`, of any length; the root's path is empty.
    pub fn open(&self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(self.beneath.root().clone());
        }
        let hash = {
            let mut hasher = DefaultHasher::new();
            path.hash(&mut hasher);
            hasher.finish()
        };
        if let Some(fd) = self.recall(hash, path) {
            return Ok(fd);
        }
        // The folder where a path too long for one call is cut is kept as well: whatever lies beneath it starts there.
        let fd = Arc::new(match last_cut(path) {
            None => self.beneath.step(self.beneath.root().as_fd(), path, FOLDER)?,
            Some(cut) => self.beneath.step(self.open(&path[..cut])?.as_fd(), &path[cut + 1..], FOLDER)?,
        });
        self.note_file_system(&fd);
        let mut shard = self.shard(hash);
        if shard.len() == FOLDERS_IN_SHARD {
            shard.remove(0);
        }
        shard.push(CachedFolder { hash, path: path.to_vec(), fd: fd.clone() });
        Ok(fd)
    }

    /// The folder used last stands last.
    fn recall(&self, hash: u64, path: &[u8]) -> Option<Arc<OwnedFd>> {
        let mut shard = self.shard(hash);
        let i = shard.iter().rposition(|k| k.hash == hash && k.path == path)?;
        shard[i..].rotate_left(1);
        shard.last().map(|k| k.fd.clone())
    }

    fn shard(&self, hash: u64) -> parking_lot::MutexGuard<'_, Vec<CachedFolder>> {
        self.shards[hash as usize % SHARDS].lock()
    }
}
