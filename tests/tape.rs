//! Tape: a medium that can only be written at its end, with one head, whose errors say little.

use azekura::format::digests::Hashes;
use azekura::format::object::{Id, ObjectKind};
use azekura::format::tape::Header;
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::tape::{Loaded, Tape};
use azekura::medium::{ErrorCategory, Medium, MediumError};
use std::error::Error;
use std::io::Read;

type Outcome = Result<(), Box<dyn Error>>;

const SET: Id = Id([7; 16]);
const BLOCK: u32 = 4096;

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn create(cartridge: &Cartridge) -> Result<Tape, MediumError> {
    Tape::create(Box::new(cartridge.load()), SET, BLOCK)
}

fn open(cartridge: &Cartridge) -> Result<Tape, MediumError> {
    Tape::open(Box::new(cartridge.load()), SET)
}

fn read(tape: &Tape, number: u64, kind: ObjectKind) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut out = Vec::new();
    tape.open(number, kind)?.read_to_end(&mut out)?;
    Ok(out)
}

fn listed(tape: &Tape) -> Result<Vec<(u64, ObjectKind, u64)>, MediumError> {
    Ok(tape.list()?.objects.into_iter().map(|o| (o.number, o.kind, o.length)).collect())
}

/// A night: a few packs, a manifest, a seal.
fn night(tape: &Tape, first: u64) -> Result<u64, MediumError> {
    for n in first..first + 3 {
        tape.append(n, ObjectKind::Pack, &bytes(n, 10_000 + n as usize))?;
    }
    tape.sync()?;
    tape.append(first + 3, ObjectKind::Manifest, &bytes(first + 3, 5000))?;
    tape.append(first + 4, ObjectKind::Seal, &bytes(first + 4, 300))?;
    tape.sync()?;
    Ok(first + 5)
}

fn check_nights(tape: &Tape, next: u64) -> Outcome {
    for n in 0..next {
        let (kind, length) = match n % 5 {
            3 => (ObjectKind::Manifest, 5000),
            4 => (ObjectKind::Seal, 300),
            _ => (ObjectKind::Pack, 10_000 + n as usize),
        };
        assert_eq!(read(tape, n, kind)?, bytes(n, length), "object {n}");
    }
    Ok(())
}

#[test]
fn nights_follow_one_another_and_come_back_after_opening_anew() -> Outcome {
    let cartridge = Cartridge::new();
    let mut next = night(&create(&cartridge)?, 0)?;
    for count in 2..5 {
        let tape = open(&cartridge)?;
        next = night(&tape, next)?;
        assert_eq!(cartridge.filemarks(), count, "one behind every seal, and none elsewhere");
        check_nights(&tape, next)?;
    }
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?.len() as u64, next);
    check_nights(&tape, next)
}

#[test]
fn dd_finds_an_object_by_its_blocks() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    night(&tape, 0)?;
    let (at, count) = tape.blocks(1).ok_or("known")?;
    assert_eq!(cartridge.copy(at, at + count), bytes(1, 10_001));
    let header = Header::decode(&cartridge.copy(at - 1, at))?.ok_or("a header")?;
    assert_eq!((header.number, header.kind, header.length, header.blocks()), (1, ObjectKind::Pack, 10_001, count));
    Ok(())
}

#[test]
fn reading_a_generation_in_order_never_winds_back() -> Outcome {
    let cartridge = Cartridge::new();
    let next = night(&create(&cartridge)?, 0)?;
    let tape = open(&cartridge)?;
    cartridge.take_locates();
    check_nights(&tape, next)?;
    let locates = cartridge.take_locates();
    // One to the beginning; then each object's header is skipped.
    assert!(locates.len() > 1 && locates[1..].iter().all(|(from, to)| to > from), "{locates:?}");
    Ok(())
}

#[test]
fn nothing_foreign_is_overwritten() -> Outcome {
    for foreign in [&b"LTFS volume"[..], &[0; 512], &vec![9; 1 << 20]] {
        let cartridge = Cartridge::new();
        cartridge.record(foreign);
        assert!(matches!(create(&cartridge), Err(MediumError::NotBlank { .. })));
        let foreign_error = open(&cartridge).err().ok_or("not ours")?;
        assert!(matches!(foreign_error, MediumError::Foreign { .. }) && foreign_error.category() == ErrorCategory::Medium);
        assert!(matches!(Loaded::in_drive(Box::new(cartridge.load())), Err(MediumError::Foreign { .. })));
        assert_eq!(cartridge.copy(0, cartridge.end()), foreign);
    }
    // Another set's cartridge; and a blank one where the set's own is expected.
    let cartridge = Cartridge::new();
    night(&create(&cartridge)?, 0)?;
    let before = cartridge.copy(0, cartridge.end());
    let other = Tape::open(Box::new(cartridge.load()), Id([8; 16]));
    assert!(matches!(other, Err(MediumError::NoSuchSet { .. })));
    assert!(matches!(create(&cartridge), Err(MediumError::NotBlank { .. })));
    assert!(matches!(Loaded::in_drive(Box::new(cartridge.load()))?, Loaded::Known(SET, _)));
    assert_eq!(cartridge.copy(0, cartridge.end()), before);
    assert!(matches!(Loaded::in_drive(Box::new(Cartridge::new().load()))?, Loaded::Blank(_)));
    assert!(matches!(open(&Cartridge::new()), Err(MediumError::Foreign { .. })));
    Ok(())
}

#[test]
fn nothing_is_appended_after_another_program_has_written() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    cartridge.record(b"somebody else's");
    read(&tape, 0, ObjectKind::Pack)?;
    assert!(matches!(tape.append(next, ObjectKind::Pack, b"x"), Err(MediumError::Changed { .. })));
    assert!(matches!(tape.append(next, ObjectKind::Pack, b"x"), Err(MediumError::Broken { .. })));
    let end = cartridge.end();
    assert_eq!(cartridge.copy(end - 1, end), b"somebody else's");
    Ok(())
}

/// A cartridge with one generation. Two of them have the same length, and blocks at the same addresses.
fn alike(set: Id, first: u64) -> Result<Cartridge, MediumError> {
    let cartridge = Cartridge::new();
    night(&Tape::create(Box::new(cartridge.load()), set, BLOCK)?, first)?;
    Ok(cartridge)
}

/// Between two objects somebody swaps the cartridge for another set's, or another one of the same set. Its bad spots,
/// wherever they are, are not reported as damage of the set.
#[test]
fn a_swapped_cartridge_is_not_taken_for_a_damaged_one() -> Outcome {
    for (set, first) in [(Id([8; 16]), 0), (SET, 10)] {
        for all_is_bad in [false, true] {
            let cartridge = alike(SET, 0)?;
            let tape = open(&cartridge)?;
            let (at, blocks) = tape.blocks(1).ok_or("known")?;
            let other = alike(set, first)?;
            assert_eq!(other.end(), cartridge.end());
            let bad = if all_is_bad { 1..other.end() } else { at..at + blocks };
            bad.for_each(|at| other.damage(at));
            cartridge.swap(&other);
            let read = tape.read_back(1, ObjectKind::Pack, Hashes::Blake3);
            // By its first header alone two cartridges of one set cannot be told apart.
            if (set, all_is_bad) != (SET, true) {
                assert!(matches!(read, Err(MediumError::Changed { .. })), "{set} {all_is_bad}: {read:?}");
            }
        }
    }
    Ok(())
}

/// The same before a write: on another cartridge, a block would never be found, or would cut off what is behind it.
#[test]
fn nothing_is_written_on_a_swapped_cartridge() -> Outcome {
    for (set, first) in [(Id([8; 16]), 0), (SET, 10)] {
        let cartridge = alike(SET, 0)?;
        let tape = open(&cartridge)?;
        assert_eq!(read(&tape, 4, ObjectKind::Seal)?, bytes(4, 300));
        let other = alike(set, first)?;
        cartridge.swap(&other);
        let before = cartridge.copy(0, cartridge.end());
        let appended = tape.append(5, ObjectKind::Pack, b"x");
        assert!(matches!(appended, Err(MediumError::Changed { .. })), "{set}: {appended:?}");
        assert_eq!(cartridge.copy(0, cartridge.end()), before);
        // Nor when the right one is back: nobody knows what happened in between.
        assert!(matches!(tape.append(5, ObjectKind::Pack, b"x"), Err(MediumError::Broken { .. })));
    }
    Ok(())
}

/// The cartridge is taken out while it is read: no object is reported as damaged.
#[test]
fn a_cartridge_that_was_taken_out_is_not_a_damaged_one() -> Outcome {
    let cartridge = alike(SET, 0)?;
    let tape = open(&cartridge)?;
    cartridge.take_out();
    let gone = tape.read_back(1, ObjectKind::Pack, Hashes::Blake3);
    assert!(matches!(&gone, Err(e @ MediumError::NoCartridge { .. }) if e.category() != ErrorCategory::Damage), "{gone:?}");
    Ok(())
}

/// A drive that fails while its buffer contains data may have lost them: they are never reported as durable.
#[test]
fn what_a_drive_had_in_its_buffer_when_it_failed_is_in_doubt() -> Outcome {
    let cartridge = alike(SET, 0)?;
    let tape = open(&cartridge)?;
    tape.append(5, ObjectKind::Pack, &bytes(5, 10_005))?;
    cartridge.reset_drive();
    assert_eq!(tape.read_back(0, ObjectKind::Pack, Hashes::Blake3)?.length, 10_000, "the address itself is good");
    assert!(matches!(tape.sync(), Err(MediumError::Broken { .. })));
    assert!(matches!(tape.append(6, ObjectKind::Pack, b"x"), Err(MediumError::Broken { .. })));
    // Where nothing was in the buffer, nothing is lost.
    let cartridge = alike(SET, 0)?;
    let tape = open(&cartridge)?;
    cartridge.reset_drive();
    tape.read_back(0, ObjectKind::Pack, Hashes::Blake3)?;
    assert!(matches!(tape.append(4, ObjectKind::Pack, b"x"), Err(MediumError::Exists { number: 4, .. })));
    tape.append(5, ObjectKind::Pack, &bytes(5, 10_005))?;
    tape.sync()?;
    assert_eq!(read(&open(&cartridge)?, 5, ObjectKind::Pack)?, bytes(5, 10_005));
    Ok(())
}

#[test]
fn a_protected_cartridge_is_read_and_not_written() -> Outcome {
    let cartridge = Cartridge::new();
    let next = night(&create(&cartridge)?, 0)?;
    cartridge.write_protect(true);
    let tape = open(&cartridge)?;
    check_nights(&tape, next)?;
    assert!(matches!(tape.append(next, ObjectKind::Pack, b"x"), Err(MediumError::ReadOnly { .. })));
    check_nights(&open(&cartridge)?, next)
}

/// The power fails with any number of blocks written and not yet durable: what was synced is there, and the next run
/// continues.
#[test]
fn after_a_power_cut_at_any_block_the_next_night_succeeds() -> Outcome {
    for kept in 0..=12 {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let mut next = night(&tape, 0)?;
        for n in next..next + 3 {
            tape.append(n, ObjectKind::Pack, &bytes(n, 10_000 + n as usize))?;
        }
        drop(tape);
        cartridge.power_cut(kept);
        let tape = open(&cartridge)?;
        check_nights(&tape, next)?;
        let survivors = listed(&tape)?;
        for (number, kind, length) in &survivors[next as usize..] {
            // Torn objects are listed as a prefix.
            assert_eq!(*kind, ObjectKind::Pack);
            let whole = bytes(*number, 10_000 + *number as usize);
            assert_eq!(read(&tape, *number, *kind)?, whole[..*length as usize], "{kept} kept");
        }
        next = survivors.last().map_or(next, |(n, ..)| n + 1);
        tape.append(next, ObjectKind::Pack, &bytes(next, 20_000))?;
        tape.append(next + 1, ObjectKind::Seal, &bytes(next + 1, 300))?;
        tape.sync()?;
        // What is behind a torn object is found.
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?[..survivors.len()], survivors, "{kept} kept");
        assert_eq!(read(&tape, next, ObjectKind::Pack)?, bytes(next, 20_000));
        assert_eq!(read(&tape, next + 1, ObjectKind::Seal)?, bytes(next + 1, 300));
        check_nights(&tape, 5)?;
    }
    Ok(())
}

/// A write fails at each block in turn: nothing is retried, sealed generations stay whole, and the next run appends
/// behind.
#[test]
fn a_write_error_at_any_block_harms_no_sealed_generation() -> Outcome {
    for failing in 0..30 {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let mut next = night(&tape, 0)?;
        cartridge.fail_writes_from(Some(cartridge.end() + failing));
        let failed = night(&tape, next);
        if let Err(e) = failed {
            assert!(matches!(e, MediumError::Io { .. }), "{e}");
            assert!(matches!(tape.append(900, ObjectKind::Pack, b"x"), Err(MediumError::Broken { .. })));
            assert!(matches!(tape.sync(), Err(MediumError::Broken { .. })));
        } else {
            next += 5;
        }
        drop(tape);
        cartridge.fail_writes_from(None);
        let tape = open(&cartridge)?;
        check_nights(&tape, next)?;
        let after = listed(&tape)?.last().map_or(0, |(n, ..)| n + 1);
        tape.append(after, ObjectKind::Seal, &bytes(after, 300))?;
        tape.sync()?;
        let tape = open(&cartridge)?;
        check_nights(&tape, next)?;
        assert_eq!(read(&tape, after, ObjectKind::Seal)?, bytes(after, 300));
    }
    Ok(())
}

#[test]
fn early_warning_leaves_room_for_the_closing_seal() -> Outcome {
    let cartridge = Cartridge::with_capacity(200_000, 60_000);
    let tape = create(&cartridge)?;
    let mut n = 0;
    let full = loop {
        match tape.append(n, ObjectKind::Pack, &bytes(n, 20_000)) {
            Ok(()) => n += 1,
            Err(e) => break e,
        }
    };
    assert!(matches!(full, MediumError::Full { torn: false, .. }) && full.category() == ErrorCategory::Medium, "{full}");
    tape.append(n, ObjectKind::Manifest, &bytes(n, 30_000))?;
    tape.append(n + 1, ObjectKind::Seal, &bytes(n + 1, 300))?;
    tape.sync()?;
    let tape = open(&cartridge)?;
    for i in 0..n {
        assert_eq!(read(&tape, i, ObjectKind::Pack)?, bytes(i, 20_000));
    }
    assert_eq!(read(&tape, n + 1, ObjectKind::Seal)?, bytes(n + 1, 300));

    // Without early warning an object is torn at the end of the tape, and the error says so.
    let cartridge = Cartridge::with_capacity(25_000, 0);
    let tape = create(&cartridge)?;
    tape.append(0, ObjectKind::Pack, &bytes(0, 10_000))?;
    assert!(matches!(tape.append(1, ObjectKind::Pack, &bytes(1, 20_000)), Err(MediumError::Full { torn: true, .. })));
    assert_eq!(read(&tape, 0, ObjectKind::Pack)?, bytes(0, 10_000));
    Ok(())
}

#[test]
fn a_bad_spot_costs_only_the_object_on_it() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let (at, _) = tape.blocks(1).ok_or("known")?;
    cartridge.damage(at + 1);
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?.len() as u64, next);
    let lost = tape.read_back(1, ObjectKind::Pack, Hashes::Blake3);
    assert!(
        matches!(&lost, Err(e @ MediumError::Unreadable { number: 1, .. }) if e.category() == ErrorCategory::Damage),
        "{lost:?}"
    );
    for n in [0, 2] {
        assert_eq!(read(&tape, n, ObjectKind::Pack)?, bytes(n, 10_000 + n as usize));
    }
    Ok(())
}

#[test]
fn a_bad_header_costs_nothing_with_a_list_and_its_object_without() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let (at, _) = tape.blocks(1).ok_or("known")?;
    cartridge.damage(at - 1);
    check_nights(&open(&cartridge)?, next)?;
    cartridge.damage(cartridge.end() - 2);
    let tape = open(&cartridge)?;
    let numbers: Vec<u64> = listed(&tape)?.iter().map(|o| o.0).collect();
    assert_eq!(numbers, [0, 2, 3, 4]);
    assert_eq!(read(&tape, 2, ObjectKind::Pack)?, bytes(2, 10_002));
    Ok(())
}

/// A drive takes seconds for every header. Header by header, only what is behind the last seal is read.
#[test]
fn a_long_tape_is_opened_from_its_last_list() -> Outcome {
    let cartridge = Cartridge::new();
    let mut next = 0;
    let tape = create(&cartridge)?;
    for _ in 0..20 {
        next = night(&tape, next)?;
    }
    tape.append(next, ObjectKind::Pack, &bytes(next, 10_000))?;
    tape.append(next + 1, ObjectKind::Pack, &bytes(next + 1, 10_000))?;
    tape.sync()?;
    let before = listed(&tape)?;
    cartridge.take_locates();
    let again = open(&cartridge)?;
    assert_eq!(listed(&again)?, before);
    assert_eq!(before.len() as u64, next + 2);
    assert!(cartridge.take_locates().len() < 10);
    check_nights(&again, next)
}

/// Lists save time only: with any of them damaged, every object is still found.
#[test]
fn a_damaged_list_costs_time_and_nothing_else() -> Outcome {
    let cartridge = Cartridge::new();
    let mut next = 0;
    let mut behind_seals = Vec::new();
    let tape = create(&cartridge)?;
    for _ in 0..3 {
        next = night(&tape, next)?;
        let (at, blocks) = tape.blocks(next - 1).ok_or("the seal")?;
        behind_seals.push(at + blocks..cartridge.end());
    }
    let whole = listed(&tape)?;
    for damaged in behind_seals.iter().rev() {
        for at in damaged.clone() {
            cartridge.damage(at);
        }
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?, whole, "without {damaged:?}");
        check_nights(&tape, next)?;
    }
    // And the next night is appended.
    let tape = open(&cartridge)?;
    next = night(&tape, next)?;
    check_nights(&open(&cartridge)?, next)
}

#[test]
fn a_list_of_another_set_or_of_a_damaged_tape_is_not_believed() -> Outcome {
    use azekura::format::tape::{Contents, Item};
    for set in [SET, Id([8; 16])] {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let next = night(&tape, 0)?;
        let whole = listed(&tape)?;
        // Somebody appends a forged list. It may point anywhere; what it points to is compared with the seals, like
        // everything.
        let item = Item { number: 0, kind: ObjectKind::Pack, length: 1 << 30, at: 3 };
        let (list, trailer) = Contents { items: vec![item], last: None }.encode(set);
        cartridge.record(&list);
        cartridge.record(&trailer.encode());
        cartridge.record_filemark();
        let tape = open(&cartridge)?;
        if set == SET {
            assert!(tape.read_back(0, ObjectKind::Pack, Hashes::Blake3).is_err(), "blocks of another length");
        } else {
            assert_eq!(listed(&tape)?, whole);
            check_nights(&tape, next)?;
        }
    }
    Ok(())
}
