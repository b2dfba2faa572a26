//! What the order of an entry stream promises: paths that ascend, each in a source, each below a record that may have
//! something below it.

use super::is_within;
use crate::format::Malformed;
use crate::format::entry::compare_paths;
use crate::format::manifest::Source;

/// Checks the paths of a stream, one after the other.
pub(super) struct PathOrder<'g> {
    sources: &'g [Source],
    /// The source of the last path, or the first one behind it.
    source: usize,
    /// For each source whether it has a record.
    has_records: Vec<bool>,
    last: Vec<u8>,
    /// The records above or at `last` that may have something below them: the lengths of their paths, which are
    /// beginnings of `last`.
    above: Vec<usize>,
    /// `above` is complete.
    knows_above: bool,
}

impl<'g> PathOrder<'g> {
    /// `is_whole`: every record of the stream will be seen.
    pub fn new(sources: &'g [Source], is_whole: bool) -> Self {
        let has_records = vec![false; sources.len()];
        Self { sources, source: 0, has_records, last: Vec::new(), above: Vec::new(), knows_above: is_whole }
    }

    /// Records before the next one are lost.
    pub fn skip(&mut self) {
        self.knows_above = false;
    }

    /// The last path; empty before the first one.
    pub fn last(&self) -> &[u8] {
        &self.last
    }

    /// The sources that have no record so far.
    pub fn without_records(&self) -> impl Iterator<Item = &'g Source> {
        self.sources.iter().zip(&self.has_records).filter(|(_, has)| !**has).map(|(source, _)| source)
    }

    /// Checks the next path. An error means that the whole stream is damaged. `may_contain`: whether its record may have
    /// something below it.
    pub fn next(&mut self, path: &[u8], may_contain: bool) -> Result<(), Malformed> {
        let wrong = |why| Err(Malformed::new("entry stream", why));
        if !self.last.is_empty() && compare_paths(&self.last, path).is_ge() {
            return wrong("its paths do not ascend");
        }
        let is_before = |s: &Source| !is_within(path, &s.name) && compare_paths(&s.name, path).is_lt();
        while self.sources.get(self.source).is_some_and(is_before) {
            self.source += 1;
        }
        let Some(source) = self.sources.get(self.source).filter(|s| is_within(path, &s.name)) else {
            return wrong("a record is outside of every source");
        };
        while self.above.last().is_some_and(|n| path.get(*n) != Some(&b'/') || path.get(..*n) != self.last.get(..*n)) {
            self.above.pop();
        }
        let parent = path.iter().rposition(|b| *b == b'/');
        if self.knows_above && path.len() > source.name.len() && self.above.last().copied() != parent {
            return wrong("a record has no folder above it");
        }
        self.has_records[self.source] = true;
        if may_contain {
            self.above.push(path.len());
        }
        self.last.clear();
        self.last.extend_from_slice(path);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::{Rules, SourceKind};

    fn check(sources: &[&str], paths: &[(&str, bool)]) -> Result<(), Malformed> {
        let (kind, rules) = (SourceKind::Tree, Rules::Plain);
        let source = |name: &&str| {
            let name = name.as_bytes().to_vec();
            Source { name, path: b"/".to_vec(), kind, excludes: Vec::new(), rules, priority: None }
        };
        let sources: Vec<Source> = sources.iter().map(source).collect();
        let mut order = PathOrder::new(&sources, true);
        paths.iter().try_for_each(|(path, may_contain)| order.next(path.as_bytes(), *may_contain))
    }

    #[test]
    fn every_record_is_a_root_or_below_a_folder() {
        let good = [
            ("a/x", true),
            ("a/x/f", true),
            ("a/x/f/g", false),
            ("a/x/f.old", false),
            ("a/y", false),
            ("b", true),
            ("b/c", false),
        ];
        assert_eq!(check(&["a/x", "a/y", "b", "c"], &good), Ok(()));
        for bad in [
            &[("b", true), ("b/c/d", false)][..],
            &[("b/c", false)],
            &[("b", false), ("b/c", false)],
            &[("b", true), ("b/f", true), ("b/f/x", false), ("b/g", false), ("b/g/x", false)],
            &[("b", true), ("b/f", true), ("b/fx/y", false)],
            // The folders above a source of several names have no records.
            &[("a", true), ("a/x", true)],
            &[("a/x", true), ("a/z", false)],
            &[("d", true)],
            &[("b", true), ("a/x", true)],
            &[("b", true), ("b", true)],
        ] {
            assert!(check(&["a/x", "a/y", "b"], bad).is_err(), "{bad:?}");
        }
    }
}
