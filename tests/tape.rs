//! Tape: a medium that can only be written at its end, with one head, whose errors say little.

use azekura::format::digests::Hashes;
use azekura::format::object::{Id, ObjectKind, object_path};
use azekura::format::tape::{Contents, Header, Item, Trailer};
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::tape::{Loaded, Tape};
use azekura::medium::{ErrorCategory, FOREIGN_NAMES, Medium, MediumError};
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

fn foreign_names(tape: &Tape) -> Result<Vec<String>, MediumError> {
    let listing = tape.list()?;
    assert_eq!(listing.foreign_count, listing.foreign.len() as u64);
    Ok(listing.foreign.iter().map(|n| n.to_string_lossy().into_owned()).collect())
}

/// The header of a pack that nobody of the set has written.
fn planted() -> Header {
    Header { set: SET, number: 900, kind: ObjectKind::Pack, length: 0, block: BLOCK, before: None }
}

/// Appends a header and the first blocks of its object, all sevens. Returns the header's address.
fn plant(cartridge: &Cartridge, header: Header, blocks: u64) -> u64 {
    let at = cartridge.end();
    cartridge.record(&header.encode());
    for n in 0..blocks {
        let rest = header.length - n * u64::from(header.block);
        cartridge.record(&vec![7; rest.min(header.block.into()) as usize]);
    }
    at
}

fn record_list(cartridge: &Cartridge, (list, trailer): &(Vec<u8>, Trailer)) {
    list.chunks(BLOCK as usize).for_each(|block| cartridge.record(block));
    cartridge.record(&trailer.encode());
    cartridge.record_filemark();
}

/// A header or trailer with the digest that it should have.
fn rehashed(mut block: [u8; 512]) -> [u8; 512] {
    let digest = blake3::hash(&block[..480]);
    block[480..].copy_from_slice(digest.as_bytes());
    block
}

/// A filemark has no bytes.
fn copy_mark(to: &Cartridge, mark: Vec<u8>) {
    if mark.is_empty() { to.record_filemark() } else { to.record(&mark) }
}

/// Another cartridge, with some of its blocks changed.
fn copy_of(cartridge: &Cartridge, change: impl Fn(u64, Vec<u8>) -> Vec<u8>) -> Cartridge {
    let other = Cartridge::new();
    (0..cartridge.end()).for_each(|at| copy_mark(&other, change(at, cartridge.copy(at, at + 1))));
    other
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
    let good = Contents { items: vec![Item { number: 0, kind: ObjectKind::Pack, length: 1, at: 3 }], last: Some(3) };
    let good_trailer = |set: Id, list_at: u64| good.encode(set, BLOCK, list_at);
    for set in [SET, Id([8; 16])] {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let next = night(&tape, 0)?;
        let whole = listed(&tape)?;
        // Somebody appends a forged list. It may point anywhere; what it points to is compared with the seals, like
        // everything.
        record_list(&cartridge, &good_trailer(set, cartridge.end()));
        let tape = open(&cartridge)?;
        if set == SET {
            assert_eq!(listed(&tape)?, [(0, ObjectKind::Pack, 1)]);
            assert!(tape.read_back(0, ObjectKind::Pack, Hashes::Blake3).is_err(), "blocks of another length");
        } else {
            assert_eq!(listed(&tape)?, whole);
            check_nights(&tape, next)?;
        }
    }
    Ok(())
}

/// A list that breaks a rule is passed over, and the objects are found by the list before it, or by their headers.
#[test]
fn a_list_that_does_not_match_is_passed_over() -> Outcome {
    let item = |number, kind, length, at| Item { number, kind, length, at };
    use ObjectKind::{Pack, Seal};
    let of = |items: &[Item], last, list_at| Contents { items: items.to_vec(), last: Some(last) }.encode(SET, BLOCK, list_at);
    let one = [item(0, Pack, 1, 3)];
    type Forge<'a> = &'a dyn Fn(u64) -> (Vec<u8>, Trailer);
    let forgeries: [(&str, Forge, bool); 11] = [
        ("one that matches", &|at| of(&one, 3, at), true),
        ("two kinds of one number", &|at| of(&[one[0], item(0, Seal, 0, 0)], 3, at), true),
        ("begins one block before", &|at| of(&one, 3, at - 1), false),
        ("begins one block behind", &|at| of(&one, 3, at + 1), false),
        ("other blocks", &|at| Contents { items: one.to_vec(), last: Some(3) }.encode(SET, 2 * BLOCK, at), false),
        ("a number twice", &|at| of(&[one[0], one[0]], 3, at), false),
        ("kinds descend", &|at| of(&[item(0, Seal, 0, 0), one[0]], 3, at), false),
        ("numbers descend", &|at| of(&[item(1, Pack, 0, 0), one[0]], 3, at), false),
        ("one over the other", &|at| of(&[item(0, Pack, 1, 3), item(1, Pack, 0, 4)], 4, at), false),
        ("over the list", &|at| of(&[item(0, Pack, 1, at - 1)], at - 1, at), false),
        ("behind the last header", &|at| of(&one, 2, at), false),
    ];
    for (name, forge, is_believed) in forgeries {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let next = night(&tape, 0)?;
        let whole = listed(&tape)?;
        record_list(&cartridge, &forge(cartridge.end()));
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)? != whole, is_believed, "{name}");
        if !is_believed {
            check_nights(&tape, next)?;
            night(&tape, next)?;
            check_nights(&open(&cartridge)?, next + 5)?;
        }
    }
    Ok(())
}

/// A list of a newer version that names one object only: without it, all are found.
#[test]
fn a_list_of_another_version_is_passed_over() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let whole = listed(&tape)?;
    let one = Contents { items: vec![Item { number: 0, kind: ObjectKind::Pack, length: 1, at: 3 }], last: Some(3) };
    let (list, trailer) = one.encode(SET, BLOCK, cartridge.end());
    cartridge.record(&list);
    let mut newer = trailer.encode();
    newer[13] = b'2';
    cartridge.record(&rehashed(newer));
    cartridge.record_filemark();
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?, whole);
    check_nights(&tape, next)?;
    // Also where there is no other list, and when the next night is behind it.
    let only_newer = copy_of(&cartridge, |_, mark| match &mark[..] {
        [b'a', b'z', ..] if mark.starts_with(b"azekura list 1") => {
            let mut newer = *mark.first_chunk().expect("a block");
            newer[13] = b'2';
            rehashed(newer).to_vec()
        }
        _ => mark,
    });
    let tape = open(&only_newer)?;
    assert_eq!(listed(&tape)?, whole);
    let next = night(&tape, next)?;
    check_nights(&open(&only_newer)?, next)
}

/// A header with a number and a kind that are in use, behind the object or the torn rest of it: the first counts, with a
/// list and without, and every later night is found and can be written.
#[test]
fn the_first_of_two_objects_with_one_number_and_kind_counts() -> Outcome {
    for (number, kind) in [(1, ObjectKind::Pack), (4, ObjectKind::Seal)] {
        for (length, there) in [(0, 0), (50, 1), (9000, 3), (9000, 2), (1 << 30, 0)] {
            let case = format!("{number}, {there} of {length} bytes");
            let cartridge = Cartridge::new();
            let tape = create(&cartridge)?;
            let mut next = night(&tape, 0)?;
            let whole = listed(&tape)?;
            let at = plant(&cartridge, Header { number, kind, length, ..planted() }, there);
            let foreign = [format!("{}@{at}", object_path(number, kind))];
            let tape = open(&cartridge)?;
            assert_eq!(listed(&tape)?, whole, "{case}");
            assert_eq!(foreign_names(&tape)?, foreign, "{case}");
            check_nights(&tape, next)?;
            // What a run appends and does not seal is found behind it.
            tape.append(next, ObjectKind::Pack, &bytes(next, 10_000 + next as usize))?;
            tape.sync()?;
            let tape = open(&cartridge)?;
            check_nights(&tape, next + 1)?;
            assert_eq!(foreign_names(&tape)?, foreign, "{case}");
            for n in next + 1..next + 3 {
                tape.append(n, ObjectKind::Pack, &bytes(n, 10_000 + n as usize))?;
            }
            tape.append(next + 3, ObjectKind::Manifest, &bytes(next + 3, 5000))?;
            tape.append(next + 4, ObjectKind::Seal, &bytes(next + 4, 300))?;
            tape.sync()?;
            next += 5;
            let tape = open(&cartridge)?;
            check_nights(&tape, next)?;
            assert_eq!(foreign_names(&tape)?, [""; 0], "a list is behind it");
            let without_lists =
                copy_of(&cartridge, |_, mark| if mark.starts_with(b"azekura list") { vec![0; 512] } else { mark });
            let tape = open(&without_lists)?;
            assert_eq!(listed(&tape)?.len() as u64, next, "{case}");
            check_nights(&tape, next)?;
            assert_eq!(foreign_names(&tape)?, foreign, "{case}");
            night(&tape, next)?;
        }
    }
    Ok(())
}

#[test]
fn many_foreign_headers_are_counted() -> Outcome {
    let cartridge = Cartridge::new();
    let next = night(&create(&cartridge)?, 0)?;
    for _ in 0..FOREIGN_NAMES + 2 {
        plant(&cartridge, Header { number: 1, ..planted() }, 0);
    }
    let tape = open(&cartridge)?;
    let listing = tape.list()?;
    assert_eq!((listing.foreign.len(), listing.foreign_count), (FOREIGN_NAMES, FOREIGN_NAMES as u64 + 2));
    check_nights(&tape, next)
}

/// The number of a torn object is used: what claims it afterwards is no less foreign.
#[test]
fn a_torn_object_counts_before_a_whole_one_behind_it() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let torn = Header { number: next, length: 9000, ..planted() };
    let at = plant(&cartridge, torn, 1);
    plant(&cartridge, Header { length: 50, before: Some(at), ..torn }, 1);
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?.last(), Some(&(next, ObjectKind::Pack, 4096)));
    assert!(matches!(tape.append(next, ObjectKind::Pack, b"x"), Err(MediumError::Exists { .. })));
    night(&tape, next + 5)?;
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?[next as usize], (next, ObjectKind::Pack, 4096));
    Ok(())
}

/// A list whose last header is foreign: the cartridge is recognized by it, and written.
#[test]
fn a_foreign_header_may_be_the_last_before_a_list() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let lists = listed(&tape)?;
    let items = lists.iter().map(|(number, kind, length)| {
        let (first, _) = tape.blocks(*number).ok_or("known")?;
        Ok(Item { number: *number, kind: *kind, length: *length, at: first - 1 })
    });
    let items = items.collect::<Result<Vec<_>, &str>>()?;
    let at = plant(&cartridge, Header { number: 1, length: 50, ..planted() }, 1);
    record_list(&cartridge, &Contents { items, last: Some(at) }.encode(SET, BLOCK, cartridge.end()));
    let tape = open(&cartridge)?;
    assert_eq!((listed(&tape)?, foreign_names(&tape)?), (lists, Vec::new()));
    night(&tape, next)?;
    check_nights(&open(&cartridge)?, next + 5)
}

/// As two files in a folder: what the seal lists decides, so both are found by their kinds.
#[test]
fn two_objects_with_one_number_and_two_kinds_are_both_there() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    plant(&cartridge, Header { number: 1, kind: ObjectKind::Label, length: 50, ..planted() }, 1);
    let check = |tape: &Tape| -> Outcome {
        let both = [(1, ObjectKind::Label, 50), (1, ObjectKind::Pack, 10_001)];
        assert_eq!(listed(tape)?[1..3], both);
        assert_eq!(foreign_names(tape)?, [""; 0]);
        assert_eq!(read(tape, 1, ObjectKind::Label)?, vec![7; 50]);
        check_nights(tape, next)?;
        for kind in [ObjectKind::Pack, ObjectKind::Label, ObjectKind::Extra] {
            assert!(matches!(tape.append(1, kind, b"x"), Err(MediumError::Exists { number: 1, .. })));
        }
        Ok(())
    };
    let tape = open(&cartridge)?;
    check(&tape)?;
    night(&tape, next)?;
    let tape = open(&cartridge)?;
    check(&tape)?;
    cartridge.take_locates();
    open(&cartridge)?;
    assert!(cartridge.take_locates().len() < 5, "by the list");
    Ok(())
}

/// Whatever is where a header may be and is none of this cartridge hides nothing behind it.
#[test]
fn what_is_no_header_of_the_cartridge_is_passed_over() -> Outcome {
    let coded = |code| Header { kind: ObjectKind::Later(code), ..planted() }.encode();
    let mut newer = planted().encode();
    newer[13] = b'2';
    let mut unknown = planted().encode();
    unknown[479] = 1;
    let mut damaged = planted().encode();
    damaged[40] ^= 1;
    let cases = [
        ("kind 0", coded(0)),
        ("void", Header { kind: ObjectKind::Void, ..planted() }.encode()),
        ("kind 128", coded(128)),
        ("kind 255", coded(255)),
        ("longer than any object", Header { length: (1 << 30) + 1, ..planted() }.encode()),
        ("number 2^48", Header { number: 1 << 48, ..planted() }.encode()),
        ("another block", Header { block: 2 * BLOCK, ..planted() }.encode()),
        ("another set", Header { set: Id([8; 16]), ..planted() }.encode()),
        ("newer", rehashed(newer)),
        ("unknown bytes", rehashed(unknown)),
        ("damaged", damaged),
    ];
    for (name, block) in cases {
        let cartridge = Cartridge::new();
        let next = night(&create(&cartridge)?, 0)?;
        cartridge.record(&block);
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?.len() as u64, next, "{name}");
        // Behind the list that the first night wrote.
        tape.append(next, ObjectKind::Pack, &bytes(next, 10_000 + next as usize))?;
        tape.sync()?;
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?.len() as u64, next + 1, "{name}");
        check_nights(&tape, next + 1)?;
    }
    // The one that is allowed, to see that the others differ from it.
    let cartridge = Cartridge::new();
    let next = night(&create(&cartridge)?, 0)?;
    cartridge.record(&planted().encode());
    assert_eq!(listed(&open(&cartridge)?)?.len() as u64, next + 1);
    Ok(())
}

/// The longest text of a newer version has a header, too.
#[test]
fn a_header_may_announce_more_than_its_kind_allows() -> Outcome {
    let cartridge = Cartridge::new();
    let next = night(&create(&cartridge)?, 0)?;
    let length = (64 << 10) + 1;
    plant(&cartridge, Header { kind: ObjectKind::Label, length, ..planted() }, 17);
    let tape = open(&cartridge)?;
    assert_eq!(listed(&tape)?.last(), Some(&(900, ObjectKind::Label, length)));
    check_nights(&tape, next)
}

#[test]
fn a_cartridge_of_a_newer_version_is_named_and_not_written() -> Outcome {
    let cartridge = Cartridge::new();
    night(&create(&cartridge)?, 0)?;
    let newer = copy_of(&cartridge, |at, mark| match mark.first_chunk() {
        Some(header) if at == 0 => {
            let mut newer: [u8; 512] = *header;
            newer[13] = b'3';
            rehashed(newer).to_vec()
        }
        _ => mark,
    });
    let before = newer.copy(0, newer.end());
    for error in [open(&newer).err(), Loaded::in_drive(Box::new(newer.load())).err()] {
        assert!(matches!(&error, Some(MediumError::NewerFormat { found: 3, .. })), "{error:?}");
        assert!(error.is_some_and(|e| e.category() == ErrorCategory::Medium));
    }
    assert!(matches!(create(&newer), Err(MediumError::NotBlank { .. })));
    assert_eq!(newer.copy(0, newer.end()), before);
    Ok(())
}

/// The first header is damaged, or cannot be read: the next one is near, because a label is short.
#[test]
fn a_damaged_first_header_does_not_hide_the_cartridge() -> Outcome {
    for distance in [1, 17, 18] {
        for is_readable in [true, false] {
            let cartridge = Cartridge::new();
            let tape = create(&cartridge)?;
            tape.append(0, ObjectKind::Label, &bytes(0, (distance - 1) * BLOCK as usize))?;
            tape.append(1, ObjectKind::Pack, b"x")?;
            tape.sync()?;
            let cartridge = copy_of(&cartridge, |at, mut mark| {
                if at == 0 && is_readable {
                    mark[40] ^= 1;
                }
                mark
            });
            if !is_readable {
                cartridge.damage(0);
            }
            let opened = open(&cartridge);
            assert_eq!(opened.is_ok(), distance < 18, "{distance} {is_readable}");
            if let Ok(tape) = opened {
                assert_eq!(listed(&tape)?, [(1, ObjectKind::Pack, 1)]);
            }
        }
    }
    Ok(())
}

/// A filemark within an object, and a block of a length that its header does not demand: damage of this object alone.
#[test]
fn wrong_blocks_within_an_object_are_damage_of_it() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let (at, blocks) = tape.blocks(1).ok_or("known")?;
    let cut = |mark: Vec<u8>| mark[..mark.len() - 1].to_vec();
    let grown = |mark: Vec<u8>| [&mark[..], b"x"].concat();
    let cases: [(&str, Cartridge); 5] = [
        ("a longer block", copy_of(&cartridge, |a, mark| if a == at { grown(mark) } else { mark })),
        ("a shorter block", copy_of(&cartridge, |a, mark| if a == at { cut(mark) } else { mark })),
        ("a shorter last block", copy_of(&cartridge, |a, mark| if a == at + blocks - 1 { cut(mark) } else { mark })),
        ("a longer last block", copy_of(&cartridge, |a, mark| if a == at + blocks - 1 { grown(mark) } else { mark })),
        ("a filemark", {
            let parted = Cartridge::new();
            for a in 0..cartridge.end() {
                if a == at + 1 {
                    parted.record_filemark();
                }
                copy_mark(&parted, cartridge.copy(a, a + 1));
            }
            parted
        }),
    ];
    for (name, cartridge) in cases {
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?.len() as u64, next, "{name}");
        let lost = tape.read_back(1, ObjectKind::Pack, Hashes::Blake3);
        let is_damage = matches!(&lost, Err(e) if e.category() == ErrorCategory::Damage);
        assert!(is_damage, "{name}: {lost:?}");
        for n in [0, 2] {
            assert_eq!(read(&tape, n, ObjectKind::Pack)?, bytes(n, 10_000 + n as usize), "{name}");
        }
        assert_eq!(read(&tape, 4, ObjectKind::Seal)?, bytes(4, 300), "{name}");
    }
    Ok(())
}

/// Of a torn object there are its blocks, and not the filemarks behind them.
#[test]
fn a_torn_object_ends_before_filemarks() -> Outcome {
    for filemarks in 0..3 {
        let cartridge = Cartridge::new();
        let tape = create(&cartridge)?;
        let next = night(&tape, 0)?;
        plant(&cartridge, Header { number: next, length: 5 * u64::from(BLOCK), ..planted() }, 2);
        (0..filemarks).for_each(|_| cartridge.record_filemark());
        let torn = (next, ObjectKind::Pack, 2 * u64::from(BLOCK));
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?.last(), Some(&torn), "{filemarks} at the end");
        assert_eq!(read(&tape, next, ObjectKind::Pack)?, vec![7; 2 * BLOCK as usize]);
        tape.append(next + 1, ObjectKind::Pack, b"x")?;
        tape.sync()?;
        let tape = open(&cartridge)?;
        assert_eq!(listed(&tape)?[next as usize..], [torn, (next + 1, ObjectKind::Pack, 1)], "{filemarks} before a header");
    }
    Ok(())
}

/// The header behind a torn object cannot be read: what follows it is found all the same.
#[test]
fn a_bad_header_behind_a_torn_object_costs_its_own_object_only() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    plant(&cartridge, Header { number: next, length: 1 << 20, ..planted() }, 1);
    let tape = open(&cartridge)?;
    for n in next + 1..next + 4 {
        tape.append(n, ObjectKind::Pack, &bytes(n, 100))?;
    }
    tape.sync()?;
    let (bad, _) = tape.blocks(next + 1).ok_or("known")?;
    cartridge.damage(bad - 1);
    let tape = open(&cartridge)?;
    let numbers: Vec<u64> = listed(&tape)?.iter().map(|o| o.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, next, next + 2, next + 3]);
    assert_eq!(read(&tape, next + 2, ObjectKind::Pack)?, bytes(next + 2, 100));
    Ok(())
}

/// The power fails while the list is written: it has no trailer, or no filemark behind it.
#[test]
fn a_list_without_its_end_hides_nothing() -> Outcome {
    let cartridge = Cartridge::new();
    let tape = create(&cartridge)?;
    let next = night(&tape, 0)?;
    let (seal, blocks) = tape.blocks(next - 1).ok_or("the seal")?;
    assert_eq!(cartridge.end() - seal - blocks, 3, "a list of one block, its trailer, a filemark");
    for kept in seal + blocks..cartridge.end() {
        let cut = Cartridge::new();
        (0..kept).for_each(|at| copy_mark(&cut, cartridge.copy(at, at + 1)));
        let tape = open(&cut)?;
        assert_eq!(listed(&tape)?.len() as u64, next);
        tape.append(next, ObjectKind::Pack, &bytes(next, 10_000 + next as usize))?;
        tape.sync()?;
        let tape = open(&cut)?;
        assert_eq!(listed(&tape)?.len() as u64, next + 1);
        check_nights(&tape, next + 1)?;
    }
    Ok(())
}
