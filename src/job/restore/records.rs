//! The records that a restore has to look at: all records of the generation, or those that a few paths need.

use super::RestoreError;
use super::selection::Selection;
use super::spool::{Spool, SpoolReader};
use crate::format::entry::Entry;
use crate::generation::{EntryReader, Gap, Generation, SelectedEntries};
use std::fs::File;
use std::sync::atomic::AtomicBool;

/// An iterator over records, and what of them could not be read.
pub(super) enum Records<'g, 'a> {
    All(Box<EntryReader<'g, 'a>>),
    Part(Box<SelectedEntries<'g, 'a>>),
    Spooled(&'g SpooledRecords, SpoolReader<'g>),
}

/// The selected records, read from the medium once and kept beside the restore.
pub(super) struct SpooledRecords {
    spool: Spool,
    gaps: Vec<Gap>,
    lost: u64,
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
        Ok(Self { spool, gaps: records.gaps().to_vec(), lost: records.lost() })
    }
}

impl<'g, 'a> Records<'g, 'a> {
    /// The records that `paths` need. All records, if there are no paths, if a path is not found quickly, or if damage
    /// prevents a search.
    pub(super) fn of(generation: &'g Generation<'a>, paths: Option<&[Vec<u8>]>) -> Result<Self, RestoreError> {
        let paths = paths.filter(|p| !p.is_empty());
        match paths.map(|paths| generation.entry_frames().and_then(|frames| frames.select(paths))) {
            Some(Ok(Some(part))) => Ok(Self::Part(Box::new(part))),
            Some(Err(e)) if e.is_absence() => Err(e.into()),
            _ => Ok(Self::All(Box::new(generation.entries().past_damage()))),
        }
    }

    /// The records that were kept beside the restore.
    pub(super) fn spooled(records: &'g SpooledRecords) -> Self {
        Self::Spooled(records, records.spool.records())
    }

    /// The gaps met so far. Of spooled records: all gaps.
    pub(super) fn gaps(&self) -> &[Gap] {
        match self {
            Self::All(entries) => entries.gaps(),
            Self::Part(_) => &[],
            Self::Spooled(records, _) => &records.gaps,
        }
    }

    /// How many records could not be read. Known when the iterator has ended.
    pub(super) fn lost(&self) -> u64 {
        match self {
            Self::All(entries) if !entries.gaps().is_empty() => entries.expected().saturating_sub(entries.seen()),
            Self::Spooled(records, _) => records.lost,
            _ => 0,
        }
    }
}

impl Iterator for Records<'_, '_> {
    type Item = Result<Entry, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::All(entries) => entries.next().map(|r| Ok(r?.entry)),
            Self::Part(part) => part.next().map(|r| Ok(r?.entry)),
            Self::Spooled(_, reader) => reader.next(),
        }
    }
}
