//! Which chunks of the set are stored already, or are about to be stored.
//!
//! Three steps, cheapest first: a map of this run's chunks, a Bloom filter that rules out most others, the catalog.

use super::place::ChunkPlace;
use crate::format::pack::ChunkId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

const SHARDS: usize = 16;
/// Chunks of this run that stay in the map although the catalog has them by now: some 25 MiB of memory. A little more would
/// take twice that, because the map grows by doubling.
const MAP_CHUNKS: usize = 400_000;

/// The largest filter: for 22 million chunks.
const FILTER_BYTES: u64 = 32 << 20;

/// New chunks after which filling the filter costs less than asking the catalog. A night with few changes never fills it.
const FILL_AFTER: usize = 2_000;

/// Hashes an id to its own last 8 bytes. Ids are made with a secret key, so nobody can choose ids that collide.
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

/// The chunks of this run, and a filter over the chunks of the set. Shared by all workers.
pub struct DedupIndex {
    shards: [Mutex<Chunks>; SHARDS],
    count: AtomicUsize,
    stored: u64,
    filter: OnceLock<BloomFilter>,
    /// Takes the chunks of this run when `filter` is full. Without it, a run that stores far more than the set had would ask
    /// the catalog for nearly every chunk.
    overflow: OnceLock<BloomFilter>,
    filling: AtomicBool,
}

/// The answer of [`DedupIndex::claim`].
pub enum Claim {
    /// Stored already, or another worker is about to store it.
    Duplicate(ChunkPlace),
    /// New: the caller has to store it.
    New,
}

impl DedupIndex {
    /// `stored`: chunks of the set that the catalog has.
    pub fn new(stored: u64) -> Self {
        let filter = OnceLock::new();
        if stored == 0 {
            let _ = filter.set(BloomFilter::new(0));
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

    /// Fills the filter as soon as there are enough new chunks to be worth it. `each` calls its argument with every id that
    /// the catalog has.
    pub fn fill<E>(&self, each: impl FnOnce(&mut dyn FnMut(ChunkId)) -> Result<(), E>) -> Result<(), E> {
        let pays = self.filter.get().is_none() && self.count.load(Ordering::Relaxed) > FILL_AFTER;
        if !pays || self.filling.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let filter = BloomFilter::new(self.stored);
        each(&mut |id| filter.add(&id))?;
        // Chunks of this run are all in the map: none is removed before the filter exists.
        let _ = self.filter.set(filter);
        Ok(())
    }

    /// Bytes of the filter, once it is filled.
    pub fn filter_bytes(&self) -> Option<usize> {
        self.filter.get().map(BloomFilter::bytes)
    }

    fn shard(&self, id: &ChunkId) -> parking_lot::MutexGuard<'_, Chunks> {
        let shard = &self.shards[usize::from(id.0[0]) % SHARDS];
        shard.lock()
    }

    /// Finds the chunk, or claims it for the caller, who then MUST store it at the place that `place` answered.
    ///
    /// `stored` asks the catalog. It is called outside the map's lock, and only if the filter does not rule the chunk out.
    pub fn claim<E>(
        &self,
        id: &ChunkId,
        length: u32,
        stored: impl FnOnce() -> Result<Option<(ChunkPlace, u32)>, E>,
        place: impl FnOnce() -> Result<ChunkPlace, E>,
    ) -> Result<Claim, E> {
        let same = |(found, n): &(ChunkPlace, u32)| (*n == length).then(|| found.clone());
        if let Some(found) = self.shard(id).get(id).and_then(same) {
            return Ok(Claim::Duplicate(found));
        }
        let in_overflow = || self.overflow.get().is_some_and(|f| f.may_have(id));
        if self.filter.get().is_none_or(|f| f.may_have(id) || in_overflow())
            && let Some(found) = stored()?.as_ref().and_then(same)
        {
            return Ok(Claim::Duplicate(found));
        }
        let mine = place()?;
        let mut shard = self.shard(id);
        // Another worker may have claimed it meanwhile.
        if let Some(found) = shard.get(id).and_then(same) {
            return Ok(Claim::Duplicate(found));
        }
        shard.insert(*id, (mine, length));
        drop(shard);
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(Claim::New)
    }

    /// Removes chunks from the map that the catalog has by now, so that memory stays bounded however many chunks a run stores.
    pub fn committed<'a>(&self, ids: impl Iterator<Item = &'a ChunkId>) {
        let Some(filter) = self.filter.get() else { return };
        if self.count.load(Ordering::Relaxed) <= MAP_CHUNKS {
            return;
        }
        for id in ids {
            match filter.is_full() {
                true => self.overflow.get_or_init(BloomFilter::largest).add(id),
                false => filter.add(id),
            }
            if self.shard(id).remove(id).is_some() {
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }
}

/// A blocked Bloom filter: all bits of an id are in one cache line. Ids are uniform, so their own bits serve as hashes.
struct BloomFilter {
    blocks: Vec<[AtomicU64; 8]>,
    added: AtomicU64,
}

impl BloomFilter {
    /// 12 bits for each expected chunk, 1 to 32 MiB. A full one only answers "maybe" more often.
    fn new(expected: u64) -> Self {
        Self::with_bytes((expected.saturating_mul(3) / 2).clamp(1 << 20, FILTER_BYTES))
    }

    fn largest() -> Self {
        Self::with_bytes(FILTER_BYTES)
    }

    fn with_bytes(bytes: u64) -> Self {
        let mut blocks = Vec::new();
        blocks.resize_with(bytes as usize / 64, Default::default);
        Self { blocks, added: AtomicU64::new(0) }
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.blocks[..])
    }

    /// It has as many ids as it was made for.
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
    fn the_filter_denies_no_id_it_has_and_few_it_has_not() {
        // More than the smallest filter is made for.
        let n = 1_000_000;
        let filter = BloomFilter::new(n);
        assert!(filter.bytes() as u64 * 2 <= n * 3);
        (0..n).for_each(|n| filter.add(&id(n)));
        assert!((0..n).all(|n| filter.may_have(&id(n))));
        let wrong = (n..n + 200_000).filter(|n| filter.may_have(&id(*n))).count();
        assert!(wrong < 4_000, "{wrong} of 200,000");
    }

    /// A first backup of millions of files: the filter rules nearly all of them out without the catalog, and no stored one.
    #[test]
    fn a_run_that_stores_far_more_than_the_set_had_seldom_asks_the_catalog() {
        let (index, n) = (DedupIndex::new(0), 1_500_000);
        let place = || Ok(ChunkPlace::Stored { object: 1, frame: 0, offset: 0 });
        let asked = std::cell::Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            Ok(None)
        };
        for i in 0..n {
            index.claim::<()>(&id(i), 1, ask, place).unwrap();
            index.committed([id(i)].iter());
        }
        assert!(asked.get() < 30_000, "{} of {n} were asked for", asked.get());
        let stored = |i| index.claim::<()>(&id(i), 1, || Ok(Some((place()?, 1))), place).unwrap();
        assert!((0..n).step_by(7).all(|i| matches!(stored(i), Claim::Duplicate(_))));
        assert!(index.count.load(Ordering::Relaxed) <= MAP_CHUNKS + 1);
    }

    #[test]
    fn a_chunk_is_claimed_once() {
        let index = DedupIndex::new(0);
        let place = |frame| ChunkPlace::Stored { object: 1, frame, offset: 0 };
        let claim = |length, frame| index.claim::<()>(&id(1), length, || Ok(None), || Ok(place(frame))).unwrap();
        assert!(matches!(claim(10, 7), Claim::New));
        assert!(matches!(claim(10, 8), Claim::Duplicate(ChunkPlace::Stored { frame: 7, .. })));
        // Same id, other length: never taken for the same bytes.
        assert!(matches!(claim(11, 9), Claim::New));
    }
}
