//! When each medium was attached: 31 nights with three disks, as udev and the runs tell them. It is sealed, and whoever edits the ledger is
//! found.

use azekura::env::Env;
use azekura::event::NoObserver;
use azekura::format::cbor::Time;
use azekura::host::ledger::{Ledger, LedgerEvent, LedgerLine};
use azekura::job::backup::{Options, SourceOptions};
use azekura::job::media::attached::seen;
use azekura::job::media::init::{InitOptions, init};
use azekura::job::media::night::{Ejection, PoolNight, night};
use azekura::job::media::rotation::Pool;
use azekura::medium::loader::NoLoader;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DISKS: [&str; 3] = ["CL-01", "CL-02", "CL-03"];

/// 2026-11-01 16:00 UTC: one in the morning in Japan.
const FIRST_NIGHT: i64 = 1_793_548_800;

/// A clinic whose clock the test sets.
struct Clinic {
    dir: tempfile::TempDir,
    recipient: String,
    now: AtomicI64,
}

impl Clinic {
    fn new() -> Self {
        // Not `/tmp`, which is often memory: nothing on it is read back from a medium.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let mut clinic = Self { dir, recipient: String::new(), now: AtomicI64::new(FIRST_NIGHT - 86_400) };
        ["source", "CL-01", "CL-02", "CL-03"].iter().for_each(|name| fs::create_dir(clinic.path(name)).expect("a folder"));
        let key = clinic.run(&["keys", "new", "--json", "--out", &clinic.text("key")]);
        let key: Value = serde_json::from_slice(&key.stdout).expect("JSON");
        key["result"]["recipients"][0].as_str().expect("a recipient").clone_into(&mut clinic.recipient);
        clinic
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        if !arguments.contains(&"--state") {
            command.args(["--state", &self.text("state")]);
        }
        command.args(arguments).args(["--lang", "en"]).output().expect("the program")
    }

    /// The exit code, the answer and what was said.
    fn log(&self, arguments: &[&str]) -> (i32, Value, String) {
        let out = self.run(&[&["media", "log", "--attached", "--json"], arguments].concat());
        let answer: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        (out.status.code().expect("an end"), answer["result"].clone(), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    fn ledger(&self) -> Ledger {
        Ledger::of(&self.path("state"))
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn time(&self) -> String {
        self.with_env(|env| env.time_text())
    }

    fn with_env<T>(&self, f: impl FnOnce(&Env) -> T) -> T {
        let now = || Time { seconds: self.now.load(Ordering::Relaxed), nanoseconds: 0 };
        let random = |bytes: &mut [u8]| {
            use std::io::Read;
            fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(bytes)).expect("chance");
        };
        let interrupted = AtomicBool::new(false);
        f(&Env { now: &now, random: &random, host: "host", interrupted: &interrupted, loader: &NoLoader, threads: 2 })
    }

    /// What udev's rule tells; each disk is hardware of its own.
    fn udev(&self, disk: &str, comes: bool) -> String {
        let time = self.time();
        let known = seen(&self.path("state"), &format!("USB-{disk}"), Some("usb-0:1".into()), comes, &time);
        assert!(known.expect("a line"), "{disk}");
        time
    }

    fn dock(&self, disk: &str) {
        let _ = fs::remove_file(self.path("dock"));
        symlink(self.path(disk), self.path("dock")).expect("a link");
    }

    fn pool(&self) -> Pool {
        let media = DISKS.map(String::from).into();
        let night_of = |time: &str| {
            let time: chrono::DateTime<chrono::FixedOffset> = time.parse().expect("a time");
            time.timestamp() / 86_400
        };
        Pool { name: "disks".into(), media, turn_nights: 1, stay_nights: 2, mount: Some(false), max_age_seconds: None, night_of }
    }

    fn register(&self, disk: &str) {
        self.dock(disk);
        let options = InitOptions {
            state: self.path("state"),
            at: self.path("dock"),
            name: disk.into(),
            pool: Some("disks".into()),
            recipients: vec![self.recipient.clone()],
            tape_block: 512 << 10,
            beside_others: false,
            docks: Vec::new(),
            names: Vec::new(),
        };
        self.with_env(|env| init(&options, env)).expect("a set");
        // A folder has no hardware of its own.
        let (medium, at, device) = (disk.into(), self.text("dock"), Some(format!("USB-{disk}")));
        self.ledger().write(&self.time(), LedgerEvent::Attached { medium, at, device, mounted: false }).expect("a line");
        self.pass(60);
        self.udev(disk, false);
    }

    /// A night: the disk comes, a generation is sealed on it, it is told to leave. With udev or without. Returns since when and until
    /// when it was attached.
    fn night(&self, number: i64, has_udev: bool) -> (String, String) {
        self.now.store(FIRST_NIGHT + number * 86_400, Ordering::Relaxed);
        let disk = DISKS[number as usize % 3];
        let mut came = self.time();
        if has_udev {
            self.udev(disk, true);
        }
        self.pass(17);
        if !has_udev {
            came = self.time();
        }
        self.dock(disk);
        fs::write(self.path("source/karte"), number.to_string()).expect("a file");
        let options = Options::new(self.path("state"), self.path("dock"), vec![SourceOptions::new("karte", self.path("source"))]);
        let eject = |at: &Path| {
            self.pass(601);
            if has_udev {
                self.udev(disk, false);
            }
            fs::remove_file(at).expect("it is pulled");
            Ejection::Done
        };
        let done = self.with_env(|env| night(&self.pool(), &options, &eject, env, &NoObserver)).expect("a night");
        assert!(matches!(done, PoolNight::Done { gone: Some(true), .. }), "{done:?}");
        (came, self.time())
    }

    /// Writes the ledger anew with other lines, and makes all digests fit.
    fn forge(&self, change: impl FnOnce(&mut Vec<LedgerLine>)) -> i32 {
        let mut lines = self.ledger().read().expect("the ledger").lines;
        change(&mut lines);
        for name in ["ledger.jsonl", "ledger.end"] {
            fs::remove_file(self.path("state").join(name)).expect("the ledger");
        }
        lines.into_iter().for_each(|l| self.ledger().write(&l.time, l.event).expect("a line"));
        self.run(&["media", "log"]).status.code().expect("an end")
    }

    /// The sealed texts on a disk.
    fn texts(&self, disk: &str) -> Vec<PathBuf> {
        let files = walkdir::WalkDir::new(self.path(disk)).sort_by_file_name().into_iter().flatten();
        files.map(|e| e.path().to_owned()).filter(|p| p.extension().is_some_and(|e| e == "extra")).collect()
    }
}

/// The kinds of what does not fit, and the words of it.
fn findings(answer: &Value) -> Vec<(String, String)> {
    let findings = answer["sealed"]["findings"].as_array().expect("findings").iter();
    findings.map(|f| (f["change"].as_str().expect("a word").into(), f["text"].as_str().expect("text").into())).collect()
}

#[test]
fn thirty_one_nights_are_the_events_and_an_edited_one_is_found() {
    let clinic = Clinic::new();
    DISKS.iter().for_each(|disk| clinic.register(disk));
    // udev was silent in two of them: the run tells what it found.
    let nights: Vec<_> = (0..31).map(|n| (n, clinic.night(n, ![9, 20].contains(&n)))).collect();
    let (exit, answer, _) = clinic.log(&[]);
    assert_eq!(exit, 0);
    let listed = answer["attached"].as_array().expect("intervals");
    assert_eq!(listed.len(), 3 + 31);
    for ((number, (came, went)), shown) in nights.iter().zip(&listed[3..]) {
        let who = if [9, 20].contains(number) { "run" } else { "udev" };
        let wanted = serde_json::json!({
            "media": [DISKS[*number as usize % 3]], "device": format!("USB-{}", DISKS[*number as usize % 3]),
            "since": came, "came": who, "until": went, "left": who
        });
        assert_eq!(*shown, wanted, "night {number}");
    }
    let (_, of_one, _) = clinic.log(&["CL-02"]);
    assert_eq!(of_one["attached"].as_array().expect("intervals").len(), 1 + 10);

    // Every night sealed one text, which anybody can read.
    for (disk, count) in DISKS.iter().zip([11, 10, 10]) {
        assert_eq!(clinic.texts(disk).len(), count, "{disk}");
        let (exit, answer, said) = clinic.log(&["--sealed-on", &clinic.text(disk)]);
        assert_eq!((exit, &answer["sealed"]["texts"], findings(&answer)), (0, &count.into(), vec![]), "{said}");
    }
    let text = fs::read_to_string(clinic.texts("CL-01").last().expect("a text")).expect("text");
    let (came, went) = &nights[29].1;
    assert!(text.starts_with("azekura attached 1\nhost host\n"), "{text}");
    assert!(text.contains(&format!("interval {came} udev {went} udev 1\nmedium CL-03\n")), "{text}");
    assert!(text.ends_with(&format!("interval {} udev - - 1\nmedium CL-01\n", nights[30].1.0)), "{text}");

    // Whoever has the host makes night 5 shorter by nine minutes, and every digest fits again.
    let (came, went) = &nights[5].1;
    let earlier = came.replace(":00Z", ":59Z");
    let exit = clinic.forge(|lines| {
        let is_end = |l: &&mut LedgerLine| l.time == *went;
        lines.iter_mut().filter(is_end).for_each(|l| l.time.clone_from(&earlier));
    });
    assert_eq!(exit, 0, "the ledger alone shows nothing");
    for disk in DISKS {
        let (exit, answer, said) = clinic.log(&["--sealed-on", &clinic.text(disk)]);
        assert_eq!(exit, 5, "{disk}: {said}");
        let found = findings(&answer);
        assert_eq!(found.iter().map(|f| &f.0[..]).collect::<Vec<_>>(), ["ledger", "changed"], "{disk}: {found:?}");
        assert!(found[1].1.contains("CL-03"), "{found:?}");
        let changed = &answer["sealed"]["findings"][1];
        assert_eq!((&changed["sealed"]["until"], &changed["now"]["until"]), (&went[..].into(), &earlier[..].into()));
    }
    for disk in DISKS {
        assert!(clinic.run(&["verify", &clinic.text(disk)]).status.success());
    }
}

/// The lines of a whole night are removed; of another one, the end.
#[test]
fn a_removed_night_is_named() {
    let clinic = Clinic::new();
    DISKS.iter().for_each(|disk| clinic.register(disk));
    let nights: Vec<_> = (0..6).map(|n| clinic.night(n, true)).collect();
    let day = nights[3].0[..10].to_owned();
    let exit = clinic.forge(|lines| lines.retain(|l| !l.time.starts_with(&day)));
    assert_eq!(exit, 5, "the catalog knows of a generation that the ledger does not have");
    let (exit, answer, _) = clinic.log(&["--sealed-on", &clinic.text("CL-03")]);
    let found = findings(&answer);
    assert_eq!((exit, found.iter().map(|f| &f.0[..]).collect::<Vec<_>>()), (5, vec!["ledger", "removed"]), "{found:?}");
    assert!(found[1].1.contains("CL-01") && found[1].1.contains("generation 2"), "{found:?}");
    // A ledger that is gone is not one in which nothing was changed.
    fs::remove_file(clinic.path("state/ledger.jsonl")).expect("the ledger");
    let out = clinic.run(&["media", "log", "--attached", "--sealed-on", &clinic.text("CL-03")]);
    assert_eq!(out.status.code(), Some(5), "{out:?}");
    // Another host has nothing to compare.
    let theirs =
        clinic.run(&["media", "log", "--attached", "--sealed-on", &clinic.text("CL-03"), "--state", &clinic.text("other")]);
    assert_eq!(theirs.status.code(), Some(6), "{theirs:?}");
}

/// What lies on the medium proves something only under its seal.
#[test]
fn a_sealed_text_that_was_changed_is_damage() {
    let clinic = Clinic::new();
    DISKS.iter().for_each(|disk| clinic.register(disk));
    (0..6).for_each(|n| drop(clinic.night(n, true)));
    let path = &clinic.texts("CL-01")[1];
    let text = fs::read_to_string(path).expect("text").replace("medium CL-02", "medium CL-03");
    fs::remove_file(path).expect("the text");
    fs::write(path, text).expect("another");
    let (exit, answer, _) = clinic.log(&["--sealed-on", &clinic.text("CL-01")]);
    assert_eq!((exit, &findings(&answer)[0].0[..]), (5, "damaged"), "{answer}");
}

/// A disk that the ledger does not know is not recorded, and neither is anything without a state directory.
#[test]
fn other_disks_are_not_recorded() {
    let clinic = Clinic::new();
    let out = clinic.run(&["media", "seen", "--come", "--json", "Somebody's_stick"]);
    let known = |out: &Output| serde_json::from_slice::<Value>(&out.stdout).expect("JSON")["result"]["known"].clone();
    assert_eq!((out.status.code(), known(&out)), (Some(0), false.into()));
    assert!(!clinic.path("state").exists(), "nothing was made");
    clinic.register("CL-01");
    let before = clinic.ledger().read().expect("the ledger").lines.len();
    for (device, is_known) in [("Somebody's_stick", false), ("", false), ("USB-CL-01", true)] {
        let out = clinic.run(&["media", "seen", "--go", "--port", "", "--json", device]);
        assert_eq!((out.status.code(), known(&out)), (Some(0), is_known.into()), "{device}");
    }
    assert_eq!(clinic.ledger().read().expect("the ledger").lines.len(), before + 1);
    assert_eq!(clinic.run(&["media", "seen", "USB-CL-01"]).status.code(), Some(2));
    assert_eq!(clinic.run(&["media", "seen", "--come", "--go", "USB-CL-01"]).status.code(), Some(2));
}

/// The ledger knows a disk without a pool from its first night on.
#[test]
fn a_disk_without_a_pool_seals_from_its_second_night_on() {
    let clinic = Clinic::new();
    fs::write(clinic.path("source/karte"), "1").expect("a file");
    let (to, source) = (clinic.text("CL-01"), clinic.text("source"));
    let first = clinic.run(&["backup", "--to", &to, "--init", "--set", "clinic", "--recipient", &clinic.recipient, &source]);
    assert!(first.status.success(), "{first:?}");
    assert_eq!(clinic.texts("CL-01").len(), 0);
    let nothing = clinic.run(&["media", "log", "--attached", "--sealed-on", &to]);
    assert_eq!(nothing.status.code(), Some(6), "{nothing:?}");
    assert!(clinic.run(&["backup", "--to", &to, &source]).status.success());
    assert_eq!(clinic.texts("CL-01").len(), 1);
    let (exit, answer, _) = clinic.log(&["--sealed-on", &to]);
    assert_eq!((exit, &answer["attached"][0]["until"]), (0, &Value::Null), "nobody has seen it leave");
}
