//! A set opened for reading: found on the medium that the user named.

use crate::format::check_code::WrittenCode;
use crate::format::object::Id;
use crate::format::seal::Verdict;
use crate::medium::loader::MediumRequest;
use crate::medium::{AttachedMedium, ErrorCategory, Loader, Medium, MediumError, NoMedium, Sets, SpanningMedium, bring};
use crate::seal::chain::Chain;
use crate::set::check::foreign;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Why a set cannot be opened for reading.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The medium has no set.
    #[error("there is no set on {}", path.display())]
    Blank {
        /// Where the medium is.
        path: PathBuf,
    },
    /// No set was named, and the medium has several.
    #[error("there are {count} sets on {}; say which", path.display())]
    WhichSet {
        /// Where the medium is.
        path: PathBuf,
        /// How many sets it has.
        count: usize,
    },
    /// Content is read from a set in quarantine only if the set is named.
    #[error("the set {set} on {} is in quarantine", path.display())]
    Quarantine {
        /// Where the medium is.
        path: PathBuf,
        /// The set.
        set: Id,
    },
    /// The whole set is wanted, and it goes on on a medium that nobody brought.
    #[error("the set goes on on medium {place}, which was not loaded")]
    GoesOn {
        /// The number of the next medium within the set.
        place: u64,
    },
    /// The medium failed, or nobody brought the one that was asked for.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

type Result<T, E = OpenError> = std::result::Result<T, E>;

/// How far into a set a job wants to read. A set may go on on a later medium than the one that is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The newest generation that is whole on the attached medium. A later medium is asked for only where there is none: the
    /// run that was to write it may have ended before.
    Newest,
    /// This generation.
    Generation(u64),
    /// The end of the set.
    End,
}

impl From<Option<u64>> for Reach {
    fn from(wanted: Option<u64>) -> Self {
        wanted.map_or(Self::Newest, Self::Generation)
    }
}

/// A set on a medium, or on several.
pub struct OpenSet<'w> {
    /// The attached medium. After [`OpenSet::with_content`] it also reads the set's earlier media, which the loader
    /// brings.
    pub medium: Box<dyn Medium + 'w>,
    /// The set's id.
    pub id: Id,
    /// Names of further folders of this set on the medium.
    pub further: Vec<OsString>,
    /// The seals, as they were read when the set was opened, for the first who asks.
    chain: Mutex<Option<Chain>>,
}

impl<'w> OpenSet<'w> {
    /// Opens the set on the medium at `from`: the one that `wanted` names, or the only one. A set in quarantine is
    /// opened without being named only where there is no other.
    pub fn open(from: &Path, wanted: Option<Id>, loader: &dyn Loader) -> Result<Self> {
        Self::open_with_code(from, wanted, None, loader)
    }

    /// The same, where a check code from paper may say which of several sets is meant.
    pub fn open_with_code(from: &Path, wanted: Option<Id>, code: Option<&WrittenCode>, loader: &dyn Loader) -> Result<Self> {
        let attached = AttachedMedium::find(from, loader)?;
        let sets = attached.sets()?;
        let wanted = wanted.map_or_else(|| only_set(&sets, &attached, from, code), Ok)?;
        Self::open_found(wanted, attached, &sets)
    }

    /// Opens this set, where the sets were looked for before.
    pub fn open_found(id: Id, attached: AttachedMedium, sets: &Sets) -> Result<Self> {
        let medium = attached.open(id)?;
        let chain = Chain::read(&*medium, id)?;
        if chain.generations().next().is_none() {
            medium.check_complete()?;
        }
        let further =
            sets.further.iter().filter(|(of, _)| *of == id).filter_map(|(_, path)| path.file_name().map(Into::into)).collect();
        // What counts is what the label says, whatever the folder is called.
        Ok(Self { medium, id: chain.set, further, chain: Mutex::new(Some(chain)) })
    }

    /// The seals on the medium.
    pub fn chain(&self) -> Result<Chain> {
        let read = self.chain.lock().take();
        read.map_or_else(|| Ok(Chain::read(&*self.medium, self.id)?), Ok)
    }

    /// What no seal covers, on the medium and in further folders of the set.
    pub fn foreign(&self, chain: &Chain) -> Result<Vec<String>> {
        let further = self.further.iter().map(|name| format!("../{}", name.to_string_lossy()));
        Ok(foreign(&*self.medium, chain)?.into_iter().chain(further).collect())
    }

    /// Opens a set for reading the content of generation `wanted`, or of the newest. A later medium than the one that is
    /// attached is asked for now; earlier media are asked for when something on them is read.
    pub fn with_content(from: &Path, set: Option<Id>, wanted: Option<u64>, loader: &'w dyn Loader) -> Result<(Self, Chain)> {
        Self::with_expected_content(from, set, wanted, None, loader)
    }

    /// The same, where a check code from paper may say which set is meant and which seals count. If no seal has it, the chain is
    /// as it is without.
    pub fn with_expected_content(
        from: &Path,
        set: Option<Id>,
        wanted: Option<u64>,
        code: Option<&WrittenCode>,
        loader: &'w dyn Loader,
    ) -> Result<(Self, Chain)> {
        let opened = Self::open_with_code(from, set, code, loader)?;
        let chain = opened.chain()?;
        if set.is_none() && chain.is_in_quarantine() {
            return Err(OpenError::Quarantine { path: from.into(), set: opened.id });
        }
        opened.with_all_media(chain, from, wanted.into(), code, loader)
    }

    /// Does what [`OpenSet::with_content`] does, for a set that is open. `chain` is read from the attached medium.
    pub fn with_all_media(
        mut self,
        mut chain: Chain,
        from: &Path,
        reach: Reach,
        code: Option<&WrittenCode>,
        loader: &'w dyn Loader,
    ) -> Result<(Self, Chain)> {
        code.and_then(|code| chain.anchor(code));
        while let Some(last) = chain.last_that_fits()
            && last.seal.verdict == Verdict::Continued
        {
            // Under a damaged list nobody knows the labels before.
            let sealed = chain.shown_label().filter(|l| l.first_object < last.number).map_or(0, |l| l.place);
            let place = sealed.max(chain.media().len() as u64) + 1;
            // Nothing is sealed on this medium: the set ends before it, or it was given up and another took its place.
            let is_unsealed = chain.shown_label().is_some_and(|l| l.first_object > last.number);
            let newest = chain.newest_generation().map(|l| l.seal.generation);
            match (reach, newest) {
                (Reach::Generation(wanted), _) if wanted < last.seal.generation => break,
                (Reach::Newest | Reach::End, _) if is_unsealed => break,
                (Reach::Newest, Some(newest)) => {
                    loader.goes_on(place, newest);
                    break;
                }
                _ => {}
            }
            let Some(label) = chain.shown_label() else {
                return Err(MediumError::NotBrought { path: from.to_owned(), place, blank: false }.into());
            };
            let rejected = is_unsealed.then(|| MediumError::Abandoned { medium: from.display().to_string() });
            let label = label.clone();
            let next = MediumRequest { set: self.id, set_name: label.name.clone(), place, blank: false };
            // The drive must be free before another medium is put in.
            self.medium = Box::new(NoMedium);
            let (attached, _) = bring(loader, from, &next, None, rejected).map_err(|e| match e {
                MediumError::NotBrought { .. } if reach == Reach::End => OpenError::GoesOn { place },
                e => e.into(),
            })?;
            self.medium = attached.open(self.id)?;
            self.chain = Mutex::new(None);
            // Nothing may be sealed on it yet, so that nothing there vouches for its label.
            chain = Chain::read_after(&*self.medium, self.id, &label)?;
            code.and_then(|code| chain.anchor(code));
        }
        Ok((self.with_earlier_media(&chain, from, loader)?, chain))
    }

    /// Adds the set's earlier media, which the loader is asked for when something on them is read.
    pub fn with_earlier_media(self, chain: &Chain, from: &Path, loader: &'w dyn Loader) -> Result<Self> {
        let Some(label) = chain.shown_label().filter(|l| l.place > 1) else { return Ok(self) };
        let span = SpanningMedium::new(self.medium, label, from, chain.media(), loader)?;
        Ok(Self { medium: Box::new(span), chain: Mutex::new(None), ..self })
    }
}

/// What people call the set; empty if its label is unreadable.
pub(crate) fn set_name(chain: &Chain) -> String {
    chain.shown_label().map(|l| l.name.clone()).unwrap_or_default()
}

/// The only set on a medium that may be meant where none is named.
fn only_set(sets: &Sets, attached: &AttachedMedium, from: &Path, code: Option<&WrittenCode>) -> Result<Id> {
    // The folder of a set has its id as name, so that a damaged label does not hide the set.
    let mut ids = sets.ids();
    if ids.len() > 1 {
        let (mut seen, empty) = (Vec::new(), sets.empty_folders());
        for id in ids {
            let state = if empty.contains(&id) { SealedState::default() } else { SealedState::of(id, attached, code)? };
            seen.push((id, state));
        }
        // Only the host of a set can have given a check code of it. A label alone is put there easily. A suspected state is nobody's
        // who does not name it. What nothing vouches for is in nobody's way.
        let wishes: [fn(&SealedState) -> bool; 4] = [|s| s.has_code, |s| s.is_sealed, |s| !s.quarantine, |s| s.is_vouched_for];
        for wish in wishes {
            if seen.iter().any(|(_, state)| wish(state)) {
                seen.retain(|(_, state)| wish(state));
            }
        }
        ids = seen.into_iter().map(|(id, _)| id).collect();
    }
    match ids[..] {
        [only] => Ok(only),
        [] => Err(OpenError::Blank { path: from.into() }),
        _ => Err(OpenError::WhichSet { path: from.into(), count: ids.len() }),
    }
}

/// What a set on a medium keeps. Somebody may have put a label there that hides the set, or one that shows it: the chain decides
/// which label counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SealedState {
    /// There is a seal in its place, and not only a label.
    pub is_sealed: bool,
    /// The state is suspected of contamination.
    pub quarantine: bool,
    /// A label counts.
    pub is_vouched_for: bool,
    /// A seal has the check code that was asked for.
    pub has_code: bool,
}

impl SealedState {
    /// Of a set that cannot be read: nothing.
    pub fn of(set: Id, attached: &AttachedMedium, code: Option<&WrittenCode>) -> Result<Self, MediumError> {
        let mut chain = match attached.with_set(set, |medium| Chain::read(medium, set)) {
            Ok(chain) => chain,
            Err(MediumError::NewerFormat { .. }) => return Ok(Self::default()),
            Err(e) if e.category() == ErrorCategory::Damage => return Ok(Self::default()),
            Err(e) => return Err(e),
        };
        let (is_sealed, quarantine) = (!chain.links.is_empty(), chain.is_in_quarantine());
        let is_vouched_for = chain.label.is_some();
        let has_code = code.is_some_and(|code| chain.anchor(code).is_some());
        Ok(Self { is_sealed, quarantine, is_vouched_for, has_code })
    }
}
