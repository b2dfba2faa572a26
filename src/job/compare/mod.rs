//! `compare`: holds a tree, or another generation, against a generation, and gives every file exactly one class.
//!
//! What counts is content, never times: malware sets times as it likes. Both sides come in the order of the entry stream and are merged in
//! one pass; threads read and hash the files of the tree. What is not identical is kept in a file without a name, so that memory
//! does not grow with a tree where nothing is as it was.
//!
//! **Invariant:** nothing is written to the tree, and its times of access stay where the kernel permits it.

mod kept;
mod merge;
mod reader;
mod renames;
mod rules;
mod sides;

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::entry::{Core, EntryKind};
use crate::format::manifest::{Rules, Source, SourceKind};
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError, is_within};
use crate::pipeline::encryptor::Identity;
use crate::pipeline::source::{SourceError, SourceTree, TreeOptions};
use crate::seal::chain::Fault;
use crate::set::open::{OpenError, OpenSet};
use crossbeam_channel::bounded;
use kept::Kept;
use merge::{Batch, Merge};
use parking_lot::Mutex;
use reader::Reader;
use sides::{Records, Side};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is to be compared with what.
#[derive(Debug, Clone)]
pub struct Options {
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// The generation that is held to be good; `None`: the newest.
    pub generation: Option<u64>,
    pub with: With,
    /// A folder for a file without a name that keeps what differs, unless it lies on the tree's own file system.
    pub keep_in: PathBuf,
}

#[derive(Debug, Clone)]
pub enum With {
    Trees {
        trees: Vec<NamedTree>,
        /// As it was when the sources were backed up.
        one_file_system: bool,
        /// Folders that no backup holds: the medium's, the host's state.
        skip: Vec<PathBuf>,
    },
    Generation(u64),
}

/// A tree, and which source of the generation it is, where that was said.
#[derive(Debug, Clone)]
pub struct NamedTree {
    pub name: Option<Vec<u8>>,
    pub path: PathBuf,
}

/// What became of a file. Each has exactly one; folders have none as long as they are folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    Identical,
    Added,
    /// Changed as its source's rules allow.
    Updated,
    OutsideRules,
    Missing,
    /// The same content under another name.
    Renamed,
    /// Nobody knows: one of the two could not be read.
    NotVerified,
}

impl Class {
    pub const ALL: [Self; 7] =
        [Self::Identical, Self::Added, Self::Updated, Self::OutsideRules, Self::Missing, Self::Renamed, Self::NotVerified];

    /// In JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Added => "added",
            Self::Updated => "updated",
            Self::OutsideRules => "outside-rules",
            Self::Missing => "missing",
            Self::Renamed => "renamed",
            Self::NotVerified => "not-verified",
        }
    }
}

/// What it was that led to a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The class says it all.
    None,
    /// Other bytes.
    Content,
    /// More bytes behind the old ones.
    Grown,
    /// Fewer bytes than before, where they may only become more.
    Cut,
    /// Another flag at the end of its name, as SS-MIX2 marks an update or a deletion.
    Flag,
    /// A file has become something else, or the other way round.
    Type,
    /// A symbolic link leads elsewhere, or a device is another.
    Target,
    /// Linux's number; 0 where no call failed.
    Unreadable { errno: u32 },
    /// It was changing while it was read.
    Changing,
    /// The generation has no content of it that could be compared with: it was unreadable, or changed under the backup.
    NoContent,
    /// The generation's record of it is lost in damage.
    NoRecord,
}

impl Reason {
    /// In JSON; empty where the class says it all.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Content => "content",
            Self::Grown => "grown",
            Self::Cut => "cut",
            Self::Flag => "flag",
            Self::Type => "type",
            Self::Target => "target",
            Self::Unreadable { .. } => "unreadable",
            Self::Changing => "changing",
            Self::NoContent => "no-content",
            Self::NoRecord => "no-record",
        }
    }
}

/// A file on one of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub kind: EntryKind,
    pub size: u64,
    /// Of files whose content had to be read, or is recorded.
    pub blake3: Option<[u8; 32]>,
}

impl Seen {
    fn recorded(core: &Core) -> Self {
        Self { kind: core.kind, size: core.size, blake3: core.blake3 }
    }
}

/// A file that is not identical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub class: Class,
    pub reason: Reason,
    /// Beginning with the source's name; of a file that is missing, where it was.
    pub path: Vec<u8>,
    /// Where it was, if it was elsewhere.
    pub former: Option<Vec<u8>>,
    pub before: Option<Seen>,
    pub after: Option<Seen>,
}

/// Files by their class, and what else was counted on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    classes: [u64; 7],
    /// Identical files whose permissions, owner or time are others.
    pub metadata: u64,
    /// Folders on both sides.
    pub folders: u64,
    pub folders_added: u64,
    pub folders_missing: u64,
    pub bytes_read: u64,
}

impl Counts {
    pub fn of(&self, class: Class) -> u64 {
        self.classes[class as usize]
    }

    fn count(&mut self, class: Class) {
        self.classes[class as usize] += 1;
    }

    fn add(&mut self, other: &Self) {
        self.classes.iter_mut().zip(other.classes).for_each(|(a, b)| *a += b);
        self.metadata += other.metadata;
        self.folders += other.folders;
        self.folders_added += other.folders_added;
        self.folders_missing += other.folders_missing;
        self.bytes_read += other.bytes_read;
    }

    /// Two files that were counted apart are one that was renamed.
    fn renamed(&mut self) {
        self.classes[Class::Missing as usize] -= 1;
        self.classes[Class::Added as usize] -= 1;
        self.count(Class::Renamed);
    }
}

/// A source that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    pub name: Vec<u8>,
    pub rules: Rules,
    /// The tree, where there is one.
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub set: Id,
    pub set_name: String,
    pub generation: u64,
    pub time: String,
    /// The other generation and its time, where it was one.
    pub with: Option<(u64, String)>,
    /// Whether the chain of seals holds for the generations that were compared.
    pub trusted: bool,
    pub faults: Vec<Fault>,
    pub sources: Vec<SourceLine>,
    /// Sources of the generation that no tree was given for.
    pub not_compared: Vec<Vec<u8>>,
    pub counts: Counts,
    /// Records that could not be read: nobody knows of which files.
    pub entries_lost: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error("which source of the generation {} is cannot be told", path.display())]
    WhichSource { path: PathBuf, sources: Vec<Vec<u8>> },
    #[error("the generation has no source {}", String::from_utf8_lossy(name))]
    NoSuchSource { name: Vec<u8>, sources: Vec<Vec<u8>> },
    #[error("two trees for the source {}", String::from_utf8_lossy(name))]
    TwoTrees { name: Vec<u8> },
    #[error("the tree cannot be opened")]
    Tree(#[source] SourceError),
    #[error("what differs cannot be kept")]
    Keep(#[source] std::io::Error),
    #[error("the run was interrupted")]
    Interrupted,
    #[error("a thread of the run failed")]
    Stopped,
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Generation(#[from] GenerationError),
}

type Result<T> = std::result::Result<T, CompareError>;

/// A source, and the tree that it is compared with.
struct Scope {
    name: Vec<u8>,
    rules: Rules,
    path: Option<PathBuf>,
    /// `None`: there is none, and everything is missing.
    tree: Option<SourceTree>,
}

/// Compares, and tells `each` what is not identical, in the order of the entry stream.
pub fn compare(
    options: &Options,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
    each: &mut dyn FnMut(Difference),
) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let other = match options.with {
        With::Generation(n) => Some(n),
        With::Trees { .. } => None,
    };
    let newest = options.generation.map(|n| n.max(other.unwrap_or(0)));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, newest, env.loader)?;
    let open = |n| Generation::open(&*opened.medium, &chain, n, identity).map_err(CompareError::Generation);
    let base = open(options.generation)?;
    let other = other.map(|n| open(Some(n))).transpose()?;
    let mut scopes = match (&options.with, &other) {
        (With::Trees { trees, one_file_system, .. }, _) => scopes(trees, *one_file_system, &base.manifest.sources)?,
        (With::Generation(_), other) => {
            let further = other.iter().flat_map(|g| &g.manifest.sources);
            let further = further.filter(|s| base.manifest.sources.iter().all(|b| b.name != s.name));
            let all = base.manifest.sources.iter().chain(further);
            all.map(|s| Scope { name: s.name.clone(), rules: s.rules, path: None, tree: None }).collect()
        }
    };
    if let With::Trees { skip, .. } = &options.with {
        let skip: Vec<_> = skip.iter().filter_map(|p| p.metadata().ok()).map(|m| (m.dev(), m.ino())).collect();
        scopes.iter_mut().filter_map(|s| s.tree.as_mut()).for_each(|t| t.skip(&skip));
    }
    observer.on_event(Event::Expected { entries: base.manifest.entries.count, bytes: 0 });
    observer.on_event(Event::Phase(Phase::Comparing));
    let sides = Sides { base: &base, other: other.as_ref(), scopes: &scopes };
    let mut kept = Kept::new(&options.keep_in, &scopes).map_err(CompareError::Keep)?;
    let lost = sides.compare(&mut kept, env, observer)?;
    let pairs = renames::find(&mut kept, &scopes, env)?;
    let mut counts = kept.counts.clone();
    pairs.each(&kept, |difference| {
        if difference.class == Class::Renamed {
            counts.renamed();
        }
        each(difference);
    })?;
    let is_compared = |s: &&Source| scopes.iter().any(|scope| scope.name == s.name);
    let not_compared = base.manifest.sources.iter().filter(|s| !is_compared(s)).map(|s| s.name.clone()).collect();
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        generation: base.manifest.generation,
        time: base.link.seal.time.clone(),
        with: other.as_ref().map(|g| (g.manifest.generation, g.link.seal.time.clone())),
        trusted: base.link.trusted && other.as_ref().is_none_or(|g| g.link.trusted),
        faults: chain.faults.clone(),
        not_compared,
        sources: scopes.into_iter().map(|s| SourceLine { name: s.name, rules: s.rules, path: s.path }).collect(),
        counts,
        entries_lost: lost,
    })
}

/// Which source each tree is, ascending as the sources are.
fn scopes(trees: &[NamedTree], one_file_system: bool, sources: &[Source]) -> Result<Vec<Scope>> {
    let mut named: Vec<(&Source, PathBuf, bool)> = Vec::new();
    for t in trees {
        for (source, path, is_certain) in sources_of(t, sources)? {
            if named.iter().any(|(s, ..)| s.name == source.name) {
                return Err(CompareError::TwoTrees { name: source.name.clone() });
            }
            named.push((source, path, is_certain));
        }
    }
    named.sort_by_key(|(s, ..)| sources.iter().position(|x| x.name == s.name));
    let scope = |(source, path, is_certain): (&Source, PathBuf, bool)| {
        let excludes = source.excludes.clone();
        let options = TreeOptions { excludes, one_file_system, no_atime: true, ..TreeOptions::default() };
        let tree = match SourceTree::open(source.name.clone(), &path, options) {
            Ok(tree) => Some(tree),
            // One of several in a folder: it is what the comparison finds.
            Err(SourceError::Missing { .. }) if !is_certain => None,
            Err(e) => return Err(CompareError::Tree(e)),
        };
        Ok(Scope { name: source.name.clone(), rules: source.rules, path: Some(path), tree })
    };
    named.into_iter().map(scope).collect()
}

/// The source that was named; else the one that is called like the tree; else all, where the tree is a folder that holds them, as a restore
/// makes it; else the only one. The last of the three says whether the tree has to be there.
fn sources_of<'s>(tree: &NamedTree, sources: &'s [Source]) -> Result<Vec<(&'s Source, PathBuf, bool)>> {
    let names = || sources.iter().map(|s| s.name.clone()).collect();
    let called = |name: &[u8]| sources.iter().find(|s| s.name == name);
    let (name, path) = (&tree.name, &tree.path);
    if let Some(name) = name {
        let source = called(name).ok_or_else(|| CompareError::NoSuchSource { name: name.clone(), sources: names() })?;
        return Ok(vec![(source, path.clone(), true)]);
    }
    if let Some(source) = path.file_name().and_then(|n| called(n.as_bytes())) {
        return Ok(vec![(source, path.clone(), true)]);
    }
    let within = |s: &Source| path.join(Path::new(std::ffi::OsStr::from_bytes(&s.name)));
    if sources.iter().any(|s| within(s).symlink_metadata().is_ok()) {
        return Ok(sources.iter().map(|s| (s, within(s), false)).collect());
    }
    let mut trees = sources.iter().filter(|s| s.kind == SourceKind::Tree);
    match (trees.next(), trees.next()) {
        (Some(only), None) => Ok(vec![(only, path.clone(), true)]),
        _ => Err(CompareError::WhichSource { path: path.clone(), sources: names() }),
    }
}

/// The source that a path belongs to.
fn scope_of<'s>(scopes: &'s [Scope], path: &[u8]) -> Option<(usize, &'s Scope)> {
    scopes.iter().enumerate().find(|(_, s)| is_within(path, &s.name))
}

/// What is compared with what.
struct Sides<'a, 'g> {
    base: &'a Generation<'g>,
    other: Option<&'a Generation<'g>>,
    scopes: &'a [Scope],
}

/// Batches on their way to the threads that read.
const QUEUE: usize = 8;

impl Sides<'_, '_> {
    /// The one pass; what it finds goes to `kept`. How many records could not be read.
    fn compare(&self, kept: &mut Kept, env: &Env, observer: &dyn Observer) -> Result<u64> {
        let kept = Mutex::new(kept);
        let stopped = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (give, take) = bounded::<Batch>(QUEUE);
            let readers: Vec<_> = (0..env.threads.max(1))
                .map(|_| {
                    let take = take.clone();
                    let (kept, stopped) = (&kept, &stopped);
                    scope.spawn(move || {
                        let mut reader = Reader::new(self.scopes, self.other);
                        for batch in take {
                            if stopped.load(Ordering::Relaxed) || env.is_interrupted() {
                                continue;
                            }
                            let (sequence, entries) = (batch.sequence, batch.tasks.len() as u64);
                            let found = reader.work(batch);
                            observer.on_event(Event::Progress { entries, bytes: found.counts.bytes_read });
                            let mut kept = kept.lock();
                            if let Err(e) = kept.keep(sequence, &found) {
                                stopped.store(true, Ordering::Relaxed);
                                return Err(e);
                            }
                        }
                        Ok(())
                    })
                })
                .collect();
            drop(take);
            let (base, base_lost) = Records::of(self.base, self.scopes, scope);
            let (side, other_lost) = match self.other {
                Some(g) => {
                    let (records, lost) = Records::of(g, self.scopes, scope);
                    (Side::Records(records), Some(lost))
                }
                None => (Side::trees(self.scopes), None),
            };
            let is_stopped = || stopped.load(Ordering::Relaxed) || env.is_interrupted();
            let merged = Merge::new(self.scopes, &|batch| give.send(batch).is_ok() && !is_stopped()).run(base, side);
            drop(give);
            let mut lost = 0;
            for thread in [Some(base_lost), other_lost].into_iter().flatten() {
                lost += thread.join().unwrap_or(0);
            }
            for reader in readers {
                match reader.join() {
                    Ok(done) => done.map_err(CompareError::Keep)?,
                    Err(_) => return Err(CompareError::Stopped),
                }
            }
            if env.is_interrupted() {
                return Err(CompareError::Interrupted);
            }
            let counts = merged?;
            kept.lock().counts.add(&counts);
            Ok(lost)
        })
    }
}
