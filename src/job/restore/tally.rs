//! What was done, source by source, and what went otherwise than wished.

use super::SourceReport;
use super::turns::Turn;
use crate::event::{Event, FindingKind, Observer, chain_text};
use crate::format::entry::Core;
use crate::format::manifest::Source;
use crate::format::pack::Extent;
use crate::generation::{Gap, is_within};
use crate::pipeline::target::{Shortfall, TargetError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
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

/// What went otherwise than wished, gathered by all threads.
pub struct Tally<'a> {
    pub observer: &'a dyn Observer,
    not_restored: AtomicU64,
    shortfalls: AtomicU64,
    findings: Mutex<Vec<Finding>>,
    /// Gaps that were told.
    gaps: Mutex<BTreeSet<Vec<u8>>>,
}

impl<'a> Tally<'a> {
    pub fn new(observer: &'a dyn Observer) -> Self {
        Self {
            observer,
            not_restored: AtomicU64::new(0),
            shortfalls: AtomicU64::new(0),
            findings: Mutex::default(),
            gaps: Mutex::default(),
        }
    }

    pub fn finding(&self, kind: FindingKind, path: &[u8], detail: String) {
        let count = if kind == FindingKind::Shortfall { &self.shortfalls } else { &self.not_restored };
        count.fetch_add(1, Relaxed);
        let mut findings = self.findings.lock();
        if findings.len() < FINDINGS {
            findings.push(Finding { kind, path: path.into(), detail: detail.clone() });
        }
        drop(findings);
        self.observer.on_event(Event::Finding { kind, path: path.into(), detail });
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

    /// Tells which parts of the entry stream could not be read, each once.
    pub fn gaps(&self, gaps: &[Gap]) {
        for gap in gaps {
            if self.gaps.lock().insert(gap.after.clone()) {
                let to = if gap.before.is_empty() { "the end".into() } else { String::from_utf8_lossy(&gap.before) };
                self.finding(FindingKind::EntriesLost, &gap.after, format!("up to {to}: {}", gap.why));
            }
        }
    }

    /// How many entries are not restored, and how many not as they were; and the first of them, by their paths.
    pub fn into_findings(self) -> (u64, u64, Vec<Finding>) {
        let mut findings = self.findings.into_inner();
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        (self.not_restored.into_inner(), self.shortfalls.into_inner(), findings)
    }
}

/// What is wanted of each source of a turn. Entries come source by source.
pub struct Counts<'s> {
    sources: &'s [Source],
    /// In the turn's order; entries of no source, which no generation should have, are counted with the last.
    counts: Vec<(usize, SourceReport)>,
    picks: Vec<BTreeMap<u64, u64>>,
    current: usize,
}

impl<'s> Counts<'s> {
    pub fn new(turn: &Turn, sources: &'s [Source]) -> Self {
        let counts: Vec<_> = turn.sources.iter().map(|i| (*i, SourceReport::default())).collect();
        Self { sources, picks: vec![BTreeMap::new(); counts.len()], counts, current: 0 }
    }

    pub fn entry(&mut self, path: &[u8]) {
        let is_in = |i: usize| self.sources.get(i).is_some_and(|s| is_within(path, &s.name));
        if !self.counts.get(self.current).is_some_and(|(i, _)| is_in(*i)) {
            self.current = self.counts.iter().position(|(i, _)| is_in(*i)).unwrap_or(self.counts.len().saturating_sub(1));
        }
        if let Some((_, counted)) = self.counts.get_mut(self.current) {
            counted.entries += 1;
        }
    }

    /// The entry that came last is a file with content of its own.
    pub fn file(&mut self, bytes: u64) {
        if let Some((_, counted)) = self.counts.get_mut(self.current) {
            counted.files += 1;
            counted.bytes += bytes;
        }
    }

    pub fn pick(&mut self, extents: &[Extent]) {
        if let Some(picks) = self.picks.get_mut(self.current) {
            extents.iter().for_each(|x| *picks.entry(x.object).or_default() += x.length);
        }
    }

    /// Of the sources of which something is wanted.
    pub fn into_reports(self) -> Vec<SourceReport> {
        let named = |((i, counted), picks): ((usize, SourceReport), BTreeMap<u64, u64>)| {
            let source = self.sources.get(i)?;
            let (name, priority, picks) = (source.name.clone(), source.priority, picks.into_iter().collect());
            (counted.entries > 0).then_some(SourceReport { name, priority, picks, ..counted })
        };
        self.counts.into_iter().zip(self.picks).filter_map(named).collect()
    }
}
