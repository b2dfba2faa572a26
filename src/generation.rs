//! An opened generation: its manifest, its entries, and any bytes that they name. What reads back stands on this.
//!
//! **Invariant:** a manifest is used only when its digest is the one that its seal lists, and the entry stream only as far as it is
//! the one that the manifest names.

use crate::event::chain_text;
use crate::format::entry::{Core, Entry, compare_paths, record_length};
use crate::format::manifest::Manifest;
use crate::format::merkle::{Tree, record_leaf};
use crate::format::object::Kind;
use crate::format::pack::Extent;
use crate::format::{Malformed, limit};
use crate::medium::{Medium, MediumError, OpenObject};
use crate::pipeline::compressor::{Decompressor, FrameError};
use crate::pipeline::encryptor::{self, DecryptError, Decryptor, Identity};
use crate::pipeline::packer::{PackReader, UnpackError};
use crate::seal::chain::{Chain, Link, ReadError, read_object};
use crate::set_key::SetKey;
use std::collections::VecDeque;
use zeroize::Zeroizing;

/// Packs that are kept open while the entry stream is read: after many nights it lies scattered over several.
const OPEN_PACKS: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    #[error("the set has no generation {wanted}; it has {first} to {last}")]
    NoSuchGeneration { wanted: u64, first: u64, last: u64 },
    #[error("the set has no sealed generation yet")]
    NoGeneration,
    #[error("the seal of generation {generation} lists no manifest")]
    NoManifest { generation: u64 },
    /// The bytes on the medium are not those that the seal lists.
    #[error("object {object} is damaged: {why}")]
    Damaged { object: u64, why: String },
    #[error("the identity does not open this set")]
    WrongKey(#[source] DecryptError),
    #[error("object {object} cannot be decrypted")]
    Decrypt { object: u64, source: DecryptError },
    #[error("object {object} cannot be decompressed")]
    Decompress { object: u64, source: FrameError },
    #[error("object {object} cannot be unpacked")]
    Unpack { object: u64, source: UnpackError },
    #[error("the manifest is malformed")]
    Manifest(#[source] Malformed),
    #[error("the entry stream is malformed")]
    Entries(#[source] Malformed),
    #[error("the entry stream is not the one that the manifest names")]
    NotTheEntries,
    #[error("the medium failed")]
    Medium(#[source] MediumError),
}

type Result<T> = std::result::Result<T, GenerationError>;

/// One generation, opened with an identity.
pub struct Generation<'a> {
    medium: &'a dyn Medium,
    identity: &'a Identity,
    pub link: Link,
    pub manifest: Manifest,
    pub set_key: SetKey,
}

/// A pack that is open for reading anywhere.
pub type OpenPack = PackReader<Decryptor<Box<dyn OpenObject>>>;

impl<'a> Generation<'a> {
    /// Opens generation `wanted`, or the newest.
    pub fn open(medium: &'a dyn Medium, chain: &Chain, wanted: Option<u64>, identity: &'a Identity) -> Result<Self> {
        let (Some(first), Some(last)) = (chain.links.first(), chain.links.last()) else {
            return Err(GenerationError::NoGeneration);
        };
        let link = match wanted {
            None => last,
            Some(wanted) => chain.generation(wanted).ok_or(GenerationError::NoSuchGeneration {
                wanted,
                first: first.seal.generation,
                last: last.seal.generation,
            })?,
        };
        let generation = link.seal.generation;
        let object = *link.seal.manifest().ok_or(GenerationError::NoManifest { generation })?;
        let damaged = |why: &str| GenerationError::Damaged { object: object.number, why: why.to_owned() };
        let bytes = match read_object(medium, object.number, Kind::Manifest, limit::MANIFEST_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadError::Damaged(why)) => return Err(damaged(&why)),
            Err(ReadError::Medium(e)) => return Err(GenerationError::Medium(e)),
        };
        if Some(*blake3::hash(&bytes).as_bytes()) != object.digest {
            return Err(damaged("its digest is not the one in the seal"));
        }
        let stored = encryptor::decrypt(identity, &bytes, limit::MANIFEST_BYTES).map_err(|source| match source {
            DecryptError::WrongKey => GenerationError::WrongKey(source),
            source => GenerationError::Decrypt { object: object.number, source },
        })?;
        let mut plain = Zeroizing::new(Vec::new());
        Decompressor::new()
            .and_then(|mut d| d.decompress_manifest(&stored, &mut plain))
            .map_err(|source| GenerationError::Decompress { object: object.number, source })?;
        let manifest = Manifest::decode(&plain).map_err(GenerationError::Manifest)?;
        if manifest.set != chain.set || manifest.generation != generation {
            return Err(damaged("it belongs to another set or generation"));
        }
        let set_key = SetKey(manifest.set_key);
        Ok(Self { medium, identity, link: link.clone(), manifest, set_key })
    }

    pub fn medium(&self) -> &'a dyn Medium {
        self.medium
    }

    pub fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// The entries in their order, checked against manifest and seal as they go by.
    pub fn entries(&self) -> Entries<'_, 'a> {
        Entries {
            generation: self,
            packs: Packs::new(self),
            extents: self.manifest.entries.extents.clone().into(),
            buffer: Vec::new(),
            at: 0,
            hasher: blake3::Hasher::new(),
            records: Tree::default(),
            salt_key: self.set_key.record_salt_key(),
            last: Vec::new(),
            past_damage: false,
            gap: None,
            gaps: Vec::new(),
            done: false,
        }
    }

    /// Opens a pack for reading here and there.
    pub fn open_pack(&self, object: u64) -> Result<OpenPack> {
        let open = self.medium.open(object, Kind::Pack).map_err(GenerationError::Medium)?;
        let payload = Decryptor::open(self.identity, open).map_err(|source| GenerationError::Decrypt { object, source })?;
        PackReader::open(payload).map_err(|source| GenerationError::Unpack { object, source })
    }
}

/// A few open packs, the one used last in front.
pub struct Packs<'g, 'a> {
    generation: &'g Generation<'a>,
    open: VecDeque<(u64, OpenPack)>,
}

impl<'g, 'a> Packs<'g, 'a> {
    pub fn new(generation: &'g Generation<'a>) -> Self {
        Self { generation, open: VecDeque::new() }
    }

    /// Gives the extent's first bytes, as far as its first frame goes, to `take`, and shortens the extent by them. After an error it is
    /// shortened by what could not be read.
    pub fn read_piece(&mut self, x: &mut Extent, mut take: impl FnMut(&[u8])) -> Result<()> {
        let (object, pack) = match self.pack(x.object) {
            Ok(pack) => pack,
            Err(e) => {
                x.length = 0;
                return Err(e);
            }
        };
        let mut read = *x;
        match pack.read_piece(&mut read) {
            Ok(piece) => {
                take(piece);
                *x = read;
                Ok(())
            }
            Err(source) => {
                pack.skip_piece(x);
                Err(GenerationError::Unpack { object, source })
            }
        }
    }

    fn pack(&mut self, object: u64) -> Result<(u64, &mut OpenPack)> {
        let found = self.open.iter().position(|(open, _)| *open == object);
        let pack = match found.and_then(|i| self.open.remove(i)) {
            Some(pack) => pack,
            None => (object, self.generation.open_pack(object)?),
        };
        self.open.truncate(OPEN_PACKS - 1);
        self.open.push_front(pack);
        let Some((object, pack)) = self.open.front_mut() else { unreachable!("just put there") };
        Ok((*object, pack))
    }
}

/// An entry with the bytes of its `core`, which the records' tree is made of.
pub struct Record {
    pub entry: Entry,
    pub core_bytes: Vec<u8>,
}

/// A part of the entry stream that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The path before it; empty at the beginning of the stream.
    pub after: Vec<u8>,
    /// The path behind it; empty at the end.
    pub before: Vec<u8>,
    pub why: String,
}

/// See [`Generation::entries`]. The last item is an error when the stream was not the right one.
pub struct Entries<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: Packs<'g, 'a>,
    extents: VecDeque<Extent>,
    buffer: Vec<u8>,
    at: usize,
    hasher: blake3::Hasher,
    records: Tree,
    salt_key: [u8; 32],
    last: Vec<u8>,
    past_damage: bool,
    /// The gap that the next record will be behind.
    gap: Option<Gap>,
    gaps: Vec<Gap>,
    done: bool,
}

impl Entries<'_, '_> {
    /// Goes on behind what cannot be read, see [`Self::gaps`]. The records that come are covered by their packs' encryption
    /// and by their own form; that they are all, nothing can say any more.
    pub fn past_damage(self) -> Self {
        Self { past_damage: true, ..self }
    }

    /// What could not be read so far.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many records have come.
    pub fn count(&self) -> u64 {
        self.records.count()
    }

    /// How many should come.
    pub fn expected(&self) -> u64 {
        self.generation.manifest.entries.count
    }

    /// Whether the record given last is the first one behind a gap: folders above it may be missing.
    pub fn is_behind_gap(&self) -> bool {
        self.gap.is_none() && self.gaps.last().is_some_and(|g| g.before == self.last)
    }

    fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            match self.next_whole() {
                Ok(record) => {
                    if let Some(gap) = self.gap.take() {
                        let before = record.as_ref().map(|r| r.entry.core.path.clone()).unwrap_or_default();
                        self.gaps.push(Gap { before, ..gap });
                    }
                    return Ok(record);
                }
                // What is not a record can be passed over only where a part is missing.
                Err(e) if self.past_damage && (self.gap.is_some() || is_unread(&e)) => {
                    let after = || Gap { after: self.last.clone(), before: Vec::new(), why: chain_text(&e) };
                    self.gap.get_or_insert_with(after);
                    self.buffer.clear();
                    self.at = 0;
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn next_whole(&mut self) -> Result<Option<Record>> {
        if !self.fill(4)? {
            return if self.at == self.buffer.len() { self.finish().map(|()| None) } else { Err(GenerationError::NotTheEntries) };
        }
        let prefix = [0, 1, 2, 3].map(|i| self.buffer[self.at + i]);
        let length = record_length(prefix).map_err(GenerationError::Entries)?;
        // Behind a gap this may be anything; a chunk that does begin with a record has all of it.
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
        self.records.push(record_leaf(&self.salt_key, &entry.core.path, &core_bytes));
        self.last.clone_from(&entry.core.path);
        self.at += 4 + length;
        Ok(Some(Record { entry, core_bytes }))
    }

    /// Makes `n` bytes available from `at`; false when the stream ends before.
    fn fill(&mut self, n: usize) -> Result<bool> {
        while self.buffer.len() - self.at < n {
            let Some(mut x) = self.extents.pop_front() else { return Ok(false) };
            self.buffer.drain(..self.at);
            self.at = 0;
            let (buffer, hasher) = (&mut self.buffer, &mut self.hasher);
            let read = self.packs.read_piece(&mut x, |bytes| {
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
        if self.gap.is_some() || !self.gaps.is_empty() {
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

/// Whether bytes could not be had; they may also be others than those wanted.
fn is_unread(e: &GenerationError) -> bool {
    use GenerationError::*;
    matches!(e, Damaged { .. } | Decrypt { .. } | Decompress { .. } | Unpack { .. } | Medium(_))
}

impl Iterator for Entries<'_, '_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.next_record().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Whether `path` is `wanted` or lies below it.
pub fn is_within(path: &[u8], wanted: &[u8]) -> bool {
    path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The source that a path belongs to: the longest source name that it begins with.
pub fn source_of<'m>(manifest: &'m Manifest, core: &Core) -> Option<&'m crate::format::manifest::Source> {
    manifest.sources.iter().filter(|s| is_within(&core.path, &s.name)).max_by_key(|s| s.name.len())
}
