//! What was found out about a medium by reading it, for the ledger: that it is good, damaged, not what this host wrote last, or
//! newer than what this host remembers.

use super::recognised::{may_be_at, medium_at, medium_surely_at, recognise};
use super::scrub;
use crate::env::Env;
use crate::format::object::Id;
use crate::format::seal::{ReadBack, Verdict};
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent, LedgerLine, MediumAccount};
use crate::host::nights::NightLog;
use crate::host::state::StateDir;
use crate::job::incident::hold::{HoldError, put_on_for_alarm};
use crate::job::inspect::verify::{self, CheckedGeneration, torn_seals};
use crate::seal::SealKeys;
use std::collections::BTreeMap;
use std::path::Path;

/// What a medium that was read in full is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediumState {
    /// So many objects are damaged, and so much does not fit in the chain of seals; 0: it is good.
    Damaged(u64),
    /// It can be read and fits in itself, but is not what this host wrote last: it was rolled back or replaced.
    Other,
    /// What this host wrote is whole, and there is something that no seal covers. This is the first of the names.
    Foreign(String),
    /// It is whole, and newer than what this host remembers: the host was set back.
    Newer,
}

/// Enters into the ledger that the medium of a set at `at` was read in full, and what was wrong, which is entered once.
/// `newest`: the newest generation on it, where known. Returns the names of the media; `None` if the ledger contains none.
///
/// A medium that may be one of several copies is not known to be good; that it is damaged counts for each that it may be.
fn enter_into_ledger(
    state: &Path,
    set: Id,
    at: &Path,
    newest: Option<u64>,
    found: &MediumState,
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
        None if *found == MediumState::Damaged(0) => Vec::new(),
        None => {
            let of_set = || may_be_at(&media, set, at).into_iter().filter(|m| m.out_of_use.is_none());
            let written = |m: &&MediumAccount| newest.is_some() && m.written.as_ref().map(|(_, n, _)| *n) == newest;
            let exactly: Vec<_> = of_set().filter(written).collect();
            // What was rolled back has the newest generation of an older copy.
            if exactly.is_empty() || *found == MediumState::Other { of_set().collect() } else { exactly }
        }
    };
    for m in &may_be {
        let medium = m.name.clone();
        let is_known = |damaged: u64| damaged > 0 && m.scrubbed.as_ref().is_some_and(|(_, known)| *known == damaged);
        let event = match found {
            MediumState::Damaged(damaged) if !is_known(*damaged) => LedgerEvent::Scrubbed { medium, damaged: *damaged },
            MediumState::Foreign(name) if m.foreign.as_ref() != Some(name) => {
                LedgerEvent::Foreign { medium, found: name.clone() }
            }
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
    /// Something that no seal covers is on it: it is in the ledger.
    Foreign {
        /// The medium's name.
        medium: String,
    },
    /// Damage was found: it is in the ledger.
    Damaged {
        /// The medium's name.
        medium: String,
    },
}

/// What runs of this host may have sealed and could not record.
#[derive(Debug, Clone, Default)]
pub struct Unrecorded {
    /// Of each set whose file can be read, the public halves of its seal keys. A run makes the next one durable before its seal names
    /// it, so a seal that names neither is of a host that remembered more.
    keys: BTreeMap<String, Vec<[u8; 32]>>,
    /// Of each set, the generation behind which none can have left anything.
    at_rest: BTreeMap<String, u64>,
    /// A run is under way.
    is_running: bool,
}

impl Unrecorded {
    /// Of a state directory. `is_running`: whether a process of this number is a backup.
    pub fn of(state: Option<&Path>, is_running: impl Fn(u32) -> bool) -> Self {
        let Some(state) = state else { return Self::default() };
        let nights = NightLog::of(state).read().map(|(nights, _)| nights).unwrap_or_default();
        let sets = StateDir::of(state).sets().into_iter();
        Self {
            keys: sets.filter_map(|s| Some((s.id().to_string(), SealKeys::public_halves(&s.seal_keys())?))).collect(),
            at_rest: NightLog::of(state).at_rest(None),
            is_running: nights.iter().any(|n| n.end.is_none() && is_running(n.process)),
        }
    }

    /// The generation of a set behind which no run can have left anything.
    pub fn at_rest(&self, set: Id) -> Option<u64> {
        self.at_rest.get(&set.to_string()).copied()
    }

    /// Whether a medium has generations that this host does not know, and that none of its runs has sealed.
    fn is_set_back(&self, report: &verify::Report) -> bool {
        let keys = self.keys.get(&report.set.to_string());
        let is_own = keys.zip(report.next_key).is_some_and(|(keys, next)| keys.contains(&next));
        let newer = match report.known {
            Some(verify::Expected::Found { newer, .. }) if report.is_good() => newer,
            _ => 0,
        };
        // One generation may be of a run that is under way; or of any, where nobody knows the keys.
        !is_own && newer > u64::from(self.is_running || keys.is_none())
    }
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
    /// What people call the set.
    set_name: &'r str,
    /// Generations with an alarm behind those that this host knows.
    unknown_alarms: Vec<u64>,
}

impl<'r> MediumRead<'r> {
    /// Some of it was read, by a restore or a copy, and so much of that was damaged.
    pub fn in_part(set: Id, at: &'r Path, damaged: u64) -> Self {
        Self {
            set,
            at,
            newest: None,
            found: MediumState::Damaged(damaged),
            is_proved: None,
            set_name: "",
            unknown_alarms: Vec::new(),
        }
    }

    /// All of it was read. `unrecorded`: of before it was.
    pub fn of(report: &'r verify::Report, at: &'r Path, unrecorded: &Unrecorded) -> Self {
        let is_missed = report.known == Some(verify::Expected::NotFound);
        let faults = report.faults.len() - torn_seals(&report.faults, &report.leftovers, report.known).len();
        let damaged = (report.damage.len() + faults + usize::from(is_missed)) as u64;
        let is_damage = !report.is_only_newer() && !report.is_only_empty();
        Self {
            set: report.set,
            at,
            newest: report.generations.iter().max_by_key(|g| g.generation).map(|g| (g.generation, g.check_code.to_string())),
            found: match damaged {
                _ if unrecorded.is_set_back(report) => MediumState::Newer,
                _ if !is_damage => MediumState::Damaged(0),
                1 if is_missed => MediumState::Other,
                0 => foreign_or_good(&report.foreign),
                damaged => MediumState::Damaged(damaged),
            },
            is_proved: Some(report.is_good() && report.read_back != ReadBack::Cached),
            set_name: &report.set_name,
            unknown_alarms: unknown_alarms(report),
        }
    }

    /// Whether it is good, and shows that the host was set back.
    pub fn is_newer_than_host(&self) -> bool {
        self.found == MediumState::Newer
    }
}

/// The generations with an alarm behind the newest one that this host knows. Which of them repeats the alarm of another, only the
/// recovery key could tell.
fn unknown_alarms(report: &verify::Report) -> Vec<u64> {
    let Some(verify::Expected::Found { generation: known, .. }) = report.known else { return Vec::new() };
    let is_proven = |g: &&CheckedGeneration| g.trusted || g.anchored;
    let behind = report.generations.iter().filter(is_proven).filter(|g| g.generation > known);
    behind.filter(|g| g.verdict == Verdict::Alarm).map(|g| g.generation).collect()
}

/// Enters the alarms that a medium has and this host does not know. Returns the generations.
pub fn enter_unknown_alarms(state: &Path, read: &MediumRead, env: &Env) -> Result<Vec<u64>, LedgerError> {
    enter_alarms(state, (read.set, read.set_name, &read.unknown_alarms), env)
}

/// Enters alarms of a set, with its id, its name and the generations, as a run enters those that it raises; not those that are entered
/// already. Returns the generations.
pub fn enter_alarms(state: &Path, (set, name, generations): (Id, &str, &[u64]), env: &Env) -> Result<Vec<u64>, LedgerError> {
    let book = Ledger::of(state).read()?;
    let id = set.to_string();
    let is_of = |l: &LedgerLine, wanted: u64| match &l.event {
        LedgerEvent::Held { set: Some(set), generation: Some(n), .. } => (set, *n) == (&id, wanted),
        LedgerEvent::Harmless { set, generation, .. } => (set, *generation) == (&id, wanted),
        _ => false,
    };
    let is_new = |n: &u64| !book.hold_lines().any(|l| is_of(l, *n));
    let new: Vec<u64> = generations.iter().copied().filter(is_new).collect();
    for generation in &new {
        let why = format!("set {name} generation {generation}");
        put_on_for_alarm(state, set, *generation, &why, env).map_err(|e| match e {
            HoldError::Ledger(e) => e,
            other => LedgerError::Io { what: "written", path: state.to_owned(), source: std::io::Error::other(other) },
        })?;
    }
    Ok(new)
}

/// The medium of a set at a path, where it is known not to be what this host wrote last: somebody has found that, or its newest
/// generation is older than the one in the ledger.
pub fn known_as_other(state: &Path, set: Id, at: &Path, newest: Option<u64>) -> Result<Option<String>, LedgerError> {
    let media = Ledger::of(state).read()?.media();
    let Some(m) = medium_at(&media, set, at) else { return Ok(None) };
    let is_older = m.written.as_ref().is_some_and(|(_, last, _)| newest.is_none_or(|newest| newest < *last));
    let is_other = m.mismatched.is_some() && !m.is_newer_than_host;
    Ok((is_older || is_other).then(|| m.name.clone()))
}

/// Enters into the ledger what a scrub has found. Returns the names of the media; `None` if the ledger contains none.
pub fn enter_scrub(state: &Path, report: &scrub::Report, env: &Env) -> Result<Option<String>, LedgerError> {
    let found = match report.damaged() - report.torn_seals {
        1 if report.rolled_back => MediumState::Other,
        // Half a seal is no damage; but such a medium was not found good.
        _ if report.verdict() == scrub::MediumHealth::Unsealed => return Ok(None),
        0 if report.torn_seals > 0 && report.foreign.is_empty() => {
            recognise(state, &[report.set], &report.path, env)?;
            return Ok(None);
        }
        0 => foreign_or_good(&report.foreign),
        damaged => MediumState::Damaged(damaged),
    };
    enter_into_ledger(state, report.set, &report.path, report.newest, &found, env)
}

/// What a medium is on which everything that is sealed is whole. `foreign`: names of what no seal covers.
fn foreign_or_good(foreign: &[String]) -> MediumState {
    foreign.first().map_or(MediumState::Damaged(0), |name| MediumState::Foreign(name.clone()))
}

/// Enters into the ledger what was found out about a medium, where it waits for that or something is damaged.
pub fn enter_read(state: &Path, read: &MediumRead, env: &Env) -> Result<Verified, LedgerError> {
    let MediumRead { set, at, newest, found, is_proved, .. } = read;
    if *found != MediumState::Damaged(0) {
        let newest = newest.as_ref().map(|(generation, _)| *generation);
        let entered = enter_into_ledger(state, *set, at, newest, found, env)?;
        return Ok(entered.map_or(Verified::NotNeeded, |medium| match found {
            MediumState::Other => Verified::Mismatched { medium },
            MediumState::Newer => Verified::Newer { medium },
            MediumState::Foreign(_) => Verified::Foreign { medium },
            MediumState::Damaged(_) => Verified::Damaged { medium },
        }));
    }
    recognise(state, &[*set], at, env)?;
    let Some(is_proved) = *is_proved else { return Ok(Verified::NotNeeded) };
    let ledger = Ledger::of(state);
    let media = ledger.read()?.media();
    let id = set.to_string();
    let waits = |m: &MediumAccount| m.unverified.is_some() || m.foreign.is_some() || m.is_doubtful();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::check_code::CheckCode;
    use crate::format::object::ObjectKind;
    use crate::job::inspect::verify::{Expected, Report};
    use crate::medium::Listed;
    use crate::seal::chain::{Fault, FaultKind};

    const SET: Id = Id([7; 16]);
    /// The key that the last seal names.
    const NEXT: [u8; 32] = [6; 32];

    /// A good set of so many generations, of which the host knows those before `newer`.
    fn report(newer: u64) -> Report {
        let generation = |generation| CheckedGeneration {
            generation,
            time: "2026-11-30T01:30:00Z".into(),
            check_code: CheckCode::of(&[0; 32]),
            verdict: Verdict::Good,
            read_back: ReadBack::Direct,
            trusted: true,
            anchored: false,
            succession: false,
            is_list_damaged: false,
            objects: 4,
            bytes: 4_096,
            damaged: 0,
        };
        Report {
            set: SET,
            set_name: "clinic".into(),
            root_key: None,
            generations: (1..=5).map(generation).collect(),
            faults: Vec::new(),
            damage: Vec::new(),
            leftovers: Vec::new(),
            foreign: Vec::new(),
            litter: Vec::new(),
            objects: 20,
            bytes: 20_480,
            place: 1,
            elsewhere: 0,
            read_back: ReadBack::Direct,
            expected: None,
            known: Some(Expected::Found { generation: 5 - newer, newer }),
            next_key: Some(NEXT),
        }
    }

    /// By a host that knows these keys; `None`: of none.
    fn found(report: &Report, keys: Option<&[[u8; 32]]>, is_running: bool) -> MediumState {
        let keys = keys.map(|keys| (SET.to_string(), keys.to_vec())).into_iter().collect();
        MediumRead::of(report, Path::new("/mnt"), &Unrecorded { keys, is_running, ..Unrecorded::default() }).found
    }

    /// A run that was cut off behind its seal has prepared the key that the seal names. A state that was set back has not, whatever
    /// its log of nights says.
    #[test]
    fn a_generation_that_no_run_of_this_host_has_sealed_shows_that_it_was_set_back() {
        const GOOD: MediumState = MediumState::Damaged(0);
        const SET_BACK: MediumState = MediumState::Newer;
        let (own, other) = ([[1; 32], NEXT], [[1; 32], [2; 32]]);
        assert_eq!([0, 1, 2].map(|newer| found(&report(newer), Some(&own), false)), [GOOD, GOOD, GOOD]);
        assert_eq!([0, 1, 2].map(|newer| found(&report(newer), Some(&other), false)), [GOOD, SET_BACK, SET_BACK]);
        assert_eq!(
            [0, 1, 2].map(|newer| found(&report(newer), Some(&other[..1]), true)),
            [GOOD, GOOD, SET_BACK],
            "it is running"
        );
        assert_eq!([0, 1, 2].map(|newer| found(&report(newer), None, false)), [GOOD, GOOD, SET_BACK], "the keys are lost");
    }

    #[test]
    fn only_alarms_that_this_host_does_not_know_are_new() {
        let mut report = report(2);
        for at in [2, 3, 4] {
            report.generations[at].verdict = Verdict::Alarm;
        }
        report.generations[4].trusted = false;
        assert_eq!(unknown_alarms(&report), [4], "the third is known, and anybody may have put the fifth there");
        report.known = None;
        assert_eq!(unknown_alarms(&report), [0; 0], "another host's set");
    }

    /// The power failed while a seal was written on a tape.
    #[test]
    fn half_a_seal_behind_the_newest_generation_is_no_damage() {
        let torn = |number| Fault {
            object: number,
            kind: ObjectKind::Seal,
            what: FaultKind::Unreadable { why: "the first line is not \"azekura seal 1\"".into() },
        };
        let left = |number| Listed { number, kind: ObjectKind::Seal, length: 512 };
        let with =
            |fault, leftover, newer| Report { faults: vec![torn(fault)], leftovers: vec![left(leftover)], ..report(newer) };
        assert_eq!(found(&with(20, 20, 0), Some(&[NEXT]), false), MediumState::Damaged(0));
        let torn_one = with(20, 20, 0);
        let unproved = MediumRead::of(&torn_one, Path::new("/mnt"), &Unrecorded::default());
        assert_eq!(unproved.is_proved, Some(false), "nor is it a medium that was found good");
        // It was one that this host had sealed; another one; or the host knows of none.
        assert_eq!(found(&with(20, 20, 1), Some(&[NEXT]), false), MediumState::Damaged(1));
        assert_eq!(found(&with(8, 20, 0), Some(&[NEXT]), false), MediumState::Damaged(1));
        assert_eq!(found(&Report { known: None, ..with(20, 20, 0) }, Some(&[NEXT]), false), MediumState::Damaged(1));
    }
}
