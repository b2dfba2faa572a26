//! A medium that becomes full.

use super::NAME;
use crate::format::digests::Hashes;
use crate::format::object::ObjectKind;
use crate::medium::{Description, Listing, Medium, MediumError, OpenObject, Reread};
use parking_lot::Mutex;
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;

/// A medium that is full once so many bytes have been appended through it.
pub struct FullAfter {
    inner: Arc<dyn Medium>,
    /// Bytes that still fit.
    left: Mutex<u64>,
    torn: bool,
}

impl FullAfter {
    /// Refuses an object that does not fit whole and leaves nothing of it. A smaller one may fit afterwards.
    pub fn refusing(inner: Arc<dyn Medium>, bytes: u64) -> Self {
        Self { inner, left: Mutex::new(bytes), torn: false }
    }

    /// Stores as much of the first object that does not fit as fits, and nothing afterwards.
    pub fn tearing(inner: Arc<dyn Medium>, bytes: u64) -> Self {
        Self { inner, left: Mutex::new(bytes), torn: true }
    }
}

impl Medium for FullAfter {
    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        let mut left = self.left.lock();
        let (needed, free, torn) = (bytes.len() as u64, *left, self.torn && *left > 0);
        if needed <= free {
            self.inner.append(number, kind, bytes)?;
            *left -= needed;
            return Ok(());
        }
        if torn {
            self.inner.append(number, kind, &bytes[..free as usize])?;
            *left = 0;
        }
        Err(MediumError::Full { medium: NAME.into(), needed, free: Some(free), torn })
    }

    fn free_bytes(&self) -> Option<u64> {
        Some(*self.left.lock())
    }

    fn list(&self) -> Result<Listing> {
        self.inner.list()
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        self.inner.read_back(number, kind, hashes)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        self.inner.open(number, kind)
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}
