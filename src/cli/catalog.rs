//! `azekura catalog`: the host's cache of what lies on its media, and its operation log.

use super::context::Context;
use super::media::ledger::sound_book;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::output::Outcome;
use crate::cli::ui::printable::{Printable, path_name};
use crate::cli::ui::recorded;
use crate::cli::ui::table::Columns;
use crate::cli::ui::text::{find, message};
use crate::cli::ui::units::{count, time};
use azekura::answer::catalog::{Operation, OperationLog, Rebuilt, RebuiltSet};
use azekura::answer::{Clipped, exact};
use azekura::host::catalog::{Catalog, LogLine};
use azekura::host::consistency::{Misfit, misfits, read_ledger};
use azekura::host::state::StateDir;
use azekura::job::rebuild::{Report, rebuild};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Rebuild(Rebuild),
    Log,
}

#[derive(Debug, clap::Args)]
pub struct Rebuild {
    #[arg(long, value_name = "MEDIUM")]
    from: Option<PathBuf>,
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

pub fn run(command: Command, context: &Context) -> Result<Outcome, CommandError> {
    match command {
        Command::Rebuild(args) => run_rebuild(&args, context),
        Command::Log => log(context),
    }
}

fn run_rebuild(args: &Rebuild, context: &Context) -> Result<Outcome, CommandError> {
    let (from, state) = (context.medium(args.from.as_deref())?, context.state_dir()?);
    // Whoever has changed the records may have this host: the recovery key stays away from it.
    sound_book(&state)?;
    let identity = context.identity(args.identity.as_deref())?;
    let reports = {
        let progress = context.progress();
        rebuild(&from, &state, &identity, &context.env(None), &progress)?
    };
    let answer = Rebuilt { sets: reports.iter().map(answer).collect() };
    talk(&answer, context);
    let is_damaged = |s: &RebuiltSet| !s.unreadable_packs.is_empty() || s.unreadable_entries.is_some();
    let exit = if answer.sets.first.iter().any(is_damaged) { Exit::Damage } else { Exit::Good };
    let text = answer.sets.first.iter().map(|s| format!("{}\n", line(s))).collect();
    Ok(Outcome::new(exit, text, &answer))
}

fn talk(answer: &Rebuilt, context: &Context) {
    let sets = || answer.sets.first.iter();
    for object in sets().flat_map(|s| &s.unreadable_packs.first) {
        context.warn(&message!("catalog.unreadable-pack", object = object));
    }
    for why in sets().filter_map(|s| s.unreadable_entries.as_ref()) {
        context.warn(&message!("catalog.unreadable-entries", why = recorded::cause(why)));
    }
    if let Some((path, hex)) = sets().find_map(|s| s.set_aside.as_ref().map(|path| (path, s.set_aside_hex.as_deref()))) {
        context.talk(&message!("catalog.set-aside", path = exact(path, hex)));
    }
}

fn line(s: &RebuiltSet) -> String {
    let (generations, packs, chunks) = (count(s.generations), count(s.packs), count(s.chunks));
    message!("catalog.rebuilt", set = s.set, generations = generations, packs = packs, chunks = chunks).to_string()
}

fn answer(r: &Report) -> RebuiltSet {
    let (set_aside, set_aside_hex) = r.set_aside.as_ref().map(|p| path_name(p)).unzip();
    RebuiltSet {
        set: Clipped::of(r.set),
        generations: r.generations,
        packs: r.packs,
        chunks: r.chunks,
        unreadable_packs: r.unreadable_packs.iter().copied().collect(),
        unreadable_entries: r.unreadable_entries.as_deref().map(Into::into),
        set_aside,
        set_aside_hex: set_aside_hex.flatten(),
    }
}

/// Whether there was a catalog, by the other records of this host.
fn is_catalog_lost(state: &Path) -> Result<bool, CommandError> {
    Ok(misfits(state, &read_ledger(state)?).contains(&Misfit::CatalogLost))
}

fn log(context: &Context) -> Result<Outcome, CommandError> {
    let state = context.state_to_ask()?;
    let path = StateDir::of(&state).catalog();
    let (lines, broken) = match Catalog::look(&path)? {
        Some(catalog) => catalog.log_lines()?,
        None if is_catalog_lost(&state)? => {
            return Err(CommandError::new(message!("error.catalog.lost", path = path), Exit::Failed));
        }
        None => (Vec::new(), None),
    };
    if let Some(line) = broken {
        context.warn(&message!("catalog.log-broken", line = line));
    }
    let exit = if broken.is_some() { Exit::Damage } else { Exit::Good };
    let operation = |l: &LogLine| Operation {
        line: l.line,
        time: l.time.as_str().into(),
        operation: l.operation.as_str().into(),
        detail: l.detail.as_str().into(),
    };
    let answer = OperationLog { lines: lines.iter().map(operation).collect(), first_broken_line: broken };
    Ok(Outcome::new(exit, log_text(&answer), &answer))
}

fn log_text(answer: &OperationLog) -> String {
    let mut columns = Columns::new(["label.time", "label.operation", "label.detail"].map(find));
    for l in &answer.lines.first {
        columns.row([time(&l.time, Lang::spoken()), l.operation.printable(), recorded::logged(&l.operation, &l.detail)]);
    }
    columns.text()
}
