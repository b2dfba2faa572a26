//! The answers of `keys`. A secret key is never in JSON.

use super::facts::{FACTS, Fault};
use super::generations::LINES;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A recovery key that was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct New {
    pub key_file: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file_hex: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_hex: Option<Text>,
    pub recipients: List<Word, LINES>,
    /// Whether the file has a passphrase.
    pub passphrase: bool,
}

/// A sheet that was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sheet {
    pub sheet: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet_hex: Option<Text>,
}

/// The public halves of an identity file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Recipients {
    pub recipients: List<Word, LINES>,
}

/// A key that opened a generation and read its list of entries to the end.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rehearsed {
    pub set: Word,
    pub set_name: Text,
    pub generation: u64,
    pub time: Word,
    pub entries: u64,
    /// The seal fits the chain.
    pub trusted: bool,
    /// Recipients of the set that are not of this identity.
    pub other_recipients: List<Word, LINES>,
    pub faults: List<Fault, FACTS>,
}
