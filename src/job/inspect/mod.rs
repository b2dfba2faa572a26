//! Jobs that look at generations without restoring them.

pub mod generations;
pub mod history;
pub mod prove;
pub mod rehearse;
pub mod stamp;
pub mod verify;

use crate::generation::GenerationError;
use crate::medium::MediumError;
use crate::set::check::CheckError;
use crate::set::open::OpenError;

/// Why a job that only reads a medium cannot continue. Damage is no error: it is in the job's report.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("the pattern {pattern} is invalid")]
    Pattern { pattern: String, source: ignore::Error },
    #[error("the run was interrupted")]
    Interrupted,
    #[error(transparent)]
    Open(#[from] OpenError),
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
