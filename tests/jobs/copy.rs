//! Copies of media, which are there when the original is not: burned, worn out, or in the hands of whoever wants a ransom.

use crate::machine::put_object;
use crate::tools::{copy_folder, fast_folder, noise, objects, set_folder};
use crate::world::{Deck, Hospital, tree};
use azekura::event::{Event, NoObserver, Observer};
use azekura::format::digests::Hashes;
use azekura::format::object::{ObjectKind, object_path};
use azekura::host::catalog::Catalog;
use azekura::job::inspect::verify;
use azekura::job::media::copy::{CopyError, ObjectClash, Options, Report, copy};
use azekura::job::media::scrub;
use azekura::job::media::scrub::{MediumHealth, log, scrub};
use azekura::job::{backup, restore};
use azekura::medium::tape::simulated::Cartridge;
use azekura::medium::{Directory, Medium, MediumError};
use azekura::set::check::DamageKind;
use azekura::set::writer::WriteError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Three nights on a disk.
fn nights() -> Hospital {
    let h = Hospital::new();
    for night in 1..=3 {
        h.write(&format!("small/{night}"), format!("record of the patient {night}"));
        h.write(&format!("image {night}"), noise(night, 2_000_000));
        h.try_backup(&backup::Options { memory_bytes: 6 << 20, ..h.options() }).expect("a backup");
    }
    fs::create_dir(h.path("copy")).expect("a folder");
    h
}

fn options(from: &Path, to: &Path) -> Options {
    Options::new(from, to)
}

fn run(h: &Hospital, options: &Options) -> Result<Report, CopyError> {
    h.with_env(|w| copy(options, w, &NoObserver))
}

fn to_copy(h: &Hospital) -> Report {
    run(h, &options(&h.medium(), &h.path("copy"))).expect("a copy")
}

/// Every object of the only set below a medium's root by its path below the set's folder, with its bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    objects(root).into_iter().map(|(number, kind, path)| (object_path(number, kind), fs::read(path).expect("bytes"))).collect()
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("the object");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    replace(path, &bytes);
}

/// Stored files are read-only.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).expect("removed");
    fs::write(path, bytes).expect("written");
}

fn name_of(root: &Path, kind: ObjectKind, nth: usize) -> String {
    let (number, kind, _) = objects(root).into_iter().filter(|o| o.1 == kind).nth(nth).expect("an object");
    object_path(number, kind)
}

#[test]
fn a_copy_is_the_same_and_restores_when_the_original_is_gone() {
    let h = nights();
    let report = to_copy(&h);
    assert!(report.is_good());
    assert_eq!((report.already, report.newest.as_ref().map(|n| n.0), &report.places[..]), (0, Some(3), &[1][..]));
    let medium = files(&h.medium());
    assert_eq!((report.objects, report.bytes), (medium.len() as u64, medium.values().map(|b| b.len() as u64).sum()));
    assert_eq!(files(&h.path("copy")), medium);
    let verified = h.try_verify(&h.path("copy"), report.newest.map(|n| n.1), None).expect("a verification");
    assert!(verified.is_good(), "{verified:?}");
    fs::remove_dir_all(h.medium()).expect("burned");
    let options = restore::Options { from: h.path("copy"), ..h.restore_options("restored") };
    assert_eq!(h.try_restore(&options).expect("a restore").findings, []);
    assert_eq!(tree(&h.path("restored/source")), tree(&h.source()));
}

#[test]
fn a_copy_goes_to_tape_and_comes_back_the_same() {
    let h = nights();
    let cartridge = Cartridge::new();
    h.deck.load(&cartridge);
    let report = run(&h, &options(&h.medium(), &Deck::path())).expect("a copy");
    assert!(report.is_good());
    // As the format wants it: behind each seal a list and a filemark.
    assert_eq!(cartridge.filemarks(), 3);
    assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
    // From tape to tape, and back to a disk.
    run(&h, &options(&Deck::path(), &h.path("copy"))).expect("a copy");
    assert_eq!(files(&h.path("copy")), files(&h.medium()));
    let again = run(&h, &options(&h.medium(), &Deck::path())).expect("nothing to do");
    assert_eq!((again.already, again.objects), (report.objects, report.objects));
    // Only new nights are appended.
    h.write("tonight", noise(9, 500_000));
    h.backup();
    let more = run(&h, &options(&h.medium(), &Deck::path())).expect("the fourth night");
    assert_eq!((more.already, more.newest.map(|n| n.0)), (report.objects, Some(4)));
    let options = restore::Options { from: Deck::path(), ..h.restore_options("restored") };
    assert_eq!(h.try_restore(&options).expect("a restore").findings, []);
    assert_eq!(tree(&h.path("restored/source")), tree(&h.source()));
}

#[test]
fn what_is_damaged_is_named_and_left_out_and_another_copy_fills_the_gap() {
    let h = nights();
    copy_folder(&h.medium(), &h.path("good"));
    let (pack, gone) = (name_of(&h.medium(), ObjectKind::Pack, 1), name_of(&h.medium(), ObjectKind::Pack, 3));
    damage(&set_folder(&h.medium()).join(&pack));
    fs::remove_file(set_folder(&h.medium()).join(&gone)).expect("lost");
    let report = to_copy(&h);
    assert!(!report.is_good());
    let named: Vec<_> = report.damage.iter().map(|d| (object_path(d.object.number, d.object.kind), d.what.clone())).collect();
    assert_eq!(named, [(pack.clone(), DamageKind::Digest), (gone.clone(), DamageKind::Missing)]);
    let mut expected = files(&h.path("good"));
    expected.retain(|name, _| *name != pack && *name != gone);
    assert_eq!(files(&h.path("copy")), expected);
    // A source that has them makes the copy whole.
    let report = run(&h, &options(&h.path("good"), &h.path("copy"))).expect("a copy");
    assert_eq!((report.is_good(), report.objects - report.already), (true, 2));
    assert_eq!(files(&h.path("copy")), files(&h.path("good")));
    // And the damaged original loses nothing of it: what the copy has, it needs not read.
    assert!(to_copy(&h).is_good());
}

/// The newest seal cannot be read, so nothing says that the copy lacks a night: the fault does.
#[test]
fn a_copy_without_the_newest_seal_is_not_good() {
    let h = nights();
    replace(&set_folder(&h.medium()).join(name_of(&h.medium(), ObjectKind::Seal, 2)), b"not a seal");
    let report = to_copy(&h);
    assert_eq!((report.newest.as_ref().map(|n| n.0), report.unproved, report.damage.len()), (Some(2), 0, 0));
    assert!(!report.is_good(), "{report:?}");
}

/// Of everything that was read on the copy, written now or earlier, the weakest way counts.
#[test]
fn the_weakest_way_of_reading_back_is_reported() {
    let (h, to) = (nights(), fast_folder());
    for already in [false, true] {
        let report = run(&h, &options(&h.medium(), to.path())).expect("a copy");
        assert_eq!(report.already == report.objects, already);
        let copy = Directory::open(to.path(), report.set).expect("the copy");
        let ways =
            objects(to.path()).into_iter().map(|(n, kind, _)| copy.read_back(n, kind, Hashes::Blake3).expect("an object").how);
        assert_eq!(Some(report.read_back), ways.min());
    }
}

/// What a damaged seal listed is still needed by later generations.
#[test]
fn what_a_lost_seal_listed_is_copied_as_it_lies_there() {
    let h = nights();
    let seal = name_of(&h.medium(), ObjectKind::Seal, 1);
    replace(&set_folder(&h.medium()).join(&seal), b"not a seal");
    let report = to_copy(&h);
    assert!(!report.is_good() && report.unproved > 0 && report.damage.is_empty(), "{report:?}");
    let mut expected = files(&h.medium());
    expected.remove(&seal);
    assert_eq!(files(&h.path("copy")), expected);
    let newest = h.chain().links.last().map(|l| l.seal.generation);
    let options = restore::Options { from: h.path("copy"), generation: newest, ..h.restore_options("restored") };
    let restored = h.try_restore(&options).expect("a restore");
    assert_eq!((restored.findings, restored.trusted), (vec![], false));
    assert_eq!(tree(&h.path("restored/source")), tree(&h.source()));
    // The same again finds all of it.
    assert_eq!(to_copy(&h).already, report.objects);
}

/// A seal with a flipped bit says of a whole object that it is another: that is no reason to leave the object behind.
#[test]
fn a_damaged_seal_is_not_believed() {
    let h = nights();
    let seal = set_folder(&h.medium()).join(name_of(&h.medium(), ObjectKind::Seal, 1));
    let mut bytes = fs::read(&seal).expect("the seal");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let line = text.find("object ").expect("an object");
    let objects = text.matches("\nobject ").count() as u64;
    let digest = line + text[line..].find('\n').expect("its end") - 1;
    bytes[digest] = if bytes[digest] == b'0' { b'1' } else { b'0' };
    replace(&seal, &bytes);
    for already in [0, 1] {
        let report = to_copy(&h);
        assert!(!report.is_good() && report.damage.is_empty(), "{report:?}");
        // Nothing is known of any object in its list.
        assert_eq!((report.unproved, report.already), (objects, already * report.objects));
        assert_eq!(files(&h.path("copy")), files(&h.medium()));
    }
}

/// Somebody wants the job to end after so many objects.
struct EndAfter<'h>(&'h Hospital, AtomicU64);

impl Observer for EndAfter<'_> {
    fn on_event(&self, event: Event) {
        if matches!(event, Event::Progress { .. }) && self.1.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.interrupted.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn an_interrupted_copy_is_continued() {
    let h = nights();
    let cartridge = Cartridge::new();
    h.deck.load(&cartridge);
    for to in [h.path("copy"), Deck::path()] {
        let options = options(&h.medium(), &to);
        let ended = h.with_env(|w| copy(&options, w, &EndAfter(&h, AtomicU64::new(4))));
        assert!(matches!(ended, Err(CopyError::Interrupted)), "{ended:?}");
        h.interrupted.store(false, Ordering::Relaxed);
        let report = run(&h, &options).expect("the rest");
        assert!(report.already >= 4 && report.already < report.objects, "{report:?}");
        assert!(h.try_verify(&to, None, None).expect("a verification").is_good());
    }
    assert_eq!(files(&h.path("copy")), files(&h.medium()));
}

/// The power went within an object. Nothing that was stored is removed: somebody has to.
#[test]
fn a_torn_object_on_the_copy_is_told_of_and_nothing_is_written() {
    let h = nights();
    to_copy(&h);
    let folder = set_folder(&h.path("copy"));
    let last = name_of(&h.path("copy"), ObjectKind::Pack, 2);
    let bytes = fs::read(folder.join(&last)).expect("the pack");
    for name in files(&h.path("copy")).keys().filter(|n| **n > last) {
        fs::remove_file(folder.join(name)).expect("not yet written");
    }
    replace(&folder.join(&last), &bytes[..bytes.len() / 3]);
    let before = files(&h.path("copy"));
    let refused = run(&h, &options(&h.medium(), &h.path("copy")));
    assert!(matches!(&refused, Err(CopyError::Clash { object, clash: ObjectClash::Torn, .. }) if *object == last), "{refused:?}");
    assert_eq!(files(&h.path("copy")), before);
    fs::remove_file(folder.join(&last)).expect("by hand");
    assert!(to_copy(&h).is_good());
    assert_eq!(files(&h.path("copy")), files(&h.medium()));
}

#[test]
fn a_foreign_target_stays_as_it_is() {
    let h = nights();
    let other = nights();
    let before = files(&other.medium());
    let refused = run(&h, &options(&h.medium(), &other.medium()));
    assert!(matches!(refused, Err(CopyError::OtherSet { .. })), "{refused:?}");
    assert_eq!(files(&other.medium()), before);
    // Whoever says so may keep both in one place.
    let beside = Options { beside_others: true, ..options(&h.medium(), &other.medium()) };
    run(&h, &beside).expect("a copy");
    let set = Some(h.label().set);
    let options_ = verify::Options { set, ..verify::Options::new(other.medium()) };
    assert!(h.with_env(|w| verify::verify(&options_, w, &NoObserver)).expect("a verification").is_good());

    // Cartridges of another program, and of another set.
    let foreign = Cartridge::new();
    foreign.record(b"LTFS");
    let theirs = Cartridge::new();
    h.deck.load(&theirs);
    other.deck.load(&theirs);
    let set = Some(other_set(&other, &h));
    run(&other, &Options { set, ..options(&other.medium(), &Deck::path()) }).expect("their copy");
    for cartridge in [foreign, theirs] {
        h.deck.load(&cartridge);
        let (end, before) = (cartridge.end(), cartridge.copy(0, cartridge.end()));
        let refused = run(&h, &options(&h.medium(), &Deck::path()));
        assert!(
            matches!(refused, Err(CopyError::OtherSet { .. } | CopyError::Medium(MediumError::Foreign { .. }))),
            "{refused:?}"
        );
        assert_eq!((cartridge.end(), cartridge.copy(0, end)), (end, before));
    }
}

/// The set on `other`'s medium that is not `h`'s.
fn other_set(other: &Hospital, h: &Hospital) -> azekura::format::object::Id {
    let ours = h.label().set;
    let sets = azekura::medium::Sets::find(&other.medium()).expect("sets").found;
    sets.into_iter().map(|s| s.id).find(|id| *id != ours).expect("theirs")
}

/// The wrong way round: the copy is older than the original.
#[test]
fn a_target_that_is_newer_than_the_source_stays_as_it_is() {
    let h = nights();
    to_copy(&h);
    h.write("tonight", "new");
    h.backup();
    let before = files(&h.medium());
    let refused = run(&h, &options(&h.path("copy"), &h.medium()));
    assert!(matches!(refused, Err(CopyError::Clash { clash: ObjectClash::Unknown, .. })), "{refused:?}");
    assert_eq!(files(&h.medium()), before);
}

#[test]
fn a_medium_is_not_copied_onto_itself() {
    let h = nights();
    let before = files(&h.medium());
    std::os::unix::fs::symlink(h.medium(), h.path("another name")).expect("a link");
    for to in [h.medium(), h.path("another name"), h.path("medium/../medium")] {
        let refused = run(&h, &options(&h.medium(), &to));
        assert!(matches!(refused, Err(CopyError::SamePlace { .. })), "{refused:?}");
    }
    assert_eq!(files(&h.medium()), before);
    h.deck.load(&Cartridge::new());
    let refused = run(&h, &options(&Deck::path(), &Deck::path()));
    assert!(matches!(refused, Err(CopyError::SamePlace { .. })), "{refused:?}");
}

/// A copy that a run was broken off on holds whole generations; a smaller cartridge holds those that fit.
#[test]
fn a_cartridge_that_is_too_small_keeps_whole_generations() {
    let h = nights();
    let cartridge = Cartridge::with_capacity(4_900_000, 400_000);
    h.deck.load(&cartridge);
    let full = run(&h, &options(&h.medium(), &Deck::path()));
    assert!(matches!(full, Err(CopyError::Medium(MediumError::Full { .. }))), "{full:?}");
    let verified = h.try_verify(&Deck::path(), None, None).expect("a verification");
    assert!(verified.is_good() && verified.generations.len() == 2, "{verified:?}");
}

/// Nights over several cartridges, and where they lie.
fn over_cartridges() -> (Hospital, Vec<Cartridge>) {
    let cartridges: Vec<Cartridge> = (0..9).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = Hospital::new();
    h.deck.load(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = backup::Options { to: Deck::path(), memory_bytes: 6 << 20, ..h.options() };
    let mut last = 0;
    for night in 1..=3 {
        h.write(&format!("image {night}"), noise(night, 2_000_000));
        h.write("changed", format!("night {night}"));
        last = h.try_backup(&options).expect("a backup").place as usize;
    }
    assert!(last >= 3, "{last} cartridges");
    let used = cartridges[..last].to_vec();
    h.deck.library.lock().expect("no panic").clone_from(&used);
    h.deck.asked();
    fs::create_dir(h.path("copy")).expect("a folder");
    (h, used)
}

#[test]
fn a_set_on_several_cartridges_is_copied_to_one_disk() {
    let (h, cartridges) = over_cartridges();
    let places: Vec<u64> = (1..=cartridges.len() as u64).collect();
    for at_hand in [cartridges.len() - 1, 0] {
        let to = h.path(&format!("disk {at_hand}"));
        fs::create_dir(&to).expect("a disk");
        h.deck.load(&cartridges[at_hand]);
        let report = run(&h, &options(&Deck::path(), &to)).expect("a copy");
        assert!(report.is_good());
        assert_eq!(report.places, places);
        let asked = h.deck.asked();
        assert!(asked.len() >= cartridges.len() - 1 && asked.iter().all(|w| !w.blank), "{asked:?}");
        let verified = h.try_verify(&to, None, None).expect("a verification");
        assert!(verified.is_good() && verified.elsewhere == 0, "{verified:?}");
        assert!(h.deck.asked().is_empty(), "everything is on the one disk");
        // And so it is on one large cartridge.
        let large = Cartridge::new();
        h.deck.load(&large);
        run(&h, &options(&to, &Deck::path())).expect("a copy");
        assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
        for (from, what) in [(to, "disk"), (Deck::path(), "tape")] {
            let name = format!("restored {at_hand} {what}");
            let options = restore::Options { from, ..h.restore_options(&name) };
            assert_eq!(h.try_restore(&options).expect("a restore").findings, []);
            assert_eq!(tree(&h.path(&name).join("source")), tree(&h.source()));
        }
        assert!(h.deck.asked().is_empty());
    }
}

/// Cartridge by cartridge, each onto one like it; and the copies restore as the originals did.
#[test]
fn cartridges_are_copied_one_by_one() {
    let (h, cartridges) = over_cartridges();
    let mut copies = Vec::new();
    for (place, cartridge) in (1..).zip(&cartridges) {
        let disk = h.path(&format!("disk {place}"));
        fs::create_dir(&disk).expect("a disk");
        h.deck.load(cartridge);
        let report = run(&h, &Options { this_medium: true, ..options(&Deck::path(), &disk) }).expect("a copy");
        assert!(report.is_good() && report.places == [place], "{report:?}");
        assert!(h.deck.asked().is_empty(), "nothing else is asked for");
        assert!(h.try_verify(&disk, None, None).expect("a verification").is_good());
        let copy = Cartridge::new();
        h.deck.load(&copy);
        run(&h, &Options { this_medium: true, ..options(&disk, &Deck::path()) }).expect("a copy");
        assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
        copies.push(copy);
        // All of them, one after the other, on one disk.
        run(&h, &Options { this_medium: true, ..options(&disk, &h.path("copy")) }).expect("a copy");
    }
    h.deck.library.lock().expect("no panic").clone_from(&copies);
    let options = restore::Options { from: Deck::path(), ..h.restore_options("restored") };
    assert_eq!(h.try_restore(&options).expect("a restore").findings, []);
    assert_eq!(tree(&h.path("restored/source")), tree(&h.source()));
    assert!(h.try_verify(&h.path("copy"), None, None).expect("a verification").is_good());
}

/// Void objects are covered by seals like all others.
#[test]
fn leftovers_that_a_seal_lists_are_copied_and_others_are_not() {
    let h = nights();
    let next = objects(&h.medium()).len() as u64;
    put_object(&set_folder(&h.medium()), next, ObjectKind::Pack, b"torn");
    assert_eq!(to_copy(&h).objects, next);
    assert!(!files(&h.path("copy")).contains_key(&object_path(next, ObjectKind::Pack)));
    h.write("tonight", "new");
    h.backup();
    assert!(to_copy(&h).is_good());
    assert_eq!(files(&h.path("copy")), files(&h.medium()));
    let cartridge = Cartridge::new();
    h.deck.load(&cartridge);
    run(&h, &options(&h.medium(), &Deck::path())).expect("a copy");
    assert!(h.try_verify(&Deck::path(), None, None).expect("a verification").is_good());
}

/// After the original and its copy have gone different ways, the host takes only the one that it remembers.
#[test]
fn a_copy_that_was_gone_on_with_is_not_mixed_with_the_original() {
    let h = nights();
    to_copy(&h);
    h.write("tonight", "on the copy");
    let on_copy = backup::Options { to: h.path("copy"), ..h.options() };
    assert_eq!(h.try_backup(&on_copy).expect("a backup").generation, 4);
    let refused = h.try_backup(&h.options());
    assert!(matches!(refused, Err(backup::BackupError::Write(WriteError::RolledBack { .. }))), "{refused:?}");
    // The original is brought up to the copy.
    run(&h, &options(&h.path("copy"), &h.medium())).expect("a copy");
    assert_eq!(h.try_backup(&h.options()).expect("a backup").generation, 5);
}

fn scrubbed(h: &Hospital, from: PathBuf) -> scrub::Report {
    h.with_env(|w| scrub(&scrub::Options { from, set: None, known: Default::default() }, w, &NoObserver)).expect("a scrub")
}

#[test]
fn a_medium_is_read_through_and_the_log_has_it() {
    let h = nights();
    let report = scrubbed(&h, h.medium());
    assert_eq!((report.verdict(), report.objects as usize), (MediumHealth::Good, files(&h.medium()).len()));
    assert_eq!(report.bytes, files(&h.medium()).values().map(|b| b.len() as u64).sum::<u64>());
    // The clock of these tests goes one second at each look.
    assert_eq!((report.seconds, report.bytes_per_second()), (1.0, Some(report.bytes)));
    let mut catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("the catalog");
    assert!(log(&report, &mut catalog, "2026-01-02T03:04:05Z").expect("recorded"));
    let (lines, broken) = catalog.log_lines().expect("the log");
    let last = lines.last().expect("a line");
    assert_eq!((last.operation.as_str(), broken), ("media scrub", None));
    assert!(last.detail.ends_with("0 damaged: good"), "{}", last.detail);

    let pack = name_of(&h.medium(), ObjectKind::Pack, 0);
    damage(&set_folder(&h.medium()).join(&pack));
    let report = scrubbed(&h, h.medium());
    assert_eq!(report.verdict(), MediumHealth::CopyForward);
    assert!(matches!(&report.damage[..], [d] if object_path(d.object.number, d.object.kind) == pack));
}

#[test]
fn a_cartridge_is_read_through_forwards_and_its_bad_places_are_named() {
    let (h, cartridges) = over_cartridges();
    let last = &cartridges[cartridges.len() - 1];
    h.deck.load(last);
    let report = scrubbed(&h, Deck::path());
    assert_eq!((report.verdict(), report.place as usize), (MediumHealth::Good, cartridges.len()));
    assert!(h.deck.asked().is_empty(), "one medium is read, not the set");
    // In the first object behind the label: its header is fine, its bytes are not.
    h.deck.load(&cartridges[0]);
    cartridges[0].damage(3);
    let report = scrubbed(&h, Deck::path());
    assert_eq!((report.verdict(), report.damage.len()), (MediumHealth::CopyForward, 1));
    assert!(matches!(report.damage[0].what, DamageKind::Unreadable(_)));
}
