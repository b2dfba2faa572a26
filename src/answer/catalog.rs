//! The answers of `catalog`.

use super::facts::FACTS;
use super::generations::{GENERATIONS, LINES};
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sets whose catalog was built again from a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rebuilt {
    /// One item for each set on the medium.
    pub sets: List<RebuiltSet, LINES>,
}

/// A set whose catalog was built again from a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RebuiltSet {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// Generations in the catalog now.
    pub generations: u64,
    /// Packs in the catalog now.
    pub packs: u64,
    /// Chunks in the catalog now.
    pub chunks: u64,
    /// Numbers of packs whose index could not be read: their chunks will be stored again.
    pub unreadable_packs: List<u64, FACTS>,
    /// Why the last generation's list of entries could not be read; absent where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_entries: Option<Text>,
    /// Where a damaged catalog was moved to; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<Text>,
    /// The exact bytes of `set_aside`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside_hex: Option<Text>,
}

/// The operation log of the host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OperationLog {
    /// All lines, the oldest first.
    pub lines: List<Operation, GENERATIONS>,
    /// The first line that does not fit the one before; null where all do.
    pub first_broken_line: Option<u64>,
}

/// One line of the operation log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// The number of the line, from 1.
    pub line: u64,
    /// When the operation ended.
    pub time: Word,
    /// Which operation: `backup`, `media scrub`, `catalog rebuild`.
    pub operation: Word,
    /// What it did, in English.
    pub detail: Text,
}
