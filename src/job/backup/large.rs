//! A large file on its way through several workers.

use super::batch::Names;
use crate::buffer::Buffer;
use crate::format::entry::Core;
use crate::pipeline::packer::PlacedChunk;
use crate::tripwire::PreviousContent;
use crate::tripwire::content::ContentSample;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// A run of chunks of a large file.
pub struct Run {
    pub file: Arc<LargeFile>,
    pub index: usize,
    pub bytes: Buffer,
    pub cuts: Vec<u32>,
}

/// A file whose runs several workers store.
pub struct LargeFile {
    pub sequence: u64,
    pub names: Names,
    /// Set when the file has been read to its end.
    pub core: Mutex<Option<Box<Core>>>,
    pub pieces: Mutex<BTreeMap<usize, Vec<PlacedChunk>>>,
    /// Runs under way, and one for the reader.
    pub open: AtomicUsize,
    pub new_bytes: AtomicU64,
    pub before: Option<PreviousContent>,
    /// What was seen of its content.
    pub look: Mutex<Option<ContentSample>>,
}

impl LargeFile {
    pub fn new(sequence: u64, names: Names, before: Option<PreviousContent>) -> Arc<Self> {
        Arc::new(Self {
            sequence,
            names,
            core: Mutex::default(),
            pieces: Mutex::default(),
            open: AtomicUsize::new(1),
            new_bytes: AtomicU64::new(0),
            before,
            look: Mutex::default(),
        })
    }
}
