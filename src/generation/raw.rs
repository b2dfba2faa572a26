//! The records of the entry stream as they are stored, without a look into them.

use super::pack_cache::PackCache;
use super::{Generation, GenerationError, Result};
use crate::format::entry::record_length;
use crate::format::pack::Extent;
use std::collections::VecDeque;

/// Bytes of the length before each record.
const PREFIX_BYTES: usize = 4;

/// Reads the bytes that extents of the entry stream name, record by record.
///
/// **Invariant:** what is returned as a record begins where a record begins. Behind bytes that cannot be read, the manifest's
/// list of long records says how far that is; bytes are never tried as a record because they look like one.
pub(super) struct RawRecords<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: PackCache<'g, 'a>,
    extents: VecDeque<Extent>,
    buffer: Vec<u8>,
    /// Where the present record begins in `buffer`, and its bytes with the prefix.
    at: usize,
    length: usize,
    /// Where the buffer ends in the stream.
    end: u64,
    /// Bytes behind damage that belong to a record whose beginning is lost.
    remains: u64,
    hasher: blake3::Hasher,
}

impl<'g, 'a> RawRecords<'g, 'a> {
    /// The whole stream.
    pub fn all(generation: &'g Generation<'a>) -> Self {
        Self::within(generation, 0, generation.manifest.entries.extents.clone().into())
    }

    /// Extents that begin at `position` of the stream, where a record begins.
    pub fn within(generation: &'g Generation<'a>, position: u64, extents: VecDeque<Extent>) -> Self {
        Self {
            generation,
            packs: PackCache::new(generation),
            extents,
            buffer: Vec::new(),
            at: 0,
            length: 0,
            end: position,
            remains: 0,
            hasher: blake3::Hasher::new(),
        }
    }

    /// Goes to the next record; `false` at the end. After an error [`Self::resume`] goes on behind what could not be read.
    pub fn advance(&mut self) -> Result<bool> {
        self.at += self.length;
        self.length = 0;
        while self.remains > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let n = self.remains.min((self.buffer.len() - self.at) as u64);
            self.at += n as usize;
            self.remains -= n;
        }
        if !self.fill(PREFIX_BYTES)? {
            return if self.at == self.buffer.len() { Ok(false) } else { Err(GenerationError::NotTheEntries) };
        }
        let prefix = [0, 1, 2, 3].map(|i| self.buffer[self.at + i]);
        let length = PREFIX_BYTES + record_length(prefix).map_err(GenerationError::Entries)?;
        if !self.fill(length)? {
            return Err(GenerationError::NotTheEntries);
        }
        self.length = length;
        Ok(true)
    }

    /// The present record with its length prefix; empty before the first one.
    pub fn encoded(&self) -> &[u8] {
        &self.buffer[self.at..self.at + self.length]
    }

    /// The same without the prefix.
    pub fn record(&self) -> &[u8] {
        self.encoded().get(PREFIX_BYTES..).unwrap_or_default()
    }

    /// Gives up what is in the buffer, and goes on with the first record that begins behind it. A chunk begins with a
    /// record, or within one of the long ones.
    pub fn resume(&mut self) {
        self.buffer.clear();
        (self.at, self.length) = (0, 0);
        self.remains = remains_of_long_record(&self.generation.manifest.entries.long_records, self.end);
    }

    /// BLAKE3 of what was read so far.
    pub fn digest(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }

    /// Makes `n` bytes available from `at`; `false` if the stream ends before.
    fn fill(&mut self, n: usize) -> Result<bool> {
        while self.buffer.len() - self.at < n {
            let Some(mut x) = self.extents.pop_front() else { return Ok(false) };
            self.buffer.drain(..self.at);
            self.at = 0;
            let (buffer, hasher, before) = (&mut self.buffer, &mut self.hasher, x.length);
            let read = self.packs.read_frame(&mut x, |bytes| {
                hasher.update(bytes);
                buffer.extend_from_slice(bytes);
            });
            self.end += before - x.length;
            if x.length > 0 {
                self.extents.push_front(x);
            }
            read?;
        }
        Ok(true)
    }
}

/// How many bytes of a long record are left at `position` of the stream; 0 where a record begins.
pub(super) fn remains_of_long_record(long_records: &[(u64, u64)], position: u64) -> u64 {
    let before = long_records.partition_point(|(offset, _)| *offset < position);
    let last = before.checked_sub(1).and_then(|i| long_records.get(i));
    last.map_or(0, |(offset, bytes)| (offset + bytes).saturating_sub(position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_within_a_long_record_something_is_left_of_it() {
        let long = [(100, 70_000), (70_100, 80_000), (200_000, 65_537)];
        for (position, left) in [
            (0, 0),
            (100, 0),
            (101, 69_999),
            (70_099, 1),
            (70_100, 0),
            (70_101, 79_999),
            (150_100, 0),
            (199_999, 0),
            (200_001, 65_536),
            (300_000, 0),
        ] {
            assert_eq!(remains_of_long_record(&long, position), left, "at {position}");
        }
        assert_eq!(remains_of_long_record(&[], 5), 0);
    }
}
