//! A medium that is unplugged during the work.

use super::gone;
use crate::format::digests::Hashes;
use crate::format::object::ObjectKind;
use crate::medium::{Description, Listing, Medium, MediumError, OpenObject, Reread};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Result<T> = std::result::Result<T, MediumError>;

/// The disk is unplugged after so many calls. Reads of an opened object count as calls.
pub struct Unplugged {
    inner: Arc<dyn Medium>,
    calls_left: Arc<AtomicU64>,
}

impl Unplugged {
    /// `calls`: how many of the calls that can fail succeed.
    pub fn after_calls(inner: Arc<dyn Medium>, calls: u64) -> Self {
        Self { inner, calls_left: Arc::new(AtomicU64::new(calls)) }
    }

    fn inner(&self, what: &'static str) -> Result<&dyn Medium> {
        if use_one(&self.calls_left) { Ok(&*self.inner) } else { Err(gone(what)) }
    }
}

/// Uses one call; `false` if none is left.
fn use_one(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

impl Medium for Unplugged {
    fn list(&self) -> Result<Listing> {
        self.inner("listing")?.list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.inner("writing")?.append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner("syncing")?.sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        self.inner("reading")?.read_back(number, kind, hashes)
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        let object = self.inner("opening a file")?.open(number, kind)?;
        Ok(Box::new(UnpluggedObject { object, calls_left: Arc::clone(&self.calls_left) }))
    }

    fn check_attached(&self) -> Result<()> {
        self.inner("reading")?.check_attached()
    }

    fn check_complete(&self) -> Result<()> {
        self.inner("listing")?.check_complete()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}

struct UnpluggedObject {
    object: Box<dyn OpenObject>,
    calls_left: Arc<AtomicU64>,
}

impl Read for UnpluggedObject {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if use_one(&self.calls_left) { self.object.read(buffer) } else { Err(rustix::io::Errno::IO.into()) }
    }
}

impl Seek for UnpluggedObject {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.object.seek(to)
    }
}

impl OpenObject for UnpluggedObject {
    fn length(&self) -> u64 {
        self.object.length()
    }
}
