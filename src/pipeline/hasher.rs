//! Chunk ids and the digests of whole files.

use crate::format::entry::Core;
use crate::format::pack::ChunkId;
use crate::format::set_key::SetKey;
use sha2::Digest as _;

/// Computes chunk ids. They depend on the set key, so that nobody can compute the id of known content.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Ids {
    key: [u8; 32],
}

impl Ids {
    /// Derives the key of the ids from the set key.
    pub fn new(set_key: &SetKey) -> Self {
        Self { key: blake3::derive_key("azekura 1 chunk id", &set_key.0) }
    }

    /// The id of the chunk whose BLAKE3 is `digest`.
    pub fn id(&self, digest: &[u8; 32]) -> ChunkId {
        let keyed = blake3::keyed_hash(&self.key, digest);
        let mut id = [0; 16];
        id.copy_from_slice(&keyed.as_bytes()[..16]);
        ChunkId(id)
    }
}

/// The digests of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Always computed.
    pub blake3: [u8; 32],
    /// Where it was asked for.
    pub sha256: Option<[u8; 32]>,
}

impl Digests {
    /// Whether these are the digests that a record has of its file: each that is recorded.
    pub fn are_of(&self, core: &Core) -> bool {
        Some(self.blake3) == core.blake3 && (core.sha256.is_none() || core.sha256 == self.sha256)
    }

    /// Of content that is in memory as a whole.
    pub fn of(content: &[u8], with_sha256: bool) -> Self {
        Self { blake3: *blake3::hash(content).as_bytes(), sha256: with_sha256.then(|| sha2::Sha256::digest(content).into()) }
    }
}

/// Computes the digests of content that is read part by part.
pub struct ContentHasher {
    blake3: blake3::Hasher,
    sha256: Option<sha2::Sha256>,
}

impl ContentHasher {
    /// No content so far.
    pub fn new(with_sha256: bool) -> Self {
        Self { blake3: blake3::Hasher::new(), sha256: with_sha256.then(sha2::Sha256::new) }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(h) = &mut self.sha256 {
            h.update(bytes);
        }
    }

    /// Adds `length` zero bytes: a hole.
    pub fn update_zeros(&mut self, length: u64) {
        zeros(length, |z| self.update(z));
    }

    /// The digests of everything added.
    pub fn finish(self) -> Digests {
        Digests { blake3: *self.blake3.finalize().as_bytes(), sha256: self.sha256.map(|h| h.finalize().into()) }
    }
}

/// Adds `length` zero bytes to a running BLAKE3.
pub fn update_zeros(hasher: &mut blake3::Hasher, length: u64) {
    zeros(length, |z| {
        hasher.update(z);
    });
}

fn zeros(mut length: u64, mut update: impl FnMut(&[u8])) {
    static ZEROS: [u8; 65_536] = [0; 65_536];
    while length > 0 {
        let n = length.min(ZEROS.len() as u64);
        update(&ZEROS[..n as usize]);
        length -= n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_hash_as_zeros() {
        let mut h = ContentHasher::new(true);
        h.update(b"a");
        h.update_zeros(200_000);
        let mut plain = vec![b'a'];
        plain.resize(200_001, 0);
        assert_eq!(h.finish(), Digests::of(&plain, true));
    }

    #[test]
    fn ids_differ_between_sets() {
        let digest = [7; 32];
        let id = |k| Ids::new(&SetKey([k; 32])).id(&digest);
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }
}
