//! The answer of `backup`.

use super::facts::{Alarm, FACTS, Finding};
use super::generations::LINES;
use super::{List, NamedCounts, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A generation was sealed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// Whether the set keeps a state that is suspected of contamination, as evidence and apart from clean
    /// generations.
    pub quarantine: bool,
    /// Whether a hold is active.
    #[serde(default)]
    pub hold: bool,
    /// How the set was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_opened: Option<SetOpened>,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    /// What the seal says of the generation.
    pub verdict: Verdict,
    /// How the objects were read again before the seal was written: from the operating system's cache, after asking
    /// it to drop its cache, or past the cache.
    pub read_back: ReadBack,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// Counts of the whole generation: `entries`, `files`, `bytes` (of content); `new`, `changed`, `unchanged` and
    /// `gone` entries since the generation before; `bytes_read` (of the sources), `new_bytes` (of content that the
    /// set did not contain yet), `findings` (all that make the generation incomplete, where the
    /// list is cut, too; notes are not counted).
    pub statistics: NamedCounts,
    /// What could not be read as it should be; at most a thousand, `statistics.findings` counts all. Among them are notes,
    /// which are not counted, as nothing is missing because of them: `medium-in-source`, `taken-over`, `leftover`, `harmless`,
    /// `alarm-open`, `read-anew`.
    #[serde(default)]
    pub findings: List<Finding, FACTS>,
    /// Tripwires that were raised. Each puts a hold on.
    #[serde(default)]
    pub alarms: List<Alarm, LINES>,
    /// Bytes of all objects that the run added to the medium.
    #[serde(default)]
    pub added_bytes: u64,
    /// Objects that the run added to the medium.
    #[serde(default)]
    pub added_objects: u64,
    /// Objects of an interrupted run that were taken over instead of being written again.
    #[serde(default)]
    pub adopted_objects: u64,
    /// The medium that the generation was sealed on.
    pub medium: Option<BackupMedium>,
    /// The medium's number in its set, from 1.
    pub place: Option<u64>,
    /// Media that became full during the run, in their order.
    #[serde(default)]
    pub closed_media: List<ClosedMedium, FACTS>,
    /// How the tape drive was fed; null where the medium is no tape.
    pub streaming: Option<Streaming>,
    /// The recovery key that was made for a new set; null where none was made.
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

/// The medium that a generation was sealed on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BackupMedium {
    /// The kind of the file system (`ext4`, `exfat` …), or `tape`.
    pub file_system: Text,
    /// The medium's path on the host.
    pub place: Text,
    /// The exact bytes of `place`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_hex: Option<Text>,
}

/// A medium that became full, and the seal that closes it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ClosedMedium {
    /// The medium's number in its set, from 1.
    pub place: u64,
    /// The generation that the run was making.
    pub generation: u64,
    /// The check code of the seal that closes the medium.
    pub check_code: Word,
    /// Objects that the closing seal covers, and that seal.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
}

/// How a tape drive was fed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Streaming {
    /// Packs that fit into the buffer in front of the drive.
    pub buffer_packs: u64,
    /// The fewest packs that the buffer contained while more were to come.
    pub lowest_packs: u64,
    /// How often the drive had to wait for data.
    pub under_runs: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Nanoseconds spent writing.
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
    /// The key's file.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The public keys that belong to it.
    pub recipients: List<Word, LINES>,
}
