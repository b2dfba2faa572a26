//! `azekura history`: the versions of one file, or what happened in a period.

use super::context::Context;
use super::find::kind;
use crate::cli::ui::csv::{Csv, hex};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::{Columns, Outcome, Table};
use crate::cli::ui::recorded;
use crate::cli::ui::shown::Shown;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{bytes, count, moment, time};
use crate::cli::ui::words;
use azekura::answer::history::{self as answer, EntryFacts, PathHistory, PeriodHistory, SealedGeneration};
use azekura::answer::{Clipped, name};
use azekura::env::time_text;
use azekura::format::cbor::Time;
use azekura::format::entry::{Core, EntryKind};
use azekura::format::object::Id;
use azekura::job::inspect::history::{
    HistoryEvent, HistoryEventKind, PathOptions, PathReport, PathState, PathVersion, PeriodOptions, PeriodReport, of_path,
    of_period,
};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What happened that is shown; `--csv` and `--json` have all.
const SHOWN: usize = 50;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "PATH", required_unless_present = "since", conflicts_with_all = ["since", "until"])]
    path: Option<OsString>,
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    #[arg(long, value_name = "DATE", requires = "since")]
    until: Option<String>,
    #[arg(long, requires = "since")]
    older: bool,
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, Explained> {
    match (&args.path, &args.since) {
        (Some(path), _) => path_history(&args, path.clone(), context),
        (None, since) => period_history(&args, since.as_deref().unwrap_or_default(), context),
    }
}

fn path_history(args: &Args, path: OsString, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let mut path = path.into_vec();
    path.truncate(path.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1));
    let options = PathOptions { from, set: args.set, path };
    let headings = [
        "label.generations-of",
        "label.time",
        "label.last-time",
        "label.presence",
        "label.modified",
        "label.size",
        "label.sha256",
        "label.blake3",
    ];
    let csv = args.csv.as_ref().map(|path| Csv::create(path, &headings)).transpose()?;
    let report = {
        let progress = context.progress();
        of_path(&options, &identity, &context.env(None), &progress)?
    };
    if let Some(mut csv) = csv {
        report.versions.iter().for_each(|l| csv.row(path_row(l)));
        csv.finish()?;
    }
    report.faults.iter().for_each(|f| context.warn(&words::fault(f)));
    for line in &report.versions {
        if let PathState::Unknown { why } = &line.state {
            context.warn(&message!("history.unknown-because", generations = generations(line), why = recorded::cause(why)));
        }
    }
    let exit = match (report.is_sound(), report.is_found()) {
        (false, _) => Exit::Damage,
        // As with find: nothing found is not a good end.
        (true, false) => Exit::Failed,
        (true, true) => Exit::Good,
    };
    let (path, path_hex) = name(&options.path);
    let answer = PathHistory {
        path,
        path_hex,
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        faults: report.faults.iter().map(words::fault_answer).collect(),
        versions: report.versions.iter().map(version).collect(),
    };
    Ok(Outcome::new(exit, path_text(&report), &answer))
}

fn generations(line: &PathVersion) -> String {
    if line.first == line.last { line.first.shown() } else { format!("{}-{}", line.first, line.last) }
}

fn presence(version: &PathState) -> String {
    find(match version {
        PathState::Present(_) => "history.there",
        PathState::Absent => "history.not-there",
        PathState::Unknown { .. } => "status.unknown",
    })
}

fn size(core: &Core) -> String {
    if core.kind == EntryKind::File { bytes(core.size) } else { kind(core.kind).to_owned() }
}

fn path_text(report: &PathReport) -> String {
    let is_there = |l: &&PathVersion| matches!(l.state, PathState::Present(_));
    let cores =
        report.versions.iter().filter(is_there).filter_map(|l| if let PathState::Present(c) = &l.state { Some(c) } else { None });
    let has_sha256 = cores.into_iter().all(|c| c.sha256.is_some() || c.kind != EntryKind::File);
    let digest = if has_sha256 { "label.sha256" } else { "label.blake3" };
    let mut columns = Columns::new(["label.generations-of", "label.time", "label.modified", "label.size", digest].map(find));
    for l in &report.versions {
        let first = time(&l.first_time, Lang::spoken());
        let cells = match &l.state {
            PathState::Present(c) => {
                let modified = time(&time_text(c.mtime), Lang::spoken());
                [modified, size(c), hex(if has_sha256 { c.sha256 } else { c.blake3 })]
            }
            other => [presence(other), String::new(), String::new()],
        };
        let [modified, size, digest] = cells;
        columns.row([generations(l), first, modified, size, digest]);
    }
    columns.text()
}

fn path_row(l: &PathVersion) -> [String; 8] {
    let core = if let PathState::Present(core) = &l.state { Some(core) } else { None };
    let of = |f: &dyn Fn(&Core) -> String| core.map(|c| f(c)).unwrap_or_default();
    [
        // Else a spreadsheet makes a date of it.
        if l.first == l.last { l.first.to_string() } else { format!("{}…{}", l.first, l.last) },
        time(&l.first_time, Lang::spoken()),
        time(&l.last_time, Lang::spoken()),
        presence(&l.state),
        of(&|c| time(&time_text(c.mtime), Lang::spoken())),
        of(&|c| c.size.to_string()),
        of(&|c| hex(c.sha256)),
        of(&|c| hex(c.blake3)),
    ]
}

fn version(l: &PathVersion) -> answer::Version {
    let (found, entry, why) = match &l.state {
        PathState::Present(core) => (Some(true), Some(entry(core)), None),
        PathState::Absent => (Some(false), None, None),
        PathState::Unknown { why } => (None, None, Some(why.as_str().into())),
    };
    answer::Version {
        first_generation: l.first,
        last_generation: l.last,
        first_time: l.first_time.as_str().into(),
        last_time: l.last_time.as_str().into(),
        found,
        entry,
        why,
    }
}

fn entry(core: &Core) -> EntryFacts {
    EntryFacts {
        kind: core.kind,
        size: core.size,
        mtime: time_text(core.mtime).into(),
        mode: core.mode,
        uid: core.uid,
        gid: core.gid,
        sha256: core.sha256.map(|d| hex(Some(d)).into()),
        blake3: core.blake3.map(|d| hex(Some(d)).into()),
    }
}

fn period_history(args: &Args, since: &str, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let at = |typed: &str, is_end| {
        moment(typed, Lang::spoken(), is_end)
            .ok_or_else(|| Explained::new(message!("error.history.date", date = typed), Exit::Usage))
    };
    let (since, until) = (at(since, false)?, args.until.as_deref().map_or(Ok(i64::MAX), |u| at(u, true))?);
    let options = PeriodOptions { from, set: args.set, since, until, with_older: args.older };
    let headings = [
        "label.what",
        "label.generation",
        "label.time",
        "label.path",
        "label.size-before",
        "label.size-after",
        "label.blake3-before",
        "label.blake3-after",
    ];
    let mut csv = args.csv.as_ref().map(|path| Csv::create(path, &headings)).transpose()?;
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    let report = {
        let progress = context.progress();
        of_period(&options, &identity, &context.env(None), &progress, &mut |h| {
            if let Some(csv) = &mut csv {
                csv.row(happened_row(&h));
            }
            if context.wants_document() {
                all.push(happened(&h));
            }
            if shown.len() < SHOWN {
                shown.push(h);
            }
        })?
    };
    csv.map(Csv::finish).transpose()?;
    report.faults.iter().for_each(|f| context.warn(&words::fault(f)));
    if report.before.is_none() && !report.generations.is_empty() {
        context.warn(&message!("history.no-earlier"));
    }
    let exit = match (report.faults.is_empty(), report.generations.is_empty()) {
        (false, _) => Exit::Damage,
        (true, true) => Exit::Failed,
        (true, false) => Exit::Good,
    };
    let text = period_text(&report, &shown, args.older);
    Ok(Outcome::new(exit, text, &period(&report, (since, until), all)))
}

fn what(what: HistoryEventKind) -> String {
    find(match what {
        HistoryEventKind::Created => "history.created",
        HistoryEventKind::Changed => "history.changed",
        HistoryEventKind::Gone => "history.gone",
        HistoryEventKind::Older => "history.older",
    })
}

fn period_text(report: &PeriodReport, shown: &[HistoryEvent], with_older: bool) -> String {
    if report.generations.is_empty() {
        return format!("{}\n", find("history.none"));
    }
    let mut text = String::new();
    if !shown.is_empty() {
        let mut columns = Columns::new(["label.generation", "label.time", "label.what", "label.size", "label.path"].map(find));
        for h in shown {
            let core = h.after.as_ref().or(h.before.as_ref());
            let size = core.map(|c| size(c)).unwrap_or_default();
            columns.row([h.generation.shown(), time(&h.time, Lang::spoken()), what(h.what), size, h.path.shown()]);
        }
        text = columns.text();
        let c = &report.counts;
        let older = if with_older { c.older } else { 0 };
        let more = (c.created + c.changed + c.gone + older).saturating_sub(shown.len() as u64);
        if more > 0 {
            text += &format!("{}\n", message!("compare.more", count = count(more)));
        }
        text.push('\n');
    }
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = report.set_name, id = report.set).to_string());
    let generation = |(number, at): &(u64, String)| {
        message!("backup.generation", number = number, time = time(at, Lang::spoken())).to_string()
    };
    table.row(find("label.before-period"), report.before.as_ref().map_or_else(|| find("history.no-generation"), generation));
    let (first, last) = (report.generations.first(), report.generations.last());
    table.row(find("label.first-of-period"), first.map(generation).unwrap_or_default());
    table.row(find("label.last-of-period"), last.map(generation).unwrap_or_default());
    let counts = &report.counts;
    for (of, n) in [
        (HistoryEventKind::Created, counts.created),
        (HistoryEventKind::Changed, counts.changed),
        (HistoryEventKind::Gone, counts.gone),
    ] {
        table.row(what(of), count(n));
    }
    if report.before.is_some() {
        let (files, size) = (count(counts.older), bytes(counts.older_bytes));
        table.row(what(HistoryEventKind::Older), message!("history.older-files", files = files, bytes = size).to_string());
    }
    text + &table.text()
}

fn happened_row(h: &HistoryEvent) -> [String; 8] {
    let size = |c: &Option<Box<Core>>| c.as_ref().map(|c| c.size.to_string()).unwrap_or_default();
    let digest = |c: &Option<Box<Core>>| hex(c.as_ref().and_then(|c| c.blake3));
    [
        what(h.what),
        h.generation.to_string(),
        time(&h.time, Lang::spoken()),
        h.path.shown(),
        size(&h.before),
        size(&h.after),
        digest(&h.before),
        digest(&h.after),
    ]
}

fn happened(h: &HistoryEvent) -> answer::Happened {
    let (path, path_hex) = name(&h.path);
    answer::Happened {
        what: match h.what {
            HistoryEventKind::Created => answer::What::Created,
            HistoryEventKind::Changed => answer::What::Changed,
            HistoryEventKind::Gone => answer::What::Gone,
            HistoryEventKind::Older => answer::What::Older,
        },
        generation: h.generation,
        time: h.time.as_str().into(),
        path,
        path_hex,
        before: h.before.as_ref().map(|c| entry(c)),
        after: h.after.as_ref().map(|c| entry(c)),
    }
}

fn period(report: &PeriodReport, (since, until): (i64, i64), happened: Vec<answer::Happened>) -> PeriodHistory {
    let at = |seconds| time_text(Time { seconds, nanoseconds: 0 }).into();
    let generation = |(number, time): &(u64, String)| SealedGeneration { generation: *number, time: time.as_str().into() };
    let counts = &report.counts;
    PeriodHistory {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        since: Some(at(since)),
        until: (until < i64::MAX).then(|| at(until)),
        faults: report.faults.iter().map(words::fault_answer).collect(),
        before: report.before.as_ref().map(generation),
        generations: report.generations.iter().map(generation).collect(),
        created: counts.created,
        changed: counts.changed,
        gone: counts.gone,
        older: report.before.as_ref().map(|_| counts.older),
        older_bytes: report.before.as_ref().map(|_| counts.older_bytes),
        happened: happened.into(),
    }
}
