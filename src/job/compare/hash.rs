//! Reads a file once and hashes it; if wanted, also looks whether it begins with its former content.

use crate::format::entry::{ContentId, Core, DataRange};
use crate::pipeline::hasher::{DigestHasher, FileHasher, zeros};
use crate::pipeline::read_around::{ReadAround, left_out};
use crate::pipeline::source::{SourceFile, data_ranges};
use crate::tripwire::{FormerContent, PreviousContent};
use std::io;
use std::os::unix::fs::FileExt;

/// Files up to this size are read in one call.
const READ_BYTES: usize = 1 << 20;

/// A file's content as it was found.
pub(super) struct FileContent {
    pub(super) size: u64,
    /// `None`: it is not that of the record. Where the record's digests leave out its holes, something is in a hole.
    pub(super) content_id: Option<ContentId>,
    /// It begins with the record's content. Known only where that was asked for.
    pub(super) has_grown: bool,
    /// The file changed while it was read.
    pub(super) is_changing: bool,
    /// Bytes that were read, without holes.
    pub(super) bytes_read: u64,
}

/// What a file is read for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The record that it is compared with.
    pub(super) before: Option<&'a Core>,
    /// Whether it begins with the record's content is wanted, too.
    pub(super) growth: bool,
    /// Fails when the user wants to stop.
    pub(super) check: &'a dyn Fn() -> io::Result<()>,
}

/// Reads a file up to the length that it had when it was opened.
pub(super) fn read(file: &SourceFile, buffer: &mut Vec<u8>, wanted: Wanted) -> io::Result<FileContent> {
    let opened = file.opened();
    let mut content = match wanted.before.filter(|before| before.size == opened.size) {
        Some(before) => read_like(file, before, buffer, wanted.check)?,
        None => read_for_itself(file, buffer, wanted)?,
    };
    let now = file.stat()?;
    content.is_changing = (now.size, now.mtime, now.ctime) != (opened.size, opened.mtime, opened.ctime);
    Ok(content)
}

/// Reads a file as its record says: around the same holes.
fn read_like(
    file: &SourceFile,
    before: &Core,
    buffer: &mut Vec<u8>,
    check: &dyn Fn() -> io::Result<()>,
) -> io::Result<FileContent> {
    let bytes_read = std::cell::Cell::new(0);
    let on_read = |bytes| {
        bytes_read.set(bytes_read.get() + bytes);
        check()
    };
    let left_out = left_out(before);
    let around = ReadAround { file: file.file(), left_out, end: before.size, with_sha256: false, on_read: &on_read };
    let found = around.read(buffer)?;
    let digests = found.hasher.map(DigestHasher::finish);
    Ok(FileContent {
        size: found.size,
        content_id: digests.zip(before.digests).map(|(d, like)| like.with(d).content_id(left_out)),
        has_grown: false,
        is_changing: false,
        bytes_read: bytes_read.get(),
    })
}

/// Reads a file as a backup would: around its own holes.
fn read_for_itself(file: &SourceFile, buffer: &mut Vec<u8>, wanted: Wanted) -> io::Result<FileContent> {
    let size = file.opened().size;
    let holes = file.holes(size, &|| (wanted.check)().is_err()).ranges;
    let mut reading = Reading {
        hasher: FileHasher::new(&holes, false),
        former: wanted.before.filter(|_| wanted.growth).and_then(former_content),
        end: 0,
        bytes_read: 0,
        check: wanted.check,
    };
    buffer.resize(READ_BYTES, 0);
    'data: for run in data_ranges(size, &holes) {
        reading.add_hole(run.offset)?;
        while reading.end < run.offset + run.length {
            (wanted.check)()?;
            let want = (run.offset + run.length - reading.end).min(READ_BYTES as u64) as usize;
            match file.file().read_at(&mut buffer[..want], reading.end) {
                // The file has become shorter.
                Ok(0) => break 'data,
                Ok(n) => reading.update(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
    if holes.last().is_some_and(|h| h.offset == reading.end) {
        reading.add_hole(size)?;
    }
    Ok(FileContent {
        size: reading.end,
        content_id: Some(reading.hasher.finish().content_id(&holes)),
        has_grown: reading.former.is_some_and(|f| f.is_found()),
        is_changing: false,
        bytes_read: reading.bytes_read,
    })
}

/// Looks for a record's content at the beginning of another.
pub(super) fn former_content(before: &Core) -> Option<FormerContent> {
    // Its length is known to have been read once: as many zeros may be hashed.
    PreviousContent::of(before, true).map(|content| FormerContent::new(content, u64::MAX))
}

/// Adds a hole to a search for former content.
pub(super) fn add_hole(former: &mut FormerContent, hole: DataRange, check: &dyn Fn() -> io::Result<()>) -> io::Result<()> {
    for part in zeros(former.add_hole(hole)) {
        check()?;
        former.update(part);
    }
    Ok(())
}

struct Reading<'a> {
    hasher: FileHasher,
    former: Option<FormerContent>,
    /// Bytes of the file so far.
    end: u64,
    bytes_read: u64,
    check: &'a dyn Fn() -> io::Result<()>,
}

impl Reading<'_> {
    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(former) = &mut self.former {
            former.update(bytes);
        }
        self.end += bytes.len() as u64;
        self.bytes_read += bytes.len() as u64;
    }

    fn add_hole(&mut self, until: u64) -> io::Result<()> {
        let hole = DataRange { offset: self.end, length: until - self.end };
        if hole.length == 0 {
            return Ok(());
        }
        self.hasher.add_hole(hole.length, self.check)?;
        if let Some(former) = &mut self.former {
            add_hole(former, hole, self.check)?;
        }
        self.end = until;
        Ok(())
    }
}
