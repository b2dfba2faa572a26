//! The answers of `generations` and `generations --clean`.

use super::facts::{Alarm, FACTS, Fault};
use super::{List, NamedCounts, Text, Word};
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
    /// One item for each set on the medium; sets in quarantine come last.
    pub sets: List<SetOfGenerations, LINES>,
}

/// A set, as its label and its seals say.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetOfGenerations {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the set; empty where the label is damaged.
    pub set_name: Text,
    /// When the set was begun, by its label; empty where the label is damaged.
    pub created: Word,
    /// Whether the set keeps a state that is suspected of contamination.
    pub quarantine: bool,
    /// The generations, in the order of the chain of seals.
    pub generations: List<Generation, GENERATIONS>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
}

/// A generation, as its seal says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// What the seal says of the generation.
    pub verdict: Verdict,
    /// How the objects were read again before the seal was written: from the operating system's cache, after asking
    /// it to drop its cache, or past the cache.
    pub read_back: ReadBack,
    /// Whether the seal is valid and follows from the chain of seals.
    pub trusted: bool,
    /// Entries of every type: files, folders, links, devices.
    pub entries: u64,
    /// The number, within the set, of the medium that the seal is on.
    pub place: u64,
    /// Bytes that the generation added to the set.
    pub added_bytes: u64,
    /// What only the manifest says; null where no identity was given.
    pub details: Option<Details>,
}

/// What a manifest says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Details {
    /// The host that was backed up.
    pub host: Text,
    /// The words of `--tag`; null where none were given.
    pub tag: Option<Text>,
    /// Whether every file was read, whatever its times say.
    pub full: bool,
    /// The sources of the generation.
    pub sources: List<SourceName, FACTS>,
    /// Counts, as in `backup`.
    pub statistics: NamedCounts,
    /// What a full restore reads from each medium; empty where the set had only one.
    pub media: List<BytesOfMedium, FACTS>,
}

/// A source, and its turn in a restore.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceName {
    /// The name of the source.
    pub name: Text,
    /// The exact bytes of `name`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    /// 1 to 9: restored in this order; null: restored after all others.
    pub priority: Option<u8>,
}

/// What is read from one medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BytesOfMedium {
    /// The medium's number in its set, from 1.
    pub place: u64,
    /// Bytes of content that are read from it.
    pub bytes: u64,
}

/// What speaks against each generation, and the last one before the first trace of an intruder. Reads every
/// generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Clean {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// Whether the set keeps a state that is suspected of contamination.
    pub quarantine: Option<bool>,
    // Always present: it distinguishes this answer from the other one of the same command.
    /// The last generation before the first trace; null where there is none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub last_clean: Option<u64>,
    /// The generations, in the order of the chain of seals.
    pub generations: List<CleanGeneration, GENERATIONS>,
    /// The indicators that were given with `--ioc`; null where none were.
    pub indicators: Option<Indicators>,
    /// Where each indicator that was found appears first.
    pub first: List<FirstAppearance, LINES>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
}

/// Indicators that were given.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Indicators {
    /// Indicators that were searched for: names and SHA-256 of files.
    pub looked_for: u64,
    /// Indicators that are neither a name nor a SHA-256 of a file, and were not searched for.
    pub passed_over: u64,
}

/// What speaks against a generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CleanGeneration {
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// Whether the seal is valid and follows from the chain of seals.
    pub trusted: bool,
    /// What the seal says of the generation.
    pub verdict: Verdict,
    /// Whether nothing speaks against it.
    pub clean: bool,
    /// What the generation changed, for each source; empty where its measures cannot be read.
    pub changes: List<Changes, LINES>,
    /// Tripwires that were raised when it was written.
    pub alarms: List<Alarm, LINES>,
    /// Why two people have called all of these harmless, and who; null where they have not.
    #[serde(default)]
    pub harmless: Option<Text>,
    /// Files that an indicator matches.
    pub hits: u64,
    /// Files without a SHA-256: no digest could be searched for in them.
    #[serde(default)]
    pub unhashed: u64,
    /// Why not all of it could be searched; null where all was.
    #[serde(default)]
    pub damaged: Option<Text>,
}

impl CleanGeneration {
    /// Damage is no sign, and no absence of one.
    pub fn has_trace(&self) -> bool {
        let is_alarmed = !self.alarms.is_empty() && self.harmless.is_none();
        !self.trusted || is_alarmed || self.hits > 0 || (!self.clean && self.damaged.is_none())
    }

    /// Nothing speaks against it, and all of it was looked at.
    pub fn is_clean(&self) -> bool {
        self.clean && self.damaged.is_none() && !self.has_trace()
    }
}

/// What a generation changed in one source, as [tripwires.md](tripwires.md) measures it. All but `files` count
/// changes since the generation before.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// The name of the source.
    pub source: Text,
    /// The exact bytes of `source`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_hex: Option<Text>,
    /// Files of the source.
    pub files: u64,
    /// New files.
    pub new: u64,
    /// Files with other content.
    pub changed: u64,
    /// Files that are no longer there.
    pub gone: u64,
    /// Files whose content changed against the source's rules.
    pub forbidden: u64,
    /// New or changed files that look like noise, of kinds that did not so far.
    pub noisy: u64,
    /// New or changed files whose first bytes do not fit their kind.
    pub misfit: u64,
    /// New files of kinds that the source did not have so far.
    pub strange: u64,
    /// Canary files that were touched.
    pub canaries: u64,
    /// Changed files of kinds that are written only once: images, archives, printed pages.
    pub finished: u64,
}

/// Where an indicator appears first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FirstAppearance {
    /// The indicator, as it was given.
    pub indicator: Text,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// The path of the file.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
}
