//! `verify`: proves a set with no key: label, chain, signatures, and the digest of every object, read from the medium itself.

use super::World;
use crate::catalog::{Catalog, CatalogError};
use crate::event::{Event, FindingKind, Observer, Phase};
use crate::format::check_code::CheckCode;
use crate::format::object::{Id, Kind, Object, file_name};
use crate::format::seal::{ReadBack, Verdict};
use crate::job::open::OpenSet;
use crate::job::restore::RestoreError;
use crate::medium::{Blame, Listed, Medium, MediumError};
use crate::seal::chain::{Chain, Fault};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// What the paper says.
    pub expect: Option<CheckCode>,
    /// What this host knows of the set: its last generation and the digest of that seal.
    pub known: Option<(u64, [u8; 32])>,
}

/// How what was expected compares with what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is the seal of this generation; `newer` generations follow it in the chain.
    Found { generation: u64, newer: u64 },
    /// No seal of the chain has it: the set was rolled back, cut short, forked, or the code is another set's.
    NotFound,
}

#[derive(Debug, Clone)]
pub struct GenerationLine {
    pub generation: u64,
    pub time: String,
    pub check_code: CheckCode,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    pub trusted: bool,
    pub objects: u64,
    pub bytes: u64,
    /// Objects of this generation that are missing or are not what the seal lists.
    pub damaged: u64,
}

/// An object that is not what its seal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub object: Object,
    pub generation: u64,
    pub what: DamageKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    Missing,
    /// Bytes there.
    Length(u64),
    Digest,
    Unreadable(String),
    /// The number is taken by an object of another kind.
    Kind(Kind),
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub generations: Vec<GenerationLine>,
    pub faults: Vec<Fault>,
    pub damage: Vec<Damage>,
    /// Objects behind the last seal: of no generation.
    pub leftovers: Vec<Listed>,
    /// Objects among the sealed ones that no seal lists, and files that are no objects.
    pub foreign: Vec<String>,
    pub objects: u64,
    pub bytes: u64,
    /// The medium's place in its set, from 1; 0 when its label cannot be read.
    pub place: u64,
    /// Objects that lie on earlier media of the set.
    pub elsewhere: u64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
    pub expected: Option<Expected>,
    /// What the host's catalog says, when it knows the set.
    pub known: Option<Expected>,
}

impl Report {
    /// Everything that is covered by a seal is what it was, and the chain is the one expected.
    pub fn is_good(&self) -> bool {
        let as_expected = |e: &Option<Expected>| *e != Some(Expected::NotFound);
        self.faults.is_empty()
            && self.damage.is_empty()
            && self.foreign.is_empty()
            && as_expected(&self.expected)
            && as_expected(&self.known)
            && !self.generations.is_empty()
    }
}

/// Tells the host's catalog which packs are damaged, so that the next backup stores anew what lay in them and the sources still have.
/// Answers with their count; 0 also when the host does not write this set.
pub fn remember_damage(report: &Report, catalog: &mut Catalog) -> std::result::Result<usize, CatalogError> {
    let packs: Vec<u64> = report.damage.iter().filter(|d| d.object.kind == Kind::Pack).map(|d| d.object.number).collect();
    match catalog.set(report.set)? {
        Some(row) if !packs.is_empty() => catalog.mark_damaged(row, &packs).map(|()| packs.len()),
        _ => Ok(0),
    }
}

type Result<T> = std::result::Result<T, RestoreError>;

/// Verifies a set on a medium.
pub fn verify(options: &Options, world: &World, observer: &dyn Observer) -> Result<Report> {
    observer.hear(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(&options.from, options.set, world.loader)?;
    let chain = opened.chain()?;
    verify_chain(&*opened.medium, &chain, options, world, observer)
}

/// Verifies the objects that a chain's seals list.
pub fn verify_chain(
    medium: &dyn Medium,
    chain: &Chain,
    options: &Options,
    world: &World,
    observer: &dyn Observer,
) -> Result<Report> {
    let mut all: Vec<(Object, u64)> = Vec::new();
    for link in &chain.links {
        all.extend(link.seal.objects.iter().map(|o| (*o, link.seal.generation)));
    }
    let elsewhere = all.partition_point(|(o, _)| o.number < chain.first);
    all.drain(..elsewhere);
    let bytes = all.iter().map(|(o, _)| o.length).sum();
    observer.hear(Event::Expected { entries: all.len() as u64, bytes });
    observer.hear(Event::Phase(Phase::ReadingBack));
    let (damage, read_back) = check_objects(medium, chain, &all, world, observer)?;
    let lines = chain.links.iter().map(|l| GenerationLine {
        generation: l.seal.generation,
        time: l.seal.time.clone(),
        check_code: CheckCode::of(&l.digest),
        verdict: l.seal.verdict,
        read_back: l.seal.read_back,
        trusted: l.trusted,
        objects: l.seal.objects.len() as u64 + 1,
        bytes: l.seal.objects.iter().map(|o| o.length).sum::<u64>() + l.length,
        damaged: damage.iter().filter(|d| d.generation == l.seal.generation).count() as u64,
    });
    let newest = chain.last().map_or(0, |l| l.seal.generation);
    let compare = |fits: &dyn Fn(&crate::seal::chain::Link) -> bool| {
        let found = chain.links.iter().find(|l| l.trusted && fits(l));
        found.map_or(Expected::NotFound, |l| Expected::Found { generation: l.seal.generation, newer: newest - l.seal.generation })
    };
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        generations: lines.collect(),
        faults: chain.faults.clone(),
        damage,
        leftovers: chain.leftovers.clone(),
        foreign: foreign(chain),
        objects: all.len() as u64 + chain.links.len() as u64,
        bytes,
        place: chain.label.as_ref().map_or(0, |l| l.place),
        elsewhere: elsewhere as u64,
        read_back,
        expected: options.expect.map(|code| compare(&|l| CheckCode::of(&l.digest) == code)),
        known: options.known.map(|(_, digest)| compare(&|l| l.digest == digest)),
    })
}

/// Reads every object, as many at a time as there are threads.
fn check_objects(
    medium: &dyn Medium,
    chain: &Chain,
    all: &[(Object, u64)],
    world: &World,
    observer: &dyn Observer,
) -> Result<(Vec<Damage>, ReadBack)> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), ReadBack::Direct));
    let failed: Mutex<Option<MediumError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        // One head reads one object at a time.
        let threads = if medium.is_sequential() { 1 } else { world.threads.max(1) };
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some((object, generation)) = all.get(i) else { break };
                    if world.is_interrupted() || failed.lock().is_ok_and(|f| f.is_some()) {
                        break;
                    }
                    match check_object(medium, chain, object) {
                        Ok(Ok(how)) => {
                            let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                            found.1 = found.1.min(how);
                        }
                        Ok(Err(what)) => {
                            let path = file_name(object.number, object.kind).into_bytes();
                            observer.hear(Event::Finding { kind: FindingKind::Damage, path, detail: format!("{what:?}") });
                            let mut found = found.lock().unwrap_or_else(|e| e.into_inner());
                            found.0.push(Damage { object: *object, generation: *generation, what });
                        }
                        Err(e) => {
                            *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(e);
                            break;
                        }
                    }
                    observer.hear(Event::Progress { entries: 1, bytes: object.length });
                }
            });
        }
    });
    if world.is_interrupted() {
        return Err(RestoreError::Interrupted);
    }
    if let Some(e) = failed.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(RestoreError::Medium(e));
    }
    let (mut damage, how) = found.into_inner().unwrap_or_else(|e| e.into_inner());
    damage.sort_by_key(|d| d.object.number);
    Ok((damage, how))
}

/// The outer error ends the job, the inner one is damage.
fn check_object(
    medium: &dyn Medium,
    chain: &Chain,
    o: &Object,
) -> std::result::Result<std::result::Result<ReadBack, DamageKind>, MediumError> {
    // A void object that cannot be read promises nothing.
    if o.kind == Kind::Void && o.digest.is_none() {
        return Ok(Ok(ReadBack::Direct));
    }
    let there = match (file_of(chain, o), files_of(chain, o.number)) {
        (Some(there), _) => *there,
        (None, [other, ..]) => return Ok(Err(DamageKind::Kind(other.kind))),
        (None, []) => return Ok(Err(DamageKind::Missing)),
    };
    if there.length != o.length {
        return Ok(Err(DamageKind::Length(there.length)));
    }
    match medium.read_back(there.number, there.kind) {
        Ok(r) if r.length != o.length => Ok(Err(DamageKind::Length(r.length))),
        Ok(r) if Some(r.digest) != o.digest => Ok(Err(DamageKind::Digest)),
        Ok(r) => Ok(Ok(r.how)),
        Err(e) if e.blame() == Blame::Damage => Ok(Err(DamageKind::Unreadable(e.to_string()))),
        Err(e) => Err(e),
    }
}

/// What lies on the medium under this number.
fn files_of(chain: &Chain, number: u64) -> &[Listed] {
    let listed = &chain.listing.objects;
    let end = listed.partition_point(|l| l.number <= number);
    &listed[listed.partition_point(|l| l.number < number)..end]
}

/// Which of them is the object. A void object keeps the name of what it was to be, whatever that was.
fn file_of<'c>(chain: &'c Chain, o: &Object) -> Option<&'c Listed> {
    let files = files_of(chain, o.number);
    match o.kind {
        Kind::Void => files.iter().find(|l| l.length == o.length).or(files.first()),
        kind => files.iter().find(|l| l.kind == kind),
    }
}

/// Objects among the sealed ones that no seal lists; and files that no object has the name of.
fn foreign(chain: &Chain) -> Vec<String> {
    let mut foreign: Vec<String> = chain.listing.foreign.iter().map(|n| n.to_string_lossy().into_owned()).collect();
    let end = chain.last().map_or(0, |l| l.number + 1);
    for l in chain.listing.objects.iter().filter(|l| l.number < end) {
        let after = chain.links.partition_point(|s| s.number < l.number);
        let is_seal = chain.links.get(after).is_some_and(|s| s.number == l.number) && l.kind == Kind::Seal;
        let is_listed = chain.object(l.number).is_some_and(|(o, _)| file_of(chain, o) == Some(l));
        let is_fault = chain.faults.iter().any(|f| f.object == l.number);
        // Behind a missing or unreadable seal nothing can be told.
        let is_covered = chain.links.get(after).is_some_and(|s| s.seal.first <= l.number);
        if !is_seal && !is_listed && !is_fault && is_covered {
            foreign.push(file_name(l.number, l.kind));
        }
    }
    foreign
}
