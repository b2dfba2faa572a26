//! Which bytes of a file its digests are of: all of them, or only those that are stored.

use super::{CborReader, DataRange, Malformed};
use crate::format::digests::Digests;

/// Holes that add up to more are not hashed. Bytes.
pub const HASHED_HOLE_BYTES: u64 = 1 << 30;

/// Whether the digests of a file with these holes are those of its stored bytes: nobody can hash 2⁶² zeros.
pub fn leaves_out_holes(holes: &[DataRange]) -> bool {
    holes.iter().fold(0, |sum: u64, h| sum.saturating_add(h.length)) > HASHED_HOLE_BYTES
}

/// The digests of a file's content, and of which of its bytes they are. [`leaves_out_holes`] decides which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentDigests {
    /// Of all bytes, holes as zeros.
    Whole(Digests),
    /// Of the stored bytes: of the content without its holes.
    Stored(Digests),
}

impl ContentDigests {
    /// Of a file with these holes, where `digests` are of the bytes that [`leaves_out_holes`] wants.
    pub fn new(holes: &[DataRange], digests: Digests) -> Self {
        if leaves_out_holes(holes) { Self::Stored(digests) } else { Self::Whole(digests) }
    }

    /// From the values of a record's keys 12, 13, 21 and 22, in this order.
    pub(super) fn from_keys(keys: [Option<[u8; 32]>; 4], r: &CborReader) -> Result<Option<Self>, Malformed> {
        match keys {
            [None, None, None, None] => Ok(None),
            [Some(blake3), sha256, None, None] => Ok(Some(Self::Whole(Digests { blake3, sha256 }))),
            [None, None, Some(blake3), sha256] => Ok(Some(Self::Stored(Digests { blake3, sha256 }))),
            _ => Err(r.wrong("digests that do not belong together")),
        }
    }

    /// The values of a record's keys 12, 13, 21 and 22, in this order.
    pub(super) fn keys(this: Option<Self>) -> [Option<[u8; 32]>; 4] {
        match this {
            None => [None; 4],
            Some(Self::Whole(d)) => [Some(d.blake3), d.sha256, None, None],
            Some(Self::Stored(d)) => [None, None, Some(d.blake3), d.sha256],
        }
    }

    /// The digests, if they are of all bytes.
    pub fn whole(&self) -> Option<&Digests> {
        if let Self::Whole(d) = self { Some(d) } else { None }
    }

    /// The digests, if they are of the stored bytes only.
    pub fn stored(&self) -> Option<&Digests> {
        if let Self::Stored(d) = self { Some(d) } else { None }
    }

    /// Other digests, of the same of a file's bytes.
    pub fn with(&self, digests: Digests) -> Self {
        match self {
            Self::Whole(_) => Self::Whole(digests),
            Self::Stored(_) => Self::Stored(digests),
        }
    }

    /// The digests, of whichever bytes they are.
    pub fn either(&self) -> &Digests {
        match self {
            Self::Whole(d) | Self::Stored(d) => d,
        }
    }

    /// What tells the content from other content, for a file with these holes.
    pub fn content_id(&self, holes: &[DataRange]) -> ContentId {
        match self {
            Self::Whole(d) => ContentId::Whole(d.blake3),
            Self::Stored(d) => {
                let mut hasher = blake3::Hasher::new();
                for h in holes {
                    hasher.update(&h.offset.to_le_bytes()).update(&h.length.to_le_bytes());
                }
                ContentId::Stored { blake3: d.blake3, holes: *hasher.finalize().as_bytes() }
            }
        }
    }
}

/// Files with equal ids have equal content. Without their holes the same content has another one where
/// the holes lie elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentId {
    /// BLAKE3 of all bytes.
    Whole([u8; 32]),
    /// Of a file whose digests leave out its holes.
    Stored {
        /// Of the stored bytes.
        blake3: [u8; 32],
        /// Of the places of the holes.
        holes: [u8; 32],
    },
}

impl ContentId {
    /// BLAKE3 of all bytes, if it is known.
    pub fn whole(&self) -> Option<[u8; 32]> {
        if let Self::Whole(blake3) = self { Some(*blake3) } else { None }
    }

    /// BLAKE3 of the stored bytes, if the holes are left out.
    pub fn stored(&self) -> Option<[u8; 32]> {
        if let Self::Stored { blake3, .. } = self { Some(*blake3) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hole(offset: u64, length: u64) -> DataRange {
        DataRange { offset, length }
    }

    #[test]
    fn holes_of_more_than_a_gibibyte_are_left_out() {
        let half = HASHED_HOLE_BYTES / 2;
        assert!(!leaves_out_holes(&[]));
        assert!(!leaves_out_holes(&[hole(0, half), hole(half + 1, half)]));
        assert!(leaves_out_holes(&[hole(0, half), hole(half + 1, half + 1)]));
        assert!(leaves_out_holes(&[hole(0, u64::MAX), hole(9, u64::MAX)]));
    }

    #[test]
    fn the_place_of_a_hole_is_part_of_the_content() {
        let stored = ContentDigests::Stored(Digests { blake3: [1; 32], sha256: None });
        let id = |holes: &[DataRange]| stored.content_id(holes);
        assert_eq!(id(&[hole(0, 9)]), id(&[hole(0, 9)]));
        assert_ne!(id(&[hole(0, 9)]), id(&[hole(1, 9)]));
        assert_ne!(id(&[hole(0, 9)]), id(&[hole(0, 8), hole(9, 1)]));
    }
}
