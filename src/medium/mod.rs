//! Where objects are stored: the append-only trait and its kinds.
//!
//! A medium knows numbers, kinds and bytes. It has no keys, decodes no object but the label that says which set a
//! folder or cartridge belongs to, and decides nothing: which number comes next, what is whole and what is void is
//! decided by the set's log.
//!
//! **Invariant:** [`Medium`] has no call that removes, renames or overwrites, and no kind of medium adds one.

mod attached;
mod device;
mod direct;
pub mod directory;
mod error;
mod file_system;
mod in_memory;
mod layout;
pub mod loader;
mod lock;
mod mounts;
mod probe;
mod request;
pub mod scsi;
mod sets;
#[cfg(feature = "simulated")]
pub mod simulated;
mod span;
pub mod tape;

pub use attached::{AttachedMedium, Writable, device_name, disk_with_name, is_writable};
pub use device::{WatchedDisk, watch};
pub use directory::Directory;
pub use error::{ChangerProblem, DeviceProblem, ErrorCategory, MediumError};
pub use file_system::FileSystem;
pub use layout::FOLDER;
pub use loader::Loader;
pub use mounts::{is_mounted, mount_points};
pub use sets::{BrokenLabel, SetOnMedium, Sets};
pub use span::{SpanningMedium, bring};
pub use tape::Tape;

use crate::format::digests::{Digests, Hashes};
use crate::format::object::ObjectKind;
use crate::format::seal::ReadBack;
use std::ffi::OsString;
use std::io::{Cursor, Read, Seek};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// One medium's part of one set's log.
///
/// Calls may come from several threads at once. Appends may come in any order of numbers. A medium that writes one
/// object after the other (a tape) serves them in the order of the calls.
///
/// These promises are the same for every kind of medium, and tested for every kind in `tests/medium_contract.rs`:
///
/// - An object that `append` and a later `sync` both answered with `Ok` survives a power cut, whole.
/// - Without that `sync` it may be whole, torn (a prefix), or absent afterwards, whatever was appended before or after
///   it.
/// - A failed `append` may leave a torn object, since nothing can remove it. The object keeps its number, which is
///   never used again.
/// - After a failed `sync` nothing since the last successful one is known to be stored, and every later `append` and
///   `sync` fails likewise: the kernel reports a lost write once and then forgets it, so a second attempt would wrongly
///   return `Ok`.
pub trait Medium: Send + Sync {
    /// The set's objects on this medium, ascending by number. Kind and number come from the name, the length from the
    /// file system. Nothing is read, so a torn object is listed like a whole one.
    fn list(&self) -> Result<Listing, MediumError>;

    /// Appends one object. Its number must not be in use on this medium, under any kind: else [`MediumError::Exists`],
    /// and the stored object stays as it is. `kind` is never [`ObjectKind::Void`]: that is how a seal lists a leftover,
    /// not a name.
    ///
    /// Not durable before [`Medium::sync`]; readable at once.
    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<(), MediumError>;

    /// Makes everything durable whose `append` returned before this call began.
    fn sync(&self) -> Result<(), MediumError>;

    /// Reads an object again from the medium itself, past the operating system's cache where possible, and says whether
    /// that was possible. Never claims more than is known.
    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread, MediumError>;

    /// Opens an object for reading. The result works for as long as the medium is attached, also when `self` is
    /// dropped.
    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError>;

    /// Fails if the medium is not attached any more. Called after an object could not be read, to distinguish a missing
    /// medium from damage.
    fn check_attached(&self) -> Result<(), MediumError> {
        Ok(())
    }

    /// Fails if the medium is not attached any more, or if the last [`Medium::list`] may have missed objects, because the disk had
    /// errors meanwhile: FAT leaves out what it cannot read, and says nothing. Called before the set is said to lack something.
    fn check_complete(&self) -> Result<(), MediumError> {
        Ok(())
    }

    /// Bytes that may still be appended; `None` where the medium cannot say. An estimate: file systems need some for
    /// themselves.
    fn free_bytes(&self) -> Option<u64>;

    /// Whether reading and appending in turns is expensive: a tape has one head.
    fn is_sequential(&self) -> bool {
        false
    }

    /// Whether it has given early warning: only a closing seal still fits.
    fn is_nearly_full(&self) -> bool {
        false
    }

    /// Numbers of the objects that can be read without changing the medium.
    fn attached_objects(&self) -> RangeInclusive<u64> {
        0..=u64::MAX
    }

    /// What and where this medium is, for reports.
    fn describe(&self) -> Description;
}

/// Stands for a medium that has been taken out. Every call fails with [`MediumError::Gone`].
#[derive(Debug, Clone, Copy)]
pub struct NoMedium;

impl NoMedium {
    fn gone<T>() -> Result<T, MediumError> {
        Err(MediumError::Gone { medium: "-".into(), what: "opening the folder", source: None })
    }
}

impl Medium for NoMedium {
    fn list(&self) -> Result<Listing, MediumError> {
        Self::gone()
    }

    fn append(&self, _: u64, _: ObjectKind, _: &[u8]) -> Result<(), MediumError> {
        Self::gone()
    }

    fn sync(&self) -> Result<(), MediumError> {
        Self::gone()
    }

    fn read_back(&self, _: u64, _: ObjectKind, _: Hashes) -> Result<Reread, MediumError> {
        Self::gone()
    }

    fn open(&self, _: u64, _: ObjectKind) -> Result<Box<dyn OpenObject>, MediumError> {
        Self::gone()
    }

    fn check_attached(&self) -> Result<(), MediumError> {
        Self::gone()
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Memory, path: PathBuf::new(), immutable: Immutable::Off }
    }
}

/// An object opened for reading.
pub trait OpenObject: Read + Seek + Send {
    /// Bytes, as they were when it was opened.
    fn length(&self) -> u64;

    /// Bytes that are lost together if one of them cannot be read, counted from the object's beginning: a disk's
    /// sector, a tape's block.
    fn grain(&self) -> u64 {
        4096
    }
}

impl OpenObject for Cursor<Vec<u8>> {
    fn length(&self) -> u64 {
        self.get_ref().len() as u64
    }
}

/// What is stored on a medium.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Ascending by number.
    pub objects: Vec<Listed>,
    /// Names that no object has, and objects' names in a wrong place or on something else than a plain file: the first
    /// [`FOREIGN_NAMES`], sorted. Of a folder medium, paths below the set's folder; of a tape, the paths that further
    /// objects with one number and kind would have there, `@`, and the address of their headers.
    pub foreign: Vec<OsString>,
    /// How many foreign names there are in all.
    pub foreign_count: u64,
    /// Names that desktop systems leave in any folder: no fault. As many, and as sorted.
    pub litter: Vec<OsString>,
}

impl Listing {
    /// What desktop systems have left, for people.
    pub fn litter_names(&self) -> Vec<String> {
        self.litter.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

/// The most foreign names in a [`Listing`]: enough to show, too few to fill the memory.
pub const FOREIGN_NAMES: usize = 1000;

/// What a medium knows of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The object's number in the log.
    pub number: u64,
    /// Never [`ObjectKind::Void`].
    pub kind: ObjectKind,
    /// Bytes.
    pub length: u64,
}

/// What [`Medium::read_back`] has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reread {
    /// Bytes read.
    pub length: u64,
    /// Of them: those that were asked for.
    pub digests: Digests,
    /// Whether they came from the medium or from a cache, as far as is known.
    pub how: ReadBack,
}

/// What and where a medium is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The kind of file system, or of what is in its stead.
    pub file_system: FileSystem,
    /// The set's folder, or the tape device.
    pub path: PathBuf,
    /// Whether stored objects carry the immutable attribute.
    pub immutable: Immutable,
}

/// Whether stored objects carry the immutable attribute (`chattr +i`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Immutable {
    /// Not asked for.
    Off,
    /// Objects get it.
    On,
    /// Asked for, but the file system or the privileges do not allow it.
    Refused {
        /// The kernel's reason.
        why: String,
    },
}
