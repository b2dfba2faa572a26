//! Sixty nights of a practice, and what the clerk sees on each morning: `nights/sixty.txt` has the table. The program is run as
//! cron runs it, under a clock that moves from night to night.

mod machine;

use machine::{is_root, skipped};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime};

const TABLE: &str = include_str!("nights/sixty.txt");
const CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const DISKS: [&str; 4] = ["CL-01", "CL-02", "CL-03", "CL-04"];
/// The one that takes the place of a lost one.
const RESERVE: &str = "CL-05";

/// A practice with three disks that take turns and one in reserve, and three sources: records, a dump that a job puts into a
/// folder, and one that a command writes.
struct Practice {
    dir: tempfile::TempDir,
    /// Seconds since 1970.
    now: i64,
}

/// One line of the table.
struct Night<'t> {
    date: &'t str,
    happens: Vec<&'t str>,
    expected: Vec<&'t str>,
}

impl<'t> Night<'t> {
    fn parse(line: &'t str) -> Self {
        let mut cells = line.split('|').map(str::trim);
        let date = cells.next().expect("a date");
        let happens = cells.next().expect("what happens").split(", ").filter(|h| !h.is_empty()).collect();
        Self { date, happens, expected: cells.collect() }
    }

    /// Seconds since 1970 at a time of the night's day, in Japan.
    fn at(&self, time: &str) -> i64 {
        let text = format!("{}T{time}:00+09:00", self.date);
        chrono::DateTime::parse_from_rfc3339(&text).expect("a date").timestamp()
    }
}

impl Practice {
    fn new(now: i64) -> Self {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let practice = Self { dir, now };
        for name in ["karte", "karte/ward", "dumps", "dock", "blank", "foreign", "full", RESERVE].iter().chain(&DISKS) {
            fs::create_dir(practice.path(name)).expect("a folder");
        }
        for i in 0..60 {
            practice.write(&format!("karte/{i}.xml"), format!("<karte>{i}</karte>\n").repeat(40), now - 86_400);
        }
        practice.write("karte/ward/1", "a record", now - 86_400);
        practice.write("leave", format!("test ! -e {0}/stay && umount {0}/dock", practice.text("")), now);
        let out = practice.run(&["keys", "new", "--json", "--out", &practice.text("key")], "");
        let key: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        let recipient = key["result"]["recipients"][0].as_str().expect("a recipient").to_owned();
        let [leave, dump] = ["leave", "dump"].map(|name| format!("[\"/bin/sh\", \"{}\"]", practice.text(name)));
        let config = format!(
            "medium = \"disks\"\ncontact = \"Ext. 123\"\nrecipients = [\"{recipient}\"]\n\
             [[source]]\npath = \"{}\"\n[[source]]\npath = \"{}\"\nfresh_hours = 26\n\
             [[source]]\nname = \"orca\"\ncommand = {dump}\n\
             [[pool]]\nname = \"disks\"\nmedia = [\"CL-01\", \"CL-02\", \"CL-03\", \"CL-04\"]\nat = \"{}\"\nleave = {leave}\n",
            practice.text("karte"),
            practice.text("dumps"),
            practice.text("dock"),
        );
        practice.write("config", &config, now);
        practice.dock("foreign");
        let theirs = ["backup", "--init", "--recipient", &recipient, "--to", &practice.text("dock"), &practice.text("karte")];
        let mut other = practice.command(&theirs);
        assert!(other.args(["--state", &practice.text("their state")]).output().expect("the program").status.success());
        for disk in DISKS {
            practice.dock(disk);
            let taken = practice.run(&["media", "init", disk], "config");
            assert!(taken.status.success(), "{taken:?}");
        }
        practice
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").trim_end_matches('/').to_owned()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>, time: i64) {
        fs::write(self.path(name), text).expect("a file");
        let file = fs::File::options().write(true).open(self.path(name)).expect("a file");
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(time as u64)).expect("a time");
    }

    /// The program at this practice's time, without the privilege to read everything, and with that to unmount a disk.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match is_root() {
            true => Command::new("setpriv"),
            false => Command::new(env!("CARGO_BIN_EXE_azekura")),
        };
        if is_root() {
            command.args(["--inh-caps=-all", "--bounding-set=-all,+sys_admin", env!("CARGO_BIN_EXE_azekura")]);
        }
        command.env_clear().env("TZ", "Asia/Tokyo").env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin");
        let now = chrono::DateTime::from_timestamp(self.now + 9 * 3_600, 0).expect("a time");
        command.env("LD_PRELOAD", CLOCK).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command.env("FAKETIME", now.format("@%Y-%m-%d %H:%M:%S").to_string());
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str], config: &str) -> Output {
        let mut command = self.command(arguments);
        command.args(["--state", &self.text("state")]);
        if !config.is_empty() {
            command.args(["--config", &self.text(config)]);
        }
        command.output().expect("the program")
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let out = self.run(&[arguments, &["--json"]].concat(), "config");
        let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        (out.status.code().expect("an end"), json["result"].clone())
    }

    /// What stands in the dock.
    fn dock(&self, disk: &str) {
        self.undock();
        assert!(bind(&self.text(disk), &self.text("dock")), "{disk} cannot be mounted");
    }

    fn undock(&self) {
        while run("umount", &[&self.text("dock")]) {}
    }

    /// Docks a disk that has no block left.
    fn dock_full(&self, disk: &str) {
        let (disk, full) = (self.text(disk), self.text("full"));
        assert!(run("mount", &["-t", "tmpfs", "-o", "size=1m", "tmpfs", &full]), "{disk} cannot be filled");
        assert!(run("cp", &["-a", &format!("{disk}/."), &full]));
        let filler = fs::File::create(self.path("full/filler")).expect("a file");
        while (&filler).write_all(&[1; 4096]).is_ok() {}
        self.dock("full");
    }

    /// Somebody makes space on the disk that was full.
    fn make_space(&self, disk: &str) {
        let (disk, full) = (self.text(disk), self.text("full"));
        fs::remove_file(self.path("full/filler")).expect("the filler");
        assert!(run("cp", &["-an", &format!("{full}/."), &disk]) && run("umount", &[&full]));
    }

    /// What the day before a night brings: one record changes, one is new, and the jobs write their dumps.
    fn usual_day(&self, night: &Night) {
        let evening = night.at("00:30") - 3_600;
        self.write("karte/0.xml", format!("<karte>{}</karte>\n", night.date).repeat(40), evening);
        self.write(&format!("karte/{}.xml", night.date), format!("<karte>{}</karte>\n", night.date).repeat(20), evening);
        self.write("dumps/dump", format!("dump of {}\n", night.date), evening);
        self.write("dump", format!("echo dump of {}", night.date), evening);
    }

    fn happens(&self, what: &str, night: &Night) {
        let evening = night.at("00:30") - 3_600;
        match what.split(' ').collect::<Vec<_>>()[..] {
            [disk] if DISKS.contains(&disk) || [RESERVE, "blank", "foreign"].contains(&disk) => self.dock(disk),
            [disk, "full"] => self.dock_full(disk),
            ["space", "on", disk] => self.make_space(disk),
            ["no", "disk"] => self.undock(),
            ["it", "stays"] => self.write("stay", "", evening),
            ["dump", "fails"] => self.write("dump", "echo half; exit 1", evening),
            ["dump", "empty"] => self.write("dump", "exit 0", evening),
            ["dump", "hangs"] => self.write("dump", format!("touch {0}/begun; exec sleep 60", self.text("")), evening),
            ["dump", "stale"] => self.write("dumps/dump", "an old dump", evening - 3 * 86_400),
            ["unreadable"] => fs::set_permissions(self.path("karte/ward"), fs::Permissions::from_mode(0o000)).expect("a mode"),
            ["encrypted"] => {
                for i in 1..60 {
                    let mut noise = vec![0; 900];
                    blake3::Hasher::new().update(&[i]).finalize_xof().fill(&mut noise);
                    self.write(&format!("karte/{i}.xml"), noise, evening);
                }
            }
            ["put", "back"] => {
                for i in 1..60 {
                    self.write(&format!("karte/{i}.xml"), format!("<karte>{i}</karte>\n").repeat(40), evening);
                }
            }
            ["released"] => {
                let out = self.run(&["hold", "off", "--by", "A", "--witness", "B"], "config");
                assert!(out.status.success(), "{out:?}");
            }
            ["harmless", generation] => {
                let who = ["--by", "A", "--witness", "B", "--generation", generation];
                let out = self.run(&[&["hold", "harmless", "--because", "a new reader"][..], &who].concat(), "config");
                assert!(out.status.success(), "{out:?}");
            }
            [disk, "lost"] => {
                let out = self.run(&["media", "move", disk, "--out-of-use", "lost", "--by", "A"], "config");
                assert!(out.status.success(), "{out:?}");
            }
            [disk, "instead", "of", lost] => {
                let config = fs::read_to_string(self.path("config")).expect("the configuration");
                self.write("config", config.replace(lost, disk), evening);
                self.dock(disk);
                let out = self.run(&["media", "init", disk], "config");
                assert!(out.status.success(), "{out:?}");
                self.undock();
            }
            [disk, "to", place] => {
                let out = self.run(&["media", "move", disk, "--to", place, "--by", "A"], "config");
                assert!(out.status.success(), "{out:?}");
            }
            _ => panic!("{}: nobody knows what {what:?} is", night.date),
        }
    }

    /// The backup of a night; its exit code, or how it ended.
    fn backup(&mut self, night: &Night) -> String {
        if night.happens.contains(&"host off") {
            return "-".into();
        }
        if night.happens.contains(&"dump hangs") {
            let arguments = ["backup", "--state", &self.text("state"), "--config", &self.text("config")];
            let mut run = self.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
            let begun = Instant::now();
            while !self.path("begun").exists() && run.try_wait().expect("a process").is_none() {
                assert!(begun.elapsed() < Duration::from_secs(60), "{}: it did not begin", night.date);
                std::thread::sleep(Duration::from_millis(10));
            }
            run.kill().expect("a signal");
            let ended = run.wait().expect("an end");
            return ended.code().map_or("killed".into(), |code| code.to_string());
        }
        if night.happens.contains(&"clock back") {
            self.now -= 3 * 86_400;
        }
        let out = self.run(&["backup"], "config");
        self.now = night.at("07:45");
        out.status.code().expect("an end").to_string()
    }

    /// The lines of the ledger from a line on: what happened to which medium.
    fn ledger_from(&self, line: usize) -> String {
        let text = fs::read_to_string(self.path("state/ledger.jsonl")).expect("the ledger");
        let lines = text.lines().skip(line).map(|l| serde_json::from_str::<Value>(l).expect("JSON"));
        let tell = |l: Value| {
            let of = |name: &str| l[name].as_str().map_or(String::new(), |value| format!(" {value}"));
            let generation = l["generation"].as_u64().map_or(String::new(), |n| format!(" {n}"));
            let unseen = if l["seen"] == Value::Bool(false) { " unseen" } else { "" };
            format!("{}{}{generation}{unseen}", l["event"].as_str().expect("a word"), of("medium"))
        };
        lines.map(tell).collect::<Vec<_>>().join(", ")
    }

    fn ledger_lines(&self) -> usize {
        fs::read_to_string(self.path("state/ledger.jsonl")).expect("the ledger").lines().count()
    }

    /// The exit code in the morning, the verdict, and what speaks against "good".
    fn morning(&self) -> [String; 3] {
        let (exit, status) = self.json(&["status"]);
        let names = |list: &str, name: &str, of: &str| -> Vec<String> {
            let items = status[list].as_array().expect("a list").iter();
            let named = |i: &Value| [&i[name], &i[of]].into_iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(" ");
            items.map(named).collect()
        };
        let all: BTreeSet<String> =
            names("problems", "problem", "source").into_iter().chain(names("lacks", "lack", "medium")).collect();
        // What to do first is about what is wrong, and not about the age that follows from it.
        let next_of = |name: &str| status["problems"].as_array()?.iter().find(|p| p["problem"] == name).map(|p| &p["next"]);
        let first =
            ["hold", "night-failed", "night-cut-off", "clock-wrong", "source-incomplete"].iter().find_map(|cause| next_of(cause));
        assert!(first.is_none_or(|next| *next == status["next"]), "{status}");
        let verdict = status["verdict"].as_str().expect("a word").to_owned();
        let said = self.run(&["status", "--lang", "ja"], "config");
        let line = String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or_default().to_owned();
        let expected =
            [("good", "正常"), ("attention", "注意"), ("failure", "異常・要連絡")].into_iter().find(|v| v.0 == verdict);
        assert_eq!(Some(&line[..]), expected.map(|v| v.1), "the first line is the verdict");
        assert_eq!((exit == 0, said.status.code()), (verdict == "good", Some(exit)), "0 is for what is good, and only for that");
        [exit.to_string(), verdict, all.into_iter().collect::<Vec<_>>().join(", ")]
    }
}

fn bind(what: &str, at: &str) -> bool {
    run("mount", &["--bind", what, at])
}

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.undock();
        run("umount", &[&self.text("full")]);
    }
}

/// Whether the program's clock can be set, and disks be mounted.
fn can_be_played() -> bool {
    let probe = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let at = probe.path().to_str().expect("UTF-8");
    Path::new(CLOCK).exists() && bind(at, at) && run("umount", &[at])
}

#[test]
fn sixty_nights() {
    if !can_be_played() {
        return skipped("sixty nights: libfaketime is not installed, or nothing can be mounted");
    }
    let nights: Vec<Night> = TABLE.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(Night::parse).collect();
    let mut practice = Practice::new(nights[0].at("00:00") - 12 * 3_600);
    let (mut wrong, mut lines) = (Vec::new(), practice.ledger_lines());
    for night in &nights {
        practice.now = night.at("01:30");
        practice.usual_day(night);
        for what in night.happens.iter().filter(|h| !["host off", "clock back"].contains(*h)) {
            practice.happens(what, night);
        }
        let exit = practice.backup(night);
        practice.now = night.at("07:45");
        let [morning, verdict, against] = practice.morning();
        assert!(verdict != "good" || exit == "0", "{}: a night that ended with {exit} is called good", night.date);
        let seen = [exit, morning, verdict, against, practice.ledger_from(lines)];
        lines = practice.ledger_lines();
        if night.expected != seen {
            wrong.push(format!(
                "{} | {} | {}\n    expected: {}",
                night.date,
                night.happens.join(", "),
                seen.join(" | "),
                night.expected.join(" | ")
            ));
        }
        // A morning puts right what the night left.
        let _ = fs::remove_file(practice.path("stay"));
        let _ = fs::remove_file(practice.path("begun"));
        fs::set_permissions(practice.path("karte/ward"), fs::Permissions::from_mode(0o755)).expect("a mode");
    }
    assert!(wrong.is_empty(), "{} nights were not as the table has them:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(nights.len(), 60);
}
