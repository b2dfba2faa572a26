//! What `status` says in the morning after each kind of night. It is good only where everything is known to be good.

mod machine;
#[path = "machine/practice.rs"]
mod practice;

use machine::skipped;
use practice::Practice;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[test]
fn without_any_backup_nothing_is_good() {
    let practice = Practice::new();
    practice.assert_status(1, "failure", &["no-backup"]);
    let out = practice.run(&["status", "--lang", "en"], true);
    let (said, warned) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert_eq!(said.lines().next(), Some("failure, call"), "{said}");
    assert!(said.contains("Hint: Attach the medium and run azekura backup today.\nCall: Ext. 123\n"), "{said}");
    assert!(warned.contains("No backup is recorded"), "{warned}");
    let out = practice.run(&["status", "--lang", "ja"], true);
    let (said, warned) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
    assert!(said.starts_with("異常・要連絡\n") && said.contains("連絡先: Ext. 123\n"), "{said}");
    assert!(warned.contains("バックアップの記録がありません"), "{warned}");
}

/// One disk and no pool: it is in the ledger, it counts as a copy, and somebody has to take it away.
#[test]
fn the_only_disk_is_in_the_ledger_and_counts() {
    let practice = Practice::new();
    assert_eq!(practice.exit(&["backup", "--init"]), 0);
    practice.assert_status(3, "attention", &["attached"]);
    practice.put_away();
    practice.assert_status(0, "good", &[]);
    assert_eq!(practice.exit(&["backup"]), 0);
    practice.put_away();
    let (_, media) = practice.answer(&["media", "list"]);
    let media = media["media"].as_array().expect("media");
    assert_eq!((media.len(), &media[0]["name"], &media[0]["written"]["generation"]), (1, &"clinic".into(), &2.into()));
    let (exit, status) = practice.answer(&["status", "--321"]);
    assert_eq!((exit, &status["rule_321"]["copies"]), (3, &2.into()));
    assert_eq!((&status["last"]["generation"], &status["last"]["medium"]), (&2.into(), &"clinic".into()));
    assert_eq!(status["last"]["check_code"], media[0]["written"]["check_code"]);
    assert_eq!(status["sources"][1]["source"], "images");
    // Somebody has put it back, and has not told the ledger.
    let (exit, status) = practice.answer(&["status"]);
    assert_eq!((exit, &status["lacks"][0]["lack"], &status["copies"][0]["attached"]), (3, &"attached".into(), &true.into()));
    fs::rename(practice.path("disk"), practice.path("safe")).expect("it is taken out");
    let said = String::from_utf8(practice.run(&["status"], true).stdout).unwrap();
    assert!(said.starts_with("good\nLast backup: generation 2, "), "{said}");
    // Another disk of the same name is another medium.
    fs::create_dir(practice.path("disk 2")).expect("a folder");
    assert_eq!(practice.exit(&["backup", "--init", "--to", &practice.text("disk 2")]), 0);
    assert_eq!(practice.answer(&["media", "list"]).1["media"].as_array().map(Vec::len), Some(2));
}

#[test]
fn forty_days_later_it_is_not_good_any_more() {
    let practice = Practice::new();
    practice.good_night();
    practice.let_days_pass(40);
    practice.assert_status(1, "failure", &["source-old", "source-old"]);
    let (_, status) = practice.answer(&["status"]);
    assert!(status["problems"][0]["source"] == "chart" && status["problems"][0]["time"] == status["last"]["time"], "{status}");
    // A source that expects less.
    let [chart, pacs] = ["chart", "pacs"].map(|name| practice.text(name));
    practice.configure(&format!(
        "[[source]]\npath = \"{chart}\"\nmax_age_hours = 961\n[[source]]\nname = \"images\"\npath = \"{pacs}\"\nmax_age_hours = 959\n"
    ));
    practice.assert_status(1, "failure", &["source-old"]);
    assert_eq!(practice.answer(&["status"]).1["problems"][0]["source"], "images");
    // The clock was set back: nobody knows how old it is.
    practice.let_days_pass(-80);
    practice.assert_status(1, "failure", &["source-old", "source-old"]);
    practice.configure("[[source]]\npath = \"/x\"\nmax_age_hours = 8785\n");
    assert_eq!(practice.exit(&["status"]), 2);
}

#[test]
fn the_verdict_is_the_first_line_also_on_a_terminal() {
    let practice = Practice::new();
    let status = practice.command(&["status"], true);
    // Results and warnings in one place, as a terminal has them.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(status.get_program()).args(status.get_args());
    let out = shell.env_clear().env("HOME", practice.dir.path()).output().expect("a shell");
    let said = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(said.starts_with("failure, call\n") && said.contains("\nWarning: "), "{said}");
}

#[test]
fn a_night_without_a_medium_stays_until_a_good_one() {
    let practice = Practice::new();
    practice.good_night();
    fs::rename(practice.path("disk"), practice.path("in the safe")).expect("the disk");
    let out = practice.run(&["backup"], true);
    assert_eq!(out.status.code(), Some(6), "{out:?}");
    practice.assert_status(1, "failure", &["night-failed"]);
    let (_, status) = practice.answer(&["status"]);
    let error = String::from_utf8(out.stderr).unwrap();
    let why = error.lines().next().and_then(|l| l.strip_prefix("Error: ")).expect("an error");
    assert!(status["problems"][0]["text"].as_str().is_some_and(|t| t.contains("exit code 6") && t.ends_with(why)), "{status}");
    assert_eq!(status["last"]["generation"], 1);
    // Nothing of it is forgotten by a backup of something else.
    fs::rename(practice.path("in the safe"), practice.path("disk")).expect("the disk");
    let other = ["backup", "--to", &practice.text("disk"), &format!("other={}", practice.text("pacs"))];
    assert_eq!(practice.exit(&other), 0);
    practice.put_away();
    practice.assert_status(1, "failure", &["night-failed"]);
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// The host went off in the middle. While it runs it is no problem; afterwards it is.
#[test]
fn a_killed_night_is_seen() {
    let practice = Practice::new();
    practice.good_night();
    let script =
        format!("if test -e {0}/stay; then touch {0}/begun; exec sleep 20; fi; echo dump", practice.dir.path().display());
    let [chart, pacs] = ["chart", "pacs"].map(|name| practice.text(name));
    practice.configure(&format!(
        "[[source]]\npath = \"{chart}\"\n[[source]]\nname = \"images\"\npath = \"{pacs}\"\n[[source]]\nname = \"dump\"\n\
         command = [\"/bin/sh\", \"-c\", \"{script}\"]\n"
    ));
    practice.good_night();
    practice.write("stay", "");
    let mut night = practice.night_that_stays();
    practice.assert_status(0, "good", &[]);
    assert!(practice.answer(&["status"]).1["running"].is_string());
    night.kill().expect("a signal");
    night.wait().expect("an end");
    practice.assert_status(1, "failure", &["night-cut-off"]);
    assert!(practice.answer(&["status"]).1["running"].is_null());
    fs::remove_file(practice.path("stay")).expect("a file");
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

#[test]
fn an_alarm_is_not_good_with_or_without_its_hold() {
    let practice = Practice::with_records(3);
    for i in 0..60 {
        let mut noise = vec![0; 900];
        blake3::Hasher::new().update(&[i]).finalize_xof().fill(&mut noise);
        fs::write(practice.path(&format!("chart/{i}.xml")), noise).expect("encrypted");
    }
    assert_eq!(practice.exit(&["backup"]), 4);
    practice.put_away();
    practice.assert_status(4, "failure", &["hold", "source-alarm"]);
    let (_, status) = practice.answer(&["status"]);
    assert_eq!((&status["problems"][1]["source"], &status["problems"][1]["generation"]), (&"chart".into(), &4.into()));
    assert_eq!((&status["sources"][0]["generation"], &status["hold"]), (&3.into(), &true.into()));
    assert!(status["next"].as_str().is_some_and(|next| next.contains("Attach no clean medium")), "{status}");
    // A changed ledger is worse.
    let ledger = practice.path("state/ledger.jsonl");
    let good = fs::read_to_string(&ledger).expect("the ledger");
    fs::write(&ledger, good.replace("safe", "shelf")).expect("the ledger");
    assert_eq!(practice.status().0, 5);
    fs::write(&ledger, good).expect("the ledger");
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    practice.assert_status(4, "failure", &["source-alarm"]);
}

#[test]
fn one_source_of_two_is_missed() {
    let practice = Practice::new();
    let chart = practice.text("chart");
    assert_eq!(practice.exit(&["backup", "--init", "--to", &practice.text("disk"), &chart]), 0);
    practice.put_away();
    practice.assert_status(1, "failure", &["source-never"]);
    assert_eq!(practice.answer(&["status"]).1["problems"][0]["source"], "images");
    practice.good_night();
    practice.assert_status(0, "good", &[]);
    // One of two is not there: the other one is good.
    fs::rename(practice.path("pacs"), practice.path("moved")).expect("the source");
    practice.write("chart/a", "2");
    assert_eq!(practice.exit(&["backup"]), 3);
    practice.put_away();
    practice.assert_status(3, "attention", &["source-incomplete"]);
    let (_, status) = practice.answer(&["status"]);
    assert_eq!(status["problems"][0]["source"], "images");
    assert_eq!([0, 1].map(|i| status["sources"][i]["generation"].clone()), [Value::from(3), Value::from(2)]);
}

/// A medium in memory: what was read back is the cache, and no proof of anything. Neither a later night nor a look at the
/// same cache changes that; reading the medium past the cache does.
#[test]
fn read_back_from_the_cache_is_not_good() {
    let practice = Practice::new();
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return skipped("a medium in memory: no /dev/shm") };
    let in_memory = memory.path().to_str().expect("UTF-8");
    let (exit, backup) = practice.answer(&["backup", "--init", "--to", in_memory]);
    if backup["read_back"] != "cached" {
        return skipped("a medium in memory: /dev/shm is none");
    }
    // Sealed, with the verdict that the seal has by its format, and no success all the same.
    assert_eq!((exit, &backup["verdict"]), (3, &"good".into()));
    practice.put_away_from(memory.path());
    practice.assert_status(3, "attention", &["not-read-back", "attached"]);
    assert_eq!(practice.exit(&["verify", in_memory]), 3);
    assert_eq!(practice.exit(&["media", "scrub", in_memory]), 3);
    practice.assert_status(3, "attention", &["not-read-back", "attached"]);
    // The next one is on a disk, and says nothing of the one in memory.
    assert_eq!(practice.exit(&["backup", "--init"]), 0);
    assert!(practice.status().2.contains(&"not-read-back".to_owned()));
    // The same medium, on a disk by now.
    let copied = Command::new("cp").args(["-r", in_memory, &practice.text("moved")]).status().expect("cp");
    assert!(copied.success());
    let verified = practice.run(&["verify", &practice.text("moved")], true);
    assert!(verified.status.success(), "{verified:?}");
    assert!(!practice.status().2.contains(&"not-read-back".to_owned()), "{verified:?}");
    let (_, log) = practice.answer(&["media", "log"]);
    let last = log["lines"].as_array().and_then(|lines| lines.last()).expect("a line");
    assert_eq!((&last["event"], &last["generation"]), (&"verified".into(), &1.into()));
}

/// A copy in memory is no better.
#[test]
fn a_copy_that_was_read_back_from_the_cache_is_not_good() {
    let practice = Practice::new();
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return skipped("a copy in memory: no /dev/shm") };
    practice.good_night();
    let copy = ["media", "copy", "--name", "copy", "--to", memory.path().to_str().expect("UTF-8")];
    let (exit, copied) = practice.answer(&copy);
    if copied["read_back"] != "cached" {
        return skipped("a copy in memory: /dev/shm is none");
    }
    assert_eq!((exit, &copied["good"]), (3, &true.into()));
    drop(memory);
    // What it was made from was at the host, too.
    practice.put_away();
    assert_eq!(practice.exit(&["media", "move", "copy", "--to", "shelf", "--by", "A"]), 0);
    practice.assert_status(3, "attention", &["not-read-back"]);
    assert_eq!(practice.answer(&["status"]).1["problems"][0]["medium"], "copy");
    assert_eq!(practice.exit(&["media", "move", "copy", "--out-of-use", "disposed", "--by", "A"]), 0);
    practice.assert_status(0, "good", &[]);
}

#[test]
fn damage_that_a_scrub_found_is_not_good() {
    let practice = Practice::new();
    practice.good_night();
    let packs = walkdir::WalkDir::new(practice.path("disk")).into_iter().flatten();
    let is_pack = |path: &Path| path.extension().is_some_and(|e| e == "pack");
    let pack = packs.map(|e| e.into_path()).find(|path| is_pack(path)).expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&pack).expect("a pack");
    fs::write(&pack, bytes).expect("a pack");
    assert_eq!(practice.exit(&["media", "scrub", &practice.text("disk")]), 5);
    practice.put_away();
    practice.assert_status(1, "failure", &["damaged", "source-never", "source-never"]);
    assert_eq!(practice.answer(&["status"]).1["problems"][0]["medium"], "clinic");
}

#[test]
fn a_torn_line_is_told_until_the_next_good_night() {
    let practice = Practice::new();
    practice.good_night();
    let log = practice.path("state/nights.jsonl");
    let text = fs::read_to_string(&log).expect("the log");
    fs::write(&log, format!("{text}{{\"event\":\"beg")).expect("the log");
    practice.assert_status(3, "attention", &["log-torn"]);
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// What cannot be recorded is not good, and a log that cannot be read is no answer.
#[test]
fn a_night_that_cannot_be_recorded_is_not_good() {
    let practice = Practice::new();
    practice.good_night();
    let log = practice.path("state/nights.jsonl");
    fs::remove_file(&log).expect("the log");
    fs::create_dir(&log).expect("a folder in its stead");
    let out = practice.run(&["backup"], true);
    assert_eq!(out.status.code(), Some(8), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("nights.jsonl"), "{out:?}");
    let out = practice.run(&["status"], true);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("Cannot read the log of nights"), "{out:?}");
}

/// What is suspected of contamination makes up for no night.
#[test]
fn a_set_in_quarantine_is_no_backup() {
    let practice = Practice::new();
    assert_eq!(practice.exit(&["backup", "--quarantine", "--to", &practice.text("disk"), &practice.text("chart")]), 0);
    practice.assert_status(1, "failure", &["no-backup"]);
}

/// It is sealed, and the ledger knows nothing of it.
#[test]
fn a_night_that_the_ledger_does_not_know_is_not_good() {
    let practice = Practice::new();
    practice.good_night();
    let [ledger, end] = ["state/ledger.jsonl", "state/ledger.end"].map(|name| practice.path(name));
    fs::copy(&ledger, practice.path("ledger")).expect("the ledger");
    fs::rename(&end, practice.path("end")).expect("its end");
    // Nothing can be renamed to a folder.
    fs::create_dir(&end).expect("a folder in the way");
    assert_eq!(practice.exit(&["backup"]), 8);
    let (exit, verdict, against) = practice.status();
    // Without its end it says nothing of a hold.
    let told = ["ledger-changed", "unrecorded"].map(str::to_owned);
    assert_eq!((exit, &verdict[..], &against[..]), (5, "failure", &told[..]));
    fs::remove_dir(&end).expect("room");
    fs::rename(practice.path("end"), &end).expect("its end");
    fs::rename(practice.path("ledger"), &ledger).expect("the ledger");
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// Bytes that look like nothing, a different lot for each seed.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut noise);
    noise
}

impl Practice {
    /// Sixty records, and some good nights.
    fn with_records(nights: u64) -> Self {
        let practice = Self::new();
        for i in 0..60 {
            practice.write(&format!("chart/{i}.xml"), &format!("<karte>{i}</karte>\n").repeat(40));
        }
        for night in 1..=nights {
            practice.write("chart/a", &night.to_string());
            practice.good_night();
        }
        practice
    }

    /// Nearly all records are gone in the fifth night: an alarm.
    fn with_records_gone() -> Self {
        let practice = Self::with_records(4);
        (0..55).for_each(|i| fs::remove_file(practice.path(&format!("chart/{i}.xml"))).expect("gone"));
        assert_eq!(practice.night().0, 4);
        practice
    }

    fn held_lines(&self) -> usize {
        fs::read_to_string(self.path("state/ledger.jsonl")).expect("the ledger").matches("\"event\":\"held\"").count()
    }

    fn harmless(&self, more: &[&str]) -> i32 {
        self.exit(&[&["hold", "harmless", "--because", "looked at", "--by", "A", "--witness", "B"], more].concat())
    }

    /// A night's backup, which somebody takes to the safe; its exit code and its answer.
    fn night(&self) -> (i32, Value) {
        let (exit, answer) = self.answer(&["backup"]);
        self.put_away();
        (exit, answer)
    }
}

/// A source that has lost half of its bytes is smaller every night. That is told every night, and put on hold once.
#[test]
fn an_alarm_without_news_starts_no_further_hold_and_two_people_end_it() {
    let practice = Practice::new();
    let rows = |n: usize| (0..n).map(|i| format!("row {i}\n")).collect::<String>();
    practice.write("chart/table.csv", &rows(800_000));
    for night in ["1", "2", "3"] {
        practice.write("chart/a", night);
        practice.good_night();
    }
    practice.write("chart/table.csv", &rows(200_000));
    assert_eq!(practice.night().0, 4);
    assert_eq!(practice.held_lines(), 1);
    practice.write("chart/a", "5");
    let (exit, fifth) = practice.night();
    assert_eq!((exit, &fifth["alarms"][0]["tripwire"], &fifth["alarms"][0]["open_since"]), (4, &"shrunk".into(), &4.into()));
    assert_eq!((practice.held_lines(), practice.status().0), (1, 4));
    // Released, and still not looked at: no further hold, and no good night.
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    assert_eq!((practice.night().0, practice.held_lines()), (4, 1));
    practice.assert_status(4, "failure", &["source-alarm"]);
    let (_, hold) = practice.answer(&["hold", "show"]);
    assert_eq!((&hold["hold"], &hold["open_alarms"][0]["generation"]), (&Value::Null, &4.into()));
    // One person is not two, and words are needed.
    let alone = ["hold", "harmless", "--because", "x", "--by", "鈴木 一郎", "--witness", "鈴木\u{3000}一郎"];
    assert_eq!(practice.exit(&alone), 2);
    assert_eq!(practice.exit(&["hold", "harmless", "--because", " ", "--by", "A", "--witness", "B"]), 2);
    assert_eq!(practice.exit(&["hold", "harmless", "--because", "x", "--by", "A"]), 2);
    practice.assert_status(4, "failure", &["source-alarm"]);
    assert_eq!(practice.harmless(&["--generation", "5"]), 2, "the one that raised it is meant");
    assert_eq!(practice.harmless(&[]), 0);
    practice.assert_status(0, "good", &[]);
    assert_eq!(practice.harmless(&[]), 2, "once");
    // The next generation seals it, and the new size is usual from then on.
    practice.write("chart/a", "7");
    let (exit, seventh) = practice.night();
    assert_eq!((exit, &seventh["verdict"]), (0, &"good".into()));
    let finding = &seventh["findings"][0];
    assert_eq!((&finding["kind"], &finding["path"]), (&"harmless".into(), &"chart".into()));
    assert_eq!(finding["detail"], "clinic 4: looked at (A, B)");
    practice.write("chart/a", "8");
    practice.good_night();
    practice.assert_status(0, "good", &[]);
    // Half of what was left is news.
    practice.write("chart/table.csv", &rows(50_000));
    let (exit, ninth) = practice.night();
    assert_eq!((exit, &ninth["alarms"][0]["open_since"], practice.held_lines()), (4, &Value::Null, 2));
    practice.write("chart/table.csv", &rows(10_000));
    let (exit, tenth) = practice.night();
    assert_eq!((exit, &tenth["alarms"][0]["open_since"], practice.held_lines()), (4, &Value::Null, 3), "and half of that");
}

/// Files that are gone are not gone once more, and a night that finds nothing new has ended no alarm: two people do.
#[test]
fn no_quiet_night_ends_an_alarm() {
    let practice = Practice::with_records_gone();
    let restored = |to: &str| {
        let (from, to) = (practice.text("disk"), practice.text(to));
        let restore = ["restore", "--from", &from, "--to", &to, "--identity", &practice.text("key")];
        assert_eq!(practice.exit(&restore), 0);
        let names = fs::read_dir(&to).expect("a folder").map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"));
        names.filter(|name| name.contains("UNVERIFIED")).count()
    };
    for (night, is_held) in [("6", true), ("7", true), ("8", false), ("9", false)] {
        if night == "8" {
            let (exit, off) = practice.answer(&["hold", "off", "--by", "A", "--witness", "B"]);
            assert_eq!((exit, &off["open_alarms"][0]["generation"]), (0, &5.into()), "it is said that the alarm is open");
        }
        practice.write("chart/a", night);
        let (exit, answer) = practice.night();
        let alarm = &answer["alarms"][0];
        assert_eq!((exit, &answer["verdict"], &alarm["tripwire"]), (4, &"alarm".into(), &"gone".into()), "night {night}");
        assert_eq!((&alarm["open_since"], practice.held_lines()), (&5.into(), 1));
        let finding = &answer["findings"][0];
        assert_eq!((&finding["kind"], &finding["detail"]), (&"alarm-open".into(), &"clinic 5".into()));
        let held: &[&str] = if is_held { &["hold", "source-alarm"] } else { &["source-alarm"] };
        practice.assert_status(4, "failure", held);
        assert_eq!(practice.exit(&["hold", "show"]), 4);
        assert_eq!(restored(&format!("to {night}")), 1, "it is marked as doubtful");
    }
    assert_eq!(practice.harmless(&[]), 0);
    // It was restored from.
    practice.put_away();
    practice.assert_status(0, "good", &[]);
    practice.write("chart/a", "10");
    practice.good_night();
    assert_eq!(practice.exit(&["hold", "show"]), 0);
    assert_eq!(restored("to 10"), 0);
    // None of these nights is an unclean one any more.
    let (_, clean) = practice.answer(&["generations", "--clean", &practice.text("disk"), "--identity", &practice.text("key")]);
    assert_eq!(clean["last_clean"], 10, "{clean}");
}

/// Whoever deletes what a set knows of its alarms, or gives the source another name, has not ended them.
#[test]
fn an_open_alarm_outlives_its_file_and_the_name_of_its_source() {
    let practice = Practice::with_records_gone();
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    let still_open = |night: &str, source: &str| {
        practice.write("chart/a", night);
        let (exit, answer) = practice.night();
        let alarm = &answer["alarms"][0];
        let is = (exit, &answer["verdict"], &alarm["tripwire"], &alarm["source"], &alarm["open_since"]);
        assert_eq!(is, (4, &"alarm".into(), &"gone".into(), &source.into(), &5.into()), "night {night}");
    };
    let set = fs::read_dir(practice.path("state/sets")).expect("sets").next().expect("a set").expect("a folder");
    fs::remove_file(set.path().join("alarms")).expect("what the set knows");
    still_open("6", "chart");
    let [chart, pacs] = ["chart", "pacs"].map(|name| practice.text(name));
    practice.configure(&format!("[[source]]\nname = \"karte\"\npath = \"{chart}/\"\n[[source]]\npath = \"{pacs}\"\n"));
    still_open("7", "karte");
    // Another source alone has no alarm of its own, and the host is not clean.
    practice.configure(&format!("[[source]]\npath = \"{pacs}\"\n"));
    let (exit, answer) = practice.night();
    assert_eq!((exit, &answer["verdict"]), (4, &"good".into()));
    assert_eq!(practice.harmless(&[]), 0);
    assert_eq!(practice.night().0, 0);
}

/// A dump that is encrypted every night, by whom and for what the two people know. Another file that becomes noise is news,
/// before and after they have said so.
#[test]
fn what_is_harmless_covers_nothing_that_comes_later() {
    let practice = Practice::new();
    let dump =
        |file: &str, night: &str| fs::write(practice.path(&format!("chart/{file}")), noise(night, 3 << 20)).expect("a dump");
    for night in ["1", "2", "3"] {
        for file in ["dump.sql", "other.sql"] {
            practice.write(&format!("chart/{file}"), &format!("INSERT {night};\n").repeat(40_000));
        }
        practice.good_night();
    }
    dump("dump.sql", "4");
    assert_eq!((practice.night().0, practice.held_lines()), (4, 1));
    dump("dump.sql", "5");
    assert_eq!((practice.night().0, practice.held_lines()), (4, 1), "the same");
    // A hold that a person has put on does not end with the alarm.
    assert_eq!(practice.exit(&["hold", "on", "--by", "C", "--why", "a note"]), 0);
    assert_eq!(practice.harmless(&[]), 4);
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    for night in ["6", "7"] {
        dump("dump.sql", night);
        assert_eq!(practice.night().0, 0, "night {night}");
    }
    dump("dump.sql", "8");
    dump("other.sql", "8");
    let (exit, eighth) = practice.night();
    assert_eq!((exit, &eighth["alarms"][0]["open_since"]), (4, &Value::Null), "{eighth}");
    assert_eq!(eighth["alarms"][0]["paths"], serde_json::json!([{ "path": "chart/other.sql" }]));
    practice.assert_status(4, "failure", &["hold", "source-alarm"]);
    // Both at once, and the hold ends with its only reason.
    assert_eq!(practice.harmless(&["--generation", "8"]), 0);
    assert_eq!(practice.exit(&["hold", "show"]), 0);
}

/// A canary that was touched by mistake, and is touched again.
#[test]
fn another_touch_of_a_canary_is_another_alarm() {
    let practice = Practice::new();
    let chart = practice.text("chart");
    practice.configure(&format!("[[source]]\npath = \"{chart}\"\ncanaries = [\"canary\"]\n"));
    practice.write("chart/canary", "1");
    practice.good_night();
    for (night, held) in [("2", 1), ("3", 2)] {
        practice.write("chart/canary", night);
        assert_eq!((practice.night().0, practice.held_lines()), (4, held));
        assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    }
    // Which of the two?
    assert_eq!(practice.harmless(&[]), 2);
    assert_eq!(practice.harmless(&["--generation", "2"]), 4, "the other one is open");
    assert_eq!(practice.harmless(&[]), 0);
    practice.assert_status(0, "good", &[]);
    practice.write("chart/a", "4");
    practice.good_night();
    practice.write("chart/canary", "5");
    assert_eq!((practice.night().0, practice.held_lines()), (4, 3), "what was harmless is not what comes after it");
}

/// A verification, a restore or a copy finds what a scrub would have found: from then on nobody is told that all is well, and
/// nothing is written there.
#[test]
fn damage_that_was_found_is_told_until_the_medium_is_good_again() {
    let practice = Practice::new();
    practice.good_night();
    practice.assert_status(0, "good", &[]);
    let disk = practice.text("disk");
    let pack = walkdir::WalkDir::new(practice.path("disk"))
        .into_iter()
        .filter_map(Result::ok)
        .find(|e| e.path().extension().is_some_and(|x| x == "pack"))
        .expect("a pack");
    let good = fs::read(pack.path()).expect("a pack");
    let bend = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(pack.path(), bytes).expect("a change");
    };
    bend(100);
    assert_eq!(practice.exit(&["verify", &disk]), 5);
    practice.assert_status(1, "failure", &["damaged", "source-never", "source-never", "attached"]);
    practice.put_away();
    practice.assert_status(1, "failure", &["damaged", "source-never", "source-never"]);
    // Twice the same is one line.
    let lines = || fs::read_to_string(practice.path("state/ledger.jsonl")).expect("the ledger").matches("\"scrubbed\"").count();
    assert_eq!(practice.exit(&["verify", &disk]), 5);
    assert_eq!(lines(), 1);
    fs::write(pack.path(), &good).expect("the pack");
    // What somebody else has written is no damage, and such a medium is not found good.
    let note = pack.path().with_file_name("note");
    fs::write(&note, "x").expect("a file");
    assert_eq!((practice.exit(&["media", "scrub", &disk]), practice.exit(&["verify", &disk])), (5, 5));
    practice.put_away();
    practice.assert_status(1, "failure", &["damaged", "source-never", "source-never", "foreign"]);
    fs::remove_file(&note).expect("it is moved away");
    assert_eq!(practice.exit(&["verify", &disk]), 0);
    practice.put_away();
    practice.assert_status(0, "good", &[]);
}

/// What was entered as lost and is there again may have been anywhere: it counts for nothing until somebody has said where it is.
#[test]
fn a_disk_that_was_lost_is_not_written_until_somebody_has_entered_it_again() {
    let practice = Practice::new();
    practice.good_night();
    practice.put_away();
    let (disk, elsewhere) = (practice.path("disk"), practice.path("elsewhere"));
    for why in ["lost", "broken", "disposed"] {
        fs::rename(&disk, &elsewhere).expect("nobody knows where");
        assert_eq!(practice.exit(&["media", "move", "clinic", "--out-of-use", why, "--by", "sato"]), 0);
        fs::rename(&elsewhere, &disk).expect("it is there again");
        for night in [&["backup"][..], &["backup", "--init"]] {
            let (exit, said) = practice.says(night);
            assert!(exit == 6 && said.contains(&format!("clinic is entered as {why} ")), "{said}");
        }
        assert_eq!(practice.status().0, 1);
    }
    practice.put_away();
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// Somebody has written on the disk, and no seal covers it: the backup goes on, and everybody is told until it is away.
#[test]
fn what_somebody_else_has_written_on_a_disk_is_told() {
    let practice = Practice::new();
    practice.good_night();
    let disk = practice.text("disk");
    let set = fs::read_dir(practice.path("disk/AZEKURA")).expect("sets").next().expect("a set").expect("a set").path();
    // No name of an object, an object that is not in its folder, and one that is.
    for (n, name) in ["00000/note.txt", "00000/12500000.pack", "12500/12500000.pack"].into_iter().enumerate() {
        let (planted, copy) = (set.join(name), practice.text(&format!("copy {n}")));
        fs::create_dir_all(planted.parent().expect("a folder")).expect("a folder");
        fs::write(&planted, "x").expect("a file");
        fs::create_dir(&copy).expect("a folder");
        for (exit, command) in [
            (5, &["verify", &disk][..]),
            (5, &["media", "scrub", &disk]),
            (0, &["media", "copy", "--from", &disk, "--to", &copy]),
            (3, &["backup"]),
        ] {
            let (ended, said) = practice.says(command);
            assert!(ended == exit && said.contains(&format!("Not covered by any seal: {name}")), "{command:?}: {said}");
        }
        let scrubbed = practice.answer(&["media", "scrub", &disk]).1;
        assert_eq!((&scrubbed["verdict"], &scrubbed["foreign"][0]), (&"suspect".into(), &name.into()));
        practice.put_away();
        practice.assert_status(3, "attention", &["foreign"]);
        // What may be evidence stays where it is.
        let next = || {
            let status = practice.answer(&["status"]).1;
            let foreign = status["problems"].as_array().expect("a list").iter().find(|p| p["problem"] == "foreign").cloned();
            foreign.expect("it is told")["next"].as_str().expect("an action").to_owned()
        };
        assert!(next().contains("what somebody else has written"), "{}", next());
        assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "a doubt"]), 0);
        assert!(!next().contains("to another place"), "{}", next());
        assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
        fs::remove_file(&planted).expect("it is moved away");
        practice.good_night();
        practice.assert_status(0, "good", &[]);
    }
}

/// Every byte on it is what it was, a night ago.
#[test]
fn a_disk_that_was_rolled_back_is_no_good_disk() {
    let practice = Practice::new();
    practice.good_night();
    let copied = Command::new("cp").args(["-r", &practice.text("disk"), &practice.text("old")]).status().expect("cp");
    assert!(copied.success());
    practice.write("chart/a", "2");
    practice.good_night();
    practice.assert_status(0, "good", &[]);
    let old = practice.text("old");
    let (exit, scrubbed) = practice.answer(&["media", "scrub", &old]);
    assert_eq!((exit, &scrubbed["verdict"], &scrubbed["rolled_back"]), (5, &"suspect".into(), &true.into()));
    assert!(practice.status().2.contains(&"mismatched".to_owned()));
}

/// Whoever deletes the ledger, or its last line, deletes a hold with it.
#[test]
fn a_ledger_without_its_last_lines_is_no_good_news() {
    let practice = Practice::new();
    practice.good_night();
    assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 0);
    let ledger = practice.path("state/ledger.jsonl");
    let whole = fs::read_to_string(&ledger).expect("the ledger");
    let shorter: String = whole.lines().take(whole.lines().count() - 1).map(|l| format!("{l}\n")).collect();
    for then in [Some(&shorter[..]), Some(&whole[..whole.len() - 5]), Some(""), None] {
        match then {
            Some(text) => fs::write(&ledger, text).expect("the ledger"),
            None => fs::remove_file(&ledger).expect("the ledger"),
        }
        for command in [&["status"][..], &["hold", "show"], &["media", "log"], &["media", "list"]] {
            assert_eq!(practice.exit(command), 5, "{command:?} {then:?}");
        }
    }
    // The night is made, and is no success: the hold is not gone with its line.
    fs::write(&ledger, &shorter).expect("the ledger");
    assert_eq!(practice.exit(&["backup"]), 4);
    // Of another one nobody knows.
    fs::remove_file(practice.path("state/holds.jsonl")).expect("the lines about holds");
    assert_eq!(practice.exit(&["backup"]), 3);
    fs::remove_file(&ledger).expect("the ledger");
    fs::remove_file(practice.path("state/ledger.end")).expect("the end");
    let (exit, verdict, against) = practice.status();
    assert_eq!((exit, &verdict[..], &against[..]), (5, "failure", &["ledger-changed".to_owned()][..]), "the log of nights knows");
    for command in [&["hold", "show"][..], &["media", "log"], &["media", "list"], &["backup"], &["hold", "off", "--by", "A"]] {
        assert_eq!(practice.exit(command), 5, "{command:?}");
    }
    assert!(!ledger.exists(), "no command begins another one");
}

/// What it does not say may be a hold: nobody is asked for a disk or a backup.
#[test]
fn a_changed_ledger_is_the_only_thing_to_do() {
    let practice = Practice::new();
    practice.good_night();
    practice.let_days_pass(3);
    let asked = "azekura backup today";
    assert!(practice.says(&["status"]).1.contains(asked));
    let ledger = practice.path("state/ledger.jsonl");
    let text = fs::read_to_string(&ledger).expect("the ledger").replacen("clinic", "clinik", 1);
    fs::write(&ledger, text).expect("the ledger");
    let (exit, said) = practice.says(&["status"]);
    assert!(exit == 5 && said.contains("of chart") && !said.contains(asked), "{said}");
}

/// Its original goes on; it is what it was when it was made. What is damaged is told, whichever of the two it is.
#[test]
fn a_copy_is_not_forged_because_its_original_has_gone_on() {
    let practice = Practice::new();
    practice.good_night();
    fs::create_dir(practice.path("copy")).expect("a folder");
    let copy = practice.text("copy");
    assert_eq!(practice.exit(&["media", "copy", "--name", "copy", "--to", &copy]), 0);
    practice.write("chart/a", "2");
    practice.good_night();
    for command in [&["verify"][..], &["media", "scrub"]] {
        assert_eq!(practice.exit(&[command, &[&copy]].concat()), 0, "{command:?}");
    }
    let packs = walkdir::WalkDir::new(practice.path("disk")).into_iter().flatten();
    let pack = packs.map(|e| e.into_path()).find(|p| p.extension().is_some_and(|e| e == "pack")).expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("a change");
    assert_eq!(practice.exit(&["verify", &practice.text("disk")]), 5);
    let (exit, verdict, against) = practice.status();
    assert_eq!((exit, &verdict[..]), (1, "failure"), "{against:?}");
    assert!(against.contains(&"damaged".to_owned()), "{against:?}");
}

/// Two people have released the hold, and nobody has called the alarm harmless: the host may be infected, whatever runs on it
/// and whatever failed since.
#[test]
fn an_open_alarm_without_a_hold_asks_for_no_clean_disk() {
    let practice = Practice::new();
    let (chart, here) = (practice.text("chart"), practice.dir.path().display());
    let script = format!("if test -e {here}/stay; then touch {here}/begun; exec sleep 20; fi; echo dump");
    practice.configure(&format!(
        "[[source]]\npath = \"{chart}\"\ncanaries = [\"canary\"]\n[[source]]\nname = \"dump\"\n\
         command = [\"/bin/sh\", \"-c\", \"{script}\"]\n[[pool]]\nname = \"disks\"\nmedia = [\"clinic\", \"other\"]\nat = \"{}\"\n",
        practice.text("disk"),
    ));
    practice.write("chart/canary", "1");
    practice.good_night();
    let due = |exit: i32, alarm: bool, pools: usize| {
        let (code, due) = practice.answer(&["media", "due"]);
        let listed = due["pools"].as_array().map(Vec::len);
        assert_eq!((code, &due["open_alarm"], listed), (exit, &alarm.into(), Some(pools)), "{due}");
    };
    due(0, false, 1);
    practice.write("chart/canary", "2");
    assert_eq!(practice.night().0, 4);
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    due(4, true, 0);
    practice.write("stay", "");
    let mut night = practice.night_that_stays();
    let next_is_the_alarm = |is_running: bool| {
        let (_, status) = practice.answer(&["status"]);
        assert_eq!(status["running"].is_string(), is_running);
        assert!(status["next"].as_str().is_some_and(|next| next.contains("Attach no clean medium")), "{status}");
    };
    next_is_the_alarm(true);
    night.kill().expect("a signal");
    night.wait().expect("an end");
    next_is_the_alarm(false);
    let out = practice.run(&["status", "--lang", "en"], true);
    let said = String::from_utf8([out.stdout, out.stderr].concat()).expect("UTF-8");
    assert!(said.contains("has no recorded end") && !said.contains("azekura backup"), "{said}");
    fs::remove_file(practice.path("stay")).expect("a file");
    assert_eq!(practice.harmless(&[]), 0);
    due(0, false, 1);
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// It excludes nothing today, and may tomorrow: whoever wrote it is told once.
#[test]
fn an_exclude_pattern_without_a_path_is_told_once() {
    let practice = Practice::new();
    let chart = practice.text("chart");
    practice.configure(&format!("[[source]]\npath = \"{chart}\"\nexcludes = [\"/cache/old\", \"# words\"]\n"));
    let written_hours_ago = |hours: u64| {
        let config = fs::File::options().write(true).open(practice.path("config")).expect("the configuration");
        let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
        config.set_modified(then).expect("a time");
    };
    let warned = |more: &[&str]| {
        let out = practice.run(&[&["backup", "--init", "--lang", "en"], more].concat(), true);
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        String::from_utf8(out.stderr).expect("UTF-8").contains("/cache/old")
    };
    written_hours_ago(2);
    assert!(warned(&[]));
    assert!(!warned(&[]));
    assert!(warned(&["--exclude", "/cache/older"]), "typed now");
    practice.let_days_pass(1);
    assert!(warned(&[]), "written after the last night");
}

/// Whoever cuts the failed night off from the log, or deletes the file that counts its lines.
#[test]
fn a_log_of_nights_without_its_last_lines_is_no_good_news() {
    let practice = Practice::new();
    practice.good_night();
    fs::rename(practice.path("disk"), practice.path("away")).expect("the disk");
    assert_eq!(practice.exit(&["backup"]), 6);
    fs::rename(practice.path("away"), practice.path("disk")).expect("the disk");
    practice.assert_status(1, "failure", &["night-failed"]);
    let log = practice.path("state/nights.jsonl");
    let whole = fs::read_to_string(&log).expect("the log");
    let shorter: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&log, shorter).expect("the log");
    practice.assert_status(3, "attention", &["log-torn"]);
    fs::write(&log, whole).expect("the log");
    fs::remove_file(practice.path("state/nights.end")).expect("the end");
    practice.assert_status(1, "failure", &["night-failed", "log-torn"]);
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}
