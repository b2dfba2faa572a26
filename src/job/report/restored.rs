//! What was restored in a session, and what was found of it afterwards.

use super::answers::{Clean, Compare, Content, Restore, Verify, of_clean, of_compare, of_restore, of_verify};
use super::judge::{self, Mark};
use super::session::{Answer, Session, Source};
use std::path::Path;

/// A fact and where it is recorded. Without a place it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At<T> {
    pub fact: T,
    pub sources: Vec<Source>,
}

/// A set of files that was restored.
#[derive(Debug)]
pub struct Restored<'a> {
    pub restore: &'a Restore,
    pub answer: &'a Answer,
    /// The seal's, as another command told it.
    pub check_code: Option<At<String>>,
    /// The newest comparison after it of what lies there with the same generation.
    pub compare: Option<(&'a Compare, &'a Answer)>,
    /// The newest verification of the set.
    pub verify: Option<(&'a Verify, &'a Answer)>,
    /// The newest search for signs of an intruder.
    pub clean: Option<(&'a Clean, &'a Answer)>,
}

impl Restored<'_> {
    pub fn seal(&self) -> Mark {
        self.verify.map_or(Mark::Unknown, |(v, _)| judge::seal(v, self.restore.generation))
    }

    pub fn compared(&self) -> Mark {
        self.compare.map_or(Mark::Unknown, |(c, _)| judge::compare(c))
    }

    pub fn before_signs(&self) -> Mark {
        self.clean.map_or(Mark::Unknown, |(c, _)| judge::before_signs(c, self.restore.generation))
    }

    pub fn scanned(&self) -> Mark {
        judge::scan(self.restore.scan.as_ref())
    }

    /// All of it together.
    pub fn whole(&self) -> Mark {
        [self.seal(), self.compared(), self.before_signs(), self.scanned()]
            .into_iter()
            .fold(judge::restore(self.restore), Mark::and)
    }
}

/// Everything that was really restored, in the order in which it was.
pub fn restored(session: &Session) -> Vec<Restored<'_>> {
    let all = session.all(of_restore).filter(|(r, _)| !r.dry_run);
    all.map(|(restore, answer)| Restored {
        restore,
        answer,
        check_code: check_code(session, &restore.set, restore.generation),
        compare: session.all(of_compare).filter(|(c, a)| a.source.line > answer.source.line && is_of(c, restore)).last(),
        verify: session.all(of_verify).filter(|(v, _)| v.set == restore.set).last(),
        clean: session.all(of_clean).filter(|(c, _)| c.set == restore.set).last(),
    })
    .collect()
}

/// All trees that were compared lie in the folder that was restored to.
fn is_of(c: &Compare, restore: &Restore) -> bool {
    let Some(to) = &restore.to else { return false };
    let mut trees = c.sources.first.iter().filter_map(|s| s.tree.as_ref()).peekable();
    let lies_there = trees.peek().is_some() && trees.all(|t| Path::new(t).starts_with(to));
    lies_there && c.set == restore.set && c.generation == restore.generation
}

/// What is written on paper of a generation, as far as a command told it. Commands that disagree leave it unknown.
pub fn check_code(session: &Session, set: &str, generation: u64) -> Option<At<String>> {
    let mut found: Option<At<String>> = None;
    for answer in &session.answers {
        let code = match &answer.content {
            Content::Verify(v) if v.set == set => {
                v.generations.first.iter().find(|g| g.generation == generation && g.trusted).map(|g| &g.check_code)
            }
            Content::Clean(c) if c.set == set => {
                c.generations.first.iter().find(|g| g.generation == generation && g.trusted).map(|g| &g.check_code)
            }
            _ => None,
        };
        match (code, &mut found) {
            (Some(code), Some(at)) if at.fact == *code => at.sources = vec![answer.source.clone()],
            (Some(_), Some(_)) => return None,
            (Some(code), None) => found = Some(At { fact: code.clone(), sources: vec![answer.source.clone()] }),
            (None, _) => {}
        }
    }
    found
}
