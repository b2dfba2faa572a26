//! Where objects are kept: the append-only trait and its kinds.
//!
//! A medium knows numbers, kinds and bytes. It knows no keys, reads no object's inside (but for the label that says whose
//! set a folder is) and decides nothing: which number comes next, what is whole and what is void is the log's business.
//!
//! **Invariant:** [`Medium`] has no call that removes, renames or overwrites, and no kind of medium keeps one of its own.

mod attached;
mod direct;
pub mod directory;
mod error;
mod file_system;
mod in_memory;
pub mod loader;
mod lock;
mod sets;
pub mod simulated;
mod span;
pub mod tape;

pub use attached::{AttachedMedium, Writable};
pub use directory::{Directory, Immutable};
pub use error::{Blame, DeviceProblem, MediumError};
pub use file_system::{FileSystem, device_name, is_writable, watch};
pub use loader::Loader;
pub use sets::{BrokenLabel, SetOnMedium, Sets};
pub use span::{SpanningMedium, bring};
pub use tape::Tape;

use crate::format::object::ObjectKind;
use crate::format::seal::ReadBack;
use std::ffi::OsString;
use std::io::{Cursor, Read, Seek};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// One medium's part of one set's log.
///
/// Calls may come from several threads at once. Appends may come in any order of numbers; a medium that can only take them
/// one behind the other (a tape) answers in the order of the calls.
///
/// What holds for every kind, and is tested for every kind in `tests/medium_contract.rs`:
///
/// - An object that `append` and a later `sync` both answered with `Ok` survives a power cut, whole.
/// - Without that `sync` it may be whole, torn (a prefix), or absent afterwards, whatever came before or behind it.
/// - A failed `append` may leave a torn object: nothing here can remove it. It keeps its number, which is never used again.
/// - After a failed `sync` nothing since the last good one is known to be stored, and every later `append` and `sync` fails
///   likewise: the kernel reports a lost write once and then forgets it, so a second attempt would answer `Ok` wrongly.
pub trait Medium: Send + Sync {
    /// The set's objects on this medium, ascending by number. Kind and number come from the name, the length from the file
    /// system; nothing is read, so a torn object is listed like a whole one.
    fn list(&self) -> Result<Listing, MediumError>;

    /// Appends one object. Its number must not be in use on this medium, under any kind: else [`MediumError::Exists`], and
    /// what is there stays as it is. `kind` is never [`ObjectKind::Void`]: that is what a seal calls a leftover, not a name.
    ///
    /// Not durable before [`Medium::sync`]; readable at once.
    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<(), MediumError>;

    /// Makes everything durable whose `append` returned before this call began.
    fn sync(&self) -> Result<(), MediumError>;

    /// Reads an object again from the medium itself, past the operating system's cache where that can be had, and says how
    /// good it was. It never claims more than is known.
    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread, MediumError>;

    /// Opens an object for reading. The answer keeps working while the medium stays attached, whatever becomes of `self`.
    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError>;

    /// Asked when something could not be read: fails when that is no wonder, because the medium itself is not there any more.
    fn is_there(&self) -> Result<(), MediumError> {
        Ok(())
    }

    /// Bytes that may still be appended; `None` where the medium cannot say. A guess: file systems need some for themselves.
    fn free_bytes(&self) -> Option<u64>;

    /// Whether reading back while more is appended costs more than time on the same disk: a tape has one head.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Whether it has said that only what closes it has room yet.
    fn is_nearly_full(&self) -> bool {
        false
    }

    /// Numbers of objects that can be read without anybody bringing another medium.
    fn at_hand(&self) -> RangeInclusive<u64> {
        0..=u64::MAX
    }

    /// What and where this medium is, for reports.
    fn describe(&self) -> Description;
}

/// In the place of a medium that has been taken out.
#[derive(Debug, Clone, Copy)]
pub struct Absent;

impl Absent {
    fn gone<T>() -> Result<T, MediumError> {
        Err(MediumError::Gone { place: "-".into(), what: "opening the folder", source: None })
    }
}

impl Medium for Absent {
    fn list(&self) -> Result<Listing, MediumError> {
        Self::gone()
    }

    fn append(&self, _: u64, _: ObjectKind, _: &[u8]) -> Result<(), MediumError> {
        Self::gone()
    }

    fn sync(&self) -> Result<(), MediumError> {
        Self::gone()
    }

    fn read_back(&self, _: u64, _: ObjectKind) -> Result<Reread, MediumError> {
        Self::gone()
    }

    fn open(&self, _: u64, _: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError> {
        Self::gone()
    }

    fn is_there(&self) -> Result<(), MediumError> {
        Self::gone()
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Memory, place: PathBuf::new(), immutable: Immutable::Off }
    }
}

/// An object opened for reading.
pub trait OpenObject: Read + Seek + Send {
    /// Bytes, as they were when it was opened.
    fn length(&self) -> u64;

    /// Bytes that are lost together when one of them cannot be read, counted from the beginning: a disk's sector, a tape's block.
    fn grain(&self) -> u64 {
        4096
    }
}

impl OpenObject for Cursor<Vec<u8>> {
    fn length(&self) -> u64 {
        self.get_ref().len() as u64
    }
}

/// What lies on a medium.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Ascending by number.
    pub objects: Vec<Listed>,
    /// Names that are no object's, and objects' names on what is not a plain file: the first [`FOREIGN_NAMES`], sorted.
    pub foreign: Vec<OsString>,
    /// How many foreign names there are in all.
    pub foreign_count: u64,
}

/// How many foreign names a [`Listing`] holds at most: enough to show, not enough to fill the memory.
pub const FOREIGN_NAMES: usize = 1000;

/// An object as a medium knows it without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    pub number: u64,
    pub kind: ObjectKind,
    /// Bytes.
    pub length: u64,
}

/// What [`Medium::read_back`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reread {
    /// Bytes read.
    pub length: u64,
    /// BLAKE3 of them.
    pub digest: [u8; 32],
    pub how: ReadBack,
}

/// What and where a medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub file_system: FileSystem,
    /// The set's folder.
    pub place: PathBuf,
    /// Whether stored objects carry the immutable attribute.
    pub immutable: Immutable,
}
