//! What units answer to commands, without regard to how commands come.
//!
//! The words are those of the standards SPC (all devices), SSC (tapes) and SMC (changers).

pub mod changer;
pub mod drive;
mod identity;
pub mod mishaps;
mod pages;
mod tape;

/// A command descriptor block; what is behind its end is not looked at.
#[derive(Clone, Copy)]
pub struct Command(pub [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToDrive,
    /// Or no data at all.
    FromDrive,
}

/// The operations that units here know.
pub mod operation {
    pub const TEST_UNIT_READY: u8 = 0x00;
    pub const REWIND: u8 = 0x01;
    pub const REQUEST_SENSE: u8 = 0x03;
    pub const READ_BLOCK_LIMITS: u8 = 0x05;
    pub const INITIALIZE_ELEMENT_STATUS: u8 = 0x07;
    pub const READ_6: u8 = 0x08;
    pub const WRITE_6: u8 = 0x0a;
    pub const WRITE_FILEMARKS_6: u8 = 0x10;
    pub const SPACE_6: u8 = 0x11;
    pub const INQUIRY: u8 = 0x12;
    pub const MODE_SELECT_6: u8 = 0x15;
    pub const ERASE_6: u8 = 0x19;
    pub const MODE_SENSE_6: u8 = 0x1a;
    pub const LOAD_UNLOAD: u8 = 0x1b;
    pub const PREVENT_ALLOW_MEDIUM_REMOVAL: u8 = 0x1e;
    pub const LOCATE_10: u8 = 0x2b;
    pub const READ_POSITION: u8 = 0x34;
    pub const INITIALIZE_ELEMENT_STATUS_WITH_RANGE: u8 = 0x37;
    pub const REPORT_DENSITY_SUPPORT: u8 = 0x44;
    pub const LOG_SENSE: u8 = 0x4d;
    pub const MODE_SELECT_10: u8 = 0x55;
    pub const MODE_SENSE_10: u8 = 0x5a;
    pub const READ_ATTRIBUTE: u8 = 0x8c;
    pub const LOCATE_16: u8 = 0x92;
    pub const MOVE_MEDIUM: u8 = 0xa5;
    pub const READ_ELEMENT_STATUS: u8 = 0xb8;
}

impl Command {
    pub fn operation(&self) -> u8 {
        self.0[0]
    }

    /// Whether data go to the drive with this command. The kernel's ring does not tell.
    pub fn direction(&self) -> Direction {
        match self.operation() {
            operation::WRITE_6 | operation::MODE_SELECT_6 | operation::MODE_SELECT_10 => Direction::ToDrive,
            _ => Direction::FromDrive,
        }
    }

    pub fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub fn bit(&self, at: usize, bit: u8) -> bool {
        self.0[at] & 1 << bit != 0
    }

    /// `length` bytes, at most 8, the highest first.
    pub fn number(&self, at: usize, length: usize) -> u64 {
        self.0[at..at + length].iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
    }

    /// What is given back, cut off at the allocation length that stands at the given place.
    fn limited(&self, mut bytes: Vec<u8>, at: usize, length: usize) -> Vec<u8> {
        bytes.truncate(self.number(at, length) as usize);
        bytes
    }
}

/// A text in a field: left-aligned, filled up with spaces or cut off.
fn text(text: &str, width: usize) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(width, b' ');
    bytes
}

/// Why a command did not simply do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sense {
    pub key: u8,
    /// The additional sense code and its qualifier.
    pub code: (u8, u8),
    /// A filemark was met.
    pub filemark: bool,
    /// The end of the medium is near, or was met.
    pub end_of_medium: bool,
    /// The block has another length than was asked for.
    pub incorrect_length: bool,
    /// Usually what was asked for and not done; negative when a block is longer than asked for.
    pub information: Option<i32>,
}

impl Sense {
    pub const NONE: Self = Self::new(0x0, 0x00, 0x00);
    pub const CLEANING_CARTRIDGE: Self = Self::new(0x2, 0x30, 0x03);
    pub const NO_MEDIUM: Self = Self::new(0x2, 0x3a, 0x00);
    pub const MEDIUM_ERROR_READING: Self = Self::new(0x3, 0x11, 0x00);
    pub const MEDIUM_ERROR_WRITING: Self = Self::new(0x3, 0x0c, 0x00);
    pub const PARAMETERS_TOO_SHORT: Self = Self::new(0x5, 0x1a, 0x00);
    pub const UNKNOWN_OPERATION: Self = Self::new(0x5, 0x20, 0x00);
    pub const NO_SUCH_ELEMENT: Self = Self::new(0x5, 0x21, 0x01);
    pub const INVALID_FIELD_IN_COMMAND: Self = Self::new(0x5, 0x24, 0x00);
    pub const INVALID_FIELD_IN_PARAMETERS: Self = Self::new(0x5, 0x26, 0x00);
    pub const DESTINATION_FULL: Self = Self::new(0x5, 0x3b, 0x0d);
    pub const SOURCE_EMPTY: Self = Self::new(0x5, 0x3b, 0x0e);
    pub const REMOVAL_PREVENTED: Self = Self::new(0x5, 0x53, 0x02);
    pub const MEDIUM_MAY_HAVE_CHANGED: Self = Self::new(0x6, 0x28, 0x00);
    pub const IMPORT_EXPORT_ACCESSED: Self = Self::new(0x6, 0x28, 0x01);
    pub const RESET: Self = Self::new(0x6, 0x29, 0x00);
    pub const WRITE_PROTECTED: Self = Self::new(0x7, 0x27, 0x00);
    pub const WORM_OVERWRITE: Self = Self::new(0x7, 0x30, 0x0c);
    const FILEMARK: Self = Self { filemark: true, ..Self::new(0x0, 0x00, 0x01) };
    const NEARLY_FULL: Self = Self { end_of_medium: true, ..Self::new(0x0, 0x00, 0x02) };
    const FULL: Self = Self { end_of_medium: true, ..Self::new(0xd, 0x00, 0x02) };
    const BEGINNING: Self = Self { end_of_medium: true, ..Self::new(0x0, 0x00, 0x04) };
    const END_OF_DATA: Self = Self::new(0x8, 0x00, 0x05);
    const OTHER_LENGTH: Self = Self { incorrect_length: true, ..Self::NONE };

    pub const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        let code = (code, qualifier);
        Self { key, code, filemark: false, end_of_medium: false, incorrect_length: false, information: None }
    }

    const fn with(self, information: i32) -> Self {
        Self { information: Some(information), ..self }
    }

    /// Fixed format.
    pub fn bytes(&self) -> [u8; 18] {
        let mut bytes = [0; 18];
        bytes[0] = 0x70 | u8::from(self.information.is_some()) << 7;
        bytes[2] =
            u8::from(self.filemark) << 7 | u8::from(self.end_of_medium) << 6 | u8::from(self.incorrect_length) << 5 | self.key;
        bytes[3..7].copy_from_slice(&self.information.unwrap_or(0).to_be_bytes());
        // How many bytes follow.
        bytes[7] = 10;
        (bytes[12], bytes[13]) = self.code;
        bytes
    }
}

/// The answer to a command. Sense may come with data: a short block, blocks before a filemark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    pub data: Vec<u8>,
    pub sense: Option<Sense>,
}

impl From<Result<Vec<u8>, Sense>> for Reply {
    fn from(outcome: Result<Vec<u8>, Sense>) -> Self {
        match outcome {
            Ok(data) => Self { data, sense: None },
            Err(sense) => Self { data: Vec::new(), sense: Some(sense) },
        }
    }
}

/// A command that begins with these bytes.
#[cfg(test)]
pub fn command(begin: &[u8]) -> Command {
    let mut bytes = [0; 16];
    bytes[..begin.len()].copy_from_slice(begin);
    Command(bytes)
}
