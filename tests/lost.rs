//! The state folder, the ledger or the catalog was lost, and the disk is in the dock. Whoever does what each hint says, word for
//! word, has a backup again after three commands at most, and what was on the disk stays.

mod machine;

use azekura::host::nights::{NightLine, NightLog};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What stands on the disk's sticker.
const STICKER: &str = "CL-02";

struct Practice {
    dir: tempfile::TempDir,
    set: String,
}

impl Practice {
    /// With one disk, or with a pool of three of which the second is in the dock.
    fn new(with_pool: bool) -> Self {
        // Not `/tmp`, which is often memory.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut practice = Self { dir, set: String::new() };
        for folder in ["chart", "disk"] {
            fs::create_dir(practice.path(folder)).expect("a folder");
        }
        fs::write(practice.path("chart/a"), "1").expect("a record");
        let key = practice.run(&["keys", "new", "--json", "--out", &practice.text("key")]);
        let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
        let recipient = key["result"]["recipients"][0].as_str().expect("a recipient");
        let (disk, chart) = (practice.text("disk"), practice.text("chart"));
        let medium = if with_pool { "disks" } else { &disk };
        let pool = format!("[[pool]]\nname = \"disks\"\nmedia = [\"CL-01\", \"{STICKER}\", \"CL-03\"]\nat = \"{disk}\"\n");
        let pool = if with_pool { &pool } else { "" };
        let config = format!(
            "medium = \"{medium}\"\nset = \"clinic\"\nrecipients = [\"{recipient}\"]\n[[source]]\npath = \"{chart}\"\n{pool}"
        );
        fs::write(practice.path("config"), config).expect("a configuration");
        if with_pool {
            assert_eq!(practice.exit(&["media", "init", STICKER]), 0);
            // The first of the pool was never prepared.
            assert_eq!(practice.exit(&["media", "init", "CL-01", "--at", &practice.other_disk("first")]), 0);
            assert_eq!(practice.exit(&["media", "move", "CL-01", "--out-of-use", "lost", "--by", "A"]), 0);
        }
        let begun = practice.run(&["backup", "--init", "--json"]);
        assert_eq!(begun.status.code(), Some(0), "{begun:?}");
        let begun: Value = serde_json::from_slice(&begun.stdout).expect("JSON");
        practice.set = begun["result"]["set"].as_str().expect("an id").to_owned();
        practice
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn other_disk(&self, name: &str) -> String {
        fs::create_dir(self.path(name)).expect("a folder");
        self.text(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.args(["--lang", "en", "--state", &self.text("state")]);
        if self.path("config").exists() {
            command.args(["--config", &self.text("config")]);
        }
        command.args(arguments).output().expect("the program")
    }

    fn exit(&self, arguments: &[&str]) -> i32 {
        let out = self.run(arguments);
        out.status.code().unwrap_or_else(|| panic!("{out:?}"))
    }

    /// The commands that the hint of a failed command names, in their order, for the disk with this sticker.
    fn told(&self, failed: &[String], out: &Output) -> Vec<Vec<String>> {
        let said = String::from_utf8([&out.stdout[..], &out.stderr].concat()).expect("UTF-8");
        let hint = said.lines().find_map(|line| line.strip_prefix("Hint: ")).unwrap_or_else(|| panic!("no hint: {said}"));
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        if hint.contains("the same command with --beside-others") {
            return vec![[failed, &words("--beside-others")].concat()];
        }
        let beside = if hint.contains("--beside-others") { " --beside-others" } else { "" };
        let key = self.text("key");
        let accept = "media accept --by A --witness B --because examined";
        let names = ["clinic", STICKER];
        let name = hint.split_once("azekura media init ").and_then(|(_, rest)| rest.split(' ').next());
        let name = name.filter(|name| names.contains(name)).unwrap_or(STICKER);
        let known = [
            ("azekura media accept", accept.to_owned()),
            ("azekura media init", format!("media init {name}{beside}")),
            ("azekura backup --init", "backup --init".to_owned()),
            ("azekura catalog rebuild", format!("catalog rebuild --identity {key}")),
            ("azekura backup today", "backup".to_owned()),
            ("run the backup again", "backup".to_owned()),
        ];
        let mut named: Vec<_> = known.iter().filter_map(|(name, command)| Some((hint.find(name)?, words(command)))).collect();
        named.sort();
        assert!(!named.is_empty(), "it names no command: {hint}");
        named.into_iter().map(|(_, command)| command).collect()
    }

    /// Follows the hints from a command on, until a backup is sealed. Returns how many commands that took.
    fn follow(&self, first: &str) -> usize {
        let mut to_do = vec![first.split(' ').map(str::to_owned).collect::<Vec<_>>()];
        for count in 0.. {
            let command = to_do.remove(0);
            let out = self.run(&command.iter().map(String::as_str).collect::<Vec<_>>());
            let is_good = matches!(out.status.code(), Some(0 | 3));
            if command[0] == "backup" && is_good {
                return count;
            }
            assert!(count < 9, "it goes round in a circle: {command:?} {out:?}");
            if to_do.is_empty() || !is_good {
                to_do = match is_good {
                    true => vec![vec!["backup".to_owned()]],
                    false => self.told(&command, &out),
                };
            }
        }
        unreachable!()
    }

    /// What was on the disk before.
    fn assert_restorable(&self, to: &str) {
        let (key, to, disk) = (self.text("key"), self.text(to), self.text("disk"));
        let out = self.run(&["restore", "--from", &disk, "--set", &self.set, "--identity", &key, "--to", &to]);
        assert_eq!(out.status.code(), Some(0), "{out:?}");
    }
}

#[test]
fn each_hint_leads_out_when_something_of_the_host_was_lost() {
    for with_pool in [false, true] {
        for lost in ["state", "state/ledger.jsonl", "both", "state/catalog.sqlite", "state/sets"] {
            for first in ["status", "backup", "catalog rebuild --identity key"] {
                let practice = Practice::new(with_pool);
                let remove = |name: &str| fs::remove_file(practice.path(name)).expect("a file");
                match lost {
                    "state" | "state/sets" => fs::remove_dir_all(practice.path(lost)).expect("the state"),
                    "both" => ["state/ledger.jsonl", "state/ledger.end"].into_iter().for_each(remove),
                    lost => remove(lost),
                }
                // A changed ledger asks people to look at it, and not for commands.
                if first == "status" && (lost.contains("ledger") || lost == "both") {
                    continue;
                }
                let commands = practice.follow(first);
                assert!(commands <= 3, "{with_pool} {lost} {first}: {commands}");
                practice.assert_restorable("restored");
            }
        }
    }
}

/// Nobody takes the disk of another medium for this one.
#[test]
fn the_disk_of_another_medium_is_not_registered() {
    let practice = Practice::new(true);
    for more in [&[][..], &["--beside-others"]] {
        let out = practice.run(&[&["media", "init", "CL-03"][..], more].concat());
        assert_eq!(out.status.code(), Some(6), "{out:?}");
        assert!(String::from_utf8_lossy(&out.stderr).contains(&format!("is {STICKER} of the media ledger")), "{out:?}");
    }
}

/// The ledger was examined, and two people say so: that ends it, and the commands say so. What was left of it stays. Nobody ends it by
/// deleting the rest.
#[test]
fn a_ledger_that_was_examined_is_put_away_and_begun_anew() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        fs::remove_file(practice.path("state/ledger.jsonl")).expect("the ledger");
        let out = practice.run(&["status"]);
        assert_eq!(out.status.code(), Some(5), "{out:?}");
        let said = String::from_utf8(out.stdout).expect("UTF-8");
        assert!(said.contains("azekura media accept") && said.contains("azekura media init"), "{said}");
        fs::rename(practice.path("state/ledger.end"), practice.path("end")).expect("the end");
        assert_eq!(practice.exit(&["media", "init", STICKER]), 5);
        assert!(!practice.path("state/ledger.jsonl").exists());
        fs::rename(practice.path("end"), practice.path("state/ledger.end")).expect("the end");
        let accept = ["media", "accept", "--by", "A", "--because", "examined", "--witness"];
        assert_eq!(practice.exit(&[&accept[..], &[" a"]].concat()), 2, "one person");
        assert_eq!(practice.exit(&[&accept[..], &["B"]].concat()), 0);
        assert!(practice.path("state/ledger.end.aside-1").exists());
        assert_eq!(practice.exit(&[&accept[..], &["B"]].concat()), 2, "nothing is missing");
        assert_eq!(practice.exit(&["media", "init", STICKER]), 0);
        assert_eq!(practice.exit(&["backup"]), 0);
        // The disk is still in the dock.
        assert_eq!(practice.exit(&["status"]), 3);
    }
}

const LEDGER: [&str; 2] = ["ledger.jsonl", "ledger.end"];
const NIGHTS: [&str; 2] = ["nights.jsonl", "nights.end"];

impl Practice {
    /// Another night, with something new.
    fn night(&self) -> i32 {
        fs::write(self.path("chart/a"), self.dir.path().read_dir().map_or(0, Iterator::count).to_string()).expect("a record");
        fs::write(self.path(&format!("chart/{}", self.lines("nights.jsonl"))), "new").expect("a record");
        self.exit(&["backup"])
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.path("state").join(name)).map_or(0, |text| text.lines().count())
    }

    /// Copies files of the state into a folder.
    fn keep(&self, files: &[&str], to: &str) {
        fs::create_dir(self.path(to)).expect("a folder");
        for f in files {
            fs::copy(self.path("state").join(f), self.path(to).join(f)).expect("a copy");
        }
    }

    /// Sets files of the state back to what was kept.
    fn set_back(&self, files: &[&str], from: &str) {
        for f in files {
            fs::copy(self.path(from).join(f), self.path("state").join(f)).expect("a copy");
        }
    }

    fn delete(&self, files: &[&str]) {
        files.iter().for_each(|f| fs::remove_file(self.path("state").join(f)).expect("a file"));
    }

    /// The exit code of `status`, and what speaks against "good", but for what is said of where the disk is.
    fn status(&self) -> (i32, Vec<String>) {
        let out = self.run(&["status", "--json"]);
        let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        let problems = json["result"]["problems"].as_array().expect("a list").iter();
        let names = problems.map(|p| p["problem"].as_str().expect("a word").to_owned());
        // The first disk of the pool is lost.
        (out.status.code().expect("an end"), names.filter(|name| name != "out-of-use").collect())
    }

    /// Every command that answers from the ledger says the same of it, and no other word.
    #[track_caller]
    fn assert_ledger_is_in_doubt(&self, words: &str) {
        let before = fs::read(self.path("state/ledger.jsonl")).ok();
        let with_pool = fs::read_to_string(self.path("config")).expect("a configuration").contains("[[pool]]");
        let due = if with_pool { &[&["media", "due"][..], &["backup"]][..] } else { &[] };
        for command in [&["status"][..], &["media", "list"], &["media", "log"], &["hold", "show"]].iter().chain(due) {
            let out = self.run(command);
            let said = String::from_utf8([&out.stdout[..], &out.stderr].concat()).expect("UTF-8");
            assert_eq!(out.status.code(), Some(5), "{command:?}: {said}");
            assert!(said.contains(words), "{command:?}: {said}");
            assert!(command[1..] != ["due"] || out.stdout.is_empty(), "no disk is named: {out:?}");
        }
        assert_eq!(fs::read(self.path("state/ledger.jsonl")).ok(), before, "the evidence stays as it is");
    }

    fn accept(&self) -> i32 {
        self.exit(&["media", "accept", "--by", "A", "--witness", "B", "--because", "an old copy was restored"])
    }
}

/// Both files are an older pair, and whole. The other records know of a generation that was sealed since.
#[test]
fn a_ledger_that_was_set_back_is_noticed_at_once() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        practice.keep(&LEDGER, "older");
        assert_eq!(practice.night(), 0);
        practice.set_back(&LEDGER, "older");
        practice.assert_ledger_is_in_doubt("set back to an older one");
        // The log of nights was set back with it: the catalog knows.
        practice.keep(&NIGHTS, "nights");
        practice.delete(&NIGHTS);
        practice.assert_ledger_is_in_doubt("set back to an older one");
        practice.set_back(&NIGHTS, "nights");
        assert_eq!(practice.accept(), 0);
        assert_eq!(practice.night(), 0);
        assert_eq!(practice.status(), (3, vec![]));
        // It was set back to before that.
        practice.set_back(&LEDGER, "older");
        practice.assert_ledger_is_in_doubt("set back to an older one");
    }
}

/// Nothing was sealed since, and the hold is in no generation.
#[test]
fn setting_the_ledger_back_ends_no_hold_and_hides_no_release() {
    let practice = Practice::new(true);
    practice.keep(&LEDGER, "before");
    assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 0);
    practice.keep(&LEDGER, "held");
    practice.set_back(&LEDGER, "before");
    practice.assert_ledger_is_in_doubt("A hold has been active since");
    practice.assert_ledger_is_in_doubt("a line about a hold");
    assert_eq!(practice.accept(), 0);
    let out = practice.run(&["hold", "show"]);
    assert_eq!(out.status.code(), Some(4), "accepted is the loss, and not the end of the hold: {out:?}");
    assert_eq!(practice.exit(&["media", "due"]), 4);
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    assert_eq!(practice.exit(&["hold", "show"]), 0);
    practice.set_back(&LEDGER, "held");
    let out = practice.run(&["hold", "show"]);
    let said = String::from_utf8([&out.stdout[..], &out.stderr].concat()).expect("UTF-8");
    assert_eq!(out.status.code(), Some(5), "{said}");
    assert!(said.contains("No hold is active") && said.contains("a line about a hold"), "{said}");
    let kept = fs::read_to_string(practice.path("state/holds.jsonl")).expect("the lines about holds");
    assert!(kept.contains("\"released\"") && kept.contains("\"witness\":\"B\""), "who has ended it: {kept}");
}

/// The log of nights says nothing any more of the nights that failed, or of any.
#[test]
fn a_log_of_nights_that_was_set_back_or_deleted_stays_a_failure_until_somebody_says_why() {
    let practice = Practice::new(false);
    practice.keep(&NIGHTS, "older");
    assert_eq!(practice.night(), 0);
    practice.set_back(&NIGHTS, "older");
    assert_eq!(practice.status(), (1, vec!["nights-missing".to_owned()]));
    practice.delete(&NIGHTS);
    assert_eq!(practice.status(), (1, vec!["nights-missing".to_owned(), "no-backup".to_owned()]));
    // The next night does not heal it.
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.status(), (1, vec!["nights-missing".to_owned()]));
    // The catalog is lost, too: the ledger knows.
    practice.keep(&["catalog.sqlite"], "catalog");
    practice.delete(&["catalog.sqlite"]);
    assert_eq!(practice.status(), (1, vec!["nights-missing".to_owned(), "catalog-lost".to_owned()]));
    practice.set_back(&["catalog.sqlite"], "catalog");
    assert_eq!(practice.accept(), 0);
    assert_eq!(practice.status(), (3, vec![]));
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.status(), (3, vec![]));
}

/// Under a hold somebody deletes all that says so: the hold is not known any more, and nothing is good.
#[test]
fn without_ledger_and_log_of_nights_nothing_is_written() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 0);
        practice.delete(&LEDGER);
        practice.assert_ledger_is_in_doubt("The media ledger is gone");
        practice.delete(&NIGHTS);
        practice.assert_ledger_is_in_doubt("The media ledger is gone");
        practice.delete(&["holds.jsonl"]);
        practice.assert_ledger_is_in_doubt("The media ledger is gone");
        practice.delete(&["catalog.sqlite"]);
        practice.assert_ledger_is_in_doubt("The media ledger is gone");
        for command in [
            &["backup"][..],
            &["hold", "on", "--by", "A", "--why", "threat"],
            &["hold", "off", "--by", "A", "--witness", "B"],
            &["media", "init", "CL-03"],
            &["media", "move", STICKER, "--to", "safe", "--by", "A"],
            &["media", "copy", "--name", "copy", "--to", "copy"],
            &["catalog", "rebuild", "--identity", "key"],
        ] {
            assert_eq!(practice.exit(command), 5, "{command:?}");
            assert!(!practice.path("state/ledger.jsonl").exists(), "{command:?}");
        }
    }
}

/// What is in the file is no ledger.
#[test]
fn a_damaged_ledger_names_no_disk() {
    let practice = Practice::new(true);
    fs::write(practice.path("state/ledger.jsonl"), "no ledger\n").expect("damage");
    practice.assert_ledger_is_in_doubt("The media ledger ends before line 1");
}

/// The power failed between the seal and the ledger, or before the log had the end: nobody has set anything back.
#[test]
fn a_run_that_was_killed_has_set_nothing_back() {
    let practice = Practice::new(false);
    practice.keep(&LEDGER, "older");
    assert_eq!(practice.night(), 0);
    let log = practice.path("state/nights.jsonl");
    let nights = fs::read_to_string(&log).expect("the log");
    let lines: Vec<&str> = nights.lines().collect();
    let begun: String = lines[..lines.len() - 1].iter().map(|line| format!("{line}\n")).collect();
    fs::write(practice.path("state/nights.end"), (lines.len() - 1).to_string()).expect("how many");
    fs::write(&log, begun).expect("the log");
    assert_eq!(practice.status(), (1, vec!["night-cut-off".to_owned()]));
    practice.set_back(&LEDGER, "older");
    assert_eq!(practice.status(), (1, vec!["night-cut-off".to_owned()]));
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.status(), (3, vec![]));
}

/// `status` says in the morning what the night would meet.
#[test]
fn a_lost_catalog_and_lost_sets_are_told_before_the_night() {
    let practice = Practice::new(true);
    practice.keep(&["catalog.sqlite"], "older");
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.status(), (3, vec![]));
    let catalog = practice.path("state/catalog.sqlite");
    for damage in [None, Some(&b""[..]), Some(b"this is no catalog, and it is longer than a header is")] {
        match damage {
            Some(bytes) => fs::write(&catalog, bytes).expect("damage"),
            None => practice.set_back(&["catalog.sqlite"], "older"),
        }
        assert_eq!(practice.status(), (3, vec!["catalog-lost".to_owned()]), "{damage:?}");
    }
    fs::remove_file(&catalog).expect("the catalog");
    assert_eq!(practice.status(), (3, vec!["catalog-lost".to_owned()]));
    let out = practice.run(&["catalog", "log"]);
    assert_eq!(out.status.code(), Some(1), "no log is not an empty one: {out:?}");
    assert!(!catalog.exists(), "a command that looks makes none");
    assert_eq!(practice.night(), 3);
    assert_eq!(practice.status(), (3, vec![]));
    let sets = || fs::read_dir(practice.path("state/sets")).expect("the sets").map(|s| s.expect("a set").path());
    sets().for_each(|set| drop(fs::remove_file(set.join("watch"))));
    assert_eq!(practice.status(), (3, vec!["memory-lost".to_owned()]));
    assert_eq!(practice.night(), 3);
    sets().for_each(|set| drop(fs::remove_file(set.join("seal-keys"))));
    assert_eq!(practice.status().0, 1);
    assert!(practice.status().1.contains(&"set-lost".to_owned()), "{:?}", practice.status());
    fs::remove_dir_all(practice.path("state/sets")).expect("the sets");
    assert!(practice.status().1.contains(&"set-lost".to_owned()), "{:?}", practice.status());
}

/// What the tripwires know is gone, or what tonight is compared with: the night says so.
#[test]
fn a_memory_that_was_deleted_is_a_finding() {
    for (file, exit, kind) in [("watch", 3, "memory-lost"), ("entries", 3, "memory-lost")] {
        let practice = Practice::new(false);
        for name in 0..60 {
            fs::write(practice.path(&format!("chart/{name}.xml")), format!("{name}")).expect("a record");
        }
        assert_eq!(practice.night(), 0);
        fs::remove_file(practice.path(&format!("state/sets/{}/{file}", practice.set))).expect("a file");
        assert_eq!(practice.status(), (3, vec!["memory-lost".to_owned()]));
        for name in 0..60 {
            fs::write(practice.path(&format!("chart/{name}.xml")), format!("{name} changed")).expect("a record");
        }
        let out = practice.run(&["backup", "--json"]);
        let json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let findings = json["result"]["findings"].as_array().expect("findings");
        assert_eq!((out.status.code(), findings.len(), &findings[0]["kind"]), (Some(exit), 1, &kind.into()), "{json}");
        assert!(String::from_utf8_lossy(&out.stderr).contains("state folder"), "{out:?}");
        assert_eq!(practice.night(), 0);
    }
}

/// What the host knows of the sources is an older copy, emptied or no such file: the morning says so, and the night.
#[test]
fn a_memory_that_was_set_back_or_damaged_is_told() {
    for file in ["watch", "entries", "contents", "roots"] {
        for damage in [None, Some(&b""[..]), Some(b"no such file, and longer than a length is")] {
            // Of content the host remembers days, and roots seldom change.
            if damage.is_none() && file != "watch" && file != "entries" {
                continue;
            }
            let practice = Practice::new(false);
            let path = practice.path(&format!("state/sets/{}/{file}", practice.set));
            let older = fs::read(&path).unwrap_or_default();
            assert_eq!(practice.night(), 0);
            fs::write(&path, damage.unwrap_or(&older)).expect("a file");
            // That entries are older ones, only the night can tell.
            let is_seen_by_day = damage.is_some() || file != "entries";
            let told: &[&str] = if is_seen_by_day { &["memory-lost"] } else { &[] };
            assert_eq!(practice.status().1, told, "{file} {damage:?}");
            fs::write(practice.path("chart/more"), "1").expect("a record");
            let out = practice.run(&["backup", "--json"]);
            let json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
            let kind = &json["result"]["findings"][0]["kind"];
            assert_eq!((out.status.code(), kind), (Some(3), &"memory-lost".into()), "{file} {damage:?} {json}");
            assert_eq!(practice.night(), 0);
            assert!(!practice.status().1.contains(&"memory-lost".to_owned()));
        }
    }
}

/// The log of nights says that there was something to remember. What an earlier version has written does not.
#[test]
fn a_memory_that_is_gone_is_told_as_far_as_the_log_of_nights_knows_of_it() {
    for file in ["contents", "roots"] {
        for (is_upgraded, told) in [(false, &["memory-lost"][..]), (true, &[])] {
            let practice = Practice::new(false);
            let config = fs::read_to_string(practice.path("config")).expect("a configuration");
            fs::write(practice.path("config"), config.replace("[[source]]\n", "[[source]]\nfresh_hours = 26\n")).expect("one");
            assert_eq!(practice.night(), 0);
            assert_eq!(practice.status(), (3, vec![]));
            let log = practice.path("state/nights.jsonl");
            let nights = fs::read_to_string(&log).expect("the log");
            assert!(nights.ends_with(",\"memory\":[\"contents\",\"roots\"]}}\n"), "{nights}");
            if is_upgraded {
                fs::write(
                    &log,
                    nights.replace(",\"memory\":[\"contents\",\"roots\"]", "").replace(",\"memory\":[\"roots\"]", ""),
                )
                .expect("the log");
            }
            fs::remove_file(practice.path(&format!("state/sets/{}/{file}", practice.set))).expect("a file");
            assert_eq!(practice.status(), (3, told.iter().map(|t| (*t).to_owned()).collect()), "{file} {is_upgraded}");
            assert_eq!(practice.night(), if is_upgraded { 0 } else { 3 });
            assert_eq!(practice.night(), 0);
            assert_eq!(practice.status(), (3, vec![]));
        }
    }
}

/// Nothing is lost yet; but the next who sets the ledger back ends the hold with it.
#[test]
fn lines_about_holds_that_are_gone_are_told_until_two_people_say_why() {
    let practice = Practice::new(true);
    assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 0);
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    let (kept, end) = (practice.path("state/holds.jsonl"), practice.path("state/ledger.end"));
    let lines = fs::read_to_string(&kept).expect("the lines");
    let told = || practice.status().1.contains(&"holds-lost".to_owned());
    assert!(!told());
    for damage in [None, Some(""), lines.lines().next()] {
        match damage {
            None => fs::remove_file(&kept).expect("the lines"),
            Some(rest) => fs::write(&kept, rest).expect("some lines"),
        }
        assert!(told(), "{damage:?}");
        // The next night does not heal it.
        assert_eq!(practice.night(), 0);
        assert!(told(), "{damage:?}");
        assert_eq!(practice.accept(), 0);
        assert!(!told(), "{damage:?}");
        assert_eq!(practice.lines("holds.jsonl"), 2, "the ledger has them");
    }
    // An earlier version had no such file, and no count of its lines.
    let text = fs::read_to_string(&end).expect("the end");
    assert!(text.contains(",\"holds\":2"), "{text}");
    fs::write(&end, text.replace(",\"holds\":2", "")).expect("the end");
    fs::remove_file(&kept).expect("the lines");
    assert_eq!(practice.status(), (3, vec![]));
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.status(), (3, vec![]));
}

/// What the host needs to write a set is there by name only.
#[test]
fn keys_that_are_no_keys_are_told_before_the_night() {
    for file in ["set.json", "seal-keys", "set-key"] {
        for damage in [&b""[..], b"garbage"] {
            let practice = Practice::new(true);
            let set = fs::read_dir(practice.path("state/sets")).expect("sets").map(|s| s.expect("a set").path());
            set.for_each(|set| fs::write(set.join(file), damage).expect("damage"));
            let (exit, told) = practice.status();
            assert!(exit != 0 && told.contains(&"set-lost".to_owned()), "{file} {damage:?}: {exit} {told:?}");
            assert!(practice.follow("status") < 9, "{file} {damage:?}");
            practice.assert_restorable("back");
        }
    }
}

/// All lines of the ledger are there; what says so is not. No line is entered that would break it for good.
#[test]
fn a_ledger_without_its_end_is_kept_and_goes_on() {
    for damage in [None, Some(&b""[..]), Some(b"{}")] {
        let practice = Practice::new(true);
        let end = practice.path("state/ledger.end");
        match damage {
            None => fs::remove_file(&end).expect("the end"),
            Some(bytes) => fs::write(&end, bytes).expect("damage"),
        }
        practice.assert_ledger_is_in_doubt("The file ledger.end");
        let lines = practice.lines("ledger.jsonl");
        assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 5);
        assert_eq!(practice.lines("ledger.jsonl"), lines, "no line is entered");
        assert_eq!(practice.accept(), 0);
        assert_eq!(practice.lines("ledger.jsonl"), lines + 1, "it goes on");
        assert_eq!(practice.night(), 0);
        assert_eq!(practice.status(), (3, vec![]));
    }
}

impl Practice {
    /// With two good nights more, and a canary among the records.
    fn with_canary(with_pool: bool) -> Self {
        let practice = Self::new(with_pool);
        let config = fs::read_to_string(practice.path("config")).expect("a configuration");
        fs::write(practice.path("config"), config.replace("[[source]]\n", "[[source]]\ncanaries = [\"canary\"]\n")).expect("one");
        fs::write(practice.path("chart/canary"), "do not touch").expect("a canary");
        assert_eq!((practice.night(), practice.night()), (0, 0));
        practice
    }
}

/// All but the folder of the set is set back, and that one has an alarm.
#[test]
fn an_alarm_that_only_the_set_remembers_is_open() {
    let practice = Practice::with_canary(true);
    let files = ["ledger.jsonl", "ledger.end", "nights.jsonl", "nights.end", "catalog.sqlite"];
    practice.keep(&files, "older");
    fs::write(practice.path("chart/canary"), "touched").expect("an attack");
    assert_eq!(practice.night(), 4);
    practice.set_back(&files, "older");
    practice.delete(&["holds.jsonl"]);
    practice.assert_ledger_is_in_doubt("in which this host raised an alarm");
    // A refused night takes nothing of that back, and two people who know why the records are missing have not judged the alarm.
    assert_eq!(practice.night(), 5);
    practice.assert_ledger_is_in_doubt("in which this host raised an alarm");
    assert_eq!(practice.accept(), 0);
    assert_eq!((practice.exit(&["hold", "show"]), practice.exit(&["media", "due"]), practice.night()), (4, 4, 4));
}

/// A run noted an alarm, and then its seal keys could not be written: nothing is lost, and nobody is accused.
#[test]
fn an_alarm_whose_run_could_not_seal_is_no_lost_record() {
    let practice = Practice::with_canary(false);
    let keys = practice.text(&format!("state/sets/{}/seal-keys", practice.set));
    let guard = |how: &str| Command::new("chattr").args([how, &keys]).output().is_ok_and(|out| out.status.success());
    if !guard("+i") || !guard("-i") {
        machine::skipped("seal keys that cannot be written: no chattr +i here");
        return;
    }
    // After the run has read the keys.
    let dump = format!("[[source]]\nname = \"dump\"\ncommand = [\"sh\", \"-c\", \"date; chattr +i {keys}\"]\n");
    let config = fs::read_to_string(practice.path("config")).expect("a configuration");
    fs::write(practice.path("config"), config.clone() + &dump).expect("a configuration");
    fs::write(practice.path("chart/canary"), "touched").expect("an attack");
    let failed = practice.run(&["backup"]);
    assert!(guard("-i"));
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    fs::write(practice.path("config"), config).expect("a configuration");
    let (exit, told) = practice.status();
    assert!(exit == 1 && !told.contains(&"ledger-changed".to_owned()), "{exit} {told:?}");
    assert_eq!(practice.night(), 4);
}

/// The ledger and the log of nights are deleted, and with them all that says that an alarm is open.
#[test]
fn accepting_a_loss_ends_no_alarm() {
    let practice = Practice::with_canary(true);
    fs::write(practice.path("chart/canary"), "touched").expect("an attack");
    assert_eq!(practice.night(), 4);
    practice.delete(&["ledger.jsonl", "ledger.end", "nights.jsonl", "nights.end", "holds.jsonl"]);
    assert_eq!(practice.accept(), 0);
    assert_eq!((practice.exit(&["hold", "show"]), practice.exit(&["media", "due"])), (4, 4));
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    assert_eq!(practice.exit(&["hold", "show"]), 4, "the hold is off, and the alarm open");
}

impl Practice {
    /// Copies the state folder.
    fn copy_state(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|name| self.path(name));
        assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
    }

    /// An old copy of the state folder takes its place.
    fn set_state_back(&self, older: &str) {
        fs::remove_dir_all(self.path("state")).expect("the state");
        self.copy_state(older, "state");
    }
}

/// The night before the copy was cut off, it failed, or nobody knows of any: none of these has sealed what is on the disk.
#[test]
fn verify_tells_a_state_that_was_set_back_whatever_its_log_of_nights_says() {
    for log in ["whole", "cut off", "failed", "deleted"] {
        let practice = Practice::new(false);
        let nights = NightLog::of(&practice.path("state"));
        let (time, process) = ("2026-01-01T00:00:00Z".to_owned(), 1);
        let begun = NightLine::Begun { time: time.clone(), process, sources: Vec::new(), configured: true };
        let end = NightLine::Ended {
            begun: time.clone(),
            process,
            time,
            exit: 6,
            sealed: None,
            why: None,
            hint: None,
            noted_alarm: None,
        };
        match log {
            "cut off" => nights.write(&begun).expect("a line"),
            "failed" => [begun, end].iter().for_each(|line| nights.write(line).expect("a line")),
            "deleted" => practice.delete(&NIGHTS),
            _ => {}
        }
        practice.copy_state("state", "older");
        assert_eq!(practice.night(), 0);
        practice.set_state_back("older");
        let out = practice.run(&["verify", &practice.text("disk")]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code() == Some(5) && said.contains("The state folder was set back"), "{log}: {out:?}");
        assert!(practice.status().1.contains(&"mismatched".to_owned()), "{log}");
    }
}

/// The keys of the seals show that this host has sealed it: the power cut has taken the rows of the catalog with it.
#[test]
fn a_generation_that_only_the_catalog_lacks_is_this_hosts() {
    let practice = Practice::new(false);
    practice.keep(&["catalog.sqlite"], "older");
    assert_eq!((practice.night(), practice.night()), (0, 0));
    practice.set_back(&["catalog.sqlite"], "older");
    assert_eq!(practice.exit(&["verify", &practice.text("disk")]), 0);
    assert!(!practice.status().1.contains(&"mismatched".to_owned()));
    assert!(matches!(practice.night(), 0 | 3));
}

/// Somebody has set the state back to hide an alarm: the disk has it.
#[test]
fn an_alarm_on_a_medium_that_is_newer_than_the_host_is_open() {
    let practice = Practice::with_canary(false);
    practice.copy_state("state", "older");
    fs::write(practice.path("chart/canary"), "touched").expect("an attack");
    assert_eq!(practice.night(), 4);
    practice.set_state_back("older");
    assert_eq!(practice.exit(&["hold", "show"]), 0);
    let verify = || practice.run(&["verify", &practice.text("disk")]);
    let out = verify();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.code() == Some(5) && said.contains("sealed with an alarm that this host does not know"), "{out:?}");
    let (exit, told) = practice.status();
    assert!(exit == 4 && told.contains(&"hold".to_owned()) && told.contains(&"alarms-open".to_owned()), "{exit} {told:?}");
    assert_eq!(practice.exit(&["hold", "show"]), 4);
    assert!(fs::read_to_string(practice.path("state/holds.jsonl")).expect("lines").contains("\"generation\":4"));
    let lines = practice.lines("ledger.jsonl");
    assert!(!String::from_utf8_lossy(&verify().stderr).contains("does not know. The alarm"), "once is enough");
    assert_eq!(practice.lines("ledger.jsonl"), lines);
    assert_eq!(practice.exit(&["hold", "harmless", "--by", "A", "--witness", "B", "--because", "a test"]), 0);
    verify();
    assert_eq!(practice.exit(&["hold", "show"]), 0, "two people have looked at it");
}

/// Somebody restores an old copy of the state folder, in good faith or to hide an alarm: the disk is whole, and it is newer.
#[test]
fn a_state_folder_that_was_set_back_is_not_blamed_on_the_disk() {
    for with_pool in [false, true] {
        for nights in [1, 2] {
            let practice = Practice::new(with_pool);
            practice.copy_state("state", "older");
            (0..nights).for_each(|_| assert_eq!(practice.night(), 0));
            practice.set_state_back("older");
            let files = || walkdir::WalkDir::new(practice.path("disk")).into_iter().count();
            let before = files();
            let out = practice.run(&["backup"]);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(5), "{said}");
            assert!(said.contains("this medium") && said.contains("the state folder was set back"), "{said}");
            assert_eq!(files(), before, "nothing was written");
            let out = practice.run(&["verify", &practice.text("disk")]);
            assert_eq!(out.status.code(), Some(5), "{out:?}");
            assert!(String::from_utf8_lossy(&out.stderr).contains("records are older"), "{out:?}");
            let (exit, told) = practice.status();
            assert!(exit == 1 && told.contains(&"mismatched".to_owned()), "{exit} {told:?}");
            let out = practice.run(&["status"]);
            assert!(String::from_utf8_lossy(&out.stderr).contains("state folder was set back"), "{out:?}");
            // The way out that is documented.
            fs::rename(practice.path("state"), practice.path("evidence")).expect("the state");
            if with_pool {
                assert_eq!(practice.exit(&["media", "init", STICKER, "--beside-others"]), 0);
                assert_eq!(practice.exit(&["backup"]), 0);
            } else {
                assert_eq!(practice.exit(&["backup", "--init"]), 0);
            }
            practice.assert_restorable("restored");
        }
    }
}

/// Of a set's folder only the keys are older. The disk is what this host wrote last, and nobody is sent for another one.
#[test]
fn keys_that_were_set_back_are_not_blamed_on_the_disk() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        let set = practice.path("state/sets").join(&practice.set);
        let older = fs::read(set.join("seal-keys")).expect("the keys");
        assert_eq!((practice.night(), practice.night()), (0, 0));
        fs::write(set.join("seal-keys"), older).expect("older keys");
        let out = practice.run(&["backup"]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(5), "{said}");
        assert!(said.contains("the state folder was set back") && said.contains("The medium is whole"), "{said}");
        let out = practice.run(&["status"]);
        let said = String::from_utf8_lossy(&[&out.stdout[..], &out.stderr].concat()).into_owned();
        assert!(said.contains("was set back") && !said.contains("rolled back, replaced or damaged"), "{said}");
    }
}

/// The night puts a damaged catalog aside by itself, also where the damage is deep in it, and also under a hold.
#[test]
fn a_damaged_catalog_costs_no_night() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        let catalog = practice.path("state/catalog.sqlite");
        let good = fs::read(&catalog).expect("the catalog");
        let deep: Vec<u8> = good.iter().enumerate().map(|(at, byte)| if at < 4_200 { *byte } else { 0x5a }).collect();
        for (count, rubbish) in (1..).zip([&b"this is no catalog, and it is longer than a header is"[..], &deep]) {
            fs::write(&catalog, rubbish).expect("damage");
            let out = practice.run(&["catalog", "log"]);
            assert_eq!(out.status.code(), Some(1), "{out:?}");
            assert!(!String::from_utf8_lossy(&out.stderr).contains("rebuild"), "the recovery key stays away: {out:?}");
            assert_eq!(practice.night(), 3);
            assert!(practice.path(&format!("state/catalog.damaged-{count}")).exists());
            assert_eq!(practice.night(), 0);
        }
        practice.assert_restorable("restored");
    }
}

/// The hold must not end with the catalog: which disk was written last, the ledger knows, too.
#[test]
fn a_damaged_catalog_frees_no_clean_disk_under_a_hold() {
    let practice = Practice::new(false);
    let clean = practice.other_disk("clean");
    assert_eq!(practice.exit(&["backup", "--init", "--to", &clean]), 0);
    assert_eq!(practice.night(), 0);
    assert_eq!(practice.exit(&["hold", "on", "--by", "A", "--why", "threat"]), 0);
    for damage in [&b"this is no catalog, and it is longer than a header is"[..], b""] {
        fs::write(practice.path("state/catalog.sqlite"), damage).expect("damage");
        assert_eq!(practice.exit(&["backup", "--to", &clean]), 6);
        assert_eq!(practice.night(), 4);
    }
}
