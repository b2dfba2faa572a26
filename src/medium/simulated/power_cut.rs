//! A power cut.

use super::{Bytes, NAME, gone, reread};
use crate::format::digests::Hashes;
use crate::format::object::ObjectKind;
use crate::format::seal::ReadBack;
use crate::medium::layout::check_name;
use crate::medium::{Description, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use parking_lot::Mutex;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Result<T> = std::result::Result<T, MediumError>;

/// What a power cut leaves of one object that was appended and not synced: `None`, nothing; `Some(n)`, its first `n`
/// bytes (all of them, if it has no more).
///
/// Arguments: the object's index among those not synced, from 0; how many these are; its length in bytes. File systems
/// write back in any order, so a later object may survive when an earlier one does not.
pub type Survival = Box<dyn Fn(usize, usize, usize) -> Option<usize> + Send + Sync>;

/// The power fails at one call; that call and all later ones fail. The medium inside then contains what was synced, and
/// of the rest what [`Survival`] says.
pub struct PowerCut {
    inner: Arc<dyn Medium>,
    calls_left: AtomicU64,
    survival: Survival,
    /// `None`: no power.
    unsynced: Mutex<Option<Vec<(u64, ObjectKind, Bytes)>>>,
}

impl PowerCut {
    /// The power fails after `calls` appends and syncs. The next one does nothing and fails.
    pub fn at_call(inner: Arc<dyn Medium>, calls: u64, survival: Survival) -> Self {
        Self { inner, calls_left: AtomicU64::new(calls), survival, unsynced: Mutex::new(Some(Vec::new())) }
    }

    /// Only what was synced survives.
    pub fn nothing() -> Survival {
        Box::new(|_, _, _| None)
    }

    /// What was not synced survives, but of the last object only the first `bytes`.
    pub fn torn(bytes: usize) -> Survival {
        Box::new(move |index, count, length| Some(if index + 1 == count { bytes } else { length }))
    }

    /// Cuts the power now.
    pub fn cut(&self) -> Result<()> {
        self.cut_locked(&mut self.unsynced.lock())
    }

    fn cut_locked(&self, unsynced: &mut Option<Vec<(u64, ObjectKind, Bytes)>>) -> Result<()> {
        let lost = unsynced.take().unwrap_or_default();
        for (index, (number, kind, bytes)) in lost.iter().enumerate() {
            if let Some(n) = (self.survival)(index, lost.len(), bytes.len()) {
                self.inner.append(*number, *kind, &bytes[..n.min(bytes.len())])?;
            }
        }
        self.inner.sync()
    }

    /// Runs a call that changes the medium; fails without power.
    fn change<T>(&self, f: impl FnOnce(&mut Vec<(u64, ObjectKind, Bytes)>) -> Result<T>) -> Result<T> {
        let mut unsynced = self.unsynced.lock();
        if self.calls_left.load(Ordering::Relaxed) == 0 && unsynced.is_some() {
            self.cut_locked(&mut unsynced)?;
        }
        let result = f(unsynced.as_mut().ok_or_else(|| gone("no power"))?);
        self.calls_left.fetch_sub(1, Ordering::Relaxed);
        result
    }

    fn pending(&self, number: u64, kind: ObjectKind) -> Result<Option<Bytes>> {
        let unsynced = self.unsynced.lock();
        let pending = unsynced.as_ref().ok_or_else(|| gone("no power"))?;
        Ok(pending.iter().find(|(n, k, _)| (*n, *k) == (number, kind)).map(|(_, _, b)| Arc::clone(b)))
    }
}

impl Medium for PowerCut {
    fn list(&self) -> Result<Listing> {
        let unsynced = self.unsynced.lock();
        let pending = unsynced.as_ref().ok_or_else(|| gone("no power"))?;
        let mut listing = self.inner.list()?;
        listing.objects.extend(pending.iter().map(|(n, k, b)| Listed { number: *n, kind: *k, length: b.len() as u64 }));
        listing.objects.sort_by_key(|o| o.number);
        Ok(listing)
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        self.change(|pending| {
            let stored = self.inner.list()?.objects;
            if stored.iter().map(|o| o.number).chain(pending.iter().map(|p| p.0)).any(|n| n == number) {
                return Err(MediumError::Exists { medium: NAME.into(), number });
            }
            pending.push((number, kind, bytes.into()));
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        self.change(|pending| {
            for (number, kind, bytes) in pending.drain(..) {
                self.inner.append(number, kind, &bytes)?;
            }
            self.inner.sync()
        })
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        match self.pending(number, kind)? {
            Some(bytes) => Ok(reread(&bytes, ReadBack::Cached, hashes)),
            None => self.inner.read_back(number, kind, hashes),
        }
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        match self.pending(number, kind)? {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.inner.open(number, kind),
        }
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}
