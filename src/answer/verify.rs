//! The answer of `verify`.

use super::facts::{Damage, FACTS, Fault};
use super::generations::GENERATIONS;
use super::{List, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether every object on a medium is what its seal says. No key is needed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verify {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// Whether there is a generation, no fault, no damage and no foreign object, and the expected and the known seal were
    /// found.
    pub good: bool,
    /// The public key of the first seal, by the label, in hexadecimal; null where the label cannot be read.
    pub root_key: Option<Word>,
    /// The seals, in the order of the chain: one of each generation, and closing seals (`continued`, `checkpoint`) before it.
    pub generations: List<VerifiedGeneration, GENERATIONS>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// Objects that are not what their seal says.
    pub damage: List<Damage, FACTS>,
    /// The files that the damage touches; null where there is none, or no identity was given.
    #[serde(default)]
    pub touched: Option<DamageTouches>,
    /// What no seal covers, by the path below the set's folder: `00000/00000012.pack`; of a tape, also a second object with
    /// one number and kind, with the address of its header: `00000/00000012.pack@4711`.
    #[serde(default)]
    pub foreign: List<Text, FACTS>,
    /// What a desktop system has left in the set's folder, such as `.DS_Store`: no fault.
    #[serde(default)]
    pub litter: List<Text, FACTS>,
    /// The medium's number in its set, from 1; 0 where the label cannot be read.
    pub place: Option<u64>,
    /// Objects of these generations that are on earlier media and were not read.
    pub objects_elsewhere: Option<u64>,
    /// Objects behind the last seal: an interrupted run left them.
    #[serde(default)]
    pub leftover_objects: u64,
    /// Objects that were read.
    pub objects: u64,
    /// Bytes of these objects without the seals.
    pub bytes: u64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
    /// Whether the check code of `--expect` is among the seals; null where none was given.
    pub expected: Option<ExpectedSeal>,
    /// Whether the last seal that this host remembers is among the seals; null where the host knows nothing of the
    /// set.
    pub known: Option<ExpectedSeal>,
}

/// What damage touches, by name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DamageTouches {
    /// Files that have content in a damaged pack; at most a thousand.
    pub files: List<TouchedFile, FACTS>,
    /// Whether more files are touched than are listed.
    pub more: bool,
    /// The generations that damage touches, each with all that it touches.
    pub generations: List<TouchedGeneration, GENERATIONS>,
}

/// A file that has content in a damaged pack. A restore saves of it what can be read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TouchedFile {
    /// Its path, beginning with the name of its source.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The number of the first damaged pack that it has content in.
    pub object: u64,
    /// The first of consecutive generations in which it is damaged.
    pub first_generation: u64,
    /// The last of them.
    pub last_generation: u64,
}

/// A generation that damage touches.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TouchedGeneration {
    /// Its number.
    pub generation: u64,
    /// Files that have content in a damaged pack.
    pub files: u64,
    /// Entries of which damage hides even the names.
    pub entries_lost: u64,
    /// Why nothing can be said of the generation, in English; null where it can.
    pub unknown: Option<Text>,
}

/// A generation, as its seal says and its objects are.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedGeneration {
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
    /// Whether the check code of `--expect` shows that the seal is the one that was written.
    #[serde(default)]
    pub anchored: bool,
    /// Whether the seal was signed by the key that a succession names.
    #[serde(default)]
    pub succession: bool,
    /// Whether the list of objects of the seal is damaged, so that they cannot be checked.
    #[serde(default)]
    pub list_damaged: bool,
    /// Objects that the seal covers, and the seal.
    pub objects: u64,
    /// Bytes of these objects without the seal.
    pub bytes: u64,
    /// Objects among them that are not what the seal says.
    pub damaged_objects: u64,
}

/// A seal that was searched for among those that are valid.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExpectedSeal {
    /// Whether it was found.
    pub found: bool,
    /// Its generation; absent where it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Generations after it; absent where it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer: Option<u64>,
}
