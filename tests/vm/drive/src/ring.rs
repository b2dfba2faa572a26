//! The ring through which the kernel's `target_core_user` hands over commands and takes answers.
//!
//! Laid out as in Linux' `include/uapi/linux/target_core_user.h`: a mailbox at the start of the shared memory, then a ring of entries, then
//! the data that entries point to. The kernel moves `head` when it has put an entry, we move `tail` when we have answered one. All
//! numbers are in the machine's own order, which is little-endian: guest and drive are x86-64.

use crate::memory::Memory;
use crate::scsi::{Command, Direction, Reply};
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

/// What the kernel calls the version of this layout.
const VERSION: u16 = 2;

/// Places in the mailbox.
mod mailbox {
    pub const VERSION: usize = 0;
    pub const RING_AT: usize = 4;
    pub const RING_BYTES: usize = 8;
    pub const HEAD: usize = 12;
    /// On a cache line of its own.
    pub const TAIL: usize = 64;
}

/// Places in an entry. An answer is written over the command.
mod entry {
    /// The length; its lowest three bits tell what the entry is.
    pub const LENGTH_AND_KIND: usize = 0;
    pub const FLAGS: usize = 7;
    pub const PIECES: usize = 8;
    pub const CDB_AT: usize = 24;
    pub const FIRST_PIECE: usize = 48;
    pub const STATUS: usize = 8;
    pub const READ_BYTES: usize = 12;
    pub const SENSE: usize = 16;
}

const KIND_MASK: u32 = 7;
/// Fills the ring to its end.
const KIND_PAD: u32 = 0;
const KIND_COMMAND: u32 = 1;
/// Tells that commands were given up, where that was asked for.
const KIND_MANAGEMENT: u32 = 2;

const FLAG_UNKNOWN_KIND: u8 = 1;
/// `READ_BYTES` is valid. Without it a read is taken for complete, and with sense data for empty: a short block could not be told.
const FLAG_READ_BYTES: u8 = 2;

/// Long enough for every command we know; the kernel gives the first byte's place only.
const CDB_BYTES: usize = 16;
const PIECE_BYTES: usize = 16;
/// More than the 64 MiB data area has pages.
const MOST_PIECES: u32 = 1 << 15;

const STATUS_GOOD: u8 = 0;
const STATUS_CHECK_CONDITION: u8 = 2;

pub struct Ring {
    device: File,
    memory: Memory,
    ring_at: usize,
    ring_bytes: u32,
}

impl AsFd for Ring {
    /// Can be read when commands wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl Ring {
    /// Opens a `/dev/uioN`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default();
        let size = fs::read_to_string(Path::new("/sys/class/uio").join(name).join("maps/map0/size"))?;
        let size = usize::from_str_radix(size.trim().trim_start_matches("0x"), 16).map_err(io::Error::other)?;
        Self::new(File::options().read(true).write(true).open(path)?, size)
    }

    fn new(device: File, size: usize) -> io::Result<Self> {
        let memory = Memory::map(&device, size)?;
        let mut version = [0; 2];
        memory.read(mailbox::VERSION, &mut version)?;
        if u16::from_le_bytes(version) != VERSION {
            return Err(io::Error::other(format!(
                "the kernel's ring has version {}, not {VERSION}",
                u16::from_le_bytes(version)
            )));
        }
        let ring_at = number(&memory, mailbox::RING_AT)? as usize;
        let ring_bytes = number(&memory, mailbox::RING_BYTES)?;
        Ok(Self { device, memory, ring_at, ring_bytes })
    }

    /// Answers all commands that wait. `execute` gets each with what the initiator sends along.
    pub fn answer(&mut self, execute: impl FnMut(&Command, &[u8]) -> Reply) -> io::Result<()> {
        // How often it was rung does not matter, only that it has ended.
        let mut count = [0; 4];
        self.device.read_exact(&mut count)?;
        if self.drain(execute)? {
            self.device.write_all(&1u32.to_le_bytes())?;
        }
        Ok(())
    }

    /// Whether there was anything.
    fn drain(&mut self, mut execute: impl FnMut(&Command, &[u8]) -> Reply) -> io::Result<bool> {
        let mut tail = self.memory.acquire(mailbox::TAIL)?;
        let begin = tail;
        while tail != self.memory.acquire(mailbox::HEAD)? {
            let at = self.ring_at + tail as usize;
            let word = number(&self.memory, at + entry::LENGTH_AND_KIND)?;
            match word & KIND_MASK {
                KIND_COMMAND => self.command(at, &mut execute)?,
                KIND_PAD | KIND_MANAGEMENT => {}
                _ => self.memory.write(at + entry::FLAGS, &[FLAG_UNKNOWN_KIND])?,
            }
            let length = word & !KIND_MASK;
            if length == 0 || length > self.ring_bytes {
                return Err(io::Error::other(format!("an entry of {length} bytes in the kernel's ring")));
            }
            tail = (tail + length) % self.ring_bytes;
            self.memory.release(mailbox::TAIL, tail)?;
        }
        Ok(tail != begin)
    }

    fn command(&mut self, at: usize, execute: &mut impl FnMut(&Command, &[u8]) -> Reply) -> io::Result<()> {
        let mut cdb = [0; CDB_BYTES];
        self.memory.read(long(&self.memory, at + entry::CDB_AT)?, &mut cdb)?;
        let command = Command(cdb);
        // The answer overwrites the list of pieces.
        let pieces = self.pieces(at)?;

        let sends = command.direction() == Direction::ToDrive;
        let mut sent = Vec::new();
        if sends {
            for (place, length) in &pieces {
                let begin = sent.len();
                sent.resize(begin + length, 0);
                self.memory.read(*place, &mut sent[begin..])?;
            }
        }
        let reply = execute(&command, &sent);

        let mut rest = reply.data.as_slice();
        if !sends {
            for (place, length) in &pieces {
                let (now, later) = rest.split_at(rest.len().min(*length));
                self.memory.write(*place, now)?;
                rest = later;
            }
            if !pieces.is_empty() {
                let given = (reply.data.len() - rest.len()) as u32;
                self.memory.write(at + entry::READ_BYTES, &given.to_le_bytes())?;
                self.memory.write(at + entry::FLAGS, &[FLAG_READ_BYTES])?;
            }
        }
        if let Some(sense) = &reply.sense {
            self.memory.write(at + entry::SENSE, &sense.bytes())?;
        }
        let status = if reply.sense.is_some() { STATUS_CHECK_CONDITION } else { STATUS_GOOD };
        self.memory.write(at + entry::STATUS, &[status])
    }

    /// Places and lengths of the pieces that the command's data consist of.
    fn pieces(&self, at: usize) -> io::Result<Vec<(usize, usize)>> {
        let count = number(&self.memory, at + entry::PIECES)?;
        if count > MOST_PIECES {
            return Err(io::Error::other(format!("a command's data in {count} pieces")));
        }
        let piece = |i: u32| {
            let at = at + entry::FIRST_PIECE + i as usize * PIECE_BYTES;
            Ok((long(&self.memory, at)?, long(&self.memory, at + 8)?))
        };
        (0..count).map(piece).collect()
    }
}

fn number(memory: &Memory, at: usize) -> io::Result<u32> {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn long(memory: &Memory, at: usize) -> io::Result<usize> {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scsi::Sense;

    const RING_AT: u32 = 128;
    const RING_BYTES: u32 = 512;
    const DATA_AT: u64 = 1024;

    /// A ring of one command, in a file instead of a device.
    fn ring(cdb: [u8; CDB_BYTES], pieces: &[(u64, u64)], data: &[u8]) -> (Ring, File) {
        let mut image = vec![0; 4096];
        let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
        put(mailbox::VERSION, &VERSION.to_le_bytes());
        put(mailbox::RING_AT, &RING_AT.to_le_bytes());
        put(mailbox::RING_BYTES, &RING_BYTES.to_le_bytes());
        put(mailbox::HEAD, &192u32.to_le_bytes());
        let at = RING_AT as usize;
        put(at, &(192 | KIND_COMMAND).to_le_bytes());
        put(at + entry::PIECES, &(pieces.len() as u32).to_le_bytes());
        let cdb_at = at + entry::FIRST_PIECE + pieces.len() * PIECE_BYTES;
        put(at + entry::CDB_AT, &(cdb_at as u64).to_le_bytes());
        for (i, (place, length)) in pieces.iter().enumerate() {
            put(at + entry::FIRST_PIECE + i * PIECE_BYTES, &place.to_le_bytes());
            put(at + entry::FIRST_PIECE + i * PIECE_BYTES + 8, &length.to_le_bytes());
        }
        put(cdb_at, &cdb);
        put(DATA_AT as usize, data);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&image).unwrap();
        (Ring::new(file.try_clone().unwrap(), image.len()).unwrap(), file)
    }

    fn bytes(ring: &Ring, at: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        ring.memory.read(at, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn data_that_are_sent_are_put_together_from_their_pieces() {
        let write = [0x0a, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (mut ring, _file) = ring(write, &[(DATA_AT + 4, 3), (DATA_AT, 2)], b"loXXhel");
        let mut seen = Vec::new();
        let execute = |command: &Command, sent: &[u8]| {
            seen.push((command.operation(), sent.to_vec()));
            Reply::default()
        };
        assert!(ring.drain(execute).unwrap());
        assert_eq!(seen, [(0x0a, b"hello".to_vec())]);
        assert_eq!(bytes(&ring, RING_AT as usize + entry::STATUS, 1), [STATUS_GOOD]);
        assert_eq!(ring.memory.acquire(mailbox::TAIL).unwrap(), 192);
        assert!(!ring.drain(|_, _| unreachable!("nothing waits")).unwrap());
    }

    #[test]
    fn a_short_block_comes_with_its_length_and_its_sense() {
        let read = [0x08, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (mut ring, _file) = ring(read, &[(DATA_AT, 3), (DATA_AT + 8, 5)], b"........--------");
        let sense = Sense::new(0, 0, 0);
        ring.drain(|_, _| Reply { data: b"hello".to_vec(), sense: Some(sense) }).unwrap();
        assert_eq!(bytes(&ring, DATA_AT as usize, 16), b"hel.....lo------");
        let at = RING_AT as usize;
        assert_eq!(bytes(&ring, at + entry::STATUS, 1), [STATUS_CHECK_CONDITION]);
        assert_eq!(bytes(&ring, at + entry::READ_BYTES, 4), [5, 0, 0, 0]);
        assert_eq!(bytes(&ring, at + entry::FLAGS, 1), [FLAG_READ_BYTES]);
        assert_eq!(bytes(&ring, at + entry::SENSE, sense.bytes().len()), sense.bytes());
    }

    #[test]
    fn a_piece_outside_of_the_memory_is_refused() {
        let read = [0x08, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (mut ring, _file) = ring(read, &[(u64::MAX, 8)], b"");
        assert!(ring.drain(|_, _| Reply { data: vec![1; 8], sense: None }).is_err());
    }
}
