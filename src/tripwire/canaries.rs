//! Canaries on a disk that sees its source for the first time: they are what the host's other sets know, or somebody has touched
//! them.
//!
//! **Invariant:** the host learns no content that an open alarm is about: the next disk that is new must tell it, too.

use super::earlier::mark_of;
use super::{Evidence, SourceWatcher, Tripwire, Watcher};
use crate::format::entry::ContentId;
use std::sync::atomic::Ordering::Relaxed;

/// Tells the content of a canary from other content.
pub type CanaryDigest = [u8; 32];

fn digest_of(content: ContentId) -> CanaryDigest {
    match content {
        ContentId::Whole(whole) => whole,
        ContentId::Stored { blake3: stored, holes } => *blake3::hash(&[stored, holes].concat()).as_bytes(),
    }
}

impl SourceWatcher {
    fn is_first_night(&self) -> bool {
        self.history.nights.is_empty()
    }

    /// Notes what a canary contains tonight.
    pub(super) fn note_canary(&self, path: &[u8], content: ContentId) {
        if self.is_canary(path) {
            self.tonight().canary_contents.insert(path.to_vec(), digest_of(content));
        }
    }

    /// Judges a canary that this set has never seen.
    pub(super) fn judge_new_canary(&self, path: &[u8], content: ContentId) {
        let known = self.host.canaries.get(path).filter(|_| self.is_first_night());
        if known.is_some_and(|known| *known != digest_of(content)) {
            self.check_canary(path);
        }
    }

    /// Whether nobody has doubts about a canary.
    fn is_undoubted(&self, path: &[u8], tonight: Option<&Vec<u64>>) -> bool {
        let mark = mark_of(path);
        let open = self.earlier.iter().filter(|e| !e.is_harmless && e.alarm.tripwire == Tripwire::Canary.name());
        let is_named = open.map(|e| &e.alarm).any(|a| a.is_cut || a.files.contains(&mark));
        !is_named && tonight.is_none_or(|files| !files.contains(&mark))
    }
}

impl Watcher {
    /// Counts canaries that other sets of the host have, and that are gone on the first night of this one. Called when all
    /// sources have been walked.
    pub fn miss_known_canaries(&self) {
        for s in self.sources.iter().filter(|s| s.is_first_night() && !s.is_absent.load(Relaxed)) {
            let is_gone = |path: &&Vec<u8>| s.is_canary(path) && !s.tonight().canaries.contains(&path[..]);
            let gone: Vec<&Vec<u8>> = s.host.canaries.keys().filter(is_gone).collect();
            gone.into_iter().filter(|path| !s.settled.has_change(path)).for_each(|path| s.check_canary(path));
        }
    }

    /// What the canaries contain that were read tonight, as far as nobody doubts it.
    pub fn canary_contents(&self) -> Vec<(Vec<u8>, CanaryDigest)> {
        let of_source = |s: &SourceWatcher| {
            let tonight = s.tonight();
            let touched = tonight.files.get(&Evidence::Canary);
            let read = tonight.canary_contents.iter().filter(|(path, _)| s.is_undoubted(path, touched));
            read.map(|(path, digest)| (path.clone(), *digest)).collect::<Vec<_>>()
        };
        self.sources.iter().flat_map(of_source).collect()
    }
}
