//! The records that a restore has to look at: all of them, or those that a few paths need.

use super::RestoreError;
use super::spool::{Spool, Spooled};
use crate::format::entry::Entry;
use crate::generation::{EntryReader, Gap, Generation, SelectedEntries};

pub enum Records<'g, 'a> {
    Spooled(Spooled<'g>),
    All(Box<EntryReader<'g, 'a>>),
    Some(Box<SelectedEntries<'g, 'a>>),
}

impl<'g, 'a> Records<'g, 'a> {
    /// Those that were kept beside the restore.
    pub fn kept(spool: &'g Spool) -> Self {
        Self::Spooled(spool.records())
    }

    /// Those that `paths` need; all where there are no paths, one that is not found quickly, or damage in the way.
    pub fn of(generation: &'g Generation<'a>, paths: Option<&[Vec<u8>]>) -> Result<Self, RestoreError> {
        match paths.filter(|p| !p.is_empty()).map(|paths| generation.entry_frames().and_then(|frames| frames.select(paths))) {
            Some(Ok(Some(part))) => Ok(Self::Some(Box::new(part))),
            Some(Err(e)) if e.is_absence() => Err(RestoreError::Generation(e)),
            _ => Ok(Self::All(Box::new(generation.entries().past_damage()))),
        }
    }

    /// Those met so far; of kept records, all.
    pub fn gaps(&self) -> &[Gap] {
        match self {
            Self::All(entries) => entries.gaps(),
            Self::Some(_) => &[],
            Self::Spooled(spooled) => spooled.gaps(),
        }
    }

    /// How many records could not be read.
    pub fn lost(&self) -> u64 {
        match self {
            Self::All(entries) if !entries.gaps().is_empty() => entries.expected().saturating_sub(entries.seen()),
            Self::Spooled(spooled) => spooled.lost(),
            _ => 0,
        }
    }
}

impl Iterator for Records<'_, '_> {
    type Item = Result<Entry, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::All(entries) => entries.next().map(|r| r.map(|r| r.entry).map_err(RestoreError::Generation)),
            Self::Some(part) => part.next().map(|r| r.map(|r| r.entry).map_err(RestoreError::Generation)),
            Self::Spooled(spooled) => spooled.next(),
        }
    }
}
