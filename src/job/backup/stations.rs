//! The stations of a run and the threads that they are in: merge → workers → appender, and the collector beside them.
//!
//! **Invariant:** no thread polls, and all channels are bounded. A thread waits for messages, and for [`Stop`]. Where two
//! threads wait for each other (collector and workers, collector and appender), one direction has only wake-ups, which
//! never block their sender.

use super::append::{AppendContext, AppendedPacks, append_packs};
use super::batches::Batches;
use super::chunk_store::ChunkStore;
use super::collector::{Collector, CollectorChannels};
use super::command::{CommandLine, output_core};
use super::contents::{HostContents, SourceDigests};
use super::entries::{FoundBatch, StoredBatch, WalkEntry};
use super::entry_stream::{CollectedStream, EntryStreamWriter};
use super::freshness::Freshness;
use super::lacking::Lacking;
use super::linked_files::LinkedFiles;
use super::merge::{EntryMerge, OpenSource, TreeSource};
use super::pack_queue::{PackReceiver, PackSender, pack_queue};
use super::previous::PreviousEntries;
use super::record_budget::RecordBudget;
use super::stop::{Stop, join};
use super::tally::BackupTally;
use super::unread::UnreadPlaces;
use super::wakeup::{Wakeup, wakeup};
use super::worker::{Worker, WorkerContext};
use super::{BackupError, Options, Result, SourceOptions};
use crate::buffer::Buffers;
use crate::env::Env;
use crate::format::entry::compare_paths;
use crate::pipeline::chunker::Chunker;
use crate::pipeline::compressor::CompressionLevel;
use crate::pipeline::dedup_index::DedupIndex;
use crate::pipeline::hasher::Ids;
use crate::pipeline::pack_hasher::PackHasher;
use crate::pipeline::packer::{PACK_BYTES_MIN, Packer};
use crate::pipeline::place::FinishedPack;
use crate::pipeline::source::SourceTree;
use crate::set::writer::SetWriter;
use crate::tripwire::Watcher;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;

/// Bytes that buffers use before those in front of a tape drive; the rest feeds the drive.
const WORKING_BYTES: u64 = 96 << 20;
/// Batches that the merge may be ahead of the collector.
const BATCHES_IN_FLIGHT: usize = 64;
/// The largest packs of the entry stream.
const ENTRIES_PACK_BYTES: usize = 8 << 20;

/// What the stations work on.
pub struct Stations<'a> {
    pub options: &'a Options,
    pub env: &'a Env<'a>,
    /// Ascending by name.
    pub sources: &'a [&'a SourceOptions],
    pub trees: &'a [SourceTree],
    /// Names of trees that are there and cannot be opened.
    pub unreadable: &'a [Vec<u8>],
    pub tally: &'a BackupTally<'a>,
    pub watcher: &'a Watcher,
    pub lacking: &'a Lacking,
    pub contents: &'a HostContents,
}

/// How the memory for packs is divided.
struct PackMemory {
    /// Bytes of a pack that is closed for new frames.
    pack_bytes: usize,
    /// Packs that may wait for the medium.
    queued_packs: usize,
}

impl PackMemory {
    /// Each worker and the collector fill a pack, one waits to be hashed, two for the medium, one is being written; each is begun with
    /// its full size.
    /// What a drive is fed from is beside that.
    /// `most`: the largest pack, if less than what memory allows.
    fn divide(memory_bytes: u64, threads: usize, has_one_head: bool, most: Option<u64>) -> Self {
        let working_bytes = if has_one_head { memory_bytes.min(WORKING_BYTES) } else { memory_bytes };
        let pack_bytes = (working_bytes / (threads as u64 + 5)).clamp(1 << 20, 32 << 20);
        let pack_bytes = most.map_or(pack_bytes, |most| pack_bytes.min(most.max(PACK_BYTES_MIN as u64)));
        let buffered = ((memory_bytes - working_bytes) / pack_bytes) as usize;
        Self { pack_bytes: pack_bytes as usize, queued_packs: buffered.max(2) }
    }
}

/// Where the merge sends its batches.
struct BatchSender<'a> {
    /// Has one message for each batch that the collector has not released yet; the merge waits while it is full.
    in_flight: Sender<()>,
    to_workers: Sender<FoundBatch>,
    to_collector: Sender<StoredBatch>,
    stop: &'a Stop<'a>,
}

impl BatchSender<'_> {
    fn send(&self, batch: FoundBatch) -> Result<()> {
        let disconnected = || self.stop.reason();
        select! {
            send(self.in_flight, ()) -> sent => sent.map_err(|_| disconnected())?,
            recv(self.stop.stopped()) -> _ => return Err(disconnected()),
        }
        if batch.entries.iter().any(WalkEntry::has_content) {
            return self.to_workers.send(batch).map_err(|_| disconnected());
        }
        let entries = batch.entries.into_iter().filter_map(|entry| entry.without_content().ok()).collect();
        self.to_collector.send(StoredBatch { sequence: batch.sequence, entries }).map_err(|_| disconnected())
    }
}

/// What the threads of a run work with.
struct StationThreads<'a> {
    workers: Vec<Worker<'a>>,
    collector: Collector<'a>,
    batch_sender: BatchSender<'a>,
    batches: Receiver<FoundBatch>,
    packs: &'a PackSender,
    queued_packs: PackReceiver,
    append: AppendContext<'a>,
}

impl StationThreads<'_> {
    /// Runs all threads to their end, and `merge` in this one. If any of them fails or panics, all end; the error is the
    /// cause, not a consequence.
    fn run(
        self,
        set: &mut SetWriter,
        pack_numbered: Wakeup,
        merge: impl FnOnce(&BatchSender) -> Result<()>,
    ) -> Result<(CollectedStream, AppendedPacks)> {
        let Self { workers, collector, batch_sender, batches, packs, queued_packs, append } = self;
        let stop = append.stop;
        let append = &append;
        std::thread::scope(move |scope| {
            let closes_queue = packs.close_on_drop();
            let appender = scope.spawn(move || stop.guard(|| append_packs(queued_packs, pack_numbered, set, append)));
            let collector = scope.spawn(move || stop.guard(|| collector.collect()));
            let (send_run, runs) = bounded(2 * workers.len());
            let spawn = |worker| {
                let (batches, runs) = (batches.clone(), (send_run.clone(), runs.clone()));
                scope.spawn(move || stop.guard(|| Worker::work(worker, batches, runs)))
            };
            let workers: Vec<_> = workers.into_iter().map(spawn).collect();
            drop((send_run, runs, batches));

            let merged = stop.guard(|| merge(&batch_sender));
            drop(batch_sender);
            let worked: Vec<Result<()>> = workers.into_iter().map(join).collect();
            let collected = join(collector);
            drop(closes_queue);
            let appended = join(appender);
            let mut failures: Vec<_> = [merged].into_iter().chain(worked).filter_map(Result::err).collect();
            match (collected, appended) {
                (Ok(stream), Ok(appended)) if failures.is_empty() => Ok((stream, appended)),
                (collected, appended) => {
                    failures.extend(collected.err().into_iter().chain(appended.err()));
                    Err(BackupError::cause_of(failures).unwrap_or(BackupError::Stopped))
                }
            }
        })
    }
}

impl Stations<'_> {
    /// Stores the sources. Returns the entry stream, and what became of the packs.
    pub fn store(&self, set: &mut SetWriter, previous: PreviousEntries) -> Result<(CollectedStream, AppendedPacks)> {
        let Self { options, env, trees, tally, watcher, .. } = *self;
        let (threads, has_one_head) = (env.threads.max(1), set.mounted.medium.is_sequential());
        let memory = PackMemory::divide(options.memory_bytes, threads, has_one_head, options.pack_bytes);
        let (stop, buffers, pack_buffers) = (Stop::new(env.interrupted), Buffers::default(), Buffers::default());
        let (ids, chunker) = (Ids::new(&set.host.key), Chunker::new(&set.host.key.0));
        let known = DedupIndex::new(set.host.catalog.chunk_count(set.host.row)?);
        let (packs, queued_packs) = pack_queue(memory.queued_packs);
        let (recipients, effort) = (set.host.recipients.clone(), CompressionLevel::new(options.level));
        let sink = |pack: FinishedPack| packs.send(pack, &effort);
        let pack_hasher = PackHasher::new(options.with_sha256, &sink);
        let packer = |bytes| Packer::new(&recipients, &effort, bytes, &pack_buffers, &pack_hasher);
        let chunk_store = |packer| -> Result<ChunkStore> {
            let lookup = set.host.chunk_lookup(set.log.oldest_referenced)?;
            Ok(ChunkStore { ids: &ids, known: &known, lookup, packer })
        };

        let (to_collector, stored) = bounded(2 * threads);
        let (failed, records) = (Mutex::new(Vec::new()), RecordBudget::new(options.memory_bytes));
        let context = WorkerContext {
            trees,
            chunker: &chunker,
            buffers: &buffers,
            pack_hasher: &pack_hasher,
            with_sha256: options.with_sha256,
            tally,
            watcher,
            stop: &stop,
            failed: &failed,
            contents: self.contents,
            records: &records,
        };
        let (mut workers, mut finish_packs) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (wake, finish_pack) = wakeup();
            finish_packs.push(wake);
            let (chunks, stored) = (chunk_store(packer(memory.pack_bytes)?)?, to_collector.clone());
            workers.push(Worker { context: &context, chunks, stored, finish_pack, new_bytes: 0 });
        }
        let mut stream = EntryStreamWriter::new(
            &chunker,
            chunk_store(packer(memory.pack_bytes.min(ENTRIES_PACK_BYTES))?.of_entries())?,
            has_one_head,
            set.host.key.record_salt_key(),
            tally,
            &stop,
            set.host.state.new_entries()?,
        );
        stream.contents = SourceDigests::of(self.sources.iter().filter(|s| s.fresh_hours.is_some()).map(|s| &s.name[..]));
        let (pack_numbered, numbered) = wakeup();
        let (in_flight, collected) = bounded(BATCHES_IN_FLIGHT);
        let channels = CollectorChannels { stored, numbered, in_flight: collected, finish_packs, packs: &packs };
        let collector = Collector::new(channels, stream, tally, &stop, options.memory_bytes / 2);
        let sources = self.open_sources();
        let (to_workers, batches) = bounded(2 * threads);
        let batch_sender = BatchSender { in_flight, to_workers, to_collector, stop: &stop };

        let append = AppendContext { known: &known, tally, stop: &stop, env };
        let threads = StationThreads { workers, collector, batch_sender, batches, packs: &packs, queued_packs, append };
        let stored = threads.run(set, pack_numbered, |batch_sender| {
            let mut send = |batch| batch_sender.send(batch);
            let (batches, linked, unread) = (Batches::new(&mut send), LinkedFiles::default(), UnreadPlaces::default());
            let (with_sha256, stop, records) = (options.with_sha256, &stop, &records);
            let (lacking, contents) = (self.lacking, self.contents);
            EntryMerge { previous, with_sha256, tally, watcher, stop, linked, lacking, contents, unread, batches, records }
                .merge(sources)
        })?;
        let commands = self.sources.iter().filter(|s| !s.command.is_empty()).count();
        let mut failed = failed.into_inner();
        // Where nothing at all could be read, there is nothing to be sealed.
        match failed.len() == commands && trees.is_empty() {
            true if commands > 0 => Err(failed.swap_remove(0)),
            _ => Ok(stored),
        }
    }

    /// Trees and commands, ascending by name.
    fn open_sources(&self) -> Vec<OpenSource<'_>> {
        let now = (self.env.now)();
        let trees = self.trees.iter().map(|tree| {
            let source = self.sources.iter().find(|s| s.name == tree.name());
            let fresh = source.and_then(|s| s.fresh_hours).map(|hours| Freshness::of(hours, now.seconds));
            (tree.name(), OpenSource::Tree(TreeSource { tree, fresh, max_entries: source.and_then(|s| s.max_entries) }))
        });
        let unreadable = self.unreadable.iter().map(|name| (&name[..], OpenSource::Unreadable(name)));
        let commands = self.sources.iter().filter_map(|source| {
            let line = Box::new(CommandLine::of(source)?);
            Some((&source.name[..], OpenSource::Command(output_core(source, now), line)))
        });
        let mut sources: Vec<_> = trees.chain(unreadable).chain(commands).collect();
        sources.sort_by(|a, b| compare_paths(a.0, b.0));
        sources.into_iter().map(|(_, source)| source).collect()
    }
}
