//! The answers of `evidence`.

use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A session that began. Pages that `report` and `compare --html` make in it are kept under `reports/`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    pub session: Text,
    /// How many seals were kept.
    pub seals: u64,
    /// SHA-256 of the program.
    pub program_sha256: Word,
    /// The medium could be written to.
    pub medium_writable: bool,
}

/// A session's record, as `evidence check` and `evidence export` found it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    pub lines: u64,
    /// Of the record's last line.
    pub last_sha256: Word,
    /// Numbers of lines that do not fit the one before.
    pub broken: List<u64, FACTS>,
    /// Files that are missing, that are not what was recorded, or that no line of the record names.
    pub files: List<Text, FACTS>,
}

impl Record {
    /// There is a record, each line fits the one before, and each file is what the record says.
    pub fn is_good(&self) -> bool {
        self.lines > 0 && self.broken.is_empty() && self.files.is_empty()
    }
}
