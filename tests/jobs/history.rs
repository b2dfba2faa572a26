//! Which version of a file is from before the incident? And what came, changed or went while they were in the house?

use crate::tools::noise;
use crate::world::Hospital;
use azekura::event::Deaf;
use azekura::job::history::{Happened, PathOptions, PathReport, PeriodOptions, PeriodReport, Version, What, of_path, of_period};
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
    h.with_world(|w| of_path(&options, &h.identity, w, &Deaf)).expect("a history")
}

fn period(h: &Hospital, since: i64, until: i64, with_older: bool) -> (PeriodReport, Vec<Happened>) {
    let options = PeriodOptions { from: h.medium(), set: None, since, until, with_older };
    let mut all = Vec::new();
    let report = h.with_world(|w| of_period(&options, &h.identity, w, &Deaf, &mut |e| all.push(e))).expect("a history");
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
    let runs: Vec<_> = report.lines.iter().map(|l| (l.first, l.last)).collect();
    assert_eq!(runs, [(1, 1), (2, 3), (4, 4), (5, 5), (6, 6)]);
    for (line, content) in report.lines.iter().zip([None, Some(contents[0]), Some(contents[2]), Some(contents[3]), None]) {
        match (&line.version, content) {
            (Version::NotThere, None) => {}
            (Version::There(core), Some(content)) => {
                assert_eq!(core.blake3, Some(*blake3::hash(content.as_bytes()).as_bytes()));
                assert_eq!(core.size, content.len() as u64);
                assert!(core.sha256.is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(report.is_found() && report.is_sound());
    assert!(report.lines.windows(2).all(|w| w[0].last_time < w[1].first_time));
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
    let name = |h: &Happened| String::from_utf8_lossy(&h.path).trim_start_matches("source/").to_owned();
    let told: Vec<_> = all.iter().map(|h| (h.generation, h.what, name(h))).collect();
    let (created, changed, gone) = (What::Created, What::Changed, What::Gone);
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
    let older: Vec<_> = all.iter().filter(|h| h.what == What::Older).map(name).collect();
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
    assert_eq!(all.iter().map(|h| h.what).collect::<Vec<_>>(), [What::Changed]);
    assert_eq!(report.counts.older, 0);
    assert_eq!(period(&h, first + 20 * DAY, first + 30 * DAY, true).0.generations, []);
}
