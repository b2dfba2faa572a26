//! What could not be restored as it was.

use crate::event::{Event, FindingKind, Observer, chain_text};
use crate::format::entry::Core;
use crate::format::object::{ObjectKind, file_name};
use crate::generation::Gap;
use crate::pipeline::target::{Aspect, Shortfall, TargetError};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Findings that a report keeps.
const MAX_FINDINGS: usize = 1_000;

/// An entry that is not restored, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreFinding {
    /// What kind of loss this is.
    pub kind: FindingKind,
    /// The entry's path, beginning with its source's name. Of lost records: the path of the last record before them.
    pub path: Vec<u8>,
    /// Why, in English.
    pub detail: String,
}

/// Collects the findings of all threads and reports each to the observer.
pub(super) struct FindingLog<'a> {
    pub(super) observer: &'a dyn Observer,
    not_restored: AtomicU64,
    shortfalls: AtomicU64,
    withheld: AtomicU64,
    findings: Mutex<Vec<RestoreFinding>>,
    /// The gaps that were reported, each by the path before it.
    gaps: Mutex<BTreeSet<Vec<u8>>>,
    damaged_packs: Mutex<BTreeSet<u64>>,
}

impl<'a> FindingLog<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            not_restored: AtomicU64::new(0),
            shortfalls: AtomicU64::new(0),
            withheld: AtomicU64::new(0),
            findings: Mutex::default(),
            gaps: Mutex::default(),
            damaged_packs: Mutex::default(),
        }
    }

    pub(super) fn add(&self, kind: FindingKind, path: &[u8], detail: String) {
        let count = match kind {
            FindingKind::Shortfall => &self.shortfalls,
            FindingKind::Withheld => &self.withheld,
            _ => &self.not_restored,
        };
        count.fetch_add(1, Relaxed);
        let mut findings = self.findings.lock();
        if findings.len() < MAX_FINDINGS {
            findings.push(RestoreFinding { kind, path: path.into(), detail: detail.clone() });
        }
        drop(findings);
        self.observer.on_event(Event::Finding { kind, path: path.into(), detail });
    }

    /// Adds a pack that is not what its seal lists, or cannot be read: all that is wanted of it may come back all the same.
    pub(super) fn add_damaged_pack(&self, object: u64, why: &str) {
        if self.damaged_packs.lock().insert(object) {
            let path = file_name(object, ObjectKind::Pack).into_bytes();
            self.observer.on_event(Event::Finding { kind: FindingKind::Damage, path, detail: why.to_owned() });
        }
    }

    /// The packs that were found damaged, ascending.
    pub(super) fn damaged_packs(&self) -> Vec<u64> {
        self.damaged_packs.lock().iter().copied().collect()
    }

    /// Adds what a created entry lacks, or that it could not be created.
    pub(super) fn add_created(&self, core: &Core, created: Result<Vec<Shortfall>, TargetError>) {
        match created {
            Ok(shortfalls) => self.add_shortfalls(shortfalls),
            Err(e @ TargetError::Withheld { .. }) => self.add(FindingKind::Withheld, &core.path, chain_text(&e)),
            Err(e) => self.add(FindingKind::NotRestored, &core.path, chain_text(&e)),
        }
    }

    pub(super) fn add_shortfalls(&self, shortfalls: Vec<Shortfall>) {
        for s in shortfalls {
            let is_withheld = matches!(s.what, Aspect::Withheld(_));
            let kind = if is_withheld { FindingKind::Withheld } else { FindingKind::Shortfall };
            self.add(kind, &s.path, s.to_string());
        }
    }

    /// Adds the parts of the entry stream that could not be read. A gap that was added before is not added again.
    pub(super) fn add_gaps(&self, gaps: &[Gap]) {
        for gap in gaps {
            if self.gaps.lock().insert(gap.after.clone()) {
                let to = if gap.before.is_empty() { "the end".into() } else { String::from_utf8_lossy(&gap.before) };
                self.add(FindingKind::EntriesLost, &gap.after, format!("up to {to}: {}", gap.why));
            }
        }
    }

    /// How many entries are not restored; how many shortfalls there are; how much is withheld; the first findings, sorted by path.
    pub(super) fn into_findings(self) -> (u64, u64, u64, Vec<RestoreFinding>) {
        let mut findings = self.findings.into_inner();
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        (self.not_restored.into_inner(), self.shortfalls.into_inner(), self.withheld.into_inner(), findings)
    }
}
