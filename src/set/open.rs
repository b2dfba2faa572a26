//! A set opened for reading: found on the medium that the user named.

use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use crate::job::restore::RestoreError;
use crate::medium::loader::MediumRequest;
use crate::medium::{AttachedMedium, Loader, Medium, MediumError, NoMedium, SetOnMedium, SpanningMedium, bring};
use crate::seal::chain::{Chain, ReadError, read_object};
use std::path::Path;

type Result<T> = std::result::Result<T, RestoreError>;

/// A set on a medium, or on several.
pub struct OpenSet<'w> {
    pub medium: Box<dyn Medium + 'w>,
    pub id: Id,
}

impl<'w> OpenSet<'w> {
    /// Opens the set on the medium at `from`: the one named, or the only one.
    pub fn open(from: &Path, wanted: Option<Id>, loader: &dyn Loader) -> Result<Self> {
        let place = AttachedMedium::find(from, loader).map_err(RestoreError::Medium)?;
        let sets = place.sets().map_err(RestoreError::Medium)?;
        // What is in quarantine is not meant where there is something else.
        let mut found: Vec<&SetOnMedium> = sets.found.iter().filter(|s| !s.label.quarantine).collect();
        if found.is_empty() {
            found = sets.found.iter().collect();
        }
        let id = match (wanted, &found[..]) {
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
        let on_tape = place.tape_set();
        let medium = place.open(id).map_err(RestoreError::Medium)?;
        // A cartridge's headers tell, even where its label cannot be read.
        let id = on_tape.map_or_else(|| set_id(&*medium), Ok)?;
        Ok(Self { medium, id })
    }

    /// The seals on the medium.
    pub fn chain(&self) -> Result<Chain> {
        Chain::read(&*self.medium, self.id).map_err(RestoreError::Medium)
    }

    /// Opens a set for reading content: that of generation `wanted`, or of the newest. One in quarantine has to be named. Where the set goes on on another medium than the one
    /// at hand, that one is asked for; and the ones before it when they are wanted.
    pub fn with_content(from: &Path, set: Option<Id>, wanted: Option<u64>, loader: &'w dyn Loader) -> Result<(Self, Chain)> {
        let opened = Self::open(from, set, loader)?;
        let chain = opened.chain()?;
        if set.is_none() && chain.label.as_ref().is_some_and(|l| l.quarantine) {
            return Err(RestoreError::Quarantine { path: from.into(), set: opened.id });
        }
        opened.go_on(chain, from, wanted, loader)
    }

    /// The rest of [`Self::with_content`], for a set that is opened already. `chain` is that of the medium at hand.
    pub fn go_on(mut self, mut chain: Chain, from: &Path, wanted: Option<u64>, loader: &'w dyn Loader) -> Result<(Self, Chain)> {
        while let Some((last, label)) = chain.last().zip(chain.label.as_ref())
            && last.seal.is_closing()
            && wanted.is_none_or(|n| n > last.seal.generation)
        {
            // Nothing is sealed on it: the set ends before it, or it was given up and another took its place.
            let is_begun = label.first_object > last.number;
            if is_begun && wanted.is_none() {
                break;
            }
            let wrong = is_begun.then(|| MediumError::Abandoned { medium: from.display().to_string() });
            let place = chain.media().len() as u64 + 1;
            let next = MediumRequest { set: self.id, set_name: label.name.clone(), place, blank: false };
            self.medium = Box::new(NoMedium);
            let (place, _) = bring(loader, from, &next, None, wrong).map_err(RestoreError::Medium)?;
            self.medium = place.open(self.id).map_err(RestoreError::Medium)?;
            chain = self.chain()?;
        }
        Ok((self.spanning(&chain, from, loader)?, chain))
    }

    /// The set with its earlier media, which are asked for when something on them is wanted.
    pub fn spanning(self, chain: &Chain, from: &Path, loader: &'w dyn Loader) -> Result<Self> {
        let Some(label) = chain.label.as_ref().filter(|l| l.place > 1) else { return Ok(self) };
        let span = SpanningMedium::new(self.medium, label, from, chain.media(), loader).map_err(RestoreError::Medium)?;
        Ok(Self { medium: Box::new(span), id: self.id })
    }
}

/// The set's id, as its folder is called; or, where it lies under another name, as its first label says.
pub fn set_id(medium: &dyn Medium) -> Result<Id> {
    let path = medium.describe().path;
    let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok());
    if let Some(id) = name {
        return Ok(id);
    }
    let objects = medium.list().map_err(RestoreError::Medium)?.objects;
    for o in objects.iter().filter(|o| o.kind == ObjectKind::Label) {
        match read_object(medium, o.number, o.kind, limit::LABEL_BYTES) {
            Ok(bytes) => {
                if let Ok(label) = Label::decode(&bytes) {
                    return Ok(label.set);
                }
            }
            Err(ReadError::Damaged(_)) => {}
            Err(ReadError::Medium(e)) => return Err(RestoreError::Medium(e)),
        }
    }
    Err(RestoreError::Blank { path })
}
