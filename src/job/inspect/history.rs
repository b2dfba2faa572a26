//! `history`: all versions of one file; what was created, changed or removed in a period, and which files are older
//! than the period.
//!
//! The times of seals decide what belongs to a period. They come from the host's clock, but their order is that of the
//! chain, which no clock changes.

use super::diff::{Change, PathInBoth, is_same, merge};
use super::{RefusedEntries, Result, check_interrupted};
use crate::env::Env;
use crate::event::{Event, Observer, Phase, chain_text};
use crate::format::entry::{Core, EntryKind, add_sizes};
use crate::format::object::Id;
use crate::generation::spelling::{composed, with_one_spelling};
use crate::generation::{EntryRecord, Generation, GenerationError};
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::{Chain, Fault, SealLink};
use crate::set::open::{OpenSet, set_name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Whose versions are to be listed.
#[derive(Debug, Clone)]
pub struct PathOptions {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// As it is named in the generations.
    pub path: Vec<u8>,
}

/// What a generation says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathState {
    /// It contains the path.
    Present(Box<Core>),
    /// It does not contain the path.
    Absent,
    /// The generation is damaged there, or only a newer program knows the entry.
    Unknown {
        /// What is damaged.
        why: String,
    },
}

/// Consecutive generations that say the same of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathVersion {
    /// The first of the generations.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// When the first was sealed, RFC 3339 in UTC.
    pub first_time: String,
    /// When the last was sealed.
    pub last_time: String,
    /// What they say.
    pub state: PathState,
}

/// The versions of one path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PathReport {
    /// The set's id.
    pub set: Id,
    /// What people call it.
    pub set_name: String,
    /// In the order of the generations.
    pub versions: Vec<PathVersion>,
    /// The path as generations have it in another Unicode form, too or instead.
    pub otherwise_spelled: BTreeSet<Vec<u8>>,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
}

impl PathReport {
    /// Whether a generation contains the path.
    pub fn is_found(&self) -> bool {
        self.versions.iter().any(|v| matches!(v.state, PathState::Present(_)))
    }

    /// Whether nothing that was read is damaged.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty() && !self.versions.iter().any(|v| matches!(v.state, PathState::Unknown { .. }))
    }
}

/// Lists every version of one path, in the order of the generations. Reads only that part of each generation that
/// contains the path.
pub fn of_path(options: &PathOptions, identity: &Identity, env: &Env, observer: &dyn Observer) -> Result<PathReport> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let (mut versions, mut otherwise_spelled): (Vec<PathVersion>, _) = (Vec::new(), BTreeSet::new());
    observer.on_event(Event::Expected { entries: chain.generations().count() as u64, bytes: 0 });
    for link in chain.generations() {
        check_interrupted(env)?;
        let n = link.seal.generation;
        let opened = Generation::open(&*opened.medium, &chain, Some(n), identity);
        let state = match opened.and_then(|g| state_in(&g, &options.path, &mut otherwise_spelled)) {
            Ok(state) => state,
            // Without key or medium no other generation can be read either.
            Err(e @ (GenerationError::WrongKey(_) | GenerationError::Medium(_))) => return Err(e.into()),
            Err(e) => PathState::Unknown { why: chain_text(&e) },
        };
        observer.on_event(Event::Progress { entries: 1, bytes: 0 });
        match versions.last_mut() {
            Some(v) if is_same_state(&v.state, &state) => {
                v.last = n;
                v.last_time.clone_from(&link.seal.time);
            }
            _ => {
                let time = || link.seal.time.clone();
                versions.push(PathVersion { first: n, last: n, first_time: time(), last_time: time(), state });
            }
        }
    }
    if versions.is_empty() {
        return Err(GenerationError::not_in(&chain, None).into());
    }
    Ok(PathReport { set: chain.set, set_name: set_name(&chain), versions, otherwise_spelled, faults: chain.faults })
}

/// What a generation says of a path. Where it does not have it, of the first that is the same in another Unicode form. All of
/// those are added to `others`.
fn state_in(
    generation: &Generation,
    path: &[u8],
    others: &mut BTreeSet<Vec<u8>>,
) -> std::result::Result<PathState, GenerationError> {
    let mut states = BTreeMap::new();
    let searched = with_one_spelling(path);
    let wanted = composed(path);
    let mut note = |record: std::result::Result<EntryRecord, GenerationError>| {
        let record = record?;
        if record.path() == path || searched != path && composed(record.path()) == wanted {
            let name = record.path().to_vec();
            let state = match record.entry {
                Ok(entry) => PathState::Present(Box::new(entry.core)),
                Err(refused) => PathState::Unknown { why: refused.why.to_string() },
            };
            states.insert(name, state);
        }
        Ok::<_, GenerationError>(())
    };
    match searched {
        b"" => generation.entries().try_for_each(&mut note)?,
        // The stream is sorted, and its packs were compared with their seals: a path that is not found is not in the
        // generation.
        _ => match generation.entry_frames()?.select(&[searched.to_vec()])? {
            Some(mut part) => part.try_for_each(&mut note)?,
            None => return Ok(PathState::Absent),
        },
    }
    let exact = states.remove(path);
    others.extend(states.keys().cloned());
    Ok(exact.or_else(|| states.into_values().next()).unwrap_or(PathState::Absent))
}

fn is_same_state(a: &PathState, b: &PathState) -> bool {
    match (a, b) {
        (PathState::Present(a), PathState::Present(b)) => is_same(a, b),
        _ => a == b,
    }
}

/// Which period is to be listed.
#[derive(Debug, Clone)]
pub struct PeriodOptions {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// Seconds since 1970: generations sealed at this time or later …
    pub since: i64,
    /// … and before this.
    pub until: i64,
    /// List also the files that are older than the period.
    pub with_older: bool,
}

/// What happened to an entry from one generation to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryEventKind {
    /// The earlier generation does not contain it.
    Created,
    /// Its content, type, target or device changed.
    Changed,
    /// The later generation does not contain it.
    Gone,
    /// A file that the last generation of the period contains, with the same content as the last generation before the
    /// period.
    Older,
}

impl HistoryEventKind {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Gone => "gone",
            Self::Older => "older",
        }
    }
}

/// An entry, and what happened to it in a period.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryEvent {
    /// What happened.
    pub what: HistoryEventKind,
    /// The first generation that shows it; of an older file, the last of the period.
    pub generation: u64,
    /// When that generation was sealed, RFC 3339 in UTC.
    pub time: String,
    /// Its path, with the name of its source.
    pub path: Vec<u8>,
    /// In the earlier generation.
    pub before: Option<Box<Core>>,
    /// In the later generation.
    pub after: Option<Box<Core>>,
}

/// How many entries something happened to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeriodCounts {
    /// Entries that were created.
    pub created: u64,
    /// Entries that were changed.
    pub changed: u64,
    /// Entries that were removed.
    pub gone: u64,
    /// Files that are older than the period.
    pub older: u64,
    /// Bytes of these files.
    pub older_bytes: u64,
}

/// What happened in a period.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeriodReport {
    /// The set's id.
    pub set: Id,
    /// What people call it.
    pub set_name: String,
    /// The last generation before the period, with its time.
    pub before: Option<(u64, String)>,
    /// The generations of the period, with their times.
    pub generations: Vec<(u64, String)>,
    /// What happened, counted.
    pub counts: PeriodCounts,
    /// Entries that are refused in a generation of the period, or in the one before: nothing is known of them.
    pub refused: RefusedEntries,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
}

/// Calls `each` with everything that happened in a period, generation by generation, each in the order of the entry
/// stream. Constant memory.
///
/// A folder is listed only where it was created or removed: it changes with everything in it.
pub fn of_period(
    options: &PeriodOptions,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
    each: &mut dyn FnMut(HistoryEvent),
) -> Result<PeriodReport> {
    observer.on_event(Event::Phase(Phase::Checking));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, None, env.loader)?;
    let (before, period) = period(&chain, options);
    let numbered = |l: &SealLink| (l.seal.generation, l.seal.time.clone());
    let mut report = PeriodReport {
        set: chain.set,
        set_name: set_name(&chain),
        before: before.map(numbered),
        generations: period.iter().map(|l| numbered(l)).collect(),
        counts: PeriodCounts::default(),
        refused: RefusedEntries::default(),
        faults: chain.faults.clone(),
    };
    let (counts, refused) = (&mut report.counts, &mut report.refused);
    let open = |l: &SealLink| Generation::open(&*opened.medium, &chain, Some(l.seal.generation), identity);
    observer.on_event(Event::Phase(Phase::Comparing));
    let all: Vec<&SealLink> = before.into_iter().chain(period.iter().copied()).collect();
    for pair in all.windows(2) {
        let (generation, time) = numbered(pair[1]);
        let (earlier, is_first) = (pair[0].seal.generation, std::ptr::eq(pair, &all[..2]));
        merge(&open(pair[0])?, &open(pair[1])?, env, |PathInBoth { change, path, before, after, refused: [old, new] }| {
            // Each generation is the later one of a pair, except the first.
            old.into_iter().filter(|_| is_first).for_each(|entry| refused.add(earlier, *entry));
            new.into_iter().for_each(|entry| refused.add(generation, *entry));
            let (what, count) = match change {
                Some(Change::Added) => (HistoryEventKind::Created, &mut counts.created),
                Some(Change::Removed) => (HistoryEventKind::Gone, &mut counts.gone),
                Some(Change::Content) => (HistoryEventKind::Changed, &mut counts.changed),
                Some(Change::Metadata | Change::Unknown) | None => return,
            };
            *count += 1;
            each(HistoryEvent { what, generation, time: time.clone(), path, before, after });
        })?;
        observer.on_event(Event::Progress { entries: pair[1].seal.record_count, bytes: 0 });
    }
    if let (Some(first), Some(last)) = (before, period.last()) {
        let (generation, time) = numbered(last);
        merge(&open(first)?, &open(last)?, env, |PathInBoth { path, before, after, .. }| {
            if let Some((b, a)) = before.as_ref().zip(after.as_ref())
                && (a.kind, b.kind) == (EntryKind::File, EntryKind::File)
                && a.digests.is_some()
                && a.content_id() == b.content_id()
            {
                counts.older += 1;
                counts.older_bytes = add_sizes(counts.older_bytes, a.size);
                if options.with_older {
                    let what = HistoryEventKind::Older;
                    each(HistoryEvent { what, generation, time: time.clone(), path, before, after });
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
    // A clock that was set back must not leave a generation out: the period is everything from the first to the last
    // that fits.
    let first = all.iter().position(|l| seconds(l) >= options.since).unwrap_or(all.len());
    let end = all.iter().rposition(|l| seconds(l) < options.until).map_or(0, |last| last + 1).max(first);
    (first.checked_sub(1).map(|i| all[i]), all[first..end].to_vec())
}
