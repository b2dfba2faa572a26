//! A seal as it was found.

use super::expected::FoundSuccession;
use super::read::ReadSeal;
use crate::format::digests::{BothDigests, Digests};
use crate::format::object::{Object, ObjectKind};
use crate::format::seal::{Seal, Signed, encode_list};

/// A seal as it is on the medium, and whether it can be trusted.
#[derive(Debug, Clone)]
pub struct SealLink {
    /// The facts of the head.
    pub seal: Seal,
    /// The objects that it covers, in order; empty where its list is damaged.
    pub objects: Vec<Object>,
    /// Whether the list is the one that the head names.
    pub is_list_whole: bool,
    /// Its own object number.
    pub number: u64,
    /// Digests of the head.
    pub head: BothDigests,
    /// Bytes of the whole seal.
    pub length: u64,
    /// Digests of the whole seal.
    pub digests: Digests,
    /// Ed25519, over the head's body.
    pub signature: [u8; 64],
    /// Chain, range and signature are all valid.
    pub trusted: bool,
    /// A check code from paper shows that it is the seal that was written.
    pub anchored: bool,
    /// The succession that its head names, where it is there.
    pub succession: Option<Vec<u8>>,
}

impl SealLink {
    /// A head without its list, as in a proof.
    pub(super) fn of_head(signed: &Signed, head: &[u8]) -> Self {
        Self {
            seal: signed.seal.clone(),
            objects: Vec::new(),
            is_list_whole: false,
            number: signed.seal.number(),
            head: BothDigests::of(head),
            length: head.len() as u64,
            digests: Digests::of(head, true),
            signature: signed.signature,
            trusted: true,
            anchored: false,
            succession: None,
        }
    }

    /// A whole seal.
    pub(super) fn of_seal(signed: &Signed, read: &ReadSeal, trusted: bool, succession: Option<&FoundSuccession>) -> Self {
        Self {
            is_list_whole: read.objects.is_some(),
            objects: read.objects.clone().unwrap_or_default(),
            length: read.length,
            digests: read.digests,
            trusted,
            succession: succession.map(|s| s.bytes.clone()),
            ..Self::of_head(signed, &read.head)
        }
    }

    /// BLAKE3 of the head, of which the check code is the beginning.
    pub fn digest(&self) -> [u8; 32] {
        self.head.blake3
    }

    /// The bytes of the head: it has exactly one encoding.
    pub fn head_bytes(&self) -> Vec<u8> {
        Seal::with_signature(self.seal.encode_body(), &self.signature)
    }

    /// The bytes of the whole seal; `None` where its list is damaged.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        self.is_list_whole.then(|| [self.head_bytes(), encode_list(&self.objects)].concat())
    }

    /// The seal itself as an object.
    pub fn object(&self) -> Object {
        Object { number: self.number, kind: ObjectKind::Seal, length: self.length, digests: Some(self.digests) }
    }

    /// The generation's manifest, as the list has it.
    pub fn manifest(&self) -> Option<&Object> {
        self.objects.iter().find(|o| o.kind == ObjectKind::Manifest)
    }
}
