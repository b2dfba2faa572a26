//! The file with the seal keys: the only secret of the host that must be forgotten.
//!
//! # Layout
//!
//! Two slots of 4,096 bytes, so that no two share a block of a disk or a file system. Each holds one record, then zeros:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `AZSEALK1` |
//! | 8 | 8 | count of records written so far, little-endian |
//! | 16 | 8 | generation whose seal the current key signs, little-endian |
//! | 24 | 32 | current key's seed |
//! | 56 | 32 | next key's seed, zeros while none is prepared |
//! | 88 | 32 | BLAKE3 of the 88 bytes before |
//!
//! # Steps
//!
//! A change writes the new record over one slot, syncs, writes it over the other, syncs. At every moment one slot is
//! whole; the whole one with the higher count is the truth. [`SealKeys::load`] finishes what a crash interrupted by writing
//! the truth over the other slot. So at rest both slots are equal, and a change that drops a key has overwritten it in
//! both places where it lay; nothing is ever copied to a second file.
//!
//! This is as much as a program can do. A file system that writes to new places (btrfs, ZFS), a snapshot, a backup of the
//! state folder, or the flash below may keep the old blocks.
//!
//! **Invariant:** when [`SealKeys::advance`] has returned, the key that was current is in neither slot.

use super::SealKey;
use crate::format::seal::Seal;
use crate::host::files::sync_folder_of;
use crate::lock::FileLock;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const SLOT_BYTES: usize = 4096;
/// The file's length; it never changes.
pub const FILE_BYTES: u64 = 2 * SLOT_BYTES as u64;
const MAGIC: [u8; 8] = *b"AZSEALK1";
const SEED_BYTES: usize = 32;
const NO_SEED: [u8; SEED_BYTES] = [0; SEED_BYTES];
const CHECKED_BYTES: usize = 88;

/// Why the seal keys could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    #[error("the seal keys in {path} could not be {doing}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} holds no whole record of seal keys")]
    Damaged { path: PathBuf },
    #[error("{path} can be read by others (mode {mode:o}); it must have mode 600")]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{path} is in use by another run")]
    Busy { path: PathBuf },
    #[error("no next seal key is prepared for generation {generation}")]
    NotPrepared { generation: u64 },
    /// The state folder or the medium is older than the other: one of them was rolled back or exchanged.
    #[error("the seal keys in {path} sign generation {expected}, but the medium's last seal does not lead to them")]
    OutOfStep { path: PathBuf, expected: u64 },
    #[error("the operating system gives no random bytes")]
    Random { source: getrandom::Error },
}

/// The seal keys of one set, held open and locked against other runs.
#[derive(Debug)]
pub struct SealKeys {
    file: FileLock,
    path: PathBuf,
    record: Record,
    /// A slot that is known to be whole: it is overwritten last.
    whole: usize,
}

impl SealKeys {
    /// Makes the file with a new key for generation 1. It must not exist yet; one that an interrupted `create` left behind,
    /// which is shorter than [`FILE_BYTES`] and whose key nobody has seen, is taken over.
    ///
    /// The key is drawn from the operating system here, not passed in, so that it is in as few places as possible.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let file = open(path, OpenOptions::new().create(true).truncate(false).mode(0o600))?;
        let length = file.metadata().map_err(|e| failed("created", path, e))?.len();
        if length >= FILE_BYTES {
            return Err(failed("created", path, io::ErrorKind::AlreadyExists.into()));
        }
        let record = Record { count: 1, generation: 1, current: new_seed()?, next: None };
        // Slot 0 first, so that the file has its length only when both are written.
        let mut keys = Self { file, path: path.to_owned(), record: record.clone(), whole: 1 };
        keys.commit(record)?;
        // The name must survive a power cut like the content.
        sync_folder_of(path).map_err(|e| failed("created", path, e))?;
        Ok(keys)
    }

    /// Opens the file, and finishes the change that a crash may have interrupted.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = open(path, &mut OpenOptions::new())?;
        let mut slots = [empty_slot(), empty_slot()];
        for (i, slot) in slots.iter_mut().enumerate() {
            read_slot(&file, i, slot).map_err(|e| failed("read", path, e))?;
        }
        let [a, b] = [&slots[0], &slots[1]].map(Record::decode);
        let (record, whole) = match (a, b) {
            (Some(a), Some(b)) if b.count > a.count => (b, 1),
            (Some(a), _) => (a, 0),
            (None, Some(b)) => (b, 1),
            (None, None) => return Err(KeyError::Damaged { path: path.to_owned() }),
        };
        let mut keys = Self { file, path: path.to_owned(), record: record.clone(), whole };
        if slots[0] != slots[1] {
            keys.commit(record)?;
        }
        Ok(keys)
    }

    /// The generation whose seal [`Self::current`] signs.
    pub fn generation(&self) -> u64 {
        self.record.generation
    }

    pub fn current(&self) -> SealKey {
        SealKey::from_seed(&self.record.current)
    }

    /// The next key's public half, once it is prepared.
    pub fn next_public(&self) -> Option<[u8; 32]> {
        self.record.next.as_ref().map(|seed| SealKey::from_seed(seed).public())
    }

    /// Stores the next key durably, before a seal that names it is written, and returns its public half. One that was
    /// prepared before is kept: a seal on the medium may name it already.
    pub fn prepare_next(&mut self) -> Result<[u8; 32], KeyError> {
        if let Some(public) = self.next_public() {
            return Ok(public);
        }
        let seed = new_seed()?;
        let public = SealKey::from_seed(&seed).public();
        self.commit(Record { count: self.record.count + 1, next: Some(seed), ..self.record.clone() })?;
        Ok(public)
    }

    /// Makes the next key the current one and destroys the used one, after its seal is durable on the medium.
    pub fn advance(&mut self) -> Result<(), KeyError> {
        let Record { count, generation, ref next, .. } = self.record;
        let current = next.clone().ok_or(KeyError::NotPrepared { generation })?;
        self.commit(Record { count: count + 1, generation: generation + 1, current, next: None })
    }

    /// Brings the keys in step with the last seal on the medium (`None`: there is none yet), as a run must before its own.
    /// After a crash between the seal and [`Self::advance`], this makes up for the latter. Verify the seal first.
    pub fn catch_up(&mut self, last: Option<&Seal>) -> Result<(), KeyError> {
        let generation = self.record.generation;
        match last {
            None if generation == 1 => Ok(()),
            Some(seal) if seal.generation == generation && Some(seal.next) == self.next_public() => self.advance(),
            Some(seal) if seal.generation + 1 == generation && seal.next == self.current().public() => Ok(()),
            _ => Err(KeyError::OutOfStep { path: self.path.clone(), expected: generation }),
        }
    }

    fn commit(&mut self, record: Record) -> Result<(), KeyError> {
        let slot = record.encode();
        for i in [1 - self.whole, self.whole] {
            let written = self.file.write_all_at(&slot[..], (i * SLOT_BYTES) as u64).and_then(|()| self.file.sync_all());
            written.map_err(|e| failed("stored", &self.path, e))?;
            // From here on, the other slot is the one to write over first, also when this commit fails half-way.
            self.whole = i;
        }
        self.record = record;
        Ok(())
    }
}

/// Opens and locks the file. A link is not followed: it could lead to a place where what is overwritten is kept.
fn open(path: &Path, options: &mut OpenOptions) -> Result<FileLock, KeyError> {
    let file = options.read(true).write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path);
    let file = file.map_err(|e| failed("opened", path, e))?;
    let mode = file.metadata().map_err(|e| failed("opened", path, e))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let lock = FileLock::acquire(file).map_err(|e| failed("locked", path, e))?;
    lock.map_err(|_| KeyError::Busy { path: path.to_owned() })
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Io { doing, path: path.to_owned(), source }
}

type Seed = Zeroizing<[u8; SEED_BYTES]>;
type Slot = Zeroizing<Vec<u8>>;

fn new_seed() -> Result<Seed, KeyError> {
    let mut seed = Zeroizing::new(NO_SEED);
    getrandom::fill(&mut *seed).map_err(|source| KeyError::Random { source })?;
    Ok(seed)
}

fn empty_slot() -> Slot {
    Zeroizing::new(vec![0; SLOT_BYTES])
}

/// Reads what is there of a slot; a file that is too short leaves zeros, which are no record.
fn read_slot(file: &File, slot: usize, into: &mut Slot) -> io::Result<()> {
    let start = (slot * SLOT_BYTES) as u64;
    let mut done = 0;
    while done < SLOT_BYTES {
        match file.read_at(&mut into[done..], start + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[derive(Clone)]
struct Record {
    count: u64,
    generation: u64,
    current: Seed,
    next: Option<Seed>,
}

impl Record {
    fn encode(&self) -> Slot {
        let mut slot = empty_slot();
        let next = self.next.as_deref().unwrap_or(&NO_SEED);
        let mut rest = &mut slot[..];
        for part in [&MAGIC[..], &self.count.to_le_bytes(), &self.generation.to_le_bytes(), &self.current[..], next] {
            let (now, later) = rest.split_at_mut(part.len());
            now.copy_from_slice(part);
            rest = later;
        }
        let digest = blake3::hash(&slot[..CHECKED_BYTES]);
        slot[CHECKED_BYTES..][..32].copy_from_slice(digest.as_bytes());
        slot
    }

    fn decode(slot: &Slot) -> Option<Self> {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| slot[at + i]));
        let seed = |at: usize| Zeroizing::new(std::array::from_fn(|i| slot[at + i]));
        let record =
            Self { count: number(8), generation: number(16), current: seed(24), next: Some(seed(56)).filter(|s| **s != NO_SEED) };
        // One comparison covers the magic number, the digest and the zeros behind it.
        (record.encode() == *slot).then_some(record)
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("count", &self.count).field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::tests::seal;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn holds(bytes: &[u8], seed: &[u8; SEED_BYTES]) -> bool {
        // Half a seed left behind would be enough of a hint to be a failure.
        bytes.windows(16).any(|w| w == &seed[..16] || w == &seed[16..])
    }

    fn folder_holds(dir: &Path, seed: &[u8; SEED_BYTES]) -> bool {
        fs::read_dir(dir).unwrap().any(|e| holds(&fs::read(e.unwrap().path()).unwrap(), seed))
    }

    #[test]
    fn a_used_key_is_nowhere_in_the_state_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        for generation in 1..6 {
            assert_eq!(keys.generation(), generation);
            let used = keys.record.current.clone();
            assert!(folder_holds(dir.path(), &used), "the search would find it");
            let public = keys.prepare_next().unwrap();
            assert_eq!(keys.prepare_next().unwrap(), public, "an already prepared key is used again");
            drop(keys);
            keys = SealKeys::load(&path).unwrap();
            assert_eq!(keys.next_public(), Some(public));
            keys.advance().unwrap();
            assert!(!folder_holds(dir.path(), &used));
            assert_eq!(keys.current().public(), public);
            assert_eq!(keys.next_public(), None);
            assert!(matches!(keys.advance(), Err(KeyError::NotPrepared { .. })));
            assert_eq!(fs::metadata(&path).unwrap().len(), FILE_BYTES);
        }
    }

    /// Every state that a crash can leave: the file before, with any part of the first slot to be written, with the first slot
    /// whole, with any part of the second, and after.
    #[test]
    fn a_crash_at_any_step_leaves_one_of_two_states() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        for change in ["prepare", "advance", "prepare", "advance"] {
            let before = fs::read(&path).unwrap();
            let (old, first) = (keys.record.clone(), 1 - keys.whole);
            match change {
                "prepare" => drop(keys.prepare_next().unwrap()),
                _ => keys.advance().unwrap(),
            }
            let after = fs::read(&path).unwrap();
            let new = keys.record.clone();
            let order = [first, 1 - first];
            for step in 0..2 {
                for written in [0, 1, 8, 24, 40, 56, 60, 88, 100, 120, 512, SLOT_BYTES] {
                    let mut torn = before.clone();
                    for (n, slot) in order.into_iter().enumerate() {
                        let n = if n < step {
                            SLOT_BYTES
                        } else if n == step {
                            written
                        } else {
                            0
                        };
                        let at = slot * SLOT_BYTES;
                        torn[at..at + n].copy_from_slice(&after[at..at + n]);
                    }
                    let crash = dir.path().join(format!("{}-{step}-{written}", keys.record.count));
                    fs::write(&crash, &torn).unwrap();
                    fs::set_permissions(&crash, fs::Permissions::from_mode(0o600)).unwrap();
                    let found = SealKeys::load(&crash).unwrap().record;
                    let expected = if step == 1 || written >= 120 { &new } else { &old };
                    assert_eq!(found.encode(), expected.encode(), "{change}, slot {step}, {written} bytes");
                    if found.generation > old.generation {
                        assert!(!holds(&fs::read(&crash).unwrap(), &old.current), "loading finishes the destruction");
                    }
                    let healed = fs::read(&crash).unwrap();
                    assert_eq!(healed[..SLOT_BYTES], healed[SLOT_BYTES..], "both slots are equal again");
                    fs::remove_file(&crash).unwrap();
                }
            }
        }
    }

    /// A write that fails leaves the other slot alone until it has been made good.
    #[test]
    fn a_failed_change_can_be_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        let writable = std::mem::replace(&mut *keys.file, File::open(&path).unwrap());
        let before = keys.record.encode();
        assert!(matches!(keys.prepare_next(), Err(KeyError::Io { doing: "stored", .. })));
        assert_eq!((keys.record.encode(), keys.next_public()), (before, None));
        *keys.file = writable;
        let public = keys.prepare_next().unwrap();
        drop(keys);
        assert_eq!(SealKeys::load(&path).unwrap().next_public(), Some(public));
    }

    #[test]
    fn keys_keep_in_step_with_the_medium() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        let out_of_step = |r| matches!(r, Err(KeyError::OutOfStep { .. }));
        keys.catch_up(None).unwrap();
        let next = keys.prepare_next().unwrap();
        let first = Seal { generation: 1, next, ..seal() };
        // The seal is on the medium; the power fails before `advance`.
        drop(keys);
        let mut keys = SealKeys::load(&path).unwrap();
        assert!(out_of_step(keys.catch_up(Some(&seal()))), "another chain's seal");
        keys.catch_up(Some(&first)).unwrap();
        assert_eq!((keys.generation(), keys.current().public()), (2, next));
        keys.catch_up(Some(&first)).unwrap();
        assert_eq!(keys.generation(), 2, "once is enough");
        assert!(out_of_step(keys.catch_up(None)), "the medium was emptied");
    }

    #[test]
    fn files_that_cannot_be_trusted_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let keys = SealKeys::create(&path).unwrap();
        assert!(matches!(SealKeys::load(&path), Err(KeyError::Busy { .. })));
        drop(keys);
        assert!(matches!(SealKeys::create(&path), Err(KeyError::Io { doing: "created", .. })));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(SealKeys::load(&link), Err(KeyError::Io { doing: "opened", .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(SealKeys::load(&path), Err(KeyError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, []).unwrap();
        assert!(matches!(SealKeys::load(&path), Err(KeyError::Damaged { .. })));
    }

    #[test]
    fn an_interrupted_creation_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        drop(SealKeys::create(&path).unwrap());
        let whole = fs::read(&path).unwrap();
        for length in [0, 100, SLOT_BYTES, SLOT_BYTES + 100] {
            fs::write(&path, &whole[..length]).unwrap();
            let public = SealKeys::create(&path).unwrap().current().public();
            assert_eq!(SealKeys::load(&path).unwrap().current().public(), public);
            assert!(!holds(&fs::read(&path).unwrap(), whole[24..56].try_into().unwrap()));
        }
    }
}
