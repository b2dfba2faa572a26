//! `compare --html`: the result as a page to print. It has the frame of the reports; its list ends where `--csv` goes on.

use super::{SHOWN_FIRST, class_of, exit, reason, rules};
use crate::cli::context::Context;
use crate::cli::environment::{absolute, now};
use crate::cli::report::draft::{Draft, Fact};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::write_new;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{count, day_in_japan, paper_day, paper_time};
use crate::cli::ui::words;
use azekura::env::TOOL;
use azekura::job::compare::{Class, Difference, Report};
use azekura::report::due::wareki;
use std::path::Path;

/// Files of one class on paper.
pub const LISTED: usize = 200;

/// Writes the page. `shown` has some differences of each class of [`SHOWN_FIRST`].
pub fn write(out: &Path, report: &Report, shown: &[Vec<Difference>], context: &Context) -> Result<(), Explained> {
    let html = draft(report, shown).html();
    write_new(&absolute(out), html.as_bytes())?;
    context.keep("compare", html.into_bytes());
    Ok(())
}

fn draft(report: &Report, shown: &[Vec<Difference>]) -> Draft {
    let mut draft = Draft::new("page.title.compare");
    draft.under(&message!("page.under.set", name = report.set_name, id = report.set));
    let when = |rfc3339: &str| paper_time(rfc3339, Lang::spoken());
    draft.under(&message!("page.compare.generation", number = report.generation, time = when(&report.time)));
    if let Some((number, time)) = &report.with {
        draft.under(&message!("page.compare.with", number = number, time = when(time)));
    }
    if let Some(today) = day_in_japan(now().seconds) {
        let era = wareki(today).unwrap_or_default();
        draft.under(&message!("page.under.made", date = paper_day(today, Lang::spoken()), era = era));
    }
    if !report.trusted || !report.faults.is_empty() || report.entries_lost > 0 {
        draft.alarm(&message!("page.compare.untrusted"));
        report.faults.iter().take(20).for_each(|f| draft.alarm(&words::fault(f)));
    }
    result(&mut draft, report);
    draft.section("page.section.differences");
    let mut rows = Vec::new();
    for (of, differences) in SHOWN_FIRST.iter().zip(shown) {
        rows.extend(differences.iter().take(LISTED).map(|d| row(report, d)));
        let more = report.counts.of(*of).saturating_sub(differences.len().min(LISTED) as u64);
        if more > 0 {
            let said = message!("page.more-list", count = count(more));
            rows.push(vec![Fact::Text(class_of(report, *of)), Fact::Said(said), Fact::Nothing, Fact::Nothing, Fact::Nothing]);
        }
    }
    let headings = ["page.head.class", "page.head.path", "page.head.reason", "label.size-before", "label.size-after"];
    match rows.is_empty() {
        true => draft.words(&message!("page.compare.none")),
        false => draft.list(&headings, &rows, 0),
    }
    draft.signatures(&["page.role.author", "page.role.witness"]);
    draft.foot(&message!("page.foot.tool", tool = TOOL));
    draft
}

fn result(draft: &mut Draft, report: &Report) {
    draft.section("page.section.result");
    let said: Message = match exit(report) {
        Exit::Good => message!("compare.good"),
        Exit::Incomplete => message!("compare.not-verified"),
        _ => message!("compare.bad"),
    };
    draft.words(&said);
    let sources: Vec<Vec<Fact>> = report
        .sources
        .iter()
        .map(|s| {
            let tree = s.path.as_ref().map_or(Fact::Nothing, |p| Fact::Name(p.as_os_str().as_encoded_bytes().to_vec()));
            vec![Fact::Name(s.name.clone()), Fact::Text(rules(s.rules)), tree]
        })
        .collect();
    draft.list(&["page.head.of-source", "page.head.rules", "page.head.tree"], &sources, 0);
    let counts: Vec<Vec<Fact>> =
        Class::ALL.iter().map(|c| vec![Fact::Text(class_of(report, *c)), Fact::Count(report.counts.of(*c))]).collect();
    draft.list(&["page.head.class", "page.head.files"], &counts, 0);
    if !report.not_compared.is_empty() {
        let names: Vec<Vec<Fact>> = report.not_compared.iter().map(|n| vec![Fact::Name(n.clone())]).collect();
        draft.list(&["page.head.not-compared"], &names, 0);
    }
}

fn row(report: &Report, d: &Difference) -> Vec<Fact> {
    let size = |seen: Option<u64>| seen.map_or(Fact::Nothing, Fact::Count);
    let path = match &d.former {
        Some(former) => Fact::Said(message!("compare.from-to", former = former, path = d.path)),
        None => Fact::Name(d.path.clone()),
    };
    let (before, after) = (d.before.map(|s| s.size), d.after.map(|s| s.size));
    vec![Fact::Text(class_of(report, d.class)), path, Fact::Text(reason(d.reason)), size(before), size(after)]
}
