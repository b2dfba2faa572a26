//! A tape drive.

use super::identity::Identity;
use super::mishaps::{Fate, Mishaps};
use super::pages::{self, Alerts, MOST_ALERTS, Modes};
use super::tape::Tape;
use super::{Command, Reply, Sense, operation};
use crate::cartridge::{Cartridge, MOST_BLOCK_BYTES};

pub const IDENTITY: Identity = Identity {
    device_type: 0x01,
    product: "TEST DRIVE LTO8",
    serial: "AZKDRIVE01",
    name: 0x5001_405a_bcde_f012,
    reads_barcodes: false,
};

pub struct Drive {
    pub mishaps: Mishaps,
    /// Whether PREVENT MEDIUM REMOVAL binds those who take the cartridge out.
    pub obeys_prevent: bool,
    /// Whether a new cartridge is announced to the host.
    pub announces: bool,
    slot: Slot,
    is_prevented: bool,
    modes: Modes,
    alerts: Alerts,
}

enum Slot {
    Empty,
    /// Was unloaded: sticks out.
    Out(Cartridge),
    /// Is loaded.
    In(Tape),
}

/// Why a cartridge is neither put in nor taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Empty,
    Full,
    Prevented,
}

impl Drive {
    /// A drive that was just switched on, without a cartridge.
    pub fn new() -> Self {
        let mut drive = Self {
            mishaps: Mishaps::default(),
            obeys_prevent: true,
            announces: true,
            slot: Slot::Empty,
            is_prevented: false,
            modes: Modes::default(),
            alerts: 0,
        };
        drive.reset();
        drive
    }

    // --- what is done to it ---

    /// Loads a cartridge.
    pub fn insert(&mut self, cartridge: Cartridge) -> Result<(), Refusal> {
        if !matches!(self.slot, Slot::Empty) {
            return Err(Refusal::Full);
        }
        self.load(cartridge);
        Ok(())
    }

    /// Gives the cartridge out, whether or not the host has unloaded it.
    pub fn take_out(&mut self) -> Result<Cartridge, Refusal> {
        if self.holds_fast() {
            return Err(Refusal::Prevented);
        }
        self.pull_out().ok_or(Refusal::Empty)
    }

    /// The same by force.
    pub fn pull_out(&mut self) -> Option<Cartridge> {
        match std::mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Empty => None,
            Slot::Out(cartridge) | Slot::In(Tape { cartridge, .. }) => Some(cartridge),
        }
    }

    /// Power was gone for a moment: what was set is forgotten, and the tape is at its beginning.
    pub fn reset(&mut self) {
        self.is_prevented = false;
        self.modes = Modes::default();
        if let Slot::In(tape) = &mut self.slot {
            tape.rewind();
        }
        self.mishaps.attend(Sense::RESET);
    }

    /// Raises a TapeAlert flag, until it is asked for.
    pub fn alert(&mut self, flag: u8) -> Result<(), String> {
        if !(1..=MOST_ALERTS).contains(&flag) {
            return Err(format!("flags are 1 to {MOST_ALERTS}"));
        }
        self.alerts |= 1 << (flag - 1);
        Ok(())
    }

    pub fn cartridge(&self) -> Option<&Cartridge> {
        match &self.slot {
            Slot::Empty => None,
            Slot::Out(cartridge) | Slot::In(Tape { cartridge, .. }) => Some(cartridge),
        }
    }

    /// Whether there is a cartridge that a changer's hand can get hold of.
    pub fn is_unloaded(&self) -> bool {
        matches!(self.slot, Slot::Out(_))
    }

    fn holds_fast(&self) -> bool {
        self.is_prevented && self.obeys_prevent && matches!(self.slot, Slot::In(_))
    }

    fn load(&mut self, cartridge: Cartridge) {
        self.slot = Slot::In(Tape::new(cartridge));
        if self.announces {
            self.mishaps.attend(Sense::MEDIUM_MAY_HAVE_CHANGED);
        }
    }

    // --- what it is told ---

    pub fn execute(&mut self, command: &Command, sent: &[u8]) -> Reply {
        match self.mishaps.befall(command) {
            Fate::Succeeds => self.obey(command, sent),
            Fate::Fails(sense) => Err(sense).into(),
            Fate::FailsWhenDone(sense) => Reply { sense: Some(sense), ..self.obey(command, sent) },
        }
    }

    fn obey(&mut self, command: &Command, sent: &[u8]) -> Reply {
        if command.operation() == operation::READ_6 {
            let mut data = Vec::new();
            let sense = self.read(command, &mut data).err();
            return Reply { data, sense };
        }
        self.answer(command, sent).into()
    }

    fn answer(&mut self, command: &Command, sent: &[u8]) -> Result<Vec<u8>, Sense> {
        let block_bytes = self.modes.block_bytes;
        match command.operation() {
            operation::INQUIRY => return IDENTITY.inquiry(command),
            operation::REQUEST_SENSE => return Ok(self.mishaps.request_sense(command)),
            operation::READ_BLOCK_LIMITS => return Ok(block_limits()),
            operation::MODE_SENSE_6 => return self.modes.sense_6(command, self.loaded()),
            operation::MODE_SENSE_10 => return self.modes.sense_10(command, self.loaded()),
            operation::REPORT_DENSITY_SUPPORT => return Ok(pages::densities(command)),
            operation::LOG_SENSE => return self.log_sense(command),
            operation::READ_ATTRIBUTE => return pages::read_attribute(command, self.loaded().ok_or(Sense::NO_MEDIUM)?),
            operation::READ_POSITION => return self.tape()?.read_position(command),

            operation::TEST_UNIT_READY => self.tape().map(|_| ()),
            operation::MODE_SELECT_6 => self.modes.select_6(command, sent),
            operation::MODE_SELECT_10 => self.modes.select_10(command, sent),
            operation::PREVENT_ALLOW_MEDIUM_REMOVAL => {
                self.is_prevented = command.bit(4, 0);
                Ok(())
            }
            operation::LOAD_UNLOAD => self.load_or_unload(command),
            operation::REWIND => self.tape().map(Tape::rewind),
            operation::WRITE_6 => self.tape()?.write(command, block_bytes, sent),
            operation::WRITE_FILEMARKS_6 => self.tape()?.write_filemarks(command),
            operation::ERASE_6 => self.tape()?.erase(),
            operation::SPACE_6 => self.tape()?.space(command),
            operation::LOCATE_10 => self.tape()?.locate_10(command),
            operation::LOCATE_16 => self.tape()?.locate_16(command),
            _ => Err(Sense::UNKNOWN_OPERATION),
        }
        .map(|()| Vec::new())
    }

    fn read(&mut self, command: &Command, data: &mut Vec<u8>) -> Result<(), Sense> {
        let block_bytes = self.modes.block_bytes;
        self.tape()?.read(command, block_bytes, data)
    }

    /// Whatever is loaded, be it a tape or not.
    fn loaded(&self) -> Option<&Cartridge> {
        match &self.slot {
            Slot::In(tape) => Some(&tape.cartridge),
            Slot::Empty | Slot::Out(_) => None,
        }
    }

    fn tape(&mut self) -> Result<&mut Tape, Sense> {
        match &mut self.slot {
            Slot::In(tape) if tape.cartridge.properties.cleaning => Err(Sense::CLEANING_CARTRIDGE),
            Slot::In(tape) => Ok(tape),
            Slot::Empty | Slot::Out(_) => Err(Sense::NO_MEDIUM),
        }
    }

    fn log_sense(&mut self, command: &Command) -> Result<Vec<u8>, Sense> {
        let mut alerts = self.alerts;
        let bytes = pages::log_sense(command, &mut alerts, self.loaded())?;
        self.alerts = alerts;
        Ok(bytes)
    }

    fn load_or_unload(&mut self, command: &Command) -> Result<(), Sense> {
        let loads = command.bit(4, 0);
        if !loads && self.holds_fast() {
            return Err(Sense::REMOVAL_PREVENTED);
        }
        match (loads, std::mem::replace(&mut self.slot, Slot::Empty)) {
            (true, Slot::Empty) => return Err(Sense::NO_MEDIUM),
            (true, Slot::Out(cartridge)) => self.load(cartridge),
            (true, Slot::In(mut tape)) => {
                tape.rewind();
                self.slot = Slot::In(tape);
            }
            (false, Slot::In(tape)) => self.slot = Slot::Out(tape.cartridge),
            (false, slot) => self.slot = slot,
        }
        Ok(())
    }
}

/// From one byte on.
fn block_limits() -> Vec<u8> {
    [MOST_BLOCK_BYTES.to_be_bytes().as_slice(), &1u16.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
