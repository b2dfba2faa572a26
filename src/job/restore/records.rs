//! The records that a restore has to look at: all records of the generation, or those that a few paths need.

use super::RestoreError;
use super::record::{NotRestorable, RestoreRecord, path_and_type};
use super::selection::Selection;
use super::spool::{Spool, SpoolReader};
use crate::event::FindingKind;
use crate::generation::{EntryReader, Gap, Generation, SelectedEntries, is_within};
use std::fs::File;
use std::sync::atomic::AtomicBool;

/// An iterator over records, and what of them could not be read.
pub(super) struct Records<'g, 'a> {
    from: RecordSource<'g, 'a>,
    /// The last entry that is refused. What comes next may be below it.
    refused: Vec<u8>,
    /// Refused entries that have something below them.
    refused_folders: Vec<Vec<u8>>,
}

enum RecordSource<'g, 'a> {
    All(Box<EntryReader<'g, 'a>>),
    Part(Box<SelectedEntries<'g, 'a>>),
    Spooled(&'g SpooledRecords, SpoolReader<'g>),
}

/// The selected records, read from the medium once and kept beside the restore.
pub(super) struct SpooledRecords {
    spool: Spool,
    gaps: Vec<Gap>,
    lost: u64,
    missing_sources: Vec<Vec<u8>>,
}

impl SpooledRecords {
    /// Reads `records` to their end and keeps the selected ones in `file`.
    pub(super) fn keep(
        mut records: Records,
        selection: &Selection,
        interrupted: &AtomicBool,
        file: File,
    ) -> Result<Self, RestoreError> {
        let spool = Spool::fill(records.by_ref(), selection, interrupted, file)?;
        let (gaps, lost, missing_sources) = (records.gaps().to_vec(), records.lost(), records.missing_sources());
        Ok(Self { spool, gaps, lost, missing_sources })
    }
}

impl<'g, 'a> Records<'g, 'a> {
    /// The records that `paths` need. All records, if there are no paths, if a path is not found quickly, or if damage
    /// prevents a search.
    pub(super) fn of(generation: &'g Generation<'a>, paths: Option<&[Vec<u8>]>) -> Result<Self, RestoreError> {
        let paths = paths.filter(|p| !p.is_empty());
        match paths.map(|paths| generation.entry_frames().and_then(|frames| frames.select(paths))) {
            Some(Ok(Some(part))) => Ok(Self::from(RecordSource::Part(Box::new(part)))),
            Some(Err(e)) if e.is_absence() => Err(e.into()),
            _ => Ok(Self::from(RecordSource::All(Box::new(generation.entries().past_damage())))),
        }
    }

    /// The records that were kept beside the restore.
    pub(super) fn spooled(records: &'g SpooledRecords) -> Self {
        Self::from(RecordSource::Spooled(records, records.spool.records()))
    }

    fn from(from: RecordSource<'g, 'a>) -> Self {
        Self { from, refused: Vec::new(), refused_folders: Vec::new() }
    }

    /// The gaps met so far. Of spooled records: all gaps.
    pub(super) fn gaps(&self) -> &[Gap] {
        match &self.from {
            RecordSource::All(entries) => entries.gaps(),
            RecordSource::Part(_) => &[],
            RecordSource::Spooled(records, _) => &records.gaps,
        }
    }

    /// How many records could not be read. Known when the iterator has ended.
    pub(super) fn lost(&self) -> u64 {
        match &self.from {
            RecordSource::All(entries) if !entries.gaps().is_empty() => entries.expected().saturating_sub(entries.seen()),
            RecordSource::Spooled(records, _) => records.lost,
            _ => 0,
        }
    }

    /// The sources that have no record, if all records were looked at. Known when the iterator has ended.
    pub(super) fn missing_sources(&self) -> Vec<Vec<u8>> {
        match &self.from {
            RecordSource::All(entries) => entries.missing_sources().into_iter().map(|s| s.name.clone()).collect(),
            RecordSource::Part(_) => Vec::new(),
            RecordSource::Spooled(records, _) => records.missing_sources.clone(),
        }
    }

    /// Whether an entry that came before is not restored because it is below one that is refused.
    pub(super) fn is_below_refused(&self, path: &[u8]) -> bool {
        self.refused_folders.iter().any(|folder| is_within(path, folder))
    }

    fn read(&mut self) -> Option<Result<RestoreRecord, RestoreError>> {
        match &mut self.from {
            RecordSource::All(entries) => entries.next().map(|r| Ok(r?.entry.map_err(NotRestorable::from))),
            RecordSource::Part(part) => part.next().map(|r| Ok(r?.entry.map_err(NotRestorable::from))),
            RecordSource::Spooled(_, reader) => reader.next(),
        }
    }

    /// An entry below one that is refused is not restored either.
    fn below_refused(&mut self, record: RestoreRecord) -> RestoreRecord {
        let (path, is_directory) = path_and_type(&record);
        if self.refused.is_empty() || !is_within(path, &self.refused) {
            match &record {
                Ok(_) => self.refused.clear(),
                Err(refused) => self.refused.clone_from(&refused.path),
            }
            return record;
        }
        if self.refused_folders.last() != Some(&self.refused) {
            self.refused_folders.push(self.refused.clone());
        }
        record.and_then(|entry| {
            let why = format!("a folder above it is not restored: {}", String::from_utf8_lossy(&self.refused));
            Err(NotRestorable { path: entry.core.path, is_directory, kind: FindingKind::NotRestored, why })
        })
    }
}

impl Iterator for Records<'_, '_> {
    type Item = Result<RestoreRecord, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.read()?;
        Some(record.map(|record| self.below_refused(record)))
    }
}
