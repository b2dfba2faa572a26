//! Reads a file once and hashes it; if wanted, its first bytes as well.

use crate::pipeline::hasher::update_zeros;
use crate::pipeline::source::{SourceFile, data_ranges};
use std::os::unix::fs::FileExt;

/// Files up to this size are read in one call.
const READ_BYTES: usize = 1 << 20;

/// A file's content as it was found.
pub(super) struct FileContent {
    pub(super) size: u64,
    pub(super) blake3: [u8; 32],
    /// BLAKE3 of the first bytes, as many as the caller asked for. `None`: nobody asked, or there are not so many.
    pub(super) prefix_blake3: Option<[u8; 32]>,
    /// The file changed while it was read.
    pub(super) is_changing: bool,
}

/// Reads a file up to the length that it had when it was opened. `prefix`: of how many first bytes a digest is wanted,
/// too.
pub(super) fn read(file: &SourceFile, buffer: &mut Vec<u8>, prefix: Option<u64>) -> std::io::Result<FileContent> {
    let size = file.opened().size;
    let mut hasher = PrefixHasher::new(prefix);
    let holes = file.holes(size);
    let mut end = 0;
    buffer.resize(READ_BYTES, 0);
    'data: for run in data_ranges(size, &holes) {
        hasher.update_zeros(run.offset - end);
        end = run.offset;
        while end < run.offset + run.length {
            let want = (run.offset + run.length - end).min(READ_BYTES as u64) as usize;
            match file.file().read_at(&mut buffer[..want], end) {
                // The file has become shorter.
                Ok(0) => break 'data,
                Ok(n) => {
                    hasher.update(&buffer[..n]);
                    end += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
    if holes.last().is_some_and(|h| h.offset == end) {
        hasher.update_zeros(size - end);
    }
    let opened = file.opened();
    let now = file.stat()?;
    let is_changing = (now.size, now.mtime, now.ctime) != (opened.size, opened.mtime, opened.ctime);
    Ok(FileContent {
        size: hasher.length,
        blake3: *hasher.whole.finalize().as_bytes(),
        prefix_blake3: hasher.prefix_blake3,
        is_changing,
    })
}

/// Computes the digest of a file and that of its first bytes in one pass.
pub(super) struct PrefixHasher {
    whole: blake3::Hasher,
    /// Bytes hashed so far.
    pub(super) length: u64,
    /// How many bytes the prefix has; `None`: none is wanted.
    prefix: Option<u64>,
    /// Known when the whole prefix has been hashed.
    pub(super) prefix_blake3: Option<[u8; 32]>,
}

impl PrefixHasher {
    pub(super) fn new(prefix: Option<u64>) -> Self {
        Self { whole: blake3::Hasher::new(), length: 0, prefix, prefix_blake3: None }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let cut = self.in_prefix(bytes.len() as u64) as usize;
        self.whole.update(&bytes[..cut]);
        self.advance(cut as u64);
        self.whole.update(&bytes[cut..]);
        self.length += (bytes.len() - cut) as u64;
    }

    pub(super) fn update_zeros(&mut self, length: u64) {
        let cut = self.in_prefix(length);
        update_zeros(&mut self.whole, cut);
        self.advance(cut);
        update_zeros(&mut self.whole, length - cut);
        self.length += length - cut;
    }

    /// How many of the next `length` bytes belong to the prefix.
    fn in_prefix(&self, length: u64) -> u64 {
        self.prefix.filter(|_| self.prefix_blake3.is_none()).map_or(0, |prefix| length.min(prefix - self.length))
    }

    fn advance(&mut self, length: u64) {
        self.length += length;
        if self.prefix_blake3.is_none() && self.prefix == Some(self.length) {
            self.prefix_blake3 = Some(*self.whole.finalize().as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_hashed_in_the_same_pass() {
        let content: Vec<u8> = (0..5_000u32).map(|i| if (100..300).contains(&i) { 0 } else { i as u8 }).collect();
        for prefix in [0, 1, 99, 100, 200, 300, 4_999, 5_000] {
            let mut hasher = PrefixHasher::new(Some(prefix));
            hasher.update(&content[..100]);
            hasher.update_zeros(200);
            content[300..].chunks(777).for_each(|c| hasher.update(c));
            assert_eq!(hasher.prefix_blake3, Some(*blake3::hash(&content[..prefix as usize]).as_bytes()), "{prefix}");
            assert_eq!(hasher.whole.finalize(), blake3::hash(&content));
            assert_eq!(hasher.length, 5_000);
        }
        let mut short = PrefixHasher::new(Some(5_001));
        short.update(&content);
        assert_eq!(short.prefix_blake3, None);
    }
}
