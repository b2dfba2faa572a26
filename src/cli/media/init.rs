//! `azekura media init`: registers a blank medium.

use super::ledger::check_not_gone;
use crate::cli::config::ConfigPool;
use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::judged::judgement;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::text::message;
use azekura::answer::Clipped;
use azekura::answer::media::Init;
use azekura::host::ledger::Ledger;
use azekura::job::incident::hold::active_hold;
use azekura::job::media::init::{InitOptions, init, recognise_at};
use azekura::medium::is_mounted;
use azekura::medium::tape::st::is_drive;
use std::path::{Path, PathBuf};

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
    let (state, at) = (context.state_dir()?, at.map_or_else(|| place(context), |at| context.medium(Some(at)))?);
    let is_named = |p: &ConfigPool| pool.is_some_and(|pool| pool.name == p.name);
    let docks = || context.config.pools.iter().filter(|p| is_named(p) || is_same_place(&p.at, &at));
    let options = InitOptions {
        state,
        name: args.name.clone(),
        pool: pool.map(|p| p.name.clone()),
        recipients,
        tape_block: context.tape_block(),
        beside_others: args.beside_others,
        docks: docks().map(ConfigPool::pool).collect(),
        names: context.config.pools.iter().flat_map(|p| p.media.clone()).collect(),
        at,
    };
    check_not_gone(&options.state)?;
    if !options.docks.is_empty() {
        refuse_under_hold(&options.state, context).inspect_err(|_| recognise_at(&options, &context.env(None)))?;
    }
    let set = init(&options, &context.env(None))?;
    // Once it was seen on a mount, a bare folder is refused.
    if options.docks.iter().all(|p| p.mount.is_none()) && !is_mounted(&options.at) && !is_drive(&options.at) {
        context.warn(&message!("talk.unmounted", path = options.at, name = args.name));
    }
    let answer = Init { name: args.name.as_str().into(), set: Clipped::of(set), pool: options.pool.as_deref().map(Into::into) };
    let text = format!("{}\n", message!("media.registered", name = answer.name, set = answer.set));
    Ok(Outcome::good(text, &answer))
}

/// Whether the media of a pool are attached at a place that was named.
fn is_same_place(of_pool: &Path, named: &Path) -> bool {
    let of_pool = absolute(of_pool);
    of_pool == named || matches!((of_pool.canonicalize(), named.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A medium that is to take its turn is a clean one: nobody prepares it on a host that may be contaminated. What belongs to no
/// pool may be for evidence.
fn refuse_under_hold(state: &Path, context: &Context) -> Result<(), CommandError> {
    let book = Ledger::of(state).read()?;
    if active_hold(&book).is_some() || judgement(context, &book)?.has_open_alarm() {
        return Err(CommandError::new(message!("error.media.init-held"), Exit::Alarm));
    }
    Ok(())
}

/// Where the medium is, if neither the command nor a pool says it.
fn place(context: &Context) -> Result<PathBuf, CommandError> {
    context.medium(None).map_err(|_| CommandError::new(message!("error.media.init-where"), Exit::Usage))
}
