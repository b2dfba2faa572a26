//! A real drive: `/dev/nst0`, through Linux's `st` driver.
//!
//! The driver keeps a state of its own between calls, and its errors say little: a bad spot, a drive that was reset, and a cartridge that
//! was swapped all answer `EIO`. What follows from that:
//!
//! - The device is opened with `O_NONBLOCK`: without it, an empty drive holds the caller for two minutes.
//! - Only the device that does not rewind when it is closed is taken.
//! - A block longer than the adapter can move in one piece answers `EBUSY`, although nobody else is there.
//! - `ENOSPC` at early warning comes with or without the block on the tape, so the position is asked for.
//! - Sent elsewhere while it is writing, the driver first puts a filemark behind what was written. So that is flushed without one before.
//! - That the drive had no power for a moment, or has another cartridge, is announced once, and to whichever program asks first. The tape
//!   is at its beginning then, and old kernels write there. **Invariant:** nothing is written before the drive was asked where it is.
//! - **Invariant:** after any failed write, the driver is made to forget that it was writing before anything else happens. When it
//!   is closed, it would otherwise write a filemark at the head's place, and on a cartridge that was swapped in that is the beginning.

use super::drive::{Drive, DriveError, Room, TapePosition};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Setter, ioctl, opcode};
use std::ffi::{c_int, c_long, c_short};
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, DriveError>;

/// `linux/mtio.h`: a command, and how often.
#[repr(C)]
struct Operation {
    operation: c_short,
    count: c_int,
}

/// `linux/mtio.h`: what the driver knows of drive and tape.
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

/// `linux/mtio.h`: where the head is.
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
/// Addresses are counted as the format counts them, not as a drive may do for itself.
const LOGICAL_ADDRESSES: c_int = 0x800;

const IS_WRITE_PROTECTED: c_long = 0x0400_0000;
const IS_ONLINE: c_long = 0x0100_0000;
const IS_EMPTY: c_long = 0x0004_0000;
const IS_AT_BEGINNING: c_long = 0x4000_0000;
const IS_AT_END: c_long = 0x0800_0000;

/// The device number of tapes, and the bit of the minor number that says "does not rewind".
const TAPE_MAJOR: u32 = 9;
const NO_REWIND: u32 = 128;

/// A drive with a cartridge in it. The cartridge is locked in as long as this lives.
#[derive(Debug)]
pub struct StDrive {
    device: OwnedFd,
    path: PathBuf,
    /// The cartridge, or the user's rights, allow no more.
    read_only: bool,
    /// Where the head is; `None`: to be asked for.
    at: Option<u64>,
    /// The driver knows that it was writing.
    writing: bool,
}

/// Whether a path leads to a tape drive.
pub fn is_drive(path: &Path) -> bool {
    rustix::fs::stat(path).is_ok_and(|s| {
        FileType::from_raw_mode(s.st_mode) == FileType::CharacterDevice && rustix::fs::major(s.st_rdev) == TAPE_MAJOR
    })
}

/// The serial number of a drive, as the kernel has read it from the drive.
pub fn serial(path: &Path) -> Option<String> {
    let number = rustix::fs::stat(path).ok()?.st_rdev;
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    // A page of INQUIRY: behind four bytes of header there is text alone.
    let page = std::fs::read(format!("/sys/dev/char/{major}:{minor}/device/vpd_pg80")).ok()?;
    let serial = std::str::from_utf8(page.get(4..)?).ok()?.trim_matches([' ', '\0']);
    (!serial.is_empty()).then(|| serial.to_owned())
}

/// Rewinds the cartridge in a drive and gives it out.
pub fn eject(path: &Path) -> Result<()> {
    StDrive::open(path)?.operate(UNLOAD, 0)
}

/// Takes the cartridge in again that [`eject`] gave out and nobody took.
pub fn take_in(path: &Path) -> Result<()> {
    let device = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(error)?;
    StDrive { device, path: path.to_owned(), read_only: true, writing: false, at: None }.operate(LOAD, 1)
}

impl StDrive {
    /// Opens the drive at `path`, which [`is_drive`].
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
        // Encrypted bytes do not get shorter. A drive that cannot be told does no harm.
        let _ = drive.operate(SET_COMPRESSION, 0);
        // Only root may; drives of today count no other way.
        let _ = drive.operate(SET_OPTIONS, SWITCH_ON | LOGICAL_ADDRESSES);
        Ok(drive)
    }

    fn operate(&mut self, operation: c_short, count: c_int) -> Result<()> {
        const REQUEST: rustix::ioctl::Opcode = opcode::write::<Operation>(b'm', 1);
        // SAFETY: MTIOCTOP reads one `struct mtop`, which `Operation` is.
        #[expect(unsafe_code, reason = "a driver has no other door")]
        let done = unsafe { ioctl(&self.device, Setter::<REQUEST, Operation>::new(Operation { operation, count })) };
        done.map_err(error)
    }

    fn flags(&mut self) -> Result<c_long> {
        const REQUEST: rustix::ioctl::Opcode = opcode::read::<Status>(b'm', 2);
        // SAFETY: MTIOCGET writes one `struct mtget`, which `Status` is.
        #[expect(unsafe_code, reason = "a driver has no other door")]
        let status = unsafe { ioctl(&self.device, Getter::<REQUEST, Status>::new()) };
        status.map(|s| s.flags).map_err(error)
    }

    /// Makes the driver forget that it was writing: see above. Any operation does that; this one moves nothing.
    fn forget_writing(&mut self) {
        self.at = None;
        self.writing = false;
        let _ = self.operate(LOCK, 0);
    }

    /// Makes sure that the head is where it was left, before something is written there.
    fn check_place(&mut self) -> Result<u64> {
        let at = self.at()?;
        if self.position()? == at { Ok(at) } else { Err(DriveError::Failed(std::io::Error::other("the tape was moved"))) }
    }

    /// Writes a block, or finds that there is no room for it.
    fn try_write(&mut self, block: &[u8]) -> Result<Room> {
        let before = self.check_place()?;
        self.writing = true;
        let mut room = Room::Enough;
        // At early warning the driver refuses once, with or without the block on the tape, and then goes on. At the end it goes on refusing.
        for _ in 0..2 {
            match rustix::io::write(&self.device, block) {
                Ok(n) if n == block.len() => {}
                Err(Errno::NOSPC) => {
                    room = Room::Little;
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
            return Ok(room);
        }
        Err(DriveError::Full)
    }

    fn try_flush(&mut self, filemarks: u32) -> Result<()> {
        let end = self.check_place()? + u64::from(filemarks);
        // With no filemarks at all, the drive still empties its buffer on the tape.
        let count = c_int::try_from(filemarks).map_err(|_| error(Errno::OVERFLOW))?;
        self.operate(WRITE_FILEMARKS, count)?;
        // What was in its buffer is lost if the power was gone in between.
        self.at = Some(end);
        self.check_place()?;
        self.writing = false;
        Ok(())
    }

    /// Before the head goes elsewhere.
    fn leave(&mut self) -> Result<()> {
        let left = if self.writing { self.flush(0) } else { Ok(()) };
        self.at = None;
        left
    }

    /// Where the head is.
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
        #[expect(unsafe_code, reason = "a driver has no other door")]
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
            // The beginning came first.
            Err(DriveError::Failed(_)) if self.flags()? & IS_AT_BEGINNING != 0 => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> Result<TapePosition> {
        let before = self.at()?;
        match rustix::io::read(&self.device, &mut *into) {
            Ok(0) => {
                // A filemark, or the end: only over the former has the head moved.
                self.at = None;
                Ok(if self.at()? == before { TapePosition::End } else { TapePosition::Filemark })
            }
            Ok(n) => {
                self.at = Some(before + 1);
                Ok(TapePosition::Block(n))
            }
            Err(Errno::NOMEM) => {
                self.at = None;
                Err(DriveError::TooLong { limit: into.len() })
            }
            Err(e) => {
                self.at = None;
                match self.flags() {
                    Ok(flags) if e == Errno::IO && flags & IS_AT_END != 0 => Ok(TapePosition::End),
                    _ => Err(error(e)),
                }
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<Room> {
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
