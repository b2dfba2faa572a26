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
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediumError {
    /// Nothing is at the path: perhaps the disk is not mounted.
    #[error("{}: no such folder", path.display())]
    NotFound {
        /// The medium's path, as the user named it.
        path: PathBuf,
    },

    /// Something else than a folder is at the path, or where the medium's own folder should be.
    #[error("{}: not a folder", path.display())]
    NotADirectory {
        /// What is no folder.
        path: PathBuf,
    },

    /// More names lie beside the sets' folders than anybody's sets have.
    #[error("{}: more than {most} names", path.display())]
    TooManySets {
        /// The folder of the sets.
        path: PathBuf,
        /// As many may be there.
        most: usize,
    },

    /// The medium is readable and contains other sets, or none.
    #[error("{}: no set {set} on this medium", path.display())]
    NoSuchSet {
        /// The medium's path, as the user named it.
        path: PathBuf,
        /// The set that is wanted.
        set: Id,
    },

    /// A set begins once, with a blank medium. The one that is there stays as it is.
    #[error("{}: set {set} is on this medium already", path.display())]
    SetExists {
        /// The medium's path, as the user named it.
        path: PathBuf,
        /// The set that is there.
        set: Id,
    },

    /// The number is in use, by whatever kind of object. The stored object stays as it is.
    #[error("{medium}: object {number} exists already")]
    Exists {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The object's number.
        number: u64,
    },

    /// The medium is attached and does not have the object. If a seal lists it, it is lost from this medium.
    #[error("{medium}: there is no {kind} {number}")]
    Missing {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
    },

    /// The object was not appended, or only a part of it. What was appended before is not affected.
    #[error("{medium}: full: {needed} bytes do not fit{}", room(*free, *torn))]
    Full {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// Bytes of the object; 0 where no object was being written.
        needed: u64,
        /// Bytes that are free; `None` where that is not known.
        free: Option<u64>,
        /// The object's number is in use now, by a prefix of the object at best.
        torn: bool,
    },

    /// By its switch, its mount options, or because the file system found an error in itself.
    #[error("{medium}: the medium is read-only")]
    ReadOnly {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// The kernel does not let this user do it. Another user may be allowed to.
    #[error("{medium}: permission denied ({what})")]
    Denied {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The work that failed, for people, in English: `opening the folder`.
        what: &'static str,
        /// What the kernel says.
        source: io::Error,
    },

    /// A set has one writer at a time, and a drive one user. Try again when the other process has ended.
    #[error("{}: another process is writing to this set{}", path.display(), holder(*pid))]
    Busy {
        /// The medium or the drive.
        path: PathBuf,
        /// The other process; `None` where the kernel does not report it.
        pid: Option<u32>,
    },

    /// The device is not attached any more. What was not synced before is not known to be stored.
    #[error("{medium}: the medium is gone ({what})")]
    Gone {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The work that failed, for people, in English: `opening the folder`.
        what: &'static str,
        /// What the kernel says; `None` where it reported no error and the device was looked for.
        source: Option<io::Error>,
    },

    /// The medium is attached, but the object's bytes cannot be read.
    #[error("{medium}: {kind} {number} cannot be read")]
    Unreadable {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
        /// What the kernel says.
        source: io::Error,
    },

    /// An object's name, on something that is not a plain file.
    #[error("{medium}: {kind} {number} is not a plain file")]
    NotAFile {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The object's number.
        number: u64,
        /// Its kind.
        kind: ObjectKind,
    },

    /// No object here is a label: it is lost, or was never written.
    #[error("{}: no label", path.display())]
    NoLabel {
        /// The medium, or the set's folder on it.
        path: PathBuf,
    },

    /// Not damage: a newer version of this program can use the medium.
    #[error("{}: the label was written by a newer version (format {found})", path.display())]
    NewerFormat {
        /// The label's file, or the tape device.
        path: PathBuf,
        /// The format version on the label, above [`VERSION`](crate::format::VERSION).
        found: u64,
    },

    /// The label can be read, but is not what the format allows. Objects behind it may be whole.
    #[error("{}: the label is damaged", path.display())]
    BadLabel {
        /// The label's file, or the tape device.
        path: PathBuf,
        /// Which rule the label breaks.
        source: Malformed,
    },

    /// Only a blank medium can begin a set or continue one. Nothing was written.
    #[error("{medium}: the cartridge is not blank")]
    NotBlank {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// Another program has written the cartridge. It is never written to.
    #[error("{medium}: the cartridge was not written by azekura")]
    Foreign {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// The drive is empty, or its cartridge was ejected.
    #[error("{medium}: no cartridge is loaded")]
    NoCartridge {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// A medium was requested and nobody brought it. What is sealed so far stays valid.
    #[error("{}: medium {place} of the set was not brought", path.display())]
    NotBrought {
        /// Where it was to be attached.
        path: PathBuf,
        /// Its number within the set, from 1.
        place: u64,
        /// A blank medium was requested, to become the one of that number.
        blank: bool,
    },

    /// Another medium of the right set.
    #[error("{}: this is medium {found} of the set; medium {wanted} is wanted", path.display())]
    OtherMedium {
        /// Where it is attached.
        path: PathBuf,
        /// The number of the one that is attached, from 1.
        found: u64,
        /// The number of the one that is wanted, from 1.
        wanted: u64,
    },

    /// A run has written a label on this medium and sealed nothing on it; the set continues on another one.
    #[error("{medium}: the medium was begun and given up")]
    Abandoned {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// The drive or the changer does not do what it should. Nothing is known to be wrong with the cartridge.
    #[error("{medium}: {why}")]
    Device {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// What is wrong with the device.
        why: DeviceProblem,
    },

    /// Another cartridge is in the drive, or somebody else has written on it. Nothing is written to it.
    #[error("{medium}: the tape is not as it was left")]
    Changed {
        /// The set's folder, the drive or the changer.
        medium: String,
    },

    /// Other objects can still be found, from the list of contents or from the headers around this one.
    #[error("{medium}: the header at block {address} is damaged")]
    BadHeader {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The header's address, as `mt tell` counts: blocks and filemarks, from 0.
        address: u64,
        /// Which rule the header breaks.
        source: Malformed,
    },

    /// The number is too large, or the kind is [`ObjectKind::Void`]: a caller's mistake. Nothing was read or written.
    #[error("{kind} {number} cannot be the name of an object")]
    BadName {
        /// The object's number.
        number: u64,
        /// The kind.
        kind: ObjectKind,
    },

    /// The user wants the job to end. Nothing is known of what was being read.
    #[error("the run was interrupted")]
    Interrupted,

    /// An earlier sync failed, so nothing since the last successful one is known to be stored.
    #[error("{medium}: writing failed before ({what}); this medium takes no more until it is opened anew")]
    Broken {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The work that failed then, for people, in English.
        what: &'static str,
        /// What the kernel said then.
        source: io::Error,
    },

    /// Any other error of the kernel. After one of `append`, a torn object may be left; after one of `sync`, see
    /// [`Self::Broken`].
    #[error("{medium}: {what} failed")]
    Io {
        /// The set's folder, the drive or the changer.
        medium: String,
        /// The work that failed, for people, in English: `opening the folder`.
        what: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
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
            | Self::TooManySets { .. }
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
