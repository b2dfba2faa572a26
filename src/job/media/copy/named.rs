//! A copy onto a medium that people call by a name, with its line in the ledger.

use super::{CopyError, Options, Report, copy};
use crate::env::Env;
use crate::event::Observer;
use crate::format::seal::ReadBack;
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent};
use crate::host::state::{StateDir, StateError};
use crate::job::media::{kind_at, sets_at};
use crate::medium::{MediumError, device_name, is_mounted};
use crate::set::open::{OpenError, OpenSet};
use std::path::Path;

/// Why a copy with a name ended early.
#[derive(Debug, thiserror::Error)]
pub enum NamedCopyError {
    /// The name belongs to a medium that is no copy of this set.
    #[error("a medium named {name} is in the ledger already")]
    Taken {
        /// What people call the medium.
        name: String,
    },
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The target cannot be opened.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The state directory cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The set to be copied cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy failed.
    #[error(transparent)]
    Copy(#[from] CopyError),
}

/// Copies a set onto a medium that the ledger calls `name`. Enters the medium into the ledger if it is new, before anything
/// is written to it: a copy that is not finished is attached, too. Only a good copy is entered as one.
pub fn copy_named(
    name: &str,
    state: &Path,
    options: &Options,
    env: &Env,
    observer: &dyn Observer,
) -> Result<Report, NamedCopyError> {
    let state = StateDir::open(state)?;
    let ledger = Ledger::of(state.root());
    let mut media = ledger.read()?.media();
    let known = media.remove(name);
    let taken = || NamedCopyError::Taken { name: name.to_owned() };
    if known.as_ref().is_some_and(|m| !m.is_copy) {
        return Err(taken());
    }
    let set = OpenSet::open(&options.from, options.set, env.loader)?.id.to_string();
    if known.is_some_and(|m| m.set != set) {
        return Err(taken());
    }
    let kind = kind_at(&options.to, env)?;
    let (device, mounted) = (device_name(&options.to), is_mounted(&options.to));
    if may_be_begun(options, &set, env)? {
        // Until the copy is good, hardware that another medium has is not this one's: somebody may have named the wrong disk.
        let device = device.clone().filter(|d| media.values().all(|m| m.device.as_ref() != Some(d)));
        let (medium, at) = (name.to_owned(), options.to.display().to_string());
        let begun = LedgerEvent::CopyBegun { medium, set: set.clone(), at, device, kind, mounted };
        ledger.write(&env.time_text(), begun)?;
    }
    let report = copy(options, env, observer)?;
    if let Some((generation, code)) = report.newest.as_ref().filter(|_| report.is_good()) {
        let (medium, generation, check_code) = (name.to_owned(), *generation, code.to_string());
        let from_cache = report.read_back == ReadBack::Cached;
        let event = LedgerEvent::Copied { medium, set, generation, check_code, device, kind, from_cache };
        ledger.write(&env.time_text(), event)?;
    }
    Ok(report)
}

/// Whether the target is not plainly another medium, which the copy refuses.
fn may_be_begun(options: &Options, set: &str, env: &Env) -> Result<bool, MediumError> {
    let is_same = matches!((options.from.canonicalize(), options.to.canonicalize()), (Ok(from), Ok(to)) if from == to);
    let sets = sets_at(&options.to, env)?;
    let has_set = sets.ids().iter().any(|id| id.to_string() == set);
    Ok(!is_same && (sets.is_blank() || has_set || options.beside_others))
}
