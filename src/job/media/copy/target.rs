//! The medium that a set is copied to, and what it contains already.

use super::plan::Plan;
use super::{CopyError, ObjectClash, Options, Result};
use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::object::{Id, Object, ObjectKind, object_path};
use crate::format::seal::ReadBack;
use crate::medium::{AttachedMedium, Listing, Loader, Medium, MediumError, Writable, tape};
use crate::seal::chain::Chain;
use crate::set::check::{DamageKind, check_objects};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The target before anything is written to it.
pub struct CopyMedium {
    attached: AttachedMedium,
    path: PathBuf,
    set: Id,
    /// An earlier run has copied a part of the set.
    begun: bool,
}

impl CopyMedium {
    pub fn find(options: &Options, set: Id, loader: &dyn Loader) -> Result<Self> {
        let path = options.to.clone();
        let attached = AttachedMedium::find(&path, loader)?;
        let sets = attached.sets()?;
        let found = sets.ids().into_iter();
        let (ours, others): (Vec<Id>, Vec<Id>) = found.partition(|id| *id == set);
        match others.first() {
            Some(other) if !options.beside_others => Err(CopyError::OtherSet { path, set: *other }),
            _ => Ok(Self { attached, path, set, begun: !ours.is_empty() }),
        }
    }

    pub fn open(self, plan: &Plan, chain: &Chain) -> Result<Writable> {
        if self.begun {
            return Ok(self.attached.open_to_write(self.set)?);
        }
        check_room(self.attached.free_bytes(), &plan.missing(&HashSet::new()), &self.path)?;
        let begun = self.attached.begin(self.set, tape::BLOCK_BYTES)?;
        // A folder is identified by its name, a cartridge only by its label.
        match begun.0.is_sequential() && chain.label.is_none() {
            true => Err(MediumError::NoLabel { path: self.path }.into()),
            false => Ok(begun),
        }
    }
}

/// Fails if the target is too small. Checked before the copy begins, so that nobody waits hours to learn it.
pub fn check_room(free: Option<u64>, missing: &[(Object, u64)], to: &Path) -> Result<()> {
    let needed = missing.iter().map(|(o, _)| o.length).sum();
    match free {
        Some(f) if f < needed => Err(MediumError::Full { medium: to.display().to_string(), needed, free, torn: false }.into()),
        _ => Ok(()),
    }
}

/// Compares the target with the plan. Returns the numbers of the objects that the target contains, whole, and the
/// weakest way in which one was read.
pub fn compare(
    target: &dyn Medium,
    plan: &Plan,
    path: &Path,
    env: &Env,
    observer: &dyn Observer,
) -> Result<(HashSet<u64>, ReadBack)> {
    let listing = target.list()?;
    let present = present_objects(&listing, plan, path)?;
    if present.is_empty() {
        return Ok((HashSet::new(), ReadBack::Direct));
    }
    let bytes = present.iter().map(|(o, _)| o.length).sum();
    observer.on_event(Event::Expected { entries: present.len() as u64, bytes });
    observer.on_event(Event::Phase(Phase::Checking));
    let (damage, how) = check_objects(target, &listing, &present, env, observer)?;
    if let Some(d) = damage.first() {
        let clash = match d.what {
            DamageKind::Length(n) if n < d.object.length => ObjectClash::Torn,
            _ => ObjectClash::Other,
        };
        let object = object_path(d.object.number, d.object.kind);
        return Err(CopyError::Clash { path: path.to_owned(), object, clash });
    }
    Ok((present.iter().map(|(o, _)| o.number).collect(), how))
}

/// The objects on the target, as the seals list them, in the order in which they were written.
fn present_objects(listing: &Listing, plan: &Plan, path: &Path) -> Result<Vec<(Object, u64)>> {
    let mut present: Vec<(Object, u64)> = Vec::new();
    for l in &listing.objects {
        let clash = |clash| {
            let object = object_path(l.number, l.kind);
            Err(CopyError::Clash { path: path.to_owned(), object, clash })
        };
        match plan.known.get(&l.number) {
            None => return clash(ObjectClash::Unknown),
            Some(_) if present.last().is_some_and(|(o, _)| o.number == l.number) => return clash(ObjectClash::Other),
            Some(o) if o.kind != ObjectKind::Void && o.kind != l.kind => return clash(ObjectClash::Other),
            Some(o) => present.push((*o, 0)),
        }
    }
    // Without a digest there is nothing to compare with.
    present.retain(|(o, _)| o.digest().is_some());
    Ok(present)
}
