//! The sources of a run: in their order, opened, and described for the manifest.

use super::tally::BackupTally;
use super::{BackupError, Options, Result, SourceOptions};
use crate::event::FindingKind;
use crate::format::manifest::{Source, SourceKind, come_apart};
use crate::host::roots::SourceRoots;
use crate::interruption::Interruption;
use crate::pipeline::source::{SourceError, SourceTree, TreeOptions};
use crate::tripwire::Watcher;

/// The sources, ascending by name. None lies within another: the entry stream is one tree.
pub fn ordered_sources(options: &Options) -> Result<Vec<&SourceOptions>> {
    let mut sources: Vec<&SourceOptions> = options.sources.iter().collect();
    if sources.is_empty() {
        return Err(BackupError::NoSource);
    }
    sources.sort_by(|a, b| crate::format::entry::compare_paths(&a.name, &b.name));
    let text = |s: &SourceOptions| String::from_utf8_lossy(&s.name).into_owned();
    match sources.windows(2).find(|w| !come_apart(&w[0].name, &w[1].name)) {
        Some(w) if w[0].name == w[1].name => Err(BackupError::SameName { name: text(w[0]) }),
        Some(w) => Err(BackupError::SourceWithin { inner: text(w[1]), outer: text(w[0]) }),
        None => Ok(sources),
    }
}

/// Refuses sources that are there and are neither a folder nor a file: of a device or a pipe nothing would be read.
pub fn check_kinds(sources: &[SourceOptions]) -> Result<()> {
    for s in sources.iter().filter(|s| s.command.is_empty()) {
        let Ok(found) = std::fs::metadata(&s.path) else { continue };
        if !found.is_dir() && !found.is_file() {
            return Err(SourceError::NoFile { root: s.path.clone() }.into());
        }
    }
    Ok(())
}

/// The trees among the sources.
pub struct OpenTrees {
    pub trees: Vec<SourceTree>,
    /// Names of those that are there and cannot be opened.
    pub unreadable: Vec<Vec<u8>>,
}

/// Opens the trees. One that is missing or cannot be opened is a finding if another source is there.
pub fn open_trees(sources: &[&SourceOptions], tally: &BackupTally, interruption: Interruption) -> Result<OpenTrees> {
    let (mut trees, mut unreadable, mut failure) = (Vec::new(), Vec::new(), None);
    for s in sources.iter().filter(|s| s.command.is_empty()) {
        let tree_options = TreeOptions {
            excludes: s.excludes.iter().map(|x| x.clone().into_bytes()).collect(),
            one_file_system: s.one_file_system,
            skip: Vec::new(),
            no_atime: true,
        };
        match SourceTree::open(s.name.clone(), &s.path, tree_options) {
            Ok(mut tree) => {
                tree.stopped_by(interruption);
                trees.push(tree);
            }
            Err(SourceError::Missing { .. }) => {
                tally.finding(FindingKind::SourceMissing, &s.name, s.path.display().to_string());
                failure = Some(BackupError::SourceMissing { path: s.path.clone() });
            }
            Err(SourceError::Link { link, .. }) => {
                let detail = format!("a link of another user: {}", link.display());
                tally.finding(FindingKind::SourceElsewhere, &s.name, detail);
                unreadable.push(s.name.clone());
            }
            Err(SourceError::Unreadable { root, source }) => {
                tally.finding(FindingKind::Unreadable, &s.name, source.to_string());
                unreadable.push(s.name.clone());
                failure = failure.or(Some(SourceError::Unreadable { root, source }.into()));
            }
            Err(e) => return Err(e.into()),
        }
    }
    match failure {
        Some(failure) if trees.is_empty() && sources.iter().all(|s| s.command.is_empty()) => Err(failure),
        _ => Ok(OpenTrees { trees, unreadable }),
    }
}

/// Takes out the trees whose roots lead elsewhere than in the last night: somebody has swapped them. Returns where the
/// roots of all sources lead, for the next night. `is_announced`: a person has said that something changes.
pub fn find_elsewhere(
    sources: &[&SourceOptions],
    open: &mut OpenTrees,
    known: SourceRoots,
    is_announced: bool,
    tally: &BackupTally,
) -> SourceRoots {
    let mut roots = known;
    for s in sources {
        let Some(at) = open.trees.iter().position(|t| t.name() == s.name) else { continue };
        let place = open.trees[at].place();
        match roots.place(&s.name, &s.path).filter(|known| *known != place && !is_announced) {
            Some(known) => {
                let detail = format!("{}: before: {}", place.display(), known.display());
                tally.finding(FindingKind::SourceElsewhere, &s.name, detail);
                open.trees.remove(at);
                open.unreadable.push(s.name.clone());
            }
            None => roots.put(&s.name, &s.path, place),
        }
    }
    roots
}

/// Tells the tripwires which trees are not there: that is a finding, and nothing to be judged.
pub fn find_absent(sources: &[&SourceOptions], trees: &[SourceTree], watcher: &Watcher) {
    let is_there = |s: &SourceOptions| !s.command.is_empty() || trees.iter().any(|t| t.name() == s.name);
    sources.iter().filter(|s| !is_there(s)).for_each(|s| watcher.is_absent(&s.name));
}

/// Device and inode of a folder that a walk must not enter.
pub fn identify(folder: &std::path::Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(folder).ok().map(|m| (m.dev(), m.ino()))
}

/// A source as the manifest describes it.
pub fn manifest_source(s: &SourceOptions) -> Source {
    use std::os::unix::ffi::OsStrExt;
    Source {
        name: s.name.clone(),
        path: s.path.as_os_str().as_bytes().into(),
        kind: if s.command.is_empty() { SourceKind::Tree } else { SourceKind::Command },
        excludes: s.excludes.iter().map(|x| x.clone().into_bytes()).collect(),
        rules: s.rules,
        priority: s.priority,
    }
}
