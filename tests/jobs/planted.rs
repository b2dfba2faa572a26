//! Somebody who may write on the medium, and has no key, puts files there. None of them changes what a set is, none stops
//! the next night, and what is not the set's is named.

use crate::machine::{object_file, put_object};
use crate::tools::{assert_same, fast_folder, picture, set_folder};
use crate::world::Hospital;
use azekura::event::{Event, NoObserver, Observer};
use azekura::format::digests::Digests;
use azekura::format::label::Label;
use azekura::format::object::{Id, ObjectKind};
use azekura::format::seal::Verdict;
use azekura::job::backup::{BackupError, backup};
use azekura::job::inspect::verify::Expected;
use azekura::job::media::scrub::{self, MediumHealth, scrub};
use azekura::job::restore;
use azekura::seal::chain::FaultKind;
use azekura::set::writer::WriteError;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};

fn nights(count: u64) -> Hospital {
    let h = Hospital::within(fast_folder());
    for n in 1..=count {
        h.write("patients/1", format!("the record on day {n}"));
        h.write(&format!("patients/new {n}"), format!("admitted on day {n}"));
        h.backup();
    }
    h
}

/// The next honest run is good, its seal is small, and every generation comes back as it was.
#[track_caller]
fn assert_next_night_is_good(h: &Hospital, generation: u64) {
    h.write("patients/1", "the record on the day after");
    let report = h.backup();
    assert_eq!(report.generation, generation, "{:?}", report.findings);
    let chain = h.chain();
    let last = chain.last().expect("a seal");
    assert!(last.trusted && last.length < 64 << 10, "{} bytes", last.length);
    let to = h.path("restored");
    let options = restore::Options { generation: None, ..h.restore_options("restored") };
    let restored = h.try_restore(&options).expect("a restore");
    assert!(restored.trusted && restored.not_restored == 0, "{:?}", restored.findings);
    assert_same(&picture(&h.source()), &picture(&to.join("source")), "tonight");
    fs::remove_dir_all(to).expect("a deletion");
}

/// The number of the last seal.
fn end_of_log(h: &Hospital) -> u64 {
    h.chain().last().expect("a seal").number
}

#[track_caller]
fn foreign(h: &Hospital) -> Vec<String> {
    let report = h.verify();
    assert!(report.damage.is_empty(), "{:?}", report.damage);
    report.foreign
}

#[test]
fn a_name_far_behind_the_last_seal_costs_nothing() {
    for number in [2_000_000, 12_500_000, (1 << 48) - 1] {
        let h = nights(2);
        for kind in [ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Label, ObjectKind::Later(70)] {
            put_object(&set_folder(&h.medium()), number, kind, b"xx");
            let named = foreign(&h);
            assert!(named.iter().any(|n| n.ends_with(&format!("{number:08}.{kind}"))), "{named:?}");
        }
        assert_next_night_is_good(&h, 3);
        assert_next_night_is_good(&h, 4);
        fs::remove_file(object_file(&set_folder(&h.medium()), number, ObjectKind::Pack)).expect("a deletion");
        assert_next_night_is_good(&h, 5);
    }
}

#[test]
fn the_largest_number_in_a_name_is_no_number() {
    let h = nights(2);
    let folder = set_folder(&h.medium()).join("281474976710");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("281474976710656.pack"), b"xx").expect("a file");
    assert_eq!(foreign(&h).len(), 1);
    assert_next_night_is_good(&h, 3);
}

/// Names at every distance: those within the gap may be leftovers, and the numbers that the log reaches are found in use.
#[test]
fn names_in_the_way_of_the_log_are_passed_over() {
    let h = nights(2);
    let end = end_of_log(&h);
    for (i, ahead) in [1, 2, 3, 5, 8, 70, 71, 80, 140].into_iter().enumerate() {
        let kind = [ObjectKind::Pack, ObjectKind::Seal, ObjectKind::Manifest][i % 3];
        put_object(&set_folder(&h.medium()), end + ahead, kind, format!("planted {ahead}").as_bytes());
    }
    for generation in 3..20 {
        assert_next_night_is_good(&h, generation);
    }
    let report = h.verify();
    assert!(report.is_good(), "all of them are listed as void now: {:?} {:?}", report.foreign, report.faults);
}

/// A file, a link or a FIFO where a folder of thousands belongs.
#[test]
fn what_is_in_the_way_of_a_folder_is_passed_over() {
    let h = nights(1);
    for thousand in [1, 3] {
        fs::write(set_folder(&h.medium()).join(format!("{thousand:05}")), b"xx").expect("a file");
    }
    symlink("/tmp", set_folder(&h.medium()).join("00002")).expect("a link");
    assert_eq!(foreign(&h), ["00001", "00002", "00003"]);
    // The log reaches them.
    let options = azekura::job::backup::Options { pack_bytes: Some(4 << 10), ..h.options() };
    for n in 0..1100 {
        h.write(&format!("images/{n}"), crate::tools::Dice::new(&format!("folder {n}")).noise(8_000));
    }
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!(report.generation, 2);
    let chain = h.chain();
    assert!(chain.last().expect("a seal").number >= 4000, "{}", chain.last().expect("a seal").number);
    assert_next_night_is_good(&h, 3);
}

/// Hashing a hole of 8 TB would take hours.
#[test]
fn a_huge_file_in_the_way_is_not_read() {
    let h = nights(1);
    let end = end_of_log(&h);
    put_object(&set_folder(&h.medium()), end + 1, ObjectKind::Pack, b"");
    let path = object_file(&set_folder(&h.medium()), end + 1, ObjectKind::Pack);
    let file = fs::OpenOptions::new().write(true).open(&path);
    let file = file.or_else(|_| fs::File::create(&path)).expect("the file");
    if file.set_len(8 << 40).is_err() {
        file.set_len(1 << 40).expect("a hole");
    }
    let begun = std::time::Instant::now();
    assert_next_night_is_good(&h, 2);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let report = h.verify();
    assert!(report.is_good(), "{report:?}");
}

/// Runs a job, and stops it when it takes as long as reading a long hole would.
fn in_time<T>(h: &Hospital, job: impl FnOnce() -> T) -> T {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if wait.recv_timeout(std::time::Duration::from_secs(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                h.interrupted.store(true, Ordering::Relaxed);
            }
        });
        let answer = job();
        drop(done);
        answer
    })
}

/// A file of this length that takes no room.
fn put_hole(h: &Hospital, number: u64, kind: ObjectKind, bytes: u64) {
    let path = object_file(&set_folder(&h.medium()), number, kind);
    let _ = fs::remove_file(&path);
    fs::File::create(path).and_then(|f| f.set_len(bytes)).expect("a hole");
}

/// Each kind has its own limit, and what is longer is damage that nobody reads: behind the last seal, in the place of what a
/// seal lists, and as the last seal itself.
#[test]
fn what_is_longer_than_its_kind_is_damage_and_unread() {
    let kinds = [ObjectKind::Pack, ObjectKind::Manifest, ObjectKind::Seal, ObjectKind::Label, ObjectKind::Succession];
    let h = nights(2);
    let end = end_of_log(&h);
    for (kind, number) in kinds.into_iter().zip(end + 1..) {
        put_hole(&h, number, kind, if number == end + 1 { 1 << 42 } else { kind.limit_bytes() + 1 });
    }
    let scrubbed = in_time(&h, || {
        h.with_env(|w| scrub(&scrub::Options { from: h.medium(), set: None, known: Default::default() }, w, &NoObserver))
    });
    let scrubbed = scrubbed.expect("a scrub");
    for (kind, number) in kinds.into_iter().zip(end + 1..) {
        let named = |(name, why): &(String, String)| name.ends_with(&format!("{number:08}.{kind}")) && why.contains("more than");
        assert!(scrubbed.unreadable.iter().any(named), "{kind}: {:?}", scrubbed.unreadable);
    }
    assert_eq!(scrubbed.verdict(), MediumHealth::CopyForward);
    in_time(&h, || assert_next_night_is_good(&h, 3));

    let of_kind = |kind| {
        let chain = h.chain();
        let mut objects = chain.objects();
        objects.find(|(o, _)| o.kind == kind).expect("an object").0.number
    };
    for kind in [ObjectKind::Pack, ObjectKind::Manifest] {
        let number = of_kind(kind);
        put_hole(&h, number, kind, 1 << 42);
        let report = in_time(&h, || h.verify());
        assert!(report.damage.iter().any(|d| d.object.number == number), "{:?}", report.damage);
    }
    let last = end_of_log(&h);
    put_hole(&h, last, ObjectKind::Seal, 1 << 42);
    let refused = in_time(&h, || h.try_backup(&h.options()));
    assert!(matches!(refused, Err(BackupError::Write(WriteError::RolledBack { generation: 3 }))), "{refused:?}");
    assert!(!h.interrupted.load(Ordering::Relaxed), "nothing was read for long");
}

#[test]
fn links_fifos_and_folders_are_no_objects() {
    let h = nights(2);
    let folder = set_folder(&h.medium()).join("00000");
    let end = end_of_log(&h);
    symlink("/etc/passwd", folder.join(format!("{:08}.pack", end + 1))).expect("a link");
    symlink(folder.join("00000001.pack"), folder.join("00000001.manifest")).expect("a link");
    fs::create_dir(folder.join(format!("{:08}.manifest", end + 2))).expect("a folder");
    let fifo = folder.join(format!("{:08}.seal", end + 3));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    assert_eq!(foreign(&h).len(), 4);
    for generation in 3..6 {
        assert_next_night_is_good(&h, generation);
    }
}

#[test]
fn a_second_file_for_a_number_is_foreign() {
    let h = nights(2);
    put_object(&set_folder(&h.medium()), 1, ObjectKind::Manifest, b"other");
    put_object(&set_folder(&h.medium()), 0, ObjectKind::Pack, b"other");
    let mut named = foreign(&h);
    named.sort();
    assert_eq!(named, ["00000/00000000.pack", "00000/00000001.manifest"]);
    assert_next_night_is_good(&h, 3);
}

/// A label with everything that somebody might want to change.
fn planted_label(h: &Hospital, number: u64, change: impl FnOnce(&mut Label)) -> Vec<u8> {
    let mut label = Label { first_object: number, place: 2, medium: Id([9; 16]), ..h.label() };
    change(&mut label);
    label.encode()
}

#[test]
fn a_planted_label_is_neither_adopted_nor_signed() {
    let h = nights(2);
    let end = end_of_log(&h);
    let planted = planted_label(&h, end + 1, |_| {});
    put_object(&set_folder(&h.medium()), end + 1, ObjectKind::Label, &planted);
    assert_next_night_is_good(&h, 3);
    let chain = h.chain();
    let (listed, _) = chain.object(end + 1).expect("it is listed");
    assert_eq!((listed.kind, listed.digests), (ObjectKind::Void, Some(Digests::of(&planted, true))));
    assert_eq!(chain.media(), [0]);
}

#[test]
fn a_planted_label_does_not_hide_a_set_nor_replace_its_root_key() {
    for what in ["quarantine", "root key", "name", "set"] {
        let h = nights(2);
        // The set's own first label is at 0. One with a lower number is only possible on a later medium: here a copy that
        // lost its label's number to somebody else.
        let own = h.label();
        let end = end_of_log(&h);
        let planted = planted_label(&h, end + 1, |l| match what {
            "quarantine" => l.quarantine = true,
            "root key" => l.root_key = azekura::seal::SealKey::from_seed(&[1; 32]).public(),
            "name" => l.name = "other".into(),
            _ => l.set = Id([8; 16]),
        });
        put_object(&set_folder(&h.medium()), end + 1, ObjectKind::Label, &planted);
        let report = h.verify();
        assert!(report.faults.is_empty(), "{what}: {:?}", report.faults);
        assert_eq!((report.set, report.root_key, &report.set_name), (own.set, Some(own.root_key), &own.name), "{what}");
        assert!(!h.chain().label.expect("a label").quarantine);
        assert_next_night_is_good(&h, 3);
    }
}

#[test]
fn an_exchanged_label_does_not_count_and_is_named() {
    for what in ["quarantine", "root key", "name", "a byte"] {
        let h = nights(2);
        let path = object_file(&set_folder(&h.medium()), 0, ObjectKind::Label);
        let mut label = h.label();
        match what {
            "quarantine" => label.quarantine = true,
            "root key" => label.root_key = azekura::seal::SealKey::from_seed(&[1; 32]).public(),
            "name" => label.name = "other".into(),
            _ => label.tool.push('x'),
        }
        fs::remove_file(&path).expect("a deletion");
        fs::write(&path, label.encode()).expect("a label");
        let report = h.verify();
        assert!(!report.is_good(), "{what}");
        assert!(report.faults.iter().any(|f| f.what == FaultKind::Label), "{what}: {:?}", report.faults);
        assert!(report.generations.iter().all(|g| !g.trusted), "{what}");
        let refused = h.try_backup(&h.options());
        assert!(refused.is_err(), "{what}: nobody goes on with such a medium");
    }
}

/// A flipped bit in a list costs no seal its trust, and no file.
#[test]
fn a_damaged_list_breaks_no_chain() {
    let h = nights(3);
    let before = picture(&h.source());
    for generation in 1..=3 {
        let link = h.chain().generation(generation).expect("a seal").clone();
        let path = object_file(&set_folder(&h.medium()), link.number, ObjectKind::Seal);
        let good = fs::read(&path).expect("a seal");
        let mut bad = good.clone();
        let at = good.len() - 20;
        bad[at] ^= 1;
        fs::remove_file(&path).expect("a deletion");
        fs::write(&path, &bad).expect("a seal");
        let report = h.verify();
        assert_eq!(report.faults.iter().map(|f| (f.object, &f.what)).collect::<Vec<_>>(), [(link.number, &FaultKind::List)]);
        assert!(report.generations.iter().all(|g| g.trusted), "{:?}", report.generations);
        assert!(report.generations[generation as usize - 1].is_list_damaged);
        let restored = h.try_restore(&h.restore_options("restored")).expect("a restore");
        assert!(restored.not_restored == 0, "{:?}", restored.findings);
        assert_same(&before, &picture(&h.path("restored/source")), "the newest");
        fs::remove_dir_all(h.path("restored")).expect("a deletion");
        fs::write(&path, &good).expect("a seal");
    }
    assert!(h.verify().is_good(), "all was put back");
}

/// The code of a later seal shows what is before it, also across a seal that is lost.
#[test]
fn a_later_code_anchors_what_is_before_a_lost_seal() {
    let h = nights(5);
    let chain = h.chain();
    let lost = chain.generation(3).expect("a seal").number;
    let code = azekura::format::check_code::CheckCode::of(&chain.generation(5).expect("a seal").digest());
    fs::remove_file(object_file(&set_folder(&h.medium()), lost, ObjectKind::Seal)).expect("a deletion");
    let without = h.try_verify(&h.medium(), None, None).expect("a verification");
    let trusted =
        |r: &azekura::job::inspect::verify::Report| r.generations.iter().map(|g| (g.generation, g.trusted)).collect::<Vec<_>>();
    assert_eq!(trusted(&without), [(1, true), (2, true), (4, false), (5, false)]);
    let report = h.try_verify(&h.medium(), Some(code), None).expect("a verification");
    assert_eq!(report.expected, Some(Expected::Found { generation: 5, newer: 0 }));
    assert!(report.generations.iter().all(|g| g.anchored), "{:?}", report.generations);
    assert!(!report.is_good(), "a seal is missing all the same");
    // An older code anchors only what is before it.
    let code = azekura::format::check_code::CheckCode::of(&chain.generation(2).expect("a seal").digest());
    let report = h.try_verify(&h.medium(), Some(code), None).expect("a verification");
    let anchored: Vec<_> = report.generations.iter().filter(|g| g.anchored).map(|g| g.generation).collect();
    assert_eq!(anchored, [1, 2]);
}

/// A seal of a later version is not damage, and stops no night.
#[test]
fn a_newer_seal_is_called_newer() {
    let h = nights(2);
    let end = end_of_log(&h);
    put_object(&set_folder(&h.medium()), end + 2, ObjectKind::Seal, b"azekura seal 2\nwhatever\n");
    let report = h.verify();
    assert_eq!(report.faults.iter().map(|f| f.what.clone()).collect::<Vec<_>>(), [FaultKind::Newer { version: 2 }]);
    assert!(report.is_only_newer() && !report.is_good());
    assert_next_night_is_good(&h, 3);
    assert!(h.verify().is_good(), "the seal of tonight lists it as void");
}

/// Everything that a run seals on the way is kept when it fails, and generations are numbered without gaps.
#[test]
fn checkpoints_keep_the_numbers_of_generations() {
    let h = Hospital::within(fast_folder());
    for n in 0..40u8 {
        h.write(&format!("images/{n}"), crate::tools::Dice::new(&format!("checkpoint {n}")).noise(400_000));
    }
    let options = azekura::job::backup::Options { checkpoint_objects: 5, pack_bytes: Some(64 << 10), ..h.options() };
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!(report.generation, 1);
    let chain = h.chain();
    let closing = chain.links.iter().filter(|l| l.seal.is_closing()).count();
    assert!(closing >= 3, "{closing}");
    assert!(chain.links.iter().all(|l| l.trusted && l.seal.generation == 1 && l.objects.len() <= 8));
    assert!(h.verify().is_good());
    h.write("images/0", "changed");
    assert_eq!(h.try_backup(&options).expect("a backup").generation, 2);
    let restored = h.try_restore(&h.restore_options("restored")).expect("a restore");
    assert!(restored.not_restored == 0, "{:?}", restored.findings);
    assert_same(&picture(&h.source()), &picture(&h.path("restored/source")), "the newest");
}

/// A run that ends behind a checkpoint leaves no next medium to ask for: the newest generation is the one before.
#[test]
fn behind_a_checkpoint_nobody_is_asked_for_a_medium() {
    struct StopAfter<'a>(&'a Hospital, AtomicU64);
    impl Observer for StopAfter<'_> {
        fn on_event(&self, event: Event) {
            if let Event::Progress { bytes, .. } = event
                && self.1.fetch_add(bytes, Ordering::Relaxed) > 20_000_000
            {
                self.0.interrupted.store(true, Ordering::Relaxed);
            }
        }
    }
    let h = nights(1);
    let before = picture(&h.source());
    for n in 0..200u8 {
        h.write(&format!("images/{n}"), crate::tools::Dice::new(&format!("checkpoint {n}")).noise(200_000));
    }
    let options = azekura::job::backup::Options { checkpoint_objects: 5, memory_bytes: 6 << 20, ..h.options() };
    let stop = StopAfter(&h, AtomicU64::new(0));
    let stopped = h.with_env(|w| backup(&options, w, &stop));
    assert!(matches!(stopped, Err(BackupError::Interrupted)), "{stopped:?}");
    h.interrupted.store(false, Ordering::Relaxed);
    let chain = h.chain();
    assert_eq!(chain.last().map(|l| l.seal.verdict), Some(Verdict::Checkpoint), "the run was stopped behind one");
    let options = restore::Options { generation: None, ..h.restore_options("restored") };
    let restored = h.try_restore(&options).expect("a restore");
    assert!(restored.generation == 1 && restored.not_restored == 0, "{:?}", restored.findings);
    assert_same(&before, &picture(&h.path("restored/source")), "the night before");
    fs::remove_dir_all(h.path("restored")).expect("a deletion");
    assert_next_night_is_good(&h, 2);
}

/// Names that each lie just within the gap behind the one before: together they reach farther than one seal can list.
#[test]
fn a_ladder_of_names_costs_seals_and_no_night() {
    let h = nights(2);
    let set = set_folder(&h.medium());
    let end = end_of_log(&h);
    let planted: Vec<_> = (1..=1100).map(|i| put_object(&set, end + i * 64, ObjectKind::Pack, b"xx")).collect();
    h.write("patients/1", "the record on the day after");
    assert_eq!(h.backup().generation, 3);
    assert!(h.verify().is_good(), "all of them are void");
    assert_next_night_is_good(&h, 4);
    planted.iter().for_each(|path| fs::remove_file(path).expect("a deletion"));
    assert_next_night_is_good(&h, 5);
}

/// More names in a row than a seal can list: the run is refused, and the next one after they are gone is good.
#[test]
fn a_wall_of_names_is_refused_and_leaves_nothing_behind() {
    let h = nights(1);
    let set = set_folder(&h.medium());
    let end = end_of_log(&h);
    let planted: Vec<_> = (1..=66_000).map(|i| put_object(&set, end + i, ObjectKind::Pack, b"")).collect();
    for _ in 0..2 {
        let refused = h.try_backup(&h.options());
        let says_why = matches!(refused, Err(BackupError::Write(WriteError::NamesInTheWay { .. })));
        assert!(says_why, "{refused:?}");
    }
    planted.iter().for_each(|path| fs::remove_file(path).expect("a deletion"));
    assert_next_night_is_good(&h, 2);
}

/// A folder, a link, a socket or a device at any number that the log comes to, the seal's included.
#[test]
fn what_is_no_file_is_passed_over_wherever_it_is() {
    let h = nights(1);
    let set = set_folder(&h.medium());
    let end = end_of_log(&h);
    for ahead in (2..40).step_by(2) {
        let path =
            object_file(&set, end + ahead, [ObjectKind::Seal, ObjectKind::Pack, ObjectKind::Manifest][ahead as usize / 2 % 3]);
        match ahead % 3 {
            0 => fs::create_dir(path).expect("a folder"),
            1 => symlink("/dev/null", path).expect("a link"),
            _ => drop(std::os::unix::net::UnixListener::bind(path).expect("a socket")),
        }
    }
    drop(std::os::unix::net::UnixListener::bind(object_file(&set, end + 1, ObjectKind::Label)).expect("a socket"));
    assert_eq!(foreign(&h).len(), 20);
    for generation in 2..6 {
        assert_next_night_is_good(&h, generation);
    }
}

/// Anybody can write a head that nothing vouches for; a proven generation is not hidden by it.
#[test]
fn an_unsigned_seal_hides_no_generation() {
    let h = nights(2);
    let chain = h.chain();
    let last = chain.last().expect("a seal");
    let head = String::from_utf8(last.head_bytes()).expect("text");
    for (verdict, generation) in [("good", 1), ("continued", 3)] {
        let number = last.number + 2;
        let forged = head
            .replace(
                &format!("\nobjects {} {}\n", last.seal.first, last.seal.count),
                &format!("\nobjects {} 1\n", last.number + 1),
            )
            .replace(&format!("\nseals {} ", last.seal.earlier), &format!("\nseals {} ", last.seal.earlier + 1))
            .replace("\ngeneration 2\n", &format!("\ngeneration {generation}\n"))
            .replace("\nverdict good\n", &format!("\nverdict {verdict}\n"));
        let forged = match verdict {
            "good" => forged,
            _ => replace_line(&forged, "records ", &format!("records 0 {}", blake3::hash(b"").to_hex())),
        };
        assert!(azekura::format::seal::Seal::decode(forged.as_bytes()).is_ok(), "{forged}");
        put_object(&set_folder(&h.medium()), number, ObjectKind::Seal, forged);
        for generation in [None, Some(1), Some(2)] {
            let options = restore::Options { generation, ..h.restore_options("restored") };
            let restored = h.try_restore(&options).expect("a restore");
            assert_eq!((restored.generation, restored.not_restored), (generation.unwrap_or(2), 0), "{verdict}");
            fs::remove_dir_all(h.path("restored")).expect("a deletion");
        }
    }
    assert_next_night_is_good(&h, 3);
}

fn replace_line(text: &str, begins: &str, new: &str) -> String {
    text.lines().map(|l| if l.starts_with(begins) { format!("{new}\n") } else { format!("{l}\n") }).collect()
}

/// Without the set's folder the disk is not a blank one that the set could go on on.
#[test]
fn a_set_that_was_moved_away_is_not_continued_beside_it() {
    let h = nights(2);
    let set = set_folder(&h.medium());
    let elsewhere = h.path("elsewhere");
    fs::rename(&set, &elsewhere).expect("a move");
    for is_empty_folder_there in [false, true] {
        if is_empty_folder_there {
            fs::create_dir(&set).expect("a folder");
        }
        let refused = h.try_backup(&azekura::job::backup::Options { init: None, ..h.options() });
        assert!(matches!(refused, Err(BackupError::Write(_))), "{refused:?}");
    }
    fs::remove_dir(&set).and_then(|()| fs::rename(&elsewhere, &set)).expect("the set again");
    assert_next_night_is_good(&h, 3);
}

/// Of two files with the next number, a list could name only one: it names none, and nothing stays foreign for ever.
#[test]
fn two_files_with_the_next_number() {
    let h = nights(2);
    let next = end_of_log(&h) + 1;
    put_object(&set_folder(&h.medium()), next, ObjectKind::Pack, b"one");
    put_object(&set_folder(&h.medium()), next, ObjectKind::Extra, b"another");
    assert_next_night_is_good(&h, 3);
    assert_eq!(foreign(&h), [] as [&str; 0]);
    assert!(h.verify().is_good());
}

/// An empty folder that is called after the set, and another set's label that says "quarantine".
#[test]
fn a_folder_with_nothing_sealed_in_it_hides_no_set_and_stops_no_night() {
    let h = nights(2);
    let set = set_folder(&h.medium());
    let label = h.label();
    let other = set.with_file_name("xx").join("00000");
    fs::create_dir_all(&other).expect("a folder");
    let planted = Label { set: Id([7; 16]), quarantine: true, ..label };
    fs::write(other.join("00000000.label"), planted.encode()).expect("a label");
    assert_next_night_is_good(&h, 3);
    fs::rename(&set, set.with_file_name("zz")).and_then(|()| fs::create_dir(&set)).expect("a folder");
    let options = restore::Options { generation: None, ..h.restore_options("found") };
    let restored = h.try_restore(&options).expect("a restore");
    assert_eq!((restored.generation, restored.not_restored), (3, 0));
    // With a label in it.
    fs::create_dir(set.join("00000")).and_then(|()| fs::write(set.join("00000/00000000.label"), h_label(&h))).expect("a label");
    let options = restore::Options { generation: None, ..h.restore_options("found again") };
    assert_eq!(h.try_restore(&options).expect("a restore").generation, 3);
}

/// The bytes of the set's label.
fn h_label(h: &Hospital) -> Vec<u8> {
    let zz = h.medium().join("AZEKURA/zz/00000/00000000.label");
    fs::read(zz).expect("the label")
}

/// A planted seal behind the last one: its code is not shown as the one for the paper ledger, and nothing counts it as newer.
#[test]
fn a_planted_seal_is_not_what_the_paper_is_compared_with() {
    let h = nights(2);
    let chain = h.chain();
    let last = chain.last().expect("a seal");
    let text = String::from_utf8(last.head_bytes()).expect("text");
    let number = last.number;
    let planted = text
        .replace("\ngeneration 2\n", "\ngeneration 3\n")
        .replace(&format!("\nobjects {} {}\n", last.seal.first, last.seal.count), &format!("\nobjects {} 1\n", number + 1))
        .replace(&format!("\nseals {} ", last.seal.earlier), &format!("\nseals {} ", last.seal.earlier + 1));
    put_object(&set_folder(&h.medium()), number + 2, ObjectKind::Seal, planted.as_bytes());
    let code = azekura::format::check_code::CheckCode::of(&last.digest());
    let verified = h.try_verify(&h.medium(), Some(code), None).expect("a verification");
    assert_eq!(verified.expected, Some(azekura::job::inspect::verify::Expected::Found { generation: 2, newer: 0 }));
    assert!(!verified.is_good() && verified.generations.len() == 3);
}

/// A seal between others is deleted: every night from then on says so, and is sealed all the same.
#[test]
fn a_seal_that_was_deleted_is_missed_by_the_next_night() {
    let h = nights(3);
    let numbers: Vec<u64> = h.chain().links.iter().map(|l| l.number).collect();
    fs::remove_file(object_file(&set_folder(&h.medium()), numbers[1], ObjectKind::Seal)).expect("a deletion");
    for generation in [4, 5] {
        h.write("patients/1", format!("the record before generation {generation}"));
        let report = h.backup();
        let found: Vec<_> =
            report.findings.iter().map(|f| (&f.kind[..], String::from_utf8_lossy(&f.path).into_owned())).collect();
        let path = azekura::format::object::object_path(numbers[1], ObjectKind::Seal);
        assert_eq!((report.generation, report.verdict, found), (generation, Verdict::Incomplete, vec![("damage", path)]));
    }
}
