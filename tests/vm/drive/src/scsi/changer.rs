//! A changer: a robot that carries cartridges between slots, the mail slot and the drive.
//!
//! Its places have addresses, as the standard SMC calls them elements of four types.

use super::drive::{self, Drive};
use super::identity::Identity;
use super::mishaps::{Fate, Mishaps};
use super::{Command, Reply, Sense, operation, text};
use crate::cartridge::Cartridge;

const IDENTITY: Identity = Identity {
    device_type: 0x08,
    product: "TEST CHANGER",
    serial: "AZKCHANGER",
    name: 0x5001_405a_bcde_f014,
    reads_barcodes: true,
};

/// More than any test needs; the addresses of slots would go on.
pub const MOST_SLOTS: u16 = 1000;

/// A type of places, by its number in the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Robot = 1,
    Slot = 2,
    Mail = 3,
    Drive = 4,
}

const KINDS: [Kind; 4] = [Kind::Robot, Kind::Slot, Kind::Mail, Kind::Drive];

impl Kind {
    /// The address of the first place of this type.
    const fn first(self) -> u16 {
        match self {
            Self::Robot => 0,
            Self::Mail => 10,
            Self::Drive => 256,
            Self::Slot => 1000,
        }
    }
}

pub struct Changer {
    pub mishaps: Mishaps,
    pub slots: Vec<Option<Cartridge>>,
    /// Cartridges come in and go out through it.
    pub mail: Option<Cartridge>,
    /// The mail slot is locked.
    pub is_prevented: bool,
}

/// What READ ELEMENT STATUS tells of a place.
struct Status<'a> {
    address: u16,
    kind: Kind,
    cartridge: Option<&'a Cartridge>,
    is_within_reach: bool,
}

impl Changer {
    pub fn new(slots: u16) -> Self {
        let mut changer = Self {
            mishaps: Mishaps::default(),
            slots: (0..slots.min(MOST_SLOTS)).map(|_| None).collect(),
            mail: None,
            is_prevented: false,
        };
        changer.reset();
        changer
    }

    pub fn reset(&mut self) {
        self.is_prevented = false;
        self.mishaps.attend(Sense::RESET);
    }

    pub fn cartridges(&self) -> impl Iterator<Item = &Cartridge> {
        self.slots.iter().chain([&self.mail]).flatten()
    }

    pub fn execute(&mut self, command: &Command, drive: &mut Drive) -> Reply {
        let outcome = match self.mishaps.befall(command) {
            Fate::Succeeds => self.obey(command, drive),
            Fate::Fails(sense) => Err(sense),
            Fate::FailsWhenDone(sense) => self.obey(command, drive).and(Err(sense)),
        };
        outcome.into()
    }

    fn obey(&mut self, command: &Command, drive: &mut Drive) -> Result<Vec<u8>, Sense> {
        match command.operation() {
            operation::INQUIRY => IDENTITY.inquiry(command),
            operation::REQUEST_SENSE => Ok(self.mishaps.request_sense(command)),
            operation::MODE_SENSE_6 => Ok(command.limited(self.mode_pages(command, 4)?, 4, 1)),
            operation::MODE_SENSE_10 => Ok(command.limited(self.mode_pages(command, 8)?, 7, 2)),
            operation::READ_ELEMENT_STATUS => Ok(command.limited(self.element_status(command, drive)?, 7, 3)),
            operation::MOVE_MEDIUM => self.move_medium(command, drive).map(|()| Vec::new()),
            operation::PREVENT_ALLOW_MEDIUM_REMOVAL => {
                self.is_prevented = command.bit(4, 0);
                Ok(Vec::new())
            }
            operation::TEST_UNIT_READY
            | operation::INITIALIZE_ELEMENT_STATUS
            | operation::INITIALIZE_ELEMENT_STATUS_WITH_RANGE => Ok(Vec::new()),
            _ => Err(Sense::UNKNOWN_OPERATION),
        }
    }

    fn count(&self, kind: Kind) -> u16 {
        match kind {
            Kind::Robot | Kind::Mail | Kind::Drive => 1,
            Kind::Slot => self.slots.len() as u16,
        }
    }

    /// There are pages for the addresses of all places, and for what may be moved from where to where.
    fn mode_pages(&self, command: &Command, header: usize) -> Result<Vec<u8>, Sense> {
        const ADDRESSES: u8 = 0x1d;
        const MOVES: u8 = 0x1f;
        const ALL_PAGES: u8 = 0x3f;
        let (page, which) = (command.byte(2) & 0x3f, command.byte(2) >> 6);
        if which != 0 || ![ADDRESSES, MOVES, ALL_PAGES].contains(&page) {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        let mut bytes = vec![0; header];
        if page != MOVES {
            bytes.extend([ADDRESSES, 18]);
            bytes.extend(KINDS.iter().flat_map(|kind| [kind.first(), self.count(*kind)]).flat_map(u16::to_be_bytes));
            bytes.extend([0, 0]);
        }
        if page != ADDRESSES {
            // Slots, mail slot and drive keep cartridges, and give them to each other; the robot does not keep one.
            const ALL_BUT_ROBOT: u8 = 0b1110;
            let from = [0, ALL_BUT_ROBOT, ALL_BUT_ROBOT, ALL_BUT_ROBOT];
            bytes.extend([MOVES, 18, ALL_BUT_ROBOT, 0]);
            bytes.extend(from);
            bytes.extend([0; 12]);
        }
        // The length at the begin does not count itself: one byte of four, or two of eight.
        let itself = header / 4;
        let length = (bytes.len() - itself) as u16;
        bytes[..itself].copy_from_slice(&length.to_be_bytes()[2 - itself..]);
        Ok(bytes)
    }

    // --- what is where ---

    fn status<'a>(&'a self, kind: Kind, drive: &'a Drive) -> Vec<Status<'a>> {
        let status = |(address, place): (u16, &'a Option<Cartridge>)| Status {
            address,
            kind,
            cartridge: place.as_ref(),
            is_within_reach: true,
        };
        let address = kind.first();
        match kind {
            Kind::Robot => vec![Status { address, kind, cartridge: None, is_within_reach: false }],
            Kind::Slot => (address..).zip(&self.slots).map(status).collect(),
            Kind::Mail => vec![status((address, &self.mail))],
            Kind::Drive => {
                let cartridge = drive.cartridge();
                let is_within_reach = cartridge.is_none() || drive.is_unloaded();
                vec![Status { address, kind, cartridge, is_within_reach }]
            }
        }
    }

    fn element_status(&self, command: &Command, drive: &Drive) -> Result<Vec<u8>, Sense> {
        let with_labels = command.bit(1, 4);
        let with_devices = command.bit(6, 0);
        let wanted = command.byte(1) & 0xf;
        let first = command.number(2, 2) as u16;
        let most = command.number(4, 2) as usize;
        if wanted > Kind::Drive as u8 {
            return Err(Sense::INVALID_FIELD_IN_COMMAND);
        }
        let mut found: Vec<Status> = KINDS.iter().flat_map(|kind| self.status(*kind, drive)).collect();
        found.retain(|status| status.address >= first && (wanted == 0 || status.kind as u8 == wanted));
        found.sort_by_key(|status| status.address);
        found.truncate(most);
        let begin = found.first().ok_or(Sense::NO_SUCH_ELEMENT)?.address;

        let mut pages = Vec::new();
        for page in found.chunk_by(|a, b| a.kind == b.kind) {
            let descriptors: Vec<Vec<u8>> = page.iter().map(|status| status.descriptor(with_labels, with_devices)).collect();
            let descriptors_bytes = descriptors.concat();
            pages.extend([page[0].kind as u8, u8::from(with_labels) << 7]);
            pages.extend((descriptors[0].len() as u16).to_be_bytes());
            // A byte that is reserved, then three.
            pages.extend((descriptors_bytes.len() as u32).to_be_bytes());
            pages.extend(descriptors_bytes);
        }
        let header = [begin.to_be_bytes(), (found.len() as u16).to_be_bytes()].concat();
        Ok([header, (pages.len() as u32).to_be_bytes().to_vec(), pages].concat())
    }

    // --- what is moved ---

    fn move_medium(&mut self, command: &Command, drive: &mut Drive) -> Result<(), Sense> {
        let [robot, from, to] = [2, 4, 6].map(|at| command.number(at, 2) as u16);
        if robot != Kind::Robot.first() {
            return Err(Sense::NO_SUCH_ELEMENT);
        }
        // All is looked at before anything is moved.
        let is_full = self.is_full(to, drive)?;
        if !self.is_full(from, drive)? {
            return Err(Sense::SOURCE_EMPTY);
        }
        if is_full {
            return Err(Sense::DESTINATION_FULL);
        }
        let cartridge = self.take(from, drive)?;
        self.put(to, drive, cartridge)
    }

    fn is_full(&mut self, address: u16, drive: &Drive) -> Result<bool, Sense> {
        if address == Kind::Drive.first() { Ok(drive.cartridge().is_some()) } else { Ok(self.place(address)?.is_some()) }
    }

    /// A drive gives out what it has unloaded. Not every real one is so strict: some unload what is to be moved.
    fn take(&mut self, address: u16, drive: &mut Drive) -> Result<Cartridge, Sense> {
        if address == Kind::Drive.first() {
            if !drive.is_unloaded() && drive.obeys_prevent {
                return Err(Sense::REMOVAL_PREVENTED);
            }
            return drive.take_out().map_err(|_| Sense::REMOVAL_PREVENTED);
        }
        let mut cartridge = self.place(address)?.take().ok_or(Sense::SOURCE_EMPTY)?;
        if address >= Kind::Slot.first() {
            cartridge.source = Some(address);
        }
        Ok(cartridge)
    }

    fn put(&mut self, address: u16, drive: &mut Drive, cartridge: Cartridge) -> Result<(), Sense> {
        if address == Kind::Drive.first() {
            return drive.insert(cartridge).map_err(|_| Sense::DESTINATION_FULL);
        }
        *self.place(address)? = Some(cartridge);
        Ok(())
    }

    /// Any but the drive.
    fn place(&mut self, address: u16) -> Result<&mut Option<Cartridge>, Sense> {
        if address == Kind::Mail.first() {
            return Ok(&mut self.mail);
        }
        let slot = address.checked_sub(Kind::Slot.first()).ok_or(Sense::NO_SUCH_ELEMENT)?;
        self.slots.get_mut(usize::from(slot)).ok_or(Sense::NO_SUCH_ELEMENT)
    }
}

impl Status<'_> {
    fn descriptor(&self, with_label: bool, with_device: bool) -> Vec<u8> {
        const CAN_EXPORT_AND_IMPORT: u8 = 0x30;
        const WITHIN_REACH: u8 = 0x08;
        const BY_OPERATOR: u8 = 0x02;
        const FULL: u8 = 0x01;
        const SOURCE_IS_VALID: u8 = 0x80;
        let mut flags = 0;
        let mut medium = 0;
        if self.is_within_reach {
            flags |= WITHIN_REACH;
        }
        if self.kind == Kind::Mail {
            flags |= CAN_EXPORT_AND_IMPORT;
        }
        if let Some(cartridge) = self.cartridge {
            flags |= FULL;
            if self.kind == Kind::Mail && cartridge.source.is_none() {
                flags |= BY_OPERATOR;
            }
            medium = match (cartridge.properties.cleaning, cartridge.properties.worm) {
                (true, _) => 2,
                (false, true) => 4,
                (false, false) => 1,
            };
        }
        let mut bytes = self.address.to_be_bytes().to_vec();
        bytes.extend([flags, 0, 0, 0, 0, 0, 0]);
        let source = self.cartridge.and_then(|c| c.source);
        bytes.push(medium | if source.is_some() { SOURCE_IS_VALID } else { 0 });
        bytes.extend(source.unwrap_or(0).to_be_bytes());
        if with_label {
            let label = self.cartridge.map(|c| c.properties.barcode.as_str()).filter(|label| !label.is_empty());
            bytes.extend(label.map_or(vec![0; 32], |label| text(label, 32)));
            bytes.extend([0; 4]);
        }
        match self.kind {
            Kind::Drive if with_device => bytes.extend(drive::IDENTITY.designator()),
            _ => bytes.extend([0; 4]),
        }
        bytes
    }
}

#[cfg(test)]
mod tests;
