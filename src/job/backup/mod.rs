//! `backup`: writes one sealed generation of the sources to a medium.

pub(crate) mod append;
mod batch;
mod collector;
mod command;
mod large;
mod merge;
mod pick_list;
mod sources;
mod tally;
mod worker;

use crate::buffer::Buffers;
use crate::env::Env;
use crate::event::{Event, FindingKind, Observer, Phase};
use crate::format::Malformed;
use crate::format::check_code::CheckCode;
use crate::format::manifest::{Finding, Manifest, Rules};
use crate::format::object::{Id, ObjectKind};
use crate::format::seal::{ReadBack, Verdict};
use crate::format::watch::{self, Alarm};
use crate::host::catalog::{CatalogError, GenerationRow};
use crate::host::state::{StateDir, StateError};
use crate::job::incident::hold;
use crate::job::incident::hold::HoldError;
use crate::medium::MediumError;
use crate::pipeline::chunker::Chunker;
use crate::pipeline::compressor::{CompressionLevel, Compressor, DEFAULT_LEVEL, FrameError};
use crate::pipeline::dedup_index::DedupIndex;
use crate::pipeline::encryptor::{EncryptError, Encryptor, RecipientError, Recipients};
use crate::pipeline::hasher::Ids;
use crate::pipeline::packer::{PackError, Packer};
use crate::pipeline::source::{SourceError, SourceTree};
use crate::seal::KeyError;
use crate::set::writer;
use crate::set::writer::{Closed, NewSet, Opened, SealFacts, SetWriter, WriteTarget};
use crate::tripwire::{WatchedSource, Watcher};
pub use append::Streaming;
use append::{PackSender, Shelved, shelve};
use batch::{Batch, Finished, Item, Stored};
use collector::{CollectedStream, Collector};
use command::Commands;
use crossbeam_channel::bounded;
use merge::{Origin, Previous};
use sources::{find_empty, identify, manifest_source, open_trees, ordered_sources};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tally::Tally;
use worker::{Shared, Worker};

/// Bytes that buffers take before a tape's; what is more feeds the drive.
const WORKING_BYTES: u64 = 96 << 20;
/// Batches that the merge may be ahead of the collector.
const AHEAD: u64 = 64;

/// What is to be backed up, and where to.
#[derive(Debug, Clone)]
pub struct Options {
    pub state: PathBuf,
    /// The medium: a folder or a tape drive.
    pub to: PathBuf,
    /// Only this set, whatever else is there: whoever names it has looked at its turn, and at a hold.
    pub set: Option<Id>,
    pub sources: Vec<SourceOptions>,
    /// Begin a set when the medium has none of this host.
    pub init: Option<NewSetOptions>,
    /// Read every file, whatever its times say.
    pub full: bool,
    pub tag: Option<String>,
    pub with_sha256: bool,
    /// zstd level, 1 to 19. `None`: 3, and more while the medium is slower than the cores.
    pub level: Option<i32>,
    /// Bytes that buffers may take in all.
    pub memory_bytes: u64,
    /// Bytes of a block on a tape that the set begins on.
    pub tape_block: u32,
    /// Media that a generation may lean on; beyond, everything is stored afresh.
    pub max_media: Option<u64>,
    /// What is backed up is suspected of contamination: evidence, in a set and on a medium of its own. No tripwire judges it.
    pub quarantine: bool,
}

#[derive(Debug, Clone)]
pub struct NewSetOptions {
    pub name: String,
    /// age recipients.
    pub recipients: Vec<String>,
}

/// A tree or a file; or, with a `command`, what that command writes to its standard output.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// One name, or several joined by `/`.
    pub name: Vec<u8>,
    /// Of a command: the folder it runs in.
    pub path: PathBuf,
    /// Program and arguments. If it fails, there is no generation.
    pub command: Vec<OsString>,
    /// Gitignore syntax.
    pub excludes: Vec<String>,
    pub one_file_system: bool,
    pub rules: Rules,
    /// What is restored first: 1 to 9; sources without one come last.
    pub priority: Option<u8>,
    /// Files that nobody ever touches, by their paths in the generation.
    pub canaries: Vec<Vec<u8>>,
}

/// What was done.
#[derive(Debug)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub quarantine: bool,
    pub opened: Opened,
    pub generation: u64,
    pub time: String,
    pub check_code: CheckCode,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    /// As in the manifest.
    pub statistics: Vec<(String, u64)>,
    /// The first thousand.
    pub findings: Vec<Finding>,
    /// Tripwires that were raised: a hold is put on.
    pub alarms: Vec<Alarm>,
    /// The hold could not be put on.
    pub hold_failed: Option<HoldError>,
    /// Bytes that this run added to the medium.
    pub added_bytes: u64,
    pub added_objects: u64,
    /// Objects of an interrupted run that were taken over.
    pub adopted_objects: u64,
    /// The medium's place in its set, from 1.
    pub place: u64,
    /// Media that were full and closed, in their order.
    pub closed: Vec<Closed>,
    /// Of a tape: how the drive was fed.
    pub streaming: Option<Streaming>,
    pub medium: crate::medium::Description,
}

impl Report {
    /// A figure of the statistics; 0 where there is none of that name.
    pub fn count(&self, name: &str) -> u64 {
        self.statistics.iter().find(|(n, _)| n == name).map_or(0, |(_, v)| *v)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("no set has been begun on the medium {}", path.display())]
    Blank { path: PathBuf },
    #[error("the sets on {} are not this host's", path.display())]
    Unregistered { path: PathBuf },
    #[error("quarantine and clean generations do not go together on {}", path.display())]
    NotApart {
        path: PathBuf,
        /// It is the quarantine that was to be written.
        quarantine: bool,
    },
    #[error("the set on the medium was begun, but its label is not whole")]
    HalfWritten,
    #[error("no recipient to encrypt to")]
    NoRecipients,
    #[error("the recipients on this host are not those on the label of the set {name}")]
    OtherRecipients { name: String },
    #[error("generation {generation} is not on the medium as this host wrote it: it was rolled back, replaced or damaged")]
    RolledBack { generation: u64 },
    #[error("the catalog does not know everything that is on the medium")]
    StaleCatalog,
    #[error("the source {} does not exist", path.display())]
    SourceMissing { path: PathBuf },
    #[error("no source is given")]
    NoSource,
    #[error("the command {} cannot be started", program.display())]
    CommandStart { program: PathBuf, source: std::io::Error },
    #[error("the output of a command cannot be read")]
    CommandOutput(#[source] std::io::Error),
    #[error("the command {} failed: {status}", program.display())]
    CommandFailed { program: PathBuf, status: std::process::ExitStatus },
    #[error("two sources have the name {name}")]
    SameName { name: String },
    #[error("the source {inner} would lie within the source {outer}")]
    SourceWithin { inner: String, outer: String },
    #[error("object {object} does not read back as it was written")]
    ReadBack { object: u64 },
    #[error("the hold keeps this medium away")]
    Hold(#[source] HoldError),
    #[error("the run was interrupted")]
    Interrupted,
    #[error("the run stopped because another part of it failed")]
    Stopped,
    #[error("the medium failed")]
    Medium(#[source] MediumError),
    #[error("the catalog failed")]
    Catalog(#[source] CatalogError),
    #[error("the state directory failed")]
    State(#[source] StateError),
    #[error("the seal keys failed")]
    SealKeys(#[source] KeyError),
    #[error("a recipient is not usable")]
    Recipient(#[source] RecipientError),
    #[error("a source failed")]
    Source(#[source] SourceError),
    #[error("a pack could not be made")]
    Pack(#[source] PackError),
    #[error("the manifest could not be encrypted")]
    Encrypt(#[source] EncryptError),
    #[error("the manifest could not be compressed")]
    Compress(#[source] FrameError),
    #[error("the host's entry stream is not what it should be")]
    Format(#[source] Malformed),
    #[error("a file of the state directory cannot be used")]
    HostFile(#[source] std::io::Error),
}

type Result<T> = std::result::Result<T, BackupError>;

/// Ends all threads of a run when one fails or the user says so.
pub struct Stop<'a> {
    failed: AtomicBool,
    interrupted: &'a AtomicBool,
}

impl Stop<'_> {
    fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(BackupError::Interrupted)
        } else if self.failed.load(Ordering::Relaxed) {
            Err(BackupError::Stopped)
        } else {
            Ok(())
        }
    }

    /// Passes an outcome on, and stops the others if it is a failure.
    fn watch<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.fail();
        }
        outcome
    }
}

/// Backs up the sources as the next generation.
pub fn backup(options: &Options, env: &Env, observer: &dyn Observer) -> Result<Report> {
    let started = (env.now)();
    let tally = Tally::new(observer);
    let sources = ordered_sources(options)?;
    let mut trees = open_trees(&sources, &tally)?;
    let state = StateDir::open(&options.state).map_err(BackupError::State)?;
    if options.set.is_none() && !options.quarantine {
        hold::check(&state, &options.to, env).map_err(BackupError::Hold)?;
    }
    let begin = options.init.as_ref().map(|i| NewSet { name: &i.name, recipients: &i.recipients });
    observer.on_event(Event::Phase(Phase::Checking));
    let (mut set, opened) = writer::open(
        WriteTarget { root: &options.to, only: options.set, block: options.tape_block, quarantine: options.quarantine },
        &state,
        begin.as_ref(),
        env,
        observer,
    )?;
    let first_new = set.next;
    // Not before: on the first night, opening has made them.
    let own: Vec<_> = [options.to.join("AZEKURA"), options.state.clone()].iter().filter_map(|p| identify(p)).collect();
    trees.iter_mut().for_each(|t| t.skip(&own));
    if let Some(g) = set.last.as_ref().filter(|g| g.started > started.as_nanoseconds_64()) {
        // Generations are numbered by their order, never by the clock; a person has to know all the same.
        tally.finding(FindingKind::ClockSetBack, b"", g.time.clone());
    }

    // Entries of the last generation may point into packs that were found damaged since.
    set.base = set.catalog.oldest_referenced_object(set.row).map_err(BackupError::Catalog)?;
    let leans_on = set.catalog.media_from(set.row, set.base).map_err(BackupError::Catalog)?;
    // A generation that leans on too many media is no help when one of them is lost.
    let afresh = options.max_media.is_some_and(|most| leans_on > most.max(1));
    if afresh {
        set.base = set.next;
    }
    let full = options.full || afresh || set.catalog.wants_reread(set.row).map_err(BackupError::Catalog)?;
    let previous = match &set.last {
        Some(g) if full => previous_entries(&set, g)?.distrusted(),
        Some(g) => previous_entries(&set, g)?,
        None => Previous::none(),
    };
    let watcher = watcher(&set, if options.quarantine { &[] } else { &sources });
    observer.on_event(Event::Phase(Phase::Reading));
    let commands = Commands::start(&sources)?;
    let adopted_objects = set.unsealed.iter().filter(|o| o.kind == ObjectKind::Pack).count() as u64;
    let (stream, shelved) = store(options, env, &mut set, Inputs { trees: &trees, commands, previous }, &tally, &watcher)?;
    let (mut closed, streaming) = (shelved.closed, shelved.streaming);
    let finished = (env.now)();
    find_empty(&trees, &tally);

    observer.on_event(Event::Phase(Phase::Sealing));
    let complete = set.catalog.last_complete_generation(set.row).map_err(BackupError::Catalog)?;
    let entries = stream.entries();
    let entries_digest = entries.blake3;
    let findings = tally.findings();
    let media = pick_list::pick_list(&set, &entries)?;
    let (watch, alarms) = watcher.finish(set.generation(), options.tag.is_some());
    set.state.put_watch(&watch::encode(&watch)).map_err(BackupError::State)?;
    let manifest = Manifest {
        set: set.id,
        generation: set.generation(),
        parent: complete.as_ref().filter(|_| !full).map_or(0, |g| g.number),
        started,
        finished,
        host: env.host.to_owned(),
        sources: sources.iter().map(|s| manifest_source(s)).collect(),
        tag: options.tag.clone(),
        tool: crate::env::TOOL.into(),
        set_key: set.key.0,
        recipients: set.info.recipients.clone(),
        full: full || complete.is_none(),
        statistics: tally.counts.named(),
        findings: findings.clone(),
        entries,
        media,
        watch,
        alarms: alarms.clone(),
    };
    // Its number and its medium are not in it.
    let encrypted = encrypt_manifest(&set.recipients, &manifest)?;
    closed.extend(set.append_here_or_next(ObjectKind::Manifest, &encrypted, env)?);
    let time = env.time_text();
    let objects = set.unsealed.clone();
    let verdict = match tally.counts.findings.load(Ordering::Relaxed) {
        _ if !alarms.is_empty() => Verdict::Alarm,
        0 => Verdict::Good,
        _ => Verdict::Incomplete,
    };
    let facts = SealFacts {
        time: time.clone(),
        verdict,
        record_count: stream.records,
        records: stream.root,
        started: started.as_nanoseconds_64(),
        entries_digest,
    };
    let sealed = set.seal(facts)?;
    if afresh {
        set.catalog.set_oldest_referenced_object(set.row, set.base).map_err(BackupError::Catalog)?;
    }
    if full {
        set.catalog.clear_reread(set.row).map_err(BackupError::Catalog)?;
    }
    let (generation, seal_digest) = (sealed.generation, sealed.digest);
    let check_code = CheckCode::of(&seal_digest);
    let detail = format!("set {} generation {generation} {} check code {check_code}", set.id, verdict.name());
    set.catalog.log(&time, "backup", &detail).map_err(BackupError::Catalog)?;
    let held = (!alarms.is_empty()).then(|| {
        let mut raised: Vec<&str> = alarms.iter().map(|a| &a.tripwire[..]).collect();
        raised.sort_unstable();
        raised.dedup();
        hold::put_on(
            &options.state,
            "azekura",
            &format!("set {} generation {generation}: {}", set.info.name, raised.join(", ")),
            env,
        )
    });

    let added = objects.iter().filter(|o| o.number >= first_new || opened != Opened::Known);
    Ok(Report {
        set: set.id,
        set_name: set.info.name.clone(),
        quarantine: set.info.quarantine,
        opened,
        generation,
        time,
        check_code,
        verdict,
        read_back: set.read_back,
        statistics: manifest.statistics.clone(),
        findings,
        alarms,
        hold_failed: held.and_then(std::result::Result::err),
        added_bytes: added.clone().map(|o| o.length).sum::<u64>() + sealed.length + closed.iter().map(|c| c.bytes).sum::<u64>(),
        added_objects: added.count() as u64 + 1 + closed.iter().map(|c| c.objects).sum::<u64>(),
        adopted_objects,
        place: set.place,
        closed,
        streaming,
        medium: set.medium.describe(),
    })
}

/// The host's copy of the last entry stream, if it is whole; without it everything is read.
fn previous_entries(set: &SetWriter, g: &GenerationRow) -> Result<Previous> {
    let Ok(mut file) = std::fs::File::open(set.state.entries()) else { return Ok(Previous::none()) };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut file).map_err(BackupError::HostFile)?;
    if hasher.finalize().as_bytes() != &g.entries_digest {
        return Ok(Previous::none());
    }
    std::io::Seek::rewind(&mut file).map_err(BackupError::HostFile)?;
    Ok(Previous::new(file, g.started))
}

/// What tonight is held against: the host's copy of what the last manifest knows. Without it, tonight is a first night.
fn watcher(set: &SetWriter, sources: &[&SourceOptions]) -> Watcher {
    let mut known = set.state.watch().and_then(|bytes| watch::decode(&bytes).ok()).unwrap_or_default();
    // A run that ended before its seal leaves a night that never was.
    let next = set.generation();
    known.iter_mut().for_each(|k| k.nights.retain(|n| n.generation < next));
    let watched: Vec<WatchedSource> =
        sources.iter().map(|s| WatchedSource { name: &s.name, rules: s.rules, canaries: &s.canaries }).collect();
    let seed = u64::from_le_bytes(*set.key.record_salt_key().first_chunk().unwrap_or(&[0; 8]));
    Watcher::new(&watched, &known, seed)
}

fn encrypt_manifest(recipients: &Recipients, manifest: &Manifest) -> Result<Vec<u8>> {
    let mut plain = manifest.encode();
    let mut stored = Vec::new();
    Compressor::new(DEFAULT_LEVEL).and_then(|mut c| c.compress_manifest(&plain, &mut stored)).map_err(BackupError::Compress)?;
    zeroize::Zeroize::zeroize(&mut plain);
    let mut encryption = Encryptor::begin(recipients, Vec::new()).map_err(BackupError::Encrypt)?;
    encryption.write(&stored);
    zeroize::Zeroize::zeroize(&mut stored);
    Ok(encryption.finish())
}

/// What the merge takes its entries from.
struct Inputs<'a> {
    trees: &'a [SourceTree],
    commands: Commands,
    previous: Previous,
}

/// Runs the stations: merge → workers → shelf, and the collector beside them. Answers with the entry stream, and what came of
/// the packs.
fn store(
    options: &Options,
    env: &Env,
    set: &mut SetWriter,
    inputs: Inputs,
    tally: &Tally,
    watcher: &Watcher,
) -> Result<(CollectedStream, Shelved)> {
    let Inputs { trees, mut commands, previous } = inputs;
    let stop = Stop { failed: AtomicBool::new(false), interrupted: env.interrupted };
    let ids = Ids::new(&set.key);
    let chunker = Chunker::new(&set.key.0);
    let known = DedupIndex::new(set.catalog.chunk_count(set.row).map_err(BackupError::Catalog)?);
    let (flush, collected) = (AtomicU64::new(0), AtomicU64::new(0));
    let threads = env.threads.max(1);
    // A pack is held by each worker and the collector, two wait, one is being written; each is begun with its full size.
    // What a drive is fed from is beside that.
    let one_head = set.medium.is_sequential();
    let working_bytes = if one_head { options.memory_bytes.min(WORKING_BYTES) } else { options.memory_bytes };
    let pack_bytes = (working_bytes / (threads as u64 + 4)).clamp(1 << 20, 32 << 20) as usize;
    let buffered = ((options.memory_bytes - working_bytes) / pack_bytes as u64) as usize;
    let (counter, queue) = PackSender::new(buffered.max(2));
    let (recipients, pack_buffers, run_buffers) = (set.recipients.clone(), Buffers::default(), Buffers::default());
    let effort = CompressionLevel::new(options.level);
    let sink = |pack| counter.put(pack, &effort);
    let packer = |bytes| Packer::new(&recipients, &effort, bytes, &pack_buffers, &sink).map_err(BackupError::Pack);
    let lookup = || set.catalog.chunk_lookup(set.row, set.base).map_err(BackupError::Catalog);

    let shared = Shared {
        trees,
        ids: &ids,
        chunker: &chunker,
        buffers: &run_buffers,
        known: &known,
        with_sha256: options.with_sha256,
        tally,
        watcher,
        stop: &stop,
        flush: &flush,
    };
    let mut workers = Vec::new();
    let (finished_give, finished_take) = bounded::<Finished>(2 * threads);
    for _ in 0..threads {
        workers.push(Worker::new(&shared, packer(pack_bytes)?, lookup()?, finished_give.clone()));
    }
    let collector = Collector {
        ids: &ids,
        chunker: &chunker,
        known: &known,
        lookup: lookup()?,
        packer: packer(pack_bytes.min(8 << 20))?.of_entries(),
        salt_key: set.key.record_salt_key(),
        tally,
        stop: &stop,
        flush: &flush,
        collected: &collected,
        side_by_side: one_head,
        counter: &counter,
        copy: std::io::BufWriter::with_capacity(256 << 10, set.state.new_entries().map_err(BackupError::State)?),
        state: collector::Collected::default(),
    };
    let mut origins: Vec<(Vec<u8>, Origin)> = trees.iter().map(|t| (t.name().to_vec(), Origin::Tree(t))).collect();
    origins.extend(
        commands.outputs((env.now)()).into_iter().map(|(core, output)| (core.path.clone(), Origin::Command(core, output))),
    );
    origins.sort_by(|a, b| crate::format::entry::compare_paths(&a.0, &b.0));
    let origins = origins.into_iter().map(|(_, origin)| origin).collect();
    let (stop, counter) = (&stop, &counter);

    std::thread::scope(|scope| {
        let (known, collected) = (&known, &collected);
        let shelf = scope.spawn(move || stop.watch(shelve(queue, set, known, tally, stop, env)));
        let collector = scope.spawn(move || stop.watch(collector.collect(finished_take)));
        let (batch_give, batch_take) = bounded::<Batch>(2 * threads);
        let (run_give, run_take) = bounded(2 * threads);
        let workers: Vec<_> = workers
            .into_iter()
            .map(|w| {
                let (batches, runs) = (batch_take.clone(), (run_give.clone(), run_take.clone()));
                scope.spawn(move || stop.watch(w.work(batches, runs)))
            })
            .collect();
        drop((run_give, run_take, batch_take));

        let mut send = |batch: Batch| {
            while batch.sequence > collected.load(Ordering::Acquire) + AHEAD {
                stop.check()?;
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            if batch.items.iter().any(|i| matches!(i, Item::Read(..) | Item::Stream(..))) {
                return batch_give.send(batch).map_err(|_| BackupError::Stopped);
            }
            let items = batch.items.into_iter().map(without_work).collect();
            finished_give.send(Finished { sequence: batch.sequence, items }).map_err(|_| BackupError::Stopped)
        };
        let merged = stop.watch(merge::merge(origins, previous, options.with_sha256, tally, watcher, stop, &mut send));
        drop((batch_give, finished_give));
        let mut outcome = merged.map(drop);
        for w in workers {
            outcome = first_cause(outcome, join(w));
        }
        let collected = join(collector);
        counter.close();
        let closed = join(shelf);
        // Several threads may have failed, one because of another: the cause is what counts.
        let done = match (outcome, collected, closed) {
            (Ok(()), Ok(stream), Ok(closed)) => (stream, closed),
            (o, c, s) => {
                let outcome = first_cause(first_cause(o, c.map(drop)), s.map(drop));
                return Err(outcome.err().unwrap_or(BackupError::Stopped));
            }
        };
        commands.finish()?;
        Ok(done)
    })
}

fn without_work(item: Item) -> Stored {
    match item {
        Item::Verbatim(v) => Stored::Verbatim(v),
        Item::Ready(core, names) => Stored::Entry { core, pieces: Vec::new(), names },
        Item::Link(link) => Stored::Link(link),
        Item::Read(..) | Item::Stream(..) => unreachable!("files to be read go to the workers"),
    }
}

/// A thread that panicked has failed.
fn join<T>(thread: std::thread::ScopedJoinHandle<Result<T>>) -> Result<T> {
    thread.join().unwrap_or(Err(BackupError::Stopped))
}

/// Of two failures the one that is not merely a consequence.
fn first_cause(a: Result<()>, b: Result<()>) -> Result<()> {
    match (a, b) {
        (Err(BackupError::Stopped | BackupError::Pack(PackError::Stopped)), Err(b)) => Err(b),
        (Err(a), _) => Err(a),
        (Ok(()), b) => b,
    }
}
