//! What can go wrong with a medium.

use crate::format::Malformed;
use crate::format::object::{Id, ObjectKind};
use crate::medium::scsi::Sense;
use std::io;
use std::path::PathBuf;

/// What an error is about. A program's exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCategory {
    /// Wrong, missing, full, read-only, unplugged or busy: bring another medium, or this one again.
    Medium,
    /// Something that was stored cannot be read as it was.
    Damage,
    /// The program or the machine.
    Program,
}

/// Why a tape device cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceProblem {
    /// It is the device that rewinds, `/dev/st0` instead of `/dev/nst0`.
    #[error("this device rewinds the tape when it is closed")]
    Rewinds,
    /// The drive still loads the cartridge.
    #[error("the drive is not ready yet")]
    Loading,
    /// The medium changer, not the drive.
    #[error(transparent)]
    Changer(#[from] ChangerProblem),
}

/// Why a medium changer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChangerProblem {
    /// No device is there, or another kind of device.
    #[error("no medium changer is there")]
    Missing,
    /// This process may not open the device.
    #[error("permission denied")]
    Denied,
    /// It is still busy after it was waited for.
    #[error("it is busy, or another program or host uses it")]
    Busy,
    /// No answer came in time.
    #[error("it does not answer")]
    Silent,
    /// The robot did not carry out the command.
    #[error("it failed with sense {0}")]
    Failed(Sense),
    /// See [`crate::medium::tape::changer::element::MalformedAnswer`].
    #[error("its answer does not fit the standard")]
    MalformedAnswer,
    /// It has several drives, and none of them is known to be the one at the path that was named.
    #[error("it has {drives} drives")]
    WhichDrive {
        /// How many drives it has.
        drives: u16,
    },
    /// No slot is free for the drive's cartridge.
    #[error("it has no free slot")]
    NoFreeSlot,
    /// The robot served another drive than the one at the path that was named.
    #[error("the cartridge did not come into the drive")]
    OtherDrive,
}

/// An error of a medium. `Display` does not repeat the source: whoever prints the chain prints it.
///
/// `medium` is the path of the set's folder, or the name of the drive or changer; `path` is what the user named. `what`
/// is the work that failed. Lengths are in bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each variant's text says what it means")]
pub enum MediumError {
    #[error("{}: no such folder", path.display())]
    NotFound { path: PathBuf },

    #[error("{}: not a folder", path.display())]
    NotADirectory { path: PathBuf },

    #[error("{}: no set {set} on this medium", path.display())]
    NoSuchSet { path: PathBuf, set: Id },

    #[error("{}: set {set} is on this medium already", path.display())]
    SetExists { path: PathBuf, set: Id },

    #[error("{medium}: object {number} exists already")]
    Exists { medium: String, number: u64 },

    #[error("{medium}: there is no {kind} {number}")]
    Missing { medium: String, number: u64, kind: ObjectKind },

    /// `torn`: the object's name is in use now, by a prefix of the object at best.
    #[error("{medium}: full: {needed} bytes do not fit{}", room(*free, *torn))]
    Full { medium: String, needed: u64, free: Option<u64>, torn: bool },

    #[error("{medium}: the medium is read-only")]
    ReadOnly { medium: String },

    #[error("{medium}: permission denied ({what})")]
    Denied { medium: String, what: &'static str, source: io::Error },

    /// `pid`: the other process, where the kernel reports it.
    #[error("{}: another process is writing to this set{}", path.display(), holder(*pid))]
    Busy { path: PathBuf, pid: Option<u32> },

    /// The device is not attached any more. What was not synced before is not known to be stored.
    #[error("{medium}: the medium is gone ({what})")]
    Gone { medium: String, what: &'static str, source: Option<io::Error> },

    /// The medium is attached, but the object's bytes cannot be read.
    #[error("{medium}: {kind} {number} cannot be read")]
    Unreadable { medium: String, number: u64, kind: ObjectKind, source: io::Error },

    /// An object's name, on something that is not a plain file.
    #[error("{medium}: {kind} {number} is not a plain file")]
    NotAFile { medium: String, number: u64, kind: ObjectKind },

    #[error("{}: no label", path.display())]
    NoLabel { path: PathBuf },

    #[error("{}: the label was written by a newer version (format {found})", path.display())]
    NewerFormat { path: PathBuf, found: u64 },

    #[error("{}: the label is damaged", path.display())]
    BadLabel { path: PathBuf, source: Malformed },

    /// Only a blank cartridge can begin a set or continue one.
    #[error("{medium}: the cartridge is not blank")]
    NotBlank { medium: String },

    /// Another program has written the cartridge.
    #[error("{medium}: the cartridge was not written by azekura")]
    Foreign { medium: String },

    #[error("{medium}: no cartridge is loaded")]
    NoCartridge { medium: String },

    /// A medium was requested and nobody brought it. `place`: its number within the set, from 1. `blank`: a blank
    /// medium was requested, for that place.
    #[error("{}: medium {place} of the set was not brought", path.display())]
    NotBrought { path: PathBuf, place: u64, blank: bool },

    /// Another medium of the right set. `found` and `wanted` are numbers within the set, from 1.
    #[error("{}: this is medium {found} of the set; medium {wanted} is wanted", path.display())]
    OtherMedium { path: PathBuf, found: u64, wanted: u64 },

    /// A run has written a label on this medium and sealed nothing on it; the set continues on another one.
    #[error("{medium}: the medium was begun and given up")]
    Abandoned { medium: String },

    #[error("{medium}: {why}")]
    Device { medium: String, why: DeviceProblem },

    /// Another cartridge is in the drive, or somebody else has written on it.
    #[error("{medium}: the tape is not as it was left")]
    Changed { medium: String },

    #[error("{medium}: the header at block {address} is damaged")]
    BadHeader { medium: String, address: u64, source: Malformed },

    /// The number is too large, or the kind is [`ObjectKind::Void`].
    #[error("{kind} {number} cannot be the name of an object")]
    BadName { number: u64, kind: ObjectKind },

    /// The user wants the job to end. Nothing is known of what was being read.
    #[error("the run was interrupted")]
    Interrupted,

    /// An earlier sync failed, so nothing since the last successful one is known to be stored.
    #[error("{medium}: writing failed before ({what}); this medium takes no more until it is opened anew")]
    Broken { medium: String, what: &'static str, source: io::Error },

    #[error("{medium}: {what} failed")]
    Io { medium: String, what: &'static str, source: io::Error },
}

impl MediumError {
    /// Takes the medium's error out of an [`io::Error`] that wraps one: the medium is gone, or another one. Any other
    /// error, also a wrapped damage, is about the bytes that were read; it is returned as `Err`.
    pub fn unwrap_io(e: io::Error) -> std::result::Result<Self, io::Error> {
        match e.downcast::<Self>() {
            Ok(own) if own.category() != ErrorCategory::Damage => Ok(own),
            Ok(damage) => Err(io::Error::other(damage)),
            Err(e) => Err(e),
        }
    }

    /// The error of an object that could not be read.
    pub fn of_read(medium: String, number: u64, kind: ObjectKind, e: io::Error) -> Self {
        Self::unwrap_io(e).unwrap_or_else(|source| Self::Unreadable { medium, number, kind, source })
    }

    /// What the error is about.
    pub fn category(&self) -> ErrorCategory {
        match self {
            Self::NotFound { .. }
            | Self::NotADirectory { .. }
            | Self::NoSuchSet { .. }
            | Self::SetExists { .. }
            | Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Denied { .. }
            | Self::Busy { .. }
            | Self::Gone { .. }
            | Self::NotBlank { .. }
            | Self::Foreign { .. }
            | Self::NoCartridge { .. }
            | Self::NotBrought { .. }
            | Self::OtherMedium { .. }
            | Self::Abandoned { .. }
            | Self::Device { .. }
            | Self::Changed { .. }
            | Self::Interrupted
            | Self::NewerFormat { .. } => ErrorCategory::Medium,
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::NoLabel { .. }
            | Self::BadLabel { .. }
            | Self::BadHeader { .. } => ErrorCategory::Damage,
            Self::Exists { .. } | Self::BadName { .. } | Self::Broken { .. } | Self::Io { .. } => ErrorCategory::Program,
        }
    }
}

fn room(free: Option<u64>, torn: bool) -> String {
    let free = free.map_or(String::new(), |f| format!(", {f} are free"));
    free + if torn { "; a torn object was left behind" } else { "" }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or(String::new(), |p| format!(" (process {p})"))
}
