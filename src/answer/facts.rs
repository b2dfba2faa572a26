//! Facts that several commands answer.

use super::{List, Text, Word};
use crate::format::object::ObjectKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Faults, damaged objects or findings of one answer that reading keeps.
pub const FACTS: usize = 1000;

/// Something is wrong in the chain of seals.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The number of the object.
    #[serde(default)]
    pub object: u64,
    /// The kind of the object.
    #[serde(default = "seal")]
    pub kind: ObjectKind,
    /// What is wrong.
    pub fault: FaultName,
    /// What happened, for people, in the language chosen.
    #[serde(default)]
    pub text: Text,
}

/// The kind of an object in an answer that does not say it: that there is a fault counts all the same.
fn seal() -> ObjectKind {
    ObjectKind::Seal
}

/// What is wrong with a seal or a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    /// No seal lists the label, it is damaged, or it is another set's.
    Label,
    /// The seal is damaged or cut short.
    Unreadable,
    /// A seal between others is missing.
    Missing,
    /// The seal does not follow from the one before: its range, number, set or generation.
    OutOfPlace,
    /// The seal does not name the one before it: one of them was replaced.
    Forked,
    /// The seal has the check code of `--expect`, and another chain of seals goes on without it.
    Rival,
    /// The signature is wrong.
    Signature,
    /// The key of a later seal signed it.
    SignedByLaterKey,
    /// The seal names a succession that is not there or not valid.
    Succession,
    /// The list of objects is not the one that the head of the seal names.
    List,
    /// A newer program wrote it. Nothing from there on is judged.
    Newer,
}

/// An object is not what its seal says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// The number of the object.
    pub object: u64,
    /// The file name of the object: `00000012.pack`.
    pub name: Word,
    /// The generation whose seal lists it.
    pub generation: u64,
    /// What is wrong.
    pub damage: DamageName,
    /// What happened, for people, in the language chosen.
    pub text: Text,
}

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DamageName {
    /// The object is not there.
    Missing,
    /// It has another length.
    Length,
    /// It has another digest.
    Digest,
    /// It cannot be read.
    Unreadable,
    /// An object of another kind has its number.
    Kind,
}

/// Data could not be read, or is not what it should be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What was found: in a backup `unreadable`, `vanished`, `changed`, `source-empty`, `source-missing`, `source-elsewhere`,
    /// `empty-dump`, `no-dump`, `dump-shrank`, `dump-cut-off`, `source-stale`, `check-failed`, `attributes-unreadable`,
    /// `command-failed`, `canary-missing`, `harmless`, `alarm-open`, `taken-over`, `memory-lost`, `read-anew`,
    /// `medium-in-source`, `clock-set-back`, `clock-wrong`; in a restore `not-restored`, `refused` (its record breaks the
    /// format), `newer` (only a newer program knows what it is), `entries-lost`, `shortfall`, `withheld` (only with
    /// `--privileged`). Later versions may add others.
    pub kind: Word,
    /// What it is about: a path within the sources, or the name of a source.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Why, for people, in English; may be empty.
    pub detail: Text,
}

/// An entry whose record must not be used: nothing is known of it but its path.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// The number of the generation.
    pub generation: u64,
    /// The path of the entry.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Why it is refused.
    pub reason: RefusalName,
    /// More about it, for people, in English.
    pub detail: Text,
}

/// Why a record is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalName {
    /// It breaks the format.
    Damaged,
    /// Only a newer program knows what it is.
    Newer,
}

/// A tripwire was raised.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// Which tripwire; [tripwires.md](tripwires.md) names them.
    pub tripwire: Word,
    /// The name of the source.
    pub source: Text,
    /// The exact bytes of `source`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_hex: Option<Text>,
    /// What was measured: files or bytes, as the tripwire counts.
    pub measured: u64,
    /// The measure from which on the tripwire is raised.
    pub limit: u64,
    /// The generation that raised it first, of this set or of another set of this host, where nothing was added since: the
    /// alarm is still open. Absent where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since: Option<u64>,
    /// What people call that set; absent where it is this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_since_set: Option<Text>,
    /// The first paths that raised it, at most ten.
    #[serde(default)]
    pub paths: List<PathName, FACTS>,
}

/// A path, in an object of its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PathName {
    /// The path.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
}

impl PathName {
    /// The path of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let (path, path_hex) = super::name(bytes);
        Self { path, path_hex }
    }
}
