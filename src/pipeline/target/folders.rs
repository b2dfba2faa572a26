//! Open folders of the target, shared by the threads that create entries in them.

use crate::pipeline::source::beneath::{Beneath, FOLDER, last_cut};
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, openat, syncfs};
use rustix::io;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Together 256 descriptors, a quarter of the usual limit of 1,024. Threads that work in different folders seldom share a lock.
const SHARDS: usize = 16;
const FOLDERS_IN_SHARD: usize = 16;

/// Opens folders beneath the target's root, and keeps the recently used ones open.
pub struct Folders {
    beneath: Beneath,
    shards: [Mutex<Vec<CachedFolder>>; SHARDS],
    /// Every file system that a folder was opened on, by its number, with a folder to sync it by.
    file_systems: Mutex<BTreeMap<u64, io::Result<OwnedFd>>>,
}

struct CachedFolder {
    hash: u64,
    path: Vec<u8>,
    fd: Arc<OwnedFd>,
}

impl Folders {
    /// `root`: the target.
    pub fn new(root: OwnedFd) -> Self {
        let folders = Self { beneath: Beneath::new(root), shards: Default::default(), file_systems: Mutex::default() };
        folders.note_file_system(folders.beneath.root());
        folders
    }

    /// Other file systems may be mounted beneath the root.
    fn note_file_system(&self, folder: &OwnedFd) {
        let Ok(stat) = fstat(folder) else { return };
        let mut file_systems = self.file_systems.lock();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        file_systems.entry(stat.st_dev).or_insert_with(|| openat(folder, c".", flags, Mode::empty()));
    }

    /// Makes everything durable on all file systems that a folder was opened on.
    pub fn sync(&self) -> io::Result<()> {
        let file_systems = self.file_systems.lock();
        file_systems.values().try_for_each(|folder| syncfs(folder.as_ref().map_err(|e| *e)?))
    }

    /// To open other entries beneath the root.
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
        // If the path is too long for one call, the folder where it is cut is kept open as well: everything beneath starts there.
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

    /// Finds an open folder, and moves it to the end: the first one is closed next.
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
