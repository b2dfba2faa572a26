//! What flows between the stations of a backup: batches of entries, in the order of the entry stream.

use crate::format::entry::Core;
use crate::pipeline::packer::PlacedChunk;
use crate::pipeline::source::WalkedEntry;
use crate::tripwire::PreviousContent;
use std::sync::Arc;

/// Records taken over from the last generation as they are.
#[derive(Default)]
pub struct Verbatim {
    /// Whole records, side by side, each with its length prefix.
    pub bytes: Vec<u8>,
    /// Of each record: its length without the prefix, and the length of its `core`.
    pub records: Vec<(u32, u32)>,
    /// The only record is the first name of a file with further names to come.
    pub names: Names,
}

/// Whether further names of the same file follow in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Names {
    #[default]
    One,
    First,
}

/// A further name of a file.
pub struct HardLink {
    pub path: Vec<u8>,
    /// The file's first name.
    pub first: Arc<[u8]>,
    /// No more names follow.
    pub last: bool,
}

/// An entry on its way to the workers.
pub enum Item {
    Verbatim(Verbatim),
    /// Needs nothing more.
    Ready(Box<Core>, Names),
    /// A file to be read, and what was there before.
    Read(WalkedEntry, Names, Option<PreviousContent>),
    /// The standard output of a command, and what it was before.
    Stream(Box<Core>, Box<dyn std::io::Read + Send>, Option<PreviousContent>),
    Link(HardLink),
}

/// An entry whose content is stored, as soon as the packs of its pieces are finished.
pub enum Stored {
    Verbatim(Verbatim),
    Entry { core: Box<Core>, pieces: Vec<PlacedChunk>, names: Names },
    Link(HardLink),
}

/// Entries that go through the stations together.
pub struct Batch {
    /// 0, 1, 2 … in the order of the entry stream.
    pub sequence: u64,
    pub items: Vec<Item>,
}

/// A batch that the workers are done with.
pub struct Finished {
    pub sequence: u64,
    pub items: Vec<Stored>,
}
