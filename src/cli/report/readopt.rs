//! The record of re-adoption (再採用記録): restored data is declared the record of duty, by whom, with which proof.

use super::draft::{Draft, Fact};
use super::shared::{chain, people, restore_rows};
use crate::cli::ui::text::message;
use azekura::answer::session::restored::restored;
use azekura::answer::session::{Mark, Session};
use azekura::report::page::{Style, TableKind};

pub fn draft(session: &Session, generation: u64, by: &str, witness: &str) -> Draft {
    let mut draft = Draft::new("page.title.readopt");
    draft.section("page.section.declaration");
    draft.words(&message!("page.declaration", who = by, witness = witness, number = generation));
    let all: Vec<_> = restored(session).into_iter().filter(|r| r.restore.generation == generation).collect();
    // Each set counts its generations from 1: whoever signs must see which of them is meant.
    if all.iter().any(|r| r.restore.set != all[0].restore.set) {
        draft.caution("page.several-sets");
    }
    if all.is_empty() {
        draft.section("page.section.restored");
        let facts = [
            "page.fact.generation",
            "page.fact.restored",
            "page.fact.seal",
            "page.fact.compared",
            "page.fact.before-signs",
            "page.fact.indicators",
            "page.fact.scan",
        ];
        draft.facts(facts.map(|what| (what, Fact::Nothing, Mark::Unknown, Vec::new())).into());
    }
    for (r, number) in all.iter().zip(1u64..) {
        let heading = message!("page.restore-number", number = number, name = r.restore.set_name);
        draft.section_of("page.section.restored", heading.to_string());
        let mut rows = restore_rows(session, r);
        rows.push(("page.fact.whole", Fact::Nothing, r.whole(), vec![r.answer.source.clone()]));
        draft.facts(rows);
    }
    draft.words(&message!("page.whole-rule"));
    draft.caution("page.scan-proves-nothing");
    chain(&mut draft, session);
    people(&mut draft, session);
    draft.section("page.section.later-entry");
    draft.words(&message!("page.later-entry"));
    let headings = [
        ("page.head.system", Style::Plain),
        ("page.head.later-from", Style::Plain),
        ("page.head.later-to", Style::Plain),
        ("page.head.later-label", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.checked", Style::Tick),
    ];
    draft.form(TableKind::Form, &headings, &[], 4);
    draft.signatures(&["page.role.declarer", "page.role.witness", "page.role.officer", "page.role.director"]);
    draft
}
