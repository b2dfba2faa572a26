//! Packs: chunks are joined to frames and frames to a pack, and read out of it again.
//!
//! Each worker has a [`Packer`] of its own, so that frames are filled, compressed and encrypted while they are in that
//! core's cache.

use super::compressor::{CompressionLevel, Compressor, Decompressor, FrameError, frame_length, read_index};
use super::encryptor::{Encryptor, Recipients};
use super::pack_hasher::PackHasher;
use super::place::{ChunkPlace, FinishedPack, UnfinishedPack};
use crate::buffer::{Buffer, Buffers};
use crate::format::digests::Digests;
use crate::format::limit;
use crate::format::pack::{ChunkId, Extent, Frame, Index};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// Content of a full frame. With 2 MiB text is stored in 6 % less than with 1 MiB, with 4 MiB in 3 % less again; but the loss from
/// one bad sector grows with it.
const FRAME_BYTES: usize = 2 << 20;
/// Content of a full frame of the entry stream: some thousand records. Every record lost is a name lost, so it is smaller.
const ENTRIES_FRAME_BYTES: usize = 256 << 10;
/// Chunks of a full frame: keeps the index small beside the content where files are tiny.
const FRAME_CHUNKS: usize = 16_384;
/// The smallest size at which a pack may be closed: a sector of a disk.
pub const PACK_BYTES_MIN: usize = 4 << 10;
/// Chunks of a full pack: bounds how many wait for its number.
const PACK_CHUNKS: usize = 32_768;

/// Joins chunks to frames and frames to packs. See the module.
pub struct Packer<'a> {
    recipients: &'a Recipients,
    compressor: Compressor,
    level: &'a CompressionLevel,
    hasher: &'a PackHasher<'a>,
    buffers: Buffers,
    /// Bytes of a full pack.
    pack_bytes: usize,
    /// A pack is sent on at once.
    is_urgent: bool,
    /// Bytes of content of a full frame.
    frame_bytes: usize,
    frame: Vec<u8>,
    chunks: Vec<(ChunkId, u32)>,
    stored: Vec<u8>,
    current: Option<CurrentPack>,
}

/// The pack that is being filled.
struct CurrentPack {
    pack: Arc<UnfinishedPack>,
    encryptor: Encryptor<Buffer>,
    index: Index,
    frames: Vec<(u32, u32)>,
    /// Bytes so far.
    payload: u32,
    chunks: usize,
    content_bytes: u64,
}

/// Why a chunk could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// zstd failed, or the frame did not decode to its content. The frame was not written to a pack.
    #[error("a frame did not come back from compression as it went in")]
    Compress(#[from] FrameError),
    /// The header of a new pack could not be made; the operating system may give no random bytes.
    #[error("a pack could not be encrypted")]
    Encrypt(#[from] super::encryptor::EncryptError),
    /// The pack's sink answered `false`: the run has to stop for a reason that another part reports.
    #[error("the medium takes no more packs")]
    Stopped,
}

impl<'a> Packer<'a> {
    /// `pack_bytes`: bytes of a full pack; at least [`PACK_BYTES_MIN`], at most half of the format's limit. A frame has no
    /// more content than that, unless a chunk has. Finished packs go to `hasher`.
    pub fn new(
        recipients: &'a Recipients,
        level: &'a CompressionLevel,
        pack_bytes: usize,
        buffers: &Buffers,
        hasher: &'a PackHasher<'a>,
    ) -> Result<Self, PackError> {
        let pack_bytes = pack_bytes.clamp(PACK_BYTES_MIN, (limit::PACK_BYTES / 2) as usize);
        Ok(Self {
            recipients,
            compressor: Compressor::new(level.get())?,
            level,
            hasher,
            buffers: buffers.clone(),
            pack_bytes,
            is_urgent: false,
            frame_bytes: FRAME_BYTES.min(pack_bytes),
            frame: Vec::with_capacity(FRAME_BYTES),
            chunks: Vec::new(),
            stored: Vec::new(),
            current: None,
        })
    }

    /// The same for the entry stream, in smaller frames: every record lost is a name lost. Its packs are sent on at once: the
    /// collector, which fills them, waits for their numbers.
    pub fn of_entries(self) -> Self {
        Self { frame_bytes: ENTRIES_FRAME_BYTES.min(self.pack_bytes), is_urgent: true, ..self }
    }

    /// Where the next chunk of `length` bytes will be stored. Finishes the frame and the pack first where they are full.
    pub fn next_place(&mut self, length: usize) -> Result<ChunkPlace, PackError> {
        if !self.frame.is_empty() && (self.frame.len() + length > self.frame_bytes || self.chunks.len() >= FRAME_CHUNKS) {
            self.close_frame()?;
        }
        if self.current.is_none() {
            let encryptor = Encryptor::begin(self.recipients, self.buffers.take(self.pack_bytes + FRAME_BYTES));
            self.current = Some(CurrentPack {
                pack: Arc::default(),
                encryptor: encryptor?,
                index: Index::default(),
                frames: Vec::new(),
                payload: 0,
                chunks: 0,
                content_bytes: 0,
            });
        }
        let Some(c) = &self.current else { unreachable!("just begun") };
        Ok(ChunkPlace::Unfinished { pack: c.pack.clone(), frame: c.index.frames.len() as u32, offset: self.frame.len() as u32 })
    }

    /// Adds a chunk at the place that [`Self::next_place`] returned last.
    pub fn add(&mut self, id: ChunkId, chunk: &[u8]) {
        self.frame.extend_from_slice(chunk);
        self.chunks.push((id, chunk.len() as u32));
    }

    fn close_frame(&mut self) -> Result<(), PackError> {
        let Some(c) = &mut self.current else { return Ok(()) };
        if self.frame.is_empty() {
            return Ok(());
        }
        self.stored.clear();
        self.compressor.set_level(self.level.get())?;
        self.compressor.compress(&self.frame, &mut self.stored)?;
        c.encryptor.write(&self.stored);
        c.frames.push((c.payload, self.frame.len() as u32));
        c.payload += self.stored.len() as u32;
        c.chunks += self.chunks.len();
        c.content_bytes += self.frame.len() as u64;
        c.index.frames.push(Frame { stored: self.stored.len() as u32, chunks: std::mem::take(&mut self.chunks) });
        self.frame.clear();
        if c.payload as usize >= self.pack_bytes || c.chunks >= PACK_CHUNKS || c.content_bytes >= 4 * self.pack_bytes as u64 {
            self.close_pack()?;
        }
        Ok(())
    }

    /// Whether a chunk is in the pack that is being filled.
    pub fn is_open(&self, place: &ChunkPlace) -> bool {
        match (place, &self.current) {
            (ChunkPlace::Unfinished { pack, .. }, Some(current)) => Arc::ptr_eq(pack, &current.pack),
            _ => false,
        }
    }

    /// Finishes the pack that is being filled, if there is one, and sends on what waits in the hasher.
    pub fn finish(&mut self) -> Result<(), PackError> {
        // Closing the frame may itself close the pack.
        self.close_frame()?;
        self.close_pack()?;
        if self.hasher.flush() { Ok(()) } else { Err(PackError::Stopped) }
    }

    fn close_pack(&mut self) -> Result<(), PackError> {
        let Some(mut c) = self.current.take() else { return Ok(()) };
        if c.frames.is_empty() {
            return Ok(());
        }
        self.stored.clear();
        c.index.encode(&mut self.stored);
        c.encryptor.write(&self.stored);
        let bytes = c.encryptor.finish();
        let pack = FinishedPack {
            digests: Digests::of(&bytes, false),
            bytes,
            index: c.index,
            frames: c.frames,
            content_bytes: c.content_bytes,
            pack: c.pack,
        };
        let goes_on = self.hasher.add(pack) && (!self.is_urgent || self.hasher.flush());
        if goes_on { Ok(()) } else { Err(PackError::Stopped) }
    }
}

/// Reads content out of a pack's decrypted payload.
///
/// A pack without an index that fits its frames is damaged as a whole: none of its content is used. Only in a pack whose
/// bytes are known to be damaged are frames looked for without an index ([`Self::salvage`]).
pub struct PackReader<R> {
    payload: R,
    /// Of each frame, ascending by offset. `None` without an index.
    frames: Option<Vec<IndexedFrame>>,
    decompressor: Decompressor,
    stored: Vec<u8>,
    /// The frame in `content`: its offset, and the offset of the next frame.
    decoded: Option<(u32, u32)>,
    content: Vec<u8>,
}

/// A frame as the index lists it.
struct IndexedFrame {
    /// Offset in the payload.
    at: u32,
    stored: u32,
    content: u64,
}

/// Why content could not be read out of a pack.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes at this place of the payload fail their tag, or the medium fails. The source says which of the two.
    #[error("the pack cannot be decrypted or read")]
    Read(#[source] std::io::Error),
    /// The bytes decrypt, but are no frame. [`PackReader::skip_frame`] goes on behind it.
    #[error("a frame of the pack is damaged")]
    Frame(#[from] FrameError),
    /// The pack is what its seal lists, and has no index, or one that does not fit its frames.
    #[error("the pack's index cannot be used")]
    Index(#[source] FrameError),
    /// The extent names a place where no frame begins, or more content than the pack has behind it.
    #[error("an extent names bytes that the pack does not have")]
    NoSuchBytes,
}

impl UnpackError {
    /// Whether the pack is a later version's: it is not damaged.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Index(FrameError::Malformed(e)) if e.is_newer())
    }
}

/// Bytes read at a time of a frame whose length is not known.
const PART_BYTES: u64 = 64 << 10;

impl<R: Read + Seek> PackReader<R> {
    /// Reads the index. Each frame is compared with it when it is decoded.
    pub fn open(mut payload: R) -> Result<Self, UnpackError> {
        match read_index(&mut payload) {
            Ok(index) => Self::with_index(payload, &index),
            Err(FrameError::Read { source }) => Err(UnpackError::Read(source)),
            Err(e) => Err(UnpackError::Index(e)),
        }
    }

    /// Reads what is left of a pack whose bytes are not those that were written. Where the index is damaged, the block
    /// headers of each frame say where it ends. What is found counts only as far as something else confirms it.
    pub fn salvage(mut payload: R) -> Result<Self, UnpackError> {
        let index = read_index(&mut payload).ok();
        Self::with(payload, index.as_ref())
    }

    /// With the payload's index, which was read before.
    pub fn with_index(payload: R, index: &Index) -> Result<Self, UnpackError> {
        Self::with(payload, Some(index))
    }

    fn with(payload: R, index: Option<&Index>) -> Result<Self, UnpackError> {
        let frames = index.map(|index| {
            let mut at = 0;
            let indexed = |f: &Frame| {
                let frame = IndexedFrame { at, stored: f.stored, content: f.content() };
                at += f.stored;
                frame
            };
            index.frames.iter().map(indexed).collect()
        });
        let decompressor = Decompressor::new()?;
        Ok(Self { payload, frames, decompressor, stored: Vec::new(), decoded: None, content: Vec::new() })
    }

    /// The part of an extent that is in its first frame. The extent is shortened by it.
    pub fn read_frame(&mut self, x: &mut Extent) -> Result<&[u8], UnpackError> {
        let next = self.decode(x.frame)?;
        let rest = self.content.get(x.offset as usize..).filter(|r| !r.is_empty()).ok_or(UnpackError::NoSuchBytes)?;
        let n = x.length.min(rest.len() as u64);
        x.length -= n;
        if x.length > 0 {
            (x.frame, x.offset) = (next, 0);
        }
        Ok(&rest[..n as usize])
    }

    /// Shortens an extent by the part in its first frame, which [`Self::read_frame`] could not read; by all of it where the index
    /// does not say how long that frame is.
    pub fn skip_frame(&self, x: &mut Extent) {
        let known = self.indexed(x.frame).and_then(|f| Some((f.content.checked_sub(x.offset.into())?, f.at + f.stored)));
        let (lost, next) = known.filter(|(n, _)| *n > 0).unwrap_or((x.length, x.frame));
        x.length -= lost.min(x.length);
        if x.length > 0 {
            (x.frame, x.offset) = (next, 0);
        }
    }

    /// The frame that begins at `at`, as the index lists it.
    fn indexed(&self, at: u32) -> Option<&IndexedFrame> {
        let frames = self.frames.as_ref()?;
        frames.binary_search_by_key(&at, |f| f.at).ok().and_then(|i| frames.get(i))
    }

    /// Decodes the frame at `at` into `content`, and returns where the next one begins.
    fn decode(&mut self, at: u32) -> Result<u32, UnpackError> {
        if let Some((_, next)) = self.decoded.filter(|d| d.0 == at) {
            return Ok(next);
        }
        self.decoded = None;
        self.payload.seek(SeekFrom::Start(at.into())).map_err(UnpackError::Read)?;
        self.stored.clear();
        let mut expected = None;
        if self.frames.is_none() {
            self.read_by_blocks()?;
        } else {
            let frame = self.indexed(at).ok_or(UnpackError::NoSuchBytes)?;
            let stored = frame.stored as usize;
            expected = Some(frame.content);
            self.stored.resize(stored, 0);
            self.payload.read_exact(&mut self.stored).map_err(UnpackError::Read)?;
        }
        self.content.clear();
        self.decompressor.decompress(&self.stored, &mut self.content)?;
        let found = self.content.len() as u64;
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(UnpackError::Frame(FrameError::Length { expected, found }));
        }
        let next = at + self.stored.len() as u32;
        self.decoded = Some((at, next));
        Ok(next)
    }

    /// Reads one frame into `stored`, and no further than necessary: what follows may be damaged.
    fn read_by_blocks(&mut self) -> Result<(), UnpackError> {
        loop {
            let had = self.stored.len();
            let read = self.payload.by_ref().take(PART_BYTES).read_to_end(&mut self.stored).map_err(UnpackError::Read);
            match frame_length(&self.stored) {
                Ok(length) => {
                    self.stored.truncate(length);
                    return Ok(());
                }
                Err(e) => {
                    read?;
                    if self.stored.len() == had || self.stored.len() as u64 > limit::FRAME_STORED_BYTES {
                        return Err(UnpackError::Frame(e.into()));
                    }
                }
            }
        }
    }
}
