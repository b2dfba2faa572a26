//! What a changer reports of its elements: robot, slots, drives.
//!
//! A changer's answers are hostile input: lengths are compared with the answer before anything is read, what is not
//! understood is left out, and nothing here panics.

/// An answer that is not what the standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not fit the standard")]
pub struct MalformedAnswer;

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ElementKind {
    /// The arm that carries cartridges.
    Robot = 1,
    /// A slot.
    Storage = 2,
    /// A slot through which people insert and remove cartridges.
    ImportExport = 3,
    /// A tape drive.
    Drive = 4,
}

impl ElementKind {
    fn of(number: u8) -> Option<Self> {
        [Self::Robot, Self::Storage, Self::ImportExport, Self::Drive].into_iter().find(|k| *k as u8 == number)
    }
}

/// An element of a changer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The element's address.
    pub address: u16,
    /// What it is.
    pub kind: ElementKind,
    /// It contains a cartridge.
    pub full: bool,
    /// The robot can reach it.
    pub accessible: bool,
    /// Printable ASCII, 1 to 32 characters.
    pub barcode: Option<String>,
    /// Its cartridge is not for data: a cleaning cartridge, for example.
    pub special: bool,
    /// Address of the element that its cartridge was taken from.
    pub source: Option<u16>,
    /// A drive's designator, which ends with its serial number; `None` unless requested.
    pub device: Option<String>,
}

impl Slot {
    /// Whether its cartridge is for data. A cleaning cartridge wears the heads whenever it is loaded; by convention its
    /// barcode begins with `CLN`.
    pub fn is_for_data(&self) -> bool {
        !self.special && self.barcode.as_ref().is_none_or(|b| !b.starts_with("CLN"))
    }
}

/// The consecutive addresses of one kind of elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressRange {
    /// The first address.
    pub first: u16,
    /// How many there are.
    pub count: u16,
}

impl AddressRange {
    /// The index of an address in it, from 0.
    pub fn index(self, address: u16) -> Option<u16> {
        address.checked_sub(self.first).filter(|i| *i < self.count)
    }
}

/// The addresses of a changer's elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of the robot.
    pub robot: AddressRange,
    /// Of the storage slots.
    pub storage: AddressRange,
    /// Of the import and export slots.
    pub import_export: AddressRange,
    /// Of the drives.
    pub drive: AddressRange,
}

impl Addresses {
    /// The page of MODE SENSE (6) that contains them.
    pub const PAGE: u8 = 0x1d;

    /// Reads the answer to MODE SENSE (6) for [`Addresses::PAGE`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedAnswer> {
        const HEADER_BYTES: usize = 4;
        let descriptors_bytes = usize::from(*bytes.get(3).ok_or(MalformedAnswer)?);
        let page = bytes.get(HEADER_BYTES + descriptors_bytes..).ok_or(MalformedAnswer)?;
        if page.first().is_none_or(|p| p & 0x3f != Self::PAGE) {
            return Err(MalformedAnswer);
        }
        let range = |at| {
            Ok(AddressRange {
                first: number(page, at).ok_or(MalformedAnswer)?,
                count: number(page, at + 2).ok_or(MalformedAnswer)?,
            })
        };
        Ok(Self { robot: range(2)?, storage: range(6)?, import_export: range(10)?, drive: range(14)? })
    }

    /// The addresses of one kind of elements.
    pub fn of(&self, kind: ElementKind) -> AddressRange {
        match kind {
            ElementKind::Robot => self.robot,
            ElementKind::Storage => self.storage,
            ElementKind::ImportExport => self.import_export,
            ElementKind::Drive => self.drive,
        }
    }
}

/// Reads the answer to READ ELEMENT STATUS, as far as it goes: a last element that is cut off is left out.
pub fn decode_status(bytes: &[u8]) -> Result<Vec<Slot>, MalformedAnswer> {
    const HEADER_BYTES: usize = 8;
    let page_bytes = long_number(bytes, 5).ok_or(MalformedAnswer)?;
    let mut pages = bytes.get(HEADER_BYTES..).ok_or(MalformedAnswer)?;
    pages = &pages[..page_bytes.min(pages.len())];
    let mut slots = Vec::new();
    while pages.len() >= HEADER_BYTES {
        let (header, rest) = pages.split_at(HEADER_BYTES);
        let length = usize::from(number(header, 2).ok_or(MalformedAnswer)?);
        let page_bytes = long_number(header, 5).ok_or(MalformedAnswer)?;
        let (page, next) = rest.split_at(page_bytes.min(rest.len()));
        pages = next;
        let Some(kind) = ElementKind::of(header[0]) else { continue };
        if length < DESCRIPTOR_BYTES {
            return Err(MalformedAnswer);
        }
        let tags = Tags { primary: header[1] & 0x80 != 0, alternate: header[1] & 0x40 != 0 };
        slots.extend(page.chunks_exact(length).filter_map(|d| decode_descriptor(d, kind, tags)));
    }
    Ok(slots)
}

const DESCRIPTOR_BYTES: usize = 12;
const TAG_BYTES: usize = 36;
const BARCODE_BYTES: usize = 32;

#[derive(Clone, Copy)]
struct Tags {
    primary: bool,
    alternate: bool,
}

fn decode_descriptor(bytes: &[u8], kind: ElementKind, tags: Tags) -> Option<Slot> {
    const FULL: u8 = 1;
    const ACCESS: u8 = 8;
    const SOURCE_IS_VALID: u8 = 0x80;
    /// Cleaning, diagnostics, firmware.
    const SPECIAL: [u8; 3] = [2, 3, 5];
    let flags = *bytes.get(2)?;
    let medium = *bytes.get(9)?;
    let full = flags & FULL != 0;
    let source = number(bytes, 10)?;
    let mut rest = &bytes[DESCRIPTOR_BYTES..];
    let mut tag = |is_present: bool| is_present.then(|| rest.split_off(..TAG_BYTES)).flatten();
    let barcode = tag(tags.primary).and_then(|t| text(&t[..BARCODE_BYTES]));
    tag(tags.alternate);
    Some(Slot {
        address: number(bytes, 0)?,
        kind,
        full,
        accessible: flags & ACCESS != 0,
        // The tag of an empty element is that of an earlier cartridge.
        barcode: barcode.filter(|_| full),
        special: full && SPECIAL.contains(&(medium & 7)),
        source: (full && medium & SOURCE_IS_VALID != 0).then_some(source),
        device: designator(rest),
    })
}

/// A name in ASCII behind its header of four bytes.
fn designator(bytes: &[u8]) -> Option<String> {
    const ASCII: u8 = 2;
    let length = usize::from(*bytes.get(3)?);
    (bytes[0] & 0xf == ASCII).then(|| bytes.get(4..4 + length).and_then(text)).flatten()
}

/// A text that is padded with blanks or zeros; `None` if it is empty or not printable ASCII.
fn text(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().rposition(|b| !matches!(b, 0 | b' ')).map_or(0, |last| last + 1);
    let bytes = bytes[..length].trim_ascii_start();
    let printable = !bytes.is_empty() && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
    printable.then(|| bytes.iter().copied().map(char::from).collect())
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// A number of three bytes.
fn long_number(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 3)?.iter().try_fold(0, |n: usize, b| Some(n << 8 | usize::from(*b)))
}

#[cfg(test)]
mod tests;
