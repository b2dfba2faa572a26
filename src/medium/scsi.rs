//! SCSI commands to a device, real or simulated, and its reasons for not executing them.

use std::fmt;
use std::io;
use std::time::Duration;

/// A device that takes SCSI commands.
pub trait Scsi: fmt::Debug + Send {
    /// Executes a command. Writes the answer to `into`, and returns how many bytes it has.
    fn execute(&mut self, command: &[u8], into: &mut [u8], patience: Duration) -> Result<usize, ScsiError>;

    /// Waits for a second; `false` if the user wants to stop waiting.
    fn pause(&mut self) -> bool;
}

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScsiError {
    /// The device reports the reason.
    #[error("sense {0}")]
    Sense(Sense),
    /// The device executes another command, or is reserved by another host.
    #[error("the device is busy")]
    Busy,
    /// No answer came in time, or the connection is broken.
    #[error("the device does not answer")]
    Silent,
    /// The operating system did not send the command.
    #[error("the system refuses the command")]
    System(#[source] io::Error),
}

/// A device's reason, in the numbers of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    /// The sense key.
    pub key: u8,
    /// The additional sense code and its qualifier.
    pub code: (u8, u8),
}

impl Sense {
    const RECOVERED: u8 = 1;
    const NOT_READY: u8 = 2;
    const ILLEGAL_REQUEST: u8 = 5;
    const UNIT_ATTENTION: u8 = 6;

    /// Reads sense data in the fixed or the descriptor format; `None` if they are in neither.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        let (key, code) = match bytes.first()? & 0x7f {
            0x70 | 0x71 => (at(2), (at(12), at(13))),
            0x72 | 0x73 => (at(1), (at(2), at(3))),
            _ => return None,
        };
        Some(Self { key: key & 0xf, code })
    }

    /// The command was executed all the same.
    pub fn is_recovered(self) -> bool {
        matches!(self.key, 0 | Self::RECOVERED)
    }

    /// A unit attention: something happened since the last command. Reported once; this command was not executed.
    pub fn is_attention(self) -> bool {
        self.key == Self::UNIT_ATTENTION
    }

    /// The device will be ready soon: a library scans its slots after it was switched on or opened.
    pub fn is_becoming_ready(self) -> bool {
        self.key == Self::NOT_READY && matches!(self.code, (4, 0 | 1 | 7))
    }

    /// The device does not support the command, or an option of it.
    pub fn is_refusal(self) -> bool {
        self.key == Self::ILLEGAL_REQUEST && matches!(self.code.0, 0x20 | 0x24)
    }
}

impl fmt::Display for Sense {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:x}/{:02x}/{:02x}", self.key, self.code.0, self.code.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sense_in_both_formats() {
        let mut fixed = [0; 18];
        (fixed[0], fixed[2], fixed[12], fixed[13]) = (0xf0, 0x24, 0x15, 0x01);
        let expected = Sense { key: 4, code: (0x15, 1) };
        assert_eq!(Sense::decode(&fixed), Some(expected));
        assert_eq!(Sense::decode(&[0x72, 4, 0x15, 1, 0, 0, 0, 0]), Some(expected));
        assert_eq!(expected.to_string(), "4/15/01");
    }

    #[test]
    fn sense_that_is_cut_off_or_none() {
        assert_eq!(Sense::decode(&[0x70, 0, 6]), Some(Sense { key: 6, code: (0, 0) }));
        assert_eq!(Sense::decode(&[0x7f, 1, 2, 3]), None);
        assert_eq!(Sense::decode(&[]), None);
    }
}
