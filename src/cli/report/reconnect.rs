//! The trail for reconnection (再接続用証跡): what was restored, out of which generation, and what was found of it
//! afterwards.

use super::builder::{CellValue, ReportBuilder};
use super::shared::{chain, people, restore_rows};
use crate::cli::ui::text::message;
use azekura::answer::session::Session;
use azekura::answer::session::restored::restored;
use azekura::report::page::{Style, TableKind};

pub fn build(session: &Session) -> ReportBuilder {
    let mut builder = ReportBuilder::new("page.title.reconnect");
    people(&mut builder, session);
    builder.section("page.section.summary");
    let all = restored(session);
    let rows: Vec<Vec<CellValue>> = all
        .iter()
        .zip(1..)
        .map(|(r, number)| {
            vec![
                CellValue::Count(number),
                CellValue::Time(r.answer.time.clone()),
                CellValue::Text(r.restore.set_name.to_string()),
                CellValue::Count(r.restore.generation),
                CellValue::Count(r.restore.files),
                CellValue::Mark(r.whole()),
                CellValue::Sources(vec![r.answer.source.clone()]),
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
    builder.list(&headings, &rows, 0);
    builder.words(&message!("page.whole-rule"));
    for (r, number) in all.iter().zip(1u64..) {
        let heading = message!("page.restore-number", number = number, name = r.restore.set_name);
        builder.section_of("page.section.restored", heading.to_string());
        builder.facts(restore_rows(session, r));
    }
    builder.caution("page.scan-proves-nothing");
    chain(&mut builder, session);
    builder.section("page.section.hosts");
    let headings = [
        ("page.head.host", Style::Plain),
        ("page.head.system", Style::Plain),
        ("page.head.rebuilt", Style::Plain),
        ("page.head.date", Style::Plain),
        ("page.head.told-by", Style::Plain),
        ("page.head.checked", Style::Tick),
    ];
    builder.form(TableKind::Form, &headings, &[], 8);
    builder.signatures(&["page.role.author", "page.role.vendor", "page.role.officer", "page.role.director"]);
    builder
}
