use super::*;
use crate::scsi::command;
use std::fs;

const TEST: &[u8] = &[operation::TEST_UNIT_READY];
const PREVENT: &[u8] = &[operation::PREVENT_ALLOW_MEDIUM_REMOVAL, 0, 0, 0, 1];
const UNLOAD: &[u8] = &[operation::LOAD_UNLOAD];

const ROBOT: u16 = 0;
const MAIL: u16 = 10;
const DRIVE: u16 = 256;
const SLOT_1: u16 = 1000;
const SLOT_2: u16 = 1001;

/// A drive and a changer with three slots: T1 in the first, a cleaning cartridge in the second, one without a label in the mail slot.
fn library() -> (Changer, Drive) {
    let folder = tempfile::tempdir().unwrap();
    let cartridge = |name: &str, conf: &str| {
        fs::write(folder.path().join(format!("{name}.conf")), conf).unwrap();
        Some(Cartridge::open(folder.path(), name).unwrap())
    };
    let mut changer = Changer::new(3);
    changer.slots[0] = cartridge("T1", "barcode AZK001L8");
    changer.slots[1] = cartridge("C1", "cleaning\nbarcode CLN001CU");
    changer.mail = cartridge("T2", "barcode");
    let mut drive = Drive::new();
    assert_eq!(changer.execute(&command(TEST), &mut drive).sense, Some(Sense::RESET));
    assert_eq!(drive.execute(&command(TEST), b"").sense, Some(Sense::RESET));
    (changer, drive)
}

fn moved(changer: &mut Changer, drive: &mut Drive, from: u16, to: u16) -> Option<Sense> {
    let numbers = [ROBOT, from, to].map(u16::to_be_bytes).concat();
    changer.execute(&command(&[&[operation::MOVE_MEDIUM, 0], numbers.as_slice()].concat()), drive).sense
}

fn good(changer: &mut Changer, drive: &mut Drive, begin: &[u8]) -> Vec<u8> {
    let reply = changer.execute(&command(begin), drive);
    assert_eq!(reply.sense, None, "{begin:x?}");
    reply.data
}

/// READ ELEMENT STATUS, with labels.
fn elements(changer: &mut Changer, drive: &mut Drive, kind: Kind) -> Vec<u8> {
    good(changer, drive, &[operation::READ_ELEMENT_STATUS, 0x10 | kind as u8, 0, 0, 0xff, 0xff, 0, 0, 0x10, 0])
}

const HEADERS: usize = 16;

#[test]
fn a_cartridge_goes_into_the_drive_and_back() {
    let (mut changer, mut drive) = library();
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, DRIVE), None);
    assert_eq!(drive.cartridge().unwrap().name, "T1");
    assert_eq!(drive.execute(&command(TEST), b"").sense, Some(Sense::MEDIUM_MAY_HAVE_CHANGED));
    let status = elements(&mut changer, &mut drive, Kind::Drive);
    // Full, but out of reach as long as it is loaded; a data cartridge out of the first slot.
    assert_eq!(status[HEADERS..HEADERS + 12], [1, 0, 0x01, 0, 0, 0, 0, 0, 0, 0x81, 0x03, 0xe8]);
    assert_eq!(moved(&mut changer, &mut drive, DRIVE, SLOT_1), Some(Sense::REMOVAL_PREVENTED));
    assert_eq!(drive.execute(&command(UNLOAD), b"").sense, None);
    assert_eq!(elements(&mut changer, &mut drive, Kind::Drive)[HEADERS + 2], 0x09);
    assert_eq!(moved(&mut changer, &mut drive, DRIVE, SLOT_1), None);
    assert_eq!(changer.slots[0].as_ref().unwrap().name, "T1");
    assert!(drive.cartridge().is_none());
}

#[test]
fn what_cannot_be_moved_stays() {
    let (mut changer, mut drive) = library();
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, SLOT_2), Some(Sense::DESTINATION_FULL));
    assert_eq!(moved(&mut changer, &mut drive, DRIVE, SLOT_1), Some(Sense::SOURCE_EMPTY));
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, 1003), Some(Sense::NO_SUCH_ELEMENT));
    assert_eq!(moved(&mut changer, &mut drive, 999, DRIVE), Some(Sense::NO_SUCH_ELEMENT));
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, ROBOT), Some(Sense::NO_SUCH_ELEMENT));
    assert_eq!(changer.slots[0].as_ref().unwrap().name, "T1");
    // A drive that does not care gives out what is still loaded.
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, DRIVE), None);
    drive.obeys_prevent = false;
    assert_eq!(moved(&mut changer, &mut drive, DRIVE, 1002), None);
}

#[test]
fn each_place_tells_what_is_in_it() {
    let (mut changer, mut drive) = library();
    let status = elements(&mut changer, &mut drive, Kind::Slot);
    assert_eq!(status[..8], [0x03, 0xe8, 0, 3, 0, 0, 0, 8 + 3 * 52]);
    assert_eq!(status[8..16], [2, 0x80, 0, 52, 0, 0, 0, 3 * 52]);
    let slots: Vec<&[u8]> = status[HEADERS..].chunks(52).collect();
    assert_eq!((slots[0][2], slots[0][9]), (0x09, 1));
    assert_eq!(slots[0][12..44], text("AZK001L8", 32));
    assert_eq!((slots[1][2], slots[1][9]), (0x09, 2));
    assert_eq!(slots[2][2..], [&[0x08][..], &[0; 49]].concat());
    // Put there by hand, and without a label.
    let mail = elements(&mut changer, &mut drive, Kind::Mail);
    assert_eq!(mail[HEADERS + 2], 0x30 | 0x08 | 0x02 | 0x01);
    assert_eq!(mail[HEADERS + 12..HEADERS + 44], [0; 32]);
    assert_eq!(moved(&mut changer, &mut drive, MAIL, DRIVE), None);
    assert_eq!(moved(&mut changer, &mut drive, SLOT_1, MAIL), None);
    assert_eq!(elements(&mut changer, &mut drive, Kind::Mail)[HEADERS + 2], 0x30 | 0x08 | 0x01);
}

#[test]
fn all_places_are_told_in_the_order_of_their_addresses() {
    let (mut changer, mut drive) = library();
    let all = good(&mut changer, &mut drive, &[operation::READ_ELEMENT_STATUS, 0, 0, 0, 0xff, 0xff, 0, 0, 0x10, 0]);
    assert_eq!(all[..8], [0, 0, 0, 6, 0, 0, 0, 4 * 8 + 6 * 16]);
    let kinds = [8, 8 + 24, 8 + 48, 8 + 72].map(|at| all[at]);
    assert_eq!(kinds, [1, 3, 4, 2]);
    // Two of them, from the drive's address on.
    let two = good(&mut changer, &mut drive, &[operation::READ_ELEMENT_STATUS, 0, 1, 0, 0, 2, 0, 0, 0x10, 0]);
    assert_eq!(two[..8], [1, 0, 0, 2, 0, 0, 0, 2 * 8 + 2 * 16]);
    let header = good(&mut changer, &mut drive, &[operation::READ_ELEMENT_STATUS, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 8]);
    assert_eq!(header, all[..8]);
    let none = command(&[operation::READ_ELEMENT_STATUS, 2, 0xff, 0, 0, 1, 0, 0, 0, 8]);
    assert_eq!(changer.execute(&none, &mut drive).sense, Some(Sense::NO_SUCH_ELEMENT));
}

#[test]
fn the_drive_in_its_place_is_told_by_its_name() {
    let (mut changer, mut drive) = library();
    let status = good(&mut changer, &mut drive, &[operation::READ_ELEMENT_STATUS, 4, 0, 0, 0, 1, 1, 0, 0x10, 0]);
    assert_eq!(status[HEADERS + 12..], drive::IDENTITY.designator());
    assert!(status.ends_with(b"AZEKURA TEST DRIVE LTO8 AZKDRIVE01"));
    assert_eq!(status[8 + 3] as usize, status.len() - HEADERS);
}

#[test]
fn the_addresses_of_all_places_are_told() {
    let (mut changer, mut drive) = library();
    let page = [0x1d, 18, 0, 0, 0, 1, 0x03, 0xe8, 0, 3, 0, 10, 0, 1, 1, 0, 0, 1, 0, 0];
    let six = good(&mut changer, &mut drive, &[operation::MODE_SENSE_6, 8, 0x1d, 0, 255]);
    assert_eq!(six, [&[23, 0, 0, 0][..], &page].concat());
    let ten = good(&mut changer, &mut drive, &[operation::MODE_SENSE_10, 8, 0x3f, 0, 0, 0, 0, 0, 255]);
    assert_eq!((ten[1] as usize, ten.len()), (ten.len() - 2, 8 + 20 + 20));
    assert_eq!(ten[8..28], page);
    assert_eq!(ten[28..38], [0x1f, 18, 0x0e, 0, 0, 0x0e, 0x0e, 0x0e, 0, 0]);
    let other = command(&[operation::MODE_SENSE_6, 0, 0x0f, 0, 255]);
    assert_eq!(changer.execute(&other, &mut drive).sense, Some(Sense::INVALID_FIELD_IN_COMMAND));
}

#[test]
fn it_is_no_tape_drive() {
    let (mut changer, mut drive) = library();
    let standard = good(&mut changer, &mut drive, &[operation::INQUIRY, 0, 0, 0, 255]);
    assert_eq!((standard[0], &standard[16..32], standard[55]), (8, &b"TEST CHANGER    "[..], 1));
    assert_eq!(changer.execute(&command(&[operation::READ_6]), &mut drive).sense, Some(Sense::UNKNOWN_OPERATION));
    good(&mut changer, &mut drive, &[operation::INITIALIZE_ELEMENT_STATUS]);
    good(&mut changer, &mut drive, PREVENT);
    assert!(changer.is_prevented);
    changer.reset();
    assert!(!changer.is_prevented);
}
