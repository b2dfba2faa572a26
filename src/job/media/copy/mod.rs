//! `media copy`: the sealed part of a set, byte for byte on another medium, with no key.
//!
//! What is copied are the label, every object that the seals list (void ones as they lie there) and the seals, in the order of their
//! numbers. Each is compared with its seal before it is written, and read back afterwards. A seal comes to the copy only behind everything it
//! covers, so a copy that was broken off holds whole generations, and the next run goes on with it.
//!
//! **Invariant:** nothing is written to a target that holds anything else under the set's id than what the source's seals list.

mod pipe;

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::check_code::CheckCode;
use crate::format::object::{Id, Object, ObjectKind, file_name};
use crate::format::seal::ReadBack;
use crate::job::restore::RestoreError;
use crate::medium::{AttachedMedium, ErrorCategory, Listing, Loader, Medium, MediumError, Writable, tape};
use crate::seal::chain::{Chain, Fault};
use crate::set::check::{Damage, DamageKind, check_objects, sealed, sealed_here};
use crate::set::open::OpenSet;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What is to be copied, from where and to where.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    pub to: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// Only what lies on the medium at hand, for a copy medium by medium; else the set from its first medium to its last.
    pub this_medium: bool,
    /// A folder that holds other sets is taken, too.
    pub beside_others: bool,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    /// Objects of the set that the copy now holds, the seals among them.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How many of these objects were there before.
    pub already: u64,
    /// Objects that are not what their seals say, or cannot be read: the copy lacks them.
    pub damage: Vec<Damage>,
    /// What is wrong with the source's chain of seals. A seal that cannot be read is not copied.
    pub faults: Vec<Fault>,
    /// Objects copied as they lie there, because the seal that lists them is damaged or missing, and says nothing that holds.
    pub unproved: u64,
    /// The source's media, by their places in the set, whose objects were read.
    pub places: Vec<u64>,
    /// The newest generation in the copy, and its check code.
    pub newest: Option<(u64, CheckCode)>,
    /// The weakest way in which the copy was read.
    pub read_back: ReadBack,
}

impl Report {
    /// The copy has everything, and all of it is proved.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty() && self.faults.is_empty() && self.unproved == 0
    }
}

/// Why an object that lies on the target is none of the copy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// No seal of the source lists it: the target is newer than the source, or another history.
    Unknown,
    /// It is shorter than it should be: a copy that was broken off leaves such a one.
    Torn,
    /// It is another object than the source's.
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("{} is the source itself", path.display())]
    SamePlace { path: PathBuf },
    #[error("nothing on {} is sealed", path.display())]
    NothingSealed { path: PathBuf },
    #[error("{} holds the set {set}", path.display())]
    OtherSet { path: PathBuf, set: Id },
    #[error("{object} on {} is not the source's ({clash:?})", path.display())]
    Clash { path: PathBuf, object: String, clash: Clash },
    #[error("{object} was not read back as it was written")]
    ReadBack { object: String },
    #[error("the run was interrupted")]
    Interrupted,
    #[error("a thread of the run failed")]
    Stopped,
    #[error("the source cannot be opened")]
    Open(#[source] RestoreError),
    #[error("the medium failed")]
    Medium(#[source] MediumError),
}

type Result<T> = std::result::Result<T, CopyError>;

/// Copies a set from one medium to another.
pub fn copy(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    if is_same(&options.from, &options.to) {
        return Err(CopyError::SamePlace { path: options.to.clone() });
    }
    let source = OpenSet::open(&options.from, options.set, env.loader).map_err(from_open)?;
    // A wrong target is told of before anybody is sent for the source's other media.
    let target = Target::find(options, source.id, env.loader)?;
    let chain = source.chain().map_err(from_open)?;
    let (source, chain) = match options.this_medium {
        true => (source, chain),
        false => source.go_on(chain, &options.from, None, env.loader).map_err(from_open)?,
    };
    if chain.links.is_empty() {
        return Err(CopyError::NothingSealed { path: options.from.clone() });
    }
    let mut plan = Plan::of(&chain, options.this_medium);
    plan.take_unproved(&*source.medium, &chain)?;
    let (medium, _guard) = target.open(&plan, &chain)?;
    let (there, mut read_back) = compare(&*medium, &plan, &options.to, env, observer)?;
    let missing = plan.missing(&there);
    has_room(medium.free_bytes(), &missing, &options.to)?;
    let done = pipe::copy_objects(&*source.medium, &*medium, &missing, env, observer)?;
    plan.damage.extend(done.damage);
    plan.damage.sort_by_key(|d| d.object.number);
    read_back = read_back.min(done.read_back);
    let lacks: HashSet<u64> = plan.damage.iter().map(|d| d.object.number).collect();
    let held = || plan.wanted.values().map(|(o, _)| o).filter(|o| !lacks.contains(&o.number));
    let firsts = chain.media();
    let place = |o: &(Object, u64)| firsts.partition_point(|first| *first <= o.0.number).max(1) as u64;
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        objects: held().count() as u64,
        bytes: held().map(|o| o.length).sum(),
        already: held().filter(|o| there.contains(&o.number)).count() as u64,
        places: match (options.this_medium, &chain.label) {
            (true, Some(label)) => vec![label.place],
            _ => missing.iter().map(place).collect::<BTreeSet<_>>().into_iter().collect(),
        },
        damage: plan.damage,
        faults: chain.faults.clone(),
        unproved: plan.unproved,
        newest: chain.generations().last().map(|l| (l.seal.generation, CheckCode::of(&l.digest))),
        read_back,
    })
}

/// Whether two paths lead to one place, by whatever names.
fn is_same(a: &Path, b: &Path) -> bool {
    let what = |path: &Path| {
        let m = std::fs::metadata(path).ok()?;
        // Two nodes may stand for one drive.
        Some(if m.file_type().is_char_device() { (None, m.rdev()) } else { (Some(m.dev()), m.ino()) })
    };
    a == b || what(a).is_some_and(|a| Some(a) == what(b))
}

fn from_open(e: RestoreError) -> CopyError {
    match e {
        RestoreError::Interrupted => CopyError::Interrupted,
        RestoreError::Medium(e) => CopyError::Medium(e),
        e => CopyError::Open(e),
    }
}

/// Asked beforehand, so that nobody waits for hours to learn it.
fn has_room(free: Option<u64>, missing: &[(Object, u64)], to: &Path) -> Result<()> {
    let needed = missing.iter().map(|(o, _)| o.length).sum();
    match free {
        Some(f) if f < needed => {
            Err(CopyError::Medium(MediumError::Full { medium: to.display().to_string(), needed, free, torn: false }))
        }
        _ => Ok(()),
    }
}

/// What the copy is to hold.
struct Plan {
    /// By number, each with its generation.
    wanted: BTreeMap<u64, (Object, u64)>,
    /// Number of the label of the medium at hand, or of the first of all: it is written before copies of earlier seals, so that a medium
    /// tells whose it is from its first object on.
    label: u64,
    /// Everything that the target may hold, by number: also objects of other media where one is copied alone, and void ones of which nothing
    /// could be read.
    known: BTreeMap<u64, Object>,
    damage: Vec<Damage>,
    unproved: u64,
}

impl Plan {
    fn of(chain: &Chain, this_medium: bool) -> Self {
        let known = sealed(chain).into_iter().map(|(o, _)| (o.number, o)).collect();
        let (wanted, label) = if this_medium { (sealed_here(chain), chain.first) } else { (sealed(chain), 0) };
        let wanted = wanted.into_iter().filter(|(o, _)| o.digest.is_some()).map(|w| (w.0.number, w)).collect();
        Self { wanted, label, known, damage: Vec::new(), unproved: 0 }
    }

    /// Where a seal is damaged or missing, takes its objects as they lie there: later generations may need them, and a copy that leaves them out,
    /// or believes what a damaged seal says of them, loses what the source still has.
    fn take_unproved(&mut self, source: &dyn Medium, chain: &Chain) -> Result<()> {
        let end = chain.last().map_or(0, |l| l.number);
        let at_fault: HashSet<u64> = chain.faults.iter().map(|f| f.object).collect();
        for l in chain.listing.objects.iter().filter(|l| l.number < end && l.number >= chain.first && l.kind != ObjectKind::Seal)
        {
            let next = chain.links.partition_point(|s| s.number < l.number);
            let Some(next) = chain.links.get(next).filter(|s| s.number != l.number) else { continue };
            let is_listed = next.seal.first <= l.number;
            if is_listed && !at_fault.contains(&next.number) {
                continue;
            }
            let generation = if is_listed { next.seal.generation } else { next.seal.generation - 1 };
            let mut object = Object { number: l.number, kind: l.kind, length: l.length, digest: None };
            match source.read_back(l.number, l.kind) {
                Ok(reread) => {
                    (object.length, object.digest) = (reread.length, Some(reread.digest));
                    self.take(object, generation);
                }
                // What is listed and cannot be read is met again when it is to be copied.
                Err(e) if e.category() == ErrorCategory::Damage && is_listed => {}
                Err(e) if e.category() == ErrorCategory::Damage => {
                    self.damage.push(Damage { object, generation, what: DamageKind::Unreadable(e.to_string()) });
                }
                Err(e) => return Err(CopyError::Medium(e)),
            }
        }
        Ok(())
    }

    /// Takes an object as it lies there, in the place of what is said of it, if that is something else.
    fn take(&mut self, object: Object, generation: u64) {
        let is_same = |said: &&Object| said.length == object.length && said.digest == object.digest;
        if self.known.get(&object.number).filter(is_same).is_some() {
            return;
        }
        self.known.insert(object.number, object);
        self.unproved += 1;
        self.wanted.insert(object.number, (object, generation));
    }

    /// The wanted objects that `there` does not name, in the order in which they are written.
    fn missing(&self, there: &HashSet<u64>) -> Vec<(Object, u64)> {
        let missing = |n: &u64| !there.contains(n);
        let label = self.wanted.get(&self.label).filter(|(o, _)| missing(&o.number));
        let rest = self.wanted.values().filter(|(o, _)| missing(&o.number) && o.number != self.label);
        label.into_iter().chain(rest).copied().collect()
    }
}

/// The target before anything is made on it.
struct Target {
    place: AttachedMedium,
    path: PathBuf,
    set: Id,
    /// A part of the set's copy is there.
    begun: bool,
}

impl Target {
    fn find(options: &Options, set: Id, loader: &dyn Loader) -> Result<Self> {
        let path = options.to.clone();
        let place = AttachedMedium::find(&path, loader).map_err(CopyError::Medium)?;
        let sets = place.sets().map_err(CopyError::Medium)?;
        let found = sets.found.iter().map(|s| s.id).chain(sets.broken.iter().filter_map(|b| b.folder_id()));
        let (ours, others): (Vec<Id>, Vec<Id>) = found.partition(|id| *id == set);
        match others.first() {
            Some(other) if !options.beside_others => Err(CopyError::OtherSet { path, set: *other }),
            _ => Ok(Self { place, path, set, begun: !ours.is_empty() }),
        }
    }

    fn open(self, plan: &Plan, chain: &Chain) -> Result<Writable> {
        if self.begun {
            return self.place.open_to_write(self.set).map_err(CopyError::Medium);
        }
        has_room(self.place.free_bytes(), &plan.missing(&HashSet::new()), &self.path)?;
        let begun = self.place.begin(self.set, tape::BLOCK_BYTES).map_err(CopyError::Medium)?;
        // A folder says by its name whose it is; a cartridge only by its label.
        match begun.0.is_sequential() && chain.label.is_none() {
            true => Err(CopyError::Medium(MediumError::NoLabel { path: self.path })),
            false => Ok(begun),
        }
    }
}

/// Compares what is on the target with the plan; answers with the numbers of the objects that are there, whole.
fn compare(
    target: &dyn Medium,
    plan: &Plan,
    path: &Path,
    env: &Env,
    observer: &dyn Observer,
) -> Result<(HashSet<u64>, ReadBack)> {
    let listing = target.list().map_err(CopyError::Medium)?;
    let there = listed_there(&listing, plan, path)?;
    if there.is_empty() {
        return Ok((HashSet::new(), ReadBack::Direct));
    }
    let bytes = there.iter().map(|(o, _)| o.length).sum();
    observer.on_event(Event::Expected { entries: there.len() as u64, bytes });
    observer.on_event(Event::Phase(Phase::Checking));
    let (damage, how) = check_objects(target, &listing, &there, env, observer).map_err(from_open)?;
    if let Some(d) = damage.first() {
        let clash = match d.what {
            DamageKind::Length(n) if n < d.object.length => Clash::Torn,
            _ => Clash::Other,
        };
        let object = file_name(d.object.number, d.object.kind);
        return Err(CopyError::Clash { path: path.to_owned(), object, clash });
    }
    Ok((there.iter().map(|(o, _)| o.number).collect(), how))
}

/// What a target holds, as the seals list it, in the order in which it lies there.
fn listed_there(listing: &Listing, plan: &Plan, path: &Path) -> Result<Vec<(Object, u64)>> {
    let mut there: Vec<(Object, u64)> = Vec::new();
    for l in &listing.objects {
        let clash = |clash| {
            let object = file_name(l.number, l.kind);
            Err(CopyError::Clash { path: path.to_owned(), object, clash })
        };
        match plan.known.get(&l.number) {
            None => return clash(Clash::Unknown),
            Some(_) if there.last().is_some_and(|(o, _)| o.number == l.number) => return clash(Clash::Other),
            Some(o) if o.kind != ObjectKind::Void && o.kind != l.kind => return clash(Clash::Other),
            Some(o) => there.push((*o, 0)),
        }
    }
    // Without a digest nothing can be compared.
    there.retain(|(o, _)| o.digest.is_some());
    Ok(there)
}
