//! Which chunks of the set are stored already, or are on their way.
//!
//! Three answers, cheapest first: chunks of this run (a map), chunks that cannot be stored (a Bloom filter), the catalog.

use super::packer::ChunkPlace;
use crate::format::pack::ChunkId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;
/// Chunks of this run that are kept in the map although the catalog has them by now: some 25 MiB of memory. A little more would take twice
/// that, because the map grows by doubling.
const KEPT: usize = 400_000;

/// The largest filter: for 22 million chunks.
const FILTER_BYTES: u64 = 32 << 20;

/// New chunks after which it pays to fill the filter. A night that changes little never needs it.
const PAYS_AFTER: usize = 2_000;

/// Half of an id. Ids are made under a secret key: nobody can choose some that meet.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(half) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*half);
        }
    }

    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

type Chunks = HashMap<ChunkId, (ChunkPlace, u32), BuildHasherDefault<IdHasher>>;

/// The chunks of this run, and a filter over those of the set.
pub struct DedupIndex {
    shards: [Mutex<Chunks>; SHARDS],
    count: AtomicUsize,
    stored: u64,
    filter: OnceLock<Filter>,
    /// For a run that stores far more than there was: without it the catalog would be asked for nearly every chunk.
    overflow: OnceLock<Filter>,
    filling: AtomicBool,
}

/// What [`DedupIndex::claim`] found.
pub enum Claim {
    /// Stored, or another worker is about to store it.
    Known(ChunkPlace),
    /// New, and the caller's to store.
    New,
}

impl DedupIndex {
    /// `stored`: how many chunks the catalog has for the set.
    pub fn new(stored: u64) -> Self {
        let filter = OnceLock::new();
        if stored == 0 {
            let _ = filter.set(Filter::new(0));
        }
        Self {
            shards: Default::default(),
            count: AtomicUsize::new(0),
            stored,
            filter,
            overflow: OnceLock::new(),
            filling: AtomicBool::new(false),
        }
    }

    /// Fills the filter once there have been so many new chunks that it pays. `each` gives every id that the catalog has.
    pub fn fill<E>(&self, each: impl FnOnce(&mut dyn FnMut(ChunkId)) -> Result<(), E>) -> Result<(), E> {
        let pays = self.filter.get().is_none() && self.count.load(Ordering::Relaxed) > PAYS_AFTER;
        if !pays || self.filling.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let filter = Filter::new(self.stored);
        each(&mut |id| filter.add(&id))?;
        // Chunks of this run are all in the map: none leaves it before the filter is there.
        let _ = self.filter.set(filter);
        Ok(())
    }

    /// Bytes of the filter, once it is there.
    pub fn filter_bytes(&self) -> Option<usize> {
        self.filter.get().map(Filter::bytes)
    }

    fn shard(&self, id: &ChunkId) -> parking_lot::MutexGuard<'_, Chunks> {
        let shard = &self.shards[usize::from(id.0[0]) % SHARDS];
        // A worker that panicked ends the run; its map entries are whole.
        shard.lock()
    }

    /// Finds the chunk, or claims it at `place` for the caller, who then MUST store it there.
    ///
    /// `stored` asks the catalog. It is called outside the map's lock, and only when the filter says that it may know.
    pub fn claim<E>(
        &self,
        id: &ChunkId,
        length: u32,
        stored: impl FnOnce() -> Result<Option<(ChunkPlace, u32)>, E>,
        place: impl FnOnce() -> Result<ChunkPlace, E>,
    ) -> Result<Claim, E> {
        let same = |(found, n): &(ChunkPlace, u32)| (*n == length).then(|| found.clone());
        if let Some(found) = self.shard(id).get(id).and_then(same) {
            return Ok(Claim::Known(found));
        }
        let in_overflow = || self.overflow.get().is_some_and(|f| f.may_have(id));
        if self.filter.get().is_none_or(|f| f.may_have(id) || in_overflow())
            && let Some(found) = stored()?.as_ref().and_then(same)
        {
            return Ok(Claim::Known(found));
        }
        let mine = place()?;
        let mut shard = self.shard(id);
        // Another worker may have claimed it meanwhile.
        if let Some(found) = shard.get(id).and_then(same) {
            return Ok(Claim::Known(found));
        }
        shard.insert(*id, (mine, length));
        drop(shard);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Claim::New)
    }

    /// Lets go of chunks that the catalog has by now, so that memory stays bounded however many chunks a run stores.
    pub fn committed<'a>(&self, ids: impl Iterator<Item = &'a ChunkId>) {
        let Some(filter) = self.filter.get() else { return };
        if self.count.load(Ordering::Relaxed) <= KEPT {
            return;
        }
        for id in ids {
            match filter.is_full() {
                true => self.overflow.get_or_init(Filter::largest).add(id),
                false => filter.add(id),
            }
            if self.shard(id).remove(id).is_some() {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// A blocked Bloom filter: all bits of an id lie in one cache line. Ids are uniform, so their own bits serve as hashes.
struct Filter {
    blocks: Vec<[AtomicU64; 8]>,
    added: AtomicU64,
}

impl Filter {
    /// 12 bits a chunk, 1 to 32 MiB. Beyond that it only answers "maybe" more often.
    fn new(expected: u64) -> Self {
        Self::of((expected.saturating_mul(3) / 2).clamp(1 << 20, FILTER_BYTES))
    }

    fn largest() -> Self {
        Self::of(FILTER_BYTES)
    }

    fn of(bytes: u64) -> Self {
        let mut blocks = Vec::new();
        blocks.resize_with(bytes as usize / 64, Default::default);
        Self { blocks, added: AtomicU64::new(0) }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.blocks[..])
    }

    /// It holds as many ids as it has room for.
    fn is_full(&self) -> bool {
        self.added.load(Ordering::Relaxed) * 3 / 2 >= self.bytes() as u64
    }

    fn bits(&self, id: &ChunkId) -> (&[AtomicU64; 8], [(usize, u64); 5]) {
        let n = u128::from_le_bytes(id.0);
        let block = &self.blocks[(n >> 64) as usize % self.blocks.len()];
        let bit = |i: u32| {
            let b = (n >> (9 * i)) as usize & 511;
            (b / 64, 1 << (b % 64))
        };
        (block, [bit(0), bit(1), bit(2), bit(3), bit(4)])
    }

    fn add(&self, id: &ChunkId) {
        let (block, bits) = self.bits(id);
        self.added.fetch_add(1, Ordering::Relaxed);
        for (word, mask) in bits {
            block[word].fetch_or(mask, Ordering::Relaxed);
        }
    }

    fn may_have(&self, id: &ChunkId) -> bool {
        let (block, bits) = self.bits(id);
        bits.iter().all(|(word, mask)| block[*word].load(Ordering::Relaxed) & mask != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ChunkId {
        let h = blake3::hash(&n.to_le_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&h.as_bytes()[..16]);
        ChunkId(id)
    }

    #[test]
    fn the_filter_never_denies_and_seldom_errs() {
        // More than fit into the smallest.
        let n = 1_000_000;
        let filter = Filter::new(n);
        assert!(filter.bytes() as u64 * 2 <= n * 3);
        (0..n).for_each(|n| filter.add(&id(n)));
        assert!((0..n).all(|n| filter.may_have(&id(n))));
        let wrong = (n..n + 200_000).filter(|n| filter.may_have(&id(*n))).count();
        assert!(wrong < 4_000, "{wrong} of 200,000");
    }

    /// A first backup of millions of files: nearly all of them are seen to be new without asking the catalog, and none that is stored is denied.
    #[test]
    fn a_run_that_stores_far_more_than_there_was_does_not_ask_for_each() {
        let (known, n) = (DedupIndex::new(0), 1_500_000);
        let place = || Ok(ChunkPlace::Stored { object: 1, frame: 0, offset: 0 });
        let asked = std::cell::Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            Ok(None)
        };
        for i in 0..n {
            known.claim::<()>(&id(i), 1, ask, place).unwrap();
            known.committed([id(i)].iter());
        }
        assert!(asked.get() < 30_000, "{} of {n} were asked for", asked.get());
        let stored = |i| known.claim::<()>(&id(i), 1, || Ok(Some((place()?, 1))), place).unwrap();
        assert!((0..n).step_by(7).all(|i| matches!(stored(i), Claim::Known(_))));
        assert!(known.count.load(Ordering::Relaxed) <= KEPT + 1);
    }

    #[test]
    fn a_chunk_is_claimed_once() {
        let known = DedupIndex::new(0);
        let place = |frame| ChunkPlace::Stored { object: 1, frame, offset: 0 };
        let claim = |length, frame| known.claim::<()>(&id(1), length, || Ok(None), || Ok(place(frame))).unwrap();
        assert!(matches!(claim(10, 7), Claim::New));
        assert!(matches!(claim(10, 8), Claim::Known(ChunkPlace::Stored { frame: 7, .. })));
        // Same id, other length: never taken for the same bytes.
        assert!(matches!(claim(11, 9), Claim::New));
    }
}
