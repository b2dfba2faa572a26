//! `history`: what became of one file over all generations; what was created, changed or went in a period, and what is older than it.
//!
//! A period is told by the times of seals. They are the host's clock's, but their order is that of the chain, which no clock changes.

use super::generations::{Both, Change, merge};
use crate::env::Env;
use crate::event::{Event, Observer, Phase, chain_text};
use crate::format::entry::{Core, EntryKind};
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError};
use crate::job::restore::RestoreError;
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::{Chain, Fault, SealLink};
use crate::set::open::OpenSet;
use std::path::PathBuf;

type Result<T> = std::result::Result<T, RestoreError>;

#[derive(Debug, Clone)]
pub struct PathOptions {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// As it is named in the generations.
    pub path: Vec<u8>,
}

/// What a run of generations says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    There(Box<Core>),
    NotThere,
    /// The generation is damaged there.
    Unknown {
        why: String,
    },
}

/// Generations that follow one another and say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub first: u64,
    pub last: u64,
    /// When the two were sealed.
    pub first_time: String,
    pub last_time: String,
    pub version: Version,
}

#[derive(Debug, Clone)]
pub struct PathReport {
    pub set: Id,
    pub set_name: String,
    pub lines: Vec<Line>,
    pub faults: Vec<Fault>,
}

impl PathReport {
    pub fn is_found(&self) -> bool {
        self.lines.iter().any(|l| matches!(l.version, Version::There(_)))
    }

    /// Nothing that was looked at is damaged.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && !self.lines.iter().any(|l| matches!(l.version, Version::Unknown { .. }))
    }
}

/// Every version of one path, in the order of the generations. Of each generation only the part is read that the path is in.
pub fn of_path(options: &PathOptions, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<PathReport> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let mut lines: Vec<Line> = Vec::new();
    observer.on_event(Event::Expected { entries: chain.generations().count() as u64, bytes: 0 });
    for link in chain.generations() {
        if env.is_interrupted() {
            return Err(RestoreError::Interrupted);
        }
        let n = link.seal.generation;
        let version = match Generation::open(&*opened.medium, &chain, Some(n), identity).and_then(|g| version(&g, &options.path))
        {
            Ok(version) => version,
            // Without the key or the medium the others would not come either.
            Err(e @ (GenerationError::WrongKey(_) | GenerationError::Medium(_))) => return Err(RestoreError::Generation(e)),
            Err(e) => Version::Unknown { why: chain_text(&e) },
        };
        observer.on_event(Event::Progress { entries: 1, bytes: 0 });
        match lines.last_mut() {
            Some(l) if is_same(&l.version, &version) => {
                l.last = n;
                l.last_time.clone_from(&link.seal.time);
            }
            _ => {
                let time = || link.seal.time.clone();
                lines.push(Line { first: n, last: n, first_time: time(), last_time: time(), version });
            }
        }
    }
    if lines.is_empty() {
        return Err(RestoreError::Generation(GenerationError::NoGeneration));
    }
    let set_name = chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default();
    Ok(PathReport { set: chain.set, set_name, lines, faults: chain.faults })
}

fn version(generation: &Generation, path: &[u8]) -> std::result::Result<Version, GenerationError> {
    // The stream is in order, and the packs that this comes from are those that their seals list: what is not found is not there.
    let Some(mut part) = generation.entry_frames()?.select(&[path.to_vec()])? else { return Ok(Version::NotThere) };
    let found = part.find_map(|record| match record {
        Ok(r) => (r.entry.core.path == path).then(|| Ok(Version::There(Box::new(r.entry.core)))),
        Err(e) => Some(Err(e)),
    });
    found.unwrap_or(Ok(Version::NotThere))
}

fn is_same(a: &Version, b: &Version) -> bool {
    match (a, b) {
        (Version::There(a), Version::There(b)) => {
            // Reading or restoring a file changes these; they say nothing of what is in it.
            let mut a = a.clone();
            (a.ctime, a.inode) = (b.ctime, b.inode);
            a == *b
        }
        _ => a == b,
    }
}

#[derive(Debug, Clone)]
pub struct PeriodOptions {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// Seconds since 1970: generations sealed from here on …
    pub since: i64,
    /// … and before this.
    pub until: i64,
    /// Tell also of files that are older.
    pub with_older: bool,
}

/// What happened to an entry from one generation to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Created,
    Changed,
    Gone,
    /// A file that the last generation of the period has, and the last one before it had with the same content.
    Older,
}

impl What {
    /// In JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Older => "older",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Happened {
    pub what: What,
    /// The generation that shows it first; of an older file, the last of the period.
    pub generation: u64,
    pub time: String,
    pub path: Vec<u8>,
    pub before: Option<Box<Core>>,
    pub after: Option<Box<Core>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeriodCounts {
    pub created: u64,
    pub changed: u64,
    pub gone: u64,
    /// Files, and their bytes.
    pub older: u64,
    pub older_bytes: u64,
}

#[derive(Debug, Clone)]
pub struct PeriodReport {
    pub set: Id,
    pub set_name: String,
    /// The last generation before the period, with its time.
    pub before: Option<(u64, String)>,
    /// The period's.
    pub generations: Vec<(u64, String)>,
    pub counts: PeriodCounts,
    pub faults: Vec<Fault>,
}

/// Tells `each` what happened in a period, generation by generation, each in the order of the entry stream. Constant memory.
///
/// Folders are told of only where they were created or went: they change with whatever lies in them.
pub fn of_period(
    options: &PeriodOptions,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
    each: &mut dyn FnMut(Happened),
) -> Result<PeriodReport> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let (before, period) = period(&chain, options);
    let numbered = |l: &SealLink| (l.seal.generation, l.seal.time.clone());
    let mut report = PeriodReport {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        before: before.map(numbered),
        generations: period.iter().map(|l| numbered(l)).collect(),
        counts: PeriodCounts::default(),
        faults: chain.faults.clone(),
    };
    let counts = &mut report.counts;
    let open = |l: &SealLink| {
        Generation::open(&*opened.medium, &chain, Some(l.seal.generation), identity).map_err(RestoreError::Generation)
    };
    observer.on_event(Event::Phase(Phase::Comparing));
    let all: Vec<&SealLink> = before.into_iter().chain(period.iter().copied()).collect();
    for pair in all.windows(2) {
        let (generation, time) = numbered(pair[1]);
        merge(&open(pair[0])?, &open(pair[1])?, env, |Both { change, path, before, after }| {
            let (what, count) = match change {
                Some(Change::Added) => (What::Created, &mut counts.created),
                Some(Change::Removed) => (What::Gone, &mut counts.gone),
                Some(Change::Content) => (What::Changed, &mut counts.changed),
                Some(Change::Metadata) | None => return,
            };
            *count += 1;
            each(Happened { what, generation, time: time.clone(), path, before, after });
        })?;
        observer.on_event(Event::Progress { entries: pair[1].seal.record_count, bytes: 0 });
    }
    if let (Some(first), Some(last)) = (before, period.last()) {
        let (generation, time) = numbered(last);
        merge(&open(first)?, &open(last)?, env, |Both { path, before, after, .. }| {
            if let Some((b, a)) = before.as_ref().zip(after.as_ref())
                && (a.kind, b.kind) == (EntryKind::File, EntryKind::File)
                && a.blake3.is_some()
                && a.blake3 == b.blake3
            {
                counts.older += 1;
                counts.older_bytes += a.size;
                if options.with_older {
                    each(Happened { what: What::Older, generation, time: time.clone(), path, before, after });
                }
            }
        })?;
    }
    Ok(report)
}

/// The last generation before the period, and those in it, in the order of the chain.
fn period<'c>(chain: &'c Chain, options: &PeriodOptions) -> (Option<&'c SealLink>, Vec<&'c SealLink>) {
    let seconds = |l: &SealLink| chrono::DateTime::parse_from_rfc3339(&l.seal.time).map_or(0, |t| t.timestamp());
    let all: Vec<&SealLink> = chain.generations().collect();
    // A clock that was set back must not leave a generation out: all from the first to the last that fit.
    let first = all.iter().position(|l| seconds(l) >= options.since).unwrap_or(all.len());
    let end = all.iter().rposition(|l| seconds(l) < options.until).map_or(0, |last| last + 1).max(first);
    (first.checked_sub(1).map(|i| all[i]), all[first..end].to_vec())
}
