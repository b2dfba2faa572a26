//! Files that are not complete yet. The number of open ones is limited: a file whose content lies in many packs waits
//! long for the last of them, and a generation may have millions of such files.

use super::target_disk::WriteFailure;
use crate::format::entry::{Core, Entry};
use crate::pipeline::hasher::zeros;
use crate::pipeline::read_around::{ReadAround, left_out};
use crate::pipeline::target::{ClosedFile, Target};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Files that stay open while they wait for more of their content, so that a file in many pieces is not opened for each
/// piece. A quarter of the usual limit of 1,024 descriptors; each worker needs one more.
const MAX_OPEN_FILES: usize = 256;

/// A file of which some content is still to be written.
pub(super) struct PendingFile {
    pub(super) core: Core,
    state: Mutex<FileState>,
    remaining_tasks: AtomicUsize,
    /// A task of the file has failed.
    pub(super) is_failed: AtomicBool,
    /// An interrupted restore had restored the file already.
    pub(super) is_restored: AtomicBool,
    /// The content was compared with the record before it was written.
    pub(super) is_checked: AtomicBool,
}

#[derive(Default)]
enum FileState {
    #[default]
    NotCreated,
    Open(Arc<File>),
    Closed(ClosedFile),
}

impl PendingFile {
    pub(super) fn new(entry: Entry) -> Arc<Self> {
        Arc::new(Self {
            remaining_tasks: AtomicUsize::new(entry.extents.len().max(1)),
            core: entry.core,
            state: Mutex::default(),
            is_failed: AtomicBool::new(false),
            is_restored: AtomicBool::new(false),
            is_checked: AtomicBool::new(false),
        })
    }

    /// Opens the file. The first caller creates it, with its holes. Reading one that exists ends where `check` fails.
    #[expect(clippy::disallowed_methods, reason = "a file of an interrupted restore, in the target")]
    pub(super) fn open(&self, target: &Target, check: &dyn Fn() -> io::Result<()>) -> Result<Arc<File>, WriteFailure> {
        let mut state = self.state.lock();
        let file = match &*state {
            FileState::Open(file) => return Ok(file.clone()),
            FileState::Closed(closed) => target.reopen_file(&self.core, closed)?,
            FileState::NotCreated => {
                let made = target.create_file(&self.core)?;
                let is_restored = made.existing.is_some()
                    && match has_content(&made.file, &self.core, check) {
                        Ok(is_same) => is_same,
                        // What cannot be read is written again.
                        Err(_) => check().map(|()| false)?,
                    };
                self.is_restored.store(is_restored, Ordering::Relaxed);
                if made.existing.is_some() && !is_restored {
                    made.file.set_len(0)?;
                }
                made.file
            }
        };
        let file = Arc::new(file);
        let is_new = matches!(*state, FileState::NotCreated) && !self.is_restored.load(Ordering::Relaxed);
        *state = FileState::Open(file.clone());
        if is_new && !self.core.holes.is_empty() {
            file.set_len(self.core.size).map_err(|e| {
                let why = format!("the target cannot hold a file of {} bytes: {e}", self.core.size);
                WriteFailure { why, ..e.into() }
            })?;
        }
        Ok(file)
    }

    /// Closes the file. It stays open for a thread that is writing to it until that thread is done.
    fn close(&self, target: &Target) {
        let mut state = self.state.lock();
        if let FileState::Open(file) = &*state
            && let Ok(closed) = target.close_file(file)
        {
            *state = FileState::Closed(closed);
        }
    }

    /// The file after its last task; `None` if it was never created.
    fn take_file(&self, target: &Target) -> Option<Result<Arc<File>, WriteFailure>> {
        match std::mem::take(&mut *self.state.lock()) {
            FileState::NotCreated => None,
            FileState::Open(file) => Some(Ok(file)),
            FileState::Closed(closed) => Some(target.reopen_file(&self.core, &closed).map(Arc::new).map_err(Into::into)),
        }
    }
}

/// Files that stay open for their next task, the one that has waited longest in front. Complete files may be among
/// them; they use no descriptor.
#[derive(Default)]
pub(super) struct OpenFiles(Mutex<VecDeque<Arc<PendingFile>>>);

impl OpenFiles {
    /// Notes that a task is done. After the file's last task it returns the file, if it was created.
    pub(super) fn task_done(&self, file: &Arc<PendingFile>, target: &Target) -> Option<Result<Arc<File>, WriteFailure>> {
        match file.remaining_tasks.fetch_sub(1, Ordering::AcqRel) {
            1 => file.take_file(target),
            _ => {
                self.keep_open(file, target);
                None
            }
        }
    }

    fn keep_open(&self, file: &Arc<PendingFile>, target: &Target) {
        let mut files = self.0.lock();
        files.retain(|f| !Arc::ptr_eq(f, file));
        files.push_back(file.clone());
        let oldest = if files.len() > MAX_OPEN_FILES { files.pop_front() } else { None };
        drop(files);
        if let Some(oldest) = oldest {
            oldest.close(target);
        }
    }
}

/// Reads a file and compares it with each digest of its record. A hole at the end counts as there: it is made when the file is
/// finished. Fails where the file cannot be read, and where `check` does.
pub(super) fn has_content(file: &File, core: &Core, check: &dyn Fn() -> io::Result<()>) -> io::Result<bool> {
    let Some(recorded) = core.digests else { return Ok(false) };
    let around = ReadAround {
        file,
        left_out: left_out(core),
        end: core.size,
        with_sha256: recorded.either().sha256.is_some(),
        on_read: &|_| check(),
    };
    let found = around.read(&mut Vec::new())?;
    let Some(mut hasher) = found.hasher else { return Ok(false) };
    if found.size < core.size {
        let ends_in_hole = core.holes.last().is_some_and(|h| h.offset <= found.size && h.offset + h.length == core.size);
        if !ends_in_hole {
            return Ok(false);
        }
        if recorded.whole().is_some() {
            for part in zeros(core.size - found.size) {
                check()?;
                hasher.update(part);
            }
        }
    }
    Ok(hasher.finish() == *recorded.either())
}
