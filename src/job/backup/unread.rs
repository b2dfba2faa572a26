//! Places of the sources that could not be read: what the last generation has there is neither gone nor new.
//!
//! Its records are taken over as they are, so that a file that is changed meanwhile is found to be changed in the first
//! night that can read it.

use super::Result;
use super::batches::Batches;
use super::entries::FurtherNames;
use super::lacking::Lacking;
use super::tally::BackupTally;
use crate::event::FindingKind;
use crate::format::entry::{EntryHead, EntryKind};
use crate::tripwire::Watcher;
use std::sync::atomic::Ordering::Relaxed;

/// The unread places that the walk is in, the innermost last: a folder and folders above it.
#[derive(Default)]
pub struct UnreadPlaces(Vec<UnreadPlace>);

struct UnreadPlace {
    path: Vec<u8>,
    /// Entries of the last generation that were taken over.
    taken_over: u64,
    /// Entries of the last generation that this one lacks: what was read then may not be used again.
    left_out: u64,
    /// Some of what is in the folder could be read.
    is_partly_read: bool,
}

impl UnreadPlaces {
    /// Enters a place: an entry, or all that is in a folder.
    pub fn enter(&mut self, path: &[u8]) {
        self.0.push(UnreadPlace { path: path.to_vec(), taken_over: 0, left_out: 0, is_partly_read: false });
    }

    /// The walk has come to `path`, or to its end: leaves the places that it is not in.
    pub fn come_to(&mut self, path: Option<&[u8]>, tally: &BackupTally) {
        while let Some(place) = self.0.pop_if(|place| path.is_none_or(|path| !lies_in(path, &place.path))) {
            if place.taken_over > 0 {
                let detail = format!("{} entries", place.taken_over);
                tally.finding(FindingKind::TakenOver, &place.path, detail);
            }
            if place.left_out > 0 {
                let detail = format!("what the last generation has there is not in this one: {} entries", place.left_out);
                tally.finding(FindingKind::Unreadable, &place.path, detail);
            }
        }
        self.0.iter_mut().for_each(|place| place.is_partly_read = true);
    }

    fn of(&mut self, path: &[u8]) -> Option<&mut UnreadPlace> {
        self.0.iter_mut().rev().find(|place| lies_in(path, &place.path))
    }
}

/// Whether `path` is `folder` or below it.
fn lies_in(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// What becomes of the last generation's entries that the walk has not found.
pub struct PassedEntries<'a, 'b> {
    pub unread: &'a mut UnreadPlaces,
    pub batches: &'a mut Batches<'b>,
    pub tally: &'a BackupTally<'a>,
    pub watcher: &'a Watcher,
    /// Of the last generation.
    pub lacking: &'a Lacking,
    /// Records of the last generation may be used again.
    pub may_be_taken_over: bool,
}

impl PassedEntries<'_, '_> {
    /// The walk has passed where the entry would be: it is gone, unless it lies where nothing could be read.
    pub fn pass(&mut self, head: &EntryHead, record: &[u8]) -> Result<()> {
        let Some(place) = self.unread.of(head.path) else {
            self.tally.counts.gone.fetch_add(1, Relaxed);
            if head.kind == Some(EntryKind::File) {
                self.watcher.gone(head.path);
            }
            return Ok(());
        };
        let files = u64::from(head.kind == Some(EntryKind::File));
        self.watcher.there(head.path, files, head.size);
        // A further name is nothing without the first one, and that may have changed where some could be read.
        let has_first_name = head.link_to.is_none_or(|first| !place.is_partly_read && lies_in(first, &place.path));
        if !self.may_be_taken_over || !head.good || !has_first_name {
            place.left_out += 1;
            return Ok(());
        }
        place.taken_over += 1;
        let counts = &self.tally.counts;
        for (count, n) in [(&counts.entries, 1), (&counts.unchanged, 1), (&counts.files, files)] {
            count.fetch_add(n, Relaxed);
        }
        self.tally.add_size(head.size);
        if self.lacking.contains(head.path) {
            self.tally.lacks(head.path, String::new());
        }
        self.batches.push_unchanged(record, head.core_bytes as u32, FurtherNames::None)
    }
}
