//! The drive, what is known of the cartridge in it, and the one way of writing on it.
//!
//! **Invariant:** a block is written at the end of what is written, or not at all: on a tape every write cuts off what lies behind it.
//! Before the first write after any other movement, the cartridge is recognized by its last header and the drive is asked for the end;
//! and after any error nothing is written any more.

use super::drive::{Drive, DriveError, Room, TapePosition};
use super::{MediumError, Result, Stored};
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use crate::format::tape::{HEADER_BYTES, Header};
use crate::medium::error::DeviceProblem;
use std::collections::BTreeMap;

/// A filemark is put behind so many bytes, besides the one behind every seal: they divide a tape for drives that find filemarks fast.
const FILEMARK_BYTES: u64 = 64 << 30;

const DURABLE: &str = "making the tape durable";

pub(super) struct TapeLog {
    pub drive: Box<dyn Drive>,
    pub set: Id,
    /// Bytes of a block.
    pub block: u32,
    pub objects: BTreeMap<u64, Stored>,
    /// Address of the last header block.
    pub last: Option<u64>,
    /// Address behind everything written.
    pub end: u64,
    /// Where the head is, as far as is known.
    head: Option<u64>,
    /// The head was seen at the end of what is written, and only writes came since.
    writing: bool,
    /// Something was written that is not known to be durable.
    unsynced: bool,
    /// The drive has said that little room is left.
    pub early_warning: bool,
    /// Bytes since the last filemark.
    unmarked: u64,
    /// A seal is the last object on the cartridge.
    pub closed: bool,
    broken: Option<&'static str>,
}

impl TapeLog {
    pub fn new(drive: Box<dyn Drive>, set: Id, block: u32) -> Self {
        Self {
            drive,
            set,
            block,
            objects: BTreeMap::new(),
            last: None,
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

    pub fn find_end(&mut self) -> Result<u64> {
        self.writing = false;
        self.head = None;
        let end = self.drive.end().inspect_err(|e| self.doubt(e));
        self.end = end.map_err(|e| self.fault("looking for the end of the tape", e))?;
        self.head = Some(self.end);
        Ok(self.end)
    }

    pub fn go(&mut self, address: u64) -> std::result::Result<(), DriveError> {
        self.writing = false;
        if self.head != Some(address) {
            self.head = None;
            self.drive.locate(address).inspect_err(|e| self.doubt(e))?;
            self.head = Some(address);
        }
        Ok(())
    }

    pub fn read(&mut self, into: &mut [u8]) -> std::result::Result<TapePosition, DriveError> {
        let head = self.head.take();
        let found = self.drive.read(into).inspect_err(|e| self.doubt(e))?;
        self.head = head.map(|at| if found == TapePosition::End { at } else { at + 1 });
        Ok(found)
    }

    /// Reads the block at an address. The inner error is about that place, the outer one about the cartridge as a whole.
    ///
    /// A drive that had no power for a moment fails once, and one whose cartridge was taken out or swapped fails everywhere: a place is
    /// damaged only where the cartridge is recognized and the same place fails again.
    pub fn read_at(&mut self, address: u64, into: &mut [u8]) -> Result<std::result::Result<TapePosition, DriveError>> {
        match self.go(address).and_then(|()| self.read(into)) {
            Err(DriveError::Failed(_)) => {}
            Err(e @ DriveError::TooLong { .. }) => return Ok(Err(e)),
            Err(e) => return Err(self.fault("reading a block", e)),
            Ok(found) => return Ok(Ok(found)),
        }
        self.is_there()?;
        self.head = None;
        Ok(self.go(address).and_then(|()| self.read(into)))
    }

    /// Whether the cartridge is still the one that was opened.
    pub fn is_there(&mut self) -> Result<()> {
        let recognized = match self.recognize() {
            // That header may lie in a bad spot, too.
            Err(MediumError::Io { .. }) => self.header(0)?.is_some_and(|h| h.set == self.set),
            other => other?,
        };
        if recognized { Ok(()) } else { Err(MediumError::Changed { place: self.drive.name() }) }
    }

    /// The first header that can be read, by which a cartridge is known.
    pub fn first_header(&mut self) -> Result<Option<Header>> {
        let first = self.header(0);
        if !matches!(first, Err(MediumError::Io { .. } | MediumError::BadHeader { .. })) || self.find_end()? == 0 {
            return first;
        }
        // The first object is a label: the next header is not far.
        const NEXT: u64 = 2 + limit::LABEL_BYTES / limit::TAPE_BLOCK_BYTES_LEAST;
        for address in 1..NEXT.min(self.end) {
            if let Ok(Some(header)) = self.header(address) {
                return Ok(Some(header));
            }
        }
        first
    }

    /// Goes back over one filemark; answers with its address. `None` when there is none before the head.
    pub fn back_over_filemark(&mut self) -> Result<Option<u64>> {
        self.writing = false;
        self.head = None;
        let at = self.drive.back_over_filemark().inspect_err(|e| self.doubt(e));
        let at = at.map_err(|e| self.fault("looking for a filemark", e))?;
        self.head = at;
        Ok(at)
    }

    /// The header at an address; `None` when something else lies there.
    pub fn header(&mut self, address: u64) -> Result<Option<Header>> {
        // A drive passes over a block that does not fit, and says so.
        let mut block = [0; HEADER_BYTES];
        let found = self.go(address).and_then(|()| self.read(&mut block));
        match found {
            Ok(TapePosition::Block(HEADER_BYTES)) => match Header::decode(&block) {
                Ok(header) => Ok(header),
                Err(source) => Err(MediumError::BadHeader { place: self.drive.name(), address, source }),
            },
            Ok(_) | Err(DriveError::TooLong { .. }) => Ok(None),
            Err(e) => Err(self.fault("reading a header", e)),
        }
    }

    /// Takes an object into the list, and answers where the next one should be.
    pub fn found(&mut self, at: u64, header: Header) -> u64 {
        let there = (self.end - at - 1) * u64::from(self.block);
        let stored = Stored { kind: header.kind, at, length: header.length.min(there) };
        self.objects.entry(header.number).or_insert(stored);
        self.last = Some(at);
        self.closed = header.kind == ObjectKind::Seal;
        at + 1 + header.blocks()
    }

    pub fn append(&mut self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<()> {
        self.check_broken()?;
        let place = || self.drive.name();
        if self.objects.contains_key(&number) {
            return Err(MediumError::Exists { place: place(), number });
        }
        let needed = bytes.len() as u64;
        // What is left is for what closes the cartridge.
        if self.early_warning && kind == ObjectKind::Pack {
            return Err(MediumError::Full { place: place(), needed, free: None, torn: false });
        }
        self.begin_writing()?;
        let header = Header { set: self.set, number, kind, length: needed, block: self.block, previous: self.last };
        let at = self.end;
        let written = self
            .write_block(&header.encode())
            .and_then(|()| bytes.chunks(self.block as usize).try_for_each(|block| self.write_block(block)));
        if let Err(e) = written {
            return Err(self.torn(header, at, e));
        }
        self.unmarked += needed + HEADER_BYTES as u64;
        self.found(at, header);
        Ok(())
    }

    /// A drive may report only now that something was lost which it took before.
    fn doubt(&mut self, e: &DriveError) {
        if self.unsynced && !matches!(e, DriveError::TooLong { .. }) {
            self.broken = Some(DURABLE);
        }
    }

    /// Goes to the end, and makes sure that it is where it was left, on the same cartridge.
    fn begin_writing(&mut self) -> Result<()> {
        if self.writing {
            return Ok(());
        }
        if self.drive.is_write_protected().map_err(|e| self.fault("asking for the write protection", e))? {
            return Err(MediumError::ReadOnly { place: self.drive.name() });
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
            return Err(MediumError::Changed { place: self.drive.name() });
        }
        recognized.and(found).inspect_err(|_| self.broken = Some("looking for the end of the tape"))?;
        self.writing = true;
        Ok(())
    }

    /// Whether what lies at the last header's place is that header. Another cartridge may end where ours does.
    fn recognize(&mut self) -> Result<bool> {
        let Some(last) = self.last else { return Ok(true) };
        // Wherever the head was: with another cartridge it is elsewhere.
        self.head = None;
        let header = self.header(last)?.filter(|h| h.set == self.set);
        Ok(header.is_some_and(|h| self.objects.get(&h.number).is_some_and(|o| (o.at, o.kind) == (last, h.kind))))
    }

    pub fn write_block(&mut self, block: &[u8]) -> std::result::Result<(), DriveError> {
        self.unsynced = true;
        let room = self.drive.write(block)?;
        self.end += 1;
        self.head = Some(self.end);
        self.early_warning |= room == Room::Little;
        Ok(())
    }

    /// Writing stopped within an object.
    fn torn(&mut self, header: Header, at: u64, e: DriveError) -> MediumError {
        // Never concluded from the error: the drive knows how much of it is on the tape. Where it is, nothing that came before is lost,
        // and at most the block whose write failed has come.
        let position = self.drive.position();
        let plausible = position.as_ref().is_ok_and(|p| (self.end..=self.end + 1).contains(p));
        let end = position.unwrap_or(self.end);
        // Wound back by something else: by those who put another cartridge in, or by a drive that had no power for a moment.
        let moved = end == 0 && self.end > 0;
        let torn = end > at;
        (self.end, self.head, self.writing) = (end, None, false);
        if torn {
            self.found(at, header);
            self.closed = false;
        }
        let place = self.drive.name();
        match e {
            DriveError::Full if plausible => {
                self.early_warning = true;
                return MediumError::Full { place, needed: header.length, free: None, torn };
            }
            DriveError::WriteProtected => return MediumError::ReadOnly { place },
            _ => self.broken = Some("writing to the tape"),
        }
        if moved { MediumError::Changed { place } } else { self.fault("writing to the tape", e) }
    }

    pub fn sync(&mut self) -> Result<()> {
        self.check_broken()?;
        if !self.unsynced {
            return Ok(());
        }
        self.begin_writing()?;
        let seal = self.closed && self.unmarked > 0;
        if seal {
            match self.write_contents() {
                // Found without it, only slower.
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
                Err(MediumError::Broken { place: self.drive.name(), what, source })
            }
        }
    }

    pub fn foreign(&self) -> MediumError {
        MediumError::Foreign { place: self.drive.name() }
    }

    pub fn unreadable(&self, number: u64, kind: ObjectKind, e: std::io::Error) -> MediumError {
        MediumError::of_read(self.drive.name(), number, kind, e)
    }

    pub fn fault(&self, what: &'static str, e: DriveError) -> MediumError {
        e.into_medium_error(self.drive.name(), what)
    }
}

impl DriveError {
    pub fn into_medium_error(self, place: String, what: &'static str) -> MediumError {
        match self {
            Self::Empty => MediumError::NoCartridge { place },
            Self::Busy => MediumError::Busy { path: place.into(), pid: None },
            Self::WriteProtected => MediumError::ReadOnly { place },
            Self::Full => MediumError::Full { place, needed: 0, free: None, torn: false },
            Self::Gone(source) => MediumError::Gone { place, what, source: Some(source) },
            Self::Failed(source) => MediumError::Io { place, what, source },
            Self::Rewinds => MediumError::Device { place, why: DeviceProblem::Rewinds },
            Self::Loading => MediumError::Device { place, why: DeviceProblem::Loading },
            e @ Self::TooLong { .. } => MediumError::Io { place, what, source: std::io::Error::other(e) },
        }
    }
}
