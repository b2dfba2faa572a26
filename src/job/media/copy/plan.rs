//! What a copy is to contain.

use super::Result;
use crate::format::digests::Hashes;
use crate::format::object::{Object, ObjectKind};
use crate::medium::{ErrorCategory, Medium};
use crate::seal::chain::Chain;
use crate::set::check::{Damage, DamageKind, sealed, sealed_here};
use std::collections::{BTreeMap, HashSet};

/// What a copy is to contain.
pub struct Plan {
    /// By number, each with its generation.
    wanted: BTreeMap<u64, (Object, u64)>,
    /// Number of the label of the attached medium, or of the first of all. It is written before the copies of earlier
    /// seals, so that a medium is identified by its first object.
    label: u64,
    /// Everything that the target may contain, by number: with objects of other media where one medium is copied alone,
    /// and with void objects of which nothing could be read.
    pub known: BTreeMap<u64, Object>,
    /// Objects that the copy lacks, ascending by number.
    pub damage: Vec<Damage>,
    /// Objects that have no valid digest.
    pub unproved: u64,
}

impl Plan {
    pub fn new(chain: &Chain, this_medium: bool) -> Self {
        let known = sealed(chain).into_iter().map(|(o, _)| (o.number, o)).collect();
        let (wanted, label) = if this_medium { (sealed_here(chain), chain.first) } else { (sealed(chain), 0) };
        let wanted = wanted.into_iter().filter(|(o, _)| o.digest().is_some()).map(|w| (w.0.number, w)).collect();
        Self { wanted, label, known, damage: Vec::new(), unproved: 0 }
    }

    /// Adds the objects whose seal is damaged or missing, as they are on the medium: later generations may need them,
    /// and a copy that omits them, or believes a damaged seal, loses what the source still has.
    pub fn add_unproved(&mut self, source: &dyn Medium, chain: &Chain) -> Result<()> {
        let last_seal = chain.last().map_or(0, |l| l.number);
        let at_fault: HashSet<u64> = chain.faults.iter().map(|f| f.object).collect();
        let is_candidate = |number, kind| (chain.first..last_seal).contains(&number) && kind != ObjectKind::Seal;
        for l in chain.listing.objects.iter().filter(|l| is_candidate(l.number, l.kind)) {
            let next = chain.links.partition_point(|s| s.number < l.number);
            let Some(next) = chain.links.get(next).filter(|s| s.number != l.number) else { continue };
            let is_listed = next.seal.first <= l.number;
            if is_listed && !at_fault.contains(&next.number) {
                continue;
            }
            let generation = if is_listed { next.seal.generation } else { next.seal.generation - 1 };
            let mut object = Object { number: l.number, kind: l.kind, length: l.length, digests: None };
            if let Some(why) = l.kind.misfit(l.length) {
                // The copying itself finds that a listed object is none.
                if !is_listed {
                    self.damage.push(Damage { object, generation, what: DamageKind::Unreadable(why) });
                }
                continue;
            }
            match source.read_back(l.number, l.kind, Hashes::Both) {
                Ok(reread) => {
                    (object.length, object.digests) = (reread.length, Some(reread.digests));
                    self.add_as_read(object, generation);
                }
                // The copying itself finds that a listed object cannot be read.
                Err(e) if e.category() == ErrorCategory::Damage && is_listed => {}
                Err(e) if e.category() == ErrorCategory::Damage => {
                    self.damage.push(Damage { object, generation, what: DamageKind::Unreadable(e.to_string()) });
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// Replaces what a seal says of an object by what was read, if they differ.
    fn add_as_read(&mut self, object: Object, generation: u64) {
        let is_same = |listed: &&Object| listed.length == object.length && listed.digest() == object.digest();
        if self.known.get(&object.number).filter(is_same).is_some() {
            return;
        }
        self.known.insert(object.number, object);
        self.unproved += 1;
        self.wanted.insert(object.number, (object, generation));
    }

    pub fn add_damage(&mut self, damage: Vec<Damage>) {
        self.damage.extend(damage);
        self.damage.sort_by_key(|d| d.object.number);
    }

    /// The wanted objects that are not `present` on the target, in the order in which they are written.
    pub fn missing(&self, present: &HashSet<u64>) -> Vec<(Object, u64)> {
        let is_missing = |n: &u64| !present.contains(n);
        let label = self.wanted.get(&self.label).filter(|(o, _)| is_missing(&o.number));
        let rest = self.wanted.values().filter(|(o, _)| is_missing(&o.number) && o.number != self.label);
        label.into_iter().chain(rest).copied().collect()
    }

    /// The wanted objects that are not damaged, ascending by number.
    pub fn without_damage(&self) -> impl Iterator<Item = &Object> {
        let damaged: HashSet<u64> = self.damage.iter().map(|d| d.object.number).collect();
        self.wanted.values().map(|(o, _)| o).filter(move |o| !damaged.contains(&o.number))
    }
}
