//! `media copy`: copies the sealed part of a set to another medium, byte for byte, with no key.
//!
//! Copied are the label, every object that the seals list (void ones as they are on the medium) and the seals, in the
//! order of their numbers. Each is compared with its seal before it is written, and read back afterwards. A seal is
//! written only after everything that it covers, so an interrupted copy contains whole generations, and the next run
//! continues it.
//!
//! **Invariant:** nothing is written to a target that has anything else under the set's id than what the source's seals
//! list.

pub mod named;
mod pipe;
mod plan;
mod target;

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::check_code::CheckCode;
use crate::format::object::{Id, Object};
use crate::format::seal::ReadBack;
use crate::medium::MediumError;
use crate::seal::chain::{Chain, Fault};
use crate::set::check::{CheckError, Damage};
use crate::set::open::{OpenError, OpenSet, Reach, set_name};
use plan::Plan;
use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use target::CopyMedium;

/// What is to be copied, from where and to where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the source is.
    pub from: PathBuf,
    /// Where the target is.
    pub to: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// Copy only what is on the attached medium, to copy a set medium by medium; else the set from its first medium to
    /// its last.
    pub this_medium: bool,
    /// Accept a folder with other sets in it.
    pub beside_others: bool,
}

impl Options {
    /// The only set on the medium at `from`, from its first medium to its last.
    pub fn new(from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Self {
        Self { from: from.into(), to: to.into(), set: None, this_medium: false, beside_others: false }
    }
}

/// What was copied.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The set's id.
    pub set: Id,
    /// What people call it; empty if its label is unreadable.
    pub set_name: String,
    /// Objects of the set that the copy now contains, with the seals.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How many of these objects the target contained before.
    pub already: u64,
    /// Objects that differ from what their seals list, or cannot be read: the copy lacks them.
    pub damage: Vec<Damage>,
    /// What is wrong with the source's chain of seals. A seal that cannot be read is not copied.
    pub faults: Vec<Fault>,
    /// Objects copied without a valid digest to compare with, because the seal that lists them is damaged or missing.
    pub unproved: u64,
    /// The source's media, by their places in the set, whose objects were read.
    pub places: Vec<u64>,
    /// The newest generation in the copy, and its check code.
    pub newest: Option<(u64, CheckCode)>,
    /// The weakest way in which the copy was read.
    pub read_back: ReadBack,
    /// What no seal covers on the source's medium: somebody else has written there. It is not copied.
    pub foreign: Vec<String>,
    /// What desktop systems have left on the source's medium: no fault, and not copied.
    pub litter: Vec<String>,
}

impl Report {
    /// Whether the copy contains everything, and all of it is proved.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty() && self.faults.is_empty() && self.unproved == 0
    }
}

/// Why an object on the target does not belong to the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectClash {
    /// No seal of the source lists it: the target is newer than the source, or has another history.
    Unknown,
    /// It is shorter than the source's object: an interrupted copy leaves such an object.
    Torn,
    /// It differs from the source's object.
    Other,
}

/// Why a copy ended early.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Both paths lead to one medium.
    #[error("{} is the source itself", path.display())]
    SamePlace {
        /// Where the target is.
        path: PathBuf,
    },
    /// The source has no seal.
    #[error("nothing on {} is sealed", path.display())]
    NothingSealed {
        /// Where the source is.
        path: PathBuf,
    },
    /// The target has another set, and [`Options::beside_others`] is not set.
    #[error("the set {set} is on {}", path.display())]
    OtherSet {
        /// Where the target is.
        path: PathBuf,
        /// The other set.
        set: Id,
    },
    /// The target has an object under the set's id that the source has not.
    #[error("{object} on {} is not the source's ({clash:?})", path.display())]
    Clash {
        /// Where the target is.
        path: PathBuf,
        /// The object's path below the set's folder.
        object: String,
        /// What is wrong with it.
        clash: ObjectClash,
    },
    /// The target returns other bytes than were written.
    #[error("{object} does not read back as it was written")]
    ReadBack {
        /// Name of the object.
        object: String,
    },
    /// The user interrupted it.
    #[error("the run was interrupted")]
    Interrupted,
    /// A thread panicked.
    #[error("a thread of the run failed")]
    Stopped,
    /// The source cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The source or the target failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

impl From<CheckError> for CopyError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Interrupted => Self::Interrupted,
            CheckError::Medium(e) => Self::Medium(e),
        }
    }
}

type Result<T> = std::result::Result<T, CopyError>;

/// Copies a set from one medium to another.
pub fn copy(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    if is_same_place(&options.from, &options.to) {
        return Err(CopyError::SamePlace { path: options.to.clone() });
    }
    let source = OpenSet::open(&options.from, options.set, env.loader)?;
    // A wrong target is reported before anybody has to bring the source's other media.
    let target = CopyMedium::find(options, source.id, env.loader)?;
    let chain = source.chain()?;
    let (source, chain) = match options.this_medium {
        true => (source, chain),
        false => source.with_all_media(chain, &options.from, Reach::End, None, env.loader)?,
    };
    if chain.links.is_empty() {
        return Err(CopyError::NothingSealed { path: options.from.clone() });
    }
    let mut plan = Plan::new(&chain, options.this_medium);
    plan.add_unproved(&*source.medium, &chain)?;
    let (medium, _lock) = target.open(&plan, &chain)?;
    let (present, read_back) = target::compare(&*medium, &plan, &options.to, env, observer)?;
    let missing = plan.missing(&present);
    target::check_room(medium.free_bytes(), &missing, &options.to)?;
    let copied = pipe::copy_objects(&*source.medium, &*medium, &missing, env, observer)?;
    plan.add_damage(copied.damage);
    let read_back = read_back.min(copied.read_back);
    let foreign = source.foreign(&chain)?;
    Ok(Report { foreign, ..Report::new(&chain, plan, &present, &missing, options.this_medium, read_back) })
}

impl Report {
    fn new(
        chain: &Chain,
        plan: Plan,
        present: &HashSet<u64>,
        missing: &[(Object, u64)],
        this_medium: bool,
        read_back: ReadBack,
    ) -> Self {
        let copied: Vec<&Object> = plan.without_damage().collect();
        let first_objects = chain.media();
        let place = |(o, _): &(Object, u64)| first_objects.partition_point(|first| *first <= o.number).max(1) as u64;
        Self {
            set: chain.set,
            set_name: set_name(chain),
            objects: copied.len() as u64,
            bytes: copied.iter().map(|o| o.length).sum(),
            already: copied.iter().filter(|o| present.contains(&o.number)).count() as u64,
            places: match (this_medium, &chain.label) {
                (true, Some(label)) => vec![label.place],
                _ => missing.iter().map(place).collect::<BTreeSet<_>>().into_iter().collect(),
            },
            faults: chain.faults.clone(),
            unproved: plan.unproved,
            newest: chain.generations().last().map(|l| (l.seal.generation, CheckCode::of(&l.digest()))),
            read_back,
            foreign: Vec::new(),
            litter: chain.listing.litter_names(),
            damage: plan.damage,
        }
    }
}

/// Whether two paths lead to one folder or one drive, whatever their names.
fn is_same_place(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| {
        let m = std::fs::metadata(path).ok()?;
        // Two device nodes may name one drive.
        Some(if m.file_type().is_char_device() { (None, m.rdev()) } else { (Some(m.dev()), m.ino()) })
    };
    a == b || identity(a).is_some_and(|a| Some(a) == identity(b))
}
