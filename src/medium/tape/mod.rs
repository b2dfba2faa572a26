//! Objects on a cartridge, one behind the other (section 16 of the format).
//!
//! The head is one, and moving it takes seconds to minutes. So everything here goes through one lock, the head's place is remembered,
//! and a locate is asked for only where the head is not there already.

pub mod changer;
mod contents;
pub mod drive;
mod log;
pub mod mam;
mod object;
pub mod scsi;
pub mod sg;
pub mod simulated;
pub mod st;

use self::drive::Drive;
use self::log::TapeLog;
use super::directory::check_name;
use super::{Description, FileSystem, Immutable, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use crate::format::seal::ReadBack;
use object::OnTape;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

type Result<T> = std::result::Result<T, MediumError>;

/// What drives of the last ten years stream best with, and every `dd` can read.
pub const BLOCK_BYTES: u32 = 512 << 10;

/// One set's objects on the cartridge that is in a drive.
pub struct Tape {
    deck: Arc<Mutex<TapeLog>>,
}

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stored {
    kind: ObjectKind,
    /// Address of the header block.
    at: u64,
    /// Bytes that are there: fewer than the header tells, when it is torn.
    length: u64,
}

/// The cartridge in a drive, by its first block.
pub enum Loaded {
    /// Nothing is written on it.
    Blank(Box<dyn Drive>),
    /// A set's.
    Known(Id, Box<dyn Drive>),
}

impl Loaded {
    /// Looks at the cartridge in a drive. [`MediumError::Foreign`] when another program has written it.
    pub fn in_drive(drive: Box<dyn Drive>) -> Result<Self> {
        let mut deck = TapeLog::new(drive, Id([0; 16]), BLOCK_BYTES);
        let first = deck.first_header();
        if let Ok(Some(header)) = first {
            return Ok(Self::Known(header.set, deck.drive));
        }
        // Reading where nothing is written is an error like any other.
        if deck.find_end()? == 0 {
            return Ok(Self::Blank(deck.drive));
        }
        Err(first.err().unwrap_or_else(|| deck.foreign()))
    }
}

impl Tape {
    /// A blank cartridge, for a new set or for going on with one. Nothing is written yet. `block`: bytes of a block, see [`check_block`].
    pub fn create(drive: Box<dyn Drive>, set: Id, block: u32) -> Result<Self> {
        let mut deck = TapeLog::new(drive, set, block);
        if deck.find_end()? > 0 {
            return Err(MediumError::NotBlank { place: deck.drive.name() });
        }
        Ok(Self { deck: Arc::new(Mutex::new(deck)) })
    }

    /// The cartridge of a set that is known.
    pub fn open(drive: Box<dyn Drive>, set: Id) -> Result<Self> {
        let mut deck = TapeLog::new(drive, set, BLOCK_BYTES);
        let first = match deck.first_header() {
            Ok(Some(first)) => first,
            Err(e) if deck.find_end()? > 0 => return Err(e),
            _ => return Err(deck.foreign()),
        };
        if first.set != set {
            return Err(MediumError::NoSuchSet { path: deck.drive.name().into(), set });
        }
        deck.block = first.block;
        deck.find_objects()?;
        Ok(Self { deck: Arc::new(Mutex::new(deck)) })
    }

    /// Where an object's first block of bytes lies, and how many there are: for `mt seek` and `dd`.
    pub fn blocks(&self, number: u64) -> Option<(u64, u64)> {
        let deck = self.deck();
        deck.objects.get(&number).map(|o| (o.at + 1, o.length.div_ceil(deck.block.into())))
    }

    fn deck(&self) -> MutexGuard<'_, TapeLog> {
        self.deck.lock()
    }
}

impl Medium for Tape {
    fn list(&self) -> Result<Listing> {
        let listed = |(number, o): (&u64, &Stored)| Listed { number: *number, kind: o.kind, length: o.length };
        Ok(Listing { objects: self.deck().objects.iter().map(listed).collect(), ..Listing::default() })
    }

    fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        self.deck().append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.deck().sync()
    }

    fn read_back(&self, number: u64, kind: ObjectKind) -> Result<Reread> {
        let mut hasher = blake3::Hasher::new();
        let mut object = self.open(number, kind)?;
        hasher.update_reader(&mut object).map_err(|source| self.deck().unreadable(number, kind, source))?;
        Ok(Reread { length: object.length(), digest: *hasher.finalize().as_bytes(), how: ReadBack::Direct })
    }

    fn open(&self, number: u64, kind: ObjectKind) -> Result<Box<dyn OpenObject>> {
        check_name(number, kind)?;
        let deck = self.deck();
        let missing = || MediumError::Missing { place: deck.drive.name(), number, kind };
        let stored = deck.objects.get(&number).filter(|o| o.kind == kind).copied().ok_or_else(missing)?;
        Ok(Box::new(OnTape::new(self.deck.clone(), stored, deck.block)))
    }

    fn is_there(&self) -> Result<()> {
        self.deck().is_there()
    }

    /// A drive does not say.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn is_sequential(&self) -> bool {
        true
    }

    fn is_nearly_full(&self) -> bool {
        self.deck().early_warning
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Tape, place: self.deck().drive.name().into(), immutable: Immutable::Off }
    }
}

/// Whether a length of blocks is one that a tape of ours may have.
pub fn check_block(bytes: u64) -> Option<u32> {
    let range = limit::TAPE_BLOCK_BYTES_LEAST..=limit::TAPE_BLOCK_BYTES;
    u32::try_from(bytes).ok().filter(|_| range.contains(&bytes))
}
