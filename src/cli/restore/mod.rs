//! `azekura restore`

mod scanned;

use crate::cli::caged::{self, Needs};
use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::helper::Helper;
use crate::cli::noted::{note_read, tell_of_other, tell_what_backup_does, tell_whose, written_with};
use crate::cli::trusted;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{CommandError, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words::duration;
use crate::cli::ui::{findings, words};
use azekura::answer::facts::{self, FACTS, FaultName, PathName};
use azekura::answer::generations::{BytesOfMedium, LINES};
use azekura::answer::restore::{BytesOfPack, Restore, RestoredSource};
use azekura::answer::{self, Clipped, exact, name};
use azekura::format::check_code::WrittenCode;
use azekura::format::object::Id;
use azekura::host::files;
use azekura::job::media::found::MediumRead;
use azekura::job::restore::scan::{ScanCommands, scan};
use azekura::job::restore::{
    ListError, Marking, NameList, Options, Origin, Report, RestoreError, RestoreFinding, SourceReport, restore,
};
use azekura::pipeline::target::TargetOptions;
use azekura::report::provisional::{self, Provisional};
use azekura::set::check::remember_damaged_packs;
use scanned::Scanner;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Names that were not found, as many as are shown; `--json` has the first thousand.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "PATH")]
    paths: Vec<OsString>,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    to: Option<PathBuf>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    generation: Option<u64>,
    #[arg(long, value_name = "CODE", value_parser = crate::cli::ui::values::check_code)]
    expect: Option<WrittenCode>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "PATTERN")]
    pattern: Vec<String>,
    #[arg(long, value_name = "LIST")]
    only: Option<PathBuf>,
    #[arg(long)]
    provisional: bool,
    #[arg(long, conflicts_with = "provisional")]
    no_provisional: bool,
    #[arg(long, value_name = "COMMAND", value_parser = command, conflicts_with = "dry_run")]
    scan: Option<ScanCommand>,
    #[arg(long)]
    dry_run: bool,
    #[arg(long)]
    into_existing: bool,
    #[arg(long)]
    resume: bool,
    #[arg(long)]
    no_owners: bool,
    #[arg(long)]
    privileged: bool,
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1 << 20))]
    memory: Option<u64>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    if let Some(ScanCommand(words)) = args.scan.as_ref().filter(|_| context.environment.is_root()) {
        trusted::check_program(&words[0].to_string_lossy(), Path::new("."))?;
    }
    let identity = context.identity(args.identity.as_deref())?;
    let defaults = Options::new(from, args.to.as_deref().map(absolute).unwrap_or_default());
    let options = Options {
        set: args.set,
        generation: args.generation,
        expect: args.expect,
        paths: args.paths.into_iter().map(OsString::into_vec).collect(),
        only: args.only.as_deref().map(list).transpose()?,
        patterns: args.pattern,
        target: TargetOptions {
            owners: context.environment.is_root() && !args.no_owners,
            into_existing: args.into_existing,
            resume: args.resume,
            read_only: false,
            privileged: args.privileged,
        },
        marking: match (args.provisional, args.no_provisional) {
            (true, _) => Marking::Always,
            (_, true) => Marking::Never,
            _ => Marking::WhenDoubtful,
        },
        page,
        dry_run: args.dry_run,
        memory_bytes: args.memory.map_or(defaults.memory_bytes, |mib| mib << 20),
        ..defaults
    };
    let commands = args.scan.as_ref().map(|command| ScanCommands::new(&command.0, &options.to));
    let mut scanner = commands.as_ref().map(Scanner::start);
    let target = (!options.dry_run).then_some((options.to.as_path(), options.target.privileged));
    let unused =
        caged::enter(context, &Needs { medium: Some(&options.from), catalog: true, ledger: true, target, ..Needs::default() });
    let started = Instant::now();
    let report = {
        let progress = context.progress();
        restore(&options, &identity, &context.env(args.threads.map(usize::from)), &progress).inspect_err(|e| {
            if let RestoreError::NotExpected { code } = e {
                tell_whose(written_with(context, code), context);
            }
        })?
    };
    unused.into_iter().for_each(Helper::keep);
    note_read(context, &MediumRead::in_part(report.set, &options.from, report.damaged_packs.len() as u64));
    // Of a generation that was asked for, nothing newer was expected.
    let is_newest_asked = options.generation.is_none() && options.expect.is_none();
    let is_other = tell_of_other(context, report.set, &options.from, Some(report.newest)) && is_newest_asked;
    remember(context, &report);
    let mut answer = answer(&report, &options);
    if !options.dry_run {
        measure(&mut answer, started.elapsed().as_secs_f64(), options.target.resume);
    }
    talk(&answer, report.lacks_storages, context);
    words::otherwise_spelled(&report.otherwise_spelled).for_each(|m| context.talk(&m));
    let (mut exit, mut text) = (exit(&answer), text(&answer, is_other));
    exit = if is_other { Exit::Damage } else { exit };
    // The result of the restore is complete by now, whatever becomes of the scanner.
    if let Some((commands, scanner)) = commands.as_ref().zip(scanner.as_mut()) {
        context.talk(&message!("scan.begins"));
        let scan = scan(commands, &mut |is_scan| scanner.begin(is_scan), &context.env(None));
        exit = scanned::exit(&scan, exit);
        let scan = answer.scan.insert(scanned::answer(&scan));
        text += &scanned::text(scan, &commands.scan[0]);
    }
    Ok(Outcome::new(exit, text, &answer))
}

/// Makes the next backup store again what is damaged.
fn remember(context: &Context, report: &Report) {
    let packs = &report.damaged_packs;
    let Some(catalog) = (!packs.is_empty()).then(|| context.catalog()) else { return };
    let remembered = catalog.and_then(|catalog| match catalog {
        Some(mut catalog) => Ok(remember_damaged_packs(report.set, packs, &mut catalog)? > 0),
        None => Ok(false),
    });
    let is_remembered = remembered.unwrap_or_else(|e| {
        context.warn(&message!("verify.not-remembered"));
        context.warn(&e.message);
        false
    });
    tell_what_backup_does(context, report.set, is_remembered);
}

/// Notes how long the restore took. A speed is known where all of it was written in this time.
fn measure(answer: &mut Restore, seconds: f64, is_resumed: bool) {
    answer.seconds = Some(seconds);
    let is_whole = !is_resumed && answer.not_restored + answer.entries_lost == 0;
    answer.bytes_per_second = (is_whole && seconds > 0.0).then(|| (answer.bytes as f64 / seconds) as u64);
}

fn took(answer: &Restore, seconds: f64) -> Message {
    match answer.bytes_per_second.filter(|speed| *speed > 0) {
        Some(speed) => {
            message!("restore.took-speed", time = duration(seconds), speed = format!("{:.1}", speed as f64 / 1e6))
        }
        None => message!("restore.took", time = duration(seconds)),
    }
}

/// A program and its arguments.
#[derive(Debug, Clone)]
pub struct ScanCommand(Vec<OsString>);

/// Words as a shell would divide them; no shell is run.
fn command(typed: &str) -> Result<ScanCommand, Message> {
    let words = shlex::split(typed).filter(|words| words.first().is_some_and(|w| !w.is_empty()));
    words.map(|w| ScanCommand(w.into_iter().map(OsString::from).collect())).ok_or_else(|| message!("value.command"))
}

/// The page for what is marked as provisional.
fn page(origin: &Origin) -> String {
    let [ja, en] = [Lang::Ja, Lang::En].map(|lang| time(&origin.time, lang));
    provisional::page(&Provisional {
        set_name: &origin.set_name,
        set: &origin.set.to_string(),
        generation: origin.generation,
        time: [&ja, &en],
        check_code: &origin.check_code.to_string(),
        has_alarm: origin.has_alarm,
        quarantine: origin.quarantine,
    })
}

/// The list in a file. One that is too long is not read to its end.
fn list(path: &Path) -> Result<NameList, CommandError> {
    let failed = |cause| CommandError::new(message!("error.only", path = path), Exit::Usage).cause(cause);
    let bytes = files::read_limited(path, NameList::MAX_BYTES as u64).map_err(|e| failed(io_reason(&e)))?;
    NameList::parse(&bytes).map_err(|e| {
        failed(match e {
            ListError::TooLong => message!("reason.list.too-long", mib = NameList::MAX_BYTES as u64 >> 20),
            ListError::TooMany { line } => {
                message!("reason.list.too-many", line = line, most = count(NameList::MAX_NAMES as u64))
            }
            ListError::NotText { line } => message!("reason.list.not-text", line = line),
            ListError::NoName { line } => message!("reason.list.no-name", line = line),
            ListError::Empty => message!("reason.list.empty"),
        })
    })
}

/// The worst that was met.
fn exit(answer: &Restore) -> Exit {
    let is_lost = answer.not_restored > 0 || answer.entries_lost > 0;
    let is_newer = |f: &facts::Fault| f.fault == FaultName::Newer;
    let only_newer = answer.faults.first.iter().all(is_newer);
    let is_damaged = !answer.wrong_stanzas.is_empty() || !answer.damaged_packs.is_empty();
    if !answer.trusted || !only_newer || is_damaged || is_lost {
        Exit::Damage
    } else if !answer.faults.is_empty() {
        Exit::Medium
    } else if !answer.not_found.is_empty() {
        Exit::Failed
    } else if answer.shortfalls > 0 || answer.withheld > 0 || !answer.lacking.is_empty() {
        Exit::Incomplete
    } else {
        Exit::Good
    }
}

/// `lacks_storages`: patients were asked for, and no source of the generation is an SS-MIX2 storage.
fn talk(answer: &Restore, lacks_storages: bool, context: &Context) {
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
    if answer.newest > answer.generation {
        let (newest, number) = (answer.newest, answer.generation);
        context.talk(&message!("restore.newer", newest = newest, number = number));
    }
    if let Some(expected) = answer.expected.filter(|expected| *expected < answer.generation) {
        context.warn(&message!("restore.beyond-code", number = answer.generation, expected = expected));
    }
    if answer.leftover_objects > 0 {
        context.talk(&message!("restore.behind", count = count(answer.leftover_objects)));
    }
    if answer.has_alarm {
        context.warn(&message!("restore.alarm", number = answer.generation));
    }
    if answer.quarantine == Some(true) {
        context.warn(&message!("restore.quarantine"));
    }
    words::missing_sources(&answer.missing_sources.first).iter().for_each(|m| context.warn(m));
    words::wrong_stanzas(&answer.wrong_stanzas.first).iter().for_each(|m| context.warn(m));
    context.warn_first(answer.damaged_packs.first.iter().map(|n| message!("restore.damaged-pack", object = n)));
    for p in answer.not_found.first.iter().take(SHOWN) {
        context.warn(&message!("restore.not-found", path = exact(&p.path, p.path_hex.as_deref())));
    }
    let more = answer.not_found.len().saturating_sub(SHOWN as u64);
    if more > 0 {
        context.warn(&message!("restore.more-not-found", count = count(more)));
    }
    if lacks_storages {
        context.warn(&message!("restore.lacks-storages"));
    }
    findings::list_lacking(&answer.lacking.first, answer.lacking.len(), answer.generation);
    findings::list(&answer.findings.first, answer.not_restored + answer.shortfalls + answer.withheld);
}

fn text(answer: &Restore, is_other: bool) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    let generation = message!("backup.generation", number = answer.generation, time = time(&answer.time, Lang::spoken()));
    table.row(find("label.generation"), generation.to_string());
    table.row(find("label.check-code"), answer.check_code.printable());
    if let Some(expected) = answer.expected {
        table.row(find("label.expected"), message!("restore.expected", generation = expected).to_string());
    }
    let (entries, files, size) = (count(answer.entries), count(answer.files), bytes(answer.bytes));
    table.row(find("label.content"), message!("backup.content", entries = entries, files = files, bytes = size).to_string());
    if answer.entries_lost > 0 {
        table.row(find("label.entries-lost"), count(answer.entries_lost));
    }
    if let Some(page) = &answer.page {
        table.row(find("label.provisional"), message!("restore.provisional", page = page).to_string());
    }
    if answer.sources.first.iter().any(|s| s.priority.is_some()) {
        for s in &answer.sources.first {
            table.row(exact(&s.name, s.name_hex.as_deref()).printable(), source(s, answer.dry_run));
        }
    }
    if answer.dry_run {
        table.row(find("label.packs"), count(answer.packs.len()));
        for m in answer.media.first.iter().filter(|_| answer.media.len() > 1) {
            table.row(find("label.medium"), medium(m));
        }
        let lacking = if answer.lacking.is_empty() { "restore.dry-run" } else { "restore.dry-run-lacking" };
        table.row(find("label.result"), find(lacking));
    } else {
        let to = answer.to.as_deref().map(|to| exact(to, answer.to_hex.as_deref())).unwrap_or_default();
        table.row(find("label.to"), to.printable());
        if let Some(seconds) = answer.seconds {
            table.row(find("label.took"), took(answer, seconds).to_string());
        }
        table.row(find("label.not-restored"), count(answer.not_restored));
        if !answer.not_found.is_empty() {
            table.row(find("label.not-found"), count(answer.not_found.len()));
        }
        table.row(find("label.shortfalls"), count(answer.shortfalls));
        if answer.withheld > 0 {
            table.row(find("label.withheld"), message!("restore.withheld", count = count(answer.withheld)).to_string());
        }
        let lacking = answer.not_restored + answer.shortfalls + answer.withheld + answer.entries_lost;
        let is_whole = lacking + answer.not_found.len() == 0;
        let lost = answer.not_restored + answer.entries_lost;
        let result = match (exit(answer), is_whole) {
            (Exit::Good, _) if is_other => message!("restore.other"),
            (Exit::Good, _) => message!("restore.good"),
            (Exit::Failed, _) if lacking == 0 => {
                message!("restore.not-all-found", count = count(answer.not_found.len()))
            }
            (Exit::Incomplete, true) => message!("restore.lacking", count = count(answer.lacking.len())),
            (_, true) => message!("restore.doubtful"),
            _ if lost > 0 => message!("restore.lost", count = count(lost)),
            _ => message!("restore.bad"),
        };
        table.row(find("label.result"), result.to_string());
    }
    table.text()
}

fn medium(m: &BytesOfMedium) -> String {
    message!("restore.medium", number = m.place, bytes = bytes(m.bytes)).to_string()
}

/// One source of several that are restored in the order of their priorities.
fn source(s: &RestoredSource, is_plan: bool) -> String {
    let priority =
        s.priority.map_or_else(|| find("restore.no-priority"), |p| message!("restore.priority", number = p).to_string());
    let (entries, files, size) = (count(s.entries), count(s.files), bytes(s.bytes));
    let content = message!("backup.content", entries = entries, files = files, bytes = size);
    let media = s.media.first.iter().map(medium).collect::<Vec<_>>().join(" → ");
    let from = message!("restore.from", packs = count(s.packs.len()), media = media);
    if is_plan { format!("{priority}  {content}  {from}") } else { format!("{priority}  {content}") }
}

fn packs(packs: &[(u64, u64)]) -> answer::List<BytesOfPack, LINES> {
    packs.iter().map(|(object, bytes)| BytesOfPack { object: *object, bytes: *bytes }).collect()
}

fn media(media: &[(u64, u64)]) -> answer::List<BytesOfMedium, FACTS> {
    media.iter().map(|(place, bytes)| BytesOfMedium { place: *place, bytes: *bytes }).collect()
}

fn restored_source(s: &SourceReport) -> RestoredSource {
    let (name, name_hex) = name(&s.name);
    RestoredSource {
        name,
        name_hex,
        priority: s.priority,
        entries: s.entries,
        files: s.files,
        bytes: s.bytes,
        packs: packs(&s.packs),
        media: media(&s.media),
    }
}

fn finding_answer(f: &RestoreFinding) -> facts::Finding {
    let (path, path_hex) = name(&f.path);
    facts::Finding { kind: f.kind.name().into(), path, path_hex, detail: f.detail.as_str().into() }
}

/// What was restored, as it is printed and shown. A scan comes later.
fn answer(report: &Report, options: &Options) -> Restore {
    let (to, to_hex) = (!options.dry_run).then(|| path_name(&options.to)).unzip();
    Restore {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        generation: report.generation,
        time: report.time.as_str().into(),
        check_code: report.check_code.to_string().into(),
        expected: report.expected,
        newest: report.newest,
        leftover_objects: report.leftovers,
        trusted: report.trusted,
        faults: report.faults.iter().map(words::fault_answer).collect(),
        has_alarm: report.has_alarm,
        quarantine: Some(report.quarantine),
        provisional: report.page.is_some(),
        page: report.page.as_deref().map(Into::into),
        dry_run: options.dry_run,
        to,
        to_hex: to_hex.flatten(),
        entries: report.entries,
        files: report.files,
        bytes: report.bytes,
        seconds: None,
        bytes_per_second: None,
        not_restored: report.not_restored,
        shortfalls: report.shortfalls,
        withheld: report.withheld,
        entries_lost: report.entries_lost,
        findings: report.findings.iter().map(finding_answer).collect(),
        lacking: report.lacking.iter().map(findings::answer).collect(),
        not_found: report.not_found.iter().map(|path| PathName::of(path)).collect(),
        wrong_stanzas: report.wrong_stanzas.iter().copied().collect(),
        damaged_packs: report.damaged_packs.iter().copied().collect(),
        missing_sources: report.missing_sources.iter().map(|name| PathName::of(name)).collect(),
        packs: packs(&report.packs),
        media: media(&report.media),
        sources: report.sources.iter().map(restored_source).collect(),
        scan: None,
    }
}
