//! Everything that goes wrong on an evening in a hospital. Each has a name of its own, costs nothing that was sealed before, and the
//! next run goes on.

use crate::machine::{is_root, put_object, skipped, without_privileges};
use crate::tools::{Dice, Disk, Picture, assert_same, copy_folder, fast_folder, objects, overwrite, picture, set_folder};
use crate::world::Hospital;
use azekura::event::{Event, Observer, Phase};
use azekura::format::object::{Id, ObjectKind};
use azekura::format::seal::Verdict;
use azekura::generation::GenerationError;
use azekura::host::catalog::CatalogError;
use azekura::host::state::StateError;
use azekura::job::backup::{BackupError, Options, Report, SourceOptions, backup};
use azekura::job::inspect::{InspectError, verify};
use azekura::job::restore::{self, RestoreError, restore};
use azekura::medium::MediumError;
use azekura::pipeline::encryptor::Identity;
use azekura::pipeline::source::SourceError;
use azekura::pipeline::target::TargetError;
use azekura::set::open::OpenError;
use azekura::set::writer::{Opened, WriteError};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

/// One good night, and how the source was.
fn one_night() -> (Hospital, Picture) {
    let h = Hospital::within(fast_folder());
    h.write("patients/1", "Aoki");
    h.write("patients/2", "Baba");
    h.write("images/1", Dice::new("one_night").noise(300_000));
    h.backup();
    let before = picture(&h.source());
    h.write("patients/3", "Chiba");
    (h, before)
}

fn restored(h: &Hospital, generation: u64) -> Picture {
    let to = h.path("restored");
    let report =
        h.try_restore(&restore::Options { generation: Some(generation), ..h.restore_options("restored") }).expect("a restore");
    assert!(report.findings.is_empty() && report.trusted, "{:?}", report.findings);
    let found = picture(&to.join("source"));
    fs::remove_dir_all(to).expect("a deletion");
    found
}

/// The first generation is there as on the evening it was made, and the next run goes on by itself.
#[track_caller]
fn assert_goes_on(h: &Hospital, before: &Picture) -> Report {
    assert_same(before, &restored(h, 1), "generation 1");
    let report = h.backup();
    let verified = h.verify();
    assert!(verified.is_good(), "{verified:?}");
    assert_same(before, &restored(h, 1), "generation 1, afterwards");
    assert_same(&picture(&h.source()), &restored(h, report.generation), "tonight");
    report
}

fn finding(report: &Report, kind: &str) -> Vec<String> {
    let of_kind = report.findings.iter().filter(|f| f.kind == kind);
    of_kind.map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect()
}

// The medium

#[test]
fn the_disk_is_write_protected() {
    let h = Hospital::within(fast_folder());
    let Some(disk) = Disk::tmpfs(&h.medium(), "size=16m") else { return };
    h.write("a", "1");
    let before = picture(&h.source());
    h.backup();
    disk.again("ro");
    h.write("b", "2");
    let refused = h.try_backup(&h.options());
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::ReadOnly { .. })))), "{refused:?}");
    assert!(h.verify().is_good(), "what is on it can be verified");
    disk.again("rw");
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
}

#[test]
fn the_disk_is_full() {
    let mut dice = Dice::new("the_disk_is_full");
    let h = Hospital::within(fast_folder());
    let Some(disk) = Disk::tmpfs(&h.medium(), "size=8m") else { return };
    h.write("a", dice.noise(1_000_000));
    let before = picture(&h.source());
    h.backup();
    for i in 0..20 {
        h.write(&format!("series/{i}"), dice.noise(700_000));
    }
    // Packs of 1 MiB: some of them find room.
    let options = Options { memory_bytes: 6 << 20, ..h.options() };
    for _ in 0..3 {
        let refused = h.try_backup(&options);
        let nobody =
            matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::NotBrought { place: 2, blank: true, .. }))));
        assert!(nobody, "{refused:?}");
        let verified = h.verify();
        assert!(verified.is_good(), "{verified:?}");
        // What was stored before the end of the disk is sealed, once.
        let verdicts: Vec<Verdict> = verified.generations.iter().map(|g| g.verdict).collect();
        assert_eq!(verdicts, [Verdict::Good, Verdict::Continued]);
    }
    // Nobody has ever written a second medium, and nobody is asked for it.
    h.deck.asked();
    let newest = h.try_restore(&restore::Options { generation: None, ..h.restore_options("whole") }).expect("a restore");
    assert_eq!((newest.generation, h.deck.asked().len()), (1, 0));
    assert_same(&before, &picture(&h.path("whole/source")), "the newest generation that is whole");
    let second = h.try_restore(&restore::Options { generation: Some(2), ..h.restore_options("none") });
    let nobody =
        matches!(second, Err(RestoreError::Open(OpenError::Medium(MediumError::NotBrought { place: 2, blank: false, .. }))));
    assert!(nobody, "{second:?}");
    disk.again("size=64m");
    let report = assert_goes_on(&h, &before);
    assert_eq!(report.generation, 2, "closing seals use no numbers");
    assert!(report.added_bytes < 11_000_000, "what is sealed is not stored again: {}", report.added_bytes);
}

/// Full to the last byte: not even the manifest or the seal fits, or only a part of it.
#[test]
fn the_disk_is_full_when_only_the_seal_is_missing() {
    let h = Hospital::within(fast_folder());
    let Some(disk) = Disk::tmpfs(&h.medium(), "size=1m") else { return };
    h.write("a", "1");
    let before = picture(&h.source());
    h.backup();
    let free = || rustix::fs::statvfs(h.medium()).map_or(0, |s| s.f_bavail * s.f_frsize);
    let mut sealed = 1;
    // Pages of 4 KiB: each time, one object more finds room.
    for left in 0..8 {
        h.write("b", format!("{left}"));
        let filler = h.medium().join("filler");
        fs::write(&filler, vec![1; (free() - left * 4096) as usize]).expect("other people's files");
        match h.try_backup(&h.options()) {
            Ok(_) => sealed += 1,
            Err(BackupError::Write(WriteError::Medium(MediumError::Full { .. } | MediumError::NotBrought { .. }))) => {}
            Err(e) => panic!("{left} pages: {e:?}"),
        }
        let verified = h.verify();
        let complete = verified.generations.iter().filter(|g| !g.verdict.is_closing()).count();
        assert!(verified.damage.is_empty() && complete == sealed, "{left} pages: {verified:?}");
        fs::remove_file(filler).expect("room again");
    }
    assert!((2..8).contains(&sealed), "{sealed}: it was both full and not");
    disk.again("size=8m");
    assert!(assert_goes_on(&h, &before).generation > sealed as u64);
}

/// The medium's folder is moved away in the middle of the run, as an automounter does, and an empty one takes its place.
#[test]
fn the_disk_is_gone_in_the_middle_of_the_run() {
    struct Pull<'a>(&'a Hospital, AtomicBool);
    impl Observer for Pull<'_> {
        fn on_event(&self, event: Event) {
            if event == Event::Phase(Phase::Reading) && !self.1.swap(true, Ordering::Relaxed) {
                fs::rename(self.0.medium(), self.0.path("pulled")).expect("a pull");
                fs::create_dir(self.0.medium()).expect("the empty mount point");
            }
        }
    }
    let (h, before) = one_night();
    let run = h.with_env(|w| backup(&h.options(), w, &Pull(&h, AtomicBool::new(false))));
    // The folder is still the same one, wherever it is now: it is whole, and nothing went to the empty one.
    assert!(run.is_ok(), "{run:?}");
    assert_eq!(fs::read_dir(h.medium()).expect("a folder").count(), 0);
    let without_init = Options { init: None, ..h.options() };
    let refused = h.try_backup(&without_init);
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Blank { .. }))), "{refused:?}");
    fs::remove_dir(h.medium()).expect("a deletion");
    let refused = h.try_backup(&h.options());
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::NotFound { .. })))), "{refused:?}");
    fs::rename(h.path("pulled"), h.medium()).expect("plugged in again");
    assert_eq!(assert_goes_on(&h, &before).generation, 3);
}

#[test]
fn a_blank_disk_is_not_written_to_without_being_asked() {
    let h = Hospital::within(fast_folder());
    h.write("a", "1");
    let without_init = Options { init: None, ..h.options() };
    let refused = h.try_backup(&without_init);
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Blank { .. }))), "{refused:?}");
    assert_eq!(fs::read_dir(h.medium()).expect("a folder").count(), 0);
    assert!(matches!(h.try_verify(&h.medium(), None, None), Err(InspectError::Open(OpenError::Blank { .. }))));
    assert!(matches!(h.try_restore(&h.restore_options("to")), Err(RestoreError::Open(OpenError::Blank { .. }))));
    fs::write(h.path("file"), "").expect("a file");
    let refused = h.try_backup(&Options { to: h.path("file"), ..h.options() });
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Medium(MediumError::NotADirectory { .. })))), "{refused:?}");
}

/// The disk of another ward, by mistake: its sets stay as they are, and with `init` a new one begins beside them.
#[test]
fn the_disk_of_somebody_else() {
    let (theirs, before) = one_night();
    let ours = Hospital::within(fast_folder());
    ours.write("a", "1");
    let options = Options { to: theirs.medium(), ..ours.options() };
    let refused = ours.try_backup(&Options { init: None, ..options.clone() });
    assert!(matches!(refused, Err(BackupError::Write(WriteError::Unregistered { .. }))), "{refused:?}");
    assert!(theirs.verify().is_good());
    let report = ours.try_backup(&options).expect("a set beside the other");
    assert_eq!((report.opened, report.generation), (Opened::New, 1));
    let which = ours.try_verify(&theirs.medium(), None, None);
    assert!(matches!(which, Err(InspectError::Open(OpenError::WhichSet { count: 2, .. }))), "{which:?}");
    // Each goes on with its own.
    assert_eq!(ours.try_backup(&Options { init: None, ..options }).expect("a backup").generation, 2);
    assert_eq!(theirs.backup().generation, 2);
    for (set, who) in [(report.set, &ours), (theirs.backup().set, &theirs)] {
        let options = verify::Options { set: Some(set), ..verify::Options::new(theirs.medium()) };
        let verified = who.with_env(|w| verify::verify(&options, w, &azekura::event::NoObserver)).expect("a report");
        assert!(verified.is_good(), "{verified:?}");
    }
    let set = Some(theirs.backup().set);
    let options = restore::Options { set, generation: Some(1), ..theirs.restore_options("again") };
    theirs.try_restore(&options).expect("a restore");
    assert_same(&before, &picture(&theirs.path("again/source")), "theirs");
}

#[test]
fn a_label_that_is_half_written() {
    let (h, _) = one_night();
    let whole = fs::read(&objects(&h.medium())[0].2).expect("a label");
    for length in 0..whole.len() {
        let h = Hospital::within(fast_folder());
        h.write("a", "1");
        put_object(&h.medium().join("AZEKURA").join(Id([7; 16]).to_string()), 0, ObjectKind::Label, &whole[..length]);
        if length % 50 != 0 && length < whole.len() - 1 {
            // Cheap to look at, dear to back up.
            let refused = h.try_backup(&Options { init: None, ..h.options() });
            assert!(matches!(refused, Err(BackupError::Write(WriteError::Unregistered { .. }))), "{length} bytes: {refused:?}");
            continue;
        }
        // What is not ours to judge stays; a set begins beside it.
        let report = h.backup();
        assert_eq!((report.opened, report.generation), (Opened::New, 1));
        assert!(h.verify().is_good(), "{length} bytes");
        assert_same(&picture(&h.source()), &restored(&h, 1), "tonight");
    }
}

#[test]
fn a_label_of_a_version_to_come() {
    let (h, before) = one_night();
    let label = objects(&h.medium())[0].2.clone();
    let text = fs::read_to_string(&label).expect("a label");
    let put = |text: &str| {
        fs::remove_file(&label).and_then(|()| fs::write(&label, text)).expect("a label");
    };
    put(&text.replace("azekura label 1", "azekura label 2"));
    // Among seals of this version it is damage: nothing is lost.
    let report = h.try_verify(&h.medium(), None, None).expect("a report");
    assert!(!report.is_good() && !report.is_only_newer() && report.damage.len() == 1, "{report:?}");
    let back = h.try_restore(&h.restore_options("unproven")).expect("a restore");
    assert!(back.not_restored == 0 && !back.trusted, "{:?}", back.findings);
    assert_same(&before, &picture(&h.path("unproven/source")), "by what the seals say");
    let (_, _, seal) = objects(&h.medium()).pop().expect("a seal");
    let sealed = fs::read(&seal).expect("a seal");
    let put_seal = |bytes: &[u8]| fs::remove_file(&seal).and_then(|()| fs::write(&seal, bytes)).expect("a seal");
    put_seal(b"azekura seal 2\n");
    let is_newer = |e: &MediumError| matches!(e, MediumError::NewerFormat { found: 2, .. });
    let refused = h.try_backup(&Options { init: None, ..h.options() });
    assert!(matches!(&refused, Err(BackupError::Write(WriteError::Medium(e))) if is_newer(e)), "{refused:?}");
    let refused = h.try_verify(&h.medium(), None, None);
    assert!(matches!(&refused, Err(InspectError::Open(OpenError::Medium(e))) if is_newer(e)), "{refused:?}");
    let refused = h.try_restore(&h.restore_options("to"));
    assert!(matches!(&refused, Err(RestoreError::Open(OpenError::Medium(e))) if is_newer(e)), "{refused:?}");
    put(&text);
    put_seal(&sealed);
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
}

#[test]
fn the_last_seal_on_the_disk_is_not_what_the_host_wrote() {
    let (h, _) = one_night();
    let (_, _, seal) = objects(&h.medium()).pop().expect("a seal");
    let good = fs::read(&seal).expect("a seal");
    fs::set_permissions(&seal, fs::Permissions::from_mode(0o644)).expect("a mode");
    for (at, byte) in good.iter().enumerate().step_by(97) {
        overwrite(&seal, at as u64, &[byte ^ 4]);
        let refused = h.try_backup(&h.options());
        assert!(matches!(refused, Err(BackupError::Write(WriteError::RolledBack { generation: 1 }))), "byte {at}: {refused:?}");
        overwrite(&seal, at as u64, &[*byte]);
    }
    assert_eq!(h.backup().generation, 2);
}

// The sources

#[test]
fn a_source_is_missing_or_empty_or_a_file() {
    let (h, before) = one_night();
    let source = |name: &str, path: &str| SourceOptions::new(name, h.path(path));
    let with = |sources: Vec<SourceOptions>| h.try_backup(&Options { sources, ..h.options() });
    let refused = with(vec![source("gone", "gone")]);
    assert!(matches!(refused, Err(BackupError::SourceMissing { .. })), "{refused:?}");
    let refused = with(vec![source("x", "source"), source("x", "source")]);
    assert!(matches!(refused, Err(BackupError::SameName { .. })), "{refused:?}");
    // The paths of one would lie among those of the other, out of order.
    for names in [["x", "x/y"], ["x/y", "x"], ["x/y/z", "x"]] {
        let refused = with(names.iter().map(|n| source(n, "source")).collect());
        assert!(matches!(refused, Err(BackupError::SourceWithin { .. })), "{names:?}: {refused:?}");
    }
    let refused = with(vec![source("../x", "source")]);
    assert!(matches!(refused, Err(BackupError::Source(SourceError::Name { .. }))), "{refused:?}");
    let refused = with(Vec::new());
    assert!(matches!(refused, Err(BackupError::NoSource)), "a backup of nothing: {refused:?}");

    let report = with(vec![source("source", "source"), source("gone", "gone")]).expect("a backup of what is there");
    assert_eq!((report.verdict, finding(&report, "source-missing")), (Verdict::Incomplete, vec!["gone".to_owned()]));
    fs::create_dir(h.path("empty")).expect("a folder");
    let report = with(vec![source("source", "source"), source("empty", "empty")]).expect("a backup");
    assert_eq!((report.verdict, finding(&report, "source-empty")), (Verdict::Incomplete, vec!["empty".to_owned()]));
    fs::write(h.path("dump.sql"), "insert into patients").expect("a file");
    let report = with(vec![source("dump.sql", "dump.sql"), source("source", "source")]).expect("a backup");
    assert_eq!((report.verdict, report.generation), (Verdict::Good, 4));
    h.try_restore(&h.restore_options("with a file")).expect("a restore");
    assert_eq!(fs::read(h.path("with a file/dump.sql")).expect("the dump"), b"insert into patients");
    assert_goes_on(&h, &before);
}

/// The medium, the state directory and the target of a restore lie in what is backed up. From the first night on neither the
/// medium nor the state goes into itself.
#[test]
fn the_medium_and_the_state_lie_in_the_source() {
    let h = Hospital::within(fast_folder());
    h.write("a", "1");
    fs::create_dir_all(h.source().join("disk")).expect("a folder");
    let options = Options { to: h.source().join("disk"), state: h.source().join("var/state"), ..h.options() };
    for night in 1..=3 {
        h.write("a", format!("{night}"));
        let report = h.try_backup(&options).expect("a backup");
        let mut skipped = finding(&report, "medium-in-source");
        skipped.sort();
        assert_eq!(skipped, ["source/disk/AZEKURA", "source/var/state"], "night {night}");
        let to = format!("restored {night}");
        let from = restore::Options { from: options.to.clone(), ..h.restore_options(&to) };
        h.try_restore(&from).expect("a restore");
        let found = picture(&h.path(&to).join("source"));
        let names: Vec<_> = found.keys().map(|p| p.to_str().expect("a name")).collect();
        assert_eq!(names, ["", "a", "disk", "var"], "night {night}");
    }
    assert!(h.try_verify(&options.to, None, None).expect("a report").is_good());
    // A restore into the source is a folder like another; the next night backs it up.
    let into = restore::Options { from: options.to.clone(), ..h.restore_options("source/found again") };
    h.try_restore(&into).expect("a restore");
    h.try_backup(&options).expect("a backup");
    let from = restore::Options { from: options.to.clone(), ..h.restore_options("restored 4") };
    h.try_restore(&from).expect("a restore");
    assert_eq!(fs::read(h.path("restored 4/source/found again/source/a")).expect("a file"), b"3");
}

#[test]
fn a_restore_never_writes_over_what_is_there() {
    let (h, before) = one_night();
    let options = restore::Options { generation: Some(1), to: h.source(), ..h.restore_options("") };
    let there = picture(&h.source());
    let refused = h.try_restore(&options);
    assert!(matches!(refused, Err(RestoreError::Target(TargetError::NotEmpty { .. }))), "{refused:?}");
    assert_same(&there, &picture(&h.source()), "the source");
    let onto = restore::Options { to: h.medium(), ..options };
    let refused = h.try_restore(&onto);
    assert!(matches!(refused, Err(RestoreError::Target(TargetError::NotEmpty { .. }))), "{refused:?}");
    assert_goes_on(&h, &before);
}

/// Programs go on writing while their files are read. What is stored is what was read; what changed on the way is said to have.
#[test]
fn the_source_changes_while_it_is_read() {
    let mut dice = Dice::new("the_source_changes");
    let h = Hospital::within(fast_folder());
    let noise = dice.noise(3_000_000);
    for i in 0..40 {
        h.write(&format!("steady/{i}"), &noise[i * 1000..i * 1000 + 60_000]);
    }
    for i in 0..10 {
        h.write(&format!("busy/log {i}"), "begin\n");
        h.write(&format!("busy/shrinks {i}"), &noise);
        h.write(&format!("busy/goes {i}"), "here");
    }
    h.write("busy/large", dice.noise(12_000_000));
    let mut met = 0;
    for night in 1..=3 {
        let done = AtomicBool::new(false);
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    let i = turn % 10;
                    let at = |name: &str| h.source().join(format!("busy/{name} {i}"));
                    let _ = fs::File::options().append(true).open(at("log")).and_then(|mut f| f.write_all(b"one more line\n"));
                    let shrinks = fs::File::options().write(true).open(at("shrinks"));
                    let _ = shrinks.and_then(|f| f.set_len([3_000_000, 70_000, 5, 0][turn / 10 % 4]));
                    let _ = if turn / 10 % 2 == 0 { fs::remove_file(at("goes")) } else { fs::write(at("goes"), "here") };
                    let _ = fs::rename(at("goes"), h.source().join(format!("busy/went {i}")));
                    let large = fs::File::options().write(true).open(h.source().join("busy/large"));
                    let _ = large.and_then(|f| f.set_len(if turn % 3 == 0 { 9_000_000 } else { 12_000_000 }));
                }
            });
            let report = h.try_backup(&h.options());
            done.store(true, Ordering::Relaxed);
            report.expect("a backup")
        });
        // What is cut short at random may be an alarm, which stays open.
        let usual = ["changed", "vanished", "unreadable", "alarm-open"];
        let others: Vec<_> = report.findings.iter().filter(|f| !usual.contains(&&*f.kind)).collect();
        assert!(others.is_empty(), "{others:?}");
        assert_eq!(report.verdict == Verdict::Good, report.findings.is_empty());
        met += report.findings.len();
        assert!(h.verify().is_good());
        let to = format!("restored {night}");
        let restored = h.try_restore(&h.restore_options(&to)).expect("a restore");
        assert_eq!(restored.not_restored as usize, finding(&report, "unreadable").len(), "{:?}", restored.findings);
        let found = picture(&h.path(&to).join("source"));
        for (path, seen) in &picture(&h.source()) {
            if path.starts_with("steady") {
                assert_eq!(Some(seen), found.get(path), "night {night}: {path:?}");
            }
        }
        for (path, seen) in &found {
            let name = path.to_string_lossy();
            if name.starts_with("busy/log") {
                let lines = seen.content.strip_prefix(b"begin\n").expect("how it began");
                assert!(lines.chunks(14).all(|l| b"one more line\n".starts_with(l)), "night {night}: {name}");
            } else if name.starts_with("busy/shrinks") {
                // Each byte is the one that stood there, or a zero from when it was longer again.
                let same = seen.content.iter().zip(&noise).all(|(a, b)| a == b || *a == 0);
                assert!(same, "night {night}: {name}");
            }
        }
    }
    assert!(met > 0, "no change was met while it was read");
}

#[test]
fn a_file_or_a_folder_cannot_be_read() {
    // Nothing is unreadable to root.
    without_privileges(what_cannot_be_read_is_left_out);
}

fn what_cannot_be_read_is_left_out() {
    let (h, before) = one_night();
    let set = |name: &str, mode| fs::set_permissions(h.source().join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    set("patients/2", 0);
    set("images", 0);
    let report = h.backup();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert_eq!(finding(&report, "unreadable"), ["source/images", "source/patients/2"]);
    let restored = h.try_restore(&h.restore_options("part")).expect("a restore");
    assert_eq!(restored.not_restored, 1, "{:?}", restored.findings);
    assert!(!h.path("part/source/patients/2").exists(), "no empty file stands for it");
    set("patients/2", 0o600);
    set("images", 0o700);
    assert_goes_on(&h, &before);
}

#[test]
fn odd_names_and_odd_files() {
    let mut dice = Dice::new("odd_names");
    let h = Hospital::new();
    let names: [&[u8]; 9] = [
        // カルテ in CP932, as an old file server sends it; then what no character set knows.
        b"\x83\x4a\x83\x8b\x83\x65.txt",
        b"\xff\xfe\x80",
        "\u{304b}\u{3099}".as_bytes(),
        "が".as_bytes(),
        b"line\nfeed",
        b"\x1b[31mred",
        b" ",
        b"...",
        b"-rf *",
    ];
    for name in names {
        let path = h.source().join(OsStr::from_bytes(name));
        fs::create_dir(&path).expect("a folder");
        fs::write(path.join(OsStr::from_bytes(name)), name).expect("a file");
        std::os::unix::fs::symlink(OsStr::from_bytes(name), path.join("link")).expect("a link");
    }
    let longest = OsStr::from_bytes(&[b'n'; 255]).to_owned();
    let mut deep = h.source();
    for _ in 0..12 {
        deep.push(&longest);
    }
    fs::create_dir_all(&deep).expect("deep folders");
    fs::write(deep.join("bottom"), "here").expect("a file");

    let first = h.write("names/b", dice.noise(200_000));
    for name in ["names/a", "names/c", "other"] {
        fs::hard_link(&first, h.source().join(name)).expect("a further name");
    }
    std::os::unix::fs::symlink("b", h.source().join("names/s")).expect("a link");
    fs::hard_link(h.source().join("names/s"), h.source().join("names/t")).expect("a further name of a link");

    // Data, hole, data, hole; only a hole; and holes that nothing shows but the blocks.
    let sparse = fs::File::create(h.source().join("sparse")).expect("a file");
    for at in [0u64, 1 << 20, 700 << 20] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &dice.noise(5000), at).expect("data");
    }
    sparse.set_len((1 << 30) + 17).expect("a hole at its end");
    fs::File::create(h.source().join("hole")).and_then(|f| f.set_len(900_000_000)).expect("a hole");

    rustix::fs::lsetxattr(&first, "user.odd", b"\0\xff\n", rustix::fs::XattrFlags::empty()).expect("an attribute");
    fs::set_permissions(&first, fs::Permissions::from_mode(0o7751)).expect("a mode");
    rustix::fs::mknodat(rustix::fs::CWD, h.source().join("pipe"), rustix::fs::FileType::Fifo, 0o640.into(), 0).expect("a pipe");
    if is_root() {
        let device = rustix::fs::makedev(1, 3);
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            h.source().join("null"),
            rustix::fs::FileType::CharacterDevice,
            0o666.into(),
            device,
        );
        made.expect("a device");
        rustix::fs::chown(&first, Some(rustix::fs::Uid::from_raw(12_345)), None).expect("an owner");
        fs::set_permissions(&first, fs::Permissions::from_mode(0o7751)).expect("a mode");
    } else {
        skipped("a device and another owner in the source: this is not root");
    }

    // The sparse files are a gigabyte in a picture: they are compared by what lies in them.
    let without_sparse = |root: &Path| {
        let aside = [root.join("sparse"), root.join("hole")];
        let meta: Vec<_> = aside.iter().map(|p| fs::metadata(p).expect("a sparse file")).collect();
        let facts: Vec<_> = meta.iter().map(|m| (m.len(), m.permissions().mode())).collect();
        let small = meta.iter().all(|m| std::os::unix::fs::MetadataExt::blocks(m) < 2000);
        assert!(small, "holes take no room: {meta:?}");
        let mut parts = Vec::new();
        let file = fs::File::open(&aside[0]).expect("the sparse file");
        for at in [0u64, 5000, 1 << 20, 700 << 20, (1 << 30) - 100] {
            let mut part = [0; 5000];
            let n = std::os::unix::fs::FileExt::read_at(&file, &mut part, at).expect("a part");
            parts.push(part[..n].to_vec());
        }
        (facts, parts)
    };
    let facts = without_sparse(&h.source());
    let report = h.backup();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    let second = h.backup();
    assert_eq!((second.count("bytes read"), second.count("changed")), (0, 0), "{:?}", second.statistics);
    for generation in [1, 2] {
        let to = format!("restored {generation}");
        let options = restore::Options { generation: Some(generation), ..h.restore_options(&to) };
        let report = h.try_restore(&options).expect("a restore");
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        let restored = h.path(&to).join("source");
        assert_eq!(facts, without_sparse(&restored));
        for name in ["sparse", "hole"] {
            fs::remove_file(restored.join(name)).expect("a deletion");
        }
    }
    for name in ["sparse", "hole"] {
        fs::remove_file(h.source().join(name)).expect("a deletion");
    }
    let mut expected = picture(&h.source());
    for generation in [1, 2] {
        let mut found = picture(&h.path(&format!("restored {generation}")).join("source"));
        // The deletions above gave the root another time.
        for p in [&mut expected, &mut found] {
            p.get_mut(Path::new("")).expect("the root").mtime = (0, 0);
        }
        assert_same(&expected, &found, &format!("generation {generation}"));
    }
}

// The host

#[test]
fn the_catalog_is_rubbish() {
    let (h, before) = one_night();
    let catalog = h.path("state/catalog.sqlite");
    let good = fs::read(&catalog).expect("a catalog");
    let mut dice = Dice::new("the_catalog_is_rubbish");
    let noise = dice.noise(good.len());
    for rubbish in [&noise[..], &noise[..100], b"not a database", &good[..good.len() / 2], &good[..4096 + 100], &good[..50]] {
        fs::write(&catalog, rubbish).expect("rubbish");
        let refused = h.try_backup(&h.options());
        assert!(matches!(refused, Err(BackupError::Write(WriteError::Catalog(CatalogError::Damaged { .. })))), "{refused:?}");
        assert!(h.verify().is_good(), "{:?}", h.verify());
        assert_same(&before, &restored(&h, 1), "generation 1");
        for beside in ["state/catalog.sqlite-wal", "state/catalog.sqlite-shm"] {
            let _ = fs::remove_file(h.path(beside));
        }
    }
    fs::write(&catalog, &good).expect("the catalog");
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
}

/// A bit flips in the catalog: in memory, on the disk below. The catalog says where known chunks lie; a wrong word would make a
/// backup that nobody can restore. So each bit is found, or does not matter.
#[test]
fn a_bit_flips_in_the_catalog() {
    let mut dice = Dice::new("a_bit_flips_in_the_catalog");
    let (h, before) = one_night();
    // Tonight's new files are copies: all of their chunks are known.
    for (i, from) in ["patients/1", "patients/2", "images/1"].iter().enumerate() {
        fs::copy(h.source().join(from), h.source().join(format!("copy {i}"))).expect("a copy");
    }
    let good = fs::read(h.path("state/catalog.sqlite")).expect("a catalog");
    let tonight = picture(&h.source());
    let (mut sealed, mut refused) = (0, 0);
    for turn in 0..400 {
        let trial = h.path(&format!("trial {turn}"));
        copy_folder(&h.path("state"), &trial.join("state"));
        copy_folder(&h.medium(), &trial.join("medium"));
        // Most of a small catalog is empty: aim where something is written.
        let at = loop {
            let at = dice.below(good.len());
            if good[at] != 0 || dice.chance(2) {
                break at;
            }
        };
        let flipped = good[at] ^ 1 << dice.below(8);
        overwrite(&trial.join("state/catalog.sqlite"), at as u64, &[flipped]);
        let what = format!("turn {turn}: byte {at} {:#x} became {flipped:#x}", good[at]);
        let options = Options { state: trial.join("state"), to: trial.join("medium"), init: None, ..h.options() };
        let generation = match h.try_backup(&options) {
            Ok(report) => report,
            Err(e) => {
                refused += 1;
                let typed = matches!(
                    e,
                    BackupError::Write(
                        WriteError::Catalog(_)
                            | WriteError::StaleCatalog
                            | WriteError::RolledBack { .. }
                            | WriteError::Unregistered { .. }
                    )
                );
                assert!(typed, "{what}: {e:?}");
                let verified = h.try_verify(&options.to, None, None).expect("a report");
                assert!(verified.is_good(), "{what}: {verified:?}");
                fs::remove_dir_all(trial).expect("a deletion");
                continue;
            }
        };
        sealed += 1;
        let chain = verify::Options { set: Some(generation.set), ..verify::Options::new(&options.to) };
        let verified = h.with_env(|w| verify::verify(&chain, w, &azekura::event::NoObserver)).expect("a report");
        assert!(verified.is_good(), "{what}: {:?} {:?} {:?}", verified.faults, verified.damage, verified.foreign);
        let to = trial.join("restored");
        let from =
            restore::Options { from: options.to.clone(), to: to.clone(), set: Some(generation.set), ..h.restore_options("") };
        let report = h.try_restore(&from).unwrap_or_else(|e| panic!("{what}: {e:?}"));
        assert!(report.findings.is_empty(), "{what}: {:?}", report.findings);
        assert_same(&tonight, &picture(&to.join("source")), &what);
        fs::remove_dir_all(trial).expect("a deletion");
    }
    println!("{sealed} sealed, {refused} refused");
    assert!(sealed > 0 && refused > 0);
    assert_goes_on(&h, &before);
}

/// One bit of the catalog says that the last seal closed a medium, and that its generation goes on.
#[test]
fn a_catalog_that_calls_the_last_seal_a_closing_one_is_not_believed() {
    let (h, _) = one_night();
    let catalog = rusqlite::Connection::open(h.path("state/catalog.sqlite")).expect("the catalog");
    assert_eq!(catalog.execute("UPDATE generations SET closing = 1", []).expect("a change"), 1);
    drop(catalog);
    let refused = h.try_backup(&Options { init: None, ..h.options() });
    assert!(matches!(refused, Err(BackupError::Write(WriteError::StaleCatalog))), "{refused:?}");
    assert!(h.try_verify(&h.medium(), None, None).expect("a report").is_good());
}

/// Without its catalog the host begins a set of its own beside the old one, and says so; the old one stays.
#[test]
fn the_catalog_is_deleted() {
    let (h, before) = one_night();
    fs::remove_file(h.path("state/catalog.sqlite")).expect("a deletion");
    let old = h.chain().set;
    let report = h.try_backup(&Options { init: None, ..h.options() }).expect("a backup");
    assert_eq!((report.opened, report.generation), (Opened::NewWithoutCatalog, 1));
    assert_ne!(report.set, old);
    let next = h.backup();
    assert_eq!((next.opened, next.generation, next.set), (Opened::Known, 2, report.set), "and goes on with it");
    for (set, expected) in [(old, &before), (report.set, &picture(&h.source()))] {
        let to = format!("restored {set}");
        h.try_restore(&restore::Options { set: Some(set), generation: Some(1), ..h.restore_options(&to) }).expect("a restore");
        assert_same(expected, &picture(&h.path(&to).join("source")), &to);
    }
}

#[test]
fn the_state_directory_is_gone_or_another_hosts() {
    for other_host in [false, true] {
        let (h, before) = one_night();
        fs::remove_dir_all(h.path("state")).expect("a deletion");
        if other_host {
            let (theirs, _) = one_night();
            copy_folder(&theirs.path("state"), &h.path("state"));
        }
        let old = h.chain().set;
        let refused = h.try_backup(&Options { init: None, ..h.options() });
        assert!(matches!(refused, Err(BackupError::Write(WriteError::Unregistered { .. }))), "{refused:?}");
        assert!(h.verify().is_good());
        let report = h.backup();
        assert_eq!((report.opened, report.generation), (Opened::New, 1));
        h.try_restore(&restore::Options { set: Some(old), ..h.restore_options("old") }).expect("a restore");
        assert_same(&before, &picture(&h.path("old/source")), "the old set");
    }
}

/// A file of the state directory is gone or torn. Each is an error of its own or is made up for; never a bad generation.
#[test]
fn a_file_of_the_state_directory_is_gone_or_torn() {
    let (h, before) = one_night();
    let set = h.chain().set.to_string();
    for name in ["set.json", "set-key", "seal-keys", "entries", "lock"] {
        let path = h.path("state/sets").join(&set).join(name);
        let good = fs::read(&path).expect("a file of the state");
        for torn in [None, Some(0), Some(good.len() / 2)] {
            fs::remove_file(&path).expect("a deletion");
            if let Some(length) = torn {
                fs::write(&path, &good[..length]).expect("a torn file");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            }
            let generations = h.verify().generations.len();
            let run = h.try_backup(&Options { init: None, ..h.options() });
            let what = format!("{name} {torn:?}");
            match (name, &run) {
                // Of two equal halves, one is enough.
                ("entries" | "lock", Ok(report)) | ("seal-keys", Ok(report)) if name != "seal-keys" || torn == Some(4096) => {
                    assert_same(&picture(&h.source()), &restored(&h, report.generation), &what);
                }
                (
                    "set.json",
                    Err(BackupError::Write(WriteError::Unregistered { .. } | WriteError::State(StateError::Content { .. }))),
                )
                | ("set-key", Err(BackupError::Write(WriteError::State(StateError::Io { .. }))))
                | ("seal-keys", Err(BackupError::Write(WriteError::SealKeys(_)))) => {
                    assert_eq!(h.verify().generations.len(), generations, "{what}");
                }
                _ => panic!("{what}: {run:?}"),
            }
            assert!(h.verify().is_good(), "{what}: {:?}", h.verify());
            if run.is_err() {
                fs::write(&path, &good).expect("put back");
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            }
        }
    }
    assert_goes_on(&h, &before);
}

/// The machine was put back to the day before yesterday, as virtual machines are. What was sealed since must not be sealed
/// a second time with the same numbers.
#[test]
fn the_host_was_put_back_to_an_earlier_day() {
    let (h, before) = one_night();
    copy_folder(&h.path("state"), &h.path("snapshot/state"));
    h.backup();
    h.write("patients/4", "Doi");
    h.backup();
    fs::remove_dir_all(h.path("state")).expect("a deletion");
    copy_folder(&h.path("snapshot/state"), &h.path("state"));
    h.write("patients/5", "Endo");
    let run = h.try_backup(&Options { init: None, ..h.options() });
    let verified = h.try_verify(&h.medium(), None, None);
    assert!(verified.as_ref().is_ok_and(|v| v.is_good()), "{run:?} {verified:?}");
    assert!(matches!(run, Err(BackupError::Write(WriteError::StateSetBack { generation: 3 }))), "{run:?}");
    assert_same(&before, &restored(&h, 1), "generation 1");
    assert_eq!(h.verify().generations.len(), 3);
}

#[test]
fn the_key_does_not_fit() {
    let (h, before) = one_night();
    let other = Identity::generate();
    let refused = h.with_env(|w| restore(&h.restore_options("to"), &other, w, &azekura::event::NoObserver));
    assert!(matches!(refused, Err(RestoreError::Generation(GenerationError::WrongKey(_)))), "{refused:?}");
    assert!(!h.path("to").exists());
    let refused = h.try_restore(&restore::Options { generation: Some(9), ..h.restore_options("to") });
    let none = GenerationError::NoSuchGeneration { wanted: 9, first: 1, last: 1 };
    assert!(matches!(&refused, Err(RestoreError::Generation(e)) if e.to_string() == none.to_string()), "{refused:?}");
    assert_goes_on(&h, &before);
}

#[test]
fn the_clock_is_wrong() {
    let (h, before) = one_night();
    let now = h.clock.load(Ordering::Relaxed);
    // A year ahead, before the files were made, before 1970, and right again.
    for (night, seconds) in [(2, now + 31_536_000), (3, now - 31_536_000), (4, -5), (5, now)] {
        h.clock.store(seconds, Ordering::Relaxed);
        h.write("patients/6", format!("Fujii {}", night % 2));
        let report = h.backup();
        // Nobody can tell that a year ahead is wrong; a time before the last seal is told.
        let verdict = if (3..=4).contains(&night) { Verdict::Incomplete } else { Verdict::Good };
        assert_eq!((report.generation, report.verdict), (night, verdict), "numbers never follow the clock");
        assert_same(&picture(&h.source()), &restored(&h, night), &format!("night {night}"));
    }
    assert_goes_on(&h, &before);
}

#[test]
fn two_runs_at_once() {
    struct Wait<'a>(&'a Barrier, AtomicBool);
    impl Observer for Wait<'_> {
        fn on_event(&self, event: Event) {
            if event == Event::Phase(Phase::Reading) && !self.1.swap(true, Ordering::Relaxed) {
                self.0.wait();
                self.0.wait();
            }
        }
    }
    let (h, before) = one_night();
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| h.with_env(|w| backup(&h.options(), w, &Wait(&barrier, AtomicBool::new(false)))));
        barrier.wait();
        let second = h.try_backup(&h.options());
        let busy = matches!(&second, Err(BackupError::Write(WriteError::State(StateError::Busy { process }))) if *process == std::process::id().to_string());
        // The same medium from another host, or from a copy of the state.
        copy_folder(&h.path("state"), &h.path("copy/state"));
        let third = h.try_backup(&Options { state: h.path("copy/state"), ..h.options() });
        let verified = h.try_verify(&h.medium(), None, None);
        barrier.wait();
        let first = first.join().expect("the first run");
        assert!(busy, "{second:?}");
        assert!(matches!(third, Err(BackupError::Write(WriteError::Medium(MediumError::Busy { .. })))), "{third:?}");
        assert!(verified.expect("a report").is_good(), "readers need not wait");
        assert_eq!(first.expect("a backup").generation, 2);
    });
    assert_eq!(assert_goes_on(&h, &before).generation, 3);
}

#[test]
fn somebody_stops_the_run() {
    struct Stop<'a>(&'a Hospital, Phase);
    impl Observer for Stop<'_> {
        fn on_event(&self, event: Event) {
            if event == Event::Phase(self.1) {
                self.0.interrupted.store(true, Ordering::Relaxed);
            }
        }
    }
    let (h, before) = one_night();
    for phase in [Phase::Checking, Phase::Reading] {
        let stopped = h.with_env(|w| backup(&h.options(), w, &Stop(&h, phase)));
        assert!(matches!(stopped, Err(BackupError::Interrupted)), "{phase:?}: {stopped:?}");
        h.interrupted.store(false, Ordering::Relaxed);
        assert!(h.verify().is_good());
    }
    let to = h.restore_options("stopped");
    let stopped = h.with_env(|w| restore(&to, &h.identity, w, &Stop(&h, Phase::Writing)));
    assert!(matches!(stopped, Err(RestoreError::Interrupted)), "{stopped:?}");
    h.interrupted.store(false, Ordering::Relaxed);
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
}

#[test]
fn set_folders_are_told_apart() {
    let (h, before) = one_night();
    let set = set_folder(&h.medium());
    for foreign in ["lost+found", "0123", "readme"] {
        fs::create_dir(h.medium().join("AZEKURA").join(foreign)).expect("a folder");
    }
    fs::write(h.medium().join("AZEKURA/note.txt"), "call extension 4711").expect("a file");
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
    assert!(set.exists());
}

/// Somebody gives the folder a name that people can read. What a set is its label says.
#[test]
fn the_sets_folder_was_given_another_name() {
    let (h, before) = one_night();
    let renamed = h.medium().join("AZEKURA/ward 3, 2026");
    fs::rename(set_folder(&h.medium()), &renamed).expect("a new name");
    assert!(h.verify().is_good());
    assert_eq!(assert_goes_on(&h, &before).generation, 2);
    assert_eq!(set_folder(&h.medium()), renamed);
}

/// Spoils a part of the host's state when the run begins to seal.
struct AtTheSeal<F: Fn()>(F);

impl<F: Fn() + Sync> Observer for AtTheSeal<F> {
    fn on_event(&self, event: Event) {
        if event == Event::Phase(Phase::Sealing) {
            (self.0)();
        }
    }
}

/// The seal is on the medium and read back; then the host's disk takes nothing more. The generation is told with its check
/// code, and the next run knows it.
#[test]
fn the_state_disk_fails_behind_the_seal() {
    let fail = |table: &str, when: &str| {
        format!("CREATE TRIGGER spoilt BEFORE INSERT ON {table} {when} BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    };
    let places = [
        fail("objects", "WHEN NEW.kind = 'seal'"),
        fail("seals", ""),
        fail("generations", "WHEN NEW.durable = 1"),
        fail("log", "WHEN NEW.operation = 'backup'"),
        String::new(),
    ];
    for spoil in places {
        let (h, before) = one_night();
        let catalog = || rusqlite::Connection::open(h.path("state/catalog.sqlite")).expect("the catalog");
        let sets = fs::read_dir(h.path("state/sets")).expect("sets").flatten();
        let entries = sets.map(|set| set.path().join("entries")).next().expect("a set");
        let observer = AtTheSeal(|| match &spoil[..] {
            // Nothing can be renamed to a folder.
            "" => fs::remove_file(&entries).and_then(|()| fs::create_dir(&entries)).expect("a folder in the way"),
            sql => catalog().execute_batch(sql).expect("a trigger"),
        });
        let report = h.with_env(|env| backup(&h.options(), env, &observer)).expect("a sealed run");
        assert!(report.unrecorded.is_some(), "{spoil}");
        let verified = h.verify();
        assert!(verified.is_good(), "{spoil}: {verified:?}");
        let newest = verified.generations.last().expect("a generation");
        assert_eq!((report.generation, newest.generation), (2, 2), "{spoil}");
        match &spoil[..] {
            "" => fs::remove_dir(&entries).expect("room"),
            _ => catalog().execute_batch("DROP TRIGGER spoilt").expect("room"),
        }
        let next = assert_goes_on(&h, &before);
        assert_eq!((next.generation, next.unrecorded.is_none()), (3, true), "{spoil}");
    }
}
