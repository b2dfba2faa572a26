//! Files that are missing under one name and new under another.
//!
//! Only content that is gone from one path and has come up at one path is taken for a renamed file; where several are alike, their own
//! names must tell them apart. A guess would make a missing file a renamed one. Of the tree's new files only those are read
//! that are as long as a missing one.

use super::kept::{Come, Gone, Kept, Number, short};
use super::reader::read;
use super::{Class, CompareError, Difference, Reason, Result, Scope, Seen, scope_of};
use crate::env::Env;
use crate::format::entry::EntryKind;
use parking_lot::Mutex;
use std::collections::HashMap;

/// New files that a thread reads before it asks for more.
const HEAP: usize = 64;
/// Of files of one content, so many are told apart by their names.
const ALIKE: usize = 10_000;

/// Which missing file is which new one.
pub struct Pairs {
    /// Of each number its partner's, or its own if it has none; empty where there is no pair at all.
    partner: Vec<Number>,
}

/// Finds them; afterwards everything that was kept can be read.
pub fn find(kept: &mut Kept, scopes: &[Scope], env: &Env) -> Result<Pairs> {
    kept.flush().map_err(CompareError::Keep)?;
    let (mut gone, mut come) = (std::mem::take(&mut kept.gone), std::mem::take(&mut kept.come));
    gone.sort_unstable_by_key(|g| g.size);
    come.retain(|c| gone.binary_search_by_key(&c.size, |g| g.size).is_ok());
    kept.counts.bytes_read += hash(&mut come, kept, scopes, env)?;
    come.retain(|c| c.digest.is_some());
    gone.sort_unstable_by_key(|g| g.digest);
    come.sort_unstable_by_key(|c| c.digest);
    let mut pairs = Pairs { partner: Vec::new() };
    let mut from = &come[..];
    for alike in gone.chunk_by(|a, b| a.digest == b.digest) {
        let digest = Some(alike[0].digest);
        from = &from[from.partition_point(|c| c.digest < digest)..];
        let (same, rest) = from.split_at(from.partition_point(|c| c.digest == digest));
        from = rest;
        pairs.match_up(alike, same, kept)?;
    }
    Ok(pairs)
}

/// Reads the new files whose content is not known yet; how many bytes. One that cannot be read stays an added one.
fn hash(come: &mut [Come], kept: &Kept, scopes: &[Scope], env: &Env) -> Result<u64> {
    // A few at a time, to whoever has time.
    let heaps = Mutex::new(come.chunks_mut(HEAP));
    let work = || {
        let (mut buffer, mut bytes) = (Vec::new(), 0);
        loop {
            let heap = heaps.lock().next();
            let Some(heap) = heap else { return Ok(bytes) };
            for c in heap.iter_mut().filter(|c| c.digest.is_none()) {
                if env.is_interrupted() {
                    return Err(CompareError::Interrupted);
                }
                let path = get(kept, c.number)?.path;
                let tree = scope_of(scopes, &path).and_then(|(_, s)| s.tree.as_ref());
                let content = tree.and_then(|t| t.open_file(&path).ok()).and_then(|file| read(&file, &mut buffer, None).ok());
                bytes += content.as_ref().map_or(0, |c| c.size);
                c.digest = content.map(|c| short(c.blake3));
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..env.threads.max(1)).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|t| t.join().map_err(|_| CompareError::Stopped));
        joined.collect::<Result<Vec<_>>>()?.into_iter().sum()
    })
}

impl Pairs {
    /// Pairs files of one content.
    fn match_up(&mut self, gone: &[Gone], come: &[Come], kept: &Kept) -> Result<()> {
        match (gone, come) {
            (_, []) => {}
            ([gone], [come]) => self.pair(gone.number, come.number, kept),
            _ if gone.len() + come.len() > ALIKE => {}
            _ => {
                let mut by_name: HashMap<Vec<u8>, (Vec<Number>, Vec<Number>)> = HashMap::new();
                for g in gone {
                    by_name.entry(name(kept, g.number)?).or_default().0.push(g.number);
                }
                for c in come {
                    by_name.entry(name(kept, c.number)?).or_default().1.push(c.number);
                }
                for named in by_name.values() {
                    if let ([gone], [come]) = (&named.0[..], &named.1[..]) {
                        self.pair(*gone, *come, kept);
                    }
                }
            }
        }
        Ok(())
    }

    fn pair(&mut self, gone: Number, come: Number, kept: &Kept) {
        if self.partner.is_empty() {
            self.partner = (0..kept.len() as Number).collect();
        }
        self.partner[gone as usize] = come;
        self.partner[come as usize] = gone;
    }

    fn partner(&self, number: Number) -> Option<Number> {
        self.partner.get(number as usize).copied().filter(|p| *p != number)
    }

    /// Tells everything that was kept, in order; a pair once, where the file is now.
    pub fn each(&self, kept: &Kept, mut tell: impl FnMut(Difference)) -> Result<()> {
        for number in kept.in_order() {
            let difference = get(kept, number)?;
            match (self.partner(number), difference.class) {
                (Some(_), Class::Missing) => {}
                (Some(gone), _) => {
                    let before = get(kept, gone)?;
                    let blake3 = before.before.and_then(|b| b.blake3);
                    let after = difference.after.map(|a| Seen { kind: EntryKind::File, blake3, ..a });
                    let (class, reason, former) = (Class::Renamed, Reason::None, Some(before.path));
                    tell(Difference { class, reason, former, before: before.before, after, path: difference.path });
                }
                (None, _) => tell(difference),
            }
        }
        Ok(())
    }
}

fn get(kept: &Kept, number: Number) -> Result<Difference> {
    kept.get(number).map_err(CompareError::Keep)
}

/// A file's own name.
fn name(kept: &Kept, number: Number) -> Result<Vec<u8>> {
    let path = get(kept, number)?.path;
    Ok(path.rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec())
}
