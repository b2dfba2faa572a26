//! What was found out about a medium by reading it, for the ledger: that it is good, damaged, not what this host wrote last, or
//! newer than what this host remembers.

use super::recognised::{may_be_at, medium_at, medium_surely_at, recognise};
use crate::env::Env;
use crate::format::object::{Id, ObjectKind};
use crate::format::seal::ReadBack;
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent, MediumAccount};
use crate::host::nights::{Night, NightLog};
use crate::job::inspect::verify;
use crate::seal::chain::{Fault, FaultKind};
use std::collections::BTreeSet;
use std::path::Path;

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

/// What runs of this host may have sealed and could not record.
#[derive(Debug, Clone)]
pub struct Unrecorded {
    /// A run was cut off, failed, or says so: it has sealed one generation at most.
    has_run: bool,
    /// Sets that a backup has found newer than this host's records: what it has found was none of these runs.
    newer_sets: BTreeSet<String>,
}

impl Unrecorded {
    /// Of a state directory; of `None`, or where the log of nights cannot be read, any run may be.
    pub fn of(state: Option<&Path>) -> Self {
        /// The exit code of a run that sealed what it could not enter.
        const SEALED_ONLY: u8 = 8;
        let nights = state.and_then(|state| NightLog::of(state).read().ok());
        let is_unrecorded = |n: &Night| n.end.as_ref().is_none_or(|end| end.sealed.is_none() || end.exit == SEALED_ONLY);
        let book = state.and_then(|state| Ledger::of(state).read().ok()).unwrap_or_default();
        Self {
            has_run: nights.is_none_or(|(nights, _)| nights.is_empty() || nights.iter().any(is_unrecorded)),
            newer_sets: book.media().into_values().filter(|m| m.is_newer_than_host).map(|m| m.set).collect(),
        }
    }

    /// Whether a medium has more generations behind the newest one that this host knows than such a run has sealed.
    fn is_set_back(&self, report: &verify::Report) -> bool {
        let is_excused = self.has_run && !self.newer_sets.contains(&report.set.to_string());
        let newer = match report.known {
            Some(verify::Expected::Found { newer, .. }) if report.is_good() => newer,
            _ => 0,
        };
        newer > u64::from(is_excused)
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
}

impl<'r> MediumRead<'r> {
    /// Some of it was read, by a restore or a copy, and so much of that was damaged.
    pub fn in_part(set: Id, at: &'r Path, damaged: u64) -> Self {
        Self { set, at, newest: None, found: MediumState::Damaged(damaged), is_proved: None }
    }

    /// All of it was read. `unrecorded`: of before it was.
    pub fn of(report: &verify::Report, at: &'r Path, unrecorded: &Unrecorded) -> Self {
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
                _ if unrecorded.is_set_back(report) => MediumState::Newer,
                _ if !is_damage => MediumState::Damaged(0),
                1 if is_missed => MediumState::Other,
                damaged => MediumState::Damaged(damaged),
            },
            is_proved: Some(report.is_good() && report.read_back != ReadBack::Cached),
        }
    }

    /// Whether it is good, and shows that the host was set back.
    pub fn is_newer_than_host(&self) -> bool {
        self.found == MediumState::Newer
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::check_code::CheckCode;
    use crate::format::seal::Verdict;
    use crate::job::inspect::verify::{CheckedGeneration, Expected, Report};
    use crate::medium::Listed;

    const SET: Id = Id([7; 16]);

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
        }
    }

    fn found(report: &Report, has_run: bool, newer_sets: &[Id]) -> MediumState {
        let newer_sets = newer_sets.iter().map(ToString::to_string).collect();
        MediumRead::of(report, Path::new("/mnt"), &Unrecorded { has_run, newer_sets }).found
    }

    #[test]
    fn more_generations_than_a_run_could_not_record_show_that_the_host_was_set_back() {
        let good = MediumState::Damaged(0);
        assert_eq!([0, 1, 2].map(|newer| found(&report(newer), true, &[])), [good, good, MediumState::Newer]);
        assert_eq!([0, 1].map(|newer| found(&report(newer), false, &[])), [good, MediumState::Newer]);
        // A backup has refused it for that already, and is itself a run that sealed nothing.
        assert_eq!(found(&report(1), true, &[SET]), MediumState::Newer);
        assert_eq!(found(&report(1), true, &[Id([8; 16])]), good);
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
        assert_eq!(found(&with(20, 20, 0), false, &[]), MediumState::Damaged(0));
        let unproved = MediumRead::of(&with(20, 20, 0), Path::new("/mnt"), &Unrecorded::of(None));
        assert_eq!(unproved.is_proved, Some(false), "nor is it a medium that was found good");
        // It was one that this host had sealed; another one; or the host knows of none.
        assert_eq!(found(&with(20, 20, 1), false, &[]), MediumState::Damaged(1));
        assert_eq!(found(&with(8, 20, 0), false, &[]), MediumState::Damaged(1));
        assert_eq!(found(&Report { known: None, ..with(20, 20, 0) }, false, &[]), MediumState::Damaged(1));
    }
}
