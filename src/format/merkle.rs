//! Section 8: Merkle trees in the shape of RFC 6962, over BLAKE3.

use std::ops::Range;

/// BLAKE3 of a node: a leaf, the root of a complete subtree, or the root of the tree.
pub type MerkleHash = [u8; 32];

/// Computes a root from leaves that are added one by one, in memory of O(log n).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MerkleTree {
    count: u64,
    /// Roots of the complete subtrees on the right edge, largest first: one for each bit set in `count`.
    edge: Vec<MerkleHash>,
}

impl MerkleTree {
    /// Leaves added so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds the next leaf.
    pub fn push(&mut self, leaf: MerkleHash) {
        let mut node = leaf;
        for _ in 0..self.count.trailing_ones() {
            if let Some(left) = self.edge.pop() {
                node = join(&left, &node);
            }
        }
        self.edge.push(node);
        self.count += 1;
    }

    /// The root over the leaves added so far.
    pub fn root(&self) -> MerkleHash {
        let mut nodes = self.edge.iter().rev();
        match nodes.next() {
            None => *blake3::hash(b"").as_bytes(),
            Some(last) => nodes.fold(*last, |right, left| join(left, &right)),
        }
    }
}

fn join(left: &MerkleHash, right: &MerkleHash) -> MerkleHash {
    let mut both = [1; 65];
    both[1..33].copy_from_slice(left);
    both[33..].copy_from_slice(right);
    *blake3::hash(&both).as_bytes()
}

/// The leaves under each node of the audit path of leaf `index` in a tree of `count` leaves, from the leaf on.
fn siblings(index: u64, count: u64) -> Vec<Range<u64>> {
    let (mut start, mut end, mut parts) = (0, count, Vec::new());
    while end - start > 1 {
        let middle = start + (1 << (end - start - 1).ilog2());
        if index < middle {
            parts.push(middle..end);
            end = middle;
        } else {
            parts.push(start..middle);
            start = middle;
        }
    }
    parts.reverse();
    parts
}

/// The root that leaf `index` of `count` and its audit path lead to; `None` if the path has the wrong length.
pub fn root_of_path(leaf: MerkleHash, index: u64, count: u64, path: &[MerkleHash]) -> Option<MerkleHash> {
    let parts = if index < count { siblings(index, count) } else { return None };
    let up = |node: MerkleHash, (part, other): (&Range<u64>, &MerkleHash)| match part.start > index {
        true => join(&node, other),
        false => join(other, &node),
    };
    (parts.len() == path.len()).then(|| parts.iter().zip(path).fold(leaf, up))
}

/// Computes the audit path of one leaf while all leaves of a tree are added, in memory of O(log n). Which leaf it is may be
/// decided when it is added; the number of leaves must be known before.
#[derive(Debug, Clone)]
pub struct PathFinder {
    count: u64,
    before: MerkleTree,
    found: Option<FoundLeaf>,
}

#[derive(Debug, Clone)]
struct FoundLeaf {
    index: u64,
    /// The next leaf's number.
    at: u64,
    /// The nodes of the audit path, from the leaf on. Those with later leaves are still growing.
    parts: Vec<(Range<u64>, MerkleTree)>,
}

impl PathFinder {
    /// `count`: leaves of the tree.
    pub fn new(count: u64) -> Self {
        Self { count, before: MerkleTree::default(), found: None }
    }

    /// Adds the next leaf; `wanted`: it is the leaf whose path is wanted. Only the first wanted one counts.
    pub fn push(&mut self, leaf: MerkleHash, wanted: bool) {
        match &mut self.found {
            Some(found) => {
                if let Some((_, tree)) = found.parts.iter_mut().find(|(part, _)| part.contains(&found.at)) {
                    tree.push(leaf);
                }
                found.at += 1;
            }
            None if wanted && self.before.count < self.count => {
                let index = self.before.count;
                let mut parts: Vec<_> = siblings(index, self.count).into_iter().map(|p| (p, MerkleTree::default())).collect();
                // The nodes before the leaf are complete: they are the edge of the tree so far, largest first.
                let before = parts.iter_mut().rev().filter(|(part, _)| part.start < index);
                for ((part, tree), root) in before.zip(&self.before.edge) {
                    *tree = MerkleTree { count: part.end - part.start, edge: vec![*root] };
                }
                self.found = Some(FoundLeaf { index, at: index + 1, parts });
            }
            None => self.before.push(leaf),
        }
    }

    /// The wanted leaf's number and its path; `None` unless the wanted leaf and all others were added.
    pub fn finish(self) -> Option<(u64, Vec<MerkleHash>)> {
        let found = self.found.filter(|f| f.at == self.count)?;
        Some((found.index, found.parts.iter().map(|(_, tree)| tree.root()).collect()))
    }
}

/// The leaf of a seal in the tree over the heads of all seals; `digest`: BLAKE3 of its head.
pub fn head_leaf(digest: &[u8; 32]) -> MerkleHash {
    let mut data = [2; 33];
    data[1..].copy_from_slice(digest);
    *blake3::hash(&data).as_bytes()
}

/// The leaf of one record; `path` and `core` are those of the record, `salt_key` is `K_salt`.
pub fn record_leaf(salt_key: &[u8; 32], path: &[u8], core: &[u8]) -> MerkleHash {
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
pub fn record_leaf_salted(salt: &[u8; 16], core: &[u8]) -> MerkleHash {
    let mut h = blake3::Hasher::new();
    h.update(&[0]).update(salt).update(core);
    *h.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, as written.
    fn defined(leaves: &[MerkleHash]) -> MerkleHash {
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
        let mut tree = MerkleTree::default();
        let mut leaves = Vec::new();
        for i in 0..130u32 {
            assert_eq!(tree.root(), defined(&leaves), "{i} leaves");
            let leaf = *blake3::hash(&i.to_le_bytes()).as_bytes();
            leaves.push(leaf);
            tree.push(leaf);
            assert_eq!(tree.count(), leaves.len() as u64);
        }
    }

    /// RFC 6962 section 2.1.1, as written.
    fn defined_path(index: usize, leaves: &[MerkleHash]) -> Vec<MerkleHash> {
        if leaves.len() < 2 {
            return Vec::new();
        }
        let k = leaves.len().next_power_of_two() / 2;
        let (part, other) = leaves.split_at(k);
        match index < k {
            true => [defined_path(index, part), vec![defined(other)]].concat(),
            false => [defined_path(index - k, other), vec![defined(part)]].concat(),
        }
    }

    #[test]
    fn the_gathered_path_is_the_defined_one_and_leads_to_the_root() {
        let leaves: Vec<MerkleHash> = (0..70u32).map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
        for count in 0..=leaves.len() {
            let (leaves, n) = (&leaves[..count], count as u64);
            for index in 0..count {
                let mut finder = PathFinder::new(n);
                leaves.iter().enumerate().for_each(|(i, leaf)| finder.push(*leaf, i == index));
                let (found, path) = finder.finish().unwrap();
                assert_eq!((found, &path), (index as u64, &defined_path(index, leaves)));
                assert_eq!(root_of_path(leaves[index], found, n, &path), Some(defined(leaves)), "{index} of {count}");
                for other in (0..n + 2).chain([u64::MAX]).filter(|other| *other != found) {
                    assert_ne!(
                        root_of_path(leaves[index], other, n, &path),
                        Some(defined(leaves)),
                        "{index} as {other} of {count}"
                    );
                }
                assert_eq!(root_of_path(leaves[index], found, n, &[&path[..], &[[0; 32]]].concat()), None);
            }
            let mut finder = PathFinder::new(n);
            leaves.iter().for_each(|leaf| finder.push(*leaf, false));
            assert_eq!(finder.finish(), None);
        }
        assert!(root_of_path([0; 32], 5, i64::MAX as u64, &[[0; 32]; 63]).is_some());
    }
}
