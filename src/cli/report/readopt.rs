//! The record of re-adoption (再採用記録): who declares restored data the record of duty, and with which proof.

use super::builder::{CellValue, ReportBuilder};
use super::shared::{chain, people, restore_rows};
use crate::cli::ui::text::message;
use azekura::answer::session::restored::restored;
use azekura::answer::session::{Mark, Session};
use azekura::report::page::{Style, TableKind};

pub fn build(session: &Session, generation: u64, by: &str, witness: &str) -> ReportBuilder {
    let mut builder = ReportBuilder::new("page.title.readopt");
    builder.section("page.section.declaration");
    builder.words(&message!("page.declaration", who = by, witness = witness, number = generation));
    let all: Vec<_> = restored(session).into_iter().filter(|r| r.restore.generation == generation).collect();
    // Each set counts its generations from 1: whoever signs must see which of them is meant.
    if all.iter().any(|r| r.restore.set != all[0].restore.set) {
        builder.caution("page.several-sets");
    }
    if all.is_empty() {
        builder.section("page.section.restored");
        let facts = [
            "page.fact.generation",
            "page.fact.restored",
            "page.fact.seal",
            "page.fact.compared",
            "page.fact.before-signs",
            "page.fact.indicators",
            "page.fact.scan",
        ];
        builder.facts(facts.map(|what| (what, CellValue::Nothing, Mark::Unknown, Vec::new())).into());
    }
    for (r, number) in all.iter().zip(1u64..) {
        let heading = message!("page.restore-number", number = number, name = r.restore.set_name);
        builder.section_of("page.section.restored", heading.to_string());
        let mut rows = restore_rows(session, r);
        rows.push(("page.fact.whole", CellValue::Nothing, r.whole(), vec![r.answer.source.clone()]));
        builder.facts(rows);
    }
    builder.words(&message!("page.whole-rule"));
    builder.caution("page.scan-proves-nothing");
    chain(&mut builder, session);
    people(&mut builder, session);
    builder.section("page.section.later-entry");
    builder.words(&message!("page.later-entry"));
    let headings = [
        ("page.head.system", Style::Plain),
        ("page.head.later-from", Style::Plain),
        ("page.head.later-to", Style::Plain),
        ("page.head.later-label", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.checked", Style::Tick),
    ];
    builder.form(TableKind::Form, &headings, &[], 4);
    builder.signatures(&["page.role.declarer", "page.role.witness", "page.role.officer", "page.role.director"]);
    builder
}
