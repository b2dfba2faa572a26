//! A few entries out of a long entry stream, found by its order without reading all of it: somebody waits for a few of
//! 14 million entries.

use super::entries::{EntryReader, EntryRecord};
use super::pack_cache::PackCache;
use super::{Generation, Result, is_within};
use crate::format::entry::{Entry, compare_paths, split_record};
use crate::format::pack::Extent;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The frames of the entry stream, in order. Each begins with a record, or within a long one.
pub struct EntryFrames<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: PackCache<'g, 'a>,
    frames: Vec<Extent>,
}

impl<'g, 'a> EntryFrames<'g, 'a> {
    pub(super) fn new(generation: &'g Generation<'a>) -> Result<Self> {
        let mut packs = PackCache::new(generation);
        let mut frames = Vec::new();
        for x in &generation.manifest.entries.extents {
            packs.divide(*x, |frame| frames.push(frame))?;
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
            for frame in &self.frames[wanted.frames.clone()] {
                self.generation.check_pack(frame.object)?;
            }
            // The folders above a source whose name has several parts have no records.
            if wanted.below && !wanted.exists(&self)? {
                return Ok(None);
            }
            selected.push_back(wanted);
        }
        Ok(Some(SelectedEntries { frames: self, wanted: selected, current: None }))
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
        let mut path = None;
        self.packs.read_frame(&mut self.frames[frame].clone(), |bytes| {
            let record = split_record(bytes).ok().flatten();
            path = record.and_then(|(r, _)| Entry::decode(r).ok()).map(|(entry, _)| entry.core.path);
        })?;
        Ok(path)
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
        for record in self.entries(frames) {
            let path = record?.entry.core.path;
            if is_within(&path, &self.path) {
                return Ok(true);
            }
            if compare_paths(&path, &self.path).is_gt() {
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
                    let path = &record.entry.core.path;
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
