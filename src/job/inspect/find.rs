//! `find`: entries by path or pattern, in one generation or in all.

use super::{InspectError, RefusedEntries, Result, check_interrupted};
use crate::env::Env;
use crate::format::entry::{Core, EntryKind, compare_paths};
use crate::format::object::Id;
use crate::generation::spelling::{both_forms, composed};
use crate::generation::{Generation, is_within};
use crate::pipeline::encryptor::Identity;
use crate::set::open::OpenSet;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is to be found, and where.
#[derive(Debug, Clone)]
pub struct FindOptions {
    /// Where the medium is.
    pub from: PathBuf,
    /// `None`: the only set on the medium.
    pub set: Option<Id>,
    /// `None`: in all.
    pub generation: Option<u64>,
    /// Paths as they are in the generation, or patterns in gitignore syntax.
    pub patterns: Vec<String>,
}

/// An entry, and consecutive generations that contain it unchanged.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FoundEntry {
    /// The first of the generations.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The entry.
    pub core: Core,
}

/// What was found, and what could not be looked at.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct FindReport {
    /// Sorted by path and generation.
    pub found: Vec<FoundEntry>,
    /// All entries that are refused, whether or not the patterns match their paths.
    pub refused: RefusedEntries,
}

/// Finds entries by path or pattern.
pub fn find(options: &FindOptions, identity: &Identity, env: &Env) -> Result<FindReport> {
    let (opened, chain) = OpenSet::with_content(&options.from, options.set, options.generation, env.loader)?;
    let patterns = Patterns::new(&options.patterns)?;
    let wanted = options.generation;
    if let Some(wanted) = wanted
        && chain.generation(wanted).is_none()
    {
        // The error names the generations that exist.
        Generation::open(&*opened.medium, &chain, Some(wanted), identity)?;
    }
    let (mut all, mut refused): (Vec<FoundEntry>, _) = (Vec::new(), RefusedEntries::default());
    // Of each path, the index of the newest one.
    let mut newest: HashMap<Vec<u8>, usize> = HashMap::new();
    for link in chain.generations().filter(|l| wanted.is_none_or(|w| w == l.seal.generation)) {
        let n = link.seal.generation;
        let generation = Generation::open(&*opened.medium, &chain, Some(n), identity)?;
        for record in generation.entries() {
            check_interrupted(env)?;
            let core = match record?.entry {
                Ok(entry) => entry.core,
                Err(entry) => {
                    refused.add(n, entry);
                    continue;
                }
            };
            if !patterns.is_match(&core) {
                continue;
            }
            match newest.get(&core.path).map(|i| &mut all[*i]) {
                Some(found) if found.last + 1 == n && found.core == core => found.last = n,
                _ => {
                    newest.insert(core.path.clone(), all.len());
                    all.push(FoundEntry { first: n, last: n, core });
                }
            }
        }
    }
    all.sort_by(|a, b| compare_paths(&a.core.path, &b.core.path).then(a.first.cmp(&b.first)));
    Ok(FindReport { found: all, refused })
}

struct Patterns<'o> {
    typed: &'o [String],
    gitignore: Gitignore,
}

impl<'o> Patterns<'o> {
    fn new(typed: &'o [String]) -> Result<Self> {
        let mut builder = GitignoreBuilder::new("");
        for text in typed {
            for form in both_forms(text) {
                builder.add_line(None, &form).map_err(|source| InspectError::Pattern { pattern: text.clone(), source })?;
            }
        }
        let gitignore = builder.build().map_err(|source| InspectError::Pattern { pattern: typed.join(" "), source })?;
        Ok(Self { typed, gitignore })
    }

    /// Whether an entry is, or lies below, a path that was typed; or whether a pattern matches it. In either Unicode form.
    fn is_match(&self, core: &Core) -> bool {
        let path = composed(&core.path);
        let is_typed = |t: &String| is_within(&path, &composed(t.trim_matches('/').as_bytes()));
        let matches = |path: &[u8]| {
            self.gitignore.matched(Path::new(OsStr::from_bytes(path)), core.kind == EntryKind::Directory).is_ignore()
        };
        self.typed.iter().any(is_typed) || matches(&core.path) || *path != *core.path && matches(&path)
    }
}
