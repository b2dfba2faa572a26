//! Chunk ids and the digests of whole files.

pub use crate::format::digests::{DigestHasher, Digests, Hashes};
use crate::format::entry::{ContentDigests, DataRange, HASHED_HOLE_BYTES, leaves_out_holes};
use crate::format::pack::ChunkId;
use crate::format::set_key::SetKey;

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

/// `length` zero bytes in parts, for hashing a hole. Between two parts the caller can look at whether to stop.
pub fn zeros(length: u64) -> impl Iterator<Item = &'static [u8]> {
    static ZEROS: [u8; 1 << 18] = [0; 1 << 18];
    let mut left = length;
    std::iter::from_fn(move || {
        let n = left.min(ZEROS.len() as u64);
        left -= n;
        (n > 0).then(|| &ZEROS[..n as usize])
    })
}

/// Computes the digests that a record has of a file, while the file is read from its beginning to its end.
pub struct FileHasher {
    /// Of all bytes, as long as the holes so far permit it.
    whole: Option<DigestHasher>,
    /// Of the stored bytes; only where the file's holes will be left out.
    stored: Option<DigestHasher>,
    hole_bytes: u64,
}

impl FileHasher {
    /// For a file with these holes. A file that ends earlier than they say is why both digests are begun.
    pub fn new(holes: &[DataRange], with_sha256: bool) -> Self {
        Self {
            whole: Some(DigestHasher::new(Hashes::with_sha256(with_sha256))),
            stored: leaves_out_holes(holes).then(|| DigestHasher::new(Hashes::with_sha256(with_sha256))),
            hole_bytes: 0,
        }
    }

    /// Adds the next stored bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.update_with(bytes, |hasher, bytes| {
            hasher.update(bytes);
            true
        });
    }

    /// The same, with `update` adding the bytes to a digest. Ends where that answers `false`, and answers so itself.
    pub fn update_with(&mut self, bytes: &[u8], update: impl Fn(&mut DigestHasher, &[u8]) -> bool) -> bool {
        [&mut self.whole, &mut self.stored].into_iter().flatten().all(|hasher| update(hasher, bytes))
    }

    /// Adds the next hole, one of those that were announced. `check` is called between its parts.
    pub fn add_hole<E>(&mut self, length: u64, mut check: impl FnMut() -> Result<(), E>) -> Result<(), E> {
        self.hole_bytes = self.hole_bytes.saturating_add(length);
        if self.hole_bytes > HASHED_HOLE_BYTES {
            self.whole = None;
        }
        let Some(whole) = &mut self.whole else { return Ok(()) };
        for part in zeros(length) {
            check()?;
            whole.update(part);
        }
        Ok(())
    }

    /// The digests of everything added.
    pub fn finish(self) -> ContentDigests {
        match (self.whole, self.stored) {
            (Some(whole), _) => ContentDigests::Whole(whole.finish()),
            (None, Some(stored)) => ContentDigests::Stored(stored.finish()),
            (None, None) => unreachable!("only announced holes are added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(holes: &[u64], read: usize) -> ContentDigests {
        let mut at = 0;
        let ranges: Vec<_> = holes.iter().map(|n| (at += 2 + n, DataRange { offset: at - n, length: *n }).1).collect();
        let mut hasher = FileHasher::new(&ranges, true);
        for hole in &holes[..read] {
            hasher.update(b"ab");
            hasher.add_hole(*hole, || Ok::<(), ()>(())).unwrap();
        }
        hasher.finish()
    }

    #[test]
    fn holes_hash_as_zeros() {
        let mut plain = b"ab".to_vec();
        plain.resize(300_002, 0);
        plain.extend(b"ab");
        plain.resize(300_009, 0);
        assert_eq!(digests(&[300_000, 5], 2), ContentDigests::Whole(Digests::of(&plain, true)));
    }

    #[test]
    fn holes_of_more_than_a_gibibyte_are_left_out() {
        let half = HASHED_HOLE_BYTES / 2;
        let stored = ContentDigests::Stored(Digests::of(b"abab", true));
        assert_eq!(digests(&[half, half + 1], 2), stored);
        assert_eq!(digests(&[1 << 62, 1], 2), stored);
        assert!(digests(&[half, half], 2).whole().is_some());
    }

    /// A file that becomes shorter while it is read may lose the holes that were too many.
    #[test]
    fn what_ends_early_is_hashed_as_what_it_is() {
        assert_eq!(digests(&[5, 1 << 62], 1), ContentDigests::Whole(Digests::of(b"ab\0\0\0\0\0", true)));
    }

    #[test]
    fn a_hole_that_is_hashed_can_be_stopped() {
        let mut parts = 0;
        let mut hasher = FileHasher::new(&[], false);
        let stopped = hasher.add_hole(HASHED_HOLE_BYTES, || {
            parts += 1;
            if parts > 3 { Err(()) } else { Ok(()) }
        });
        assert_eq!((stopped, parts), (Err(()), 4));
    }

    #[test]
    fn ids_differ_between_sets() {
        let digest = [7; 32];
        let id = |k| Ids::new(&SetKey([k; 32])).id(&digest);
        assert_eq!(id(1), id(1));
        assert_ne!(id(1), id(2));
    }
}
