//! Reads a file in runs of whole chunks.

use super::stop::Stop;
use super::{BackupError, Result};
use crate::buffer::{Buffer, Buffers};
use crate::format::entry::{ContentDigests, Core, DataRange};
use crate::pipeline::chunker::{ChunkClass, Chunker, pages};
use crate::pipeline::hasher::{FileHasher, zeros};
use crate::pipeline::pack_hasher::PackHasher;
use crate::pipeline::source::{Problem, ProblemKind, SourceFile, WalkedEntry, data_ranges};
use crate::tripwire::content::ContentSample;
use std::os::unix::fs::FileExt;

/// Bytes of chunks that go through the stations together.
pub const RUN_BYTES: usize = 1 << 20;
/// Size of content whose length is not known before its end: a command's output.
pub const UNKNOWN_SIZE: u64 = u64::MAX;

/// Why a file's content could not be read.
pub enum ReadFailure {
    /// The source could not be read: a finding.
    Source(Problem),
    /// The run has failed.
    Run(BackupError),
}

impl ReadFailure {
    pub fn of_file(found: &WalkedEntry, e: &std::io::Error) -> Self {
        let errno = e.raw_os_error().unwrap_or(0).unsigned_abs();
        Self::Source(Problem { path: found.path.clone(), kind: ProblemKind::Unreadable, errno })
    }
}

/// How a file is cut: fixed by its length and its first bytes.
#[derive(Clone, Copy)]
pub struct CutRule {
    class: ChunkClass,
    paged: bool,
}

impl CutRule {
    /// For a file of `size` bytes that begins with `head`.
    pub fn of(size: u64, head: &[u8]) -> Self {
        Self { class: ChunkClass::for_file(size, head), paged: pages::is_paged(head) }
    }

    /// For `content`, all of a file. Pages are used only when the file has several chunks.
    pub fn of_whole(content: &[u8]) -> Self {
        let mut rule = Self::of(content.len() as u64, content);
        rule.paged &= content.len() > ChunkClass::Data.max();
        rule
    }

    /// The lengths of the chunks of one run: they begin in the first [`RUN_BYTES`] of `bytes`, which lie at `offset` in
    /// the file. `is_end`: the content ends with `bytes`.
    pub fn cuts(self, chunker: &Chunker, bytes: &[u8], offset: u64, is_end: bool) -> Vec<u32> {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < RUN_BYTES && at < bytes.len() {
            let rest = &bytes[at..];
            let next = match self.paged {
                true => pages::cut(self.class, offset + at as u64, rest.len(), is_end),
                false => chunker.cut(self.class, rest, is_end),
            };
            let Some(n) = next else { break };
            cuts.push(n as u32);
            at += n;
        }
        cuts
    }
}

/// Appends up to so many bytes from an offset to a buffer; fewer only where the content ends.
type Input<'a> = &'a mut dyn FnMut(&mut Buffer, usize, u64) -> Result<(), ReadFailure>;

/// What content goes through while it is read.
pub struct RunReader<'a> {
    pub chunker: &'a Chunker,
    pub buffers: &'a Buffers,
    /// What is read is hashed beside a pack that waits here.
    pub pack_hasher: &'a PackHasher<'a>,
    pub with_sha256: bool,
    pub stop: &'a Stop<'a>,
    /// Is called with the bytes that each run adds.
    pub on_progress: &'a dyn Fn(u64),
}

impl RunReader<'_> {
    /// Reads a file's data and sends it, in runs of whole chunks, to `emit`. When the file ends early, `core.size` and
    /// `core.holes` are set to what was read.
    pub fn read(
        &self,
        input: Input,
        core: &mut Core,
        sample: &mut ContentSample,
        mut emit: impl FnMut(Buffer, Vec<u32>) -> Result<()>,
    ) -> Result<ContentDigests, ReadFailure> {
        let mut hasher = FileHasher::new(&core.holes, self.with_sha256);
        let add_hole = |offset, end, hasher: &mut FileHasher, sample: &mut ContentSample| {
            let check = || self.stop.check().map_err(ReadFailure::Run);
            let hole = DataRange { offset, length: end - offset };
            if hole.length == 0 {
                return Ok(());
            }
            hasher.add_hole(hole.length, check)?;
            zeros(sample.add_hole(hole)).try_for_each(|part| check().map(|()| sample.update_former(part)))
        };
        let mut rule = None;
        let buffer_bytes = |rule: Option<CutRule>| RUN_BYTES + rule.map_or(0, |r| r.class.max());
        let mut end = 0;
        for data in data_ranges(core.size, &core.holes.clone()) {
            add_hole(end, data.offset, &mut hasher, sample)?;
            end = data.offset;
            let data_end = data.offset + data.length;
            let mut buffer = self.buffers.take(buffer_bytes(rule));
            let mut ended = false;
            while end < data_end && !ended || !buffer.is_empty() {
                let want = (buffer_bytes(rule).saturating_sub(buffer.len()) as u64).min(data_end - end) as usize;
                let had = buffer.len();
                if want > 0 && !ended {
                    input(&mut buffer, want, end)?;
                    let got = buffer.len() - had;
                    if !hasher.update_with(&buffer[had..], |file, bytes| self.pack_hasher.update(file, bytes)) {
                        return Err(ReadFailure::Run(self.stop.reason()));
                    }
                    sample.update(&buffer[had..]);
                    end += got as u64;
                    ended = got < want;
                }
                let is_end = ended || end == data_end;
                let known = *rule.get_or_insert_with(|| {
                    // Data that does not begin the file says nothing of what the file is.
                    let head = if data.offset == 0 { &buffer[..] } else { &[] };
                    CutRule::of(if core.size == UNKNOWN_SIZE { 0 } else { core.size }, head)
                });
                if !is_end && buffer.len() <= known.class.max() {
                    continue;
                }
                let cuts = known.cuts(self.chunker, &buffer, end - buffer.len() as u64, is_end);
                if cuts.is_empty() {
                    break;
                }
                let cut = cuts.iter().map(|n| *n as usize).sum();
                (self.on_progress)(cut as u64);
                let mut next = self.buffers.take(buffer_bytes(rule));
                next.append(&buffer[cut..]);
                buffer.truncate(cut);
                emit(buffer, cuts).map_err(ReadFailure::Run)?;
                buffer = next;
            }
            if ended {
                core.size = end;
                core.holes.retain(|h| h.offset + h.length <= end);
                return Ok(hasher.finish());
            }
        }
        add_hole(end, core.size, &mut hasher, sample)?;
        Ok(hasher.finish())
    }
}

/// Whether the file's size and times are still those that it was opened with.
pub fn is_as_opened(file: &SourceFile) -> bool {
    let opened = file.opened();
    file.stat().is_ok_and(|s| (s.size, s.mtime, s.ctime) == (opened.size, opened.mtime, opened.ctime))
}

/// Appends up to `want` bytes from `offset`; fewer only where the file ends.
pub fn read_more(file: &std::fs::File, buffer: &mut Buffer, want: usize, offset: u64) -> std::io::Result<()> {
    buffer.fill(want, |room, got| file.read_at(room, offset + got as u64))
}
