//! `media init`, a copy with a name and a night of a rotation: jobs that keep the ledger.

use super::copy;
use super::rotation::{Pool, PoolTurn, Refusal};
use crate::env::Env;
use crate::event::Observer;
use crate::format::object::Id;
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent, MediumAccount, MediumKind};
use crate::host::state::{StateDir, StateError};
use crate::job::backup;
use crate::job::backup::{BackupError, Options};
use crate::job::restore::RestoreError;
use crate::medium::tape::drive::DriveError;
use crate::medium::tape::st::{self, StDrive};
use crate::medium::{AttachedMedium, MediumError, SetOnMedium, device_name, watch};
use crate::set::open::OpenSet;
use crate::set::writer;
use crate::set::writer::{NewSet, WriteTarget};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("a medium named {name} is in the ledger already")]
    Taken { name: String },
    #[error("the pool {pool} has no media")]
    EmptyPool { pool: String },
    #[error("the ledger failed")]
    Ledger(#[source] LedgerError),
    #[error("the medium failed")]
    Medium(#[source] MediumError),
    #[error("the state directory failed")]
    State(#[source] StateError),
    #[error("the backup failed")]
    Backup(#[source] BackupError),
    #[error("the source cannot be opened")]
    Source(#[source] RestoreError),
    #[error("the copy failed")]
    Copy(#[source] copy::CopyError),
}

type Result<T> = std::result::Result<T, MediaError>;

/// A medium that is to be taken in.
#[derive(Debug, Clone)]
pub struct RegisterOptions {
    pub state: PathBuf,
    /// Where the blank medium is: a folder or a tape drive.
    pub at: PathBuf,
    /// What people call it. Its set gets the same name.
    pub name: String,
    pub pool: Option<String>,
    /// age recipients.
    pub recipients: Vec<String>,
    /// Bytes of a block, where the medium is a tape.
    pub tape_block: u32,
}

/// Begins a set on a blank medium and takes it into the ledger.
pub fn init(options: &RegisterOptions, env: &Env) -> Result<Id> {
    let state = StateDir::open(&options.state).map_err(MediaError::State)?;
    let ledger = Ledger::of(state.root());
    let media = ledger.read().map_err(MediaError::Ledger)?.media();
    if media.contains_key(&options.name) {
        return Err(MediaError::Taken { name: options.name.clone() });
    }
    let kind = kind_at(&options.at, env)?;
    let begin = NewSet { name: &options.name, recipients: &options.recipients };
    let set = match begun(options, &state, &media, env)? {
        Some(set) => set,
        None => {
            let at = WriteTarget { root: &options.at, only: None, block: options.tape_block, quarantine: false };
            writer::register(at, &state, &begin, env).map_err(|e| MediaError::Backup(e.into()))?
        }
    };
    let (medium, pool, device) = (options.name.clone(), options.pool.clone(), device_name(&options.at));
    let event = LedgerEvent::Registered { medium, set: set.to_string(), pool, device, kind: Some(kind) };
    ledger.write(&env.time_text(), event).map_err(MediaError::Ledger)?;
    Ok(set)
}

/// A set of this name that this host has begun there and that is in no line of the ledger: a run ended in between.
fn begun(options: &RegisterOptions, state: &StateDir, media: &BTreeMap<String, MediumAccount>, env: &Env) -> Result<Option<Id>> {
    let sets = AttachedMedium::find(&options.at, env.loader).and_then(|place| place.sets()).map_err(MediaError::Medium)?;
    let is_ours = |s: &&SetOnMedium| {
        let id = s.id.to_string();
        s.label.name == options.name && state.set(s.id).is_some() && media.values().all(|m| m.set != id)
    };
    Ok(sets.found.iter().find(is_ours).map(|s| s.id))
}

fn kind_at(at: &Path, env: &Env) -> Result<MediumKind> {
    let place = AttachedMedium::find(at, env.loader).map_err(MediaError::Medium)?;
    Ok(if place.is_tape() { MediumKind::Tape } else { MediumKind::Disk })
}

/// Copies a set onto a medium that the ledger calls `name`, and takes it in if it is new.
pub fn copy(name: &str, state: &Path, options: &copy::Options, env: &Env, observer: &dyn Observer) -> Result<copy::Report> {
    let state = StateDir::open(state).map_err(MediaError::State)?;
    let ledger = Ledger::of(state.root());
    let taken = || MediaError::Taken { name: name.to_owned() };
    let there = ledger.read().map_err(MediaError::Ledger)?.media().remove(name);
    if there.as_ref().is_some_and(|m| !m.is_copy) {
        return Err(taken());
    }
    let set = OpenSet::open(&options.from, options.set, env.loader).map_err(MediaError::Source)?.id.to_string();
    if there.is_some_and(|m| m.set != set) {
        return Err(taken());
    }
    let kind = kind_at(&options.to, env)?;
    let report = copy::copy(options, env, observer).map_err(MediaError::Copy)?;
    if let Some((generation, code)) = report.newest.as_ref().filter(|_| report.is_good()) {
        let (medium, generation, check_code) = (name.to_owned(), *generation, code.to_string());
        let event = LedgerEvent::Copied { medium, set, generation, check_code, device: device_name(&options.to), kind };
        ledger.write(&env.time_text(), event).map_err(MediaError::Ledger)?;
    }
    Ok(report)
}

/// Writes into the ledger that the medium of a set at `at` was read in full. Answers with its name; `None` where the ledger does not know
/// it, or cannot tell it from a copy.
pub fn scrubbed(state: &Path, set: Id, at: &Path, damaged: u64, env: &Env) -> Result<Option<String>> {
    let ledger = Ledger::of(state);
    let media = ledger.read().map_err(MediaError::Ledger)?.media();
    let (id, device) = (set.to_string(), device_name(at));
    let of_set: Vec<&MediumAccount> = media.values().filter(|m| m.set == id).collect();
    let found = match &of_set[..] {
        [only] => Some(*only),
        several => several.iter().copied().find(|m| device.is_some() && m.device == device),
    };
    let Some(medium) = found.map(|m| m.name.clone()) else { return Ok(None) };
    ledger.write(&env.time_text(), LedgerEvent::Scrubbed { medium: medium.clone(), damaged }).map_err(MediaError::Ledger)?;
    Ok(Some(medium))
}

/// What became of a night.
#[derive(Debug)]
pub enum PoolNight {
    Done {
        turn: PoolTurn,
        report: Box<backup::Report>,
        /// `None`: nobody told it to leave. Else whether it was seen to be gone.
        left: Option<bool>,
        /// The generation is sealed, and the ledger could not be told.
        untold: Option<LedgerError>,
    },
    /// Nothing was written.
    Refused(Refusal),
}

/// A backup to whichever medium of a pool is due. `options.to` is where the pool's media are attached; `leave` tells the medium there to go
/// away, and answers whether it tried.
pub fn night(
    pool: &Pool,
    options: &Options,
    leave: &dyn Fn(&Path) -> bool,
    env: &Env,
    observer: &dyn Observer,
) -> Result<PoolNight> {
    let at = &options.to;
    let state = StateDir::open(&options.state).map_err(MediaError::State)?;
    let ledger = Ledger::of(state.root());
    let note = |event| ledger.write(&env.time_text(), event).map_err(MediaError::Ledger);
    let book = ledger.read().map_err(MediaError::Ledger)?;
    let device = device_name(at);
    let sets = AttachedMedium::find(at, env.loader).and_then(|place| place.sets()).map_err(MediaError::Medium)?;
    let Some(turn) = pool.turn(&book, &sets, device.as_deref()) else {
        return Err(MediaError::EmptyPool { pool: pool.name.clone() });
    };
    let (medium, set) = match &turn {
        PoolTurn::Due { medium, set } | PoolTurn::Stayed { medium, set, .. } => (medium.clone(), *set),
        PoolTurn::Refused(refusal) => {
            let (pool, due, found) = (pool.name.clone(), refusal.due.clone(), refusal.found.text());
            note(LedgerEvent::Refused { pool, due, found })?;
            return Ok(PoolNight::Refused(refusal.clone()));
        }
    };
    note(LedgerEvent::Attached { medium: medium.clone(), at: at.display().to_string(), device })?;
    let options = Options { set: Some(set), init: None, ..options.clone() };
    let report = backup::backup(&options, env, observer).map_err(MediaError::Backup)?;
    // What is sealed is sealed, whatever becomes of the ledger from here on.
    let mut untold = None;
    let mut tell = |event| untold = ledger.write(&env.time_text(), event).err().or(untold.take());
    tell(LedgerEvent::Written {
        medium: medium.clone(),
        generation: report.generation,
        check_code: report.check_code.to_string(),
        verdict: report.verdict.name().to_owned(),
    });
    let watched = watch(at, state.root());
    let mut left = None;
    if leave(at) {
        // Not what it answers: whether it is still there.
        let seen = watched.is_gone().unwrap_or_else(|| has_left(at, set, env));
        tell(LedgerEvent::Detached { medium, seen });
        left = Some(seen);
    }
    Ok(PoolNight::Done { turn, report: Box::new(report), left, untold })
}

/// Whether a medium is away that is no disk of its own. What cannot be told is not said to be gone.
fn has_left(at: &Path, set: Id, env: &Env) -> bool {
    if st::is_drive(at) {
        // A cartridge that was given out and that nobody took is taken in again by any program that asks for it.
        return matches!(StDrive::open(at), Err(DriveError::Empty | DriveError::Gone(_)));
    }
    match AttachedMedium::find(at, env.loader).and_then(|place| place.sets()) {
        Ok(sets) => sets.found.iter().all(|s| s.id != set) && sets.broken.is_empty(),
        Err(MediumError::NotFound { .. } | MediumError::Gone { .. } | MediumError::NoCartridge { .. }) => true,
        Err(_) => false,
    }
}
