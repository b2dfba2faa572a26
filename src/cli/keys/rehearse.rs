//! `azekura keys rehearse`: proves that a sheet or a file opens a medium, before anything depends on it.

use crate::cli::caged::{self, Needs};
use crate::cli::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::units::{count, time};
use crate::cli::ui::{findings, words};
use azekura::answer::Clipped;
use azekura::answer::facts::PathName;
use azekura::answer::keys::Rehearsed;
use azekura::format::object::Id;
use azekura::job::inspect::rehearse::rehearse;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.medium.as_deref())?;
    let identity = context.identity(args.identity.as_deref())?;
    caged::enter(context, &Needs { medium: Some(&from), ..Needs::default() });
    let report = {
        let progress = context.progress();
        rehearse(&from, args.set, &identity, &context.env(None), &progress)?
    };
    let (refused_count, refused) = words::refused_answer(&report.refused);
    let answer = Rehearsed {
        set: Clipped::of(report.set),
        set_name: report.set_name.as_str().into(),
        generation: report.generation,
        time: report.time.as_str().into(),
        entries: report.entries,
        refused_count,
        refused,
        wrong_stanzas: report.wrong_stanzas.iter().copied().collect(),
        missing_sources: report.missing_sources.iter().map(|name| PathName::of(name)).collect(),
        trusted: report.trusted,
        other_recipients: report.other_recipients.iter().map(|r| r.as_str().into()).collect(),
        faults: report.faults.iter().map(words::fault_answer).collect(),
    };
    answer.faults.first.iter().for_each(|f| context.warn(&Message::plain(&f.text)));
    words::missing_sources(&answer.missing_sources.first).iter().for_each(|m| context.warn(m));
    words::wrong_stanzas(&answer.wrong_stanzas.first).iter().for_each(|m| context.warn(m));
    findings::list_refused(&answer.refused.first, answer.refused_count);
    let exit = if answer.trusted && answer.faults.is_empty() && answer.refused_count == 0 && answer.wrong_stanzas.is_empty() {
        Exit::Good
    } else {
        Exit::Damage
    };
    Ok(Outcome::new(exit, text(&answer), &answer))
}

fn text(answer: &Rehearsed) -> String {
    let (at, entries) = (time(&answer.time, Lang::spoken()), count(answer.entries));
    let opened = message!("keys.rehearsed", set = answer.set_name, generation = answer.generation, time = at, entries = entries);
    format!("{opened}\n")
}
