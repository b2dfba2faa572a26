//! Sources in the order of their priority: what a hospital needs first is whole before the next begins.

use crate::format::manifest::Source;
use crate::generation::is_within;

/// Sources of one priority, by their places in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub sources: Vec<usize>,
    /// The generation has no others.
    pub is_all: bool,
}

/// The turns in their order, sources without a priority last. Where no source has one, all are restored in one turn.
pub fn turns(sources: &[Source]) -> Vec<Turn> {
    let mut priorities: Vec<Option<u8>> = sources.iter().map(|s| s.priority).collect();
    priorities.sort_by_key(|p| p.unwrap_or(u8::MAX));
    priorities.dedup();
    let of = |p: Option<u8>| (0..sources.len()).filter(|i| sources[*i].priority == p).collect();
    let is_all = priorities.len() < 2;
    priorities.into_iter().map(|p| Turn { sources: of(p), is_all }).collect()
}

impl Turn {
    /// Which of the turn's sources a path is in.
    pub fn source_of(&self, path: &[u8], sources: &[Source]) -> Option<usize> {
        self.sources.iter().copied().find(|i| sources.get(*i).is_some_and(|s| is_within(path, &s.name)))
    }

    /// The part of `spans`, all where there are none, that the turn's sources may have.
    pub fn spans(&self, spans: Option<Vec<Vec<u8>>>, sources: &[Source]) -> Option<Vec<Vec<u8>>> {
        if self.is_all {
            return spans;
        }
        let names = self.sources.iter().filter_map(|i| sources.get(*i)).map(|s| &s.name);
        let Some(spans) = spans else { return Some(names.cloned().collect()) };
        let mut both: Vec<Vec<u8>> = Vec::new();
        for name in names {
            let within = spans.iter().filter(|span| is_within(span, name)).cloned();
            match spans.iter().any(|span| is_within(name, span)) {
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
    fn sources_take_turns_by_their_priority_those_without_last() {
        let all = sources(&[("a", None), ("b", Some(2)), ("c", Some(1)), ("d", Some(2))]);
        let order: Vec<_> = turns(&all).into_iter().map(|t| t.sources).collect();
        assert_eq!(order, [vec![2], vec![1, 3], vec![0]]);
        assert_eq!(turns(&sources(&[("a", None), ("b", None)])), [Turn { sources: vec![0, 1], is_all: true }]);
        assert_eq!(turns(&sources(&[("a", Some(3))])), [Turn { sources: vec![0], is_all: true }]);
        assert!(turns(&[]).is_empty());
    }

    #[test]
    fn a_turn_looks_only_where_its_sources_are() {
        let all = sources(&[("a/x", Some(1)), ("a/y", None), ("b", Some(1))]);
        let turn = &turns(&all)[0];
        let spans = |spans: Option<&[&str]>| {
            let spans = spans.map(|s| s.iter().map(|s| s.as_bytes().to_vec()).collect());
            let found = turn.spans(spans, &all).unwrap_or_default();
            found.into_iter().map(|s| String::from_utf8(s).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(spans(None), ["a/x", "b"]);
        assert_eq!(spans(Some(&["a", "b/f", "b/g", "a/y/z"])), ["a/x", "b/f", "b/g"]);
        assert!(spans(Some(&["a/y", "bb"])).is_empty());
        assert_eq!((turn.source_of(b"b/f", &all), turn.source_of(b"a/y/f", &all)), (Some(2), None));
    }
}
