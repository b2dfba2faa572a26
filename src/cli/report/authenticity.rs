//! The statement on authenticity (真正性の説明書) for a period: what happened in it, what is provably older, and what is not known.

use super::draft::{Draft, Fact};
use super::shared::{ROWS, chain, comparisons, generation, people, when};
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use azekura::answer::exact;
use azekura::answer::history::{Happened, PeriodHistory, What};
use azekura::answer::session::answers::{of_checked_proof, of_period, of_proof, of_stamp};
use azekura::answer::session::restored::check_code;
use azekura::answer::session::{Answer, Mark, Session, judge};
use azekura::env::time_text;
use azekura::format::cbor::Time;

pub fn draft(session: &Session, since: Option<i64>, until: Option<i64>) -> Draft {
    let at = |seconds: Option<i64>| seconds.map(|seconds| time_text(Time { seconds, nanoseconds: 0 }));
    let (since, until) = (at(since), at(until));
    let mut draft = Draft::new("page.title.authenticity");
    people(&mut draft, session);
    if let Some(since) = &since {
        draft.section("page.section.period");
        let until = until.as_deref().map_or_else(|| find("page.open-end"), when);
        draft.words(&message!("page.period", since = when(since), until = until));
    }
    let asked =
        |p: &PeriodHistory| since.is_none() || (p.since.as_deref() == since.as_deref() && p.until.as_deref() == until.as_deref());
    let periods: Vec<_> = session.all(of_period).filter(|(p, _)| asked(p)).collect();
    if periods.is_empty() {
        draft.section("page.section.happened");
        let facts = ["page.fact.created", "page.fact.changed", "page.fact.gone", "page.fact.older"];
        draft.facts(facts.map(|what| (what, Fact::Nothing, Mark::Unknown, Vec::new())).into());
    }
    for (p, answer) in periods {
        period(&mut draft, session, p, answer);
    }
    chain(&mut draft, session);
    stamps(&mut draft, session);
    proofs(&mut draft, session);
    comparisons(&mut draft, session, "page.section.compared");
    draft.section("page.section.unknown");
    let unknown = [
        message!("page.unknown.between"),
        message!("page.unknown.who"),
        message!("page.unknown.before"),
        message!("page.unknown.clock"),
        message!("page.unknown.paper"),
    ];
    unknown.iter().for_each(|u| draft.words(u));
    draft.signatures(&["page.role.author", "page.role.officer", "page.role.director"]);
    draft
}

fn period(draft: &mut Draft, session: &Session, p: &PeriodHistory, answer: &Answer) {
    let since = p.since.as_deref().map_or_else(|| find("page.open-begin"), when);
    let until = p.until.as_deref().map_or_else(|| find("page.open-end"), when);
    let heading = message!("page.happened-between", name = p.set_name, since = since, until = until);
    draft.section_of("page.section.happened", heading.to_string());
    let here = || vec![answer.source.clone()];
    let is_sound = if p.faults.is_empty() && !p.generations.is_empty() { Mark::Good } else { Mark::Unknown };
    let is_sound = answer.sure(is_sound, &[0]);
    let older = Fact::optional(p.older.zip(p.older_bytes), |(files, size)| {
        Fact::Said(message!("history.older-files", files = count(files), bytes = bytes(size)))
    });
    let (before, before_mark, mut before_at) = match &p.before {
        Some(b) => generation(session, &p.set, b.generation, &b.time),
        None => (Fact::Said(message!("history.no-generation")), Mark::Unknown, Vec::new()),
    };
    if p.before.is_some() {
        before_at.push(answer.source.clone());
    }
    let older_mark = if p.older.is_some() { is_sound } else { Mark::Unknown };
    draft.facts(vec![
        ("page.fact.created", Fact::Count(p.created), is_sound, here()),
        ("page.fact.changed", Fact::Count(p.changed), is_sound, here()),
        ("page.fact.gone", Fact::Count(p.gone), is_sound, here()),
        ("page.fact.before", before, before_mark, before_at),
        ("page.fact.older", older, older_mark, here()),
    ]);
    let rows: Vec<Vec<Fact>> = p.happened.first.iter().map(happened).collect();
    draft.list(&["page.head.time", "page.head.generation", "page.head.event", "page.head.path"], &rows, p.happened.more);
    // What an older version recorded has the counts alone.
    if p.happened.len() < p.created.saturating_add(p.changed).saturating_add(p.gone) {
        draft.words(&message!("page.list-not-recorded"));
    }
}

fn happened(h: &Happened) -> Vec<Fact> {
    let what: Message = match h.what {
        What::Created => message!("history.created"),
        What::Changed => message!("history.changed"),
        What::Gone => message!("history.gone"),
        What::Older => message!("history.older"),
    };
    let path = exact(&h.path, h.path_hex.as_deref());
    vec![Fact::Time(h.time.to_string()), Fact::Count(h.generation), Fact::Said(what), Fact::Name(path)]
}

/// Times from outside. That a reply is over the seal was seen when it was imported; who signed it was not.
fn stamps(draft: &mut Draft, session: &Session) {
    draft.section("page.section.stamps");
    let rows: Vec<Vec<Fact>> = session
        .all(of_stamp)
        .take(ROWS)
        .map(|(s, answer)| {
            let mark = match check_code(session, &s.set, s.generation, &s.time) {
                Some(code) if code.fact == *s.check_code => Mark::Partly,
                Some(_) => Mark::Bad,
                None => Mark::Unknown,
            };
            vec![
                Fact::Count(s.generation),
                Fact::Code(s.check_code.to_string()),
                Fact::Time(s.stamped.to_string()),
                Fact::Code(s.serial.to_string()),
                Fact::Mark(answer.sure(mark, &[0])),
                Fact::Sources(vec![answer.source.clone()]),
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
    draft.list(&headings, &rows, 0);
    draft.words(&message!("page.stamp-unsigned"));
}

/// Single records that were shown against the seals. Only `check-proof` holds them against paper.
fn proofs(draft: &mut Draft, session: &Session) {
    draft.section("page.section.proofs");
    let row = |path: &str, generation, code: &str, mark, answer: &Answer| {
        let fields = vec![
            Fact::Code(path.to_owned()),
            Fact::Count(generation),
            Fact::Code(code.to_owned()),
            Fact::Mark(answer.sure(mark, &[0])),
            Fact::Sources(vec![answer.source.clone()]),
        ];
        (answer.source.line, fields)
    };
    let made = session.all(of_proof).map(|(p, a)| row(&p.path, p.generation, &p.check_code, Mark::Unknown, a));
    let checked = session.all(of_checked_proof).map(|(p, a)| row(&p.path, p.generation, &p.check_code, judge::proved(p), a));
    let mut rows: Vec<_> = made.chain(checked).collect();
    rows.sort_by_key(|(line, _)| *line);
    let rows: Vec<Vec<Fact>> = rows.into_iter().map(|(_, fields)| fields).take(ROWS).collect();
    let headings = ["page.head.path", "page.head.generation", "page.head.check-code", "page.head.mark", "page.head.source"];
    draft.list(&headings, &rows, 0);
}
