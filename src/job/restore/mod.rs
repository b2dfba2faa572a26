//! `restore`: brings entries of a generation back into a new folder.
//!
//! Two passes over the entries. The first makes folders, links and special files as they come, and gathers files in batches whose packs
//! are worked off by all cores; the second makes hard links and finishes folders, inner ones first.

mod filler;
mod filling;
mod records;
mod spool;
mod sweep;

use super::World;
use super::open::OpenSet;
use crate::event::{Event, FindingKind, Observer, Phase, chain_text};
use crate::format::entry::{Core, Entry, Kind, State};
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError, is_within};
use crate::medium::MediumError;
use crate::pipeline::encryptor::Identity;
use crate::pipeline::target::{Shortfall, Target, TargetError, TargetOptions};
use crate::seal::chain::{Chain, Fault};
use filler::{Filler, Task};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use records::Records;
use spool::Spool;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sweep::{Costs, Sweep};

/// What is to be restored, from where and to where.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    /// `None`: the only set on the medium, or the newest.
    pub set: Option<Id>,
    /// `None`: the newest generation.
    pub generation: Option<u64>,
    pub to: PathBuf,
    /// Entries, with everything below them; empty: all.
    pub paths: Vec<Vec<u8>>,
    /// Gitignore syntax; an entry that one of them names is wanted too.
    pub patterns: Vec<String>,
    pub target: TargetOptions,
    /// Only tell what would be done.
    pub dry_run: bool,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub generation: u64,
    pub time: String,
    /// The chain of seals holds from the label to this generation.
    pub trusted: bool,
    pub faults: Vec<Fault>,
    pub entries: u64,
    pub files: u64,
    pub bytes: u64,
    /// Entries that are not restored, or not as they were; counted by kind.
    pub not_restored: u64,
    pub shortfalls: u64,
    /// Entries, wanted or not, whose records could not be read: not even their names are known.
    pub entries_lost: u64,
    pub findings: Vec<Finding>,
    /// Paths that were asked for and are not in the generation.
    pub not_found: Vec<Vec<u8>>,
    /// Packs that are read, with the bytes of content wanted from each, in the order of the log.
    pub picks: Vec<(u64, u64)>,
    /// Media that are read, by their place in the set, with the bytes of content wanted from each.
    pub media: Vec<(u64, u64)>,
}

/// An entry that is not restored, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub kind: FindingKind,
    pub path: Vec<u8>,
    pub detail: String,
}

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("there is no set on {}", path.display())]
    Blank { path: PathBuf },
    #[error("{} holds {count} sets; say which", path.display())]
    WhichSet { path: PathBuf, count: usize },
    #[error("the set {set} on {} is in quarantine", path.display())]
    Quarantine { path: PathBuf, set: Id },
    #[error("the pattern {pattern} cannot be understood")]
    Pattern { pattern: String, source: ignore::Error },
    #[error("the run was interrupted")]
    Interrupted,
    #[error("a thread of the run failed")]
    Stopped,
    #[error("the entries cannot be kept beside the restore")]
    Spool(#[source] std::io::Error),
    #[error("the medium failed")]
    Medium(#[source] MediumError),
    #[error("the generation cannot be opened")]
    Generation(#[source] GenerationError),
    #[error("the target cannot be used")]
    Target(#[source] TargetError),
}

type Result<T> = std::result::Result<T, RestoreError>;

/// Findings that a report keeps.
const FINDINGS: usize = 1_000;
/// Files of a batch.
const BATCH_FILES: usize = 16_384;
/// Bytes of content in a batch, but for the last file.
const BATCH_BYTES: u64 = 256 << 20;

/// Restores what the options name.
pub fn restore(options: &Options, identity: &Identity, world: &World, observer: &dyn Observer) -> Result<Report> {
    observer.hear(Event::Phase(Phase::Checking));
    let (set, chain) = OpenSet::with_content(&options.from, options.set, options.generation, world.loader)?;
    let generation = Generation::open(&*set.medium, &chain, options.generation, identity).map_err(RestoreError::Generation)?;
    let mut wanted = Wanted::new(options)?;
    let tally = Tally::new(observer);
    let mut report = Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        generation: generation.manifest.generation,
        time: generation.link.seal.time.clone(),
        trusted: generation.link.trusted,
        faults: chain.faults.clone(),
        entries: 0,
        files: 0,
        bytes: 0,
        not_restored: 0,
        shortfalls: 0,
        entries_lost: 0,
        findings: Vec::new(),
        not_found: Vec::new(),
        picks: Vec::new(),
        media: Vec::new(),
    };
    if options.dry_run {
        observer.hear(Event::Phase(Phase::Planning));
        plan(&generation, &wanted, &tally, &mut report)?;
        report.media = by_medium(&chain, &report.picks);
    } else {
        let target = Target::create(&options.to, options.target).map_err(RestoreError::Target)?;
        observer.hear(Event::Phase(Phase::Writing));
        if generation.medium().is_sequential() {
            let file = target.nameless_file(world.random).map_err(RestoreError::Spool)?;
            wanted.spool = Some(Spool::fill(wanted.records(&generation)?, file)?);
        }
        first_pass(options, world, &generation, &chain, &wanted, &target, &tally, &mut report)?;
        observer.hear(Event::Phase(Phase::Finishing));
        second_pass(world, &generation, &wanted, &target, &tally)?;
        target.sync().map_err(RestoreError::Target)?;
    }
    report.not_found = wanted.not_found();
    report.not_restored = tally.not_restored.load(Relaxed);
    report.shortfalls = tally.shortfalls.load(Relaxed);
    report.findings = tally.findings.into_inner().unwrap_or_else(|e| e.into_inner());
    report.findings.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(report)
}

/// Which media the packs lie on.
fn by_medium(chain: &Chain, picks: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let firsts = chain.media();
    let mut media: BTreeMap<u64, u64> = BTreeMap::new();
    for (object, bytes) in picks {
        *media.entry(firsts.partition_point(|first| first <= object) as u64).or_default() += bytes;
    }
    media.into_iter().collect()
}

/// Counts what would be restored, and from which packs.
fn plan(generation: &Generation, wanted: &Wanted, tally: &Tally, report: &mut Report) -> Result<()> {
    let mut picks = BTreeMap::new();
    let mut records = wanted.records(generation)?;
    for record in records.by_ref() {
        let entry = record?;
        if !wanted.is_wanted(&entry.core) {
            continue;
        }
        report.entries += 1;
        if entry.core.kind == Kind::File && entry.core.link_to.is_none() {
            report.files += 1;
            report.bytes += entry.core.size;
            for x in &entry.extents {
                *picks.entry(x.object).or_default() += x.length;
            }
        }
    }
    report.picks = picks.into_iter().collect();
    tell_gaps(&records, tally, report);
    Ok(())
}

/// Tells which parts of the entry stream could not be read.
fn tell_gaps(records: &Records, tally: &Tally, report: &mut Report) {
    report.entries_lost = records.lost();
    for gap in records.gaps() {
        let to = if gap.before.is_empty() { "the end".into() } else { String::from_utf8_lossy(&gap.before) };
        tally.finding(FindingKind::EntriesLost, &gap.after, format!("up to {to}: {}", gap.why));
    }
}

#[expect(clippy::too_many_arguments, reason = "one pass, called once")]
fn first_pass(
    options: &Options,
    world: &World,
    generation: &Generation,
    chain: &Chain,
    wanted: &Wanted,
    target: &Target,
    tally: &Tally,
    report: &mut Report,
) -> Result<()> {
    // Each thread holds a pack as stored and decrypted.
    let threads = world.threads.clamp(1, (options.memory_bytes / (80 << 20)).max(1) as usize);
    let filler = Filler::new(generation, chain, target, tally, world.interrupted);
    let is_any_wanted = |name: &[u8]| {
        let on_the_way = |(p, _): &(Vec<u8>, AtomicU64)| is_within(name, p) || is_within(p, name);
        wanted.is_all() || wanted.patterns.is_some() || wanted.paths.iter().any(on_the_way)
    };
    // The folders above a source of several names have no records.
    for source in generation.manifest.sources.iter().filter(|s| s.name.contains(&b'/') && is_any_wanted(&s.name)) {
        target.create_parents(&source.name).map_err(RestoreError::Target)?;
    }
    filler.run(threads, |give| {
        let mut batch = Batch::default();
        let mut costs = wanted.spool.is_some().then(Costs::default);
        let mut above: Vec<(Core, bool)> = Vec::new();
        let mut records = wanted.records(generation)?;
        while let Some(record) = records.next() {
            if world.is_interrupted() {
                return Err(RestoreError::Interrupted);
            }
            let entry = record?;
            // The records of the folders above may be in the gap.
            if records.is_behind_gap()
                && is_any_wanted(&entry.core.path)
                && let Err(e) = target.create_parents(&entry.core.path)
            {
                tally.finding(FindingKind::NotRestored, &entry.core.path, chain_text(&e));
            }
            leave(&mut above, &entry.core.path, |_, _| {});
            let is_wanted = wanted.is_wanted(&entry.core);
            if is_wanted {
                for (core, made) in &mut above {
                    if !*made {
                        tally.made(core, target.create_directory(core).map(|_| Vec::new()));
                        *made = true;
                    }
                }
                report.entries += 1;
                tally.observer.hear(Event::Progress { entries: 1, bytes: 0 });
            }
            if entry.core.kind == Kind::Directory {
                if is_wanted {
                    tally.made(&entry.core, target.create_directory(&entry.core).map(|_| Vec::new()));
                }
                above.push((entry.core, is_wanted));
                continue;
            }
            // Further names are made when the first is whole; if the first is not wanted, the further one is a file of its own.
            if !is_wanted || entry.core.link_to.as_ref().is_some_and(|first| wanted.is_wanted_path(first)) {
                continue;
            }
            match entry.core.kind {
                Kind::File => {
                    report.files += 1;
                    report.bytes += entry.core.size;
                    if let State::Unreadable { errno } = entry.core.state {
                        let why = std::io::Error::from_raw_os_error(errno as i32).to_string();
                        tally.finding(FindingKind::NotRestored, &entry.core.path, format!("was unreadable in the backup: {why}"));
                    } else {
                        match &mut costs {
                            // Its content comes when its packs do.
                            Some(costs) if !entry.extents.is_empty() => costs.add(&entry),
                            _ => batch.add(entry),
                        }
                        if batch.is_full() {
                            batch.send(give)?;
                        }
                    }
                }
                Kind::Symlink => tally.made(&entry.core, target.create_symlink(&entry.core).map(|m| m.1)),
                _ => tally.made(&entry.core, target.create_special(&entry.core).map(|m| m.1)),
            }
        }
        tell_gaps(&records, tally, report);
        batch.send(give)?;
        drop(records);
        match costs {
            Some(costs) => {
                sweep(world, generation, wanted, costs.runs(options.memory_bytes / 2, &generation.medium().at_hand()), give)
            }
            None => Ok(()),
        }
    })
}

/// Gives out the content of files run by run of packs.
fn sweep(world: &World, generation: &Generation, wanted: &Wanted, runs: Vec<RangeInclusive<u64>>, give: Give) -> Result<()> {
    let mut sweep = Sweep::default();
    for run in runs {
        let mut by_pack: BTreeMap<u64, Vec<Task>> = BTreeMap::new();
        for record in wanted.records(generation)? {
            if world.is_interrupted() {
                return Err(RestoreError::Interrupted);
            }
            let entry = record?;
            let core = &entry.core;
            let is_link = core.link_to.as_ref().is_some_and(|first| wanted.is_wanted_path(first));
            if core.kind != Kind::File || is_link || !wanted.is_wanted(core) || matches!(core.state, State::Unreadable { .. }) {
                continue;
            }
            for task in sweep.tasks(entry, &run) {
                by_pack.entry(task.extent.object).or_default().push(task);
            }
        }
        for (object, mut tasks) in by_pack {
            tasks.sort_by_key(|t| (t.extent.frame, t.extent.offset));
            give(Some(object), tasks)?;
        }
    }
    Ok(())
}

/// Hard links, and everything about folders that later work in them would undo.
fn second_pass(world: &World, generation: &Generation, wanted: &Wanted, target: &Target, tally: &Tally) -> Result<()> {
    let mut above: Vec<(Core, bool)> = Vec::new();
    let finish = |core: &Core, made: bool| {
        if made {
            tally.lacks(target.finish_directory(core));
        }
    };
    for record in wanted.records(generation)? {
        if world.is_interrupted() {
            return Err(RestoreError::Interrupted);
        }
        let core = record?.core;
        leave(&mut above, &core.path, finish);
        let is_wanted = wanted.is_wanted(&core);
        if is_wanted {
            above.iter_mut().for_each(|(_, made)| *made = true);
        }
        if core.kind == Kind::Directory {
            above.push((core, is_wanted));
        } else if is_wanted && core.link_to.as_ref().is_some_and(|first| wanted.is_wanted_path(first)) {
            tally.made(&core, target.link(&core).map(|_| Vec::new()));
        }
    }
    leave(&mut above, b"", finish);
    Ok(())
}

/// Pops the folders that `path` is not in, the innermost first.
fn leave(above: &mut Vec<(Core, bool)>, path: &[u8], finish: impl Fn(&Core, bool)) {
    while above.last().is_some_and(|(core, _)| !is_within(path, &core.path)) {
        if let Some((core, made)) = above.pop() {
            finish(&core, made);
        }
    }
}

/// Hands tasks of one pack, or of files without data, to the threads.
type Give<'a> = &'a dyn Fn(Option<u64>, Vec<Task>) -> Result<()>;

/// Files whose packs are worked off together.
#[derive(Default)]
struct Batch {
    files: Vec<Entry>,
    bytes: u64,
}

impl Batch {
    fn add(&mut self, entry: Entry) {
        self.bytes += entry.core.size;
        self.files.push(entry);
    }

    fn is_full(&self) -> bool {
        self.files.len() >= BATCH_FILES || self.bytes >= BATCH_BYTES
    }

    fn send(&mut self, give: Give) -> Result<()> {
        let mut by_pack: BTreeMap<u64, Vec<Task>> = BTreeMap::new();
        let mut without = Vec::new();
        for entry in self.files.drain(..) {
            let (tasks, empty) = Task::of(entry);
            without.extend(empty);
            for task in tasks {
                by_pack.entry(task.extent.object).or_default().push(task);
            }
        }
        self.bytes = 0;
        if !without.is_empty() {
            give(None, without)?;
        }
        for (object, mut tasks) in by_pack {
            tasks.sort_by_key(|t| (t.extent.frame, t.extent.offset));
            give(Some(object), tasks)?;
        }
        Ok(())
    }
}

/// Which entries are wanted.
struct Wanted {
    paths: Vec<(Vec<u8>, AtomicU64)>,
    patterns: Option<Gitignore>,
    /// The entries, where the medium is not asked for them twice.
    spool: Option<Spool>,
}

impl Wanted {
    fn new(options: &Options) -> Result<Self> {
        let paths = options.paths.iter().map(|p| (trim(p), AtomicU64::new(0))).collect();
        let mut builder = GitignoreBuilder::new("");
        for pattern in &options.patterns {
            let added = builder.add_line(None, pattern);
            added.map_err(|source| RestoreError::Pattern { pattern: pattern.clone(), source })?;
        }
        let built = builder.build().map_err(|source| RestoreError::Pattern { pattern: options.patterns.join(" "), source })?;
        Ok(Self { paths, patterns: (!options.patterns.is_empty()).then_some(built), spool: None })
    }

    fn is_wanted(&self, core: &Core) -> bool {
        self.check(&core.path, core.kind == Kind::Directory)
    }

    fn records<'g, 'a>(&'g self, generation: &'g Generation<'a>) -> Result<Records<'g, 'a>> {
        if let Some(spool) = &self.spool {
            return Ok(Records::kept(spool));
        }
        let paths: Vec<_> = self.paths.iter().map(|(p, _)| p.clone()).collect();
        Records::of(generation, self.patterns.is_none().then_some(&paths[..]))
    }

    fn is_all(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_none()
    }

    fn is_wanted_path(&self, path: &[u8]) -> bool {
        self.check(path, false)
    }

    fn check(&self, path: &[u8], is_directory: bool) -> bool {
        use std::os::unix::ffi::OsStrExt;
        if self.is_all() {
            return true;
        }
        let mut wanted = false;
        for (p, found) in &self.paths {
            if is_within(path, p) {
                found.fetch_add(1, Relaxed);
                wanted = true;
            }
        }
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        wanted || self.patterns.as_ref().is_some_and(|g| g.matched_path_or_any_parents(path, is_directory).is_ignore())
    }

    fn not_found(&self) -> Vec<Vec<u8>> {
        self.paths.iter().filter(|(_, n)| n.load(Relaxed) == 0).map(|(p, _)| p.clone()).collect()
    }
}

/// A path as typed, without slashes at its ends.
fn trim(path: &[u8]) -> Vec<u8> {
    let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
    let end = path.iter().rposition(|b| *b != b'/').map_or(start, |i| i + 1);
    path[start..end].to_vec()
}

/// What went otherwise than wished, gathered by all threads.
struct Tally<'a> {
    observer: &'a dyn Observer,
    not_restored: AtomicU64,
    shortfalls: AtomicU64,
    findings: Mutex<Vec<Finding>>,
}

impl<'a> Tally<'a> {
    fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, not_restored: AtomicU64::new(0), shortfalls: AtomicU64::new(0), findings: Mutex::default() }
    }

    fn finding(&self, kind: FindingKind, path: &[u8], detail: String) {
        let count = if kind == FindingKind::Shortfall { &self.shortfalls } else { &self.not_restored };
        count.fetch_add(1, Relaxed);
        let mut findings = self.findings.lock().unwrap_or_else(|e| e.into_inner());
        if findings.len() < FINDINGS {
            findings.push(Finding { kind, path: path.into(), detail: detail.clone() });
        }
        drop(findings);
        self.observer.hear(Event::Finding { kind, path: path.into(), detail });
    }

    /// Notes what an entry lacks, or that it could not be made.
    fn made(&self, core: &Core, made: std::result::Result<Vec<Shortfall>, TargetError>) {
        match made {
            Ok(shortfalls) => self.lacks(shortfalls),
            Err(e) => self.finding(FindingKind::NotRestored, &core.path, chain_text(&e)),
        }
    }

    fn lacks(&self, shortfalls: Vec<Shortfall>) {
        for s in shortfalls {
            self.finding(FindingKind::Shortfall, &s.path, s.to_string());
        }
    }
}
