//! `compare`: compares a tree, or another generation, with a generation, and gives every file exactly one class.
//!
//! Content counts, times do not: malware sets times as it likes. Only a time that is the record's beside other content
//! says something: no program leaves it so, whatever a source's rules are. An exact comparison knows no rules: it is for
//! what was restored. Both sides come in the order of the entry stream and
//! are merged in one pass; threads read and hash the files of the tree. The differences are stored in a file without a
//! name, so that memory does not grow with a tree where every file differs.
//!
//! **Invariant:** nothing is written to the tree, and its times of access do not change if the kernel permits that.

mod difference;
mod hash;
mod merge;
mod pass;
mod reader;
mod renames;
mod rules;
mod scope;
mod sides;
mod store;

pub use difference::{Class, ComparisonCounts, Difference, FileSummary, Reason};

use crate::env::Env;
use crate::event::{Event, Observer, Phase};
use crate::format::manifest::Rules;
use crate::format::object::Id;
use crate::generation::{Generation, GenerationError};
use crate::pipeline::encryptor::Identity;
use crate::pipeline::source::SourceError;
use crate::seal::chain::Fault;
use crate::set::open::{OpenError, OpenSet};
use pass::Pass;
use scope::{Scope, open_trees, scope_of};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use store::DifferenceStore;

/// What is to be compared with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// The reference: the generation that is taken as good. `None`: the newest.
    pub generation: Option<u64>,
    /// The other side.
    pub with: ComparedWith,
    /// No rules allow any change, and attributes and folders are compared too: for a tree that was restored.
    pub exact: bool,
    /// A folder for the file without a name that stores the differences. If it lies on a tree's own file system, they
    /// are stored in memory instead.
    pub keep_in: PathBuf,
}

impl Options {
    /// Compares `with` the newest generation of the only set on the medium `from`.
    pub fn new(from: impl Into<PathBuf>, with: ComparedWith, keep_in: impl Into<PathBuf>) -> Self {
        Self { from: from.into(), set: None, generation: None, with, exact: false, keep_in: keep_in.into() }
    }
}

/// The side that is compared with the reference generation.
#[derive(Debug, Clone)]
pub enum ComparedWith {
    /// Trees on this computer.
    Trees {
        /// Each belongs to one source of the generation, or is a folder that contains the sources.
        trees: Vec<NamedTree>,
        /// Do not enter other file systems. Must be as it was when the sources were backed up.
        one_file_system: bool,
        /// Folders that no backup contains: the medium's, the host's state.
        skip: Vec<PathBuf>,
    },
    /// Another generation of the set.
    Generation(u64),
}

impl ComparedWith {
    /// Trees, with everything in them.
    pub fn trees(trees: Vec<NamedTree>) -> Self {
        Self::Trees { trees, one_file_system: false, skip: Vec::new() }
    }
}

/// A tree and its source.
#[derive(Debug, Clone)]
pub struct NamedTree {
    /// The source that the tree is compared with. `None`: it is found by the tree's name or content.
    pub name: Option<Vec<u8>>,
    /// The tree's root.
    pub path: PathBuf,
}

/// A source that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceComparison {
    /// Its name.
    pub name: Vec<u8>,
    /// The rules that changes were classified by.
    pub rules: Rules,
    /// The tree's root. `None`: the other side is a generation.
    pub path: Option<PathBuf>,
}

/// The result of a comparison, without the differences themselves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The medium set.
    pub set: Id,
    /// Empty if the label is damaged.
    pub set_name: String,
    /// The reference generation's number.
    pub generation: u64,
    /// When the reference generation was sealed, as the seal writes it.
    pub time: String,
    /// Number and time of the other generation, if the other side is one.
    pub with: Option<(u64, String)>,
    /// The chain of seals is valid for the generations that were compared.
    pub trusted: bool,
    /// No rules allowed any change.
    pub exact: bool,
    /// What is wrong with the chain of seals.
    pub faults: Vec<Fault>,
    /// The sources that were compared.
    pub sources: Vec<SourceComparison>,
    /// Sources of the generation that have no tree.
    pub not_compared: Vec<Vec<u8>>,
    /// Number of files by their class, and more.
    pub counts: ComparisonCounts,
    /// Records that could not be read. It is not known which files they describe.
    pub entries_lost: u64,
}

/// Why a comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The tree has no source's name and contains no source.
    #[error("cannot tell which source {} belongs to", path.display())]
    WhichSource {
        /// The tree.
        path: PathBuf,
        /// The generation's sources.
        sources: Vec<Vec<u8>>,
    },
    /// The user named a source that does not exist.
    #[error("the generation has no source {}", String::from_utf8_lossy(name))]
    NoSuchSource {
        /// The source that was named.
        name: Vec<u8>,
        /// The generation's sources.
        sources: Vec<Vec<u8>>,
    },
    /// Two trees belong to one source.
    #[error("two trees for the source {}", String::from_utf8_lossy(name))]
    TwoTrees {
        /// The source.
        name: Vec<u8>,
    },
    /// A tree cannot be opened.
    #[error(transparent)]
    Tree(#[from] SourceError),
    /// The file with the differences cannot be made, written or read.
    #[error("the differences cannot be stored")]
    Keep(#[source] std::io::Error),
    /// The user wanted to stop.
    #[error("the run was interrupted")]
    Interrupted,
    /// A thread ended by a panic.
    #[error("a thread of the run failed")]
    Stopped,
    /// The set cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// One of the generations cannot be opened or read.
    #[error(transparent)]
    Generation(#[from] GenerationError),
}

type Result<T> = std::result::Result<T, CompareError>;

/// Compares, and calls `on_difference` with each file that is not identical and the rules of its source, in the order of
/// the entry stream.
///
/// What cannot be read is part of the report. Fails if the generations or a tree cannot be opened, a tree's source is
/// not clear, or the differences cannot be stored.
pub fn compare(
    options: &Options,
    identity: &Identity,
    env: &Env,
    observer: &dyn Observer,
    on_difference: &mut dyn FnMut(Difference, Rules),
) -> Result<Report> {
    observer.on_event(Event::Phase(Phase::Checking));
    let other = match options.with {
        ComparedWith::Generation(n) => Some(n),
        ComparedWith::Trees { .. } => None,
    };
    let newest = options.generation.map(|n| n.max(other.unwrap_or(0)));
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, newest, env.loader)?;
    let open = |n| Generation::open(&*opened.medium, &chain, n, identity);
    let reference = open(options.generation)?;
    let other = other.map(|n| open(Some(n))).transpose()?;
    let mut scopes = scopes(&options.with, &reference, other.as_ref())?;
    scopes.iter_mut().filter_map(|s| s.tree.as_mut()).for_each(|t| t.stopped_by(env.loader.interruption()));
    observer.on_event(Event::Expected { entries: reference.manifest.entries.count, bytes: 0 });
    observer.on_event(Event::Phase(Phase::Comparing));
    let mut store = DifferenceStore::new(&options.keep_in, &scopes).map_err(CompareError::Keep)?;
    let pass = Pass { reference: &reference, other: other.as_ref(), scopes: &scopes, exact: options.exact, env, observer };
    let entries_lost = pass.run(&mut store)?;
    let pairs = renames::find(&mut store, &scopes, env)?;
    let mut counts = store.counts.clone();
    pairs.for_each(&store, |difference| {
        if difference.class == Class::Renamed {
            counts.count_renamed();
        }
        let rules = scope_of(&scopes, &difference.path).map_or(Rules::Plain, |s| s.rules);
        counts.without_rules += u64::from(difference.class == Class::Updated && rules == Rules::Plain);
        on_difference(difference, rules);
    })?;
    let names = reference.manifest.sources.iter().map(|s| &s.name);
    let not_compared = names.filter(|name| scopes.iter().all(|s| s.name != **name)).cloned().collect();
    Ok(Report {
        set: chain.set,
        set_name: chain.label.as_ref().map(|l| l.name.clone()).unwrap_or_default(),
        generation: reference.manifest.generation,
        time: reference.link.seal.time.clone(),
        with: other.as_ref().map(|g| (g.manifest.generation, g.link.seal.time.clone())),
        trusted: reference.link.trusted && other.as_ref().is_none_or(|g| g.link.trusted),
        exact: options.exact,
        faults: chain.faults.clone(),
        not_compared,
        sources: scopes.into_iter().map(|s| SourceComparison { name: s.name, rules: s.rules, path: s.path }).collect(),
        counts,
        entries_lost,
    })
}

/// The sources to compare: those that have a tree, or those of either generation.
fn scopes(with: &ComparedWith, reference: &Generation, other: Option<&Generation>) -> Result<Vec<Scope>> {
    let sources = &reference.manifest.sources;
    match with {
        ComparedWith::Trees { trees, one_file_system, skip } => {
            let mut scopes = open_trees(trees, *one_file_system, sources)?;
            let skip: Vec<_> = skip.iter().filter_map(|p| p.metadata().ok()).map(|m| (m.dev(), m.ino())).collect();
            scopes.iter_mut().filter_map(|s| s.tree.as_mut()).for_each(|t| t.skip(&skip));
            Ok(scopes)
        }
        ComparedWith::Generation(_) => {
            let others = other.iter().flat_map(|g| &g.manifest.sources);
            let new = others.filter(|s| sources.iter().all(|r| r.name != s.name));
            Ok(sources.iter().chain(new).map(Scope::without_tree).collect())
        }
    }
}
