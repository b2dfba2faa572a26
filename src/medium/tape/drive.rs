//! The operations of a tape drive, real or simulated.
//!
//! Blocks and filemarks are counted alike from the beginning of the tape: the address of one is the number of those
//! before it. A write cuts off everything behind it, so only [`super::Tape`] writes, and only at the end.

use crate::medium::error::{DeviceProblem, MediumError};
use std::io;

/// A drive with a cartridge in it, in variable-block mode.
pub trait Drive: Send {
    /// The drive's name for people: `/dev/nst0`.
    fn name(&self) -> String;

    /// Address of the next read or write, as the drive itself reports it.
    fn position(&mut self) -> Result<u64, DriveError>;

    /// Moves to an address.
    fn locate(&mut self, address: u64) -> Result<(), DriveError>;

    /// Moves to the end of data, and returns its address.
    fn end(&mut self) -> Result<u64, DriveError>;

    /// Moves back over one filemark, and returns its address. `None` if no filemark is before the head: the head is at
    /// the beginning then.
    fn back_over_filemark(&mut self) -> Result<Option<u64>, DriveError>;

    /// Reads the next block, which must fit into the buffer, or moves over a filemark.
    fn read(&mut self, into: &mut [u8]) -> Result<ReadOutcome, DriveError>;

    /// Writes one block. After an error it may be on the tape or not; [`Drive::position`] says which.
    fn write(&mut self, block: &[u8]) -> Result<WriteOutcome, DriveError>;

    /// Makes durable what was written, and writes so many filemarks behind it.
    fn flush(&mut self, filemarks: u32) -> Result<(), DriveError>;

    /// Whether the cartridge, or this process's rights, forbid writing.
    fn is_write_protected(&mut self) -> Result<bool, DriveError>;
}

/// What [`Drive::read`] has found at the present address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A block of so many bytes.
    Block(usize),
    /// A filemark; the head is behind it now.
    Filemark,
    /// The end of data: nothing is written here or behind.
    EndOfData,
}

/// How [`Drive::write`] has written a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// There is room for more.
    Written,
    /// Written, with early warning: only what closes the cartridge still fits.
    EarlyWarning,
}

/// Why a drive did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// No cartridge is in the drive.
    #[error("no cartridge is loaded")]
    Empty,
    /// The drive loads the cartridge. Calibrating a new one may take up to two hours.
    #[error("the drive is not ready yet")]
    Loading,
    /// By its switch, or because this process has no right to write.
    #[error("the cartridge is write-protected")]
    WriteProtected,
    /// This device would rewind the tape when it is closed.
    #[error("the device rewinds when it is closed")]
    Rewinds,
    /// Another program has opened it.
    #[error("another program uses the drive")]
    Busy,
    /// The end of the tape: the block was not written.
    #[error("the cartridge is full")]
    Full,
    /// This address cannot be read or written, or the cartridge was swapped: the driver distinguishes these only in the
    /// kernel's log.
    #[error("the drive failed")]
    Failed(#[source] io::Error),
    /// The drive itself is not attached any more.
    #[error("the drive is gone")]
    Gone(#[source] io::Error),
    /// A block is longer than any of ours.
    #[error("a block is longer than {limit} bytes")]
    TooLong {
        /// Bytes of the buffer.
        limit: usize,
    },
}

impl DriveError {
    /// The error of the medium in the drive of this name. `what`: the work that failed.
    pub fn into_medium_error(self, medium: String, what: &'static str) -> MediumError {
        match self {
            Self::Empty => MediumError::NoCartridge { medium },
            Self::Busy => MediumError::Busy { path: medium.into(), pid: None },
            Self::WriteProtected => MediumError::ReadOnly { medium },
            Self::Full => MediumError::Full { medium, needed: 0, free: None, torn: false },
            Self::Gone(source) => MediumError::Gone { medium, what, source: Some(source) },
            Self::Failed(source) => MediumError::Io { medium, what, source },
            Self::Rewinds => MediumError::Device { medium, why: DeviceProblem::Rewinds },
            Self::Loading => MediumError::Device { medium, why: DeviceProblem::Loading },
            e @ Self::TooLong { .. } => MediumError::Io { medium, what, source: std::io::Error::other(e) },
        }
    }
}
