//! An opened generation: its manifest, its entries and their content. Every job that reads back uses it.
//!
//! **Invariant:** a manifest is used only if its digest is the one that its seal lists. The whole entry stream is used only as far
//! as its digest is the one in the manifest; a part of it only out of packs whose digests are those that their seals list.
//!
//! **Invariant:** content comes only out of packs that the generation's own seal or an earlier one lists. Of a pack that is what its
//! seal lists nothing is used unless its index fits; of one that is not, each frame that still decodes.

mod entries;
mod first_names;
mod order;
mod pack_cache;
mod raw;
mod select;
pub mod spelling;

pub use entries::{EntryReader, EntryRecord, Gap};
use first_names::FirstNames;
use pack_cache::PackCache;
pub use select::{EntryFrames, SelectedEntries};

use crate::format::digests::Digests;
use crate::format::entry::Core;
use crate::format::manifest::{Manifest, Source};
use crate::format::object::{Object, ObjectKind};
use crate::format::pack::Extent;
use crate::format::set_key::SetKey;
use crate::format::{Malformed, limit};
use crate::medium::{ErrorCategory, Medium, MediumError, OpenObject};
use crate::pipeline::compressor::{Decompressor, FrameError};
use crate::pipeline::encryptor::{self, DamagedPart, DecryptError, Decryptor, Identity, Stanzas};
use crate::pipeline::packer::{PackReader, UnpackError};
use crate::seal::chain::{Chain, Fault, FaultKind, ReadError, SealLink, read_object};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashSet};
use zeroize::Zeroizing;

/// Why a generation or a part of it could not be read.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// No seal in the chain is that of this generation, or it only closes a medium.
    #[error("the set has no generation {wanted}; it has {first} to {last}")]
    NoSuchGeneration {
        /// The generation that was asked for.
        wanted: u64,
        /// The oldest generation of the chain.
        first: u64,
        /// The newest generation of the chain.
        last: u64,
    },
    /// The chain has no seal of a generation: the first backup has not finished.
    #[error("the set has no sealed generation yet")]
    NoGeneration,
    /// No seal in the chain is that of this generation, but seals are missing or damaged.
    #[error("the seal of generation {wanted} is missing or damaged")]
    LostSeal {
        /// The generation that was asked for.
        wanted: u64,
    },
    /// There are seals, but none that can be read.
    #[error("none of the set's seals can be read")]
    NoReadableSeal,
    /// The seal breaks the rules of the format: without a manifest the content cannot be found.
    #[error("the seal of generation {generation} lists no manifest")]
    NoManifest {
        /// The generation's number.
        generation: u64,
    },
    /// The bytes on the medium are not those that the seal lists.
    #[error("object {object} is damaged: {why}")]
    Damaged {
        /// The number of the manifest or pack.
        object: u64,
        /// What is wrong with it, for people, in English.
        why: String,
    },
    /// The manifest is whole, but encrypted to other recipients. Another identity may open the set.
    #[error("the identity does not open this set")]
    WrongKey(#[source] DecryptError),
    /// Of a pack only the header was tried; what is wrong behind it is [`Self::Unpack`]. A manifest was tried whole.
    #[error("object {object} cannot be decrypted")]
    Decrypt {
        /// The number of the manifest or pack.
        object: u64,
        /// What the encryptor found.
        source: DecryptError,
    },
    /// The manifest decrypts, but is not one whole frame.
    #[error("object {object} cannot be decompressed")]
    Decompress {
        /// The number of the manifest.
        object: u64,
        /// What the compressor found.
        source: FrameError,
    },
    /// A frame of the pack cannot be read. Its other frames may be whole.
    #[error("object {object} cannot be unpacked")]
    Unpack {
        /// The number of the pack.
        object: u64,
        /// What is wrong with the frame.
        source: UnpackError,
    },
    /// The manifest has the right digest and decrypts, so it was written like this.
    #[error("the manifest is malformed")]
    Manifest(#[source] Malformed),
    /// A record, or its length, is not what section 6 of the format allows.
    #[error("the entry stream is malformed")]
    Entries(#[source] Malformed),
    /// It ends too early, is out of order, or has other digests or another count than manifest and seal say. Where that
    /// shows only at its end, entries were read already that must not be trusted.
    #[error("the entry stream is not the one that the manifest names")]
    NotTheEntries,
    /// It has an object of a kind that only a newer program knows.
    #[error("object {object} was written by a newer program")]
    Newer {
        /// The object's number.
        object: u64,
    },
    /// It may be absent, or damaged in one place: [`Self::is_absence`] and [`Self::is_damage`] tell them apart.
    #[error("the medium failed")]
    Medium(#[from] MediumError),
}

impl GenerationError {
    /// The number of the object at fault, where it is one.
    pub fn object(&self) -> Option<u64> {
        match self {
            Self::Damaged { object, .. }
            | Self::Decrypt { object, .. }
            | Self::Decompress { object, .. }
            | Self::Unpack { object, .. } => Some(*object),
            _ => None,
        }
    }

    /// Why a chain does not have generation `wanted`, or none at all.
    pub fn not_in(chain: &Chain, wanted: Option<u64>) -> Self {
        let ends = chain.generations().next().zip(chain.generations().next_back());
        let Some((wanted, (first, last))) = wanted.zip(ends) else { return Self::none_in(chain) };
        let is_anchored = |f: &Fault| chain.links.iter().any(|l| l.number == f.object && l.anchored);
        let hides_seals = |f: &Fault| match f.what {
            _ if f.kind != ObjectKind::Seal || f.is_newer() => false,
            FaultKind::List => false,
            // Which generation an anchored seal is of is known, whoever signed it.
            FaultKind::Signature | FaultKind::SignedByLaterKey { .. } | FaultKind::Succession => !is_anchored(f),
            _ => true,
        };
        match chain.newer() {
            _ if chain.label.is_none() || chain.faults.iter().any(hides_seals) => Self::LostSeal { wanted },
            Some(object) => Self::Newer { object },
            None => Self::NoSuchGeneration { wanted, first: first.seal.generation, last: last.seal.generation },
        }
    }

    fn none_in(chain: &Chain) -> Self {
        let is_unreadable = |f: &Fault| matches!(f.what, FaultKind::Unreadable { .. });
        match chain.newer() {
            _ if chain.faults.iter().any(is_unreadable) => Self::NoReadableSeal,
            Some(object) => Self::Newer { object },
            None => Self::NoGeneration,
        }
    }

    /// Whether something on the medium is damaged. Another generation may be whole.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::NoSuchGeneration { .. } | Self::NoGeneration | Self::WrongKey(_) | Self::Newer { .. } => false,
            Self::Medium(e) => e.category() == ErrorCategory::Damage,
            Self::Manifest(e) | Self::Entries(e) => !e.is_newer(),
            Self::Unpack { source, .. } => !source.is_newer(),
            Self::NoReadableSeal | Self::LostSeal { .. } | Self::NoManifest { .. } | Self::NotTheEntries => true,
            Self::Damaged { .. } | Self::Decrypt { .. } | Self::Decompress { .. } => true,
        }
    }

    /// Whether the medium is absent. That is not damage: with the medium attached again everything may be readable.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Medium(e) if e.category() == ErrorCategory::Medium)
    }
}

type Result<T> = std::result::Result<T, GenerationError>;

/// One generation, opened with an identity.
pub struct Generation<'a> {
    medium: &'a dyn Medium,
    identity: &'a Identity,
    chain: &'a Chain,
    /// Packs whose digests were compared with their seals and are right.
    checked: Mutex<HashSet<u64>>,
    first_names: Mutex<FirstNames>,
    /// See [`Self::wrong_stanzas`].
    wrong_stanzas: Mutex<BTreeSet<u64>>,
    /// Packs that are not what their seals list.
    damaged_packs: Mutex<BTreeSet<u64>>,
    /// The generation's seal.
    pub link: SealLink,
    /// The generation's manifest.
    pub manifest: Manifest,
    /// The set key out of the manifest.
    pub set_key: SetKey,
}

/// A pack that is open for reading at any position of its decrypted payload.
pub type DecryptedPack = PackReader<Decryptor<Box<dyn OpenObject>>>;

impl<'a> Generation<'a> {
    /// Opens generation `wanted`, or the newest: reads its manifest, compares it with the seal, and decrypts it.
    pub fn open(medium: &'a dyn Medium, chain: &'a Chain, wanted: Option<u64>, identity: &'a Identity) -> Result<Self> {
        let link = match wanted {
            None => chain.newest_generation(),
            Some(wanted) => chain.generation(wanted),
        };
        let link = link.ok_or_else(|| GenerationError::not_in(chain, wanted))?;
        let generation = link.seal.generation;
        // With the closing seals of its run.
        let own = chain.links.iter().filter(|l| l.seal.generation == generation);
        if let Some(newer) = own.flat_map(|l| &l.objects).find(|o| o.kind.is_newer()) {
            return Err(GenerationError::Newer { object: newer.number });
        }
        let candidates = chain.manifests(link);
        let (mut first_error, mut first_opened) = (None, None);
        for object in &candidates {
            match Self::open_with(medium, chain, link, object, identity) {
                // Somebody may have put another one there: the records tell which one was sealed.
                Ok(opened) if candidates.len() > 1 && !opened.has_sealed_records()? => {
                    first_opened.get_or_insert(opened);
                }
                Err(e) if e.is_damage() || candidates.len() > 1 && !matches!(e, GenerationError::Medium(_)) => {
                    first_error.get_or_insert(e);
                }
                opened => return opened,
            }
        }
        let none = || first_error.unwrap_or(GenerationError::NoManifest { generation });
        first_opened.ok_or_else(none)
    }

    /// Opens a generation with what may be its manifest.
    fn open_with(
        medium: &'a dyn Medium,
        chain: &'a Chain,
        link: &SealLink,
        object: &Object,
        identity: &'a Identity,
    ) -> Result<Self> {
        let (manifest, stanzas) = read_manifest(medium, object, identity)?;
        if (manifest.set, manifest.generation) != (chain.set, link.seal.generation) {
            let why = "it belongs to another set or generation".to_owned();
            return Err(GenerationError::Damaged { object: object.number, why });
        }
        if manifest.sources.is_empty() && manifest.entries.count > 0 {
            return Err(GenerationError::Entries(Malformed::new("entry stream", "a record is outside of every source")));
        }
        let opened = Self {
            medium,
            identity,
            chain,
            checked: Mutex::default(),
            first_names: Mutex::default(),
            wrong_stanzas: Mutex::default(),
            damaged_packs: Mutex::default(),
            link: link.clone(),
            set_key: SetKey(manifest.set_key),
            manifest,
        };
        opened.count_stanzas(object.number, stanzas);
        Ok(opened)
    }

    /// Whether the records are those that the seal counts and whose root it has.
    fn has_sealed_records(&self) -> Result<bool> {
        for record in self.entries() {
            match record {
                Ok(_) => {}
                Err(e) if e.is_damage() => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Notes an object of this generation whose header has not exactly one stanza for each recipient in the manifest.
    pub fn count_stanzas(&self, object: u64, stanzas: Stanzas) {
        if !stanzas.are_of(&self.manifest.recipients) {
            self.wrong_stanzas.lock().insert(object);
        }
    }

    /// The objects decrypted so far, ascending, that somebody else may be able to open, or not everybody who should: their
    /// headers do not have exactly one stanza for each recipient. Their content is used all the same.
    pub fn wrong_stanzas(&self) -> Vec<u64> {
        self.wrong_stanzas.lock().iter().copied().collect()
    }

    /// The medium that it is read from.
    pub fn medium(&self) -> &'a dyn Medium {
        self.medium
    }

    fn is_there(&self) -> Result<()> {
        Ok(self.medium.check_attached()?)
    }

    /// The identity that it was opened with.
    pub fn identity(&self) -> &'a Identity {
        self.identity
    }

    /// All entries in order. At their end they are compared with manifest and seal.
    pub fn entries(&self) -> EntryReader<'_, 'a> {
        EntryReader::all(self)
    }

    /// Finds a few entries without reading all: see [`EntryFrames::select`].
    pub fn entry_frames(&self) -> Result<EntryFrames<'_, 'a>> {
        EntryFrames::new(self)
    }

    /// Opens a pack for reading at any position. The pack is compared with its seal only if its index cannot be used: a pack
    /// that is not what its seal lists, or whose list is damaged, may still have frames that decode.
    pub fn open_pack(&self, object: u64) -> Result<DecryptedPack> {
        self.check_listed(object)?;
        let open = self.medium.open(object, ObjectKind::Pack)?;
        let source = match PackReader::open(self.decrypt(object, open)?) {
            Ok(pack) => return Ok(pack),
            Err(source) => source,
        };
        match self.check_pack(object) {
            Ok(()) if !self.chain.is_unlisted(object) => Err(GenerationError::Unpack { object, source }),
            Ok(()) | Err(GenerationError::Damaged { .. }) => self.salvage(object, self.medium.open(object, ObjectKind::Pack)?),
            Err(e) => Err(e),
        }
    }

    /// Opens what is left of a pack that is not what its seal lists.
    pub fn salvage(&self, object: u64, open: Box<dyn OpenObject>) -> Result<DecryptedPack> {
        // The key has opened the manifest. What a seal lists and is other bytes now has a damaged header, and not another key.
        let is_listed = !self.chain.is_unlisted(object) && self.chain.object(object).is_some();
        let damaged = || DecryptError::Damaged { part: DamagedPart::Header };
        let payload = self.decrypt(object, open).map_err(|e| match e {
            GenerationError::Decrypt { object, source: DecryptError::WrongKey } if is_listed => {
                GenerationError::Decrypt { object, source: damaged() }
            }
            e => e,
        });
        PackReader::salvage(payload?).map_err(|source| GenerationError::Unpack { object, source })
    }

    fn decrypt(&self, object: u64, open: Box<dyn OpenObject>) -> Result<Decryptor<Box<dyn OpenObject>>> {
        let payload = Decryptor::open(self.identity, open).map_err(|source| GenerationError::Decrypt { object, source })?;
        self.count_stanzas(object, payload.stanzas());
        Ok(payload)
    }

    /// Fails if a seal lists an object as something else than a pack, or the object comes behind the generation's seal. What a
    /// seal listed that is lost, nobody knows.
    pub fn check_listed(&self, object: u64) -> Result<()> {
        let is_pack = self.chain.object(object).is_none_or(|(o, _)| o.kind == ObjectKind::Pack);
        if is_pack && object < self.link.number {
            return Ok(());
        }
        let why = "neither the generation's seal nor an earlier one lists it as a pack".to_owned();
        Err(GenerationError::Damaged { object, why })
    }

    /// Reads the content at `extents` and calls `on_bytes` with one part after the other until it answers `false`.
    pub fn content(&self, extents: &[Extent], mut on_bytes: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let mut packs = PackCache::new(self);
        for x in extents {
            let (mut x, mut wants_more) = (*x, true);
            while x.length > 0 && wants_more {
                packs.read_frame(&mut x, |bytes| wants_more = on_bytes(bytes))?;
            }
            if !wants_more {
                break;
            }
        }
        Ok(())
    }

    /// The packs that were compared with their seals and are not what those list, ascending.
    pub fn damaged_packs(&self) -> Vec<u64> {
        self.damaged_packs.lock().iter().copied().collect()
    }

    /// Compares a pack with its seal: reads it to its end, but only the first time.
    fn check_pack(&self, object: u64) -> Result<()> {
        self.compare_pack(object).inspect_err(|e| {
            if e.is_damage() {
                self.damaged_packs.lock().insert(object);
            }
        })
    }

    fn compare_pack(&self, object: u64) -> Result<()> {
        let checked = || self.checked.lock();
        if checked().contains(&object) {
            return Ok(());
        }
        let damaged = |why: &str| GenerationError::Damaged { object, why: why.to_owned() };
        let Some((sealed, _)) = self.chain.object(object) else {
            // Under a damaged list the root of the records confirms what is in it.
            return if self.chain.is_unlisted(object) { Ok(()) } else { Err(damaged("no seal lists it")) };
        };
        let mut open = self.medium.open(object, ObjectKind::Pack)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&mut open).or_else(|source| self.is_there().and(Err(damaged(&source.to_string()))))?;
        let found = (ObjectKind::Pack, hasher.count(), Some(*hasher.finalize().as_bytes()));
        if found != (sealed.kind, sealed.length, sealed.digest()) {
            return Err(damaged("its length or digest is not the one in the seal"));
        }
        checked().insert(object);
        Ok(())
    }
}

/// Reads a manifest, compares it with what the seal's list says, and decrypts it. Where that list is damaged, the root of
/// the records confirms what the manifest names.
fn read_manifest(medium: &dyn Medium, object: &Object, identity: &Identity) -> Result<(Manifest, Stanzas)> {
    let damaged = |why: &str| GenerationError::Damaged { object: object.number, why: why.to_owned() };
    let bytes = match read_object(medium, object.number, ObjectKind::Manifest, limit::MANIFEST_BYTES) {
        Ok(bytes) => bytes,
        Err(ReadError::Damaged(why)) => return Err(damaged(&why)),
        Err(ReadError::Medium(e)) => return Err(GenerationError::Medium(e)),
    };
    let is_listed = |d: Digests| object.length == bytes.len() as u64 && d.agree_with(&Digests::of(&bytes, false));
    if !object.digests.is_none_or(is_listed) {
        return Err(damaged("its length or digest is not the one in the seal"));
    }
    let mut stored = Vec::new();
    let decrypted = encryptor::decrypt_into(identity, &bytes, limit::MANIFEST_BYTES, &mut stored);
    let stanzas = decrypted.map_err(|source| match source {
        DecryptError::WrongKey => GenerationError::WrongKey(source),
        source => GenerationError::Decrypt { object: object.number, source },
    })?;
    let mut plain = Zeroizing::new(Vec::new());
    Decompressor::new()
        .and_then(|mut d| d.decompress_manifest(&stored, &mut plain))
        .map_err(|source| GenerationError::Decompress { object: object.number, source })?;
    Ok((Manifest::decode(&plain).map_err(GenerationError::Manifest)?, stanzas))
}

/// Whether `path` is `wanted` or below it.
pub fn is_within(path: &[u8], wanted: &[u8]) -> bool {
    path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// The source that an entry belongs to: the one with the longest name that is the entry's path or above it.
pub fn source_of<'m>(manifest: &'m Manifest, core: &Core) -> Option<&'m Source> {
    manifest.sources.iter().filter(|s| is_within(&core.path, &s.name)).max_by_key(|s| s.name.len())
}
