//! `azekura history`: the versions of one file, or what happened in a period.

use super::context::Context;
use super::environment::absolute;
use super::find::size as shown_size;
use crate::cli::ui::csv::{Csv, hex};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::{Columns, Table};
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count, moment, time};
use crate::cli::ui::{findings, recorded, words};
use azekura::answer::history::{self as answer, EntryFacts, PathHistory, PeriodHistory, SealedGeneration};
use azekura::answer::proof::State;
use azekura::answer::{Clipped, Word, exact, name};
use azekura::env::time_text;
use azekura::format::cbor::Time;
use azekura::format::entry::{Core, EntryKind};
use azekura::format::object::Id;
use azekura::job::inspect::history::{
    HistoryEvent, HistoryEventKind, PathOptions, PathState, PathVersion, PeriodOptions, PeriodReport, of_path, of_period,
};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Events that are shown; `--csv` and `--json` have all.
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

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    match (&args.path, &args.since) {
        (Some(path), _) => path_history(&args, path.clone(), context),
        (None, since) => period_history(&args, since.as_deref().unwrap_or_default(), context),
    }
}

fn path_history(args: &Args, path: OsString, context: &Context) -> Result<Outcome, CommandError> {
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
        "label.stored-sha256",
        "label.stored-blake3",
    ];
    let csv = args.csv.as_ref().map(|path| Csv::create(&absolute(path), &headings)).transpose()?;
    let report = {
        let progress = context.progress();
        of_path(&options, &identity, &context.env(None), &progress)?
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
    if let Some(mut csv) = csv {
        answer.versions.first.iter().for_each(|v| csv.row(path_row(v)));
        csv.finish()?;
    }
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
    for v in &answer.versions.first {
        if let Some(why) = &v.why {
            context.warn(&message!("history.unknown-because", generations = generations(v), why = recorded::cause(why)));
        }
    }
    words::otherwise_spelled(&report.otherwise_spelled).for_each(|m| context.talk(&m));
    let exit = match (report.is_sound(), report.is_found()) {
        (false, _) => Exit::Damage,
        // As with find: nothing found is not a good end.
        (true, false) => Exit::Failed,
        (true, true) => Exit::Good,
    };
    Ok(Outcome::new(exit, path_text(&answer), &answer))
}

fn generations(v: &answer::Version) -> String {
    let (first, last) = (v.first_generation, v.last_generation);
    if first == last { first.printable() } else { format!("{first}-{last}") }
}

fn presence(v: &answer::Version) -> String {
    find(match v.found {
        Some(true) => "history.there",
        Some(false) => "history.not-there",
        None => "status.unknown",
    })
}

fn size(entry: &EntryFacts) -> String {
    shown_size(entry.kind, entry.size, entry.state)
}

fn digest(digest: &Option<Word>) -> String {
    digest.as_deref().unwrap_or_default().to_owned()
}

fn shown_digest(entry: &EntryFacts, is_sha256: bool) -> String {
    let (whole, stored) = if is_sha256 { (&entry.sha256, &entry.stored_sha256) } else { (&entry.blake3, &entry.stored_blake3) };
    match stored {
        Some(stored) => message!("history.stored", digest = stored).to_string(),
        None => digest(whole),
    }
}

fn path_text(answer: &PathHistory) -> String {
    let mut entries = answer.versions.first.iter().filter_map(|v| v.entry.as_ref());
    let has_sha256 = entries.all(|e| e.sha256.is_some() || e.stored_sha256.is_some() || e.kind != EntryKind::File);
    let heading = if has_sha256 { "label.sha256" } else { "label.blake3" };
    let mut columns = Columns::new(["label.generations-of", "label.time", "label.modified", "label.size", heading].map(find));
    for v in &answer.versions.first {
        let first = time(&v.first_time, Lang::spoken());
        let [modified, size, digest] = match &v.entry {
            Some(e) => [time(&e.mtime, Lang::spoken()), size(e), shown_digest(e, has_sha256)],
            None => [presence(v), String::new(), String::new()],
        };
        columns.row([generations(v), first, modified, size, digest]);
    }
    columns.text()
}

fn path_row(v: &answer::Version) -> [String; 10] {
    let of = |f: &dyn Fn(&EntryFacts) -> String| v.entry.as_ref().map(f).unwrap_or_default();
    let (first, last) = (v.first_generation, v.last_generation);
    [
        // With a hyphen a spreadsheet makes a date of it.
        if first == last { first.to_string() } else { format!("{first}…{last}") },
        time(&v.first_time, Lang::spoken()),
        time(&v.last_time, Lang::spoken()),
        presence(v),
        of(&|e| time(&e.mtime, Lang::spoken())),
        of(&|e| e.size.to_string()),
        of(&|e| digest(&e.sha256)),
        of(&|e| digest(&e.blake3)),
        of(&|e| digest(&e.stored_sha256)),
        of(&|e| digest(&e.stored_blake3)),
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
    let word = |digest| hex(Some(digest)).into();
    EntryFacts {
        kind: core.kind,
        size: core.size,
        state: State::unless_good(core.state),
        mtime: time_text(core.mtime).into(),
        mode: core.mode,
        uid: core.uid,
        gid: core.gid,
        sha256: core.whole().and_then(|d| d.sha256).map(word),
        blake3: core.whole().map(|d| word(d.blake3)),
        stored_sha256: core.stored().and_then(|d| d.sha256).map(word),
        stored_blake3: core.stored().map(|d| word(d.blake3)),
    }
}

fn period_history(args: &Args, since: &str, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.from.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    let at = |typed: &str, is_end| {
        moment(typed, Lang::spoken(), is_end)
            .ok_or_else(|| CommandError::new(message!("error.history.date", date = typed), Exit::Usage))
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
        "label.stored-blake3-before",
        "label.stored-blake3-after",
    ];
    let mut csv = args.csv.as_ref().map(|path| Csv::create(&absolute(path), &headings)).transpose()?;
    let (mut shown, mut all) = (Vec::new(), Vec::new());
    let report = {
        let progress = context.progress();
        of_period(&options, &identity, &context.env(None), &progress, &mut |h| {
            let is_shown = shown.len() < SHOWN;
            if csv.is_none() && !is_shown && !context.wants_document() {
                return;
            }
            let happened = happened(&h);
            if let Some(csv) = &mut csv {
                csv.row(happened_row(&happened));
            }
            if is_shown {
                shown.push(happened.clone());
            }
            if context.wants_document() {
                all.push(happened);
            }
        })?
    };
    csv.map(Csv::finish).transpose()?;
    let answer = period(&report, (since, until), all);
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
    if answer.before.is_none() && !answer.generations.is_empty() {
        context.warn(&message!("history.no-earlier"));
    }
    findings::list_refused(&answer.refused.first, answer.refused_count);
    let is_sound = answer.faults.is_empty() && answer.refused_count == 0;
    let exit = match (is_sound, answer.generations.is_empty()) {
        (false, _) => Exit::Damage,
        (true, true) => Exit::Failed,
        (true, false) => Exit::Good,
    };
    Ok(Outcome::new(exit, period_text(&answer, &shown, args.older), &answer))
}

fn what(what: answer::What) -> String {
    find(match what {
        answer::What::Created => "history.created",
        answer::What::Changed => "history.changed",
        answer::What::Gone => "history.gone",
        answer::What::Older => "history.older",
    })
}

/// `shown`: the first of what happened; the answer has them only where a program reads it.
fn period_text(answer: &PeriodHistory, shown: &[answer::Happened], with_older: bool) -> String {
    if answer.generations.is_empty() {
        return format!("{}\n", find("history.none"));
    }
    let older = answer.older.filter(|_| with_older).unwrap_or(0);
    let all = answer.created + answer.changed + answer.gone + older;
    happened_text(shown, all) + &counts_text(answer)
}

/// The first of what happened, and how much more there is.
fn happened_text(shown: &[answer::Happened], all: u64) -> String {
    if shown.is_empty() {
        return String::new();
    }
    let mut columns = Columns::new(["label.generation", "label.time", "label.what", "label.size", "label.path"].map(find));
    for h in shown {
        let entry = h.after.as_ref().or(h.before.as_ref());
        let size = entry.map(size).unwrap_or_default();
        let path = exact(&h.path, h.path_hex.as_deref()).printable();
        columns.row([h.generation.printable(), time(&h.time, Lang::spoken()), what(h.what), size, path]);
    }
    let more = all.saturating_sub(shown.len() as u64);
    let more = if more > 0 { format!("{}\n", message!("compare.more", count = count(more))) } else { String::new() };
    format!("{}{more}\n", columns.text())
}

fn counts_text(answer: &PeriodHistory) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    let generation = |g: &SealedGeneration| {
        message!("backup.generation", number = g.generation, time = time(&g.time, Lang::spoken())).to_string()
    };
    table.row(find("label.before-period"), answer.before.as_ref().map_or_else(|| find("history.no-generation"), generation));
    let (first, last) = (answer.generations.first.first(), answer.generations.first.last());
    table.row(find("label.first-of-period"), first.map(generation).unwrap_or_default());
    table.row(find("label.last-of-period"), last.map(generation).unwrap_or_default());
    use answer::What::{Changed, Created, Gone, Older};
    for (of, n) in [(Created, answer.created), (Changed, answer.changed), (Gone, answer.gone)] {
        table.row(what(of), count(n));
    }
    if let Some((files, size)) = answer.older.zip(answer.older_bytes) {
        table.row(what(Older), message!("history.older-files", files = count(files), bytes = bytes(size)).to_string());
    }
    table.text()
}

fn happened_row(h: &answer::Happened) -> [String; 10] {
    let size = |e: &Option<EntryFacts>| e.as_ref().map(|e| e.size.to_string()).unwrap_or_default();
    let blake3 = |e: &Option<EntryFacts>| e.as_ref().map(|e| digest(&e.blake3)).unwrap_or_default();
    let stored = |e: &Option<EntryFacts>| e.as_ref().map(|e| digest(&e.stored_blake3)).unwrap_or_default();
    [
        what(h.what),
        h.generation.to_string(),
        time(&h.time, Lang::spoken()),
        exact(&h.path, h.path_hex.as_deref()).printable(),
        size(&h.before),
        size(&h.after),
        blake3(&h.before),
        blake3(&h.after),
        stored(&h.before),
        stored(&h.after),
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
    let (refused_count, refused) = words::refused_answer(&report.refused);
    PeriodHistory {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        since: Some(at(since)),
        until: (until < i64::MAX).then(|| at(until)),
        faults: report.faults.iter().map(words::fault_answer).collect(),
        before: report.before.as_ref().map(generation),
        generations: report.generations.iter().map(generation).collect(),
        refused_count,
        refused,
        created: counts.created,
        changed: counts.changed,
        gone: counts.gone,
        older: report.before.as_ref().map(|_| counts.older),
        older_bytes: report.before.as_ref().map(|_| counts.older_bytes),
        happened: happened.into(),
    }
}
