//! Errors of keys: recipients, identities, passphrases.

use super::{CommandError, reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use azekura::pipeline::encryptor::{EncryptError, IdentityError, PASSPHRASE_CHARACTERS, PassphraseTooShort, RecipientError};

impl From<RecipientError> for CommandError {
    fn from(error: RecipientError) -> Self {
        use RecipientError as E;
        let message = match error {
            E::None => message!("error.backup.no-recipients"),
            E::Secret { place } => message!("error.recipient.secret", place = place),
            E::Invalid { place } => message!("error.recipient.invalid", place = place),
        };
        Self::new(message, Exit::Key)
    }
}

impl From<IdentityError> for CommandError {
    fn from(error: IdentityError) -> Self {
        use IdentityError as E;
        let message = match error {
            E::TooLarge => message!("error.identity.too-large"),
            E::NoKey => message!("error.identity.no-key"),
            E::Line { line } => message!("error.identity.line", line = line),
            E::PassphraseNeeded => message!("error.identity.passphrase-needed"),
            E::PassphraseWrong => message!("error.identity.passphrase-wrong"),
            E::NotPassphrase => message!("error.identity.not-passphrase"),
            E::WorkFactor { required } => message!("error.identity.work-factor", required = required),
            E::Damaged => message!("error.identity.damaged"),
            other => return Self::new(message!("error.identity.other"), Exit::Key).cause(reason(&other)),
        };
        Self::new(message, Exit::Key)
    }
}

impl From<PassphraseTooShort> for CommandError {
    fn from(error: PassphraseTooShort) -> Self {
        let least = PASSPHRASE_CHARACTERS;
        Self::new(message!("error.passphrase.short", characters = error.characters, least = least), Exit::Key)
    }
}

impl From<EncryptError> for CommandError {
    fn from(error: EncryptError) -> Self {
        Self::new(message!("error.encrypt"), Exit::Failed).cause(reason(&error))
    }
}
