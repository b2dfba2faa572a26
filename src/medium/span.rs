//! A set on several media, read as if it were on one: the medium with the wanted object is requested.
//!
//! One medium at a time is at the path that the user named. Objects are read whole, as far as possible, while their
//! medium is attached, so that no object is open when the next medium is brought.

use super::in_memory::BufferedObject;
use super::loader::{Loader, MediumRequest};
use super::{AttachedMedium, Description, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::digests::Hashes;
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, MediumError>;

/// All media of a set, one of which is attached.
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
    current: Option<CurrentMedium<'w>>,
    /// Places whose medium was requested and not brought. They are not requested again.
    refused: HashSet<u64>,
}

/// The medium that is attached.
struct CurrentMedium<'w> {
    /// Its place in the set; 0: it is none of the set's media.
    place: u64,
    /// The first number that it has if none of the set's other media has it: a label that does not count may say any place.
    own_from: u64,
    medium: Box<dyn Medium + 'w>,
    /// The objects on it.
    listed: HashSet<(u64, ObjectKind)>,
}

impl<'w> CurrentMedium<'w> {
    fn new(place: u64, own_from: u64, medium: Box<dyn Medium + 'w>) -> Result<Self> {
        let listed = medium.list()?.objects.iter().map(|o| (o.number, o.kind)).collect();
        Ok(Self { place, own_from, medium, listed })
    }
}

impl<'w> SpanningMedium<'w> {
    /// `current` is the medium at `path`, with the label `label`. `firsts` are the numbers of all media's labels, as
    /// [`crate::seal::chain::Chain::media`] returns them.
    pub fn new(
        current: Box<dyn Medium + 'w>,
        label: &Label,
        path: &Path,
        mut firsts: Vec<u64>,
        loader: &'w dyn Loader,
    ) -> Result<Self> {
        // A damaged list may have had the first label, which is always the first object.
        if firsts.first() != Some(&0) {
            firsts.insert(0, 0);
        }
        // A medium that a run has begun and abandoned is none of the set's media.
        let is_known = firsts.get(label.place as usize - 1) == Some(&label.first_object);
        let place = if is_known { label.place } else { 0 };
        let state =
            Mutex::new(State { current: Some(CurrentMedium::new(place, label.first_object, current)?), refused: HashSet::new() });
        Ok(Self { loader, path: path.to_owned(), set: label.set, set_name: label.name.clone(), firsts, state })
    }

    fn state(&self) -> MutexGuard<'_, State<'w>> {
        self.state.lock()
    }

    /// Calls `f` with the medium that has the object.
    fn with<T>(&self, number: u64, kind: ObjectKind, f: impl FnOnce(&dyn Medium) -> Result<T>) -> Result<T> {
        let mut state = self.state();
        // Every later medium has copies of the seals.
        let has = |c: &&CurrentMedium| c.own_from <= number || c.listed.contains(&(number, kind));
        if let Some(current) = state.current.as_ref().filter(has) {
            return f(&*current.medium);
        }
        let wanted = self.firsts.partition_point(|first| *first <= number) as u64;
        if state.current.as_ref().is_none_or(|c| c.place != wanted) {
            self.bring(&mut state, wanted)?;
        }
        match &state.current {
            Some(current) => f(&*current.medium),
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
        state.current = None;
        let wanted = MediumRequest { set: self.set, set_name: self.set_name.clone(), place, blank: false };
        let first = self.firsts.get(place as usize - 1).copied();
        match bring(self.loader, &self.path, &wanted, first, None).and_then(|(attached, _)| attached.open(self.set)) {
            Ok(medium) => {
                state.current = Some(CurrentMedium::new(place, u64::MAX, medium)?);
                Ok(())
            }
            Err(e) => {
                state.refused.insert(place);
                Err(e)
            }
        }
    }
}

/// Requests a known medium at `path` until it is attached. `first`: the number of its label, if known; a medium that
/// was begun for the same place and abandoned has another. Returns the medium and its label, if that can be read.
/// `wrong`: what is wrong with the medium that is attached now.
pub fn bring(
    loader: &dyn Loader,
    path: &Path,
    wanted: &MediumRequest,
    first: Option<u64>,
    mut wrong: Option<MediumError>,
) -> Result<(AttachedMedium, Option<Label>)> {
    let is_wanted = |l: &Label| l.place == wanted.place && first.is_none_or(|first| first == l.first_object);
    loop {
        loader.bring(path, wanted, wrong.take())?;
        let brought = AttachedMedium::find(path, loader).and_then(|attached| Ok((attached.sets()?, attached)));
        match brought {
            Ok((sets, attached)) => match sets.found.into_iter().find(|s| s.id == wanted.set).map(|s| s.label) {
                // Somebody may have put another label before the medium's own.
                Some(label) if !is_wanted(&label) && attached.labels(wanted.set)?.iter().any(is_wanted) => {
                    let label = attached.labels(wanted.set)?.into_iter().find(is_wanted);
                    return Ok((attached, label));
                }
                None if sets.broken.iter().any(|b| b.id == Some(wanted.set)) => {
                    // Its label cannot be read, but the label's number identifies the medium too.
                    let listed = attached.list(wanted.set)?.objects;
                    let is_label = |o: &&Listed| o.kind == ObjectKind::Label;
                    match listed.iter().filter(is_label).map(|o| o.number).find(|n| first.is_none_or(|first| *n == first)) {
                        Some(_) => return Ok((attached, None)),
                        None => wrong = Some(MediumError::NoLabel { path: path.to_owned() }),
                    }
                }
                Some(label) if label.place != wanted.place => {
                    let (path, found) = (path.to_owned(), label.place);
                    wrong = Some(MediumError::OtherMedium { path, found, wanted: wanted.place });
                }
                Some(label) if first.is_some_and(|first| first != label.first_object) => {
                    wrong = Some(MediumError::Abandoned { medium: path.display().to_string() });
                }
                Some(label) => return Ok((attached, Some(label))),
                None => wrong = Some(MediumError::NoSuchSet { path: path.to_owned(), set: wanted.set }),
            },
            Err(e) => wrong = Some(e),
        }
    }
}

impl Medium for SpanningMedium<'_> {
    /// The objects on the medium that is attached.
    fn list(&self) -> Result<Listing> {
        match &self.state().current {
            Some(current) => current.medium.list(),
            None => Ok(Listing::default()),
        }
    }

    fn append(&self, _: u64, _: ObjectKind, _: &[u8]) -> Result<()> {
        Err(MediumError::ReadOnly { medium: self.path.display().to_string() })
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        self.with(number, kind, |medium| medium.read_back(number, kind, hashes))
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        let object = self.with(number, kind, |medium| {
            let read = BufferedObject::read(&mut *medium.open(number, kind)?, limit::PACK_BYTES);
            if !read.as_ref().is_ok_and(BufferedObject::is_whole) {
                medium.check_attached()?;
            }
            let medium = self.path.display().to_string();
            read.map_err(|source| MediumError::Unreadable { medium, number, kind, source })
        })?;
        Ok(Box::new(object))
    }

    fn check_complete(&self) -> Result<()> {
        self.state().current.as_ref().map_or(Ok(()), |current| current.medium.check_complete())
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn is_sequential(&self) -> bool {
        // Whatever kind the media are, changing them takes a person's time.
        true
    }

    fn attached_objects(&self) -> RangeInclusive<u64> {
        let state = self.state();
        let at = state.current.as_ref().map_or(0, |current| current.place as usize);
        // No sealed object is on a medium that is none of the set's.
        let Some(first) = at.checked_sub(1).and_then(|at| self.firsts.get(at)) else { return RangeInclusive::new(1, 0) };
        *first..=self.firsts.get(at).map_or(u64::MAX, |next| next - 1)
    }

    fn describe(&self) -> Description {
        match &self.state().current {
            Some(current) => current.medium.describe(),
            None => super::NoMedium.describe(),
        }
    }
}
