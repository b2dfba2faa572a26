//! The answer of `diff`.

use super::facts::{FACTS, Refused};
use super::generations::GENERATIONS;
use super::{List, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How two generations of a set differ. All differences are in memory only where the JSON document is wanted: with
/// `--json`, and in a session of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// The number of the first generation.
    pub before: u64,
    /// The number of the second generation.
    pub after: u64,
    /// Entries that are only in the second generation.
    pub added: u64,
    /// Entries that are only in the first generation.
    pub removed: u64,
    /// Entries with other content, type, target or device.
    pub content: u64,
    /// Entries with other permissions, owner, times or attributes.
    pub metadata: u64,
    /// Entries of which nobody can tell: their record must not be used in one of the generations.
    #[serde(default)]
    pub unknown: u64,
    /// Entries whose records must not be used; an entry of several generations counts in each.
    #[serde(default)]
    pub refused_count: u64,
    /// These entries; at most a thousand.
    #[serde(default)]
    pub refused: List<Refused, FACTS>,
    /// One item for each entry that differs, or may differ.
    pub differences: List<Difference, GENERATIONS>,
}

/// An entry that differs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// How the entry differs.
    pub change: Change,
    /// The path.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Bytes of the content in the first generation; null where the entry is not there.
    pub size_before: Option<u64>,
    /// Bytes of the content in the second generation; null where the entry is not there.
    pub size_after: Option<u64>,
}

/// How an entry differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Only in the second generation.
    Added,
    /// Only in the first generation.
    Removed,
    /// Other content, type, target or device.
    Content,
    /// Only other permissions, owner, times or attributes.
    Metadata,
    /// Nobody can tell: its record must not be used in one of the generations.
    Unknown,
}
