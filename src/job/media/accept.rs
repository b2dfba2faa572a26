//! How two people end it that records of this host are missing: they have found out why, and say so.

use crate::env::Env;
use crate::host::consistency::{Misfit, misfits, read_ledger};
use crate::host::ledger::{Ledger, LedgerError, LedgerEvent};
use crate::host::state::StateDir;
use crate::job::incident::people::{is_nobody, is_same_person};
use crate::job::media::found::enter_alarms;
use std::path::{Path, PathBuf};

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Two names belong to one person, or one of them is empty.
    #[error("the witness is the same person")]
    SamePerson,
    /// No reason was given.
    #[error("there is no reason")]
    NoReason,
    /// Nothing is missing.
    #[error("no record is missing")]
    Nothing,
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Enters that two people know why records are missing. A ledger that was changed or is gone is put aside, and a new one begun;
/// one that was set back, or that only lacks the file with its end, goes on. Returns where the old one is.
pub fn accept(state: &Path, by: &str, witness: &str, because: &str, env: &Env) -> Result<Option<PathBuf>, AcceptError> {
    if is_nobody(by) || is_nobody(witness) || is_same_person(by, witness) {
        return Err(AcceptError::SamePerson);
    }
    if is_nobody(because) {
        return Err(AcceptError::NoReason);
    }
    let book = read_ledger(state)?;
    let is_of_people = |m: &Misfit| matches!(m, Misfit::NightsMissing { .. } | Misfit::HoldsLost { .. });
    if book.is_sound() && !misfits(state, &book).iter().any(is_of_people) {
        return Err(AcceptError::Nothing);
    }
    let ledger = Ledger::of(state);
    let lacks_only_end = book.is_end_missing && book.broken.len() == 1;
    let aside = if book.broken.is_empty() || lacks_only_end { None } else { ledger.set_aside()? };
    let (by, witness, why) = (by.to_owned(), witness.to_owned(), because.to_owned());
    ledger.write_accepted(&env.time_text(), LedgerEvent::Accepted { by, witness, why })?;
    hold_again(state, env)?;
    Ok(aside)
}

/// That records are missing ends no alarm: where a set's own folder has one that the ledger does not know, there is a hold again.
fn hold_again(state: &Path, env: &Env) -> Result<(), LedgerError> {
    for set in StateDir::of(state).sets() {
        if let Ok(info) = set.info()
            && !info.quarantine
        {
            let generations: Vec<u64> = set.alarmed_generations().into_iter().collect();
            enter_alarms(state, (set.id(), &info.name, &generations), env)?;
        }
    }
    Ok(())
}
