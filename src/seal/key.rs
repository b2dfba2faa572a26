//! The file with the seal keys: the only secret of the host that must be destroyed after use.
//!
//! The file has two slots, which `record` lays out. A change writes the new record over one slot, syncs, writes it over the
//! other, and syncs again. At every moment one slot is whole; of two whole ones the higher count is valid. After a crash
//! [`SealKeys::load`] writes the valid record over the other slot. So at rest both slots are equal, and a change that drops a
//! key has overwritten it in both slots. Nothing is ever copied to a second file.
//!
//! A program cannot do more. A file system that writes to new blocks (btrfs, ZFS), a snapshot, a backup of the state folder,
//! or the flash memory below may keep the old blocks.
//!
//! **Invariant:** when [`SealKeys::advance`] has returned, the key that was current is in neither slot.

mod record;

pub use record::FILE_BYTES;

use super::SealKey;
use crate::format::seal::Seal;
use crate::host::files::sync_folder_of;
use crate::lock::FileLock;
use record::{KeyRecord, SLOT_BYTES, SlotBytes, empty_slot, new_seed};
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why the seal keys could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A change that fails half-way leaves one slot whole: [`SealKeys::load`] finds the old keys or the new ones.
    #[error("the seal keys in {path} could not be {doing}")]
    Io {
        /// The step that failed: `created`, `opened`, `locked`, `read`, `stored`.
        doing: &'static str,
        /// The file of seal keys.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The keys are lost, so nothing can be added to the chain any more. Its generations can still be restored.
    #[error("{path} contains no whole record of seal keys")]
    Damaged {
        /// The file of seal keys.
        path: PathBuf,
    },
    /// Somebody else may know the key of the next seal. The file was not read.
    #[error("{path} can be read by others (mode {mode:o}); it must have mode 600")]
    Exposed {
        /// The file of seal keys.
        path: PathBuf,
        /// Its permission bits, `0 ..= 0o7777`.
        mode: u32,
    },
    /// Two runs with one key could sign two seals for one generation. Try again when the other run has ended.
    #[error("{path} is in use by another run")]
    Busy {
        /// The file of seal keys.
        path: PathBuf,
    },
    /// [`SealKeys::advance`] was called before [`SealKeys::prepare_next`]. The keys are as before.
    #[error("no next seal key is prepared after seal {seal}")]
    NotPrepared {
        /// Which seal of the set the current key signs, from 1.
        seal: u64,
    },
    /// The state folder and the medium do not match: one of them was rolled back or exchanged.
    #[error("the seal keys in {path} sign seal {expected}, but the medium's last seal does not lead to them")]
    OutOfStep {
        /// The file of seal keys.
        path: PathBuf,
        /// Which seal of the set the current key signs, from 1.
        expected: u64,
    },
    /// A key was to be made. The keys are as before.
    #[error("the operating system gives no random bytes")]
    Random {
        /// What the operating system says.
        source: getrandom::Error,
    },
}

/// The seal keys of one set, held open and locked against other runs.
#[derive(Debug)]
pub struct SealKeys {
    file: FileLock,
    path: PathBuf,
    record: KeyRecord,
    /// The number of a slot that is known to be whole: it is overwritten last.
    whole: usize,
}

impl SealKeys {
    /// Creates the file with a new key for the first seal. It must not exist yet. A file that an interrupted `create` left
    /// behind, which is shorter than [`FILE_BYTES`] and whose key was never used, is overwritten.
    ///
    /// The key comes from the operating system here, not from the caller, so that as few copies of it exist as possible.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let file = open(path, OpenOptions::new().create(true).truncate(false).mode(0o600))?;
        let length = file.metadata().map_err(|e| failed("created", path, e))?.len();
        if length >= FILE_BYTES {
            return Err(failed("created", path, io::ErrorKind::AlreadyExists.into()));
        }
        let record = KeyRecord { count: 1, seal: 1, current: new_seed()?, next: None };
        // SlotBytes 0 first, so that the file has its length only when both are written.
        let mut keys = Self { file, path: path.to_owned(), record: record.clone(), whole: 1 };
        keys.commit(record)?;
        // The name must survive a power cut like the content.
        sync_folder_of(path).map_err(|e| failed("created", path, e))?;
        Ok(keys)
    }

    /// Opens and locks the file, and finishes a change that a crash interrupted.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = open(path, &mut OpenOptions::new())?;
        let slots = read_slots(&file).map_err(|e| failed("read", path, e))?;
        let [a, b] = [&slots[0], &slots[1]].map(KeyRecord::decode);
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

    /// The public halves of the current key, and of the one behind it once it is prepared: a seal that a run of this host has
    /// written names one of them as the next key, until another seal follows. `None`: the file cannot be read. Nothing is locked
    /// or changed.
    pub fn public_halves(path: &Path) -> Option<Vec<[u8; 32]>> {
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path).ok()?;
        let record = read_slots(&file).ok()?.iter().filter_map(KeyRecord::decode).max_by_key(|record| record.count)?;
        let seeds = std::iter::once(&record.current).chain(&record.next);
        Some(seeds.map(|seed| SealKey::from_seed(seed).public()).collect())
    }

    /// Which seal of the set [`Self::current`] signs, counted from 1.
    pub fn seal(&self) -> u64 {
        self.record.seal
    }

    /// The key that signs the next seal.
    pub fn current(&self) -> SealKey {
        SealKey::from_seed(&self.record.current)
    }

    /// The public half of the key after the current one, once it is prepared.
    pub fn next_public(&self) -> Option<[u8; 32]> {
        self.record.next.as_ref().map(|seed| SealKey::from_seed(seed).public())
    }

    /// Makes the next key, stores it durably and returns its public half. Call it before a seal with that public half is
    /// written. A key that was prepared before stays: a seal on the medium may name it already.
    pub fn prepare_next(&mut self) -> Result<[u8; 32], KeyError> {
        if let Some(public) = self.next_public() {
            return Ok(public);
        }
        let seed = new_seed()?;
        let public = SealKey::from_seed(&seed).public();
        self.commit(KeyRecord { count: self.record.count + 1, next: Some(seed), ..self.record.clone() })?;
        Ok(public)
    }

    /// Makes the next key the current one and destroys the used one. Call it when the seal of the used one is durable on the
    /// medium.
    pub fn advance(&mut self) -> Result<(), KeyError> {
        let KeyRecord { count, seal, ref next, .. } = self.record;
        let current = next.clone().ok_or(KeyError::NotPrepared { seal })?;
        self.commit(KeyRecord { count: count + 1, seal: seal + 1, current, next: None })
    }

    /// Matches the keys with the last seal on the medium (`None`: there is none yet). Every run MUST do this before it writes a
    /// seal of its own, and MUST verify that last seal before. After a crash between a seal and [`Self::advance`], this advances.
    pub fn catch_up(&mut self, last: Option<&Seal>) -> Result<(), KeyError> {
        let expected = self.record.seal;
        match last {
            None if expected == 1 => Ok(()),
            Some(seal) if seal.earlier + 1 == expected && Some(seal.next) == self.next_public() => self.advance(),
            Some(seal) if seal.earlier + 2 == expected && seal.next == self.current().public() => Ok(()),
            _ => Err(KeyError::OutOfStep { path: self.path.clone(), expected }),
        }
    }

    fn commit(&mut self, record: KeyRecord) -> Result<(), KeyError> {
        let slot = record.encode();
        for i in [1 - self.whole, self.whole] {
            let written = self.file.write_all_at(&slot[..], (i * SLOT_BYTES) as u64).and_then(|()| self.file.sync_all());
            written.map_err(|e| failed("stored", &self.path, e))?;
            // From here on the other slot is overwritten first, also if this commit fails half-way.
            self.whole = i;
        }
        self.record = record;
        Ok(())
    }
}

/// Opens and locks the file. Links are not followed: one could lead to a file system that keeps what is overwritten.
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

fn read_slots(file: &File) -> io::Result<[SlotBytes; 2]> {
    let mut slots = [empty_slot(), empty_slot()];
    slots.iter_mut().enumerate().try_for_each(|(i, slot)| read_slot(file, i, slot))?;
    Ok(slots)
}

/// Reads a slot as far as the file goes. The rest stays zeros, which are no record.
fn read_slot(file: &File, slot: usize, into: &mut SlotBytes) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::record::SEED_BYTES;
    use super::*;
    use crate::seal::tests::seal;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn contains(bytes: &[u8], seed: &[u8; SEED_BYTES]) -> bool {
        // Even half a seed left behind is a failure.
        bytes.windows(16).any(|w| w == &seed[..16] || w == &seed[16..])
    }

    fn folder_contains(dir: &Path, seed: &[u8; SEED_BYTES]) -> bool {
        fs::read_dir(dir).unwrap().any(|e| contains(&fs::read(e.unwrap().path()).unwrap(), seed))
    }

    #[test]
    fn a_used_key_is_nowhere_in_the_state_folder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        for seal in 1..6 {
            assert_eq!(keys.seal(), seal);
            let used = keys.record.current.clone();
            assert!(folder_contains(dir.path(), &used), "the search would find it");
            let public = keys.prepare_next().unwrap();
            assert_eq!(keys.prepare_next().unwrap(), public, "an already prepared key is used again");
            drop(keys);
            keys = SealKeys::load(&path).unwrap();
            assert_eq!(keys.next_public(), Some(public));
            keys.advance().unwrap();
            assert!(!folder_contains(dir.path(), &used));
            assert_eq!(keys.current().public(), public);
            assert_eq!(keys.next_public(), None);
            assert!(matches!(keys.advance(), Err(KeyError::NotPrepared { .. })));
            assert_eq!(fs::metadata(&path).unwrap().len(), FILE_BYTES);
        }
    }

    /// Every state that a crash can leave: the old file, a part of the first slot written, the first slot written, a part of the
    /// second slot written, and the new file.
    #[test]
    fn a_crash_at_any_step_leaves_the_old_or_the_new_state() {
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
                    if found.seal > old.seal {
                        assert!(!contains(&fs::read(&crash).unwrap(), &old.current), "loading finishes the destruction");
                    }
                    let healed = fs::read(&crash).unwrap();
                    assert_eq!(healed[..SLOT_BYTES], healed[SLOT_BYTES..], "both slots are equal again");
                    fs::remove_file(&crash).unwrap();
                }
            }
        }
    }

    /// After a write that failed, the same slot is written again before the other one.
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
    fn keys_match_the_last_seal_on_the_medium() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        let mut keys = SealKeys::create(&path).unwrap();
        let out_of_step = |r| matches!(r, Err(KeyError::OutOfStep { .. }));
        keys.catch_up(None).unwrap();
        let next = keys.prepare_next().unwrap();
        let first = Seal { next, ..seal() };
        // The seal is on the medium; the power fails before `advance`.
        drop(keys);
        let mut keys = SealKeys::load(&path).unwrap();
        assert!(out_of_step(keys.catch_up(Some(&seal()))), "another chain's seal");
        keys.catch_up(Some(&first)).unwrap();
        assert_eq!((keys.seal(), keys.current().public()), (2, next));
        keys.catch_up(Some(&first)).unwrap();
        assert_eq!(keys.seal(), 2, "once is enough");
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
    fn an_interrupted_creation_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seal.keys");
        drop(SealKeys::create(&path).unwrap());
        let whole = fs::read(&path).unwrap();
        for length in [0, 100, SLOT_BYTES, SLOT_BYTES + 100] {
            fs::write(&path, &whole[..length]).unwrap();
            let public = SealKeys::create(&path).unwrap().current().public();
            assert_eq!(SealKeys::load(&path).unwrap().current().public(), public);
            assert!(!contains(&fs::read(&path).unwrap(), whole[24..56].try_into().unwrap()));
        }
    }
}
