//! `azekura media init`: registers a blank medium.

use super::ledger::check_not_gone;
use crate::cli::context::Context;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::message;
use azekura::answer::Clipped;
use azekura::answer::media::Init;
use azekura::job::media::init::{InitOptions, init};
use azekura::medium::is_mounted;
use azekura::medium::tape::st::is_drive;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "NAME")]
    name: String,
    #[arg(long, value_name = "MEDIUM")]
    at: Option<PathBuf>,
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    #[arg(long, value_name = "RECIPIENT")]
    recipient: Vec<String>,
    #[arg(long)]
    beside_others: bool,
}

pub fn run(args: Args, context: &Context) -> Result<Outcome, CommandError> {
    let pool = match &args.pool {
        Some(name) => Some(context.pool(name).ok_or_else(|| super::ledger::no_pool(name))?),
        None => context.config.pools.iter().find(|p| p.media.contains(&args.name)),
    };
    let at = args.at.as_deref().or(pool.map(|p| p.at.as_path()));
    let recipients = if args.recipient.is_empty() { context.config.recipients.clone() } else { args.recipient };
    if recipients.is_empty() {
        return Err(CommandError::new(message!("error.backup.no-recipients"), Exit::Key));
    }
    let options = InitOptions {
        state: context.state_dir()?,
        at: context.medium(at)?,
        name: args.name.clone(),
        pool: pool.map(|p| p.name.clone()),
        recipients,
        tape_block: context.tape_block(),
        beside_others: args.beside_others,
        mount: pool.and_then(|p| p.mount),
    };
    check_not_gone(&options.state)?;
    let set = init(&options, &context.env(None))?;
    // Once it was seen on a mount, a bare folder is refused.
    if options.mount.is_none() && !is_mounted(&options.at) && !is_drive(&options.at) {
        context.warn(&message!("talk.unmounted", path = options.at, name = args.name));
    }
    let answer = Init { name: args.name.as_str().into(), set: Clipped::of(set), pool: options.pool.as_deref().map(Into::into) };
    let text = format!("{}\n", message!("media.registered", name = answer.name, set = answer.set));
    Ok(Outcome::good(text, &answer))
}
