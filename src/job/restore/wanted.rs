//! Which entries are wanted.
//!
//! Thousands of names may be wanted out of millions of entries. So names are looked up: an entry is wanted when it or one of the folders
//! above it is among them.

use super::{Options, RestoreError};
use crate::format::entry::{Core, EntryKind};
use crate::format::manifest::{Rules, Source};
use crate::generation::is_within;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Paths that are looked for one by one; for more of them, reading everything is no slower.
const FEW: usize = 64;

pub struct Selection {
    /// What was asked for, in its order, and whether anything of it was met.
    names: Vec<(Vec<u8>, AtomicBool)>,
    /// Which of the names each path is.
    paths: HashMap<Vec<u8>, usize>,
    /// No path in `paths` is longer.
    longest: usize,
    patients: HashMap<Vec<u8>, usize>,
    /// SS-MIX2 storages: sources that have a folder for each patient.
    storages: Vec<Vec<u8>>,
    patterns: Option<Gitignore>,
}

impl Selection {
    pub fn new(options: &Options, sources: &[Source]) -> Result<Self, RestoreError> {
        let storages: Vec<_> = sources.iter().filter(|s| s.rules == Rules::SsMix2).map(|s| s.name.clone()).collect();
        let (names, paths, patients) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut wanted = Self { names, paths, longest: 0, patients, storages, patterns: patterns(&options.patterns)? };
        options.paths.iter().for_each(|path| wanted.add_path(path));
        for name in options.only.iter().flat_map(|list| list.names()) {
            // A source, or a folder above sources of several names, has none.
            let is_patient = !name.contains(&b'/') && !sources.iter().any(|s| is_within(&s.name, name));
            if is_patient { wanted.add_patient(name.trim_ascii()) } else { wanted.add_path(name) }
        }
        Ok(wanted)
    }

    fn add_path(&mut self, typed: &[u8]) {
        let path = trim(typed);
        self.longest = self.longest.max(path.len());
        if let Entry::Vacant(new) = self.paths.entry(path.clone()) {
            new.insert(self.names.len());
            self.names.push((path, AtomicBool::new(false)));
        }
    }

    fn add_patient(&mut self, id: &[u8]) {
        if let Entry::Vacant(new) = self.patients.entry(id.to_vec()) {
            new.insert(self.names.len());
            self.names.push((id.to_vec(), AtomicBool::new(false)));
        }
    }

    pub fn is_all(&self) -> bool {
        self.names.is_empty() && self.patterns.is_none()
    }

    /// Patients are asked for, and no source has folders of patients.
    pub fn lacks_storages(&self) -> bool {
        !self.patients.is_empty() && self.storages.is_empty()
    }

    pub fn is_wanted(&self, core: &Core) -> bool {
        self.check(&core.path, core.kind == EntryKind::Directory)
    }

    /// The entry is a further name of one that is restored, too. Else it is a file of its own.
    pub fn is_link(&self, core: &Core) -> bool {
        core.link_to.as_ref().is_some_and(|first| self.check(first, false))
    }

    fn check(&self, path: &[u8], is_directory: bool) -> bool {
        if self.is_all() {
            return true;
        }
        let mut wanted = false;
        let mut meet = |number: Option<&usize>| {
            if let Some((_, met)) = number.and_then(|n| self.names.get(*n)) {
                met.store(true, Relaxed);
                wanted = true;
            }
        };
        if !self.paths.is_empty() {
            let above = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i);
            let ends = above.chain([path.len()]).take_while(|end| *end <= self.longest);
            ends.for_each(|end| meet(self.paths.get(&path[..end])));
        }
        if !self.patients.is_empty()
            && let Some(storage) = self.storages.iter().find(|s| is_within(path, s))
        {
            patients_of(&path[storage.len()..]).for_each(|id| meet(self.patients.get(id)));
        }
        let path = Path::new(OsStr::from_bytes(path));
        wanted || self.patterns.as_ref().is_some_and(|g| g.matched_path_or_any_parents(path, is_directory).is_ignore())
    }

    /// Paths that all that is wanted lies below, as few as can be looked for one by one; `None` where all entries have to be looked at.
    pub fn spans(&self, sources: &[Source]) -> Option<Vec<Vec<u8>>> {
        if self.is_all() || self.patterns.is_some() {
            return None;
        }
        let storages = self.storages.iter().filter(|_| !self.patients.is_empty());
        let spans: Vec<Vec<u8>> = self.paths.keys().chain(storages.clone()).cloned().collect();
        if spans.len() <= FEW {
            return Some(spans);
        }
        // The sources that they are in.
        let mut names: BTreeSet<&Vec<u8>> = storages.collect();
        for path in self.paths.keys() {
            // Or a folder above sources of several names; or nothing at all.
            names.extend(sources.iter().map(|s| &s.name).filter(|name| is_within(path, name) || is_within(name, path)));
        }
        (names.len() <= FEW).then(|| names.into_iter().cloned().collect())
    }

    /// What was asked for and not met, in its order.
    pub fn not_found(&self) -> Vec<Vec<u8>> {
        self.names.iter().filter(|(_, met)| !met.load(Relaxed)).map(|(name, _)| name.clone()).collect()
    }
}

/// The patients that a path below an SS-MIX2 storage may belong to: the folders `<id 1-3>/<id 4-6>/<id>`, as deep as they may lie, since a
/// source may hold the roots of several storages, or folders above them. An id of four or five characters has a shorter second folder.
fn patients_of(below: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = || below.split(|b| *b == b'/');
    let three = names().zip(names().skip(1)).zip(names().skip(2));
    three.filter(|((a, b), id)| id.get(..3) == Some(a) && id.get(3..id.len().min(6)) == Some(b)).map(|(_, id)| id)
}

fn patterns(typed: &[String]) -> Result<Option<Gitignore>, RestoreError> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in typed {
        let added = builder.add_line(None, pattern);
        added.map_err(|source| RestoreError::Pattern { pattern: pattern.clone(), source })?;
    }
    let built = builder.build().map_err(|source| RestoreError::Pattern { pattern: typed.join(" "), source })?;
    Ok((!typed.is_empty()).then_some(built))
}

/// A path as typed, without slashes at its ends.
fn trim(path: &[u8]) -> Vec<u8> {
    let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
    let end = path.iter().rposition(|b| *b != b'/').map_or(start, |i| i + 1);
    path[start..end].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::SourceKind;
    use crate::job::restore::List;
    use crate::pipeline::target::TargetOptions;

    fn source(name: &str, rules: Rules) -> Source {
        Source { name: name.into(), path: b"/".to_vec(), kind: SourceKind::Tree, excludes: Vec::new(), rules, priority: None }
    }

    fn wanted(list: &str, paths: &[&str]) -> (Selection, [Source; 4]) {
        let plain = Rules::Plain;
        let sources = [source("a/x", plain), source("a/y", plain), source("ehr", plain), source("ss", Rules::SsMix2)];
        let options = Options {
            from: "/".into(),
            set: None,
            generation: None,
            to: "/".into(),
            paths: paths.iter().map(|p| p.as_bytes().to_vec()).collect(),
            only: (!list.is_empty()).then(|| List::parse(list.as_bytes()).unwrap()),
            patterns: Vec::new(),
            target: TargetOptions::default(),
            marking: Default::default(),
            page: |_| String::new(),
            dry_run: false,
            memory_bytes: 0,
        };
        (Selection::new(&options, &sources).unwrap(), sources)
    }

    #[test]
    fn a_name_wants_what_is_below_it_and_nothing_beside_it() {
        let (wanted, _) = wanted("ehr/dump\nehr/dump/x.sql\na\n", &["/ss/index/"]);
        for path in ["ehr/dump", "ehr/dump/x.sql", "ehr/dump/y/z", "a/x/f", "a", "ss/index/f"] {
            assert!(wanted.check(path.as_bytes(), false), "{path}");
        }
        for path in ["ehr", "ehr/dumps", "ehr/dump.old/f", "ehr/d", "ab", "ss/indexes", "x/ehr/dump", "ss"] {
            assert!(!wanted.check(path.as_bytes(), false), "{path}");
        }
        assert!(wanted.not_found().is_empty());
    }

    /// SS-MIX2: `<root>/<id 1-3>/<id 4-6>/<id>/<date>/<type>/<file>`.
    #[test]
    fn a_patient_is_a_folder_of_each_storage_however_deep_the_storage_lies() {
        let (wanted, _) = wanted("9999013\n12345\n0000001 \n7654321\nehr\n", &[]);
        for path in [
            "ss/999/901/9999013",
            "ss/999/901/9999013/20111220/OML-11/x",
            "ss/standard/999/901/9999013/-/ADT-00/y",
            "ss/volume 2/extended/999/901/9999013/z",
            "ss/123/45/12345/x",
            "ss/000/000/0000001",
            "ehr/9999013",
        ] {
            assert!(wanted.check(path.as_bytes(), false), "{path}");
        }
        for path in [
            "ss/999/901",
            "ss/999/901/99990130/x",
            "ss/999/9013/9999013",
            "ss/9999013",
            "ss/901/9999013/x",
            "ss/999/901/9999013.bak",
            "a/x/999/901/9999013/x",
            "ss/standard/TR/9999013",
        ] {
            assert!(!wanted.check(path.as_bytes(), false), "{path}");
        }
        assert_eq!(wanted.not_found(), [b"7654321"]);
        assert!(!wanted.lacks_storages());
    }

    #[test]
    fn only_as_much_of_the_list_of_entries_is_read_as_may_hold_what_is_wanted() {
        let spans = |list: &str| {
            let (wanted, sources) = wanted(list, &[]);
            wanted.spans(&sources).map(|mut all| {
                all.sort();
                all.into_iter().map(|s| String::from_utf8(s).unwrap()).collect::<Vec<_>>()
            })
        };
        assert_eq!(spans("ehr/d\n0000001\n").unwrap(), ["ehr/d", "ss"]);
        let many: String = (0..5_000).map(|i| format!("ehr/d/{i}\n{i:07}\n")).collect();
        assert_eq!(spans(&many).unwrap(), ["ehr", "ss"]);
        assert_eq!(spans(&(many + "a\nnowhere/x\n")).unwrap(), ["a/x", "a/y", "ehr", "ss"]);
        assert_eq!(spans(""), None);
    }
}
