//! Stores the differences in a file without a name until all are known.

use super::difference::{Class, ClassifiedFile, ComparisonCounts, Difference, FileSummary, Reason};
use super::reader::BatchResult;
use super::scope::Scope;
use crate::format::entry::{ContentId, EntryKind};
use rustix::fs::{MemfdFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Differences are written when the buffer has this many bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// The first read of a difference. Most fit.
const READ_BYTES: usize = 512;

/// Low bits of a location, for the offset in the file: 64 GiB of differences. The other bits are the batch's sequence
/// number: 268 million batches.
const OFFSET_BITS: u32 = 36;

/// A difference's number, in the order in which differences were stored.
pub(super) type DifferenceNumber = u32;

/// A missing file that may be a renamed one.
pub(super) struct MissingFile {
    pub(super) digest: [u8; 16],
    pub(super) size: u64,
    pub(super) number: DifferenceNumber,
}

/// An added file that may be a renamed one.
pub(super) struct AddedFile {
    /// `None`: its content is not read yet.
    pub(super) digest: Option<[u8; 16]>,
    pub(super) size: u64,
    pub(super) number: DifferenceNumber,
}

pub(super) struct DifferenceStore {
    file: File,
    buffer: Vec<u8>,
    /// Bytes in the file. The buffer comes behind them.
    written: u64,
    /// Of each difference: its batch's sequence number, and in the low bits its offset.
    locations: Vec<u64>,
    pub(super) missing: Vec<MissingFile>,
    pub(super) added: Vec<AddedFile>,
    pub(super) counts: ComparisonCounts,
}

/// The first half of a digest. 128 bits keep two contents apart even if somebody crafts them.
pub(super) fn short_digest(content: ContentId) -> [u8; 16] {
    let digest = match content {
        ContentId::Whole(blake3) => blake3,
        ContentId::Stored { blake3, holes } => *blake3::Hasher::new().update(&blake3).update(&holes).finalize().as_bytes(),
    };
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

impl DifferenceStore {
    /// Makes the file in `folder`. It is made in memory instead if the folder's file system has no files without a
    /// name, or is the file system of a tree.
    pub(super) fn new(folder: &Path, scopes: &[Scope]) -> io::Result<Self> {
        let device = folder.metadata().map(|m| m.dev()).ok();
        let is_elsewhere = |s: &Scope| s.tree.as_ref().is_none_or(|t| Some(t.root().device) != device);
        let nameless =
            || rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR).ok();
        let file = match scopes.iter().all(is_elsewhere).then(nameless).flatten() {
            Some(file) => file,
            None => rustix::fs::memfd_create("azekura-differences", MemfdFlags::CLOEXEC)?,
        };
        Ok(Self {
            file: file.into(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            written: 0,
            locations: Vec::new(),
            missing: Vec::new(),
            added: Vec::new(),
            counts: ComparisonCounts::default(),
        })
    }

    /// Adds the result of the batch with this sequence number.
    pub(super) fn add(&mut self, sequence: u32, result: &BatchResult) -> io::Result<()> {
        self.counts.add(&result.counts);
        for ClassifiedFile { difference, may_be_renamed } in &result.differences {
            let number = DifferenceNumber::try_from(self.locations.len()).map_err(io::Error::other)?;
            let offset = self.written + self.buffer.len() as u64;
            if offset >> OFFSET_BITS > 0 || sequence.leading_zeros() < OFFSET_BITS - 32 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.locations.push(u64::from(sequence) << OFFSET_BITS | offset);
            encode(difference, &mut self.buffer);
            match (difference.class, difference.before, difference.after) {
                (Class::Missing, Some(FileSummary { size, content: Some(content), .. }), _) if *may_be_renamed => {
                    self.missing.push(MissingFile { digest: short_digest(content), size, number });
                }
                (Class::Added, _, Some(after)) if *may_be_renamed => {
                    self.added.push(AddedFile { digest: after.content.map(short_digest), size: after.size, number });
                }
                _ => {}
            }
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the buffer, so that all differences can be read.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// All numbers in the order of the entry stream.
    pub(super) fn in_order(&self) -> Vec<DifferenceNumber> {
        let mut numbers: Vec<DifferenceNumber> = (0..self.locations.len() as DifferenceNumber).collect();
        numbers.sort_unstable_by_key(|n| self.locations[*n as usize]);
        numbers
    }

    pub(super) fn len(&self) -> usize {
        self.locations.len()
    }

    /// Reads a difference.
    pub(super) fn get(&self, number: DifferenceNumber) -> io::Result<Difference> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "a stored difference cannot be decoded");
        let offset = self.locations.get(number as usize).ok_or_else(malformed)? & ((1 << OFFSET_BITS) - 1);
        let mut bytes = vec![0; READ_BYTES];
        let read = self.read(&mut bytes, offset)?;
        bytes.truncate(read);
        let length = bytes.first_chunk().map(|n| u32::from_le_bytes(*n) as usize).ok_or_else(malformed)?;
        if 4 + length > bytes.len() {
            bytes.resize(4 + length, 0);
            self.file.read_exact_at(&mut bytes, offset)?;
        }
        decode(&bytes[4..4 + length]).ok_or_else(malformed)
    }

    /// Reads until the buffer is full or the file ends.
    fn read(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut length = 0;
        while length < bytes.len() {
            match self.file.read_at(&mut bytes[length..], offset + length as u64) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(length)
    }
}

const REASONS: [Reason; 13] = [
    Reason::None,
    Reason::Content,
    Reason::TimeKept,
    Reason::Grown,
    Reason::Cut,
    Reason::Flag,
    Reason::Type,
    Reason::Target,
    Reason::Unreadable { errno: 0 },
    Reason::Changing,
    Reason::NoContent,
    Reason::NoRecord,
    Reason::Refused,
];

const KINDS: [EntryKind; 7] = [
    EntryKind::File,
    EntryKind::Directory,
    EntryKind::Symlink,
    EntryKind::Fifo,
    EntryKind::CharDevice,
    EntryKind::BlockDevice,
    EntryKind::Socket,
];

/// Writes length, class, reason, error number, both summaries and both paths.
fn encode(d: &Difference, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let (reason, errno) = match d.reason {
        Reason::Unreadable { errno } => (Reason::Unreadable { errno: 0 }, errno),
        other => (other, 0),
    };
    let reason = REASONS.iter().position(|r| *r == reason).unwrap_or_default();
    out.extend_from_slice(&[d.class as u8, reason as u8]);
    out.extend_from_slice(&errno.to_le_bytes());
    for summary in [d.before, d.after] {
        let Some(summary) = summary else {
            out.push(0);
            continue;
        };
        let (tag, digests) = match &summary.content {
            None => (1, [None; 2]),
            Some(ContentId::Whole(blake3)) => (2, [Some(blake3), None]),
            Some(ContentId::Stored { blake3, holes }) => (3, [Some(blake3), Some(holes)]),
        };
        out.extend_from_slice(&[tag, summary.kind as u8]);
        out.extend_from_slice(&summary.size.to_le_bytes());
        digests.into_iter().flatten().for_each(|d| out.extend_from_slice(d));
    }
    out.extend_from_slice(&(d.path.len() as u32).to_le_bytes());
    out.extend_from_slice(&d.path);
    if let Some(former) = &d.former {
        out.push(1);
        out.extend_from_slice(former);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn decode(mut bytes: &[u8]) -> Option<Difference> {
    let mut next = |n: usize| bytes.split_off(..n);
    let class = Class::ALL.into_iter().nth(next(1)?[0].into())?;
    let reason = REASONS.into_iter().nth(next(1)?[0].into())?;
    let errno = u32::from_le_bytes(*next(4)?.first_chunk()?);
    let reason = if let Reason::Unreadable { .. } = reason { Reason::Unreadable { errno } } else { reason };
    let mut summary = || -> Option<Option<FileSummary>> {
        let tag = next(1)?[0];
        if tag == 0 {
            return Some(None);
        }
        let kind = KINDS.into_iter().nth(next(1)?[0].into())?;
        let size = u64::from_le_bytes(*next(8)?.first_chunk()?);
        let content = match tag {
            2 => Some(ContentId::Whole(*next(32)?.first_chunk()?)),
            3 => Some(ContentId::Stored { blake3: *next(32)?.first_chunk()?, holes: *next(32)?.first_chunk()? }),
            _ => None,
        };
        Some(Some(FileSummary { kind, size, content }))
    };
    let (before, after) = (summary()?, summary()?);
    let length = u32::from_le_bytes(*next(4)?.first_chunk()?);
    let path = next(length as usize)?.to_vec();
    let former = bytes.split_first().map(|(_, former)| former.to_vec());
    Some(Difference { class, reason, path, former, before, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_read_in_the_order_of_the_batches() {
        let mut store = DifferenceStore::new(&std::env::temp_dir(), &[]).unwrap();
        let content = |n: u64| match n % 4 {
            0 => Some(ContentId::Whole([n as u8; 32])),
            2 => Some(ContentId::Stored { blake3: [n as u8; 32], holes: [n as u8 + 1; 32] }),
            _ => None,
        };
        let summary = |n: u64| FileSummary { kind: EntryKind::File, size: n, content: content(n) };
        let difference = |n: u64| Difference {
            class: Class::ALL[n as usize % 7],
            reason: REASONS[n as usize % 13],
            path: vec![b'p'; 1 + n as usize * 9],
            former: n.is_multiple_of(3).then(|| vec![b'f'; n as usize]),
            before: n.is_multiple_of(2).then(|| summary(n)),
            after: (n % 5 < 3).then(|| summary(n + 1)),
        };
        // The second batch comes first.
        for sequence in [1, 0] {
            let differences = (0..60)
                .map(|n| ClassifiedFile { difference: difference(60 * u64::from(sequence) + n), may_be_renamed: false })
                .collect();
            store.add(sequence, &BatchResult { differences, counts: ComparisonCounts::default() }).unwrap();
        }
        store.flush().unwrap();
        let back: Vec<Difference> = store.in_order().into_iter().map(|n| store.get(n).unwrap()).collect();
        assert_eq!(back, (0..120).map(difference).collect::<Vec<_>>());
    }

    /// The comparison's invariant: nothing is written to a tree's file system, not even a file without a name.
    #[test]
    fn nothing_is_stored_on_the_file_system_of_a_tree() {
        use crate::format::manifest::Rules;
        use crate::pipeline::source::{SourceTree, TreeOptions};
        let dir = tempfile::tempdir().unwrap();
        let tree = SourceTree::open(b"source".to_vec(), dir.path(), TreeOptions::default()).unwrap();
        let scope = Scope { name: b"source".to_vec(), rules: Rules::Plain, path: None, tree: Some(tree) };
        let device = dir.path().metadata().unwrap().dev();
        let store = DifferenceStore::new(dir.path(), &[scope]).unwrap();
        assert_ne!(store.file.metadata().unwrap().dev(), device);
    }
}
