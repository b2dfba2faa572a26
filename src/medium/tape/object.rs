//! An object on a tape, opened for reading.

use super::TapeObject;
use super::drive::{DriveError, ReadOutcome};
use super::log::TapeLog;
use crate::interruption::Interruption;
use crate::medium::{MediumError, OpenObject};
use parking_lot::Mutex;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Reads block by block. Others may move the head in between.
pub(super) struct OpenTapeObject {
    log: Arc<Mutex<TapeLog>>,
    stored: TapeObject,
    /// Bytes of a block; the last one may be shorter.
    block_bytes: u32,
    at: u64,
    /// The block that was read last, and its number within the object.
    block: Vec<u8>,
    block_number: Option<u64>,
    interruption: Interruption,
}

impl OpenTapeObject {
    pub(super) fn new(log: Arc<Mutex<TapeLog>>, stored: TapeObject, block_bytes: u32, interruption: Interruption) -> Self {
        Self { log, stored, block_bytes, at: 0, block: Vec::new(), block_number: None, interruption }
    }

    /// Reads the block with this number, unless it was read last, and returns its bytes.
    fn fetch(&mut self, number: u64) -> io::Result<&[u8]> {
        if self.interruption.is_there() {
            return Err(io::Error::other(MediumError::Interrupted));
        }
        if self.block_number != Some(number) {
            self.block_number = None;
            let full = self.block_bytes as usize;
            self.block.resize(full, 0);
            let mut log = self.log.lock();
            let found = log.read_at(self.stored.at + 1 + number, &mut self.block);
            drop(log);
            let wanted = (self.stored.length - number * full as u64).min(full as u64) as usize;
            match found.map_err(io::Error::other)?.map_err(io_error)? {
                ReadOutcome::Block(n) if n == wanted => self.block.truncate(n),
                // Its length does not fit the header: it is not the block that was written.
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the blocks on the tape are not the object's")),
            }
            self.block_number = Some(number);
        }
        Ok(&self.block)
    }
}

fn io_error(e: DriveError) -> io::Error {
    match e {
        DriveError::Failed(e) | DriveError::Gone(e) => e,
        e => io::Error::other(e),
    }
}

impl Read for OpenTapeObject {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.stored.length || into.is_empty() {
            return Ok(0);
        }
        let full = u64::from(self.block_bytes);
        let (number, offset) = (self.at / full, (self.at % full) as usize);
        let block = self.fetch(number)?;
        let n = into.len().min(block.len() - offset);
        into[..n].copy_from_slice(&block[offset..offset + n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for OpenTapeObject {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::End(n) => self.stored.length.checked_add_signed(n),
            SeekFrom::Current(n) => self.at.checked_add_signed(n),
        };
        self.at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek before the beginning"))?;
        Ok(self.at)
    }
}

impl OpenObject for OpenTapeObject {
    fn length(&self) -> u64 {
        self.stored.length
    }

    fn grain(&self) -> u64 {
        self.block_bytes.into()
    }
}
