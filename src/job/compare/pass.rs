//! The one pass over both sides: a thread for each entry stream, workers that read files, and the caller's thread,
//! which merges.

use super::merge::{Merge, TaskBatch};
use super::reader::Reader;
use super::scope::Scope;
use super::sides::{OtherSide, RecordStream};
use super::store::DifferenceStore;
use super::{CompareError, Result};
use crate::env::Env;
use crate::event::{Event, Observer};
use crate::generation::Generation;
use crossbeam_channel::{Receiver, bounded};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Batches that wait for a worker.
const QUEUED_BATCHES: usize = 8;

/// What is compared with what.
pub(super) struct Pass<'a, 'g> {
    pub(super) reference: &'a Generation<'g>,
    /// `None`: the trees of the scopes.
    pub(super) other: Option<&'a Generation<'g>>,
    pub(super) scopes: &'a [Scope],
    pub(super) exact: bool,
    pub(super) env: &'a Env<'a>,
    pub(super) observer: &'a dyn Observer,
}

/// Where workers put their results.
struct Results<'a> {
    store: Mutex<&'a mut DifferenceStore>,
    /// A worker has failed: stop.
    is_failed: AtomicBool,
}

impl Pass<'_, '_> {
    /// Compares both sides and puts all differences into `store`. Returns the number of records that could not be read.
    pub(super) fn run(&self, store: &mut DifferenceStore) -> Result<u64> {
        let results = Results { store: Mutex::new(store), is_failed: AtomicBool::new(false) };
        std::thread::scope(|threads| {
            let (sender, receiver) = bounded::<TaskBatch>(QUEUED_BATCHES);
            let workers: Vec<_> = (0..self.env.threads.max(1))
                .map(|_| {
                    let (receiver, results) = (receiver.clone(), &results);
                    threads.spawn(move || self.work(&receiver, results))
                })
                .collect();
            drop(receiver);
            let (reference, reference_lost) = RecordStream::spawn(self.reference, self.scopes, threads);
            let (other, other_lost) = match self.other {
                Some(generation) => {
                    let (records, lost) = RecordStream::spawn(generation, self.scopes, threads);
                    (OtherSide::Records(records), Some(lost))
                }
                None => (OtherSide::trees(self.scopes), None),
            };
            let send = |batch| sender.send(batch).is_ok() && !self.is_stopped(&results);
            let merged = Merge::new(self.scopes, self.exact, &send).run(reference, other);
            drop(sender);
            let lost: u64 = [Some(reference_lost), other_lost].into_iter().flatten().map(|t| t.join().unwrap_or(0)).sum();
            for worker in workers {
                match worker.join() {
                    Ok(done) => done.map_err(CompareError::Keep)?,
                    Err(_) => return Err(CompareError::Stopped),
                }
            }
            if self.env.is_interrupted() {
                return Err(CompareError::Interrupted);
            }
            results.store.lock().counts.add(&merged?);
            Ok(lost)
        })
    }

    fn is_stopped(&self, results: &Results) -> bool {
        results.is_failed.load(Ordering::Relaxed) || self.env.is_interrupted()
    }

    /// What a worker does. Fails if a difference cannot be stored.
    fn work(&self, batches: &Receiver<TaskBatch>, results: &Results) -> std::io::Result<()> {
        let mut reader = Reader::new(self.scopes, self.other, self.exact, self.env);
        for batch in batches {
            if self.is_stopped(results) {
                continue;
            }
            let (sequence, entries) = (batch.sequence, batch.tasks.len() as u64);
            let found = reader.compare(batch);
            // Of what was being read then, nothing is known.
            if self.env.is_interrupted() {
                continue;
            }
            self.observer.on_event(Event::Progress { entries, bytes: found.counts.bytes_read });
            if let Err(e) = results.store.lock().add(sequence, &found) {
                results.is_failed.store(true, Ordering::Relaxed);
                return Err(e);
            }
        }
        Ok(())
    }
}
