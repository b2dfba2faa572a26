//! `azekura backup`

mod night_log;
pub mod show;
mod turn;

use super::config::Config;
use super::context::Context;
use super::databases;
use super::environment::absolute;
use super::media::ledger::{check_not_gone, ledger_fault, sound_book};
use super::patterns::{self, Idle};
use super::recovery_key::{self, RecoveryKey};
use super::sources::{self, ForAll};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, to_stderr};
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::time;
use crate::cli::ui::words;
use azekura::answer::backup::Backup;
use azekura::format::seal::{ReadBack, Verdict};
use azekura::host::ledger::Ledger;
use azekura::host::nights::NightLog;
use azekura::host::state::StateDir;
use azekura::job::backup::{NewSetOptions, Options, SourceOptions, check_kinds};
use azekura::job::incident::open_alarms::{nights_of, open_alarms};
use azekura::job::media::wrong_medium::check_attached;
use azekura::medium::AttachedMedium;
use azekura::medium::tape::st::is_drive;
use night_log::NightRecord;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use turn::Done;

/// Limit of the buffers unless the user sets another.
const MEMORY_MIB: u64 = 96;
/// Cartridges that a restore needs at most.
const MEDIA_ON_TAPE: u64 = 3;
/// The same where a drive has to be fed: 1 GiB for it alone.
const MEMORY_ON_TAPE_MIB: u64 = MEMORY_MIB + 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "SOURCE")]
    sources: Vec<OsString>,
    #[arg(long, value_name = "MEDIUM")]
    to: Option<PathBuf>,
    #[arg(long, group = "begins")]
    init: bool,
    #[arg(long, group = "begins", requires = "to")]
    quarantine: bool,
    #[arg(long, value_name = "NAME", requires = "begins")]
    set: Option<String>,
    #[arg(long, value_name = "RECIPIENT", requires = "begins")]
    recipient: Vec<String>,
    #[arg(long, value_name = "FILE", requires = "begins", conflicts_with = "recipient")]
    identity_out: Option<PathBuf>,
    #[arg(long, requires = "stdin_name", requires = "command")]
    stdin_from_command: bool,
    #[arg(long, value_name = "NAME", requires = "stdin_from_command")]
    stdin_name: Option<OsString>,
    #[arg(last = true, value_name = "COMMAND", requires = "stdin_from_command")]
    command: Vec<OsString>,
    #[arg(long)]
    full: bool,
    #[arg(long, value_name = "WORDS")]
    tag: Option<String>,
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    #[arg(long)]
    one_file_system: bool,
    #[arg(long, value_name = "1-19", value_parser = clap::value_parser!(i32).range(1..=19))]
    level: Option<i32>,
    #[arg(long)]
    no_sha256: bool,
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=1 << 20))]
    memory: Option<u64>,
    #[arg(long, value_name = "KIB", value_parser = clap::value_parser!(u64).range(4..=32 << 10))]
    pack_size: Option<u64>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Args {
    /// It adds to the evidence, and to nothing else.
    pub fn is_quarantine(&self) -> bool {
        self.quarantine
    }

    /// It backs up what the configuration names.
    fn is_for_configured(&self) -> bool {
        self.sources.is_empty() && self.stdin_name.is_none()
    }
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let (state, to) = (context.state_dir()?, context.medium(args.to.as_deref())?);
    let for_all = ForAll { excludes: args.exclude.clone(), one_file_system: args.one_file_system };
    let is_configured = args.is_for_configured();
    let sources = sources::check(sources(&args, &for_all, context)?)?;
    if let Err(e) = check_kinds(&sources) {
        // Before a key is made for a set that would not begin, and a state.
        let error = e.into();
        if state.join("sets").is_dir() && !args.quarantine {
            NightRecord::begin(&state, &sources, is_configured).failed(&error, context);
        }
        return Err(error);
    }
    // What is suspected of contamination is evidence, and no night's backup.
    let record = (!args.quarantine).then(|| NightRecord::begin(&state, &sources, is_configured));
    let done = back_up(args, Options::new(state, to, sources), context);
    match (done, &record) {
        (Ok(sealed), Some(record)) => Ok(sealed.recorded(record, context)),
        (Ok(sealed), None) => {
            let exit = sealed.exit();
            Ok(sealed.outcome(exit))
        }
        (Err(e), record) => {
            if let Some(record) = record {
                record.failed(&e, context);
            }
            Err(e)
        }
    }
}

/// A generation that was sealed, and all that is said about it.
struct Sealed {
    done: Done,
    answer: Backup,
    to: PathBuf,
    /// Why this host could not record it.
    unrecorded: Option<CommandError>,
    /// A hold is active or an alarm is open, and this is no set in quarantine.
    is_quiet: bool,
    /// The media ledger was changed: a hold may be missing in it.
    is_ledger_changed: bool,
}

impl Sealed {
    fn exit(&self) -> Exit {
        let verdict = match exit(self.done.report.verdict) {
            _ if self.is_quiet => Exit::Alarm,
            sealed if self.is_ledger_changed => sealed.max(Exit::Incomplete),
            sealed if !self.done.report.foreign.is_empty() || !self.done.report.damage.is_empty() => sealed.max(Exit::Incomplete),
            // Nobody knows what is on the medium.
            sealed if self.done.report.read_back == ReadBack::Cached => sealed.max(Exit::Incomplete),
            sealed => sealed,
        };
        match verdict.max(self.done.exit) {
            _ if self.unrecorded.is_some() => verdict.max(self.done.exit).sealed_only(),
            // An alarm is the gravest.
            Exit::SealedOnly => verdict.sealed_only(),
            exit => exit,
        }
    }

    /// The outcome, after it was noted in the log of nights.
    fn recorded(self, record: &NightRecord, context: &Context) -> Outcome {
        let Done { report, medium, why, .. } = &self.done;
        let not_held = report.hold_failed.is_some().then(|| message!("talk.not-held"));
        let unrecorded = self.unrecorded.as_ref().map(|e| &e.message);
        let sealed = record.sealed(report, medium.clone());
        let exit = self.exit();
        let is_written = record.end(exit, sealed, not_held.as_ref().or(unrecorded).or(why.as_ref()), context);
        self.outcome(if is_written { exit } else { exit.sealed_only() })
    }

    fn outcome(self, exit: Exit) -> Outcome {
        let answer = &self.answer;
        let (time, code) = (time(&answer.time, Lang::spoken()), &answer.check_code);
        if let Some(why) = self.unrecorded {
            let said = message!("error.unrecorded", generation = answer.generation, time = time, code = code);
            to_stderr(&CommandError::new(said, exit).reasoned(why).text());
        }
        let is_there = !self.done.is_gone && (is_drive(&self.to) || self.done.report.medium.path.exists());
        let mut outcome = Outcome::new(exit, show::text(answer, &self.to, is_there), answer);
        outcome.unprinted = Some(message!("error.unprinted", generation = answer.generation, time = time, code = code));
        outcome
    }
}

/// Says why a pattern excludes nothing.
fn idle(pattern: &str, why: Idle) -> Message {
    match why {
        Idle::Comment => message!("talk.exclude-comment", pattern = pattern.trim_start_matches('\\')),
        Idle::NotThere => message!("talk.exclude-not-there", pattern = pattern),
        Idle::Never => message!("talk.exclude-without-effect", pattern = pattern),
    }
}

/// Whether the configuration is older than the newest generation.
fn is_unchanged_since_a_night(state: &Path, context: &Context) -> bool {
    let changed = context.config_file().and_then(|file| file.metadata().ok()?.modified().ok());
    let sealed = NightLog::of(state).last_sealed().and_then(|time| chrono::DateTime::parse_from_rfc3339(&time).ok());
    changed.zip(sealed).is_some_and(|(changed, sealed)| SystemTime::from(sealed) > changed)
}

fn back_up(args: Args, mut options: Options, context: &Context) -> Result<Sealed, CommandError> {
    // What the configuration says is told once: in the first night with it.
    let is_told = args.is_for_configured() && is_unchanged_since_a_night(&options.state, context);
    if args.is_for_configured() && !is_told {
        databases::warn_of(&options.sources, context);
    }
    let is_told = is_told && args.exclude.is_empty();
    let idle_patterns = patterns::without_effect(&options.sources).into_iter();
    let news: Vec<Message> =
        idle_patterns.filter(|(_, why)| !(is_told && *why == Idle::NotThere)).map(|(pattern, why)| idle(pattern, why)).collect();
    context.warn_first(news.into_iter());
    let pool = context.pool_of(args.to.as_deref());
    let fault_before = match pool {
        // Evidence needs no ledger.
        _ if args.quarantine => None,
        // Which medium is due, nobody knows.
        Some(_) => sound_book(&options.state).map(|_| None)?,
        None => check_not_gone(&options.state)?,
    };
    if let Some(pool) = pool.filter(|_| args.quarantine) {
        return Err(CommandError::new(message!("error.backup.pool-in-quarantine", name = pool.name), Exit::Usage));
    }
    if pool.is_none() && !args.quarantine {
        check_attached(&options, args.init, &context.env(None))?;
    }
    let (init, key) = match args.init || args.quarantine {
        // A pool's media are taken in one by one.
        true if pool.is_none() => begin(&args, &options.state, &options.to, context)?,
        _ => (None, None),
    };
    let on_tape = is_drive(&options.to);
    options.init = init;
    options.quarantine = args.quarantine;
    options.full = args.full;
    options.tag = args.tag;
    options.with_sha256 = !args.no_sha256;
    options.level = args.level.or(context.config.level).map(|level| level.clamp(1, 19));
    options.tape_block = context.tape_block();
    options.max_media = context.config.max_media_per_generation.or(on_tape.then_some(MEDIA_ON_TAPE));
    options.memory_bytes = args.memory.unwrap_or(if on_tape { MEMORY_ON_TAPE_MIB } else { MEMORY_MIB }) << 20;
    options.pack_bytes = args.pack_size.map(|kib| kib << 10);
    let env = context.env(args.threads.map(usize::from));
    let night = || match pool {
        Some(pool) => turn::night(pool, &options, &env, context),
        None => turn::alone(&options, &env, context),
    };
    let mut done = match night() {
        // All of it is on the media, and a night costs more: it begins anew.
        Err(e) if is_of_damaged_catalog(&e) => {
            let path = StateDir::open(&options.state)?.set_catalog_aside()?;
            context.warn(&message!("backup.catalog-aside", path = path));
            night()?
        }
        done => done?,
    };
    let answer = Backup { hold: context.hold().is_some(), ..show::answer(&done.report, key.as_ref()) };
    show::talk(&answer, done.report.hold_failed.is_none(), context);
    words::litter(done.report.litter.iter().map(String::as_str)).for_each(|m| context.talk(&m));
    context.warn_first(done.report.damage.iter().map(words::damage));
    context.warn_first(done.report.foreign.iter().map(|name| message!("verify.foreign", name = name)));
    let fault = Ledger::of(&options.state).read().ok().and_then(|book| ledger_fault(&book)).or(fault_before);
    let fault = fault.filter(|_| !options.quarantine);
    if let Some(said) = &fault {
        context.warn(said);
    }
    let is_quiet = !options.quarantine && (answer.hold || is_alarm_open(&options.state));
    if is_quiet && !answer.hold && answer.alarms.is_empty() {
        context.warn(&message!("talk.other-alarm-open"));
    }
    let unrecorded = done.report.unrecorded.take().map(CommandError::from);
    Ok(Sealed { unrecorded, is_ledger_changed: fault.is_some(), is_quiet, done, answer, to: options.to })
}

/// Whether an alarm of this host is open, of whichever source.
fn is_alarm_open(state: &Path) -> bool {
    let book = Ledger::of(state).read().unwrap_or_default();
    !open_alarms(&book, &nights_of(state).unwrap_or_default()).is_empty()
}

fn is_of_damaged_catalog(e: &CommandError) -> bool {
    let damaged = ["error.catalog.damaged", "error.backup.stale-catalog"];
    std::iter::once(&e.message).chain(&e.causes).any(|m| damaged.contains(&m.key()))
}

/// A command given without any `SOURCE` is the only source; the configuration's are for nights without arguments.
fn sources(args: &Args, for_all: &ForAll, context: &Context) -> Result<Vec<SourceOptions>, CommandError> {
    let Some(name) = args.stdin_name.as_ref().filter(|_| args.stdin_from_command) else {
        return sources::choose(&args.sources, for_all, &context.config);
    };
    let mut all = sources::choose(&args.sources, for_all, &Config::default())?;
    all.push(sources::command(name, Path::new("."), args.command.clone()));
    Ok(all)
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Good => Exit::Good,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Alarm => Exit::Alarm,
        // Only within a run.
        Verdict::Continued | Verdict::Checkpoint => Exit::Good,
    }
}

/// The options of a new set. A recovery key is made only if no recipient was given and the medium has no set of this
/// host: a nightly job may pass `--init` every night, and must not create keys that open nothing.
fn begin(
    args: &Args,
    state: &Path,
    to: &Path,
    context: &Context,
) -> Result<(Option<NewSetOptions>, Option<RecoveryKey>), CommandError> {
    let sets = AttachedMedium::find(to, context.loader())?.sets()?;
    let host = StateDir::open(state)?;
    if sets.found.iter().any(|s| host.set(s.id).is_some()) {
        return Ok((None, None));
    }
    let name = match &args.set {
        Some(name) => name.clone(),
        None if args.quarantine => message!("backup.quarantine-name", host = context.environment.host).to_string(),
        None => context.config.set.as_ref().unwrap_or(&context.environment.host).clone(),
    };
    let given = [&args.recipient, &context.config.recipients].into_iter().find(|r| !r.is_empty()).cloned();
    if let Some(recipients) = given {
        return Ok((Some(NewSetOptions::new(name, recipients)), None));
    }
    let key = recovery_key::make(args.identity_out.as_deref(), &[to, &absolute(state)], context)?;
    Ok((Some(NewSetOptions::new(name, key.recipients.clone())), Some(key)))
}
