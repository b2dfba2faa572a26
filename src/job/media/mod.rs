//! Jobs on media: register one, back up to the one that is due, copy one, read one in full.

pub mod accept;
pub mod attached;
pub mod copies;
pub mod copy;
pub mod found;
pub mod init;
pub mod night;
pub mod recognised;
pub mod rotation;
pub mod scrub;
pub mod whereabouts;
pub mod wrong_medium;

use crate::env::Env;
use crate::format::object::Id;
use crate::host::ledger::{LedgerError, MediumKind};
use crate::host::state::StateError;
use crate::job::backup::BackupError;
use crate::medium::{AttachedMedium, MediumError, Sets};
use std::path::{Path, PathBuf};
use wrong_medium::WrongMedium;

/// Why a medium cannot be registered, or a night of a rotation ended early.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Another medium has the name.
    #[error("a medium named {name} is in the ledger already")]
    Taken {
        /// What people call the medium.
        name: String,
    },
    /// What is to be registered has the set of another medium of the ledger.
    #[error("{} is {name} of the ledger", at.display())]
    OtherMedium {
        /// What people call that medium.
        name: String,
        /// Where it is.
        at: PathBuf,
    },
    /// What is to be registered under another name has the label of this medium of a pool.
    #[error("{} has the label of {name}", at.display())]
    OtherName {
        /// The name on the label.
        name: String,
        /// Where the medium is.
        at: PathBuf,
    },
    /// The medium has a set that this host does not know, and [`InitOptions::beside_others`](init::InitOptions) is not set.
    #[error("the set {set} is on {}", at.display())]
    OtherSet {
        /// The set.
        set: Id,
        /// Where the medium is.
        at: PathBuf,
    },
    /// The configuration lists no medium for the pool.
    #[error("the pool {pool} has no media")]
    EmptyPool {
        /// Name of the pool.
        pool: String,
    },
    /// The ledger says of each medium of the pool that it is not used any more.
    #[error("no medium of the pool {pool} is in use")]
    PoolOutOfUse {
        /// Name of the pool.
        pool: String,
    },
    /// A disk should be mounted at a folder, and none is.
    #[error("no disk is mounted at {}", at.display())]
    NotMounted {
        /// The folder.
        at: PathBuf,
    },
    /// What this host needs to go on with the set on what is attached was lost.
    #[error("what is needed to go on with the set on {medium} is gone")]
    SetLost {
        /// What people call the medium.
        medium: String,
    },
    /// What is attached is no medium of this host.
    #[error(transparent)]
    WrongMedium(#[from] WrongMedium),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The medium failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The state directory cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// No set can be begun, or the backup failed.
    #[error(transparent)]
    Backup(#[from] BackupError),
}

type Result<T, E = MediaError> = std::result::Result<T, E>;

fn sets_at(at: &Path, env: &Env) -> std::result::Result<Sets, MediumError> {
    AttachedMedium::find(at, env.loader)?.sets()
}

fn kind_at(at: &Path, env: &Env) -> std::result::Result<MediumKind, MediumError> {
    let attached = AttachedMedium::find(at, env.loader)?;
    Ok(if attached.is_tape() { MediumKind::Tape } else { MediumKind::Disk })
}
