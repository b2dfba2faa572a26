//! `generations`, `find`, `diff`: what there is, without restoring it.

use super::InspectError;
use crate::env::Env;
use crate::event::Observer;
use crate::format::check_code::CheckCode;
use crate::format::entry::{Core, EntryKind, compare_paths};
use crate::format::manifest::Manifest;
use crate::format::object::Id;
use crate::format::seal::{ReadBack, Verdict};
use crate::generation::{EntryReader, EntryRecord, Generation, is_within};
use crate::pipeline::encryptor::Identity;
use crate::seal::chain::Fault;
use crate::set::open::OpenSet;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A set as its seals show it.
#[derive(Debug, Clone)]
pub struct SetReport {
    pub set: Id,
    pub name: String,
    pub created: String,
    /// It keeps what is suspected of contamination.
    pub quarantine: bool,
    pub generations: Vec<GenerationReport>,
    pub faults: Vec<Fault>,
}

#[derive(Debug, Clone)]
pub struct GenerationReport {
    pub generation: u64,
    pub time: String,
    pub verdict: Verdict,
    pub read_back: ReadBack,
    pub check_code: CheckCode,
    pub trusted: bool,
    pub entries: u64,
    /// The place in the set of the medium that its seal lies on.
    pub place: u64,
    /// Bytes that it added to the medium.
    pub added_bytes: u64,
    /// With an identity.
    pub details: Option<Details>,
}

/// What only the manifest tells.
#[derive(Debug, Clone)]
pub struct Details {
    pub host: String,
    pub tag: Option<String>,
    pub full: bool,
    /// Names and priorities.
    pub sources: Vec<(Vec<u8>, Option<u8>)>,
    pub statistics: Vec<(String, u64)>,
    /// What a full restore reads: media by their place in the set, with the bytes of content on each; empty where there was one only.
    pub media: Vec<(u64, u64)>,
}

impl Details {
    fn of(m: &Manifest) -> Self {
        Self {
            host: m.host.clone(),
            tag: m.tag.clone(),
            full: m.full,
            sources: m.sources.iter().map(|s| (s.name.clone(), s.priority)).collect(),
            statistics: m.statistics.clone(),
            media: m.media.clone(),
        }
    }
}

type Result<T> = std::result::Result<T, InspectError>;

/// Lists the generations of a set; with an identity also what their manifests tell.
pub fn generations(from: &Path, set: Option<Id>, identity: Option<&Identity>, env: &Env) -> Result<SetReport> {
    let opened = OpenSet::open(from, set, env.loader)?;
    let chain = opened.chain()?;
    let firsts = chain.media();
    let mut generations = Vec::new();
    for l in &chain.links {
        // Those of earlier media are not at hand.
        let identity = identity.filter(|_| l.seal.manifest().is_some_and(|m| m.number >= chain.first));
        let opened = identity.map(|i| Generation::open(&*opened.medium, &chain, Some(l.seal.generation), i)).transpose();
        generations.push(GenerationReport {
            generation: l.seal.generation,
            time: l.seal.time.clone(),
            verdict: l.seal.verdict,
            read_back: l.seal.read_back,
            check_code: CheckCode::of(&l.digest),
            trusted: l.trusted,
            entries: l.seal.record_count,
            place: firsts.partition_point(|first| *first < l.number) as u64,
            added_bytes: l.seal.objects.iter().map(|o| o.length).sum::<u64>() + l.length,
            details: opened?.map(|g| Details::of(&g.manifest)),
        });
    }
    Ok(SetReport {
        set: chain.set,
        name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        created: chain.label.as_ref().map(|l| l.created.clone()).unwrap_or_default(),
        quarantine: chain.label.as_ref().is_some_and(|l| l.quarantine),
        generations,
        faults: chain.faults,
    })
}

/// What is to be found, and where.
#[derive(Debug, Clone)]
pub struct FindOptions {
    pub from: PathBuf,
    pub set: Option<Id>,
    /// `None`: in all.
    pub generation: Option<u64>,
    /// Paths as they stand in the generation, or gitignore patterns.
    pub patterns: Vec<String>,
}

/// An entry that was found, and the generations that hold it just so.
#[derive(Debug, Clone)]
pub struct Hit {
    pub first: u64,
    pub last: u64,
    pub core: Core,
}

/// Finds entries by path or pattern. One that is the same in several generations running is one hit.
pub fn find(options: &FindOptions, identity: &Identity, env: &Env, _observer: &dyn Observer) -> Result<Vec<Hit>> {
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, options.generation, env.loader)?;
    let patterns = patterns(&options.patterns)?;
    let wanted = options.generation;
    let mut hits: Vec<Hit> = Vec::new();
    // Of each path, the hit that was made last.
    let mut latest: HashMap<Vec<u8>, usize> = HashMap::new();
    for link in chain.generations().filter(|l| wanted.is_none_or(|w| w == l.seal.generation)) {
        let n = link.seal.generation;
        let generation = Generation::open(&*opened.medium, &chain, Some(n), identity)?;
        for record in generation.entries() {
            if env.is_interrupted() {
                return Err(InspectError::Interrupted);
            }
            let core = record?.entry.core;
            if !is_match(&patterns, &options.patterns, &core) {
                continue;
            }
            match latest.get(&core.path).map(|i| &mut hits[*i]) {
                Some(h) if h.last + 1 == n && h.core == core => h.last = n,
                _ => {
                    latest.insert(core.path.clone(), hits.len());
                    hits.push(Hit { first: n, last: n, core });
                }
            }
        }
    }
    if let Some(wanted) = wanted
        && chain.generation(wanted).is_none()
    {
        // Opening it names the generations that there are.
        Generation::open(&*opened.medium, &chain, Some(wanted), identity)?;
    }
    hits.sort_by(|a, b| compare_paths(&a.core.path, &b.core.path).then(a.first.cmp(&b.first)));
    Ok(hits)
}

fn patterns(texts: &[String]) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for text in texts {
        builder.add_line(None, text).map_err(|source| InspectError::Pattern { pattern: text.clone(), source })?;
    }
    builder.build().map_err(|source| InspectError::Pattern { pattern: texts.join(" "), source })
}

fn is_match(patterns: &Gitignore, texts: &[String], core: &Core) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(&core.path));
    texts.iter().any(|t| is_within(&core.path, t.trim_matches('/').as_bytes()))
        || patterns.matched(path, core.kind == EntryKind::Directory).is_ignore()
}

/// How an entry differs between two generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Added,
    Removed,
    /// Content, type, target or device.
    Content,
    /// Only permissions, owner, times, attributes.
    Metadata,
}

#[derive(Debug, Clone)]
pub struct GenerationDifference {
    pub change: Change,
    pub path: Vec<u8>,
    pub before: Option<Box<Core>>,
    pub after: Option<Box<Core>>,
}

/// Which generations are to be compared.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    pub from: PathBuf,
    pub set: Option<Id>,
    pub before: u64,
    pub after: u64,
}

/// Tells `each` every difference between two generations, in the order of the entry stream. Constant memory.
pub fn diff(options: &DiffOptions, identity: &Identity, env: &Env, mut each: impl FnMut(GenerationDifference)) -> Result<()> {
    let newest = options.before.max(options.after);
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, Some(newest), env.loader)?;
    let open = |n| Generation::open(&*opened.medium, &chain, Some(n), identity).map_err(InspectError::Generation);
    merge(&open(options.before)?, &open(options.after)?, env, |Both { change, path, before, after }| {
        if let Some(change) = change {
            each(GenerationDifference { change, path, before, after });
        }
    })
}

/// A path in one or both of two generations.
pub(super) struct Both {
    /// `None`: it is the same.
    pub change: Option<Change>,
    pub path: Vec<u8>,
    pub before: Option<Box<Core>>,
    pub after: Option<Box<Core>>,
}

/// Tells `each` of every path in two generations whether it differs and what it is in both. Constant memory.
pub(super) fn merge(before: &Generation, after: &Generation, env: &Env, mut each: impl FnMut(Both)) -> Result<()> {
    let (mut old, mut new) = (before.entries(), after.entries());
    let (mut a, mut b) = (next(&mut old)?, next(&mut new)?);
    loop {
        if env.is_interrupted() {
            return Err(InspectError::Interrupted);
        }
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => compare_paths(&x.path, &y.path),
        };
        let (before, after) = match order {
            Ordering::Less => (std::mem::replace(&mut a, next(&mut old)?), None),
            Ordering::Greater => (None, std::mem::replace(&mut b, next(&mut new)?)),
            Ordering::Equal => (std::mem::replace(&mut a, next(&mut old)?), std::mem::replace(&mut b, next(&mut new)?)),
        };
        let path = before.as_ref().or(after.as_ref()).map(|c| c.path.clone()).unwrap_or_default();
        let change = change(before.as_deref(), after.as_deref());
        each(Both { change, path, before, after });
    }
}

fn next(entries: &mut EntryReader) -> Result<Option<Box<Core>>> {
    let record: Option<EntryRecord> = entries.next().transpose()?;
    Ok(record.map(|r| Box::new(r.entry.core)))
}

fn change(before: Option<&Core>, after: Option<&Core>) -> Option<Change> {
    let content = |c: &Core| (c.kind, c.size, c.blake3, c.target.clone(), c.device, c.state);
    match (before, after) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::Added),
        (Some(_), None) => Some(Change::Removed),
        (Some(a), Some(b)) if content(a) != content(b) => Some(Change::Content),
        (Some(a), Some(b)) => {
            // Reading or restoring a file changes these; they say nothing of what is in it.
            let mut a = a.clone();
            (a.ctime, a.inode) = (b.ctime, b.inode);
            (a != *b).then_some(Change::Metadata)
        }
    }
}
