//! `azekura verify`

use super::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::output::{Outcome, Table};
use crate::cli::ui::shown::Shown;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use crate::cli::ui::words;
use azekura::format::check_code::CheckCode;
use azekura::format::object::{Id, hex};
use azekura::format::seal::ReadBack;
use azekura::job::inspect::verify::{Expected, Options, Report, remember_damage, verify};
use azekura::set::open::OpenSet;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Findings of one kind that are shown; `--json` has all.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "CODE", value_parser = crate::cli::ui::values::check_code)]
    expect: Option<CheckCode>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let from = context.medium(args.medium.as_deref())?;
    let set = OpenSet::open(&from, args.set, context.loader())?.id;
    let known = known(context, set)?;
    let options = Options { from, set: Some(set), expect: args.expect, known };
    let report = {
        let progress = context.progress();
        verify(&options, &context.env(args.threads.map(usize::from)), &progress)?
    };
    talk(&report, context);
    if let Some(mut catalog) = context.catalog()?
        && remember_damage(report.set, &report.damage, &mut catalog)? > 0
    {
        context.talk(&message!("verify.remembered"));
    }
    let exit = if report.is_good() { Exit::Good } else { Exit::Damage };
    Ok(Outcome { exit, text: text(&report), json: as_json(&report) })
}

/// What this host knows of the set. A host that has never written it knows nothing.
fn known(context: &Context, set: Id) -> Result<Vec<(u64, [u8; 32])>, Explained> {
    let Some(catalog) = context.catalog()? else { return Ok(Vec::new()) };
    let Some(row) = catalog.set(set)? else { return Ok(Vec::new()) };
    Ok(catalog.last_seals(row)?)
}

fn talk(report: &Report, context: &Context) {
    let faults = report.faults.iter().map(words::fault);
    let damage = report.damage.iter().map(words::damage);
    let foreign = report.foreign.iter().map(|name| message!("verify.foreign", name = name));
    for list in [faults.collect::<Vec<_>>(), damage.collect(), foreign.collect()] {
        list.iter().take(SHOWN).for_each(|m| context.warn(m));
        if list.len() > SHOWN {
            context.warn(&message!("talk.more-findings", count = count((list.len() - SHOWN) as u64)));
        }
    }
    if !report.leftovers.is_empty() {
        // What cannot be read may be the seal of a generation that they belong to.
        let message = match report.faults.is_empty() {
            true => message!("verify.leftovers", count = count(report.leftovers.len() as u64)),
            false => message!("verify.unsealed", count = count(report.leftovers.len() as u64)),
        };
        context.talk(&message);
    }
}

fn text(report: &Report) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = report.set_name, id = report.set).to_string());
    table.row(find("label.generations"), count(report.generations.len() as u64));
    let (objects, size) = (count(report.objects), bytes(report.bytes));
    table.row(find("label.checked"), message!("verify.checked", objects = objects, bytes = size).to_string());
    if report.place > 1 {
        table.row(
            find("label.medium"),
            message!("verify.place", number = report.place, count = count(report.elsewhere)).to_string(),
        );
    }
    table.row(find("label.read-back"), words::read_back(report.read_back).to_string());
    for (label, expected) in [("label.expected", report.expected), ("label.known", report.known)] {
        if let Some(e) = expected {
            table.row(find(label), compared(e).to_string());
        }
    }
    if let Some(last) = report.generations.last() {
        table.row(find("label.check-code"), last.check_code.shown());
    }
    table.row(find("label.result"), result(report).to_string());
    table.text()
}

fn compared(expected: Expected) -> Message {
    match expected {
        Expected::Found { generation, newer: 0 } => message!("expected.newest", generation = generation),
        Expected::Found { generation, newer } => message!("expected.older", generation = generation, newer = newer),
        Expected::NotFound => message!("expected.not-found"),
    }
}

fn result(report: &Report) -> Message {
    match (report.is_good(), report.read_back) {
        (true, ReadBack::Direct | ReadBack::Dropped) => message!("verify.good"),
        (true, ReadBack::Cached) => message!("verify.cached"),
        (false, _) if report.generations.is_empty() => message!("generations.none"),
        (false, _) => message!("verify.bad"),
    }
}

fn as_json(report: &Report) -> Value {
    let generations: Vec<Value> = report
        .generations
        .iter()
        .map(|g| {
            json!({
                "generation": g.generation,
                "time": g.time,
                "check_code": g.check_code.to_string(),
                "verdict": g.verdict.name(),
                "read_back": g.read_back.name(),
                "trusted": g.trusted,
                "objects": g.objects,
                "bytes": g.bytes,
                "damaged_objects": g.damaged,
            })
        })
        .collect();
    let expected = |e: Option<Expected>| match e {
        None => Value::Null,
        Some(Expected::Found { generation, newer }) => json!({ "found": true, "generation": generation, "newer": newer }),
        Some(Expected::NotFound) => json!({ "found": false }),
    };
    json!({
        "set": report.set.to_string(),
        "set_name": report.set_name,
        "good": report.is_good(),
        "root_key": report.root_key.map(|key| hex(&key)),
        "generations": generations,
        "faults": report.faults.iter().map(words::fault_json).collect::<Vec<_>>(),
        "damage": report.damage.iter().map(words::damage_json).collect::<Vec<_>>(),
        "foreign": report.foreign,
        "place": report.place,
        "objects_elsewhere": report.elsewhere,
        "leftover_objects": report.leftovers.len(),
        "objects": report.objects,
        "bytes": report.bytes,
        "read_back": report.read_back.name(),
        "expected": expected(report.expected),
        "known": expected(report.known),
    })
}
