//! Finds renamed files: files that are missing under one name and added under another.
//!
//! A file counts as renamed only if its content is missing at one path and added at one path. If several paths have the
//! same content, the files' own names must tell them apart: a guess could call a missing file renamed. Of the tree's
//! added files only those are read that are as long as a missing one.

use super::difference::{Class, Difference, FileSummary, Reason};
use super::hash::{Wanted, read};
use super::scope::{Scope, scope_of};
use super::store::{AddedFile, DifferenceNumber, DifferenceStore, MissingFile, short_digest};
use super::{CompareError, Result};
use crate::env::Env;
use crate::format::entry::EntryKind;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Added files that a thread reads before it asks for more.
const CHUNK_FILES: usize = 64;
/// If more files have the same content, they are not told apart by their names.
const MAX_ALIKE: usize = 10_000;

/// Which missing file is which added one.
pub(super) struct RenamedPairs {
    /// Of each difference its partner's number, or its own if it has none. Empty if there is no pair at all.
    partners: Vec<DifferenceNumber>,
}

/// Finds the pairs. Afterwards all stored differences can be read.
pub(super) fn find(store: &mut DifferenceStore, scopes: &[Scope], env: &Env) -> Result<RenamedPairs> {
    store.flush().map_err(CompareError::Keep)?;
    let (mut missing, mut added) = (std::mem::take(&mut store.missing), std::mem::take(&mut store.added));
    missing.sort_unstable_by_key(|m| m.size);
    added.retain(|a| missing.binary_search_by_key(&a.size, |m| m.size).is_ok());
    store.counts.bytes_read += hash(&mut added, store, scopes, env)?;
    added.retain(|a| a.digest.is_some());
    missing.sort_unstable_by_key(|m| m.digest);
    added.sort_unstable_by_key(|a| a.digest);
    let mut pairs = RenamedPairs { partners: Vec::new() };
    let mut rest = &added[..];
    for alike in missing.chunk_by(|a, b| a.digest == b.digest) {
        let digest = Some(alike[0].digest);
        rest = &rest[rest.partition_point(|a| a.digest < digest)..];
        let (same, larger) = rest.split_at(rest.partition_point(|a| a.digest == digest));
        rest = larger;
        pairs.match_alike(alike, same, store)?;
    }
    Ok(pairs)
}

/// Reads the added files whose digest is not known yet. Returns how many bytes were read. A file that cannot be read
/// stays an added one.
fn hash(added: &mut [AddedFile], store: &DifferenceStore, scopes: &[Scope], env: &Env) -> Result<u64> {
    // Small chunks, so that all threads have work until the end.
    let chunks = Mutex::new(added.chunks_mut(CHUNK_FILES));
    let work = || {
        let (mut buffer, mut bytes) = (Vec::new(), 0);
        loop {
            let chunk = chunks.lock().next();
            let Some(chunk) = chunk else { return Ok(bytes) };
            for file in chunk.iter_mut().filter(|file| file.digest.is_none()) {
                if env.is_interrupted() {
                    return Err(CompareError::Interrupted);
                }
                let path = get(store, file.number)?.path;
                let tree = scope_of(scopes, &path).and_then(|s| s.tree.as_ref());
                let open = tree.and_then(|t| t.open_file(&path).ok());
                let wanted = Wanted { before: None, growth: false, check: &|| env.check() };
                let content = open.and_then(|open| read(&open, &mut buffer, wanted).ok());
                bytes += content.as_ref().map_or(0, |c| c.bytes_read);
                file.digest = content.and_then(|c| c.content_id).map(short_digest);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..env.threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|t| t.join().map_err(|_| CompareError::Stopped));
        joined.collect::<Result<Vec<_>>>()?.into_iter().sum()
    })
}

impl RenamedPairs {
    /// Pairs files of one content.
    fn match_alike(&mut self, missing: &[MissingFile], added: &[AddedFile], store: &DifferenceStore) -> Result<()> {
        match (missing, added) {
            (_, []) => {}
            ([missing], [added]) => self.pair(missing.number, added.number, store),
            _ if missing.len() + added.len() > MAX_ALIKE => {}
            _ => {
                let mut by_name: HashMap<Vec<u8>, (Vec<DifferenceNumber>, Vec<DifferenceNumber>)> = HashMap::new();
                for m in missing {
                    by_name.entry(file_name(store, m.number)?).or_default().0.push(m.number);
                }
                for a in added {
                    by_name.entry(file_name(store, a.number)?).or_default().1.push(a.number);
                }
                for named in by_name.values() {
                    if let ([missing], [added]) = (&named.0[..], &named.1[..]) {
                        self.pair(*missing, *added, store);
                    }
                }
            }
        }
        Ok(())
    }

    fn pair(&mut self, missing: DifferenceNumber, added: DifferenceNumber, store: &DifferenceStore) {
        if self.partners.is_empty() {
            self.partners = (0..store.len() as DifferenceNumber).collect();
        }
        self.partners[missing as usize] = added;
        self.partners[added as usize] = missing;
    }

    fn partner(&self, number: DifferenceNumber) -> Option<DifferenceNumber> {
        self.partners.get(number as usize).copied().filter(|p| *p != number)
    }

    /// Calls `on_difference` with all stored differences in order; with a pair once, where the file is now.
    pub(super) fn for_each(&self, store: &DifferenceStore, mut on_difference: impl FnMut(Difference)) -> Result<()> {
        for number in store.in_order() {
            let difference = get(store, number)?;
            match (self.partner(number), difference.class) {
                (Some(_), Class::Missing) => {}
                (Some(missing), _) => {
                    let missing = get(store, missing)?;
                    let content = missing.before.and_then(|b| b.content);
                    on_difference(Difference {
                        class: Class::Renamed,
                        reason: Reason::None,
                        path: difference.path,
                        former: Some(missing.path),
                        before: missing.before,
                        after: difference.after.map(|a| FileSummary { kind: EntryKind::File, content, ..a }),
                    });
                }
                (None, _) => on_difference(difference),
            }
        }
        Ok(())
    }
}

fn get(store: &DifferenceStore, number: DifferenceNumber) -> Result<Difference> {
    store.get(number).map_err(CompareError::Keep)
}

/// The last part of a difference's path.
fn file_name(store: &DifferenceStore, number: DifferenceNumber) -> Result<Vec<u8>> {
    let path = get(store, number)?.path;
    Ok(path.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec())
}
