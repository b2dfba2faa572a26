//! Files whose packs are worked off together.

use super::RestoreError;
use super::filler::Task;
use crate::format::entry::Entry;
use std::collections::BTreeMap;

/// Files of a batch.
const FILES: usize = 16_384;
/// Bytes of content in a batch, but for the last file.
const BYTES: u64 = 256 << 20;

/// Hands tasks of one pack, or of files without data, to the threads.
pub type Give<'a> = &'a dyn Fn(Option<u64>, Vec<Task>) -> Result<(), RestoreError>;

#[derive(Default)]
pub struct Batch {
    files: Vec<Entry>,
    bytes: u64,
}

impl Batch {
    pub fn add(&mut self, entry: Entry) {
        self.bytes += entry.core.size;
        self.files.push(entry);
    }

    pub fn is_full(&self) -> bool {
        self.files.len() >= FILES || self.bytes >= BYTES
    }

    pub fn send(&mut self, give: Give) -> Result<(), RestoreError> {
        let mut packs = Packs::default();
        let mut without = Vec::new();
        for entry in self.files.drain(..) {
            let (tasks, empty) = Task::of(entry);
            without.extend(empty);
            packs.add(tasks);
        }
        self.bytes = 0;
        if !without.is_empty() {
            give(None, without)?;
        }
        packs.send(give)
    }
}

/// Tasks by the packs that they lie in.
#[derive(Default)]
pub struct Packs(BTreeMap<u64, Vec<Task>>);

impl Packs {
    pub fn add(&mut self, tasks: Vec<Task>) {
        for task in tasks {
            self.0.entry(task.extent.object).or_default().push(task);
        }
    }

    /// Each pack once, in the order of the log, and forwards in it.
    pub fn send(self, give: Give) -> Result<(), RestoreError> {
        for (object, mut tasks) in self.0 {
            tasks.sort_by_key(|t| (t.extent.frame, t.extent.offset));
            give(Some(object), tasks)?;
        }
        Ok(())
    }
}
