//! `azekura generations`: the sets on a medium and their generations, from labels and seals; with a key also from
//! manifests.

mod clean;

use super::caged::{self, Needs};
use super::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count, time};
use crate::cli::ui::words;
use azekura::answer::facts::FaultName;
use azekura::answer::generations::{self as answer, BytesOfMedium, Generation, Generations, SetOfGenerations, SourceName};
use azekura::answer::name;
use azekura::format::object::Id;
use azekura::job::inspect::generations::{Details, GenerationReport, SetReport, generations, generations_of_all};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, conflicts_with = "clean")]
    media: bool,
    #[arg(long)]
    clean: bool,
    #[arg(long, value_name = "FILE", requires = "clean")]
    ioc: Option<PathBuf>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    if args.clean {
        return clean::run(args, context);
    }
    let from = context.medium(args.medium.as_deref())?;
    let identity = context.optional_identity(args.identity.as_deref())?;
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let env = context.env(None);
    let mut reports = match args.set {
        None => generations_of_all(&from, identity.as_ref(), &env)?,
        set => vec![generations(&from, set, identity.as_ref(), &env)?],
    };
    reports.sort_by_key(|r| r.quarantine);
    let sets: Vec<SetOfGenerations> = reports.iter().map(answer).collect();
    sets.iter().flat_map(|s| &s.faults.first).for_each(|f| context.warn(&Message::plain(&f.text)));
    let faults = || sets.iter().flat_map(|s| &s.faults.first);
    let exit = match faults().next() {
        None => Exit::Good,
        Some(_) if faults().all(|f| f.fault == FaultName::Newer) => Exit::Medium,
        Some(_) => Exit::Damage,
    };
    let text = sets.iter().map(|s| if args.media { media(s) } else { text(s) }).collect::<Vec<_>>().join("\n");
    Ok(Outcome::new(exit, text, &Generations { sets: sets.into() }))
}

fn answer(report: &SetReport) -> SetOfGenerations {
    SetOfGenerations {
        set: report.set.to_string().into(),
        set_name: report.name.as_str().into(),
        created: report.created.as_str().into(),
        quarantine: report.quarantine,
        generations: report.generations.iter().map(generation).collect(),
        faults: report.faults.iter().map(words::fault_answer).collect(),
    }
}

fn generation(g: &GenerationReport) -> Generation {
    Generation {
        generation: g.generation,
        time: g.time.as_str().into(),
        check_code: g.check_code.to_string().into(),
        verdict: g.verdict,
        read_back: g.read_back,
        trusted: g.trusted,
        entries: g.entries,
        place: g.place,
        added_bytes: g.added_bytes,
        details: g.details.as_ref().map(details),
    }
}

fn details(d: &Details) -> answer::Details {
    let source = |(bytes, priority): &(Vec<u8>, Option<u8>)| {
        let (name, name_hex) = name(bytes);
        SourceName { name, name_hex, priority: *priority }
    };
    answer::Details {
        host: d.host.as_str().into(),
        tag: d.tag.as_deref().map(Into::into),
        full: d.full,
        sources: d.sources.iter().map(source).collect(),
        statistics: words::statistics(&d.statistics),
        media: d.media.iter().map(|(place, bytes)| BytesOfMedium { place: *place, bytes: *bytes }).collect(),
    }
}

fn text(report: &SetOfGenerations) -> String {
    if report.generations.is_empty() {
        return format!("{}\n{}\n", heading(report), find("generations.none"));
    }
    let headings =
        ["label.generation", "label.time", "label.entries", "label.added", "label.check-code", "label.result", "label.tag"];
    let mut columns = Columns::new(headings.map(find));
    for g in &report.generations.first {
        let result = match g.trusted {
            true => words::verdict(g.verdict, g.read_back),
            false => message!("generations.not-trusted"),
        };
        columns.row([
            g.generation.printable(),
            time(&g.time, Lang::spoken()),
            count(g.entries),
            bytes(g.added_bytes),
            g.check_code.to_string(),
            result.to_string(),
            g.details.as_ref().and_then(|d| d.tag.as_deref()).unwrap_or_default().printable(),
        ]);
    }
    format!("{}\n{}", heading(report), columns.text())
}

/// Which media each generation lies on, and which a full restore of it reads.
fn media(report: &SetOfGenerations) -> String {
    let headings = ["label.generation", "label.time", "label.written-on", "label.reads"];
    let mut columns = Columns::new(headings.map(find));
    for g in &report.generations.first {
        let reads = match &g.details {
            None => String::new(),
            Some(d) if d.media.is_empty() => g.place.printable(),
            Some(d) => {
                let each = d
                    .media
                    .first
                    .iter()
                    .map(|m| message!("generations.medium", number = m.place, bytes = bytes(m.bytes)).to_string());
                each.collect::<Vec<_>>().join(" → ")
            }
        };
        columns.row([g.generation.printable(), time(&g.time, Lang::spoken()), g.place.printable(), reads]);
    }
    format!("{}\n{}", heading(report), columns.text())
}

fn heading(report: &SetOfGenerations) -> String {
    let name = if report.set_name.is_empty() { "?" } else { &*report.set_name };
    let set = message!("backup.set", name = name, id = report.set).to_string();
    if report.quarantine { format!("{set}  {}", find("generations.quarantine")) } else { set }
}
