//! The answers of `keys`. A secret key is never in JSON.

use super::facts::{FACTS, Fault, PathName, Refused};
use super::generations::LINES;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recovery key was made. A secret key is never in JSON.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct New {
    /// The key's file.
    pub key_file: Text,
    /// The exact bytes of `key_file`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file_hex: Option<Text>,
    /// The file of the sheet for paper; absent where none was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Text>,
    /// The exact bytes of `sheet`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_hex: Option<Text>,
    /// The public keys that belong to it.
    pub recipients: List<Word, LINES>,
    /// Whether a passphrase protects the file.
    pub passphrase: bool,
}

/// A sheet of a recovery key was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sheet {
    /// The file of the sheet.
    pub sheet: Text,
    /// The exact bytes of `sheet`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_hex: Option<Text>,
}

/// The public halves of an identity file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Recipients {
    /// The public keys, one for each key of the file.
    pub recipients: List<Word, LINES>,
}

/// A key opened a generation and read its list of entries to the end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rehearsed {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
    /// Entries that were read.
    pub entries: u64,
    /// Entries whose records must not be used.
    #[serde(default)]
    pub refused_count: u64,
    /// These entries; at most a thousand.
    #[serde(default)]
    pub refused: List<Refused, FACTS>,
    /// Sources that were not there when the generation was made.
    #[serde(default)]
    pub missing_sources: List<PathName, FACTS>,
    /// Numbers of objects that are not encrypted to exactly the recipients of the set: somebody else may be able to read
    /// it.
    #[serde(default)]
    pub wrong_stanzas: List<u64, FACTS>,
    /// Whether the seal is valid and follows from the chain of seals.
    pub trusted: bool,
    /// Recipients of the set that do not belong to this identity: further keys that open it.
    pub other_recipients: List<Word, LINES>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
}
