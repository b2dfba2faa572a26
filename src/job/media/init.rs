//! `media init`: begins a set on a blank medium and enters the medium into the ledger.

use super::{MediaError, Result, kind_at, sets_at};
use crate::env::Env;
use crate::format::object::Id;
use crate::host::ledger::{Ledger, LedgerEvent, MediumAccount};
use crate::host::state::StateDir;
use crate::job::backup::BackupError;
use crate::medium::{SetOnMedium, device_name};
use crate::set::writer::{self, NewSet, WriteTarget};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
}

/// Begins a set on a blank medium and enters the medium into the ledger. Returns the set's id.
pub fn init(options: &InitOptions, env: &Env) -> Result<Id> {
    let state = StateDir::open(&options.state)?;
    let ledger = Ledger::of(state.root());
    let media = ledger.read()?.media();
    if media.contains_key(&options.name) {
        return Err(MediaError::Taken { name: options.name.clone() });
    }
    let kind = kind_at(&options.at, env)?;
    let set = match begun_earlier(options, &state, &media, env)? {
        Some(set) => set,
        None => {
            let new = NewSet { name: &options.name, recipients: &options.recipients };
            let at = WriteTarget { root: &options.at, only: None, block: options.tape_block, quarantine: false };
            writer::register(at, &state, &new, env).map_err(BackupError::from)?
        }
    };
    let (medium, pool, device) = (options.name.clone(), options.pool.clone(), device_name(&options.at));
    let event = LedgerEvent::Registered { medium, set: set.to_string(), pool, device, kind: Some(kind) };
    ledger.write(&env.time_text(), event)?;
    Ok(set)
}

/// A set of this name that this host has begun on the medium and that the ledger does not contain: an earlier run ended
/// in between.
fn begun_earlier(
    options: &InitOptions,
    state: &StateDir,
    media: &BTreeMap<String, MediumAccount>,
    env: &Env,
) -> Result<Option<Id>> {
    let is_ours = |s: &&SetOnMedium| {
        let id = s.id.to_string();
        s.label.name == options.name && state.set(s.id).is_some() && media.values().all(|m| m.set != id)
    };
    Ok(sets_at(&options.at, env)?.found.iter().find(is_ours).map(|s| s.id))
}
