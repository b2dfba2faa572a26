//! The set's log of objects, as far as a run that appends to it has to know it.

use super::host_side::HostSide;
use super::{Result, WriteError};
use crate::format::merkle::{MerkleTree, head_leaf};
use crate::format::object::{FOLDER_OBJECTS, Object};
use crate::format::seal::Seal;
use crate::host::catalog::SealRow;
use crate::medium::MediumError;

/// Objects after which a run writes a closing seal as a checkpoint (section 2).
const CHECKPOINT_OBJECTS: u64 = 32_768;
/// The same for bytes.
const CHECKPOINT_BYTES: u64 = 64 << 30;

/// The log of a set: what is sealed, what is not, and the number of the next object.
pub struct SetLog {
    /// The last seal, of whatever kind.
    pub last: Option<SealRow>,
    /// Objects behind the last seal, ascending by number. The next seal covers them.
    pub unsealed: Vec<Object>,
    /// Number of the next object.
    pub next: u64,
    /// The next generation references no object below this number.
    pub oldest_referenced: u64,
    /// Numbers of seals that this host has written and that are gone from the medium, ascending.
    pub lost_seals: Vec<u64>,
    /// The heads of all seals.
    pub(super) heads: MerkleTree,
    /// The public key that verifies the first seal; every label names it.
    pub(super) root_key: [u8; 32],
    /// The public key that verifies successions; every label names it.
    pub(super) succession_key: Option<[u8; 32]>,
    /// Objects behind the last seal that make a checkpoint due.
    pub checkpoint_objects: u64,
    unsealed_bytes: u64,
}

impl Default for SetLog {
    fn default() -> Self {
        Self {
            last: None,
            unsealed: Vec::new(),
            next: 0,
            oldest_referenced: 0,
            lost_seals: Vec::new(),
            heads: MerkleTree::default(),
            root_key: [0; 32],
            succession_key: None,
            checkpoint_objects: CHECKPOINT_OBJECTS,
            unsealed_bytes: 0,
        }
    }
}

/// The next number that may be free where the medium has something in the way of number `next`: a file under that number,
/// or something that is no folder where the folder of its thousand belongs. `None`: the medium failed for another reason.
pub fn free_behind(e: &MediumError, next: u64) -> Option<u64> {
    match e {
        MediumError::Exists { .. } => Some(next + 1),
        MediumError::NotADirectory { .. } => Some((next / FOLDER_OBJECTS + 1) * FOLDER_OBJECTS),
        _ => None,
    }
}

/// Whether so many objects and bytes behind the last seal make a checkpoint due.
pub fn is_checkpoint_due((objects, bytes): (u64, u64), checkpoint_objects: u64) -> bool {
    objects >= checkpoint_objects || bytes >= CHECKPOINT_BYTES
}

impl SetLog {
    /// Number of the first object that no seal covers.
    pub(super) fn first_unsealed(&self) -> u64 {
        self.last.as_ref().map_or(0, |g| g.seal_object + 1)
    }

    /// The generation that is being written.
    pub fn generation(&self) -> u64 {
        self.last.as_ref().map_or(1, |g| g.number + u64::from(!g.closing))
    }

    /// Which seal of the set the next one is, from 1.
    pub(super) fn next_seal(&self) -> u64 {
        self.last.as_ref().map_or(1, |g| g.seal + 1)
    }

    /// Adds an object that the next seal covers.
    pub(super) fn push(&mut self, object: Object) {
        self.next = object.number + 1;
        self.unsealed_bytes += object.length;
        self.unsealed.push(object);
    }

    /// Whether so much is unsealed that a checkpoint is due.
    pub fn wants_checkpoint(&self) -> bool {
        is_checkpoint_due(self.unsealed_size(), self.checkpoint_objects)
    }

    /// How many objects and bytes are unsealed.
    pub fn unsealed_size(&self) -> (u64, u64) {
        (self.unsealed.len() as u64, self.unsealed_bytes)
    }

    /// Everything is sealed now. `head`: BLAKE3 of the head of the new seal.
    pub(super) fn sealed(&mut self, head: &[u8; 32]) {
        self.heads.push(head_leaf(head));
        self.unsealed.clear();
        self.unsealed_bytes = 0;
    }

    /// Rebuilds the tree over the heads out of the catalog. `seal` is the last one.
    pub(super) fn rebuild(&mut self, host: &HostSide, seal: &Seal) -> Result<()> {
        let mut digests = Vec::new();
        host.catalog.each_head(host.row, |digest| digests.push(digest))?;
        let last = digests.pop();
        self.heads = MerkleTree::default();
        digests.iter().for_each(|digest| self.heads.push(head_leaf(digest)));
        // The next seal signs the root over all heads. The earlier ones come from the catalog, so they must match what the
        // last seal signed.
        if (self.heads.count(), self.heads.root()) != (seal.earlier, seal.heads) {
            return Err(WriteError::StaleCatalog);
        }
        self.heads.push(head_leaf(&last.ok_or(WriteError::StaleCatalog)?));
        Ok(())
    }
}
