//! What is not identical, kept in a file without a name until all of it is known.

use super::reader::Judged;
use super::{Class, Counts, Difference, Reason, Scope, Seen};
use crate::format::entry::EntryKind;
use rustix::fs::{MemfdFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// Written at once.
const BUFFER_BYTES: usize = 256 << 10;
/// Read at once: most differences fit.
const READ_BYTES: usize = 512;

/// Bits of a place that say where it lies: 64 GiB of differences, out of 268 million batches.
const OFFSET_BITS: u32 = 36;

/// A difference's number, by the order in which they were kept.
pub type Number = u32;

/// A file that is missing and may be renamed.
pub struct Gone {
    pub digest: [u8; 16],
    pub size: u64,
    pub number: Number,
}

/// A file that was added and may be a renamed one.
pub struct Come {
    pub digest: Option<[u8; 16]>,
    pub size: u64,
    pub number: Number,
}

pub struct Kept {
    file: File,
    buffer: Vec<u8>,
    /// Bytes in the file; the buffer is behind them.
    written: u64,
    /// Of each difference: the batch that it was in, and behind that, in the low bits, where it lies.
    places: Vec<u64>,
    pub gone: Vec<Gone>,
    pub come: Vec<Come>,
    pub counts: Counts,
}

/// Enough of a digest to tell two contents apart, even where somebody makes them.
pub fn short(digest: [u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

impl Kept {
    /// The file lies in `folder`; in memory where its file system has no such files, or where the folder lies on that of a tree.
    pub fn new(folder: &Path, scopes: &[Scope]) -> io::Result<Self> {
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
            places: Vec::new(),
            gone: Vec::new(),
            come: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Keeps what a batch has given.
    pub fn keep(&mut self, sequence: u32, judged: &Judged) -> io::Result<()> {
        self.counts.add(&judged.counts);
        for (difference, may_be_renamed) in &judged.differences {
            let number = Number::try_from(self.places.len()).map_err(io::Error::other)?;
            let offset = self.written + self.buffer.len() as u64;
            if offset >> OFFSET_BITS > 0 || sequence.leading_zeros() < OFFSET_BITS - 32 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.places.push(u64::from(sequence) << OFFSET_BITS | offset);
            encode(difference, &mut self.buffer);
            match (difference.class, difference.before, difference.after) {
                (Class::Missing, Some(Seen { size, blake3: Some(digest), .. }), _) if *may_be_renamed => {
                    self.gone.push(Gone { digest: short(digest), size, number });
                }
                (Class::Added, _, Some(after)) if *may_be_renamed => {
                    self.come.push(Come { digest: after.blake3.map(short), size: after.size, number });
                }
                _ => {}
            }
            if self.buffer.len() >= BUFFER_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Makes everything that was kept readable.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// All numbers in the order of the entry stream: batches in theirs, and each as it was.
    pub fn in_order(&self) -> Vec<Number> {
        let mut numbers: Vec<Number> = (0..self.places.len() as Number).collect();
        numbers.sort_unstable_by_key(|n| self.places[*n as usize]);
        numbers
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// What was kept under a number.
    pub fn get(&self, number: Number) -> io::Result<Difference> {
        let malformed = || io::Error::new(io::ErrorKind::InvalidData, "what was kept is not what was written");
        let at = self.places.get(number as usize).ok_or_else(malformed)? & ((1 << OFFSET_BITS) - 1);
        let mut bytes = vec![0; READ_BYTES];
        let got = self.read(&mut bytes, at)?;
        bytes.truncate(got);
        let length = bytes.first_chunk().map(|n| u32::from_le_bytes(*n) as usize).ok_or_else(malformed)?;
        if 4 + length > bytes.len() {
            bytes.resize(4 + length, 0);
            self.file.read_exact_at(&mut bytes, at)?;
        }
        decode(&bytes[4..4 + length]).ok_or_else(malformed)
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let mut got = 0;
        while got < bytes.len() {
            match self.file.read_at(&mut bytes[got..], at + got as u64) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(got)
    }
}

const REASONS: [Reason; 11] = [
    Reason::None,
    Reason::Content,
    Reason::Grown,
    Reason::Cut,
    Reason::Flag,
    Reason::Type,
    Reason::Target,
    Reason::Unreadable { errno: 0 },
    Reason::Changing,
    Reason::NoContent,
    Reason::NoRecord,
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

/// Length, class, reason, number, both sides, both paths.
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
    for seen in [d.before, d.after] {
        let Some(seen) = seen else {
            out.push(0);
            continue;
        };
        out.extend_from_slice(&[1 + u8::from(seen.blake3.is_some()), seen.kind as u8]);
        out.extend_from_slice(&seen.size.to_le_bytes());
        out.extend_from_slice(seen.blake3.as_ref().map_or(&[][..], |d| d));
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
    let mut take = |n: usize| bytes.split_off(..n);
    let class = Class::ALL.into_iter().nth(take(1)?[0].into())?;
    let reason = REASONS.into_iter().nth(take(1)?[0].into())?;
    let errno = u32::from_le_bytes(*take(4)?.first_chunk()?);
    let reason = if let Reason::Unreadable { .. } = reason { Reason::Unreadable { errno } } else { reason };
    let mut seen = || -> Option<Option<Seen>> {
        let what = take(1)?[0];
        if what == 0 {
            return Some(None);
        }
        let kind = KINDS.into_iter().nth(take(1)?[0].into())?;
        let size = u64::from_le_bytes(*take(8)?.first_chunk()?);
        let blake3 = if what == 2 { Some(*take(32)?.first_chunk()?) } else { None };
        Some(Some(Seen { kind, size, blake3 }))
    };
    let (before, after) = (seen()?, seen()?);
    let length = u32::from_le_bytes(*take(4)?.first_chunk()?);
    let path = take(length as usize)?.to_vec();
    let former = bytes.split_first().map(|(_, former)| former.to_vec());
    Some(Difference { class, reason, path, former, before, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_in_the_order_of_the_batches() {
        let mut kept = Kept::new(&std::env::temp_dir(), &[]).unwrap();
        let seen = |n: u64| Seen { kind: EntryKind::File, size: n, blake3: n.is_multiple_of(2).then_some([n as u8; 32]) };
        let difference = |n: u64| Difference {
            class: Class::ALL[n as usize % 7],
            reason: REASONS[n as usize % 11],
            path: vec![b'p'; 1 + n as usize * 9],
            former: n.is_multiple_of(3).then(|| vec![b'f'; n as usize]),
            before: n.is_multiple_of(2).then(|| seen(n)),
            after: (n % 5 < 3).then(|| seen(n + 1)),
        };
        // The second half first.
        for sequence in [1, 0] {
            let differences = (0..60).map(|n| (difference(60 * u64::from(sequence) + n), false)).collect();
            kept.keep(sequence, &Judged { differences, counts: Counts::default() }).unwrap();
        }
        kept.flush().unwrap();
        let back: Vec<Difference> = kept.in_order().into_iter().map(|n| kept.get(n).unwrap()).collect();
        assert_eq!(back, (0..120).map(difference).collect::<Vec<_>>());
    }

    /// The invariant of the comparison: not even a file without a name is made on the file system that is looked at.
    #[test]
    fn nothing_is_kept_on_the_file_system_of_a_tree() {
        use crate::format::manifest::Rules;
        use crate::pipeline::source::{SourceTree, TreeOptions};
        let dir = tempfile::tempdir().unwrap();
        let tree = SourceTree::open(b"source".to_vec(), dir.path(), TreeOptions::default()).unwrap();
        let scope = Scope { name: b"source".to_vec(), rules: Rules::Plain, path: None, tree: Some(tree) };
        let device = dir.path().metadata().unwrap().dev();
        let kept = Kept::new(dir.path(), &[scope]).unwrap();
        assert_ne!(kept.file.metadata().unwrap().dev(), device);
    }
}
