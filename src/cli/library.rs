//! The changer that the configuration names.

use crate::cli::ui::explain::CommandError;
use crate::cli::ui::output::to_stderr;
use crate::cli::ui::printable::Printable;
use crate::cli::ui::text::{find, message};
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::changer::{Changer, DriveHandling, Rejection, Robot, fault};
use azekura::medium::tape::drive::DriveError;
use azekura::medium::tape::sg::SgDevice;
use azekura::medium::tape::st::{self, StDrive};
use azekura::medium::{ChangerProblem, DeviceProblem, MediumError};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A changer. Its device is opened when the first medium is asked for.
#[derive(Debug)]
pub struct Library {
    device: PathBuf,
    /// The number of the drive, from 0; `None` where the serial number identifies it.
    drive: Option<u16>,
    interrupted: &'static AtomicBool,
    robot: Mutex<Option<Robot>>,
}

impl Library {
    pub fn new(device: PathBuf, drive: Option<u16>, interrupted: &'static AtomicBool) -> Self {
        Self { device, drive, interrupted, robot: Mutex::new(None) }
    }

    /// Puts the next cartridge that may be the wanted one into the drive `path`; `false` when there is none left.
    pub fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<bool, MediumError> {
        let mut robot = self.robot.lock();
        let robot = match &mut *robot {
            Some(robot) => robot,
            none => none.insert(self.open(path)?),
        };
        let known = wrong.as_ref().map(Rejection::from);
        if let Some(wrong) = wrong {
            to_stderr(&format!("{}\n", CommandError::from(wrong).message));
        }
        if !robot.bring(wanted, known, &Exchange { path, wanted })? {
            return Ok(false);
        }
        self.wait_for_drive(path).map(|()| true)
    }

    fn open(&self, path: &Path) -> Result<Robot, MediumError> {
        let name = self.device.printable();
        let device = SgDevice::open(&self.device, self.interrupted).map_err(|e| fault(e, &name))?;
        Robot::new(Changer::new(Box::new(device), name)?, self.drive, st::serial(path).as_deref())
    }

    /// Waits for the drive: the robot may be ready before the drive has detected the cartridge.
    fn wait_for_drive(&self, path: &Path) -> Result<(), MediumError> {
        const MOST_SECONDS: u32 = 120;
        for _ in 0..MOST_SECONDS * 5 {
            match StDrive::open(path) {
                Err(DriveError::Empty) if !self.interrupted.load(Ordering::Relaxed) => {}
                // Any other error is reported when the drive is opened.
                _ => return Ok(()),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Err(MediumError::Device { medium: path.printable(), why: DeviceProblem::Changer(ChangerProblem::OtherDrive) })
    }
}

struct Exchange<'a> {
    path: &'a Path,
    wanted: &'a MediumRequest,
}

impl DriveHandling for Exchange<'_> {
    fn eject(&self) -> Result<(), MediumError> {
        match st::eject(self.path) {
            Err(e @ DriveError::Busy) => Err(e.into_medium_error(self.path.printable(), "opening the drive")),
            // Some cartridges make no drive ready, and some drives have released theirs already. If the robot cannot
            // take it, it says so.
            _ => Ok(()),
        }
    }

    fn reload(&self) {
        // If it fails, the robot's error says more than the drive's.
        let _ = st::reload(self.path);
    }

    fn on_load(&self, slot: u32, barcode: Option<&str>) {
        let MediumRequest { set, set_name: name, place: number, blank } = self.wanted;
        let label = barcode.map_or_else(|| find("prompt.medium.no-barcode"), Into::into);
        let place = self.path;
        let text = match blank {
            true => message!(
                "prompt.medium.changer-blank",
                slot = slot,
                label = label,
                place = place,
                number = number,
                name = name,
                set = set
            ),
            false => {
                message!(
                    "prompt.medium.changer",
                    slot = slot,
                    label = label,
                    place = place,
                    number = number,
                    name = name,
                    set = set
                )
            }
        };
        to_stderr(&format!("{text}\n"));
    }
}
