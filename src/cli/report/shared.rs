//! Sections that several reports have.

use super::builder::{CellValue, ReportBuilder, Row};
use crate::cli::ui::lang::Lang;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{bytes, count, paper_time};
use azekura::answer::compare::Compare;
use azekura::answer::generations::Indicators;
use azekura::answer::session::answers::{of_compare, of_verify};
use azekura::answer::session::restored::{Restored, known_generation, newest_of_media};
use azekura::answer::session::traces::Traces;
use azekura::answer::session::{FactSource, Mark, Session, SessionAnswer, judge};
use azekura::answer::verify::Verify;
use azekura::format::seal::ReadBack;

/// Rows of one list on paper.
pub const ROWS: usize = 200;

pub fn when(rfc3339: &str) -> String {
    paper_time(rfc3339, Lang::spoken())
}

/// The beginning of the session, as a source.
fn beginning(session: &Session) -> Vec<FactSource> {
    session.started.iter().map(|s| FactSource { line: s.line, file: String::new() }).collect()
}

/// Who did it, before whom, where, with what, and on which medium.
pub fn people(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.people");
    let at = beginning(session);
    let s = session.started.clone().unwrap_or_default();
    let row = |what, fact: CellValue, mark| -> Row { (what, fact, mark, at.clone()) };
    let said = |what, text: &str| match text {
        "" => row(what, CellValue::Nothing, Mark::Unknown),
        text => row(what, CellValue::Text(text.to_owned()), Mark::Good),
    };
    let device = s.device.as_deref().unwrap_or_default();
    let protected = match s.writable {
        Some(false) => row("page.fact.protected", CellValue::Said(message!("page.protected.yes")), Mark::Good),
        Some(true) => row("page.fact.protected", CellValue::Said(message!("page.protected.no")), Mark::Bad),
        None => row("page.fact.protected", CellValue::Nothing, Mark::Unknown),
    };
    let begun = match &s.time[..] {
        "" => row("page.fact.begun", CellValue::Nothing, Mark::Unknown),
        time => row("page.fact.begun", CellValue::Time(time.to_owned()), Mark::Good),
    };
    let program = match &s.program_sha256[..] {
        "" => row("page.fact.program", CellValue::Nothing, Mark::Unknown),
        digest => row("page.fact.program", CellValue::Code(digest.to_owned()), Mark::Good),
    };
    builder.facts(vec![
        said("page.fact.by", &s.by),
        said("page.fact.witness", &s.witness),
        said("page.fact.place", &s.location),
        begun,
        said("page.fact.host", &s.host),
        said("page.fact.tool", &s.tool),
        program,
        said("page.fact.medium", s.medium.as_deref().unwrap_or_default()),
        said("page.fact.device", device),
        protected,
    ]);
}

fn of_one(answer: &SessionAnswer) -> Vec<FactSource> {
    vec![answer.source.clone()]
}

/// The newest verification of each medium, and every one before that found something wrong: a later one does not undo
/// it.
fn verifications(session: &Session) -> Vec<(&Verify, &SessionAnswer)> {
    let newest: Vec<u64> = newest_of_media(session).iter().map(|(_, a)| a.source.line).collect();
    session.all(of_verify).filter(|(v, a)| newest.contains(&a.source.line) || judge::verify(v) == Mark::Bad).collect()
}

/// Whether the chain of seals is whole, by whose key, and whether paper says the same.
pub fn chain(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.chain");
    let verified = verifications(session);
    let nothing = |what| -> Row { (what, CellValue::Nothing, Mark::Unknown, Vec::new()) };
    if verified.is_empty() {
        let facts = ["page.fact.verified", "page.fact.paper", "page.fact.root-key"];
        return builder.facts(facts.map(nothing).into());
    }
    for (v, answer) in verified.iter().rev().take(ROWS) {
        builder.facts(verification(v, answer));
    }
    builder.words(&message!("page.root-key-on-paper"));
}

fn verification(v: &Verify, answer: &SessionAnswer) -> Vec<Row> {
    let last = v.generations.first.last().map_or(0, |g| g.generation);
    let elsewhere = v.objects_elsewhere.unwrap_or(0);
    let (objects, size, faults, damage) = (count(v.objects), bytes(v.bytes), count(v.faults.len()), count(v.damage.len()));
    let said = message!(
        "page.verified",
        name = v.set_name,
        generation = last,
        objects = objects,
        bytes = size,
        faults = faults,
        damage = damage
    );
    let said = match (elsewhere, v.read_back) {
        (0, ReadBack::Cached) => message!("page.verified-cached", said = said.to_string()),
        (0, _) => said,
        (n, _) => message!("page.verified-elsewhere", said = said.to_string(), count = count(n)),
    };
    let mark = answer.supported_mark(judge::verify(v), &[0]);
    // A code that was found in a chain that is not valid vouches for nothing.
    let paper_mark = match answer.supported_mark(judge::expected(v.expected.as_ref()), &[0]) {
        Mark::Good if mark == Mark::Bad => Mark::Unknown,
        paper => paper,
    };
    let paper = CellValue::optional(v.expected.as_ref(), |e| match e.generation.filter(|_| e.found) {
        Some(n) => CellValue::Said(message!("page.paper.found", generation = n)),
        None => CellValue::Said(message!("page.paper.not-found")),
    });
    // A label can claim any owner: only paper binds the chain to the hospital.
    let key_mark = if v.root_key.is_some() { paper_mark } else { Mark::Unknown };
    vec![
        ("page.fact.verified", CellValue::Said(said), mark, of_one(answer)),
        ("page.fact.paper", paper, paper_mark, of_one(answer)),
        (
            "page.fact.root-key",
            CellValue::optional(v.root_key.as_deref(), |k| CellValue::Code(k.to_owned())),
            key_mark,
            of_one(answer),
        ),
    ]
}

/// All comparisons with a generation, up to a limit.
pub fn comparisons(builder: &mut ReportBuilder, session: &Session, heading: &'static str) {
    builder.section(heading);
    let all: Vec<_> = session.all(of_compare).collect();
    let rows: Vec<Vec<CellValue>> = all.iter().take(ROWS).map(|(c, answer)| comparison(c, answer)).collect();
    let headings = [
        "page.head.generation",
        "page.head.tree",
        "class.identical",
        "class.outside-rules",
        "class.missing",
        "class.not-verified",
        "page.head.other",
        "page.head.mark",
        "page.head.source",
    ];
    builder.list(&headings, &rows, all.len().saturating_sub(ROWS) as u64);
}

fn comparison(c: &Compare, answer: &SessionAnswer) -> Vec<CellValue> {
    let n = &c.counts;
    let mut trees: Vec<&str> = c.sources.first.iter().take(8).filter_map(|s| s.tree.as_deref()).collect();
    trees.dedup();
    let tree = match c.with_generation {
        Some(with) => CellValue::Said(message!("page.with-generation", number = with)),
        None => CellValue::Code(trees.join(", ")),
    };
    vec![
        CellValue::Count(c.generation),
        tree,
        CellValue::Count(n.identical),
        CellValue::Count(n.outside_rules),
        CellValue::Count(n.missing),
        CellValue::Count(n.not_verified),
        CellValue::Count(other(c)),
        CellValue::Mark(answer.supported_mark(judge::compare(c), judge::compare_exits(c))),
        CellValue::Sources(of_one(answer)),
    ]
}

fn other(c: &Compare) -> u64 {
    c.counts.added.saturating_add(c.counts.updated).saturating_add(c.counts.renamed)
}

pub fn counts(c: &Compare) -> Message {
    let n = &c.counts;
    message!(
        "page.compared",
        identical = count(n.identical),
        outside = count(n.outside_rules),
        missing = count(n.missing),
        unread = count(n.not_verified),
        other = count(other(c))
    )
}

/// A generation with its check code, if a command answered it and no verification contradicts it.
pub fn generation(session: &Session, set: &str, number: u64, time: &str) -> (CellValue, Mark, Vec<FactSource>) {
    let (code, mark) = known_generation(session, set, number, time);
    let said = match &code {
        Some(code) => message!("page.generation", number = number, time = when(time), code = code.fact),
        None => message!("page.generation-no-code", number = number, time = when(time)),
    };
    (CellValue::Said(said), mark, code.map(|c| c.sources).unwrap_or_default())
}

/// Whether indicators were looked for in a generation, and how many were not.
pub fn searched(traces: Option<&Traces>, generation: u64, mark: Mark) -> Row {
    let found = traces.and_then(Traces::indicators);
    let said = CellValue::optional(found, |(Indicators { looked_for, passed_over }, c, _)| {
        let line = c.generations.first.iter().find(|g| g.generation == generation);
        let (hits, unhashed) = line.map_or((0, 0), |g| (g.hits, g.unhashed));
        CellValue::Said(message!(
            "page.searched",
            number = generation,
            hits = count(hits),
            count = count(looked_for),
            over = count(passed_over),
            unhashed = count(unhashed)
        ))
    });
    ("page.fact.indicators", said, mark, found.map(|(.., a)| of_one(a)).unwrap_or_default())
}

/// All facts about one restore.
pub fn restore_rows(session: &Session, r: &Restored) -> Vec<Row> {
    let restore = r.restore;
    let here = || of_one(r.answer);
    let (of, of_mark, of_sources) = generation(session, &restore.set, restore.generation, &restore.time);
    let done = message!(
        "page.restored",
        entries = count(restore.entries),
        files = count(restore.files),
        bytes = bytes(restore.bytes),
        lost = count(restore.not_restored.saturating_add(restore.entries_lost)),
        shortfalls = count(restore.shortfalls)
    );
    let done = match restore.lacking.len() {
        0 => done,
        lacking => message!("page.restored-lacking", said = done.to_string(), count = count(lacking)),
    };
    let done = if r.in_quarantine { message!("page.restored-quarantine", said = done.to_string()) } else { done };
    let compared = CellValue::optional(r.compare, |(c, _)| CellValue::Said(counts(c)));
    let sources = |answer: Option<&SessionAnswer>| answer.map(of_one).unwrap_or_default();
    let scan = CellValue::optional(restore.scan.as_ref(), |s| {
        let text = |t: Option<&str>| t.unwrap_or("-").printable();
        let (engine, signatures, date) =
            (text(s.engine.as_deref()), text(s.signatures.0.as_deref()), text(s.signature_date.as_deref()));
        CellValue::Said(message!("page.scanned", engine = engine, signatures = signatures, date = date, found = count(s.found())))
    });
    let (traces, signs_at) = signs(r);
    // It may use what any earlier generation stored.
    let damaged =
        r.verify.filter(|(v, _)| v.generations.first.iter().any(|g| g.generation == restore.generation)).map(|(v, _)| {
            let so_far = v.generations.first.iter().filter(|g| g.generation <= restore.generation);
            so_far.fold(0_u64, |sum, g| sum.saturating_add(g.damaged_objects))
        });
    let sealed = CellValue::optional(damaged, |damaged| CellValue::Said(message!("page.seal-read", damaged = count(damaged))));
    let to_mark = if restore.to.is_some() { Mark::Good } else { Mark::Unknown };
    vec![
        ("page.fact.generation", of, of_mark, of_sources),
        ("page.fact.to", CellValue::optional(restore.to.as_deref(), |to| CellValue::Code(to.to_owned())), to_mark, here()),
        ("page.fact.restored", CellValue::Said(done), r.itself(), here()),
        ("page.fact.seal", sealed, r.seal(), sources(r.verify.map(|(_, a)| a))),
        ("page.fact.compared", compared, r.compared(), sources(r.compare.map(|(_, a)| a))),
        ("page.fact.before-signs", traces, r.before_traces(), signs_at),
        searched(r.traces.as_ref(), restore.generation, r.searched()),
        ("page.fact.scan", scan, r.scanned(), if restore.scan.is_some() { here() } else { Vec::new() }),
    ]
}

/// What is known about signs of an intruder up to a restored generation. The alarm of its own seal counts too.
fn signs(r: &Restored) -> (CellValue, Vec<FactSource>) {
    let Some(traces) = r.traces.as_ref().filter(|_| !r.restore.has_alarm) else {
        let alarm = r.restore.has_alarm.then(|| CellValue::Said(message!("page.has-alarm")));
        let known = alarm.is_some() || r.in_quarantine;
        return (alarm.unwrap_or(CellValue::Nothing), if known { of_one(r.answer) } else { Vec::new() });
    };
    let said = match traces.last_clean() {
        Some(last) => message!("page.last-clean-is", number = last.generation),
        None => message!("page.no-clean"),
    };
    let first = traces.first_trace().map(|(_, a)| a.source.clone());
    let mut at: Vec<FactSource> = first.into_iter().chain(traces.newest().map(|(_, a)| a.source.clone())).collect();
    at.dedup();
    (CellValue::Said(said), at)
}
