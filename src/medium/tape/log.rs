//! The drive, what is known of the cartridge in it, and the only way to write on it.
//!
//! **Invariant:** a block is written at the end of data, or not at all: on a tape every write cuts off what is behind
//! it. Before the first write after any other movement, the cartridge is recognized by its last header and the drive
//! reports where the end of data is. After any error nothing more is written.

use super::drive::{Drive, DriveError, ReadOutcome, WriteOutcome};
use super::{MediumError, Result, TapeObject};
use crate::format::Malformed;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind, object_path};
use crate::format::tape::{HEADER_BYTES, Header};
use crate::medium::FOREIGN_NAMES;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// A filemark is written after so many bytes, besides the one behind every seal: drives search for filemarks fast.
const FILEMARK_BYTES: u64 = 64 << 30;

const DURABLE: &str = "making the tape durable";

pub(super) struct TapeLog {
    pub drive: Box<dyn Drive>,
    pub set: Id,
    /// Bytes of a block.
    pub block: u32,
    /// By number and code of the kind: of several with both the same, the first on the cartridge.
    pub objects: BTreeMap<(u64, u8), TapeObject>,
    /// Names of the other headers with an object's number and kind: the first [`FOREIGN_NAMES`].
    pub foreign: BTreeSet<OsString>,
    pub foreign_count: u64,
    /// Address of the last header block.
    pub last: Option<u64>,
    /// Number and code of the kind of the last header, where it is foreign.
    pub last_foreign: Option<(u64, u8)>,
    /// Bytes behind the last header, as far as they can be its object's.
    pub last_length: u64,
    /// Address of the end of data.
    pub end: u64,
    /// Address of the head, if known.
    head: Option<u64>,
    /// The head was seen at the end of data, and since then there were only writes.
    writing: bool,
    /// Something was written that is not known to be durable.
    unsynced: bool,
    /// The drive has given early warning.
    pub early_warning: bool,
    /// Bytes since the last filemark.
    unmarked: u64,
    /// A seal is the last object on the cartridge.
    pub closed: bool,
    /// The work whose failure ended all writing.
    broken: Option<&'static str>,
}

/// Under which a header's object is in [`TapeLog::objects`].
pub(super) fn key(header: &Header) -> (u64, u8) {
    (header.number, header.kind.code())
}

impl TapeLog {
    pub fn new(drive: Box<dyn Drive>, set: Id, block: u32) -> Self {
        Self {
            drive,
            set,
            block,
            objects: BTreeMap::new(),
            foreign: BTreeSet::new(),
            foreign_count: 0,
            last: None,
            last_foreign: None,
            last_length: 0,
            end: 0,
            head: None,
            writing: false,
            unsynced: false,
            early_warning: false,
            unmarked: 0,
            closed: false,
            broken: None,
        }
    }

    /// Moves to the end of data, and returns its address.
    pub fn find_end(&mut self) -> Result<u64> {
        self.writing = false;
        self.head = None;
        let end = self.drive.end().inspect_err(|e| self.note_error(e));
        self.end = end.map_err(|e| self.fault("looking for the end of the tape", e))?;
        self.head = Some(self.end);
        Ok(self.end)
    }

    /// Moves to an address, unless the head is there already.
    pub fn go(&mut self, address: u64) -> std::result::Result<(), DriveError> {
        self.writing = false;
        if self.head != Some(address) {
            self.head = None;
            self.drive.locate(address).inspect_err(|e| self.note_error(e))?;
            self.head = Some(address);
        }
        Ok(())
    }

    pub fn read(&mut self, into: &mut [u8]) -> std::result::Result<ReadOutcome, DriveError> {
        let head = self.head.take();
        let found = self.drive.read(into).inspect_err(|e| self.note_error(e))?;
        self.head = head.map(|at| if found == ReadOutcome::EndOfData { at } else { at + 1 });
        Ok(found)
    }

    /// Reads the block at an address. The inner error is about that address, the outer one about the cartridge as a
    /// whole.
    ///
    /// A drive that had no power for a moment fails once, and one whose cartridge was taken out or swapped fails
    /// everywhere: an address counts as damaged only if the cartridge is recognized and reading the address fails
    /// again.
    pub fn read_at(&mut self, address: u64, into: &mut [u8]) -> Result<std::result::Result<ReadOutcome, DriveError>> {
        match self.go(address).and_then(|()| self.read(into)) {
            Err(DriveError::Failed(_)) => {}
            Err(e @ DriveError::TooLong { .. }) => return Ok(Err(e)),
            Err(e) => return Err(self.fault("reading a block", e)),
            Ok(found) => return Ok(Ok(found)),
        }
        self.check_attached()?;
        self.head = None;
        Ok(self.go(address).and_then(|()| self.read(into)))
    }

    /// Fails unless the cartridge is still the one that was opened.
    pub fn check_attached(&mut self) -> Result<()> {
        let recognized = match self.recognize() {
            // The last header may be in a bad spot, too.
            Err(MediumError::Io { .. }) => self.header(0)?.is_some_and(|h| h.set == self.set),
            other => other?,
        };
        if recognized { Ok(()) } else { Err(MediumError::Changed { medium: self.drive.name() }) }
    }

    /// The first header that can be read. It identifies the cartridge.
    pub fn first_header(&mut self) -> Result<Option<Header>> {
        let first = self.header(0);
        if !matches!(first, Err(MediumError::Io { .. } | MediumError::BadHeader { .. })) || self.find_end()? == 0 {
            return first;
        }
        // The first object is a label, which is short: the next header is near.
        const NEXT: u64 = 2 + limit::LABEL_BYTES / limit::TAPE_BLOCK_BYTES_LEAST;
        for address in 1..NEXT.min(self.end) {
            if let Ok(Some(header)) = self.header(address) {
                return Ok(Some(header));
            }
        }
        first
    }

    /// Moves back over one filemark, and returns its address; `None` if no filemark is before the head.
    pub fn back_over_filemark(&mut self) -> Result<Option<u64>> {
        self.writing = false;
        self.head = None;
        let at = self.drive.back_over_filemark().inspect_err(|e| self.note_error(e));
        let at = at.map_err(|e| self.fault("looking for a filemark", e))?;
        self.head = at;
        Ok(at)
    }

    /// The header at an address; `None` if something else is there.
    pub fn header(&mut self, address: u64) -> Result<Option<Header>> {
        // The drive moves over a block that does not fit, and reports it as too long.
        let mut block = [0; HEADER_BYTES];
        let found = self.go(address).and_then(|()| self.read(&mut block));
        match found {
            Ok(ReadOutcome::Block(HEADER_BYTES)) => match Header::decode(&block) {
                Ok(header) => Ok(header),
                // Of a newer version as a whole, if this is the first header. Elsewhere it is no header of this cartridge.
                Err(Malformed::Newer { found, .. }) if address == 0 => {
                    Err(MediumError::NewerFormat { path: self.drive.name().into(), found })
                }
                Err(Malformed::Newer { .. }) => Ok(None),
                Err(source) => Err(MediumError::BadHeader { medium: self.drive.name(), address, source }),
            },
            Ok(_) | Err(DriveError::TooLong { .. }) => Ok(None),
            Err(e) => Err(self.fault("reading a header", e)),
        }
    }

    /// Adds an object to the list, and returns the address where the next one should be.
    pub fn add_object(&mut self, at: u64, header: Header) -> u64 {
        let present = (self.end - at - 1) * u64::from(self.block);
        let stored = TapeObject { kind: header.kind, at, length: header.length.min(present) };
        let key = key(&header);
        self.last_foreign = match self.objects.entry(key) {
            Entry::Vacant(free) => {
                free.insert(stored);
                None
            }
            // A number is used once: a second header was put there, and takes nothing away from the first.
            Entry::Occupied(_) => {
                self.foreign_count += 1;
                self.foreign.insert(format!("{}@{at}", object_path(header.number, header.kind)).into());
                if self.foreign.len() > FOREIGN_NAMES {
                    self.foreign.pop_last();
                }
                Some(key)
            }
        };
        self.last = Some(at);
        self.last_length = stored.length;
        self.closed = header.kind == ObjectKind::Seal;
        at + 1 + header.blocks()
    }

    /// Appends an object, as [`crate::medium::Medium::append`] demands.
    pub fn append(&mut self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.check_broken()?;
        let medium = || self.drive.name();
        if self.of_number(number).is_some() {
            return Err(MediumError::Exists { medium: medium(), number });
        }
        let needed = bytes.len() as u64;
        // The remaining room is for the manifest and the seal that close the cartridge.
        if self.early_warning && kind == ObjectKind::Pack {
            return Err(MediumError::Full { medium: medium(), needed, free: None, torn: false });
        }
        self.begin_writing()?;
        let header = Header { set: self.set, number, kind, length: needed, block: self.block, before: self.last };
        let at = self.end;
        let written = self
            .write_block(&header.encode())
            .and_then(|()| bytes.chunks(self.block as usize).try_for_each(|block| self.write_block(block)));
        if let Err(e) = written {
            return Err(self.torn(header, at, e));
        }
        self.unmarked += needed + HEADER_BYTES as u64;
        self.add_object(at, header);
        Ok(())
    }

    /// Ends all writing if the error may be about data that was written before: a drive may report a lost write late.
    fn note_error(&mut self, e: &DriveError) {
        if self.unsynced && !matches!(e, DriveError::TooLong { .. }) {
            self.broken = Some(DURABLE);
        }
    }

    /// Moves to the end of data. Fails unless that is where it was left, on the same cartridge.
    fn begin_writing(&mut self) -> Result<()> {
        if self.writing {
            return Ok(());
        }
        if self.drive.is_write_protected().map_err(|e| self.fault("asking for the write protection", e))? {
            return Err(MediumError::ReadOnly { medium: self.drive.name() });
        }
        let known = self.end;
        let recognized = self.recognize();
        let found = self.find_end();
        let same = match (&recognized, &found) {
            (Ok(same), Ok(end)) => *same && *end == known,
            (Err(_), Ok(end)) => *end == known,
            _ => true,
        };
        if !same {
            self.broken = Some("the tape is not as it was left");
            return Err(MediumError::Changed { medium: self.drive.name() });
        }
        recognized.and(found).inspect_err(|_| self.broken = Some("looking for the end of the tape"))?;
        self.writing = true;
        Ok(())
    }

    /// Whether the last header is at its address. Another cartridge may have its end of data at the same address as
    /// ours.
    fn recognize(&mut self) -> Result<bool> {
        let Some(last) = self.last else { return Ok(true) };
        // The remembered address is not that of another cartridge's head.
        self.head = None;
        let Some(key) = self.header(last)?.filter(|h| h.set == self.set).as_ref().map(key) else { return Ok(false) };
        Ok(self.last_foreign == Some(key) || self.objects.get(&key).is_some_and(|o| o.at == last))
    }

    /// The first object with a number, of whatever kind.
    pub fn of_number(&self, number: u64) -> Option<&TapeObject> {
        self.objects.range((number, 0)..=(number, u8::MAX)).next().map(|(_, o)| o)
    }

    /// Writes a block at the end of data. The caller has called `begin_writing`.
    pub fn write_block(&mut self, block: &[u8]) -> std::result::Result<(), DriveError> {
        self.unsynced = true;
        let written = self.drive.write(block)?;
        self.end += 1;
        self.head = Some(self.end);
        self.early_warning |= written == WriteOutcome::EarlyWarning;
        Ok(())
    }

    /// Records what a failed write has left of an object, and returns the error.
    fn torn(&mut self, header: Header, at: u64, e: DriveError) -> MediumError {
        // How much is on the tape cannot be concluded from the error, so the drive is asked. A plausible answer:
        // nothing written before is lost, and at most the block whose write failed is on the tape.
        let position = self.drive.position();
        let plausible = position.as_ref().is_ok_and(|p| (self.end..=self.end + 1).contains(p));
        let end = position.unwrap_or(self.end);
        // Something else has rewound the tape: somebody has swapped the cartridge, or the drive had no power for a
        // moment.
        let moved = end == 0 && self.end > 0;
        let torn = end > at;
        (self.end, self.head, self.writing) = (end, None, false);
        if torn {
            self.add_object(at, header);
            self.closed = false;
        }
        let medium = self.drive.name();
        match e {
            DriveError::Full if plausible => {
                self.early_warning = true;
                return MediumError::Full { medium, needed: header.length, free: None, torn };
            }
            DriveError::WriteProtected => return MediumError::ReadOnly { medium },
            _ => self.broken = Some("writing to the tape"),
        }
        if moved { MediumError::Changed { medium } } else { self.fault("writing to the tape", e) }
    }

    /// Makes durable what was written. Behind a seal it also writes the list of contents and a filemark.
    pub fn sync(&mut self) -> Result<()> {
        self.check_broken()?;
        if !self.unsynced {
            return Ok(());
        }
        self.begin_writing()?;
        let seal = self.closed && self.unmarked > 0;
        if seal {
            match self.write_contents() {
                // The objects can be found without the list, only more slowly.
                Ok(()) | Err(DriveError::Full) => {}
                Err(e) => return Err(self.break_off(e)),
            }
        }
        let mark = seal || self.unmarked >= FILEMARK_BYTES;
        if let Err(e) = self.drive.flush(u32::from(mark)) {
            return Err(self.break_off(e));
        }
        if mark {
            self.end += 1;
            self.unmarked = 0;
            self.head = Some(self.end);
        }
        self.unsynced = false;
        Ok(())
    }

    fn break_off(&mut self, e: DriveError) -> MediumError {
        self.broken = Some(DURABLE);
        self.fault(DURABLE, e)
    }

    fn check_broken(&self) -> Result<()> {
        match self.broken {
            None => Ok(()),
            Some(what) => {
                let source = std::io::Error::other("the drive has failed");
                Err(MediumError::Broken { medium: self.drive.name(), what, source })
            }
        }
    }

    /// The error of a cartridge that another program has written.
    pub fn foreign(&self) -> MediumError {
        MediumError::Foreign { medium: self.drive.name() }
    }

    /// The error of an object that could not be read.
    pub fn unreadable(&self, number: u64, kind: ObjectKind, e: std::io::Error) -> MediumError {
        MediumError::of_read(self.drive.name(), number, kind, e)
    }

    /// The medium's error for a drive's error.
    pub fn fault(&self, what: &'static str, e: DriveError) -> MediumError {
        e.into_medium_error(self.drive.name(), what)
    }
}
