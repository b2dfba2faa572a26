//! Which cartridge is loaded when a medium is requested.
//!
//! A changer knows barcodes, and azekura knows labels, which can only be read in the drive. So cartridges are tried,
//! the likeliest first, and the caller says what is wrong with each. What was learned that way is remembered for as
//! long as the program runs.

use super::element::{ElementKind, Slot};
use super::{Changer, Inventory, Result};
use crate::format::object::Id;
use crate::medium::error::{ChangerProblem, MediumError};
use crate::medium::request::MediumRequest;
use std::collections::{HashMap, HashSet};

/// What the drive does in an exchange of cartridges, and what the user is shown of it.
pub trait DriveHandling {
    /// Ejects the drive's cartridge, so that the robot can carry it.
    fn eject(&self) -> Result<()>;

    /// Loads the ejected cartridge again, because the robot could not carry it.
    fn reload(&self);

    /// Called before a cartridge is carried to the drive. `slot` counts from 1.
    fn on_load(&self, slot: u32, barcode: Option<&str>);
}

/// Why the cartridge in the drive is not the wanted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It is another medium of the wanted set: its place there, from 1.
    OtherPlace(u64),
    /// Any other reason.
    Other,
}

impl From<&MediumError> for Rejection {
    fn from(e: &MediumError) -> Self {
        match e {
            MediumError::OtherMedium { found, .. } => Self::OtherPlace(*found),
            _ => Self::Other,
        }
    }
}

/// A changer that serves one drive.
#[derive(Debug)]
pub struct Robot {
    changer: Changer,
    /// Address of the drive.
    drive: u16,
    search: Option<Search>,
    /// The cartridges that are known: by set, and place in it.
    known: HashMap<(Id, u64), Cartridge>,
}

/// A cartridge, and its slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cartridge {
    slot: u16,
    barcode: Option<String>,
}

impl Cartridge {
    fn of(slot: &Slot) -> Self {
        Self { slot: slot.address, barcode: slot.barcode.clone() }
    }

    /// Whether it is the same cartridge, judged by barcode and slot.
    fn is(&self, other: &Self) -> bool {
        match (&self.barcode, &other.barcode) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.slot == other.slot,
        }
    }
}

/// The search for one requested medium.
#[derive(Debug)]
struct Search {
    wanted: MediumRequest,
    /// The cartridge in the drive when the search began.
    first: Option<Cartridge>,
    /// Slots whose cartridge was rejected, or is in the drive to be checked.
    tried: HashSet<u16>,
    /// The cartridge that was loaded last. It is the right one unless the caller rejects it.
    brought: Option<Cartridge>,
}

/// How likely a cartridge is the right one; the likeliest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likelihood {
    /// It was the right one before.
    Known,
    Unknown,
    /// It is known to be another medium.
    Other,
    /// It is in the drive, and the caller asks for another one.
    InDrive,
}

impl Robot {
    /// `number`: which drive of the changer it serves, from 0; else the drive whose serial number is `serial`. A
    /// changer with one drive needs neither.
    pub fn new(mut changer: Changer, number: Option<u16>, serial: Option<&str>) -> Result<Self> {
        let drives = changer.addresses.drive;
        let which = || ChangerProblem::WhichDrive { drives: drives.count };
        let index = match (number, drives.count) {
            (Some(number), count) if number < count => Some(number),
            (Some(_), _) => None,
            (None, 1) => Some(0),
            (None, _) => {
                let has_serial = |s: &Slot| s.device.as_ref().zip(serial).is_some_and(|(d, serial)| d.ends_with(serial));
                let found = changer.drives()?.iter().find(|s| has_serial(s)).map(|s| s.address);
                found.and_then(|address| drives.index(address))
            }
        };
        let index = index.ok_or_else(|| changer.problem(which()))?;
        Ok(Self { changer, drive: drives.first.saturating_add(index), search: None, known: HashMap::new() })
    }

    /// Loads the next cartridge that may be the `wanted` one; `false` if none is left. `rejection`: what is wrong with
    /// the cartridge in the drive.
    ///
    /// Each cartridge is loaded once in a search. If none is the right one, the cartridge that was in the drive first
    /// is loaded again, so that the next run finds it there.
    pub fn bring(&mut self, wanted: &MediumRequest, rejection: Option<Rejection>, drive: &dyn DriveHandling) -> Result<bool> {
        let inventory = self.changer.inventory()?;
        let in_drive = self.in_drive(&inventory)?;
        let mut search = self.search_for(wanted, rejection, in_drive.as_ref());
        let next = self.next(&search, &inventory, in_drive.as_ref());
        match next {
            Some(next) => {
                self.exchange(in_drive.as_ref(), &next, drive)?;
                search.tried.insert(next.slot);
                search.brought = Some(next);
                self.search = Some(search);
                Ok(true)
            }
            None => {
                let is_in_slot = |c: &&Cartridge| inventory.at(c.slot).is_some_and(|s| s.full);
                if let Some(first) = search.first.as_ref().filter(is_in_slot) {
                    self.exchange(in_drive.as_ref(), first, drive)?;
                }
                Ok(false)
            }
        }
    }

    /// The search for `wanted`: the present one if it continues, else a new one. Remembers what `rejection` says about
    /// the cartridge in the drive.
    fn search_for(&mut self, wanted: &MediumRequest, rejection: Option<Rejection>, in_drive: Option<&Cartridge>) -> Search {
        let before = self.search.take();
        let mut search = match before {
            Some(search) if rejection.is_some() && search.wanted == *wanted => search,
            before => {
                if let Some(Search { wanted, brought: Some(right), .. }) = before {
                    self.known.insert((wanted.set, wanted.place), right);
                }
                Search { wanted: wanted.clone(), first: in_drive.cloned(), tried: HashSet::new(), brought: None }
            }
        };
        if let Some((rejection, cartridge)) = rejection.zip(in_drive) {
            search.tried.insert(cartridge.slot);
            if let Rejection::OtherPlace(found) = rejection {
                self.known.insert((wanted.set, found), cartridge.clone());
            }
        }
        search
    }

    /// The cartridge in the drive. Its slot is the one it was taken from, else the first free one.
    fn in_drive(&self, inventory: &Inventory) -> Result<Option<Cartridge>> {
        let Some(drive) = inventory.at(self.drive).filter(|s| s.full) else { return Ok(None) };
        let is_free = |s: &&Slot| !s.full && s.accessible;
        let brought = self.search.as_ref().and_then(|s| s.brought.as_ref()).map(|c| c.slot);
        let came_from = drive.source.or(brought).and_then(|source| inventory.at(source));
        let came_from = came_from.filter(|s| s.kind == ElementKind::Storage).filter(is_free);
        let home = came_from.or_else(|| inventory.of(ElementKind::Storage).find(is_free));
        let home = home.ok_or_else(|| self.changer.problem(ChangerProblem::NoFreeSlot))?;
        Ok(Some(Cartridge { slot: home.address, barcode: drive.barcode.clone() }))
    }

    fn next(&self, search: &Search, inventory: &Inventory, in_drive: Option<&Cartridge>) -> Option<Cartridge> {
        let stored = inventory.of(ElementKind::Storage).filter(|s| s.full && s.accessible && s.is_for_data()).map(Cartridge::of);
        let loaded = in_drive.filter(|_| inventory.at(self.drive).is_some_and(Slot::is_for_data)).cloned();
        let untried = stored.chain(loaded).filter(|c| !search.tried.contains(&c.slot));
        untried.min_by_key(|c| (self.likelihood(c, &search.wanted, in_drive), c.slot))
    }

    fn likelihood(&self, cartridge: &Cartridge, wanted: &MediumRequest, in_drive: Option<&Cartridge>) -> Likelihood {
        let right = self.known.get(&(wanted.set, wanted.place)).filter(|_| !wanted.blank);
        match cartridge {
            c if right.is_some_and(|k| k.is(c)) => Likelihood::Known,
            c if in_drive == Some(c) => Likelihood::InDrive,
            c if self.known.values().any(|k| k.is(c)) => Likelihood::Other,
            _ => Likelihood::Unknown,
        }
    }

    /// Loads `next`, and carries the cartridge in the drive to its slot.
    fn exchange(&mut self, in_drive: Option<&Cartridge>, next: &Cartridge, drive: &dyn DriveHandling) -> Result<()> {
        if in_drive == Some(next) {
            return Ok(());
        }
        if let Some(loaded) = in_drive {
            drive.eject()?;
            // The next run must find the cartridge in the drive, as this one did.
            self.changer.carry(self.drive, loaded.slot).inspect_err(|_| drive.reload())?;
        }
        drive.on_load(self.changer.slot_number(next.slot), next.barcode.as_deref());
        let carried = self.changer.carry(next.slot, self.drive);
        if let (Err(_), Some(loaded)) = (&carried, in_drive) {
            // If this fails too, the first error says more.
            let _ = self.changer.carry(loaded.slot, self.drive);
        }
        carried
    }
}
