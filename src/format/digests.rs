//! Section 1: the two digests of an object or of a file's content.

use crate::sha256::{Sha256, update_both};

/// BLAKE3 and, where it was computed, SHA-256 of the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Always computed.
    pub blake3: [u8; 32],
    /// Where it was asked for.
    pub sha256: Option<[u8; 32]>,
}

impl Digests {
    /// Of bytes that are in memory as a whole.
    pub fn of(bytes: &[u8], with_sha256: bool) -> Self {
        Self { blake3: *blake3::hash(bytes).as_bytes(), sha256: with_sha256.then(|| Sha256::digest(bytes)) }
    }

    /// Whether these are digests of the same bytes as `other`, as far as both have the same ones.
    pub fn agree_with(&self, other: &Self) -> bool {
        self.blake3 == other.blake3 && self.sha256.zip(other.sha256).is_none_or(|(a, b)| a == b)
    }
}

/// Both digests, as a seal's head has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BothDigests {
    /// BLAKE3.
    pub blake3: [u8; 32],
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl BothDigests {
    /// Of bytes that are in memory as a whole.
    pub fn of(bytes: &[u8]) -> Self {
        Self { blake3: *blake3::hash(bytes).as_bytes(), sha256: Sha256::digest(bytes) }
    }
}

/// Which digests are to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashes {
    /// Only BLAKE3: enough to compare with what was just written.
    Blake3,
    /// Both.
    Both,
}

impl Hashes {
    /// Both where SHA-256 is asked for.
    pub fn with_sha256(wanted: bool) -> Self {
        if wanted { Self::Both } else { Self::Blake3 }
    }
}

/// Computes the digests of bytes that are read part by part.
pub struct DigestHasher {
    blake3: blake3::Hasher,
    sha256: Option<Sha256>,
}

impl DigestHasher {
    /// No bytes so far.
    pub fn new(hashes: Hashes) -> Self {
        Self { blake3: blake3::Hasher::new(), sha256: (hashes == Hashes::Both).then(Sha256::default) }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// Adds the next bytes, beside those of another stream where SHA-256 is computed.
    pub fn update_beside(&mut self, bytes: &[u8], (other, of_other): (&mut Sha256, &[u8])) {
        self.blake3.update(bytes);
        match &mut self.sha256 {
            Some(sha256) => update_both((sha256, bytes), (other, of_other)),
            None => other.update(of_other),
        }
    }

    /// The digests of everything added.
    pub fn finish(self) -> Digests {
        Digests { blake3: *self.blake3.finalize().as_bytes(), sha256: self.sha256.map(Sha256::finish) }
    }
}

impl std::io::Write for DigestHasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
