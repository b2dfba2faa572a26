//! What can go wrong with a medium.

use crate::format::Malformed;
use crate::format::object::{Id, ObjectKind};
use crate::medium::tape::changer::ChangerProblem;
use std::io;
use std::path::PathBuf;

/// Who has to act upon an error; a program's exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Wrong, missing, full, read-only, unplugged or busy: bring another medium, or this one again.
    Medium,
    /// Something that was stored cannot be read as it was.
    Damage,
    /// The program or the machine.
    Work,
}

/// What keeps a tape device from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceProblem {
    #[error("this device rewinds the tape when it is closed")]
    Rewinds,
    #[error("the drive is not ready yet")]
    Loading,
    #[error(transparent)]
    Changer(#[from] ChangerProblem),
}

/// An error of a medium. `Display` leaves the source to whoever prints the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediumError {
    #[error("{}: no such folder", path.display())]
    NotFound { path: PathBuf },

    #[error("{}: not a folder", path.display())]
    NotADirectory { path: PathBuf },

    #[error("{}: no set {set} on this medium", path.display())]
    NoSuchSet { path: PathBuf, set: Id },

    #[error("{}: set {set} is on this medium already", path.display())]
    SetExists { path: PathBuf, set: Id },

    #[error("{place}: object {number} exists already")]
    Exists { place: String, number: u64 },

    #[error("{place}: there is no {kind} {number}")]
    Missing { place: String, number: u64, kind: ObjectKind },

    /// `torn`: the object's name is taken, and what lies there is at best a prefix of it.
    #[error("{place}: full: {needed} bytes do not fit{}", room(*free, *torn))]
    Full { place: String, needed: u64, free: Option<u64>, torn: bool },

    #[error("{place}: the medium is read-only")]
    ReadOnly { place: String },

    #[error("{place}: permission denied ({what})")]
    Denied { place: String, what: &'static str, source: io::Error },

    /// Another process writes to this set. `pid` is the kernel's word for it, where it gives one.
    #[error("{}: another process is writing to this set{}", path.display(), holder(*pid))]
    Busy { path: PathBuf, pid: Option<u32> },

    /// The device went away. What was not synced before is not known to be stored.
    #[error("{place}: the medium is gone ({what})")]
    Gone { place: String, what: &'static str, source: Option<io::Error> },

    /// The medium is attached and does not give an object's bytes.
    #[error("{place}: {kind} {number} cannot be read")]
    Unreadable { place: String, number: u64, kind: ObjectKind, source: io::Error },

    /// A name that is an object's, on something that is not a plain file.
    #[error("{place}: {kind} {number} is not a plain file")]
    NotAFile { place: String, number: u64, kind: ObjectKind },

    #[error("{}: no label", path.display())]
    NoLabel { path: PathBuf },

    #[error("{}: the label was written by a newer version (format {found})", path.display())]
    NewerFormat { path: PathBuf, found: u64 },

    #[error("{}: the label is damaged", path.display())]
    BadLabel { path: PathBuf, source: Malformed },

    /// A cartridge that a set cannot begin on.
    #[error("{place}: the cartridge is not blank")]
    NotBlank { place: String },

    /// A cartridge that something else has written.
    #[error("{place}: the cartridge was not written by azekura")]
    Foreign { place: String },

    #[error("{place}: no cartridge is loaded")]
    NoCartridge { place: String },

    /// A medium that was asked for and did not come.
    #[error("{}: medium {place} of the set was not brought", path.display())]
    NotBrought { path: PathBuf, place: u64, blank: bool },

    /// A medium of the right set, in the wrong turn. Places in the set.
    #[error("{}: this is medium {found} of the set; medium {wanted} is wanted", path.display())]
    OtherMedium { path: PathBuf, found: u64, wanted: u64 },

    /// A medium that a run has begun and left, with nothing sealed on it.
    #[error("{place}: the medium was begun and given up")]
    HalfBegun { place: String },

    /// A device that cannot be used as it is.
    #[error("{place}: {why}")]
    Device { place: String, why: DeviceProblem },

    /// What lies on a tape is not what was left there.
    #[error("{place}: the tape is not as it was left")]
    Changed { place: String },

    #[error("{place}: the header at block {address} is damaged")]
    BadHeader { place: String, address: u64, source: Malformed },

    /// A number or kind that no name may carry.
    #[error("{kind} {number} cannot be the name of an object")]
    BadName { number: u64, kind: ObjectKind },

    /// An earlier sync failed, so nothing since the last good one is known to be stored.
    #[error("{place}: writing failed before ({what}); this medium takes no more until it is opened anew")]
    Broken { place: String, what: &'static str, source: io::Error },

    #[error("{place}: {what} failed")]
    Io { place: String, what: &'static str, source: io::Error },
}

impl MediumError {
    /// What a medium has said of itself where only an [`io::Error`] could be answered: that it is gone, or another one. Anything else is
    /// about the place that was read.
    pub fn said(e: io::Error) -> std::result::Result<Self, io::Error> {
        match e.downcast::<Self>() {
            Ok(said) if said.blame() != Blame::Damage => Ok(said),
            Ok(damage) => Err(io::Error::other(damage)),
            Err(e) => Err(e),
        }
    }

    /// Why an object could not be read.
    pub fn of_read(place: String, number: u64, kind: ObjectKind, e: io::Error) -> Self {
        Self::said(e).unwrap_or_else(|source| Self::Unreadable { place, number, kind, source })
    }

    pub fn blame(&self) -> Blame {
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
            | Self::HalfBegun { .. }
            | Self::Device { .. }
            | Self::Changed { .. }
            | Self::NewerFormat { .. } => Blame::Medium,
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::NoLabel { .. }
            | Self::BadLabel { .. }
            | Self::BadHeader { .. } => Blame::Damage,
            Self::Exists { .. } | Self::BadName { .. } | Self::Broken { .. } | Self::Io { .. } => Blame::Work,
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
