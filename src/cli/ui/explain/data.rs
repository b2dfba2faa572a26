//! Errors of formats and of the pipeline: bytes that were made or read are not what they should be.

use super::{CommandError, io_reason, reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use azekura::format::Malformed;
use azekura::pipeline::compressor::FrameError;
use azekura::pipeline::encryptor::DecryptError;
use azekura::pipeline::packer::{PackError, UnpackError};

impl From<Malformed> for CommandError {
    fn from(error: Malformed) -> Self {
        let message = match &error {
            Malformed::Content { .. } | Malformed::TooLarge { .. } => message!("error.data.malformed"),
            Malformed::Newer { .. } | Malformed::Unknown { .. } => message!("error.data.newer"),
        };
        let exit = if error.is_newer() { Exit::Medium } else { Exit::Damage };
        Self::new(message, exit).cause(reason(&error))
    }
}

impl From<FrameError> for CommandError {
    fn from(error: FrameError) -> Self {
        use FrameError as E;
        match error {
            E::Malformed(source) => source.into(),
            E::Damaged { .. } | E::Length { .. } | E::TooLarge { .. } => {
                Self::new(message!("error.data.malformed"), Exit::Damage).cause(reason(&error))
            }
            E::Check => Self::new(message!("error.data.check"), Exit::Failed),
            E::Read { source } => Self::new(message!("error.data.read"), Exit::Damage).cause(io_reason(&source)),
            E::SetUp { source } => Self::new(message!("error.data.set-up"), Exit::Failed).cause(io_reason(&source)),
            other => Self::new(message!("error.data.malformed"), Exit::Damage).cause(reason(&other)),
        }
    }
}

impl From<PackError> for CommandError {
    fn from(error: PackError) -> Self {
        match error {
            PackError::Compress(e) => e.into(),
            PackError::Encrypt(e) => e.into(),
            PackError::Stopped => Self::new(message!("error.stopped"), Exit::Failed),
        }
    }
}

impl From<DecryptError> for CommandError {
    fn from(error: DecryptError) -> Self {
        use DecryptError as E;
        match error {
            E::WrongKey => Self::new(message!("error.identity.wrong"), Exit::Key),
            E::Read { source } => Self::new(message!("error.data.read"), Exit::Damage).cause(io_reason(&source)),
            other => Self::new(message!("error.data.malformed"), Exit::Damage).cause(reason(&other)),
        }
    }
}

impl From<UnpackError> for CommandError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Read(e) => Self::new(message!("error.data.read"), Exit::Damage).cause(io_reason(&e)),
            UnpackError::Frame(e) | UnpackError::Index(e) => e.into(),
            UnpackError::NoSuchBytes => Self::new(message!("error.data.malformed"), Exit::Damage).cause(reason(&error)),
        }
    }
}
