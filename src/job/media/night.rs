//! A night of a rotation: a backup to the medium of a pool that is due, with its lines in the ledger.

use super::rotation::{Pool, PoolTurn, Refusal};
use super::{MediaError, Result, sets_at};
use crate::env::Env;
use crate::event::Observer;
use crate::format::object::Id;
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent, MediumKind};
use crate::host::state::StateDir;
use crate::job::backup::{self, Options, backup};
use crate::medium::tape::drive::DriveError;
use crate::medium::tape::st::{self, StDrive};
use crate::medium::{MediumError, device_name, watch};
use std::path::Path;

/// How a night ended.
#[derive(Debug)]
pub enum PoolNight {
    /// A generation was sealed.
    Done {
        /// Which medium was attached.
        turn: PoolTurn,
        /// The backup's report.
        report: Box<backup::Report>,
        /// Whether the medium was seen to be gone after it was ejected; `None` if it was not ejected.
        gone: Option<bool>,
        /// Why a line of the ledger could not be written after the generation was sealed.
        ledger_error: Option<LedgerError>,
    },
    /// Nothing was written.
    Refused(Refusal),
}

/// Backs up to the medium of a pool that is due. `options.to` is where the pool's media are attached; `eject` detaches
/// the medium there, and returns whether it tried.
pub fn night(
    pool: &Pool,
    options: &Options,
    eject: &dyn Fn(&Path) -> bool,
    env: &Env,
    observer: &dyn Observer,
) -> Result<PoolNight> {
    let at = &options.to;
    let state = StateDir::open(&options.state)?;
    let ledger = Ledger::of(state.root());
    let enter = |event| ledger.write(&env.time_text(), event);
    let book = ledger.read()?;
    let device = device_name(at);
    let Some(turn) = pool.turn(&book, &sets_at(at, env)?, device.as_deref()) else {
        return Err(MediaError::EmptyPool { pool: pool.name.clone() });
    };
    let (medium, set) = match &turn {
        PoolTurn::Due { medium, set } | PoolTurn::Stayed { medium, set, .. } => (medium.clone(), *set),
        PoolTurn::Refused(refusal) => {
            let (pool, due, found) = (pool.name.clone(), refusal.due.clone(), refusal.found.text());
            enter(LedgerEvent::Refused { pool, due, found })?;
            return Ok(PoolNight::Refused(refusal.clone()));
        }
    };
    enter(LedgerEvent::Attached { medium: medium.clone(), at: at.display().to_string(), device })?;
    let options = Options { set: Some(set), init: None, ..options.clone() };
    let report = backup(&options, env, observer)?;
    // The generation is sealed. A ledger that fails from here on must not make the night a failure.
    let mut ledger_error = enter(LedgerEvent::Written {
        medium: medium.clone(),
        generation: report.generation,
        check_code: report.check_code.to_string(),
        verdict: report.verdict.name().to_owned(),
    })
    .err();
    let watched = watch(at, state.root());
    let mut gone = None;
    if eject(at) {
        // What counts is not the answer of the program that ejects, but whether the medium is still attached.
        let seen = watched.is_gone().unwrap_or_else(|| is_gone(at, set, env));
        ledger_error = enter(LedgerEvent::Detached { medium, seen }).err().or(ledger_error);
        gone = Some(seen);
    }
    Ok(PoolNight::Done { turn, report: Box::new(report), gone, ledger_error })
}

/// Enters what a backup without a pool has written into the ledger; its medium too, if the ledger does not know it yet.
/// Returns the ledger's name of the medium.
pub fn enter_alone(options: &Options, report: &backup::Report, env: &Env) -> (String, Option<LedgerError>) {
    let ledger = Ledger::of(&options.state);
    let enter = |event| ledger.write(&env.time_text(), event);
    let set = report.set.to_string();
    let name = match report.place {
        1 => report.set_name.clone(),
        place => format!("{} {place}", report.set_name),
    };
    let run = || {
        let media = ledger.read()?.media();
        let of_set = media.values().find(|m| m.set == set && !m.is_copy && report.place == 1).map(|m| m.name.clone());
        let is_taken = media.get(&name).is_some_and(|m| m.set != set);
        let medium = match of_set {
            Some(known) => known,
            None if is_taken => format!("{name} ({})", &set[..8]),
            None => name.clone(),
        };
        let device = device_name(&options.to);
        if !media.contains_key(&medium) {
            let kind = if st::is_drive(&options.to) { MediumKind::Tape } else { MediumKind::Disk };
            let (medium, device, kind) = (medium.clone(), device.clone(), Some(kind));
            enter(LedgerEvent::Registered { medium, set: set.clone(), pool: None, device, kind })?;
        }
        enter(LedgerEvent::Attached { medium: medium.clone(), at: options.to.display().to_string(), device })?;
        enter(LedgerEvent::Written {
            medium: medium.clone(),
            generation: report.generation,
            check_code: report.check_code.to_string(),
            verdict: report.verdict.name().to_owned(),
        })?;
        Ok(medium)
    };
    run().map_or_else(|e| (name.clone(), Some(e)), |medium| (medium, None))
}

/// Whether a medium without a device of its own is gone. False if that is unknown.
fn is_gone(at: &Path, set: Id, env: &Env) -> bool {
    if st::is_drive(at) {
        // Opening the drive loads an ejected cartridge again that nobody took out: such a cartridge is not gone.
        return matches!(StDrive::open(at), Err(DriveError::Empty | DriveError::Gone(_)));
    }
    match sets_at(at, env) {
        Ok(sets) => sets.found.iter().all(|s| s.id != set) && sets.broken.is_empty(),
        Err(MediumError::NotFound { .. } | MediumError::Gone { .. } | MediumError::NoCartridge { .. }) => true,
        Err(_) => false,
    }
}
