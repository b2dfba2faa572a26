//! Why something could not be restored to a target.

use crate::format::Malformed;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// Why an entry, or the whole target, could not be created.
///
/// What was restored before stays. Nothing outside the target was touched.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The restore was to make everything anew. Nothing was created; `lost+found` alone does not count.
    #[error("the folder {} is not empty", dir.display())]
    NotEmpty {
        /// The target's folder.
        dir: PathBuf,
    },
    /// It cannot be created, opened or listed, so no entry was restored.
    #[error("the folder {} cannot be used", dir.display())]
    Folder {
        /// The target's folder.
        dir: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Others than root could put something else in the place of what root restores. No entry was restored.
    #[error("others than root may change {}", at.display())]
    Others {
        /// The target's folder.
        dir: PathBuf,
        /// The folder, or the link on the way to it, that others may change.
        at: PathBuf,
    },
    /// The same of a folder in the target.
    #[error("{}: others than root may change this folder", String::from_utf8_lossy(path))]
    OthersWithin {
        /// The folder's path within the target.
        path: Vec<u8>,
    },
    /// It gives rights that a restore gives only when it is told to: see [`TargetOptions::privileged`](super::TargetOptions).
    #[error("needs --privileged")]
    Withheld {
        /// The entry's path within the target.
        path: Vec<u8>,
    },
    /// Restored content may be lost after a power cut, and some may be lost already.
    #[error("what was restored to {} cannot be made durable", dir.display())]
    NotDurable {
        /// The target's folder.
        dir: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Nothing more can be restored to it. What is whole there stays; a restore with `resume` goes on.
    #[error("{}: {fault}", dir.display())]
    Disk {
        /// The target's folder.
        dir: PathBuf,
        /// What is wrong with it.
        fault: DiskFault,
        /// What the kernel says.
        source: io::Error,
    },
    /// The path is absolute, has `..` or an empty name, or is too long. It was not looked up.
    #[error("the record's path cannot be used")]
    Path {
        /// Which rule the path breaks.
        source: Malformed,
    },
    /// Something is there that this restore may not complete. Its content stays as it is.
    #[error("{}: exists already", String::from_utf8_lossy(path))]
    Exists {
        /// The entry's path within the target.
        path: Vec<u8>,
    },
    /// A symbolic link, or something that is no folder, is on the way.
    #[error("{}: a link or another obstacle is on the way", String::from_utf8_lossy(path))]
    Blocked {
        /// The entry's path within the target.
        path: Vec<u8>,
        /// What the kernel says.
        source: io::Error,
    },
    /// Something else got the name while the file was closed.
    #[error("{}: is no longer the file that was created", String::from_utf8_lossy(path))]
    Replaced {
        /// The entry's path within the target.
        path: Vec<u8>,
    },
    /// The record has not what its type needs. Nothing was created for it.
    #[error("{}: the record lacks its {what}", String::from_utf8_lossy(path))]
    Incomplete {
        /// The entry's path within the target.
        path: Vec<u8>,
        /// What is missing, for people, in English.
        what: &'static str,
    },
    /// The kernel refused one step. Earlier steps of the same entry may have taken effect.
    #[error("{}: cannot {step}", String::from_utf8_lossy(path))]
    Refused {
        /// The entry's path within the target.
        path: Vec<u8>,
        /// The step, for people, in English: `make the file`.
        step: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

/// Why nothing more can be restored to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// It was pulled, or its server does not answer.
    Gone,
    /// It has no room.
    Full,
    /// It has become read-only: Linux does that itself when it finds a file system at fault.
    ReadOnly,
    /// It does not store what it is given.
    Failing,
}

impl DiskFault {
    /// What an error says of the whole disk; `None` if it says nothing. `is_gone` is asked only where that makes a
    /// difference.
    pub fn of(errno: u32, is_gone: impl FnOnce() -> bool) -> Option<Self> {
        // Another number is none of Linux's.
        if !(1..4096).contains(&errno) {
            return None;
        }
        let errno = Errno::from_raw_os_error(errno.cast_signed());
        if matches!(errno, Errno::IO | Errno::NOSPC | Errno::ROFS) && is_gone() {
            return Some(Self::Gone);
        }
        match errno {
            Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::STALE | Errno::NOTCONN | Errno::SHUTDOWN => Some(Self::Gone),
            Errno::NOSPC | Errno::DQUOT => Some(Self::Full),
            Errno::ROFS => Some(Self::ReadOnly),
            Errno::IO => Some(Self::Failing),
            _ => None,
        }
    }
}

impl std::fmt::Display for DiskFault {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gone => "is gone",
            Self::Full => "is full",
            Self::ReadOnly => "has become read-only",
            Self::Failing => "does not store what is written",
        })
    }
}

impl TargetError {
    /// Linux's number, 0 where no call failed.
    pub fn errno(&self) -> u32 {
        match self {
            Self::Folder { source, .. }
            | Self::NotDurable { source, .. }
            | Self::Disk { source, .. }
            | Self::Blocked { source, .. }
            | Self::Refused { source, .. } => source.raw_os_error().unwrap_or(0) as u32,
            Self::Exists { .. } => Errno::EXIST.raw_os_error() as u32,
            Self::Others { .. } | Self::OthersWithin { .. } | Self::Withheld { .. } => Errno::PERM.raw_os_error() as u32,
            Self::NotEmpty { .. } | Self::Path { .. } | Self::Incomplete { .. } | Self::Replaced { .. } => 0,
        }
    }
}

pub(super) fn failed(path: &[u8], step: &'static str, error: Errno) -> TargetError {
    let path = path.to_vec();
    match error {
        Errno::EXIST => TargetError::Exists { path },
        Errno::LOOP | Errno::XDEV | Errno::NOTDIR => TargetError::Blocked { path, source: error.into() },
        _ => TargetError::Refused { path, step, source: error.into() },
    }
}
