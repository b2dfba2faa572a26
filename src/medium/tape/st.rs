//! A real drive: `/dev/nst0`, through Linux's `st` driver.
//!
//! The driver has a state of its own between calls, and its errors say little: a bad spot, a drive that was reset, and
//! a cartridge that was swapped all return `EIO`. The consequences:
//!
//! - The device is opened with `O_NONBLOCK`: without it, opening an empty drive blocks for two minutes.
//! - Only the device that does not rewind when it is closed is used.
//! - A block longer than the adapter can transfer in one piece returns `EBUSY`, although no other program uses the
//!   drive.
//! - At early warning `ENOSPC` is returned whether the block is on the tape or not, so the position is read.
//! - When the driver moves the head after writing, it first writes a filemark. To avoid that, the data are flushed
//!   without one before.
//! - That the drive had no power for a moment, or has another cartridge, is reported once, and to whichever program
//!   asks first. The tape is rewound then, and old kernels write there. **Invariant:** nothing is written before the
//!   drive has reported its position.
//! - **Invariant:** after any failed write, the driver is made to forget that it was writing, before anything else
//!   happens. On closing, it would otherwise write a filemark at the head's position, which is the beginning of a
//!   cartridge that was swapped in.

use super::drive::{Drive, DriveError, ReadOutcome, WriteOutcome};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Setter, ioctl, opcode};
use std::ffi::{c_int, c_long, c_short};
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, DriveError>;

/// `linux/mtio.h`: a command, and its count.
#[repr(C)]
struct Operation {
    operation: c_short,
    count: c_int,
}

/// `linux/mtio.h`: the driver's status of drive and tape.
#[repr(C)]
struct Status {
    kind: c_long,
    left: c_long,
    format: c_long,
    flags: c_long,
    errors: c_long,
    file: c_int,
    block: c_int,
}

/// `linux/mtio.h`: the head's position.
#[repr(C)]
struct Position {
    block: c_long,
}

const BACK_OVER_FILEMARKS: c_short = 2;
const WRITE_FILEMARKS: c_short = 5;
const UNLOAD: c_short = 7;
const TO_THE_END: c_short = 12;
const SET_BLOCK: c_short = 20;
const SEEK: c_short = 22;
const SET_OPTIONS: c_short = 24;
const LOCK: c_short = 28;
const UNLOCK: c_short = 29;
const LOAD: c_short = 30;
const SET_COMPRESSION: c_short = 32;

const SWITCH_ON: c_int = 0x3000_0000;
/// Addresses count blocks and filemarks, as the format does, and are not the drive's own.
const LOGICAL_ADDRESSES: c_int = 0x800;

const IS_WRITE_PROTECTED: c_long = 0x0400_0000;
const IS_ONLINE: c_long = 0x0100_0000;
const IS_EMPTY: c_long = 0x0004_0000;
const IS_AT_BEGINNING: c_long = 0x4000_0000;
const IS_AT_END: c_long = 0x0800_0000;

/// The major number of tape devices, and the bit of the minor number that means "does not rewind".
const TAPE_MAJOR: u32 = 9;
const NO_REWIND: u32 = 128;

/// A drive with a cartridge in it. The cartridge is locked in until this is dropped.
#[derive(Debug)]
pub struct StDrive {
    device: OwnedFd,
    path: PathBuf,
    /// The cartridge or this process's rights do not allow writing.
    read_only: bool,
    /// The head's position; `None`: unknown, to be read from the drive.
    at: Option<u64>,
    /// The driver remembers that its last operation was a write.
    writing: bool,
}

/// Whether a path is a tape drive's device.
pub fn is_drive(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|s| {
        FileType::from_raw_mode(s.st_mode) == FileType::CharacterDevice && rustix::fs::major(s.st_rdev) == TAPE_MAJOR
    })
}

/// The serial number of a drive, which the kernel has read from it.
pub fn serial(path: &Path) -> Option<String> {
    let number = rustix::fs::stat(path).ok()?.st_rdev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    // A page of INQUIRY: text after four bytes of header.
    let page = std::fs::read(format!("/sys/dev/char/{major}:{minor}/device/vpd_pg80")).ok()?;
    let serial = std::str::from_utf8(page.get(4..)?).ok()?.trim_matches([' ', '\0']);
    (!serial.is_empty()).then(|| serial.to_owned())
}

/// Rewinds and ejects the cartridge in a drive.
pub fn eject(path: &Path) -> Result<()> {
    StDrive::open(path)?.operate(UNLOAD, 0)
}

/// Loads the cartridge again that [`eject`] has ejected, if nobody has taken it.
pub fn reload(path: &Path) -> Result<()> {
    let device = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(error)?;
    StDrive { device, path: path.to_owned(), read_only: true, writing: false, at: None }.operate(LOAD, 1)
}

impl StDrive {
    /// Opens the drive at `path`, for which [`is_drive`] is true. Fails if it has no cartridge.
    pub fn open(path: &Path) -> Result<Self> {
        let stat = rustix::fs::stat(path).map_err(error)?;
        if rustix::fs::minor(stat.st_rdev) & NO_REWIND == 0 {
            return Err(DriveError::Rewinds);
        }
        let open = |access| rustix::fs::open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let (device, read_only) = match open(OFlags::RDWR) {
            Ok(device) => (device, false),
            Err(Errno::ROFS | Errno::ACCESS | Errno::PERM) => (open(OFlags::RDONLY).map_err(error)?, true),
            Err(Errno::BUSY) => return Err(DriveError::Busy),
            Err(e) => return Err(error(e)),
        };
        let mut drive = Self { device, path: path.to_owned(), read_only, at: None, writing: false };
        let flags = drive.flags()?;
        if flags & IS_EMPTY != 0 {
            return Err(DriveError::Empty);
        }
        if flags & IS_ONLINE == 0 {
            return Err(DriveError::Loading);
        }
        drive.operate(LOCK, 0)?;
        drive.operate(SET_BLOCK, 0)?;
        // Encrypted data cannot be compressed further. A drive that refuses this setting costs nothing.
        let _ = drive.operate(SET_COMPRESSION, 0);
        // Only root may set this. Present drives have no other addresses.
        let _ = drive.operate(SET_OPTIONS, SWITCH_ON | LOGICAL_ADDRESSES);
        Ok(drive)
    }

    fn operate(&mut self, operation: c_short, count: c_int) -> Result<()> {
        const REQUEST: rustix::ioctl::Opcode = opcode::write::<Operation>(b'm', 1);
        // SAFETY: MTIOCTOP reads one `struct mtop`, which `Operation` is.
        #[expect(unsafe_code, reason = "the driver has no other interface")]
        let done = unsafe { ioctl(&self.device, Setter::<REQUEST, Operation>::new(Operation { operation, count })) };
        done.map_err(error)
    }

    fn flags(&mut self) -> Result<c_long> {
        const REQUEST: rustix::ioctl::Opcode = opcode::read::<Status>(b'm', 2);
        // SAFETY: MTIOCGET writes one `struct mtget`, which `Status` is.
        #[expect(unsafe_code, reason = "the driver has no other interface")]
        let status = unsafe { ioctl(&self.device, Getter::<REQUEST, Status>::new()) };
        status.map(|s| s.flags).map_err(error)
    }

    /// Makes the driver forget that it was writing, as the module's second invariant demands. Any operation does that;
    /// this one does not move the tape.
    fn forget_writing(&mut self) {
        self.at = None;
        self.writing = false;
        let _ = self.operate(LOCK, 0);
    }

    /// Fails unless the head is where it was left. Called before anything is written there.
    fn check_position(&mut self) -> Result<u64> {
        let at = self.at()?;
        if self.position()? == at { Ok(at) } else { Err(DriveError::Failed(std::io::Error::other("the tape was moved"))) }
    }

    /// Writes a block, or reports that there is no room for it.
    fn try_write(&mut self, block: &[u8]) -> Result<WriteOutcome> {
        let before = self.check_position()?;
        self.writing = true;
        let mut outcome = WriteOutcome::Written;
        // At early warning the driver refuses one write, with or without the block on the tape, and accepts the next
        // one. At the end of the tape it refuses them all.
        for _ in 0..2 {
            match rustix::io::write(&self.device, block) {
                Ok(n) if n == block.len() => {}
                Err(Errno::NOSPC) => {
                    outcome = WriteOutcome::EarlyWarning;
                    match self.position()?.checked_sub(before) {
                        Some(0) => continue,
                        Some(1) => {}
                        _ => return Err(error(Errno::IO)),
                    }
                }
                // In variable-block mode a block is written whole or not at all.
                Ok(_) => return Err(error(Errno::IO)),
                Err(e) => return Err(error(e)),
            }
            self.at = Some(before + 1);
            return Ok(outcome);
        }
        Err(DriveError::Full)
    }

    fn try_flush(&mut self, filemarks: u32) -> Result<()> {
        let end = self.check_position()? + u64::from(filemarks);
        // Even without filemarks, the drive writes its buffer to the tape.
        let count = c_int::try_from(filemarks).map_err(|_| error(Errno::OVERFLOW))?;
        self.operate(WRITE_FILEMARKS, count)?;
        // If the drive lost power meanwhile, the content of its buffer is lost and the position is another.
        self.at = Some(end);
        self.check_position()?;
        self.writing = false;
        Ok(())
    }

    /// To be called before the head is moved.
    fn leave(&mut self) -> Result<()> {
        let flushed = if self.writing { self.flush(0) } else { Ok(()) };
        self.at = None;
        flushed
    }

    /// The head's position.
    fn at(&mut self) -> Result<u64> {
        match self.at {
            Some(at) => Ok(at),
            None => self.position().inspect(|at| self.at = Some(*at)),
        }
    }
}

impl Drop for StDrive {
    fn drop(&mut self) {
        let _ = self.operate(UNLOCK, 0);
    }
}

impl Drive for StDrive {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn position(&mut self) -> Result<u64> {
        const REQUEST: rustix::ioctl::Opcode = opcode::read::<Position>(b'm', 3);
        // SAFETY: MTIOCPOS writes one `struct mtpos`, which `Position` is.
        #[expect(unsafe_code, reason = "the driver has no other interface")]
        let position = unsafe { ioctl(&self.device, Getter::<REQUEST, Position>::new()) };
        let block = position.map_err(error)?.block;
        u64::try_from(block).map_err(|_| error(Errno::IO))
    }

    fn locate(&mut self, address: u64) -> Result<()> {
        self.leave()?;
        // The driver's counts are 32 bits wide: with the shortest blocks that is 8 TiB, with ours a petabyte.
        let count = c_int::try_from(address).map_err(|_| error(Errno::OVERFLOW))?;
        self.operate(SEEK, count)?;
        self.at = Some(address);
        Ok(())
    }

    fn end(&mut self) -> Result<u64> {
        self.leave()?;
        self.operate(TO_THE_END, 0)?;
        self.at()
    }

    fn back_over_filemark(&mut self) -> Result<Option<u64>> {
        self.leave()?;
        match self.operate(BACK_OVER_FILEMARKS, 1) {
            Ok(()) => self.position().map(Some),
            // The head has reached the beginning.
            Err(DriveError::Failed(_)) if self.flags()? & IS_AT_BEGINNING != 0 => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<ReadOutcome> {
        let before = self.at()?;
        match rustix::io::read(&self.device, &mut *into) {
            Ok(0) => {
                // A filemark, or the end of data: the head moves only over a filemark.
                self.at = None;
                Ok(if self.at()? == before { ReadOutcome::EndOfData } else { ReadOutcome::Filemark })
            }
            Ok(n) => {
                self.at = Some(before + 1);
                Ok(ReadOutcome::Block(n))
            }
            Err(Errno::NOMEM) => {
                self.at = None;
                Err(DriveError::TooLong { limit: into.len() })
            }
            Err(e) => {
                self.at = None;
                match self.flags() {
                    Ok(flags) if e == Errno::IO && flags & IS_AT_END != 0 => Ok(ReadOutcome::EndOfData),
                    _ => Err(error(e)),
                }
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<WriteOutcome> {
        if self.read_only {
            return Err(DriveError::WriteProtected);
        }
        self.try_write(block).inspect_err(|e| {
            if !matches!(e, DriveError::Full) {
                self.forget_writing();
            }
        })
    }

    fn flush(&mut self, filemarks: u32) -> Result<()> {
        self.try_flush(filemarks).inspect_err(|_| self.forget_writing())
    }

    fn is_write_protected(&mut self) -> Result<bool> {
        Ok(self.read_only || self.flags()? & IS_WRITE_PROTECTED != 0)
    }
}

fn error(e: Errno) -> DriveError {
    match e {
        Errno::NOMEDIUM => DriveError::Empty,
        Errno::ROFS => DriveError::WriteProtected,
        Errno::NOSPC => DriveError::Full,
        Errno::NXIO | Errno::NODEV | Errno::NOENT => DriveError::Gone(e.into()),
        e => DriveError::Failed(e.into()),
    }
}
