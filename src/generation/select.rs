//! A few entries out of a long entry stream, found by its order without reading all of it: somebody waits for a few of
//! 14 million entries.

use super::entries::{EntryReader, EntryRecord};
use super::pack_cache::PackCache;
use super::raw::remains_of_long_record;
use super::{Generation, GenerationError, Result, is_within};
use crate::format::entry::{Record, compare_paths, split_record};
use crate::format::pack::Extent;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The frames of the entry stream, in order. Each begins with a record, or within a long one.
pub struct EntryFrames<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: PackCache<'g, 'a>,
    /// Each with its position in the stream.
    frames: Vec<(u64, Extent)>,
}

impl<'g, 'a> EntryFrames<'g, 'a> {
    pub(super) fn new(generation: &'g Generation<'a>) -> Result<Self> {
        let mut packs = PackCache::new(generation);
        let (mut frames, mut position) = (Vec::new(), 0);
        for x in &generation.manifest.entries.extents {
            packs.divide(*x, |frame| {
                frames.push((position, frame));
                position += frame.length;
            })?;
        }
        Ok(Self { generation, packs, frames })
    }

    /// The entries at `paths`, everything below them, and the folders above them. `None` when one of the paths is not
    /// found this way.
    ///
    /// Every pack that the entries come from has been compared with its seal when this returns.
    pub fn select(mut self, paths: &[Vec<u8>]) -> Result<Option<SelectedEntries<'g, 'a>>> {
        let mut wanted: Vec<(Vec<u8>, bool)> = paths.iter().map(|p| (p.clone(), true)).collect();
        for path in paths {
            let above = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| (path[..i].to_vec(), false));
            wanted.extend(above);
        }
        if self.frames.is_empty() {
            return Ok(None);
        }
        // Of a path that is wanted twice, the one with everything below comes first and remains.
        wanted.sort_by(|a, b| compare_paths(&a.0, &b.0).then(b.1.cmp(&a.1)));
        wanted.dedup_by(|a, b| a.0 == b.0 || b.1 && is_within(&a.0, &b.0));
        let mut selected = VecDeque::new();
        for (path, below) in wanted {
            let wanted = WantedPath { frames: self.frames_of(&path, below)?, path, below };
            self.check_packs(&wanted.frames)?;
            // The folders above a source whose name has several parts have no records.
            if wanted.below && !wanted.exists(&self)? {
                return Ok(None);
            }
            selected.push_back(wanted);
        }
        Ok(Some(SelectedEntries { frames: self, wanted: selected, current: None }))
    }

    /// The record of one path, if it has one.
    pub(super) fn record(&mut self, path: &[u8]) -> Result<Option<Record>> {
        if self.frames.is_empty() {
            return Ok(None);
        }
        let frames = self.frames_of(path, false)?;
        self.check_packs(&frames)?;
        for record in EntryReader::part(self.generation, &self.frames[frames]).without_links() {
            let record = record?;
            match compare_paths(record.path(), path) {
                Ordering::Less => {}
                Ordering::Equal => return Ok(Some(Record { entry: record.entry, core_bytes: record.core_bytes })),
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    fn check_packs(&self, frames: &RangeInclusive<usize>) -> Result<()> {
        self.frames[frames.clone()].iter().try_for_each(|(_, frame)| self.generation.check_pack(frame.object))
    }

    /// The frames with the record of `path`, and with `below` the records of everything below it; and one frame more.
    fn frames_of(&mut self, path: &[u8], below: bool) -> Result<RangeInclusive<usize>> {
        let first = self.last_before(|p| compare_paths(p, path).is_gt())?;
        let last = match below {
            true => self.last_before(|p| compare_paths(p, path).is_gt() && !is_within(p, path))?,
            false => first,
        };
        // The last record may continue in the next frames, up to the first frame that begins with a record. That record
        // is not wanted.
        let mut end = last;
        while end + 1 < self.frames.len() {
            end += 1;
            if self.first_path(end)?.is_some() {
                break;
            }
        }
        Ok(first..=end)
    }

    /// The last frame whose first record is not `beyond`, by binary search.
    fn last_before(&mut self, beyond: impl Fn(&[u8]) -> bool) -> Result<usize> {
        let (mut answer, mut low, mut high) = (0, 0, self.frames.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            // A frame within a long record has no first path; the frame in which that record begins decides.
            let mut asked = middle;
            let mut first = self.first_path(asked)?;
            while first.is_none() && asked - 1 > low {
                asked -= 1;
                first = self.first_path(asked)?;
            }
            match first {
                Some(path) if beyond(&path) => high = asked,
                Some(_) => (low, answer) = (middle, asked),
                None => low = middle,
            }
        }
        Ok(answer)
    }

    /// The path of the record that a frame begins with; `None` if it begins within a record.
    fn first_path(&mut self, frame: usize) -> Result<Option<Vec<u8>>> {
        let (position, _) = self.frames[frame];
        if remains_of_long_record(&self.generation.manifest.entries.long_records, position) > 0 {
            return Ok(None);
        }
        // A long record continues in the next frames.
        let mut bytes = Vec::new();
        for (_, x) in &self.frames[frame..] {
            self.packs.read_frame(&mut x.clone(), |part| bytes.extend_from_slice(part))?;
            if let Some((record, _)) = split_record(&bytes).map_err(GenerationError::Entries)? {
                return Ok(Some(Record::decode(record).map_err(GenerationError::Entries)?.path().to_vec()));
            }
        }
        Err(GenerationError::NotTheEntries)
    }
}

/// A wanted path and the frames that its records are in.
struct WantedPath {
    path: Vec<u8>,
    below: bool,
    frames: RangeInclusive<usize>,
}

impl WantedPath {
    fn entries<'g, 'a>(&self, frames: &EntryFrames<'g, 'a>) -> EntryReader<'g, 'a> {
        EntryReader::part(frames.generation, &frames.frames[self.frames.clone()])
    }

    fn exists(&self, frames: &EntryFrames) -> Result<bool> {
        for record in self.entries(frames).without_links() {
            let record = record?;
            if is_within(record.path(), &self.path) {
                return Ok(true);
            }
            if compare_paths(record.path(), &self.path).is_gt() {
                break;
            }
        }
        Ok(false)
    }

    fn wants(&self, path: &[u8]) -> bool {
        if self.below { is_within(path, &self.path) } else { path == self.path }
    }
}

/// The entries of [`EntryFrames::select`], in the order of the stream. An error ends them.
pub struct SelectedEntries<'g, 'a> {
    frames: EntryFrames<'g, 'a>,
    wanted: VecDeque<WantedPath>,
    current: Option<(WantedPath, EntryReader<'g, 'a>)>,
}

impl Iterator for SelectedEntries<'_, '_> {
    type Item = Result<EntryRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((wanted, entries)) = &mut self.current else {
                let wanted = self.wanted.pop_front()?;
                let entries = wanted.entries(&self.frames);
                self.current = Some((wanted, entries));
                continue;
            };
            match entries.next() {
                Some(Ok(record)) => {
                    let path = record.path();
                    if wanted.wants(path) {
                        return Some(Ok(record));
                    }
                    if compare_paths(path, &wanted.path).is_gt() {
                        self.current = None;
                    }
                }
                Some(Err(e)) => {
                    self.wanted.clear();
                    self.current = None;
                    return Some(Err(e));
                }
                None => self.current = None,
            }
        }
    }
}
