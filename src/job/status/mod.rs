//! How the backups stand: one verdict, and everything that speaks against "good".
//!
//! **Invariant:** unknown is never good. A source counts only if a generation that is good for it is as young as it expects,
//! and a night of which nothing is known is a night without a backup.
//!
//! Nothing here reads a medium: the host's own logs say what was done, and somebody has to look at them every morning.

mod pools;

use self::pools::{not_swapped, of_pool};
use crate::format::seal::Verdict;
use crate::host::consistency::Misfit;
use crate::host::ledger::{LedgerContent, LedgerEvent, LedgerLine, MediumAccount, OutOfUse};
use crate::host::nights::{ClockDoubt, Night, NightEnd, NightFinding, SEALED_ONLY, SealedNight, SourceNight, Words};
use crate::job::incident::hold::active_hold;
use crate::job::incident::open_alarms::{OpenAlarm, harmless_alarms, open_alarms};
use crate::job::media::rotation::Pool;
use std::collections::BTreeSet;

/// A source that should be backed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedSource {
    /// Its name.
    pub name: String,
    /// The path or the command that has to be backed up under this name; `None`: any.
    pub origin: Option<String>,
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
    /// No generation is good for a source, or none that a medium still has.
    SourceNever {
        /// The source's name.
        source: String,
        /// One was good for it, and its medium is out of use, damaged, or not what this host wrote.
        was_good: bool,
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
        /// What it was; none where the log does not say it.
        findings: Vec<NightFinding>,
    },
    /// The newest generation of a source has an alarm.
    SourceAlarm {
        /// The source's name.
        source: String,
        /// That generation.
        generation: u64,
    },
    /// Alarms are open that the newest generations of the sources do not name.
    AlarmsOpen {
        /// How many.
        alarms: u64,
        /// The one that was raised first.
        oldest: OpenAlarm,
    },
    /// The last backup has sealed nothing.
    NightFailed {
        /// When it began: RFC 3339, UTC.
        begun: String,
        /// The command's exit code.
        exit: u8,
        /// Why.
        why: Option<Words>,
        /// What to do about it.
        hint: Option<Words>,
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
        /// Why.
        why: Words,
    },
    /// The last generation was sealed with an alarm, and something was wrong afterwards: its hold, or its record.
    FailedAfterwards {
        /// That generation.
        generation: u64,
        /// What was wrong.
        why: Words,
        /// A hold was set all the same or since, or the alarm was called harmless.
        is_held_since: bool,
    },
    /// A generation was read back no better than from the cache, and nobody has verified its medium since: nobody knows what
    /// is on it.
    NotReadBack {
        /// That generation.
        generation: u64,
        /// The medium that it is on.
        medium: String,
    },
    /// Damage was found on a medium, and nobody has found it whole since.
    Damaged {
        /// The medium's name.
        medium: String,
        /// How many objects were damaged.
        objects: u64,
    },
    /// Something else than this host wrote was found on a medium, and no verification has found it good since.
    Mismatched {
        /// The medium's name.
        medium: String,
        /// It was found when the medium was read in full, and not by a backup alone.
        is_read: bool,
        /// It is newer than what this host remembers: the host was set back.
        is_newer: bool,
        /// When: RFC 3339, UTC.
        time: String,
    },
    /// A medium should have been detached after its last backup, and was still attached.
    StillAttached {
        /// The medium's name.
        medium: String,
    },
    /// Nothing was written to the media of a pool for longer than it expects.
    PoolOld {
        /// The pool's name.
        pool: String,
        /// The medium that is due.
        due: String,
        /// When one of its media was written last: RFC 3339, UTC. `None`: never.
        time: Option<String>,
        /// How long ago that may be.
        max_age_seconds: i64,
    },
    /// The ledger knows no medium of the set that this host has sealed last: it is another ledger, or none.
    NotInLedger {
        /// That generation.
        generation: u64,
        /// The medium that it is on.
        medium: String,
    },
    /// Lines of the ledger that were cut off while they were written, since a generation was entered last.
    LedgerTorn {
        /// How many.
        lines: u64,
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
    /// After the last backup to a medium, or when it was read in full since, there was something on it that no seal covers.
    Foreign {
        /// The medium.
        medium: String,
        /// The first of these names.
        name: String,
    },
    /// In the last backup that was sealed, the clock was in doubt.
    ClockWrong {
        /// That generation.
        generation: u64,
        /// The medium that it is on.
        medium: String,
        /// What the clock showed: RFC 3339, UTC.
        time: String,
        /// Why it was in doubt. `None`: that is ahead of the clock now.
        doubt: Option<ClockDoubt>,
    },
    /// Lines of the log of nights that cannot be read.
    LogTorn {
        /// How many.
        lines: u64,
    },
    /// The parts of the host's state do not fit each other.
    Misfit(Misfit),
}

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
    /// Whether it is an alarm that nobody has called harmless.
    pub fn is_open_alarm(&self) -> bool {
        matches!(self, Self::SourceAlarm { .. } | Self::AlarmsOpen { .. })
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::SourceIncomplete { .. }
            | Self::Unrecorded { .. }
            | Self::FailedAfterwards { .. }
            | Self::NotReadBack { .. }
            | Self::PoolOld { .. }
            | Self::StillAttached { .. }
            | Self::LedgerTorn { .. }
            | Self::Full { .. }
            | Self::OutOfUse { .. }
            | Self::NotSwapped { .. }
            | Self::LogTorn { .. }
            | Self::ClockWrong { .. }
            | Self::Foreign { .. }
            | Self::Misfit(
                Misfit::CatalogLost | Misfit::MemoryLost { .. } | Misfit::HoldsLost { .. } | Misfit::NotRegistered { .. },
            ) => Severity::Attention,
            _ => Severity::Failure,
        }
    }

    /// Of problems as bad as each other, what is to be done first: the cause before what follows from it, and an alarm before
    /// anybody attaches a medium.
    fn urgency(&self) -> u8 {
        match self {
            Self::SourceAlarm { .. } => 0,
            Self::AlarmsOpen { .. } => 1,
            Self::NotInLedger { .. } | Self::Damaged { .. } | Self::Mismatched { .. } | Self::Misfit(_) => 2,
            Self::NightFailed { .. } | Self::NightCutOff { .. } | Self::ClockWrong { .. } => 3,
            Self::SourceOld { .. } => 5,
            _ => 4,
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

impl Judgement {
    /// Adds what does not fit between the parts of the host's state.
    pub fn add(&mut self, misfits: impl IntoIterator<Item = Misfit>) {
        let is_told = |m: &Misfit| match m {
            Misfit::NotRegistered { medium: missing } => {
                self.problems.iter().any(|p| matches!(p, Problem::NotInLedger { medium, .. } if medium == missing))
            }
            _ => false,
        };
        let news: Vec<Misfit> = misfits.into_iter().filter(|m| !is_told(m)).collect();
        self.problems.extend(news.into_iter().map(Problem::Misfit));
        sort(&mut self.problems);
    }

    /// Whether an alarm is open, with or without a hold: nobody is asked for a clean medium then. Two people may have released
    /// its hold; only "harmless" ends the alarm itself.
    pub fn has_open_alarm(&self) -> bool {
        self.problems.iter().any(Problem::is_open_alarm)
    }
}

fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|p| (std::cmp::Reverse(p.severity()), p.urgency()));
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
    let open = open_alarms(book, nights);
    let nights = &looked_at(nights, book);
    let media = book.media();
    let sealed = || nights.iter().filter_map(|n| n.end.as_ref()?.sealed.as_ref());
    let last = sealed().next_back();
    let mut problems = Vec::new();
    if last.is_none() {
        problems.push(Problem::NoBackup);
    }
    let usual: Vec<ExpectedSource> = last.into_iter().flat_map(|l| &l.sources).map(|s| ExpectedSource::usual(&s.name)).collect();
    let expected = if expected.is_empty() { &usual } else { expected };
    let (mut sources, mut told) = (Vec::new(), BTreeSet::new());
    for source in expected {
        let of = |n: &&SealedNight| n.sources.iter().any(|s| source.is(s));
        let was_good = |n: &&SealedNight| n.sources.iter().any(|s| source.is(s) && s.verdict == Verdict::Good);
        let (newest, good) = (sealed().rfind(of), sealed().rfind(|n| was_good(n) && is_there(n, media.values())));
        if last.is_some() {
            problems.extend(of_source(source, newest, good.ok_or_else(|| sealed().any(|n| was_good(&n))), now));
        }
        told.extend(newest.into_iter().flat_map(|night| alarms_of(night, source)));
        sources.push(SourceStatus { name: source.name.clone(), good: good.cloned() });
    }
    let mut untold = open.iter().filter(|a| !told.contains(&(&a.set[..], a.generation))).cloned();
    problems.extend(untold.next().map(|oldest| Problem::AlarmsOpen { alarms: 1 + untold.count() as u64, oldest }));
    let (found, running) = of_nights(nights, book, expected, is_running);
    problems.extend(found);
    // While an alarm is open, the medium that was written last stays where it is.
    let stays = last.filter(|_| !open.is_empty()).map(|last| &last.medium);
    let has_to_stay = |p: &Problem| matches!(p, Problem::StillAttached { medium } if Some(medium) == stays);
    problems.extend(of_media(book, pools, now).into_iter().filter(|p| !has_to_stay(p)));
    let is_known = |n: &SealedNight| media.values().any(|m| m.set == n.set);
    let is_recorded = |n: &Night| n.end.as_ref().is_some_and(|e| e.sealed.is_some() && e.exit != SEALED_ONLY);
    let newest = nights.iter().rfind(|n| is_recorded(n)).and_then(|n| n.end.as_ref()?.sealed.as_ref());
    problems.extend(newest.filter(|n| book.is_sound() && !is_known(n)).map(|n| {
        let (generation, medium) = (n.generation, n.medium.clone());
        Problem::NotInLedger { generation, medium }
    }));
    problems.extend((book.torn_lately > 0).then_some(Problem::LedgerTorn { lines: book.torn_lately }));
    // Where it is good, the age of its sources tells it.
    let is_ahead = |n: &SealedNight| n.verdict != Verdict::Good && seconds(&n.time).is_some_and(|time| time > now);
    problems.extend(last.filter(|n| n.clock.is_some() || is_ahead(n)).map(|n| {
        let (generation, medium, time, doubt) = (n.generation, n.medium.clone(), n.time.clone(), n.clock);
        Problem::ClockWrong { generation, medium, time, doubt }
    }));
    problems.extend(media.values().filter(|m| m.out_of_use.is_none()).filter_map(|m| {
        let newest = sealed().rfind(|n| n.medium == m.name && n.set == m.set);
        let name = m.foreign.clone().or_else(|| newest?.foreign.clone())?;
        Some(Problem::Foreign { medium: m.name.clone(), name })
    }));
    problems.extend((torn_lines > 0).then_some(Problem::LogTorn { lines: torn_lines }));
    sort(&mut problems);
    Judgement { problems, sources, last: last.cloned(), running }
}

/// Set and generation of the alarms that a night has of a source, where that is what the source's newest generation says.
fn alarms_of<'n>(night: &'n SealedNight, source: &ExpectedSource) -> Vec<(&'n str, u64)> {
    let alarmed = night.sources.iter().find(|s| s.name == source.name && s.verdict == Verdict::Alarm);
    let own = || vec![(&night.set[..], night.generation)];
    let all = |s: &'n SourceNight| s.alarms.iter().map(|a| (&a.set[..], a.generation)).collect::<Vec<_>>();
    alarmed.map(|s| if s.alarms.is_empty() { own() } else { all(s) }).unwrap_or_default()
}

/// Whether a medium still has a generation: one that is in use, without damage, and was written as far as that. Where the
/// ledger knows none of the set, another problem tells it.
fn is_there<'m>(night: &SealedNight, media: impl Iterator<Item = &'m MediumAccount>) -> bool {
    let mut of_set = media.filter(|m| m.set == night.set).peekable();
    let has = |m: &MediumAccount| {
        let is_written = m.written.as_ref().is_none_or(|(_, generation, _)| *generation >= night.generation);
        // Behind damage that was found, everything is read and stored again.
        let is_whole = m.doubted_to.is_none_or(|last| night.generation > last);
        m.out_of_use.is_none() && is_whole && is_written
    };
    of_set.peek().is_none() || of_set.any(has)
}

/// What is wrong with the runs, the newest first; and when the one began that is running now.
fn of_nights(
    nights: &[Night],
    book: &LedgerContent,
    expected: &[ExpectedSource],
    is_running: impl Fn(u32) -> bool,
) -> (Vec<Problem>, Option<String>) {
    let (mut problems, mut running) = (Vec::new(), None);
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
                        false => Problem::FailedAfterwards { generation, why, is_held_since: is_held_since(&night.begun, book) },
                    }
                }));
            }
            _ if is_made_up_for(at, nights, expected) => {}
            end => {
                let begun = night.begun.clone();
                problems.push(match end {
                    None => Problem::NightCutOff { begun },
                    Some(NightEnd { exit, why, hint, time, .. }) => {
                        let hint = hint.clone().filter(|_| !is_overtaken(&night.begun, time, book));
                        Problem::NightFailed { begun, exit: *exit, why: why.clone(), hint }
                    }
                });
                // The newest failure is enough.
                break;
            }
        }
    }
    (problems, running)
}

/// Whether the ledger has something that a run did not know, and that may contradict what it said to do: a medium was moved,
/// marked, prepared, copied, read or written since, or a hold or an alarm was ended. That one was attached is what it may have
/// asked for.
fn is_overtaken(begun: &str, end: &str, book: &LedgerContent) -> bool {
    let is_of_run = |l: &LedgerLine| {
        let may_be = match l.event {
            LedgerEvent::Attached { .. } | LedgerEvent::Refused { .. } | LedgerEvent::Full { .. } => true,
            LedgerEvent::Mismatched { in_full, .. } => !in_full,
            _ => false,
        };
        may_be && (begun..=end).contains(&l.time.as_str())
    };
    // What comes behind the run's own lines came later, whatever the clock says.
    let own = book.lines.iter().rposition(is_of_run);
    book.lines[own.map_or(0, |at| at + 1)..].iter().any(|l| match &l.event {
        LedgerEvent::Attached { .. }
        | LedgerEvent::Detached { .. }
        | LedgerEvent::Plugged { .. }
        | LedgerEvent::Unplugged { .. }
        | LedgerEvent::Refused { .. } => false,
        // A run writes these, too.
        LedgerEvent::Written { .. }
        | LedgerEvent::Held { .. }
        | LedgerEvent::Full { .. }
        | LedgerEvent::Mismatched { in_full: false, .. } => l.time.as_str() > end,
        // A person was quick.
        _ => own.is_some() || l.time.as_str() >= end,
    })
}

/// Whether a run, or somebody since, has seen to its alarm.
fn is_held_since(begun: &str, book: &LedgerContent) -> bool {
    let is_seen_to = |l: &LedgerLine| matches!(l.event, LedgerEvent::Held { .. } | LedgerEvent::Harmless { .. });
    book.lines.iter().any(|l| l.time.as_str() >= begun && is_seen_to(l))
}

/// What is wrong with the media, by the ledger.
fn of_media(book: &LedgerContent, pools: &[Pool], now: i64) -> Vec<Problem> {
    let media = book.media();
    let in_use = || media.values().filter(|m| m.out_of_use.is_none());
    let mut problems = Vec::new();
    problems.extend(in_use().filter_map(|m| Some(Problem::NotReadBack { generation: m.unverified?, medium: m.name.clone() })));
    let scrubbed = in_use().filter_map(|m| Some((m.name.clone(), m.scrubbed.as_ref()?.1)));
    problems.extend(scrubbed.filter(|(_, n)| *n > 0).map(|(medium, objects)| Problem::Damaged { medium, objects }));
    problems.extend(in_use().filter_map(|m| {
        let (medium, time, is_read) = (m.name.clone(), m.mismatched.clone()?, m.is_mismatch_read);
        Some(Problem::Mismatched { medium, is_read, is_newer: m.is_newer_than_host, time })
    }));
    let in_turn = media.values().filter(|m| pools.iter().any(|p| p.media.contains(&m.name)));
    problems.extend(in_turn.filter_map(|m| match m.out_of_use {
        Some(why) => Some(Problem::OutOfUse { medium: m.name.clone(), why }),
        None => m.is_full.then(|| Problem::Full { medium: m.name.clone() }),
    }));
    // Under a hold the attached medium has to stay.
    if active_hold(book).is_none() {
        problems.extend(media.values().filter(|m| m.stays).map(|m| Problem::StillAttached { medium: m.name.clone() }));
        problems.extend(pools.iter().filter_map(|pool| not_swapped(pool, book)));
        // What is expected of the sources says it of an only pool.
        problems.extend(pools.iter().filter(|_| pools.len() > 1).filter_map(|pool| of_pool(pool, book, now)));
    }
    problems
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

/// Whether another run has sealed all that a run was to back up, and ended later; all that is expected, where the line of its
/// beginning is lost. What the configuration has named once and does not name any more is not missed.
fn is_made_up_for(at: usize, nights: &[Night], expected: &[ExpectedSource]) -> bool {
    let night = &nights[at];
    let names: Vec<&str> = match night.sources.is_empty() {
        true => expected.iter().map(|e| &e.name[..]).collect(),
        false => night.sources.iter().map(|name| &name[..]).collect(),
    };
    let is_expected = |name: &&str| expected.iter().any(|e| e.name == **name);
    let names: Vec<&str> = names.into_iter().filter(|name| !night.configured || is_expected(name)).collect();
    let end = |n: &Night| n.end.as_ref().map(|e| e.time.clone());
    let is_later = |(i, n): &(usize, &Night)| *i > at || end(n).is_some_and(|e| end(night).is_some_and(|own| e > own));
    let sealed = nights.iter().enumerate().filter(is_later).filter_map(|(_, n)| n.end.as_ref()?.sealed.as_ref());
    let has = |s: &SealedNight, name: &str| {
        let is_it = |source: &SourceNight| expected.iter().find(|e| e.name == name).is_none_or(|e| e.is(source));
        s.sources.iter().any(|source| source.name == name && is_it(source))
    };
    names.is_empty() && !expected.is_empty() || sealed.into_iter().any(|s| names.iter().all(|name| has(s, name)))
}

/// What is wrong with a source. `good`: the newest night that is good for it; where there is none, whether one was.
fn of_source(source: &ExpectedSource, newest: Option<&SealedNight>, good: Result<&SealedNight, bool>, now: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = || source.name.clone();
    match good {
        Err(was_good) => problems.push(Problem::SourceNever { source: name(), was_good }),
        // A time ahead of the clock says nothing of the age.
        Ok(good) => match seconds(&good.time) {
            Some(time) if time <= now && now - time <= source.max_age_seconds => {}
            _ => problems.push(Problem::SourceOld {
                source: name(),
                time: good.time.clone(),
                max_age_seconds: source.max_age_seconds,
            }),
        },
    }
    let night = newest.and_then(|n| Some((n.generation, n.sources.iter().find(|s| s.name == source.name)?)));
    problems.extend(night.and_then(|(generation, night)| match night.verdict {
        Verdict::Alarm => Some(Problem::SourceAlarm { source: name(), generation }),
        Verdict::Incomplete => Some(Problem::SourceIncomplete { source: name(), generation, findings: night.findings.clone() }),
        _ => None,
    }));
    problems
}

/// A night and two hours: a backup may begin later than the night before, and take longer.
pub const USUAL_AGE_SECONDS: i64 = 26 * 3600;

impl ExpectedSource {
    /// One that is backed up every night.
    pub fn usual(name: &str) -> Self {
        Self { name: name.into(), origin: None, max_age_seconds: USUAL_AGE_SECONDS }
    }

    /// Whether this is what was backed up: the name alone can be given to anything.
    fn is(&self, source: &SourceNight) -> bool {
        let same_origin = self.origin.as_ref().zip(source.origin.as_ref()).is_none_or(|(a, b)| a == b);
        source.name == self.name && same_origin
    }
}

fn seconds(rfc3339: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(rfc3339).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests;
