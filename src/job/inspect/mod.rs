//! Jobs that read generations without restoring them.

pub mod damaged_files;
pub mod diff;
pub mod find;
pub mod generations;
pub mod history;
pub mod prove;
mod refused;
pub mod rehearse;
pub mod stamp;
pub mod verify;

pub use refused::RefusedEntries;

use crate::env::Env;
use crate::generation::GenerationError;
use crate::medium::MediumError;
use crate::set::check::CheckError;
use crate::set::open::OpenError;

/// Why a job that only reads a medium cannot continue. Damage is no error: it is in the job's report.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// A pattern has no valid gitignore syntax.
    #[error("the pattern {pattern} is invalid")]
    Pattern {
        /// As it was typed.
        pattern: String,
        /// What is invalid.
        source: ignore::Error,
    },
    /// The user interrupted the job.
    #[error("the run was interrupted")]
    Interrupted,
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A generation cannot be opened or read.
    #[error(transparent)]
    Generation(#[from] GenerationError),
    /// The medium failed after the set was opened.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

impl From<CheckError> for InspectError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Interrupted => Self::Interrupted,
            CheckError::Medium(e) => Self::Medium(e),
        }
    }
}

type Result<T> = std::result::Result<T, InspectError>;

fn check_interrupted(env: &Env) -> Result<()> {
    if env.is_interrupted() { Err(InspectError::Interrupted) } else { Ok(()) }
}
