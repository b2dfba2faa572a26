//! Files on their way. Only so many are open at a time: one whose content lies in many packs waits long for the last of them, and a
//! generation may have millions of such files.

use crate::event::chain_text;
use crate::format::entry::{Core, Entry};
use crate::pipeline::target::{ClosedFile, Target};
use parking_lot::{Mutex, MutexGuard};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Files that wait open for more of their content, so that one which lies in many pieces is not opened for each: a quarter of the usual
/// limit of 1,024 descriptors, beside one for each thread.
const OPEN_FILES: usize = 256;

/// A file on its way.
pub struct Filling {
    pub core: Core,
    place: Mutex<Place>,
    /// Tasks left.
    left: AtomicUsize,
    pub failed: AtomicBool,
    /// A broken-off restore had brought the file back already.
    pub already: AtomicBool,
    /// The content was compared with the record before it was written.
    pub checked: AtomicBool,
}

/// Where the content goes.
#[derive(Default)]
enum Place {
    #[default]
    NotMade,
    Open(Arc<File>),
    Closed(ClosedFile),
}

impl Filling {
    pub fn new(entry: Entry) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(entry.extents.len().max(1)),
            core: entry.core,
            place: Mutex::default(),
            failed: AtomicBool::new(false),
            already: AtomicBool::new(false),
            checked: AtomicBool::new(false),
        })
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock()
    }

    /// The file, made by whoever comes first.
    #[expect(clippy::disallowed_methods, reason = "a file of an interrupted restore, in the target")]
    pub fn open(&self, target: &Target) -> Result<Arc<File>, String> {
        let mut place = self.place();
        let file = match &*place {
            Place::Open(file) => return Ok(file.clone()),
            Place::Closed(closed) => target.reopen_file(&self.core, closed).map_err(|e| chain_text(&e))?,
            Place::NotMade => {
                let made = target.create_file(&self.core).map_err(|e| chain_text(&e))?;
                match made.existing {
                    Some(_) if has_content(&made.file, &self.core) => self.already.store(true, Ordering::Relaxed),
                    Some(_) => made.file.set_len(0).map_err(|e| e.to_string())?,
                    None => {}
                }
                made.file
            }
        };
        let file = Arc::new(file);
        *place = Place::Open(file.clone());
        Ok(file)
    }

    /// Whoever writes to the file meanwhile keeps it open until that is done.
    fn close(&self, target: &Target) {
        let mut place = self.place();
        if let Place::Open(file) = &*place
            && let Ok(closed) = target.close_file(file)
        {
            *place = Place::Closed(closed);
        }
    }

    /// The file, when all its tasks are done; `None` if it was never made.
    fn take(&self, target: &Target) -> Option<Result<Arc<File>, String>> {
        match std::mem::take(&mut *self.place()) {
            Place::NotMade => None,
            Place::Open(file) => Some(Ok(file)),
            Place::Closed(closed) => Some(target.reopen_file(&self.core, &closed).map(Arc::new).map_err(|e| chain_text(&e))),
        }
    }
}

/// Files that wait open for their next task, the one that has waited longest in front. Some may be finished by now: then nothing of them is
/// open.
#[derive(Default)]
pub struct Waiting(Mutex<VecDeque<Arc<Filling>>>);

impl Waiting {
    /// Notes that a task is done. After the last one it answers with the file, if it was made.
    pub fn done(&self, filling: &Arc<Filling>, target: &Target) -> Option<Result<Arc<File>, String>> {
        match filling.left.fetch_sub(1, Ordering::AcqRel) {
            1 => filling.take(target),
            _ => {
                self.wait(filling, target);
                None
            }
        }
    }

    fn wait(&self, filling: &Arc<Filling>, target: &Target) {
        let mut waiting = self.0.lock();
        waiting.retain(|w| !Arc::ptr_eq(w, filling));
        waiting.push_back(filling.clone());
        let longest = if waiting.len() > OPEN_FILES { waiting.pop_front() } else { None };
        drop(waiting);
        if let Some(longest) = longest {
            longest.close(target);
        }
    }
}

/// Reads a file and compares it with its record. A hole at the file's end is made when it is finished.
pub fn has_content(file: &File, core: &Core) -> bool {
    let mut hasher = blake3::Hasher::new();
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
    crate::pipeline::hasher::update_zeros(&mut hasher, core.size.saturating_sub(at));
    Some(*hasher.finalize().as_bytes()) == core.blake3
}
