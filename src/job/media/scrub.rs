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
use crate::format::object::{Id, Object, ObjectKind, file_name};
use crate::format::seal::ReadBack;
use crate::host::catalog::{Catalog, CatalogError};
use crate::host::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent, MediumAccount, OutOfUse, only_with_device};
use crate::job::inspect::verify::{HostRecord, known_here};
use crate::job::inspect::{InspectError, verify};
use crate::medium::{ErrorCategory, FOLDER, device_name, is_mounted};
use crate::seal::chain::{Chain, Fault, FaultKind};
use crate::set::check::{Damage, absent, check_objects, sealed_here};
use crate::set::open::{OpenSet, set_name};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

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
    /// Everything can be read, but the seals are no valid chain: that is not wear.
    Suspect,
}

impl MediumHealth {
    /// The name in JSON and in the operation log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::CopyForward => "copy-forward",
            Self::Suspect => "suspect",
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
    /// The newest generation on it.
    pub newest: Option<u64>,
    /// The last seal that the host remembers of this medium is not on it.
    pub rolled_back: bool,
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
        match () {
            () if !self.damage.is_empty() || !self.unreadable.is_empty() => MediumHealth::CopyForward,
            () if self.faults.iter().any(is_wear) => MediumHealth::CopyForward,
            () if !self.faults.is_empty() || self.rolled_back => MediumHealth::Suspect,
            () => MediumHealth::Good,
        }
    }

    /// Number of damaged and unreadable objects and of faults in the chain.
    pub fn damaged(&self) -> u64 {
        (self.damage.len() + self.unreadable.len() + self.faults.len() + usize::from(self.rolled_back)) as u64
    }

    /// What the ledger has of it.
    pub fn state(&self) -> MediumState {
        match self.damaged() {
            1 if self.rolled_back => MediumState::Other,
            damaged => MediumState::Damaged(damaged),
        }
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
    let rolled_back = known_here(&chain, &options.known).is_some_and(|digest| chain.links.iter().all(|l| l.digest() != digest));
    if rolled_back {
        // A folder that could not be read looks like one that is empty.
        opened.medium.check_complete()?;
    }
    let here = sealed_here(&chain);
    let unlisted = unlisted(&chain, &here);
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
    Ok(Report {
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

/// What a medium that was read in full is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediumState {
    /// So many objects are damaged, and so much does not fit in the chain of seals; 0: it is good.
    Damaged(u64),
    /// It can be read and fits in itself, but is not what this host wrote last: it was rolled back or replaced.
    Other,
    /// It is whole, and newer than what this host remembers: the host was set back.
    Newer,
}

/// Enters into the ledger that the medium of a set at `at` was read in full, and what was wrong, which is entered once.
/// `newest`: the newest generation on it, where known. Returns the names of the media; `None` if the ledger contains none.
///
/// A medium that may be one of several copies is not known to be good; that it is damaged counts for each that it may be.
pub fn enter_into_ledger(
    state: &Path,
    set: Id,
    at: &Path,
    newest: Option<u64>,
    found: MediumState,
    env: &Env,
) -> Result<Option<String>, LedgerError> {
    let ledger = Ledger::of(state);
    recognise(state, &[set], at, env)?;
    let media = ledger.read()?.media();
    let likely = match found {
        MediumState::Damaged(0) => medium_surely_at(&media, set, at),
        _ => medium_at(&media, set, at),
    };
    let may_be: Vec<&MediumAccount> = match likely {
        Some(m) => vec![m],
        None if found == MediumState::Damaged(0) => Vec::new(),
        None => {
            let of_set = || may_be_at(&media, set, at).into_iter().filter(|m| m.out_of_use.is_none());
            let written = |m: &&MediumAccount| newest.is_some() && m.written.as_ref().map(|(_, n, _)| *n) == newest;
            let exactly: Vec<_> = of_set().filter(written).collect();
            // What was rolled back has the newest generation of an older copy.
            if exactly.is_empty() || found == MediumState::Other { of_set().collect() } else { exactly }
        }
    };
    for m in &may_be {
        let medium = m.name.clone();
        let is_known = |damaged: u64| damaged > 0 && m.scrubbed.as_ref().is_some_and(|(_, known)| *known == damaged);
        let event = match found {
            MediumState::Damaged(damaged) if !is_known(damaged) => LedgerEvent::Scrubbed { medium, damaged },
            MediumState::Other if !m.is_mismatch_read => {
                let found = "the last seal that this host remembers is not on it".into();
                LedgerEvent::Mismatched { medium, found, in_full: true, is_newer: false }
            }
            MediumState::Newer if !m.is_newer_than_host => {
                let found = "it is newer than what this host remembers".into();
                LedgerEvent::Mismatched { medium, found, in_full: true, is_newer: true }
            }
            _ => continue,
        };
        ledger.write(&env.time_text(), event)?;
    }
    let names: Vec<&str> = may_be.iter().map(|m| &m.name[..]).collect();
    Ok((!names.is_empty()).then(|| names.join(", ")))
}

/// What a verification says of media that were read back no better than from the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// None of the set waits for it.
    NotNeeded,
    /// The medium is what its seals say, past the cache: it is in the ledger.
    Entered {
        /// The medium's name.
        medium: String,
    },
    /// One waits for it, and still does: there is damage, or this was read no better than from the cache, too.
    NotPastTheCache,
    /// One waits for it, and it may be one of several copies.
    WhichMedium,
    /// It is not what this host wrote last: it is in the ledger.
    Mismatched {
        /// The medium's name.
        medium: String,
    },
    /// It is newer than what this host remembers: it is in the ledger.
    Newer {
        /// The medium's name.
        medium: String,
    },
    /// Damage was found: it is in the ledger.
    Damaged {
        /// The medium's name.
        medium: String,
    },
}

/// What a job has found out about the medium at a path, besides a scrub.
#[derive(Debug, Clone)]
pub struct MediumRead<'r> {
    set: Id,
    at: &'r Path,
    /// The newest generation on it and its check code, where known.
    newest: Option<(u64, String)>,
    found: MediumState,
    /// Whether everything is good, read past the cache. `None`: not everything was read.
    is_proved: Option<bool>,
}

impl<'r> MediumRead<'r> {
    /// Some of it was read, by a restore or a copy, and so much of that was damaged.
    pub fn in_part(set: Id, at: &'r Path, damaged: u64) -> Self {
        Self { set, at, newest: None, found: MediumState::Damaged(damaged), is_proved: None }
    }

    /// All of it was read.
    pub fn of(report: &verify::Report, at: &'r Path) -> Self {
        let is_missed = report.known == Some(verify::Expected::NotFound);
        // Half a seal behind the newest one that this host knows: a run ended within it, and the next one names it void.
        let is_whole = matches!(report.known, Some(verify::Expected::Found { newer: 0, .. }));
        let is_seal = |number: u64| report.leftovers.iter().any(|o| (o.number, o.kind) == (number, ObjectKind::Seal));
        let is_torn = |f: &Fault| matches!(f.what, FaultKind::Unreadable { .. }) && is_seal(f.object);
        let faults = report.faults.iter().filter(|f| !(is_whole && is_torn(f))).count();
        let damaged = (report.damage.len() + faults + usize::from(is_missed)) as u64;
        let is_damage = !report.is_only_newer() && !report.is_only_empty();
        Self {
            set: report.set,
            at,
            newest: report.generations.iter().max_by_key(|g| g.generation).map(|g| (g.generation, g.check_code.to_string())),
            found: match damaged {
                _ if !is_damage => MediumState::Damaged(0),
                1 if is_missed => MediumState::Other,
                damaged => MediumState::Damaged(damaged),
            },
            is_proved: Some(report.is_good() && report.read_back != ReadBack::Cached),
        }
    }

    /// All of it was read, it is good, and newer than what this host remembers.
    pub fn newer(report: &verify::Report, at: &'r Path) -> Self {
        Self { found: MediumState::Newer, ..Self::of(report, at) }
    }
}

/// Enters into the ledger what was found out about a medium, where it waits for that or something is damaged.
pub fn enter_read(state: &Path, read: &MediumRead, env: &Env) -> Result<Verified, LedgerError> {
    let MediumRead { set, at, newest, found, is_proved } = read;
    if *found != MediumState::Damaged(0) {
        let newest = newest.as_ref().map(|(generation, _)| *generation);
        let entered = enter_into_ledger(state, *set, at, newest, *found, env)?;
        return Ok(entered.map_or(Verified::NotNeeded, |medium| match found {
            MediumState::Other => Verified::Mismatched { medium },
            MediumState::Newer => Verified::Newer { medium },
            MediumState::Damaged(_) => Verified::Damaged { medium },
        }));
    }
    recognise(state, &[*set], at, env)?;
    let Some(is_proved) = *is_proved else { return Ok(Verified::NotNeeded) };
    let ledger = Ledger::of(state);
    let media = ledger.read()?.media();
    let id = set.to_string();
    let waits = |m: &MediumAccount| m.unverified.is_some() || m.is_doubtful();
    if media.values().all(|m| m.set != id || !waits(m)) {
        return Ok(Verified::NotNeeded);
    }
    let Some((generation, check_code)) = newest.clone().filter(|_| is_proved) else { return Ok(Verified::NotPastTheCache) };
    let Some(medium) = medium_surely_at(&media, *set, at) else { return Ok(Verified::WhichMedium) };
    if !waits(medium) {
        return Ok(Verified::NotNeeded);
    }
    // What this host does not know may be an alarm.
    let is_behind = medium.written.as_ref().is_some_and(|(_, known, _)| *known < generation);
    if medium.is_newer_than_host && is_behind {
        return Ok(Verified::Newer { medium: medium.name.clone() });
    }
    let medium = medium.name.clone();
    ledger.write(&env.time_text(), LedgerEvent::Verified { medium: medium.clone(), generation, check_code })?;
    Ok(Verified::Entered { medium })
}

/// Check codes of the copies that the medium at a path may be: not where its hardware, or the place where the ledger saw it,
/// is that of the medium that backups are written to.
pub fn copies_at(book: &LedgerContent, set: Id, at: &Path) -> Vec<String> {
    let (id, device, media) = (set.to_string(), device_name(at), book.media());
    let of_set = || media.values().filter(|m| m.set == id);
    let is_it = |m: &MediumAccount| match (&device, &m.device) {
        (Some(here), Some(known)) => here == known,
        _ => m.at.as_deref().is_some_and(|known| Path::new(known) == at),
    };
    if of_set().any(|m| !m.is_copy && is_it(m)) {
        return Vec::new();
    }
    let may_be = |m: &&MediumAccount| m.is_copy && (device.is_none() || m.device.is_none() || m.device == device);
    of_set().filter(may_be).filter_map(|m| Some(m.written.as_ref()?.2.clone())).collect()
}

/// The medium of a set that is attached at a path: the only one that it may be, or the one in hardware of that name.
pub(super) fn medium_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    match &may_be_at(media, set, at)[..] {
        [only] => Some(*only),
        _ => only_with_device(media, device_name(at).as_deref()).filter(|m| m.set == set.to_string()),
    }
}

/// The medium of a set that is at a path, where no other one of the ledger can be there: a copy has the same label as its
/// original, byte for byte, and only the hardware or the folder tells them apart.
fn told_apart<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    let (id, device) = (set.to_string(), device_name(at));
    let medium = medium_at(media, set, at)?;
    let is_in_other_hardware = |m: &MediumAccount| m.device.is_some() && m.device != device;
    let is_known_hardware = only_with_device(media, device.as_deref()).is_some_and(|m| m.name == medium.name);
    let here = at.canonicalize().ok();
    let is_elsewhere = |m: &MediumAccount| {
        let place = m.at.as_deref().filter(|_| !m.was_mounted).and_then(|at| Path::new(at).canonicalize().ok());
        place.is_some_and(|place| Some(&place) != here.as_ref() && place.join(FOLDER).join(&id).is_dir())
    };
    let may_be_here = |m: &&MediumAccount| m.set == id && m.name != medium.name && m.out_of_use != Some(OutOfUse::Disposed);
    let mut twins = media.values().filter(may_be_here);
    (is_known_hardware || twins.all(|m| is_in_other_hardware(m) || is_elsewhere(m))).then_some(medium)
}

/// The same for what clears damage: hardware that the ledger knows otherwise may have a copy that it does not know.
fn medium_surely_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Option<&'m MediumAccount> {
    told_apart(media, set, at).filter(|m| m.device.is_none() || m.device == device_name(at))
}

/// Enters that media of the ledger are attached at a path, where the ledger does not say so. Whatever the command is for, and
/// whether it writes to them or not: what is at the host is in no safe.
pub fn recognise(state: &Path, sets: &[Id], at: &Path, env: &Env) -> Result<(), LedgerError> {
    let ledger = Ledger::of(state);
    let media = ledger.read()?.media();
    let mut here: Vec<&MediumAccount> = sets.iter().filter_map(|set| told_apart(&media, *set, at)).collect();
    here.dedup_by(|a, b| a.name == b.name);
    for m in here.into_iter().filter(|m| !m.at_host || m.location.is_some()) {
        let (medium, at, mounted) = (m.name.clone(), at.display().to_string(), is_mounted(at));
        // What hardware it is in tonight does not become its own.
        let device = device_name(Path::new(&at)).filter(|here| m.device.as_ref() == Some(here));
        ledger.write(&env.time_text(), LedgerEvent::Attached { medium, at, device, mounted })?;
    }
    Ok(())
}

/// The media of a set that the one at a path may be. A folder of the host that is no mount point is where the ledger saw it,
/// and nowhere else: one that is there is this one, and one that still is at another place is not.
fn may_be_at<'m>(media: &'m BTreeMap<String, MediumAccount>, set: Id, at: &Path) -> Vec<&'m MediumAccount> {
    let id = set.to_string();
    let of_set: Vec<&MediumAccount> = media.values().filter(|m| m.set == id).collect();
    let own_place = |m: &MediumAccount| {
        let place = Path::new(m.at.as_deref().filter(|_| !m.was_mounted)?);
        // Through a link anything may be there, one disk tonight and another one tomorrow.
        let is_folder = place.canonicalize().is_ok_and(|there| there == place) && device_name(place) == m.device;
        is_folder.then(|| place.to_owned())
    };
    let here = at.canonicalize().ok().filter(|_| !is_mounted(at));
    let is_here = |m: &&&MediumAccount| here.is_some() && own_place(m) == here;
    if let [only] = of_set.iter().filter(is_here).collect::<Vec<_>>()[..] {
        return vec![*only];
    }
    let is_elsewhere =
        |m: &MediumAccount| own_place(m).is_some_and(|p| Some(&p) != here.as_ref() && p.join(FOLDER).join(&id).is_dir());
    let rest: Vec<&MediumAccount> = of_set.iter().copied().filter(|m| !is_elsewhere(m)).collect();
    // Somebody has made a copy of it without this program: it stands for the medium.
    if rest.is_empty() { of_set } else { rest }
}
