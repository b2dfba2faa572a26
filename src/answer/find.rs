//! The answer of `find`.

use super::generations::GENERATIONS;
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries that fit the patterns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Find {
    pub hits: List<Hit, GENERATIONS>,
}

/// An entry that is the same from one generation to another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    pub first_generation: u64,
    pub last_generation: u64,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    #[serde(rename = "type")]
    pub kind: EntryKind,
    pub size: u64,
    pub mtime: Word,
}
