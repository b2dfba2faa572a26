//! What one record says to a restore: an entry, or why it must not be restored.

use crate::event::FindingKind;
use crate::format::entry::{Entry, EntryKind, RefusedEntry};

/// What a record says to a restore.
pub(super) type RestoreRecord = Result<Entry, NotRestorable>;

/// An entry that must not be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotRestorable {
    pub(super) path: Vec<u8>,
    pub(super) is_directory: bool,
    pub(super) kind: FindingKind,
    pub(super) why: String,
}

/// The path of a record, and whether it is that of a directory.
pub(super) fn path_and_type(record: &RestoreRecord) -> (&[u8], bool) {
    match record {
        Ok(entry) => (&entry.core.path, entry.core.kind == EntryKind::Directory),
        Err(refused) => (&refused.path, refused.is_directory),
    }
}

impl From<RefusedEntry> for NotRestorable {
    fn from(refused: RefusedEntry) -> Self {
        Self {
            is_directory: refused.kind == Some(EntryKind::Directory),
            kind: if refused.is_newer() { FindingKind::Newer } else { FindingKind::Refused },
            why: refused.why.to_string(),
            path: refused.path,
        }
    }
}
