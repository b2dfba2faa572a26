//! The trail for reconnection (再接続用証跡): what was restored, out of which generation, and what was found of it afterwards.

use super::draft::{Draft, Fact};
use super::shared::{chain, people, restore_rows};
use crate::cli::ui::text::message;
use azekura::answer::session::Session;
use azekura::answer::session::restored::restored;
use azekura::report::page::{Style, TableKind};

pub fn draft(session: &Session) -> Draft {
    let mut draft = Draft::new("page.title.reconnect");
    people(&mut draft, session);
    draft.section("page.section.summary");
    let all = restored(session);
    let rows: Vec<Vec<Fact>> = all
        .iter()
        .zip(1..)
        .map(|(r, number)| {
            vec![
                Fact::Count(number),
                Fact::Time(r.answer.time.clone()),
                Fact::Text(r.restore.set_name.to_string()),
                Fact::Count(r.restore.generation),
                Fact::Count(r.restore.files),
                Fact::Mark(r.whole()),
                Fact::Sources(vec![r.answer.source.clone()]),
            ]
        })
        .collect();
    let headings = [
        "page.head.number",
        "page.head.restored-at",
        "page.head.set",
        "page.head.generation",
        "page.head.files",
        "page.head.mark",
        "page.head.source",
    ];
    draft.list(&headings, &rows, 0);
    draft.words(&message!("page.whole-rule"));
    for (r, number) in all.iter().zip(1u64..) {
        let heading = message!("page.restore-number", number = number, name = r.restore.set_name);
        draft.section_of("page.section.restored", heading.to_string());
        draft.facts(restore_rows(session, r));
    }
    draft.caution("page.scan-proves-nothing");
    chain(&mut draft, session);
    draft.section("page.section.hosts");
    let headings = [
        ("page.head.host", Style::Plain),
        ("page.head.system", Style::Plain),
        ("page.head.rebuilt", Style::Plain),
        ("page.head.date", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.checked", Style::Tick),
    ];
    draft.form(TableKind::Form, &headings, &[], 8);
    draft.signatures(&["page.role.author", "page.role.vendor", "page.role.officer", "page.role.director"]);
    draft
}
