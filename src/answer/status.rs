//! The answer of `status`.

use super::facts::FACTS;
use super::{List, Text, Word};
use crate::format::seal::{ReadBack, Verdict};
use crate::host::ledger::MediumKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the backups stand, by the host's own records; the copies there are, and what they lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The worst of what speaks against `good`.
    pub verdict: StatusVerdict,
    /// What speaks against `good`, the worst first, besides what the copies lack.
    pub problems: List<Problem, FACTS>,
    /// The sources that are expected: those of the configuration, else those of the last backup.
    pub sources: List<SourceStatus, FACTS>,
    /// The last backup that was sealed; null where none is recorded.
    pub last: Option<LastBackup>,
    /// When the backup began that is running now; null where none is.
    pub running: Option<Word>,
    /// The one next action; null where there is none.
    pub next: Option<Text>,
    /// Whom to call, by the configuration; null where it names nobody.
    pub contact: Option<Text>,
    /// One item for each medium with a generation.
    pub copies: List<Copy, FACTS>,
    /// What the copies lack; empty where nothing does.
    pub lacks: List<Lack, FACTS>,
    /// Whether a hold is active.
    pub hold: bool,
    /// The rule of three copies, counted; absent without `--321`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_321: Option<Rule321>,
}

/// How the backups stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusVerdict {
    /// Nothing speaks against it.
    Good,
    /// Somebody should look at it; the data are backed up.
    Attention,
    /// Data may be without a good backup: call.
    Failure,
}

/// Something that speaks against `good`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What it is.
    pub problem: ProblemName,
    /// How bad it is: `attention` or `failure`.
    pub severity: StatusVerdict,
    /// The source that it is about; absent where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Text>,
    /// The generation that it is about; absent where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// `source-old`: when that generation was sealed. `pool-old`: when the pool was written last. `night-failed`, `night-cut-off`: when the backup began.
    /// `clock-wrong`: what the clock showed. `mismatched`: when it
    /// was found. `hold`: since when. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Word>,
    /// The medium that it is about; absent where it is about none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Text>,
    /// `source-incomplete`: what the night has found in the source, what is about the source as a whole first; absent where the
    /// host has not recorded it. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causes: Option<List<Cause, FACTS>>,
    /// For people.
    pub text: Text,
    /// What to do about it, for people.
    pub next: Text,
}

/// Why a source is incomplete.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Cause {
    /// The kind of the findings, as `backup` has it; `unlisted`: further findings, which may be of another source.
    pub finding: Word,
    /// How many.
    pub count: u64,
    /// `source-stale`: since when there is nothing new; absent where nobody knows it. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Word>,
}

/// What may speak against `good`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemName {
    /// No backup is recorded.
    NoBackup,
    /// No good generation of a source is recorded, or none on a medium that is in use, undamaged, and as it was written.
    SourceNever,
    /// The newest good generation of a source is older than expected, or ahead of the clock.
    SourceOld,
    /// The newest generation of a source is incomplete.
    SourceIncomplete,
    /// The newest generation of a source has an alarm.
    SourceAlarm,
    /// Alarms are open that no newest generation of a source names.
    AlarmsOpen,
    /// A backup sealed nothing, and no later one made up for it.
    NightFailed,
    /// A backup began and did not end, and no later one made up for it.
    NightCutOff,
    /// The last generation was sealed, and this host could not record it (exit code 8).
    Unrecorded,
    /// The last generation was sealed with an alarm, and afterwards something failed: its hold, or its record.
    FailedAfterwards,
    /// A generation was read back no better than from the cache, and its medium was not verified past the cache since.
    NotReadBack,
    /// After the last backup to a medium, or when it was read in full since, there was something on it that no seal covers: somebody
    /// else has written there.
    Foreign,
    /// Damage was found on a medium, and nobody has found it whole since.
    Damaged,
    /// Something else than this host wrote was found on a medium, and no verification has found it good since.
    Mismatched,
    /// Nothing was written to a pool for longer than it expects; only where there are several pools.
    PoolOld,
    /// The ledger knows no medium of the set that this host has sealed last.
    NotInLedger,
    /// Lines of the media ledger were cut off while they were written.
    LedgerTorn,
    /// A medium of a pool is full, and another one has to take its place.
    Full,
    /// A medium of a pool is lost, broken or disposed of, and another one has to take its place.
    OutOfUse,
    /// The last backup went to a medium that should have been swapped before.
    NotSwapped,
    /// A medium should have been detached after its last backup, and was still attached.
    StillAttached,
    /// In the last backup that was sealed, the clock showed a time that cannot be, or one before that of the generation before.
    ClockWrong,
    /// Lines of the log of nights cannot be read, or are missing.
    LogTorn,
    /// Generations were sealed of which the log of nights knows nothing: it was deleted or set back.
    NightsMissing,
    /// The catalog is lost, damaged or older than the last backup.
    CatalogLost,
    /// What the host needs to go on with the set on a medium is not there.
    SetLost,
    /// The host does not know any more how the sources usually are, or what was in the last generation.
    MemoryLost,
    /// Lines about holds are not in their second place any more.
    HoldsLost,
    /// A media ledger that was begun anew does not know a medium that this host has written or prepared.
    NotRegistered,
    /// A hold is active.
    Hold,
    /// A line of the media ledger was changed or removed; or the ledger was deleted or set back to an older one.
    LedgerChanged,
}

/// A source that is expected.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SourceStatus {
    /// The name of the source.
    pub source: Text,
    /// The number of the newest generation that is good for it; null where there is none.
    pub generation: Option<u64>,
    /// When that was sealed.
    pub time: Option<Word>,
}

/// The last backup that was sealed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LastBackup {
    /// The id of the set, 32 hexadecimal digits.
    pub set: Word,
    /// The name of the set.
    pub set_name: Text,
    /// The generation's number.
    pub generation: u64,
    /// When it was sealed.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// The name of the medium.
    pub medium: Text,
    /// The verdict in the seal.
    pub verdict: Verdict,
    /// How its objects were read back.
    pub read_back: ReadBack,
}

/// A medium with a generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    /// The name of the medium.
    pub medium: Text,
    /// `disk` or `tape`; null where the ledger does not say.
    pub kind: Option<MediumKind>,
    /// Where a person last took it; null where nobody said.
    pub place: Option<Text>,
    /// Whether that is outside of the house.
    pub off_site: bool,
    /// When its newest generation was written.
    pub time: Word,
    /// The number of its newest generation.
    pub generation: u64,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// Whether it may still be at the host: it was not seen to leave and nobody moved it.
    pub attached: bool,
    /// Whether a person alone says that it left: neither udev nor a run has seen it.
    #[serde(default)]
    pub left_by_word: bool,
}

/// Something that the copies lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lack {
    /// What is lacking.
    pub lack: LackName,
    /// `attached`, `place-unknown`: the name of the medium. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Text>,
    /// `few`: how many copies there are. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// `one-kind`: the kind of all copies. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediumKind>,
    /// `shared-place`: where. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Text>,
    /// `shared-place`: the media there. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<List<Text, FACTS>>,
}

/// What may be lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LackName {
    /// A copy is attached.
    Attached,
    /// There are too few copies.
    Few,
    /// All copies are of one kind.
    OneKind,
    /// No copy is off-site.
    NoneOffSite,
    /// Several copies lie in one place.
    SharedPlace,
    /// Nobody said where a copy lies.
    PlaceUnknown,
}

/// The rule of 3 copies on 2 kinds of media with 1 off-site, counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rule321 {
    /// Copies, the data in use among them.
    pub copies: u64,
    /// Kinds of media.
    pub kinds: u64,
    /// Copies outside of the house.
    pub off_site: u64,
}
