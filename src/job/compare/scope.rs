//! Which sources are compared, each with which tree.

use super::{CompareError, NamedTree, Result};
use crate::format::manifest::{Rules, Source, SourceKind};
use crate::generation::is_within;
use crate::pipeline::source::{SourceError, SourceTree, TreeOptions};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A source, and the tree that it is compared with.
pub(super) struct Scope {
    pub(super) name: Vec<u8>,
    pub(super) rules: Rules,
    pub(super) path: Option<PathBuf>,
    /// `None` in a comparison of two generations; and if the tree does not exist: then every file is missing.
    pub(super) tree: Option<SourceTree>,
}

/// A source with the path of its tree.
struct Located<'s> {
    source: &'s Source,
    path: PathBuf,
    /// Fail if the tree does not exist.
    is_required: bool,
}

impl Scope {
    /// A source of a generation that is compared with another generation.
    pub(super) fn without_tree(source: &Source) -> Self {
        Self { name: source.name.clone(), rules: source.rules, path: None, tree: None }
    }

    fn open(located: Located, one_file_system: bool) -> Result<Self> {
        let Located { source, path, is_required } = located;
        let excludes = source.excludes.clone();
        let options = TreeOptions { excludes, one_file_system, no_atime: true, ..TreeOptions::default() };
        let tree = match SourceTree::open(source.name.clone(), &path, options) {
            Ok(tree) => Some(tree),
            // One of several trees in a folder. That it is missing is a result of the comparison.
            Err(SourceError::Missing { .. }) if !is_required => None,
            Err(e) => return Err(e.into()),
        };
        Ok(Self { name: source.name.clone(), rules: source.rules, path: Some(path), tree })
    }
}

/// Finds the source of each tree and opens the trees. The result is in the order of `sources`.
pub(super) fn open_trees(trees: &[NamedTree], one_file_system: bool, sources: &[Source]) -> Result<Vec<Scope>> {
    let mut all: Vec<Located> = Vec::new();
    for tree in trees {
        for located in sources_of(tree, sources)? {
            if all.iter().any(|l| l.source.name == located.source.name) {
                return Err(CompareError::TwoTrees { name: located.source.name.clone() });
            }
            all.push(located);
        }
    }
    all.sort_by_key(|l| sources.iter().position(|s| s.name == l.source.name));
    all.into_iter().map(|located| Scope::open(located, one_file_system)).collect()
}

/// The sources that a tree belongs to: the source that the user named; else the source with the name of the tree's
/// folder; else all sources, if the tree is a folder that contains them, as a restore makes it; else the only source.
fn sources_of<'s>(tree: &NamedTree, sources: &'s [Source]) -> Result<Vec<Located<'s>>> {
    let names = || sources.iter().map(|s| s.name.clone()).collect();
    let by_name = |name: &[u8]| sources.iter().find(|s| s.name == name);
    let whole = |source| Ok(vec![Located { source, path: tree.path.clone(), is_required: true }]);
    if let Some(name) = &tree.name {
        return whole(by_name(name).ok_or_else(|| CompareError::NoSuchSource { name: name.clone(), sources: names() })?);
    }
    if let Some(source) = tree.path.file_name().and_then(|n| by_name(n.as_bytes())) {
        return whole(source);
    }
    let within = |s: &Source| tree.path.join(Path::new(OsStr::from_bytes(&s.name)));
    if sources.iter().any(|s| within(s).symlink_metadata().is_ok()) {
        return Ok(sources.iter().map(|source| Located { source, path: within(source), is_required: false }).collect());
    }
    let mut trees = sources.iter().filter(|s| s.kind == SourceKind::Tree);
    match (trees.next(), trees.next()) {
        (Some(only), None) => whole(only),
        _ => Err(CompareError::WhichSource { path: tree.path.clone(), sources: names() }),
    }
}

/// The scope that a path belongs to.
pub(super) fn scope_of<'s>(scopes: &'s [Scope], path: &[u8]) -> Option<&'s Scope> {
    scopes.iter().find(|s| is_within(path, &s.name))
}
