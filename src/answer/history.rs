//! The answers of `history`: of a path, and of a period.

use super::facts::{FACTS, Fault, Refused};
use super::generations::{GENERATIONS, LINES};
use super::proof::State;
use super::{List, Text, Word};
use crate::format::entry::EntryKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All versions of one path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PathHistory {
    /// The path that was asked for.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// The versions, the oldest first.
    pub versions: List<Version, GENERATIONS>,
}

/// What the path was in all generations from one to another.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The first of these generations.
    pub first_generation: u64,
    /// The last of these generations.
    pub last_generation: u64,
    /// When the first one's seal was written.
    pub first_time: Word,
    /// When the last one's seal was written.
    pub last_time: Word,
    /// Whether the path is there; null where damage hides it.
    pub found: Option<bool>,
    /// What is there; absent where nothing is, or where damage hides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryFacts>,
    /// Why it is not known, in English; absent where damage hides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
}

/// An entry, as its record in the generation says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EntryFacts {
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
    /// Permissions and type, as `st_mode` of `stat` (decimal).
    pub mode: u32,
    /// The number of the owner.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// SHA-256 of the content, in hexadecimal; null where it was not recorded.
    pub sha256: Option<Word>,
    /// BLAKE3 of the content, in hexadecimal; null where the entry has no content, and with `stored_blake3`.
    pub blake3: Option<Word>,
    /// Of a file whose holes add up to more than 1 GiB: SHA-256 of its content without the holes; absent where it was
    /// not recorded. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_sha256: Option<Word>,
    /// Of a file whose holes add up to more than 1 GiB: BLAKE3 of its content without the holes. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_blake3: Option<Word>,
}

/// What was created, changed or removed in a period, and what is older than it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PeriodHistory {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// The first moment of the period.
    pub since: Option<Word>,
    /// The first moment after the period; null where it has no end.
    pub until: Option<Word>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// The last generation before the period; null where there is none.
    pub before: Option<SealedGeneration>,
    /// The generations of the period.
    pub generations: List<SealedGeneration, GENERATIONS>,
    /// Entries whose records must not be used; an entry of several generations counts in each.
    #[serde(default)]
    pub refused_count: u64,
    /// These entries; at most a thousand.
    #[serde(default)]
    pub refused: List<Refused, FACTS>,
    /// Entries that were created.
    pub created: u64,
    /// Entries whose content changed.
    pub changed: u64,
    /// Entries that were removed.
    pub gone: u64,
    /// Files of the last generation of the period that `before` has with the same content; null where `before` is
    /// null.
    pub older: Option<u64>,
    /// Bytes of these files; null where `before` is null.
    pub older_bytes: Option<u64>,
    /// One item for each entry that was created, changed or removed, generation by generation; with `--older` then
    /// also one for each older file.
    pub happened: List<Happened, LINES>,
}

/// A generation, and the time of its seal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SealedGeneration {
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
}

/// What happened to one path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Happened {
    /// What happened.
    pub what: What,
    /// The first generation that shows it; of an older file, the last of the period.
    pub generation: u64,
    /// When that generation's seal was written.
    pub time: Word,
    /// The path.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The entry before it happened; null where there was none.
    pub before: Option<EntryFacts>,
    /// The entry after it happened; null where there is none.
    pub after: Option<EntryFacts>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It was created.
    Created,
    /// Its content changed.
    Changed,
    /// It was removed.
    Gone,
    /// It is older than the period, with the same content. Only with `--older`.
    Older,
}
