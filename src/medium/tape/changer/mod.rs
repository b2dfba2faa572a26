//! A medium changer: a robot that carries cartridges between slots and drives.
//!
//! The inventory is read anew before anything is moved, because people open the door. Import and export slots belong to
//! them: nothing is taken out of these or put into them.

pub mod element;
mod robot;

pub use element::Slot;
pub use robot::{DriveHandling, Rejection, Robot};

use self::element::{Addresses, ElementKind, MalformedAnswer};
use crate::medium::error::{ChangerProblem, DeviceProblem, MediumError};
use crate::medium::scsi::{Scsi, ScsiError};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::time::Duration;

type Result<T> = std::result::Result<T, MediumError>;

/// A changer that is ready.
#[derive(Debug)]
pub struct Changer {
    device: Box<dyn Scsi>,
    /// For people: `/dev/sg1`.
    name: String,
    addresses: Addresses,
}

/// All slots and drives, in the order of addresses.
#[derive(Debug, Clone, Default)]
pub struct Inventory(Vec<Slot>);

impl Inventory {
    /// The elements of one kind.
    pub fn of(&self, kind: ElementKind) -> impl Iterator<Item = &Slot> {
        self.0.iter().filter(move |s| s.kind == kind)
    }

    /// The element with an address.
    pub fn at(&self, address: u16) -> Option<&Slot> {
        self.0.iter().find(|s| s.address == address)
    }
}

/// Operation codes.
const TEST_UNIT_READY: u8 = 0;
const INQUIRY: u8 = 0x12;
const MODE_SENSE: u8 = 0x1a;
const MOVE_MEDIUM: u8 = 0xa5;
const READ_ELEMENT_STATUS: u8 = 0xb8;

/// The device type of a changer in the answer to INQUIRY.
const DEVICE_TYPE: u8 = 8;

const QUICK: Duration = Duration::from_secs(60);
/// A library may scan its slots before it answers.
const SLOW: Duration = Duration::from_secs(600);

/// Several things may have happened since the last command: power, door, mode.
const MOST_ATTENTIONS: u32 = 8;
/// A large library takes minutes to scan its slots.
const MOST_PAUSES: u32 = 900;
const MOST_PAUSES_BUSY: u32 = 60;

/// How many elements one command asks for; the answer fits the smallest transfer of host adapters.
const BATCH: u16 = 128;
const ANSWER_BYTES: usize = 64 << 10;

impl Changer {
    /// Checks that a device is a changer, and waits until it is ready. `name`: for people.
    pub fn new(device: Box<dyn Scsi>, name: String) -> Result<Self> {
        let mut changer = Self { device, name, addresses: Addresses::default() };
        let mut answer = [0; 36];
        changer.call(&[INQUIRY, 0, 0, 0, answer.len() as u8, 0], &mut answer, QUICK)?;
        if answer[0] != DEVICE_TYPE {
            return Err(changer.problem(ChangerProblem::Missing));
        }
        changer.call(&[TEST_UNIT_READY, 0, 0, 0, 0, 0], &mut [], QUICK)?;
        const NO_BLOCK_DESCRIPTORS: u8 = 8;
        let mut answer = [0; 255];
        let command = [MODE_SENSE, NO_BLOCK_DESCRIPTORS, Addresses::PAGE, 0, answer.len() as u8, 0];
        let length = changer.call(&command, &mut answer, QUICK)?;
        changer.addresses =
            Addresses::decode(&answer[..length]).map_err(|MalformedAnswer| changer.problem(ChangerProblem::MalformedAnswer))?;
        Ok(changer)
    }

    /// Reads the status of all slots and drives.
    pub fn inventory(&mut self) -> Result<Inventory> {
        let mut all = BTreeMap::new();
        for kind in [ElementKind::Storage, ElementKind::ImportExport, ElementKind::Drive] {
            self.read_status(kind, false, &mut all)?;
        }
        Ok(Inventory(all.into_values().collect()))
    }

    /// The drives with their designators; none if the changer does not report these.
    fn drives(&mut self) -> Result<Vec<Slot>> {
        let mut all = BTreeMap::new();
        match self.read_status(ElementKind::Drive, true, &mut all) {
            Err(MediumError::Device { why: DeviceProblem::Changer(ChangerProblem::Failed(sense)), .. }) if sense.is_refusal() => {
                Ok(Vec::new())
            }
            done => done.map(|()| all.into_values().collect()),
        }
    }

    fn read_status(&mut self, kind: ElementKind, with_devices: bool, all: &mut BTreeMap<u16, Slot>) -> Result<()> {
        const WITH_TAGS: u8 = 0x10;
        let range = self.addresses.of(kind);
        let mut answer = vec![0; ANSWER_BYTES];
        let mut next = 0;
        while next < range.count {
            let [a, b] = range.first.saturating_add(next).to_be_bytes();
            let [c, d] = (range.count - next).min(BATCH).to_be_bytes();
            let [_, e, f, g] = (ANSWER_BYTES as u32).to_be_bytes();
            let command = [READ_ELEMENT_STATUS, WITH_TAGS | kind as u8, a, b, c, d, with_devices.into(), e, f, g, 0, 0];
            let length = self.call(&command, &mut answer, SLOW)?;
            let slots = element::decode_status(&answer[..length])
                .map_err(|MalformedAnswer| self.problem(ChangerProblem::MalformedAnswer))?;
            let ours = slots.into_iter().filter(|s| s.kind == kind);
            let ours = ours.filter_map(|s| range.index(s.address).filter(|i| *i >= next).map(|i| (i, s)));
            // Every answer must begin behind the one before, so that the loop ends.
            let mut last = None;
            for (index, slot) in ours {
                last = last.max(Some(index));
                all.insert(slot.address, slot);
            }
            match last {
                Some(last) => next = last + 1,
                None => return Err(self.problem(ChangerProblem::MalformedAnswer)),
            }
        }
        Ok(())
    }

    /// Carries a cartridge from one element to another. May take minutes.
    pub fn carry(&mut self, from: u16, to: u16) -> Result<()> {
        let ([a, b], [c, d], [e, f]) = (self.addresses.robot.first.to_be_bytes(), from.to_be_bytes(), to.to_be_bytes());
        self.call(&[MOVE_MEDIUM, 0, a, b, c, d, e, f, 0, 0, 0, 0], &mut [], SLOW).map(drop)
    }

    /// A storage slot's number for people, from 1; 0 if the address is no storage slot's.
    pub fn slot_number(&self, address: u16) -> u32 {
        self.addresses.storage.index(address).map_or(0, |i| u32::from(i) + 1)
    }

    fn call(&mut self, command: &[u8], into: &mut [u8], patience: Duration) -> Result<usize> {
        let (mut attentions, mut pauses) = (0, 0);
        loop {
            let e = match self.device.execute(command, into, patience) {
                Ok(length) => return Ok(length.min(into.len())),
                Err(e) => e,
            };
            let pauses_left = match &e {
                ScsiError::Sense(sense) if sense.is_attention() && attentions < MOST_ATTENTIONS => {
                    attentions += 1;
                    continue;
                }
                ScsiError::Sense(sense) if sense.is_becoming_ready() => MOST_PAUSES.saturating_sub(pauses),
                ScsiError::Busy => MOST_PAUSES_BUSY.saturating_sub(pauses),
                _ => 0,
            };
            pauses += 1;
            if pauses_left == 0 || !self.device.pause() {
                return Err(fault(e, &self.name));
            }
        }
    }

    fn problem(&self, why: ChangerProblem) -> MediumError {
        problem(why, &self.name)
    }
}

fn problem(why: ChangerProblem, name: &str) -> MediumError {
    MediumError::Device { medium: name.to_owned(), why: DeviceProblem::Changer(why) }
}

/// The medium's error for a SCSI error of the changer of this name.
pub fn fault(e: ScsiError, name: &str) -> MediumError {
    let why = match e {
        ScsiError::Sense(sense) => ChangerProblem::Failed(sense),
        ScsiError::Busy => ChangerProblem::Busy,
        ScsiError::Silent => ChangerProblem::Silent,
        ScsiError::System(source) => match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            _ if source.kind() == ErrorKind::NotFound => ChangerProblem::Missing,
            _ if source.kind() == ErrorKind::PermissionDenied => ChangerProblem::Denied,
            Some(rustix::io::Errno::NXIO | rustix::io::Errno::NODEV | rustix::io::Errno::NOTTY) => ChangerProblem::Missing,
            _ => return MediumError::Io { medium: name.to_owned(), what: "asking the changer", source },
        },
    };
    problem(why, name)
}

#[cfg(test)]
mod tests;
