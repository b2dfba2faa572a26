//! `azekura keys`: recovery keys, which belong in a safe and not on the host that is backed up.

mod new;
mod rehearse;
mod sheet;

use super::context::Context;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use azekura::answer::keys::Recipients;
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    New(new::Args),
    Sheet(sheet::Args),
    Rehearse(rehearse::Args),
    ShowRecipient(ShowRecipient),
}

#[derive(Debug, clap::Args)]
pub struct ShowRecipient {
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::New(args) => new::run(&args, context),
        Command::Sheet(args) => sheet::run(&args, context),
        Command::Rehearse(args) => rehearse::run(&args, context),
        Command::ShowRecipient(args) => show_recipient(&args, context),
    }
}

fn show_recipient(args: &ShowRecipient, context: &Context) -> Result<Outcome, CommandError> {
    let recipients = context.identity(args.identity.as_deref())?.recipients();
    let answer = Recipients { recipients: recipients.texts().iter().map(|r| r.as_str().into()).collect() };
    let text = answer.recipients.first.iter().map(|r| format!("{r}\n")).collect();
    Ok(Outcome::good(text, &answer))
}
