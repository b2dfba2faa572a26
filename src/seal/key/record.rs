//! The layout of the file with the seal keys.
//!
//! Two slots of 4,096 bytes, so that no two share a block of a disk or a file system. Each holds one record, then zeros:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `AZSEALK1` |
//! | 8 | 8 | count of records written so far, little-endian |
//! | 16 | 8 | seal whose seal the current key signs, little-endian |
//! | 24 | 32 | current key's seed |
//! | 56 | 32 | next key's seed, zeros while none is prepared |
//! | 88 | 32 | BLAKE3 of the 88 bytes before |

use super::KeyError;
use crate::host::seal_slots::{CHECKED_BYTES, MAGIC};
use zeroize::Zeroizing;

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = crate::host::seal_slots::SLOT_BYTES;
/// The file's length; it never changes.
pub const FILE_BYTES: u64 = 2 * SLOT_BYTES as u64;
/// Bytes of the seed of an Ed25519 key.
pub(super) const SEED_BYTES: usize = 32;
/// No next key is prepared.
const NO_SEED: [u8; SEED_BYTES] = [0; SEED_BYTES];

pub(super) type Seed = Zeroizing<[u8; SEED_BYTES]>;
pub(super) type SlotBytes = Zeroizing<Vec<u8>>;

pub(super) fn new_seed() -> Result<Seed, KeyError> {
    let mut seed = Zeroizing::new(NO_SEED);
    getrandom::fill(&mut *seed).map_err(|source| KeyError::Random { source })?;
    Ok(seed)
}

pub(super) fn empty_slot() -> SlotBytes {
    Zeroizing::new(vec![0; SLOT_BYTES])
}

/// The content of a slot.
#[derive(Clone)]
pub(super) struct KeyRecord {
    /// Records written so far, this one included.
    pub count: u64,
    /// The seal whose seal `current` signs.
    pub seal: u64,
    pub current: Seed,
    pub next: Option<Seed>,
}

impl KeyRecord {
    pub fn encode(&self) -> SlotBytes {
        let mut slot = empty_slot();
        let next = self.next.as_deref().unwrap_or(&NO_SEED);
        let mut rest = &mut slot[..];
        for part in [&MAGIC[..], &self.count.to_le_bytes(), &self.seal.to_le_bytes(), &self.current[..], next] {
            let (now, later) = rest.split_at_mut(part.len());
            now.copy_from_slice(part);
            rest = later;
        }
        let digest = blake3::hash(&slot[..CHECKED_BYTES]);
        slot[CHECKED_BYTES..][..32].copy_from_slice(digest.as_bytes());
        slot
    }

    pub fn decode(slot: &SlotBytes) -> Option<Self> {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| slot[at + i]));
        let seed = |at: usize| Zeroizing::new(std::array::from_fn(|i| slot[at + i]));
        let record =
            Self { count: number(8), seal: number(16), current: seed(24), next: Some(seed(56)).filter(|s| **s != NO_SEED) };
        // One comparison covers the magic number, the digest and the zeros behind it.
        (record.encode() == *slot).then_some(record)
    }
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord").field("count", &self.count).field("seal", &self.seal).finish_non_exhaustive()
    }
}
