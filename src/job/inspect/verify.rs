//! `verify`: proves a set with no key: label, chain, signatures, and the digest of every object, read from the medium itself.

use super::InspectError;
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::check_code::CheckCode;
use crate::format::object::{Id, Object, ObjectKind, file_name};
use crate::format::seal::{ReadBack, Verdict};
use crate::medium::{Listed, Medium};
use crate::seal::chain::{Chain, Fault};
use crate::set::check::{check_objects, file_of};
use crate::set::open::OpenSet;
use std::path::PathBuf;

pub use crate::set::check::{Damage, DamageKind, remember_damage};

#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// What the paper says.
    pub expect: Option<CheckCode>,
    /// What this host knows of the set: of each of its media, by place, the digest of the last seal.
    pub known: Vec<(u64, [u8; 32])>,
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

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    /// The public key of the first seal, as the label tells it; every later one hangs on it. `None` where there is no label.
    pub root_key: Option<[u8; 32]>,
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

type Result<T> = std::result::Result<T, InspectError>;

/// Verifies a set on a medium.
pub fn verify(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open(&options.from, options.set, env.loader)?;
    let chain = opened.chain()?;
    verify_chain(&*opened.medium, &chain, options, env, observer)
}

/// Verifies the objects that a chain's seals list.
pub fn verify_chain(medium: &dyn Medium, chain: &Chain, options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    let mut all: Vec<(Object, u64)> = Vec::new();
    for link in &chain.links {
        all.extend(link.seal.objects.iter().map(|o| (*o, link.seal.generation)));
    }
    let elsewhere = all.partition_point(|(o, _)| o.number < chain.first);
    all.drain(..elsewhere);
    let bytes = all.iter().map(|(o, _)| o.length).sum();
    observer.on_event(Event::Expected { entries: all.len() as u64, bytes });
    observer.on_event(Event::Phase(Phase::ReadingBack));
    let (damage, read_back) = check_objects(medium, &chain.listing, &all, env, observer)?;
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
    let compare = |fits: &dyn Fn(&crate::seal::chain::SealLink) -> bool| {
        let found = chain.links.iter().find(|l| l.trusted && fits(l));
        found.map_or(Expected::NotFound, |l| Expected::Found { generation: l.seal.generation, newer: newest - l.seal.generation })
    };
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        root_key: chain.label.as_ref().map(|l| l.root_key),
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
        known: known_here(chain, options).map(|digest| compare(&|l| l.digest == digest)),
    })
}

/// What the host knows of this medium; of the newest one where it cannot be told which this is.
fn known_here(chain: &Chain, options: &Options) -> Option<[u8; 32]> {
    let place = chain.label.as_ref().map(|l| l.place);
    let here = options.known.iter().find(|(p, _)| Some(*p) == place);
    here.or(options.known.last()).map(|(_, digest)| *digest)
}

/// Objects among the sealed ones that no seal lists; and files that no object has the name of.
fn foreign(chain: &Chain) -> Vec<String> {
    let mut foreign: Vec<String> = chain.listing.foreign.iter().map(|n| n.to_string_lossy().into_owned()).collect();
    let end = chain.last().map_or(0, |l| l.number + 1);
    for l in chain.listing.objects.iter().filter(|l| l.number < end) {
        let after = chain.links.partition_point(|s| s.number < l.number);
        let is_seal = chain.links.get(after).is_some_and(|s| s.number == l.number) && l.kind == ObjectKind::Seal;
        let is_listed = chain.object(l.number).is_some_and(|(o, _)| file_of(&chain.listing, o) == Some(l));
        let is_fault = chain.faults.iter().any(|f| f.object == l.number);
        // Behind a missing or unreadable seal nothing can be told.
        let is_covered = chain.links.get(after).is_some_and(|s| s.seal.first <= l.number);
        if !is_seal && !is_listed && !is_fault && is_covered {
            foreign.push(file_name(l.number, l.kind));
        }
    }
    foreign
}
