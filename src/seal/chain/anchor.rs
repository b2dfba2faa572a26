//! What a check code from paper shows of the seals before it.

use super::{Chain, Fault, FaultKind, SealLink};
use crate::format::check_code::WrittenCode;
use crate::format::digests::BothDigests;
use crate::format::merkle::{MerkleTree, head_leaf};
use crate::format::object::ObjectKind;
use std::collections::{HashMap, HashSet};

impl Chain {
    /// Compares the seals with a check code from paper, and marks those that it anchors: the seal of the code, and the
    /// earlier ones that it leads to, also across a seal that is lost. Returns the position of the seal of the code.
    ///
    /// What was written down is worth more than keys, which may be stolen: where the seal of the code does not fit, only what
    /// leads to it counts.
    pub fn anchor(&mut self, code: &WrittenCode) -> Option<usize> {
        let heads: Vec<&SealLink> = self.links.iter().chain(&self.overruled).collect();
        let mut of_code = heads.iter().filter(|l| code.is_of(&l.digest()));
        let top = of_code.next().filter(|_| of_code.next().is_none())?;
        let (digest, number, fits) = (top.digest(), top.number, top.trusted);
        let anchored = anchored_by(top, &heads);
        self.links.iter_mut().chain(&mut self.overruled).for_each(|l| l.anchored = anchored.contains(&l.digest()));
        if !fits {
            self.follow_the_anchored(number);
        }
        self.links.iter().position(|l| l.digest() == digest)
    }

    /// Lets the anchored seals count in the stead of those that fit. A seal that is not anchored and comes before the last of
    /// them, which is the seal of the code, counts for nothing; one behind it is not trusted. `top`: that seal's number.
    fn follow_the_anchored(&mut self, top: u64) {
        let first = self.links.iter().filter(|l| l.anchored).map(|l| l.number).min().unwrap_or(top);
        let is_overruled = self.overruled.iter().any(|l| l.number == top);
        let has_rival = is_overruled || self.links.iter().any(|l| l.trusted && !l.anchored && l.number > first);
        if has_rival || self.faults.is_empty() {
            self.faults.push(Fault { object: top, kind: ObjectKind::Seal, what: FaultKind::Rival });
            self.faults.sort_by_key(|f| f.object);
        }
        self.links.append(&mut self.overruled);
        self.links.sort_by_key(|l| l.number);
        self.links.iter_mut().for_each(|l| l.trusted = l.anchored);
        let is_astray = |l: &mut SealLink| l.number < top && !l.anchored;
        self.overruled = self.links.extract_if(.., is_astray).collect();
        self.cover();
    }
}

/// The digests of the seals that the seal of a code anchors: each that is reached by `previous` alone; and all, if the tree
/// over their heads has the root that this seal gives. Of a lost seal, the seal behind it tells the leaf.
fn anchored_by(top: &SealLink, heads: &[&SealLink]) -> HashSet<[u8; 32]> {
    let by_digests: HashMap<BothDigests, &SealLink> = heads.iter().map(|l| (l.head, *l)).collect();
    let mut in_order = heads.to_vec();
    in_order.sort_by_key(|l| (l.trusted, l.number));
    let by_place: HashMap<u64, &SealLink> = in_order.iter().map(|l| (l.seal.earlier, *l)).collect();
    let mut anchored = HashSet::from([top.digest()]);
    let (mut reached, mut leaves) = (Vec::new(), Vec::new());
    let (mut expected, mut is_linked) = (top.seal.previous, true);
    for place in (0..top.seal.earlier).rev() {
        let found = match &expected {
            Some(digests) => by_digests.get(digests),
            None => by_place.get(&place),
        };
        match (found, expected) {
            (Some(link), _) => {
                if is_linked {
                    anchored.insert(link.digest());
                }
                reached.push(link.digest());
                leaves.push(link.digest());
                expected = link.seal.previous;
            }
            (None, Some(lost)) => {
                is_linked = false;
                leaves.push(lost.blake3);
                expected = None;
            }
            // Two in a row are lost.
            (None, None) => break,
        }
    }
    let mut tree = MerkleTree::default();
    leaves.iter().rev().for_each(|digest| tree.push(head_leaf(digest)));
    if (tree.count(), tree.root()) == (top.seal.earlier, top.seal.heads) {
        anchored.extend(reached);
    }
    anchored
}

impl SealLink {
    /// Whether the keys of the chain, or a check code, show that this is the seal that was written.
    pub fn is_proven(&self) -> bool {
        self.trusted || self.anchored
    }
}
