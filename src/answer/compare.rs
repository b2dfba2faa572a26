//! The answer of `compare`.

use super::facts::{FACTS, Fault};
use super::generations::LINES;
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use crate::format::rules::Rules;
use crate::job::compare::Class;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a tree, or another generation, compares with a generation. Each file is in exactly one class. All differences
/// are in memory only where the JSON document is wanted: with `--json`, and in a session of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Compare {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// The generation that was compared, from 1.
    pub generation: u64,
    /// When its seal was written.
    pub time: Word,
    /// The other generation; null where a tree was compared.
    pub with_generation: Option<u64>,
    /// When the other generation's seal was written; null where a tree was compared.
    pub with_time: Option<Word>,
    /// Whether the generation's seal is valid and follows from the chain of seals.
    pub trusted: bool,
    /// Whether any difference counts (`--exact`): no rules allow a change, and attributes and folders are compared too.
    #[serde(default)]
    pub exact: bool,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// The sources that were compared.
    pub sources: List<ComparedSource, LINES>,
    /// Sources of the generation that no tree was given for.
    pub not_compared: List<NotCompared, LINES>,
    /// Files of each class.
    pub counts: Classes,
    /// Of the updated files, those whose source has no rules: nothing says how they may change.
    #[serde(default)]
    pub without_rules: u64,
    /// Identical files whose permissions, owner or time differ; with `exact` also those with other attributes (ACLs …),
    /// and folders.
    pub metadata: u64,
    /// Folders on both sides. Folders have no class.
    #[serde(default)]
    pub folders: u64,
    /// Folders that are not in the generation.
    #[serde(default)]
    pub folders_added: u64,
    /// Folders that are only in the generation.
    #[serde(default)]
    pub folders_missing: u64,
    /// Bytes read of the tree, or of the other generation.
    #[serde(default)]
    pub bytes_read: u64,
    /// Records of the generation that are lost in damage on the medium.
    pub entries_lost: u64,
    /// One item for each file that is not identical.
    #[serde(default)]
    pub differences: List<FileDifference, LINES>,
}

/// A source, and the tree that it was compared with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ComparedSource {
    /// The name of the source.
    pub name: Text,
    /// The exact bytes of `name`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    /// How files of the source may change.
    pub rules: Rules,
    /// The folder that it was compared with; absent where a generation was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Text>,
    /// The exact bytes of `tree`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_hex: Option<Text>,
}

/// A source that no tree was given for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NotCompared {
    /// The name of the source.
    pub name: Text,
    /// The exact bytes of `name`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
}

/// Files of each class.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Classes {
    /// Files with the same content.
    pub identical: u64,
    /// Files that are not in the generation.
    pub added: u64,
    /// Files that changed as the rules of their source allow, or whose source has no rules (`without_rules`).
    pub updated: u64,
    /// Files that changed against the rules of their source, or whose time is that of the generation although they
    /// changed; with `exact` all that changed.
    pub outside_rules: u64,
    /// Files that are only in the generation.
    pub missing: u64,
    /// Files whose content is there under another path.
    pub renamed: u64,
    /// Files that could not be read or compared on one side.
    pub not_verified: u64,
}

impl Compare {
    /// Whether this side is the generation, file by file and folder by folder. Attributes may differ.
    pub fn is_same_content(&self) -> bool {
        let n = &self.counts;
        let differ = [n.added, n.updated, n.outside_rules, n.missing, n.renamed, self.folders_added, self.folders_missing];
        differ.iter().all(|n| *n == 0)
    }
}

impl Classes {
    /// Files of one class.
    pub fn of(&self, class: Class) -> u64 {
        match class {
            Class::Identical => self.identical,
            Class::Added => self.added,
            Class::Updated => self.updated,
            Class::OutsideRules => self.outside_rules,
            Class::Missing => self.missing,
            Class::Renamed => self.renamed,
            Class::NotVerified => self.not_verified,
        }
    }
}

/// A file that is not identical.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileDifference {
    /// The class, as in `counts` but with hyphens: `added`, `updated`, `outside-rules`, `missing`, `renamed`,
    /// `not-verified`.
    pub class: Word,
    /// How it differs: `content` (other bytes), `time-kept` (other bytes or another target, with
    /// the time of the generation: somebody has put it back), `grown` (more bytes behind the old ones), `cut` (fewer bytes), `flag`
    /// (another flag at the end of an SS-MIX2 name), `type`, `target` (of a link or device), `unreadable`, `changing`
    /// (while it was read), `no-content` (the generation has none), `no-record` (lost in damage), `refused` (the record
    /// breaks the format, or is a newer program's). Null where the class says it all.
    pub reason: Option<Word>,
    /// Where the file is now; of a missing one, where it was.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Where the file was in the generation; absent where that is `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_path: Option<Text>,
    /// The exact bytes of `former_path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_path_hex: Option<Text>,
    /// The file in the generation; null where it is not there.
    pub before: Option<FileSeen>,
    /// The file in the tree, or in the other generation; null where it is not there.
    pub after: Option<FileSeen>,
    /// With the reason `unreadable`: Linux's error number, 0 where no call failed. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<u32>,
}

/// What a file was on one side.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileSeen {
    /// The type of the entry.
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// Bytes of the content; 0 where the entry is no file.
    pub size: u64,
    /// BLAKE3 of the content, in hexadecimal; null where the content did not have to be read, and where holes are left
    /// out.
    pub blake3: Option<Word>,
    /// Of a file whose holes add up to more than 1 GiB: BLAKE3 of its content without the holes. Else absent; absent
    /// also where something is in a hole that the generation records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_blake3: Option<Word>,
}
