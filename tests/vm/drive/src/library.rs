//! The units, and what an operator's hands do to them. A cartridge that is nowhere here is on the shelf.

use crate::cartridge::Cartridge;
use crate::scsi::Sense;
use crate::scsi::changer::Changer;
use crate::scsi::drive::{Drive, Refusal};
use std::path::PathBuf;

pub struct Library {
    /// Where cartridges are kept.
    shelf: PathBuf,
    pub drive: Drive,
    pub changer: Option<Changer>,
}

impl Library {
    /// Without `slots` there is no changer.
    pub fn new(shelf: PathBuf, slots: Option<u16>) -> Self {
        Self { shelf, drive: Drive::new(), changer: slots.map(Changer::new) }
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

    /// Puts a cartridge into a place of the changer: a slot, counted from 1, or `mail`.
    pub fn put(&mut self, name: &str, place: &str) -> Result<(), String> {
        let cartridge = self.fetch(name)?;
        let place = self.place(place)?;
        if place.is_some() {
            return Err(told(Refusal::Full));
        }
        *place = Some(cartridge);
        Ok(())
    }

    /// Puts what is there on the shelf.
    pub fn take(&mut self, place: &str) -> Result<(), String> {
        self.place(place)?.take().map(drop).ok_or_else(|| told(Refusal::Empty))
    }

    /// Where a hand reaches into the changer, which the changer tells.
    fn place(&mut self, name: &str) -> Result<&mut Option<Cartridge>, String> {
        let changer = self.changer.as_mut().ok_or("there is no changer")?;
        if name == "mail" {
            if changer.is_prevented {
                return Err(told(Refusal::Prevented));
            }
            changer.mishaps.attend(Sense::IMPORT_EXPORT_ACCESSED);
            return Ok(&mut changer.mail);
        }
        let slot = name.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let place = slot.and_then(|slot| changer.slots.get_mut(slot)).ok_or_else(|| format!("there is no slot {name}"))?;
        changer.mishaps.attend(Sense::MEDIUM_MAY_HAVE_CHANGED);
        Ok(place)
    }

    /// From the shelf.
    fn fetch(&self, name: &str) -> Result<Cartridge, String> {
        if self.drive.cartridge().is_some_and(|c| c.name == name) {
            return Err(format!("{name} is in the drive"));
        }
        if self.changer.iter().flat_map(Changer::cartridges).any(|c| c.name == name) {
            return Err(format!("{name} is in the changer"));
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
