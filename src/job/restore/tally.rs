//! What went otherwise than wished, gathered by all threads.

use crate::event::{Event, FindingKind, Observer, chain_text};
use crate::format::entry::Core;
use crate::pipeline::target::{Shortfall, TargetError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Findings that a report keeps.
const FINDINGS: usize = 1_000;

/// An entry that is not restored, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub path: Vec<u8>,
    pub detail: String,
}

pub struct Tally<'a> {
    pub observer: &'a dyn Observer,
    not_restored: AtomicU64,
    shortfalls: AtomicU64,
    findings: Mutex<Vec<Finding>>,
}

impl<'a> Tally<'a> {
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, not_restored: AtomicU64::new(0), shortfalls: AtomicU64::new(0), findings: Mutex::default() }
    }

    pub fn finding(&self, kind: FindingKind, path: &[u8], detail: String) {
        let count = if kind == FindingKind::Shortfall { &self.shortfalls } else { &self.not_restored };
        count.fetch_add(1, Relaxed);
        let mut findings = self.findings.lock().unwrap_or_else(|e| e.into_inner());
        if findings.len() < FINDINGS {
            findings.push(Finding { kind, path: path.into(), detail: detail.clone() });
        }
        drop(findings);
        self.observer.hear(Event::Finding { kind, path: path.into(), detail });
    }

    /// Notes what an entry lacks, or that it could not be made.
    pub fn made(&self, core: &Core, made: Result<Vec<Shortfall>, TargetError>) {
        match made {
            Ok(shortfalls) => self.lacks(shortfalls),
            Err(e) => self.finding(FindingKind::NotRestored, &core.path, chain_text(&e)),
        }
    }

    pub fn lacks(&self, shortfalls: Vec<Shortfall>) {
        for s in shortfalls {
            self.finding(FindingKind::Shortfall, &s.path, s.to_string());
        }
    }

    /// How many entries are not restored, and how many not as they were; and the first of them, by their paths.
    pub fn into_findings(self) -> (u64, u64, Vec<Finding>) {
        let mut findings = self.findings.into_inner().unwrap_or_else(|e| e.into_inner());
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        (self.not_restored.into_inner(), self.shortfalls.into_inner(), findings)
    }
}
