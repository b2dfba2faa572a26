//! The answer of `restore`.

use super::facts::{FACTS, Fault, Finding, PathName};
use super::generations::{BytesOfMedium, LINES};
use super::{Clipped, List, Loose, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was restored; with `--dry-run`, what would be.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Restore {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    #[serde(default)]
    pub check_code: Word,
    /// The generation whose seal has the check code of `--expect`; absent where none was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The newest generation on the medium.
    #[serde(default)]
    pub newest: u64,
    /// Objects behind the last seal: an interrupted run left them, or the seal of a generation is gone.
    #[serde(default)]
    pub leftover_objects: u64,
    /// Whether the seal is valid and follows from the chain of seals, or the check code of `--expect` shows that it is the
    /// one that was written.
    pub trusted: bool,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// Whether a tripwire was raised when the generation was written.
    #[serde(default)]
    pub has_alarm: bool,
    /// Whether the set keeps a state that is suspected of contamination.
    pub quarantine: Option<bool>,
    /// Whether the target is marked as provisional (未検証・参照のみ).
    #[serde(default)]
    pub provisional: bool,
    /// The name of the file in the target's root that marks it as provisional; null where it is not marked.
    pub page: Option<Text>,
    /// Whether this was a plan only (`--dry-run`): nothing was written.
    pub dry_run: bool,
    /// The target folder; absent with `--dry-run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text>,
    /// The exact bytes of `to`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_hex: Option<Text>,
    /// Entries of every type that were to be restored.
    pub entries: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Seconds that it took until all was on the disk, with a fraction; null with `--dry-run`.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// Bytes of content in a second; null where not all was restored in this run: some of it failed, or was there before
    /// (`--resume`).
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// Entries that could not be restored.
    pub not_restored: u64,
    /// Attributes (owner, permissions, times, ACLs …) that could not be restored.
    pub shortfalls: u64,
    /// Devices, set-id bits, and `security.*` and `trusted.*` attributes that are restored only with `--privileged`.
    #[serde(default)]
    pub withheld: u64,
    /// Entries of which damage hides even the names.
    pub entries_lost: u64,
    /// What could not be restored as it was; at most a thousand, `not_restored`, `shortfalls` and `withheld`
    /// count all.
    #[serde(default)]
    pub findings: List<Finding, FACTS>,
    /// What was already lacking in the backup, of what was selected: findings of the generation itself; at most a thousand.
    #[serde(default)]
    pub lacking: List<Finding, FACTS>,
    /// Paths that were asked for, and names and patients of the list, that nothing in the generation has.
    pub not_found: List<PathName, FACTS>,
    /// Sources of the generation that were not there when it was made; named only where all entries were looked at.
    #[serde(default)]
    pub missing_sources: List<PathName, FACTS>,
    /// Numbers of objects that are not encrypted to exactly the recipients of the set: somebody else may be able to read
    /// it.
    #[serde(default)]
    pub wrong_stanzas: List<u64, FACTS>,
    /// Numbers of packs that are not what their seals list. What could be saved from them was restored.
    #[serde(default)]
    pub damaged_packs: List<u64, FACTS>,
    /// With `--dry-run`: content that is read from each pack, in the order of their numbers.
    #[serde(default)]
    pub packs: List<BytesOfPack, LINES>,
    /// With `--dry-run`: content that is read from each medium.
    #[serde(default)]
    pub media: List<BytesOfMedium, FACTS>,
    /// Sources of which something is restored, in the order in which they are restored.
    #[serde(default)]
    pub sources: List<RestoredSource, LINES>,
    /// What the scanner of `--scan` said; null where none was wanted.
    pub scan: Option<Scan>,
}

/// What is read from one pack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BytesOfPack {
    /// The number of the pack.
    pub object: u64,
    /// Bytes of content that are read from it.
    pub bytes: u64,
}

/// A source of which something is restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RestoredSource {
    /// The name of the source.
    pub name: Text,
    /// The exact bytes of `name`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    /// 1 to 9: restored in this order; null: restored after all others.
    pub priority: Option<u8>,
    /// Entries of every type: files, folders, links, devices.
    pub entries: u64,
    /// Files.
    pub files: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// With `--dry-run`: content that is read from each pack.
    pub packs: List<BytesOfPack, LINES>,
    /// With `--dry-run`: content that is read from each medium.
    pub media: List<BytesOfMedium, FACTS>,
}

/// What a scanner for malware said of what was restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Program and arguments.
    #[serde(default)]
    pub command: List<Text, LINES>,
    /// The scanner and its version, as it says; null where it does not say.
    pub engine: Option<Text>,
    /// The version of its signatures, as it says; null where it does not say.
    #[serde(default)]
    pub signatures: Loose,
    /// The date of its signatures, as it says; null where it does not say.
    pub signature_date: Option<Text>,
    /// The exit code of the scanner; null where it was not started, or a signal ended it.
    pub exit_code: Option<i32>,
    /// `clean`; `found`; `skipped`: nothing was found, and the scanner has not looked at everything; or `failed`.
    pub result: Word,
    /// The files that the scanner named; at most a thousand.
    #[serde(default)]
    pub found: List<Infected, FACTS>,
    /// How many files the scanner named.
    pub found_count: Option<u64>,
    /// How many files or archives the scanner says that it has not looked at.
    #[serde(default)]
    pub skipped_count: u64,
    /// The last 16 KiB that the scanner wrote.
    #[serde(default)]
    pub output: Clipped<16_384>,
    /// Why it could not be started or waited for, in English; null where it could.
    pub error: Option<Text>,
    /// Whether the run was interrupted before the scanner ended.
    #[serde(default)]
    pub interrupted: bool,
}

impl Scan {
    /// How many were found; the list has the first ones.
    pub fn found(&self) -> u64 {
        self.found_count.unwrap_or(0).max(self.found.len())
    }
}

/// A file that the scanner named.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Infected {
    /// The path of the file.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// The name of what was found.
    #[serde(default)]
    pub name: Text,
}
