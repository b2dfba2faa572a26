//! Where chunks lie: in packs that are stored, and in packs of this run.
//!
//! A pack gets its object number when it is appended: only then is it known which medium takes it. Until then the places of its
//! chunks refer to the [`UnfinishedPack`].

use crate::buffer::Buffer;
use crate::format::digests::Digests;
use crate::format::pack::{Extent, Index};
use std::sync::{Arc, OnceLock};

/// A pack of this run, which gets its number, and with it its frames' offsets, when it is appended.
#[derive(Debug, Default)]
pub struct UnfinishedPack(OnceLock<AppendedPack>);

#[derive(Debug)]
struct AppendedPack {
    object: u64,
    /// Of each frame: offset in the payload, bytes of content.
    frames: Vec<(u32, u32)>,
}

/// Where a chunk is stored or will be stored.
#[derive(Debug, Clone)]
pub enum ChunkPlace {
    /// In a pack on a medium, as the catalog says. Numbers as in an [`Extent`].
    Stored {
        /// Number of the pack.
        object: u64,
        /// Bytes of the payload before the frame, as it is stored.
        frame: u32,
        /// Bytes of the frame's content before the chunk.
        offset: u32,
    },
    /// In a pack of this run, which may have no number yet.
    Unfinished {
        /// The pack; [`FinishedPack::set_number`] completes it.
        pack: Arc<UnfinishedPack>,
        /// Which frame of the pack, counted from 0: its place in the payload is not known yet.
        frame: u32,
        /// Bytes of the frame's content before the chunk.
        offset: u32,
    },
}

/// A chunk of a file.
#[derive(Debug, Clone)]
pub struct PlacedChunk {
    /// Where it is stored.
    pub place: ChunkPlace,
    /// Bytes of content.
    pub length: u32,
}

/// Whether the packs of all chunks have their numbers, so that [`extents`] may be called.
pub fn are_finished(chunks: &[PlacedChunk]) -> bool {
    // Packs of one run are finished in any order, so every chunk has to be checked.
    chunks.iter().all(|c| match &c.place {
        ChunkPlace::Stored { .. } => true,
        ChunkPlace::Unfinished { pack, .. } => pack.0.get().is_some(),
    })
}

/// The extents of a file's chunks, adjacent ones merged. All their packs MUST have their numbers.
pub fn extents(chunks: &[PlacedChunk]) -> Vec<Extent> {
    let mut out: Vec<Extent> = Vec::new();
    // Where the last extent ends; and the beginning of the next frame if it ends with its frame.
    let (mut end, mut next_frame) = ((0, 0, 0), None);
    for c in chunks {
        let (object, frame, offset, content, following) = match &c.place {
            ChunkPlace::Stored { object, frame, offset } => (*object, *frame, *offset, None, None),
            ChunkPlace::Unfinished { pack, frame, offset } => {
                let Some(done) = pack.0.get() else { unreachable!("extents are computed after the pack has its number") };
                let (at, content) = done.frames[*frame as usize];
                let following = done.frames.get(*frame as usize + 1).map(|f| f.0);
                (done.object, at, *offset, Some(content), following)
            }
        };
        let here = (object, frame, offset);
        match out.last_mut() {
            Some(last) if here == end || Some(here) == next_frame => last.length += u64::from(c.length),
            _ => out.push(Extent { object, frame, offset, length: c.length.into() }),
        }
        end = (object, frame, offset + c.length);
        next_frame = following.filter(|_| content == Some(end.2)).map(|f| (object, f, 0));
    }
    out
}

/// A finished pack that is to be appended.
pub struct FinishedPack {
    /// The age file.
    pub bytes: Buffer,
    /// Of the age file. SHA-256 is added last.
    pub digests: Digests,
    /// Its index, for the catalog.
    pub index: Index,
    /// Of each frame: offset in the payload, bytes of content.
    pub frames: Vec<(u32, u32)>,
    /// Bytes of content of all frames.
    pub content_bytes: u64,
    pub(super) pack: Arc<UnfinishedPack>,
}

impl FinishedPack {
    /// The pack was appended under this number: completes the places of its chunks.
    pub fn set_number(&self, number: u64) {
        // A pack is appended once.
        let _ = self.pack.0.set(AppendedPack { object: number, frames: self.frames.clone() });
    }
}
