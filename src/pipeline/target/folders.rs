//! Open folders of the target, shared by the threads that create in them.

use crate::pipeline::source::beneath::{Beneath, FOLDER, last_cut};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Together 256 descriptors, a quarter of the usual limit of 1,024. Threads that work in different folders seldom meet.
const SHARDS: usize = 16;
const FOLDERS_IN_SHARD: usize = 16;

pub struct Folders {
    beneath: Beneath,
    shards: [Mutex<Vec<Kept>>; SHARDS],
}

struct Kept {
    hash: u64,
    path: Vec<u8>,
    fd: Arc<OwnedFd>,
}

impl Folders {
    pub fn new(root: OwnedFd) -> Self {
        Self { beneath: Beneath::new(root), shards: Default::default() }
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
        let mut shard = self.shard(hash);
        if shard.len() == FOLDERS_IN_SHARD {
            shard.remove(0);
        }
        shard.push(Kept { hash, path: path.to_vec(), fd: fd.clone() });
        Ok(fd)
    }

    /// The folder used last stands last.
    fn recall(&self, hash: u64, path: &[u8]) -> Option<Arc<OwnedFd>> {
        let mut shard = self.shard(hash);
        let i = shard.iter().rposition(|k| k.hash == hash && k.path == path)?;
        shard[i..].rotate_left(1);
        shard.last().map(|k| k.fd.clone())
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        // A list is whole after every step, so one that a thread left by a panic serves on.
        self.shards[hash as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
