//! Which cartridge comes into the drive when a medium is asked for.
//!
//! A changer knows barcodes, and azekura knows labels, which can only be read in the drive. So cartridges are tried, the likeliest first,
//! and whoever asked says what is wrong with each. What was learned that way is remembered as long as the program runs.

use super::element::{Kind, Slot};
use super::{Changer, ChangerProblem, Inventory, MediumError, Result};
use crate::format::object::Id;
use crate::medium::loader::MediumRequest;
use std::collections::{HashMap, HashSet};

/// The drive's side of an exchange, and whoever looks on.
pub trait Hands {
    /// Has the drive give out its cartridge, so that the robot can take it.
    fn eject(&self) -> Result<()>;

    /// Has the drive take in again what it gave out, because the robot could not take it.
    fn take_in(&self);

    /// A cartridge is carried to the drive: from which slot, counted from 1, and what stands on it.
    fn loads(&self, slot: u32, barcode: Option<&str>);
}

/// What is the matter with the cartridge that is in the drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is this medium of the set that was asked for.
    Place(u64),
    Otherwise,
}

impl From<&MediumError> for Wrong {
    fn from(e: &MediumError) -> Self {
        match e {
            MediumError::OtherMedium { found, .. } => Self::Place(*found),
            _ => Self::Otherwise,
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
    /// What was found out about cartridges: set, and place in it.
    known: HashMap<(Id, u64), Cartridge>,
}

/// A cartridge, and the slot that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cartridge {
    slot: u16,
    barcode: Option<String>,
}

impl Cartridge {
    fn of(slot: &Slot) -> Self {
        Self { slot: slot.address, barcode: slot.barcode.clone() }
    }

    /// Whether it is the same one, as far as can be told from outside.
    fn is(&self, other: &Self) -> bool {
        match (&self.barcode, &other.barcode) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.slot == other.slot,
        }
    }
}

/// One request: from the first cartridge that is tried to the right one.
#[derive(Debug)]
struct Search {
    wanted: MediumRequest,
    /// What was in the drive at its beginning.
    first: Option<Cartridge>,
    /// Slots whose cartridge was not the right one, or is being looked at.
    tried: HashSet<u16>,
    /// What was brought last; it is the right one as long as nobody complains.
    brought: Option<Cartridge>,
}

/// How likely a cartridge is the right one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Chance {
    Known,
    Unknown,
    /// It is known to be another.
    Other,
    /// Whoever asks has it in the drive.
    InDrive,
}

impl Robot {
    /// `number`: which drive of the changer it serves, from 0; else the one whose serial number is `serial`. A single one needs neither.
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

    /// Puts the next cartridge that may be `wanted` into the drive; `false` when there is none left. `wrong`: what is the matter with the
    /// one that is in the drive.
    ///
    /// Every cartridge is brought once for a request. Afterwards the one is in the drive again that was there before, so that the next run
    /// finds it there.
    pub fn bring(&mut self, wanted: &MediumRequest, wrong: Option<Wrong>, hands: &dyn Hands) -> Result<bool> {
        let inventory = self.changer.inventory()?;
        let in_drive = self.in_drive(&inventory)?;
        let mut search = self.go_on(wanted, wrong, in_drive.as_ref());
        let next = self.next(&search, &inventory, in_drive.as_ref());
        match next {
            Some(next) => {
                self.exchange(in_drive.as_ref(), &next, hands)?;
                search.tried.insert(next.slot);
                search.brought = Some(next);
                self.search = Some(search);
                Ok(true)
            }
            None => {
                let is_there = |c: &&Cartridge| inventory.at(c.slot).is_some_and(|s| s.full);
                if let Some(first) = search.first.as_ref().filter(is_there) {
                    self.exchange(in_drive.as_ref(), first, hands)?;
                }
                Ok(false)
            }
        }
    }

    /// The request that this is a part of, with what can be learned from what is `wrong`.
    fn go_on(&mut self, wanted: &MediumRequest, wrong: Option<Wrong>, in_drive: Option<&Cartridge>) -> Search {
        let before = self.search.take();
        let mut search = match before {
            Some(search) if wrong.is_some() && search.wanted == *wanted => search,
            before => {
                if let Some(Search { wanted, brought: Some(right), .. }) = before {
                    self.known.insert((wanted.set, wanted.place), right);
                }
                Search { wanted: wanted.clone(), first: in_drive.cloned(), tried: HashSet::new(), brought: None }
            }
        };
        if let Some((wrong, cartridge)) = wrong.zip(in_drive) {
            search.tried.insert(cartridge.slot);
            if let Wrong::Place(found) = wrong {
                self.known.insert((wanted.set, found), cartridge.clone());
            }
        }
        search
    }

    /// The cartridge in the drive. Its slot is the one that it came from, else the first free one.
    fn in_drive(&self, inventory: &Inventory) -> Result<Option<Cartridge>> {
        let Some(drive) = inventory.at(self.drive).filter(|s| s.full) else { return Ok(None) };
        let is_free = |s: &&Slot| !s.full && s.accessible;
        let brought = self.search.as_ref().and_then(|s| s.brought.as_ref()).map(|c| c.slot);
        let came_from = drive.source.or(brought).and_then(|source| inventory.at(source));
        let came_from = came_from.filter(|s| s.kind == Kind::Storage).filter(is_free);
        let home = came_from.or_else(|| inventory.of(Kind::Storage).find(is_free));
        let home = home.ok_or_else(|| self.changer.problem(ChangerProblem::NoFreeSlot))?;
        Ok(Some(Cartridge { slot: home.address, barcode: drive.barcode.clone() }))
    }

    fn next(&self, search: &Search, inventory: &Inventory, in_drive: Option<&Cartridge>) -> Option<Cartridge> {
        let stored = inventory.of(Kind::Storage).filter(|s| s.full && s.accessible && s.is_for_data()).map(Cartridge::of);
        let loaded = in_drive.filter(|_| inventory.at(self.drive).is_some_and(Slot::is_for_data)).cloned();
        let untried = stored.chain(loaded).filter(|c| !search.tried.contains(&c.slot));
        untried.min_by_key(|c| (self.chance(c, &search.wanted, in_drive), c.slot))
    }

    fn chance(&self, cartridge: &Cartridge, wanted: &MediumRequest, in_drive: Option<&Cartridge>) -> Chance {
        let right = self.known.get(&(wanted.set, wanted.place)).filter(|_| !wanted.blank);
        match cartridge {
            c if right.is_some_and(|k| k.is(c)) => Chance::Known,
            c if in_drive == Some(c) => Chance::InDrive,
            c if self.known.values().any(|k| k.is(c)) => Chance::Other,
            _ => Chance::Unknown,
        }
    }

    /// Has `next` in the drive, and what is there in its slot.
    fn exchange(&mut self, in_drive: Option<&Cartridge>, next: &Cartridge, hands: &dyn Hands) -> Result<()> {
        if in_drive == Some(next) {
            return Ok(());
        }
        if let Some(there) = in_drive {
            hands.eject()?;
            // The next run is to find the cartridge in the drive, as this one did.
            self.changer.carry(self.drive, there.slot).inspect_err(|_| hands.take_in())?;
        }
        hands.loads(self.changer.slot_number(next.slot), next.barcode.as_deref());
        let carried = self.changer.carry(next.slot, self.drive);
        if let (Err(_), Some(there)) = (&carried, in_drive) {
            // If this does not work either, the first error is worth more.
            let _ = self.changer.carry(there.slot, self.drive);
        }
        carried
    }
}
