//! `azekura restore`

mod scanned;

use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{Explained, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, Table, to_stderr};
use crate::cli::ui::recorded;
use crate::cli::ui::shown::Shown;
use crate::cli::ui::shown::path_name;
use crate::cli::ui::text::{Message, find, find_optional, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words;
use azekura::answer::facts::{self, FACTS, PathName};
use azekura::answer::generations::{BytesOfMedium, LINES};
use azekura::answer::restore::{BytesOfPack, Restore, RestoredSource};
use azekura::answer::{self, Clipped, name};
use azekura::format::object::Id;
use azekura::host::files;
use azekura::job::restore::scan::Scan;
use azekura::job::restore::scan::scan;
use azekura::job::restore::{List, ListError, Marking, Options, Origin, Report, RestoreFinding, SourceReport, restore};
use azekura::pipeline::target::TargetOptions;
use azekura::report::provisional::{self, Provisional};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Findings that are shown; `--json` has the first thousand.
const SHOWN_FINDINGS: usize = 20;

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
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(128..=1 << 20))]
    memory: Option<u64>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let defaults = Options::new(from, args.to.as_deref().map(absolute).unwrap_or_default());
    let options = Options {
        set: args.set,
        generation: args.generation,
        paths: args.paths.into_iter().map(OsString::into_vec).collect(),
        only: args.only.as_deref().map(list).transpose()?,
        patterns: args.pattern,
        target: TargetOptions {
            owners: context.environment.is_root() && !args.no_owners,
            into_existing: args.into_existing,
            resume: args.resume,
            read_only: false,
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
    let report = {
        let progress = context.progress();
        restore(&options, &identity, &context.env(args.threads.map(usize::from)), &progress)?
    };
    talk(&report, context);
    // What was restored is told by now, whatever becomes of the scanner.
    let scan = args.scan.map(|command| {
        context.talk(&message!("scan.begins"));
        scan(&command.0, &options.to, &context.env(None))
    });
    let (mut exit, mut text) = (exit(&report), text(&report, &options));
    if let Some(scan) = &scan {
        exit = scanned::exit(scan, exit);
        text += &scanned::text(scan);
    }
    Ok(Outcome::new(exit, text, &answer(&report, &options, scan.as_ref())))
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
fn list(path: &Path) -> Result<List, Explained> {
    let failed = |cause| Explained::new(message!("error.only", path = path), Exit::Usage).cause(cause);
    let bytes = files::read_limited(path, List::MAX_BYTES as u64).map_err(|e| failed(io_reason(&e)))?;
    List::parse(&bytes).map_err(|e| {
        failed(match e {
            ListError::TooLong => message!("reason.list.too-long", mib = List::MAX_BYTES as u64 >> 20),
            ListError::TooMany { line } => message!("reason.list.too-many", line = line, most = count(List::MAX_NAMES as u64)),
            ListError::NotText { line } => message!("reason.list.not-text", line = line),
            ListError::NoName { line } => message!("reason.list.no-name", line = line),
            ListError::Empty => message!("reason.list.empty"),
        })
    })
}

/// The worst that was met.
fn exit(report: &Report) -> Exit {
    if !report.trusted || !report.faults.is_empty() || report.not_restored > 0 || report.entries_lost > 0 {
        Exit::Damage
    } else if !report.not_found.is_empty() {
        Exit::Failed
    } else if report.shortfalls > 0 {
        Exit::Incomplete
    } else {
        Exit::Good
    }
}

fn talk(report: &Report, context: &Context) {
    report.faults.iter().for_each(|f| context.warn(&words::fault(f)));
    if report.has_alarm {
        context.warn(&message!("restore.alarm", number = report.generation));
    }
    if report.quarantine {
        context.warn(&message!("restore.quarantine"));
    }
    report.not_found.iter().take(SHOWN_FINDINGS).for_each(|path| context.warn(&message!("restore.not-found", path = path)));
    if report.not_found.len() > SHOWN_FINDINGS {
        let more = report.not_found.len() - SHOWN_FINDINGS;
        context.warn(&message!("restore.more-not-found", count = count(more as u64)));
    }
    if report.lacks_storages {
        context.warn(&message!("restore.lacks-storages"));
    }
    let total = report.not_restored + report.shortfalls;
    if total == 0 {
        return;
    }
    to_stderr(&format!("{}\n", message!("talk.findings", count = count(total))));
    for f in report.findings.iter().take(SHOWN_FINDINGS) {
        to_stderr(&format!("  {}\n", finding(f)));
    }
    if total > SHOWN_FINDINGS as u64 {
        to_stderr(&format!("  {}\n", message!("talk.more-findings", count = count(total - SHOWN_FINDINGS as u64))));
    }
}

fn finding(f: &RestoreFinding) -> String {
    let kind = find_optional(&format!("finding.{}", f.kind.name())).unwrap_or_else(|| f.kind.name().to_owned());
    format!("{kind}: {} ({})", f.path.shown(), recorded::cause(&f.detail))
}

fn text(report: &Report, options: &Options) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = report.set_name, id = report.set).to_string());
    let generation = message!("backup.generation", number = report.generation, time = time(&report.time, Lang::spoken()));
    table.row(find("label.generation"), generation.to_string());
    let (entries, files, size) = (count(report.entries), count(report.files), bytes(report.bytes));
    table.row(find("label.content"), message!("backup.content", entries = entries, files = files, bytes = size).to_string());
    if report.entries_lost > 0 {
        table.row(find("label.entries-lost"), count(report.entries_lost));
    }
    if let Some(page) = &report.page {
        table.row(find("label.provisional"), message!("restore.provisional", page = page).to_string());
    }
    if report.sources.iter().any(|s| s.priority.is_some()) {
        report.sources.iter().for_each(|s| table.row(s.name.shown(), source(s, options.dry_run)));
    }
    if options.dry_run {
        table.row(find("label.packs"), count(report.packs.len() as u64));
        for (place, wanted) in report.media.iter().filter(|_| report.media.len() > 1) {
            table.row(find("label.medium"), message!("restore.medium", number = place, bytes = bytes(*wanted)).to_string());
        }
        table.row(find("label.result"), find("restore.dry-run"));
    } else {
        table.row(find("label.to"), options.to.shown());
        table.row(find("label.not-restored"), count(report.not_restored));
        table.row(find("label.shortfalls"), count(report.shortfalls));
        let result = if exit(report) == Exit::Good { "restore.good" } else { "restore.bad" };
        table.row(find("label.result"), find(result));
    }
    table.text()
}

/// One source of several that are restored in the order of their priorities.
fn source(s: &SourceReport, is_plan: bool) -> String {
    let priority =
        s.priority.map_or_else(|| find("restore.no-priority"), |p| message!("restore.priority", number = p).to_string());
    let (entries, files, size) = (count(s.entries), count(s.files), bytes(s.bytes));
    let content = message!("backup.content", entries = entries, files = files, bytes = size);
    let media = s.media.iter().map(|(place, b)| message!("restore.medium", number = place, bytes = bytes(*b)).to_string());
    let from = message!("restore.from", packs = count(s.packs.len() as u64), media = media.collect::<Vec<_>>().join(" → "));
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

fn answer(report: &Report, options: &Options, scan: Option<&Scan>) -> Restore {
    let (to, to_hex) = (!options.dry_run).then(|| path_name(&options.to)).unzip();
    Restore {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        generation: report.generation,
        time: report.time.as_str().into(),
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
        not_restored: report.not_restored,
        shortfalls: report.shortfalls,
        entries_lost: report.entries_lost,
        findings: report.findings.iter().map(finding_answer).collect(),
        not_found: report.not_found.iter().map(|path| PathName::of(path)).collect(),
        packs: packs(&report.packs),
        media: media(&report.media),
        sources: report.sources.iter().map(restored_source).collect(),
        scan: scan.map(scanned::answer),
    }
}
