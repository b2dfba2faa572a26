//! A medium in memory, and disasters for any medium. Only for tests, behind the feature `simulated`.
//!
//! A disaster is a small type that wraps a [`Medium`] and is one itself. It can wrap another disaster. The test keeps
//! the medium inside, and examines it after the disaster as the next run would find it.

mod flipped_bit;
mod full_after;
mod power_cut;
mod recorder;
mod unplugged;

pub use flipped_bit::FlippedBit;
pub use full_after::FullAfter;
pub use power_cut::{PowerCut, Survival};
pub use recorder::{Call, Recorder};
pub use unplugged::Unplugged;

use super::layout::check_name;
use super::{Description, FileSystem, Immutable, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::digests::{Digests, Hashes};
use crate::format::object::ObjectKind;
use crate::format::seal::ReadBack;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;
type Bytes = Arc<[u8]>;

const NAME: &str = "simulated medium";

fn gone(what: &'static str) -> MediumError {
    MediumError::Gone { medium: NAME.into(), what, source: None }
}

fn reread(bytes: &[u8], how: ReadBack, hashes: Hashes) -> Reread {
    Reread { length: bytes.len() as u64, digests: Digests::of(bytes, hashes == Hashes::Both), how }
}

fn read_whole(medium: &dyn Medium, number: u64, kind: ObjectKind) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match medium.open(number, kind)?.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(MediumError::Unreadable { medium: NAME.into(), number, kind, source }),
    }
}

/// Objects in memory. Every append is durable at once; [`PowerCut`] loses what was not synced.
#[derive(Debug, Default)]
pub struct Simulated {
    objects: Mutex<BTreeMap<u64, (ObjectKind, Bytes)>>,
    capacity_bytes: Option<u64>,
    read_only: bool,
}

impl Simulated {
    /// An empty medium without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// A medium that stores so many bytes in all and refuses an object that does not fit whole.
    pub fn with_capacity(capacity_bytes: u64) -> Self {
        Self { capacity_bytes: Some(capacity_bytes), ..Self::default() }
    }

    /// The same objects, on a read-only medium.
    #[must_use]
    pub fn into_read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    fn get(&self, number: u64, kind: ObjectKind) -> Result<Bytes> {
        check_name(number, kind)?;
        match self.objects.lock().get(&number) {
            Some((k, bytes)) if *k == kind => Ok(Arc::clone(bytes)),
            _ => Err(MediumError::Missing { medium: NAME.into(), number, kind }),
        }
    }
}

impl Medium for Simulated {
    fn list(&self) -> Result<Listing> {
        let listed = |(number, (kind, bytes)): (&u64, &(ObjectKind, Bytes))| Listed {
            number: *number,
            kind: *kind,
            length: bytes.len() as u64,
        };
        Ok(Listing { objects: self.objects.lock().iter().map(listed).collect(), ..Listing::default() })
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        if self.read_only {
            return Err(MediumError::ReadOnly { medium: NAME.into() });
        }
        let mut objects = self.objects.lock();
        if objects.contains_key(&number) {
            return Err(MediumError::Exists { medium: NAME.into(), number });
        }
        let used: u64 = objects.values().map(|(_, b)| b.len() as u64).sum();
        let free = self.capacity_bytes.map(|c| c.saturating_sub(used));
        let needed = bytes.len() as u64;
        if free.is_some_and(|f| f < needed) {
            return Err(MediumError::Full { medium: NAME.into(), needed, free, torn: false });
        }
        objects.insert(number, (kind, bytes.into()));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        Ok(reread(&self.get(number, kind)?, ReadBack::Cached, hashes))
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        Ok(Box::new(Cursor::new(self.get(number, kind)?)))
    }

    fn free_bytes(&self) -> Option<u64> {
        let used: u64 = self.objects.lock().values().map(|(_, b)| b.len() as u64).sum();
        self.capacity_bytes.map(|c| c.saturating_sub(used))
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Memory, path: NAME.into(), immutable: Immutable::Off }
    }
}

impl OpenObject for Cursor<Bytes> {
    fn length(&self) -> u64 {
        self.get_ref().len() as u64
    }
}
