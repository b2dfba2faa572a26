//! Figures and findings of one run, gathered by all its threads.

use crate::event::{Event, Feeding, FindingKind, Observer};
use crate::format::entry::add_sizes;
use crate::format::manifest::{FINDINGS, Finding};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of the findings that are kept: a path may have a megabyte, and a manifest has a limit.
const FINDING_BYTES: usize = 16 << 20;
/// Bytes of the paths of entries that lack attributes. Beyond that, the next run reads everything.
const LACKING_BYTES: usize = 64 << 20;

/// Figures of a run. Bytes are bytes of content.
#[derive(Debug, Default)]
pub struct BackupCounts {
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

impl BackupCounts {
    /// The figures by name, as a manifest has them.
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

/// Figures and findings of a run.
pub struct BackupTally<'a> {
    pub counts: BackupCounts,
    findings: Mutex<Vec<Finding>>,
    /// Paths of entries whose records lack attributes, and their bytes. With the empty path there are more.
    lacking: Mutex<(BTreeSet<Vec<u8>>, usize)>,
    observer: &'a dyn Observer,
}

impl<'a> BackupTally<'a> {
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self { counts: BackupCounts::default(), findings: Mutex::default(), lacking: Mutex::default(), observer }
    }

    /// Keeps a finding for the manifest (the first thousand), counts it unless it is only a note, and reports it to the
    /// observer.
    pub fn finding(&self, kind: FindingKind, path: &[u8], detail: String) {
        if !kind.is_note() {
            self.counts.findings.fetch_add(1, Relaxed);
        }
        let mut kept = self.findings.lock();
        let finding = Finding { kind: kind.name().into(), path: path.into(), detail: detail.clone() };
        match kind {
            // What two people have stated is sealed, whatever else was found.
            FindingKind::Harmless => kept.insert(0, finding),
            _ => kept.push(finding),
        }
        let mut bytes = 0;
        let fits = |f: &&Finding| {
            bytes += f.path.len() + f.detail.len();
            bytes <= FINDING_BYTES
        };
        let fitting = kept.iter().take(FINDINGS).take_while(fits).count();
        kept.truncate(fitting);
        drop(kept);
        self.observer.on_event(Event::Finding { kind, path: path.into(), detail });
    }

    /// A source is too old, by its files' times or by its content: found once. `why`: as [`super::freshness`] says it.
    pub fn stale(&self, source: &[u8], why: String) {
        let is_known = |f: &Finding| f.kind == FindingKind::SourceStale.name() && f.path == source;
        if !self.findings.lock().iter().any(is_known) {
            self.finding(FindingKind::SourceStale, source, why);
        }
    }

    /// The record of an entry lacks attributes that could not be read.
    pub fn lacks(&self, path: &[u8], detail: String) {
        let mut lacking = self.lacking.lock();
        lacking.1 += path.len();
        let kept = if lacking.1 <= LACKING_BYTES { path } else { b"" };
        lacking.0.insert(kept.to_vec());
        drop(lacking);
        self.finding(FindingKind::AttributesUnreadable, path, detail);
    }

    /// Paths of entries whose records lack attributes, as [`Lacking`](super::lacking::Lacking) keeps them: the empty one stands
    /// for all.
    pub fn lacking(&self) -> BTreeSet<Vec<u8>> {
        self.lacking.lock().0.clone()
    }

    /// Adds the size of a file.
    pub fn add_size(&self, bytes: u64) {
        let _ = self.counts.bytes.fetch_update(Relaxed, Relaxed, |n| Some(add_sizes(n, bytes)));
    }

    /// Adds bytes of content that were read.
    pub fn read(&self, bytes: u64) {
        self.counts.bytes_read.fetch_add(bytes, Relaxed);
        self.observer.on_event(Event::Progress { entries: 0, bytes });
    }

    /// Reports entries whose records are written.
    pub fn entries(&self, entries: u64) {
        self.observer.on_event(Event::Progress { entries, bytes: 0 });
    }

    /// Reports how the drive is fed.
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
