//! The answers of `generations` and `generations --clean`.

use super::facts::{Alarm, FACTS, Fault};
use super::{Counts, List, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Generations of a set that reading keeps: 50 years of nights.
pub const GENERATIONS: usize = 20_000;
/// Lines of one list on paper.
pub const LINES: usize = 200;

/// The sets on a medium and their generations.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Generations {
    pub sets: List<SetOfGenerations, LINES>,
}

/// A set, as its label and its seals show it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetOfGenerations {
    pub set: Word,
    pub set_name: Text,
    /// When the set was begun, by its label.
    pub created: Word,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: bool,
    pub generations: List<Generation, GENERATIONS>,
    pub faults: List<Fault, FACTS>,
}

/// A generation, as its seal shows it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    pub generation: u64,
    pub time: Word,
    pub check_code: Word,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    /// Its seal fits the chain.
    pub trusted: bool,
    pub entries: u64,
    /// The number in the set of the medium that its seal lies on.
    pub place: u64,
    /// Bytes that it added to the medium.
    pub added_bytes: u64,
    /// What only its manifest says; null without an identity.
    pub details: Option<Details>,
}

/// What a manifest says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    pub host: Text,
    pub tag: Option<Text>,
    /// Every file was read, whatever its times said.
    pub full: bool,
    pub sources: List<SourceName, FACTS>,
    pub statistics: Counts,
    /// What a full restore reads from each medium; empty where the set had one.
    pub media: List<BytesOfMedium, FACTS>,
}

/// A source and when it is restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceName {
    pub name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    /// 1 to 9, or null: after all others.
    pub priority: Option<u8>,
}

/// What is read from a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BytesOfMedium {
    /// The medium's number in its set.
    pub place: u64,
    pub bytes: u64,
}

/// With `--clean`: what speaks against each generation, and the last one before the first sign.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Clean {
    pub set: Word,
    pub set_name: Text,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: Option<bool>,
    /// The last generation before the first sign, or null.
    // Always there: it tells this answer from the other one of the same command.
    #[serde(deserialize_with = "Option::deserialize")]
    pub last_clean: Option<u64>,
    pub generations: List<CleanGeneration, GENERATIONS>,
    /// Null where no indicators were given.
    pub indicators: Option<Indicators>,
    /// Where each indicator appears first.
    pub first: List<FirstAppearance, LINES>,
    pub faults: List<Fault, FACTS>,
}

/// Indicators that were given.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Indicators {
    /// Indicators that were looked for.
    pub looked_for: u64,
    /// Neither a name nor the SHA-256 of a file.
    pub passed_over: u64,
}

/// What speaks against a generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CleanGeneration {
    pub generation: u64,
    pub time: Word,
    pub check_code: Word,
    /// Its seal fits the chain.
    pub trusted: bool,
    pub verdict: Verdict,
    /// Nothing speaks against it.
    pub clean: bool,
    pub changes: List<Changes, LINES>,
    pub alarms: List<Alarm, LINES>,
    /// Files that an indicator fits.
    pub hits: u64,
    /// Files without a SHA-256, in which no digest could be looked for.
    #[serde(default)]
    pub unhashed: u64,
    /// Why not all of it could be looked at, or null.
    #[serde(default)]
    pub damaged: Option<Text>,
}

impl CleanGeneration {
    /// Damage is no sign, and no absence of one.
    pub fn has_sign(&self) -> bool {
        !self.trusted || !self.alarms.is_empty() || self.hits > 0 || (!self.clean && self.damaged.is_none())
    }

    /// Nothing speaks against it, and all of it was looked at.
    pub fn is_clean(&self) -> bool {
        self.clean && self.damaged.is_none() && !self.has_sign()
    }
}

/// What a night changed in a source: counts of files (docs/tripwires.md).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    pub source: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_hex: Option<Text>,
    pub files: u64,
    /// New files.
    pub new: u64,
    pub changed: u64,
    pub gone: u64,
    /// Changes that the rules of the source forbid.
    pub forbidden: u64,
    /// Files whose content became like noise.
    pub noisy: u64,
    /// Files whose content does not fit their name.
    pub misfit: u64,
    /// New kinds of names.
    pub strange: u64,
    /// Canaries that were touched.
    pub canaries: u64,
    /// Changes that were announced, as a renewal of the system is.
    pub finished: u64,
}

/// Where an indicator appears first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FirstAppearance {
    pub indicator: Text,
    pub generation: u64,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
}
