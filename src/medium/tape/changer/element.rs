//! What a changer says of its places, which the standard calls elements.
//!
//! A changer's firmware is nobody's friend: lengths are compared with what is there before anything is read, what is not understood is
//! left out, and nothing here panics.

/// An answer that is not what the standard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not fit the standard")]
pub struct Garbled;

/// What a place is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    Robot = 1,
    Storage = 2,
    /// Cartridges come in and go out through it.
    ImportExport = 3,
    Drive = 4,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Robot, Self::Storage, Self::ImportExport, Self::Drive].into_iter().find(|k| *k as u8 == number)
    }
}

/// A place of a changer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub address: u16,
    pub kind: Kind,
    pub full: bool,
    /// The robot can take from it and put into it.
    pub accessible: bool,
    /// Printable ASCII, 1 to 32 characters.
    pub barcode: Option<String>,
    /// It holds no cartridge for data: one for cleaning, say.
    pub special: bool,
    /// Where its cartridge was taken from.
    pub source: Option<u16>,
    /// What a drive says it is, with its serial number, where that was asked for.
    pub device: Option<String>,
}

impl Slot {
    /// A cleaning cartridge wears the heads whenever it is loaded. By convention its label begins so.
    pub fn is_for_data(&self) -> bool {
        !self.special && self.barcode.as_ref().is_none_or(|b| !b.starts_with("CLN"))
    }
}

/// Addresses of one kind of places: the first, and how many follow on each other from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    pub first: u16,
    pub count: u16,
}

impl Range {
    /// Where an address stands in it, from 0.
    pub fn index(self, address: u16) -> Option<u16> {
        address.checked_sub(self.first).filter(|i| *i < self.count)
    }
}

/// Which addresses a changer's places have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    pub robot: Range,
    pub storage: Range,
    pub import_export: Range,
    pub drive: Range,
}

impl Addresses {
    /// The page of MODE SENSE (6) that has them.
    pub const PAGE: u8 = 0x1d;

    /// Reads the answer to MODE SENSE (6) for [`Addresses::PAGE`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Garbled> {
        const HEADER_BYTES: usize = 4;
        let descriptors_bytes = usize::from(*bytes.get(3).ok_or(Garbled)?);
        let page = bytes.get(HEADER_BYTES + descriptors_bytes..).ok_or(Garbled)?;
        if page.first().is_none_or(|p| p & 0x3f != Self::PAGE) {
            return Err(Garbled);
        }
        let range = |at| Ok(Range { first: number(page, at).ok_or(Garbled)?, count: number(page, at + 2).ok_or(Garbled)? });
        Ok(Self { robot: range(2)?, storage: range(6)?, import_export: range(10)?, drive: range(14)? })
    }

    pub fn of(&self, kind: Kind) -> Range {
        match kind {
            Kind::Robot => self.robot,
            Kind::Storage => self.storage,
            Kind::ImportExport => self.import_export,
            Kind::Drive => self.drive,
        }
    }
}

/// Reads the answer to READ ELEMENT STATUS, as far as it goes: a last place that is cut off is left out.
pub fn decode_status(bytes: &[u8]) -> Result<Vec<Slot>, Garbled> {
    const HEADER_BYTES: usize = 8;
    let told = long_number(bytes, 5).ok_or(Garbled)?;
    let mut pages = bytes.get(HEADER_BYTES..).ok_or(Garbled)?;
    pages = &pages[..told.min(pages.len())];
    let mut slots = Vec::new();
    while pages.len() >= HEADER_BYTES {
        let (header, rest) = pages.split_at(HEADER_BYTES);
        let length = usize::from(number(header, 2).ok_or(Garbled)?);
        let told = long_number(header, 5).ok_or(Garbled)?;
        let (page, next) = rest.split_at(told.min(rest.len()));
        pages = next;
        let Some(kind) = Kind::of(header[0]) else { continue };
        if length < DESCRIPTOR_BYTES {
            return Err(Garbled);
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

fn decode_descriptor(bytes: &[u8], kind: Kind, tags: Tags) -> Option<Slot> {
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
    let mut tag = |there: bool| there.then(|| rest.split_off(..TAG_BYTES)).flatten();
    let barcode = tag(tags.primary).and_then(|t| text(&t[..BARCODE_BYTES]));
    tag(tags.alternate);
    Some(Slot {
        address: number(bytes, 0)?,
        kind,
        full,
        accessible: flags & ACCESS != 0,
        // What is left behind in an empty place's tag was there before.
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

/// A text that is padded with blanks or zeros; `None` where there is none, or where it is no text.
fn text(bytes: &[u8]) -> Option<String> {
    let length = bytes.iter().rposition(|b| !matches!(b, 0 | b' ')).map_or(0, |last| last + 1);
    let bytes = bytes[..length].trim_ascii_start();
    let printable = !bytes.is_empty() && bytes.iter().all(|b| matches!(b, b' '..=b'~'));
    printable.then(|| bytes.iter().copied().map(char::from).collect())
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_be_bytes(*b))
}

/// One of three bytes.
fn long_number(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 3)?.iter().try_fold(0, |n: usize, b| Some(n << 8 | usize::from(*b)))
}

#[cfg(test)]
mod tests;
