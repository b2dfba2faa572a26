//! A bit that reads wrong.

use super::{read_whole, reread};
use crate::format::digests::Hashes;
use crate::format::object::ObjectKind;
use crate::medium::{Description, Listing, Medium, MediumError, OpenObject, Reread};
use std::io::Cursor;
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;

/// One bit of one object reads wrong, every time.
pub struct FlippedBit {
    inner: Arc<dyn Medium>,
    number: u64,
    bit: u64,
}

impl FlippedBit {
    /// `bit` counts from 0, the lowest bit of the object's first byte. Nothing is flipped beyond the object's end.
    pub fn new(inner: Arc<dyn Medium>, number: u64, bit: u64) -> Self {
        Self { inner, number, bit }
    }

    fn flipped(&self, kind: ObjectKind) -> Result<Vec<u8>> {
        let mut bytes = read_whole(&*self.inner, self.number, kind)?;
        if let Some(byte) = usize::try_from(self.bit / 8).ok().and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1 << (self.bit % 8);
        }
        Ok(bytes)
    }
}

impl Medium for FlippedBit {
    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        match number == self.number {
            true => Ok(reread(&self.flipped(kind)?, self.inner.read_back(number, kind, hashes)?.how, hashes)),
            false => self.inner.read_back(number, kind, hashes),
        }
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        match number == self.number {
            true => Ok(Box::new(Cursor::new(self.flipped(kind)?))),
            false => self.inner.open(number, kind),
        }
    }

    fn list(&self) -> Result<Listing> {
        self.inner.list()
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.inner.append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.inner.free_bytes()
    }

    fn describe(&self) -> Description {
        self.inner.describe()
    }
}
