//! `azekura restore`

mod scanned;

use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::{Explained, io_reason};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Outcome, Table, to_stderr};
use crate::cli::ui::recorded;
use crate::cli::ui::shown::{Shown, put_name};
use crate::cli::ui::text::{Message, find, find_optional, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words;
use azekura::format::object::Id;
use azekura::job::restore::scan::scan;
use azekura::job::restore::{List, ListError, Marking, Options, Origin, Report, RestoreFinding, SourceReport, restore};
use azekura::pipeline::target::TargetOptions;
use azekura::report::provisional::{self, Provisional};
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
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
    let mut outcome = Outcome { exit: exit(&report), text: text(&report, &options), json: as_json(&report, &options) };
    if let Some(scan) = &scan {
        outcome.exit = scanned::exit(scan, outcome.exit);
        outcome.text += &scanned::text(scan);
    }
    outcome.json["scan"] = scan.as_ref().map(scanned::as_json).into();
    Ok(outcome)
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
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(List::MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|e| failed(io_reason(&e)))?;
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

fn source_json(s: &SourceReport) -> Value {
    let mut object = Map::new();
    put_name(&mut object, "name", &s.name);
    object.insert("priority".into(), s.priority.into());
    object.extend([("entries", s.entries), ("files", s.files), ("bytes", s.bytes)].map(|(k, n)| (k.to_owned(), n.into())));
    object.insert("packs".into(), packs_json(&s.packs));
    object.insert("media".into(), media_json(&s.media));
    Value::Object(object)
}

fn packs_json(packs: &[(u64, u64)]) -> Value {
    packs.iter().map(|(object, bytes)| json!({ "object": object, "bytes": bytes })).collect()
}

fn media_json(media: &[(u64, u64)]) -> Value {
    media.iter().map(|(place, bytes)| json!({ "place": place, "bytes": bytes })).collect()
}

fn as_json(report: &Report, options: &Options) -> Value {
    let findings = report.findings.iter().map(|f| {
        let mut object = Map::new();
        object.insert("kind".into(), f.kind.name().into());
        put_name(&mut object, "path", &f.path);
        object.insert("detail".into(), f.detail.clone().into());
        Value::Object(object)
    });
    let not_found = report.not_found.iter().map(|path| {
        let mut object = Map::new();
        put_name(&mut object, "path", path);
        Value::Object(object)
    });
    let mut json = json!({
        "set": report.set.to_string(),
        "set_name": report.set_name,
        "generation": report.generation,
        "time": report.time,
        "trusted": report.trusted,
        "faults": report.faults.iter().map(words::fault_json).collect::<Vec<_>>(),
        "has_alarm": report.has_alarm,
        "quarantine": report.quarantine,
        "provisional": report.page.is_some(),
        "page": report.page,
        "dry_run": options.dry_run,
        "media": media_json(&report.media),
        "sources": report.sources.iter().map(source_json).collect::<Vec<_>>(),
        "entries": report.entries,
        "files": report.files,
        "bytes": report.bytes,
        "not_restored": report.not_restored,
        "shortfalls": report.shortfalls,
        "entries_lost": report.entries_lost,
        "findings": findings.collect::<Vec<_>>(),
        "not_found": not_found.collect::<Vec<_>>(),
        "packs": packs_json(&report.packs),
    });
    if let Some(object) = json.as_object_mut().filter(|_| !options.dry_run) {
        put_name(object, "to", options.to.as_os_str().as_bytes());
    }
    json
}
