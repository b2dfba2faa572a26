//! Stores chunks that the set does not have yet.

use super::Result;
use crate::host::catalog::ChunkLookup;
use crate::pipeline::dedup_index::{Claim, DedupIndex};
use crate::pipeline::hasher::Ids;
use crate::pipeline::packer::Packer;
use crate::pipeline::place::ChunkPlace;

/// One thread's packer, and what it looks chunks up in.
pub struct ChunkStore<'a> {
    pub ids: &'a Ids,
    pub known: &'a DedupIndex,
    pub lookup: ChunkLookup,
    pub packer: Packer<'a>,
}

/// Where a chunk lies.
pub enum StoredChunk {
    /// It was packed just now.
    New(ChunkPlace),
    /// The set had it, or another thread is packing it.
    Known(ChunkPlace),
}

impl StoredChunk {
    pub fn into_place(self) -> ChunkPlace {
        match self {
            Self::New(place) | Self::Known(place) => place,
        }
    }
}

impl ChunkStore<'_> {
    /// Finds a chunk, or packs it. `digest` is its BLAKE3.
    pub fn store(&mut self, digest: &[u8; 32], chunk: &[u8]) -> Result<StoredChunk> {
        let Self { ids, known, lookup, packer } = self;
        let id = ids.id(digest);
        let mut new = None;
        let stored = || -> Result<_> {
            let found = lookup.find(&id)?;
            Ok(found.map(|l| (ChunkPlace::Stored { object: l.object, frame: l.frame, offset: l.offset }, l.length)))
        };
        let claim = known.claim(&id, chunk.len() as u32, stored, || {
            let place = packer.next_place(chunk.len())?;
            new = Some(place.clone());
            Ok(place)
        })?;
        match (claim, new) {
            (Claim::Duplicate(place), _) => Ok(StoredChunk::Known(place)),
            (Claim::New, Some(place)) => {
                packer.add(id, chunk);
                known.fill(|each| lookup.each_id(each))?;
                Ok(StoredChunk::New(place))
            }
            (Claim::New, None) => unreachable!("a chunk is claimed at a place"),
        }
    }

    /// Packs a chunk, even if the set has it.
    pub fn store_again(&mut self, digest: &[u8; 32], chunk: &[u8]) -> Result<ChunkPlace> {
        let place = self.packer.next_place(chunk.len())?;
        self.packer.add(self.ids.id(digest), chunk);
        Ok(place)
    }

    /// Finishes the open pack, so that it gets its number.
    pub fn finish_pack(&mut self) -> Result<()> {
        Ok(self.packer.finish()?)
    }
}
