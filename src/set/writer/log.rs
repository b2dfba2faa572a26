//! The set's log of objects, as far as a run that appends to it has to know it.

use super::host_side::HostSide;
use super::{Result, WriteError};
use crate::format::merkle::{MerkleTree, object_leaf};
use crate::format::object::Object;
use crate::format::seal::Seal;
use crate::host::catalog::GenerationRow;

/// The log of a set: what is sealed, what is not, and the number of the next object.
#[derive(Default)]
pub struct SetLog {
    /// The last generation that is sealed; a medium's closing seal counts as one.
    pub last: Option<GenerationRow>,
    /// Objects behind the last seal, ascending by number. The next seal covers them.
    pub unsealed: Vec<Object>,
    /// Number of the next object.
    pub next: u64,
    /// The next generation references no object below this number.
    pub oldest_referenced: u64,
    /// All objects up to and including the last seal.
    pub(super) sealed: MerkleTree,
    /// The public key that verifies the seal of generation 1; every label names it.
    pub(super) root_key: [u8; 32],
}

impl SetLog {
    /// Number of the first object that no seal covers.
    pub(super) fn first_unsealed(&self) -> u64 {
        self.last.as_ref().map_or(0, |g| g.seal_object + 1)
    }

    /// The generation that is being written.
    pub fn generation(&self) -> u64 {
        self.last.as_ref().map_or(1, |g| g.number + 1)
    }

    /// Adds an object that the next seal covers.
    pub(super) fn push(&mut self, object: Object) {
        self.next = object.number + 1;
        self.unsealed.push(object);
    }

    /// The tree over all objects, those behind the last seal included.
    pub(super) fn tree(&self) -> MerkleTree {
        let mut tree = self.sealed.clone();
        self.unsealed.iter().for_each(|o| tree.push(object_leaf(o)));
        tree
    }

    /// Rebuilds the tree of sealed objects out of the catalog. `seal` is the last one, and `object` is its object.
    pub(super) fn rebuild(&mut self, host: &HostSide, seal: &Seal, object: &Object) -> Result<()> {
        let tree = &mut self.sealed;
        host.catalog.each_object(host.row, object.number, |o| tree.push(object_leaf(&o)))?;
        // The next seal signs the root of the whole log. Its earlier part comes from the catalog, so it must match what
        // the last seal signed.
        if (tree.count(), tree.root()) != (object.number, seal.log) {
            return Err(WriteError::StaleCatalog);
        }
        tree.push(object_leaf(object));
        Ok(())
    }
}
