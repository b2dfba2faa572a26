//! Up to where a set is without a sign of an intruder: what all searches of a session say together.
//!
//! **Invariant:** a sign that one search found counts, whatever later searches did not look for.

use super::answers::of_clean;
use super::judge::Mark;
use super::read::{Session, SessionAnswer};
use crate::answer::generations::{Clean, CleanGeneration, Indicators};

/// All searches through one set, the newest last.
#[derive(Debug)]
pub struct Traces<'a> {
    all: Vec<(&'a Clean, &'a SessionAnswer)>,
}

/// How a search ends that could be made: where nothing was found, and where something was.
const EXITS: &[u64] = &[0, 5];

impl<'a> Traces<'a> {
    /// `None` where nobody searched.
    pub fn of(session: &'a Session, set: &str) -> Option<Self> {
        let all: Vec<_> = session.all(of_clean).filter(|(c, _)| c.set == set).collect();
        (!all.is_empty()).then_some(Self { all })
    }

    /// Of all sets, in the order in which they were searched first.
    pub fn all(session: &'a Session) -> Vec<Self> {
        let mut sets: Vec<&str> = Vec::new();
        session.all(of_clean).for_each(|(c, _)| {
            if !sets.contains(&&c.set[..]) {
                sets.push(&c.set);
            }
        });
        sets.into_iter().filter_map(|set| Self::of(session, set)).collect()
    }

    /// The newest search.
    pub fn newest(&self) -> Option<(&'a Clean, &'a SessionAnswer)> {
        self.all.last().copied()
    }

    /// All searches, the newest last.
    pub fn searches(&self) -> &[(&'a Clean, &'a SessionAnswer)] {
        &self.all
    }

    /// The first generation that bears a sign, and the newest search that says so.
    pub fn first_trace(&self) -> Option<(u64, &'a SessionAnswer)> {
        let first = |c: &Clean| c.generations.first.iter().filter(|g| g.has_trace()).map(|g| g.generation).min();
        let all = self.all.iter().filter_map(|(c, a)| Some((first(c)?, *a)));
        all.min_by_key(|(g, a)| (*g, std::cmp::Reverse(a.source.line)))
    }

    /// The last generation before the first trace, as the newest search saw it.
    pub fn last_clean(&self) -> Option<&'a CleanGeneration> {
        let (c, _) = self.newest()?;
        let end = self.first_trace().map_or(u64::MAX, |(g, _)| g);
        c.generations.first.iter().filter(|g| g.is_clean() && g.generation < end).max_by_key(|g| g.generation)
    }

    /// Whether an answer contradicts itself: what it calls the last clean generation is not the one of its own lines.
    fn is_consistent(c: &Clean) -> bool {
        let lines = || c.generations.first.iter();
        let end = lines().filter(|g| g.has_trace()).map(|g| g.generation).min().unwrap_or(u64::MAX);
        let expected = lines().filter(|g| g.is_clean() && g.generation < end).map(|g| g.generation).max();
        expected == c.last_clean && c.generations.more == 0
    }

    /// Whether a generation is before the first trace. Without indicators only alarms were looked at: then it is not
    /// known.
    pub fn before(&self, generation: u64) -> Mark {
        let Some((c, answer)) = self.newest() else { return Mark::Unknown };
        let of = c.generations.first.iter().find(|g| g.generation == generation);
        let is_behind = self.first_trace().is_some_and(|(first, _)| first <= generation);
        match of {
            _ if is_behind || c.quarantine == Some(true) => Mark::Bad,
            Some(g) if g.is_clean() && c.faults.is_empty() && Self::is_consistent(c) => {
                answer.supported_mark(Mark::Good, EXITS).and(self.searched(generation))
            }
            _ => Mark::Unknown,
        }
    }

    /// The newest search for indicators, and how many it looked for.
    pub fn indicators(&self) -> Option<(Indicators, &'a Clean, &'a SessionAnswer)> {
        self.all.iter().rev().find_map(|(c, a)| Some((c.indicators?, *c, *a)))
    }

    /// No indicator was found in a generation: △ where some could not be looked for, or not in all files.
    pub fn searched(&self, generation: u64) -> Mark {
        let Some((of, c, answer)) = self.indicators().filter(|(of, ..)| of.looked_for > 0) else { return Mark::Unknown };
        let has_hits = |c: &Clean| c.generations.first.iter().any(|g| g.generation == generation && g.hits > 0);
        let mark = match c.generations.first.iter().find(|g| g.generation == generation) {
            _ if self.all.iter().any(|(c, _)| has_hits(c)) => Mark::Bad,
            None => Mark::Unknown,
            Some(g) if g.damaged.is_some() || !g.trusted => Mark::Unknown,
            Some(g) if of.passed_over > 0 || g.unhashed > 0 => Mark::Partly,
            Some(_) => Mark::Good,
        };
        answer.supported_mark(mark, EXITS)
    }
}
