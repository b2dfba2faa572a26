//! The answers of `media`.

use super::facts::{Damage, FACTS, Fault};
use super::generations::GENERATIONS;
use super::{List, Text, Word};
use crate::format::seal::ReadBack;
use crate::host::ledger::attached::Witness;
use crate::host::ledger::{MediumKind, OutOfUse};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A medium was registered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Init {
    /// The name of the medium.
    pub name: Text,
    /// The id of the set that was begun on it.
    pub set: Word,
    /// The pool that it belongs to; null where it belongs to none.
    pub pool: Option<Text>,
}

/// Labels to stick on media were made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Labels {
    /// Their file.
    pub labels: Text,
    /// The exact bytes of `labels`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_hex: Option<Text>,
}

/// The media of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    /// The media, by name.
    pub media: List<LedgerMedium, 2_000>,
}

/// A medium of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LedgerMedium {
    /// The name of the medium.
    pub name: Word,
    /// The id of the set on it.
    pub set: Option<Word>,
    /// The pool that it belongs to; null where it belongs to none.
    pub pool: Option<Word>,
    /// The serial number or name that the hardware gives itself; null where it gives none.
    pub device: Option<Text>,
    /// `disk` or `tape`; null where the ledger does not say.
    pub kind: Option<MediumKind>,
    /// Whether it was made by `media copy --name`.
    #[serde(default)]
    pub copy: bool,
    /// When it was registered.
    pub registered: Option<Word>,
    /// Where a person last took it; null where nobody said.
    pub place: Option<Word>,
    /// Whether that is outside of the house.
    pub off_site: bool,
    /// Why it is not used any more: lost, broken or disposed of; absent where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_use: Option<OutOfUse>,
    /// When it was last found attached; null where it never was.
    pub attached: Option<Word>,
    /// Whether it was found at the host and has neither been seen to leave nor been moved since.
    pub at_host: bool,
    /// When it was last seen to leave; null where it was not seen to leave since it was attached.
    pub left: Option<Word>,
    /// What was last written on it; null where nothing was.
    pub written: Option<Written>,
    /// When it was last read in full, or damage was found on it; null where neither ever was.
    pub scrubbed: Option<Scrubbed>,
}

/// The newest generation on a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Written {
    /// When the generation was written.
    pub time: Word,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
}

/// The last scrub of a medium.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scrubbed {
    /// When.
    pub time: Word,
    /// Objects that were damaged, and faults.
    pub damaged: u64,
}

/// Which medium of each pool is due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Due {
    /// One item for each pool of the configuration that has media, or for the one asked for; none while a hold is active or an
    /// alarm is open.
    pub pools: List<DuePool, FACTS>,
    /// Whether a hold is active.
    #[serde(default)]
    pub hold: bool,
    /// Whether the newest generation of a source has an alarm that nobody has called harmless.
    #[serde(default)]
    pub open_alarm: bool,
}

/// A pool and the medium that is due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct DuePool {
    /// The name of the pool.
    pub pool: Text,
    /// The medium whose turn it is.
    pub due: Text,
    /// The medium written last; null where none was.
    pub last: Option<Text>,
    /// How many nights in a row `last` was written.
    pub nights: u64,
}

/// The lines of the ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Log {
    /// The lines, the oldest first; of one medium, those about it and those about all media. None with `--attached`.
    pub lines: List<LedgerLine, GENERATIONS>,
    /// Numbers of lines of the ledger's file, from 1, that cannot be read or do not fit the one before.
    pub broken: List<u64, FACTS>,
    /// The intervals in which media were attached, in the order in which they began; absent without `--attached`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<List<Attached, GENERATIONS>>,
    /// What the sealed texts on a medium say of the ledger; absent without `--sealed-on`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedOn>,
}

/// An interval in which a medium was attached.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Attached {
    /// The medium; several where they share hardware that was attached, and nobody found out which of them was in it.
    pub media: List<Word, FACTS>,
    /// The serial number or name that the hardware gives itself; null where it gives none, and in a sealed text.
    pub device: Option<Text>,
    /// Since when.
    pub since: Word,
    /// Who told that: `udev`, or a `run` that found it attached.
    pub came: Witness,
    /// Until when; null where it was not seen to leave: it counts as still attached.
    pub until: Option<Word>,
    /// Who told that: `udev`, a `run` that saw that it was gone, or a `person` with `media move`; null like `until`.
    pub left: Option<Witness>,
}

/// What the sealed texts on a medium say of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SealedOn {
    /// Texts that were compared.
    pub texts: u64,
    /// The newest generation that has one; null where none was compared.
    pub generation: Option<u64>,
    /// When it was sealed; null where none was compared.
    pub time: Option<Word>,
    /// Texts that only a later version can read.
    pub newer: u64,
    /// What does not fit: each change once, with the first generation that shows it.
    pub findings: List<SealedChange, FACTS>,
}

/// What does not fit between the ledger and a sealed text.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SealedChange {
    /// What it is.
    pub change: ChangeKind,
    /// The generation that sealed the text.
    pub generation: u64,
    /// When it was sealed.
    pub time: Word,
    /// `ledger`: how many lines the ledger had then; one of them is not what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// `changed`, `removed`: the interval as it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Attached>,
    /// `changed`, `added`: the interval as the ledger has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Attached>,
    /// The finding in words, in the language chosen.
    pub text: Text,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The ledger's lines are not those that were there when the text was sealed.
    #[default]
    Ledger,
    /// An interval is another one now.
    Changed,
    /// An interval is not in the ledger any more.
    Removed,
    /// An interval is in the ledger that was not there.
    Added,
    /// The text cannot be read, or is not what its seal lists.
    Damaged,
    /// A seal does not fit in its chain: what it lists proves nothing.
    Untrusted,
}

/// Hardware came or went.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// Whether the ledger has a medium in hardware of this name; only then it was entered.
    pub known: bool,
}

/// A line of the ledger. A member that does not belong to its event is absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct LedgerLine {
    /// The number of the line, from 1; absent in the answer of `media move`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// When it happened; absent in the answer of `media move`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Word>,
    /// What happened: `registered`, `contains`, `copy-begun`, `copied`, `attached`, `written`, `full`, `mismatched`, `foreign`,
    /// `detached`, `plugged`, `unplugged`, `moved`, `refused`, `held`, `harmless`, `release-asked`, `released`, `accepted`, `verified`,
    /// `scrubbed`.
    pub event: Word,
    /// The name of the medium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Word>,
    /// `registered`, `copy-begun`, `copied`, `harmless`, `held` for an alarm, and `moved` of a medium that nothing else registers:
    /// the id of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Word>,
    /// `registered`, `refused`: the name of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Word>,
    /// `registered`, `copy-begun`, `copied`, `attached`, `plugged`, `unplugged`: what the hardware calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Text>,
    /// `registered`, `copy-begun`, `copied`: what the medium is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediumKind>,
    /// `written`, `contains`, `copied`, `verified`: the newest generation. `harmless`, and `held` for an alarm: the generation that has the alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// `written`, `contains`, `copied`, `verified`: the check code of its seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_code: Option<Word>,
    /// `contains`: when it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Word>,
    /// `written`: what the seal says: `good`, `incomplete` or `alarm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Word>,
    /// `written`, `copied`: whether it was read back no better than from the cache; absent where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_cache: Option<bool>,
    /// `attached`, `copy-begun`: the path where a run found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Text>,
    /// `registered`, `attached`, `copy-begun`: whether the path was a mount point; absent where it was not, or where no line says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounted: Option<bool>,
    /// `detached`: whether it was seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
    /// `plugged`, `unplugged`: the port of the host, where udev knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Text>,
    /// `moved`: where a person took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Text>,
    /// `moved`: whether that is outside of the house; absent where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_site: Option<bool>,
    /// `moved`: why the medium is not used any more; absent where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_use: Option<OutOfUse>,
    /// `moved`, `held`, `harmless`, `release-asked`, `released`, `accepted`: who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Word>,
    /// `moved`, `harmless`, `released`, `accepted`: the second person; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<Word>,
    /// `held`, `harmless`, `accepted`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Word>,
    /// `refused`: the medium that was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Word>,
    /// `refused`: what was found instead. `mismatched`: what was found, in English. `foreign`: the first
    /// name of what no seal covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Text>,
    /// `mismatched`: whether the medium was read in full; absent where a backup found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_full: Option<bool>,
    /// `scrubbed`: objects that were damaged, and faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<u64>,
}

/// A set was copied.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// Whether the copy lacks nothing.
    pub good: bool,
    /// Objects that the copy contains now.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// How many of these objects were there before.
    pub already_objects: u64,
    /// What the copy lacks.
    pub damage: List<Damage, FACTS>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// Objects that were copied without a check, because their seal is damaged or missing.
    pub unproved_objects: u64,
    /// Numbers, within the set, of the source's media that were read.
    pub places: List<u64, FACTS>,
    /// The newest generation in the copy; null where there is none.
    pub generation: Option<u64>,
    /// The check code of its seal; null where there is none.
    pub check_code: Option<Word>,
    /// The weakest way in which an object of the copy was read again.
    pub read_back: ReadBack,
}

/// A medium was read in full.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Scrub {
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the medium set.
    pub set_name: Text,
    /// The medium's number in its set, from 1; 0 where the label cannot be read.
    pub place: u64,
    /// The id of the medium, in hexadecimal; null where the label cannot be read.
    pub medium: Option<Word>,
    /// What should be done with the medium.
    pub verdict: Health,
    /// Objects that were read.
    pub objects: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Seconds that reading took, with a fraction.
    pub seconds: f64,
    /// Bytes in a second; null where reading took no time that could be measured.
    pub bytes_per_second: Option<u64>,
    /// Objects that are not what their seal says.
    pub damage: List<Damage, FACTS>,
    /// Objects that cannot be read and that no generation needs.
    pub unreadable: List<Unreadable, FACTS>,
    /// What is wrong in the chain of seals.
    pub faults: List<Fault, FACTS>,
    /// What no seal covers: somebody else has written on the medium.
    #[serde(default)]
    pub foreign: List<Text, FACTS>,
    /// The last seal that the host remembers of this medium is not on it.
    #[serde(default)]
    pub rolled_back: bool,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
}

/// What a scrub says of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Everything can be read and is what the seals say.
    Good,
    /// Something is damaged: copy the set to another medium.
    CopyForward,
    /// Everything can be read, but the seals do not form a chain, or there is what no seal covers.
    Suspect,
    /// Everything can be read, and nothing is sealed: there is nothing to compare it with.
    Unsealed,
}

/// An object that could not be read and belongs to no generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Unreadable {
    /// The file name of the object.
    pub name: Word,
    /// Why, in English.
    pub text: Text,
}
