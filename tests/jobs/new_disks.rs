//! A disk that is new in a pool, and the first nights of a host: what somebody did to a source is told there, too.

use crate::tools::noise;
use crate::world::Hospital;
use azekura::format::seal::Verdict;
use azekura::job::backup::{Options, Report, SourceOptions};
use azekura::job::incident::harmless::{Statement, call_harmless};
use azekura::job::incident::hold::take_off;
use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

/// Forty records, and a few MiB of images.
fn hospital() -> Hospital {
    let h = Hospital::new();
    for i in 0..40 {
        h.write(&format!("karte/{i}.xml"), format!("<record>{i}</record>").repeat(20));
    }
    for i in 0..4 {
        h.write(&format!("img/{i}.bin"), noise(i, 1 << 20));
    }
    h
}

/// A night on a disk, a day after the last; a disk that was never used is blank.
fn night(h: &Hospital, disk: &str) -> Report {
    h.clock.fetch_add(86_400, Ordering::Relaxed);
    let to = h.path(disk);
    fs::create_dir_all(&to).expect("a disk");
    h.try_backup(&Options { to, ..h.options() }).expect("a backup")
}

fn quiet(h: &Hospital, disk: &str) {
    let report = night(h, disk);
    assert_eq!((report.verdict, tripwires(&report)), (Verdict::Good, vec![]), "{disk} {}", report.generation);
}

fn tripwires(report: &Report) -> Vec<&str> {
    report.alarms.iter().map(|a| &a.tripwire[..]).collect()
}

/// All that is left is the letter.
fn ransom(h: &Hospital) {
    fs::remove_dir_all(h.source().join("karte")).expect("a deletion");
    h.write("README.txt", "pay us");
}

/// Each as `ransom`, but where nobody else has seen the files before.
#[test]
fn what_is_gone_is_told_on_the_second_and_the_third_night() {
    for nights in 1..=2 {
        let h = hospital();
        (0..nights).for_each(|_| quiet(&h, "CL-01"));
        ransom(&h);
        let report = night(&h, "CL-01");
        assert_eq!((report.verdict, tripwires(&report)), (Verdict::Alarm, vec!["gone", "fewer"]), "after {nights}");
        assert_eq!((report.alarms[0].measured, report.alarms[0].limit), (40, 22));
    }
}

#[test]
fn what_is_gone_is_told_on_a_disk_that_never_saw_it() {
    // One night each on three disks, and the fourth is new.
    let h = hospital();
    ["CL-01", "CL-02", "CL-03"].iter().for_each(|disk| quiet(&h, disk));
    ransom(&h);
    let report = night(&h, "CL-04");
    assert_eq!((report.verdict, tripwires(&report)), (Verdict::Alarm, vec!["fewer"]));
    assert_eq!((report.generation, report.alarms[0].measured, report.alarms[0].limit), (1, 39, 22));

    // A share that is not mounted, with what lies below it.
    let h = hospital();
    quiet(&h, "CL-01");
    fs::rename(h.source(), h.path("share")).expect("not mounted");
    h.write(".placeholder", "do not delete");
    assert_eq!(tripwires(&night(&h, "CL-02")), ["shrunk", "fewer"]);

    // The names are there, and nothing is in them.
    let h = hospital();
    ["CL-01", "CL-01", "CL-02"].iter().for_each(|disk| quiet(&h, disk));
    (0..4).for_each(|i| drop(h.write(&format!("img/{i}.bin"), "")));
    assert_eq!(tripwires(&night(&h, "CL-03")), ["shrunk"]);
}

/// On its second night a disk that replaced another one is judged as the others are.
#[test]
fn a_replaced_disk_is_judged_by_the_history_of_the_others() {
    let h = hospital();
    for _ in 0..4 {
        quiet(&h, "CL-01");
        quiet(&h, "CL-02");
    }
    quiet(&h, "CL-09");
    quiet(&h, "CL-01");
    // Less than half.
    (0..20).for_each(|i| fs::remove_file(h.source().join(format!("karte/{i}.xml"))).expect("a deletion"));
    assert_eq!(tripwires(&night(&h, "CL-09")), ["gone"]);

    // A set that is written once a month sees more changes at once than the others: theirs are no measure.
    let h = hospital();
    (0..5).for_each(|_| quiet(&h, "CL-01"));
    quiet(&h, "monthly");
    (0..5).for_each(|_| quiet(&h, "CL-01"));
    h.clock.fetch_add(25 * 86_400, Ordering::Relaxed);
    for i in 0..25 {
        fs::rename(h.source().join(format!("karte/{i}.xml")), h.source().join(format!("karte/2026 {i}.xml"))).expect("a name");
    }
    quiet(&h, "monthly");
}

#[test]
fn what_only_looks_like_it_is_no_alarm() {
    // Exports that get other names every night.
    let h = hospital();
    for n in 0..3 {
        for i in 0..60 {
            let _ = fs::remove_file(h.source().join(format!("export/{} {i}.csv", n - 1)));
            h.write(&format!("export/{n} {i}.csv"), format!("{n};{i}"));
        }
        quiet(&h, "CL-01");
    }
    quiet(&h, "CL-02");

    // An inbox that others empty.
    let h = hospital();
    for (n, disk) in ["CL-01", "CL-02", "CL-03", "CL-04"].iter().enumerate() {
        let inbox = h.source().join("inbox");
        let _ = fs::remove_dir_all(&inbox);
        (0..[90, 4, 80, 5][n]).for_each(|i| drop(h.write(&format!("inbox/{n} {i}"), "a fax")));
        h.clock.fetch_add(86_400, Ordering::Relaxed);
        fs::create_dir_all(h.path(disk)).expect("a disk");
        let source = SourceOptions::new("inbox", inbox);
        let report = h.try_backup(&Options { to: h.path(disk), sources: vec![source], ..h.options() }).expect("a backup");
        // The first change is not known yet to be usual.
        assert_eq!(tripwires(&report), if n == 1 { vec!["fewer"] } else { vec![] }, "{disk}");
        if n == 1 {
            harmless(&h, &report);
        }
    }

    // A source that became smaller, which somebody had announced on another disk.
    let h = hospital();
    ["CL-01", "CL-02"].iter().for_each(|disk| quiet(&h, disk));
    fs::remove_dir_all(h.source().join("img")).expect("a deletion");
    h.clock.fetch_add(86_400, Ordering::Relaxed);
    let announced = Options { to: h.path("CL-01"), tag: Some("images moved".into()), ..h.options() };
    assert_eq!(h.try_backup(&announced).expect("a backup").verdict, Verdict::Good);
    quiet(&h, "CL-03");
}

fn harmless(h: &Hospital, report: &Report) {
    let (set, generation) = (Some(report.set), Some(report.generation));
    let statement = Statement { set, generation, by: "Suzuki", witness: "Sato", because: "moved" };
    h.with_env(|env| call_harmless(&h.path("state"), &statement, env)).expect("a statement");
}

/// What two people have looked at on one disk is how the source is from then on; and half of what is left is news.
#[test]
fn a_harmless_loss_is_not_told_again_on_the_next_new_disk() {
    let h = hospital();
    ["CL-01", "CL-02"].iter().for_each(|disk| quiet(&h, disk));
    (0..30).for_each(|i| fs::remove_file(h.source().join(format!("karte/{i}.xml"))).expect("a deletion"));
    let told = night(&h, "CL-03");
    assert_eq!(tripwires(&told), ["fewer"]);
    // Nothing was added: it is open, and no news.
    let again = night(&h, "CL-03");
    assert_eq!((tripwires(&again), again.origins[0].generation), (vec!["fewer"], told.generation));
    harmless(&h, &told);
    quiet(&h, "CL-03");
    quiet(&h, "CL-04");
}

/// A night with these sources.
fn night_of(h: &Hospital, disk: &str, sources: Vec<SourceOptions>, tag: Option<&str>) -> Report {
    h.clock.fetch_add(86_400, Ordering::Relaxed);
    let to = h.path(disk);
    fs::create_dir_all(&to).expect("a disk");
    let tag = tag.map(str::to_owned);
    h.try_backup(&Options { to, sources, tag, ..h.options() }).expect("a backup")
}

fn findings(report: &Report) -> Vec<(&str, String, &str)> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    report.findings.iter().map(|f| (&f.kind[..], text(&f.path), &f.detail[..])).collect()
}

/// Writes a file of the source whose time is so many hours after the host's clock will be in the next night.
fn write_at(h: &Hospital, name: &str, content: &str, hours: i64) {
    let at = h.clock.load(Ordering::Relaxed) + 86_400 + hours * 3_600;
    let file = fs::File::options().write(true).open(h.write(name, content)).expect("a file");
    file.set_modified(UNIX_EPOCH + Duration::from_secs(at as u64)).expect("a time");
}

/// No disk has seen the dump before, and the host has.
#[test]
fn the_same_dump_on_another_new_disk_every_night_is_told() {
    let h = Hospital::new();
    let night = |disk: &str, content: &str| {
        write_at(&h, "dump", content, -1);
        let tree = SourceOptions { fresh_hours: Some(26), ..SourceOptions::new("dump", h.source()) };
        let command = vec!["/bin/echo".into(), content.into()];
        let output = SourceOptions { command, ..SourceOptions { name: b"sql".to_vec(), path: "/".into(), ..tree.clone() } };
        let report = night_of(&h, disk, vec![tree, output], None);
        findings(&report).into_iter().map(|(kind, path, detail)| format!("{kind} {path} {detail}")).collect::<Vec<_>>()
    };
    let old = |hours: u64| ["dump", "sql"].map(|name| format!("source-stale {name} {hours} hours"));
    let none: [String; 0] = [];
    assert_eq!(night("CL-01", "Monday"), none);
    assert_eq!(night("CL-02", "Monday"), none, "one night like the other is nothing yet");
    assert_eq!(night("CL-03", "Monday"), old(48));
    assert_eq!(night("CL-04", "Monday"), old(72));
    assert_eq!(night("CL-05", "Friday"), none);
    assert_eq!(night("CL-06", "Friday"), none);
    assert_eq!(night("CL-01", "Friday"), old(48), "new for this disk, and old for the host");
}

#[test]
fn a_dump_of_next_year_is_not_fresh() {
    let h = Hospital::new();
    let night = |hours: i64, disk: &str| {
        write_at(&h, "dump", disk, hours);
        let tree = SourceOptions { fresh_hours: Some(26), ..SourceOptions::new("dump", h.source()) };
        night_of(&h, disk, vec![tree], None)
    };
    // The clock or the time zone of the machine that writes it is a little off.
    assert_eq!(findings(&night(9, "CL-01")), []);
    let stale = night(24 * 200, "CL-02");
    assert_eq!(findings(&stale), [("source-stale", "dump".into(), "the newest file has a time in the future")]);
    assert_eq!(stale.verdict, Verdict::Incomplete);
    // Another file is as new as it should be.
    h.write("dump 2", "2");
    write_at(&h, "dump 2", "2", -1);
    assert_eq!(findings(&night(24 * 200, "CL-03")), []);
}

fn dump(rows: usize) -> String {
    let rows: String = (0..rows).map(|i| format!("{i}\tpatient {}\n", i * 7_919 % 1_000)).collect();
    format!("--\n-- PostgreSQL database dump\n--\n\n{rows}--\n-- PostgreSQL database dump complete\n--\n\n")
}

/// What the database says instead of its content is no dump, however the command ends and whichever disk it goes to.
#[test]
fn what_was_a_dump_and_is_none_any_more_is_told() {
    let h = Hospital::new();
    let night = |disk: &str, content: &str, tag: Option<&str>| {
        h.write("sub/lab.sql", content);
        fs::write(h.path("output"), content).expect("an output");
        let command = vec!["cat".into(), h.path("output").into()];
        let output = SourceOptions { command, ..SourceOptions::new("orca.sql", "/") };
        let report = night_of(&h, disk, vec![output, SourceOptions::new("source", h.source())], tag);
        let told: Vec<String> = report.findings.iter().map(|f| format!("{} {}", f.kind, f.detail).trim().to_owned()).collect();
        assert_eq!(report.verdict == Verdict::Good, told.is_empty(), "{told:?}");
        assert!(told.is_empty() || told.len() == 2 && told[0] == told[1], "{told:?}");
        told.first().cloned().unwrap_or_default()
    };
    let error = "psql: error: connection to server failed: Connection refused\n";
    assert_eq!(night("CL-01", &dump(3_000), None), "");
    assert_eq!(night("CL-02", error, None), "no-dump", "the first night of a disk");
    assert_eq!(night("CL-02", "the same, in other words", None), "no-dump", "every night");
    assert_eq!(night("CL-01", error, None), "no-dump");
    assert_eq!(night("CL-02", &dump(3_001), None), "", "it is one again");
    // A database that was emptied, or another one.
    let whole = dump(3_001).len();
    assert_eq!(night("CL-01", &dump(20), None), format!("dump-shrank {} of {whole} bytes", dump(20).len()));
    assert_eq!(night("CL-01", &dump(2_000), None), "");
    // Another program writes it from now on, as somebody has announced.
    assert_eq!(night("CL-01", "INSERT INTO a VALUES (1);\n", Some("another program")), "");
    assert_eq!(night("CL-02", "INSERT INTO a VALUES (2);\n", None), "");
    // A text is no dump, and was none.
    assert_eq!(night("CL-03", "INSERT", None), "");
}

/// Somebody has touched the canary, and tonight's disk was never there before.
#[test]
fn a_canary_is_known_to_a_disk_that_never_saw_it() {
    let canary =
        |h: &Hospital| SourceOptions { canaries: vec![b"source/pay".to_vec()], ..SourceOptions::new("source", h.source()) };
    let night = |h: &Hospital, disk: &str| {
        let report = night_of(h, disk, vec![canary(h)], None);
        (tripwires(&report).join(" "), report.origins.first().map(|o| o.generation), report)
    };
    let h = hospital();
    h.write("pay", "never touched");
    assert_eq!(night(&h, "CL-01").0, "");
    assert_eq!(night(&h, "CL-02").0, "", "as it was");
    h.write("pay", "touched");
    let (told, _, report) = night(&h, "CL-03");
    assert_eq!(told, "canary");
    assert_eq!(report.alarms[0].paths, [b"source/pay".to_vec()]);
    // What an open alarm is about is not what it has to be.
    let (told, since, _) = night(&h, "CL-04");
    assert_eq!((&told[..], since), ("canary", Some(report.generation)));
    harmless(&h, &report);
    assert_eq!(night(&h, "CL-05").0, "");
    assert_eq!(night(&h, "CL-06").0, "", "and it is known from then on");

    let h = hospital();
    let pay = h.write("pay", "never touched");
    assert_eq!(night(&h, "CL-01").0, "");
    fs::remove_file(pay).expect("a deletion");
    assert_eq!(night(&h, "CL-02").0, "canary", "it is gone");
}

/// After an attack the files are put back, and what the attack left is taken away. The disk that has sealed it sees that last.
#[test]
fn what_is_put_back_is_no_alarm() {
    let h = hospital();
    let day = |n: u64, disk: &str| {
        h.write("karte/today.xml", format!("<record>day {n}</record>"));
        night(&h, disk)
    };
    (0..8).for_each(|n| assert_eq!(tripwires(&day(n, ["CL-01", "CL-02"][n as usize % 2])), [""; 0], "day {n}"));
    let (record, locked) = (|i: u64| format!("karte/{i}.xml"), |i: u64| format!("karte/{i}.xml.lck"));
    let attack = || {
        (0..40).for_each(|i| {
            fs::remove_file(h.source().join(record(i))).expect("a deletion");
            h.write(&locked(i), noise(1_000 + i, 4_000));
        });
    };
    attack();
    let told = day(9, "CL-01");
    assert!(tripwires(&told).contains(&"strange"), "{:?}", told.alarms);
    (0..40).for_each(|i| {
        fs::remove_file(h.source().join(locked(i))).expect("a deletion");
        h.write(&record(i), format!("<record>{i}</record>").repeat(20));
    });
    harmless(&h, &told);
    for (n, disk) in [(10, "CL-02"), (11, "CL-01"), (12, "CL-02")] {
        assert_eq!(tripwires(&day(n, disk)), [""; 0], "day {n}");
    }
    attack();
    assert!(!tripwires(&day(13, "CL-01")).is_empty(), "the same attack is told once more");
}

/// The canary is younger than the disk's last night.
#[test]
fn a_canary_that_was_put_there_later_is_known_to_every_disk() {
    let canary =
        |h: &Hospital| SourceOptions { canaries: vec![b"source/pay".to_vec()], ..SourceOptions::new("source", h.source()) };
    let told = |h: &Hospital, disk: &str| tripwires(&night_of(h, disk, vec![canary(h)], None)).join(" ");
    for act in ["touched", "gone"] {
        let h = hospital();
        ["CL-01", "CL-02", "CL-03"].iter().for_each(|disk| drop(night_of(&h, disk, vec![canary(&h)], None)));
        let pay = h.write("pay", "never touched");
        assert_eq!((told(&h, "CL-01"), told(&h, "CL-02")), (String::new(), String::new()));
        match act {
            "touched" => drop(h.write("pay", "touched")),
            _ => fs::remove_file(pay).expect("a deletion"),
        }
        let report = night_of(&h, "CL-03", vec![canary(&h)], None);
        assert_eq!(tripwires(&report), ["canary"], "{act}");
        // It is told once; and it stays open.
        let next = night_of(&h, "CL-03", vec![canary(&h)], None);
        assert_eq!((tripwires(&next), next.origins[0].generation), (vec!["canary"], report.generation), "{act}");
        harmless(&h, &report);
        assert_eq!(told(&h, "CL-03"), "", "{act}");
    }
}

/// Whoever puts a canary back as it was has touched nothing.
#[test]
fn a_canary_that_is_put_back_is_no_further_alarm() {
    let h = hospital();
    let canary = || SourceOptions { canaries: vec![b"source/pay".to_vec()], ..SourceOptions::new("source", h.source()) };
    let night = || night_of(&h, "CL-01", vec![canary()], None);
    h.write("pay", "never touched");
    night();
    h.write("pay", "touched");
    let told = night();
    assert_eq!(tripwires(&told), ["canary"]);
    h.write("pay", "never touched");
    let back = night();
    assert_eq!((tripwires(&back), back.origins[0].generation), (vec!["canary"], told.generation), "open, and nothing new");
    harmless(&h, &told);
    assert_eq!(tripwires(&night()), [""; 0]);
    h.write("pay", "touched");
    assert_eq!(tripwires(&night()), ["canary"], "it is guarded as before");
}

/// The catalog is lost, and all that the host knew of its alarms: they are sealed on the medium.
#[test]
fn a_rebuilt_host_knows_its_alarms() {
    let h = hospital();
    let canary = || SourceOptions { canaries: vec![b"source/pay".to_vec()], ..SourceOptions::new("source", h.source()) };
    h.write("pay", "never touched");
    ["CL-01", "CL-02"].iter().for_each(|disk| assert_eq!(tripwires(&night_of(&h, disk, vec![canary()], None)), [""; 0]));
    h.write("pay", "touched");
    let told = night_of(&h, "CL-01", vec![canary()], None);
    assert_eq!(tripwires(&told), ["canary"]);
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(h.path("state").join(name));
    }
    fs::remove_file(h.path("state/sets").join(told.set.to_string()).join("alarms")).expect("what is known");
    for disk in ["CL-01", "CL-02"] {
        let rebuild = |env: &azekura::env::Env| {
            azekura::job::rebuild::rebuild(&h.path(disk), &h.path("state"), &h.identity, env, &azekura::event::NoObserver)
        };
        h.with_env(rebuild).expect("a catalog");
    }
    let off = |env: &azekura::env::Env| take_off(&h.path("state"), "Suzuki", Some("Sato"), env);
    h.with_env(off).expect("a release");
    let again = night_of(&h, "CL-02", vec![canary()], None);
    let since = (again.origins[0].set, again.origins[0].generation);
    assert_eq!((tripwires(&again), since), (vec!["canary"], (told.set, told.generation)), "no news");
    harmless(&h, &told);
    assert_eq!(tripwires(&night_of(&h, "CL-03", vec![canary()], None)), [""; 0]);
}
