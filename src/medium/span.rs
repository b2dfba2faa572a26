//! A set that lies on several media, read as if it lay on one: the medium with the object that is wanted is asked for.
//!
//! One medium at a time is in the place that the user named. Objects are read whole while theirs is there, so that nothing is left open
//! when the next one comes.

use super::loader::{Loader, Wanted};
use super::{Description, Listing, Medium, MediumError, OpenObject, Place, Reread};
use crate::format::limit;
use crate::format::object::{Id, Kind};
use std::collections::HashSet;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Result<T> = std::result::Result<T, MediumError>;

/// All media of a set, one of which is there.
pub struct Span<'w> {
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
    place: u64,
    medium: Box<dyn Medium + 'w>,
    /// What lies on it.
    listed: HashSet<(u64, Kind)>,
}

impl<'w> There<'w> {
    fn new(place: u64, medium: Box<dyn Medium + 'w>) -> Result<Self> {
        let listed = medium.list()?.objects.iter().map(|o| (o.number, o.kind)).collect();
        Ok(Self { place, medium, listed })
    }
}

impl<'w> Span<'w> {
    /// `there` is the medium at `path`, the set's `place`-th; `firsts` are the numbers of the labels, as [`crate::seal::chain::Chain::media`]
    /// tells them.
    pub fn new(
        there: Box<dyn Medium + 'w>,
        place: u64,
        path: &Path,
        set: (Id, String),
        firsts: Vec<u64>,
        loader: &'w dyn Loader,
    ) -> Result<Self> {
        let state = State { there: Some(There::new(place, there)?), refused: HashSet::new() };
        Ok(Self { loader, path: path.to_owned(), set: set.0, set_name: set.1, firsts, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State<'w>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `f` with the medium that has the object.
    fn with<T>(&self, number: u64, kind: Kind, f: impl FnOnce(&dyn Medium) -> Result<T>) -> Result<T> {
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
        let wanted = Wanted { set: self.set, set_name: self.set_name.clone(), place, blank: false };
        match bring(self.loader, &self.path, &wanted, None).and_then(|place| place.open(self.set)) {
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

/// Has a known medium brought to `path`. `wrong`: what is the matter with the one that is there.
pub fn bring(loader: &dyn Loader, path: &Path, wanted: &Wanted, mut wrong: Option<MediumError>) -> Result<Place> {
    loop {
        loader.bring(path, wanted, wrong.take())?;
        let brought = Place::find(path, loader).and_then(|place| Ok((place.sets()?, place)));
        match brought {
            Ok((sets, place)) => match sets.found.iter().find(|s| s.id == wanted.set) {
                Some(found) if found.label.place == wanted.place => return Ok(place),
                Some(found) => {
                    let (path, found) = (path.to_owned(), found.label.place);
                    wrong = Some(MediumError::OtherMedium { path, found, wanted: wanted.place });
                }
                None => wrong = Some(MediumError::NoSuchSet { path: path.to_owned(), set: wanted.set }),
            },
            Err(e) => wrong = Some(e),
        }
    }
}

impl Medium for Span<'_> {
    /// What lies on the medium that is there.
    fn list(&self) -> Result<Listing> {
        match &self.state().there {
            Some(there) => there.medium.list(),
            None => Ok(Listing::default()),
        }
    }

    fn append(&self, _: u64, _: Kind, _: &[u8]) -> Result<()> {
        Err(MediumError::ReadOnly { place: self.path.display().to_string() })
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_back(&self, number: u64, kind: Kind) -> Result<Reread> {
        self.with(number, kind, |medium| medium.read_back(number, kind))
    }

    fn open(&self, number: u64, kind: Kind) -> Result<Box<dyn OpenObject>> {
        let bytes = self.with(number, kind, |medium| {
            let mut bytes = Vec::new();
            let read = medium.open(number, kind)?.take(limit::PACK_BYTES).read_to_end(&mut bytes);
            let place = self.path.display().to_string();
            read.map_err(|source| MediumError::Unreadable { place, number, kind, source })?;
            Ok(bytes)
        })?;
        Ok(Box::new(InMemory(Cursor::new(bytes))))
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
        let Some(there) = &state.there else { return RangeInclusive::new(1, 0) };
        let at = there.place as usize;
        let first = self.firsts.get(at - 1).copied().unwrap_or(0);
        first..=self.firsts.get(at).map_or(u64::MAX, |next| next - 1)
    }

    fn describe(&self) -> Description {
        match &self.state().there {
            Some(there) => there.medium.describe(),
            None => super::Absent.describe(),
        }
    }
}

struct InMemory(Cursor<Vec<u8>>);

impl Read for InMemory {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Seek for InMemory {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

impl OpenObject for InMemory {
    fn length(&self) -> u64 {
        self.0.get_ref().len() as u64
    }
}
