//! Frames. Only this module uses the `zstd` crate.
//!
//! A frame is one zstd frame (RFC 8878) with the length of its content, no dictionary and no checksum of zstd's own: the
//! segments of the age file around it are authenticated already. Content that does not compress is stored in raw blocks, which
//! this module writes itself: that costs a copy, while zstd would search for matches in vain.
//!
//! **Invariant:** [`Compressor::compress`] returns no frame that was not decoded again and found equal to its content.

use crate::format::pack::{Index, SKIPPABLE_MAGIC, TRAILER_BYTES};
use crate::format::{Malformed, limit};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use zstd::bulk;

/// First bytes of a zstd frame.
const MAGIC: u32 = 0xFD2F_B528;
/// The longest block that RFC 8878 allows.
const BLOCK_BYTES: usize = 128 << 10;
/// Bytes of a probe. One is taken from each [`BLOCK_BYTES`] of the content: a frame may mix content that compresses with
/// content that does not.
const PROBE_BYTES: usize = 8 << 10;
/// The probes' level. A faster one calls the noisy 16-bit images of scanners incompressible, of which level 1 saves a third.
const PROBE_LEVEL: i32 = 1;
/// Compression must save at least one part in so many to be worth its time here and at every restore.
const LEAST_SAVING: usize = 20;
/// Levels of zstd that may be asked for.
pub const LEVELS: std::ops::RangeInclusive<i32> = 1..=19;
/// The knee of zstd's curve on records and dumps: twice the time of level 3 saves 6 to 12 % more.
pub const DEFAULT_LEVEL: i32 = 3;
/// The highest level that [`CompressionLevel`] rises to: above it zstd's working memory counts against a run's bound.
const HIGHEST_LEVEL: i32 = 8;

/// The level that all compressors of a run share: fixed, or rising while the medium is slower than the cores.
pub struct CompressionLevel {
    level: AtomicI32,
    fixed: bool,
}

impl CompressionLevel {
    /// A fixed level, the nearest of [`LEVELS`]; `None`: an adaptive one that begins at [`DEFAULT_LEVEL`].
    pub fn new(level: Option<i32>) -> Self {
        let start = level.unwrap_or(DEFAULT_LEVEL).clamp(*LEVELS.start(), *LEVELS.end());
        Self { level: AtomicI32::new(start), fixed: level.is_some() }
    }

    /// The level for the next frame.
    pub fn get(&self) -> i32 {
        self.level.load(Relaxed)
    }

    /// For when the medium is slower than the cores: there is time to compress harder. No effect on a fixed level.
    pub fn raise(&self) {
        self.change(1);
    }

    /// For when the medium waits for packs. No effect on a fixed level.
    pub fn lower(&self) {
        self.change(-1);
    }

    fn change(&self, by: i32) {
        if !self.fixed {
            // Of two changes at once one may be lost; the next pack corrects it.
            self.level.store((self.get() + by).clamp(DEFAULT_LEVEL, HIGHEST_LEVEL), Relaxed);
        }
    }
}

/// Why content could not be compressed, or a frame not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header or the blocks break a rule of section 4, or announce more than the limit. Nothing was decoded.
    #[error("a frame is not what the format allows")]
    Malformed(#[from] Malformed),
    /// Header and lengths look right, but not what is in the blocks. Nothing of it is returned.
    #[error("damaged frame: zstd does not decode it")]
    Damaged {
        /// What zstd says.
        source: io::Error,
    },
    /// It decodes, but to another length than its header announces. Nothing of it is returned.
    #[error("damaged frame: it contains {found} bytes and announces {expected}")]
    Length {
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that were decoded.
        found: u64,
    },
    /// The caller's content is too long for one frame, and was not compressed.
    #[error("{size} bytes of content are more than the {limit} of a frame")]
    TooLarge {
        /// Bytes of the content.
        size: u64,
        /// The most bytes of this kind of frame, of [`limit`].
        limit: u64,
    },
    /// Memory or the processor has changed bytes: nothing that this host writes can be trusted.
    #[error("a frame does not decode to its content; this host's memory or processor is faulty")]
    Check,
    /// zstd gets no memory for its tables.
    #[error("zstd could not be set up")]
    SetUp {
        /// What zstd says.
        source: io::Error,
    },
    /// The payload could not be read while its index was looked for: damage of the age file, or of the medium.
    #[error("a pack could not be read")]
    Read {
        /// What the decryptor or the medium says.
        source: io::Error,
    },
}

/// Makes frames. It keeps its working memory, so each worker has one of its own.
pub struct Compressor {
    main: bulk::Compressor<'static>,
    level: i32,
    probe: bulk::Compressor<'static>,
    /// zstd's output, until it is known whether it is shorter.
    scratch: Vec<u8>,
    /// Decodes each frame again, into `decoded`.
    check: Decompressor,
    decoded: Vec<u8>,
}

impl Compressor {
    /// A level outside [`LEVELS`] becomes the nearest inside.
    pub fn new(level: i32) -> Result<Self, FrameError> {
        let set_up = |source| FrameError::SetUp { source };
        let level = level.clamp(*LEVELS.start(), *LEVELS.end());
        Ok(Self {
            main: bulk::Compressor::new(level).map_err(set_up)?,
            level,
            probe: bulk::Compressor::new(PROBE_LEVEL).map_err(set_up)?,
            scratch: vec![0; PROBE_BYTES],
            check: Decompressor::new()?,
            decoded: Vec::new(),
        })
    }

    /// Sets the level of the next frames.
    pub fn set_level(&mut self, level: i32) -> Result<(), FrameError> {
        if level != self.level {
            self.main.set_compression_level(level).map_err(|source| FrameError::SetUp { source })?;
            self.level = level;
        }
        Ok(())
    }

    /// Appends one frame with `content` and returns the frame's length. After an error `out` is unchanged.
    pub fn compress(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<u32, FrameError> {
        let stored = self.compress_within(content, limit::FRAME_CONTENT_BYTES, out)?;
        Ok(u32::try_from(stored).unwrap_or_else(|_| unreachable!("a frame's limit is far below")))
    }

    /// The same for a manifest, with a manifest's limit.
    pub fn compress_manifest(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<usize, FrameError> {
        self.compress_within(content, limit::MANIFEST_BYTES, out)
    }

    /// The same for the seals of a proof.
    pub fn compress_seals(&mut self, content: &[u8], out: &mut Vec<u8>) -> Result<usize, FrameError> {
        self.compress_within(content, limit::PROOF_BYTES, out)
    }

    fn compress_within(&mut self, content: &[u8], limit: u64, out: &mut Vec<u8>) -> Result<usize, FrameError> {
        let size = content.len() as u64;
        if size > limit {
            return Err(FrameError::TooLarge { size, limit });
        }
        let start = out.len();
        match if self.is_promising(content) { self.compress_smaller(content) } else { None } {
            Some(stored) => out.extend_from_slice(&self.scratch[..stored]),
            None => write_raw(content, out),
        }
        self.decoded.clear();
        let decoded = self.check.decompress_within(&out[start..], "frame", size, &mut self.decoded);
        if decoded.is_err() || self.decoded != content {
            out.truncate(start);
            return Err(FrameError::Check);
        }
        Ok(out.len() - start)
    }

    /// Whether a probe of any block compresses. Short content is not probed but compressed.
    fn is_promising(&mut self, content: &[u8]) -> bool {
        if content.len() < 4 * PROBE_BYTES {
            return true;
        }
        // A result that saves too little does not fit, and zstd returns an error.
        let room = PROBE_BYTES - PROBE_BYTES / LEAST_SAVING;
        content.chunks(BLOCK_BYTES).any(|block| {
            let from = block.len().saturating_sub(PROBE_BYTES) / 2;
            let probe = &block[from..block.len().min(from + PROBE_BYTES)];
            self.probe.compress_to_buffer(probe, &mut self.scratch[..room]).is_ok()
        })
    }

    /// Compresses into `scratch`; `None` if the result is not shorter than a raw frame.
    fn compress_smaller(&mut self, content: &[u8]) -> Option<usize> {
        let room = raw_length(content.len()) - 1;
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        self.main.compress_to_buffer(content, &mut self.scratch[..room]).ok()
    }
}

/// RFC 8878, 3.1.1.1.1: the length of the content in 4 bytes, a single segment, no checksum, no dictionary.
const RAW_DESCRIPTOR: u8 = 0b1010_0000;
/// The same for content of more than [`WINDOW_BYTES`], which only manifests and the seals of proofs have. In a single segment the
/// window would be the whole content; here it is 8 MiB (2^(10 + 13)), given in a byte of its own.
const LARGE_DESCRIPTOR: [u8; 2] = [0b1000_0000, 13 << 3];
/// The largest window that a decoder needs for a frame.
const WINDOW_BYTES: usize = 8 << 20;

fn raw_length(content: usize) -> usize {
    4 + 1 + usize::from(content > WINDOW_BYTES) + 4 + 3 * content.div_ceil(BLOCK_BYTES).max(1) + content
}

/// Appends a frame of raw blocks (RFC 8878, 3.1.1.2). Each has a header of 3 bytes: bit 0 is set in the last one, bits 1 and 2
/// are type 0, the others are the length.
fn write_raw(content: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw_length(content.len()));
    out.extend_from_slice(&MAGIC.to_le_bytes());
    match content.len() > WINDOW_BYTES {
        true => out.extend_from_slice(&LARGE_DESCRIPTOR),
        false => out.push(RAW_DESCRIPTOR),
    }
    let size = u32::try_from(content.len()).unwrap_or_else(|_| unreachable!("its limit is far below"));
    out.extend_from_slice(&size.to_le_bytes());
    let mut rest = content;
    loop {
        let (block, more) = rest.split_at(rest.len().min(BLOCK_BYTES));
        let header = (block.len() as u32) << 3 | u32::from(more.is_empty());
        out.extend_from_slice(&header.to_le_bytes()[..3]);
        out.extend_from_slice(block);
        if more.is_empty() {
            return;
        }
        rest = more;
    }
}

/// Decodes frames. It keeps its working memory, so each worker has one of its own.
pub struct Decompressor {
    context: bulk::Decompressor<'static>,
}

impl Decompressor {
    /// Fails only where zstd gets no memory.
    pub fn new() -> Result<Self, FrameError> {
        Ok(Self { context: bulk::Decompressor::new().map_err(|source| FrameError::SetUp { source })? })
    }

    /// Appends the content of `stored`, exactly one frame. After an error `out` is unchanged.
    pub fn decompress(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        Malformed::limit("frame, stored", stored.len() as u64, limit::FRAME_STORED_BYTES)?;
        self.decompress_within(stored, "frame, content", limit::FRAME_CONTENT_BYTES, out)
    }

    /// The same for a manifest, with a manifest's limit.
    pub fn decompress_manifest(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        Malformed::limit("manifest, stored", stored.len() as u64, limit::MANIFEST_BYTES)?;
        self.decompress_within(stored, "manifest", limit::MANIFEST_BYTES, out)
    }

    /// The same for the seals of a proof.
    pub fn decompress_seals(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        Malformed::limit("seals of a proof, stored", stored.len() as u64, limit::PROOF_BYTES)?;
        self.decompress_within(stored, "seals of a proof", limit::PROOF_BYTES, out)
    }

    fn decompress_within(&mut self, stored: &[u8], what: &'static str, limit: u64, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let size = content_size(stored)?;
        Malformed::limit(what, size, limit)?;
        let found = whole_length(stored)?;
        if found != stored.len() {
            return Err(malformed("bytes behind the frame").into());
        }
        self.decode(stored, size, out)
    }

    fn decode(&mut self, stored: &[u8], size: u64, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let start = out.len();
        out.reserve(size as usize);
        let mut space = Cursor::new(&mut *out);
        space.set_position(start as u64);
        let result = self.context.decompress_to_buffer(stored, &mut space);
        let found = (out.len() - start) as u64;
        match result {
            Ok(_) if found == size => Ok(()),
            Ok(_) => {
                out.truncate(start);
                Err(FrameError::Length { expected: size, found })
            }
            Err(source) => {
                out.truncate(start);
                Err(FrameError::Damaged { source })
            }
        }
    }
}

/// The length of the content, from a frame's first bytes (18 are enough). Refuses frames that the format does not allow:
/// skippable and legacy ones, and those without the length of their content or with a dictionary.
///
/// The frame only claims this length: compare it with a limit.
pub fn content_size(frame: &[u8]) -> Result<u64, Malformed> {
    let short = || malformed("it ends in its header");
    let (magic, rest) = frame.split_first_chunk().ok_or_else(short)?;
    if u32::from_le_bytes(*magic) != MAGIC {
        return Err(malformed("it does not begin as a zstd frame does"));
    }
    let (&descriptor, rest) = rest.split_first().ok_or_else(short)?;
    let single_segment = descriptor & 0b0010_0000 != 0;
    if descriptor & 0b0000_1000 != 0 {
        return Err(malformed("a reserved bit is set"));
    }
    if descriptor & 0b0000_0011 != 0 {
        return Err(malformed("it needs a dictionary"));
    }
    // A frame of several segments has its window in one byte before the length.
    let field = if single_segment { rest } else { rest.get(1..).ok_or_else(short)? };
    let (bytes, plus) = match descriptor >> 6 {
        0 if single_segment => (1, 0),
        0 => return Err(malformed("it does not say the length of its content")),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let field = field.get(..bytes).ok_or_else(short)?;
    let mut value = [0; 8];
    value[..bytes].copy_from_slice(field);
    Ok(u64::from_le_bytes(value) + plus)
}

/// The length of the frame at the beginning of `bytes`, from its block headers; at most a frame's limit. More bytes may follow.
pub fn frame_length(bytes: &[u8]) -> Result<usize, Malformed> {
    Malformed::limit("frame, content", content_size(bytes)?, limit::FRAME_CONTENT_BYTES)?;
    let length = whole_length(bytes)?;
    Malformed::limit("frame, stored", length as u64, limit::FRAME_STORED_BYTES)?;
    Ok(length)
}

fn whole_length(bytes: &[u8]) -> Result<usize, Malformed> {
    zstd::zstd_safe::find_frame_compressed_size(bytes).map_err(|_| malformed("its blocks are damaged or cut short"))
}

fn malformed(why: &str) -> Malformed {
    Malformed::new("frame", why)
}

/// Reads the index from the end of a pack's payload. The read position afterwards is undefined.
pub fn read_index(payload: &mut (impl Read + Seek)) -> Result<Index, FrameError> {
    let failed = |source| FrameError::Read { source };
    let cut_short = || Malformed::new("pack", "it is too short for its index");
    let end = payload.seek(SeekFrom::End(0)).map_err(failed)?;
    let trailer_at = end.checked_sub(TRAILER_BYTES as u64).ok_or_else(cut_short)?;
    payload.seek(SeekFrom::Start(trailer_at)).map_err(failed)?;
    let mut trailer = [0; TRAILER_BYTES];
    payload.read_exact(&mut trailer).map_err(failed)?;
    let length = Index::length(trailer)?;
    // The skippable frame: its header (magic number and length), the index, the trailer.
    let start = trailer_at.checked_sub(length as u64 + 8).ok_or_else(cut_short)?;
    payload.seek(SeekFrom::Start(start)).map_err(failed)?;
    let mut bytes = vec![0; 8 + length];
    payload.read_exact(&mut bytes).map_err(failed)?;
    let (header, index) = bytes.split_at(8);
    let announced = (length + TRAILER_BYTES) as u32;
    if header[..4] != SKIPPABLE_MAGIC.to_le_bytes() || header[4..] != announced.to_le_bytes() {
        return Err(Malformed::new("pack", "its index is not in a skippable frame").into());
    }
    let index = Index::decode(index)?;
    if index.frames.iter().map(|f| u64::from(f.stored)).sum::<u64>() != start {
        return Err(Malformed::new("pack", "the frames in its index do not end where the index begins").into());
    }
    Ok(index)
}

/// Fails unless a pack's payload has exactly the frames that its index lists.
pub fn check_frames(payload: &[u8], index: &Index) -> Result<(), FrameError> {
    let misfit = || malformed("it is not what its pack's index says");
    let mut rest = payload;
    for frame in &index.frames {
        let (stored, after) = rest.split_at_checked(frame.stored as usize).ok_or_else(misfit)?;
        if content_size(stored)? != frame.content() || whole_length(stored)? != stored.len() {
            return Err(misfit().into());
        }
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
