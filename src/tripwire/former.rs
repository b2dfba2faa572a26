//! Whether a file that may only grow begins with its former content.

use super::PreviousContent;
use crate::format::digests::Digests;
use crate::format::entry::{ContentDigests, ContentId, DataRange};

/// Looks for a file's former content at its beginning, while it is read.
pub struct FormerContent {
    before: PreviousContent,
    /// Of the former length; without its holes where the former digest leaves them out.
    hasher: blake3::Hasher,
    /// Bytes that are still to be hashed.
    left: u64,
    /// Bytes of holes that may still be hashed as zeros.
    zeros_left: u64,
    /// Holes within the former length, where the former digest leaves them out.
    holes: Vec<DataRange>,
}

impl FormerContent {
    /// `most_zeros`: bytes of holes that are hashed at most. A file with more holes counts as replaced.
    pub fn new(before: PreviousContent, most_zeros: u64) -> Self {
        let left = match before.content {
            ContentId::Whole(_) => before.size,
            ContentId::Stored { .. } => before.stored_bytes,
        };
        Self { before, hasher: blake3::Hasher::new(), left, zeros_left: most_zeros, holes: Vec::new() }
    }

    /// Adds the next stored bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.hasher.update(&bytes[..n]);
        self.left -= n as u64;
    }

    /// Adds the next hole. Returns how many bytes of zeros the caller has to add with [`Self::update`].
    pub fn add_hole(&mut self, hole: DataRange) -> u64 {
        if matches!(self.before.content, ContentId::Stored { .. }) {
            if hole.offset < self.before.size {
                self.holes.push(DataRange { length: hole.length.min(self.before.size - hole.offset), ..hole });
            }
            return 0;
        }
        let zeros = hole.length.min(self.left);
        // Without these zeros the former length is never complete.
        let Some(zeros_left) = self.zeros_left.checked_sub(zeros) else { return 0 };
        self.zeros_left = zeros_left;
        zeros
    }

    /// Whether all of the former content was found.
    pub fn is_found(&self) -> bool {
        let blake3 = *self.hasher.finalize().as_bytes();
        let digests = Digests { blake3, sha256: None };
        let found = match self.before.content {
            ContentId::Whole(_) => ContentDigests::Whole(digests),
            ContentId::Stored { .. } => ContentDigests::Stored(digests),
        };
        self.left == 0 && found.content_id(&self.holes) == self.before.content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of content: bytes that are stored, or a hole.
    enum Run {
        Data(&'static [u8]),
        Hole(u64),
    }
    use Run::{Data, Hole};

    fn is_found(before: PreviousContent, runs: &[Run]) -> bool {
        let mut former = FormerContent::new(before, 1 << 30);
        let mut offset = 0;
        for run in runs {
            match run {
                Data(bytes) => {
                    former.update(bytes);
                    offset += bytes.len() as u64;
                }
                Hole(length) => {
                    let zeros = former.add_hole(DataRange { offset, length: *length });
                    former.update(&vec![0; zeros as usize]);
                    offset += length;
                }
            }
        }
        former.is_found()
    }

    fn before(content: &[u8]) -> PreviousContent {
        let size = content.len() as u64;
        let content = ContentId::Whole(*blake3::hash(content).as_bytes());
        PreviousContent { content, size, stored_bytes: size, settled: true }
    }

    #[test]
    fn any_beginning_is_found() {
        let content: Vec<u8> = (0..5_000u32).map(|i| if (100..300).contains(&i) { 0 } else { i as u8 }).collect();
        for length in [0, 1, 99, 100, 200, 300, 4_999, 5_000, 5_001] {
            let mut old = content.clone();
            old.resize(5_001, 7);
            let mut former = FormerContent::new(before(&old[..length]), 200);
            former.update(&content[..100]);
            let zeros = former.add_hole(DataRange { offset: 100, length: 200 });
            former.update(&vec![0; zeros as usize]);
            content[300..].chunks(777).for_each(|c| former.update(c));
            assert_eq!(former.is_found(), length <= 5_000, "{length}");
        }
    }

    fn digests(bytes: &[u8]) -> Digests {
        Digests { blake3: *blake3::hash(bytes).as_bytes(), sha256: None }
    }

    #[test]
    fn holes_are_zeros_where_they_were_hashed() {
        let before = before(b"ab\0\0c");
        assert!(is_found(before, &[Data(b"ab"), Hole(2), Data(b"cd")]));
        assert!(is_found(before, &[Data(b"ab\0\0c"), Hole(9)]));
        assert!(!is_found(before, &[Data(b"ab"), Hole(3), Data(b"c")]));
        assert!(!is_found(before, &[Data(b"ab"), Hole(2)]));
    }

    #[test]
    fn content_without_its_holes_must_have_them_at_the_same_places() {
        let (length, huge) = (1 << 62, 1 << 61);
        let holes = [DataRange { offset: 2, length: huge }, DataRange { offset: huge + 3, length: huge }];
        let content = ContentDigests::Stored(digests(b"abc")).content_id(&holes);
        let before = PreviousContent { content, size: 3 + length, stored_bytes: 3, settled: true };
        assert!(is_found(before, &[Data(b"ab"), Hole(huge), Data(b"c"), Hole(huge)]));
        assert!(is_found(before, &[Data(b"ab"), Hole(huge), Data(b"c"), Hole(huge + 1), Data(b"d"), Hole(5)]));
        assert!(!is_found(before, &[Data(b"a"), Hole(huge), Data(b"bc"), Hole(huge)]));
        assert!(!is_found(before, &[Data(b"ab"), Hole(huge), Data(b"x"), Hole(huge)]));
    }

    #[test]
    fn a_huge_hole_is_not_hashed() {
        let before = PreviousContent { size: 1 << 50, stored_bytes: 1 << 50, ..before(b"ab") };
        assert!(!is_found(before, &[Data(b"ab"), Hole(1 << 50)]));
    }
}
