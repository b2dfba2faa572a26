//! What a backup returns.

use super::append::Streaming;
use crate::format::check_code::CheckCode;
use crate::format::manifest::Finding;
use crate::format::object::Id;
use crate::format::seal::{ReadBack, Verdict};
use crate::format::watch::Alarm;
use crate::job::incident::hold::HoldError;
use crate::set::check::Damage;
use crate::set::writer::{Closed, Opened, WriteError};

/// The generation that raised an alarm first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlarmOrigin {
    /// Its set.
    pub set: Id,
    /// What people call the set.
    pub set_name: String,
    /// Its number.
    pub generation: u64,
}

/// A generation that was written and sealed.
#[derive(Debug)]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call the set.
    pub set_name: String,
    /// Whether the set is in quarantine.
    pub quarantine: bool,
    /// How the set came to be open.
    pub opened: Opened,
    /// The generation's number.
    pub generation: u64,
    /// When it was sealed: RFC 3339, UTC.
    pub time: String,
    /// Of its seal, for the paper ledger.
    pub check_code: CheckCode,
    /// What the seal says of the run.
    pub verdict: Verdict,
    /// The weakest way in which an object was read back.
    pub read_back: ReadBack,
    /// Figures by name, as in the manifest.
    pub statistics: Vec<(String, u64)>,
    /// The first thousand.
    pub findings: Vec<Finding>,
    /// Tripwires that were raised: a hold is put on.
    pub alarms: Vec<Alarm>,
    /// For each of them the generation that raised it first: this one, or an earlier one that nothing was added to. Then
    /// the alarm is still open, and puts no further hold on.
    pub origins: Vec<AlarmOrigin>,
    /// Why the hold could not be put on.
    pub hold_failed: Option<HoldError>,
    /// Why this host could not record the generation, which is sealed and read back all the same.
    pub unrecorded: Option<WriteError>,
    /// Bytes that this run added to the medium.
    pub added_bytes: u64,
    /// Objects that this run added to the medium.
    pub added_objects: u64,
    /// Packs of an interrupted run that were adopted.
    pub adopted_objects: u64,
    /// The medium's place in its set, from 1.
    pub place: u64,
    /// Media that were full and closed, in their order.
    pub closed: Vec<Closed>,
    /// On a tape: how the drive was fed.
    pub streaming: Option<Streaming>,
    /// The medium that has the seal.
    pub medium: crate::medium::Description,
    /// What desktop systems have left on the medium: no fault.
    pub litter: Vec<String>,
    /// What is on the medium and no seal covers: somebody else has written there.
    pub foreign: Vec<String>,
    /// Objects on it that were sealed and are gone, or have another length: a listing shows no more. Ascending by number.
    pub damage: Vec<Damage>,
}

impl Report {
    /// A figure of the statistics; 0 where there is none of that name.
    pub fn count(&self, name: &str) -> u64 {
        self.statistics.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v)
    }
}
