//! A large file, which several workers store.

use super::entries::FurtherNames;
use crate::buffer::Buffer;
use crate::format::entry::Core;
use crate::pipeline::place::PlacedChunk;
use crate::tripwire::PreviousContent;
use crate::tripwire::content::ContentSample;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// A run of chunks of a large file.
pub struct ChunkRun {
    pub file: Arc<LargeFile>,
    /// 0, 1, 2 … within the file.
    pub index: usize,
    pub bytes: Buffer,
    /// The lengths of the chunks.
    pub cuts: Vec<u32>,
}

/// What the merge knows of a file with content.
pub struct FileFacts {
    /// Of its batch. A large file is alone in it.
    pub sequence: u64,
    pub further_names: FurtherNames,
    /// Its content in the last generation.
    pub previous: Option<PreviousContent>,
}

/// A file whose runs several workers store.
pub struct LargeFile {
    pub facts: FileFacts,
    /// Set when the file has been read to its end.
    pub core: Mutex<Option<Box<Core>>>,
    /// By the index of the run.
    pub pieces: Mutex<BTreeMap<usize, Vec<PlacedChunk>>>,
    /// Runs that are not stored yet, and one for the reader.
    pub open: AtomicUsize,
    /// Bytes of its chunks that the set did not have.
    pub new_bytes: AtomicU64,
    /// What the tripwires measure of its content.
    pub sample: Mutex<Option<ContentSample>>,
}

impl LargeFile {
    pub fn new(facts: FileFacts) -> Arc<Self> {
        Arc::new(Self {
            facts,
            core: Mutex::default(),
            pieces: Mutex::default(),
            open: AtomicUsize::new(1),
            new_bytes: AtomicU64::new(0),
            sample: Mutex::default(),
        })
    }
}
