//! The answer of `backup`.

use super::facts::{Alarm, FACTS, Finding};
use super::generations::LINES;
use super::{Counts, List, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The generation that was sealed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    pub set: Word,
    pub set_name: Text,
    /// It is kept as evidence, apart from clean generations.
    pub quarantine: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_opened: Option<SetOpened>,
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    pub check_code: Word,
    /// `entries`, `files`, `bytes`, `new`, `changed`, `unchanged`, `gone`, `bytes_read`, `new_bytes`, `findings`.
    pub statistics: Counts,
    #[serde(default)]
    pub findings: List<Finding, FACTS>,
    /// Tripwires that were raised.
    #[serde(default)]
    pub alarms: List<Alarm, LINES>,
    /// Bytes that the run added to the medium.
    #[serde(default)]
    pub added_bytes: u64,
    /// Objects that the run added to the medium.
    #[serde(default)]
    pub added_objects: u64,
    /// Objects of an interrupted run that were taken over.
    #[serde(default)]
    pub adopted_objects: u64,
    pub medium: Option<BackupMedium>,
    /// The medium's number in its set.
    pub place: Option<u64>,
    /// Media that became full.
    #[serde(default)]
    pub closed_media: List<ClosedMedium, FACTS>,
    /// How the drive was fed; null where the medium is no tape.
    pub streaming: Option<Streaming>,
    /// A recovery key that was made, or null.
    pub recovery_key: Option<RecoveryKeyFile>,
}

/// How the set came to be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SetOpened {
    /// This host knew it.
    Known,
    /// It was begun.
    New,
    /// It was begun beside sets of this host, whose catalog is lost.
    NewWithoutCatalog,
}

/// Where the generation lies.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BackupMedium {
    /// The kind of file system.
    pub file_system: Text,
    /// The medium's path.
    pub place: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_hex: Option<Text>,
}

/// A medium that became full, and the seal that closes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClosedMedium {
    /// The medium's number in its set.
    pub place: u64,
    pub generation: u64,
    pub check_code: Word,
    pub objects: u64,
    pub bytes: u64,
}

/// How a tape drive was fed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Streaming {
    /// Packs that fit into the buffer.
    pub buffer_packs: u64,
    /// Packs that the buffer held at least while more were to come.
    pub lowest_packs: u64,
    /// How often the drive had to wait.
    pub under_runs: u64,
    pub bytes: u64,
    /// Time spent writing.
    pub nanoseconds: u64,
}

impl Streaming {
    /// What the drive took while it did not wait; 0 where it took no time that could be measured.
    pub fn bytes_per_second(&self) -> u64 {
        let nanoseconds = u128::from(self.nanoseconds);
        (u128::from(self.bytes) * 1_000_000_000).checked_div(nanoseconds).map_or(0, |rate| rate as u64)
    }
}

/// A recovery key that was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryKeyFile {
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    pub recipients: List<Word, LINES>,
}
