//! Which entries are to be restored.
//!
//! Thousands of names may be requested out of millions of entries. So names are looked up: an entry is selected if it,
//! or a folder above it, is among the requested names. A name is the same in either Unicode form.

use super::record::{RestoreRecord, path_and_type};
use super::{Options, RestoreError};
use crate::format::entry::{Core, EntryKind};
use crate::format::manifest::{Rules, Source};
use crate::generation::is_within;
use crate::generation::spelling::{both_forms, composed, with_one_spelling};
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The most paths that are searched for one by one. With more of them, reading everything is no slower.
const MAX_SEARCH_PATHS: usize = 64;

/// What a restore was asked for.
pub(super) struct Selection {
    /// In the order of the request.
    names: Vec<RequestedName>,
    /// Each requested path's index in `names`. Here and below in composed characters.
    paths: HashMap<Vec<u8>, usize>,
    /// Length in bytes of the longest path in `paths`.
    longest: usize,
    /// Each requested patient's index in `names`.
    patients: HashMap<Vec<u8>, usize>,
    /// SS-MIX2 storages: sources that have a folder for each patient.
    storages: Vec<Vec<u8>>,
    patterns: Option<Gitignore>,
}

/// A path or a patient.
struct RequestedName {
    name: Vec<u8>,
    /// At least one entry of it was found.
    is_found: AtomicBool,
    /// It was found in another Unicode form.
    is_otherwise_spelled: AtomicBool,
}

impl RequestedName {
    fn new(name: &[u8]) -> Self {
        Self { name: name.to_vec(), is_found: AtomicBool::new(false), is_otherwise_spelled: AtomicBool::new(false) }
    }
}

impl Selection {
    /// `sources` are those of the generation.
    pub(super) fn new(options: &Options, sources: &[Source]) -> Result<Self, RestoreError> {
        let storages: Vec<_> = sources.iter().filter(|s| s.rules == Rules::SsMix2).map(|s| s.name.clone()).collect();
        let (names, paths, patients) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut selection = Self { names, paths, longest: 0, patients, storages, patterns: patterns(&options.patterns)? };
        options.paths.iter().for_each(|path| selection.add_path(path));
        for name in options.only.iter().flat_map(|list| list.names()) {
            // The name of a source, or of a folder above sources of several names, may have no slash either.
            let is_above = |s: &Source| is_within(&composed(&s.name), &composed(name));
            let is_patient = !name.contains(&b'/') && !sources.iter().any(is_above);
            if is_patient { selection.add_patient(name.trim_ascii()) } else { selection.add_path(name) }
        }
        Ok(selection)
    }

    fn add_path(&mut self, typed: &[u8]) {
        let typed = trim_slashes(typed);
        let path = composed(typed);
        self.longest = self.longest.max(path.len());
        if let Entry::Vacant(new) = self.paths.entry(path.into_owned()) {
            new.insert(self.names.len());
            self.names.push(RequestedName::new(typed));
        }
    }

    fn add_patient(&mut self, id: &[u8]) {
        if let Entry::Vacant(new) = self.patients.entry(composed(id).into_owned()) {
            new.insert(self.names.len());
            self.names.push(RequestedName::new(id));
        }
    }

    /// Nothing in particular was requested: the whole generation is selected.
    pub(super) fn is_all(&self) -> bool {
        self.names.is_empty() && self.patterns.is_none()
    }

    /// Patients were requested, and no source has folders of patients.
    pub(super) fn lacks_storages(&self) -> bool {
        !self.patients.is_empty() && self.storages.is_empty()
    }

    /// Whether the entry is selected. Notes the requested names that it belongs to as found.
    pub(super) fn contains(&self, core: &Core) -> bool {
        self.contains_path(&core.path, core.kind == EntryKind::Directory)
    }

    /// The same for a record that may be refused.
    pub(super) fn contains_record(&self, record: &RestoreRecord) -> bool {
        let (path, is_directory) = path_and_type(record);
        self.contains_path(path, is_directory)
    }

    /// The entry is a hard link to an entry that is selected, too. A link to any other entry becomes a file of its own.
    pub(super) fn contains_link_target(&self, core: &Core) -> bool {
        core.link_to.as_ref().is_some_and(|first| self.contains_path(first, false))
    }

    pub(super) fn contains_path(&self, path: &[u8], is_directory: bool) -> bool {
        if self.is_all() {
            return true;
        }
        let composed_path = composed(path);
        let mut is_selected = false;
        let mut note = |index: Option<&usize>| {
            if let Some(requested) = index.and_then(|i| self.names.get(*i)) {
                requested.is_found.store(true, Relaxed);
                is_selected = true;
            }
        };
        if !self.paths.is_empty() {
            let path = &*composed_path;
            let folder_ends = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i);
            let ends = folder_ends.chain([path.len()]).take_while(|end| *end <= self.longest);
            ends.for_each(|end| note(self.paths.get(&path[..end])));
        }
        if !self.patients.is_empty()
            && let Some(storage) = self.storages.iter().find(|s| is_within(path, s))
        {
            let below = &path[storage.len()..];
            // Folders are named after parts of an id, which have other lengths in another form.
            for below in [below, &*composed(below)] {
                patients_of(below).for_each(|id| note(self.patients.get(&*composed(id))));
            }
        }
        if let Some(requested) = self.paths.get(&*composed_path).and_then(|i| self.names.get(*i))
            && requested.name != path
        {
            requested.is_otherwise_spelled.store(true, Relaxed);
        }
        let matches = |path: &[u8]| {
            let path = Path::new(OsStr::from_bytes(path));
            self.patterns.as_ref().is_some_and(|g| g.matched_path_or_any_parents(path, is_directory).is_ignore())
        };
        is_selected || matches(path) || *composed_path != *path && matches(&composed_path)
    }

    /// A few paths that contain everything selected, so that each can be searched for; `None` if all entries have to be
    /// looked at.
    pub(super) fn search_paths(&self, sources: &[Source]) -> Option<Vec<Vec<u8>>> {
        if self.is_all() || self.patterns.is_some() {
            return None;
        }
        let storages = self.storages.iter().filter(|_| !self.patients.is_empty());
        // Up to where a name may have been written otherwise.
        let requested = || self.paths.keys().map(|path| with_one_spelling(path));
        let paths: Vec<Vec<u8>> = requested().chain(storages.clone().map(|s| &s[..])).map(<[u8]>::to_vec).collect();
        if paths.iter().any(Vec::is_empty) {
            return None;
        }
        if paths.len() <= MAX_SEARCH_PATHS {
            return Some(paths);
        }
        // Whole sources instead of the paths in them.
        let mut names: BTreeSet<&Vec<u8>> = storages.collect();
        for path in requested() {
            // A path may also be a folder above sources of several names, or not exist at all.
            names.extend(sources.iter().map(|s| &s.name).filter(|name| is_within(path, name) || is_within(name, path)));
        }
        (names.len() <= MAX_SEARCH_PATHS).then(|| names.into_iter().cloned().collect())
    }

    /// The requested paths that were found in another Unicode form, in the order of the request.
    pub(super) fn otherwise_spelled(&self) -> Vec<Vec<u8>> {
        self.names.iter().filter(|n| n.is_otherwise_spelled.load(Relaxed)).map(|n| n.name.clone()).collect()
    }

    /// The requested names of which nothing was found, in the order of the request.
    pub(super) fn not_found(&self) -> Vec<Vec<u8>> {
        self.names.iter().filter(|n| !n.is_found.load(Relaxed)).map(|n| n.name.clone()).collect()
    }
}

/// The patients that a path below an SS-MIX2 storage may belong to: the folders `<id 1-3>/<id 4-6>/<id>`, at any depth,
/// since a source may contain the roots of several storages, or folders above them. An id of four or five characters
/// has a shorter second folder.
fn patients_of(below: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = || below.split(|b| *b == b'/');
    let three = names().zip(names().skip(1)).zip(names().skip(2));
    three.filter(|((a, b), id)| id.get(..3) == Some(a) && id.get(3..id.len().min(6)) == Some(b)).map(|(_, id)| id)
}

fn patterns(typed: &[String]) -> Result<Option<Gitignore>, RestoreError> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in typed {
        for form in both_forms(pattern) {
            let added = builder.add_line(None, &form);
            added.map_err(|source| RestoreError::Pattern { pattern: pattern.clone(), source })?;
        }
    }
    let built = builder.build().map_err(|source| RestoreError::Pattern { pattern: typed.join(" "), source })?;
    Ok((!typed.is_empty()).then_some(built))
}

/// A path as typed, without slashes at its ends.
fn trim_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|b| *b != b'/').unwrap_or(path.len());
    let end = path.iter().rposition(|b| *b != b'/').map_or(start, |i| i + 1);
    &path[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::SourceKind;
    use crate::job::restore::NameList;

    fn source(name: &str, rules: Rules) -> Source {
        Source { name: name.into(), path: b"/".to_vec(), kind: SourceKind::Tree, excludes: Vec::new(), rules, priority: None }
    }

    fn selection(list: &str, paths: &[&str]) -> (Selection, [Source; 4]) {
        let plain = Rules::Plain;
        let sources = [source("a/x", plain), source("a/y", plain), source("ehr", plain), source("ss", Rules::SsMix2)];
        let options = Options {
            paths: paths.iter().map(|p| p.as_bytes().to_vec()).collect(),
            only: (!list.is_empty()).then(|| NameList::parse(list.as_bytes()).unwrap()),
            ..Options::new("/", "/")
        };
        (Selection::new(&options, &sources).unwrap(), sources)
    }

    #[test]
    fn a_name_selects_what_is_below_it_and_nothing_beside_it() {
        let (selection, _) = selection("ehr/dump\nehr/dump/x.sql\na\n", &["/ss/index/"]);
        for path in ["ehr/dump", "ehr/dump/x.sql", "ehr/dump/y/z", "a/x/f", "a", "ss/index/f"] {
            assert!(selection.contains_path(path.as_bytes(), false), "{path}");
        }
        for path in ["ehr", "ehr/dumps", "ehr/dump.old/f", "ehr/d", "ab", "ss/indexes", "x/ehr/dump", "ss"] {
            assert!(!selection.contains_path(path.as_bytes(), false), "{path}");
        }
        assert!(selection.not_found().is_empty());
    }

    /// SS-MIX2: `<root>/<id 1-3>/<id 4-6>/<id>/<date>/<type>/<file>`.
    #[test]
    fn a_patient_is_a_folder_of_each_storage_however_deep_the_storage_lies() {
        let (selection, _) = selection("9999013\n12345\n0000001 \n7654321\nehr\n", &[]);
        for path in [
            "ss/999/901/9999013",
            "ss/999/901/9999013/20111220/OML-11/x",
            "ss/standard/999/901/9999013/-/ADT-00/y",
            "ss/volume 2/extended/999/901/9999013/z",
            "ss/123/45/12345/x",
            "ss/000/000/0000001",
            "ehr/9999013",
        ] {
            assert!(selection.contains_path(path.as_bytes(), false), "{path}");
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
            assert!(!selection.contains_path(path.as_bytes(), false), "{path}");
        }
        assert_eq!(selection.not_found(), [b"7654321"]);
        assert!(!selection.lacks_storages());
    }

    #[test]
    fn only_the_parts_of_the_entry_stream_that_may_contain_selected_entries_are_read() {
        let searched = |list: &str| {
            let (selection, sources) = selection(list, &[]);
            selection.search_paths(&sources).map(|mut all| {
                all.sort();
                all.into_iter().map(|s| String::from_utf8(s).unwrap()).collect::<Vec<_>>()
            })
        };
        assert_eq!(searched("ehr/d\n0000001\n").unwrap(), ["ehr/d", "ss"]);
        let many: String = (0..5_000).map(|i| format!("ehr/d/{i}\n{i:07}\n")).collect();
        assert_eq!(searched(&many).unwrap(), ["ehr", "ss"]);
        assert_eq!(searched(&(many + "a\nnowhere/x\n")).unwrap(), ["a/x", "a/y", "ehr", "ss"]);
        assert_eq!(searched(""), None);
    }
}
