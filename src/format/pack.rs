//! Section 4: what lies inside a pack: frames, and the index behind them.

use super::cbor::{CborReader, CborWriter};
use super::{Malformed, limit};

const WHAT: &str = "index";
/// The first item of an index.
const VERSION: u64 = 1;
/// First bytes of the skippable frame that ends a pack's payload.
pub const SKIPPABLE_MAGIC: u32 = 0x184D_2A5A;
/// Last bytes of a pack's payload.
pub const INDEX_MAGIC: [u8; 4] = *b"AZIX";
/// Bytes at the payload's end that locate the index: its length and [`INDEX_MAGIC`].
pub const TRAILER_BYTES: usize = 8;

/// Names a chunk inside its set: the first 16 bytes of `KH(K_id, H(chunk))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkId(pub [u8; 16]);

/// Where bytes of content are stored: `length` bytes from `offset` in the frame at payload byte `frame` of pack `object`,
/// continued in the next frames of that pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Number of the pack.
    pub object: u64,
    /// Where the frame begins in the pack's payload, in bytes.
    pub frame: u32,
    /// Where the bytes begin in the frame's content.
    pub offset: u32,
    /// Bytes; never 0.
    pub length: u64,
}

/// Fewest bytes of an encoded extent.
const EXTENT_BYTES: usize = 5;

pub(super) fn write_extents(w: &mut CborWriter, extents: &[Extent]) {
    w.array(extents.len() as u64);
    for x in extents {
        w.array(4).u64(x.object).u32(x.frame).u32(x.offset).u64(x.length);
    }
}

pub(super) fn read_extents(r: &mut CborReader) -> Result<Vec<Extent>, Malformed> {
    let n = r.array()?;
    let mut extents = Vec::with_capacity(r.capacity(n, EXTENT_BYTES));
    for _ in 0..n {
        r.tuple(4)?;
        let x = Extent { object: r.uint()?, frame: r.u32()?, offset: r.u32()?, length: r.count()? };
        Malformed::limit("object number", x.object, limit::OBJECT_NUMBER)?;
        Malformed::limit("offset in a frame", x.offset.into(), limit::FRAME_CONTENT_BYTES)?;
        if x.length == 0 {
            return Err(r.wrong("empty extent"));
        }
        extents.push(x);
    }
    Ok(extents)
}

/// One frame in a pack's index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Bytes that the frame takes in the payload.
    pub stored: u32,
    /// Id and length of each chunk, in stored order.
    pub chunks: Vec<(ChunkId, u32)>,
}

impl Frame {
    /// Bytes of content.
    pub fn content(&self) -> u64 {
        self.chunks.iter().map(|(_, n)| u64::from(*n)).sum()
    }
}

/// A pack's index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// In stored order, without gaps from the payload's first byte on.
    pub frames: Vec<Frame>,
}

impl Index {
    /// Appends the skippable frame that ends the payload.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&SKIPPABLE_MAGIC.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        let content = out.len();
        let mut w = CborWriter::new(out);
        w.array(2).u64(VERSION).array(self.frames.len() as u64);
        for f in &self.frames {
            let ids: Vec<u8> = f.chunks.iter().flat_map(|(id, _)| id.0).collect();
            w.array(3).u32(f.stored).bytes(&ids).array(f.chunks.len() as u64);
            for (_, n) in &f.chunks {
                w.u32(*n);
            }
        }
        let index = (out.len() - content) as u32;
        out.extend_from_slice(&index.to_le_bytes());
        out.extend_from_slice(&INDEX_MAGIC);
        let skippable = (out.len() - content) as u32;
        out[start + 4..content].copy_from_slice(&skippable.to_le_bytes());
    }

    /// The length of the index from a payload's last [`TRAILER_BYTES`].
    pub fn length(trailer: [u8; TRAILER_BYTES]) -> Result<usize, Malformed> {
        let [a, b, c, d, magic @ ..] = trailer;
        if magic != INDEX_MAGIC {
            return Err(Malformed::new("pack", "no index at its end"));
        }
        let n = u32::from_le_bytes([a, b, c, d]);
        Malformed::limit(WHAT, n.into(), limit::INDEX_BYTES)?;
        Ok(n as usize)
    }

    /// Decodes the CBOR of an index (without the skippable frame's header and trailer).
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit(WHAT, bytes.len() as u64, limit::INDEX_BYTES)?;
        // Of another version, nothing is known but its first item.
        Self::read(bytes).map_err(|e| newer(bytes).unwrap_or(e))
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(bytes, WHAT);
        r.tuple(2)?;
        if r.uint()? != VERSION {
            return Err(r.wrong("another version"));
        }
        let n = r.array()?;
        Malformed::limit("frames in a pack", n, limit::FRAMES_IN_PACK)?;
        let mut frames = Vec::with_capacity(r.capacity(n, 4));
        let mut payload = 0u64;
        for _ in 0..n {
            r.tuple(3)?;
            let stored = r.u32()?;
            Malformed::limit("frame, stored", stored.into(), limit::FRAME_STORED_BYTES)?;
            payload += u64::from(stored);
            let ids = r.bytes()?;
            let lengths = r.array()?;
            Malformed::limit("chunks in a frame", lengths, limit::CHUNKS_IN_FRAME)?;
            let (ids, rest) = ids.as_chunks::<16>();
            if !rest.is_empty() || ids.len() as u64 != lengths {
                return Err(r.wrong("ids and lengths do not match"));
            }
            if stored == 0 || ids.is_empty() {
                return Err(r.wrong("empty frame"));
            }
            let mut frame = Frame { stored, chunks: Vec::with_capacity(ids.len()) };
            for id in ids {
                let n = r.u32()?;
                Malformed::limit("chunk", n.into(), limit::CHUNK_BYTES)?;
                if n == 0 {
                    return Err(r.wrong("empty chunk"));
                }
                frame.chunks.push((ChunkId(*id), n));
            }
            Malformed::limit("frame, content", frame.content(), limit::FRAME_CONTENT_BYTES)?;
            frames.push(frame);
        }
        Malformed::limit("pack", payload, limit::PACK_BYTES)?;
        r.end()?;
        Ok(Self { frames })
    }
}

/// The error if bytes that cannot be decoded are CBOR, and an index of another version.
fn newer(bytes: &[u8]) -> Option<Malformed> {
    let mut r = CborReader::new(bytes, WHAT);
    let items = r.array().ok().filter(|n| *n > 0)?;
    let start = r.position();
    r.skip(1).ok()?;
    let version = CborReader::new(r.since(start), WHAT).uint();
    (1..items).try_for_each(|_| r.skip(1)).and_then(|()| r.end()).ok()?;
    match version {
        Ok(VERSION) => None,
        Ok(found) => Some(Malformed::Newer { what: WHAT, found }),
        Err(_) => Some(r.unknown("its version is no number")),
    }
}
