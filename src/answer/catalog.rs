//! The answers of `catalog`.

use super::facts::FACTS;
use super::generations::{GENERATIONS, LINES};
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sets whose catalog was made anew.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rebuilt {
    pub sets: List<RebuiltSet, LINES>,
}

/// A set whose catalog was made anew.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RebuiltSet {
    pub set: Word,
    pub generations: u64,
    pub packs: u64,
    pub chunks: u64,
    /// Numbers of packs whose index could not be read.
    pub unreadable_packs: List<u64, FACTS>,
    /// Why the list of entries of the last generation could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_entries: Option<Text>,
    /// Where a damaged catalog was moved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside_hex: Option<Text>,
}

/// The operation log of the host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OperationLog {
    pub lines: List<Operation, GENERATIONS>,
    /// Null when the chain of lines holds.
    pub first_broken_line: Option<u64>,
}

/// One line of the operation log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Operation {
    /// From 1.
    pub line: u64,
    pub time: Word,
    /// Which command.
    pub operation: Word,
    /// What it did.
    pub detail: Text,
}
