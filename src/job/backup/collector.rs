//! The collector: brings finished batches back into order, writes the entry stream, cuts and packs it like a file, and grows the
//! records' tree.

use super::append::PackSender;
use super::batch::{Finished, HardLink, Names, Stored};
use super::tally::Tally;
use super::worker::store_chunk;
use super::{BackupError, Stop};
use crate::event::FindingKind;
use crate::format::entry::{Entry, EntryHead, compare_paths, record_length};
use crate::format::manifest::EntryStream;
use crate::format::merkle::{MerkleHash, MerkleTree, record_leaf};
use crate::format::{Malformed, limit};
use crate::host::catalog::ChunkLookup;
use crate::pipeline::chunker::{ChunkClass, Chunker};
use crate::pipeline::dedup_index::DedupIndex;
use crate::pipeline::hasher::Ids;
use crate::pipeline::packer::{self, Packer, PlacedChunk};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Entries that may wait for their packs before the workers are asked to finish these.
const WAITING_ENTRIES: usize = 100_000;
/// Bytes of the entry stream that are cut together.
const STREAM_BYTES: usize = 256 << 10;

/// What the collector needs.
pub struct Collector<'a> {
    pub ids: &'a Ids,
    pub chunker: &'a Chunker,
    pub known: &'a DedupIndex,
    pub lookup: ChunkLookup,
    pub packer: Packer<'a>,
    pub salt_key: [u8; 32],
    pub tally: &'a Tally<'a>,
    pub stop: &'a Stop<'a>,
    pub flush: &'a AtomicU64,
    /// Batches collected so far; the merge waits when it is too far ahead.
    pub collected: &'a AtomicU64,
    /// The stream is packed when everything else is on its way, and in full: a medium with one head cannot go back for its parts.
    pub side_by_side: bool,
    /// Where packs wait for their numbers.
    pub counter: &'a PackSender,
    /// The host's copy of the entry stream.
    pub copy: std::io::BufWriter<std::fs::File>,
    pub state: Collected,
}

/// What grows while the collector works.
#[derive(Default)]
pub struct Collected {
    waiting: VecDeque<Stored>,
    /// First names whose further names are still to come.
    firsts: HashMap<Vec<u8>, Entry>,
    /// The part of the stream that is not cut yet.
    uncut: Vec<u8>,
    /// Bytes at its beginning that belong to a long record begun in the chunk before.
    begun: usize,
    digest: blake3::Hasher,
    length: u64,
    records: MerkleTree,
    /// The path of the last record.
    last: Vec<u8>,
    /// Records that progress was told of.
    told: u64,
    pieces: Vec<PlacedChunk>,
}

/// The outcome: the manifest's part about entries, and the records' root.
pub struct CollectedStream {
    length: u64,
    digest: [u8; 32],
    pieces: Vec<PlacedChunk>,
    pub records: u64,
    pub root: MerkleHash,
}

impl CollectedStream {
    /// Once all packs are finished.
    pub fn entries(&self) -> EntryStream {
        let extents = packer::extents(&self.pieces);
        EntryStream { length: self.length, blake3: self.digest, extents, count: self.records }
    }
}

type Result<T> = std::result::Result<T, BackupError>;

impl Collector<'_> {
    /// Collects until all senders are gone.
    pub fn collect(mut self, finished: Receiver<Finished>) -> Result<CollectedStream> {
        let mut early: BTreeMap<u64, Vec<Stored>> = BTreeMap::new();
        let mut next = 0;
        loop {
            match finished.recv_timeout(Duration::from_millis(20)) {
                Ok(batch) => {
                    early.insert(batch.sequence, batch.items);
                    while let Some(items) = early.remove(&next) {
                        self.state.waiting.extend(items);
                        next += 1;
                        self.collected.store(next, Ordering::Release);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.stop.check()?;
            self.write_ready()?;
            let many = self.state.waiting.len() > WAITING_ENTRIES;
            self.counter.drain(many);
            if many {
                self.flush.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if !early.is_empty() {
            return Err(BackupError::Stopped);
        }
        // All packers of the workers have finished by now, and their packs are on their way to the medium.
        self.counter.drain(true);
        loop {
            self.write_ready()?;
            if self.state.waiting.is_empty() {
                break;
            }
            self.stop.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        self.cut(true)?;
        self.copy.flush().map_err(BackupError::HostFile)?;
        if self.side_by_side {
            self.pack_copy()?;
        }
        self.packer.finish().map_err(BackupError::Pack)?;
        let s = self.state;
        Ok(CollectedStream {
            length: s.length,
            digest: *s.digest.finalize().as_bytes(),
            pieces: s.pieces,
            records: s.records.count(),
            root: s.records.root(),
        })
    }

    /// Writes the records at the head of the queue whose packs are finished.
    fn write_ready(&mut self) -> Result<()> {
        while let Some(head) = self.state.waiting.front() {
            if let Stored::Entry { pieces, .. } = head
                && !packer::are_finished(pieces)
            {
                break;
            }
            let Some(head) = self.state.waiting.pop_front() else { break };
            match head {
                Stored::Verbatim(v) => {
                    let mut at = 0;
                    for (length, core) in v.records {
                        let record = &v.bytes[at..at + 4 + length as usize];
                        at += record.len();
                        if v.names == Names::First {
                            let (entry, _) = Entry::decode(&record[4..]).map_err(BackupError::Format)?;
                            self.state.firsts.insert(entry.core.path.clone(), entry);
                        }
                        self.write(record, core as usize)?;
                    }
                }
                Stored::Entry { core, pieces, names } => {
                    let entry = Entry { core: *core, extents: packer::extents(&pieces) };
                    self.write_entry(&entry)?;
                    if names == Names::First {
                        self.state.firsts.insert(entry.core.path.clone(), entry);
                    }
                }
                Stored::Link(link) => self.write_link(link)?,
            }
        }
        Ok(())
    }

    /// Further names share everything with the first but the path: they are the same inode.
    fn write_link(&mut self, link: HardLink) -> Result<()> {
        let HardLink { path, first, last } = link;
        let kept = if last { self.state.firsts.remove(&first[..]) } else { self.state.firsts.get(&first[..]).cloned() };
        match kept {
            Some(mut entry) => {
                entry.core.link_to = Some(first.to_vec());
                entry.core.path = path;
                self.write_entry(&entry)
            }
            // Its first name vanished before it was read; the next run reads the file under this one.
            None => {
                self.tally.finding(FindingKind::Vanished, &path, String::new());
                Ok(())
            }
        }
    }

    fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let mut record = Vec::with_capacity(256);
        let core = entry.encode(&mut record);
        self.write(&record, core.len())
    }

    fn write(&mut self, record: &[u8], core_bytes: usize) -> Result<()> {
        let core = &record[4..4 + core_bytes];
        let glance = EntryHead::at(&record[4..]).map_err(BackupError::Format)?;
        // A stream out of order cannot be read again: better no generation than that one.
        if !self.state.last.is_empty() && compare_paths(&self.state.last, glance.path).is_ge() {
            return Err(BackupError::Format(Malformed::new("entry stream", "its paths do not ascend")));
        }
        self.state.last.clear();
        self.state.last.extend_from_slice(glance.path);
        self.state.records.push(record_leaf(&self.salt_key, glance.path, core));
        self.state.uncut.extend_from_slice(record);
        self.state.length += record.len() as u64;
        if self.state.uncut.len() >= STREAM_BYTES { self.cut(false) } else { Ok(()) }
    }

    /// Cuts what can be cut of the stream; all of it when it is at its end.
    fn cut(&mut self, last: bool) -> Result<()> {
        self.tally.entries(self.state.records.count() - self.state.told);
        self.state.told = self.state.records.count();
        if self.side_by_side {
            self.state.digest.update(&self.state.uncut);
            self.copy.write_all(&self.state.uncut).map_err(BackupError::HostFile)?;
            self.state.uncut.clear();
            return Ok(());
        }
        let uncut = std::mem::take(&mut self.state.uncut);
        let at = self.pack(&uncut, last)?;
        self.state.digest.update(&uncut[..at]);
        self.copy.write_all(&uncut[..at]).map_err(BackupError::HostFile)?;
        self.state.uncut = uncut[at..].to_vec();
        Ok(())
    }

    /// Packs the whole stream, out of the host's copy.
    fn pack_copy(&mut self) -> Result<()> {
        let file = self.copy.get_ref().try_clone().map_err(BackupError::HostFile)?;
        let mut copy = std::io::BufReader::with_capacity(STREAM_BYTES, file);
        copy.rewind().map_err(BackupError::HostFile)?;
        let (mut uncut, mut left) = (Vec::new(), self.state.length);
        while left > 0 {
            let mut prefix = [0; 4];
            copy.read_exact(&mut prefix).map_err(BackupError::HostFile)?;
            let length = record_length(prefix).map_err(BackupError::Format)?;
            uncut.extend_from_slice(&prefix);
            let at = uncut.len();
            uncut.resize(at + length, 0);
            copy.read_exact(&mut uncut[at..]).map_err(BackupError::HostFile)?;
            left = left.saturating_sub(4 + length as u64);
            if uncut.len() >= STREAM_BYTES || left == 0 {
                self.stop.check()?;
                let at = self.pack(&uncut, left == 0)?;
                uncut.drain(..at);
            }
        }
        Ok(())
    }

    /// Cuts what can be cut of `uncut`, all of it when it is the stream's end, and packs it. Answers with its length.
    fn pack(&mut self, uncut: &[u8], last: bool) -> Result<usize> {
        let mut at = 0;
        while at < uncut.len() {
            let Some(n) = self.chunker.cut(ChunkClass::Entries, &uncut[at..], last) else { break };
            let (n, begun) = end_of_record(&uncut[at..], self.state.begun, n);
            self.state.begun = begun;
            let chunk = &uncut[at..at + n];
            at += n;
            let digest = blake3::hash(chunk);
            let place = match self.side_by_side {
                true => {
                    let place = self.packer.next_place(n).map_err(BackupError::Pack)?;
                    self.packer.add(self.ids.id(digest.as_bytes()), chunk);
                    place
                }
                false => {
                    let stored = store_chunk(self.known, self.ids, &mut self.packer, &self.lookup, digest.as_bytes(), chunk)?;
                    stored.unwrap_or_else(|known| known)
                }
            };
            self.state.pieces.push(PlacedChunk { place, length: n as u32 });
        }
        Ok(at)
    }
}

/// Where a chunk ends whose cut would be at `cut`: with the record that the cut falls in, so that a chunk can be read without the one
/// before it. Only a long record is cut. Also answers how much of the last record is left for the next chunk.
///
/// `bytes` begins with `begun` bytes of a record whose beginning is in an earlier chunk; after them it holds whole records.
fn end_of_record(bytes: &[u8], begun: usize, cut: usize) -> (usize, usize) {
    // Only long records are begun.
    let (mut end, mut long) = (begun, true);
    while end < cut {
        let prefix = [0, 1, 2, 3].map(|i| bytes[end + i]);
        let length = 4 + u32::from_le_bytes(prefix) as usize;
        end += length;
        long = length as u64 > limit::WHOLE_RECORD_BYTES;
    }
    if long { (cut, end - cut) } else { (end, 0) }
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
