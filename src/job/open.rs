//! A set opened for reading: found on the medium that the user named.

use super::restore::RestoreError;
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, Kind};
use crate::medium::{Listed, Loader, Medium, Place};
use crate::seal::chain::{Chain, read_object};
use std::path::Path;

type Result<T> = std::result::Result<T, RestoreError>;

/// A set on a medium.
pub struct OpenSet {
    pub medium: Box<dyn Medium>,
    pub id: Id,
}

impl OpenSet {
    /// Opens the set on the medium at `from`: the one named, or the only one.
    pub fn open(from: &Path, wanted: Option<Id>, loader: &dyn Loader) -> Result<Self> {
        let place = Place::find(from, loader).map_err(RestoreError::Medium)?;
        let sets = place.sets().map_err(RestoreError::Medium)?;
        let id = match (wanted, &sets.found[..]) {
            (Some(id), _) => id,
            (None, [only]) => only.id,
            (None, []) => match &sets.broken[..] {
                [broken] if broken.folder_id().is_some() => {
                    broken.folder_id().ok_or(RestoreError::Blank { path: from.into() })?
                }
                _ => return Err(RestoreError::Blank { path: from.into() }),
            },
            (None, several) => return Err(RestoreError::WhichSet { path: from.into(), count: several.len() }),
        };
        let medium = place.open(id).map_err(RestoreError::Medium)?;
        let id = set_id(&*medium)?;
        Ok(Self { medium, id })
    }

    pub fn chain(&self) -> Result<Chain> {
        Chain::read(&*self.medium, self.id).map_err(RestoreError::Medium)
    }
}

/// The set's id, as its folder is called; or, where it lies under another name, as its first label says.
pub fn set_id(medium: &dyn Medium) -> Result<Id> {
    let path = medium.describe().place;
    let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
    if let Some(id) = name {
        return Ok(id);
    }
    let objects = medium.list().map_err(RestoreError::Medium)?.objects;
    let labels = objects.iter().filter(|o| o.kind == Kind::Label);
    let read = |o: &Listed| read_object(medium, o.number, o.kind, limit::LABEL_BYTES).ok().and_then(|b| Label::decode(&b).ok());
    let label = labels.into_iter().find_map(read).ok_or(RestoreError::Blank { path })?;
    Ok(label.set)
}
