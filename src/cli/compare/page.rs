//! `compare --html`: the result as a page to print. It has the frame of the reports; its list ends where `--csv` goes
//! on.

use super::{SHOWN_FIRST, Shown, class_counts, class_of, class_of_more, reason, result, rules};
use crate::cli::context::Context;
use crate::cli::environment::{absolute, now};
use crate::cli::report::builder::{CellValue, ReportBuilder};
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::write_new;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{count, day_in_japan, paper_day, paper_time};
use azekura::answer::compare::{Compare, ComparedSource, NotCompared};
use azekura::answer::exact;
use azekura::env::TOOL;
use azekura::report::due::wareki;
use std::path::Path;

/// Files of one class on paper.
pub const LISTED: usize = 200;

/// Writes the page. `shown` has some differences of each class of [`SHOWN_FIRST`].
pub fn write(out: &Path, answer: &Compare, shown: &[Vec<Shown>], context: &Context) -> Result<(), CommandError> {
    let html = build(answer, shown).html();
    write_new(&absolute(out), html.as_bytes())?;
    context.keep("compare", html.into_bytes());
    Ok(())
}

fn build(answer: &Compare, shown: &[Vec<Shown>]) -> ReportBuilder {
    let mut builder = ReportBuilder::new("page.title.compare");
    builder.under(&message!("page.under.set", name = answer.set_name, id = answer.set));
    let when = |rfc3339: &str| paper_time(rfc3339, Lang::spoken());
    builder.under(&message!("page.compare.generation", number = answer.generation, time = when(&answer.time)));
    if let Some((number, time)) = answer.with_generation.zip(answer.with_time.as_deref()) {
        builder.under(&message!("page.compare.with", number = number, time = when(time)));
    }
    if let Some(today) = day_in_japan(now().seconds) {
        let era = wareki(today).unwrap_or_default();
        builder.under(&message!("page.under.made", date = paper_day(today, Lang::spoken()), era = era));
    }
    if !answer.trusted || !answer.faults.is_empty() || answer.entries_lost > 0 {
        builder.alarm(&message!("page.compare.untrusted"));
        answer.faults.first.iter().take(20).for_each(|f| builder.alarm(&Message::plain(&f.text)));
    }
    facts(&mut builder, answer);
    builder.section("page.section.differences");
    let mut rows = Vec::new();
    for (of, differences) in SHOWN_FIRST.iter().zip(shown) {
        rows.extend(differences.iter().take(LISTED).map(|d| row(answer, d)));
        let more = answer.counts.of(*of).saturating_sub(differences.len().min(LISTED) as u64);
        if more > 0 {
            let said = message!("page.more-list", count = count(more));
            rows.push(vec![
                CellValue::Text(class_of_more(answer, *of)),
                CellValue::Said(said),
                CellValue::Nothing,
                CellValue::Nothing,
                CellValue::Nothing,
            ]);
        }
    }
    let headings = ["page.head.class", "page.head.path", "page.head.reason", "label.size-before", "label.size-after"];
    match rows.is_empty() {
        true => builder.words(&message!("page.compare.none")),
        false => builder.list(&headings, &rows, 0),
    }
    builder.signatures(&["page.role.author", "page.role.witness"]);
    builder.foot(&message!("page.foot.tool", tool = TOOL));
    builder
}

fn facts(builder: &mut ReportBuilder, answer: &Compare) {
    builder.section("page.section.result");
    if answer.exact {
        builder.words(&message!("page.compare.exact"));
    }
    builder.words(&result(answer));
    let source = |s: &ComparedSource| {
        let tree = CellValue::optional(s.tree.as_deref(), |tree| CellValue::Name(exact(tree, s.tree_hex.as_deref())));
        vec![CellValue::Name(exact(&s.name, s.name_hex.as_deref())), CellValue::Text(rules(s.rules)), tree]
    };
    let sources: Vec<Vec<CellValue>> = answer.sources.first.iter().map(source).collect();
    builder.list(&["page.head.of-source", "page.head.rules", "page.head.tree"], &sources, 0);
    let counts: Vec<Vec<CellValue>> =
        class_counts(answer).into_iter().map(|(name, n)| vec![CellValue::Text(name), CellValue::Count(n)]).collect();
    builder.list(&["page.head.class", "page.head.files"], &counts, 0);
    if !answer.not_compared.is_empty() {
        let name = |s: &NotCompared| vec![CellValue::Name(exact(&s.name, s.name_hex.as_deref()))];
        let names: Vec<Vec<CellValue>> = answer.not_compared.first.iter().map(name).collect();
        builder.list(&["page.head.not-compared"], &names, 0);
    }
}

fn row(answer: &Compare, (d, of): &Shown) -> Vec<CellValue> {
    let size = |seen: Option<u64>| seen.map_or(CellValue::Nothing, CellValue::Count);
    let path = match &d.former {
        Some(former) => CellValue::Said(message!("compare.from-to", former = former, path = d.path)),
        None => CellValue::Name(d.path.clone()),
    };
    let (before, after) = (d.before.map(|s| s.size), d.after.map(|s| s.size));
    vec![
        CellValue::Text(class_of(d.class, *of, answer.exact)),
        path,
        CellValue::Text(reason(d.reason)),
        size(before),
        size(after),
    ]
}
