//! The statement on authenticity (真正性の説明書) for a period: what happened in it, what is provably older, and what is not
//! known.

use super::builder::{CellValue, ReportBuilder};
use super::shared::{ROWS, chain, comparisons, generation, people, when};
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use azekura::answer::exact;
use azekura::answer::history::{Happened, PeriodHistory, What};
use azekura::answer::proof::Proof;
use azekura::answer::session::answers::{of_period, of_proof, of_stamp};
use azekura::answer::session::restored::check_code;
use azekura::answer::session::{Mark, Session, SessionAnswer, judge};
use azekura::env::time_text;
use azekura::format::cbor::Time;

pub fn build(session: &Session, since: Option<i64>, until: Option<i64>) -> ReportBuilder {
    let at = |seconds: Option<i64>| seconds.map(|seconds| time_text(Time { seconds, nanoseconds: 0 }));
    let (since, until) = (at(since), at(until));
    let mut builder = ReportBuilder::new("page.title.authenticity");
    people(&mut builder, session);
    if let Some(since) = &since {
        builder.section("page.section.period");
        let until = until.as_deref().map_or_else(|| find("page.open-end"), when);
        builder.words(&message!("page.period", since = when(since), until = until));
    }
    let asked =
        |p: &PeriodHistory| since.is_none() || (p.since.as_deref() == since.as_deref() && p.until.as_deref() == until.as_deref());
    let periods: Vec<_> = session.all(of_period).filter(|(p, _)| asked(p)).collect();
    if periods.is_empty() {
        builder.section("page.section.happened");
        let facts = ["page.fact.created", "page.fact.changed", "page.fact.gone", "page.fact.older"];
        builder.facts(facts.map(|what| (what, CellValue::Nothing, Mark::Unknown, Vec::new())).into());
    }
    for (p, answer) in periods {
        period(&mut builder, session, p, answer);
    }
    chain(&mut builder, session);
    stamps(&mut builder, session);
    proofs(&mut builder, session);
    comparisons(&mut builder, session, "page.section.compared");
    builder.section("page.section.unknown");
    let unknown = [
        message!("page.unknown.between"),
        message!("page.unknown.who"),
        message!("page.unknown.before"),
        message!("page.unknown.clock"),
        message!("page.unknown.paper"),
    ];
    unknown.iter().for_each(|u| builder.words(u));
    builder.signatures(&["page.role.author", "page.role.officer", "page.role.director"]);
    builder
}

fn period(builder: &mut ReportBuilder, session: &Session, p: &PeriodHistory, answer: &SessionAnswer) {
    let since = p.since.as_deref().map_or_else(|| find("page.open-begin"), when);
    let until = p.until.as_deref().map_or_else(|| find("page.open-end"), when);
    let heading = message!("page.happened-between", name = p.set_name, since = since, until = until);
    builder.section_of("page.section.happened", heading.to_string());
    let here = || vec![answer.source.clone()];
    let is_sound = if p.faults.is_empty() && !p.generations.is_empty() { Mark::Good } else { Mark::Unknown };
    let is_sound = answer.supported_mark(is_sound, &[0]);
    let older = CellValue::optional(p.older.zip(p.older_bytes), |(files, size)| {
        CellValue::Said(message!("history.older-files", files = count(files), bytes = bytes(size)))
    });
    let (before, before_mark, mut before_at) = match &p.before {
        Some(b) => generation(session, &p.set, b.generation, &b.time),
        None => (CellValue::Said(message!("history.no-generation")), Mark::Unknown, Vec::new()),
    };
    if p.before.is_some() {
        before_at.push(answer.source.clone());
    }
    let older_mark = if p.older.is_some() { is_sound } else { Mark::Unknown };
    builder.facts(vec![
        ("page.fact.created", CellValue::Count(p.created), is_sound, here()),
        ("page.fact.changed", CellValue::Count(p.changed), is_sound, here()),
        ("page.fact.gone", CellValue::Count(p.gone), is_sound, here()),
        ("page.fact.before", before, before_mark, before_at),
        ("page.fact.older", older, older_mark, here()),
    ]);
    let rows: Vec<Vec<CellValue>> = p.happened.first.iter().map(happened).collect();
    builder.list(&["page.head.time", "page.head.generation", "page.head.event", "page.head.path"], &rows, p.happened.more);
    // An older version recorded only the counts.
    if p.happened.len() < p.created.saturating_add(p.changed).saturating_add(p.gone) {
        builder.words(&message!("page.list-not-recorded"));
    }
}

fn happened(h: &Happened) -> Vec<CellValue> {
    let what: Message = match h.what {
        What::Created => message!("history.created"),
        What::Changed => message!("history.changed"),
        What::Gone => message!("history.gone"),
        What::Older => message!("history.older"),
    };
    let path = exact(&h.path, h.path_hex.as_deref());
    vec![CellValue::Time(h.time.to_string()), CellValue::Count(h.generation), CellValue::Said(what), CellValue::Name(path)]
}

/// Time stamps. The import has checked that a reply is for the seal, but not who signed it.
fn stamps(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.stamps");
    let rows: Vec<Vec<CellValue>> = session
        .all(of_stamp)
        .take(ROWS)
        .map(|(s, answer)| {
            let mark = match check_code(session, &s.set, s.generation, &s.time) {
                Some(code) if code.fact == *s.check_code => Mark::Partly,
                Some(_) => Mark::Bad,
                None => Mark::Unknown,
            };
            vec![
                CellValue::Count(s.generation),
                CellValue::Code(s.check_code.to_string()),
                CellValue::Time(s.stamped.to_string()),
                CellValue::Code(s.serial.to_string()),
                CellValue::Mark(answer.supported_mark(mark, &[0])),
                CellValue::Sources(vec![answer.source.clone()]),
            ]
        })
        .collect();
    let headings = [
        "page.head.generation",
        "page.head.check-code",
        "page.head.stamped",
        "page.head.serial",
        "page.head.mark",
        "page.head.source",
    ];
    builder.list(&headings, &rows, 0);
    builder.words(&message!("page.stamp-unsigned"));
}

/// Single records that were shown against the seals. Only `check-proof` compares them with paper.
fn proofs(builder: &mut ReportBuilder, session: &Session) {
    builder.section("page.section.proofs");
    let row = |(p, answer): (&Proof, &SessionAnswer)| {
        vec![
            CellValue::Code(p.path.to_string()),
            CellValue::Count(p.generation),
            CellValue::Code(p.check_code.to_string()),
            CellValue::Mark(answer.supported_mark(judge::proved(p), &[0])),
            CellValue::Sources(vec![answer.source.clone()]),
        ]
    };
    let rows: Vec<Vec<CellValue>> = session.all(of_proof).take(ROWS).map(row).collect();
    let headings = ["page.head.path", "page.head.generation", "page.head.check-code", "page.head.mark", "page.head.source"];
    builder.list(&headings, &rows, 0);
}
