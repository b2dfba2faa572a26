//! What flows between the stations of a backup: batches of entries, in the order of the entry stream.

use super::command::CommandLine;
use super::record_budget::record_bytes;
use crate::format::entry::Core;
use crate::pipeline::place::PlacedChunk;
use crate::pipeline::source::WalkedEntry;
use crate::tripwire::PreviousContent;
use std::sync::Arc;

/// Records of the last generation whose entries have not changed.
#[derive(Default)]
pub struct UnchangedRecords {
    /// Whole records, side by side, each with its length prefix.
    pub bytes: Vec<u8>,
    /// Of each record: its length without the prefix, and the length of its `core`.
    pub records: Vec<(u32, u32)>,
    /// If further names follow, this is the only record.
    pub further_names: FurtherNames,
}

/// Whether further names of the same file follow in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FurtherNames {
    #[default]
    None,
    Follow,
}

/// A further name of a file.
pub struct HardLink {
    pub path: Vec<u8>,
    /// The file's first name.
    pub first: Arc<[u8]>,
    /// No more names follow.
    pub is_last: bool,
}

/// An entry from the merge.
pub enum WalkEntry {
    Unchanged(UnchangedRecords),
    /// An entry without content, described in full.
    Described(Box<Core>, FurtherNames),
    /// A file to be read, and its content in the last generation.
    File(WalkedEntry, FurtherNames, Option<PreviousContent>),
    /// A command whose standard output is to be read, and that output in the last generation.
    Output(Box<Core>, Box<CommandLine>, Option<PreviousContent>),
    Link(HardLink),
}

impl WalkEntry {
    /// The entry, if it needs no worker: there is nothing to be read.
    pub fn without_content(self) -> Result<StoredEntry, Self> {
        match self {
            Self::Unchanged(records) => Ok(StoredEntry::Unchanged(records)),
            Self::Described(core, further_names) => Ok(StoredEntry::Stored { core, pieces: Vec::new(), further_names }),
            Self::Link(link) => Ok(StoredEntry::Link(link)),
            Self::File(..) | Self::Output(..) => Err(self),
        }
    }

    /// Bytes that its record is known to take in memory.
    pub fn record_bytes(&self) -> u64 {
        match self {
            Self::Unchanged(records) => records.bytes.len() as u64,
            Self::Described(core, _) | Self::Output(core, ..) => record_bytes(core),
            Self::File(found, ..) => found.path.len() as u64,
            Self::Link(link) => link.path.len() as u64,
        }
    }

    pub fn has_content(&self) -> bool {
        matches!(self, Self::File(..) | Self::Output(..))
    }
}

/// An entry whose content is stored. Its record can be written when the packs of all pieces have their numbers.
pub enum StoredEntry {
    Unchanged(UnchangedRecords),
    Stored { core: Box<Core>, pieces: Vec<PlacedChunk>, further_names: FurtherNames },
    Link(HardLink),
}

impl StoredEntry {
    /// Bytes that its record takes in memory, but for its extents.
    pub fn record_bytes(&self) -> u64 {
        match self {
            Self::Unchanged(records) => records.bytes.len() as u64,
            Self::Stored { core, .. } => record_bytes(core),
            Self::Link(link) => link.path.len() as u64,
        }
    }
}

/// Entries that go through the stations together.
pub struct FoundBatch {
    /// 0, 1, 2 … in the order of the entry stream.
    pub sequence: u64,
    pub entries: Vec<WalkEntry>,
}

/// A batch whose content is stored.
pub struct StoredBatch {
    /// Of the [`FoundBatch`].
    pub sequence: u64,
    pub entries: Vec<StoredEntry>,
}
