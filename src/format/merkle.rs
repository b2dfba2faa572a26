//! Section 8: Merkle trees in the shape of RFC 6962, over BLAKE3.

use super::object::Object;

/// A tree's root, or the root of a complete part of it.
pub type Root = [u8; 32];

/// Computes a root from leaves that come one after the other, in memory of the order of log n.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    count: u64,
    /// Roots of the complete subtrees on the right edge, largest first: one for each bit set in `count`.
    edge: Vec<Root>,
}

impl Tree {
    /// Leaves so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn push(&mut self, leaf: Root) {
        let mut node = leaf;
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = join(&left, &node);
            }
        }
        self.edge.push(node);
        self.count += 1;
    }

    pub fn root(&self) -> Root {
        let mut nodes = self.edge.iter().rev();
        match nodes.next() {
            None => *blake3::hash(b"").as_bytes(),
            Some(last) => nodes.fold(*last, |right, left| join(left, &right)),
        }
    }
}

fn join(left: &Root, right: &Root) -> Root {
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    *blake3::hash(&both).as_bytes()
}

/// The leaf of one object in the log.
pub fn object_leaf(o: &Object) -> Root {
    let mut data = [0; 50];
    data[1..9].copy_from_slice(&o.number.to_le_bytes());
    data[9] = o.kind.code();
    data[10..18].copy_from_slice(&o.length.to_le_bytes());
    data[18..].copy_from_slice(&o.digest.unwrap_or_default());
    *blake3::hash(&data).as_bytes()
}

/// The leaf of one record; `path` and `core` are those of the record, `salt_key` is `K_salt`.
pub fn record_leaf(salt_key: &[u8; 32], path: &[u8], core: &[u8]) -> Root {
    record_leaf_salted(&record_salt(salt_key, path), core)
}

/// The salt of the record with this path.
pub fn record_salt(salt_key: &[u8; 32], path: &[u8]) -> [u8; 16] {
    let keyed = blake3::keyed_hash(salt_key, path);
    let mut salt = [0; 16];
    salt.copy_from_slice(&keyed.as_bytes()[..16]);
    salt
}

/// The leaf of one record whose salt is known.
pub fn record_leaf_salted(salt: &[u8; 16], core: &[u8]) -> Root {
    let mut h = blake3::Hasher::new();
    h.update(&[0]).update(salt).update(core);
    *h.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, as written.
    fn defined(leaves: &[Root]) -> Root {
        match leaves.len() {
            0 => *blake3::hash(b"").as_bytes(),
            1 => leaves[0],
            n => {
                let k = n.next_power_of_two() / 2;
                join(&defined(&leaves[..k]), &defined(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_running_root_is_the_defined_one() {
        let mut tree = Tree::default();
        let mut leaves = Vec::new();
        for i in 0..130u32 {
            assert_eq!(tree.root(), defined(&leaves), "{i} leaves");
            let leaf = *blake3::hash(&i.to_le_bytes()).as_bytes();
            leaves.push(leaf);
            tree.push(leaf);
            assert_eq!(tree.count(), leaves.len() as u64);
        }
    }
}
