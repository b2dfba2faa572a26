//! The host's own record of each backup: that it began, and how it ended.

use crate::cli::context::Context;
use crate::cli::environment::now;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::text::message;
use azekura::env::time_text;
use azekura::event::FindingKind;
use azekura::format::manifest::Finding;
use azekura::format::seal::Verdict;
use azekura::generation::is_within;
use azekura::host::nights::{ClockDoubt, NightAlarm, NightLine, NightLog, SealedNight, SourceNight};
use azekura::host::state::StateDir;
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
        let record = Self { log, state, begun: time_text(now()), sources, origins, has_state };
        let (time, sources) = (record.begun.clone(), names(&record.sources).collect());
        if has_state {
            let _ = record.log.write(&NightLine::Begun { time, process: std::process::id(), sources, configured });
        }
        record
    }

    /// Notes that the run failed. Without a state directory the error says so already.
    pub fn failed(&self, error: &CommandError, context: &Context) {
        if self.has_state {
            let hint = Some(error.hint.to_string()).filter(|hint| !hint.is_empty());
            self.write_end(error.exit, None, Some(error.message.to_string()), hint, context);
        }
    }

    /// Notes how the run ended. False, and a warning, if that could not be written.
    pub fn end(&self, exit: Exit, sealed: SealedNight, why: Option<String>, context: &Context) -> bool {
        self.write_end(exit, Some(sealed), why, None, context)
    }

    fn write_end(
        &self,
        exit: Exit,
        sealed: Option<SealedNight>,
        why: Option<String>,
        hint: Option<String>,
        context: &Context,
    ) -> bool {
        let (begun, process, time) = (self.begun.clone(), std::process::id(), time_text(now()));
        let line = NightLine::Ended { begun, process, time, exit: exit.code(), sealed: sealed.map(Box::new), why, hint };
        let written = self.log.write(&line);
        if written.is_err() {
            context.warn(&message!("backup.not-logged", path = self.log.path()));
        }
        written.is_ok()
    }

    /// What was sealed.
    pub fn sealed(&self, report: &Report, medium: String) -> SealedNight {
        let all_are_listed = report.count("findings") <= report.findings.len() as u64;
        let kind = |f: &Finding| f.kind.parse::<FindingKind>().ok();
        // Of a wrong clock a source lacks nothing.
        let is_fault = |f: &&Finding| kind(f).is_none_or(|kind| !kind.is_note() && doubt(kind).is_none());
        let faults: Vec<&[u8]> = report.findings.iter().filter(is_fault).map(|f| &f.path[..]).collect();
        let is_about = |path: &[u8], name: &Vec<u8>| is_within(path, name);
        // What is about no source, such as the medium, is about all.
        let about_all = faults.iter().any(|path| !self.sources.iter().any(|name| is_about(path, name)));
        let source = |((bytes, name), origin): ((&Vec<u8>, String), &String)| {
            let raised = report.alarms.iter().zip(&report.origins).filter(|(a, _)| a.source == *bytes);
            let of = |(_, o): (_, &AlarmOrigin)| NightAlarm { set: o.set.to_string(), generation: o.generation };
            let alarms: BTreeSet<NightAlarm> = raised.map(of).collect();
            let is_incomplete = !all_are_listed || about_all || faults.iter().any(|path| is_about(path, bytes));
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
            clock: report.findings.iter().filter_map(|f| doubt(kind(f)?)).next(),
            memory: self.state.set(report.set).map(|set| set.memory()).unwrap_or_default(),
        }
    }
}
