//! An object on a tape, opened for reading.

use super::Stored;
use super::drive::{DriveError, TapePosition};
use super::log::TapeLog;
use crate::medium::OpenObject;
use parking_lot::Mutex;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// Reads block by block; others may move the head in between.
pub(super) struct OnTape {
    deck: Arc<Mutex<TapeLog>>,
    stored: Stored,
    /// Bytes of a whole block.
    full: u32,
    at: u64,
    /// The block at hand, and its number within the object.
    block: Vec<u8>,
    held: Option<u64>,
}

impl OnTape {
    pub(super) fn new(deck: Arc<Mutex<TapeLog>>, stored: Stored, full: u32) -> Self {
        Self { deck, stored, full, at: 0, block: Vec::new(), held: None }
    }

    /// Makes `block` the one with this number, and answers with its bytes.
    fn fetch(&mut self, number: u64) -> io::Result<&[u8]> {
        if self.held != Some(number) {
            self.held = None;
            let full = self.full as usize;
            self.block.resize(full, 0);
            let mut deck = self.deck.lock();
            let found = deck.read_at(self.stored.at + 1 + number, &mut self.block);
            drop(deck);
            let wanted = (self.stored.length - number * full as u64).min(full as u64) as usize;
            match found.map_err(io::Error::other)?.map_err(io_error)? {
                TapePosition::Block(n) if n == wanted => self.block.truncate(n),
                // The length that the header tells does not fit: not the block that was written.
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the blocks on the tape are not the object's")),
            }
            self.held = Some(number);
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

impl Read for OnTape {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.stored.length || into.is_empty() {
            return Ok(0);
        }
        let full = u64::from(self.full);
        let (number, offset) = (self.at / full, (self.at % full) as usize);
        let block = self.fetch(number)?;
        let n = into.len().min(block.len() - offset);
        into[..n].copy_from_slice(&block[offset..offset + n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for OnTape {
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

impl OpenObject for OnTape {
    fn length(&self) -> u64 {
        self.stored.length
    }

    fn grain(&self) -> u64 {
        self.full.into()
    }
}
