//! A backup to a pool: which medium is attached, and whether it is the one that is due.

use crate::cli::config::ConfigPool;
use crate::cli::context::Context;
use crate::cli::loader::wait;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::lang::Lang;
use crate::cli::ui::recorded;
use crate::cli::ui::text::message;
use crate::cli::ui::units::time;
use azekura::env::Env;
use azekura::host::ledger::LedgerError;
use azekura::job::backup::{Options, Report, backup};
use azekura::job::media::night::{PoolNight, enter_alone, night as run};
use azekura::job::media::rotation::{FoundMedium, PoolTurn, Refusal};
use std::path::Path;
use std::process::{Command, Stdio};

/// A generation that was sealed, and how its medium stands.
pub struct Done {
    pub report: Report,
    /// The medium, by the ledger's name.
    pub medium: String,
    /// The run needs attention: the medium should have been swapped before, or the ledger could not be written.
    pub is_astray: bool,
    /// What was wrong after the generation was sealed, for the log of nights.
    pub why: Option<String>,
}

/// Backs up to a medium that is in no pool.
pub fn alone(options: &Options, env: &Env, context: &Context) -> Result<Done, CommandError> {
    let report = backup(options, env, &context.progress())?;
    if options.quarantine {
        // Evidence, and no copy of the data.
        return Ok(Done { medium: report.set_name.clone(), report, is_astray: false, why: None });
    }
    let (medium, error) = enter_alone(options, &report, env);
    let why = error.map(|e| untold(&e, context));
    Ok(Done { report, medium, is_astray: why.is_some(), why })
}

fn untold(LedgerError::Io { path, .. }: &LedgerError, context: &Context) -> String {
    let said = message!("media.untold", path = path);
    context.warn(&said);
    said.to_string()
}

/// Backs up to the medium of the pool that is due.
pub fn night(pool: &ConfigPool, options: &Options, env: &Env, context: &Context) -> Result<Done, CommandError> {
    let leave = |at: &Path| eject(pool, at, context);
    let done = run(&pool.pool(), options, &leave, env, &context.progress())?;
    let (turn, report, gone, why) = match done {
        PoolNight::Done { turn, report, gone, ledger_error } => (turn, *report, gone, ledger_error.map(|e| untold(&e, context))),
        PoolNight::Refused(refusal) => return Err(refused(&refusal)),
    };
    if gone == Some(false) {
        context.warn(&message!("media.still-there"));
    }
    let is_astray = why.is_some();
    match turn {
        PoolTurn::Stayed { medium, nights, due, .. } => {
            context.warn(&message!("media.not-swapped", name = medium, count = nights, due = due));
            Ok(Done { report, medium, is_astray: true, why })
        }
        PoolTurn::Due { medium, .. } => Ok(Done { report, medium, is_astray, why }),
        PoolTurn::Refused(refusal) => Err(refused(&refusal)),
    }
}

fn refused(refusal: &Refusal) -> CommandError {
    let due = &refusal.due;
    let said = match &refusal.found {
        FoundMedium::OutOfTurn { medium } => message!("error.media.out-of-turn", name = medium, due = due),
        FoundMedium::Overstayed { medium, nights } => {
            message!("error.media.overstayed", name = medium, due = due, count = nights)
        }
        FoundMedium::Blank { wiped: None } => message!("error.media.blank", due = due),
        FoundMedium::Blank { wiped: Some(medium) } => message!("error.media.wiped", name = medium, due = due),
        FoundMedium::Unregistered { set } => message!("error.media.unregistered", set = set, due = due),
        FoundMedium::Held { medium, since, why } => {
            message!("error.media.held", name = medium, since = time(since, Lang::spoken()), why = recorded::why(why))
        }
        FoundMedium::OtherPool { medium } => message!("error.media.other-pool", name = medium, due = due),
    };
    CommandError::new(said, Exit::Medium)
}

/// The program gets the path of the medium in its environment. Whether the medium is gone is checked afterwards.
fn eject(pool: &ConfigPool, at: &Path, context: &Context) -> bool {
    let Some((program, arguments)) = pool.leave.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).env("AZEKURA_MEDIUM", at).stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    let env = context.env(None);
    if let Err(e) = command.spawn().and_then(|child| wait(child, &|| env.is_interrupted())) {
        context.warn(&message!("prompt.medium.program", program = program, reason = e.to_string()));
    }
    true
}
