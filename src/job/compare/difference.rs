//! What a comparison says of a file: its class, why, and what is known of it on both sides.

use crate::format::entry::{ContentId, Core, EntryKind};

/// What became of a file. Each file has exactly one class. A folder has none, as long as it is a folder on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// The same content under the same name.
    Identical,
    /// Only on the other side.
    Added,
    /// Changed as its source's rules allow; in a source without rules: changed, and its time, too.
    Updated,
    /// Changed as no rules allow: against those of its source, or with the time put back; in an exact comparison, at all.
    OutsideRules,
    /// Only in the reference generation.
    Missing,
    /// The same content under another name.
    Renamed,
    /// Not known: one of the two could not be read.
    NotVerified,
}

impl Class {
    /// All classes, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Identical, Self::Added, Self::Updated, Self::OutsideRules, Self::Missing, Self::Renamed, Self::NotVerified];

    /// In JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Added => "added",
            Self::Updated => "updated",
            Self::OutsideRules => "outside-rules",
            Self::Missing => "missing",
            Self::Renamed => "renamed",
            Self::NotVerified => "not-verified",
        }
    }
}

/// Why a file has its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The class says it all.
    None,
    /// Other bytes.
    Content,
    /// Other bytes or another target, and the time of the record: who changed it has put the time back.
    TimeKept,
    /// More bytes behind the old ones.
    Grown,
    /// Fewer bytes than before, where the rules allow only growth.
    Cut,
    /// Another flag at the end of its name, as SS-MIX2 marks an update or a deletion.
    Flag,
    /// A file has become something else, or the other way round.
    Type,
    /// A symbolic link leads elsewhere, or a device has another number.
    Target,
    /// The file could not be read.
    Unreadable {
        /// Linux's error number; 0 if no system call failed.
        errno: u32,
    },
    /// The file changed while it was read.
    Changing,
    /// The generation has no content to compare with: the file was unreadable, or changed during the backup.
    NoContent,
    /// The generation's record of the file is lost in damage.
    NoRecord,
    /// The record of the entry is refused: it breaks the format, or only a newer program knows it.
    Refused,
}

impl Reason {
    /// In JSON; empty if the class says it all.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Content => "content",
            Self::TimeKept => "time-kept",
            Self::Grown => "grown",
            Self::Cut => "cut",
            Self::Flag => "flag",
            Self::Type => "type",
            Self::Target => "target",
            Self::Unreadable { .. } => "unreadable",
            Self::Changing => "changing",
            Self::NoContent => "no-content",
            Self::NoRecord => "no-record",
            Self::Refused => "refused",
        }
    }
}

/// A file on one of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSummary {
    /// What the entry is.
    pub kind: EntryKind,
    /// Length of a file in bytes.
    pub size: u64,
    /// Of files whose content had to be read, or is recorded.
    pub content: Option<ContentId>,
}

impl FileSummary {
    /// What a record says.
    pub(super) fn recorded(core: &Core) -> Self {
        Self { kind: core.kind, size: core.size, content: core.content_id() }
    }
}

/// A file that is not identical.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// What became of the file.
    pub class: Class,
    /// Why it has this class.
    pub reason: Reason,
    /// Where the file is, beginning with its source's name. Of a missing file: where it was.
    pub path: Vec<u8>,
    /// Where the file was, if it was elsewhere.
    pub former: Option<Vec<u8>>,
    /// The file in the reference generation.
    pub before: Option<FileSummary>,
    /// The file on the other side.
    pub after: Option<FileSummary>,
}

/// A file whose class is known. The class of a missing and that of an added file may still become `Renamed`.
pub(super) struct ClassifiedFile {
    pub(super) difference: Difference,
    pub(super) may_be_renamed: bool,
}

/// Number of files by their class, and what else is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComparisonCounts {
    classes: [u64; 7],
    /// Files of the class [`Class::Updated`] whose source has no rules: nothing says how they may change.
    pub without_rules: u64,
    /// Identical files whose permissions, owner or time differ. In an exact comparison attributes count too, and folders.
    pub metadata: u64,
    /// Folders on both sides.
    pub folders: u64,
    /// Folders only on the other side.
    pub folders_added: u64,
    /// Folders only in the reference generation.
    pub folders_missing: u64,
    /// Bytes of content that were read.
    pub bytes_read: u64,
}

impl ComparisonCounts {
    /// Number of files of a class.
    pub fn of(&self, class: Class) -> u64 {
        self.classes[class as usize]
    }

    pub(super) fn count(&mut self, class: Class) {
        self.classes[class as usize] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.classes.iter_mut().zip(other.classes).for_each(|(a, b)| *a += b);
        self.without_rules += other.without_rules;
        self.metadata += other.metadata;
        self.folders += other.folders;
        self.folders_added += other.folders_added;
        self.folders_missing += other.folders_missing;
        self.bytes_read += other.bytes_read;
    }

    /// A missing and an added file have turned out to be one renamed file.
    pub(super) fn count_renamed(&mut self) {
        self.classes[Class::Missing as usize] -= 1;
        self.classes[Class::Added as usize] -= 1;
        self.count(Class::Renamed);
    }
}
