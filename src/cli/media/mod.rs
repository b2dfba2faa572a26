//! `azekura media`: the care of media: copies, and reading them all through.

mod copy;
mod scrub;

use super::context::Context;
use super::explain::Explained;
use super::output::Outcome;
use super::text::{Message, message};
use super::units::count;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Copy(copy::Args),
    Scrub(scrub::Args),
}

impl Command {
    /// As JSON and help name it.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Copy(_) => "media.copy",
            Self::Scrub(_) => "media.scrub",
        }
    }
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, Explained> {
    match command {
        Command::Copy(args) => copy::run(&args, context),
        Command::Scrub(args) => scrub::run(&args, context),
    }
}

/// Findings of one kind that are shown; `--json` has all.
const SHOWN: usize = 20;

fn warn_of(list: &[Message], context: &Context) {
    list.iter().take(SHOWN).for_each(|m| context.warn(m));
    if list.len() > SHOWN {
        context.warn(&message!("talk.more-findings", count = count((list.len() - SHOWN) as u64)));
    }
}
