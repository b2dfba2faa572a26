//! The answer of `find`.

use super::facts::{FACTS, Refused};
use super::generations::GENERATIONS;
use super::proof::State;
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Entries that fit the patterns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Find {
    /// In the order of the generations in which they appear first, and in each in the order of the paths.
    pub hits: List<Hit, GENERATIONS>,
    /// Entries whose records must not be used, whether or not a pattern fits; an entry of several generations counts in each.
    #[serde(default)]
    pub refused_count: u64,
    /// These entries; at most a thousand.
    #[serde(default)]
    pub refused: List<Refused, FACTS>,
}

/// An entry that is the same in all generations from one to another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The first of these generations.
    pub first_generation: u64,
    /// The last of these generations.
    pub last_generation: u64,
    /// The path.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The type of the entry.
    #[serde(rename = "type")]
    pub kind: EntryKind,
    /// Bytes of the content; 0 where the entry is no file, or could not be read.
    pub size: u64,
    /// How the file was when it was backed up; absent where it was read whole, or the entry is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// When the content was last changed, as the source had it.
    pub mtime: Word,
}
