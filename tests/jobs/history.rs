//! Which version of a file is from before the incident? And what came, changed or went while they were in the house?

use crate::machine::without_privileges;
use crate::tools::{forge, noise, objects, overwrite};
use crate::world::Hospital;
use azekura::event::NoObserver;
use azekura::format::object::ObjectKind;
use azekura::generation::GenerationError;
use azekura::job::inspect::InspectError;
use azekura::job::inspect::history::{
    HistoryEvent, HistoryEventKind, PathOptions, PathReport, PathState, PeriodOptions, PeriodReport, of_path, of_period,
};
use azekura::pipeline::encryptor::Identity;
use std::fs;
use std::sync::atomic::Ordering;

const DAY: i64 = 86_400;

/// A night; how many seconds after the first.
fn night(h: &Hospital, first: i64, days: i64) -> u64 {
    h.clock.store(first + days * DAY, Ordering::Relaxed);
    h.backup().generation
}

fn versions(h: &Hospital, path: &str) -> PathReport {
    let options = PathOptions { from: h.medium(), set: None, path: path.into() };
    h.with_env(|w| of_path(&options, &h.identity, w, &NoObserver)).expect("a history")
}

fn period(h: &Hospital, since: i64, until: i64, with_older: bool) -> (PeriodReport, Vec<HistoryEvent>) {
    let options = PeriodOptions { from: h.medium(), set: None, since, until, with_older };
    let mut all = Vec::new();
    let report = h.with_env(|w| of_period(&options, &h.identity, w, &NoObserver, &mut |e| all.push(e))).expect("a history");
    (report, all)
}

#[test]
fn a_chart_that_was_changed_twice_and_thrown_away_has_its_versions() {
    let h = Hospital::new();
    let first = h.clock.load(Ordering::Relaxed);
    for n in 0..500 {
        h.write(&format!("ward/{n:03}.txt"), noise(n, 100));
    }
    night(&h, first, 0);
    let contents = ["allergy: none", "allergy: none", "allergy: penicillin", "allergy: none!"];
    for (day, content) in contents.iter().enumerate() {
        if day == 0 || contents[day - 1] != *content {
            h.write("ward/chart", content);
        }
        night(&h, first, day as i64 + 1);
    }
    fs::remove_file(h.source().join("ward/chart")).unwrap();
    night(&h, first, 6);
    let report = versions(&h, "source/ward/chart");
    let runs: Vec<_> = report.versions.iter().map(|l| (l.first, l.last)).collect();
    assert_eq!(runs, [(1, 1), (2, 3), (4, 4), (5, 5), (6, 6)]);
    for (line, content) in report.versions.iter().zip([None, Some(contents[0]), Some(contents[2]), Some(contents[3]), None]) {
        match (&line.state, content) {
            (PathState::Absent, None) => {}
            (PathState::Present(core), Some(content)) => {
                let digests = core.whole().expect("digests");
                assert_eq!(digests.blake3, *blake3::hash(content.as_bytes()).as_bytes());
                assert_eq!(core.size, content.len() as u64);
                assert!(digests.sha256.is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(report.is_found() && report.is_sound());
    assert!(report.versions.windows(2).all(|w| w[0].last_time < w[1].first_time));
    // A folder is one path, too; and what never was is not found.
    assert!(versions(&h, "source/ward").is_found());
    assert!(!versions(&h, "source/ward/nobody").is_found());
}

#[test]
fn what_happened_in_a_period_and_what_is_older() {
    let h = Hospital::new();
    let first = h.clock.load(Ordering::Relaxed);
    for (name, content) in
        [("old", "old"), ("changed", "1"), ("twice", "1"), ("gone", "1"), ("there-and-back", "1"), ("d/x", "x")]
    {
        h.write(name, content);
    }
    night(&h, first, 0);
    h.write("before", "the period");
    night(&h, first, 1);
    h.write("changed", "2");
    h.write("twice", "2");
    h.write("there-and-back", "2");
    h.write("ransom.txt", "pay");
    night(&h, first, 5);
    h.write("twice", "3");
    h.write("there-and-back", "1");
    fs::remove_file(h.source().join("gone")).unwrap();
    fs::set_permissions(h.source().join("old"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    night(&h, first, 6);
    h.write("after", "the period");
    night(&h, first, 9);

    let (report, all) = period(&h, first + 4 * DAY, first + 8 * DAY, false);
    let name = |h: &HistoryEvent| String::from_utf8_lossy(&h.path).trim_start_matches("source/").to_owned();
    let told: Vec<_> = all.iter().map(|h| (h.generation, h.what, name(h))).collect();
    let (created, changed, gone) = (HistoryEventKind::Created, HistoryEventKind::Changed, HistoryEventKind::Gone);
    let expected = [
        (3, changed, "changed"),
        (3, created, "ransom.txt"),
        (3, changed, "there-and-back"),
        (3, changed, "twice"),
        (4, gone, "gone"),
        (4, changed, "there-and-back"),
        (4, changed, "twice"),
    ];
    assert_eq!(told, expected.map(|(n, what, name)| (n, what, name.to_owned())));
    assert_eq!(report.before.as_ref().map(|(n, _)| *n), Some(2));
    assert_eq!(report.generations.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 4]);
    let c = &report.counts;
    assert_eq!((c.created, c.changed, c.gone), (1, 5, 1));
    // What was put back as it was is as old as what was never touched.
    assert_eq!((c.older, c.older_bytes), (4, 3 + 1 + 1 + 10));
    let (_, all) = period(&h, first + 4 * DAY, first + 8 * DAY, true);
    let older: Vec<_> = all.iter().filter(|h| h.what == HistoryEventKind::Older).map(name).collect();
    assert_eq!(older, ["before", "d/x", "old", "there-and-back"]);
}

#[test]
fn a_period_without_a_generation_before_it_proves_nothing_older() {
    let h = Hospital::new();
    let first = h.clock.load(Ordering::Relaxed);
    h.write("a", "1");
    night(&h, first, 0);
    h.write("a", "2");
    night(&h, first, 1);
    let (report, all) = period(&h, first - DAY, first + 9 * DAY, true);
    assert_eq!((report.before, report.generations.len()), (None, 2));
    assert_eq!(all.iter().map(|h| h.what).collect::<Vec<_>>(), [HistoryEventKind::Changed]);
    assert_eq!(report.counts.older, 0);
    assert_eq!(period(&h, first + 20 * DAY, first + 30 * DAY, true).0.generations, []);
}

/// The owner of a record was changed, and nothing else: that is a version, too.
#[test]
fn another_mode_of_the_same_content_is_a_version() {
    let h = Hospital::new();
    let chart = h.write("chart", "allergy: none");
    h.backup();
    fs::set_permissions(&chart, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    h.backup();
    h.backup();
    let runs: Vec<_> = versions(&h, "source/chart").versions.iter().map(|l| (l.first, l.last)).collect();
    assert_eq!(runs, [(1, 1), (2, 3)]);
}

/// Whoever has the wrong key must hear that, not that the file is damaged in every generation; nor half an answer when he has had enough.
#[test]
fn no_history_is_made_of_the_wrong_key_or_of_an_interruption() {
    let h = Hospital::new();
    h.write("chart", "1");
    h.backup();
    let options = PathOptions { from: h.medium(), set: None, path: b"source/chart".to_vec() };
    let other = Identity::generate();
    let refused = h.with_env(|w| of_path(&options, &other, w, &NoObserver));
    assert!(matches!(refused, Err(InspectError::Generation(GenerationError::WrongKey(_)))), "{refused:?}");
    h.interrupted.store(true, Ordering::Relaxed);
    assert!(matches!(h.with_env(|w| of_path(&options, &h.identity, w, &NoObserver)), Err(InspectError::Interrupted)));
}

/// A generation belongs to the period that begins in the second in which it was sealed, and to no period that ends in it.
#[test]
fn a_period_begins_with_its_first_second_and_ends_before_its_last() {
    let h = Hospital::new();
    let first = h.clock.load(Ordering::Relaxed);
    for day in 0..3 {
        h.write("chart", format!("{day}"));
        night(&h, first, day);
    }
    let sealed: Vec<i64> =
        h.chain().generations().map(|l| chrono::DateTime::parse_from_rfc3339(&l.seal.time).unwrap().timestamp()).collect();
    let numbers = |since, until| period(&h, since, until, false).0.generations.iter().map(|(n, _)| *n).collect::<Vec<_>>();
    assert_eq!(numbers(sealed[1], sealed[1] + 1), [2]);
    assert_eq!(numbers(sealed[1], sealed[2]), [2]);
    assert_eq!(numbers(sealed[1] + 1, sealed[2] + 1), [3]);
}

/// Somebody who wants a night left out sets the clock back: it lies between others of the period all the same.
#[test]
fn a_clock_that_was_set_back_leaves_no_generation_out() {
    let h = Hospital::new();
    let first = h.clock.load(Ordering::Relaxed);
    for (content, day) in [("1", 0), ("2", 5), ("forged", 1), ("2", 6), ("3", 9)] {
        h.write("chart", content);
        night(&h, first, day);
    }
    let (report, all) = period(&h, first + 4 * DAY, first + 8 * DAY, false);
    assert_eq!(report.generations.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(all.iter().map(|h| (h.generation, h.what)).collect::<Vec<_>>(), [2, 3, 4].map(|n| (n, HistoryEventKind::Changed)));
}

/// Of a file that no backup could read nobody knows whether it is as it was; folders and links have no content to be old.
#[test]
fn what_was_never_read_is_not_proved_older() {
    let h = Hospital::new();
    h.write("read", "1");
    let locked = h.write("locked", "2");
    std::os::unix::fs::symlink("read", h.source().join("link")).unwrap();
    let mode = |m| fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(m)).unwrap();
    mode(0);
    for _ in 0..2 {
        for folder in [h.dir.path().to_owned(), h.medium(), h.source()] {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
        without_privileges(|| h.backup());
    }
    mode(0o600);
    let since = h
        .chain()
        .generations()
        .next_back()
        .map(|l| chrono::DateTime::parse_from_rfc3339(&l.seal.time).unwrap().timestamp())
        .unwrap();
    let (report, all) = period(&h, since, since + DAY, true);
    assert_eq!(report.generations.len(), 1);
    assert_eq!(all.iter().map(|h| (h.what, &h.path[..])).collect::<Vec<_>>(), [(HistoryEventKind::Older, &b"source/read"[..])]);
    assert_eq!((report.counts.older, report.counts.older_bytes), (1, 1));
}

/// Wherever a bad spot lies, a file that is in a generation is never said not to be: it is there, or nobody knows.
#[test]
fn damage_never_makes_a_file_one_that_was_not_there() {
    let h = Hospital::new();
    for n in 0..600 {
        h.write(&format!("ward/{n:03}"), noise(n, 60));
    }
    h.backup();
    let sound = versions(&h, "source/ward/300");
    let mut unknown = 0;
    for (_, kind, path) in objects(&h.medium()) {
        let good = fs::read(&path).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        for at in (0..24).map(|i| good.len() * i / 24) {
            overwrite(&path, at as u64, &[good[at] ^ 0x40]);
            let options = PathOptions { from: h.medium(), set: None, path: b"source/ward/300".to_vec() };
            if let Ok(report) = h.with_env(|w| of_path(&options, &h.identity, w, &NoObserver)) {
                for line in &report.versions {
                    assert!(!matches!(line.state, PathState::Absent), "{kind:?} at {at}");
                    if let PathState::Unknown { .. } = line.state {
                        assert!(!report.is_sound() && !report.is_found(), "{kind:?} at {at}");
                        unknown += 1;
                    }
                }
                assert!(kind != ObjectKind::Seal || report.versions != sound.versions || !report.is_sound(), "the seal at {at}");
            }
            overwrite(&path, at as u64, &[good[at]]);
        }
    }
    assert!(unknown > 0);
}

/// Of two nights, the seal of the first is bent: what the second says is told, and that the chain does not hold.
#[test]
fn a_history_by_a_chain_that_does_not_hold_says_so() {
    let h = Hospital::new();
    for content in ["1", "2", "3"] {
        h.write("chart", content);
        h.backup();
    }
    let (_, _, seal) = objects(&h.medium()).into_iter().find(|o| o.1 == ObjectKind::Seal).unwrap();
    forge(&seal);
    let report = versions(&h, "source/chart");
    assert!(report.is_found() && !report.is_sound() && !report.faults.is_empty(), "{report:?}");
    let (report, _) = period(&h, 0, i64::MAX, false);
    assert!(!report.faults.is_empty(), "{report:?}");
}
