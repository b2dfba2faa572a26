//! Errors of the job that writes generations, and of the writer that it uses.

use super::{CommandError, io_reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use azekura::job::backup::BackupError;
use azekura::set::writer::WriteError;

impl From<WriteError> for CommandError {
    fn from(error: WriteError) -> Self {
        use WriteError as E;
        match error {
            E::Blank { path, bare: true } => Self::new(message!("error.backup.nothing-mounted", path = path), Exit::Medium),
            E::Blank { path, bare: false } => Self::new(message!("error.backup.blank", path = path), Exit::Medium),
            E::Unregistered { path, set } => {
                Self::new(message!("error.backup.unregistered", path = path, set = set), Exit::Medium)
            }
            E::NotApart { path, quarantine: true } => Self::new(message!("error.backup.not-apart", path = path), Exit::Medium),
            E::NotApart { path, quarantine: false } => {
                Self::new(message!("error.backup.in-quarantine", path = path), Exit::Medium)
            }
            E::HalfWritten => Self::new(message!("error.backup.half-written"), Exit::Medium),
            E::Name => Self::new(message!("error.backup.name"), Exit::Usage),
            E::NoRecipients => Self::new(message!("error.backup.no-recipients"), Exit::Key),
            E::RolledBack { generation } => {
                Self::new(message!("error.backup.rolled-back", generation = generation), Exit::Damage)
            }
            E::StateSetBack { generation } => {
                Self::new(message!("error.backup.state-set-back", generation = generation), Exit::Damage)
            }
            E::OtherRecipients { name } => Self::new(message!("error.backup.other-recipients", name = name), Exit::Key),
            E::NamesInTheWay { first, behind } => {
                Self::new(message!("error.backup.names-in-the-way", first = first, behind = behind), Exit::Damage)
            }
            E::StaleCatalog => Self::new(message!("error.backup.stale-catalog"), Exit::Failed),
            E::ReadBack { object } => Self::new(message!("error.backup.read-back", object = object), Exit::Damage),
            E::Medium(e) => e.into(),
            E::Catalog(e) => e.into(),
            E::State(e) => e.into(),
            E::SealKeys(e) => e.into(),
            E::Recipient(e) => e.into(),
            E::Seal(e) => Self::new(message!("error.state.entries"), Exit::Failed).because(e.into()),
        }
    }
}

impl From<BackupError> for CommandError {
    fn from(error: BackupError) -> Self {
        use BackupError as E;
        match error {
            E::Write(e) => e.into(),
            E::SourceMissing { path } => Self::new(message!("error.source.missing", path = path), Exit::Failed),
            E::CommandStart { program, source } => {
                Self::new(message!("error.source.command-start", program = program), Exit::Failed).cause(io_reason(&source))
            }
            E::CommandOutput(e) => Self::new(message!("error.source.command-output"), Exit::Failed).cause(io_reason(&e)),
            E::CommandFailed { program, status } => {
                Self::new(message!("error.source.command-failed", program = program, status = status.to_string()), Exit::Failed)
            }
            E::NoSource => Self::new(message!("error.source.none"), Exit::Usage),
            E::SameName { name } => Self::new(message!("error.source.same-name", name = name), Exit::Usage),
            E::SourceWithin { inner, outer } => {
                Self::new(message!("error.source.within", inner = inner, outer = outer), Exit::Usage)
            }
            E::Hold(e) => e.into(),
            E::Interrupted => Self::new(message!("error.interrupted"), Exit::Interrupted),
            E::Stopped => Self::new(message!("error.stopped"), Exit::Failed),
            E::Source(e) => e.into(),
            E::Pack(e) => e.into(),
            E::Encrypt(e) => e.into(),
            E::Compress(e) => e.into(),
            E::Entries(e) => Self::new(message!("error.state.entries"), Exit::Failed).because(e.into()),
            E::HostFile(e) => Self::new(message!("error.state.file"), Exit::Failed).cause(io_reason(&e)),
        }
    }
}
