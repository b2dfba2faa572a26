//! Chunks into frames, frames into a pack; and the places of chunks whose pack is not finished yet.
//!
//! A [`Packer`] belongs to one worker, so that frames are filled, compressed and encrypted while they are in that
//! core's cache. Packs get their object numbers when they lie on a medium: only then is it known which medium takes them.

use super::compressor::{Compressor, Decompressor, Effort, FrameError, frame_length, read_index};
use super::encryptor::{Encryptor, Recipients};
use crate::buffer::{Buffer, Buffers};
use crate::format::limit;
use crate::format::pack::{ChunkId, Extent, Frame, Index};
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, OnceLock};

/// Content of a frame that is closed for new chunks. From 1 MiB to 2 MiB text takes 6 % less room, to 4 MiB 3 % more; but what one bad sector
/// costs grows with it.
const FRAME_BYTES: usize = 2 << 20;
/// The same for the entry stream: some thousand records. Each one lost is a name lost.
const ENTRIES_FRAME_BYTES: usize = 256 << 10;
/// Chunks of a frame that is closed for new ones; keeps the index of tiny files small against their frame.
const FRAME_CHUNKS: usize = 16_384;
/// Chunks of a pack that is closed for new ones; bounds what waits for its number.
const PACK_CHUNKS: usize = 32_768;

/// A pack that was begun. Its frames' places are known once it has its number.
#[derive(Debug, Default)]
pub struct UnfinishedPack(OnceLock<FinishedPlaces>);

#[derive(Debug)]
struct FinishedPlaces {
    object: u64,
    /// Of each frame: offset in the payload, bytes of content.
    frames: Vec<(u32, u32)>,
}

/// Where a chunk lies.
#[derive(Debug, Clone)]
pub enum ChunkPlace {
    /// In a pack on the medium, as the catalog says.
    Stored { object: u64, frame: u32, offset: u32 },
    /// In the `frame`-th frame of a pack of this run.
    Open { pack: Arc<UnfinishedPack>, frame: u32, offset: u32 },
}

/// A chunk of a file and where it lies.
#[derive(Debug, Clone)]
pub struct Piece {
    pub place: ChunkPlace,
    pub length: u32,
}

/// Whether the packs of all pieces have their numbers, so that [`extents`] may be asked.
pub fn are_finished(pieces: &[Piece]) -> bool {
    // Packs of one run finish in any order; every piece has to be looked at.
    pieces.iter().all(|p| match &p.place {
        ChunkPlace::Stored { .. } => true,
        ChunkPlace::Open { pack, .. } => pack.0.get().is_some(),
    })
}

/// The extents of pieces whose packs have their numbers, neighbours merged.
pub fn extents(pieces: &[Piece]) -> Vec<Extent> {
    let mut out: Vec<Extent> = Vec::new();
    // Where the last extent ends, and where that is when it is the end of its frame.
    let (mut end, mut next_frame) = ((0, 0, 0), None);
    for p in pieces {
        let (object, frame, offset, content, following) = match &p.place {
            ChunkPlace::Stored { object, frame, offset } => (*object, *frame, *offset, None, None),
            ChunkPlace::Open { pack, frame, offset } => {
                let Some(done) = pack.0.get() else { unreachable!("extents are asked for after the pack has its number") };
                let (at, content) = done.frames[*frame as usize];
                let following = done.frames.get(*frame as usize + 1).map(|f| f.0);
                (done.object, at, *offset, Some(content), following)
            }
        };
        let here = (object, frame, offset);
        match out.last_mut() {
            Some(last) if here == end || Some(here) == next_frame => last.length += u64::from(p.length),
            _ => out.push(Extent { object, frame, offset, length: p.length.into() }),
        }
        end = (object, frame, offset + p.length);
        next_frame = following.filter(|_| content == Some(end.2)).map(|f| (object, f, 0));
    }
    out
}

/// A finished pack on its way to the medium.
pub struct FinishedPack {
    /// The age file.
    pub bytes: Buffer,
    pub index: Index,
    /// Of each frame: offset in the payload, bytes of content.
    pub frames: Vec<(u32, u32)>,
    pub content_bytes: u64,
    pack: Arc<UnfinishedPack>,
}

impl FinishedPack {
    /// The pack lies on a medium under this number: tells everybody who waits for the places in it.
    pub fn is_object(&self, number: u64) {
        // Said once: a pack lies in one place.
        let _ = self.pack.0.set(FinishedPlaces { object: number, frames: self.frames.clone() });
    }
}

/// Takes a finished pack on its way to the medium; `false` when the run has to stop. Called by many packers; it blocks while the
/// medium is behind.
pub type Sink<'a> = &'a (dyn Fn(FinishedPack) -> bool + Sync);

pub struct Packer<'a> {
    recipients: &'a Recipients,
    compressor: Compressor,
    effort: &'a Effort,
    sink: Sink<'a>,
    buffers: Buffers,
    /// Bytes of a pack that is closed for new frames.
    pack_bytes: usize,
    /// Content of a frame that is closed for new chunks.
    frame_bytes: usize,
    frame: Vec<u8>,
    chunks: Vec<(ChunkId, u32)>,
    stored: Vec<u8>,
    current: Option<Current>,
}

struct Current {
    pack: Arc<UnfinishedPack>,
    encryptor: Encryptor<Buffer>,
    index: Index,
    frames: Vec<(u32, u32)>,
    payload: u32,
    chunks: usize,
    content_bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("a frame did not come back from compression as it went in")]
    Compress(#[source] FrameError),
    #[error("a pack could not be encrypted")]
    Encrypt(#[source] super::encryptor::EncryptError),
    #[error("the medium takes no more packs")]
    Stopped,
}

impl<'a> Packer<'a> {
    /// `pack_bytes`: at least 64 KiB, at most half of the format's limit.
    pub fn new(
        recipients: &'a Recipients,
        effort: &'a Effort,
        pack_bytes: usize,
        buffers: &Buffers,
        sink: Sink<'a>,
    ) -> Result<Self, PackError> {
        Ok(Self {
            recipients,
            compressor: Compressor::new(effort.level()).map_err(PackError::Compress)?,
            effort,
            sink,
            buffers: buffers.clone(),
            pack_bytes: pack_bytes.clamp(64 << 10, (limit::PACK_BYTES / 2) as usize),
            frame_bytes: FRAME_BYTES,
            frame: Vec::with_capacity(FRAME_BYTES),
            chunks: Vec::new(),
            stored: Vec::new(),
            current: None,
        })
    }

    /// Packs the entry stream: in smaller frames, because each record lost is a name lost.
    pub fn of_entries(self) -> Self {
        Self { frame_bytes: ENTRIES_FRAME_BYTES, ..self }
    }

    /// Where the next chunk of `length` bytes will lie. Closes the frame and the pack where they have no room for it.
    pub fn next_place(&mut self, length: usize) -> Result<ChunkPlace, PackError> {
        if !self.frame.is_empty() && (self.frame.len() + length > self.frame_bytes || self.chunks.len() >= FRAME_CHUNKS) {
            self.close_frame()?;
        }
        if self.current.is_none() {
            let encryptor = Encryptor::begin(self.recipients, self.buffers.take(self.pack_bytes + FRAME_BYTES));
            self.current = Some(Current {
                pack: Arc::default(),
                encryptor: encryptor.map_err(PackError::Encrypt)?,
                index: Index::default(),
                frames: Vec::new(),
                payload: 0,
                chunks: 0,
                content_bytes: 0,
            });
        }
        let Some(c) = &self.current else { unreachable!("just begun") };
        Ok(ChunkPlace::Open { pack: c.pack.clone(), frame: c.index.frames.len() as u32, offset: self.frame.len() as u32 })
    }

    /// Adds a chunk at the place that [`Self::next_place`] told last.
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
        self.compressor.set_level(self.effort.level()).map_err(PackError::Compress)?;
        self.compressor.compress(&self.frame, &mut self.stored).map_err(PackError::Compress)?;
        c.encryptor.write(&self.stored);
        c.frames.push((c.payload, self.frame.len() as u32));
        c.payload += self.stored.len() as u32;
        c.chunks += self.chunks.len();
        c.content_bytes += self.frame.len() as u64;
        c.index.frames.push(Frame { stored: self.stored.len() as u32, chunks: std::mem::take(&mut self.chunks) });
        self.frame.clear();
        if c.payload as usize >= self.pack_bytes || c.chunks >= PACK_CHUNKS || c.content_bytes >= 4 * self.pack_bytes as u64 {
            self.finish()?;
        }
        Ok(())
    }

    /// Whether a chunk lies in the pack that is open.
    pub fn is_open(&self, place: &ChunkPlace) -> bool {
        match (place, &self.current) {
            (ChunkPlace::Open { pack, .. }, Some(current)) => Arc::ptr_eq(pack, &current.pack),
            _ => false,
        }
    }

    /// Finishes the pack that is open, if one is.
    pub fn finish(&mut self) -> Result<(), PackError> {
        if !self.frame.is_empty() {
            // Closing may itself finish the pack.
            self.close_frame()?;
        }
        let Some(mut c) = self.current.take() else { return Ok(()) };
        if c.frames.is_empty() {
            return Ok(());
        }
        self.stored.clear();
        c.index.encode(&mut self.stored);
        c.encryptor.write(&self.stored);
        let pack = FinishedPack {
            bytes: c.encryptor.finish(),
            index: c.index,
            frames: c.frames,
            content_bytes: c.content_bytes,
            pack: c.pack,
        };
        if (self.sink)(pack) { Ok(()) } else { Err(PackError::Stopped) }
    }
}

/// Reads content out of a pack's decrypted payload.
///
/// The index only says beforehand where frames end. Without it, because it lies where the pack is damaged, each frame's own blocks say
/// it as well.
pub struct PackReader<R> {
    payload: R,
    /// Of each frame, ascending by offset. Empty without an index.
    frames: Vec<Listed>,
    decompressor: Decompressor,
    stored: Vec<u8>,
    /// The frame that was decoded last: its offset, and that of the one behind it.
    decoded: Option<(u32, u32)>,
    content: Vec<u8>,
}

/// A frame as the index lists it.
struct Listed {
    /// Offset in the payload.
    at: u32,
    stored: u32,
    content: u64,
}

/// Why content could not be read out of a pack.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("the pack cannot be decrypted or read")]
    Read(#[source] std::io::Error),
    #[error("a frame of the pack is damaged")]
    Frame(#[source] FrameError),
    #[error("an extent names bytes that the pack does not have")]
    NoSuchBytes,
}

/// What is read at a time of a frame whose end is not known.
const PART_BYTES: u64 = 64 << 10;

impl<R: Read + Seek> PackReader<R> {
    pub fn open(mut payload: R) -> Result<Self, UnpackError> {
        let mut frames = Vec::new();
        if let Ok(index) = read_index(&mut payload) {
            let mut at = 0;
            for f in &index.frames {
                let content = f.chunks.iter().map(|(_, length)| u64::from(*length)).sum();
                frames.push(Listed { at, stored: f.stored, content });
                at += f.stored;
            }
        }
        let decompressor = Decompressor::new().map_err(UnpackError::Frame)?;
        Ok(Self { payload, frames, decompressor, stored: Vec::new(), decoded: None, content: Vec::new() })
    }

    /// The extent's first bytes, as far as its first frame goes. The extent is shortened by them, so that it names what follows.
    pub fn read_piece(&mut self, x: &mut Extent) -> Result<&[u8], UnpackError> {
        let next = self.decode(x.frame)?;
        let rest = self.content.get(x.offset as usize..).filter(|r| !r.is_empty()).ok_or(UnpackError::NoSuchBytes)?;
        let n = x.length.min(rest.len() as u64);
        x.length -= n;
        if x.length > 0 {
            (x.frame, x.offset) = (next, 0);
        }
        Ok(&rest[..n as usize])
    }

    /// Shortens an extent by what [`Self::read_piece`] could not give: what lies in its first frame, or all of it where nothing says how far
    /// that frame goes.
    pub fn skip_piece(&self, x: &mut Extent) {
        let frame = self.frames.binary_search_by_key(&x.frame, |f| f.at).ok().map(|i| &self.frames[i]);
        let known = frame.and_then(|f| Some((f.content.checked_sub(x.offset.into())?, f.at + f.stored)));
        let (lost, next) = known.filter(|(n, _)| *n > 0).unwrap_or((x.length, x.frame));
        x.length -= lost.min(x.length);
        if x.length > 0 {
            (x.frame, x.offset) = (next, 0);
        }
    }

    /// Makes `content` that of the frame at `at`, and answers where the next one begins.
    fn decode(&mut self, at: u32) -> Result<u32, UnpackError> {
        if let Some((_, next)) = self.decoded.filter(|d| d.0 == at) {
            return Ok(next);
        }
        self.decoded = None;
        self.payload.seek(SeekFrom::Start(at.into())).map_err(UnpackError::Read)?;
        self.stored.clear();
        if self.frames.is_empty() {
            self.read_by_blocks()?;
        } else {
            let frame = self.frames.binary_search_by_key(&at, |f| f.at).map_err(|_| UnpackError::NoSuchBytes)?;
            self.stored.resize(self.frames[frame].stored as usize, 0);
            self.payload.read_exact(&mut self.stored).map_err(UnpackError::Read)?;
        }
        self.content.clear();
        self.decompressor.decompress(&self.stored, &mut self.content).map_err(UnpackError::Frame)?;
        let next = at + self.stored.len() as u32;
        self.decoded = Some((at, next));
        Ok(next)
    }

    /// Reads one frame into `stored`, and no further than it must: damage may lie behind it.
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
