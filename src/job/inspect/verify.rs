//! `verify`: checks a set with no secret key: label, chain, signatures, and the digest of every object, read from the
//! medium itself.

use super::Result;
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::check_code::{CheckCode, WrittenCode};
use crate::format::object::{Id, Object, ObjectKind, object_path};
use crate::format::seal::{ReadBack, Verdict};
use crate::medium::Listed;
use crate::seal::chain::{Chain, Fault, FaultKind, SealLink};
use crate::set::check::{absent, check_objects};
use crate::set::open::{OpenSet, set_name};
use std::path::PathBuf;

pub use crate::set::check::{Damage, DamageKind, remember_damage};

/// What is to be verified, and what it must match.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// The check code on paper.
    pub expect: Option<WrittenCode>,
    /// What this host remembers of the set.
    pub known: HostRecord,
}

/// What a host remembers of a set. A host that has never written it remembers nothing.
#[derive(Debug, Clone, Default)]
pub struct HostRecord {
    /// Of each medium of the set, by its number in the set, the digest of the last seal.
    pub seals: Vec<(u64, [u8; 32])>,
    /// Of the copies that the medium may be, by the ledger, the check code of the newest generation.
    pub copies: Vec<String>,
    /// The medium may be a copy that was begun and never finished.
    pub may_be_begun_copy: bool,
    /// The generation behind which no run of this host can have left anything ([`crate::host::nights::NightLog::at_rest`]).
    pub at_rest: Option<u64>,
}

impl Options {
    /// The only set on the medium at `from`, with nothing to match.
    pub fn new(from: impl Into<PathBuf>) -> Self {
        Self { from: from.into(), set: None, expect: None, known: HostRecord::default() }
    }
}

/// Whether the chain contains an expected seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is the seal of a generation.
    Found {
        /// Number of the generation.
        generation: u64,
        /// How many generations follow it in the chain.
        newer: u64,
    },
    /// No seal of the chain matches: the set was rolled back, cut short or forked, or the code belongs to another set.
    NotFound,
}

/// A generation as it was verified.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CheckedGeneration {
    /// Its number.
    pub generation: u64,
    /// When it was sealed, RFC 3339 in UTC.
    pub time: String,
    /// Of its seal.
    pub check_code: CheckCode,
    /// How the backup ended.
    pub verdict: Verdict,
    /// The weakest way in which the backup read an object back.
    pub read_back: ReadBack,
    /// The chain of seals is valid from the label to this generation.
    pub trusted: bool,
    /// The check code on paper shows that this seal is the one that was written.
    pub anchored: bool,
    /// The seal was signed by the key that a succession names.
    pub succession: bool,
    /// Its list of objects is damaged: what it covers cannot be checked.
    pub is_list_damaged: bool,
    /// Number of its objects, with the seal.
    pub objects: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// Objects of this generation that are missing or differ from what the seal lists.
    pub damaged: u64,
}

/// What a verification found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call it; empty if its label is unreadable.
    pub set_name: String,
    /// The public key of the first seal, from the label; the chain starts with it. `None` if there is no label.
    pub root_key: Option<[u8; 32]>,
    /// Ascending by number.
    pub generations: Vec<CheckedGeneration>,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
    /// Objects that differ from what their seals list, ascending by number.
    pub damage: Vec<Damage>,
    /// Objects behind the last seal: they belong to no generation.
    pub leftovers: Vec<Listed>,
    /// Objects among the sealed ones that no seal lists, and what is no object: paths below the set's folder.
    pub foreign: Vec<String>,
    /// What a desktop system has left in the set's folder: paths below it. No fault.
    pub litter: Vec<String>,
    /// Objects that were verified, with the seals.
    pub objects: u64,
    /// Bytes of the objects that were read, without the seals.
    pub bytes: u64,
    /// The medium's place in its set, from 1; 0 if its label cannot be read.
    pub place: u64,
    /// Objects that are on earlier media of the set, and were not read.
    pub elsewhere: u64,
    /// The weakest way in which an object was read.
    pub read_back: ReadBack,
    /// Whether the check code on paper matches a seal.
    pub expected: Option<Expected>,
    /// Whether the seal that the host remembers is in the chain; `None` if the host does not know the set.
    pub known: Option<Expected>,
    /// The public key that the last proven seal names for the seal behind it.
    pub next_key: Option<[u8; 32]>,
}

impl Report {
    /// Whether nothing is wrong but that nothing is sealed yet.
    pub fn is_only_empty(&self) -> bool {
        // Without a seal there is nothing that a label could be wrong about.
        let is_label = |f: &Fault| f.what == FaultKind::Label;
        self.generations.is_empty()
            && self.faults.iter().all(is_label)
            && self.foreign.is_empty()
            && self.expected.is_none()
            && self.known.is_none()
    }

    /// Whether nothing is wrong but that a newer program has written the end of the chain.
    pub fn is_only_newer(&self) -> bool {
        let is_newer = |f: &Fault| f.is_newer();
        let rest = Self { faults: self.faults.iter().filter(|f| !is_newer(f)).cloned().collect(), ..self.clone() };
        self.faults.iter().any(is_newer) && (rest.is_good() || rest.is_only_empty())
    }

    /// Whether everything that a seal covers is unchanged, and the chain is the expected one.
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

/// Verifies a set on a medium.
pub fn verify(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let opened = OpenSet::open_with_code(&options.from, options.set, options.expect.as_ref(), env.loader)?;
    let mut chain = opened.chain()?;
    let anchor = options.expect.as_ref().map(|code| chain.anchor(code));
    let mut report = verify_chain(&opened, &chain, options, env, observer)?;
    report.expected = anchor.map(|at| match at.and_then(|at| chain.links.get(at)) {
        None => Expected::NotFound,
        Some(link) => found(&chain, link),
    });
    if [&report.expected, &report.known].contains(&&Some(Expected::NotFound)) {
        opened.medium.check_complete()?;
    }
    Ok(report)
}

/// Verifies the objects that the seals of a chain list. Whatever is wrong with them is in the report: an auditor needs
/// all of it.
pub fn verify_chain(opened: &OpenSet, chain: &Chain, options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    let medium = &*opened.medium;
    let mut all: Vec<(Object, u64)> = chain.objects().map(|(o, generation)| (*o, generation)).collect();
    let listed = all.len();
    all.retain(|(o, _)| o.number >= chain.first || o.kind == ObjectKind::Succession || is_there(chain, o));
    let elsewhere = listed - all.len();
    let bytes = all.iter().map(|(o, _)| o.length).sum::<u64>();
    observer.on_event(Event::Expected { entries: all.len() as u64, bytes });
    observer.on_event(Event::Phase(Phase::ReadingBack));
    let (damage, read_back) = check_objects(medium, &chain.listing, &all, env, observer)?;
    let (absent_objects, absent_bytes) = absent(&damage);
    let lines = chain.links.iter().map(|l| CheckedGeneration {
        generation: l.seal.generation,
        time: l.seal.time.clone(),
        check_code: CheckCode::of(&l.digest()),
        verdict: l.seal.verdict,
        read_back: l.seal.read_back,
        trusted: l.trusted,
        anchored: l.anchored,
        succession: l.seal.succession.is_some(),
        is_list_damaged: !l.is_list_whole,
        objects: l.seal.count + 1,
        bytes: l.objects.iter().map(|o| o.length).sum::<u64>() + l.length,
        damaged: damage.iter().filter(|d| d.generation == l.seal.generation).count() as u64,
    });
    let known = known_in(chain, &options.known);
    let mut foreign = opened.foreign(chain)?;
    foreign.extend(written_behind(chain, &options.known, known));
    Ok(Report {
        set: chain.set,
        set_name: set_name(chain),
        root_key: chain.label.as_ref().map(|l| l.root_key),
        generations: lines.collect(),
        faults: chain.faults.clone(),
        damage,
        leftovers: chain.leftovers.clone(),
        foreign,
        litter: chain.listing.litter_names(),
        objects: all.len() as u64 + chain.links.len() as u64 - absent_objects,
        bytes: bytes - absent_bytes,
        place: chain.label.as_ref().map_or(0, |l| l.place),
        elsewhere: elsewhere as u64,
        read_back,
        expected: None,
        known,
        next_key: chain.links.iter().rfind(|l| l.is_proven()).map(|l| l.seal.next),
    })
}

/// The paths of what lies behind the newest seal of a medium where no run of this host can have left anything: somebody else has
/// written it. `known`: the seal that the host remembers.
pub fn written_behind(chain: &Chain, record: &HostRecord, known: Option<Expected>) -> Vec<String> {
    // An earlier medium of the set ends where it was full, and may have what found no room behind its last seal.
    let is_newest =
        || record.seals.last().map(|(_, digest)| *digest) == chain.links.iter().rfind(|l| l.is_proven()).map(SealLink::digest);
    let is_at_rest = |generation: u64| record.at_rest == Some(generation) && record.copies.is_empty();
    match known {
        Some(Expected::Found { generation, newer: 0 }) if is_at_rest(generation) && is_newest() => {
            chain.leftovers.iter().map(|l| object_path(l.number, l.kind)).collect()
        }
        _ => Vec::new(),
    }
}

/// The numbers of those faults in a chain that are half a seal behind the newest one that the host knows: a run ended within it, and
/// the next one names it void. `leftovers`: the objects behind the last seal.
pub fn torn_seals(faults: &[Fault], leftovers: &[Listed], known: Option<Expected>) -> Vec<u64> {
    let is_seal = |number: u64| leftovers.iter().any(|o| (o.number, o.kind) == (number, ObjectKind::Seal));
    let is_torn = |f: &&Fault| matches!(f.what, FaultKind::Unreadable { .. }) && is_seal(f.object);
    match known {
        Some(Expected::Found { newer: 0, .. }) => faults.iter().filter(is_torn).map(|f| f.object).collect(),
        _ => Vec::new(),
    }
}

/// Whether the medium has a file that is called as the object: one before the label may be on an earlier medium.
fn is_there(chain: &Chain, o: &Object) -> bool {
    chain.listing.objects.binary_search_by_key(&(o.number, o.kind.code()), |l| (l.number, l.kind.code())).is_ok()
}

/// A seal that was expected, and what follows it.
fn found(chain: &Chain, link: &SealLink) -> Expected {
    // Anybody can put a seal behind the proven ones.
    let newest = chain.generations().filter(|l| l.is_proven()).map(|l| l.seal.generation).max().unwrap_or(0);
    Expected::Found { generation: link.seal.generation, newer: newest.saturating_sub(link.seal.generation) }
}

/// Whether the seal that the host remembers is in the chain; `None` if the host does not know the set, or the medium may be an unfinished
/// copy.
pub fn known_in(chain: &Chain, known: &HostRecord) -> Option<Expected> {
    let digest = known_here(chain, known)?;
    // The host's own record proves the seal, whatever the chain before it is like.
    let link = chain.links.iter().find(|l| l.digest() == digest);
    if link.is_none() && known.may_be_begun_copy {
        return None;
    }
    Some(link.map_or(Expected::NotFound, |link| found(chain, link)))
}

/// The last seal that the host remembers of this medium; of the newest medium if this one's place is unknown.
fn known_here(chain: &Chain, known: &HostRecord) -> Option<[u8; 32]> {
    let newest = chain.generations().rfind(|l| l.is_proven()).map(SealLink::digest);
    // A copy ends where it was made, whatever was written to its original since.
    if let Some(newest) = newest.filter(|digest| known.copies.contains(&CheckCode::of(digest).to_string())) {
        return Some(newest);
    }
    let place = chain.label.as_ref().map(|l| l.place);
    let here = known.seals.iter().find(|(p, _)| Some(*p) == place);
    here.or(known.seals.last()).map(|(_, digest)| *digest)
}
