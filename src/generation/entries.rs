//! The entries of a generation, in order.

use super::pack_cache::PackCache;
use super::{Generation, GenerationError, Result};
use crate::event::chain_text;
use crate::format::entry::{Entry, compare_paths, record_length};
use crate::format::merkle::{MerkleHash, MerkleTree, record_leaf};
use crate::format::pack::Extent;
use std::collections::VecDeque;

/// An entry, and its leaf in the records' Merkle tree.
pub struct EntryRecord {
    /// The decoded record.
    pub entry: Entry,
    /// The encoded `core`, of which the leaf is made.
    pub core_bytes: Vec<u8>,
    /// The record's leaf in that tree.
    pub leaf: MerkleHash,
}

/// A part of the entry stream that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The last path before it; empty at the beginning of the stream.
    pub after: Vec<u8>,
    /// The first path behind it; empty at the end.
    pub before: Vec<u8>,
    /// The error that it was met with.
    pub why: String,
}

/// The entries of a generation, see [`Generation::entries`]. The last item is an error if the stream was not the one in the
/// manifest.
pub struct EntryReader<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: PackCache<'g, 'a>,
    extents: VecDeque<Extent>,
    /// `extents` began as the whole stream, so its end can be compared with manifest and seal.
    whole: bool,
    buffer: Vec<u8>,
    at: usize,
    hasher: blake3::Hasher,
    records: MerkleTree,
    salt_key: [u8; 32],
    last: Vec<u8>,
    past_damage: bool,
    /// The gap before the next record.
    gap: Option<Gap>,
    gaps: Vec<Gap>,
    done: bool,
}

impl<'g, 'a> EntryReader<'g, 'a> {
    pub(super) fn all(generation: &'g Generation<'a>) -> Self {
        Self::within(generation, generation.manifest.entries.extents.clone().into(), true)
    }

    /// The entries in a run of frames, the first of which begins with a record.
    pub(super) fn part(generation: &'g Generation<'a>, frames: &[Extent]) -> Self {
        Self::within(generation, frames.to_vec().into(), false)
    }

    fn within(generation: &'g Generation<'a>, extents: VecDeque<Extent>, whole: bool) -> Self {
        Self {
            generation,
            packs: PackCache::new(generation),
            extents,
            whole,
            buffer: Vec::new(),
            at: 0,
            hasher: blake3::Hasher::new(),
            records: MerkleTree::default(),
            salt_key: generation.set_key.record_salt_key(),
            last: Vec::new(),
            past_damage: false,
            gap: None,
            gaps: Vec::new(),
            done: false,
        }
    }

    /// Continues behind what cannot be read, see [`Self::gaps`]. The records behind it are authenticated by their packs'
    /// encryption and checked by their decoder, but nothing proves any more that they are complete.
    pub fn past_damage(self) -> Self {
        Self { past_damage: true, ..self }
    }

    /// What could not be read so far, in order.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Records read so far.
    pub fn seen(&self) -> u64 {
        self.records.count()
    }

    /// Records in the whole stream, as the manifest counts them.
    pub fn expected(&self) -> u64 {
        self.generation.manifest.entries.count
    }

    /// Whether the record read last is the first one behind a gap: folders above it may be missing.
    pub fn is_behind_gap(&self) -> bool {
        self.gap.is_none() && self.gaps.last().is_some_and(|g| g.before == self.last)
    }

    fn next_record(&mut self) -> Result<Option<EntryRecord>> {
        loop {
            match self.next_whole() {
                Ok(record) => {
                    if let Some(gap) = self.gap.take() {
                        if record.is_none() {
                            self.generation.is_there()?;
                        }
                        let before = record.as_ref().map(|r| r.entry.core.path.clone()).unwrap_or_default();
                        self.gaps.push(Gap { before, ..gap });
                    }
                    return Ok(record);
                }
                // Bytes that are no record are skipped only where a part of the stream is missing.
                Err(e) if self.past_damage && !e.is_absence() && (self.gap.is_some() || is_unread(&e)) => {
                    let after = || Gap { after: self.last.clone(), before: Vec::new(), why: chain_text(&e) };
                    self.gap.get_or_insert_with(after);
                    self.buffer.clear();
                    self.at = 0;
                }
                Err(e) if is_unread(&e) => return self.generation.is_there().and(Err(e)),
                Err(e) => return Err(e),
            }
        }
    }

    fn next_whole(&mut self) -> Result<Option<EntryRecord>> {
        if !self.fill(4)? {
            return if self.at == self.buffer.len() { self.finish().map(|()| None) } else { Err(GenerationError::NotTheEntries) };
        }
        let prefix = [0, 1, 2, 3].map(|i| self.buffer[self.at + i]);
        let length = record_length(prefix).map_err(GenerationError::Entries)?;
        // Behind a gap these bytes may be anything. A frame that begins with a record contains all of it.
        if self.gap.is_some() && self.buffer.len() - self.at < 4 + length {
            return Err(GenerationError::NotTheEntries);
        }
        if !self.fill(4 + length)? {
            return Err(GenerationError::NotTheEntries);
        }
        let record = &self.buffer[self.at + 4..self.at + 4 + length];
        let (entry, core_length) = Entry::decode(record).map_err(GenerationError::Entries)?;
        if !self.last.is_empty() && compare_paths(&self.last, &entry.core.path).is_ge() {
            return Err(GenerationError::NotTheEntries);
        }
        let core_bytes = record[..core_length].to_vec();
        let leaf = record_leaf(&self.salt_key, &entry.core.path, &core_bytes);
        self.records.push(leaf);
        self.last.clone_from(&entry.core.path);
        self.at += 4 + length;
        Ok(Some(EntryRecord { entry, core_bytes, leaf }))
    }

    /// Makes `n` bytes available from `at`; `false` if the stream ends before.
    fn fill(&mut self, n: usize) -> Result<bool> {
        while self.buffer.len() - self.at < n {
            let Some(mut x) = self.extents.pop_front() else { return Ok(false) };
            self.buffer.drain(..self.at);
            self.at = 0;
            let (buffer, hasher) = (&mut self.buffer, &mut self.hasher);
            let read = self.packs.read_frame(&mut x, |bytes| {
                hasher.update(bytes);
                buffer.extend_from_slice(bytes);
            });
            if x.length > 0 {
                self.extents.push_front(x);
            }
            read?;
        }
        Ok(true)
    }

    fn finish(&self) -> Result<()> {
        if !self.whole || self.gap.is_some() || !self.gaps.is_empty() {
            return Ok(());
        }
        let m = &self.generation.manifest.entries;
        let seal = &self.generation.link.seal;
        let same = self.hasher.finalize().as_bytes() == &m.blake3
            && self.records.count() == m.count
            && self.records.count() == seal.record_count
            && self.records.root() == seal.records;
        if same { Ok(()) } else { Err(GenerationError::NotTheEntries) }
    }
}

/// Whether bytes could not be read from a medium that is attached, or were not the right ones.
fn is_unread(e: &GenerationError) -> bool {
    use GenerationError::*;
    matches!(e, Damaged { .. } | Decrypt { .. } | Decompress { .. } | Unpack { .. } | Medium(_)) && !e.is_absence()
}

impl Iterator for EntryReader<'_, '_> {
    type Item = Result<EntryRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_record().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}
