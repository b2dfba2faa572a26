//! Which seal may follow which.

use super::FaultKind;
use crate::format::digests::BothDigests;
use crate::format::label::Label;
use crate::format::merkle::{MerkleHash, MerkleTree, head_leaf};
use crate::format::object::Id;
use crate::format::seal::{Seal, Signed};
use crate::format::succession::{SignedSuccession, Succession};
use crate::seal::{verify, verify_succession};

/// A succession that was found, and where.
#[derive(Debug, Clone)]
pub(super) struct FoundSuccession {
    /// Its object number; 0 in a proof.
    pub number: u64,
    /// BLAKE3 of its bytes.
    pub digest: [u8; 32],
    pub signed: SignedSuccession,
    pub bytes: Vec<u8>,
}

/// What the next seal must be like.
#[derive(Debug, Clone)]
pub(super) struct ExpectedSeal {
    /// The set, once a seal or a label has named it.
    set: Option<Id>,
    generation: u64,
    /// The first object of the next seal.
    pub first: u64,
    /// The tree over the heads so far.
    heads: MerkleTree,
    root: MerkleHash,
    previous: Option<BothDigests>,
    /// `None`: the signature of the first seal is not checked.
    key: Option<[u8; 32]>,
    succession_key: SuccessionKey,
}

/// Which successions are taken.
#[derive(Debug, Clone, Copy)]
enum SuccessionKey {
    /// None: the label names no key.
    None,
    /// Those that this key has signed.
    Key([u8; 32]),
    /// Any: a proof has no label.
    Unknown,
}

impl ExpectedSeal {
    /// The first seal of a set, by its label.
    pub fn first(label: &Label) -> Self {
        let succession_key = label.succession_key.map_or(SuccessionKey::None, SuccessionKey::Key);
        Self { set: Some(label.set), succession_key, ..Self::unlabelled(Some(label.root_key)) }
    }

    /// The first seal of a set whose label is not there.
    pub fn unlabelled(root_key: Option<[u8; 32]>) -> Self {
        let heads = MerkleTree::default();
        let root = heads.root();
        Self {
            set: None,
            generation: 1,
            first: 0,
            heads,
            root,
            previous: None,
            key: root_key,
            succession_key: SuccessionKey::Unknown,
        }
    }

    /// What must follow a seal that fits.
    pub fn after(&self, seal: &Seal, head: &BothDigests) -> Self {
        let mut heads = self.heads.clone();
        heads.push(head_leaf(&head.blake3));
        let root = heads.root();
        let generation = if seal.is_closing() { seal.generation } else { seal.generation + 1 };
        Self {
            set: Some(seal.set),
            generation,
            first: seal.number() + 1,
            heads,
            root,
            previous: Some(*head),
            key: Some(seal.next),
            succession_key: self.succession_key,
        }
    }

    /// What must follow a seal that does not fit itself, as far as the two tell: the rest of a chain behind one bad seal
    /// is only one fault.
    pub fn after_bad(seal: &Seal, head: &BothDigests) -> Self {
        let after = Self::unlabelled(None).after(seal, head);
        Self { root: [0; 32], ..after }
    }

    /// How a seal differs; `None` if it is the expected one. `succession`: the one that its head names, where it is there.
    pub fn misfit(&self, signed: &Signed, head: &[u8], succession: Option<&FoundSuccession>) -> Option<FaultKind> {
        self.misfit_of_chain(signed).or_else(|| self.misfit_of_signature(signed, head, succession))
    }

    fn misfit_of_chain(&self, signed: &Signed) -> Option<FaultKind> {
        let s = &signed.seal;
        // The tree is unknown behind a bad seal.
        let heads = self.root == [0; 32] || (s.earlier, s.heads) == (self.heads.count(), self.root);
        if self.set.is_some_and(|set| set != s.set) {
            Some(FaultKind::OutOfPlace)
        } else if s.first > self.first && s.earlier > self.heads.count() {
            Some(FaultKind::Missing)
        } else if s.first != self.first || s.generation != self.generation {
            Some(FaultKind::OutOfPlace)
        } else if s.previous != self.previous || !heads {
            Some(FaultKind::Forked)
        } else {
            None
        }
    }

    fn misfit_of_signature(&self, signed: &Signed, head: &[u8], succession: Option<&FoundSuccession>) -> Option<FaultKind> {
        let key = match (signed.seal.succession, succession) {
            (None, _) => self.key,
            (Some(digest), Some(found)) if found.digest == digest && self.may_succeed(&found.signed, &found.bytes) => {
                Some(found.signed.succession.next)
            }
            (Some(_), _) => return Some(FaultKind::Succession),
        };
        key.is_some_and(|key| !verify(signed, head, &key)).then_some(FaultKind::Signature)
    }

    /// Whether a succession names the last seal, and the label's succession key has signed it.
    fn may_succeed(&self, signed: &SignedSuccession, bytes: &[u8]) -> bool {
        let Succession { set, previous, .. } = signed.succession;
        let is_signed = match self.succession_key {
            SuccessionKey::None => false,
            SuccessionKey::Key(key) => verify_succession(signed, bytes, &key),
            SuccessionKey::Unknown => true,
        };
        self.set == Some(set) && self.previous == Some(previous) && is_signed
    }
}
