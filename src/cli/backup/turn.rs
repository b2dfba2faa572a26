//! A backup to a pool: which medium is attached, and whether it is the one that is due.

use crate::cli::config::ConfigPool;
use crate::cli::context::Context;
use crate::cli::loader::wait;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::recorded;
use crate::cli::ui::text::{Message, message, speak_under_hold};
use crate::cli::ui::units::Moment;
use crate::cli::ui::words;
use azekura::env::{Env, clean_environment};
use azekura::host::ledger::{Ledger, LedgerError};
use azekura::job::backup::{Options, Report, backup};
use azekura::job::media::night::{Ejection, PoolNight, enter_alone, night as run, night_alone};
use azekura::job::media::rotation::{FoundMedium, PoolTurn, Refusal};
use azekura::set::writer::Opened;
use std::cell::Cell;
use std::path::Path;
use std::process::{Command, Stdio};

/// A generation that was sealed, and how its medium stands.
pub struct Done {
    pub report: Report,
    /// The medium, by the ledger's name.
    pub medium: String,
    /// How the night ends beside the verdict: with [`Exit::Incomplete`] where the medium should have been swapped before or has
    /// not left, with [`Exit::SealedOnly`] where the ledger could not be written.
    pub exit: Exit,
    /// The medium was seen to leave.
    pub is_gone: bool,
    /// What was wrong after the generation was sealed, for the log of nights.
    pub why: Option<Message>,
}

/// Backs up to a medium that is in no pool.
pub fn alone(options: &Options, env: &Env, context: &Context) -> Result<Done, CommandError> {
    let report = match options.quarantine {
        true => backup(options, env, &context.progress())?,
        false => night_alone(options, env, &context.progress())?,
    };
    if options.quarantine {
        // Evidence, and no copy of the data.
        return Ok(Done { medium: report.set_name.clone(), report, exit: Exit::Good, is_gone: false, why: None });
    }
    let (medium, error) = enter_alone(options, &report, env);
    let is_doubtful = tell_if_doubtful(options, &medium, context);
    let why = error.and_then(|e| untold(&e, context));
    let exit = match report.opened {
        _ if why.is_some() => Exit::SealedOnly,
        // It has no history: nobody may take that for a usual night.
        Opened::NewWithoutCatalog => Exit::Incomplete,
        Opened::Known | Opened::New if is_doubtful => Exit::Incomplete,
        Opened::Known | Opened::New => Exit::Good,
    };
    Ok(Done { report, medium, exit, is_gone: false, why })
}

/// Says that the medium which was written to is damaged or not what this host wrote, and returns whether it is.
fn tell_if_doubtful(options: &Options, medium: &str, context: &Context) -> bool {
    let account = Ledger::of(&options.state).read().ok().and_then(|book| book.media().remove(medium));
    let is_doubtful = account.is_some_and(|m| m.is_doubtful());
    if is_doubtful {
        context.warn(&message!("media.written-damaged", name = medium));
    }
    is_doubtful
}

/// `None` where the run says of the ledger itself that nothing is entered into it.
fn untold(error: &LedgerError, context: &Context) -> Option<Message> {
    let LedgerError::Io { path, .. } = error else { return None };
    let said = message!("media.untold", path = path);
    context.warn(&said);
    Some(said)
}

/// Backs up to the medium of the pool that is due.
pub fn night(pool: &ConfigPool, options: &Options, env: &Env, context: &Context) -> Result<Done, CommandError> {
    let left = Cell::new(true);
    let leave = |at: &Path| {
        let ejection = eject(pool, at, context);
        left.set(ejection != Ejection::Failed);
        ejection
    };
    let done = run(&pool.pool(), options, &leave, env, &context.progress())?;
    let (turn, report, gone, why) = match done {
        PoolNight::Done { came_back, turn, report, gone, ledger_error } => {
            if let (Some(place), PoolTurn::Due { medium, .. } | PoolTurn::Stayed { medium, .. }) = (&came_back, &turn) {
                context.talk(&message!("media.came-back", name = medium, place = place));
            }
            (turn, *report, gone, ledger_error.and_then(|e| untold(&e, context)))
        }
        PoolNight::Refused(refusal) => return Err(refused(&refusal, &options.to, context)),
        PoolNight::Full { medium, is_part_sealed, due } => {
            let said = match is_part_sealed {
                _ if medium == due => message!("error.media.all-full", name = medium),
                true => message!("error.media.full", name = medium, due = due),
                false => message!("error.media.full-unsealed", name = medium, due = due),
            };
            return Err(CommandError::new(said, Exit::Medium));
        }
    };
    if !report.alarms.is_empty() {
        speak_under_hold();
    }
    // A set that was begun anew has no history: nobody may take that for a usual night.
    let mut exit = if report.opened == Opened::NewWithoutCatalog { Exit::Incomplete } else { Exit::Good };
    if gone == Some(false) {
        context.warn(&message!("media.still-there"));
    }
    // A medium that should have left and has not is within reach of whoever controls the host.
    if gone == Some(false) || !left.get() {
        exit = exit.max(Exit::Incomplete);
    }
    let medium = match turn {
        PoolTurn::Due { medium, .. } => medium,
        PoolTurn::Stayed { medium, nights, due, .. } => {
            context.warn(&message!("media.not-swapped", name = medium, count = nights, due = due));
            exit = exit.max(Exit::Incomplete);
            medium
        }
        PoolTurn::Refused(refusal) => return Err(refused(&refusal, &options.to, context)),
    };
    if tell_if_doubtful(options, &medium, context) {
        exit = exit.max(Exit::Incomplete);
    }
    if why.is_some() {
        exit = Exit::SealedOnly;
    }
    Ok(Done { report, medium, exit, is_gone: gone == Some(true), why })
}

fn refused(refusal: &Refusal, at: &Path, context: &Context) -> CommandError {
    // The ledger may not know the pool yet that lists it now.
    let is_in_a_pool = |name: &String| context.config.pools.iter().any(|p| p.media.contains(name));
    let due = &refusal.due;
    let said = match &refusal.found {
        FoundMedium::OutOfTurn { medium } => message!("error.media.out-of-turn", name = medium, due = due),
        FoundMedium::Overstayed { medium, nights } => {
            message!("error.media.overstayed", name = medium, due = due, count = nights)
        }
        FoundMedium::NotMounted => message!("error.media.not-mounted-due", path = at, due = due),
        FoundMedium::Unprepared { bare: true } => message!("error.media.unprepared-bare", path = at, due = due),
        FoundMedium::Unprepared { bare: false } => message!("error.media.unprepared", due = due),
        FoundMedium::BlankInDock { medium } => message!("error.media.blank-in-dock", name = medium, due = due),
        FoundMedium::Blank { wiped: None } => message!("error.media.blank", due = due),
        FoundMedium::Blank { wiped: Some(medium) } => message!("error.media.wiped", name = medium, due = due),
        FoundMedium::OutOfUse { medium, why } => {
            message!("error.media.out-of-use", name = medium, due = due, why = words::out_of_use(*why))
        }
        FoundMedium::Unregistered { set } => message!("error.media.unregistered", set = set, due = due),
        FoundMedium::Held { medium, since, why } => {
            message!("error.media.held", name = medium, since = Moment(since), why = recorded::why(why))
        }
        FoundMedium::Damaged { medium } => message!("error.media.damaged", name = medium, due = due),
        FoundMedium::SetLost { medium } => message!("error.media.set-lost", name = medium),
        FoundMedium::Mismatched { medium } => message!("error.media.mismatched", name = medium, due = due),
        FoundMedium::NoPool { medium } if !is_in_a_pool(medium) => message!("error.media.no-turn", name = medium, due = due),
        FoundMedium::OtherPool { medium } | FoundMedium::NoPool { medium } => {
            message!("error.media.other-pool", name = medium, due = due)
        }
    };
    CommandError::new(said, Exit::Medium)
}

/// The program gets the path of the medium in its environment. Whether the medium is gone is checked afterwards.
fn eject(pool: &ConfigPool, at: &Path, context: &Context) -> Ejection {
    let Some((program, arguments)) = pool.leave.split_first() else { return Ejection::NotAsked };
    let mut command = Command::new(program);
    clean_environment(&mut command)
        .args(arguments)
        .env("AZEKURA_MEDIUM", at)
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()));
    let env = context.env(None);
    match command.spawn().and_then(|child| wait(child, &|| env.is_interrupted())) {
        Ok(Some(status)) if status.success() => Ejection::Done,
        // The user has stopped it.
        Ok(None) => Ejection::Failed,
        Ok(Some(status)) => {
            context.warn(&message!("media.leave-failed", program = program, status = status.to_string()));
            Ejection::Failed
        }
        Err(e) => {
            context.warn(&message!("prompt.medium.program", program = program, reason = e.to_string()));
            Ejection::Failed
        }
    }
}
