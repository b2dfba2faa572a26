//! What a source could not give: a finding, not an error that stops the run.

use rustix::io::Errno;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The kernel refused; the error's number says why.
    Unreadable,
    /// Listed, but gone a moment later.
    Vanished,
    /// Something else stands there now than when the tree was walked.
    Replaced,
    /// A folder that is its own ancestor, by a bind mount or a damaged file system.
    Loop,
    /// On the list of folders that must not be backed up.
    Skipped,
    /// A longer path, or more names in one folder, than the format or this program takes.
    TooLong,
}

/// Something that is not in the backup, or not whole. It does not stop the work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", String::from_utf8_lossy(path), what = self.what())]
pub struct Problem {
    /// As in the entry stream: beginning with the source's name.
    pub path: Vec<u8>,
    pub kind: ProblemKind,
    /// Linux's number, 0 where no call failed.
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

    fn what(&self) -> String {
        match self.kind {
            ProblemKind::Unreadable => std::io::Error::from_raw_os_error(self.errno as i32).to_string(),
            ProblemKind::Vanished => "vanished while the tree was read".into(),
            ProblemKind::Replaced => "was replaced by something else while the tree was read".into(),
            ProblemKind::Loop => "is a folder that contains itself".into(),
            ProblemKind::Skipped => "must not be backed up here".into(),
            ProblemKind::TooLong => "longer than the format takes".into(),
        }
    }
}
