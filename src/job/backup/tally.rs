//! Counts and findings of one run, gathered by all its threads.

use crate::event::{Event, Feeding, FindingKind, Observer};
use crate::format::manifest::{FINDINGS, Finding};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of a run. `bytes` are bytes of content.
#[derive(Debug, Default)]
pub struct Counts {
    pub entries: AtomicU64,
    pub files: AtomicU64,
    pub bytes: AtomicU64,
    pub new: AtomicU64,
    pub changed: AtomicU64,
    pub unchanged: AtomicU64,
    pub gone: AtomicU64,
    pub bytes_read: AtomicU64,
    pub new_bytes: AtomicU64,
    pub findings: AtomicU64,
}

impl Counts {
    /// As a manifest keeps them.
    pub fn named(&self) -> Vec<(String, u64)> {
        let all = [
            ("entries", &self.entries),
            ("files", &self.files),
            ("bytes", &self.bytes),
            ("new", &self.new),
            ("changed", &self.changed),
            ("unchanged", &self.unchanged),
            ("gone", &self.gone),
            ("bytes read", &self.bytes_read),
            ("new bytes", &self.new_bytes),
            ("findings", &self.findings),
        ];
        all.map(|(name, n)| (name.to_owned(), n.load(Relaxed))).into()
    }
}

pub struct Tally<'a> {
    pub counts: Counts,
    findings: Mutex<Vec<Finding>>,
    observer: &'a dyn Observer,
}

impl<'a> Tally<'a> {
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self { counts: Counts::default(), findings: Mutex::default(), observer }
    }

    /// A finding is kept for the manifest (the first thousand), counted unless it is but a note, and told.
    pub fn finding(&self, kind: FindingKind, path: &[u8], detail: String) {
        if !kind.is_note() {
            self.counts.findings.fetch_add(1, Relaxed);
        }
        let mut kept = self.findings.lock();
        if kept.len() < FINDINGS {
            kept.push(Finding { kind: kind.name().into(), path: path.into(), detail: detail.clone() });
        }
        drop(kept);
        self.observer.on_event(Event::Finding { kind, path: path.into(), detail });
    }

    /// So many bytes of content were read.
    pub fn read(&self, bytes: u64) {
        self.counts.bytes_read.fetch_add(bytes, Relaxed);
        self.observer.on_event(Event::Progress { entries: 0, bytes });
    }

    /// So many entries were worked through.
    pub fn entries(&self, entries: u64) {
        self.observer.on_event(Event::Progress { entries, bytes: 0 });
    }

    pub fn feeding(&self, feeding: Feeding) {
        self.observer.on_event(Event::Feeding(feeding));
    }

    pub fn findings(&self) -> Vec<Finding> {
        let mut all = self.findings.lock().clone();
        // Workers meet them in any order; a manifest shows them in one.
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all
    }
}
