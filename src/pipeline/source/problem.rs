//! What a source could not give: a finding, not an error that stops the run.

use rustix::io::Errno;

/// Why an entry could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The kernel refused; [`Problem::errno`] says why.
    Unreadable,
    /// It was listed, and gone a moment later.
    Vanished,
    /// Since the tree was walked something else has replaced it.
    Replaced,
    /// The folder is its own ancestor, by a bind mount or in a damaged file system.
    Loop,
    /// It must not be backed up: see [`TreeOptions::skip`](super::TreeOptions::skip).
    Skipped,
    /// The path is longer, or the folder has more names, than the format or this program supports.
    TooLong,
    /// The file has more holes than can be recorded, and to read them all as data would take too long.
    TooSparse,
    /// Another process has a lease on the file, and did not release it in the time that there is for all of a source.
    Leased,
    /// The names or attributes are longer than there is memory for.
    TooMuch,
    /// The source has more entries than it may have.
    TooMany {
        /// So many it may have.
        most: u64,
    },
}

/// Something that is not, or not completely, in the backup. It does not stop the run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", String::from_utf8_lossy(path), what = self.what())]
pub struct Problem {
    /// As in the entry stream: beginning with the source's name.
    pub path: Vec<u8>,
    /// Why.
    pub kind: ProblemKind,
    /// Linux's number of the error; 0 where no call failed.
    pub errno: u32,
}

impl Problem {
    pub(in crate::pipeline) fn new(path: &[u8], kind: ProblemKind) -> Self {
        Self { path: path.to_vec(), kind, errno: 0 }
    }

    /// A call failed on something that the walk had found before.
    pub(in crate::pipeline) fn failed(path: &[u8], error: Errno) -> Self {
        let kind = match error {
            Errno::NOENT => ProblemKind::Vanished,
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::NXIO => ProblemKind::Replaced,
            _ => ProblemKind::Unreadable,
        };
        Self { path: path.to_vec(), kind, errno: error.raw_os_error() as u32 }
    }

    /// Whether entries that are there were not returned by the walk because of it.
    pub fn hides_entries(&self) -> bool {
        match self.kind {
            ProblemKind::Unreadable | ProblemKind::Replaced | ProblemKind::TooLong => true,
            ProblemKind::TooMuch | ProblemKind::TooMany { .. } => true,
            ProblemKind::Vanished | ProblemKind::Loop | ProblemKind::Skipped | ProblemKind::TooSparse | ProblemKind::Leased => {
                false
            }
        }
    }

    fn what(&self) -> String {
        match self.kind {
            ProblemKind::Unreadable => std::io::Error::from_raw_os_error(self.errno as i32).to_string(),
            ProblemKind::Vanished => "vanished while the tree was read".into(),
            ProblemKind::Replaced => "was replaced by something else while the tree was read".into(),
            ProblemKind::Loop => "is a folder that contains itself".into(),
            ProblemKind::Skipped => "must not be backed up here".into(),
            ProblemKind::TooSparse => "has more holes than can be recorded".into(),
            ProblemKind::Leased => "another program keeps a lease on it".into(),
            ProblemKind::TooMuch => "its names or attributes take more memory than there is".into(),
            ProblemKind::TooMany { most } => format!("what is beyond the limit was not read: {most} entries"),
            ProblemKind::TooLong => "longer than the format allows".into(),
        }
    }
}
