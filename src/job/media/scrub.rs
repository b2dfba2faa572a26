//! `media scrub`: reads one medium in full, with no key, as fast as the drive reads, to learn whether it still returns
//! what was written.
//!
//! `verify` answers an auditor's question about a set. This job answers the question of whoever keeps the media: it
//! reads everything on one medium, with the copies of seals and the leftovers, and says whether to copy the medium to a
//! new one.

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::cbor::Time;
use crate::format::digests::Hashes;
use crate::format::object::{Id, Object, file_name};
use crate::format::seal::ReadBack;
use crate::host::catalog::{Catalog, CatalogError};
use crate::job::inspect::InspectError;
use crate::job::inspect::verify::{Expected, HostRecord, known_in, torn_seals, written_behind};
use crate::medium::ErrorCategory;
use crate::seal::chain::{Chain, Fault, FaultKind};
use crate::set::check::{Damage, absent, check_objects, sealed_here};
use crate::set::open::{OpenSet, set_name};
use std::collections::HashSet;
use std::path::PathBuf;

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// What the host remembers of the set.
    pub known: HostRecord,
}

/// What is to be done with the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediumHealth {
    /// Keep it.
    Good,
    /// Copy it to a new medium: something cannot be read, or differs from what was written.
    CopyForward,
    /// Everything can be read, but the seals are no valid chain, or there is what no seal covers: that is not wear.
    Suspect,
    /// Everything can be read, and nothing is sealed: there is nothing to compare it with.
    Unsealed,
}

impl MediumHealth {
    /// The name in JSON and in the operation log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::CopyForward => "copy-forward",
            Self::Suspect => "suspect",
            Self::Unsealed => "unsealed",
        }
    }
}

/// What was read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call it; empty if its label is unreadable.
    pub set_name: String,
    /// Where the medium was read: a copy has the same label as its original.
    pub path: PathBuf,
    /// The medium's place in its set, from 1; 0 if its label is unreadable.
    pub place: u64,
    /// The medium's id, from its label.
    pub medium: Option<Id>,
    /// Objects that were read: those that seals list, the seals, and those that no seal lists.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Objects that cannot be read or differ from what was sealed, ascending by number.
    pub damage: Vec<Damage>,
    /// Objects of no generation that cannot be read: name, and why.
    pub unreadable: Vec<(String, String)>,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
    /// There is a seal on it.
    pub is_sealed: bool,
    /// The newest generation on it.
    pub newest: Option<u64>,
    /// The last seal that the host remembers of this medium is not on it.
    pub rolled_back: bool,
    /// How many of the faults are half a seal behind the newest one that the host knows: a run ended within it.
    pub torn_seals: u64,
    /// What no seal covers.
    pub foreign: Vec<String>,
    /// What desktop systems have left on the medium: no fault.
    pub litter: Vec<String>,
    /// Seconds that the reading took; 0 if the clock stood still or was set back.
    pub seconds: f64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
}

impl Report {
    /// What is to be done with the medium.
    pub fn verdict(&self) -> MediumHealth {
        let is_wear = |f: &Fault| matches!(f.what, FaultKind::Label | FaultKind::Unreadable { .. } | FaultKind::Missing);
        // Without a seal there is nothing that a label could be wrong about.
        let is_label = |f: &Fault| f.what == FaultKind::Label;
        let is_empty = !self.is_sealed && !self.rolled_back && self.foreign.is_empty() && self.faults.iter().all(is_label);
        match () {
            () if is_empty && self.unreadable.is_empty() => MediumHealth::Unsealed,
            () if !self.damage.is_empty() || !self.unreadable.is_empty() => MediumHealth::CopyForward,
            () if self.faults.iter().any(is_wear) => MediumHealth::CopyForward,
            () if !self.faults.is_empty() || self.rolled_back || !self.foreign.is_empty() => MediumHealth::Suspect,
            () => MediumHealth::Good,
        }
    }

    /// Number of damaged and unreadable objects and of faults in the chain.
    pub fn damaged(&self) -> u64 {
        (self.damage.len() + self.unreadable.len() + self.faults.len() + usize::from(self.rolled_back)) as u64
    }

    /// How fast it was read; `None` if the time was too short to measure.
    pub fn bytes_per_second(&self) -> Option<u64> {
        (self.seconds > 0.0).then(|| (self.bytes as f64 / self.seconds) as u64)
    }
}

/// Reads a medium in full.
pub fn scrub(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report, InspectError> {
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(&options.from, options.set, env.loader)?;
    let chain = opened.chain()?;
    let known = known_in(&chain, &options.known);
    let rolled_back = known == Some(Expected::NotFound);
    if rolled_back {
        // A folder that could not be read looks like one that is empty.
        opened.medium.check_complete()?;
    }
    let here = sealed_here(&chain);
    let torn = torn_seals(&chain.faults, &chain.leftovers, known);
    let mut unlisted = unlisted(&chain, &here);
    // It is a fault of the chain already.
    unlisted.retain(|o| !torn.contains(&o.number));
    let bytes = here.iter().map(|(o, _)| o.length).chain(unlisted.iter().map(|o| o.length)).sum::<u64>();
    let objects = (here.len() + unlisted.len()) as u64;
    observer.on_event(Event::Expected { entries: objects, bytes });
    observer.on_event(Event::Phase(Phase::ReadingBack));
    let started = (env.now)();
    let (damage, read_back) = check_objects(&*opened.medium, &chain.listing, &here, env, observer)?;
    let (absent_objects, absent_bytes) = absent(&damage);
    let mut unreadable = Vec::new();
    for o in &unlisted {
        if env.is_interrupted() {
            return Err(InspectError::Interrupted);
        }
        match (o.kind.misfit(o.length), || opened.medium.read_back(o.number, o.kind, Hashes::Blake3)) {
            (Some(why), _) => unreadable.push((file_name(o.number, o.kind), why)),
            (None, read) => match read() {
                Ok(_) => {}
                Err(e) if e.category() == ErrorCategory::Damage => unreadable.push((file_name(o.number, o.kind), e.to_string())),
                Err(e) => return Err(e.into()),
            },
        }
        observer.on_event(Event::Progress { entries: 1, bytes: o.length });
    }
    let mut foreign = opened.foreign(&chain)?;
    foreign.extend(written_behind(&chain, &options.known, known));
    Ok(Report {
        is_sealed: !chain.links.is_empty(),
        newest: chain.generations().map(|l| l.seal.generation).max(),
        set: chain.set,
        set_name: set_name(&chain),
        path: options.from.clone(),
        place: chain.label.as_ref().map_or(0, |l| l.place),
        medium: chain.label.as_ref().map(|l| l.medium),
        objects: objects - absent_objects,
        bytes: bytes - absent_bytes,
        damage,
        unreadable,
        torn_seals: torn.len() as u64,
        foreign,
        faults: chain.faults,
        rolled_back,
        litter: chain.listing.litter_names(),
        seconds: seconds(started, (env.now)()),
        read_back,
    })
}

/// The objects on the medium that no seal lists: there is nothing to compare them with, but the medium must be able to
/// read them.
fn unlisted(chain: &Chain, here: &[(Object, u64)]) -> Vec<Object> {
    let listed: HashSet<u64> = here.iter().map(|(o, _)| o.number).collect();
    let others = chain.listing.objects.iter().filter(|l| !listed.contains(&l.number));
    others.map(|l| Object { number: l.number, kind: l.kind, length: l.length, digests: None }).collect()
}

/// From one time to another; 0 if the clock was set back meanwhile.
fn seconds(from: Time, to: Time) -> f64 {
    let part = |t: Time| f64::from(t.nanoseconds) / 1e9;
    ((to.seconds - from.seconds) as f64 + part(to) - part(from)).max(0.0)
}

/// Writes the outcome into the operation log, if the host has the set. Returns whether it has.
pub fn log(report: &Report, catalog: &mut Catalog, time: &str) -> Result<bool, CatalogError> {
    if catalog.set(report.set)?.is_none() {
        return Ok(false);
    }
    let damaged = report.damaged();
    let (set, place, bytes, verdict) = (report.set, report.place, report.bytes, report.verdict().name());
    let path = report.path.display();
    let detail = format!("set {set}, medium {place} at {path}: {bytes} bytes read, {damaged} damaged: {verdict}");
    catalog.log(time, "media scrub", &detail)?;
    Ok(true)
}
