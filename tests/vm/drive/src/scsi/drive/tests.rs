use super::*;
use crate::scsi::command;
use crate::scsi::mishaps::Fault;
use std::fs;
use tempfile::TempDir;

/// A drive with a cartridge that has these properties, and nothing left to announce.
fn drive(conf: &str) -> (TempDir, Drive) {
    let folder = tempfile::tempdir().unwrap();
    let mut drive = Drive::new();
    drive.insert(cartridge(&folder, "T1", conf)).unwrap();
    assert_eq!(sense(&mut drive, TEST), Sense::RESET);
    assert_eq!(sense(&mut drive, TEST), Sense::MEDIUM_MAY_HAVE_CHANGED);
    (folder, drive)
}

fn cartridge(folder: &TempDir, name: &str, conf: &str) -> Cartridge {
    fs::write(folder.path().join(format!("{name}.conf")), conf).unwrap();
    Cartridge::open(folder.path(), name).unwrap()
}

const TEST: &[u8] = &[operation::TEST_UNIT_READY];
const REWIND: &[u8] = &[operation::REWIND];
const UNLOAD: &[u8] = &[operation::LOAD_UNLOAD];
const LOAD: &[u8] = &[operation::LOAD_UNLOAD, 0, 0, 0, 1];
const PREVENT: &[u8] = &[operation::PREVENT_ALLOW_MEDIUM_REMOVAL, 0, 0, 0, 1];
const ALLOW: &[u8] = &[operation::PREVENT_ALLOW_MEDIUM_REMOVAL];
const ONE_FILEMARK: &[u8] = &[operation::WRITE_FILEMARKS_6, 0, 0, 0, 1];
const ERASE: &[u8] = &[operation::ERASE_6];
const TO_END: &[u8] = &[operation::SPACE_6, 3];

fn space(over: u8, count: i8) -> [u8; 5] {
    let sign = if count < 0 { 0xff } else { 0 };
    [operation::SPACE_6, over, sign, sign, count as u8]
}

fn read(flags: u8, count: u8) -> [u8; 5] {
    [operation::READ_6, flags, 0, 0, count]
}

/// What comes back from a command that succeeds.
fn good(drive: &mut Drive, begin: &[u8]) -> Vec<u8> {
    let reply = drive.execute(&command(begin), b"");
    assert_eq!(reply.sense, None, "{begin:x?}");
    reply.data
}

/// Why a command fails.
fn sense(drive: &mut Drive, begin: &[u8]) -> Sense {
    drive.execute(&command(begin), b"").sense.expect("should have failed")
}

fn write(drive: &mut Drive, block: &[u8]) -> Option<Sense> {
    drive.execute(&command(&[operation::WRITE_6, 0, 0, 0, block.len() as u8]), block).sense
}

fn set_block_bytes(drive: &mut Drive, bytes: u8) {
    let sent = [0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, bytes];
    assert_eq!(drive.execute(&command(&[operation::MODE_SELECT_6, 0x10, 0, 0, 12]), &sent).sense, None);
}

fn position(drive: &mut Drive) -> u8 {
    good(drive, &[operation::READ_POSITION])[7]
}

/// Two files: "one", "two", a filemark, "three", a filemark.
fn write_two_files(drive: &mut Drive) {
    for block in [&b"one"[..], b"two", b"", b"three", b""] {
        if block.is_empty() {
            good(drive, ONE_FILEMARK);
        } else {
            assert_eq!(write(drive, block), None);
        }
    }
    good(drive, REWIND);
}

#[test]
fn blocks_and_filemarks_come_back_in_their_order() {
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    assert_eq!(good(&mut drive, &read(0, 3)), b"one");
    assert_eq!(good(&mut drive, &read(0, 3)), b"two");
    assert_eq!(sense(&mut drive, &read(0, 3)), Sense::FILEMARK.with(3));
    assert_eq!(good(&mut drive, &read(0, 5)), b"three");
    assert_eq!(sense(&mut drive, &read(0, 5)), Sense::FILEMARK.with(5));
    assert_eq!(sense(&mut drive, &read(0, 5)), Sense::END_OF_DATA.with(5));
    assert_eq!(position(&mut drive), 5);
    assert_eq!(good(&mut drive, &read(0, 0)), b"");
}

#[test]
fn a_block_of_another_length_is_told_unless_that_is_not_wanted() {
    const SILENT: u8 = 2;
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    let reply = drive.execute(&command(&read(0, 10)), b"");
    assert_eq!((reply.data.as_slice(), reply.sense), (&b"one"[..], Some(Sense::OTHER_LENGTH.with(7))));
    let reply = drive.execute(&command(&read(0, 2)), b"");
    assert_eq!((reply.data.as_slice(), reply.sense), (&b"tw"[..], Some(Sense::OTHER_LENGTH.with(-1))));
    good(&mut drive, REWIND);
    assert_eq!(good(&mut drive, &read(SILENT, 10)), b"one");
    assert_eq!(good(&mut drive, &read(SILENT, 2)), b"tw");
    good(&mut drive, REWIND);
    set_block_bytes(&mut drive, 2);
    assert_eq!(sense(&mut drive, &read(SILENT, 2)), Sense::OTHER_LENGTH.with(-1));
}

#[test]
fn blocks_of_a_set_length_are_counted() {
    const FIXED: u8 = 1;
    let (_folder, mut drive) = drive("capacity 16\nearly-warning 0");
    let write = |drive: &mut Drive, blocks: u8, sent: &[u8]| {
        drive.execute(&command(&[operation::WRITE_6, FIXED, 0, 0, blocks]), sent).sense
    };
    assert_eq!(write(&mut drive, 1, b"abcd"), Some(Sense::INVALID_FIELD_IN_COMMAND));
    set_block_bytes(&mut drive, 4);
    assert_eq!(write(&mut drive, 3, b"aaaabbbbcccc"), None);
    assert_eq!(write(&mut drive, 3, b"ddddeeeeffff"), Some(Sense::FULL.with(2)));
    assert_eq!(position(&mut drive), 4);
    good(&mut drive, REWIND);
    assert_eq!(good(&mut drive, &read(FIXED, 2)), b"aaaabbbb");
    let reply = drive.execute(&command(&read(FIXED, 5)), b"");
    let end = Sense { end_of_medium: false, ..Sense::END_OF_DATA.with(3) };
    assert_eq!((reply.data.as_slice(), reply.sense), (&b"ccccdddd"[..], Some(end)));
}

#[test]
fn the_end_is_announced_with_each_block_that_is_written_nevertheless() {
    let (_folder, mut drive) = drive("capacity 10\nearly-warning 5");
    let near = Some(Sense::NEARLY_FULL.with(0));
    assert_eq!(write(&mut drive, b"12345"), None);
    assert_eq!(write(&mut drive, b"678"), near);
    assert_eq!(write(&mut drive, b"9a"), near);
    assert_eq!(write(&mut drive, b"b"), Some(Sense::FULL.with(1)));
    assert_eq!(drive.execute(&command(ONE_FILEMARK), b"").sense, near);
    assert_eq!(position(&mut drive), 4);
    assert_eq!(good(&mut drive, &[operation::READ_POSITION])[0], 0x40);
}

#[test]
fn a_tape_is_spaced_over_both_ways() {
    const BLOCKS: u8 = 0;
    const FILEMARKS: u8 = 1;
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    good(&mut drive, &space(BLOCKS, 2));
    assert_eq!(sense(&mut drive, &space(BLOCKS, 2)), Sense::FILEMARK.with(2));
    assert_eq!(position(&mut drive), 3);
    assert_eq!(sense(&mut drive, &space(BLOCKS, -2)), Sense::FILEMARK.with(2));
    assert_eq!(position(&mut drive), 2);
    assert_eq!(sense(&mut drive, &space(BLOCKS, -3)), Sense::BEGINNING.with(1));
    good(&mut drive, &space(FILEMARKS, 1));
    assert_eq!(position(&mut drive), 3);
    assert_eq!(sense(&mut drive, &space(FILEMARKS, 2)), Sense::END_OF_DATA.with(1));
    good(&mut drive, &space(FILEMARKS, -2));
    assert_eq!(position(&mut drive), 2);
    good(&mut drive, TO_END);
    assert_eq!(position(&mut drive), 5);
}

#[test]
fn a_tape_is_wound_to_a_block_or_a_file() {
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    good(&mut drive, &[operation::LOCATE_10, 0, 0, 0, 0, 0, 4]);
    assert_eq!(position(&mut drive), 4);
    let to = |kind: u8, number: u8| [operation::LOCATE_16, kind << 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, number];
    for (file, begins) in [(0, 0), (1, 3), (2, 5)] {
        good(&mut drive, &to(1, file));
        assert_eq!(position(&mut drive), begins);
        let long = good(&mut drive, &[operation::READ_POSITION, 6]);
        assert_eq!((long.len(), long[15], long[23]), (32, begins, file));
    }
    assert_eq!(sense(&mut drive, &to(1, 3)), Sense::END_OF_DATA);
    good(&mut drive, &to(0, 1));
    assert_eq!(position(&mut drive), 1);
    good(&mut drive, &to(3, 0));
    assert_eq!(position(&mut drive), 5);
    assert_eq!(sense(&mut drive, &to(0, 6)), Sense::END_OF_DATA);
    assert_eq!(sense(&mut drive, &[operation::LOCATE_10, 2, 0, 0, 0, 0, 0, 0, 1]), Sense::INVALID_FIELD_IN_COMMAND);
}

#[test]
fn what_is_written_once_is_not_written_over() {
    let (_folder, mut drive) = drive("worm");
    write_two_files(&mut drive);
    assert_eq!(write(&mut drive, b"over"), Some(Sense::WORM_OVERWRITE));
    assert_eq!(sense(&mut drive, ERASE), Sense::WORM_OVERWRITE);
    // The filemark at the end may go, for what is appended.
    good(&mut drive, &[operation::LOCATE_10, 0, 0, 0, 0, 0, 4]);
    assert_eq!(write(&mut drive, b"more"), None);
    good(&mut drive, REWIND);
    good(&mut drive, &space(1, 1));
    assert_eq!(sense(&mut drive, ONE_FILEMARK), Sense::WORM_OVERWRITE);
}

#[test]
fn the_first_filemark_of_a_worm_tape_stays() {
    let (_folder, mut drive) = drive("worm");
    assert_eq!(write(&mut drive, b"label"), None);
    good(&mut drive, &[operation::WRITE_FILEMARKS_6, 0, 0, 0, 2]);
    good(&mut drive, &space(1, -1));
    good(&mut drive, &space(1, -1));
    assert_eq!(position(&mut drive), 1);
    assert_eq!(write(&mut drive, b"x"), Some(Sense::WORM_OVERWRITE));
    good(&mut drive, &space(1, 1));
    assert_eq!(write(&mut drive, b"x"), None);
}

#[test]
fn nothing_is_written_to_a_protected_cartridge() {
    let (_folder, mut drive) = drive("write-protected");
    assert_eq!(write(&mut drive, b"x"), Some(Sense::WRITE_PROTECTED));
    assert_eq!(sense(&mut drive, ONE_FILEMARK), Sense::WRITE_PROTECTED);
    assert_eq!(sense(&mut drive, ERASE), Sense::WRITE_PROTECTED);
    // Asks only that all be on the tape.
    good(&mut drive, &[operation::WRITE_FILEMARKS_6]);
    assert_eq!(good(&mut drive, &[operation::MODE_SENSE_6, 0, 0, 0, 12])[2], 0x90);
}

#[test]
fn what_is_erased_is_gone() {
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    good(&mut drive, &space(0, 1));
    good(&mut drive, ERASE);
    assert_eq!(sense(&mut drive, &read(0, 3)), Sense::END_OF_DATA.with(3));
}

#[test]
fn a_prevented_cartridge_stays_where_it_is() {
    let (folder, mut drive) = drive("");
    good(&mut drive, PREVENT);
    assert_eq!(sense(&mut drive, UNLOAD), Sense::REMOVAL_PREVENTED);
    assert_eq!(drive.take_out().err(), Some(Refusal::Prevented));
    good(&mut drive, TEST);
    drive.obeys_prevent = false;
    assert_eq!(drive.take_out().unwrap().name, "T1");
    drive.obeys_prevent = true;
    // The hand of whoever uses force asks nobody.
    drive.insert(cartridge(&folder, "T2", "")).unwrap();
    assert_eq!(drive.take_out().err(), Some(Refusal::Prevented));
    assert_eq!(drive.pull_out().unwrap().name, "T2");
    assert_eq!(sense(&mut drive, TEST), Sense::MEDIUM_MAY_HAVE_CHANGED);
    assert_eq!(sense(&mut drive, TEST), Sense::NO_MEDIUM);
    good(&mut drive, ALLOW);
    drive.insert(cartridge(&folder, "T1", "")).unwrap();
    assert!(drive.take_out().is_ok());
}

#[test]
fn what_is_unloaded_can_be_loaded_again() {
    let (folder, mut drive) = drive("");
    good(&mut drive, UNLOAD);
    assert!(drive.is_unloaded());
    assert_eq!(sense(&mut drive, TEST), Sense::NO_MEDIUM);
    assert_eq!(drive.insert(cartridge(&folder, "T2", "")), Err(Refusal::Full));
    good(&mut drive, LOAD);
    assert_eq!(sense(&mut drive, TEST), Sense::MEDIUM_MAY_HAVE_CHANGED);
    good(&mut drive, TEST);
    drive.announces = false;
    drive.take_out().unwrap();
    drive.insert(cartridge(&folder, "T2", "")).unwrap();
    good(&mut drive, TEST);
    drive.take_out().unwrap();
    assert_eq!(sense(&mut drive, LOAD), Sense::NO_MEDIUM);
}

#[test]
fn a_reset_rewinds_and_forgets() {
    let (_folder, mut drive) = drive("");
    write_two_files(&mut drive);
    set_block_bytes(&mut drive, 4);
    good(&mut drive, PREVENT);
    good(&mut drive, TO_END);
    drive.reset();
    assert_eq!(sense(&mut drive, TEST), Sense::RESET);
    assert_eq!(position(&mut drive), 0);
    assert_eq!(good(&mut drive, &[operation::MODE_SENSE_6, 0, 0, 0, 12])[9..], [0, 0, 0]);
    good(&mut drive, UNLOAD);
}

#[test]
fn a_command_that_fails_is_not_carried_out_unless_only_its_answer_is_wrong() {
    let (_folder, mut drive) = drive("");
    let fault = Fault { operation: operation::WRITE_6, sense: Sense::MEDIUM_ERROR_WRITING, after: 0, count: 1, is_done: false };
    drive.mishaps.faults = vec![fault, Fault { is_done: true, ..fault }];
    assert_eq!(write(&mut drive, b"one"), Some(fault.sense));
    assert_eq!(position(&mut drive), 0);
    assert_eq!(write(&mut drive, b"one"), Some(fault.sense));
    assert_eq!(position(&mut drive), 1);
}

#[test]
fn a_cleaning_cartridge_is_no_tape_but_tells_what_it_is() {
    let (_folder, mut drive) = drive("cleaning\nbarcode CLN001CU");
    assert_eq!(sense(&mut drive, TEST), Sense::CLEANING_CARTRIDGE);
    assert_eq!(sense(&mut drive, &read(0, 1)), Sense::CLEANING_CARTRIDGE);
    assert_eq!(good(&mut drive, &[operation::MODE_SENSE_6, 0, 0, 0, 12])[1], 0x01);
    assert_eq!(attribute(&mut drive, 0x0408), [0x01]);
    good(&mut drive, UNLOAD);
}

/// The value of one attribute of the cartridge's memory.
fn attribute(drive: &mut Drive, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let bytes = good(drive, &[operation::READ_ATTRIBUTE, 0, 0, 0, 0, 0, 0, 0, high, low, 0, 0, 1, 0]);
    assert_eq!(bytes[4..6], [high, low]);
    let length = u16::from_be_bytes([bytes[7], bytes[8]]) as usize;
    bytes[9..9 + length].to_vec()
}

#[test]
fn the_memory_of_a_cartridge_tells_who_it_is() {
    let (_folder, mut drive) = drive("worm\nserial S17\nbarcode AZK001L8\ncapacity 3145728");
    assert_eq!(attribute(&mut drive, 0x0001), 3u64.to_be_bytes());
    assert_eq!(attribute(&mut drive, 0x0401), text_of(32, "S17"));
    assert_eq!(attribute(&mut drive, 0x0408), [0x80]);
    assert_eq!(attribute(&mut drive, 0x0806), text_of(32, "AZK001L8"));
    let list = good(&mut drive, &[operation::READ_ATTRIBUTE, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(list.len(), 4 + list[3] as usize);
    assert_eq!(sense(&mut drive, &[operation::READ_ATTRIBUTE, 0, 0, 0, 0, 0, 0, 0, 9, 9]), Sense::INVALID_FIELD_IN_COMMAND);
    drive.pull_out();
    assert_eq!(sense(&mut drive, &[operation::READ_ATTRIBUTE]), Sense::NO_MEDIUM);
}

fn text_of(width: usize, text: &str) -> Vec<u8> {
    format!("{text:width$}").into_bytes()
}

#[test]
fn logs_tell_alerts_once_and_what_remains() {
    let (_folder, mut drive) = drive("capacity 3145728");
    let log = |drive: &mut Drive, page: u8| good(drive, &[operation::LOG_SENSE, 0, 0x40 | page, 0, 0, 0, 0, 4, 0]);
    assert_eq!(log(&mut drive, 0x00), [0, 0, 0, 3, 0x00, 0x2e, 0x31]);
    drive.alert(20).unwrap();
    assert!(drive.alert(0).is_err());
    let flag = |page: &[u8], n: usize| page[4 + 5 * (n - 1)..][..5].to_vec();
    let page = log(&mut drive, 0x2e);
    assert_eq!((flag(&page, 20), flag(&page, 21)), (vec![0, 20, 0xc0, 1, 1], vec![0, 21, 0xc0, 1, 0]));
    assert_eq!(flag(&log(&mut drive, 0x2e), 20)[4], 0);
    assert_eq!(write(&mut drive, b"x"), None);
    let capacity = log(&mut drive, 0x31);
    assert_eq!((capacity.len(), capacity[11], capacity[27]), (36, 2, 3));
    assert_eq!(sense(&mut drive, &[operation::LOG_SENSE, 0, 0x3e]), Sense::INVALID_FIELD_IN_COMMAND);
}

#[test]
fn modes_are_told_as_they_were_set() {
    let (_folder, mut drive) = drive("");
    let all = good(&mut drive, &[operation::MODE_SENSE_10, 0, 0x3f, 0, 0, 0, 0, 1, 0]);
    assert_eq!(all.len(), 8 + 8 + 16 + 16 + 32);
    assert_eq!(all[1] as usize, all.len() - 2);
    let page = good(&mut drive, &[operation::MODE_SENSE_6, 8, 0x0f, 0, 255]);
    assert_eq!((page.len(), page[0], page[4], page[6]), (20, 19, 0x0f, 0xc0));
    // As it came, but without compression.
    let mut sent = page.clone();
    (sent[0], sent[6]) = (0, 0x40);
    assert_eq!(drive.execute(&command(&[operation::MODE_SELECT_6, 0x10, 0, 0, 20]), &sent).sense, None);
    assert_eq!(good(&mut drive, &[operation::MODE_SENSE_6, 8, 0x0f, 0, 255])[6], 0x40);
    assert_eq!(good(&mut drive, &[operation::MODE_SENSE_6, 8, 0x10, 0, 255])[18], 0);
    let select = command(&[operation::MODE_SELECT_6, 0x10, 0, 0, 20]);
    assert_eq!(drive.execute(&select, &sent[..19]).sense, Some(Sense::PARAMETERS_TOO_SHORT));
    sent[4] = 0x11;
    assert_eq!(drive.execute(&select, &sent).sense, Some(Sense::INVALID_FIELD_IN_PARAMETERS));
    assert_eq!(sense(&mut drive, &[operation::MODE_SENSE_6, 0, 0x11, 0, 255]), Sense::INVALID_FIELD_IN_COMMAND);
}

#[test]
fn anyone_may_ask_who_it_is() {
    let (_folder, mut drive) = drive("");
    drive.mishaps.attend(Sense::RESET);
    let inquiry = |page: Option<u8>| [operation::INQUIRY, page.is_some().into(), page.unwrap_or(0), 0, 255];
    let standard = good(&mut drive, &inquiry(None));
    assert_eq!((standard.len(), standard[0]), (96, 1));
    assert_eq!(&standard[8..36], b"AZEKURA TEST DRIVE LTO8 0001");
    assert_eq!(good(&mut drive, &inquiry(Some(0x80)))[4..], *b"AZKDRIVE01");
    for page in &good(&mut drive, &inquiry(Some(0)))[4..] {
        let bytes = good(&mut drive, &inquiry(Some(*page)));
        assert_eq!((bytes[1], bytes[3] as usize), (*page, bytes.len() - 4));
    }
    assert_eq!(good(&mut drive, &[operation::INQUIRY, 0, 0, 0, 5]).len(), 5);
    assert_eq!(good(&mut drive, &[operation::REQUEST_SENSE, 0, 0, 0, 18]), Sense::RESET.bytes());
    assert_eq!(good(&mut drive, &[operation::READ_BLOCK_LIMITS]), [0, 0x80, 0, 0, 0, 1]);
    assert_eq!(good(&mut drive, &[operation::REPORT_DENSITY_SUPPORT, 0, 0, 0, 0, 0, 0, 1, 0]).len(), 56);
    assert_eq!(sense(&mut drive, &[0xff]), Sense::UNKNOWN_OPERATION);
}
