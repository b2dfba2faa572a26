//! `media init`: begins a set on a blank medium and enters the medium into the ledger.

use super::recognised::recognise;
use super::{MediaError, Result, kind_at, sets_at};
use crate::env::Env;
use crate::format::check_code::CheckCode;
use crate::format::object::Id;
use crate::host::ledger::{Ledger, LedgerEvent, MediumAccount};
use crate::host::state::{SetState, StateDir};
use crate::job::backup::BackupError;
use crate::job::media::rotation::Pool;
use crate::medium::tape::st::is_drive;
use crate::medium::{AttachedMedium, SetOnMedium, device_name, is_mounted};
use crate::seal::chain::Chain;
use crate::set::writer::{self, NewSet, WriteTarget};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A medium that is to be registered.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The state directory.
    pub state: PathBuf,
    /// Where the blank medium is: a folder or a tape drive.
    pub at: PathBuf,
    /// What people call it. Its set gets the same name.
    pub name: String,
    /// The pool that it belongs to.
    pub pool: Option<String>,
    /// age recipients.
    pub recipients: Vec<String>,
    /// Bytes of a block, if the medium is a tape.
    pub tape_block: u32,
    /// Begin the set beside sets that this host does not know: its state was lost, and the disk is the right one.
    pub beside_others: bool,
    /// The pool that it belongs to, and those whose media are attached at `at`: where one of them wants a mount point, `at` has
    /// to be one, whatever the medium is called.
    pub docks: Vec<Pool>,
    /// The names of the media of all pools.
    pub names: Vec<String>,
}

/// Begins a set on a blank medium and enters the medium into the ledger. A medium that this host has begun to write
/// before the ledger had it keeps its set; the newest generation of that is entered, too. Returns the set's id.
pub fn init(options: &InitOptions, env: &Env) -> Result<Id> {
    begin(options, env).inspect_err(|_| recognise_at(options, env))
}

/// Enters what is attached, where it is of the ledger. Why nothing was begun counts more than a ledger that cannot be written.
pub fn recognise_at(options: &InitOptions, env: &Env) {
    let sets = sets_at(&options.at, env).map(|sets| sets.ids()).unwrap_or_default();
    let _ = recognise(&options.state, &sets, &options.at, env);
}

fn begin(options: &InitOptions, env: &Env) -> Result<Id> {
    let state = StateDir::open(&options.state)?;
    let ledger = Ledger::of(state.root());
    let book = ledger.read()?;
    let media = book.media();
    // What the host needs to go on with its set was lost: a new one is begun beside it.
    let is_lost = |m: &MediumAccount| !m.is_copy && m.set.parse().is_ok_and(|set| !has_all_of(&state, set));
    if media.get(&options.name).is_some_and(|m| !is_lost(m)) {
        return Err(MediaError::Taken { name: options.name.clone() });
    }
    let mounted = is_mounted(&options.at);
    let wants_mount = options.docks.iter().any(|pool| pool.wants_mount(&book));
    if wants_mount && !mounted && !is_drive(&options.at) {
        return Err(MediaError::NotMounted { at: options.at.clone() });
    }
    let kind = kind_at(&options.at, env)?;
    check_name(options, &media, env)?;
    let begun = begun_earlier(options, &state, &media, env)?;
    let newest = begun.and_then(|set| newest_at(&options.at, set, env));
    let set = match begun {
        Some(set) => set,
        None => {
            check_sets(options, &media, env)?;
            let new = NewSet { name: &options.name, recipients: &options.recipients };
            let at = WriteTarget { root: &options.at, only: None, block: options.tape_block, quarantine: false };
            writer::register(at, options.beside_others, &state, &new, env).map_err(BackupError::from)?
        }
    };
    let (medium, pool, device) = (options.name.clone(), options.pool.clone(), device_name(&options.at));
    let event = LedgerEvent::Registered { medium, set: set.to_string(), pool, device, kind: Some(kind), mounted };
    ledger.write(&env.time_text(), event)?;
    if let Some(newest) = newest {
        let (medium, generation, sealed) = (options.name.clone(), newest.generation, newest.time);
        ledger.write(&env.time_text(), LedgerEvent::Contains { medium, generation, check_code: newest.check_code, sealed })?;
    }
    Ok(set)
}

/// Whether this host has what it needs to go on with a set.
fn has_all_of(state: &StateDir, set: Id) -> bool {
    state.set(set).is_some_and(|ours| ours.is_whole())
}

/// The newest generation on a medium whose seals are valid.
struct Newest {
    generation: u64,
    check_code: String,
    time: String,
}

/// `None`: there is none, or its seals cannot be read. `verify` and the next backup say that.
fn newest_at(at: &Path, set: Id, env: &Env) -> Option<Newest> {
    let chain = AttachedMedium::find(at, env.loader).ok()?.with_set(set, |medium| Chain::read(medium, set)).ok()?;
    let newest = chain.generations().filter(|link| link.trusted).max_by_key(|link| link.seal.generation)?;
    let (generation, time) = (newest.seal.generation, newest.seal.time.clone());
    Some(Newest { generation, check_code: CheckCode::of(&newest.digest()).to_string(), time })
}

/// Refuses a medium whose set is called as another medium of a pool is, and none as this one: somebody has the wrong disk in
/// hand, or gives the wrong name. What is in the ledger is told apart by its id.
fn check_name(options: &InitOptions, media: &BTreeMap<String, MediumAccount>, env: &Env) -> Result<()> {
    let sets = sets_at(&options.at, env)?;
    let in_ledger = |s: &SetOnMedium| media.values().any(|m| m.set == s.id.to_string());
    let is_of_pool = |name: &String| options.names.contains(name) || media.get(name).is_some_and(|m| m.pool.is_some());
    let names = || sets.found.iter().filter(|s| !in_ledger(s) && !s.label.quarantine).map(|s| &s.label.name);
    match names().find(|name| is_of_pool(name)).filter(|_| names().all(|name| *name != options.name)) {
        Some(name) => Err(MediaError::OtherName { name: name.clone(), at: options.at.clone() }),
        None => Ok(()),
    }
}

/// Fails where the medium is another one of the ledger, and where it has sets of which this host knows nothing.
fn check_sets(options: &InitOptions, media: &BTreeMap<String, MediumAccount>, env: &Env) -> Result<()> {
    let ids = sets_at(&options.at, env)?.ids();
    let of_ledger = |id: &Id| media.values().find(|m| m.set == id.to_string() && m.name != options.name);
    if let Some(other) = ids.iter().find_map(of_ledger) {
        return Err(MediaError::OtherMedium { name: other.name.clone(), at: options.at.clone() });
    }
    match ids.first().filter(|_| !options.beside_others) {
        Some(set) => Err(MediaError::OtherSet { set: *set, at: options.at.clone() }),
        None => Ok(()),
    }
}

/// The set that this host has begun on the medium and that the ledger does not contain: an earlier run ended in between, or
/// the disk was in use before its pool was configured. Of several, the one that has the medium's name.
fn begun_earlier(
    options: &InitOptions,
    state: &StateDir,
    media: &BTreeMap<String, MediumAccount>,
    env: &Env,
) -> Result<Option<Id>> {
    let sets = sets_at(&options.at, env)?;
    let is_ours = |s: &SetOnMedium| {
        let ours = state.set(s.id).filter(SetState::is_whole);
        let is_open = ours.map(|ours| ours.info()).transpose()?.is_some_and(|info| !info.quarantine);
        // Without a pool the ledger has it under the set's name; it takes its name on the sticker now.
        let is_free = |m: &MediumAccount| m.set != s.id.to_string() || options.pool.is_some() && m.pool.is_none() && !m.is_copy;
        Ok::<_, MediaError>(is_open && media.values().all(is_free))
    };
    let mut ours = Vec::new();
    for set in &sets.found {
        if is_ours(set)? {
            ours.push(set);
        }
    }
    let only = <[_; 1]>::try_from(&ours[..]).ok().filter(|_| sets.found.len() == 1).map(|[only]| only);
    Ok(ours.into_iter().find(|s| s.label.name == options.name).or(only).map(|s| s.id))
}
