//! Reads packs from the medium and opens them.
//!
//! A pack is read whole, compared with its seal and decrypted. If it does not match its seal, its frames are tried one
//! by one, so that damage costs only the files that lie in it. They are taken from what was read: meanwhile another
//! medium may be in the drive. A pack that matches its seal and has no index that fits is not used at all: it was not
//! made as a pack is.

use super::findings::FindingLog;
use crate::event::chain_text;
use crate::format::limit;
use crate::format::object::ObjectKind;
use crate::format::pack::Extent;
use crate::generation::{DecryptedPack, Generation};
use crate::medium::{ErrorCategory, MediumError, OpenObject};
use crate::pipeline::compressor::{check_frames, read_index};
use crate::pipeline::encryptor;
use crate::pipeline::packer::PackReader;
use crate::seal::chain::{Chain, read_opened};
use std::io::{Cursor, Read, Seek};

/// Where packs come from, and what they are compared with.
pub(super) struct PackFetcher<'a, 'g> {
    pub(super) generation: &'a Generation<'g>,
    pub(super) chain: &'a Chain,
    pub(super) findings: &'a FindingLog<'a>,
}

/// A pack's bytes as the medium returned them.
pub(super) enum FetchedPack {
    Whole(Vec<u8>),
    /// Some of its bytes cannot be read; why.
    Partial(Box<dyn OpenObject>, String),
    /// It cannot be opened; why.
    Lost(String),
}

/// A pack that frames are read from.
pub(super) enum FrameSource {
    /// In memory, and equal to what its seal lists.
    Whole(PackReader<Cursor<Vec<u8>>>),
    Damaged(DecryptedPack),
    /// Nothing of it can be read; why.
    Lost(String),
}

impl PackFetcher<'_, '_> {
    /// Reads a pack. Fails only if the medium is not attached: damage is part of the result.
    pub(super) fn fetch(&self, object: u64) -> Result<FetchedPack, MediumError> {
        if let Err(e) = self.generation.check_listed(object) {
            return Ok(FetchedPack::Lost(chain_text(&e)));
        }
        let medium = self.generation.medium();
        let mut open = match medium.open(object, ObjectKind::Pack) {
            Ok(open) => open,
            Err(e) if e.category() == ErrorCategory::Medium => return Err(e),
            Err(e) => return Ok(FetchedPack::Lost(chain_text(&e))),
        };
        match read_opened(&mut *open, object, ObjectKind::Pack, limit::PACK_BYTES) {
            Ok(bytes) => Ok(FetchedPack::Whole(bytes)),
            Err(why) => medium.check_attached().map(|()| FetchedPack::Partial(open, why)),
        }
    }

    /// Compares a pack with its seal and decrypts it. Reports damage.
    pub(super) fn open(&self, object: u64, fetched: FetchedPack) -> FrameSource {
        let (why, open) = match fetched {
            FetchedPack::Whole(bytes) => match self.open_whole(object, &bytes) {
                Ok(reader) => return FrameSource::Whole(reader),
                Err(Unusable::All(why)) => (why, None),
                Err(Unusable::InPart(why)) => (why, Some(Box::new(Cursor::new(bytes)) as Box<dyn OpenObject>)),
            },
            FetchedPack::Partial(open, why) => (why, Some(open)),
            FetchedPack::Lost(why) => (why, None),
        };
        self.findings.add_damaged_pack(object, &why);
        match open.map(|open| self.generation.salvage(object, open)) {
            Some(Ok(pack)) => FrameSource::Damaged(pack),
            Some(Err(e)) => FrameSource::Lost(format!("{why}; {}", chain_text(&e))),
            None => FrameSource::Lost(why),
        }
    }

    fn open_whole(&self, object: u64, bytes: &[u8]) -> Result<PackReader<Cursor<Vec<u8>>>, Unusable> {
        let listed = self.chain.object(object).map(|(o, _)| (o.length, o.digest()));
        // Under a damaged list the records confirm what is in it.
        if !self.chain.is_unlisted(object) && listed != Some((bytes.len() as u64, Some(*blake3::hash(bytes).as_bytes()))) {
            return Err(Unusable::InPart("its length or digest is not the one in the seal".to_owned()));
        }
        let all = |e: &dyn std::error::Error| match self.chain.is_unlisted(object) {
            // Nobody knows whether the pack is what was listed.
            true => Unusable::InPart(chain_text(e)),
            false => Unusable::All(chain_text(e)),
        };
        let mut payload = Vec::new();
        let decrypted = encryptor::decrypt_into(self.generation.identity(), bytes, limit::PACK_BYTES, &mut payload);
        self.generation.count_stanzas(object, decrypted.map_err(|e| all(&e))?);
        let index = read_index(&mut Cursor::new(&payload)).map_err(|e| all(&e))?;
        check_frames(&payload, &index).map_err(|e| all(&e))?;
        PackReader::with_index(Cursor::new(payload), &index).map_err(|e| all(&e))
    }
}

/// Why a pack cannot be used as a whole.
enum Unusable {
    /// It is not what its seal lists: frames that decode are still used.
    InPart(String),
    /// It is what its seal lists, and still no pack.
    All(String),
}

impl FrameSource {
    /// Reads an extent and hands each piece, with its offset in the extent, to `on_piece`.
    pub(super) fn read(&mut self, extent: Extent, on_piece: impl FnMut(u64, &[u8]) -> Result<(), String>) -> Result<(), String> {
        match self {
            Self::Whole(pack) => read_pieces(pack, extent, on_piece),
            Self::Damaged(pack) => read_pieces(pack, extent, on_piece),
            Self::Lost(why) => Err(why.clone()),
        }
    }
}

fn read_pieces<R: Read + Seek>(
    pack: &mut PackReader<R>,
    mut remaining: Extent,
    mut on_piece: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let length = remaining.length;
    while remaining.length > 0 {
        let at = length - remaining.length;
        let piece = pack.read_frame(&mut remaining).map_err(|e| chain_text(&e))?;
        on_piece(at, piece)?;
    }
    Ok(())
}
