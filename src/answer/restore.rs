//! The answer of `restore`.

use super::facts::{FACTS, Fault, Finding, PathName};
use super::generations::{BytesOfMedium, LINES};
use super::{Clipped, List, Loose, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was restored; with `--dry-run`, what would be read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Restore {
    pub set: Word,
    pub set_name: Text,
    pub generation: u64,
    pub time: Word,
    /// The seal fits the chain.
    pub trusted: bool,
    pub faults: List<Fault, FACTS>,
    /// The generation carries an alarm.
    #[serde(default)]
    pub has_alarm: bool,
    /// The set keeps a state that is suspected of contamination.
    pub quarantine: Option<bool>,
    /// The target is marked as provisional (未検証・参照のみ).
    #[serde(default)]
    pub provisional: bool,
    /// The file in the target's root that marks it so, or null.
    pub page: Option<Text>,
    pub dry_run: bool,
    /// The target; absent with `--dry-run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_hex: Option<Text>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    /// Entries that could not be restored.
    pub not_restored: u64,
    /// Attributes that could not be restored.
    pub shortfalls: u64,
    /// Entries of which not even the names could be read.
    pub entries_lost: u64,
    #[serde(default)]
    pub findings: List<Finding, FACTS>,
    /// Paths, and names and patients of the list, that nothing in the generation has.
    pub not_found: List<PathName, FACTS>,
    /// With `--dry-run`: what is read from which pack.
    #[serde(default)]
    pub packs: List<BytesOfPack, LINES>,
    /// With `--dry-run`: what is read from which medium.
    #[serde(default)]
    pub media: List<BytesOfMedium, FACTS>,
    /// Sources of which something is restored, in the order in which they are.
    #[serde(default)]
    pub sources: List<RestoredSource, LINES>,
    /// Null without `--scan`.
    pub scan: Option<Scan>,
}

/// Content that is read from a pack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BytesOfPack {
    /// The pack's number.
    pub object: u64,
    pub bytes: u64,
}

/// A source of which something is restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RestoredSource {
    pub name: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_hex: Option<Text>,
    /// 1 to 9, or null: after all others.
    pub priority: Option<u8>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    pub packs: List<BytesOfPack, LINES>,
    pub media: List<BytesOfMedium, FACTS>,
}

/// What a scanner for malware said of what was restored.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Program and arguments.
    #[serde(default)]
    pub command: List<Text, LINES>,
    /// As the scanner writes it, or null.
    pub engine: Option<Text>,
    /// As the scanner writes it, or null.
    #[serde(default)]
    pub signatures: Loose,
    /// As the scanner writes it, or null.
    pub signature_date: Option<Text>,
    /// Null: not started, or ended by a signal.
    pub exit_code: Option<i32>,
    /// `clean`, `found` or `failed`.
    pub result: Word,
    #[serde(default)]
    pub found: List<Infected, FACTS>,
    /// Complete, where the list ends after a thousand.
    pub found_count: Option<u64>,
    /// The last 16 KiB that the scanner wrote.
    #[serde(default)]
    pub output: Clipped<16_384>,
    /// Why it could not be run, or null.
    pub error: Option<Text>,
    /// The run was interrupted before the scanner ended.
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
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    pub name: Text,
}
