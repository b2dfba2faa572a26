//! The two sides of a comparison, each in the order of the entry stream.

use super::{Result, Scope, Seen, scope_of};
use crate::format::entry::{Entry, EntryKind};
use crate::generation::{Generation, GenerationError};
use crate::pipeline::source::{Problem, ProblemKind, Walk, WalkedEntry};
use crossbeam_channel::{Receiver, bounded};
use std::thread::{Scope as ThreadScope, ScopedJoinHandle};

/// Records that are handed over at once, and how many such heaps wait.
const HEAP: usize = 256;
const HEAPS: usize = 16;

enum Given {
    Record(Box<Entry>),
    /// Records are lost here.
    Gap,
    Failed(GenerationError),
}

/// A generation's records, read by a thread of their own: decrypting and decoding them takes as long as the walk does.
pub struct Records {
    heaps: Receiver<Vec<Given>>,
    heap: std::vec::IntoIter<Given>,
    head: Option<Box<Entry>>,
    is_behind_gap: bool,
}

impl Records {
    /// Those of the sources compared; and the thread, which ends with the number of records lost.
    pub fn of<'s, 'e>(
        generation: &'s Generation<'s>,
        scopes: &'s [Scope],
        threads: &'s ThreadScope<'s, 'e>,
    ) -> (Self, ScopedJoinHandle<'s, u64>) {
        let (give, heaps) = bounded(HEAPS);
        let thread = threads.spawn(move || {
            let mut entries = generation.entries().past_damage();
            let mut heap = Vec::with_capacity(HEAP);
            let mut is_wanted = true;
            while let Some(record) = entries.next() {
                if entries.is_behind_gap() {
                    heap.push(Given::Gap);
                }
                match record {
                    Ok(r) if scope_of(scopes, &r.entry.core.path).is_some() => heap.push(Given::Record(Box::new(r.entry))),
                    Ok(_) => {}
                    Err(e) => heap.push(Given::Failed(e)),
                }
                if heap.len() >= HEAP {
                    is_wanted = give.send(std::mem::replace(&mut heap, Vec::with_capacity(HEAP))).is_ok();
                    if !is_wanted {
                        break;
                    }
                }
            }
            if entries.gaps().last().is_some_and(|g| g.before.is_empty()) {
                heap.push(Given::Gap);
            }
            if is_wanted {
                // Nobody who still listens is no harm.
                let _ = give.send(heap);
            }
            if entries.gaps().is_empty() { 0 } else { entries.expected().saturating_sub(entries.seen()) }
        });
        (Self { heaps, heap: Vec::new().into_iter(), head: None, is_behind_gap: false }, thread)
    }

    /// The record that comes next.
    pub fn head(&self) -> Option<&Entry> {
        self.head.as_deref()
    }

    /// Whether records before the head are lost; what is not recorded there may have been.
    pub fn is_behind_gap(&self) -> bool {
        self.is_behind_gap
    }

    /// Gives the head, and goes on to the next.
    pub fn advance(&mut self) -> Result<Option<Box<Entry>>> {
        let was = self.head.take();
        self.is_behind_gap = false;
        loop {
            match self.heap.next() {
                Some(Given::Record(entry)) => {
                    self.head = Some(entry);
                    break;
                }
                Some(Given::Gap) => self.is_behind_gap = true,
                Some(Given::Failed(e)) => return Err(e.into()),
                None => match self.heaps.recv() {
                    Ok(heap) => self.heap = heap.into_iter(),
                    Err(_) => break,
                },
            }
        }
        Ok(was)
    }
}

/// An entry of the side that is compared with the generation.
pub enum Present {
    Found(WalkedEntry),
    Recorded(Box<Entry>),
}

impl Present {
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Found(f) => &f.path,
            Self::Recorded(e) => &e.core.path,
        }
    }

    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Found(f) => f.stat.kind,
            Self::Recorded(e) => e.core.kind,
        }
    }

    /// As far as it is known without reading.
    pub fn seen(&self) -> Seen {
        match self {
            Self::Found(f) => {
                let size = if f.stat.kind == EntryKind::File { f.stat.size } else { 0 };
                Seen { kind: f.stat.kind, size, blake3: None }
            }
            Self::Recorded(e) => Seen::recorded(&e.core),
        }
    }
}

/// What comes next of the side that is compared with the generation.
pub enum Next {
    Present(Present),
    /// Something there, or all that lies below it, could not be looked at.
    Problem(Problem),
}

impl Next {
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Present(p) => p.path(),
            Self::Problem(p) => &p.path,
        }
    }
}

/// The side that is compared with the generation.
pub enum Side<'s> {
    Records(Records),
    Trees { scopes: std::slice::Iter<'s, Scope>, walk: Option<Box<Walk<'s>>> },
}

impl<'s> Side<'s> {
    pub fn trees(scopes: &'s [Scope]) -> Self {
        Self::Trees { scopes: scopes.iter(), walk: None }
    }

    /// Whether what is not here may have been lost in damage. The head must have been taken.
    pub fn is_behind_gap(&self) -> bool {
        matches!(self, Self::Records(r) if r.is_behind_gap())
    }

    pub fn next(&mut self) -> Result<Option<Next>> {
        match self {
            Self::Records(records) => {
                records.advance()?;
                Ok(records.head.take().map(|e| Next::Present(Present::Recorded(e))))
            }
            Self::Trees { scopes, walk } => loop {
                match walk.as_mut().and_then(|w| w.next()) {
                    Some(Ok(found)) => return Ok(Some(Next::Present(Present::Found(found)))),
                    // Gone is gone, and what no backup holds is not missed.
                    Some(Err(p)) if matches!(p.kind, ProblemKind::Vanished | ProblemKind::Skipped) => {}
                    Some(Err(p)) => return Ok(Some(Next::Problem(p))),
                    None => {
                        let Some(scope) = scopes.next() else { return Ok(None) };
                        *walk = scope.tree.as_ref().map(|t| Box::new(t.walk()));
                    }
                }
            },
        }
    }
}
