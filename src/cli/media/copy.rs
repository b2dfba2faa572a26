//! `azekura media copy`

use super::ledger::check_not_gone;
use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::noted::{note_read, tell_of_other};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use crate::cli::ui::words;
use azekura::answer::Clipped;
use azekura::answer::media::Copy;
use azekura::format::object::Id;
use azekura::format::seal::ReadBack;
use azekura::job::media::copy::named::copy_named;
use azekura::job::media::copy::{Options, Report, copy};
use azekura::job::media::found::MediumRead;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "MEDIUM")]
    to: PathBuf,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[arg(long)]
    this_medium: bool,
    #[arg(long)]
    beside_others: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let options = Options {
        from: context.medium(args.from.as_deref())?,
        to: absolute(&args.to),
        set: args.set,
        this_medium: args.this_medium,
        beside_others: args.beside_others,
    };
    if args.name.is_some() {
        check_not_gone(&context.state_dir()?)?;
    }
    let report = {
        let progress = context.progress();
        match &args.name {
            Some(name) => copy_named(name, &context.state_dir()?, &options, &context.env(None), &progress)?,
            None => copy(&options, &context.env(None), &progress)?,
        }
    };
    let answer = answer(&report);
    talk(&answer, context);
    context.warn_first(report.foreign.iter().map(|name| message!("verify.foreign", name = name)));
    words::litter(report.litter.iter().map(String::as_str)).for_each(|m| context.talk(&m));
    let damaged = (report.damage.len() + report.faults.len()) as u64;
    note_read(context, &MediumRead::in_part(report.set, &options.from, damaged));
    let is_other = tell_of_other(context, report.set, &options.from, report.newest.as_ref().map(|(generation, _)| *generation));
    let exit = match (answer.good && !is_other, answer.read_back) {
        (true, ReadBack::Direct | ReadBack::Dropped) => Exit::Good,
        (true, ReadBack::Cached) => Exit::Incomplete,
        (false, _) => Exit::Damage,
    };
    Ok(Outcome::new(exit, text(&answer, is_other), &answer))
}

fn talk(answer: &Copy, context: &Context) {
    context.warn_first(answer.faults.first.iter().map(|f| Message::plain(&f.text)));
    context.warn_first(answer.damage.first.iter().map(|d| Message::plain(&d.text)));
    if answer.unproved_objects > 0 {
        context.warn(&message!("copy.unproved", count = count(answer.unproved_objects)));
    }
}

/// `is_other`: the original is not what this host wrote last.
fn text(answer: &Copy, is_other: bool) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    if !answer.places.is_empty() {
        let places: Vec<String> = answer.places.first.iter().map(u64::to_string).collect();
        table.row(find("label.medium"), message!("copy.places", places = places.join(", ")).to_string());
    }
    let (objects, size, already) = (count(answer.objects), bytes(answer.bytes), count(answer.already_objects));
    let contained = message!("copy.held", objects = objects, bytes = size, already = already);
    table.row(find("label.copy"), contained.to_string());
    table.row(find("label.read-back"), words::read_back(answer.read_back).to_string());
    if let Some((generation, code)) = answer.generation.zip(answer.check_code.as_ref()) {
        table.row(find("label.newest"), generation.to_string());
        table.row(find("label.check-code"), code.printable());
    }
    let result = match (answer.good, answer.read_back) {
        (true, _) if is_other => message!("copy.other"),
        (true, ReadBack::Direct | ReadBack::Dropped) => message!("copy.good"),
        (true, ReadBack::Cached) => message!("verdict.unverified"),
        (false, _) => message!("copy.bad", count = count(answer.damage.len())),
    };
    table.row(find("label.result"), result.to_string());
    table.text()
}

fn answer(r: &Report) -> Copy {
    Copy {
        set: Clipped::of(r.set),
        set_name: r.set_name.as_str().into(),
        good: r.is_good(),
        objects: r.objects,
        bytes: r.bytes,
        already_objects: r.already,
        damage: r.damage.iter().map(words::damage_answer).collect(),
        faults: r.faults.iter().map(words::fault_answer).collect(),
        unproved_objects: r.unproved,
        places: r.places.iter().copied().collect(),
        generation: r.newest.as_ref().map(|(generation, _)| *generation),
        check_code: r.newest.as_ref().map(|(_, code)| Clipped::of(code)),
        read_back: r.read_back,
    }
}
