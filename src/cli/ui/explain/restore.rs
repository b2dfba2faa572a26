//! Errors of the jobs that read back: restore, verify, find, diff, and rebuilding the catalog.

use super::{CommandError, io_reason, reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use azekura::generation::GenerationError;
use azekura::job::inspect::InspectError;
use azekura::job::rebuild::RebuildError;
use azekura::job::restore::RestoreError;
use azekura::pipeline::target::{DiskFault, TargetError};
use azekura::set::open::OpenError;

impl From<OpenError> for CommandError {
    fn from(error: OpenError) -> Self {
        use OpenError as E;
        match error {
            E::Blank { path } => Self::new(message!("error.restore.blank", path = path), Exit::Medium),
            E::Quarantine { path, set } => Self::new(message!("error.restore.quarantine", path = path, set = set), Exit::Usage),
            E::WhichSet { path, count } => {
                Self::new(message!("error.restore.which-set", path = path, count = count), Exit::Usage)
            }
            E::GoesOn { place } => Self::new(message!("error.restore.goes-on", number = place), Exit::Medium),
            E::Medium(e) => e.into(),
        }
    }
}

impl From<InspectError> for CommandError {
    fn from(error: InspectError) -> Self {
        use InspectError as E;
        match error {
            E::Pattern { pattern, source } => {
                Self::new(message!("error.restore.pattern", pattern = pattern), Exit::Usage).cause(reason(&source))
            }
            E::Interrupted => Self::new(message!("error.interrupted-reading"), Exit::Interrupted),
            E::Open(e) => e.into(),
            E::Generation(e) => e.into(),
            E::Medium(e) => e.into(),
        }
    }
}

impl From<RestoreError> for CommandError {
    fn from(error: RestoreError) -> Self {
        use RestoreError as E;
        match error {
            E::Pattern { pattern, source } => {
                Self::new(message!("error.restore.pattern", pattern = pattern), Exit::Usage).cause(reason(&source))
            }
            E::Spool(source) => Self::new(message!("error.restore.spool"), Exit::Failed).cause(io_reason(&source)),
            E::Interrupted => Self::new(message!("error.interrupted-reading"), Exit::Interrupted),
            E::Stopped => Self::new(message!("error.stopped"), Exit::Failed),
            E::NotExpected { code } => Self::new(message!("error.restore.not-expected", code = code), Exit::Damage),
            E::Open(e) => e.into(),
            E::Medium(e) => e.into(),
            E::Generation(e) => e.into(),
            E::Target(e) => e.into(),
        }
    }
}

impl From<RebuildError> for CommandError {
    fn from(error: RebuildError) -> Self {
        use RebuildError as E;
        match error {
            E::Unknown { path } => Self::new(message!("error.rebuild.unknown", path = path), Exit::Medium),
            E::Untrusted => Self::new(message!("error.rebuild.untrusted"), Exit::Damage),
            E::Interrupted => Self::new(message!("error.interrupted-reading"), Exit::Interrupted),
            E::Open(e) => e.into(),
            E::Medium(e) => e.into(),
            E::Generation(e) => e.into(),
            E::Catalog(e) => e.into(),
            E::State(e) => e.into(),
            E::SealKeys(e) => e.into(),
            E::Entries(e) => Self::new(message!("error.state.file"), Exit::Failed).cause(io_reason(&e)),
        }
    }
}

impl From<GenerationError> for CommandError {
    fn from(error: GenerationError) -> Self {
        use GenerationError as E;
        match error {
            E::NoSuchGeneration { wanted, first, last } => {
                Self::new(message!("error.generation.none-such", wanted = wanted, first = first, last = last), Exit::Usage)
            }
            E::Newer { .. } => Self::new(message!("error.data.newer"), Exit::Medium),
            E::NoGeneration => Self::new(message!("error.generation.none"), Exit::Medium),
            E::LostSeal { wanted } => Self::new(message!("error.generation.lost-seal", wanted = wanted), Exit::Damage),
            E::NoReadableSeal => Self::new(message!("error.generation.no-readable-seal"), Exit::Damage),
            E::NoManifest { generation } => {
                Self::new(message!("error.generation.no-manifest", generation = generation), Exit::Damage)
            }
            E::Damaged { object, why } => {
                Self::new(message!("error.generation.object", object = object), Exit::Damage).cause(reason(&why))
            }
            E::WrongKey(e) => e.into(),
            E::Decrypt { object, source } => {
                Self::new(message!("error.generation.object", object = object), Exit::Damage).because(source.into())
            }
            E::Decompress { object, source } => {
                Self::new(message!("error.generation.object", object = object), Exit::Damage).because(source.into())
            }
            E::Unpack { object, source } if source.is_newer() => {
                Self::new(message!("error.generation.newer", object = object), Exit::Damage).because(source.into())
            }
            E::Unpack { object, source } => {
                Self::new(message!("error.generation.object", object = object), Exit::Damage).because(source.into())
            }
            E::Manifest(e) | E::Entries(e) if e.is_newer() => e.into(),
            E::Manifest(e) => Self::new(message!("error.generation.manifest"), Exit::Damage).because(e.into()),
            E::Entries(e) => Self::new(message!("error.generation.entries"), Exit::Damage).because(e.into()),
            E::NotTheEntries => Self::new(message!("error.generation.entries"), Exit::Damage),
            E::Medium(e) => e.into(),
        }
    }
}

impl From<TargetError> for CommandError {
    fn from(error: TargetError) -> Self {
        use TargetError as E;
        match error {
            E::NotEmpty { dir } => Self::new(message!("error.target.not-empty", path = dir), Exit::Failed),
            E::Folder { dir, source } => {
                Self::new(message!("error.target.folder", path = dir), Exit::Failed).cause(io_reason(&source))
            }
            E::Others { dir, at } => Self::new(message!("error.target.others", path = dir, folder = at), Exit::Usage),
            E::OthersWithin { path } => Self::new(message!("error.target.others-within", path = path), Exit::Failed),
            E::Withheld { path } => Self::new(message!("error.target.withheld", path = path), Exit::Incomplete),
            E::NotDurable { dir, source } => {
                Self::new(message!("error.target.not-durable", path = dir), Exit::Failed).cause(io_reason(&source))
            }
            E::Disk { dir, fault, source } => {
                let message = match fault {
                    DiskFault::Gone => message!("error.target.gone", path = dir),
                    DiskFault::Full => message!("error.target.full", path = dir),
                    DiskFault::ReadOnly => message!("error.target.read-only", path = dir),
                    DiskFault::Failing => message!("error.target.failing", path = dir),
                };
                Self::new(message, Exit::Failed).cause(io_reason(&source))
            }
            E::Path { source } => Self::new(message!("error.target.record"), Exit::Damage).because(source.into()),
            E::Exists { path } => Self::new(message!("error.target.exists", path = path), Exit::Failed),
            E::Blocked { path, source } => {
                Self::new(message!("error.target.blocked", path = path), Exit::Failed).cause(io_reason(&source))
            }
            E::Replaced { path } => Self::new(message!("error.target.replaced", path = path), Exit::Failed),
            E::Incomplete { path, what: _ } => Self::new(message!("error.target.incomplete", path = path), Exit::Damage),
            E::Refused { path, step: _, source } => {
                Self::new(message!("error.target.refused", path = path), Exit::Failed).cause(io_reason(&source))
            }
        }
    }
}
