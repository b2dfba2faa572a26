//! The answers of `media`.

use super::facts::{Damage, FACTS, Fault};
use super::generations::GENERATIONS;
use super::{List, Text, Word};
use crate::format::seal::ReadBack;
use crate::host::ledger::MediumKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A medium that was registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Init {
    pub name: Text,
    pub set: Word,
    pub pool: Option<Text>,
}

/// Labels that were made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Labels {
    /// Their file.
    pub labels: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_hex: Option<Text>,
}

/// The media of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    pub media: List<Medium, 2_000>,
}

/// A medium of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Medium {
    pub name: Word,
    pub set: Option<Word>,
    pub pool: Option<Word>,
    /// As the hardware calls itself.
    pub device: Option<Text>,
    /// Null when it is not known.
    pub kind: Option<MediumKind>,
    /// Made by `media copy --name`.
    #[serde(default)]
    pub copy: bool,
    /// When it was registered.
    pub registered: Option<Word>,
    /// Where somebody took it.
    pub place: Option<Word>,
    pub off_site: bool,
    /// When a run last found it.
    pub attached: Option<Word>,
    /// Neither seen to leave nor moved since.
    pub at_host: bool,
    /// When it was seen to leave.
    pub left: Option<Word>,
    pub written: Option<Written>,
    pub scrubbed: Option<Scrubbed>,
}

/// The newest generation on a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    pub time: Word,
    pub generation: u64,
    pub check_code: Word,
}

/// The last scrub of a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scrubbed {
    pub time: Word,
    /// Objects.
    pub damaged: u64,
}

/// Whose turn it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Due {
    pub pools: List<DuePool, FACTS>,
}

/// A pool and the medium that is due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DuePool {
    pub pool: Text,
    /// The medium whose turn it is.
    pub due: Text,
    /// The medium written last, or null.
    pub last: Option<Text>,
    /// How many nights in a row it was written.
    pub nights: u64,
}

/// The lines of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    pub lines: List<LedgerLine, GENERATIONS>,
    /// Numbers of lines of the file that do not fit the one before.
    pub broken: List<u64, FACTS>,
}

/// A line of the ledger, and what belongs to its event.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct LedgerLine {
    /// From 1; absent in the answer of `media move`, whose line is being written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Word>,
    /// `registered`, `copied`, `attached`, `written`, `detached`, `moved`, `refused`, `held`, `release-asked`, `released`, `scrubbed`.
    pub event: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediumKind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_code: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Word>,
    /// Where a run found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Text>,
    /// Of `detached`: it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_site: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Word>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Word>,
    /// Of `refused`: the medium that was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Word>,
    /// Of `refused`: what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Text>,
    /// Of `scrubbed`: objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<u64>,
}

/// A copy of a set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    pub set: Word,
    pub set_name: Text,
    /// Nothing is lacking.
    pub good: bool,
    /// What the copy now holds.
    pub objects: u64,
    /// What the copy now holds.
    pub bytes: u64,
    /// Of these, there before.
    pub already_objects: u64,
    /// What the copy lacks.
    pub damage: List<Damage, FACTS>,
    pub faults: List<Fault, FACTS>,
    /// Copied as they lie there: their seal is damaged or missing.
    pub unproved_objects: u64,
    /// Numbers of the source's media that were read.
    pub places: List<u64, FACTS>,
    /// The newest in the copy; null where there is none.
    pub generation: Option<u64>,
    pub check_code: Option<Word>,
    pub read_back: ReadBack,
}

/// A medium that was read in full.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scrub {
    pub set: Word,
    pub set_name: Text,
    /// The medium's number in its set; 0 when the label cannot be read.
    pub place: u64,
    /// The medium's id, or null.
    pub medium: Option<Word>,
    pub verdict: Health,
    pub objects: u64,
    pub bytes: u64,
    /// Seconds, with a fraction.
    pub seconds: f64,
    /// Null when it took no time that could be measured.
    pub bytes_per_second: Option<u64>,
    pub damage: List<Damage, FACTS>,
    /// Objects of no generation.
    pub unreadable: List<Unreadable, FACTS>,
    pub faults: List<Fault, FACTS>,
    pub read_back: ReadBack,
}

/// What a scrub says of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Good,
    CopyForward,
    /// Everything can be read, but the seals do not form a chain.
    Suspect,
}

/// An object that could not be read and belongs to no generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    pub name: Word,
    /// Why.
    pub text: Text,
}
