//! `azekura media`: registers, labels, moves, copies and reads media, and shows which is due and when each was attached.

mod accept;
pub mod attached;
mod copy;
mod init;
mod label;
pub mod ledger;
mod scrub;

use super::context::Context;
use crate::cli::stated::Stated;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Init(init::Args),
    List,
    Due(ledger::Due),
    Move(ledger::Move),
    Accept(Stated),
    Label(label::Args),
    Log(ledger::Log),
    Seen(attached::SeenArgs),
    Copy(copy::Args),
    Scrub(scrub::Args),
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Init(_) => "media.init",
            Self::List => "media.list",
            Self::Due(_) => "media.due",
            Self::Move(_) => "media.move",
            Self::Accept(_) => "media.accept",
            Self::Label(_) => "media.label",
            Self::Log(_) => "media.log",
            Self::Seen(_) => "media.seen",
            Self::Copy(_) => "media.copy",
            Self::Scrub(_) => "media.scrub",
        }
    }
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::List => ledger::list(context),
        Command::Due(args) => ledger::due(&args, context),
        Command::Move(args) => ledger::move_to(args, context),
        Command::Accept(args) => accept::run(&args, context),
        Command::Label(args) => label::run(&args, context),
        Command::Log(args) if args.attached => attached::log(&args, context),
        Command::Log(args) => ledger::log(&args, context),
        Command::Seen(args) => attached::seen(&args, context),
        Command::Copy(args) => copy::run(&args, context),
        Command::Scrub(args) => scrub::run(&args, context),
    }
}
