//! The answer of `compare`.

use super::facts::{FACTS, Fault};
use super::generations::LINES;
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use crate::format::rules::Rules;
use crate::job::compare::Class;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a tree, or another generation, compares with a generation. All differences are held in memory; without `--json` and outside of a
/// session of evidence they are not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Compare {
    pub set: Word,
    pub set_name: Text,
    pub generation: u64,
    pub time: Word,
    /// The other generation; null where a tree was compared.
    pub with_generation: Option<u64>,
    /// Null where a tree was compared.
    pub with_time: Option<Word>,
    /// The seal fits the chain.
    pub trusted: bool,
    pub faults: List<Fault, FACTS>,
    pub sources: List<ComparedSource, LINES>,
    /// Sources that no tree was given for.
    pub not_compared: List<NotCompared, LINES>,
    /// Files of each class.
    pub counts: Classes,
    /// Identical files with other permissions, owner or time.
    pub metadata: u64,
    /// Folders have no class.
    #[serde(default)]
    pub folders: u64,
    /// Folders that were added.
    #[serde(default)]
    pub folders_added: u64,
    /// Folders that are missing.
    #[serde(default)]
    pub folders_missing: u64,
    /// Bytes that were read of the tree, or of the other generation.
    #[serde(default)]
    pub bytes_read: u64,
    /// Records that damage on the medium has taken.
    pub entries_lost: u64,
    #[serde(default)]
    pub differences: List<FileDifference, LINES>,
}

/// A source, and the tree that it was compared with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ComparedSource {
    pub name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    pub rules: Rules,
    /// The tree; absent where a generation was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_hex: Option<Text>,
}

/// A source that no tree was given for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NotCompared {
    pub name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
}

/// Files of each class.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Classes {
    pub identical: u64,
    pub added: u64,
    /// Files that changed as the rules allow.
    pub updated: u64,
    /// Files that changed outside the rules.
    pub outside_rules: u64,
    /// Files that are not there any more.
    pub missing: u64,
    /// Files whose content is under another name.
    pub renamed: u64,
    /// Files that could not be read on one side.
    pub not_verified: u64,
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
    /// As in `counts`, with hyphens; never `identical`.
    pub class: Word,
    /// Null, or `content`, `grown`, `cut`, `flag`, `type`, `target`, `unreadable`, `changing`, `no-content`, `no-record`.
    pub reason: Option<Word>,
    /// Where it is now; of a missing one, where it was.
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Where it was, if elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_path: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_path_hex: Option<Text>,
    pub before: Option<FileSeen>,
    pub after: Option<FileSeen>,
    /// With `unreadable`; 0 where no call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<u32>,
}

/// What a file was on one side.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FileSeen {
    #[serde(rename = "type")]
    pub kind: EntryKind,
    pub size: u64,
    /// Null where it did not have to be read.
    pub blake3: Option<Word>,
}
