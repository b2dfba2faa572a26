//! A worker, one a core: receives batches of entries, reads their files, cuts, hashes, looks up, packs.
//!
//! Everything that happens to a chunk happens on one core while it is in that core's cache. Only large files are
//! shared: the worker that reads one sends runs of chunks to the others, and stores runs itself when the others are
//! busy.

mod dumps;

use super::chunk_store::{ChunkStore, StoredChunk};
use super::contents::HostContents;
use super::entries::{FoundBatch, FurtherNames, StoredBatch, StoredEntry, WalkEntry};
use super::large_file::{ChunkRun, FileFacts, LargeFile};
use super::reading::{CutRule, RUN_BYTES, ReadFailure, RunReader, is_as_opened, read_more};
use super::record_budget::RecordBudget;
use super::stop::Stop;
use super::tally::BackupTally;
use super::wakeup::WakeupReceiver;
use super::{BackupError, Result};
use crate::buffer::{Buffer, Buffers};
use crate::event::FindingKind;
use crate::format::entry::{ContentDigests, ContentState, Core, EntryKind};
use crate::pipeline::chunker::Chunker;
use crate::pipeline::hasher::{DigestHasher, Digests, Hashes};
use crate::pipeline::pack_hasher::PackHasher;
use crate::pipeline::place::PlacedChunk;
use crate::pipeline::source::{Problem, ProblemKind, SourceFile, SourceTree, Stat, WalkedEntry};
use crate::tripwire::Watcher;
use crate::tripwire::content::ContentSample;
use crossbeam_channel::{Receiver, Sender, TrySendError, never, select_biased};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Files above this are shared among the workers.
const SHARED_BYTES: u64 = 4 << 20;
/// Content below this is hashed alone: what a second stream saves is less than what it costs to find one.
const HASHED_ALONE_BYTES: usize = 16 << 10;
/// How often a file that changes while it is read is read again from its start.
const RETRIES: u32 = 2;

/// What all workers of a run use.
pub struct WorkerContext<'a> {
    pub trees: &'a [SourceTree],
    pub chunker: &'a Chunker,
    /// For what is read.
    pub buffers: &'a Buffers,
    /// What is read is hashed beside a pack that waits here.
    pub pack_hasher: &'a PackHasher<'a>,
    pub with_sha256: bool,
    pub tally: &'a BackupTally<'a>,
    pub watcher: &'a Watcher,
    pub stop: &'a Stop<'a>,
    /// Why commands failed.
    pub failed: &'a Mutex<Vec<BackupError>>,
    /// Which files were dumps.
    pub contents: &'a HostContents,
    /// What attributes may take in memory.
    pub records: &'a RecordBudget,
}

/// One worker.
pub struct Worker<'a> {
    pub context: &'a WorkerContext<'a>,
    pub chunks: ChunkStore<'a>,
    /// To the collector.
    pub stored: Sender<StoredBatch>,
    /// Entries wait for the open pack of this worker.
    pub finish_pack: WakeupReceiver,
    /// Bytes of chunks that this worker has stored and that the set did not have.
    pub new_bytes: u64,
}

/// Opens a file. Where another process has a lease on it, those on the files that follow are asked for too, so that the time
/// of all of them runs while it is waited for the first.
fn open_with_rest(tree: &SourceTree, path: &[u8], rest: &[WalkEntry]) -> Result<SourceFile, Problem> {
    match tree.open_file_now(path) {
        Err(p) if p.kind == ProblemKind::Leased => {
            for entry in rest {
                if let WalkEntry::File(found, ..) = entry {
                    // It also tells those that were released since: the file is opened again when its turn comes.
                    let _ = tree.open_file_now(&found.path);
                }
            }
            tree.open_file(path)
        }
        opened => opened,
    }
}

/// What became of a file.
enum FileOutcome {
    Stored(Box<Core>, Vec<PlacedChunk>),
    Vanished,
    /// Whoever stores its last run sends it on.
    Shared,
}

impl Worker<'_> {
    /// Works until the channels are disconnected and empty, then finishes the open pack.
    pub fn work(mut self, mut batches: Receiver<FoundBatch>, runs: (Sender<ChunkRun>, Receiver<ChunkRun>)) -> Result<()> {
        let stop = self.context.stop;
        let (send_run, runs) = runs;
        // Dropped after the last batch: the runs end when no worker reads a large file any more.
        let mut send_run = Some(send_run);
        loop {
            // Who has nothing to do keeps no pack from the medium.
            if runs.is_empty() && batches.is_empty() && !self.context.pack_hasher.flush() {
                return Err(stop.reason());
            }
            select_biased! {
                recv(stop.stopped()) -> _ => return Err(stop.reason()),
                recv(self.finish_pack.messages()) -> woken => {
                    woken.map_err(|_| stop.reason())?;
                    self.finish_pack.received();
                    self.chunks.finish_pack()?;
                }
                recv(runs) -> run => match run {
                    Ok(run) => self.store_run(run)?,
                    Err(_) => break,
                },
                recv(batches) -> batch => match (batch, &send_run) {
                    (Ok(batch), Some(send_run)) => self.store_batch(batch, send_run)?,
                    _ => (batches, send_run) = (never(), None),
                },
            }
            stop.check()?;
        }
        self.chunks.finish_pack()
    }

    /// Between two runs of a large file: stops if the run has ended, and finishes the open pack if entries wait for it.
    fn check(&mut self) -> Result<()> {
        self.context.stop.check()?;
        if self.finish_pack.poll() { self.chunks.finish_pack() } else { Ok(()) }
    }

    fn store_batch(&mut self, batch: FoundBatch, send_run: &Sender<ChunkRun>) -> Result<()> {
        let sequence = batch.sequence;
        let mut entries = Vec::with_capacity(batch.entries.len());
        let mut rest = batch.entries.into_iter();
        while let Some(entry) = rest.next() {
            match entry.without_content() {
                Ok(stored) => entries.push(stored),
                Err(WalkEntry::Output(core, line, previous)) => {
                    let facts = FileFacts { sequence, further_names: FurtherNames::None, previous };
                    return self.share_output(core, *line, &LargeFile::new(facts), send_run);
                }
                Err(WalkEntry::File(found, further_names, previous)) => {
                    match self.store_file(found, FileFacts { sequence, further_names, previous }, send_run, rest.as_slice())? {
                        FileOutcome::Stored(core, pieces) => {
                            entries.push(StoredEntry::Stored { core, pieces, further_names });
                        }
                        FileOutcome::Vanished => {}
                        // A large file is the only entry of its batch.
                        FileOutcome::Shared => return Ok(()),
                    }
                }
                Err(_) => unreachable!("only files and outputs have content"),
            }
        }
        self.send(StoredBatch { sequence, entries })
    }

    fn send(&self, batch: StoredBatch) -> Result<()> {
        // The collector leaves early only when the run has failed.
        self.stored.send(batch).map_err(|_| self.context.stop.reason())
    }

    fn reader<'r>(&self, on_progress: &'r dyn Fn(u64)) -> RunReader<'r>
    where
        Self: 'r,
    {
        let WorkerContext { chunker, buffers, pack_hasher, with_sha256, stop, .. } = *self.context;
        RunReader { chunker, buffers, pack_hasher, with_sha256, stop, on_progress }
    }

    /// `rest`: what follows in the batch.
    fn store_file(
        &mut self,
        found: WalkedEntry,
        facts: FileFacts,
        send_run: &Sender<ChunkRun>,
        rest: &[WalkEntry],
    ) -> Result<FileOutcome> {
        let WorkerContext { trees, watcher, tally, .. } = *self.context;
        let Some(tree) = SourceTree::of(trees, &found.path) else { unreachable!("the walk found it in a tree") };
        for attempt in 0.. {
            let file = match open_with_rest(tree, &found.path, rest) {
                Ok(file) => file,
                Err(p) => return Ok(self.missing(tree, &found, &p)),
            };
            if is_shared(file.opened()) {
                let large = LargeFile::new(facts);
                return self.share_file(tree, found, file, &large, send_run).map(|()| FileOutcome::Shared);
            }
            let previous = facts.previous.as_ref();
            let mut sample = watcher.sample(&found.path, previous);
            let had = self.new_bytes;
            let (mut core, pieces) = match self.read_alone(tree, &found, &file, &mut sample) {
                Ok(read) => read,
                Err(ReadFailure::Run(e)) => return Err(e),
                Err(ReadFailure::Source(p)) => return Ok(self.missing(tree, &found, &p)),
            };
            let is_good = core.state == ContentState::Good && is_as_opened(&file);
            if !is_good && attempt < RETRIES {
                continue;
            }
            if !is_good {
                core.state = ContentState::Changed;
                tally.finding(FindingKind::Changed, &found.path, String::new());
            }
            if let Some(content) = core.content_id() {
                watcher.read(&found.path, previous, content, &sample, self.new_bytes - had);
            }
            self.judge_dump(&found.path, core.size, &sample, found.path == tree.name());
            return Ok(FileOutcome::Stored(core, pieces));
        }
        unreachable!("the loop ends by returning")
    }

    /// A file that cannot be read is recorded without content; one that has vanished is not.
    fn missing(&self, tree: &SourceTree, found: &WalkedEntry, problem: &Problem) -> FileOutcome {
        let has_vanished = problem.kind == ProblemKind::Vanished;
        let kind = if has_vanished { FindingKind::Vanished } else { FindingKind::Unreadable };
        self.context.tally.finding(kind, &found.path, problem.to_string());
        match has_vanished {
            true => FileOutcome::Vanished,
            false => FileOutcome::Stored(Box::new(tree.describe_unreadable(found, problem)), Vec::new()),
        }
    }

    fn describe(&self, tree: &SourceTree, found: &WalkedEntry, file: &SourceFile) -> Result<Box<Core>, ReadFailure> {
        let stop = self.context.stop;
        let described = tree.describe_file(&found.path, file, &|| stop.check().is_err()).map_err(ReadFailure::Source)?;
        for lack in described.lacks {
            self.context.tally.lacks(&lack.path, lack.to_string());
        }
        let mut core = Box::new(described.core);
        if !self.context.records.take_attributes(&mut core) {
            let lack = Problem { path: found.path.clone(), kind: ProblemKind::TooMuch, errno: 0 };
            self.context.tally.lacks(&lack.path, lack.to_string());
        }
        Ok(core)
    }

    /// Reads a file that is not shared.
    fn read_alone(
        &mut self,
        tree: &SourceTree,
        found: &WalkedEntry,
        file: &SourceFile,
        sample: &mut ContentSample,
    ) -> Result<(Box<Core>, Vec<PlacedChunk>), ReadFailure> {
        let WorkerContext { buffers, tally, .. } = *self.context;
        let mut core = self.describe(tree, found, file)?;
        let size = file.opened().size;
        let mut pieces = Vec::new();
        let fail = |e| ReadFailure::of_file(found, &e);
        let digests = if core.holes.is_empty() && size <= RUN_BYTES as u64 {
            let mut content = buffers.take(RUN_BYTES);
            read_more(file.file(), &mut content, size as usize, 0).map_err(fail)?;
            let digests = self.digests(&content).map_err(ReadFailure::Run)?;
            sample.update(&content);
            core.size = content.len() as u64;
            self.store_whole(&digests.blake3, &content, &mut pieces).map_err(ReadFailure::Run)?;
            tally.read(core.size);
            ContentDigests::Whole(digests)
        } else {
            let on_progress = |bytes| tally.read(bytes);
            let reader = self.reader(&on_progress);
            let mut input = |buffer: &mut Buffer, want, at| read_more(file.file(), buffer, want, at).map_err(fail);
            reader.read(&mut input, &mut core, sample, |bytes, cuts| self.store_chunks(&bytes, cuts, &mut pieces))?
        };
        core.digests = Some(digests);
        if core.size != size {
            core.state = ContentState::Changed;
        }
        Ok((core, pieces))
    }

    /// The digests of a file whose content is in memory.
    fn digests(&self, content: &[u8]) -> Result<Digests> {
        let WorkerContext { pack_hasher, with_sha256, stop, .. } = *self.context;
        if content.len() < HASHED_ALONE_BYTES {
            return Ok(Digests::of(content, with_sha256));
        }
        let mut hasher = DigestHasher::new(Hashes::with_sha256(with_sha256));
        if pack_hasher.update(&mut hasher, content) { Ok(hasher.finish()) } else { Err(stop.reason()) }
    }

    /// Stores content that is a whole file. Where it is one chunk, one hash serves as the file's digest and for the
    /// chunk's id.
    fn store_whole(&mut self, digest: &[u8; 32], content: &[u8], pieces: &mut Vec<PlacedChunk>) -> Result<()> {
        let cuts = CutRule::of_whole(content).cuts(self.context.chunker, content, 0, true);
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

    fn store_chunk(&mut self, digest: &[u8; 32], chunk: &[u8]) -> Result<PlacedChunk> {
        let length = chunk.len() as u32;
        let stored = self.chunks.store(digest, chunk)?;
        if matches!(stored, StoredChunk::New(_)) {
            self.context.tally.counts.new_bytes.fetch_add(length.into(), Ordering::Relaxed);
            self.new_bytes += u64::from(length);
        }
        Ok(PlacedChunk { place: stored.into_place(), length })
    }

    /// Reads a large file; its runs are stored by whichever worker is free.
    fn share_file(
        &mut self,
        tree: &SourceTree,
        found: WalkedEntry,
        file: SourceFile,
        large: &Arc<LargeFile>,
        send_run: &Sender<ChunkRun>,
    ) -> Result<()> {
        let WorkerContext { watcher, tally, .. } = *self.context;
        let mut sample = watcher.sample(&found.path, large.facts.previous.as_ref());
        let mut input = |buffer: &mut Buffer, want, at| {
            read_more(file.file(), buffer, want, at).map_err(|e| ReadFailure::of_file(&found, &e))
        };
        let read = self.describe(tree, &found, &file).and_then(|mut core| {
            self.share_runs(&mut input, &mut core, &mut sample, large, send_run)?;
            Ok(core)
        });
        let core = match read {
            Ok(mut core) => {
                if core.size != file.opened().size || !is_as_opened(&file) {
                    core.state = ContentState::Changed;
                    tally.finding(FindingKind::Changed, &found.path, String::new());
                }
                self.judge_dump(&found.path, core.size, &sample, found.path == tree.name());
                core
            }
            Err(ReadFailure::Run(e)) => return Err(e),
            Err(ReadFailure::Source(p)) => {
                tally.finding(FindingKind::Unreadable, &found.path, p.to_string());
                Box::new(tree.describe_unreadable(&found, &p))
            }
        };
        self.finish_reading(large, core, sample)
    }

    /// Sends the runs of a file to the other workers, and stores those here that find all others busy. Completes
    /// `core`.
    fn share_runs(
        &mut self,
        input: &mut dyn FnMut(&mut Buffer, usize, u64) -> Result<(), ReadFailure>,
        core: &mut Core,
        sample: &mut ContentSample,
        large: &Arc<LargeFile>,
        send_run: &Sender<ChunkRun>,
    ) -> Result<(), ReadFailure> {
        let tally = self.context.tally;
        let on_progress = |bytes| tally.read(bytes);
        let reader = self.reader(&on_progress);
        let mut index = 0;
        let digests = reader.read(input, core, sample, |bytes, cuts| {
            large.open.fetch_add(1, Ordering::Relaxed);
            let run = ChunkRun { file: large.clone(), index, bytes, cuts };
            index += 1;
            if let Err(TrySendError::Full(run) | TrySendError::Disconnected(run)) = send_run.try_send(run) {
                self.store_run(run)?;
            }
            self.check()
        })?;
        core.digests = Some(digests);
        Ok(())
    }

    /// A large file was read to its end.
    fn finish_reading(&self, large: &LargeFile, core: Box<Core>, sample: ContentSample) -> Result<()> {
        *large.sample.lock() = Some(sample);
        *large.core.lock() = Some(core);
        self.release(large)
    }

    fn store_run(&mut self, run: ChunkRun) -> Result<()> {
        let mut pieces = Vec::with_capacity(run.cuts.len());
        let had = self.new_bytes;
        self.store_chunks(&run.bytes, run.cuts, &mut pieces)?;
        run.file.new_bytes.fetch_add(self.new_bytes - had, Ordering::Relaxed);
        run.file.pieces.lock().insert(run.index, pieces);
        self.release(&run.file)
    }

    /// A run of a large file is stored, or the file was read to its end. The last worker sends the file to the
    /// collector.
    fn release(&self, large: &LargeFile) -> Result<()> {
        if large.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        let Some(core) = large.core.lock().take() else { unreachable!("the reader has set the core before it releases") };
        if let (Some(sample), Some(content)) = (large.sample.lock().take(), core.content_id()) {
            let new_bytes = large.new_bytes.load(Ordering::Acquire);
            self.context.watcher.read(&core.path, large.facts.previous.as_ref(), content, &sample, new_bytes);
        }
        let pieces = std::mem::take(&mut *large.pieces.lock());
        let pieces = match core.state {
            ContentState::Unreadable { .. } => Vec::new(),
            _ => pieces.into_values().flatten().collect(),
        };
        let entry = StoredEntry::Stored { core, pieces, further_names: large.facts.further_names };
        self.send(StoredBatch { sequence: large.facts.sequence, entries: vec![entry] })
    }
}

/// Whether a file is shared among the workers. Such a file is the only entry of its batch.
pub fn is_shared(stat: &Stat) -> bool {
    stat.kind == EntryKind::File && stat.size > SHARED_BYTES
}
