//! The answer of `verify`.

use super::facts::{Damage, FACTS, Fault};
use super::generations::GENERATIONS;
use super::{List, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether every object on a medium is what its seal says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verify {
    pub set: Word,
    pub set_name: Text,
    /// No fault, no damage, and what was expected was found.
    pub good: bool,
    /// The public key of the first seal, by the label; null without one.
    pub root_key: Option<Word>,
    pub generations: List<VerifiedGeneration, GENERATIONS>,
    pub faults: List<Fault, FACTS>,
    pub damage: List<Damage, FACTS>,
    /// Names that no seal covers.
    pub foreign: List<Text, FACTS>,
    /// The medium's number in its set.
    pub place: Option<u64>,
    /// Objects of these generations that lie on earlier media and were not read.
    pub objects_elsewhere: Option<u64>,
    /// Objects behind the last seal.
    pub leftover_objects: u64,
    /// Objects read.
    pub objects: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
    /// The check code that was given; null when none was.
    pub expected: Option<ExpectedSeal>,
    /// The last seal that this host remembers; null when it knows nothing of the set.
    pub known: Option<ExpectedSeal>,
}

/// A generation as its seal and its objects show it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedGeneration {
    pub generation: u64,
    pub time: Word,
    pub check_code: Word,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    /// Its seal fits the chain.
    pub trusted: bool,
    pub objects: u64,
    pub bytes: u64,
    /// Objects that are not what the seal says.
    pub damaged_objects: u64,
}

/// A seal that was looked for among those that fit.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExpectedSeal {
    pub found: bool,
    /// Its generation; absent when it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Generations after it; absent when it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<u64>,
}
