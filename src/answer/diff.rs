//! The answer of `diff`.

use super::generations::GENERATIONS;
use super::{List, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How two generations differ. All differences are held in memory; without `--json` and outside of a session of evidence they are not.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Diff {
    /// A generation.
    pub before: u64,
    /// A generation.
    pub after: u64,
    pub added: u64,
    pub removed: u64,
    /// Entries with other content, type, target or device.
    pub content: u64,
    /// Entries with other permissions, owner, times or attributes.
    pub metadata: u64,
    pub differences: List<Difference, GENERATIONS>,
}

/// A path that differs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    pub change: Change,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Null where there was none.
    pub size_before: Option<u64>,
    /// Null where there is none.
    pub size_after: Option<u64>,
}

/// How an entry differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Added,
    Removed,
    /// Content, type, target or device.
    Content,
    /// Only permissions, owner, times, attributes.
    Metadata,
}
