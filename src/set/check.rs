//! The check of objects against what their seals say, as every job that reads a whole medium does it.

use crate::env::Env;
use crate::event::{Event, FindingKind, Observer};
use crate::format::object::{Id, Object, ObjectKind, file_name};
use crate::format::seal::ReadBack;
use crate::host::catalog::{Catalog, CatalogError};
use crate::job::restore::RestoreError;
use crate::medium::{ErrorCategory, Listed, Listing, Medium, MediumError};
use crate::seal::chain::Chain;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An object that is not what its seal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub object: Object,
    pub generation: u64,
    pub what: DamageKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DamageKind {
    Missing,
    /// Bytes there.
    Length(u64),
    Digest,
    Unreadable(String),
    /// The number is taken by an object of another kind.
    Kind(ObjectKind),
}

impl Damage {
    /// Tells whoever watches the job.
    pub fn tell(&self, observer: &dyn Observer) {
        let path = file_name(self.object.number, self.object.kind).into_bytes();
        observer.on_event(Event::Finding { kind: FindingKind::Damage, path, detail: format!("{:?}", self.what) });
    }
}

/// Tells the host's catalog which packs are damaged, so that the next backup stores anew what lay in them and the sources still have.
/// Answers with their count; 0 also when the host does not write this set.
pub fn remember_damage(set: Id, damage: &[Damage], catalog: &mut Catalog) -> Result<usize, CatalogError> {
    let packs: Vec<u64> = damage.iter().filter(|d| d.object.kind == ObjectKind::Pack).map(|d| d.object.number).collect();
    match catalog.set(set)? {
        Some(row) if !packs.is_empty() => catalog.mark_damaged(row, &packs).map(|()| packs.len()),
        _ => Ok(0),
    }
}

/// Every object that a chain's seals list, and the seals themselves, ascending by number; each with the generation whose seal covers it.
pub fn sealed(chain: &Chain) -> Vec<(Object, u64)> {
    let mut all: Vec<(Object, u64)> = Vec::new();
    for l in &chain.links {
        let seal = Object { number: l.number, kind: ObjectKind::Seal, length: l.length, digest: Some(l.digest) };
        all.extend(l.seal.objects.iter().copied().chain([seal]).map(|o| (o, l.seal.generation)));
    }
    // Seals that do not fit may claim the same numbers.
    all.sort_by_key(|(o, _)| o.number);
    all.dedup_by_key(|(o, _)| o.number);
    all
}

/// What of [`sealed`] lies on the medium whose chain it is, in the order in which it was written: its label, the copies of earlier seals, the
/// rest.
pub fn sealed_here(chain: &Chain) -> Vec<(Object, u64)> {
    let mut here = sealed(chain);
    here.retain(|(o, _)| o.number >= chain.first || o.kind == ObjectKind::Seal);
    if let Some(label) = here.iter().position(|(o, _)| o.number == chain.first) {
        here[..=label].rotate_right(1);
    }
    here
}

/// Reads objects from the medium and compares them with their seals: as many at a time as there are threads, on a medium with one head one
/// after the other as they are given. Answers with the damage, ascending, and the weakest way in which an object was read.
pub fn check_objects(
    medium: &dyn Medium,
    listing: &Listing,
    all: &[(Object, u64)],
    env: &Env,
    observer: &dyn Observer,
) -> Result<(Vec<Damage>, ReadBack), RestoreError> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), ReadBack::Direct));
    let failed: Mutex<Option<MediumError>> = Mutex::new(None);
    std::thread::scope(|scope| {
        // One head reads one object at a time.
        let threads = if medium.is_sequential() { 1 } else { env.threads.max(1) };
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some((object, generation)) = all.get(i) else { break };
                    if env.is_interrupted() || failed.lock().is_some() {
                        break;
                    }
                    match check_object(medium, listing, object) {
                        Ok(Ok(how)) => {
                            let mut found = found.lock();
                            found.1 = found.1.min(how);
                        }
                        Ok(Err(what)) => {
                            let damage = Damage { object: *object, generation: *generation, what };
                            damage.tell(observer);
                            found.lock().0.push(damage);
                        }
                        Err(e) => {
                            *failed.lock() = Some(e);
                            break;
                        }
                    }
                    observer.on_event(Event::Progress { entries: 1, bytes: object.length });
                }
            });
        }
    });
    if env.is_interrupted() {
        return Err(RestoreError::Interrupted);
    }
    if let Some(e) = failed.into_inner() {
        return Err(RestoreError::Medium(e));
    }
    let (mut damage, how) = found.into_inner();
    damage.sort_by_key(|d: &Damage| d.object.number);
    Ok((damage, how))
}

/// The outer error ends the job, the inner one is damage.
fn check_object(medium: &dyn Medium, listing: &Listing, o: &Object) -> Result<Result<ReadBack, DamageKind>, MediumError> {
    // A void object that cannot be read promises nothing.
    if o.kind == ObjectKind::Void && o.digest.is_none() {
        return Ok(Ok(ReadBack::Direct));
    }
    let there = match (file_of(listing, o), files_of(listing, o.number)) {
        (Some(there), _) => *there,
        (None, [other, ..]) => return Ok(Err(DamageKind::Kind(other.kind))),
        (None, []) => return Ok(Err(DamageKind::Missing)),
    };
    if there.length != o.length {
        return Ok(Err(DamageKind::Length(there.length)));
    }
    match medium.read_back(there.number, there.kind) {
        Ok(r) if r.length != o.length => Ok(Err(DamageKind::Length(r.length))),
        Ok(r) if Some(r.digest) != o.digest => Ok(Err(DamageKind::Digest)),
        Ok(r) => Ok(Ok(r.how)),
        Err(e) if e.category() == ErrorCategory::Damage => Ok(Err(DamageKind::Unreadable(e.to_string()))),
        Err(e) => Err(e),
    }
}

/// What lies on the medium under this number.
fn files_of(listing: &Listing, number: u64) -> &[Listed] {
    let listed = &listing.objects;
    let end = listed.partition_point(|l| l.number <= number);
    &listed[listed.partition_point(|l| l.number < number)..end]
}

/// Which of them is the object. A void object keeps the name of what it was to be, whatever that was.
pub fn file_of<'l>(listing: &'l Listing, o: &Object) -> Option<&'l Listed> {
    let files = files_of(listing, o.number);
    match o.kind {
        ObjectKind::Void => files.iter().find(|l| l.length == o.length).or(files.first()),
        kind => files.iter().find(|l| l.kind == kind),
    }
}
