//! A set that lies on several media, read as if it lay on one: the medium with the object that is wanted is asked for.
//!
//! One medium at a time is in the place that the user named. Objects are read whole, as far as they can be, while theirs is there, so
//! that nothing is left open when the next one comes.

use super::in_memory::InMemory;
use super::loader::{Loader, MediumRequest};
use super::{AttachedMedium, Description, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, MediumError>;

/// All media of a set, one of which is there.
pub struct SpanningMedium<'w> {
    loader: &'w dyn Loader,
    path: PathBuf,
    set: Id,
    set_name: String,
    /// Number of each medium's first object, ascending.
    firsts: Vec<u64>,
    state: Mutex<State<'w>>,
}

struct State<'w> {
    there: Option<There<'w>>,
    /// Places whose medium was asked for and did not come. They are not asked for again.
    refused: HashSet<u64>,
}

struct There<'w> {
    /// Its place in the set; 0: it has none.
    place: u64,
    medium: Box<dyn Medium + 'w>,
    /// What lies on it.
    listed: HashSet<(u64, ObjectKind)>,
}

impl<'w> There<'w> {
    fn new(place: u64, medium: Box<dyn Medium + 'w>) -> Result<Self> {
        let listed = medium.list()?.objects.iter().map(|o| (o.number, o.kind)).collect();
        Ok(Self { place, medium, listed })
    }
}

impl<'w> SpanningMedium<'w> {
    /// `there` is the medium at `path` with the label `label`; `firsts` are the numbers of the labels, as [`crate::seal::chain::Chain::media`]
    /// tells them.
    pub fn new(
        there: Box<dyn Medium + 'w>,
        label: &Label,
        path: &Path,
        firsts: Vec<u64>,
        loader: &'w dyn Loader,
    ) -> Result<Self> {
        // One that was begun and given up is none of the set's media.
        let is_known = firsts.get(label.place as usize - 1) == Some(&label.first_object);
        let place = if is_known { label.place } else { 0 };
        let state = Mutex::new(State { there: Some(There::new(place, there)?), refused: HashSet::new() });
        Ok(Self { loader, path: path.to_owned(), set: label.set, set_name: label.name.clone(), firsts, state })
    }

    fn state(&self) -> MutexGuard<'_, State<'w>> {
        self.state.lock()
    }

    /// Calls `f` with the medium that has the object.
    fn with<T>(&self, number: u64, kind: ObjectKind, f: impl FnOnce(&dyn Medium) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        // Copies of seals lie on every medium behind theirs.
        if let Some(there) = state.there.as_ref().filter(|t| t.listed.contains(&(number, kind))) {
            return f(&*there.medium);
        }
        let wanted = self.firsts.partition_point(|first| *first <= number) as u64;
        if state.there.as_ref().is_none_or(|t| t.place != wanted) {
            self.bring(&mut state, wanted)?;
        }
        match &state.there {
            Some(there) => f(&*there.medium),
            None => Err(self.refusal(wanted)),
        }
    }

    fn refusal(&self, place: u64) -> MediumError {
        MediumError::NotBrought { path: self.path.clone(), place, blank: false }
    }

    fn bring(&self, state: &mut State<'w>, place: u64) -> Result<()> {
        if place == 0 || state.refused.contains(&place) {
            return Err(self.refusal(place));
        }
        state.there = None;
        let wanted = MediumRequest { set: self.set, set_name: self.set_name.clone(), place, blank: false };
        let first = self.firsts.get(place as usize - 1).copied();
        match bring(self.loader, &self.path, &wanted, first, None).and_then(|(place, _)| place.open(self.set)) {
            Ok(medium) => {
                state.there = Some(There::new(place, medium)?);
                Ok(())
            }
            Err(e) => {
                state.refused.insert(place);
                Err(e)
            }
        }
    }
}

/// Has a known medium brought to `path`. `first`: the number of its label, where that is known; one that was begun for the same place and
/// given up has another. Answers with its label, where that can be read. `wrong`: what is the matter with the one that is there.
pub fn bring(
    loader: &dyn Loader,
    path: &Path,
    wanted: &MediumRequest,
    first: Option<u64>,
    mut wrong: Option<MediumError>,
) -> Result<(AttachedMedium, Option<Label>)> {
    loop {
        loader.bring(path, wanted, wrong.take())?;
        let brought = AttachedMedium::find(path, loader).and_then(|place| Ok((place.sets()?, place)));
        match brought {
            Ok((sets, place)) => match sets.found.into_iter().find(|s| s.id == wanted.set).map(|s| s.label) {
                None if sets.broken.iter().any(|b| b.folder_id() == Some(wanted.set)) => {
                    // Its label cannot be read; where it lies tells as much.
                    let listed = place.list(wanted.set)?.objects;
                    let is_label = |o: &&Listed| o.kind == ObjectKind::Label;
                    match listed.iter().filter(is_label).map(|o| o.number).find(|n| first.is_none_or(|first| *n == first)) {
                        Some(_) => return Ok((place, None)),
                        None => wrong = Some(MediumError::NoLabel { path: path.to_owned() }),
                    }
                }
                Some(label) if label.place != wanted.place => {
                    let (path, found) = (path.to_owned(), label.place);
                    wrong = Some(MediumError::OtherMedium { path, found, wanted: wanted.place });
                }
                Some(label) if first.is_some_and(|first| first != label.first_object) => {
                    wrong = Some(MediumError::HalfBegun { place: path.display().to_string() });
                }
                Some(label) => return Ok((place, Some(label))),
                None => wrong = Some(MediumError::NoSuchSet { path: path.to_owned(), set: wanted.set }),
            },
            Err(e) => wrong = Some(e),
        }
    }
}

impl Medium for SpanningMedium<'_> {
    /// What lies on the medium that is there.
    fn list(&self) -> Result<Listing> {
        match &self.state().there {
            Some(there) => there.medium.list(),
            None => Ok(Listing::default()),
        }
    }

    fn append(&self, _: u64, _: ObjectKind, _: &[u8]) -> Result<()> {
        Err(MediumError::ReadOnly { place: self.path.display().to_string() })
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        self.with(number, kind, |medium| medium.read_back(number, kind))
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        let object = self.with(number, kind, |medium| {
            let read = InMemory::read(&mut *medium.open(number, kind)?, limit::PACK_BYTES);
            if !read.as_ref().is_ok_and(InMemory::is_whole) {
                medium.is_there()?;
            }
            let place = self.path.display().to_string();
            read.map_err(|source| MediumError::Unreadable { place, number, kind, source })
        })?;
        Ok(Box::new(object))
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn is_sequential(&self) -> bool {
        // Whatever it is, changing it takes a person's time.
        true
    }

    fn at_hand(&self) -> RangeInclusive<u64> {
        let state = self.state();
        let at = state.there.as_ref().map_or(0, |there| there.place as usize);
        // Nothing that a seal covers lies on one that the seals do not tell of.
        let Some(first) = at.checked_sub(1).and_then(|at| self.firsts.get(at)) else { return RangeInclusive::new(1, 0) };
        *first..=self.firsts.get(at).map_or(u64::MAX, |next| next - 1)
    }

    fn describe(&self) -> Description {
        match &self.state().there {
            Some(there) => there.medium.describe(),
            None => super::Absent.describe(),
        }
    }
}
