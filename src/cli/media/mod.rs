//! `azekura media`: the media themselves: taken in, labelled, moved, in turn.

mod init;
mod label;
mod ledger;

use super::context::Context;
use super::explain::Explained;
use super::output::Outcome;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Init(init::Args),
    List,
    Due(ledger::Due),
    Move(ledger::Move),
    Label(label::Args),
    Log,
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Init(_) => "media.init",
            Self::List => "media.list",
            Self::Due(_) => "media.due",
            Self::Move(_) => "media.move",
            Self::Label(_) => "media.label",
            Self::Log => "media.log",
        }
    }
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, Explained> {
    match command {
        Command::Init(args) => init::run(args, context),
        Command::List => ledger::list(context),
        Command::Due(args) => ledger::due(&args, context),
        Command::Move(args) => ledger::move_to(args, context),
        Command::Label(args) => label::run(&args, context),
        Command::Log => ledger::log(context),
    }
}
