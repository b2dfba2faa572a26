//! `azekura media copy`

use super::warn_of;
use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::Explained;
use crate::cli::ui::output::{Outcome, Table};
use crate::cli::ui::shown::Shown;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{bytes, count};
use crate::cli::ui::words;
use azekura::answer::Clipped;
use azekura::answer::media::Copy;
use azekura::format::object::Id;
use azekura::format::seal::ReadBack;
use azekura::job::media::copy::named::copy_named;
use azekura::job::media::copy::{Options, Report, copy};
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

pub fn run(args: &Args, context: &Context) -> Result<Outcome, Explained> {
    let options = Options {
        from: context.medium(args.from.as_deref())?,
        to: absolute(&args.to),
        set: args.set,
        this_medium: args.this_medium,
        beside_others: args.beside_others,
    };
    let report = {
        let progress = context.progress();
        match &args.name {
            Some(name) => copy_named(name, &context.state_dir()?, &options, &context.env(None), &progress)?,
            None => copy(&options, &context.env(None), &progress)?,
        }
    };
    warn_of(&report.faults.iter().map(words::fault).collect::<Vec<_>>(), context);
    warn_of(&report.damage.iter().map(words::damage).collect::<Vec<_>>(), context);
    if report.unproved > 0 {
        context.warn(&message!("copy.unproved", count = count(report.unproved)));
    }
    let exit = if report.is_good() { Exit::Good } else { Exit::Damage };
    Ok(Outcome::new(exit, text(&report), &answer(&report)))
}

fn text(r: &Report) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = r.set_name, id = r.set).to_string());
    if !r.places.is_empty() {
        let places: Vec<String> = r.places.iter().map(u64::to_string).collect();
        table.row(find("label.medium"), message!("copy.places", places = places.join(", ")).to_string());
    }
    let held = message!("copy.held", objects = count(r.objects), bytes = bytes(r.bytes), already = count(r.already));
    table.row(find("label.copy"), held.to_string());
    table.row(find("label.read-back"), words::read_back(r.read_back).to_string());
    if let Some((generation, code)) = &r.newest {
        table.row(find("label.newest"), generation.to_string());
        table.row(find("label.check-code"), code.shown());
    }
    let result = match (r.is_good(), r.read_back) {
        (true, ReadBack::Direct | ReadBack::Dropped) => message!("copy.good"),
        (true, ReadBack::Cached) => message!("verdict.unverified"),
        (false, _) => message!("copy.bad", count = count(r.damage.len() as u64)),
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
