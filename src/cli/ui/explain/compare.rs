//! Errors of a comparison.

use super::{CommandError, io_reason};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::message;
use azekura::job::compare::CompareError;

impl From<CompareError> for CommandError {
    fn from(error: CompareError) -> Self {
        use CompareError as E;
        let list = |names: Vec<Vec<u8>>| names.iter().map(Printable::printable).collect::<Vec<_>>().join(", ");
        match error {
            E::WhichSource { path, sources } => {
                Self::new(message!("error.compare.which-source", path = path, sources = list(sources)), Exit::Usage)
            }
            E::NoSuchSource { name, sources } => {
                Self::new(message!("error.compare.no-source", name = name, sources = list(sources)), Exit::Usage)
            }
            E::TwoTrees { name } => Self::new(message!("error.compare.two-trees", name = name), Exit::Usage),
            E::Tree(e) => e.into(),
            E::Keep(e) => Self::new(message!("error.compare.keep"), Exit::Failed).cause(io_reason(&e)),
            E::Interrupted => Self::new(message!("error.interrupted-reading"), Exit::Interrupted),
            E::Stopped => Self::new(message!("error.stopped"), Exit::Failed),
            E::Open(e) => e.into(),
            E::Generation(e) => e.into(),
        }
    }
}
