//! A tape in the drive, wound to a position: what moves it.
//!
//! A position is the number of records before it. Blocks are of any length, or all of the length that was set with MODE SELECT; each
//! READ and WRITE says which it means.

use super::{Command, Sense};
use crate::cartridge::{Cartridge, MOST_BLOCK_BYTES, Record};
use std::iter::once;

pub struct Tape {
    pub cartridge: Cartridge,
    position: usize,
}

/// What a READ or WRITE is about.
struct Transfer {
    blocks: u32,
    /// Of each block.
    bytes: u32,
    is_fixed: bool,
}

impl Transfer {
    /// `block_bytes` is the length that was set, or 0.
    fn of(command: &Command, block_bytes: u32) -> Result<Self, Sense> {
        let is_fixed = command.bit(1, 0);
        let count = command.number(2, 3) as u32;
        let (blocks, bytes) = if is_fixed { (count, block_bytes) } else { (u32::from(count > 0), count) };
        if blocks > 0 && (bytes == 0 || bytes > MOST_BLOCK_BYTES) {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        Ok(Self { blocks, bytes, is_fixed })
    }

    /// What is left undone, in the command's own unit.
    fn left(&self, done: u32) -> i32 {
        (if self.is_fixed { self.blocks - done } else { self.bytes }) as i32
    }
}

impl Tape {
    pub fn new(cartridge: Cartridge) -> Self {
        Self { cartridge, position: 0 }
    }

    pub fn rewind(&mut self) {
        self.position = 0;
    }

    /// Reads blocks. Whatever was read up to an error is in `data` all the same.
    pub fn read(&mut self, command: &Command, block_bytes: u32, data: &mut Vec<u8>) -> Result<(), Sense> {
        let transfer = Transfer::of(command, block_bytes)?;
        let suppresses_length = command.bit(1, 1);
        if suppresses_length && transfer.is_fixed {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        for done in 0..transfer.blocks {
            let left = transfer.left(done);
            let length = match self.cartridge.record(self.position) {
                None => {
                    let end_of_medium = self.cartridge.is_nearly_full();
                    return Err(Sense { end_of_medium, ..Sense::END_OF_DATA.with(left) });
                }
                Some(Record::Filemark) => {
                    self.position += 1;
                    return Err(Sense::FILEMARK.with(left));
                }
                Some(Record::Block(length)) => length,
            };
            let read = self.cartridge.read(self.position, transfer.bytes);
            let block = read.map_err(|_| Sense::MEDIUM_ERROR_READING.with(left))?;
            self.position += 1;
            if length != transfer.bytes && transfer.is_fixed {
                return Err(Sense::OTHER_LENGTH.with(left));
            }
            data.extend(block);
            // Where blocks have a set length, one that is too long is an error even to those who do not care.
            let too_long = length > transfer.bytes && block_bytes != 0;
            if length != transfer.bytes && (!suppresses_length || too_long) {
                return Err(Sense::OTHER_LENGTH.with(transfer.bytes as i32 - length as i32));
            }
        }
        Ok(())
    }

    pub fn write(&mut self, command: &Command, block_bytes: u32, sent: &[u8]) -> Result<(), Sense> {
        let transfer = Transfer::of(command, block_bytes)?;
        self.may_write()?;
        if (sent.len() as u64) < u64::from(transfer.blocks) * u64::from(transfer.bytes) {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        let blocks = sent.chunks_exact(transfer.bytes.max(1) as usize);
        for (done, block) in (0..transfer.blocks).zip(blocks) {
            let left = transfer.left(done);
            if !self.cartridge.has_room(self.position, transfer.bytes) {
                return Err(Sense::FULL.with(left));
            }
            self.cartridge.write(self.position, block).map_err(|_| Sense::MEDIUM_ERROR_WRITING.with(left))?;
            self.position += 1;
        }
        if transfer.blocks > 0 { self.warn() } else { Ok(()) }
    }

    /// Also sent with a count of 0, so that all that was written is on the tape. Here it always is.
    pub fn write_filemarks(&mut self, command: &Command) -> Result<(), Sense> {
        let count = command.number(2, 3) as i32;
        if count == 0 {
            return Ok(());
        }
        self.may_write()?;
        for done in 0..count {
            self.cartridge.write_filemark(self.position).map_err(|_| Sense::MEDIUM_ERROR_WRITING.with(count - done))?;
            self.position += 1;
        }
        self.warn()
    }

    pub fn erase(&mut self) -> Result<(), Sense> {
        self.may_write()?;
        self.cartridge.erase(self.position).map_err(|_| Sense::MEDIUM_ERROR_WRITING)
    }

    /// A medium that is written once takes more at its end only. Filemarks that end it may be written over, as a program does that
    /// appends to what it had closed; but not the first filemark of the tape, behind which labels stand.
    fn may_write(&self) -> Result<(), Sense> {
        let Cartridge { properties, .. } = &self.cartridge;
        if properties.write_protected {
            return Err(Sense::WRITE_PROTECTED);
        }
        let mut behind = self.position..self.cartridge.len();
        if properties.worm && !behind.is_empty() {
            let only_filemarks = behind.all(|at| self.cartridge.record(at) == Some(Record::Filemark));
            if !only_filemarks || self.cartridge.filemarks_before(self.position) == 0 {
                return Err(Sense::WORM_OVERWRITE);
            }
        }
        Ok(())
    }

    /// All was written, but the end is near.
    fn warn(&self) -> Result<(), Sense> {
        if self.cartridge.is_nearly_full() { Err(Sense::NEARLY_FULL.with(0)) } else { Ok(()) }
    }

    pub fn space(&mut self, command: &Command) -> Result<(), Sense> {
        const BLOCKS: u8 = 0;
        const FILEMARKS: u8 = 1;
        const END_OF_DATA: u8 = 3;
        let over = match command.byte(1) & 0xf {
            END_OF_DATA => {
                self.position = self.cartridge.len();
                return Ok(());
            }
            over @ (BLOCKS | FILEMARKS) => over,
            _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
        };
        // Three bytes with a sign.
        let count = (command.number(2, 3) << 8) as u32 as i32 >> 8;
        let mut left = count.abs();
        while left > 0 {
            let record = if count > 0 { self.step_forward() } else { self.step_back() };
            match record.map_err(|end| end.with(left))? {
                Record::Filemark if over == BLOCKS => return Err(Sense::FILEMARK.with(left)),
                Record::Block(_) if over == FILEMARKS => {}
                _ => left -= 1,
            }
        }
        Ok(())
    }

    fn step_forward(&mut self) -> Result<Record, Sense> {
        let record = self.cartridge.record(self.position).ok_or(Sense::END_OF_DATA)?;
        self.position += 1;
        Ok(record)
    }

    fn step_back(&mut self) -> Result<Record, Sense> {
        self.position = self.position.checked_sub(1).ok_or(Sense::BEGINNING)?;
        self.cartridge.record(self.position).ok_or(Sense::MEDIUM_ERROR_READING)
    }

    pub fn locate_10(&mut self, command: &Command) -> Result<(), Sense> {
        no_other_partition(command, 8)?;
        self.locate(command.number(3, 4))
    }

    pub fn locate_16(&mut self, command: &Command) -> Result<(), Sense> {
        const BLOCK: u8 = 0;
        const FILE: u8 = 1;
        const END_OF_DATA: u8 = 3;
        no_other_partition(command, 3)?;
        let to = command.number(4, 8);
        match command.byte(1) >> 3 & 3 {
            BLOCK => self.locate(to),
            FILE => {
                let is_filemark = |at: &usize| self.cartridge.record(*at) == Some(Record::Filemark);
                let behind_filemarks = (0..self.cartridge.len()).filter(is_filemark).map(|at| at as u64 + 1);
                let begins = once(0).chain(behind_filemarks).nth(usize::try_from(to).unwrap_or(usize::MAX));
                self.locate(begins.unwrap_or(u64::MAX))
            }
            END_OF_DATA => self.locate(self.cartridge.len() as u64),
            _ => Err(Sense::INVALID_FIELD_IN_COMMAND),
        }
    }

    fn locate(&mut self, position: u64) -> Result<(), Sense> {
        let end = self.cartridge.len();
        self.position = usize::try_from(position).unwrap_or(usize::MAX).min(end);
        if position > end as u64 { Err(Sense::END_OF_DATA) } else { Ok(()) }
    }

    pub fn read_position(&self, command: &Command) -> Result<Vec<u8>, Sense> {
        const SHORT: u8 = 0;
        /// In the maker's own numbers, which are the same. Linux asks so when nothing is said.
        const SHORT_VENDOR: u8 = 1;
        const LONG: u8 = 6;
        let position = self.position as u64;
        let is_nearly_at_end = self.position == self.cartridge.len() && self.cartridge.is_nearly_full();
        let flags = u8::from(position == 0) << 7 | u8::from(is_nearly_at_end) << 6;
        let mut bytes = vec![flags, 0, 0, 0];
        match command.byte(1) & 0x1f {
            SHORT | SHORT_VENDOR => {
                // The first and the last that have not reached the tape: none, so both are the position.
                let position = u32::try_from(position).unwrap_or(u32::MAX).to_be_bytes();
                bytes.extend([position, position].concat());
                bytes.resize(20, 0);
            }
            LONG => {
                bytes.extend([0; 4]);
                bytes.extend(position.to_be_bytes());
                bytes.extend((self.cartridge.filemarks_before(self.position) as u64).to_be_bytes());
                bytes.resize(32, 0);
            }
            _ => return Err(Sense::INVALID_FIELD_IN_COMMAND),
        }
        Ok(bytes)
    }
}

/// There is one partition, number 0. `at` is where a LOCATE names one.
fn no_other_partition(command: &Command, at: usize) -> Result<(), Sense> {
    let changes = command.bit(1, 1);
    if changes && command.byte(at) != 0 { Err(Sense::INVALID_FIELD_IN_COMMAND) } else { Ok(()) }
}
