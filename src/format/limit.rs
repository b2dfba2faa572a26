//! Section 11: the limits of every decoder. Units are last in the names; a name without one is a count.
//!
//! A limit bounds the memory that a hostile or damaged object can demand. Most are well above what this program writes:
//! another writer has room.

/// Greatest object number: far above what any set reaches, and far enough below the `i64` of the catalog for sums.
pub const OBJECT_NUMBER: u64 = (1 << 48) - 1;
/// Bytes of a label: usually below 1 KiB; each recipient adds a short line.
pub const LABEL_BYTES: u64 = 64 << 10;
/// Bytes of a pack as stored, and of any object on tape. A restore may have a pack whole in memory.
pub const PACK_BYTES: u64 = 1 << 30;
/// Frames of one pack: in the largest one, 16 KiB for each.
pub const FRAMES_IN_PACK: u64 = 65_536;
/// Bytes of a frame's content, which is decoded whole: this program fills frames with 2 MiB.
pub const FRAME_CONTENT_BYTES: u64 = 4 << 20;
/// Bytes of a frame as stored: its content, and room for a header and for the 3 bytes before each block.
pub const FRAME_STORED_BYTES: u64 = (4 << 20) + (4 << 10);
/// Chunks of one frame: in the largest one, 64 bytes for each. A chunk may be a whole small file.
pub const CHUNKS_IN_FRAME: u64 = 65_536;
/// Bytes of a chunk: not more than a frame's content. Section 12 cuts at most 1.5 MiB.
pub const CHUNK_BYTES: u64 = 4 << 20;
/// Bytes of a pack's index: some 20 for each chunk, so three million chunks. The two counts alone would allow 2³².
pub const INDEX_BYTES: u64 = 64 << 20;
/// Bytes of a manifest, as stored and as CBOR. Both are in memory at once.
pub const MANIFEST_BYTES: u64 = 256 << 20;
/// Bytes of a seal: a head, and a line of some 180 for each object of its list.
pub const SEAL_BYTES: u64 = 16 << 20;
/// Bytes of a seal's head: some 900.
pub const HEAD_BYTES: u64 = 4 << 10;
/// Objects in the list of a seal: twice as many as a writer lists before it writes a checkpoint.
pub const OBJECTS_IN_LIST: u64 = 65_536;
/// Bytes of a record, `core` and extents together: at some 20 for an extent, three million extents of one file.
pub const RECORD_BYTES: u64 = 64 << 20;
/// Section 6: bytes of a record with its length; a longer one may be divided among chunks.
pub const WHOLE_RECORD_BYTES: u64 = 64 << 10;
/// Bytes of a path: Linux limits one call to 4 KiB, but not how deep folders can be nested.
pub const PATH_BYTES: u64 = 1 << 20;
/// Greatest generation, count and length, where no smaller limit is named: they must fit into the catalog's `i64`.
pub const COUNT: u64 = i64::MAX as u64;
/// Section 1: a reader that does not know one of a map's keys from 0 up to this one must not interpret the map.
pub const LAST_CRITICAL_KEY: u64 = 63;
/// Depth of nested arrays and maps, the outermost included. It bounds the stack that skipping an unknown value needs.
pub const NESTED: u32 = 16;
/// Section 16: most bytes of a block on tape. No drive takes longer ones.
pub const TAPE_BLOCK_BYTES: u64 = 8 << 20;
/// Section 16: fewest bytes of a block on tape. With shorter ones a drive would stop and start.
pub const TAPE_BLOCK_BYTES_LEAST: u64 = 4 << 10;
/// Section 16: more than fit on the largest cartridge; a list of them takes 100 MB.
pub const OBJECTS_ON_TAPE: u64 = 1 << 22;
/// Section 17: bytes of a proof, and of its seals together; 2.5 million objects.
pub const PROOF_BYTES: u64 = 256 << 20;
/// Section 17: the height of a tree of [`COUNT`] records.
pub const PROOF_STEPS: u64 = 63;
/// Section 18: bytes of a request or a reply. A reply with a chain of certificates has some 10 KB.
pub const STAMP_BYTES: u64 = 1 << 20;
