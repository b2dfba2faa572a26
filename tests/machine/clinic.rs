//! A clinic in a folder: a source, disks that take turns in one dock, and the program as cron runs it.

#![allow(dead_code, reason = "each test program takes what it needs")]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

pub struct Clinic {
    pub dir: tempfile::TempDir,
    /// Of its recovery key.
    pub recipient: String,
}

impl Clinic {
    /// A clinic with a key and an empty source. `disks`: folders.
    pub fn with_disks(disks: &[&str]) -> Self {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let dir = tempfile::tempdir_in("/var/tmp").expect("a folder");
        let clinic = Self { dir, recipient: String::new() };
        for name in ["source"].iter().chain(disks) {
            fs::create_dir(clinic.path(name)).expect("a folder");
        }
        let key = clinic.run(&["keys", "new", "--json", "--out", &clinic.text("key")], "");
        let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
        let recipient = key["result"]["recipients"][0].as_str().expect("a recipient").to_owned();
        Self { recipient, ..clinic }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// `config`: the configuration's file; empty: none.
    pub fn run(&self, arguments: &[&str], config: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.args(arguments).args(["--state", &self.text("state"), "--lang", "en"]);
        if !config.is_empty() {
            command.args(["--config", &self.text(config)]);
        }
        command.output().expect("the program")
    }

    /// Puts a disk into the dock.
    pub fn dock(&self, disk: &str) {
        self.undock();
        symlink(self.path(disk), self.path("dock")).expect("a link");
    }

    pub fn undock(&self) {
        let _ = fs::remove_file(self.path("dock"));
    }
}
