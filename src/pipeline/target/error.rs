//! Why something could not be restored to a target.

use crate::format::Malformed;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;

/// Why an entry, or the whole target, could not be created.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TargetError {
    #[error("the folder {} is not empty", dir.display())]
    NotEmpty { dir: PathBuf },
    #[error("the folder {} cannot be used", dir.display())]
    Folder { dir: PathBuf, source: io::Error },
    /// Restored content may be lost after a power cut, and some may be lost already.
    #[error("what was restored to {} cannot be made durable", dir.display())]
    NotDurable { dir: PathBuf, source: io::Error },
    #[error("the record's path cannot be used")]
    Path { source: Malformed },
    #[error("{}: exists already", String::from_utf8_lossy(path))]
    Exists { path: Vec<u8> },
    /// A symbolic link, or something that is no folder, is on the way.
    #[error("{}: a link or another obstacle is on the way", String::from_utf8_lossy(path))]
    Blocked { path: Vec<u8>, source: io::Error },
    /// Something else got the name while the file was closed.
    #[error("{}: is no longer the file that was created", String::from_utf8_lossy(path))]
    Replaced { path: Vec<u8> },
    #[error("{}: the record lacks its {what}", String::from_utf8_lossy(path))]
    Incomplete { path: Vec<u8>, what: &'static str },
    #[error("{}: cannot {step}", String::from_utf8_lossy(path))]
    Refused { path: Vec<u8>, step: &'static str, source: io::Error },
}

impl TargetError {
    /// Linux's number, 0 where no call failed.
    pub fn errno(&self) -> u32 {
        match self {
            Self::Folder { source, .. }
            | Self::NotDurable { source, .. }
            | Self::Blocked { source, .. }
            | Self::Refused { source, .. } => source.raw_os_error().unwrap_or(0) as u32,
            Self::Exists { .. } => Errno::EXIST.raw_os_error() as u32,
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
