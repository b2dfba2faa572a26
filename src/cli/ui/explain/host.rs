//! Errors on the host: state directory, catalog, seal keys, sources.

use super::{CommandError, io_reason, reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::{Message, message};
use crate::cli::ui::words;
use azekura::host::catalog::CatalogError;
use azekura::host::ledger::LedgerError;
use azekura::host::state::StateError;
use azekura::job::media::MediaError;
use azekura::job::media::copy::named::NamedCopyError;
use azekura::job::media::wrong_medium::WrongMedium;
use azekura::pipeline::source::SourceError;
use azekura::seal::KeyError;
use std::path::Path;

/// An ordinary user may not open a file of the host's state.
pub fn denied(path: &Path, why: &std::io::Error) -> Option<CommandError> {
    is_denied(why).then(|| CommandError::new(message!("error.state.denied", path = path), Exit::Failed))
}

fn is_denied(why: &std::io::Error) -> bool {
    why.kind() == std::io::ErrorKind::PermissionDenied && !rustix::process::geteuid().is_root()
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        use StateError as E;
        match error {
            E::Io { path, source, .. } if is_denied(&source) => {
                Self::new(message!("error.state.denied", path = path), Exit::Failed)
            }
            E::Io { what: _, path, source } => {
                Self::new(message!("error.state.io", path = path), Exit::Failed).cause(io_reason(&source))
            }
            E::Content { path, why } => Self::new(message!("error.state.content", path = path), Exit::Failed).cause(reason(&why)),
            E::Busy { process } => Self::new(message!("error.state.busy", process = process), Exit::Failed),
        }
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Io { path, source, .. } if is_denied(&source) => {
                Self::new(message!("error.state.denied", path = path), Exit::Failed)
            }
            LedgerError::Io { path, source, .. } => {
                Self::new(message!("error.media.ledger", path = path), Exit::Failed).cause(io_reason(&source))
            }
            LedgerError::NotWhole { path, .. } => Self::new(message!("error.media.ledger-not-whole", path = path), Exit::Damage),
        }
    }
}

fn wrong_medium(wrong: &WrongMedium) -> Message {
    match wrong {
        WrongMedium::Gone { medium, at } => message!("error.backup.disk-gone", path = at, name = medium),
        WrongMedium::Blank { medium, at, was_here: true } => message!("error.backup.blank-known", path = at, name = medium),
        WrongMedium::Blank { medium, at, was_here: false } => message!("error.backup.blank-other", path = at, name = medium),
        WrongMedium::Foreign { medium, at, set } => message!("error.backup.foreign", path = at, set = set, name = medium),
        WrongMedium::OutOfUse { medium, why } => {
            message!("error.backup.out-of-use", name = medium, why = words::out_of_use(*why))
        }
    }
}

impl From<MediaError> for CommandError {
    fn from(error: MediaError) -> Self {
        use MediaError as E;
        match error {
            E::Taken { name } => Self::new(message!("error.media.taken", name = name), Exit::Usage),
            E::OtherMedium { name, at } => Self::new(message!("error.media.other-medium", name = name, path = at), Exit::Medium),
            E::OtherName { name, at } => Self::new(message!("error.media.other-name", name = name, path = at), Exit::Medium),
            E::OtherSet { set, at } => Self::new(message!("error.media.other-set", set = set, path = at), Exit::Medium),
            E::EmptyPool { pool } => Self::new(message!("error.media.empty-pool", name = pool), Exit::Usage),
            E::PoolOutOfUse { pool } => Self::new(message!("error.media.pool-out-of-use", name = pool), Exit::Medium),
            E::SetLost { medium } => Self::new(message!("error.media.set-lost", name = medium), Exit::Medium),
            E::WrongMedium(wrong) => Self::new(wrong_medium(&wrong), Exit::Medium),
            E::NotMounted { at } => Self::new(message!("error.media.not-mounted", path = at), Exit::Medium),
            E::Ledger(e) => e.into(),
            E::Medium(e) => e.into(),
            E::State(e) => e.into(),
            E::Backup(e) => e.into(),
        }
    }
}

impl From<NamedCopyError> for CommandError {
    fn from(error: NamedCopyError) -> Self {
        use NamedCopyError as E;
        match error {
            E::Taken { name } => Self::new(message!("error.media.taken", name = name), Exit::Usage),
            E::Ledger(e) => e.into(),
            E::Medium(e) => e.into(),
            E::State(e) => e.into(),
            E::Open(e) => e.into(),
            E::Copy(e) => e.into(),
        }
    }
}

impl From<CatalogError> for CommandError {
    fn from(error: CatalogError) -> Self {
        use CatalogError as E;
        match error {
            E::Damaged { path, source } => {
                Self::new(message!("error.catalog.damaged", path = path), Exit::Failed).cause(reason(&source))
            }
            E::Newer { path, found } => Self::new(message!("error.catalog.newer", path = path, found = found), Exit::Failed),
            E::Failed { path, source } => {
                Self::new(message!("error.catalog.failed", path = path), Exit::Failed).cause(reason(&source))
            }
        }
    }
}

impl From<KeyError> for CommandError {
    fn from(error: KeyError) -> Self {
        use KeyError as E;
        match error {
            E::Io { doing: _, path, source } => {
                Self::new(message!("error.seal-keys.io", path = path), Exit::Failed).cause(io_reason(&source))
            }
            E::Damaged { path } => Self::new(message!("error.seal-keys.damaged", path = path), Exit::Failed),
            E::Exposed { path, mode } => {
                Self::new(message!("error.seal-keys.exposed", path = path, mode = format!("{mode:o}")), Exit::Failed)
            }
            E::Busy { path } => Self::new(message!("error.seal-keys.busy", path = path), Exit::Failed),
            E::NotPrepared { seal } => Self::new(message!("error.seal-keys.not-prepared", seal = seal), Exit::Failed),
            E::OutOfStep { path, expected } => {
                Self::new(message!("error.seal-keys.out-of-step", path = path, expected = expected), Exit::Damage)
            }
            E::Random { source } => Self::new(message!("error.random"), Exit::Failed).cause(reason(&source)),
            other => Self::new(message!("error.state.file"), Exit::Failed).cause(reason(&other)),
        }
    }
}

impl From<SourceError> for CommandError {
    fn from(error: SourceError) -> Self {
        use SourceError as E;
        match error {
            E::Name { source } => Self::new(message!("error.source.name"), Exit::Usage).cause(reason(&source)),
            E::Missing { root, source } => {
                Self::new(message!("error.source.missing", path = root), Exit::Failed).cause(io_reason(&source))
            }
            E::Unreadable { root, source } => {
                Self::new(message!("error.source.unreadable", path = root), Exit::Failed).cause(io_reason(&source))
            }
            E::Link { root, link } => Self::new(message!("error.source.link", path = root, link = link), Exit::Failed),
            E::NoFile { root } => Self::new(message!("error.source.no-file", path = root), Exit::Usage),
            E::ExcludeText { pattern } => Self::new(message!("error.source.exclude", pattern = pattern), Exit::Usage),
            E::Exclude { pattern, source } => {
                Self::new(message!("error.source.exclude", pattern = pattern), Exit::Usage).cause(reason(&source))
            }
        }
    }
}
