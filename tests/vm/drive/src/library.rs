//! The units, and what an operator's hands do to them. A cartridge that is nowhere here is on the shelf.

use crate::cartridge::Cartridge;
use crate::scsi::drive::{Drive, Refusal};
use std::path::PathBuf;

pub struct Library {
    /// Where cartridges are kept.
    shelf: PathBuf,
    pub drive: Drive,
}

impl Library {
    pub fn new(shelf: PathBuf) -> Self {
        Self { shelf, drive: Drive::new() }
    }

    /// Puts a cartridge into the drive, instead of the one that is there.
    pub fn load(&mut self, name: &str) -> Result<(), String> {
        let cartridge = self.fetch(name)?;
        match self.drive.take_out() {
            Ok(_) | Err(Refusal::Empty) => {}
            Err(refusal) => return Err(told(refusal)),
        }
        self.drive.insert(cartridge).map_err(told)
    }

    pub fn eject(&mut self) -> Result<(), String> {
        self.drive.take_out().map(drop).map_err(told)
    }

    /// The same by force, though the host prevents it.
    pub fn pull(&mut self) -> Result<(), String> {
        self.drive.pull_out().map(drop).ok_or_else(|| told(Refusal::Empty))
    }

    pub fn swap(&mut self, name: &str) -> Result<(), String> {
        let cartridge = self.fetch(name)?;
        self.drive.pull_out();
        self.drive.insert(cartridge).map_err(told)
    }

    /// From the shelf.
    fn fetch(&self, name: &str) -> Result<Cartridge, String> {
        if self.drive.cartridge().is_some_and(|c| c.name == name) {
            return Err(format!("{name} is in the drive"));
        }
        Cartridge::open(&self.shelf, name).map_err(|e| format!("{name}: {e}"))
    }
}

fn told(refusal: Refusal) -> String {
    match refusal {
        Refusal::Empty => "there is no cartridge",
        Refusal::Full => "there is a cartridge already",
        Refusal::Prevented => "the host prevents it",
    }
    .to_owned()
}
