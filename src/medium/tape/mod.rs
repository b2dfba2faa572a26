//! Objects on a cartridge, one behind the other (section 16 of the format).
//!
//! The head is one, and moving it takes seconds to minutes. So everything here goes through one lock, the head's place is remembered,
//! and a locate is asked for only where the head is not there already.
//!
//! **Invariant:** a block is written at the end of what is written, or not at all: on a tape every write cuts off what lies behind it.
//! The end is asked of the drive before the first write after any other movement, and after any error nothing is written any more.

pub mod drive;
mod object;
pub mod simulated;

use self::drive::{Drive, DriveError, Found, Room};
use super::directory::check_name;
use super::{Description, FileSystem, Immutable, Listed, Listing, Medium, MediumError, OpenObject, Reread};
use crate::format::object::{Id, Kind};
use crate::format::seal::ReadBack;
use crate::format::tape::{HEADER_BYTES, Header};
use crate::format::{Malformed, limit};
use object::OnTape;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Result<T> = std::result::Result<T, MediumError>;

/// What drives of the last ten years stream best with, and every `dd` can read.
pub const BLOCK_BYTES: u32 = 512 << 10;
/// A filemark is put behind so many bytes, besides the one behind every seal: they divide a tape for drives that find filemarks fast.
const FILEMARK_BYTES: u64 = 64 << 30;

/// One set's objects on the cartridge that is in a drive.
pub struct Tape {
    deck: Arc<Mutex<Deck>>,
}

/// Where an object lies.
#[derive(Debug, Clone, Copy)]
struct Stored {
    header: Header,
    /// Address of the header block.
    at: u64,
    /// Bytes that are there: fewer than the header tells, when it is torn.
    length: u64,
}

/// The drive, and what is known of the cartridge.
struct Deck {
    drive: Box<dyn Drive>,
    set: Id,
    block: u32,
    objects: BTreeMap<u64, Stored>,
    /// Address of the last header block.
    last: Option<u64>,
    /// Address behind everything written.
    end: u64,
    /// Where the head is, as far as is known.
    head: Option<u64>,
    /// The head was seen at the end of what is written, and only writes came since.
    writing: bool,
    early_warning: bool,
    /// Bytes since the last filemark.
    unmarked: u64,
    /// The object appended last was a seal.
    closed: bool,
    broken: Option<&'static str>,
}

impl Tape {
    /// A blank cartridge, for a new set. Nothing is written yet.
    pub fn create(drive: Box<dyn Drive>, set: Id, block: u32) -> Result<Self> {
        let mut deck = Deck::new(drive, set, block);
        if deck.find_end()? > 0 {
            return Err(MediumError::NotBlank { place: deck.drive.name() });
        }
        Ok(Self { deck: Arc::new(Mutex::new(deck)) })
    }

    /// The cartridge of a set that is known. Goes through its headers.
    pub fn open(drive: Box<dyn Drive>, set: Id) -> Result<Self> {
        let mut deck = Deck::new(drive, set, BLOCK_BYTES);
        deck.find_end()?;
        let Some(first) = deck.header(0)? else { return Err(deck.foreign()) };
        if first.set != set {
            return Err(MediumError::NoSuchSet { path: deck.drive.name().into(), set });
        }
        deck.block = first.block;
        deck.find_objects()?;
        Ok(Self { deck: Arc::new(Mutex::new(deck)) })
    }

    /// The set that the cartridge belongs to; `None` when it is blank.
    pub fn set(drive: Box<dyn Drive>) -> Result<Option<Id>> {
        let mut deck = Deck::new(drive, Id([0; 16]), BLOCK_BYTES);
        if deck.find_end()? == 0 {
            return Ok(None);
        }
        match deck.header(0)? {
            Some(header) => Ok(Some(header.set)),
            None => Err(deck.foreign()),
        }
    }

    /// Where an object's first block of bytes lies, and how many there are: for `mt seek` and `dd`.
    pub fn blocks(&self, number: u64) -> Option<(u64, u64)> {
        let deck = self.deck();
        deck.objects.get(&number).map(|o| (o.at + 1, o.header.blocks()))
    }

    fn deck(&self) -> MutexGuard<'_, Deck> {
        self.deck.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Medium for Tape {
    fn list(&self) -> Result<Listing> {
        let listed = |(number, o): (&u64, &Stored)| Listed { number: *number, kind: o.header.kind, length: o.length };
        Ok(Listing { objects: self.deck().objects.iter().map(listed).collect(), ..Listing::default() })
    }

    fn append(&self, number: u64, kind: Kind, bytes: &[u8]) -> Result<()> {
        check_name(number, kind)?;
        self.deck().append(number, kind, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.deck().sync()
    }

    fn read_back(&self, number: u64, kind: Kind) -> Result<Reread> {
        let mut hasher = blake3::Hasher::new();
        let mut object = self.open(number, kind)?;
        hasher.update_reader(&mut object).map_err(|source| self.deck().unreadable(number, kind, source))?;
        Ok(Reread { length: object.length(), digest: *hasher.finalize().as_bytes(), how: ReadBack::Direct })
    }

    fn open(&self, number: u64, kind: Kind) -> Result<Box<dyn OpenObject>> {
        check_name(number, kind)?;
        let deck = self.deck();
        let missing = || MediumError::Missing { place: deck.drive.name(), number, kind };
        let stored = deck.objects.get(&number).filter(|o| o.header.kind == kind).copied().ok_or_else(missing)?;
        Ok(Box::new(OnTape::new(self.deck.clone(), stored)))
    }

    /// A drive does not say.
    fn free_bytes(&self) -> Option<u64> {
        None
    }

    fn describe(&self) -> Description {
        Description { file_system: FileSystem::Tape, place: self.deck().drive.name().into(), immutable: Immutable::Off }
    }
}

impl Deck {
    fn new(drive: Box<dyn Drive>, set: Id, block: u32) -> Self {
        Self {
            drive,
            set,
            block,
            objects: BTreeMap::new(),
            last: None,
            end: 0,
            head: None,
            writing: false,
            early_warning: false,
            unmarked: 0,
            closed: false,
            broken: None,
        }
    }

    fn find_end(&mut self) -> Result<u64> {
        self.head = None;
        self.end = self.drive.end().map_err(|e| self.fault("looking for the end of the tape", e))?;
        self.head = Some(self.end);
        Ok(self.end)
    }

    fn go(&mut self, address: u64) -> std::result::Result<(), DriveError> {
        self.writing = false;
        if self.head != Some(address) {
            self.head = None;
            self.drive.locate(address)?;
            self.head = Some(address);
        }
        Ok(())
    }

    fn read(&mut self, into: &mut [u8]) -> std::result::Result<Found, DriveError> {
        let head = self.head.take();
        let found = self.drive.read(into)?;
        self.head = head.map(|at| if found == Found::End { at } else { at + 1 });
        Ok(found)
    }

    /// The header at an address; `None` when something else lies there.
    fn header(&mut self, address: u64) -> Result<Option<Header>> {
        // Long enough for any block: a drive passes over one that does not fit, and says so.
        let mut block = vec![0; limit::TAPE_BLOCK_BYTES as usize];
        let found = self.go(address).and_then(|()| self.read(&mut block));
        match found.map_err(|e| self.fault("reading a header", e))? {
            Found::Block(HEADER_BYTES) => match Header::decode(&block[..HEADER_BYTES]) {
                Ok(header) => Ok(header),
                Err(source) => Err(MediumError::BadHeader { place: self.drive.name(), address, source }),
            },
            _ => Ok(None),
        }
    }

    fn foreign(&self) -> MediumError {
        MediumError::Foreign { place: self.drive.name() }
    }

    /// Goes from header to header to the end. What cannot be read costs the objects there, and no others.
    fn find_objects(&mut self) -> Result<()> {
        let mut at = 0;
        loop {
            if at >= self.end {
                // The last object found may be torn, and others lie behind what there is of it.
                match self.behind_torn(self.end)? {
                    Some((torn_at, behind_torn)) => at = self.found(torn_at, behind_torn),
                    None => return Ok(()),
                }
                continue;
            }
            let Some(header) = self.own_header(at)? else {
                at += 1;
                continue;
            };
            if header.previous != self.last
                && let Some((torn_at, behind_torn)) = self.behind_torn(at)?
            {
                at = self.found(torn_at, behind_torn);
            } else {
                at = self.found(at, header);
            }
        }
    }

    /// Takes a header's object into the list, and answers where the next one should be.
    fn found(&mut self, at: u64, header: Header) -> u64 {
        let there = (self.end - at - 1) * u64::from(header.block);
        let stored = Stored { header, at, length: header.length.min(there) };
        self.objects.entry(header.number).or_insert(stored);
        self.last = Some(at);
        self.closed = header.kind == Kind::Seal;
        at + 1 + header.blocks()
    }

    /// Looks, block by block, for the header that follows the last object found: that object has fewer blocks than it should when the
    /// one at `beyond` is not its next.
    fn behind_torn(&mut self, beyond: u64) -> Result<Option<(u64, Header)>> {
        let Some(torn) = self.last else { return Ok(None) };
        for at in torn + 1..beyond {
            let Some(header) = self.own_header(at)? else { continue };
            if header.previous == Some(torn) {
                if let Some(o) = self.objects.values_mut().find(|o| o.at == torn) {
                    o.length = o.length.min((at - torn - 1) * u64::from(o.header.block));
                }
                return Ok(Some((at, header)));
            }
        }
        Ok(None)
    }

    /// A whole header of this set, if that is what lies at an address and can be read.
    fn own_header(&mut self, address: u64) -> Result<Option<Header>> {
        match self.header(address) {
            Ok(header) => Ok(header.filter(|h| h.set == self.set)),
            Err(MediumError::BadHeader { .. } | MediumError::Io { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn append(&mut self, number: u64, kind: Kind, bytes: &[u8]) -> Result<()> {
        let place = self.drive.name();
        self.check_broken()?;
        if self.objects.contains_key(&number) {
            return Err(MediumError::Exists { place, number });
        }
        let needed = bytes.len() as u64;
        // What closes a generation still fits behind the early warning.
        if self.early_warning && kind == Kind::Pack {
            return Err(MediumError::Full { place, needed, free: None, torn: false });
        }
        if !self.writing {
            let known = self.end;
            if self.find_end()? != known {
                return Err(self.break_off("the tape is not as it was left"));
            }
            self.writing = true;
        }
        let header = Header { set: self.set, number, kind, length: needed, block: self.block, previous: self.last };
        let at = self.end;
        let blocks = std::iter::once(&header.encode()[..]).chain(bytes.chunks(self.block as usize)).try_for_each(|block| {
            let room = self.drive.write(block)?;
            self.end += 1;
            self.early_warning |= room == Room::Little;
            Ok(())
        });
        if let Err(e) = blocks {
            return Err(self.torn(header, at, e));
        }
        self.head = Some(self.end);
        self.unmarked += needed + HEADER_BYTES as u64;
        self.found(at, header);
        Ok(())
    }

    /// Writing stopped within an object.
    fn torn(&mut self, header: Header, at: u64, e: DriveError) -> MediumError {
        // Never concluded from the error: the drive knows how much of it is on the tape.
        let end = self.drive.position().unwrap_or(self.end);
        let torn = end > at;
        (self.end, self.head, self.writing) = (end, None, false);
        if torn {
            self.found(at, header);
        }
        let place = self.drive.name();
        match e {
            DriveError::Full => {
                self.early_warning = true;
                MediumError::Full { place, needed: header.length, free: None, torn }
            }
            DriveError::WriteProtected => MediumError::ReadOnly { place },
            e => {
                self.broken = Some("writing to the tape");
                self.fault("writing to the tape", e)
            }
        }
    }

    fn sync(&mut self) -> Result<()> {
        self.check_broken()?;
        if !self.writing {
            return Ok(());
        }
        let mark = self.closed && self.unmarked > 0 || self.unmarked >= FILEMARK_BYTES;
        if let Err(e) = self.drive.flush(u32::from(mark)) {
            self.broken = Some("making the tape durable");
            return Err(self.fault("making the tape durable", e));
        }
        if mark {
            self.end += 1;
            self.unmarked = 0;
            self.head = Some(self.end);
        }
        Ok(())
    }

    fn check_broken(&self) -> Result<()> {
        match self.broken {
            None => Ok(()),
            Some(what) => {
                let source = std::io::Error::other("the drive has failed");
                Err(MediumError::Broken { place: self.drive.name(), what, source })
            }
        }
    }

    fn break_off(&mut self, what: &'static str) -> MediumError {
        self.broken = Some(what);
        MediumError::Changed { place: self.drive.name() }
    }

    fn unreadable(&self, number: u64, kind: Kind, source: std::io::Error) -> MediumError {
        MediumError::Unreadable { place: self.drive.name(), number, kind, source }
    }

    fn fault(&self, what: &'static str, e: DriveError) -> MediumError {
        let place = self.drive.name();
        match e {
            DriveError::Empty => MediumError::NoCartridge { place },
            DriveError::Busy => MediumError::Busy { path: place.into(), pid: None },
            DriveError::WriteProtected => MediumError::ReadOnly { place },
            DriveError::Full => MediumError::Full { place, needed: 0, free: None, torn: false },
            DriveError::Gone(source) => MediumError::Gone { place, what, source: Some(source) },
            DriveError::Failed(source) => MediumError::Io { place, what, source },
            e @ DriveError::TooLong { .. } => MediumError::Io { place, what, source: std::io::Error::other(e) },
        }
    }
}

/// Whether a length of blocks is one that a tape of ours may have.
pub fn check_block(bytes: u64) -> std::result::Result<u32, Malformed> {
    Malformed::limit("block on tape", bytes, limit::TAPE_BLOCK_BYTES)?;
    u32::try_from(bytes)
        .ok()
        .filter(|_| bytes >= limit::TAPE_BLOCK_BYTES_LEAST)
        .ok_or_else(|| Malformed::new("block on tape", format!("{bytes} bytes are too few")))
}
