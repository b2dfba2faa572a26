//! Reads a file that exists as its record describes it: around the holes that the digests leave out.

use super::hasher::{DigestHasher, Hashes};
use super::source::{data_ranges, next_data, next_hole};
use crate::format::entry::{Core, DataRange};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;

/// Bytes that are read between two looks at whether to stop.
const READ_BYTES: usize = 1 << 20;

/// What is to be read of a file, and how.
pub struct ReadAround<'a> {
    /// The file. One that is not regular is read from where it is, and its holes are read, too.
    pub file: &'a File,
    /// Holes that are not hashed: ascending, not adjacent.
    pub left_out: &'a [DataRange],
    /// Reading ends here, or where the file ends.
    pub end: u64,
    /// Whether SHA-256 is computed, too.
    pub with_sha256: bool,
    /// Is called with the bytes that each step has read. An error ends the reading.
    pub on_read: &'a dyn Fn(u64) -> io::Result<()>,
}

/// How long a pipe is waited for between two looks at whether to stop.
const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What was read of a file.
pub struct ContentAround {
    /// The file's length, at most as much as was to be read.
    pub size: u64,
    /// Has hashed what is around the holes; `None`: in a hole is something else than zeros.
    pub hasher: Option<DigestHasher>,
}

/// The holes of a record that its digests leave out.
pub fn left_out(core: &Core) -> &[DataRange] {
    if core.stored().is_some() { &core.holes } else { &[] }
}

/// What became of a hole that was to be passed.
enum Passed {
    /// Nothing but zeros is in it.
    Whole,
    /// The file ends in it, here.
    FileEnd(u64),
    /// Something else is in it.
    Data,
}

impl ReadAround<'_> {
    /// Reads the file. `buffer` is used again.
    pub fn read(&self, buffer: &mut Vec<u8>) -> io::Result<ContentAround> {
        buffer.resize(READ_BYTES, 0);
        let is_regular = self.file.metadata()?.is_file();
        let mut hasher = DigestHasher::new(Hashes::with_sha256(self.with_sha256));
        let mut at = 0;
        // The last range is empty, so that the last hole is passed, too.
        let last = DataRange { offset: self.end, length: 0 };
        for data in data_ranges(self.end, self.left_out).chain([last]) {
            match self.pass_hole(at, data.offset, is_regular, buffer)? {
                Passed::Whole => {}
                Passed::FileEnd(size) => return Ok(ContentAround { size, hasher: Some(hasher) }),
                Passed::Data => return Ok(ContentAround { size: at, hasher: None }),
            }
            at = data.offset;
            while at < data.offset + data.length {
                let bytes = self.next(at, data.offset + data.length, is_regular, buffer)?;
                if bytes.is_empty() {
                    return Ok(ContentAround { size: at, hasher: Some(hasher) });
                }
                hasher.update(bytes);
                at += bytes.len() as u64;
            }
        }
        Ok(ContentAround { size: at, hasher: Some(hasher) })
    }

    /// Looks whether nothing but zeros is between two places. Of a regular file only what is no hole is read.
    fn pass_hole(&self, from: u64, to: u64, is_regular: bool, buffer: &mut [u8]) -> io::Result<Passed> {
        let (mut at, mut run_end) = (from, if is_regular { from } else { to });
        let end = if is_regular && from < to { self.file.metadata()?.len().clamp(from, to) } else { to };
        while at < end {
            if at >= run_end {
                (self.on_read)(0)?;
                at = next_data(self.file, at);
                if at >= end {
                    break;
                }
                run_end = next_hole(self.file, at).unwrap_or(end);
            }
            let bytes = self.next(at, run_end.min(end), is_regular, buffer)?;
            if bytes.is_empty() {
                return Ok(Passed::FileEnd(at));
            }
            if bytes.iter().any(|b| *b != 0) {
                return Ok(Passed::Data);
            }
            at += bytes.len() as u64;
        }
        Ok(if end < to { Passed::FileEnd(end) } else { Passed::Whole })
    }

    /// Reads what comes next. `WouldBlock` where nothing comes for a while, as out of a pipe whose writer is slow.
    fn read_next(&self, room: &mut [u8]) -> io::Result<usize> {
        match poll(&mut [PollFd::new(self.file, PollFlags::IN)], Some(&POLL_INTERVAL))? {
            0 => Err(ErrorKind::WouldBlock.into()),
            _ => (&*self.file).read(room),
        }
    }

    /// The next bytes from `at` on, at most up to `end`; none where the file ends.
    fn next<'b>(&self, at: u64, end: u64, is_regular: bool, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let want = (end - at).min(buffer.len() as u64) as usize;
        let n = loop {
            let room = &mut buffer[..want];
            match if is_regular { self.file.read_at(room, at) } else { self.read_next(room) } {
                Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => (self.on_read)(0)?,
                read => break read?,
            }
        };
        (self.on_read)(n as u64)?;
        Ok(&buffer[..n])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::digests::Digests;
    use std::io::Write;

    const HOLES: [DataRange; 3] = [
        DataRange { offset: 0, length: 1 << 20 },
        DataRange { offset: (1 << 20) + 2, length: 1 << 30 },
        DataRange { offset: (1 << 30) + (1 << 20) + 4, length: 1 << 20 },
    ];
    const SIZE: u64 = (1 << 30) + (2 << 20) + 4;

    fn read(file: &File, end: u64) -> (u64, Option<Digests>) {
        let around = ReadAround { file, left_out: &HOLES, end, with_sha256: true, on_read: &|_| Ok(()) };
        let found = around.read(&mut Vec::new()).unwrap();
        (found.size, found.hasher.map(DigestHasher::finish))
    }

    /// Sparse, with two bytes between two holes each.
    fn sparse() -> File {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"ab", HOLES[0].length).unwrap();
        file.write_all_at(b"cd", HOLES[1].offset + HOLES[1].length).unwrap();
        file.set_len(SIZE).unwrap();
        file
    }

    #[test]
    fn zeros_in_a_hole_are_nothing_and_other_bytes_are() {
        let digests = Some(Digests::of(b"abcd", true));
        let file = sparse();
        assert_eq!(read(&file, SIZE), (SIZE, digests));
        file.write_all_at(&[0; 100_000], 300_000_000).unwrap();
        file.write_all_at(&[0; 1_000], SIZE - 1_000).unwrap();
        assert_eq!(read(&file, SIZE), (SIZE, digests));
        file.write_all_at(b"x", SIZE - 1).unwrap();
        assert_eq!(read(&file, SIZE).1, None);
    }

    #[test]
    fn a_file_of_another_length_is_noticed() {
        let file = sparse();
        file.set_len(SIZE - 9).unwrap();
        assert_eq!(read(&file, SIZE).0, SIZE - 9);
        file.set_len(HOLES[2].offset - 1).unwrap();
        assert_eq!(read(&file, SIZE), (HOLES[2].offset - 1, Some(Digests::of(b"abc", true))));
        file.set_len(SIZE + 3).unwrap();
        assert_eq!(read(&file, u64::MAX).0, SIZE + 3);
    }

    #[test]
    fn a_pipe_is_read_through_its_holes() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || {
            for part in super::super::hasher::zeros(1 << 20) {
                writer.write_all(part).unwrap();
            }
            writer.write_all(b"ab").unwrap();
            writer.write_all(&[0; 100]).unwrap();
        });
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        assert_eq!(read(&file, u64::MAX), ((1 << 20) + 102, Some(Digests::of(b"ab", true))));
        writing.join().unwrap();
    }

    #[test]
    fn reading_can_be_stopped() {
        let on_read = |_| Err(io::Error::other("stop"));
        for left_out in [&HOLES[..], &[]] {
            let around = ReadAround { file: &sparse(), left_out, end: SIZE, with_sha256: false, on_read: &on_read };
            assert!(around.read(&mut Vec::new()).is_err());
        }
    }
}
