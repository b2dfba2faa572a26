//! What is attached for a backup without a pool, and is no medium of this host or none that is used any more: nothing is written to
//! it, and nobody begins a set instead of one by the way.

use super::recognised::medium_at;
use super::{MediaError, Result, sets_at};
use crate::env::Env;
use crate::host::ledger::{Ledger, LedgerContent, MediumAccount, OutOfUse};
use crate::host::state::StateDir;
use crate::job::backup::{BackupError, Options};
use crate::medium::is_mounted;
use crate::medium::tape::st::is_drive;
use crate::set::writer::WriteError;
use std::path::{Path, PathBuf};

/// Why no backup is made to what is attached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongMedium {
    /// The ledger saw a disk mounted there, and none is.
    #[error("no disk is mounted at {}, where {medium} was", at.display())]
    Gone {
        /// What people call the medium of this host.
        medium: String,
        /// The place.
        at: PathBuf,
    },
    /// There is nothing on what is there.
    #[error("there is nothing on {}, and the backups are on {medium}", at.display())]
    Blank {
        /// What people call the medium of this host.
        medium: String,
        /// The place.
        at: PathBuf,
        /// The ledger saw the medium at this place.
        was_here: bool,
    },
    /// What is there has sets, and none of this host.
    #[error("the set {set} is on {}, and the backups are on {medium}", at.display())]
    Foreign {
        /// What people call the medium of this host.
        medium: String,
        /// The place.
        at: PathBuf,
        /// One of the sets.
        set: String,
    },
    /// The ledger says that the medium is not used any more.
    #[error("the ledger has {medium} as {}", why.name())]
    OutOfUse {
        /// What people call the medium.
        medium: String,
        /// Why.
        why: OutOfUse,
    },
}

/// A medium that is not used any more, by the ledger, takes no backup. Nor does a place where the ledger saw a disk that is not
/// there, or where there is nothing on what is there; a mount point that is bare takes no set, whatever is asked for. `init`: a
/// set is to be begun.
pub fn check_attached(options: &Options, init: bool, env: &Env) -> Result<()> {
    let at = &options.to;
    let book = Ledger::of(&options.state).read()?;
    check_is_in_use(&book, at, env)?;
    let Some(medium) = last_of(&book, |m| m.pool.is_none() && is_seen_at(m, at)) else { return Ok(()) };
    let is_bare = !is_drive(at) && !is_mounted(at) && medium.was_mounted;
    if is_drive(at) || init && !is_bare || !sets_at(at, env)?.is_blank() {
        return Ok(());
    }
    let (medium, at) = (medium.name, at.clone());
    Err(match is_bare {
        true => WrongMedium::Gone { medium, at },
        false => WrongMedium::Blank { medium, at, was_here: true },
    }
    .into())
}

/// Somebody has entered a medium as lost, and here it is: where it was meanwhile, people have to find out first.
fn check_is_in_use(book: &LedgerContent, at: &Path, env: &Env) -> Result<()> {
    let media = book.media();
    if media.values().all(|m| m.out_of_use.is_none()) {
        return Ok(());
    }
    // What cannot be read says more when the backup reads it.
    let sets = sets_at(at, env).map(|sets| sets.ids()).unwrap_or_default();
    let here = sets.iter().filter_map(|set| medium_at(&media, *set, at));
    match here.filter_map(|m| Some((m.name.clone(), m.out_of_use?))).next() {
        Some((medium, why)) => Err(WrongMedium::OutOfUse { medium, why }.into()),
        None => Ok(()),
    }
}

/// Why a backup found no set to write to, where this host has one: that would be no reason to begin another.
pub(super) fn explained(e: BackupError, options: &Options, env: &Env) -> MediaError {
    let at = options.to.clone();
    let (BackupError::Write(WriteError::Blank { bare: false, .. }) | BackupError::Write(WriteError::Unregistered { .. })) = &e
    else {
        return e.into();
    };
    let book = Ledger::of(&options.state).read().unwrap_or_default();
    let here: Vec<String> =
        sets_at(&at, env).map(|sets| sets.ids()).unwrap_or_default().iter().map(ToString::to_string).collect();
    if let Some(medium) = last_of(&book, |m| here.contains(&m.set)) {
        return MediaError::SetLost { medium: medium.name };
    }
    let own = last_of(&book, |m| is_seen_at(m, &at)).or_else(|| last_of(&book, |_| true)).map(|m| m.name);
    let Some(medium) = own.or_else(|| name_of_a_set(&options.state).filter(|_| book.media().is_empty())) else { return e.into() };
    match e {
        BackupError::Write(WriteError::Unregistered { set, .. }) => WrongMedium::Foreign { medium, at, set }.into(),
        _ => WrongMedium::Blank { medium, at, was_here: false }.into(),
    }
}

/// Of the media that backups are written to, the one that was attached last.
fn last_of(book: &LedgerContent, is: impl Fn(&MediumAccount) -> bool) -> Option<MediumAccount> {
    let media = book.media().into_values().filter(|m| !m.is_copy && m.out_of_use.is_none() && is(m));
    media.max_by(|a, b| a.attached.cmp(&b.attached))
}

fn is_seen_at(m: &MediumAccount, at: &Path) -> bool {
    m.at.as_deref().is_some_and(|seen| Path::new(seen) == at)
}

/// Where the ledger has no medium, what people call a set of this host.
fn name_of_a_set(state: &Path) -> Option<String> {
    let infos = StateDir::of(state).sets().into_iter().filter_map(|set| set.info().ok());
    infos.filter(|info| !info.quarantine).map(|info| info.name).next()
}
