//! Open folders of the target, shared by the threads that create entries in them.

use super::durable::FileSystems;
use crate::pipeline::source::beneath::{Beneath, FOLDER, last_cut};
use crate::pipeline::source::node::Node;
use crate::trust::is_roots;
use parking_lot::Mutex;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{self, Errno};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Together 256 descriptors, a quarter of the usual limit of 1,024. Threads that work in different folders seldom share a lock.
const SHARDS: usize = 16;
const FOLDERS_IN_SHARD: usize = 16;

/// Opens folders beneath the target's root, and keeps the recently used ones open.
pub struct Folders {
    beneath: Beneath,
    shards: [Mutex<Vec<CachedFolder>>; SHARDS],
    /// Every file system that a folder was opened on: others may be mounted beneath the root.
    file_systems: FileSystems,
    /// Every folder has to be one that only root may change.
    is_guarded: bool,
}

struct CachedFolder {
    hash: u64,
    path: Vec<u8>,
    fd: Arc<OwnedFd>,
}

impl Folders {
    /// `root`: the target. `is_guarded`: a folder that others than root may change is refused, with `EPERM`.
    pub fn new(root: OwnedFd, file_systems: FileSystems, is_guarded: bool) -> Self {
        let folders = Self { beneath: Beneath::new(root), shards: Default::default(), file_systems, is_guarded };
        folders.file_systems.note(folders.beneath.root());
        folders
    }

    /// The file systems that folders were opened on.
    pub fn file_systems(&self) -> &FileSystems {
        &self.file_systems
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
        let hash = hash_of(path);
        if let Some(fd) = self.recall(hash, path) {
            return Ok(fd);
        }
        // If the path is too long for one call, the folder where it is cut is kept open as well: everything beneath starts there.
        let fd = Arc::new(match last_cut(path) {
            _ if self.is_guarded => self.open_guarded(path)?,
            None => self.beneath.step(self.beneath.root().as_fd(), path, FOLDER)?,
            Some(cut) => self.beneath.step(self.open(&path[..cut])?.as_fd(), &path[cut + 1..], FOLDER)?,
        });
        self.file_systems.note(&fd);
        let mut shard = self.shard(hash);
        if shard.len() == FOLDERS_IN_SHARD {
            shard.remove(0);
        }
        shard.push(CachedFolder { hash, path: path.to_vec(), fd: fd.clone() });
        Ok(fd)
    }

    /// Opens a folder name by name, from the folder above it where that is open.
    fn open_guarded(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let cut = path.iter().rposition(|b| *b == b'/');
        let above = cut.and_then(|cut| Some((self.recall(hash_of(&path[..cut]), &path[..cut])?, cut + 1)));
        let (mut at, start) = above.unwrap_or_else(|| (self.beneath.root().clone(), 0));
        for name in path[start..].split(|b| *b == b'/') {
            at = Arc::new(self.beneath.step(at.as_fd(), name, FOLDER)?);
            let stat = Node::handle(at.as_fd()).stat()?;
            if !is_roots(stat.uid, stat.mode) {
                return Err(Errno::PERM);
            }
        }
        Arc::try_unwrap(at).map_err(|_| Errno::INVAL)
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

fn hash_of(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
