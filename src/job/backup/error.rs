//! Why there is no generation.

use crate::format::Malformed;
use crate::host::catalog::CatalogError;
use crate::host::state::StateError;
use crate::job::incident::hold::HoldError;
use crate::medium::MediumError;
use crate::pipeline::compressor::FrameError;
use crate::pipeline::encryptor::EncryptError;
use crate::pipeline::packer::PackError;
use crate::pipeline::source::SourceError;
use crate::set::writer::WriteError;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a backup ended without a generation.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The set cannot be opened or written. Failures of the medium, of the catalog and of the state directory are among
    /// these.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// No source is there.
    #[error("the source {} does not exist", path.display())]
    SourceMissing {
        /// One that is missing.
        path: PathBuf,
    },
    /// The options name no source.
    #[error("no source is given")]
    NoSource,
    /// A source's program does not start.
    #[error("the command {} cannot be started", program.display())]
    CommandStart {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A pipe from a command fails.
    #[error("the output of a command cannot be read")]
    CommandOutput(#[source] std::io::Error),
    /// A command did not succeed: its output is not complete.
    #[error("the command {} failed: {status}", program.display())]
    CommandFailed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// Two sources share a name.
    #[error("two sources have the name {name}")]
    SameName {
        /// The name.
        name: String,
    },
    /// A source's name lies below another source's name.
    #[error("the source {inner} would lie within the source {outer}")]
    SourceWithin {
        /// The source below.
        inner: String,
        /// The source above.
        outer: String,
    },
    /// A hold forbids writing to this medium, or cannot be checked.
    #[error("a hold forbids writing to this medium")]
    Hold(#[from] HoldError),
    /// The user interrupted the run.
    #[error("the run was interrupted")]
    Interrupted,
    /// A consequence: another thread has failed.
    #[error("the run stopped because another part of it failed")]
    Stopped,
    /// A source cannot be opened.
    #[error("a source failed")]
    Source(#[from] SourceError),
    /// Content cannot be packed.
    #[error("a pack could not be made")]
    Pack(#[from] PackError),
    /// The manifest cannot be encrypted.
    #[error("the manifest could not be encrypted")]
    Encrypt(#[from] EncryptError),
    /// The manifest cannot be compressed.
    #[error("the manifest could not be compressed")]
    Compress(#[from] FrameError),
    /// An entry stream, the last one or the one being written, is malformed.
    #[error("the host's entry stream is not what it should be")]
    Entries(#[from] Malformed),
    /// A file of the state directory cannot be read or written.
    #[error("a file of the state directory cannot be used")]
    HostFile(#[source] std::io::Error),
}

impl BackupError {
    /// Whether this is only a consequence of another thread's failure.
    fn is_consequence(&self) -> bool {
        matches!(self, Self::Stopped | Self::Pack(PackError::Stopped))
    }

    /// Whether a command that is a source failed, and nothing else.
    pub(super) fn is_of_command(&self) -> bool {
        matches!(self, Self::CommandStart { .. } | Self::CommandOutput(_) | Self::CommandFailed { .. })
    }

    /// Of a command: what it was and how it ended, for a finding's detail.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::CommandFailed { program, status } => format!("{}: {}", program.display(), how_it_ended(*status)),
            Self::CommandStart { program, source } => format!("{}: {source}", program.display()),
            Self::CommandOutput(source) => source.to_string(),
            other => other.to_string(),
        }
    }

    /// Of the failures of several threads, the first that is not a consequence of another.
    pub(super) fn cause_of(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        failures.into_iter().reduce(|first, next| if first.is_consequence() { next } else { first })
    }
}

/// How a program ended, for a finding's detail.
pub(super) fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status: {code}"),
        (None, Some(signal)) => format!("signal: {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What fails below both the writer and this job has one variant only, the writer's.
macro_rules! through_write_error {
    ($($error:ty),+) => {
        $(impl From<$error> for BackupError {
            fn from(error: $error) -> Self {
                WriteError::from(error).into()
            }
        })+
    };
}

through_write_error!(MediumError, CatalogError, StateError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_that_is_no_consequence_is_the_cause() {
        use BackupError::{Interrupted, NoSource, Stopped};
        let stopped_pack = || BackupError::Pack(PackError::Stopped);
        for failures in [[NoSource, Interrupted, Stopped], [Stopped, NoSource, Interrupted], [stopped_pack(), Stopped, NoSource]]
        {
            assert!(matches!(BackupError::cause_of(failures), Some(NoSource)));
        }
        assert!(matches!(BackupError::cause_of([Stopped, stopped_pack()]), Some(failure) if failure.is_consequence()));
        assert!(BackupError::cause_of([]).is_none());
    }
}
