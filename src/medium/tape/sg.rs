//! A SCSI device through Linux's `sg` driver: `/dev/sg1`.

use crate::medium::scsi::{Scsi, ScsiError, Sense};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Opcode, Updater, ioctl};
use std::ffi::{c_int, c_uint, c_void};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `scsi/sg.h`: a command, the buffer for its answer, and its result.
#[repr(C)]
struct Request {
    interface: c_int,
    direction: c_int,
    command_bytes: u8,
    sense_room: u8,
    segments: u16,
    room: c_uint,
    into: *mut c_void,
    command: *const u8,
    sense: *mut u8,
    timeout_milliseconds: c_uint,
    flags: c_uint,
    number: c_int,
    user: *mut c_void,
    status: u8,
    masked_status: u8,
    message_status: u8,
    sense_bytes: u8,
    host_status: u16,
    driver_status: u16,
    left_over: c_int,
    duration: c_uint,
    info: c_uint,
}

const SG_IO: Opcode = 0x2285;
const INTERFACE: c_int = b'S' as c_int;
const NO_DATA: c_int = -1;
const FROM_DEVICE: c_int = -3;

const GOOD: u8 = 0;
const CHECK_CONDITION: u8 = 2;
const BUSY: u8 = 8;
const RESERVATION_CONFLICT: u8 = 0x18;
const TASK_SET_FULL: u8 = 0x28;

/// An open `sg` device.
#[derive(Debug)]
pub struct SgDevice {
    device: OwnedFd,
    interrupted: &'static AtomicBool,
}

impl SgDevice {
    /// `interrupted`: set when the user wants to stop waiting for the device.
    pub fn open(path: &Path, interrupted: &'static AtomicBool) -> Result<Self, ScsiError> {
        let stat = rustix::fs::stat(path).map_err(system)?;
        // Opening another kind of file may have side effects, or wait.
        if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice {
            return Err(system(Errno::NOTTY));
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = rustix::fs::open(path, flags, Mode::empty()).map_err(system)?;
        Ok(Self { device, interrupted })
    }

    fn request(&self, command: &[u8], into: &mut [u8], patience: Duration) -> Result<usize, ScsiError> {
        let mut sense = [0_u8; 64];
        let mut request = Request {
            interface: INTERFACE,
            direction: if into.is_empty() { NO_DATA } else { FROM_DEVICE },
            command_bytes: u8::try_from(command.len()).map_err(|_| system(Errno::INVAL))?,
            sense_room: sense.len() as u8,
            segments: 0,
            room: c_uint::try_from(into.len()).map_err(|_| system(Errno::INVAL))?,
            into: into.as_mut_ptr().cast(),
            command: command.as_ptr(),
            sense: sense.as_mut_ptr(),
            timeout_milliseconds: c_uint::try_from(patience.as_millis()).unwrap_or(c_uint::MAX),
            flags: 0,
            number: 0,
            user: ptr::null_mut(),
            status: 0,
            masked_status: 0,
            message_status: 0,
            sense_bytes: 0,
            host_status: 0,
            driver_status: 0,
            left_over: 0,
            duration: 0,
            info: 0,
        };
        // SAFETY: SG_IO reads and writes one `struct sg_io_hdr`, which `Request` is. Its pointers are those of
        // `command`, `into` and `sense` with their lengths, and these live until the call has ended.
        #[expect(unsafe_code, reason = "the driver has no other interface")]
        let done = unsafe { ioctl(&self.device, Updater::<SG_IO, Request>::new(&mut request)) };
        done.map_err(system)?;
        let sense = &sense[..usize::from(request.sense_bytes).min(sense.len())];
        match (request.status, Sense::decode(sense)) {
            (GOOD, None) if request.host_status != 0 => return Err(ScsiError::Silent),
            (GOOD, _) => {}
            (BUSY | RESERVATION_CONFLICT | TASK_SET_FULL, _) => return Err(ScsiError::Busy),
            (CHECK_CONDITION, Some(sense)) if sense.is_recovered() => {}
            (CHECK_CONDITION, Some(sense)) => return Err(ScsiError::Sense(sense)),
            _ => return Err(ScsiError::Silent),
        }
        Ok(into.len().saturating_sub(usize::try_from(request.left_over).unwrap_or(0)))
    }
}

impl Scsi for SgDevice {
    fn execute(&mut self, command: &[u8], into: &mut [u8], patience: Duration) -> Result<usize, ScsiError> {
        // After a signal within the call, the kernel would start it again, and the robot would move twice. Signals go
        // to the program's first thread, so another thread makes the call.
        let this = &*self;
        let done = std::thread::scope(|scope| scope.spawn(move || this.request(command, into, patience)).join());
        done.unwrap_or_else(|_| Err(system(Errno::INTR)))
    }

    fn pause(&mut self) -> bool {
        for _ in 0..10 {
            if self.interrupted.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }
}

fn system(e: Errno) -> ScsiError {
    match e {
        Errno::BUSY => ScsiError::Busy,
        e => ScsiError::System(e.into()),
    }
}
