//! The answers of `history`: of a path, and of a period.

use super::facts::{FACTS, Fault};
use super::generations::{GENERATIONS, LINES};
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Of a path: its versions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PathHistory {
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    pub set: Word,
    pub set_name: Text,
    pub faults: List<Fault, FACTS>,
    pub versions: List<Version, GENERATIONS>,
}

/// What the path was from one generation to another; all between say the same.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    pub first_generation: u64,
    pub last_generation: u64,
    /// Of the first one's seal.
    pub first_time: Word,
    /// Of the last one's seal.
    pub last_time: Word,
    /// Null where damage hides it.
    pub found: Option<bool>,
    /// What it was, where it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryFacts>,
    /// Why it is not known, where damage hides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
}

/// An entry, as its record says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EntryFacts {
    #[serde(rename = "type")]
    pub kind: EntryKind,
    pub size: u64,
    pub mtime: Word,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub sha256: Option<Word>,
    pub blake3: Option<Word>,
}

/// Of a period: what was created, changed or went.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PeriodHistory {
    pub set: Word,
    pub set_name: Text,
    pub since: Option<Word>,
    /// The first moment after the period; null without an end.
    pub until: Option<Word>,
    pub faults: List<Fault, FACTS>,
    /// The last generation before the period, or null.
    pub before: Option<SealedGeneration>,
    /// The generations of the period.
    pub generations: List<SealedGeneration, GENERATIONS>,
    pub created: u64,
    pub changed: u64,
    pub gone: u64,
    /// Files of the period's last generation that the one before it has with the same content; null where there is none before.
    pub older: Option<u64>,
    /// Bytes of these files.
    pub older_bytes: Option<u64>,
    pub happened: List<Happened, LINES>,
}

/// A generation and the time of its seal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SealedGeneration {
    pub generation: u64,
    pub time: Word,
}

/// What happened to a path in the period.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Happened {
    pub what: What,
    /// The first generation that shows it.
    pub generation: u64,
    pub time: Word,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    pub before: Option<EntryFacts>,
    pub after: Option<EntryFacts>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Created,
    Changed,
    Gone,
    /// Only with `--older`: it was there before the period, as it is.
    Older,
}
