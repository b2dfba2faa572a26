//! Sources in the order of their priority: what a hospital needs first is complete before the next priority begins.

use crate::format::manifest::Source;
use crate::generation::is_within;

/// The sources of one priority, by their index in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PriorityGroup {
    pub(super) sources: Vec<usize>,
    /// The generation has no other sources.
    pub(super) is_all: bool,
}

/// The groups in the order of their priorities; sources without a priority come last. If no source has a priority, all
/// are in one group.
pub(super) fn by_priority(sources: &[Source]) -> Vec<PriorityGroup> {
    let mut priorities: Vec<Option<u8>> = sources.iter().map(|s| s.priority).collect();
    priorities.sort_by_key(|p| p.unwrap_or(u8::MAX));
    priorities.dedup();
    let of = |p: Option<u8>| (0..sources.len()).filter(|i| sources[*i].priority == p).collect();
    let is_all = priorities.len() < 2;
    priorities.into_iter().map(|p| PriorityGroup { sources: of(p), is_all }).collect()
}

impl PriorityGroup {
    /// Which of the group's sources a path is in.
    pub(super) fn source_of(&self, path: &[u8], sources: &[Source]) -> Option<usize> {
        self.sources.iter().copied().find(|i| sources.get(*i).is_some_and(|s| is_within(path, &s.name)))
    }

    /// Restricts the paths that have to be searched to this group's sources. `None` stands for all paths.
    pub(super) fn search_paths(&self, paths: Option<Vec<Vec<u8>>>, sources: &[Source]) -> Option<Vec<Vec<u8>>> {
        if self.is_all {
            return paths;
        }
        let names = self.sources.iter().filter_map(|i| sources.get(*i)).map(|s| &s.name);
        let Some(paths) = paths else { return Some(names.cloned().collect()) };
        let mut both: Vec<Vec<u8>> = Vec::new();
        for name in names {
            let within = paths.iter().filter(|path| is_within(path, name)).cloned();
            match paths.iter().any(|path| is_within(name, path)) {
                true => both.push(name.clone()),
                false => both.extend(within),
            }
        }
        Some(both)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::manifest::{Rules, SourceKind};

    fn sources(all: &[(&str, Option<u8>)]) -> Vec<Source> {
        let one = |(name, priority): &(&str, Option<u8>)| Source {
            name: name.as_bytes().to_vec(),
            path: b"/".to_vec(),
            kind: SourceKind::Tree,
            excludes: Vec::new(),
            rules: Rules::Plain,
            priority: *priority,
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn groups_are_in_the_order_of_their_priority_and_sources_without_one_are_last() {
        let all = sources(&[("a", None), ("b", Some(2)), ("c", Some(1)), ("d", Some(2))]);
        let order: Vec<_> = by_priority(&all).into_iter().map(|t| t.sources).collect();
        assert_eq!(order, [vec![2], vec![1, 3], vec![0]]);
        assert_eq!(by_priority(&sources(&[("a", None), ("b", None)])), [PriorityGroup { sources: vec![0, 1], is_all: true }]);
        assert_eq!(by_priority(&sources(&[("a", Some(3))])), [PriorityGroup { sources: vec![0], is_all: true }]);
        assert!(by_priority(&[]).is_empty());
    }

    #[test]
    fn a_group_searches_only_in_its_own_sources() {
        let all = sources(&[("a/x", Some(1)), ("a/y", None), ("b", Some(1))]);
        let group = &by_priority(&all)[0];
        let restricted = |paths: Option<&[&str]>| {
            let paths = paths.map(|s| s.iter().map(|s| s.as_bytes().to_vec()).collect());
            let found = group.search_paths(paths, &all).unwrap_or_default();
            found.into_iter().map(|s| String::from_utf8(s).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(restricted(None), ["a/x", "b"]);
        assert_eq!(restricted(Some(&["a", "b/f", "b/g", "a/y/z"])), ["a/x", "b/f", "b/g"]);
        assert!(restricted(Some(&["a/y", "bb"])).is_empty());
        assert_eq!((group.source_of(b"b/f", &all), group.source_of(b"a/y/f", &all)), (Some(2), None));
    }
}
