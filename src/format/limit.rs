//! Section 11: the limits of every decoder. Units are last in the names.
#![expect(missing_docs, reason = "the names say it, and section 11 where each comes from")]

pub const OBJECT_NUMBER: u64 = (1 << 48) - 1;
pub const LABEL_BYTES: u64 = 64 << 10;
pub const PACK_BYTES: u64 = 1 << 30;
pub const FRAMES_IN_PACK: u64 = 65_536;
pub const FRAME_CONTENT_BYTES: u64 = 4 << 20;
pub const FRAME_STORED_BYTES: u64 = (4 << 20) + (4 << 10);
pub const CHUNKS_IN_FRAME: u64 = 65_536;
pub const CHUNK_BYTES: u64 = 4 << 20;
pub const INDEX_BYTES: u64 = 64 << 20;
pub const MANIFEST_BYTES: u64 = 256 << 20;
pub const SEAL_BYTES: u64 = 16 << 20;
pub const HEAD_BYTES: u64 = 4 << 10;
pub const OBJECTS_IN_LIST: u64 = 65_536;
pub const RECORD_BYTES: u64 = 64 << 20;
/// Section 6: a longer record may be divided among chunks.
pub const WHOLE_RECORD_BYTES: u64 = 64 << 10;
pub const PATH_BYTES: u64 = 1 << 20;
pub const COUNT: u64 = i64::MAX as u64;
/// Section 1: a reader that does not know one of a map's keys from 0 up to this one must not interpret the map.
pub const LAST_CRITICAL_KEY: u64 = 63;
/// Depth of nested arrays and maps, the outermost included.
pub const NESTED: u32 = 16;
/// Section 16: no drive takes longer blocks; with shorter ones a drive would stop and start.
pub const TAPE_BLOCK_BYTES: u64 = 8 << 20;
pub const TAPE_BLOCK_BYTES_LEAST: u64 = 4 << 10;
/// Section 16: more than fit on the largest cartridge; a list of them takes 100 MB.
pub const OBJECTS_ON_TAPE: u64 = 1 << 22;
/// Section 17: a proof, and its seals together; 2.5 million objects.
pub const PROOF_BYTES: u64 = 256 << 20;
/// Section 17: the height of a tree of `COUNT` records.
pub const PROOF_STEPS: u64 = 63;
/// Section 18: a reply with a chain of certificates has some 10 KB.
pub const STAMP_BYTES: u64 = 1 << 20;
