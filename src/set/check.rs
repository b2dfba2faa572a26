//! The check of objects against their seals, for all jobs that read a whole medium.

use crate::env::Env;
use crate::event::{Event, FindingKind, Observer};
use crate::format::digests::Hashes;
use crate::format::object::{Id, Object, ObjectKind, file_name, object_path};
use crate::format::seal::ReadBack;
use crate::host::catalog::{Catalog, CatalogError};
use crate::medium::{ErrorCategory, Listed, Listing, Medium, MediumError};
use crate::seal::chain::Chain;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a check of objects ended early.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The user interrupted it.
    #[error("the run was interrupted")]
    Interrupted,
    /// The medium failed, or was taken out. An object that cannot be read is no error: it is damage.
    #[error(transparent)]
    Medium(#[from] MediumError),
}

/// An object that differs from what its seal lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// As the seal lists it.
    pub object: Object,
    /// The generation whose seal covers it.
    pub generation: u64,
    /// How it differs.
    pub what: DamageKind,
}

/// How an object differs from what its seal lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    /// Nothing on the medium has its number.
    Missing,
    /// It has this many bytes, not as many as the seal lists.
    Length(u64),
    /// Its bytes have another digest.
    Digest,
    /// The medium cannot read it, for this reason.
    Unreadable(String),
    /// An object of this kind has its number.
    Kind(ObjectKind),
}

impl Damage {
    /// Reports the damage as a finding.
    pub(crate) fn report(&self, observer: &dyn Observer) {
        let path = file_name(self.object.number, self.object.kind).into_bytes();
        observer.on_event(Event::Finding { kind: FindingKind::Damage, path, detail: format!("{:?}", self.what) });
    }
}

/// How many objects were not there to be read, and the bytes that they should have.
pub(crate) fn absent(damage: &[Damage]) -> (u64, u64) {
    let absent = damage.iter().filter(|d| matches!(d.what, DamageKind::Missing | DamageKind::Kind(_)));
    absent.fold((0, 0), |(objects, bytes), d| (objects + 1, bytes + d.object.length))
}

/// Marks damaged packs in the host's catalog, so that the next backup stores again what lay in them and the sources
/// still have. Returns their number; 0 also if this host does not write the set.
pub fn remember_damage(set: Id, damage: &[Damage], catalog: &mut Catalog) -> Result<usize, CatalogError> {
    let packs: Vec<u64> = damage.iter().filter(|d| d.object.kind == ObjectKind::Pack).map(|d| d.object.number).collect();
    remember_damaged_packs(set, &packs, catalog)
}

/// The same for packs of these numbers.
pub fn remember_damaged_packs(set: Id, packs: &[u64], catalog: &mut Catalog) -> Result<usize, CatalogError> {
    match catalog.set(set)? {
        Some(row) if !packs.is_empty() => catalog.mark_damaged(row, packs).map(|()| packs.len()),
        _ => Ok(0),
    }
}

/// Lists every object that a chain's seals list, and the seals themselves, ascending by number; each with the
/// generation whose seal covers it.
pub(crate) fn sealed(chain: &Chain) -> Vec<(Object, u64)> {
    let mut all: Vec<(Object, u64)> = Vec::new();
    for l in &chain.links {
        all.extend(l.objects.iter().copied().chain([l.object()]).map(|o| (o, l.seal.generation)));
    }
    // Seals that do not follow the one before may list the same numbers.
    all.sort_by_key(|(o, _)| o.number);
    all.dedup_by_key(|(o, _)| o.number);
    all
}

/// Lists what of [`sealed`] is on the medium that the chain was read from, in the order in which it was written: its
/// label, the copies of earlier seals, the rest.
pub(crate) fn sealed_here(chain: &Chain) -> Vec<(Object, u64)> {
    let mut here = sealed(chain);
    here.retain(|(o, _)| o.number >= chain.first || o.kind == ObjectKind::Seal);
    if let Some(label) = here.iter().position(|(o, _)| o.number == chain.first) {
        here[..=label].rotate_right(1);
    }
    here
}

/// Reads objects from the medium and compares them with their seals: one thread for each of [`Env::threads`]; on a
/// sequential medium one object after the other, in the order given. Returns the damage, ascending by number, and the
/// weakest way in which an object was read.
pub(crate) fn check_objects(
    medium: &dyn Medium,
    listing: &Listing,
    objects: &[(Object, u64)],
    env: &Env,
    observer: &dyn Observer,
) -> Result<(Vec<Damage>, ReadBack), CheckError> {
    let next = AtomicUsize::new(0);
    let (damage, weakest) = (Mutex::new(Vec::new()), Mutex::new(ReadBack::Direct));
    let failure: Mutex<Option<MediumError>> = Mutex::new(None);
    let check_next = || {
        while let Some((object, generation)) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            if env.is_interrupted() || failure.lock().is_some() {
                break;
            }
            match check_object(medium, listing, object) {
                Ok(Ok(how)) => {
                    let mut weakest = weakest.lock();
                    *weakest = (*weakest).min(how);
                }
                Ok(Err(what)) => {
                    let found = Damage { object: *object, generation: *generation, what };
                    found.report(observer);
                    damage.lock().push(found);
                }
                Err(e) => {
                    *failure.lock() = Some(e);
                    break;
                }
            }
            observer.on_event(Event::Progress { entries: 1, bytes: object.length });
        }
    };
    // A drive with one head reads one object at a time.
    let threads = if medium.is_sequential() { 1 } else { env.threads.max(1) };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(check_next))));
    if env.is_interrupted() {
        return Err(CheckError::Interrupted);
    }
    if let Some(e) = failure.into_inner() {
        return Err(e.into());
    }
    let mut damage = damage.into_inner();
    damage.sort_by_key(|d: &Damage| d.object.number);
    Ok((damage, weakest.into_inner()))
}

/// Compares one object with its seal. The outer error ends the job, the inner one is damage.
fn check_object(medium: &dyn Medium, listing: &Listing, o: &Object) -> Result<Result<ReadBack, DamageKind>, MediumError> {
    // Nothing was ever known of the bytes of this void object.
    if o.kind == ObjectKind::Void && o.digest().is_none() {
        return Ok(Ok(ReadBack::Direct));
    }
    let listed = match (file_of(medium, listing, o)?, files_of(listing, o.number)) {
        (Some(listed), _) => *listed,
        (None, [other, ..]) => return Ok(Err(DamageKind::Kind(other.kind))),
        (None, []) => return Ok(Err(DamageKind::Missing)),
    };
    if let Some(why) = o.kind.misfit(o.length) {
        return Ok(Err(DamageKind::Unreadable(why)));
    }
    compare(medium, &listed, o)
}

/// Compares one file with what a seal lists.
fn compare(medium: &dyn Medium, listed: &Listed, o: &Object) -> Result<Result<ReadBack, DamageKind>, MediumError> {
    if listed.length != o.length {
        // A folder whose entry is damaged may give a length that nobody could read: only an open file has one.
        return match medium.open(listed.number, listed.kind) {
            Ok(open) => Ok(Err(DamageKind::Length(open.length()))),
            Err(e) if e.category() == ErrorCategory::Damage => Ok(Err(DamageKind::Unreadable(e.to_string()))),
            Err(e) => Err(e),
        };
    }
    let hashes = Hashes::with_sha256(o.digests.is_some_and(|d| d.sha256.is_some()));
    match medium.read_back(listed.number, listed.kind, hashes) {
        Ok(r) if r.length != o.length => Ok(Err(DamageKind::Length(r.length))),
        Ok(r) if o.digests.is_none_or(|d| !d.agree_with(&r.digests)) => Ok(Err(DamageKind::Digest)),
        Ok(r) => Ok(Ok(r.how)),
        Err(e) if e.category() == ErrorCategory::Damage => Ok(Err(DamageKind::Unreadable(e.to_string()))),
        Err(e) => Err(e),
    }
}

/// The files on the medium that have this number.
fn files_of(listing: &Listing, number: u64) -> &[Listed] {
    let listed = &listing.objects;
    let end = listed.partition_point(|l| l.number <= number);
    &listed[listed.partition_point(|l| l.number < number)..end]
}

/// The file that contains the object. A void object keeps the file name of the kind that it was to be: of several files with
/// its number, it is the one that has the bytes that are listed.
pub(crate) fn file_of<'l>(medium: &dyn Medium, listing: &'l Listing, o: &Object) -> Result<Option<&'l Listed>, MediumError> {
    let files = files_of(listing, o.number);
    if o.kind != ObjectKind::Void {
        return Ok(files.iter().find(|l| l.kind == o.kind));
    }
    if let [_, _, ..] = files {
        for listed in files {
            if compare(medium, listed, o)?.is_ok() {
                return Ok(Some(listed));
            }
        }
    }
    Ok(files.first())
}

/// The paths of objects among the sealed ones that no seal lists, and of what is no object.
pub(crate) fn foreign(medium: &dyn Medium, chain: &Chain) -> Result<Vec<String>, MediumError> {
    let mut foreign: Vec<String> = chain.listing.foreign.iter().map(|n| n.to_string_lossy().into_owned()).collect();
    foreign.extend(chain.stray.iter().map(|l| object_path(l.number, l.kind)));
    let end = chain.last().map_or(0, |l| l.number + 1);
    for l in chain.listing.objects.iter().filter(|l| l.number < end) {
        let after = chain.links.partition_point(|s| s.number < l.number);
        let is_seal = chain.links.get(after).is_some_and(|s| s.number == l.number) && l.kind == ObjectKind::Seal;
        let is_listed = match chain.object(l.number) {
            // Nothing was ever known of the bytes of this void object.
            Some((o, _)) if o.digests.is_none() => true,
            Some((o, _)) => file_of(medium, &chain.listing, o)? == Some(l),
            None => false,
        };
        let is_fault = chain.faults.iter().any(|f| (f.object, f.kind) == (l.number, l.kind));
        // Which objects a missing or unreadable seal lists is unknown.
        let is_covered = chain.links.get(after).is_some_and(|s| s.seal.first <= l.number && s.is_list_whole);
        if !is_seal && !is_listed && !is_fault && is_covered {
            foreign.push(object_path(l.number, l.kind));
        }
    }
    Ok(foreign)
}
