//! Entries that a job met and must not use.

use crate::format::entry::RefusedEntry;

/// Refused entries that a report keeps.
const MOST_ENTRIES: usize = 1_000;

/// The refused entries of one or several generations. They are named, and their number is no good end of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusedEntries {
    /// How many there are; an entry of several generations counts in each.
    pub count: u64,
    /// The first thousand, each with its generation.
    pub first: Vec<(u64, RefusedEntry)>,
}

impl RefusedEntries {
    pub(super) fn add(&mut self, generation: u64, entry: RefusedEntry) {
        self.count += 1;
        if self.first.len() < MOST_ENTRIES {
            self.first.push((generation, entry));
        }
    }
}
