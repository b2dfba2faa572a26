//! A night of a rotation: a backup to the medium of a pool that is due, with its lines in the ledger.

use super::recognised::{medium_at, recognise};
use super::rotation::{FoundMedium, Pool, PoolTurn, Refusal};
use super::wrong_medium::explained;
use super::{MediaError, Result, sets_at};
use crate::env::Env;
use crate::event::{Observer, chain_text};
use crate::format::object::Id;
use crate::format::seal::ReadBack;
use crate::host::catalog::Catalog;
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent, MediumAccount, MediumKind};
use crate::host::state::StateDir;
use crate::interruption::Interruption;
use crate::job::backup::{self, BackupError, Options, backup};
use crate::job::incident::hold::{HoldError, active_hold};
use crate::medium::loader::{MediumRequest, NoLoader};
use crate::medium::tape::drive::{Drive, DriveError};
use crate::medium::tape::st::{self, StDrive};
use crate::medium::{AttachedMedium, ErrorCategory, Loader, MediumError, Sets, device_name, is_mounted, watch};
use crate::seal::KeyError;
use crate::set::writer::WriteError;
use std::path::Path;

/// How a night ended.
#[derive(Debug)]
pub enum PoolNight {
    /// A generation was sealed.
    Done {
        /// Where the ledger said that the medium is, if that was off site.
        came_back: Option<String>,
        /// Which medium was attached.
        turn: PoolTurn,
        /// The backup's report.
        report: Box<backup::Report>,
        /// Whether the medium was seen to be gone after it was ejected. `None` if it was not ejected, or if that failed and
        /// nothing shows where it is.
        gone: Option<bool>,
        /// Why a line of the ledger could not be written after the generation was sealed.
        ledger_error: Option<LedgerError>,
    },
    /// Nothing was written.
    Refused(Refusal),
    /// The disk is full, and the generation is not complete.
    Full {
        /// The medium.
        medium: String,
        /// Something of it was stored and sealed.
        is_part_sealed: bool,
        /// The medium that is due now.
        due: String,
    },
}

/// What came of detaching a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ejection {
    /// Nothing detaches it.
    NotAsked,
    /// The program that detaches it failed.
    Failed,
    /// It says that the medium is detached.
    Done,
}

/// Nobody is asked for a blank disk when one of a pool is full: the next in turn follows.
struct DiskByDisk<'l>(&'l dyn Loader);

impl Loader for DiskByDisk<'_> {
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        self.0.drive(path)
    }

    fn interruption(&self) -> Interruption {
        self.0.interruption()
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<(), MediumError> {
        if wanted.blank { NoLoader.bring(path, wanted, wrong) } else { self.0.bring(path, wanted, wrong) }
    }
}

/// Why no medium of a pool is due.
fn none_due(pool: &Pool) -> MediaError {
    let name = pool.name.clone();
    if pool.media.is_empty() { MediaError::EmptyPool { pool: name } } else { MediaError::PoolOutOfUse { pool: name } }
}

/// Whether a disk has no space for more.
fn is_full(e: &BackupError) -> bool {
    let BackupError::Write(WriteError::Medium(e)) = e else { return false };
    matches!(e, MediumError::NotBrought { blank: true, .. } | MediumError::Full { .. })
}

/// Enters that a medium is not what this host wrote, where that is why a backup ended: tomorrow another medium is attached, and
/// this one would be forgotten. Why the run failed counts more than a ledger that cannot be written.
fn enter_mismatch(ledger: &Ledger, (medium, at): (&str, &Path), e: &BackupError, env: &Env) {
    let is_mismatch = match e {
        // What a drive did not write, the next run names void and writes anew.
        BackupError::Write(WriteError::ReadBack { .. }) if st::is_drive(at) => false,
        BackupError::Write(WriteError::Medium(e)) if st::is_drive(at) && e.category() == ErrorCategory::Damage => false,
        BackupError::Write(
            WriteError::RolledBack { .. }
            | WriteError::StateSetBack { .. }
            | WriteError::NamesInTheWay { .. }
            | WriteError::ReadBack { .. },
        ) => true,
        BackupError::Write(WriteError::SealKeys(e)) => matches!(e, KeyError::OutOfStep { .. }),
        BackupError::Write(WriteError::Seal(e)) => !e.is_newer(),
        BackupError::Write(WriteError::Medium(e)) => e.category() == ErrorCategory::Damage,
        _ => false,
    };
    if is_mismatch {
        let (medium, found) = (medium.to_owned(), chain_text(e));
        let is_newer = matches!(e, BackupError::Write(WriteError::StateSetBack { .. }));
        let _ = ledger.write(&env.time_text(), LedgerEvent::Mismatched { medium, found, in_full: false, is_newer });
    }
}

/// Backs up to the medium of a pool that is due. `options.to` is where the pool's media are attached; `eject` detaches
/// the medium there.
pub fn night(
    pool: &Pool,
    options: &Options,
    eject: &dyn Fn(&Path) -> Ejection,
    env: &Env,
    observer: &dyn Observer,
) -> Result<PoolNight> {
    let at = &options.to;
    let state = StateDir::open(&options.state)?;
    let ledger = Ledger::of(state.root());
    let enter = |event| ledger.write(&env.time_text(), event);
    let book = ledger.read()?;
    let refuse = |refusal: Refusal| {
        let (pool, due, found) = (pool.name.clone(), refusal.due.clone(), refusal.found.text());
        enter(LedgerEvent::Refused { pool, due, found })?;
        Ok(PoolNight::Refused(refusal))
    };
    let Some((due, _)) = pool.due(&book) else { return Err(none_due(pool)) };
    let mounted = is_mounted(at);
    let is_bare = !mounted && !st::is_drive(at);
    let (is_prepared, bare) = (book.media().contains_key(due), pool.wants_mount(&book));
    let found = || if is_prepared { FoundMedium::NotMounted } else { FoundMedium::Unprepared { bare } };
    let not_mounted = || Refusal { due: due.to_owned(), found: found() };
    if is_bare && bare {
        return refuse(not_mounted());
    }
    let (sets, device) = (sets_at(at, env)?, device_name(at));
    let seen = || recognise(state.root(), &sets.ids(), at, env);
    let Some(turn) = pool.turn(&book, &sets, device.as_deref(), &env.time_text()) else {
        return Err(none_due(pool));
    };
    let (medium, set) = match &turn {
        PoolTurn::Due { medium, set } | PoolTurn::Stayed { medium, set, .. } => (medium.clone(), *set),
        // An empty folder of the host is no medium, and nobody has erased it.
        PoolTurn::Refused(_) if is_bare && sets.is_blank() => return refuse(not_mounted()),
        PoolTurn::Refused(refusal) => return seen().map_err(MediaError::from).and_then(|()| refuse(refusal.clone())),
    };
    if state.set(set).is_none() {
        seen()?;
        return refuse(Refusal { due: due.to_owned(), found: FoundMedium::SetLost { medium } });
    }
    let account = book.media().remove(&medium);
    let came_back = account.as_ref().filter(|m| m.off_site).map(|m| m.location.clone().unwrap_or_default());
    enter(LedgerEvent::Attached { medium: medium.clone(), at: at.display().to_string(), device: device.clone(), mounted })?;
    let known = known_set(&state, &sets, set)?;
    let options = Options { set: Some(known), init: None, ..options.clone() };
    let loader = DiskByDisk(env.loader);
    let of_disk = Env { loader: &loader, ..*env };
    let tonight = if st::is_drive(at) { env } else { &of_disk };
    let before = last_seal(&state, known)?;
    let report = match backup(&options, tonight, observer) {
        Err(e) if is_full(&e) && !st::is_drive(at) => {
            let is_part_sealed = last_seal(&state, known)? != before;
            enter(LedgerEvent::Full { medium: medium.clone() })?;
            let (_, ledger_error) = detach(&options, set, &medium, eject, env);
            ledger_error.map_or(Ok(()), Err)?;
            let due = pool.due(&ledger.read()?).map_or_else(|| medium.clone(), |(due, _)| due.to_owned());
            return Ok(PoolNight::Full { medium, is_part_sealed, due });
        }
        ended => ended.inspect_err(|e| enter_mismatch(&ledger, (&medium, &options.to), e, env))?,
    };
    // The generation is sealed. A ledger that fails from here on must not make the night a failure.
    let mut ledger_error = None;
    if report.set != set {
        let (pool, kind) = (account.as_ref().and_then(|m| m.pool.clone()), account.and_then(|m| m.kind));
        let (medium, set) = (medium.clone(), report.set.to_string());
        ledger_error = enter(LedgerEvent::Registered { medium, set, pool, device, kind, mounted }).err();
    }
    ledger_error = enter_written(&report, &medium, &ledger, env).err().or(ledger_error);
    let (gone, unwritten) = detach(&options, report.set, &medium, eject, env);
    ledger_error = unwritten.or(ledger_error);
    Ok(PoolNight::Done { came_back, turn, report: Box::new(report), gone, ledger_error })
}

/// Ejects a medium with this set. Returns whether it was seen to be gone, as [`PoolNight::Done`] has it, and why the ledger
/// does not say so.
fn detach(
    options: &Options,
    set: Id,
    medium: &str,
    eject: &dyn Fn(&Path) -> Ejection,
    env: &Env,
) -> (Option<bool>, Option<LedgerError>) {
    let at = &options.to;
    let watched = watch(at, &options.state);
    let ejection = eject(at);
    if ejection == Ejection::NotAsked {
        return (None, None);
    }
    // What counts is not the answer of the program that ejects, but whether the medium is still attached.
    let gone = match watched.is_gone() {
        None if ejection == Ejection::Failed && !st::is_drive(at) => {
            // A folder without a device may have been unmounted and nothing more, before the program failed.
            Some(false).filter(|_| !is_gone(at, set, env))
        }
        None => Some(is_gone(at, set, env)),
        shown => shown,
    };
    let detached = LedgerEvent::Detached { medium: medium.to_owned(), seen: gone == Some(true) };
    (gone, Ledger::of(&options.state).write(&env.time_text(), detached).err())
}

/// The set that a night goes on with: the one of the ledger. When its catalog was lost, a run began another one under the
/// same name; if that run ended before the ledger knew it, the catalog does.
fn known_set(state: &StateDir, sets: &Sets, set: Id) -> Result<Id> {
    let catalog = Catalog::open(&state.catalog()).map_err(BackupError::from)?;
    let is_known = |id| Ok::<_, BackupError>(catalog.set(id)?.is_some());
    let Some(ours) = state.set(set).filter(|_| !is_known(set).unwrap_or(true)) else { return Ok(set) };
    let name = ours.info()?.name;
    let named = sets.found.iter().filter(|s| s.label.name == name && state.set(s.id).is_some());
    let successor = named.filter(|s| is_known(s.id).unwrap_or(false)).max_by(|a, b| a.label.created.cmp(&b.label.created));
    Ok(successor.map_or(set, |s| s.id))
}

/// The digest of the newest seal of a set, by the catalog.
fn last_seal(state: &StateDir, set: Id) -> Result<Option<[u8; 32]>> {
    let catalog = Catalog::open(&state.catalog()).map_err(BackupError::from)?;
    let last = || Ok::<_, BackupError>(catalog.set(set)?.map(|row| catalog.last_seals(row)).transpose()?);
    Ok(last()?.and_then(|seals| seals.last().map(|(_, digest)| *digest)))
}

/// Under a hold, the full medium of a pool is continued on no blank one: that would be a clean medium that is written.
fn continues_none_under_hold(options: &Options, env: &Env) -> Result<(), BackupError> {
    let book = Ledger::of(&options.state).read().map_err(HoldError::from)?;
    let Some(hold) = active_hold(&book) else { return Ok(()) };
    if !sets_at(&options.to, env).map_err(HoldError::from)?.is_blank() {
        return Ok(());
    }
    let catalog = Catalog::open(&StateDir::of(&options.state).catalog())?;
    let waiting: Vec<String> = catalog.sets_to_continue()?.into_iter().map(|(id, _)| id.to_string()).collect();
    match book.media().into_values().find(|m| m.pool.is_some() && waiting.contains(&m.set)) {
        Some(m) => Err(HoldError::Continued { medium: m.name, since: hold.since, why: hold.why }.into()),
        None => Ok(()),
    }
}

/// Backs up to a medium that is in no pool. That it is not what this host wrote is entered, where the ledger has it.
pub fn night_alone(options: &Options, env: &Env, observer: &dyn Observer) -> Result<backup::Report> {
    continues_none_under_hold(options, env)?;
    let done = backup(options, env, observer).inspect_err(|e| {
        let ledger = Ledger::of(&options.state);
        let sets = sets_at(&options.to, env).map(|sets| sets.ids()).unwrap_or_default();
        // Why the run failed counts more than a ledger that cannot be written.
        let _ = recognise(&options.state, &sets, &options.to, env);
        let media = ledger.read().map(|book| book.media()).unwrap_or_default();
        let here: Vec<&MediumAccount> = sets.iter().filter_map(|set| medium_at(&media, *set, &options.to)).collect();
        if let [medium] = &here[..] {
            enter_mismatch(&ledger, (&medium.name, &options.to), e, env);
        }
    });
    done.map_err(|e| explained(e, options, env))
}

/// Enters what a backup has written, and before that what it has found damaged: what it has written is behind the damage. Where damage
/// is known, more may be known of it than a listing shows.
fn enter_written(report: &backup::Report, medium: &str, ledger: &Ledger, env: &Env) -> Result<(), LedgerError> {
    let enter = |event| ledger.write(&env.time_text(), event);
    let (medium, damaged) = (medium.to_owned(), report.damage.len() as u64);
    if damaged > 0 && !ledger.read()?.media().get(&medium).is_some_and(MediumAccount::is_damaged) {
        enter(LedgerEvent::Scrubbed { medium: medium.clone(), damaged })?;
    }
    enter(LedgerEvent::Written {
        medium,
        generation: report.generation,
        check_code: report.check_code.to_string(),
        verdict: report.verdict.name().to_owned(),
        from_cache: report.read_back == ReadBack::Cached,
    })
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
        // What the host needs to go on with that set was lost, and this one begun instead.
        let is_lost = |m: &MediumAccount| m.set.parse().is_ok_and(|set| StateDir::of(&options.state).set(set).is_none());
        let is_taken = media.get(&name).is_some_and(|m| m.set != set && !is_lost(m));
        let medium = match of_set {
            Some(known) => known,
            None if is_taken => format!("{name} ({})", &set[..8]),
            None => name.clone(),
        };
        let (device, mounted) = (device_name(&options.to), is_mounted(&options.to));
        if media.get(&medium).is_none_or(|m| m.set != set) {
            let kind = if st::is_drive(&options.to) { MediumKind::Tape } else { MediumKind::Disk };
            let (medium, device, kind) = (medium.clone(), device.clone(), Some(kind));
            enter(LedgerEvent::Registered { medium, set: set.clone(), pool: None, device, kind, mounted })?;
        }
        enter(LedgerEvent::Attached { medium: medium.clone(), at: options.to.display().to_string(), device, mounted })?;
        enter_written(report, &medium, &ledger, env)?;
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
    // Also of a run that the user has stopped.
    match AttachedMedium::find(at, env.loader).and_then(|attached| attached.without_interruption().sets()) {
        Ok(sets) => sets.found.iter().all(|s| s.id != set) && sets.broken.is_empty(),
        Err(MediumError::NotFound { .. } | MediumError::Gone { .. } | MediumError::NoCartridge { .. }) => true,
        Err(_) => false,
    }
}
