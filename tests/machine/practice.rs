//! A practice with one disk that somebody takes to the safe after each night, and what `status` says in the morning.

#![allow(dead_code, reason = "each test program takes what it needs")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A practice with two sources and one disk, as the README sets it up.
pub struct Practice {
    pub dir: tempfile::TempDir,
}

impl Practice {
    /// A night whose command has made the file `begun`, and goes on.
    pub fn night_that_stays(&self) -> std::process::Child {
        let night = self.command(&["backup"], true).spawn().expect("the program");
        let begun = Instant::now();
        while !self.path("begun").exists() {
            assert!(begun.elapsed() < Duration::from_secs(120), "it did not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        night
    }

    pub fn new() -> Self {
        // Not `/tmp`, which is often memory.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let practice = Self { dir };
        for folder in ["chart", "pacs", "disk"] {
            fs::create_dir(practice.path(folder)).expect("a folder");
        }
        practice.write("chart/a", "1");
        practice.write("pacs/a", "1");
        let key = practice.run(&["keys", "new", "--json", "--out", &practice.text("key")], false);
        let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
        let recipient = key["result"]["recipients"][0].as_str().expect("a recipient");
        practice.write("head", &format!("set = \"clinic\"\ncontact = \"Ext. 123\"\nrecipients = [\"{recipient}\"]\n"));
        let [chart, pacs] = ["chart", "pacs"].map(|name| practice.text(name));
        practice.configure(&format!("[[source]]\npath = \"{chart}\"\n[[source]]\nname = \"images\"\npath = \"{pacs}\"\n"));
        practice
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    pub fn configure(&self, sources: &str) {
        let head = fs::read_to_string(self.path("head")).expect("the head");
        self.write("config", &format!("medium = \"{}\"\n{head}{sources}", self.text("disk")));
    }

    pub fn command(&self, arguments: &[&str], is_configured: bool) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.args(["--state", &self.text("state")]);
        if is_configured {
            command.args(["--config", &self.text("config")]);
        }
        command.args(arguments);
        command
    }

    pub fn run(&self, arguments: &[&str], is_configured: bool) -> Output {
        self.command(arguments, is_configured).output().expect("the program")
    }

    pub fn exit(&self, arguments: &[&str]) -> i32 {
        self.run(arguments, true).status.code().expect("an end")
    }

    /// The exit code, and what was said in English.
    pub fn says(&self, arguments: &[&str]) -> (i32, String) {
        let out = self.run(&[arguments, &["--lang", "en"]].concat(), true);
        let said = [out.stdout, out.stderr].map(|said| String::from_utf8(said).expect("UTF-8")).concat();
        (out.status.code().expect("an end"), said)
    }

    /// A night with a backup to the disk, which somebody takes to the safe afterwards.
    pub fn good_night(&self) {
        let out = self.run(&["backup", "--init"], true);
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        self.put_away();
    }

    pub fn put_away(&self) {
        self.put_away_from(&self.path("disk"));
    }

    pub fn put_away_from(&self, disk: &Path) {
        // It is not there while somebody says where it is.
        let carried = disk.with_extension("carried");
        fs::rename(disk, &carried).expect("it is taken out");
        assert_eq!(self.exit(&["media", "move", "clinic", "--to", "safe", "--by", "A"]), 0);
        fs::rename(&carried, disk).expect("it is put back");
    }

    /// The exit code, the verdict, and what speaks against "good", with the disk in the safe.
    pub fn status(&self) -> (i32, String, Vec<String>) {
        let (disk, safe) = (self.path("disk"), self.path("safe"));
        let is_here = fs::rename(&disk, &safe).is_ok();
        let (exit, result) = self.answer(&["status"]);
        if is_here {
            fs::rename(&safe, &disk).expect("it is put back");
        }
        let names = |list: &str, name: &str| -> Vec<String> {
            let items = result[list].as_array().expect("a list").iter();
            items.map(|item| item[name].as_str().expect("a word").to_owned()).collect()
        };
        let all = [names("problems", "problem"), names("lacks", "lack")].concat();
        (exit, result["verdict"].as_str().expect("a word").to_owned(), all)
    }

    pub fn answer(&self, arguments: &[&str]) -> (i32, Value) {
        let out = self.run(&[arguments, &["--json"]].concat(), true);
        let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        (out.status.code().expect("an end"), json["result"].clone())
    }

    #[track_caller]
    pub fn assert_status(&self, exit: i32, verdict: &str, against: &[&str]) {
        assert_eq!(self.status(), (exit, verdict.to_owned(), against.iter().map(|a| (*a).to_owned()).collect()));
    }

    /// Makes all nights older, in the log that the program keeps.
    pub fn let_days_pass(&self, days: i64) {
        let log = self.path("state/nights.jsonl");
        let lines = fs::read_to_string(&log).expect("the log");
        let older = |line: &str| {
            let mut line: Value = serde_json::from_str(line).expect("JSON");
            for place in ["/time", "/begun", "/sealed/time"] {
                if let Some(time) = line.pointer_mut(place) {
                    let then = chrono::DateTime::parse_from_rfc3339(time.as_str().expect("a time")).expect("RFC 3339");
                    let then = (then - chrono::Duration::days(days)).to_utc();
                    *time = then.to_rfc3339_opts(chrono::SecondsFormat::Secs, true).into();
                }
            }
            format!("{line}\n")
        };
        fs::write(log, lines.lines().map(older).collect::<String>()).expect("the log");
    }
}
