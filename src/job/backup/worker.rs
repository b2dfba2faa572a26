//! A worker, one a core: takes a batch of entries, reads their files, cuts, hashes, looks up, packs.
//!
//! Everything that happens to a chunk happens on one core while it is in that core's cache. Only large files are shared: the worker
//! that reads one hands runs of chunks to the others, and works on them itself when the others are busy.

use super::batch::{Batch, Finished, Item, Names, Stored};
use super::large::{LargeFile, Run};
use super::tally::Tally;
use super::{BackupError, Stop};
use crate::buffer::{Buffer, Buffers};
use crate::event::FindingKind;
use crate::format::entry::{ContentState, Core, EntryKind};
use crate::host::catalog::ChunkLookup;
use crate::pipeline::chunker::{ChunkClass, Chunker, pages};
use crate::pipeline::dedup_index::{Claim, DedupIndex};
use crate::pipeline::hasher::{ContentHasher, Digests, Ids};
use crate::pipeline::packer::{ChunkPlace, Packer, PlacedChunk};
use crate::pipeline::source::{OpenFile, Problem, ProblemKind, SourceTree, Stat, WalkedEntry, data_ranges};
use crate::tripwire::content::ContentSample;
use crate::tripwire::{PreviousContent, Watcher};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, select_biased};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of chunks that go through the stations together.
const RUN_BYTES: usize = 1 << 20;
/// Files above this are shared among the workers.
const SHARED_BYTES: u64 = 4 << 20;
/// How often a file that changes while it is read is read again from its start.
const RETRIES: u32 = 2;

/// What all workers of a run share.
pub struct Shared<'a> {
    pub trees: &'a [SourceTree],
    pub ids: &'a Ids,
    pub chunker: &'a Chunker,
    /// For what is read.
    pub buffers: &'a Buffers,
    pub known: &'a DedupIndex,
    pub with_sha256: bool,
    pub tally: &'a Tally<'a>,
    pub watcher: &'a Watcher,
    pub stop: &'a Stop<'a>,
    /// Raised when entries wait for packs that are still open.
    pub flush: &'a AtomicU64,
}

pub struct Worker<'a> {
    shared: &'a Shared<'a>,
    packer: Packer<'a>,
    lookup: ChunkLookup,
    finished: Sender<Finished>,
    flushed: u64,
    /// Bytes that this worker has stored and that were not stored before.
    new_bytes: u64,
}

type Result<T> = std::result::Result<T, BackupError>;

impl<'a> Worker<'a> {
    pub fn new(shared: &'a Shared<'a>, packer: Packer<'a>, lookup: ChunkLookup, finished: Sender<Finished>) -> Self {
        Self { shared, packer, lookup, finished, flushed: 0, new_bytes: 0 }
    }

    /// Works until both channels are closed and empty, then finishes its pack.
    pub fn work(mut self, batches: Receiver<Batch>, runs: (Sender<Run>, Receiver<Run>)) -> Result<()> {
        let (give, take) = runs;
        const IDLE: Duration = Duration::from_millis(20);
        loop {
            select_biased! {
                recv(take) -> run => if let Ok(run) = run { self.store_run(run)?; },
                recv(batches) -> batch => match batch {
                    Ok(batch) => self.store_batch(batch, &give)?,
                    Err(_) => break,
                },
                default(IDLE) => {}
            }
            self.check()?;
        }
        // Other workers may still be reading large files.
        drop(give);
        loop {
            match take.recv_timeout(IDLE) {
                Ok(run) => self.store_run(run)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.check()?;
        }
        self.packer.finish().map_err(BackupError::Pack)
    }

    fn check(&mut self) -> Result<()> {
        self.shared.stop.check()?;
        let flush = self.shared.flush.load(Ordering::Relaxed);
        if flush != self.flushed {
            self.flushed = flush;
            self.packer.finish().map_err(BackupError::Pack)?;
        }
        Ok(())
    }

    fn store_batch(&mut self, batch: Batch, give: &Sender<Run>) -> Result<()> {
        let sequence = batch.sequence;
        let mut items = Vec::with_capacity(batch.items.len());
        for item in batch.items {
            match item {
                Item::Verbatim(v) => items.push(Stored::Verbatim(v)),
                Item::Ready(core, names) => items.push(Stored::Entry { core, pieces: Vec::new(), names }),
                Item::Link(link) => items.push(Stored::Link(link)),
                Item::Stream(core, output, before) => return self.store_stream(core, output, before, sequence, give),
                Item::Read(found, names, before) => match self.store_file(found, names, before, sequence, give)? {
                    Outcome::Stored(core, pieces) => items.push(Stored::Entry { core, pieces, names }),
                    Outcome::Vanished => {}
                    // A large file is the only entry of its batch, and finishes it itself.
                    Outcome::Shared => return Ok(()),
                },
            }
        }
        self.finish(Finished { sequence, items })
    }

    fn finish(&self, finished: Finished) -> Result<()> {
        // The collector leaves only when the run has failed; the reason is kept there.
        self.finished.send(finished).map_err(|_| BackupError::Stopped)
    }

    fn store_file(
        &mut self,
        found: WalkedEntry,
        names: Names,
        before: Option<PreviousContent>,
        sequence: u64,
        give: &Sender<Run>,
    ) -> Result<Outcome> {
        let shared = self.shared;
        let Some(tree) = SourceTree::of(shared.trees, &found.path) else { unreachable!("the walk found it in a tree") };
        for attempt in 0.. {
            let file = match tree.open_file(&found.path) {
                Ok(file) => file,
                Err(p) => return Ok(self.missing(tree, &found, &p)),
            };
            if is_shared(file.opened()) {
                return self.share_file(tree, found, file, LargeFile::new(sequence, names, before), give);
            }
            let mut look = shared.watcher.sample(&found.path, before.as_ref());
            let had = self.new_bytes;
            let (mut core, pieces) = match self.read_alone(tree, &found, &file, &mut look) {
                Ok(read) => read,
                Err(Read::Failed(e)) => return Err(e),
                Err(Read::Source(p)) => return Ok(self.missing(tree, &found, &p)),
            };
            let is_good = core.state == ContentState::Good && is_as_opened(&file);
            if !is_good && attempt < RETRIES {
                continue;
            }
            if !is_good {
                core.state = ContentState::Changed;
                shared.tally.finding(FindingKind::Changed, &found.path, String::new());
            }
            if let Some(digest) = &core.blake3 {
                shared.watcher.read(&found.path, before.as_ref(), digest, &look, self.new_bytes - had);
            }
            return Ok(Outcome::Stored(core, pieces));
        }
        unreachable!("the loop ends by returning")
    }

    /// A file that could not be read is recorded without content; one that is gone is not.
    fn missing(&self, tree: &SourceTree, found: &WalkedEntry, problem: &Problem) -> Outcome {
        let kind = if problem.kind == ProblemKind::Vanished { FindingKind::Vanished } else { FindingKind::Unreadable };
        self.shared.tally.finding(kind, &found.path, problem.to_string());
        match kind {
            FindingKind::Vanished => Outcome::Vanished,
            _ => Outcome::Stored(Box::new(tree.describe_unreadable(found, problem)), Vec::new()),
        }
    }

    /// Reads a file that is not shared.
    fn read_alone(
        &mut self,
        tree: &SourceTree,
        found: &WalkedEntry,
        file: &OpenFile,
        look: &mut ContentSample,
    ) -> std::result::Result<(Box<Core>, Vec<PlacedChunk>), Read> {
        let mut core = self.describe(tree, found, file);
        let size = file.opened().size;
        let mut pieces = Vec::new();
        if core.holes.is_empty() && size <= RUN_BYTES as u64 {
            let mut content = self.shared.buffers.take(RUN_BYTES);
            read_more(file.file(), &mut content, size as usize, 0).map_err(|e| unread(found, &e))?;
            let digests = Digests::of(&content, self.shared.with_sha256);
            look.update(&content);
            core.size = content.len() as u64;
            (core.blake3, core.sha256) = (Some(digests.blake3), digests.sha256);
            self.store_whole(&digests.blake3, &content, &mut pieces).map_err(Read::Failed)?;
            self.shared.tally.read(core.size);
        } else {
            let mut input =
                |buffer: &mut Buffer, want, at| read_more(file.file(), buffer, want, at).map_err(|e| unread(found, &e));
            let shared = self.shared;
            let store = |bytes: Buffer, cuts| self.store_chunks(&bytes, cuts, &mut pieces);
            let digests = read_runs(shared, &mut input, &mut core, look, store)?;
            (core.blake3, core.sha256) = (Some(digests.blake3), digests.sha256);
        }
        if core.size != size {
            core.state = ContentState::Changed;
        }
        Ok((core, pieces))
    }

    /// Stores content that is a whole file. Where it is one chunk, one hash serves as the file's digest and for the chunk's id.
    fn store_whole(&mut self, digest: &[u8; 32], content: &[u8], pieces: &mut Vec<PlacedChunk>) -> Result<()> {
        let mut rule = Rule::of(content.len() as u64, content);
        rule.paged &= content.len() > ChunkClass::Data.max();
        let cuts = rule.cuts(self.shared.chunker, content, 0, true);
        if cuts.len() == 1 {
            pieces.push(self.store_chunk(digest, content)?);
            return Ok(());
        }
        self.store_chunks(content, cuts, pieces)
    }

    fn store_chunks(&mut self, bytes: &[u8], cuts: Vec<u32>, pieces: &mut Vec<PlacedChunk>) -> Result<()> {
        let mut at = 0;
        for n in cuts {
            let chunk = &bytes[at..at + n as usize];
            at += n as usize;
            pieces.push(self.store_chunk(blake3::hash(chunk).as_bytes(), chunk)?);
        }
        Ok(())
    }

    fn describe(&self, tree: &SourceTree, found: &WalkedEntry, file: &OpenFile) -> Box<Core> {
        let described = tree.describe_file(&found.path, file);
        for lack in described.lacks {
            self.shared.tally.finding(FindingKind::Unreadable, &lack.path, lack.to_string());
        }
        Box::new(described.core)
    }

    /// Reads a large file and has its runs stored by whoever has time.
    fn share_file(
        &mut self,
        tree: &SourceTree,
        found: WalkedEntry,
        file: OpenFile,
        large: Arc<LargeFile>,
        give: &Sender<Run>,
    ) -> Result<Outcome> {
        let mut core = self.describe(tree, &found, &file);
        let mut index = 0;
        let shared = self.shared;
        let mut look = shared.watcher.sample(&found.path, large.before.as_ref());
        let mut input = |buffer: &mut Buffer, want, at| read_more(file.file(), buffer, want, at).map_err(|e| unread(&found, &e));
        let share = |bytes, cuts| self.share_run(&large, &mut index, (bytes, cuts), give);
        match read_runs(shared, &mut input, &mut core, &mut look, share) {
            Ok(digests) => {
                (core.blake3, core.sha256) = (Some(digests.blake3), digests.sha256);
                if core.size != file.opened().size || !is_as_opened(&file) {
                    core.state = ContentState::Changed;
                    shared.tally.finding(FindingKind::Changed, &found.path, String::new());
                }
            }
            Err(Read::Failed(e)) => return Err(e),
            Err(Read::Source(p)) => {
                shared.tally.finding(FindingKind::Unreadable, &found.path, p.to_string());
                core = Box::new(tree.describe_unreadable(&found, &p));
            }
        }
        *large.look.lock() = Some(look);
        *large.core.lock() = Some(core);
        self.close(&large)?;
        Ok(Outcome::Shared)
    }

    /// Reads a command's output and has its runs stored by whoever has time.
    fn store_stream(
        &mut self,
        mut core: Box<Core>,
        mut output: Box<dyn std::io::Read + Send>,
        before: Option<PreviousContent>,
        sequence: u64,
        give: &Sender<Run>,
    ) -> Result<()> {
        let large = LargeFile::new(sequence, Names::One, before);
        let mut index = 0;
        let shared = self.shared;
        let mut look = shared.watcher.sample(&core.path, before.as_ref());
        // How long it is shows only at its end.
        core.size = UNKNOWN_SIZE;
        let mut input = |buffer: &mut Buffer, want, _| {
            buffer.fill(want, |room, _| output.read(room)).map_err(|e| Read::Failed(BackupError::CommandOutput(e)))
        };
        let share = |bytes, cuts| self.share_run(&large, &mut index, (bytes, cuts), give);
        match read_runs(shared, &mut input, &mut core, &mut look, share) {
            Ok(digests) => (core.blake3, core.sha256) = (Some(digests.blake3), digests.sha256),
            Err(Read::Failed(e)) => return Err(e),
            Err(Read::Source(_)) => unreachable!("a command's output fails as a whole"),
        }
        shared.tally.counts.bytes.fetch_add(core.size, Ordering::Relaxed);
        shared.watcher.there(&core.path, 1, core.size);
        *large.look.lock() = Some(look);
        *large.core.lock() = Some(core);
        self.close(&large)
    }

    /// Hands a run to the other workers, or stores it here when they are busy.
    fn share_run(&mut self, file: &Arc<LargeFile>, index: &mut usize, run: (Buffer, Vec<u32>), give: &Sender<Run>) -> Result<()> {
        file.open.fetch_add(1, Ordering::Relaxed);
        let run = Run { file: file.clone(), index: *index, bytes: run.0, cuts: run.1 };
        *index += 1;
        if let Err(TrySendError::Full(run) | TrySendError::Disconnected(run)) = give.try_send(run) {
            self.store_run(run)?;
        }
        self.check()
    }

    fn store_run(&mut self, run: Run) -> Result<()> {
        let mut pieces = Vec::with_capacity(run.cuts.len());
        let had = self.new_bytes;
        self.store_chunks(&run.bytes, run.cuts, &mut pieces)?;
        run.file.new_bytes.fetch_add(self.new_bytes - had, Ordering::Relaxed);
        run.file.pieces.lock().insert(run.index, pieces);
        self.close(&run.file)
    }

    /// Whoever is last sends the file on.
    fn close(&self, large: &LargeFile) -> Result<()> {
        if large.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        let core = large.core.lock().take();
        let Some(core) = core else { unreachable!("the reader closes last or has left the core") };
        let look = large.look.lock().take();
        if let (Some(look), Some(digest)) = (look, &core.blake3) {
            let new_bytes = large.new_bytes.load(Ordering::Acquire);
            self.shared.watcher.read(&core.path, large.before.as_ref(), digest, &look, new_bytes);
        }
        let pieces = std::mem::take(&mut *large.pieces.lock());
        let pieces = match core.state {
            ContentState::Unreadable { .. } => Vec::new(),
            _ => pieces.into_values().flatten().collect(),
        };
        self.finish(Finished { sequence: large.sequence, items: vec![Stored::Entry { core, pieces, names: large.names }] })
    }

    fn store_chunk(&mut self, digest: &[u8; 32], chunk: &[u8]) -> Result<PlacedChunk> {
        let length = chunk.len() as u32;
        let place = store_chunk(self.shared.known, self.shared.ids, &mut self.packer, &self.lookup, digest, chunk)?;
        let place = match place {
            Ok(new) => {
                self.shared.tally.counts.new_bytes.fetch_add(length.into(), Ordering::Relaxed);
                self.new_bytes += u64::from(length);
                new
            }
            Err(known) => known,
        };
        Ok(PlacedChunk { place, length })
    }
}

/// Finds a chunk or packs it: `Ok` with its place when it is new, `Err` when it was known.
pub fn store_chunk(
    known: &DedupIndex,
    ids: &Ids,
    packer: &mut Packer,
    lookup: &ChunkLookup,
    digest: &[u8; 32],
    chunk: &[u8],
) -> Result<std::result::Result<ChunkPlace, ChunkPlace>> {
    let id = ids.id(digest);
    let mut mine = None;
    let stored = || {
        let found = lookup.find(&id).map_err(BackupError::Catalog)?;
        Ok(found.map(|l| (ChunkPlace::Stored { object: l.object, frame: l.frame, offset: l.offset }, l.length)))
    };
    let claim = known.claim(&id, chunk.len() as u32, stored, || {
        let place = packer.next_place(chunk.len()).map_err(BackupError::Pack)?;
        mine = Some(place.clone());
        Ok(place)
    })?;
    match (claim, mine) {
        (Claim::Duplicate(place), _) => Ok(Err(place)),
        (Claim::New, Some(place)) => {
            packer.add(id, chunk);
            known.fill(|each| lookup.each_id(each)).map_err(BackupError::Catalog)?;
            Ok(Ok(place))
        }
        (Claim::New, None) => unreachable!("a chunk is claimed at a place"),
    }
}

enum Outcome {
    Stored(Box<Core>, Vec<PlacedChunk>),
    Vanished,
    Shared,
}

/// Why a file's content did not come.
enum Read {
    /// The source could not be read: a finding.
    Source(Problem),
    /// The run cannot go on.
    Failed(BackupError),
}

/// Whether a file is shared among the workers; such a file is the only entry of its batch.
pub fn is_shared(stat: &Stat) -> bool {
    stat.kind == EntryKind::File && stat.size > SHARED_BYTES
}

/// How a file is cut: fixed by its length and its first bytes.
#[derive(Clone, Copy)]
struct Rule {
    class: ChunkClass,
    paged: bool,
}

impl Rule {
    fn of(size: u64, head: &[u8]) -> Self {
        Self { class: ChunkClass::for_file(size, head), paged: pages::is_paged(head) }
    }

    /// The lengths of the chunks of one run: they begin in the first [`RUN_BYTES`] of `bytes`, which lie at `offset` in the file.
    fn cuts(self, chunker: &Chunker, bytes: &[u8], offset: u64, last: bool) -> Vec<u32> {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < RUN_BYTES && at < bytes.len() {
            let rest = &bytes[at..];
            let next = match self.paged {
                true => pages::cut(self.class, offset + at as u64, rest.len(), last),
                false => chunker.cut(self.class, rest, last),
            };
            let Some(n) = next else { break };
            cuts.push(n as u32);
            at += n;
        }
        cuts
    }
}

/// Appends up to so many bytes from an offset to a buffer; fewer only where the content ends.
type Input<'a> = &'a mut dyn FnMut(&mut Buffer, usize, u64) -> std::result::Result<(), Read>;

/// Reads a file's data and gives it, in runs of whole chunks, to `emit`. When the file ends early, `core.size` and `core.holes` are made
/// to fit what was read.
fn read_runs(
    shared: &Shared,
    input: Input,
    core: &mut Core,
    look: &mut ContentSample,
    mut emit: impl FnMut(Buffer, Vec<u32>) -> Result<()>,
) -> std::result::Result<Digests, Read> {
    let mut hasher = ContentHasher::new(shared.with_sha256);
    let mut rule = None;
    let fresh = |rule: Option<Rule>| shared.buffers.take(RUN_BYTES + rule.map_or(0, |r| r.class.max()));
    let mut end = 0;
    for data in data_ranges(core.size, &core.holes.clone()) {
        hasher.update_zeros(data.offset - end);
        end = data.offset;
        let stop = data.offset + data.length;
        let mut buffer = fresh(rule);
        let mut ended = false;
        while end < stop && !ended || !buffer.is_empty() {
            let most = RUN_BYTES + rule.map_or(0, |r: Rule| r.class.max());
            let want = (most.saturating_sub(buffer.len()) as u64).min(stop - end) as usize;
            let had = buffer.len();
            if want > 0 && !ended {
                input(&mut buffer, want, end)?;
                let got = buffer.len() - had;
                hasher.update(&buffer[had..]);
                look.update(&buffer[had..]);
                end += got as u64;
                ended = got < want;
            }
            let last = ended || end == stop;
            let known = *rule.get_or_insert_with(|| {
                // Data that does not begin the file says nothing of what the file is.
                let head = if data.offset == 0 { &buffer[..] } else { &[] };
                Rule::of(known_size(core), head)
            });
            if !last && buffer.len() <= known.class.max() {
                continue;
            }
            let cuts = known.cuts(shared.chunker, &buffer, end - buffer.len() as u64, last);
            if cuts.is_empty() {
                break;
            }
            let cut = cuts.iter().map(|n| *n as usize).sum();
            shared.tally.read(cut as u64);
            let mut next = fresh(rule);
            next.append(&buffer[cut..]);
            buffer.truncate(cut);
            emit(buffer, cuts).map_err(Read::Failed)?;
            buffer = next;
        }
        if ended {
            core.size = end;
            core.holes.retain(|h| h.offset + h.length <= end);
            return Ok(hasher.finish());
        }
    }
    hasher.update_zeros(core.size - end);
    Ok(hasher.finish())
}

/// A command's output is of unknown length until it ends.
const UNKNOWN_SIZE: u64 = u64::MAX;

fn known_size(core: &Core) -> u64 {
    if core.size == UNKNOWN_SIZE { 0 } else { core.size }
}

fn unread(found: &WalkedEntry, e: &std::io::Error) -> Read {
    let errno = e.raw_os_error().unwrap_or(0).unsigned_abs();
    Read::Source(Problem { path: found.path.clone(), kind: ProblemKind::Unreadable, errno })
}

/// Whether the file's size and times are still those that it was opened with.
fn is_as_opened(file: &OpenFile) -> bool {
    let opened = file.opened();
    file.stat().is_ok_and(|s| (s.size, s.mtime, s.ctime) == (opened.size, opened.mtime, opened.ctime))
}

/// Appends up to `want` bytes from `offset`; fewer only where the file ends.
fn read_more(file: &std::fs::File, buffer: &mut Buffer, want: usize, offset: u64) -> std::io::Result<()> {
    buffer.fill(want, |room, got| file.read_at(room, offset + got as u64))
}
