//! Reading ends when the user wants to stop, at any byte, and what was being read is not called damaged.

use super::{Outcome, SET};
use azekura::format::digests::Hashes;
use azekura::format::object::ObjectKind;
use azekura::interruption::Interruption;
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::tape::{BLOCK_BYTES, Tape};
use azekura::medium::{Directory, Medium, MediumError};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

fn assert_stops(medium: &dyn Medium, stop: &AtomicBool) -> Outcome {
    let kind = ObjectKind::Pack;
    medium.append(0, kind, &vec![7; 9 << 20])?;
    medium.sync()?;
    let mut open = medium.open(0, kind)?;
    open.read_exact(&mut [0; 100])?;
    assert_eq!(medium.read_back(0, kind, Hashes::Both)?.length, 9 << 20);
    medium.check_attached()?;

    stop.store(true, Ordering::Relaxed);
    let is_stop = |e: &MediumError| matches!(e, MediumError::Interrupted);
    let read = MediumError::unwrap_io(open.read_to_end(&mut Vec::new()).expect_err("it ends"));
    assert!(read.is_ok_and(|e| is_stop(&e)), "no damage");
    assert!(is_stop(&medium.read_back(0, kind, Hashes::Both).expect_err("it ends")));
    assert!(is_stop(&medium.check_attached().expect_err("whoever asks whether it is damage learns it")));
    Ok(())
}

#[test]
fn a_folder_is_not_read_any_further() -> Outcome {
    static STOP: AtomicBool = AtomicBool::new(false);
    let root = tempfile::tempdir()?;
    assert_stops(&Directory::create(root.path(), SET)?.stopped_by(Interruption::by(&STOP)), &STOP)
}

#[test]
fn a_tape_is_not_read_any_further() -> Outcome {
    static STOP: AtomicBool = AtomicBool::new(false);
    let tape = Tape::create(Box::new(Cartridge::new().load()), SET, BLOCK_BYTES)?;
    assert_stops(&tape.stopped_by(Interruption::by(&STOP)), &STOP)
}
