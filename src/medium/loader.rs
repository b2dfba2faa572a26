//! Who brings media to where a job works: a person, a changer, a test's deck.

use super::MediumError;
use super::tape::drive::Drive;
use crate::format::object::Id;
use std::path::Path;

type Result<T> = std::result::Result<T, MediumError>;

/// Brings the media that a job asks for.
pub trait Loader: Sync {
    /// The drive that a path names, with a cartridge in it; `None` where it names none: then it is a folder.
    fn drive(&self, path: &Path) -> Result<Option<Box<dyn Drive>>>;

    /// Brings another medium to `path`, in the place of the one that is there. Answers when somebody says that it has come; whether it is
    /// the right one is looked at afterwards, and if it is not, it is asked for once more, with what is `wrong` about the one that is there.
    ///
    /// [`MediumError::NotBrought`] when none comes.
    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<()>;
}

/// A medium that a job cannot go on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumRequest {
    pub set: Id,
    pub set_name: String,
    /// Its place in the set, from 1.
    pub place: u64,
    /// It is to be a blank one, for going on with the set.
    pub blank: bool,
}

/// Knows folders only, and brings nothing.
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
