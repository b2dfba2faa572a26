//! Canaries on a disk that has never seen them: they are what the host's other sets know, or somebody has touched them.
//!
//! **Invariant:** the host learns no content that an open alarm is about: the next disk that is new must tell it, too.

use super::earlier::{EarlierAlarm, mark_of};
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
    /// Notes what a canary contains tonight.
    pub(super) fn note_canary(&self, path: &[u8], content: ContentId) {
        if self.is_canary(path) {
            self.tonight().canary_contents.insert(path.to_vec(), digest_of(content));
        }
    }

    /// Judges a canary that is new to this set, or whose content changed: with the content that the host's sets know it is as it
    /// should be, also where somebody has put it back.
    pub(super) fn judge_canary(&self, path: &[u8], content: ContentId, is_new: bool) {
        let is_as_known = self.host.canaries.get(path).map(|known| *known == digest_of(content));
        if !is_as_known.unwrap_or(is_new) {
            self.check_canary(path);
        }
    }

    /// Whether nobody has doubts about a canary.
    fn is_undoubted(&self, path: &[u8], tonight: Option<&Vec<u64>>) -> bool {
        let mark = mark_of(path);
        !self.names_canary(mark, |e| !e.is_harmless) && tonight.is_none_or(|files| !files.contains(&mark))
    }

    /// Whether an earlier alarm names a canary.
    fn names_canary(&self, mark: u64, which: impl Fn(&EarlierAlarm) -> bool) -> bool {
        let earlier = self.earlier.iter().filter(|e| e.alarm.tripwire == Tripwire::Canary.name() && which(e));
        earlier.map(|e| &e.alarm).any(|a| a.is_cut || a.files.contains(&mark))
    }
}

impl Watcher {
    /// Counts canaries that other sets of the host have, that this one has never seen, and that are gone: once. Called when
    /// all sources have been walked.
    pub fn miss_known_canaries(&self) {
        for s in self.sources.iter().filter(|s| !s.is_absent.load(Relaxed)) {
            let is_gone = |path: &&Vec<u8>| s.is_canary(path) && !s.tonight().canaries.contains(&path[..]);
            let gone: Vec<&Vec<u8>> = s.host.canaries.keys().filter(is_gone).collect();
            let is_news = |path: &&Vec<u8>| !s.names_canary(mark_of(path), |_| true);
            gone.into_iter().filter(is_news).for_each(|path| s.check_canary(path));
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
