//! Objects on a cartridge, one after the other (section 16 of the format).
//!
//! There is one head, and moving it takes seconds to minutes. So all work goes through one lock, the head's address is
//! remembered, and the drive is asked to locate only if the head is not there already.

pub mod changer;
mod contents;
pub mod drive;
mod log;
pub mod mam;
mod object;
pub mod sg;
#[cfg(feature = "simulated")]
pub mod simulated;
pub mod st;

use self::drive::Drive;
use self::log::TapeLog;
use super::layout::check_name;
use super::{Description, FileSystem, Immutable, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::digests::{DigestHasher, Hashes};
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use crate::format::seal::ReadBack;
use crate::interruption::Interruption;
use object::OpenTapeObject;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;

/// Bytes of a block: the length that drives of the last ten years stream best with, and that every `dd` can read.
pub const BLOCK_BYTES: u32 = 512 << 10;

/// One set's objects on the cartridge that is in a drive.
pub struct Tape {
    log: Arc<Mutex<TapeLog>>,
    /// Reading ends when it comes.
    interruption: Interruption,
}

/// An object on the tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TapeObject {
    kind: ObjectKind,
    /// Address of the header block.
    at: u64,
    /// Bytes that are on the tape: fewer than the header says if the object is torn.
    length: u64,
}

/// The cartridge in a drive, identified by its first block.
pub enum Loaded {
    /// Nothing is written on it.
    Blank(Box<dyn Drive>),
    /// It belongs to a set.
    Known(Id, Box<dyn Drive>),
}

impl Loaded {
    /// Identifies the cartridge in a drive. [`MediumError::Foreign`] if another program has written it.
    pub fn in_drive(drive: Box<dyn Drive>) -> Result<Self> {
        let mut log = TapeLog::new(drive, Id([0; 16]), BLOCK_BYTES);
        let first = log.first_header();
        if let Ok(Some(header)) = first {
            return Ok(Self::Known(header.set, log.drive));
        }
        // Reading a blank cartridge fails like reading a damaged one.
        if log.find_end()? == 0 {
            return Ok(Self::Blank(log.drive));
        }
        Err(first.err().unwrap_or_else(|| log.foreign()))
    }
}

impl Tape {
    /// Begins a set, or its next medium, on a blank cartridge. Nothing is written yet. `block`: bytes of a block, see
    /// [`check_block`].
    pub fn create(drive: Box<dyn Drive>, set: Id, block: u32) -> Result<Self> {
        let mut log = TapeLog::new(drive, set, block);
        if log.find_end()? > 0 {
            return Err(MediumError::NotBlank { medium: log.drive.name() });
        }
        Ok(Self { log: Arc::new(Mutex::new(log)), interruption: Interruption::default() })
    }

    /// Opens a cartridge of the set.
    pub fn open(drive: Box<dyn Drive>, set: Id) -> Result<Self> {
        let mut log = TapeLog::new(drive, set, BLOCK_BYTES);
        let first = match log.first_header() {
            Ok(Some(first)) => first,
            Err(e) if log.find_end()? > 0 => return Err(e),
            _ => return Err(log.foreign()),
        };
        if first.set != set {
            return Err(MediumError::NoSuchSet { path: log.drive.name().into(), set });
        }
        log.block = first.block;
        log.find_objects()?;
        Ok(Self { log: Arc::new(Mutex::new(log)), interruption: Interruption::default() })
    }

    /// Reading ends when the user wants to stop.
    #[must_use]
    pub fn stopped_by(self, interruption: Interruption) -> Self {
        Self { interruption, ..self }
    }

    /// Address of the first block with an object's bytes, and how many blocks there are: for `mt seek` and `dd`.
    pub fn blocks(&self, number: u64) -> Option<(u64, u64)> {
        let log = self.log();
        log.of_number(number).map(|o| (o.at + 1, o.length.div_ceil(log.block.into())))
    }

    fn log(&self) -> MutexGuard<'_, TapeLog> {
        self.log.lock()
    }
}

impl Medium for Tape {
    fn list(&self) -> Result<Listing> {
        let log = self.log();
        let listed = |(key, o): (&(u64, u8), &TapeObject)| Listed { number: key.0, kind: o.kind, length: o.length };
        Ok(Listing {
            objects: log.objects.iter().map(listed).collect(),
            foreign: log.foreign.iter().cloned().collect(),
            foreign_count: log.foreign_count,
            litter: Vec::new(),
        })
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        self.log().append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.log().sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind, hashes: Hashes) -> Result<Reread> {
        let mut hasher = DigestHasher::new(hashes);
        let mut object = self.open(number, kind)?;
        std::io::copy(&mut object, &mut hasher).map_err(|source| self.log().unreadable(number, kind, source))?;
        Ok(Reread { length: object.length(), digests: hasher.finish(), how: ReadBack::Direct })
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        check_name(number, kind)?;
        let log = self.log();
        let missing = || MediumError::Missing { medium: log.drive.name(), number, kind };
        let stored = log.objects.get(&(number, kind.code())).copied().ok_or_else(missing)?;
        Ok(Box::new(OpenTapeObject::new(self.log.clone(), stored, log.block, self.interruption)))
    }

    fn check_attached(&self) -> Result<()> {
        if self.interruption.is_there() {
            return Err(MediumError::Interrupted);
        }
        self.log().check_attached()
    }

    /// A drive does not report it.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn is_nearly_full(&self) -> bool {
        self.log().early_warning
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Tape, path: self.log().drive.name().into(), immutable: Immutable::Off }
    }
}

/// The length of a block, in bytes, if the format allows it.
pub fn check_block(bytes: u64) -> Option<u32> {
    let range = limit::TAPE_BLOCK_BYTES_LEAST..=limit::TAPE_BLOCK_BYTES;
    u32::try_from(bytes).ok().filter(|_| range.contains(&bytes))
}
