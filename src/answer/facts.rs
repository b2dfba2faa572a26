//! Facts that several commands answer.

use super::{List, Text, Word};
use crate::format::object::ObjectKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Faults, damaged objects or findings of one answer that reading keeps.
pub const FACTS: usize = 1000;

/// Something wrong in the chain of seals.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// The object's number.
    pub object: u64,
    pub kind: ObjectKind,
    pub fault: FaultName,
    /// For people, in the language chosen.
    pub text: Text,
}

/// What is wrong with a seal or a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FaultName {
    Label,
    Unreadable,
    Missing,
    OutOfPlace,
    Forked,
    Signature,
    SignedByLaterKey,
    Log,
}

/// An object that is not what its seal says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// The object's number.
    pub object: u64,
    /// The object's file name.
    pub name: Word,
    /// The generation whose seal lists it.
    pub generation: u64,
    pub damage: DamageName,
    /// For people, in the language chosen.
    pub text: Text,
}

/// What is wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DamageName {
    Missing,
    Length,
    Digest,
    Unreadable,
    Kind,
}

/// Data that could not be read, or is not what it should be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `unreadable`, `vanished`, `changed`, `source-empty`, `source-missing`, `medium-in-source`, `clock-set-back`, `not-restored`,
    /// `shortfall` …
    pub kind: Word,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// For people.
    pub detail: Text,
}

/// A tripwire that was raised.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// Which tripwire (docs/tripwires.md).
    pub tripwire: Word,
    pub source: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_hex: Option<Text>,
    /// What was measured; files or bytes, as the tripwire counts.
    pub measured: u64,
    /// From which measure on the tripwire is raised.
    pub limit: u64,
    /// The first paths that raised it.
    #[serde(default)]
    pub paths: List<PathName, FACTS>,
}

/// A path, in an object of its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PathName {
    pub path: Text,
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
