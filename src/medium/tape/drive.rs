//! What a tape drive can do, whatever stands behind it.
//!
//! Blocks and filemarks are counted alike from the beginning of the tape: the address of one is the number of those before it. A write
//! anywhere cuts off everything behind it, so only [`super::Tape`] writes, and only at the end.

use std::io;

/// A drive with a cartridge in it, in variable-block mode.
pub trait Drive: Send {
    /// For people: `/dev/nst0`.
    fn name(&self) -> String;

    /// Where the next read or write happens. Asked of the drive itself.
    fn position(&mut self) -> Result<u64, DriveError>;

    fn locate(&mut self, address: u64) -> Result<(), DriveError>;

    /// To the end of what is written; answers with its address.
    fn end(&mut self) -> Result<u64, DriveError>;

    /// Goes back over one filemark, and answers with its address; `None`, and at the beginning, where there is none before the head.
    fn back_over_filemark(&mut self) -> Result<Option<u64>, DriveError>;

    /// Reads the next block, which must fit into the buffer, or passes over a filemark.
    fn read(&mut self, into: &mut [u8]) -> Result<TapePosition, DriveError>;

    /// Writes one block. After an error it may be on the tape or not: only [`Drive::position`] knows.
    fn write(&mut self, block: &[u8]) -> Result<Room, DriveError>;

    /// Makes durable what was written, and puts so many filemarks behind it.
    fn flush(&mut self, filemarks: u32) -> Result<(), DriveError>;

    fn is_write_protected(&mut self) -> Result<bool, DriveError>;
}

/// What [`Drive::read`] met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapePosition {
    /// A block of so many bytes.
    Block(usize),
    Filemark,
    /// Nothing is written here or behind.
    End,
}

/// What is left behind a block that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// The drive gives early warning: room for what closes a cartridge, and no more.
    Little,
}

/// What stopped a drive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    #[error("no cartridge is loaded")]
    Empty,
    /// The drive takes the cartridge in; a new one may be made ready for up to two hours.
    #[error("the drive is not ready yet")]
    Loading,
    #[error("the cartridge is write-protected")]
    WriteProtected,
    /// This device would rewind the tape when it is closed.
    #[error("the device rewinds when it is closed")]
    Rewinds,
    #[error("another program uses the drive")]
    Busy,
    /// The end of the tape: the block was not written.
    #[error("the cartridge is full")]
    Full,
    /// This place cannot be read or written, or the cartridge is no longer the one that it was: the driver tells them apart only in the
    /// kernel's log.
    #[error("the drive failed")]
    Failed(#[source] io::Error),
    /// The drive itself is not there any more.
    #[error("the drive is gone")]
    Gone(#[source] io::Error),
    /// A block is longer than any of ours.
    #[error("a block is longer than {limit} bytes")]
    TooLong { limit: usize },
}
