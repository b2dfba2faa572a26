//! The host's own record of each backup: that it began, and how it ended.

use crate::cli::context::Context;
use crate::cli::environment::now;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, message};
use azekura::env::time_text;
use azekura::event::FindingKind;
use azekura::format::manifest::Finding;
use azekura::format::object::Id;
use azekura::format::seal::Verdict;
use azekura::generation::is_within;
use azekura::host::nights::{ClockDoubt, NightAlarm, NightFinding, NightLine, NightLog, SealedNight, SourceNight, UNLISTED};
use azekura::host::state::{SetState, StateDir};
use azekura::job::backup::{AlarmOrigin, Report, SourceOptions};
use std::collections::BTreeSet;
use std::path::Path;

/// A run that has begun.
pub struct NightRecord {
    log: NightLog,
    state: StateDir,
    begun: String,
    sources: Vec<Vec<u8>>,
    origins: Vec<String>,
    has_state: bool,
    /// Alarms that were noted before.
    alarms: BTreeSet<(Id, u64)>,
}

/// Set and generation of each alarm that the host has noted.
fn noted_alarms(state: &StateDir) -> BTreeSet<(Id, u64)> {
    let of_set = |set: SetState| set.alarmed_generations().into_iter().map(move |generation| (set.id(), generation));
    state.sets().into_iter().flat_map(of_set).collect()
}

fn names(sources: &[Vec<u8>]) -> impl Iterator<Item = String> {
    sources.iter().map(|name| String::from_utf8_lossy(name).into_owned())
}

/// What a finding says of the clock.
fn doubt(kind: FindingKind) -> Option<ClockDoubt> {
    match kind {
        FindingKind::ClockWrong => Some(ClockDoubt::Impossible),
        FindingKind::ClockSetBack => Some(ClockDoubt::SetBack),
        _ => None,
    }
}

impl NightRecord {
    /// Notes that a run begins. A state that cannot be written stops nothing here: the backup meets it too, and says so.
    /// `configured`: the sources are those of the configuration.
    pub fn begin(state: &Path, sources: &[SourceOptions], configured: bool) -> Self {
        let origins = sources.iter().map(SourceOptions::origin).collect();
        let sources: Vec<Vec<u8>> = sources.iter().map(|s| s.name.clone()).collect();
        let has_state = StateDir::open(state).is_ok();
        let (log, state) = (NightLog::of(state), StateDir::of(state));
        let alarms = noted_alarms(&state);
        let record = Self { log, state, begun: time_text(now()), sources, origins, has_state, alarms };
        let (time, sources) = (record.begun.clone(), names(&record.sources).collect());
        if has_state {
            let _ = record.log.write(&NightLine::Begun { time, process: std::process::id(), sources, configured });
        }
        record
    }

    /// Notes that the run failed. Without a state directory the error says so already.
    pub fn failed(&self, error: &CommandError, context: &Context) {
        if self.has_state {
            let hint = Some(&error.hint).filter(|hint| !hint.to_string().is_empty());
            self.write_end(error.exit, None, Some(&error.message), hint, context);
        }
    }

    /// Notes how the run ended. False, and a warning, if that could not be written.
    pub fn end(&self, exit: Exit, sealed: SealedNight, why: Option<&Message>, context: &Context) -> bool {
        self.write_end(exit, Some(sealed), why, None, context)
    }

    fn write_end(
        &self,
        exit: Exit,
        sealed: Option<SealedNight>,
        why: Option<&Message>,
        hint: Option<&Message>,
        context: &Context,
    ) -> bool {
        let (why, hint) = (why.map(Printable::words), hint.map(Printable::words));
        let (begun, process, time) = (self.begun.clone(), std::process::id(), time_text(now()));
        let noted_alarm = sealed.is_none().then(|| noted_alarms(&self.state) != self.alarms);
        let (exit, sealed) = (exit.code(), sealed.map(Box::new));
        let line = NightLine::Ended { begun, process, time, exit, sealed, why, hint, noted_alarm };
        let written = self.log.write(&line);
        if written.is_err() {
            context.warn(&message!("backup.not-logged", path = self.log.path()));
        }
        written.is_ok()
    }

    /// What was sealed.
    pub fn sealed(&self, report: &Report, medium: String) -> SealedNight {
        let told = || report.findings.iter().filter(|f| !kind(f).is_some_and(FindingKind::is_note));
        let unlisted = report.count("findings").saturating_sub(told().count() as u64);
        // Of a wrong clock a source lacks nothing.
        let faults: Vec<&Finding> = told().filter(|f| kind(f).and_then(doubt).is_none()).collect();
        // What is about no source, such as the medium, is about all.
        let is_of_none = |path: &[u8]| !self.sources.iter().any(|name| is_within(path, name));
        let source = |((bytes, name), origin): ((&Vec<u8>, String), &String)| {
            let raised = report.alarms.iter().zip(&report.origins).filter(|(a, _)| a.source == *bytes);
            let of = |(_, o): (_, &AlarmOrigin)| NightAlarm { set: o.set.to_string(), generation: o.generation };
            let alarms: BTreeSet<NightAlarm> = raised.map(of).collect();
            let is_of_it = |f: &&&Finding| is_within(&f.path, bytes) || is_of_none(&f.path);
            let findings = counted(faults.iter().filter(is_of_it).copied(), unlisted, &report.time);
            let is_incomplete = !findings.is_empty();
            let verdict = match is_incomplete {
                _ if !alarms.is_empty() => Verdict::Alarm,
                true => Verdict::Incomplete,
                false => Verdict::Good,
            };
            SourceNight {
                name,
                origin: Some(origin.clone()),
                verdict,
                is_incomplete: is_incomplete && !alarms.is_empty(),
                alarms: alarms.into_iter().collect(),
                findings,
            }
        };
        SealedNight {
            set: report.set.to_string(),
            set_name: report.set_name.clone(),
            medium,
            generation: report.generation,
            check_code: report.check_code.to_string(),
            time: report.time.clone(),
            verdict: report.verdict,
            read_back: report.read_back,
            sources: self.sources.iter().zip(names(&self.sources)).zip(&self.origins).map(source).collect(),
            clock: report.findings.iter().find_map(|f| doubt(kind(f)?)),
            memory: self.state.set(report.set).map(|set| set.memory()).unwrap_or_default(),
            foreign: report.foreign.first().cloned(),
        }
    }
}

fn kind(finding: &Finding) -> Option<FindingKind> {
    finding.kind.parse().ok()
}

/// How many findings of each kind a source has in a generation that was sealed at `time`. What is about single entries comes last.
fn counted<'f>(findings: impl Iterator<Item = &'f Finding>, unlisted: u64, time: &str) -> Vec<NightFinding> {
    let mut counted: Vec<NightFinding> = Vec::new();
    for finding in findings {
        match counted.iter_mut().find(|c| c.kind == finding.kind) {
            Some(of_kind) => of_kind.count += 1,
            None => counted.push(NightFinding { kind: finding.kind.clone(), count: 1, since: stale_since(finding, time) }),
        }
    }
    let is_of_entries = |c: &NightFinding| {
        use FindingKind::{AttributesUnreadable, Changed, Unreadable, Vanished};
        [AttributesUnreadable, Changed, Unreadable, Vanished].iter().any(|kind| kind.name() == c.kind)
    };
    counted.sort_by_key(is_of_entries);
    counted.extend((unlisted > 0).then(|| NightFinding { kind: UNLISTED.into(), count: unlisted, since: None }));
    counted
}

/// Since when a source that is stale has nothing new.
fn stale_since(finding: &Finding, time: &str) -> Option<String> {
    let hours = finding.detail.strip_suffix(" hours").filter(|_| finding.kind == FindingKind::SourceStale.name())?;
    let sealed = chrono::DateTime::parse_from_rfc3339(time).ok()?.to_utc();
    let since = sealed.checked_sub_signed(chrono::TimeDelta::try_hours(hours.parse().ok()?)?)?;
    Some(since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}
