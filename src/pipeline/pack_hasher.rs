//! Hashes finished packs, and sends them on.
//!
//! A pack waits for the next one, of whichever packer, or for a file that is being read: two streams of SHA-256 side by side take
//! less time than one after the other. So one pack may wait here while all cores are busy; [`PackHasher::flush`] hashes it alone.
//!
//! **Invariant:** no pack waits for good. A thread that hashes beside the one that waits holds it meanwhile, so another thread's
//! `flush` may miss it, also one that was asked for because somebody needs the pack's number. So every worker calls it whenever it
//! has nothing to do, and when it ends.

use super::place::FinishedPack;
use crate::format::digests::DigestHasher;
use crate::sha256::{Sha256, update_both};
use parking_lot::Mutex;

/// Queues a finished pack for the medium; `false` when the run has to stop. Called by many packers; it blocks while the medium
/// is slower than they are.
pub type Sink<'a> = &'a (dyn Fn(FinishedPack) -> bool + Sync);

/// What all packers of a run send their packs through.
pub struct PackHasher<'a> {
    sink: Sink<'a>,
    with_sha256: bool,
    waiting: Mutex<Option<HashedPart>>,
}

/// A pack that has its BLAKE3, and SHA-256 up to some byte.
struct HashedPart {
    pack: FinishedPack,
    sha256: Sha256,
    hashed: usize,
}

impl HashedPart {
    /// The next bytes, at most so many, which count as hashed from now on.
    fn next(&mut self, most: usize) -> (&mut Sha256, &[u8]) {
        let begin = self.hashed;
        self.hashed += most.min(self.left());
        (&mut self.sha256, &self.pack.bytes[begin..self.hashed])
    }

    fn left(&self) -> usize {
        self.pack.bytes.len() - self.hashed
    }
}

impl<'a> PackHasher<'a> {
    /// `with_sha256`: compute the SHA-256 of a pack beside its BLAKE3. Packs go to `sink`.
    pub fn new(with_sha256: bool, sink: Sink<'a>) -> Self {
        Self { sink, with_sha256, waiting: Mutex::default() }
    }

    /// Takes a pack that has its BLAKE3. `false`: the run has to stop.
    pub(super) fn add(&self, pack: FinishedPack) -> bool {
        match self.with_sha256 {
            true => self.go_on(HashedPart { pack, sha256: Sha256::default(), hashed: 0 }),
            false => (self.sink)(pack),
        }
    }

    /// Adds a file's next bytes to its digests, beside the pack that waits, if one does. `false`: the run has to stop.
    pub fn update(&self, file: &mut DigestHasher, bytes: &[u8]) -> bool {
        let Some(mut part) = self.waiting.lock().take() else {
            file.update(bytes);
            return true;
        };
        file.update_beside(bytes, part.next(bytes.len()));
        self.go_on(part)
    }

    /// Hashes the pack that waits, if one does. `false`: the run has to stop.
    pub fn flush(&self) -> bool {
        let Some(mut part) = self.waiting.lock().take() else { return true };
        let (sha256, bytes) = part.next(usize::MAX);
        sha256.update(bytes);
        self.go_on(part)
    }

    /// Sends a pack on that is hashed. Another one is hashed beside the one that waits, or waits itself.
    fn go_on(&self, mut part: HashedPart) -> bool {
        while part.left() > 0 {
            let mut waiting = self.waiting.lock();
            let Some(mut other) = waiting.take() else {
                *waiting = Some(part);
                return true;
            };
            drop(waiting);
            let both = part.left().min(other.left());
            update_both(part.next(both), other.next(both));
            if other.left() > 0 {
                std::mem::swap(&mut part, &mut other);
            }
            if !self.send(other) {
                return false;
            }
        }
        self.send(part)
    }

    fn send(&self, HashedPart { mut pack, sha256, .. }: HashedPart) -> bool {
        pack.digests.sha256 = Some(sha256.finish());
        (self.sink)(pack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::Buffers;
    use crate::format::digests::{Digests, Hashes};
    use crate::format::pack::ChunkId;
    use crate::pipeline::compressor::CompressionLevel;
    use crate::pipeline::encryptor::Identity;
    use crate::pipeline::packer::Packer;

    fn noise(bytes: usize, seed: u8) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut noise);
        noise
    }

    /// Packs of two packers, longer and shorter, with and without a file that is read meanwhile: each has its own digests, none is
    /// lost, and none waits after the last packer has finished.
    #[test]
    fn every_pack_and_every_file_has_the_digests_of_its_bytes() {
        let (recipients, level, buffers) =
            (Identity::generate().recipients(), CompressionLevel::new(Some(1)), Buffers::default());
        let sent = Mutex::new(Vec::new());
        let sink = |pack| {
            Vec::push(&mut sent.lock(), pack);
            true
        };
        let hasher = PackHasher::new(true, &sink);
        let packer = |bytes| Packer::new(&recipients, &level, bytes, &buffers, &hasher).expect("a packer");
        let mut packers = [packer(300 << 10), packer(100 << 10)];
        let (content, mut file) = (noise(3 << 20, 0), DigestHasher::new(Hashes::Both));
        let mut longest_wait = 0;
        for (n, part) in content.chunks(50_000).enumerate() {
            let chunk = noise(40 << 10, n as u8);
            for (of, packer) in packers.iter_mut().enumerate() {
                packer.next_place(chunk.len()).expect("a place");
                packer.add(ChunkId([n as u8 ^ of as u8; 16]), &chunk);
            }
            // Files are read now and then only.
            match n % 7 {
                0..3 => assert!(hasher.update(&mut file, part)),
                _ => file.update(part),
            }
            longest_wait = longest_wait.max(hasher.waiting.lock().as_ref().map_or(0, HashedPart::left));
        }
        assert!(longest_wait > 0, "a pack has waited");
        assert_eq!(file.finish(), Digests::of(&content, true));
        packers.iter_mut().for_each(|p| p.finish().expect("a pack"));
        assert!(hasher.waiting.lock().is_none());
        let sent = sent.lock();
        assert!(sent.len() > 20, "{}", sent.len());
        assert!(sent.iter().all(|pack| pack.digests == Digests::of(&pack.bytes, true)));
        let content: u64 = sent.iter().map(|pack| pack.content_bytes).sum();
        assert_eq!(content, 2 * 63 * (40 << 10));
    }

    /// Workers take the pack that waits from each other: after each has ended, none is left, and each is what it was.
    #[test]
    fn threads_that_hash_beside_each_other_lose_no_pack() {
        let (recipients, level, buffers) =
            (Identity::generate().recipients(), CompressionLevel::new(Some(1)), Buffers::default());
        let sent = Mutex::new(Vec::new());
        let sink = |pack| {
            Vec::push(&mut sent.lock(), pack);
            true
        };
        let hasher = PackHasher::new(true, &sink);
        std::thread::scope(|scope| {
            for worker in 0..4_u8 {
                let (recipients, level, buffers, hasher) = (&recipients, &level, &buffers, &hasher);
                scope.spawn(move || {
                    let content = noise(20 << 10, worker);
                    let mut packer = Packer::new(recipients, level, 30 << 10, buffers, hasher).expect("a packer");
                    let (mut file, mut read) = (DigestHasher::new(Hashes::Both), Vec::new());
                    for n in 0..60_u8 {
                        packer.next_place(content.len()).expect("a place");
                        packer.add(ChunkId([worker * 64 + n; 16]), &content);
                        let part = &content[..1000 * usize::from(n % 20)];
                        assert!(hasher.update(&mut file, part));
                        read.extend_from_slice(part);
                    }
                    packer.finish().expect("a pack");
                    assert_eq!(file.finish(), Digests::of(&read, true));
                });
            }
        });
        assert!(hasher.waiting.lock().is_none());
        let sent = sent.lock();
        assert_eq!(sent.iter().map(|pack| pack.content_bytes).sum::<u64>(), 4 * 60 * (20 << 10));
        assert!(sent.iter().all(|pack| pack.digests == Digests::of(&pack.bytes, true)));
    }

    /// Without SHA-256, and of the entry stream, a pack is sent when it is full.
    #[test]
    fn who_need_not_or_must_not_wait_does_not() {
        let (recipients, level, buffers) =
            (Identity::generate().recipients(), CompressionLevel::new(Some(1)), Buffers::default());
        for with_sha256 in [false, true] {
            let sent = Mutex::new(0);
            let sink = |_| {
                *sent.lock() += 1;
                true
            };
            let hasher = PackHasher::new(with_sha256, &sink);
            let packer = Packer::new(&recipients, &level, 100 << 10, &buffers, &hasher).expect("a packer");
            let mut packer = if with_sha256 { packer.of_entries() } else { packer };
            // A frame is closed when the next chunk needs room.
            for n in 0..5 {
                packer.next_place(100 << 10).expect("a place");
                packer.add(ChunkId([n; 16]), &noise(100 << 10, n));
            }
            assert_eq!((*sent.lock(), hasher.waiting.lock().is_none()), (4, true), "SHA-256: {with_sha256}");
        }
    }

    #[test]
    fn a_packer_learns_that_the_run_has_to_stop() {
        let (recipients, level, buffers) =
            (Identity::generate().recipients(), CompressionLevel::new(Some(1)), Buffers::default());
        let hasher = PackHasher::new(true, &|_| false);
        let mut packer = Packer::new(&recipients, &level, 4 << 10, &buffers, &hasher).expect("a packer");
        packer.next_place(5).expect("a place");
        packer.add(ChunkId([1; 16]), b"bytes");
        assert!(packer.finish().is_err());
    }
}
