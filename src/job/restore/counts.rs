//! How much is selected of each source.

use super::SourceReport;
use super::by_priority::PriorityGroup;
use crate::format::entry::add_sizes;
use crate::format::manifest::Source;
use crate::format::pack::Extent;
use crate::generation::is_within;
use std::collections::BTreeMap;

/// Counts the selected entries of each source of a priority group. Entries come source by source.
pub(super) struct RestoreCounts<'s> {
    sources: &'s [Source],
    /// In the group's order. Entries of no source, which no generation should have, are counted with the last source.
    counts: Vec<SourceCounts>,
    current: usize,
}

#[derive(Default)]
struct SourceCounts {
    /// Index in the manifest.
    source: usize,
    report: SourceReport,
    /// Bytes of selected content in each pack.
    packs: BTreeMap<u64, u64>,
}

impl<'s> RestoreCounts<'s> {
    pub(super) fn new(group: &PriorityGroup, sources: &'s [Source]) -> Self {
        let counts = group.sources.iter().map(|source| SourceCounts { source: *source, ..Default::default() });
        Self { sources, counts: counts.collect(), current: 0 }
    }

    pub(super) fn add_entry(&mut self, path: &[u8]) {
        let contains = |c: &SourceCounts| self.sources.get(c.source).is_some_and(|s| is_within(path, &s.name));
        if !self.counts.get(self.current).is_some_and(contains) {
            self.current = self.counts.iter().position(contains).unwrap_or(self.counts.len().saturating_sub(1));
        }
        if let Some(counts) = self.counts.get_mut(self.current) {
            counts.report.entries += 1;
        }
    }

    /// The entry that was added last is a file with content of its own.
    pub(super) fn add_file(&mut self, bytes: u64) {
        if let Some(counts) = self.counts.get_mut(self.current) {
            counts.report.files += 1;
            counts.report.bytes = add_sizes(counts.report.bytes, bytes);
        }
    }

    /// The extents of the file that was added last.
    pub(super) fn add_extents(&mut self, extents: &[Extent]) {
        if let Some(counts) = self.counts.get_mut(self.current) {
            extents.iter().for_each(|x| *counts.packs.entry(x.object).or_default() += x.length);
        }
    }

    /// The reports of those sources of which anything is selected.
    pub(super) fn into_reports(self) -> Vec<SourceReport> {
        let report = |counts: SourceCounts| {
            let source = self.sources.get(counts.source)?;
            let (name, priority, packs) = (source.name.clone(), source.priority, counts.packs.into_iter().collect());
            (counts.report.entries > 0).then_some(SourceReport { name, priority, packs, ..counts.report })
        };
        self.counts.into_iter().filter_map(report).collect()
    }
}
