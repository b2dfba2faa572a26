//! The entries of a generation, in order.

use super::order::PathOrder;
use super::raw::RawRecords;
use super::{Generation, GenerationError, Result};
use crate::event::chain_text;
use crate::format::entry::{Entry, EntryKind, Record, RefusedEntry};
use crate::format::manifest::Source;
use crate::format::merkle::{MerkleHash, MerkleTree, record_leaf};
use crate::format::pack::Extent;

/// An entry, and its leaf in the records' Merkle tree.
pub struct EntryRecord {
    /// The decoded record; or why it is refused. A refused entry MUST be named, and MUST NOT be restored, nor anything
    /// below it.
    pub entry: std::result::Result<Entry, RefusedEntry>,
    /// Bytes of the encoded `core`, of which the leaf is made, at the beginning of [`EntryReader::record`].
    pub core_bytes: usize,
    /// The record's leaf in that tree.
    pub leaf: MerkleHash,
}

impl EntryRecord {
    /// The entry's path.
    pub fn path(&self) -> &[u8] {
        match &self.entry {
            Ok(entry) => &entry.core.path,
            Err(refused) => &refused.path,
        }
    }
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
    raw: RawRecords<'g, 'a>,
    /// `raw` is the whole stream, so its end can be compared with manifest and seal.
    whole: bool,
    order: PathOrder<'g>,
    records: MerkleTree,
    salt_key: [u8; 32],
    past_damage: bool,
    checks_links: bool,
    /// The gap before the next record.
    gap: Option<Gap>,
    gaps: Vec<Gap>,
    done: bool,
}

impl<'g, 'a> EntryReader<'g, 'a> {
    pub(super) fn all(generation: &'g Generation<'a>) -> Self {
        Self::within(generation, RawRecords::all(generation), true)
    }

    /// The entries in a run of frames, each with its position in the stream. The first one begins with a record.
    pub(super) fn part(generation: &'g Generation<'a>, frames: &[(u64, Extent)]) -> Self {
        let position = frames.first().map_or(0, |f| f.0);
        let extents = frames.iter().map(|f| f.1).collect();
        Self::within(generation, RawRecords::within(generation, position, extents), false)
    }

    fn within(generation: &'g Generation<'a>, raw: RawRecords<'g, 'a>, whole: bool) -> Self {
        Self {
            generation,
            raw,
            whole,
            order: PathOrder::new(&generation.manifest.sources, whole),
            records: MerkleTree::default(),
            salt_key: generation.set_key.record_salt_key(),
            past_damage: false,
            checks_links: true,
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

    /// Does not compare further names with the first one.
    pub(super) fn without_links(self) -> Self {
        Self { checks_links: false, ..self }
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
        self.gap.is_none() && self.gaps.last().is_some_and(|g| g.before == self.order.last())
    }

    /// The bytes of the record read last, without its length prefix.
    pub fn record(&self) -> &[u8] {
        self.raw.record()
    }

    /// The same with the prefix, as it is in the stream.
    pub fn encoded(&self) -> &[u8] {
        self.raw.encoded()
    }

    /// At the end: the sources that were not there when the generation was made. None if records are lost, or only a part
    /// of the stream was read: then nobody can tell.
    pub fn missing_sources(&self) -> Vec<&'g Source> {
        match self.whole && self.done && self.gaps.is_empty() {
            true => self.order.without_records().collect(),
            false => Vec::new(),
        }
    }

    fn next_record(&mut self) -> Result<Option<EntryRecord>> {
        loop {
            match self.next_whole() {
                Ok(record) => {
                    if let Some(gap) = self.gap.take() {
                        if record.is_none() {
                            self.generation.is_there()?;
                        }
                        let before = record.as_ref().map(|r| r.path().to_vec()).unwrap_or_default();
                        self.gaps.push(Gap { before, ..gap });
                    }
                    return Ok(record);
                }
                // Bytes that are no record are skipped only where a part of the stream is missing.
                Err(e) if self.past_damage && !e.is_absence() && (self.gap.is_some() || is_unread(&e)) => {
                    let after = || Gap { after: self.order.last().to_vec(), before: Vec::new(), why: chain_text(&e) };
                    self.gap.get_or_insert_with(after);
                    self.order.skip();
                    self.raw.resume();
                }
                Err(e) if is_unread(&e) => return self.generation.is_there().and(Err(e)),
                Err(e) => return Err(e),
            }
        }
    }

    fn next_whole(&mut self) -> Result<Option<EntryRecord>> {
        if !self.raw.advance()? {
            return self.finish().map(|()| None);
        }
        let bytes = self.raw.record();
        let record = Record::decode(bytes).map_err(GenerationError::Entries)?;
        let may_contain = match &record.entry {
            Ok(entry) => entry.core.kind == EntryKind::Directory,
            Err(refused) => refused.is_newer() || refused.kind.is_none_or(|kind| kind == EntryKind::Directory),
        };
        self.order.next(record.path(), may_contain).map_err(GenerationError::Entries)?;
        let leaf = record_leaf(&self.salt_key, record.path(), &bytes[..record.core_bytes]);
        self.records.push(leaf);
        let entry = match record.entry {
            Ok(entry) if self.checks_links && entry.core.link_to.is_some() => self.generation.check_link(entry)?,
            entry => entry,
        };
        Ok(Some(EntryRecord { entry, core_bytes: record.core_bytes, leaf }))
    }

    fn finish(&self) -> Result<()> {
        if !self.whole || self.gap.is_some() || !self.gaps.is_empty() {
            return Ok(());
        }
        let m = &self.generation.manifest.entries;
        let seal = &self.generation.link.seal;
        let same = self.raw.digest() == m.blake3
            && self.records.count() == m.count
            && self.records.count() == seal.record_count
            && self.records.root() == seal.records;
        if same { Ok(()) } else { Err(GenerationError::NotTheEntries) }
    }
}

/// Whether bytes could not be read from a medium that is attached, or were not the right ones.
pub(super) fn is_unread(e: &GenerationError) -> bool {
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
