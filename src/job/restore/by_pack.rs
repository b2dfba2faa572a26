//! Files in the order in which a medium with one head reads their packs: each medium once, forwards.
//!
//! The tasks of all files may not fit into memory. So the packs are divided into runs whose tasks do fit, and the
//! records, which are kept beside the restore, are read once for each run.

use super::pending_file::PendingFile;
use super::task::ExtentTask;
use crate::format::entry::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bytes of memory that a task and its file take at least.
const TASK_BYTES: u64 = 600;

/// How much memory the tasks of each pack will take, in bytes.
#[derive(Default)]
pub(super) struct PackCosts(BTreeMap<u64, u64>);

impl PackCosts {
    pub(super) fn add(&mut self, entry: &Entry) {
        let bytes = TASK_BYTES + entry.core.path.len() as u64;
        for x in &entry.extents {
            *self.0.entry(x.object).or_default() += bytes;
        }
    }

    /// Divides the packs into runs. A run takes at most `limit_bytes`, unless a single pack takes more. First come the
    /// packs on the `attached` medium, so that no medium is needed twice, then the others, both ascending.
    pub(super) fn runs(&self, limit_bytes: u64, attached: &RangeInclusive<u64>) -> Vec<RangeInclusive<u64>> {
        let mut runs: Vec<RangeInclusive<u64>> = Vec::new();
        let mut run_bytes = 0;
        let (here, elsewhere): (Vec<_>, Vec<_>) = self.0.iter().partition(|(object, _)| attached.contains(object));
        for (object, bytes) in here.into_iter().chain(elsewhere) {
            let continues = |run: &RangeInclusive<u64>| {
                run.end() < object
                    && attached.contains(run.end()) == attached.contains(object)
                    && !lies_between(attached, run.end(), object)
            };
            match runs.last_mut() {
                Some(run) if run_bytes + bytes <= limit_bytes && continues(run) => {
                    *run = *run.start()..=*object;
                    run_bytes += bytes;
                }
                _ => {
                    runs.push(*object..=*object);
                    run_bytes = *bytes;
                }
            }
        }
        runs
    }
}

/// Whether a range lies between two numbers that are not in it.
fn lies_between(range: &RangeInclusive<u64>, low: &u64, high: &u64) -> bool {
    !range.is_empty() && low < range.start() && range.end() < high
}

/// Files that have extents in packs of later runs.
#[derive(Default)]
pub(super) struct SplitFiles {
    /// By path: the file, and how many of its extents are still to come.
    files: HashMap<Vec<u8>, (Arc<PendingFile>, usize)>,
}

impl SplitFiles {
    /// The tasks of an entry whose extents lie in packs of this run.
    pub(super) fn tasks(&mut self, entry: Entry, run: &RangeInclusive<u64>) -> Vec<ExtentTask> {
        let here = entry.extents.iter().filter(|x| run.contains(&x.object)).count();
        if here == 0 {
            return Vec::new();
        }
        let all = entry.extents.len();
        if here == all {
            return ExtentTask::all(entry).0;
        }
        let (path, extents) = (entry.core.path.clone(), entry.extents.clone());
        let (file, remaining) = self.files.remove(&path).unwrap_or_else(|| (PendingFile::new(entry), all));
        let tasks = ExtentTask::some(&file, &extents, |x| run.contains(&x.object));
        if remaining > here {
            self.files.insert(path, (file, remaining - here));
        }
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_to_the_limit_and_contain_every_pack() {
        let costs = PackCosts([(3, 10), (5, 10), (6, 25), (9, 5), (12, 5)].into());
        let all = 0..=u64::MAX;
        assert_eq!(costs.runs(20, &all), [3..=5, 6..=6, 9..=12]);
        assert_eq!(costs.runs(1, &all), [3..=3, 5..=5, 6..=6, 9..=9, 12..=12]);
        assert_eq!(costs.runs(1000, &all), [3..=12]);
        assert!(PackCosts::default().runs(1000, &all).is_empty());
        // The attached medium comes first, and no run reaches over to another medium.
        assert_eq!(costs.runs(1000, &(6..=9)), [6..=9, 3..=5, 12..=12]);
        assert_eq!(costs.runs(1000, &(10..=u64::MAX)), [12..=12, 3..=9]);
    }
}
