//! Back up to a disk, prove it, get it back.

use crate::tools::{fast_folder, noise, objects, set_folder};
use crate::world::{Hospital, tree};
use azekura::event::NoObserver;
use azekura::format::object::ObjectKind;
use azekura::format::seal::Verdict;
use azekura::job::backup::{BackupError, Options, SourceOptions};
use azekura::job::rebuild::rebuild;
use azekura::set::writer::Opened;
use std::ffi::OsString;

#[test]
fn what_was_backed_up_comes_back() {
    let h = Hospital::new();
    h.write("a/hello", "hello");
    h.write("a/empty", "");
    let noise: Vec<u8> = (0..7_000_000u32).flat_map(|i| (i.wrapping_mul(2_654_435_761)).to_le_bytes()).take(9_000_000).collect();
    h.write("large", &noise);
    h.write("middle", &noise[..700_000]);
    for i in 0..3000 {
        h.write(&format!("small/{}/{i}", i % 70), format!("record {i} of the patient"));
    }
    let report = h.backup();
    assert_eq!(report.generation, 1);
    assert_eq!(report.findings, []);
    let verified = h.verify();
    assert!(verified.is_good(), "{verified:?}");
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// Three folders of a thousand: small packs make many objects.
#[test]
fn thousands_of_objects_come_back() {
    let h = Hospital::within(fast_folder());
    for i in 0..2500 {
        h.write(&format!("ward {}/{i}", i % 7), noise(i, 4096));
    }
    let options = Options { pack_bytes: Some(4096), ..h.options() };
    h.try_backup(&options).expect("a backup");
    let first = objects(&h.medium()).len();
    assert!((2500..3000).contains(&first), "{first} objects");
    assert_eq!(std::fs::read_dir(set_folder(&h.medium())).expect("the set").count(), 3);
    let verified = h.verify();
    assert!(verified.is_good() && verified.objects as usize == first, "{verified:?}");
    // The next nights go on in the third folder, and begin the fourth.
    for i in 2500..3500 {
        h.write(&format!("ward {}/{i}", i % 7), noise(i, 4096));
    }
    assert_eq!(h.try_backup(&options).expect("a backup").generation, 2);
    assert_eq!(std::fs::read_dir(set_folder(&h.medium())).expect("the set").count(), 4);
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// Whoever restores one file reads its pack: smaller ones are read sooner, and a bad spot costs less.
#[test]
fn packs_are_as_small_as_was_asked_for() {
    for (asked, most) in [(Some(64 << 10), 132 << 10), (Some(1), 66 << 10), (Some(1 << 40), usize::MAX), (None, usize::MAX)] {
        let h = Hospital::within(fast_folder());
        // A pack may be larger by a frame, and has at least one chunk.
        for i in 0..80 {
            h.write(&format!("{i}"), noise(i, if i % 2 == 0 { 60_000 } else { 5_000 }));
        }
        h.try_backup(&Options { pack_bytes: asked, ..h.options() }).expect("a backup");
        let packs = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Pack);
        let lengths: Vec<_> = packs.map(|o| std::fs::metadata(o.2).expect("a pack").len() as usize).collect();
        assert!(lengths.iter().all(|n| *n < most), "{asked:?}: {lengths:?}");
        assert!(lengths.len() > 15 || most == usize::MAX, "{asked:?}: {lengths:?}");
        assert!(lengths.len() < 8 || most < usize::MAX, "{asked:?}: {lengths:?}");
        assert!(h.verify().is_good());
        assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
    }
}

#[test]
fn a_night_without_changes_reads_nothing_and_adds_next_to_nothing() {
    let h = Hospital::new();
    for i in 0..2000 {
        h.write(&format!("small/{}/{i}", i % 70), format!("record {i} of the patient"));
    }
    h.backup();
    let second = h.backup();
    assert_eq!(second.generation, 2);
    assert_eq!(second.count("bytes read"), 0);
    assert_eq!((second.count("new"), second.count("changed"), second.count("gone")), (0, 0, 0));
    assert!(second.added_bytes < 4096, "{}", second.added_bytes);
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

#[test]
fn a_database_dump_is_backed_up_as_it_is_written() {
    let h = Hospital::new();
    h.write("file", "beside it");
    let mut options = h.options();
    let dump = |script: &str| SourceOptions {
        command: ["sh", "-c", script].map(OsString::from).into(),
        ..SourceOptions::new("dump.sql", h.source())
    };
    options.sources.push(dump("seq 1 300000; cat file"));
    let report = h.try_backup(&options).expect("a backup");
    assert_eq!(report.findings, []);
    h.try_restore(&h.restore_options("restored")).expect("a restore");
    let expected: String = (1..=300_000).map(|n| format!("{n}\n")).chain(["beside it".to_owned()]).collect();
    assert_eq!(std::fs::read_to_string(h.path("restored").join("dump.sql")).expect("the dump"), expected);

    // Half a dump is no dump; alone it is no generation.
    options.sources.pop();
    options.sources.push(dump("seq 1 1000; exit 3"));
    let report = h.try_backup(&options).expect("a backup of the rest");
    assert_eq!((report.generation, report.verdict), (2, Verdict::Incomplete));
    options.sources.remove(0);
    assert!(matches!(h.try_backup(&options), Err(BackupError::CommandFailed { .. })));
    assert_eq!(h.verify().generations.len(), 2);
    // Nothing of it hinders the next night.
    assert_eq!(h.backup().generation, 3);
    assert!(h.verify().is_good());
}

#[test]
fn a_lost_catalog_is_rebuilt_and_goes_on_where_it_was() {
    let h = Hospital::new();
    for i in 0..500 {
        h.write(&format!("small/{i}"), format!("record {i} of the patient"));
    }
    h.backup();
    h.write("small/7", "changed");
    h.backup();
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = std::fs::remove_file(h.path("state").join(name));
    }
    let rebuilt = h.with_env(|w| rebuild(&h.medium(), &h.path("state"), &h.identity, w, &NoObserver)).expect("a rebuilt catalog");
    assert_eq!(rebuilt[0].generations, 2);
    let third = h.backup();
    assert_eq!((third.generation, third.opened), (3, Opened::Known));
    assert_eq!((third.count("new"), third.count("changed")), (0, 0));
    assert!(third.added_bytes < 4096, "{}", third.added_bytes);
    assert!(h.verify().is_good());
    assert_eq!(tree(&h.source()), tree(&h.restore("restored")));
}

/// The entry stream has one place for a path; two sources that claim it would make a generation that nobody can read.
#[test]
fn a_source_whose_name_lies_within_another_is_refused() {
    let h = Hospital::new();
    h.write("hello", "hello");
    let mut options = h.options();
    options.sources.push(SourceOptions { name: b"source/b".into(), ..options.sources[0].clone() });
    let refused = h.try_backup(&options).expect_err("refused");
    assert!(
        matches!(&refused, BackupError::SourceWithin { inner, outer } if inner == "source/b" && outer == "source"),
        "{refused}"
    );
    options.sources[0].name = b"other/a".into();
    h.try_backup(&options).expect("two sources with names of two parts");
    let restored = h.try_restore(&h.restore_options("restored")).expect("a restore");
    assert_eq!(restored.findings, []);
    assert_eq!(tree(&h.source()), tree(&h.path("restored/other/a")));
    assert_eq!(tree(&h.source()), tree(&h.path("restored/source/b")));
}
