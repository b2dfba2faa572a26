//! Files in the order in which a medium with one head gives their packs: each medium once, forwards.
//!
//! The tasks of all files may be too many for the memory. So packs are gone through in runs whose tasks fit, and the entries, which lie
//! beside the restore, once for each run.

use super::filler::Task;
use super::filling::Filling;
use crate::format::entry::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bytes that a task and its file take at least.
const TASK_BYTES: u64 = 600;

/// What each pack's tasks will take of the memory.
#[derive(Default)]
pub struct Costs(BTreeMap<u64, u64>);

impl Costs {
    pub fn add(&mut self, entry: &Entry) {
        let bytes = TASK_BYTES + entry.core.path.len() as u64;
        for x in &entry.extents {
            *self.0.entry(x.object).or_default() += bytes;
        }
    }

    /// Runs of packs, none of which takes more than `limit_bytes` unless one pack alone does: first those that are at hand, so that no
    /// medium is wanted twice, then the others, both ascending.
    pub fn runs(&self, limit_bytes: u64, at_hand: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
        let mut taken = 0;
        let (here, elsewhere): (Vec<_>, Vec<_>) = self.0.iter().partition(|(object, _)| at_hand.contains(object));
        for (object, bytes) in here.into_iter().chain(elsewhere) {
            let is_next = |run: &RangeInclusive<u64>| {
                run.end() < object
                    && at_hand.contains(run.end()) == at_hand.contains(object)
                    && !between(at_hand, run.end(), object)
            };
            match runs.last_mut() {
                Some(run) if taken + bytes <= limit_bytes && is_next(run) => {
                    *run = *run.start()..=*object;
                    taken += bytes;
                }
                _ => {
                    runs.push(*object..=*object);
                    taken = *bytes;
                }
            }
        }
        runs
    }
}

/// Whether a range lies between two numbers that are not in it.
fn between(range: &RangeInclusive<u64>, low: &u64, high: &u64) -> bool {
    !range.is_empty() && low < range.start() && range.end() < high
}

/// Files that lie partly in packs of a later run.
#[derive(Default)]
pub struct Sweep {
    begun: HashMap<Vec<u8>, (Arc<Filling>, usize)>,
}

impl Sweep {
    /// The tasks of an entry that lie in packs of this run.
    pub fn tasks(&mut self, entry: Entry, run: &RangeInclusive<u64>) -> Vec<Task> {
        let here = entry.extents.iter().filter(|x| run.contains(&x.object)).count();
        if here == 0 {
            return Vec::new();
        }
        let all = entry.extents.len();
        if here == all {
            return Task::of(entry).0;
        }
        let (path, extents) = (entry.core.path.clone(), entry.extents.clone());
        let (filling, left) = self.begun.remove(&path).unwrap_or_else(|| (Filling::new(entry), all));
        let tasks = Task::some(&filling, &extents, |x| run.contains(&x.object));
        if left > here {
            self.begun.insert(path, (filling, left - here));
        }
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_to_the_limit_and_leave_nothing_out() {
        let costs = Costs([(3, 10), (5, 10), (6, 25), (9, 5), (12, 5)].into());
        let all = 0..=u64::MAX;
        assert_eq!(costs.runs(20, &all), [3..=5, 6..=6, 9..=12]);
        assert_eq!(costs.runs(1, &all), [3..=3, 5..=5, 6..=6, 9..=9, 12..=12]);
        assert_eq!(costs.runs(1000, &all), [3..=12]);
        assert!(Costs::default().runs(1000, &all).is_empty());
        // What is at hand comes first, and no run reaches over to another medium.
        assert_eq!(costs.runs(1000, &(6..=9)), [6..=9, 3..=5, 12..=12]);
        assert_eq!(costs.runs(1000, &(10..=u64::MAX)), [12..=12, 3..=9]);
    }
}
