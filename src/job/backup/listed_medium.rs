//! What a listing of the medium shows before a night writes to it: objects that are gone or have another length than was sealed, and
//! what this host has not written.
//!
//! A night does not read the medium; `verify` does. But what a listing tells costs nothing to compare, and a night that is sealed
//! behind a pack that is gone could not be restored.

use crate::format::object::{Object, ObjectKind, object_path};
use crate::medium::Listed;
use crate::set::check::{Damage, DamageKind};
use crate::set::writer::{SetWriter, WriteError};

/// What a listing shows.
#[derive(Default)]
pub struct ListedMedium {
    /// Objects that are not as they were sealed, ascending by number; without seals that are gone.
    pub damage: Vec<Damage>,
    /// Paths of what this host has not written, below the set's folder.
    pub foreign: Vec<String>,
}

impl ListedMedium {
    /// Of the medium that a set is opened on. `at_rest`: the generation behind which no run of this host can have left anything, before
    /// this one.
    pub fn of(set: &SetWriter, at_rest: Option<u64>) -> Result<Self, WriteError> {
        let (catalog, row) = (&set.host.catalog, set.host.row);
        let Some(medium) = catalog.last_medium(row)? else { return Ok(Self::default()) };
        let listed = set.mounted.list()?;
        let mut shown = Self::default();
        let mut rest = &listed[..];
        catalog.each_sealed(row, medium.first_object, |object, generation| {
            rest = &rest[rest.partition_point(|l| l.number < object.number)..];
            let (files, behind) = rest.split_at(rest.partition_point(|l| l.number == object.number));
            rest = behind;
            shown.compare(object, generation, files);
        })?;
        let last = catalog.last_complete_generation(row)?.filter(|last| Some(last.number) == at_rest);
        if let Some(last) = last {
            let behind = listed.iter().filter(|l| (last.seal_object + 1..set.log.next).contains(&l.number));
            // The set may go on on a new medium, which begins with a label.
            let others = behind.filter(|l| l.kind != ObjectKind::Label);
            shown.foreign.extend(others.map(|l| object_path(l.number, l.kind)));
        }
        Ok(shown)
    }

    /// Compares the files that have an object's number with it.
    fn compare(&mut self, object: Object, generation: u64, files: &[Listed]) {
        // A void object has the name of what it was to be, and only if something was written of it.
        let is_it = |l: &&Listed| match object.kind {
            ObjectKind::Void => l.length == object.length,
            kind => l.kind == kind,
        };
        let own = files.iter().find(is_it);
        let what = match own {
            Some(own) => (own.length != object.length).then_some(DamageKind::Length(own.length)),
            // Nothing was ever known of the bytes of such a void object; the set's writer tells which seals are gone.
            None if object.digests.is_none() || object.kind == ObjectKind::Seal => None,
            None => Some(DamageKind::Missing),
        };
        self.damage.extend(what.map(|what| Damage { object, generation, what }));
        if object.digests.is_some() {
            let foreign = files.iter().filter(|l| own.is_none_or(|own| own != *l));
            self.foreign.extend(foreign.map(|l| object_path(l.number, l.kind)));
        }
    }
}
