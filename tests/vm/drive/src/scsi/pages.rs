//! What a drive tells in pages and lists: its modes, its logs, its densities, a cartridge's memory. As an LTO-8 drive does it.

use super::{Command, Sense, text};
use crate::cartridge::{Cartridge, MIB};

const DENSITY: u8 = 0x5e;
const DENSITY_NAME: &str = "U-832";
const DENSITY_DESCRIPTION: &str = "Ultrium 8/32T";

/// What can be set with MODE SELECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// The length of all blocks, 0 for blocks of any length.
    pub block_bytes: u32,
    /// Kept, but nothing is compressed.
    pub compresses: bool,
}

impl Default for Modes {
    fn default() -> Self {
        Self { block_bytes: 0, compresses: true }
    }
}

/// Places of what differs between MODE SENSE/SELECT with 6 bytes and with 10.
struct ModeHeader {
    bytes: usize,
    medium_type: usize,
    device_specific: usize,
    descriptor_length: usize,
    allocation: (usize, usize),
}

const HEADER_6: ModeHeader =
    ModeHeader { bytes: 4, medium_type: 1, device_specific: 2, descriptor_length: 3, allocation: (4, 1) };
const HEADER_10: ModeHeader =
    ModeHeader { bytes: 8, medium_type: 2, device_specific: 3, descriptor_length: 7, allocation: (7, 2) };

const DESCRIPTOR_BYTES: usize = 8;
const PAGE_COMPRESSION: u8 = 0x0f;
const PAGE_CONFIGURATION: u8 = 0x10;
const PAGE_MEDIUM_CONFIGURATION: u8 = 0x1d;
const ALL_PAGES: u8 = 0x3f;

impl Modes {
    pub fn sense_6(&self, command: &Command, medium: Option<&Cartridge>) -> Result<Vec<u8>, Sense> {
        let mut bytes = self.sense(command, medium, &HEADER_6)?;
        bytes[0] = (bytes.len() - 1) as u8;
        Ok(command.limited(bytes, HEADER_6.allocation.0, HEADER_6.allocation.1))
    }

    pub fn sense_10(&self, command: &Command, medium: Option<&Cartridge>) -> Result<Vec<u8>, Sense> {
        let mut bytes = self.sense(command, medium, &HEADER_10)?;
        let length = (bytes.len() - 2) as u16;
        bytes[..2].copy_from_slice(&length.to_be_bytes());
        Ok(command.limited(bytes, HEADER_10.allocation.0, HEADER_10.allocation.1))
    }

    /// All but the length at the begin.
    fn sense(&self, command: &Command, medium: Option<&Cartridge>, header: &ModeHeader) -> Result<Vec<u8>, Sense> {
        const NO_DESCRIPTOR: u8 = 3;
        // In its upper two bits: current, changeable, default or saved values.
        let (page, which) = (command.byte(2) & 0x3f, command.byte(2) >> 6);
        if which != 0 {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        let is = |property: fn(&Cartridge) -> bool| medium.is_some_and(property);
        let mut bytes = vec![0; header.bytes];
        bytes[header.medium_type] = match medium {
            None => 0x00,
            Some(cartridge) if cartridge.properties.cleaning => 0x01,
            Some(cartridge) if cartridge.properties.worm => 0x8c,
            Some(_) => 0x88,
        };
        // That it buffers, and that nothing can be written.
        bytes[header.device_specific] = 0x10 | u8::from(is(|c| c.properties.write_protected)) << 7;
        if !command.bit(1, NO_DESCRIPTOR) {
            bytes[header.descriptor_length] = DESCRIPTOR_BYTES as u8;
            bytes.extend([DENSITY, 0, 0, 0]);
            bytes.extend(self.block_bytes.to_be_bytes());
        }
        let compresses = u8::from(self.compresses);
        let mut wanted = |code: u8, content: &[u8]| {
            if page == code || page == ALL_PAGES {
                bytes.extend([code, content.len() as u8]);
                bytes.extend(content);
            }
            page == code
        };
        let known = [
            wanted(PAGE_COMPRESSION, &[compresses << 7 | 0x40, 0x80, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
            wanted(PAGE_CONFIGURATION, &[0, 0, 0, 0, 0, 0, 0x40, 0, 0x18, 0, 0, 0, compresses, 0]),
            wanted(PAGE_MEDIUM_CONFIGURATION, &medium_configuration(is(|c| c.properties.worm))),
        ];
        if known.contains(&true) || page == 0 || page == ALL_PAGES { Ok(bytes) } else { Err(Sense::INVALID_FIELD_IN_COMMAND) }
    }

    pub fn select_6(&mut self, command: &Command, sent: &[u8]) -> Result<(), Sense> {
        self.select(command, sent, &HEADER_6)
    }

    pub fn select_10(&mut self, command: &Command, sent: &[u8]) -> Result<(), Sense> {
        self.select(command, sent, &HEADER_10)
    }

    /// All or nothing.
    fn select(&mut self, command: &Command, sent: &[u8], header: &ModeHeader) -> Result<(), Sense> {
        let length = command.number(header.allocation.0, header.allocation.1) as usize;
        if length == 0 {
            return Ok(());
        }
        let mut rest = Rest(sent.get(..length).ok_or(Sense::PARAMETERS_TOO_SHORT)?);
        let mut changed = *self;
        match rest.take(header.bytes)?[header.descriptor_length] as usize {
            0 => {}
            DESCRIPTOR_BYTES => {
                let descriptor = rest.take(DESCRIPTOR_BYTES)?;
                // 0 is the usual density, 0x7f that which is there.
                if ![0, DENSITY, 0x7f].contains(&descriptor[0]) {
                    return Err(Sense::INVALID_FIELD_IN_PARAMETERS);
                }
                changed.block_bytes = u32::from_be_bytes([0, descriptor[5], descriptor[6], descriptor[7]]);
            }
            _ => return Err(Sense::INVALID_FIELD_IN_PARAMETERS),
        }
        while !rest.0.is_empty() {
            let [code, length] = rest.take(2)? else { unreachable!("two bytes were taken") };
            let content = rest.take((*length).into())?;
            match (code & 0x3f, content.len()) {
                (PAGE_COMPRESSION, 14) => changed.compresses = content[0] >> 7 != 0,
                (PAGE_CONFIGURATION, 14) => changed.compresses = content[12] != 0,
                _ => return Err(Sense::INVALID_FIELD_IN_PARAMETERS),
            }
        }
        *self = changed;
        Ok(())
    }
}

/// Whether the medium is written once; then some labels and the last filemarks may be written over.
fn medium_configuration(worm: bool) -> [u8; 30] {
    let mut page = [0; 30];
    page[0] = worm.into();
    (page[2], page[3]) = if worm { (0x01, 0x02) } else { (0x00, 0x00) };
    page
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Sense> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Sense::PARAMETERS_TOO_SHORT)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// The TapeAlert flags: bit n - 1 is flag n.
pub type Alerts = u64;
pub const MOST_ALERTS: u8 = 64;

/// LOG SENSE. Alerts that were told are forgotten.
pub fn log_sense(command: &Command, alerts: &mut Alerts, medium: Option<&Cartridge>) -> Result<Vec<u8>, Sense> {
    const SUPPORTED: u8 = 0x00;
    const TAPE_ALERT: u8 = 0x2e;
    const CAPACITY: u8 = 0x31;
    let page = command.byte(2) & 0x3f;
    let content: Vec<u8> = match page {
        SUPPORTED => vec![SUPPORTED, TAPE_ALERT, CAPACITY],
        TAPE_ALERT => {
            let told = std::mem::take(alerts);
            (1..=MOST_ALERTS).flat_map(|flag| [0, flag, 0xc0, 1, (told >> (flag - 1) & 1) as u8]).collect()
        }
        CAPACITY => {
            let of = |bytes: fn(&Cartridge) -> u64| medium.map_or(0, |c| (bytes(c) / MIB) as u32);
            // Of the main partition and of another, which there never is: what remains; then what there is in all.
            let values = [of(Cartridge::remaining), 0, of(|c| c.properties.capacity), 0];
            (1..).zip(values).flat_map(|(code, mib)| [[0, code, 0x03, 4], mib.to_be_bytes()].concat()).collect()
        }
        _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
    };
    let bytes = [&[page, 0], (content.len() as u16).to_be_bytes().as_slice(), &content].concat();
    Ok(command.limited(bytes, 7, 2))
}

/// REPORT DENSITY SUPPORT: the one density, of the medium or of the drive.
pub fn densities(command: &Command) -> Vec<u8> {
    let mut bytes = vec![0, 54, 0, 0];
    // Can be written, and is what is written when nothing is said.
    bytes.extend([DENSITY, DENSITY, 0xa0, 0, 0]);
    // Bits a millimetre, the width in tenths of one, tracks, and how many millions of bytes there are.
    bytes.extend([0x00, 0x50, 0x7d]);
    bytes.extend([127u16, 6656].map(u16::to_be_bytes).concat());
    bytes.extend(12_000_000u32.to_be_bytes());
    bytes.extend([text("LTO-CVE", 8), text(DENSITY_NAME, 8), text(DENSITY_DESCRIPTION, 20)].concat());
    command.limited(bytes, 7, 2)
}

/// READ ATTRIBUTE: what the cartridge's own memory tells.
pub fn read_attribute(command: &Command, cartridge: &Cartridge) -> Result<Vec<u8>, Sense> {
    const VALUES: u8 = 0;
    const LIST: u8 = 1;
    let attributes = attributes(cartridge);
    let first = command.number(8, 2) as u16;
    if !attributes.iter().any(|attribute| attribute.id == first) {
        return Err(Sense::INVALID_FIELD_IN_COMMAND);
    }
    let wanted = attributes.iter().filter(|attribute| attribute.id >= first);
    let content: Vec<u8> = match command.byte(1) & 0x1f {
        VALUES => wanted.flat_map(Attribute::bytes).collect(),
        LIST => wanted.flat_map(|attribute| attribute.id.to_be_bytes()).collect(),
        _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
    };
    let bytes = [(content.len() as u32).to_be_bytes().as_slice(), &content].concat();
    Ok(command.limited(bytes, 10, 4))
}

struct Attribute {
    id: u16,
    format: u8,
    value: Vec<u8>,
}

impl Attribute {
    fn bytes(&self) -> Vec<u8> {
        // Those from 0x800 on are the host's to write; but not here.
        const READ_ONLY: u8 = 0x80;
        let [high, low] = (self.value.len() as u16).to_be_bytes();
        [&self.id.to_be_bytes(), [READ_ONLY | self.format, high, low].as_slice(), &self.value].concat()
    }
}

fn attributes(cartridge: &Cartridge) -> Vec<Attribute> {
    const BINARY: u8 = 0;
    const ASCII: u8 = 1;
    let properties = &cartridge.properties;
    let kind = match (properties.cleaning, properties.worm) {
        (true, _) => 0x01,
        (false, true) => 0x80,
        (false, false) => 0x00,
    };
    let of = |id, format, value| Attribute { id, format, value };
    vec![
        of(0x0000, BINARY, (cartridge.remaining() / MIB).to_be_bytes().to_vec()),
        of(0x0001, BINARY, (properties.capacity / MIB).to_be_bytes().to_vec()),
        of(0x0400, ASCII, text("AZEKURA", 8)),
        of(0x0401, ASCII, text(&properties.serial, 32)),
        of(0x0405, BINARY, vec![DENSITY]),
        of(0x0408, BINARY, vec![kind]),
        of(0x0806, ASCII, text(&properties.barcode, 32)),
    ]
}
