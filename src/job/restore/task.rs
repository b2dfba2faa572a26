//! The unit of a worker's work: one extent that is to be written to one file.

use super::RestoreError;
use super::pending_file::PendingFile;
use crate::format::entry::Entry;
use crate::format::pack::Extent;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Content up to this size is compared with its record before it is written. Longer content is read again afterwards.
const AT_ONCE_BYTES: u64 = 4 << 20;

/// Sends the tasks of one pack to a worker; with `None`, tasks of files without data.
pub(super) type SendTasks<'a> = &'a dyn Fn(Option<u64>, Vec<ExtentTask>) -> Result<(), RestoreError>;

/// One extent of one file.
pub(super) struct ExtentTask {
    pub(super) file: Arc<PendingFile>,
    pub(super) extent: Extent,
    /// Where the extent's bytes begin in the file's data. Holes are not counted.
    pub(super) data_offset: u64,
}

impl ExtentTask {
    /// All tasks of a file. If the file has no data: a single task without an extent.
    pub(super) fn all(entry: Entry) -> (Vec<Self>, Option<Self>) {
        let extents = entry.extents.clone();
        if extents.is_empty() {
            let extent = Extent { object: 0, frame: 0, offset: 0, length: 0 };
            return (Vec::new(), Some(Self { file: PendingFile::new(entry), extent, data_offset: 0 }));
        }
        (Self::some(&PendingFile::new(entry), &extents, |_| true), None)
    }

    /// The tasks of those of a file's extents that `is_included` accepts.
    pub(super) fn some(file: &Arc<PendingFile>, extents: &[Extent], is_included: impl Fn(&Extent) -> bool) -> Vec<Self> {
        let mut data_offset = 0;
        let mut tasks = Vec::new();
        for extent in extents {
            if is_included(extent) {
                tasks.push(Self { file: file.clone(), extent: *extent, data_offset });
            }
            data_offset += extent.length;
        }
        tasks
    }

    /// The extent is the whole file, and is small enough to be compared before it is written.
    pub(super) fn is_whole(&self) -> bool {
        let core = &self.file.core;
        core.holes.is_empty() && self.extent.length == core.size && core.size <= AT_ONCE_BYTES
    }
}

/// Tasks sorted by the packs that their extents lie in.
#[derive(Default)]
pub(super) struct TasksByPack(BTreeMap<u64, Vec<ExtentTask>>);

impl TasksByPack {
    pub(super) fn add(&mut self, tasks: Vec<ExtentTask>) {
        for task in tasks {
            self.0.entry(task.extent.object).or_default().push(task);
        }
    }

    /// Sends each pack's tasks once, packs in the order of the log, tasks forwards in their pack.
    pub(super) fn send(self, send: SendTasks) -> Result<(), RestoreError> {
        for (object, mut tasks) in self.0 {
            tasks.sort_by_key(|t| (t.extent.frame, t.extent.offset));
            send(Some(object), tasks)?;
        }
        Ok(())
    }
}
