//! `azekura media scrub`

use crate::cli::caged::{self, Needs};
use crate::cli::context::Context;
use crate::cli::environment::is_running;
use crate::cli::noted::tell_what_backup_does;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::table::Table;
use crate::cli::ui::text::{Message, find, message};
use crate::cli::ui::units::{bytes, count};
use crate::cli::ui::words;
use crate::cli::verify::known_or_none;
use azekura::answer::Clipped;
use azekura::answer::media::{Health, Scrub, Unreadable};
use azekura::format::object::Id;
use azekura::format::seal::ReadBack;
use azekura::job::media::found::{Unrecorded, enter_scrub};
use azekura::job::media::scrub::{MediumHealth, Options, Report, log, scrub};
use azekura::set::check::remember_damage;
use azekura::set::open::OpenSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "MEDIUM")]
    medium: Option<PathBuf>,
    #[arg(long, value_name = "ID", value_parser = crate::cli::ui::values::set_id)]
    set: Option<Id>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

pub fn run(args: &Args, context: &Context) -> Result<Outcome, CommandError> {
    let from = context.medium(args.medium.as_deref())?;
    // The cage does not reach the log of nights.
    let unrecorded = Unrecorded::of(context.state_dir().ok().as_deref(), is_running);
    caged::enter(context, &Needs { medium: Some(&from), catalog: true, ledger: true, ..Needs::default() });
    let set = OpenSet::open(&from, args.set, context.loader())?.id;
    let known = known_or_none(context, set, &from, &unrecorded);
    let options = Options { from, set: args.set, known };
    let env = context.env(args.threads.map(usize::from));
    let report = {
        let progress = context.progress();
        scrub(&options, &env, &progress)?
    };
    let answer = answer(&report);
    talk(&answer, context);
    words::litter(report.litter.iter().map(String::as_str)).for_each(|m| context.talk(&m));
    if let Some(mut catalog) = context.catalog()? {
        enter_scrub(&context.state_dir()?, &report, &env)?;
        log(&report, &mut catalog, &env.time_text())?;
        let is_remembered = remember_damage(report.set, &report.damage, &mut catalog)? > 0;
        tell_what_backup_does(context, report.set, is_remembered);
    }
    let exit = match (answer.verdict, answer.read_back) {
        (Health::Good, ReadBack::Cached) => Exit::Incomplete,
        (Health::Good, _) => Exit::Good,
        (Health::Unsealed, _) => Exit::Medium,
        _ => Exit::Damage,
    };
    Ok(Outcome::new(exit, text(&answer), &answer))
}

fn talk(answer: &Scrub, context: &Context) {
    context.warn_first(answer.faults.first.iter().map(|f| Message::plain(&f.text)));
    context.warn_first(answer.damage.first.iter().map(|d| Message::plain(&d.text)));
    if answer.rolled_back {
        context.warn(&message!("scrub.rolled-back"));
    }
    context.warn_first(answer.foreign.first.iter().map(|name| message!("verify.foreign", name = name)));
    let unreadable = answer.unreadable.first.iter();
    context.warn_first(unreadable.map(|u| message!("scrub.unreadable", object = u.name, why = u.text)));
}

fn text(answer: &Scrub) -> String {
    let mut table = Table::default();
    table.row(find("label.set"), message!("backup.set", name = answer.set_name, id = answer.set).to_string());
    if answer.place > 0 {
        table.row(find("label.medium"), message!("backup.medium", number = answer.place).to_string());
    }
    let (objects, size) = (count(answer.objects), bytes(answer.bytes));
    table.row(find("label.checked"), message!("verify.checked", objects = objects, bytes = size).to_string());
    if let Some(speed) = answer.bytes_per_second {
        table.row(find("label.speed"), message!("scrub.speed", speed = bytes(speed)).to_string());
    }
    table.row(find("label.read-back"), words::read_back(answer.read_back).to_string());
    let result = match (answer.verdict, answer.read_back) {
        (Health::Good, ReadBack::Direct | ReadBack::Dropped) => message!("scrub.good"),
        (Health::Good, ReadBack::Cached) => message!("verify.cached"),
        (Health::CopyForward, _) => message!("scrub.copy-forward"),
        (Health::Suspect, _) if answer.rolled_back && answer.faults.is_empty() => message!("scrub.suspect-rolled-back"),
        (Health::Suspect, _) if answer.faults.is_empty() => message!("scrub.suspect-foreign"),
        (Health::Suspect, _) => message!("scrub.suspect"),
        (Health::Unsealed, _) => message!("scrub.unsealed"),
    };
    table.row(find("label.result"), result.to_string());
    table.text()
}

fn answer(r: &Report) -> Scrub {
    Scrub {
        set: Clipped::of(r.set),
        set_name: r.set_name.as_str().into(),
        place: r.place,
        medium: r.medium.map(Clipped::of),
        verdict: match r.verdict() {
            MediumHealth::Good => Health::Good,
            MediumHealth::CopyForward => Health::CopyForward,
            MediumHealth::Suspect => Health::Suspect,
            MediumHealth::Unsealed => Health::Unsealed,
        },
        objects: r.objects,
        bytes: r.bytes,
        seconds: r.seconds,
        bytes_per_second: r.bytes_per_second(),
        damage: r.damage.iter().map(words::damage_answer).collect(),
        unreadable: r
            .unreadable
            .iter()
            .map(|(name, why)| Unreadable { name: Clipped::of(name), text: Clipped::of(why) })
            .collect(),
        faults: r.faults.iter().map(words::fault_answer).collect(),
        foreign: r.foreign.iter().map(|name| name.as_str().into()).collect(),
        rolled_back: r.rolled_back,
        read_back: r.read_back,
    }
}
