//! A night of a rotation: which medium is in, and what is said of it.

use crate::cli::config::ConfigPool;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::explain::Explained;
use crate::cli::lang::Lang;
use crate::cli::recorded;
use crate::cli::text::message;
use crate::cli::units::time;
use azekura::job::World;
use azekura::job::backup::{Options, Report};
use azekura::job::media::{Night, night as run};
use azekura::job::rotation::{Found, Refusal, Turn};
use azekura::ledger::LedgerError;
use std::path::Path;
use std::process::{Command, Stdio};

/// Backs up to the pool's medium that is due. Also answers whether it should have been swapped before, or is missing in the ledger.
pub fn night(pool: &ConfigPool, options: &Options, world: &World, context: &Context) -> Result<(Report, bool), Explained> {
    let leave = |at: &Path| tell_to_leave(pool, at, context);
    let done = run(&pool.pool(), options, &leave, world, &context.progress())?;
    let (turn, report, left, untold) = match done {
        Night::Done { turn, report, left, untold } => {
            if let Some(LedgerError::Io { path, .. }) = &untold {
                context.warn(&message!("media.untold", path = path));
            }
            (turn, report, left, untold.is_some())
        }
        Night::Refused(refusal) => return Err(refused(&refusal)),
    };
    if left == Some(false) {
        context.warn(&message!("media.still-there"));
    }
    if let Turn::Stayed { medium, nights, due, .. } = &turn {
        context.warn(&message!("media.not-swapped", name = medium, count = nights, due = due));
        return Ok((*report, true));
    }
    Ok((*report, untold))
}

fn refused(refusal: &Refusal) -> Explained {
    let due = &refusal.due;
    let said = match &refusal.found {
        Found::OutOfTurn { medium } => message!("error.media.out-of-turn", name = medium, due = due),
        Found::Overstayed { medium, nights } => message!("error.media.overstayed", name = medium, due = due, count = nights),
        Found::Blank { wiped: None } => message!("error.media.blank", due = due),
        Found::Blank { wiped: Some(medium) } => message!("error.media.wiped", name = medium, due = due),
        Found::Unregistered { set } => message!("error.media.unregistered", set = set, due = due),
        Found::Held { medium, since, why } => {
            message!("error.media.held", name = medium, since = time(since, Lang::spoken()), why = recorded::why(why))
        }
        Found::OtherPool { medium } => message!("error.media.other-pool", name = medium, due = due),
    };
    Explained::new(said, Exit::Medium)
}

/// The program learns by its environment where the medium is. Whether it is gone is looked at afterwards.
fn tell_to_leave(pool: &ConfigPool, at: &Path, context: &Context) -> bool {
    let Some((program, arguments)) = pool.leave.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(arguments).env("AZEKURA_MEDIUM", at).stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    if let Err(e) = command.status() {
        context.warn(&message!("prompt.medium.program", program = program, reason = e.to_string()));
    }
    true
}
