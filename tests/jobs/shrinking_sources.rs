//! A source that is less than it should be: what became of it is told, and what only looks like it is no alarm.

use crate::machine::without_privileges;
use crate::world::{Hospital, tree};
use azekura::event::NoObserver;
use azekura::format::seal::Verdict;
use azekura::host::catalog::Catalog;
use azekura::job::backup::{BackupError, Options, Report, SourceOptions};
use azekura::job::rebuild::rebuild;
use azekura::pipeline::source::SourceError;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

fn finding(report: &Report, kind: &str) -> Vec<String> {
    let of_kind = report.findings.iter().filter(|f| f.kind == kind);
    of_kind.map(|f| String::from_utf8_lossy(&f.path).into_owned()).collect()
}

fn tripwires(report: &Report) -> Vec<&str> {
    report.alarms.iter().map(|a| &a.tripwire[..]).collect()
}

/// Some records in two folders, after some quiet nights.
fn quiet_nights(nights: usize) -> Hospital {
    let h = Hospital::new();
    for i in 0..60 {
        h.write(&format!("ward/{i}"), format!("record {i} ").repeat(40));
        h.write(&format!("sub/deep/{i}"), format!("value {i} ").repeat(40));
    }
    for night in 0..nights {
        h.write("ward/7", format!("night {night}"));
        assert_eq!(h.backup().verdict, Verdict::Good);
    }
    h
}

fn shell(name: &str, h: &Hospital, script: &str) -> SourceOptions {
    SourceOptions { command: ["sh", "-c", script].map(OsString::from).into(), ..SourceOptions::new(name, h.source()) }
}

fn close(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("a mode");
}

fn open(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

// An unreadable folder is neither gone nor new.

#[test]
fn the_files_of_a_folder_that_cannot_be_read_are_neither_gone_nor_new() {
    without_privileges(|| {
        let h = quiet_nights(4);
        let before = tree(&h.source());
        close(&h.source().join("sub"));
        let closed = h.try_backup(&h.options()).expect("a backup");
        open(&h.source().join("sub"));
        assert_eq!((closed.verdict, finding(&closed, "unreadable")), (Verdict::Incomplete, vec!["source/sub".to_owned()]));
        assert_eq!((closed.count("gone"), closed.count("new"), closed.count("files")), (0, 0, 120), "{:?}", closed.statistics);
        // The folder `deep` and 60 files.
        let kept: Vec<_> =
            closed.findings.iter().filter(|f| f.kind == "taken-over").map(|f| (&f.path[..], &f.detail[..])).collect();
        assert_eq!(kept, [(&b"source/sub"[..], "61 entries")]);
        let restored = h.restore("of that night");
        open(&restored.join("sub"));
        assert_eq!(before, tree(&restored));
        let next = h.backup();
        assert_eq!((next.verdict, next.count("new"), next.count("gone")), (Verdict::Good, 0, 0), "{:?}", next.findings);
        assert_eq!(before, tree(&h.restore("of the next")));
        assert!(h.verify().is_good());
    });
}

/// Also when everything is read: what lies behind the door is taken over, unless it may point to what is damaged.
#[test]
fn a_full_run_does_not_miss_them_either() {
    without_privileges(|| {
        let h = quiet_nights(4);
        let before = tree(&h.source());
        let closed = |options: &Options| {
            close(&h.source().join("sub"));
            let closed = h.try_backup(options).expect("a backup");
            open(&h.source().join("sub"));
            assert_eq!((closed.verdict, closed.count("gone")), (Verdict::Incomplete, 0));
            closed
        };
        let full = closed(&Options { full: true, ..h.options() });
        assert_eq!(
            (finding(&full, "taken-over"), full.count("new")),
            (vec!["source/sub".to_owned()], 0),
            "{:?}",
            full.statistics
        );
        let restored = h.restore("of that night");
        open(&restored.join("sub"));
        assert_eq!(before, tree(&restored));
        let mut catalog = Catalog::open(&h.path("state/catalog.sqlite")).expect("the catalog");
        let row = catalog.set(full.set).expect("the catalog").expect("the set");
        catalog.mark_damaged(row, &[1]).expect("a mark");
        drop(catalog);
        let damaged = closed(&h.options());
        assert_eq!(finding(&damaged, "taken-over"), [""; 0]);
        assert!(damaged.findings.iter().any(|f| f.detail.contains("is not in this one: 61 entries")), "{:?}", damaged.findings);
    });
}

/// Who closes a folder for a night cannot change a canary in it unseen.
#[test]
fn what_changes_behind_a_closed_door_is_told_when_it_opens() {
    without_privileges(|| {
        let h = quiet_nights(4);
        let source = SourceOptions { canaries: vec![b"source/sub/deep/9".to_vec()], ..SourceOptions::new("source", h.source()) };
        let options = Options { sources: vec![source], ..h.options() };
        close(&h.source().join("sub"));
        let closed = h.try_backup(&options).expect("a backup");
        open(&h.source().join("sub"));
        assert_eq!((closed.verdict, finding(&closed, "canary-missing").len()), (Verdict::Incomplete, 0));
        h.write("sub/deep/9", "another value");
        assert_eq!(tripwires(&h.try_backup(&options).expect("a backup")), ["canary"]);
    });
}

/// Names that can be listed, and no more.
#[test]
fn entries_without_a_status_are_not_gone() {
    without_privileges(|| {
        let h = quiet_nights(4);
        let deep = h.source().join("sub/deep");
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o444)).expect("a mode");
        let closed = h.try_backup(&h.options()).expect("a backup");
        open(&deep);
        assert_eq!((closed.verdict, closed.count("gone"), closed.count("new")), (Verdict::Incomplete, 0, 0));
        assert_eq!(finding(&closed, "unreadable").len(), 60);
        let next = h.backup();
        assert_eq!((next.verdict, next.count("new")), (Verdict::Good, 0));
    });
}

/// Two names of one file, one of them where nothing can be read.
#[test]
fn a_further_name_in_a_closed_folder_keeps_nothing_that_is_not_true() {
    without_privileges(|| {
        for (first, further) in [("a/name", "z/name"), ("z/inner/1", "z/inner/2")] {
            let h = quiet_nights(3);
            let path = h.write(first, "one inode");
            h.write("z/other", "beside it");
            fs::create_dir_all(h.source().join(further).parent().expect("a parent")).expect("folders");
            fs::hard_link(&path, h.source().join(further)).expect("a further name");
            h.backup();
            fs::write(&path, "another content of the inode").expect("content");
            close(&h.source().join("z"));
            let closed = h.try_backup(&h.options()).expect("a backup");
            open(&h.source().join("z"));
            assert_eq!((closed.verdict, closed.count("gone")), (Verdict::Incomplete, 0));
            h.restore("of that night");
            assert_eq!(h.backup().verdict, Verdict::Good);
            assert_eq!(tree(&h.source()), tree(&h.restore("of the next")));
        }
    });
}

#[test]
fn a_source_that_cannot_be_opened_costs_the_others_nothing() {
    without_privileges(|| {
        let h = quiet_nights(4);
        let source = |name: &str| SourceOptions::new(name, h.source().join(name));
        let options = Options { sources: vec![source("sub"), source("ward")], ..h.options() };
        for _ in 0..3 {
            h.try_backup(&options).expect("a backup");
        }
        close(&h.source().join("sub"));
        let closed = h.try_backup(&options).expect("a backup of the other");
        let alone = Options { sources: vec![source("sub")], ..h.options() };
        let refused = h.try_backup(&alone);
        open(&h.source().join("sub"));
        assert_eq!((closed.verdict, finding(&closed, "unreadable")), (Verdict::Incomplete, vec!["sub".to_owned()]));
        assert_eq!((closed.count("gone"), closed.count("files")), (0, 120));
        assert!(matches!(refused, Err(BackupError::Source(SourceError::Unreadable { .. }))), "{refused:?}");
        let next = h.try_backup(&options).expect("a backup");
        assert_eq!((next.verdict, next.count("new")), (Verdict::Good, 0));
    });
}

// All files are gone.

#[test]
fn a_source_whose_files_are_all_gone_is_an_alarm() {
    type Act = fn(&Path);
    let acts: [(&str, Act); 4] = [
        ("folders are left", |source| {
            for file in tree(source).into_iter().filter(|(_, content)| content.is_some()) {
                fs::remove_file(source.join(file.0)).expect("a deletion");
            }
        }),
        ("nothing is left", |source| {
            fs::remove_dir_all(source.join("ward")).and_then(|()| fs::remove_dir_all(source.join("sub"))).expect("a deletion");
        }),
        ("only lost+found is left", |source| {
            fs::remove_dir_all(source.join("ward")).and_then(|()| fs::remove_dir_all(source.join("sub"))).expect("a deletion");
            fs::create_dir(source.join("lost+found")).expect("a folder");
        }),
        ("only a link is left", |source| {
            fs::remove_dir_all(source.join("ward")).and_then(|()| fs::remove_dir_all(source.join("sub"))).expect("a deletion");
            symlink("ward", source.join("link")).expect("a link");
        }),
    ];
    for nights in [1, 4] {
        for (what, act) in acts {
            let h = quiet_nights(nights);
            act(&h.source());
            let report = h.backup();
            assert_eq!((report.verdict, tripwires(&report)), (Verdict::Alarm, vec!["gone"]), "{what}, after {nights} nights");
            assert_eq!(report.alarms[0].measured, 120);
            let is_empty = what != "only a link is left";
            assert_eq!(finding(&report, "source-empty").len(), usize::from(is_empty), "{what}");
            // The alarm goes on in the nights after that, and the source is still empty.
            let next = h.backup();
            assert_eq!((next.verdict, tripwires(&next)), (Verdict::Alarm, vec!["gone"]), "{what}");
            assert_eq!(next.origins[0].generation, report.generation);
            assert_eq!(finding(&next, "source-empty").len(), usize::from(is_empty), "{what}");
        }
    }
}

/// Not mounted: another folder is where the source was, and it has nothing.
#[test]
fn an_empty_mount_point_is_told_and_is_no_alarm() {
    let h = quiet_nights(4);
    let (source, away) = (h.source(), h.path("away"));
    fs::rename(&source, &away).expect("unmounted");
    fs::create_dir(&source).expect("the mount point");
    for _ in 0..2 {
        let report = h.backup();
        assert_eq!((report.verdict, tripwires(&report)), (Verdict::Incomplete, vec![]));
        assert_eq!(finding(&report, "source-empty"), ["source"]);
    }
    fs::remove_dir(&source).and_then(|()| fs::rename(&away, &source)).expect("mounted");
    let report = h.backup();
    assert_eq!((report.verdict, tripwires(&report)), (Verdict::Good, vec![]));
    // It was not learned that the source may be empty.
    for name in ["ward", "sub"] {
        fs::remove_dir_all(source.join(name)).expect("a deletion");
    }
    assert_eq!(tripwires(&h.backup()), ["gone"]);
}

/// Files are put there for somebody who takes them away.
#[test]
fn a_folder_that_is_emptied_now_and_then_raises_no_alarm() {
    let h = Hospital::new();
    for night in 0..8 {
        let path = h.write(&format!("out/{night}"), "to be sent");
        assert_eq!(h.backup().verdict, Verdict::Good);
        fs::remove_file(path).expect("taken away");
        let report = h.backup();
        assert_eq!((report.verdict, tripwires(&report)), (Verdict::Incomplete, vec![]), "night {night}");
    }
}

// What is no folder and no file.

#[test]
fn a_device_a_pipe_or_a_socket_is_no_source() {
    let h = quiet_nights(1);
    let fifo = h.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    let _listens = UnixListener::bind(h.path("socket")).expect("a socket");
    symlink("/dev/zero", h.path("link")).expect("a link");
    symlink(h.path("link"), h.path("link to a link")).expect("a link");
    symlink(&fifo, h.path("link to a pipe")).expect("a link");
    for path in ["/dev/null", "/dev/zero", "pipe", "socket", "link", "link to a link", "link to a pipe"] {
        let odd = SourceOptions::new("odd", h.path(path));
        let good = SourceOptions::new("source", h.source());
        for sources in [vec![odd.clone()], vec![good, odd]] {
            let refused = h.try_backup(&Options { sources, ..h.options() });
            assert!(matches!(refused, Err(BackupError::Source(SourceError::NoFile { .. }))), "{path}: {refused:?}");
        }
    }
    assert_eq!(h.verify().generations.len(), 1);
    // Within a source they are entries like any other.
    fs::rename(&fifo, h.source().join("pipe")).expect("moved");
    assert_eq!(h.backup().verdict, Verdict::Good);
}

// Dumps.

#[test]
fn a_command_that_writes_nothing_is_no_success() {
    let nothing = [
        "true",
        "no-such-program 2>/dev/null | cat",
        "printf ''",
        "echo",
        "printf '  \\n\\t\\n'",
        "no-such-program 2>/dev/null | gzip",
        ": | bzip2 2>/dev/null || :",
        "cat < /dev/null",
    ];
    for script in nothing {
        let h = quiet_nights(1);
        let sources = vec![shell("orca.sql", &h, script), SourceOptions::new("source", h.source())];
        let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup");
        assert_eq!(
            (report.verdict, finding(&report, "source-empty")),
            (Verdict::Incomplete, vec!["orca.sql".to_owned()]),
            "{script}"
        );
        let alone = Options { sources: vec![shell("orca.sql", &h, script)], ..h.options() };
        assert_eq!(h.try_backup(&alone).expect("a backup").verdict, Verdict::Incomplete, "{script}, alone");
    }
    for script in ["echo 1", "printf x", "echo 1 | gzip", "printf '\\000'"] {
        let h = quiet_nights(1);
        let sources = vec![shell("orca.sql", &h, script)];
        let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup");
        assert_eq!(report.verdict, Verdict::Good, "{script}: {:?}", report.findings);
    }
}

#[test]
fn a_dump_file_of_0_bytes_is_no_success() {
    // As a source, alone in a folder, and among others.
    let h = quiet_nights(1);
    fs::write(h.path("zero.sql"), "").expect("a file");
    fs::create_dir(h.path("dumps")).expect("a folder");
    fs::write(h.path("dumps/orca.sql"), "").expect("a file");
    for name in ["zero.sql", "dumps"] {
        let options = Options { sources: vec![SourceOptions::new(name, h.path(name))], ..h.options() };
        for _ in 0..3 {
            let report = h.try_backup(&options).expect("a backup");
            assert_eq!((report.verdict, finding(&report, "source-empty")), (Verdict::Incomplete, vec![name.to_owned()]));
        }
    }
    for name in ["orca.sql", "ORCA.DMP", "orca.dump.gz"] {
        h.write(name, "insert into patients");
        assert_eq!(h.backup().verdict, Verdict::Good);
        h.write(name, "");
        // In the second night it is as it was in the first.
        for _ in 0..2 {
            let report = h.backup();
            assert_eq!((report.verdict, finding(&report, "empty-dump")), (Verdict::Incomplete, vec![format!("source/{name}")]));
        }
        fs::remove_file(h.source().join(name)).expect("a deletion");
        assert_eq!(h.backup().verdict, Verdict::Good);
    }
    // Other files may be empty.
    h.write("lock", "");
    h.write("scan.pdf", "");
    assert_eq!(h.backup().verdict, Verdict::Good);
}

#[test]
fn a_dump_that_is_cut_off_is_told() {
    let h = quiet_nights(1);
    let title = "--\n-- PostgreSQL database dump\n--\n\n";
    let last = "--\n-- PostgreSQL database dump complete\n--\n\n";
    // In one piece, in several, and large enough to be shared among the workers.
    for rows in [3, 200_000, 700_000] {
        let rows: String = (0..rows).map(|i| format!("{i}\tpatient\n")).collect();
        for (end, is_whole) in [(last, true), ("", false)] {
            h.write("orca.sql", format!("{title}{rows}{end}"));
            let cut_off = if is_whole { vec![] } else { vec!["source/orca.sql".to_owned()] };
            for _ in 0..2 {
                let report = h.backup();
                assert_eq!(finding(&report, "dump-cut-off"), cut_off, "{} bytes", rows.len());
                assert_eq!(report.verdict == Verdict::Good, is_whole);
            }
        }
    }
    h.write("orca.sql", "");
    h.write("note.txt", title);
    for (script, is_whole) in
        [("cat orca.sql note.txt; exit 0", false), ("cat note.txt; echo '-- PostgreSQL database dump complete'", true)]
    {
        let report = h.try_backup(&Options { sources: vec![shell("z.sql", &h, script)], ..h.options() }).expect("a backup");
        assert_eq!(finding(&report, "dump-cut-off").is_empty(), is_whole, "{script}");
    }
}

/// The check gets all of the output, may close its end before, and may take its time.
#[test]
fn a_command_may_name_a_check_of_its_output() {
    let h = quiet_nights(1);
    let checks: [(&[&str], bool); 7] = [
        (&["sh", "-c", "test \"$(wc -l)\" = 300000"], true),
        (&["sh", "-c", "head -n 1 | grep -q '^1$'"], true),
        (&["true"], true),
        (&["sh", "-c", "sleep 1; cat > /dev/null"], true),
        (&["sh", "-c", "grep -q complete"], false),
        (&["false"], false),
        (&["/no/such/program"], false),
    ];
    for (check, is_good) in checks {
        let check: Vec<OsString> = check.iter().map(OsString::from).collect();
        let sources = vec![SourceOptions { check: check.clone(), ..shell("z.sql", &h, "seq 1 300000") }];
        let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup");
        let failed = if is_good { vec![] } else { vec!["z.sql".to_owned()] };
        assert_eq!((report.verdict == Verdict::Good, finding(&report, "check-failed")), (is_good, failed), "{check:?}");
        // Whatever the check says: the command has succeeded, and its output is there.
        let to = format!("restored {}", report.generation);
        h.try_restore(&h.restore_options(&to)).expect("a restore");
        assert_eq!(fs::read_to_string(h.path(&to).join("z.sql")).expect("the dump").lines().count(), 300_000);
    }
}

#[test]
fn a_source_older_than_it_should_be_is_told() {
    let h = quiet_nights(1);
    let night = |fresh_hours| {
        let sources = vec![SourceOptions { fresh_hours, ..SourceOptions::new("source", h.source()) }];
        h.try_backup(&Options { sources, ..h.options() }).expect("a backup")
    };
    assert_eq!(night(Some(1)).verdict, Verdict::Good);
    h.clock.fetch_add(30 * 3_600, std::sync::atomic::Ordering::Relaxed);
    assert_eq!((night(None).verdict, night(Some(48)).verdict), (Verdict::Good, Verdict::Good));
    let stale = night(Some(26));
    assert_eq!((stale.verdict, finding(&stale, "source-stale")), (Verdict::Incomplete, vec!["source".to_owned()]));
    assert_eq!(stale.findings[0].detail, "30 hours");
}

/// The job that dumps the database copies yesterday's file, or prints the same: its time is new, its content is not.
#[test]
fn a_dump_that_is_the_same_every_night_is_told() {
    let h = Hospital::new();
    h.write("dump", "the patients of Monday");
    let command = |text: &str| vec!["/bin/echo".into(), text.into()];
    let night = |file: &str, output: &str| {
        let now = h.clock.fetch_add(24 * 3_600, std::sync::atomic::Ordering::Relaxed) + 24 * 3_600;
        let written = fs::File::options().write(true).open(h.write("dump", file)).expect("the dump");
        written.set_modified(UNIX_EPOCH + Duration::from_secs(now as u64)).expect("its time");
        let tree = SourceOptions { fresh_hours: Some(26), ..SourceOptions::new("dump", h.source()) };
        let command = SourceOptions { fresh_hours: Some(26), command: command(output), ..SourceOptions::new("sql", "/") };
        let report = h.try_backup(&Options { sources: vec![tree, command], ..h.options() }).expect("a backup");
        (report.verdict, finding(&report, "source-stale"))
    };
    let none = || (Verdict::Good, vec![]);
    let told = |names: &[&str]| (Verdict::Incomplete, names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    assert_eq!(night("Monday", "Monday"), none());
    // One night like the other is nothing yet.
    assert_eq!(night("Monday", "Monday"), none());
    assert_eq!(night("Monday", "Monday"), told(&["dump", "sql"]));
    assert_eq!(night("Monday", "Thursday"), told(&["dump"]));
    assert_eq!(night("Friday", "Thursday"), none());
}

// Canaries.

#[test]
fn a_canary_that_does_not_exist_is_told_every_night() {
    let h = quiet_nights(1);
    let with = |canaries: &[&str]| {
        let canaries = canaries.iter().map(|c| c.as_bytes().to_vec()).collect();
        let sources = vec![SourceOptions { canaries, ..SourceOptions::new("source", h.source()) }];
        h.try_backup(&Options { sources, ..h.options() }).expect("a backup")
    };
    symlink("ward/1", h.source().join("link")).expect("a link");
    // Neither a folder nor a link has content that a canary could watch.
    let missing = ["source/link", "source/no/such.xml", "source/ward"];
    for _ in 0..2 {
        let report = with(&[&missing[..], &["source/ward/1"]].concat());
        assert_eq!(
            (report.verdict, finding(&report, "canary-missing")),
            (Verdict::Incomplete, missing.map(str::to_owned).into())
        );
    }
    let report = with(&["source/ward/1", "source/ward/2"]);
    assert_eq!(report.verdict, Verdict::Good, "{:?}", report.findings);
    // One that was there is an alarm, and not missed besides.
    fs::remove_file(h.source().join("ward/1")).expect("a deletion");
    let report = with(&["source/ward/1", "source/ward/2"]);
    assert_eq!((tripwires(&report), finding(&report, "canary-missing").len()), (vec!["canary"], 0));
}

// Attributes.

#[test]
fn attributes_that_could_not_be_read_are_read_again() {
    let h = quiet_nights(1);
    let set = fs::read_dir(h.path("state/sets")).expect("sets").next().expect("a set").expect("a set").path();
    assert_eq!(h.backup().count("changed"), 0, "nothing changed");
    // As a run leaves it that could not read them.
    fs::write(set.join("lacking"), b"source/ward/3\0source/sub\0").expect("a list");
    let again = h.backup();
    assert_eq!((again.verdict, again.count("changed"), again.count("new")), (Verdict::Good, 2, 0));
    assert_eq!(h.backup().count("changed"), 0, "once is enough");
    // More than are told apart: everything.
    fs::write(set.join("lacking"), b"\0").expect("a list");
    let again = h.backup();
    assert_eq!(again.count("unchanged"), 0);
    assert_eq!(h.backup().count("changed"), 0);
}

/// What lies in a closed folder still lacks what it lacked, and a restore says so. A rebuilt host knows it, too.
#[test]
fn what_lacks_attributes_lacks_them_until_it_is_read() {
    without_privileges(|| {
        let h = quiet_nights(2);
        let set = fs::read_dir(h.path("state/sets")).expect("sets").next().expect("a set").expect("a set").path();
        fs::write(set.join("lacking"), b"source/sub/deep/7\0").expect("a list");
        close(&h.source().join("sub"));
        let closed = h.backup();
        open(&h.source().join("sub"));
        assert_eq!(finding(&closed, "attributes-unreadable"), ["source/sub/deep/7"]);
        let restored = h.try_restore(&h.restore_options("restored")).expect("a restore");
        let told: Vec<_> = restored.findings.iter().map(|f| (f.kind.name(), &f.path[..])).collect();
        assert_eq!((restored.shortfalls, told), (1, vec![("shortfall", &b"source/sub/deep/7"[..])]));
        fs::remove_file(set.join("lacking")).expect("a deletion");
        for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
            let _ = fs::remove_file(h.path("state").join(name));
        }
        h.with_env(|env| rebuild(&h.medium(), &h.path("state"), &h.identity, env, &NoObserver)).expect("a catalog");
        let next = h.backup();
        assert_eq!((next.verdict, next.count("new")), (Verdict::Good, 0));
        // The closed folder, which is open again, and the file.
        assert_eq!(next.count("changed"), 2);
        let restored = h.try_restore(&h.restore_options("restored again")).expect("a restore");
        assert_eq!(restored.shortfalls, 0);
    });
}

// A failing source, and commands in their turn.

#[test]
fn a_command_that_fails_does_not_cost_the_others_their_night() {
    let h = quiet_nights(4);
    let good = || shell("a.sql", &h, "seq 1 1000");
    for script in ["exit 1", "seq 1 300000; exit 3", "seq 1 10; kill -9 $$"] {
        let sources = vec![good(), SourceOptions::new("source", h.source()), shell("z.sql", &h, script)];
        let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup of the others");
        assert_eq!((report.verdict, finding(&report, "command-failed")), (Verdict::Incomplete, vec!["z.sql".to_owned()]));
        assert_eq!((tripwires(&report), finding(&report, "source-empty").len()), (vec![], 0));
        let restored = h.try_restore(&h.restore_options(script)).expect("a restore");
        let found: Vec<_> = restored.findings.iter().map(|f| (&f.path[..], &f.detail[..])).collect();
        assert_eq!(found, [(&b"z.sql"[..], "was unreadable in the backup")], "half a dump is no dump, and no disk has failed");
        assert!(!h.path(script).join("z.sql").exists());
        assert_eq!(fs::read_to_string(h.path(script).join("a.sql")).expect("the dump").lines().count(), 1000);
        assert_eq!(tree(&h.source()), tree(&h.path(script).join("source")));
    }
    let odd = SourceOptions { command: vec!["/no/such/program".into()], ..SourceOptions::new("z.sql", h.source()) };
    let sources = vec![SourceOptions::new("source", h.source()), odd.clone()];
    let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup of the others");
    assert_eq!((report.verdict, finding(&report, "command-failed")), (Verdict::Incomplete, vec!["z.sql".to_owned()]));
    // Where nothing else is read, nothing is sealed.
    let generations = h.verify().generations.len();
    let refused = h.try_backup(&Options { sources: vec![odd], ..h.options() });
    assert!(matches!(refused, Err(BackupError::CommandStart { .. })), "{refused:?}");
    let refused = h.try_backup(&Options { sources: vec![shell("z.sql", &h, "seq 1 9; exit 1")], ..h.options() });
    assert!(matches!(refused, Err(BackupError::CommandFailed { .. })), "{refused:?}");
    assert_eq!(h.verify().generations.len(), generations);
    assert_eq!(h.backup().verdict, Verdict::Good);
    assert!(h.verify().is_good());
}

/// A dump that failed once has not shrunk the next night, nor was it ever usual that it is nothing.
#[test]
fn a_failed_dump_is_not_learned_as_usual() {
    let h = quiet_nights(1);
    let night = |script: &str| {
        let sources = vec![shell("z.sql", &h, script), SourceOptions::new("source", h.source())];
        h.try_backup(&Options { sources, ..h.options() }).expect("a backup")
    };
    let good = ["seq 1 300000", "seq 1 300001", "seq 1 300002", "seq 1 300003"];
    // More failures than successes.
    for script in [&good[..2], &["exit 1"; 5], &good[2..]].concat() {
        let report = night(script);
        assert_eq!((tripwires(&report), report.verdict == Verdict::Good), (vec![], !script.starts_with("exit")), "{script}");
    }
    assert_eq!(tripwires(&night("seq 1 1000")), ["shrunk"]);
}

/// A database gives up a client that takes nothing for a while: a dump must not wait for the files that are read before it.
#[test]
fn a_command_starts_when_its_turn_comes() {
    let mut h = quiet_nights(1);
    h.threads = 1;
    let marker = h.path("slow is done");
    let slow = format!("sleep 1; seq 1 100000; : > '{}'", marker.display());
    let started = format!("test -e '{}' && seq 1 10", marker.display());
    let sources = vec![shell("a slow.sql", &h, &slow), shell("b.sql", &h, &started)];
    let began = Instant::now();
    let report = h.try_backup(&Options { sources, ..h.options() }).expect("a backup");
    assert_eq!(report.verdict, Verdict::Good, "{:?}", report.findings);
    assert!(began.elapsed() >= Duration::from_secs(1));
}
