//! Errors of copying media.

use super::CommandError;
use crate::cli::ui::exit::Exit;
use crate::cli::ui::text::message;
use crate::cli::ui::units;
use azekura::job::media::copy::{CopyError, ObjectClash};
use azekura::medium::MediumError;

impl From<CopyError> for CommandError {
    fn from(error: CopyError) -> Self {
        use CopyError as E;
        match error {
            E::SamePlace { path } => Self::new(message!("error.copy.same-place", path = path), Exit::Usage),
            E::NothingSealed { path } => Self::new(message!("error.copy.nothing-sealed", path = path), Exit::Medium),
            E::OtherSet { path, set } => Self::new(message!("error.copy.other-set", path = path, set = set), Exit::Medium),
            E::Clash { path, object, clash: ObjectClash::Unknown } => {
                Self::new(message!("error.copy.unknown-object", path = path, object = object), Exit::Medium)
            }
            E::Clash { path, object, clash: ObjectClash::Torn } => {
                Self::new(message!("error.copy.torn-object", path = path, object = object), Exit::Medium)
            }
            E::Clash { path, object, clash: ObjectClash::Other } => {
                Self::new(message!("error.copy.other-object", path = path, object = object), Exit::Damage)
            }
            E::ReadBack { object } => Self::new(message!("error.copy.read-back", object = object), Exit::Damage),
            E::Interrupted => Self::new(message!("error.copy.interrupted"), Exit::Interrupted),
            E::Stopped => Self::new(message!("error.stopped"), Exit::Failed),
            E::Open(e) => e.into(),
            E::Medium(MediumError::Full { medium: place, needed, free, torn: _ }) => {
                let free = free.map_or("?".to_owned(), units::bytes);
                Self::new(message!("error.copy.full", place = place, needed = units::bytes(needed), free = free), Exit::Medium)
            }
            E::Medium(e) => e.into(),
        }
    }
}
