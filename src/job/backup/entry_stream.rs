//! The entry stream of the generation that is being written: hashed, copied to the host, cut and packed like a file.

use super::chunk_store::ChunkStore;
use super::contents::SourceDigests;
use super::stop::Stop;
use super::tally::BackupTally;
use super::{BackupError, Result};
use crate::format::entry::{Entry, EntryHead, compare_paths, record_length};
use crate::format::manifest::EntryStream;
use crate::format::merkle::{MerkleHash, MerkleTree, record_leaf};
use crate::format::{Malformed, limit};
use crate::pipeline::chunker::{ChunkClass, Chunker};
use crate::pipeline::place::{self, PlacedChunk};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

/// Bytes of the entry stream that are cut together.
const STREAM_BYTES: usize = 256 << 10;

/// Writes the entry stream.
pub struct EntryStreamWriter<'a> {
    chunker: &'a Chunker,
    pub chunks: ChunkStore<'a>,
    /// Pack the stream in the end and in full: a medium with one head cannot go back for its parts.
    packs_at_end: bool,
    salt_key: [u8; 32],
    tally: &'a BackupTally<'a>,
    stop: &'a Stop<'a>,
    /// The host's copy of the stream.
    copy: BufWriter<File>,
    /// The part of the stream that is not cut yet.
    uncut: Vec<u8>,
    /// Bytes at its beginning that belong to a long record begun in the chunk before.
    begun: usize,
    digest: blake3::Hasher,
    length: u64,
    records: MerkleTree,
    last_path: Vec<u8>,
    /// Where each long record begins in the stream, and its bytes.
    long_records: Vec<(u64, u64)>,
    /// Of the sources that are to change.
    pub contents: SourceDigests,
    /// Records that the observer has been informed of.
    reported: u64,
    pieces: Vec<PlacedChunk>,
}

/// The stream that was written.
pub struct CollectedStream {
    length: u64,
    digest: [u8; 32],
    pieces: Vec<PlacedChunk>,
    long_records: Vec<(u64, u64)>,
    /// Digests of the content of the sources that are to change.
    pub contents: Vec<(Vec<u8>, [u8; 32])>,
    /// How many records it has.
    pub records: u64,
    /// MerkleHash of the tree over the records.
    pub root: MerkleHash,
}

impl CollectedStream {
    /// The manifest's part about entries. All packs MUST have their numbers.
    pub fn entries(&self) -> EntryStream {
        let extents = place::extents(&self.pieces);
        let long_records = self.long_records.clone();
        EntryStream { length: self.length, blake3: self.digest, extents, count: self.records, long_records }
    }
}

impl<'a> EntryStreamWriter<'a> {
    /// `copy`: an empty file on the host, which is to be read again.
    pub fn new(
        chunker: &'a Chunker,
        chunks: ChunkStore<'a>,
        packs_at_end: bool,
        salt_key: [u8; 32],
        tally: &'a BackupTally<'a>,
        stop: &'a Stop<'a>,
        copy: File,
    ) -> Self {
        Self {
            chunker,
            chunks,
            packs_at_end,
            salt_key,
            tally,
            stop,
            copy: BufWriter::with_capacity(STREAM_BYTES, copy),
            uncut: Vec::new(),
            begun: 0,
            digest: blake3::Hasher::new(),
            length: 0,
            records: MerkleTree::default(),
            last_path: Vec::new(),
            long_records: Vec::new(),
            contents: SourceDigests::default(),
            reported: 0,
            pieces: Vec::new(),
        }
    }

    pub fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let mut record = Vec::with_capacity(256);
        let core = entry.encode(&mut record);
        self.write(&record, core.len())
    }

    /// Writes a record, with its length prefix. `core_bytes`: the length of its `core`.
    pub fn write(&mut self, record: &[u8], core_bytes: usize) -> Result<()> {
        let core = &record[4..4 + core_bytes];
        let head = EntryHead::at(&record[4..])?;
        // A stream out of order cannot be read again: better no generation than that one.
        if !self.last_path.is_empty() && compare_paths(&self.last_path, head.path).is_ge() {
            return Err(Malformed::new("entry stream", "its paths do not ascend").into());
        }
        self.last_path.clear();
        self.last_path.extend_from_slice(head.path);
        self.contents.add(head.path, &record[4..]);
        self.records.push(record_leaf(&self.salt_key, head.path, core));
        self.uncut.extend_from_slice(record);
        if record.len() as u64 > limit::WHOLE_RECORD_BYTES {
            self.long_records.push((self.length, record.len() as u64));
        }
        self.length += record.len() as u64;
        if self.uncut.len() >= STREAM_BYTES { self.flush(false) } else { Ok(()) }
    }

    /// Ends the stream, and finishes its last pack.
    pub fn finish(mut self) -> Result<CollectedStream> {
        self.flush(true)?;
        self.copy.flush().map_err(BackupError::HostFile)?;
        if self.packs_at_end {
            self.pack_copy()?;
        }
        self.chunks.finish_pack()?;
        Ok(CollectedStream {
            length: self.length,
            digest: *self.digest.finalize().as_bytes(),
            pieces: self.pieces,
            long_records: self.long_records,
            contents: self.contents.finish(),
            records: self.records.count(),
            root: self.records.root(),
        })
    }

    /// Hashes, copies and packs what can be cut of the stream; all of it at its end.
    fn flush(&mut self, is_end: bool) -> Result<()> {
        self.tally.entries(self.records.count() - self.reported);
        self.reported = self.records.count();
        let mut uncut = std::mem::take(&mut self.uncut);
        let cut = if self.packs_at_end { uncut.len() } else { self.pack(&uncut, is_end)? };
        self.digest.update(&uncut[..cut]);
        self.copy.write_all(&uncut[..cut]).map_err(BackupError::HostFile)?;
        uncut.drain(..cut);
        self.uncut = uncut;
        Ok(())
    }

    /// Packs the whole stream, out of the host's copy.
    fn pack_copy(&mut self) -> Result<()> {
        let file = self.copy.get_ref().try_clone().map_err(BackupError::HostFile)?;
        let mut copy = BufReader::with_capacity(STREAM_BYTES, file);
        copy.rewind().map_err(BackupError::HostFile)?;
        let (mut uncut, mut left) = (Vec::new(), self.length);
        while left > 0 {
            let mut prefix = [0; 4];
            copy.read_exact(&mut prefix).map_err(BackupError::HostFile)?;
            let length = record_length(prefix)?;
            uncut.extend_from_slice(&prefix);
            let at = uncut.len();
            uncut.resize(at + length, 0);
            copy.read_exact(&mut uncut[at..]).map_err(BackupError::HostFile)?;
            left = left.saturating_sub(4 + length as u64);
            if uncut.len() >= STREAM_BYTES || left == 0 {
                self.stop.check()?;
                let cut = self.pack(&uncut, left == 0)?;
                uncut.drain(..cut);
            }
        }
        Ok(())
    }

    /// Packs what can be cut of `uncut`, all of it at the end of the stream. Returns its length.
    fn pack(&mut self, uncut: &[u8], is_end: bool) -> Result<usize> {
        let mut at = 0;
        while at < uncut.len() {
            let Some(cut) = self.chunker.cut(ChunkClass::Entries, &uncut[at..], is_end) else { break };
            let (length, begun) = end_of_record(&uncut[at..], self.begun, cut);
            self.begun = begun;
            let chunk = &uncut[at..at + length];
            at += length;
            let digest = *blake3::hash(chunk).as_bytes();
            let place = match self.packs_at_end {
                true => self.chunks.store_again(&digest, chunk)?,
                false => self.chunks.store(&digest, chunk)?.into_place(),
            };
            self.pieces.push(PlacedChunk { place, length: length as u32 });
        }
        Ok(at)
    }
}

/// Where a chunk ends whose cut would be at `cut`: with the record that the cut falls in, so that a chunk can be read
/// without the one before it. Only a long record is cut. Also returns how many bytes of the last record are left for
/// the next chunk.
///
/// `bytes` begins with `begun` bytes of a record whose beginning is in an earlier chunk; whole records follow.
fn end_of_record(bytes: &[u8], begun: usize, cut: usize) -> (usize, usize) {
    // Only long records are begun.
    let (mut end, mut is_long) = (begun, true);
    while end < cut {
        let prefix = [0, 1, 2, 3].map(|i| bytes[end + i]);
        let length = 4 + u32::from_le_bytes(prefix) as usize;
        end += length;
        is_long = length as u64 > limit::WHOLE_RECORD_BYTES;
    }
    if is_long { (cut, end - cut) } else { (end, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lengths: &[usize]) -> Vec<u8> {
        lengths.iter().flat_map(|n| [&(*n as u32 - 4).to_le_bytes()[..], &vec![7; n - 4]].concat()).collect()
    }

    #[test]
    fn a_chunk_ends_with_a_record() {
        let bytes = records(&[100, 50, 200]);
        for (cut, end) in [(1, 100), (99, 100), (100, 100), (101, 150), (150, 150), (151, 350), (350, 350)] {
            assert_eq!(end_of_record(&bytes, 0, cut), (end, 0), "cut at {cut}");
        }
    }

    #[test]
    fn only_a_long_record_is_cut() {
        let long = limit::WHOLE_RECORD_BYTES as usize + 1;
        let bytes = records(&[10, long, 10]);
        assert_eq!(end_of_record(&bytes, 0, 8), (10, 0));
        assert_eq!(end_of_record(&bytes, 0, 12_000), (12_000, long - 11_990));
        let (rest, left) = (&bytes[12_000..], long - 11_990);
        assert_eq!(end_of_record(rest, left, left - 1), (left - 1, 1));
        assert_eq!(end_of_record(rest, left, left), (left, 0));
        assert_eq!(end_of_record(rest, left, left + 1), (left + 10, 0));
    }
}
