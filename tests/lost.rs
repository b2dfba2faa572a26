//! The state folder, the ledger or the catalog was lost, and the disk is in the dock. Whoever does what each hint says, word for
//! word, has a backup again after three commands at most, and what was on the disk stays.

mod machine;

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
        let beside = if hint.contains("and --beside-others") { " --beside-others" } else { "" };
        let key = self.text("key");
        let known = [
            ("azekura media init", format!("media init {STICKER}{beside}")),
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
        for lost in ["state", "state/ledger.jsonl", "both", "state/catalog.sqlite"] {
            for first in ["status", "backup", "catalog rebuild --identity key"] {
                let practice = Practice::new(with_pool);
                let remove = |name: &str| fs::remove_file(practice.path(name)).expect("a file");
                match lost {
                    "state" => fs::remove_dir_all(practice.path("state")).expect("the state"),
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

/// The ledger was examined, and moved into the safe with the file beside it: that ends it, and the commands say so.
#[test]
fn a_ledger_that_was_examined_is_put_away_and_begun_anew() {
    for with_pool in [false, true] {
        let practice = Practice::new(with_pool);
        fs::remove_file(practice.path("state/ledger.jsonl")).expect("the ledger");
        let out = practice.run(&["status"]);
        assert_eq!(out.status.code(), Some(5), "{out:?}");
        let said = String::from_utf8(out.stdout).expect("UTF-8");
        assert!(said.contains("move ledger.jsonl and ledger.end") && said.contains("azekura media init"), "{said}");
        fs::remove_file(practice.path("state/ledger.end")).expect("the end");
        assert_eq!(practice.exit(&["media", "init", STICKER]), 0);
        assert_eq!(practice.exit(&["backup"]), 0);
        // The disk is still in the dock.
        assert_eq!(practice.exit(&["status"]), 3);
    }
}
