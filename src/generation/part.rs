//! A part of the entry stream, found by its order: of 14 million entries a few are wanted, and somebody waits for them.

use super::entries::{EntryReader, EntryRecord};
use super::packs::PackCache;
use super::{Generation, Result, is_within};
use crate::format::entry::{Entry, compare_paths, record_length};
use crate::format::pack::Extent;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// The frames of the entry stream, in its order. Each begins with a record, or inside a long one.
pub struct Pieces<'g, 'a> {
    generation: &'g Generation<'a>,
    packs: PackCache<'g, 'a>,
    pieces: Vec<Extent>,
}

impl<'g, 'a> Pieces<'g, 'a> {
    pub(super) fn new(generation: &'g Generation<'a>) -> Result<Self> {
        let mut packs = PackCache::new(generation);
        let mut pieces = Vec::new();
        for x in &generation.manifest.entries.extents {
            packs.divide(*x, |piece| pieces.push(piece))?;
        }
        Ok(Self { generation, packs, pieces })
    }

    /// The entries at `paths` with everything below them, and the folders on the way to them. `None` when one of the paths is not found
    /// this way.
    ///
    /// Every pack that they come from has been compared with its seal when this answers.
    pub fn part(mut self, paths: &[Vec<u8>]) -> Result<Option<Part<'g, 'a>>> {
        let mut wanted: Vec<(Vec<u8>, bool)> = paths.iter().map(|p| (p.clone(), true)).collect();
        for path in paths {
            let above = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| (path[..i].to_vec(), false));
            wanted.extend(above);
        }
        if self.pieces.is_empty() {
            return Ok(None);
        }
        // Of a path that is wanted twice, the one with everything below comes first.
        wanted.sort_by(|a, b| compare_paths(&a.0, &b.0).then(b.1.cmp(&a.1)));
        wanted.dedup_by(|a, b| a.0 == b.0 || b.1 && is_within(&a.0, &b.0));
        let mut spans = VecDeque::new();
        for (path, below) in wanted {
            let span = Span { pieces: self.pieces_of(&path, below)?, path, below };
            for piece in &self.pieces[span.pieces.clone()] {
                self.generation.check_pack(piece.object)?;
            }
            // The folders above a source of several names have no records.
            if span.below && !span.exists(&self)? {
                return Ok(None);
            }
            spans.push_back(span);
        }
        Ok(Some(Part { pieces: self, spans, current: None }))
    }

    /// The pieces that the record of `path` is in, and with `below` those of everything below it; and one behind them.
    fn pieces_of(&mut self, path: &[u8], below: bool) -> Result<RangeInclusive<usize>> {
        let first = self.last_before(|p| compare_paths(p, path).is_gt())?;
        let last = match below {
            true => self.last_before(|p| compare_paths(p, path).is_gt() && !is_within(p, path))?,
            false => first,
        };
        // Its last record may go on in the next ones. The first that begins with a record begins with one that is not wanted.
        let mut end = last;
        while end + 1 < self.pieces.len() {
            end += 1;
            if self.first_path(end)?.is_some() {
                break;
            }
        }
        Ok(first..=end)
    }

    /// The last piece whose first record is not `beyond`.
    fn last_before(&mut self, beyond: impl Fn(&[u8]) -> bool) -> Result<usize> {
        let (mut answer, mut low, mut high) = (0, 0, self.pieces.len());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            // A piece inside a long record says nothing; the one that this record begins in does.
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

    /// The path of the record that a piece begins with.
    fn first_path(&mut self, piece: usize) -> Result<Option<Vec<u8>>> {
        let mut path = None;
        self.packs.read_piece(&mut self.pieces[piece].clone(), |bytes| {
            let length = bytes.first_chunk().and_then(|prefix| record_length(*prefix).ok());
            let record = length.and_then(|n| bytes.get(4..4 + n));
            path = record.and_then(|r| Entry::decode(r).ok()).map(|(entry, _)| entry.core.path);
        })?;
        Ok(path)
    }
}

/// What is wanted, and where it lies.
struct Span {
    path: Vec<u8>,
    below: bool,
    pieces: RangeInclusive<usize>,
}

impl Span {
    fn entries<'g, 'a>(&self, pieces: &Pieces<'g, 'a>) -> EntryReader<'g, 'a> {
        EntryReader::part(pieces.generation, &pieces.pieces[self.pieces.clone()])
    }

    fn exists(&self, pieces: &Pieces) -> Result<bool> {
        for record in self.entries(pieces) {
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

/// See [`Pieces::part`]. The entries come in the order of the stream.
pub struct Part<'g, 'a> {
    pieces: Pieces<'g, 'a>,
    spans: VecDeque<Span>,
    current: Option<(Span, EntryReader<'g, 'a>)>,
}

impl Iterator for Part<'_, '_> {
    type Item = Result<EntryRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((span, entries)) = &mut self.current else {
                let span = self.spans.pop_front()?;
                let entries = span.entries(&self.pieces);
                self.current = Some((span, entries));
                continue;
            };
            match entries.next() {
                Some(Ok(record)) => {
                    let path = &record.entry.core.path;
                    if span.wants(path) {
                        return Some(Ok(record));
                    }
                    if compare_paths(path, &span.path).is_gt() {
                        self.current = None;
                    }
                }
                Some(Err(e)) => {
                    self.spans.clear();
                    self.current = None;
                    return Some(Err(e));
                }
                None => self.current = None,
            }
        }
    }
}
