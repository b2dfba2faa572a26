//! The answers of `evidence`.

use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A session of evidence began. Later, pages that `report` and `compare --html` make in it are kept under `reports/`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    /// The session's folder.
    pub session: Text,
    /// How many seals of the medium were copied into the session.
    pub seals: u64,
    /// SHA-256 of the program's file, in hexadecimal.
    pub program_sha256: Word,
    /// Whether the medium could have been written to: evidence is better taken from one that cannot.
    pub medium_writable: bool,
}

/// The custody record of a session, as it was checked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Lines of the record.
    pub lines: u64,
    /// SHA-256 of the record's last line, in hexadecimal: it binds all lines, and belongs on paper.
    pub last_sha256: Word,
    /// Numbers of the lines, from 1, that do not fit the one before.
    pub broken: List<u64, FACTS>,
    /// Files of the session that are missing, that are not what was recorded, or that no line of the record names.
    pub files: List<Text, FACTS>,
}

impl Record {
    /// There is a record, each line fits the one before, and each file is what the record says.
    pub fn is_good(&self) -> bool {
        self.lines > 0 && self.broken.is_empty() && self.files.is_empty()
    }
}
