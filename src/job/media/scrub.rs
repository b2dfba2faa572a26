//! `media scrub`: reads one medium in full, with no key, as fast as the drive goes: does it still give what was written?
//!
//! Where `verify` answers an auditor about a set, this answers whoever keeps the media: everything on this one medium is read, copies of
//! seals and leftovers among it, and the answer is whether to copy it forward.

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::cbor::Time;
use crate::format::object::{Id, Object, file_name};
use crate::format::seal::ReadBack;
use crate::host::catalog::{Catalog, CatalogError};
use crate::job::restore::RestoreError;
use crate::medium::ErrorCategory;
use crate::seal::chain::{Chain, Fault, FaultKind};
use crate::set::check::{Damage, check_objects, sealed_here};
use crate::set::open::OpenSet;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
}

/// What is to be done with the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediumHealth {
    /// Keep it.
    Good,
    /// Something could not be read, or is not what was written.
    CopyForward,
    /// Everything could be read, but the seals do not hang together: that is not wear.
    Suspect,
}

impl MediumHealth {
    /// As in JSON and in the operation log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::CopyForward => "copy-forward",
            Self::Suspect => "suspect",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    /// Where it was read: a copy has the same label as its original.
    pub path: PathBuf,
    /// The medium's place in its set, from 1; 0 when its label cannot be read.
    pub place: u64,
    /// The medium's id, by its label.
    pub medium: Option<Id>,
    /// Objects that seals list, the seals and what no seal lists; and their bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Objects that could not be read or are not what was sealed.
    pub damage: Vec<Damage>,
    /// Objects of no generation that cannot be read: by name, and why.
    pub unreadable: Vec<(String, String)>,
    pub faults: Vec<Fault>,
    /// Seconds that the reading took; 0 when the clock did not move, or was set back.
    pub seconds: f64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
}

impl Report {
    pub fn verdict(&self) -> MediumHealth {
        let is_wear = |f: &Fault| matches!(f.what, FaultKind::Label | FaultKind::Unreadable { .. } | FaultKind::Missing);
        match () {
            () if !self.damage.is_empty() || !self.unreadable.is_empty() => MediumHealth::CopyForward,
            () if self.faults.iter().any(is_wear) => MediumHealth::CopyForward,
            () if !self.faults.is_empty() => MediumHealth::Suspect,
            () => MediumHealth::Good,
        }
    }

    /// How many things were found wrong.
    pub fn damaged(&self) -> u64 {
        (self.damage.len() + self.unreadable.len() + self.faults.len()) as u64
    }

    /// How fast it was read; `None` where it took no time that could be measured.
    pub fn bytes_per_second(&self) -> Option<u64> {
        (self.seconds > 0.0).then(|| (self.bytes as f64 / self.seconds) as u64)
    }
}

type Result<T> = std::result::Result<T, RestoreError>;

/// Reads a medium in full.
pub fn scrub(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(&options.from, options.set, env.loader)?;
    let chain = opened.chain()?;
    let here = sealed_here(&chain);
    let unlisted = unlisted(&chain, &here);
    let bytes = here.iter().map(|(o, _)| o.length).chain(unlisted.iter().map(|o| o.length)).sum();
    let objects = (here.len() + unlisted.len()) as u64;
    observer.on_event(Event::Expected { entries: objects, bytes });
    observer.on_event(Event::Phase(Phase::ReadingBack));
    let started = (env.now)();
    let (damage, read_back) = check_objects(&*opened.medium, &chain.listing, &here, env, observer)?;
    let mut unreadable = Vec::new();
    for o in &unlisted {
        if env.is_interrupted() {
            return Err(RestoreError::Interrupted);
        }
        match opened.medium.read_back(o.number, o.kind) {
            Ok(_) => {}
            Err(e) if e.category() == ErrorCategory::Damage => unreadable.push((file_name(o.number, o.kind), e.to_string())),
            Err(e) => return Err(RestoreError::Medium(e)),
        }
        observer.on_event(Event::Progress { entries: 1, bytes: o.length });
    }
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        path: options.from.clone(),
        place: chain.label.as_ref().map_or(0, |l| l.place),
        medium: chain.label.as_ref().map(|l| l.medium),
        objects,
        bytes,
        damage,
        unreadable,
        faults: chain.faults,
        seconds: seconds(started, (env.now)()),
        read_back,
    })
}

/// What lies on the medium and is in no seal: there is nothing to compare it with, but that it can be read tells of the medium.
fn unlisted(chain: &Chain, here: &[(Object, u64)]) -> Vec<Object> {
    let listed: std::collections::HashSet<u64> = here.iter().map(|(o, _)| o.number).collect();
    let there = chain.listing.objects.iter().filter(|l| !listed.contains(&l.number));
    there.map(|l| Object { number: l.number, kind: l.kind, length: l.length, digest: None }).collect()
}

/// From one time to another; 0 when the clock was set back meanwhile.
fn seconds(from: Time, to: Time) -> f64 {
    let part = |t: Time| f64::from(t.nanoseconds) / 1e9;
    ((to.seconds - from.seconds) as f64 + part(to) - part(from)).max(0.0)
}

/// Writes the outcome into the operation log of a host that has the set; answers whether it has.
pub fn record(report: &Report, catalog: &mut Catalog, time: &str) -> std::result::Result<bool, CatalogError> {
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
