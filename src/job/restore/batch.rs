//! Files whose packs are read together.

use super::RestoreError;
use super::task::{ExtentTask, SendTasks, TasksByPack};
use crate::format::entry::Entry;

/// The most files in a batch.
const MAX_FILES: usize = 16_384;
/// A batch is full when its files have this much content. The last file may exceed it.
const FULL_BYTES: u64 = 256 << 20;

/// Or when their records take this much: a path may have a megabyte, and attributes more.
const FULL_RECORD_BYTES: usize = 32 << 20;

/// Files that are gathered until it is worth reading their packs.
#[derive(Default)]
pub(super) struct FileBatch {
    files: Vec<Entry>,
    bytes: u64,
    record_bytes: usize,
}

impl FileBatch {
    pub(super) fn add(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.core.size);
        let Entry { core, extents } = &entry;
        self.record_bytes += core.path.len() + size_of_val(&core.holes[..]) + size_of_val(&extents[..]);
        self.record_bytes += core.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.files.push(entry);
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= MAX_FILES || self.bytes >= FULL_BYTES || self.record_bytes >= FULL_RECORD_BYTES
    }

    /// Sends the tasks of all files, and empties the batch.
    pub(super) fn send(&mut self, send: SendTasks) -> Result<(), RestoreError> {
        let mut packs = TasksByPack::default();
        let mut without_data = Vec::new();
        for entry in self.files.drain(..) {
            let (tasks, empty) = ExtentTask::all(entry);
            without_data.extend(empty);
            packs.add(tasks);
        }
        (self.bytes, self.record_bytes) = (0, 0);
        if !without_data.is_empty() {
            send(None, without_data)?;
        }
        packs.send(send)
    }
}
