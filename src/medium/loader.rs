//! How a job gets the media it needs: from a person, a changer, or a test.

pub use super::request::MediumRequest;

use super::MediumError;
use super::tape::drive::Drive;
use crate::interruption::Interruption;
use std::path::Path;

type Result<T> = std::result::Result<T, MediumError>;

/// Brings the media that a job requests.
pub trait Loader: Sync {
    /// Opens the drive at a path, with a cartridge in it; `None` if no drive is there: the path is a folder.
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>>;

    /// The user's wish to stop. Reading a medium that was found with this loader ends when it comes.
    fn interruption(&self) -> Interruption {
        Interruption::default()
    }

    /// Brings another medium to `path`, instead of the one that is attached. Returns when somebody reports that it is
    /// attached. The caller checks whether it is the right one; if not, it requests it again, and `wrong` says what is
    /// wrong with the attached one.
    ///
    /// [`MediumError::NotBrought`] if no medium is brought.
    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<()>;

    /// Hears that the set goes on on its medium `place`, which nobody needs to bring: generation `newest` is the newest that
    /// is whole on the attached one.
    fn goes_on(&self, _place: u64, _newest: u64) {}
}

/// Supports folders only, and brings no media.
#[derive(Debug, Clone, Copy)]
pub struct NoLoader;

impl Loader for NoLoader {
    fn drive(&self, _: &Path) -> Result<Option<Box<dyn Drive>>> {
        Ok(None)
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, _: Option<MediumError>) -> Result<()> {
        Err(MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank })
    }
}
