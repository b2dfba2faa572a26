//! Files that are not complete yet. The number of open ones is limited: a file whose content lies in many packs waits
//! long for the last of them, and a generation may have millions of such files.

use crate::event::chain_text;
use crate::format::entry::{Core, Entry};
use crate::pipeline::hasher::ContentHasher;
use crate::pipeline::target::{ClosedFile, Target};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
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

    /// Opens the file. The first caller creates it.
    #[expect(clippy::disallowed_methods, reason = "a file of an interrupted restore, in the target")]
    pub(super) fn open(&self, target: &Target) -> Result<Arc<File>, String> {
        let mut state = self.state.lock();
        let file = match &*state {
            FileState::Open(file) => return Ok(file.clone()),
            FileState::Closed(closed) => target.reopen_file(&self.core, closed).map_err(|e| chain_text(&e))?,
            FileState::NotCreated => {
                let made = target.create_file(&self.core).map_err(|e| chain_text(&e))?;
                match made.existing {
                    Some(_) if has_content(&made.file, &self.core) => self.is_restored.store(true, Ordering::Relaxed),
                    Some(_) => made.file.set_len(0).map_err(|e| e.to_string())?,
                    None => {}
                }
                made.file
            }
        };
        let file = Arc::new(file);
        *state = FileState::Open(file.clone());
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
    fn take_file(&self, target: &Target) -> Option<Result<Arc<File>, String>> {
        match std::mem::take(&mut *self.state.lock()) {
            FileState::NotCreated => None,
            FileState::Open(file) => Some(Ok(file)),
            FileState::Closed(closed) => Some(target.reopen_file(&self.core, &closed).map(Arc::new).map_err(|e| chain_text(&e))),
        }
    }
}

/// Files that stay open for their next task, the one that has waited longest in front. Complete files may be among
/// them; they use no descriptor.
#[derive(Default)]
pub(super) struct OpenFiles(Mutex<VecDeque<Arc<PendingFile>>>);

impl OpenFiles {
    /// Notes that a task is done. After the file's last task it returns the file, if it was created.
    pub(super) fn task_done(&self, file: &Arc<PendingFile>, target: &Target) -> Option<Result<Arc<File>, String>> {
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
/// finished.
pub(super) fn has_content(file: &File, core: &Core) -> bool {
    let mut hasher = ContentHasher::new(core.sha256.is_some());
    let mut buffer = vec![0; 256 << 10];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                at += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
    hasher.update_zeros(core.size.saturating_sub(at));
    hasher.finish().are_of(core)
}
