//! What a check code from paper shows of the seals before it.

use super::{Chain, SealLink};
use crate::format::check_code::WrittenCode;
use crate::format::merkle::{MerkleHash, MerkleTree, head_leaf};
use std::collections::BTreeMap;

impl Chain {
    /// Compares the seals with a check code from paper, and marks those that it anchors: the seal of the code, and the
    /// earlier ones that it leads to, also across a seal that is lost. Returns the position of the seal of the code.
    pub fn anchor(&mut self, code: &WrittenCode) -> Option<usize> {
        let mut fitting = self.links.iter().enumerate().filter(|(_, l)| code.is_of(&l.digest())).map(|(at, _)| at);
        let at = fitting.next().filter(|_| fitting.next().is_none())?;
        // The digests that this chain has at its places, as far as `previous` tells.
        let mut known = BTreeMap::from([(self.links[at].seal.earlier, self.links[at].digest())]);
        for link in self.links[..=at].iter().rev() {
            let is_known = known.get(&link.seal.earlier) == Some(&link.digest());
            if let Some((place, previous)) = link.seal.earlier.checked_sub(1).zip(link.seal.previous).filter(|_| is_known) {
                known.insert(place, previous.blake3);
            }
        }
        let all = self.all_heads_before(at, &known);
        for link in &mut self.links[..=at] {
            let expected = all.as_ref().unwrap_or(&known).get(&link.seal.earlier);
            link.anchored |= expected == Some(&link.digest());
        }
        Some(at)
    }

    /// The digests of all heads before a seal, if they have the root that its head gives: those on the medium, and of a lost
    /// seal what the seal after it says.
    fn all_heads_before(&self, at: usize, known: &BTreeMap<u64, [u8; 32]>) -> Option<BTreeMap<u64, [u8; 32]>> {
        let seal = &self.links[at].seal;
        let mut all: BTreeMap<u64, [u8; 32]> = BTreeMap::new();
        for link in &self.links[..at] {
            if let Some((place, previous)) = link.seal.earlier.checked_sub(1).zip(link.seal.previous) {
                all.insert(place, previous.blake3);
            }
        }
        all.extend(self.links[..at].iter().map(|l| (l.seal.earlier, l.digest())));
        all.extend(known.iter().map(|(place, digest)| (*place, *digest)));
        let mut tree = MerkleTree::default();
        for (i, (place, digest)) in all.range(..seal.earlier).enumerate() {
            if *place != i as u64 {
                return None;
            }
            tree.push(head_leaf(digest));
        }
        let root: MerkleHash = tree.root();
        (tree.count() == seal.earlier && root == seal.heads).then_some(all)
    }
}

impl SealLink {
    /// Whether the keys of the chain, or a check code, show that this is the seal that was written.
    pub fn is_proven(&self) -> bool {
        self.trusted || self.anchored
    }
}
