//! How the backups stand: one verdict, and everything that speaks against "good".
//!
//! **Invariant:** unknown is never good. A source counts only if a generation that is good for it is as young as it expects,
//! and a night of which nothing is known is a night without a backup.
//!
//! Nothing here reads a medium: the host's own logs say what was done, and somebody has to look at them every morning.

use crate::format::seal::Verdict;
use crate::host::ledger::{LedgerContent, OutOfUse};
use crate::host::nights::{Night, NightEnd, SealedNight};
use crate::job::incident::harmless::harmless_alarms;
use crate::job::incident::hold::active_hold;
use crate::job::media::rotation::Pool;

/// A source that should be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSource {
    /// Its name.
    pub name: String,
    /// How old its newest good generation may be.
    pub max_age_seconds: i64,
}

/// What should be there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected<'e> {
    /// What is to be backed up; empty where nobody has said it.
    pub sources: &'e [ExpectedSource],
    /// Media that take turns.
    pub pools: &'e [Pool],
}

/// Something that speaks against "good".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Nothing was ever sealed by this host.
    NoBackup,
    /// No generation is good for a source.
    SourceNever {
        /// The source's name.
        source: String,
    },
    /// The newest generation that is good for a source is older than the source expects.
    SourceOld {
        /// The source's name.
        source: String,
        /// When that generation was sealed: RFC 3339, UTC.
        time: String,
        /// How old it may be.
        max_age_seconds: i64,
    },
    /// Something of a source was unreadable, stale or missing in the newest generation.
    SourceIncomplete {
        /// The source's name.
        source: String,
        /// That generation.
        generation: u64,
    },
    /// The newest generation of a source has an alarm.
    SourceAlarm {
        /// The source's name.
        source: String,
        /// That generation.
        generation: u64,
    },
    /// The last backup has sealed nothing.
    NightFailed {
        /// When it began: RFC 3339, UTC.
        begun: String,
        /// The command's exit code.
        exit: u8,
        /// Why, in the language of the run.
        why: Option<String>,
    },
    /// The last backup began, and nobody knows how it ended: it was killed, or the host went off.
    NightCutOff {
        /// When it began: RFC 3339, UTC.
        begun: String,
    },
    /// The last generation was sealed, and this host could not record it.
    Unrecorded {
        /// That generation.
        generation: u64,
        /// Why, in the language of the run.
        why: String,
    },
    /// The last generation was sealed with an alarm, and something was wrong afterwards: its hold, or its record.
    FailedAfterwards {
        /// That generation.
        generation: u64,
        /// What was wrong, in the language of the run.
        why: String,
    },
    /// A generation was read back no better than from the cache, and nobody has verified its medium since: nobody knows what
    /// is on it.
    NotReadBack {
        /// That generation.
        generation: u64,
        /// The medium that it is on.
        medium: String,
    },
    /// The last scrub of a medium found damage.
    Damaged {
        /// The medium's name.
        medium: String,
        /// How many objects were damaged.
        objects: u64,
    },
    /// A medium that should take its turn is full, and another one has to take its place.
    Full {
        /// The medium's name.
        medium: String,
    },
    /// A medium that should take its turn is not used any more.
    OutOfUse {
        /// The medium's name.
        medium: String,
        /// Why.
        why: OutOfUse,
    },
    /// The last backup of a pool went to a medium that should have been swapped before.
    NotSwapped {
        /// The medium's name.
        medium: String,
        /// The medium that is due.
        due: String,
        /// How many nights too many.
        nights: u64,
    },
    /// A medium should have been detached after its last backup, and was still attached.
    StillAttached {
        /// The medium's name.
        medium: String,
    },
    /// Lines of the log of nights that cannot be read.
    LogTorn {
        /// How many.
        lines: u64,
    },
}

/// The exit code of a backup that sealed, and that this host could not record.
const SEALED_ONLY: u8 = 8;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing speaks against it.
    Good,
    /// Somebody should look at it, and the data of the night are there.
    Attention,
    /// Data may be without a good copy.
    Failure,
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::SourceIncomplete { .. }
            | Self::Unrecorded { .. }
            | Self::FailedAfterwards { .. }
            | Self::NotReadBack { .. }
            | Self::Full { .. }
            | Self::OutOfUse { .. }
            | Self::NotSwapped { .. }
            | Self::StillAttached { .. }
            | Self::LogTorn { .. } => Severity::Attention,
            _ => Severity::Failure,
        }
    }
}

/// The newest generation that is good for a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// The source's name.
    pub name: String,
    /// The newest generation that is good for it; `None`: there is none.
    pub good: Option<SealedNight>,
}

/// How the backups stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The worst first.
    pub problems: Vec<Problem>,
    /// Those that are expected, in their order; where nothing is expected, those of the newest generation.
    pub sources: Vec<SourceStatus>,
    /// The newest generation.
    pub last: Option<SealedNight>,
    /// When the backup began that is running now: RFC 3339, UTC.
    pub running: Option<String>,
}

/// Judges how the backups stand. `now`: seconds since 1970. `is_running`: whether a process of this number is a backup.
pub fn judge(
    nights: &[Night],
    torn_lines: u64,
    book: &LedgerContent,
    Expected { sources: expected, pools }: Expected,
    now: i64,
    is_running: impl Fn(u32) -> bool,
) -> Judgement {
    let nights = &looked_at(nights, book);
    let sealed = || nights.iter().filter_map(|n| n.end.as_ref()?.sealed.as_ref());
    let last = sealed().next_back();
    let mut problems = Vec::new();
    if last.is_none() {
        problems.push(Problem::NoBackup);
    }
    let usual: Vec<ExpectedSource> = last.into_iter().flat_map(|l| &l.sources).map(|s| ExpectedSource::usual(&s.name)).collect();
    let expected = if expected.is_empty() { &usual } else { expected };
    let mut sources = Vec::new();
    for source in expected {
        let of = |n: &&SealedNight| n.sources.iter().any(|s| s.name == source.name);
        let good = |n: &&SealedNight| n.sources.iter().any(|s| s.name == source.name && s.verdict == Verdict::Good);
        let (newest, good) = (sealed().rfind(of), sealed().rfind(good));
        if last.is_some() {
            problems.extend(of_source(source, newest, good, now));
        }
        sources.push(SourceStatus { name: source.name.clone(), good: good.cloned() });
    }
    let mut running = None;
    for (at, night) in nights.iter().enumerate().rev() {
        let sealed = night.end.as_ref().and_then(|end| end.sealed.as_ref());
        match &night.end {
            // A number that a later run had is not that of a process that still runs.
            None if is_running(night.process) && nights[at + 1..].iter().all(|n| n.process != night.process) => {
                running.get_or_insert(night.begun.clone());
            }
            Some(NightEnd { why, exit, .. }) if sealed.is_some() => {
                let told = why.as_ref().zip(sealed).filter(|_| at + 1 == nights.len());
                problems.extend(told.map(|(why, s)| {
                    let (generation, why) = (s.generation, why.clone());
                    match *exit == SEALED_ONLY {
                        true => Problem::Unrecorded { generation, why },
                        false => Problem::FailedAfterwards { generation, why },
                    }
                }));
            }
            _ if is_made_up_for(night, &nights[at + 1..], expected) => {}
            end => {
                let begun = night.begun.clone();
                problems.push(match end {
                    None => Problem::NightCutOff { begun },
                    Some(NightEnd { exit, why, .. }) => Problem::NightFailed { begun, exit: *exit, why: why.clone() },
                });
                // The newest failure is enough.
                break;
            }
        }
    }
    let in_use = book.media().into_values().filter(|m| m.out_of_use.is_none());
    problems.extend(in_use.filter_map(|m| Some(Problem::NotReadBack { generation: m.unverified?, medium: m.name })));
    let scrubbed = book.media().into_values().filter_map(|m| Some((m.name, m.scrubbed?.1)));
    problems.extend(scrubbed.filter(|(_, n)| *n > 0).map(|(medium, objects)| Problem::Damaged { medium, objects }));
    let in_turn = book.media().into_values().filter(|m| pools.iter().any(|p| p.media.contains(&m.name)));
    problems.extend(in_turn.filter_map(|m| match m.out_of_use {
        Some(why) => Some(Problem::OutOfUse { medium: m.name, why }),
        None => m.is_full.then_some(Problem::Full { medium: m.name }),
    }));
    // Under a hold the attached medium has to stay.
    if active_hold(book).is_none() {
        problems.extend(pools.iter().filter_map(|pool| not_swapped(pool, book)));
        let stays = book.media().into_values().filter(|m| m.stays);
        problems.extend(stays.map(|m| Problem::StillAttached { medium: m.name }));
    }
    problems.extend((torn_lines > 0).then_some(Problem::LogTorn { lines: torn_lines }));
    problems.sort_by_key(|p| std::cmp::Reverse(p.severity()));
    Judgement { problems, sources, last: last.cloned(), running }
}

fn not_swapped(pool: &Pool, book: &LedgerContent) -> Option<Problem> {
    let (due, streak) = pool.due(book)?;
    let streak = streak.filter(|s| s.medium != due)?;
    let nights = streak.nights.saturating_sub(pool.turn_nights.max(1));
    (nights > 0).then(|| Problem::NotSwapped { medium: streak.medium, due: due.to_owned(), nights })
}

/// The nights as they are to be judged: an alarm that two people have called harmless is none.
fn looked_at(nights: &[Night], book: &LedgerContent) -> Vec<Night> {
    let harmless = harmless_alarms(book);
    let mut nights = nights.to_vec();
    for sealed in nights.iter_mut().filter_map(|n| n.end.as_mut()?.sealed.as_mut()) {
        let own = (sealed.set.clone(), sealed.generation);
        for source in sealed.sources.iter_mut().filter(|s| s.verdict == Verdict::Alarm) {
            let is_harmless = match source.alarms.is_empty() {
                true => harmless.contains(&(&own.0[..], own.1)),
                false => source.alarms.iter().all(|a| harmless.contains(&(&a.set[..], a.generation))),
            };
            if is_harmless {
                source.verdict = if source.is_incomplete { Verdict::Incomplete } else { Verdict::Good };
            }
        }
    }
    nights
}

/// Whether a later run has sealed all that a run was to back up; all that is expected, where the line of its beginning is
/// lost.
fn is_made_up_for(night: &Night, later: &[Night], expected: &[ExpectedSource]) -> bool {
    let unknown: Vec<String> = expected.iter().map(|e| e.name.clone()).collect();
    let names = if night.sources.is_empty() { &unknown } else { &night.sources };
    let sealed = later.iter().filter_map(|n| n.end.as_ref()?.sealed.as_ref());
    let has = |s: &SealedNight, name: &String| s.sources.iter().any(|source| source.name == *name);
    sealed.into_iter().any(|s| names.iter().all(|name| has(s, name)))
}

fn of_source(source: &ExpectedSource, newest: Option<&SealedNight>, good: Option<&SealedNight>, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = || source.name.clone();
    match good {
        None => problems.push(Problem::SourceNever { source: name() }),
        // A time ahead of the clock says nothing of the age.
        Some(good) => match seconds(&good.time) {
            Some(time) if time <= now && now - time <= source.max_age_seconds => {}
            _ => problems.push(Problem::SourceOld {
                source: name(),
                time: good.time.clone(),
                max_age_seconds: source.max_age_seconds,
            }),
        },
    }
    let verdict = newest.and_then(|n| Some((n.generation, n.sources.iter().find(|s| s.name == source.name)?.verdict)));
    match verdict {
        Some((generation, Verdict::Alarm)) => problems.push(Problem::SourceAlarm { source: name(), generation }),
        Some((generation, Verdict::Incomplete)) => problems.push(Problem::SourceIncomplete { source: name(), generation }),
        _ => {}
    }
    problems
}

/// A night and two hours: a backup may begin later than the night before, and take longer.
pub const USUAL_AGE_SECONDS: i64 = 26 * 3600;

impl ExpectedSource {
    /// One that is backed up every night.
    pub fn usual(name: &str) -> Self {
        Self { name: name.into(), max_age_seconds: USUAL_AGE_SECONDS }
    }
}

fn seconds(rfc3339: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(rfc3339).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::seal::ReadBack;
    use crate::host::ledger::{LedgerEvent, LedgerLine};
    use crate::host::nights::SourceNight;

    const NOON: i64 = 1_795_521_600;

    fn sealed(hours_ago: i64, verdict: Verdict) -> SealedNight {
        let time = chrono::DateTime::from_timestamp(NOON - hours_ago * 3600, 0).unwrap();
        SealedNight {
            set: "00".into(),
            set_name: "clinic".into(),
            medium: "CL-01".into(),
            generation: 1,
            check_code: "JHFB".into(),
            time: time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            verdict,
            read_back: ReadBack::Direct,
            sources: vec![SourceNight { name: "ehr".into(), verdict, alarms: Vec::new(), is_incomplete: false }],
        }
    }

    fn night(exit: u8, sealed: Option<SealedNight>) -> Night {
        let end = Some(NightEnd { time: String::new(), exit, sealed, why: None });
        Night { begun: "2026-11-23T01:30:00Z".into(), process: 7, sources: vec!["ehr".into()], end }
    }

    fn running_night() -> Night {
        Night { end: None, ..night(0, None) }
    }

    fn problems(nights: &[Night]) -> Vec<Problem> {
        judge(
            nights,
            0,
            &LedgerContent::default(),
            Expected { sources: &[ExpectedSource::usual("ehr")], pools: &[] },
            NOON,
            |_| false,
        )
        .problems
    }

    #[test]
    fn only_a_young_good_generation_is_good() {
        assert_eq!(problems(&[night(0, Some(sealed(10, Verdict::Good)))]), []);
        assert_eq!(problems(&[]), [Problem::NoBackup]);
        let old = problems(&[night(0, Some(sealed(27, Verdict::Good)))]);
        assert!(matches!(&old[..], [Problem::SourceOld { .. }]), "{old:?}");
        let ahead = problems(&[night(0, Some(sealed(-1, Verdict::Good)))]);
        assert!(matches!(&ahead[..], [Problem::SourceOld { .. }]), "a clock that was set back: {ahead:?}");
        // All alarms, and no good one before.
        let alarms = problems(&[night(4, Some(sealed(34, Verdict::Alarm))), night(4, Some(sealed(10, Verdict::Alarm)))]);
        assert!(matches!(&alarms[..], [Problem::SourceNever { .. }, Problem::SourceAlarm { .. }]), "{alarms:?}");
    }

    #[test]
    fn a_failure_stays_until_something_good_is_sealed() {
        let good = || night(0, Some(sealed(10, Verdict::Good)));
        let failed = problems(&[good(), night(6, None)]);
        assert!(matches!(&failed[..], [Problem::NightFailed { exit: 6, .. }]), "{failed:?}");
        assert_eq!(problems(&[night(6, None), good()]), []);
        // Another backup of this host, of something else, makes up for nothing.
        let pacs = Night { sources: vec!["pacs".into()], ..night(1, None) };
        let failed = problems(&[pacs, good()]);
        assert!(matches!(&failed[..], [Problem::NightFailed { exit: 1, .. }]), "{failed:?}");
        // Nobody knows any more what it was to back up.
        let lost = || Night { sources: Vec::new(), ..night(1, None) };
        let mut of_pacs = sealed(9, Verdict::Good);
        of_pacs.sources[0].name = "pacs".into();
        let failed = problems(&[good(), lost(), night(0, Some(of_pacs))]);
        assert!(matches!(&failed[..], [Problem::NightFailed { .. }]), "{failed:?}");
        assert_eq!(problems(&[lost(), good()]), []);
        let cut_off = Night { end: None, ..good() };
        assert!(matches!(&problems(&[good(), cut_off.clone()])[..], [Problem::NightCutOff { .. }]));
        let sources = [ExpectedSource::usual("ehr")];
        let expected = Expected { sources: &sources, pools: &[] };
        let running = judge(&[good(), cut_off], 0, &LedgerContent::default(), expected, NOON, |process| process == 7);
        assert_eq!((running.problems, running.running.is_some()), (Vec::new(), true));
        // Another one, of another set, has ended meanwhile.
        let other = Night { process: 8, ..good() };
        let running = judge(&[running_night(), other], 0, &LedgerContent::default(), expected, NOON, |process| process == 7);
        assert_eq!((running.problems, running.running.is_some()), (Vec::new(), true));
        let again = judge(&[running_night(), night(6, None)], 0, &LedgerContent::default(), expected, NOON, |_| true);
        assert_eq!(again.running, None, "its number belongs to a later run");
    }

    /// As long as the configuration has it take its turn, somebody has to put another disk in its place.
    #[test]
    fn a_medium_that_cannot_take_its_turn_is_told() {
        let registered = |medium: &str| LedgerEvent::Registered {
            medium: medium.into(),
            set: "00".into(),
            pool: None,
            device: None,
            kind: None,
            mounted: false,
        };
        let lost = LedgerEvent::Moved {
            medium: "CL-01".into(),
            to: String::new(),
            by: "A".into(),
            witness: None,
            off_site: false,
            out_of_use: Some(OutOfUse::Lost),
        };
        let events = [registered("CL-01"), registered("CL-02"), lost, LedgerEvent::Full { medium: "CL-02".into() }];
        let mut book = LedgerContent::default();
        book.lines.extend((1..).zip(events).map(|(line, event)| LedgerLine { line, time: String::new(), event }));
        let told = |media: &[&str]| {
            let pools = [pool(media)];
            let nights = [night(0, Some(sealed(10, Verdict::Good)))];
            judge(&nights, 0, &book, Expected { sources: &[], pools: &pools }, NOON, |_| false).problems
        };
        let out_of_use = Problem::OutOfUse { medium: "CL-01".into(), why: OutOfUse::Lost };
        assert_eq!(told(&["CL-01", "CL-02", "CL-03"]), [out_of_use, Problem::Full { medium: "CL-02".into() }]);
        assert_eq!(told(&["CL-03", "CL-04"]), []);
    }

    fn pool(media: &[&str]) -> Pool {
        let media = media.iter().map(|m| (*m).to_owned()).collect();
        // The nights of these tests are the days of their lines.
        let night_of = |time: &str| time[8..10].parse().expect("a day");
        Pool { name: "disks".into(), media, turn_nights: 2, stay_nights: 3, mount: None, night_of }
    }

    /// The backups are good, and the disk that they are on should be in the safe.
    #[test]
    fn a_forgotten_swap_is_told_until_another_medium_is_written() {
        let told = |written: &[&str]| {
            let lines = (10..).zip(written).map(|(day, medium)| {
                let (medium, check_code, verdict) = ((*medium).to_owned(), "JHFB".into(), "good".into());
                let event = LedgerEvent::Written { medium, generation: 1, check_code, verdict, from_cache: false };
                LedgerLine { line: day, time: format!("2026-11-{day}T01:30:00Z"), event }
            });
            let mut book = LedgerContent::default();
            book.lines.extend(lines);
            let nights = [night(0, Some(sealed(10, Verdict::Good)))];
            let pools = [pool(&["CL-01", "CL-02"])];
            judge(&nights, 0, &book, Expected { sources: &[], pools: &pools }, NOON, |_| false).problems
        };
        let overdue = |nights| vec![Problem::NotSwapped { medium: "CL-01".into(), due: "CL-02".into(), nights }];
        assert_eq!(told(&["CL-01", "CL-01"]), []);
        assert_eq!(told(&["CL-01", "CL-01", "CL-01"]), overdue(1));
        assert_eq!(told(&["CL-01", "CL-01", "CL-01", "CL-01"]), overdue(2));
        assert_eq!(told(&["CL-01", "CL-01", "CL-01", "CL-02"]), []);
    }

    #[test]
    fn a_generation_without_a_record_is_told_from_an_alarm_without_a_hold() {
        let ended = |exit| {
            let mut night = night(exit, Some(sealed(10, Verdict::Good)));
            night.end.as_mut().unwrap().why = Some("the disk is full".into());
            problems(&[night])
        };
        assert!(matches!(&ended(8)[..], [Problem::Unrecorded { generation: 1, .. }]));
        assert!(matches!(&ended(4)[..], [Problem::FailedAfterwards { generation: 1, .. }]));
    }

    #[test]
    fn a_source_that_nobody_backed_up_is_missed() {
        let sources = ["ehr", "pacs"].map(ExpectedSource::usual);
        let expected = Expected { sources: &sources, pools: &[] };
        let nights = [night(0, Some(sealed(10, Verdict::Good)))];
        let found = judge(&nights, 1, &LedgerContent::default(), expected, NOON, |_| false);
        assert_eq!(found.problems, [Problem::SourceNever { source: "pacs".into() }, Problem::LogTorn { lines: 1 }]);
    }

    /// What a later generation read back is its own; only who reads all of the medium past the cache knows of the others.
    #[test]
    fn a_cached_read_back_stays_until_its_medium_is_verified() {
        let medium = || "CL-01".to_owned();
        let written = |generation, from_cache| {
            let (check_code, verdict) = ("JHFB".into(), "good".into());
            LedgerEvent::Written { medium: medium(), generation, check_code, verdict, from_cache }
        };
        let verified = |generation| LedgerEvent::Verified { medium: medium(), generation, check_code: "JHFB".into() };
        let (set, kind) = ("00".into(), None);
        let registered = LedgerEvent::Registered { medium: medium(), set, pool: None, device: None, kind, mounted: false };
        let unknown_at = |events: &[LedgerEvent]| {
            let lines = (1..).zip([std::slice::from_ref(&registered), events].concat());
            let lines = lines.map(|(line, event)| LedgerLine { line, time: "2026-11-23T01:30:00Z".into(), event }).collect();
            let mut book = LedgerContent::default();
            book.lines = lines;
            let nights = [night(0, Some(sealed(10, Verdict::Good)))];
            let found =
                judge(&nights, 0, &book, Expected { sources: &[ExpectedSource::usual("ehr")], pools: &[] }, NOON, |_| false)
                    .problems;
            match &found[..] {
                [] => None,
                [Problem::NotReadBack { generation, .. }] => Some(*generation),
                _ => panic!("{found:?}"),
            }
        };
        assert_eq!(unknown_at(&[written(1, false)]), None);
        assert_eq!(unknown_at(&[written(1, true), written(2, false)]), Some(1));
        assert_eq!(unknown_at(&[written(1, true), verified(1)]), None);
        assert_eq!(unknown_at(&[written(1, true), verified(1), written(2, true)]), Some(2));
        assert_eq!(unknown_at(&[written(1, true), written(2, true), verified(1)]), Some(2), "an older state of the medium");
        let (to, by, out_of_use) = (String::new(), "A".into(), Some(crate::host::ledger::OutOfUse::Lost));
        let lost = LedgerEvent::Moved { medium: medium(), to, by, witness: None, off_site: false, out_of_use };
        assert_eq!(unknown_at(&[written(1, true), lost]), None);
    }
}
