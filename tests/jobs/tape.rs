//! Nights onto tape.

use crate::tools::{copy_folder, fast_folder, noise};
use crate::world::{Deck, Hospital, tree};
use azekura::event::{Event, NoObserver, Observer};
use azekura::format::object::ObjectKind;
use azekura::format::seal::Verdict;
use azekura::format::tape::Header;
use azekura::host::catalog::Catalog;
use azekura::job::backup::{BackupError, Options};
use azekura::job::inspect::generations::generations;
use azekura::job::inspect::verify::Expected;
use azekura::job::inspect::{InspectError, verify};
use azekura::job::rebuild::rebuild;
use azekura::job::restore;
use azekura::medium::loader::MediumRequest;
use azekura::medium::tape::drive::Drive;
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::{AttachedMedium, Loader, MediumError, bring};
use azekura::set::open::OpenSet;
use azekura::set::writer::{Opened, WriteError};
use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

fn hospital(cartridge: &Cartridge) -> Hospital {
    let h = Hospital::within(fast_folder());
    h.deck.load(cartridge);
    for i in 0..300 {
        h.write(&format!("small/{}/{i}", i % 7), format!("record {i} of the patient"));
    }
    h.write("large", noise(1, 3_000_000));
    h
}

fn to_tape(h: &Hospital) -> Options {
    Options { to: Deck::path(), ..h.options() }
}

fn from_tape(h: &Hospital, to: &str) -> restore::Options {
    restore::Options { from: Deck::path(), ..h.restore_options(to) }
}

#[test]
fn nights_onto_one_cartridge_come_back() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    let mut nights = Vec::new();
    for night in 1..=3 {
        h.write(&format!("new {night}"), noise(night, 400_000));
        let report = h.try_backup(&to_tape(&h)).expect("a backup");
        assert_eq!((report.generation, report.findings.len()), (night, 0));
        assert_eq!(report.opened, if night == 1 { Opened::New } else { Opened::Known });
        nights.push(tree(&h.source()));
    }
    assert_eq!(cartridge.filemarks(), 3);
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(verified.generations.len(), 3);
    for (generation, night) in (1..).zip(&nights) {
        let name = format!("restored {generation}");
        let options = restore::Options { generation: Some(generation), ..from_tape(&h, &name) };
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!(report.findings, []);
        assert_eq!(&tree(&h.path(&name).join("source")), night);
    }
}

/// Somebody appends a second header for a pack, as long as an object can be.
#[test]
fn a_second_object_with_a_used_number_is_named_and_stops_no_night() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    h.try_backup(&to_tape(&h)).expect("a backup");
    let label = Header::decode(&cartridge.copy(0, 1)).expect("a header").expect("the first");
    let planted = Header { number: 1, kind: ObjectKind::Pack, length: 1 << 30, ..label };
    let at = cartridge.end();
    cartridge.record(&planted.encode());
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert_eq!((verified.foreign.as_slice(), verified.damage.len()), (&[format!("00000/00000001.pack@{at}")][..], 0));
    assert!(!verified.is_good());
    h.write("new", noise(2, 400_000));
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    assert_eq!((report.generation, report.findings.len()), (2, 0));
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good(), "{verified:?}");
    let report = h.try_restore(&from_tape(&h, "restored")).expect("a restore");
    assert_eq!(report.findings, []);
    assert_eq!(tree(&h.path("restored").join("source")), tree(&h.source()));
}

#[test]
fn a_catalog_is_made_anew_from_a_cartridge() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    h.try_backup(&to_tape(&h)).expect("a backup");
    std::fs::remove_file(h.path("state/catalog.sqlite")).expect("lost");
    let reports = h.with_env(|w| rebuild(&Deck::path(), &h.path("state"), &h.identity, w, &NoObserver)).expect("a catalog");
    assert_eq!(reports.len(), 1);
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    assert_eq!((report.generation, report.opened, report.count("bytes read")), (2, Opened::Known, 0));
}

#[test]
fn nothing_is_written_on_a_cartridge_that_is_not_ours() {
    let cartridge = Cartridge::new();
    cartridge.record(b"LTFS");
    let h = hospital(&cartridge);
    let refused = h.try_backup(&to_tape(&h));
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::Foreign { .. })))), "{refused:?}");
    assert_eq!(cartridge.end(), 1);

    let other = Cartridge::new();
    hospital(&other).try_backup_to_tape();
    let before = other.copy(0, other.end());
    h.deck.load(&other);
    let refused = h.try_backup(&to_tape(&h));
    assert!(
        matches!(
            refused,
            Err(BackupError::Write(WriteError::Unregistered { .. } | WriteError::Medium(MediumError::NotBlank { .. })))
        ),
        "{refused:?}"
    );
    assert_eq!(other.copy(0, other.end()), before);
}

trait Nightly {
    fn try_backup_to_tape(&self);
}

impl Nightly for Hospital {
    fn try_backup_to_tape(&self) {
        self.try_backup(&to_tape(self)).expect("a backup");
    }
}

/// A small night, and the buffer in front of the drive is never full: it is written all the same.
#[test]
fn a_night_that_does_not_fill_the_buffer_is_written() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    let options = Options { memory_bytes: 1120 << 20, ..to_tape(&h) };
    for night in 1..=2 {
        h.write("tonight", noise(300 + night, 20_000));
        let report = h.try_backup(&options).expect("a backup");
        assert_eq!(report.generation, night);
        assert!(report.streaming.is_some_and(|s| s.buffer_packs >= 48), "{:?}", report.streaming);
    }
    assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
}

/// Three nights over cartridges that hold less than one: brought one after the other, closed each with a seal of its own.
#[test]
fn a_night_goes_on_on_the_next_cartridge() {
    // Behind early warning there is room for the pack that was begun before it, and for a seal.
    let cartridges: Vec<Cartridge> =
        [5_200_000, 9_000_000, 9_000_000, 9_000_000].map(|bytes| Cartridge::with_capacity(bytes, 2_900_000)).into();
    let h = hospital(&cartridges[0]);
    h.write("more", noise(2, 3_000_000));
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = Options { memory_bytes: 6 << 20, ..to_tape(&h) };
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!(report.place, 2);
    let closed: Vec<u64> = report.closed.iter().map(|c| c.place).collect();
    assert_eq!(closed, [1]);
    let asked = h.deck.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].blank && asked[0].place == 2);

    // Each cartridge can be proved alone.
    for (place, cartridge) in (1..=2).zip(&cartridges) {
        h.deck.load(cartridge);
        // The host knows of each cartridge what was sealed on it last, and of no other.
        let catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("a catalog");
        let known = catalog.last_seals(catalog.set(report.set).expect("a catalog").expect("the set")).expect("seals");
        let options = verify::Options {
            known: verify::HostRecord { seals: known, ..Default::default() },
            ..verify::Options::new(Deck::path())
        };
        let verified = h.with_env(|w| verify::verify(&options, w, &NoObserver)).expect("a verification");
        assert!(verified.is_good(), "cartridge {place}: {verified:?}");
        assert!(matches!(verified.known, Some(Expected::Found { newer: 0, .. })), "{:?}", verified.known);
        assert_eq!(verified.generations.len(), place);
    }
    // Its manifest tells what a restore will read from each.
    let listed = h.with_env(|w| generations(&Deck::path(), None, Some(&h.identity), w)).expect("generations");
    let last = listed.generations.last().expect("a generation");
    let media = &last.details.as_ref().expect("an identity").media;
    let plan = h.try_restore(&restore::Options { dry_run: true, ..from_tape(&h, "nowhere") }).expect("a plan");
    let beside = |(listed, planned): (&(u64, u64), &(u64, u64))| listed.0 == planned.0 && listed.1 >= planned.1;
    assert!(media.len() == 2 && last.place == 2 && media.iter().zip(&plan.media).all(beside), "{media:?} {:?}", plan.media);
    let of_entries: u64 = media.iter().map(|m| m.1).sum::<u64>() - plan.bytes;
    assert!((10_000..200_000).contains(&of_entries), "{of_entries}");
    // The next night goes on where the last one ended.
    h.write("new", noise(7, 8_000_000));
    let report = h.try_backup(&options).expect("a backup");
    let last = report.place;
    assert!(report.opened == Opened::Known && last > 2, "{last}");
    // With the first cartridge in the drive, the last one is asked for.
    h.deck.load(&cartridges[0]);
    h.deck.asked();
    h.deck.shelf.lock().expect("no panic").push_front(cartridges[last as usize - 1].clone());
    h.write("newer", "tiny");
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!(report.place, last);
    assert!(matches!(&h.deck.asked()[..], [w] if !w.blank && w.place == last));
    assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
}

/// Nights over several cartridges, and every one of them back: each cartridge is asked for once and read forwards.
#[test]
fn a_restore_reads_each_cartridge_once_and_forwards() {
    let cartridges: Vec<Cartridge> = (0..9).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = hospital(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = Options { memory_bytes: 6 << 20, ..to_tape(&h) };
    let mut nights = Vec::new();
    let mut last = 0;
    for night in 1..=3 {
        h.write(&format!("new {night}"), noise(100 + night, 1_500_000));
        h.write("small/0/0", format!("changed {night}"));
        let report = h.try_backup(&options).expect("a backup");
        nights.push((report.generation, report.place, tree(&h.source())));
        last = report.place as usize;
    }
    assert!(last >= 3, "{last} cartridges");
    for (generation, place, night) in &nights {
        // The newest cartridge is at hand; the others are brought when they are asked for, in whatever order that is.
        h.deck.load(&cartridges[last - 1]);
        h.deck.asked();
        h.deck.library.lock().expect("no panic").clone_from(&cartridges[..last].to_vec());
        cartridges.iter().for_each(|c| drop(c.take_locates()));
        let name = format!("restored {generation}");
        let options = restore::Options { generation: Some(*generation), memory_bytes: 8 << 20, ..from_tape(&h, &name) };
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!(report.findings, []);
        assert_eq!(&tree(&h.path(&name).join("source")), night, "generation {generation}");
        let asked: Vec<u64> = h.deck.asked().iter().map(|w| w.place).collect();
        let mut once = asked.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(asked.len(), once.len(), "generation {generation}, which ends on cartridge {place}: {asked:?}");
        for cartridge in &cartridges[..*place as usize - 1] {
            // To see what it is, the head goes to the end and then to the label, at 1; from there on it goes forwards.
            let locates = cartridge.take_locates();
            let label = locates.iter().rposition(|(_, to)| *to == 1).expect("it was looked at");
            let forwards = &locates[label + 1..];
            assert!(!forwards.is_empty() && forwards.iter().all(|(from, to)| to > from), "{locates:?}");
        }
    }
    // All that the host knows can be made anew from the cartridges.
    std::fs::remove_file(h.path("state/catalog.sqlite")).expect("lost");
    h.deck.load(&cartridges[last - 1]);
    h.with_env(|w| rebuild(&Deck::path(), &h.path("state"), &h.identity, w, &NoObserver)).expect("a catalog");
    h.deck.load(&cartridges[last - 1]);
    h.write("after", "all");
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!((report.opened, report.count("new"), report.place), (Opened::Known, 1, last as u64));
}

/// Nobody is there at night: the run ends, and the next one goes on on the blank cartridge that somebody has put in.
#[test]
fn nobody_brings_a_cartridge() {
    // Behind early warning there is room for the pack that was begun before it, and for a seal.
    let cartridges = [5_200_000, 9_000_000].map(|bytes| Cartridge::with_capacity(bytes, 2_900_000));
    let h = hospital(&cartridges[0]);
    h.write("more", noise(2, 3_000_000));
    let options = Options { memory_bytes: 6 << 20, ..to_tape(&h) };
    let ended = h.try_backup(&options);
    assert!(
        matches!(ended, Err(BackupError::Write(WriteError::Medium(MediumError::NotBrought { place: 2, blank: true, .. })))),
        "{ended:?}"
    );
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good() && verified.leftovers.is_empty(), "{verified:?}");
    h.deck.load(&cartridges[1]);
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!((report.opened, report.place), (Opened::Known, 2));
    // The seals of the first cartridge are not missed on a blank one.
    assert!(report.findings.is_empty() && report.verdict == Verdict::Good, "{:?}", report.findings);
    assert!(report.added_bytes < 4_000_000, "what is on the first cartridge is used: {}", report.added_bytes);
    assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
}

/// A cartridge fails while it is the set's next one, and a blank one takes its place: what was begun on it is void, and it is refused when
/// it comes back.
#[test]
fn a_cartridge_that_was_begun_is_replaced_by_a_blank_one() {
    let [first, lost, second] = [(); 3].map(|()| Cartridge::with_capacity(5_200_000, 2_900_000));
    let mut h = Hospital::within(fast_folder());
    h.threads = 1;
    h.deck.load(&first);
    h.write("small", "record");
    h.write("large", noise(1, 300_000));
    let options = Options { memory_bytes: 6 << 20, tape_block: 16 << 10, ..to_tape(&h) };
    h.try_backup(&options).expect("a backup");
    let mut nights = vec![(1, tree(&h.source()))];
    h.write("tonight", noise(2, 3_800_000));
    // Where the same night ends when nothing fails.
    let (twin, trial) = (Cartridge::with_capacity(5_200_000, 2_900_000), h.path("trial"));
    copy_folder(&h.path("state"), &trial);
    h.deck.load(&first.twin());
    *h.deck.shelf.lock().expect("no panic") = vec![twin.clone()].into();
    h.try_backup(&Options { state: trial, ..options.clone() }).expect("a backup");

    h.deck.load(&first);
    *h.deck.shelf.lock().expect("no panic") = vec![lost.clone()].into();
    // At its manifest, when its packs are read back and recorded.
    lost.fail_writes_from(Some(twin.end() - 7));
    let ended = h.try_backup(&options);
    assert!(
        matches!(ended, Err(BackupError::Write(WriteError::Medium(MediumError::Io { .. } | MediumError::Broken { .. })))),
        "{ended:?}"
    );
    lost.fail_writes_from(None);
    let catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("a catalog");
    let set = catalog.sets_to_continue().expect("sets")[0].1;
    assert!(catalog.unsealed(set).expect("objects").iter().any(|o| o.kind == ObjectKind::Pack), "a pack was adopted from it");
    drop(catalog);
    // What is there without it can be had.
    *h.deck.library.lock().expect("no panic") = vec![first.clone(), lost.clone()];
    h.deck.load(&first);
    let newest = h.try_restore(&from_tape(&h, "newest")).expect("a restore");
    assert_eq!((newest.generation, newest.findings.len()), (1, 0));
    h.deck.library.lock().expect("no panic").clear();

    h.write("before tonight", noise(3, 300_000));
    h.deck.load(&second);
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!((report.opened, report.place), (Opened::Known, 2));
    nights.push((report.generation, tree(&h.source())));

    // It comes back, and is no part of the set.
    let there = lost.copy(0, lost.end());
    h.deck.load(&lost);
    let refused = h.try_backup(&options);
    assert!(
        matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::NotBrought { place: 2, blank: false, .. })))),
        "{refused:?}"
    );
    *h.deck.library.lock().expect("no panic") = vec![first.clone(), second.clone()];
    h.write("after", "all");
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!((report.opened, report.place), (Opened::Known, 2));
    nights.push((report.generation, tree(&h.source())));
    assert_eq!(lost.copy(0, lost.end()), there);

    for cartridge in [&first, &second] {
        h.deck.load(cartridge);
        assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
    }
    for (generation, expected) in &nights {
        for at_hand in [&first, &second, &lost] {
            let name = format!("back {generation}");
            h.deck.load(at_hand);
            let from = restore::Options { generation: Some(*generation), ..from_tape(&h, &name) };
            let back = h.try_restore(&from).expect("a restore");
            assert_eq!(back.findings, []);
            assert_eq!(&tree(&h.path(&name).join("source")), expected, "generation {generation}");
            std::fs::remove_dir_all(h.path(&name)).expect("a deletion");
        }
    }
    // Brought in the place of the second, it is not taken for it.
    h.deck.library.lock().expect("no panic").clear();
    *h.deck.shelf.lock().expect("no panic") = vec![first.clone(), lost.clone(), second.clone()].into();
    h.deck.load(&second);
    let from = restore::Options { generation: Some(nights[2].0), ..from_tape(&h, "last") };
    assert_eq!(h.try_restore(&from).expect("a restore").findings, []);
    assert_eq!(tree(&h.path("last/source")), nights[2].1);
}

/// A write fails at each of 200 places of a night that goes from one cartridge to the next: nothing that was sealed is harmed, nothing is
/// repaired by hand, and the next night is whole.
#[test]
fn a_write_error_at_each_of_200_places_harms_nothing_that_is_sealed() {
    // The first pack of the second night passes early warning, however long its last chunk is.
    let first = Cartridge::with_capacity(5_200_000, 4_000_000);
    let mut h = Hospital::within(fast_folder());
    // The same packs every evening.
    h.threads = 1;
    h.deck.load(&first);
    h.write("small", "record");
    h.write("large", noise(1, 300_000));
    let options = Options { memory_bytes: 6 << 20, tape_block: 16 << 10, ..to_tape(&h) };
    let report = h.try_backup(&options).expect("a backup");
    let night_1 = tree(&h.source());
    h.write("tonight", noise(2, 3_800_000));
    let night_2 = tree(&h.source());
    let begun = first.end();
    let (mut on_first, mut on_second, mut unharmed) = (0, 0, 0);
    for place in 0..200 {
        // The same evening again.
        let cartridges =
            [first.twin(), Cartridge::with_capacity(5_200_000, 2_900_000), Cartridge::with_capacity(9_000_000, 2_900_000)];
        let trial = h.path("trial");
        copy_folder(&h.path("state"), &trial);
        let options = Options { state: trial.clone(), ..options.clone() };
        let room = 120;
        match place < room {
            true => cartridges[0].fail_writes_from(Some(begun + place)),
            false => cartridges[1].fail_writes_from(Some(place - room)),
        }
        h.deck.load(&cartridges[0]);
        *h.deck.shelf.lock().expect("no panic") = cartridges[1..].to_vec().into();
        match h.try_backup(&options) {
            Ok(_) => unharmed += 1,
            Err(BackupError::Write(WriteError::Medium(MediumError::Io { .. } | MediumError::Broken { .. }))) if place < room => {
                on_first += 1
            }
            Err(BackupError::Write(WriteError::Medium(MediumError::Io { .. } | MediumError::Broken { .. }))) => on_second += 1,
            Err(e) => panic!("place {place}: {e:?}"),
        }
        // Somebody cleans the drive, and the next night comes. A cartridge on which nothing was sealed may be wanted once more, erased.
        cartridges.iter().for_each(|c| c.fail_writes_from(None));
        *h.deck.library.lock().expect("no panic") = cartridges.to_vec();
        *h.deck.shelf.lock().expect("no panic") = cartridges[1..].iter().filter(|c| c.end() == 0).cloned().collect();
        let night = h.try_backup(&options).unwrap_or_else(|e| panic!("place {place}: {e:?}"));
        // The last may have taken the place of one that was begun and is not used.
        let mut set = cartridges[..night.place as usize - 1].to_vec();
        set.extend(h.deck.loaded.lock().expect("no panic").clone());
        for cartridge in &set {
            h.deck.load(cartridge);
            let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
            assert!(verified.damage.is_empty() && verified.faults.is_empty(), "place {place}: {verified:?}");
        }
        h.deck.library.lock().expect("no panic").clone_from(&set);
        h.deck.load(&set[night.place as usize - 1]);
        for (generation, expected) in [(report.generation, &night_1), (night.generation, &night_2)] {
            let from = restore::Options { generation: Some(generation), ..from_tape(&h, "back") };
            let back = h.try_restore(&from).unwrap_or_else(|e| panic!("place {place}: {e:?}"));
            assert_eq!(back.findings, [], "place {place}");
            assert_eq!(&tree(&h.path("back/source")), expected, "place {place}, generation {generation}");
            std::fs::remove_dir_all(h.path("back")).expect("a deletion");
        }
        std::fs::remove_dir_all(trial).expect("a deletion");
    }
    println!("{on_first} failed on the first cartridge, {on_second} on the second, {unharmed} not at all");
    assert!(on_first >= 100 && on_second >= 60, "{on_first} {on_second} {unharmed}");
}

/// A bad spot where a cartridge says whose it is: everything else on it comes back.
#[test]
fn a_bad_spot_at_the_beginning_costs_no_generation() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    let mut nights = Vec::new();
    for night in 1..=2 {
        h.write("tonight", noise(night, 400_000));
        nights.push((h.try_backup(&to_tape(&h)).expect("a backup").generation, tree(&h.source())));
    }
    for address in 0..3 {
        let twin = cartridge.twin();
        twin.damage(address);
        h.deck.load(&twin);
        let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
        // A header that cannot be read costs nothing: the list behind the seal tells what lies there.
        assert_eq!(verified.is_good(), address != 1, "{address}: {verified:?}");
        for (generation, night) in &nights {
            let from = restore::Options { generation: Some(*generation), ..from_tape(&h, "back") };
            let report = h.try_restore(&from).unwrap_or_else(|e| panic!("{address}: {e:?}"));
            assert_eq!(report.findings, [], "{address}");
            assert_eq!(&tree(&h.path("back/source")), night, "{address}");
            std::fs::remove_dir_all(h.path("back")).expect("a deletion");
        }
    }
}

/// The same on a cartridge that another one leans on.
#[test]
fn a_cartridge_without_a_label_is_brought_and_read() {
    let cartridges: Vec<Cartridge> = (0..3).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = hospital(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let report = h.try_backup(&Options { memory_bytes: 6 << 20, ..to_tape(&h) }).expect("a backup");
    assert_eq!(report.place, 2);
    cartridges[0].damage(1);
    *h.deck.library.lock().expect("no panic") = cartridges;
    assert_eq!(h.try_restore(&from_tape(&h, "back")).expect("a restore").findings, []);
    assert_eq!(tree(&h.path("back/source")), tree(&h.source()));
}

/// Does something to a cartridge after so many objects.
struct After<'a>(AtomicU64, &'a (dyn Fn() + Sync));

impl Observer for After<'_> {
    fn on_event(&self, event: Event) {
        if matches!(event, Event::Progress { .. }) && self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            (self.1)();
        }
    }
}

/// The cartridge is taken out while it is read, or the drive has no power for a moment: neither is damage.
#[test]
fn a_drive_that_fails_is_no_damage() {
    let cartridge = Cartridge::new();
    let h = hospital(&cartridge);
    let report = h.try_backup(&to_tape(&h)).expect("a backup");
    let set = report.set;
    let options = verify::Options { set: Some(set), ..verify::Options::new(Deck::path()) };
    for after in 1..=2 {
        let out = After(AtomicU64::new(after), &|| cartridge.take_out());
        let verified = h.with_env(|w| verify::verify(&options, w, &out));
        assert!(
            matches!(verified, Err(InspectError::Medium(MediumError::NoCartridge { .. }))),
            "after {after} objects: {verified:?}"
        );
        let reset = After(AtomicU64::new(after), &|| cartridge.reset_drive());
        let verified = h.with_env(|w| verify::verify(&options, w, &reset)).expect("a verification");
        assert!(verified.is_good(), "after {after} objects: {verified:?}");
    }
}

/// A generation leans on so many cartridges and no more: beyond, everything is stored afresh, and the old ones are not asked for any more.
#[test]
fn a_generation_leans_on_a_few_cartridges_at_most() {
    let cartridges: Vec<Cartridge> = (0..12).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = hospital(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = Options { memory_bytes: 6 << 20, max_media: Some(2), ..to_tape(&h) };
    let mut afresh = 0;
    for night in 1..=4 {
        h.write("tonight", noise(200 + night, 1_200_000));
        let report = h.try_backup(&options).expect("a backup");
        afresh += u64::from(night > 1 && report.count("bytes read") == report.count("bytes"));
        let dry = restore::Options { dry_run: true, ..from_tape(&h, "nowhere") };
        *h.deck.library.lock().expect("no panic") = cartridges.clone();
        let plan = h.try_restore(&dry).expect("a plan");
        // The one that is being written may be passed once.
        assert!(plan.media.len() <= 3, "night {night}: {:?}", plan.media);
        h.deck.load(&cartridges[report.place as usize - 1]);
    }
    assert!(afresh > 0, "nothing was stored afresh");
    let last = h.try_restore(&from_tape(&h, "restored")).expect("a restore");
    assert_eq!(last.findings, []);
    assert_eq!(tree(&h.path("restored").join("source")), tree(&h.source()));
}

/// Brings what a tired person brings: first anything else, then what is wanted.
struct Tired {
    drive: Mutex<Cartridge>,
    brings: Mutex<VecDeque<Cartridge>>,
    /// What was said to be wrong with each.
    wrong: Mutex<Vec<Option<MediumError>>>,
}

impl Loader for Tired {
    fn drive(&self, _: &Path) -> Result<Option<Box<dyn Drive>>, MediumError> {
        Ok(Some(Box::new(self.drive.lock().expect("no panic").load())))
    }

    fn bring(&self, path: &Path, wanted: &MediumRequest, wrong: Option<MediumError>) -> Result<(), MediumError> {
        self.wrong.lock().expect("no panic").push(wrong);
        let Some(next) = self.brings.lock().expect("no panic").pop_front() else {
            return Err(MediumError::NotBrought { path: path.to_owned(), place: wanted.place, blank: wanted.blank });
        };
        *self.drive.lock().expect("no panic") = next;
        Ok(())
    }
}

/// Two nights, the first over two cartridges; and one cartridge of another hospital's set.
fn two_cartridges() -> (Hospital, Vec<Cartridge>, Cartridge) {
    let cartridges: Vec<Cartridge> = (0..3).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = hospital(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    assert_eq!(h.try_backup(&Options { memory_bytes: 6 << 20, ..to_tape(&h) }).expect("a backup").place, 2);
    let foreign = Cartridge::new();
    let other = hospital(&foreign);
    other.try_backup(&to_tape(&other)).expect("a backup");
    (h, cartridges, foreign)
}

/// Another hospital's cartridge, an empty one, the wrong one of the set, one that was begun for the same place and given up: each is told of
/// and none is read as if it were the right one.
#[test]
fn only_the_cartridge_that_is_wanted_is_taken() {
    let (_h, cartridges, foreign) = two_cartridges();
    let tired = |brings: &[&Cartridge]| Tired {
        drive: Mutex::new(cartridges[0].clone()),
        brings: Mutex::new(brings.iter().map(|c| (*c).clone()).collect()),
        wrong: Mutex::default(),
    };
    let label = AttachedMedium::find(&Deck::path(), &tired(&[])).and_then(|p| p.sets()).expect("sets").found.remove(0).label;
    let wanted = |place| MediumRequest { set: label.set, set_name: label.name.clone(), place, blank: false };
    let right = tired(&[&foreign, &Cartridge::new(), &cartridges[0], &cartridges[1]]);
    let (_, found) = bring(&right, &Deck::path(), &wanted(2), None, None).expect("the second");
    let found = found.expect("a label");
    assert_eq!(found.place, 2);
    let wrong = right.wrong.into_inner().expect("no panic");
    assert!(
        matches!(
            &wrong[..],
            [
                None,
                Some(MediumError::NoSuchSet { .. }),
                Some(MediumError::NoSuchSet { .. }),
                Some(MediumError::OtherMedium { found: 1, wanted: 2, .. })
            ]
        ),
        "{wrong:?}"
    );
    // Its place is right, and it begins where the set's second cartridge does not; with its label or without.
    for is_labelled in [true, false] {
        let begun = cartridges[1].twin();
        if !is_labelled {
            begun.damage(1);
        }
        let half = tired(&[&begun]);
        let refused = bring(&half, &Deck::path(), &wanted(2), Some(found.first_object + 1), None);
        assert!(matches!(refused, Err(MediumError::NotBrought { .. })), "labelled: {is_labelled}");
        let wrong = half.wrong.into_inner().expect("no panic");
        assert!(matches!(wrong[..], [None, Some(MediumError::Abandoned { .. } | MediumError::NoLabel { .. })]), "{wrong:?}");
        assert!(bring(&tired(&[&begun]), &Deck::path(), &wanted(2), Some(found.first_object), None).is_ok());
    }
}

/// A restore wants the first cartridge and nobody has it: whoever stands there is asked once, not once for each of 500 files.
#[test]
fn a_cartridge_that_nobody_has_is_asked_for_once() {
    let (h, _, _) = two_cartridges();
    h.deck.asked();
    h.deck.shelf.lock().expect("no panic").clear();
    let chain = h.with_env(|w| OpenSet::open(&Deck::path(), None, w.loader).and_then(|o| o.chain())).expect("seals");
    let first = chain.links[0].number;
    h.with_env(|w| {
        let (set, _) = OpenSet::with_content(&Deck::path(), None, None, w.loader).expect("the set");
        // Copies of the earlier seals lie on this cartridge: for them nobody is asked.
        let mut seal = Vec::new();
        set.medium.open(first, ObjectKind::Seal).expect("a seal").read_to_end(&mut seal).expect("a seal");
        assert_eq!(Some(*blake3::hash(&seal).as_bytes()), chain.links[0].object().digest());
        assert_eq!(h.deck.asked(), []);
        for object in chain.links[0].objects.iter().filter(|o| o.kind == ObjectKind::Pack) {
            let refused = set.medium.open(object.number, object.kind).map(drop);
            assert!(matches!(refused, Err(MediumError::NotBrought { place: 1, .. })), "{refused:?}");
        }
        assert_eq!(h.deck.asked().len(), 1);
    });
}
