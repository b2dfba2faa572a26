//! A file opened for reading, and the holes in it.

use super::node::{Node, Stat};
use crate::format::entry::DataRange;
use rustix::fd::AsFd;
use rustix::fs::{SeekFrom, seek};
use std::fs::File;

/// Holes of a file that are recorded; beyond that the smallest count as data. So a record stays far below the format's limit.
const HOLES: usize = 65_536;
/// Files from this size on are searched for holes even if they have enough blocks.
const LOOKED_INTO_BYTES: u64 = 4 << 20;

/// The holes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holes {
    /// Ascending, not adjacent, at most the 65,536 largest. None where the file system reports none.
    pub ranges: Vec<DataRange>,
    /// Bytes of the other holes, which count as data.
    pub other_bytes: u64,
}

/// Where the first data from `at` on begins; `u64::MAX` where no more comes. `at` itself where the file system has no
/// holes, or after an I/O error, which reading will meet again and report.
pub fn next_data(file: &File, at: u64) -> u64 {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(rustix::io::Errno::NXIO) => u64::MAX,
        Err(_) => at,
    }
}

/// Where the data at `data` ends; `None` where no hole is known behind it.
pub fn next_hole(file: &File, data: u64) -> Option<u64> {
    seek(file, SeekFrom::Hole(data)).ok().filter(|hole| *hole > data)
}

/// A regular file, opened for reading at its beginning.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    opened: Stat,
}

impl SourceFile {
    pub(super) fn new(file: File, opened: Stat) -> Self {
        Self { file, opened }
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The open file.
    pub fn into_file(self) -> File {
        self.file
    }

    /// The status when it was opened.
    pub fn opened(&self) -> &Stat {
        &self.opened
    }

    /// The status now.
    pub fn stat(&self) -> std::io::Result<Stat> {
        Ok(self.node().stat()?)
    }

    /// Extended attributes, ascending by name.
    pub fn xattrs(&self) -> std::io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match self.node().xattrs() {
            (found, None) => Ok(found),
            (_, Some(e)) => Err(e.into()),
        }
    }

    /// The file attributes that are recorded.
    pub fn flags(&self) -> std::io::Result<u32> {
        Ok(self.node().flags()?)
    }

    /// The holes within `size` bytes. Where `is_stopped` says so, it ends early with those that were found so far.
    /// Afterwards the file is at its beginning again.
    pub fn holes(&self, size: u64, is_stopped: &dyn Fn() -> bool) -> Holes {
        // A small file without holes is the usual one. A large one may have blocks that nothing was written to.
        if size < LOOKED_INTO_BYTES && self.opened.blocks.saturating_mul(512) >= size {
            return Holes::default();
        }
        let mut largest = Largest::new(HOLES);
        let mut at = 0;
        while at < size && !is_stopped() {
            let data = next_data(&self.file, at).min(size);
            if data > at {
                largest.push(DataRange { offset: at, length: data - at });
            }
            match if data < size { next_hole(&self.file, data) } else { None } {
                Some(hole) => at = hole,
                None => break,
            }
        }
        // A failure here would show as a short read.
        let _ = seek(&self.file, SeekFrom::Start(0));
        largest.into_holes()
    }

    pub(super) fn node(&self) -> Node<'_> {
        Node::open(self.file.as_fd())
    }
}

/// Keeps the `most` largest ranges in at most twice the memory; of equal ones the earlier, so that the result depends only on
/// the file.
struct Largest {
    most: usize,
    kept: Vec<DataRange>,
    dropped_bytes: u64,
}

impl Largest {
    fn new(most: usize) -> Self {
        Self { most, kept: Vec::new(), dropped_bytes: 0 }
    }

    fn push(&mut self, range: DataRange) {
        self.kept.push(range);
        if self.kept.len() >= 2 * self.most {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.kept.len() > self.most {
            self.kept.select_nth_unstable_by_key(self.most, |r| (std::cmp::Reverse(r.length), r.offset));
            self.dropped_bytes += self.kept.drain(self.most..).map(|r| r.length).sum::<u64>();
        }
    }

    fn into_holes(mut self) -> Holes {
        self.prune();
        self.kept.sort_unstable_by_key(|r| r.offset);
        Holes { ranges: self.kept, other_bytes: self.dropped_bytes }
    }
}

/// The ranges of data around `holes` (ascending, within `size`).
pub fn data_ranges(size: u64, holes: &[DataRange]) -> impl Iterator<Item = DataRange> + '_ {
    let mut at = 0;
    let end = std::iter::once(DataRange { offset: size, length: 0 });
    holes.iter().copied().chain(end).filter_map(move |hole| {
        let run = DataRange { offset: at, length: hole.offset - at };
        at = hole.offset + hole.length;
        (run.length > 0).then_some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, length: u64) -> DataRange {
        DataRange { offset, length }
    }

    #[test]
    fn the_smallest_holes_are_merged_away() {
        let mut largest = Largest::new(3);
        for r in [range(0, 5), range(10, 1), range(20, 9), range(30, 5), range(40, 5), range(50, 7), range(60, 1)] {
            largest.push(r);
        }
        let kept = vec![range(0, 5), range(20, 9), range(50, 7)];
        assert_eq!(largest.into_holes(), Holes { ranges: kept, other_bytes: 1 + 5 + 5 + 1 });
    }

    #[test]
    fn data_lies_around_the_holes() {
        let runs = |size, holes: &[DataRange]| data_ranges(size, holes).collect::<Vec<_>>();
        assert_eq!(runs(10, &[]), [range(0, 10)]);
        assert_eq!(runs(0, &[]), []);
        assert_eq!(runs(10, &[range(0, 10)]), []);
        assert_eq!(runs(10, &[range(0, 2), range(4, 3)]), [range(2, 2), range(7, 3)]);
        assert_eq!(runs(10, &[range(8, 2)]), [range(0, 8)]);
    }
}
