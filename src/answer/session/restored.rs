//! What was restored in a session, and what was found of it afterwards.

use super::answers::{Content, of_compare, of_restore, of_verify};
use super::judge::{self, Mark};
use super::read::{FactSource, Session, SessionAnswer};
use super::traces::Traces;
use crate::answer::Text;
use crate::answer::compare::Compare;
use crate::answer::restore::Restore;
use crate::answer::verify::Verify;
use std::path::{Component, Path};

/// A fact, and where it is recorded. A fact without a source is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sourced<T> {
    /// What is recorded.
    pub fact: T,
    /// Where; empty where it is not known.
    pub sources: Vec<FactSource>,
}

/// A set of files that was restored.
#[derive(Debug)]
pub struct Restored<'a> {
    /// The answer of the restore.
    pub restore: &'a Restore,
    /// Where that answer is recorded.
    pub answer: &'a SessionAnswer,
    /// The seal's check code, if another command answered it, and its mark.
    pub check_code: (Option<Sourced<String>>, Mark),
    /// The newest comparison after it of what lies there with the same generation.
    pub compare: Option<(&'a Compare, &'a SessionAnswer)>,
    /// The newest verification of the set, and of several of its media the worst.
    pub verify: Option<(&'a Verify, &'a SessionAnswer)>,
    /// The searches for signs of an intruder.
    pub traces: Option<Traces<'a>>,
    /// The set keeps an infected state.
    pub in_quarantine: bool,
}

impl Restored<'_> {
    /// The mark of the restore alone.
    pub fn itself(&self) -> Mark {
        let mark = self.answer.supported_mark(judge::restore(self.restore), judge::restore_exits(self.restore));
        if self.in_quarantine { Mark::Bad } else { mark }
    }

    /// The mark of the seal: whether the generation was verified.
    pub fn seal(&self) -> Mark {
        self.verify.map_or(Mark::Unknown, |(v, a)| sealed(v, a, self.restore.generation))
    }

    /// The mark of the comparison with the generation: any difference counts.
    pub fn compared(&self) -> Mark {
        self.compare.map_or(Mark::Unknown, |(c, a)| a.supported_mark(judge::compare_restored(c), judge::compare_exits(c)))
    }

    /// Whether the generation is before the first trace of an intruder.
    pub fn before_traces(&self) -> Mark {
        let mark = self.traces.as_ref().map_or(Mark::Unknown, |s| s.before(self.restore.generation));
        if self.restore.has_alarm || self.in_quarantine { Mark::Bad } else { mark }
    }

    /// Whether indicators were searched for in the generation, and none found.
    pub fn searched(&self) -> Mark {
        self.traces.as_ref().map_or(Mark::Unknown, |s| s.searched(self.restore.generation))
    }

    /// The mark of the malware scan.
    pub fn scanned(&self) -> Mark {
        let is_bad_run = self.answer.supported_mark(Mark::Good, judge::restore_exits(self.restore)) != Mark::Good;
        match judge::scan(self.restore.scan.as_ref()) {
            Mark::Good | Mark::Partly if is_bad_run => Mark::Unknown,
            mark => mark,
        }
    }

    /// All of it together.
    pub fn whole(&self) -> Mark {
        [self.check_code.1, self.seal(), self.compared(), self.before_traces(), self.scanned()]
            .into_iter()
            .fold(self.itself(), Mark::and)
    }
}

fn sealed(v: &Verify, answer: &SessionAnswer, generation: u64) -> Mark {
    answer.supported_mark(judge::seal(v, generation), &[0])
}

/// Everything that was really restored, in the order in which it was.
pub fn restored(session: &Session) -> Vec<Restored<'_>> {
    let all = session.all(of_restore).filter(|(r, _)| !r.dry_run);
    all.map(|(restore, answer)| Restored {
        restore,
        answer,
        check_code: known_generation(session, &restore.set, restore.generation, &restore.time),
        compare: session.all(of_compare).filter(|(c, a)| a.source.line > answer.source.line && is_of(c, restore)).last(),
        verify: newest_of_media(session)
            .into_iter()
            .filter(|(v, _)| v.set == restore.set)
            .max_by_key(|(v, a)| sealed(v, a, restore.generation).rank()),
        traces: Traces::of(session, &restore.set),
        in_quarantine: in_quarantine(session, &restore.set),
    })
    .collect()
}

/// A set that some answer of the session calls one of an infected state.
pub fn in_quarantine(session: &Session, set: &str) -> bool {
    session.answers.iter().any(|a| match &a.content {
        Content::Backup(b) => b.quarantine && b.set == set,
        Content::Clean(c) => c.quarantine == Some(true) && c.set == set,
        Content::Restore(r) => r.quarantine == Some(true) && r.set == set,
        _ => false,
    })
}

/// The newest verification of each medium of each set, in the order in which they were made.
pub fn newest_of_media(session: &Session) -> Vec<(&Verify, &SessionAnswer)> {
    let mut newest: Vec<(&Verify, &SessionAnswer)> = Vec::new();
    for (v, answer) in session.all(of_verify) {
        newest.retain(|(known, _)| (&known.set, known.place) != (&v.set, v.place));
        newest.push((v, answer));
    }
    newest
}

/// All trees that were compared lie in the folder that was restored to.
fn is_of(c: &Compare, restore: &Restore) -> bool {
    let Some(to) = &restore.to else { return false };
    // `..` leads out of it.
    let is_below = |tree: &Text| {
        !Path::new(&tree[..]).components().any(|c| c == Component::ParentDir) && Path::new(&tree[..]).starts_with(to)
    };
    let trees = &c.sources;
    let lies_there = !trees.is_empty() && trees.more == 0 && trees.first.iter().all(|s| s.tree.as_ref().is_some_and(is_below));
    lies_there && c.set == restore.set && c.generation == restore.generation && c.time == restore.time
}

/// The check code of a generation: good as far as no verification speaks against its seal.
pub fn known_generation(session: &Session, set: &str, generation: u64, time: &str) -> (Option<Sourced<String>>, Mark) {
    let code = check_code(session, set, generation, time);
    let is_bad = |v: &Verify| v.set == set && judge::seal(v, generation) == Mark::Bad;
    let is_doubtful = newest_of_media(session).iter().any(|(v, _)| is_bad(v));
    let mark = if code.is_some() && !is_doubtful { Mark::Good } else { Mark::Unknown };
    (code, mark)
}

/// The check code of a generation, if a command answered it. If commands disagree it is unknown: then there are two
/// generations of one number.
pub fn check_code(session: &Session, set: &str, generation: u64, time: &str) -> Option<Sourced<String>> {
    let mut found: Option<Sourced<String>> = None;
    for answer in &session.answers {
        let answered = match &answer.content {
            Content::Verify(v) if v.set == set => {
                v.generations.first.iter().find(|g| g.generation == generation && g.trusted).map(|g| (&g.check_code, &g.time))
            }
            Content::Clean(c) if c.set == set => {
                c.generations.first.iter().find(|g| g.generation == generation && g.trusted).map(|g| (&g.check_code, &g.time))
            }
            _ => None,
        };
        match (answered, &mut found) {
            (Some((_, at)), _) if at != time => return None,
            (Some((code, _)), Some(at)) if at.fact == **code => at.sources = vec![answer.source.clone()],
            (Some(_), Some(_)) => return None,
            (Some((code, _)), None) => found = Some(Sourced { fact: code.to_string(), sources: vec![answer.source.clone()] }),
            (None, _) => {}
        }
    }
    found
}
