//! What somebody does who should not be there, and what only looks like it: which night raises an alarm.

use crate::tools::Dice;
use crate::world::Hospital;
use azekura::format::manifest::Rules;
use azekura::format::seal::Verdict;
use azekura::job::backup::{Options, SourceOptions};
use azekura::job::incident::clean;
use azekura::job::incident::indicators::Indicators;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A hospital's folders, with a dice of their own.
struct Ward {
    h: Hospital,
    dice: Dice,
    night: u64,
    tag: Option<String>,
    /// The disk that is in; none: the only one.
    disk: Option<String>,
}

/// What came of a night.
struct Told {
    verdict: Verdict,
    tripwires: BTreeSet<String>,
    paths: Vec<String>,
}

impl Ward {
    fn new(name: &str) -> Self {
        let mut w = Self { h: Hospital::new(), dice: Dice::new(name), night: 0, tag: None, disk: None };
        for i in 0..300 {
            w.xml(i);
        }
        for i in 0..40 {
            w.put(&format!("docs/{i}.docx"), b"PK\x03\x04", 6_000);
            w.put(&format!("docs/{i}.pdf"), b"%PDF-1.4\n", 9_000);
            w.put(&format!("img/{i}.jpg"), b"\xff\xd8\xff\xe0", 12_000);
            w.dicom(i);
            w.table(i);
        }
        w.dump(0);
        w.h.write("log/app.log", "start\n".repeat(2_000));
        w.h.write("canary/payroll.xml", "<payroll/>");
        for i in 0..60 {
            w.message(i, 1);
        }
        for i in 0..19 {
            w.h.write(&format!("few/{i}.txt"), format!("患者 {i}\n").repeat(30));
        }
        (0..40).for_each(|i| w.memo(i, 0));
        w.age();
        w
    }

    fn put(&mut self, path: &str, head: &[u8], length: usize) {
        let content = [head, &self.dice.noise(length)].concat();
        self.h.write(path, content);
    }

    fn xml(&mut self, i: usize) {
        let name = self.dice.below(90_000);
        let lines: String =
            (0..20 + i % 40).map(|l| format!("<value id=\"{l}\">検査値 {}</value>\n", self.dice.below(1_000))).collect();
        self.h.write(
            &format!("ehr/{i}.xml"),
            format!("<?xml version=\"1.0\"?>\n<patient name=\"患者 {name}\">\n{lines}</patient>\n"),
        );
    }

    fn dicom(&mut self, i: usize) {
        let samples: Vec<u8> = self.dice.noise(16_000).chunks(2).flat_map(|c| [c[0], c[1] & 7]).collect();
        self.h.write(&format!("img/{i}.dcm"), [&[0; 128][..], b"DICM", &samples].concat());
    }

    /// A spreadsheet as text, of some length.
    fn table(&mut self, i: usize) {
        let rows: String = (0..6_000).map(|r| format!("{r},{},{}\n", self.dice.below(100), self.dice.below(9))).collect();
        self.h.write(&format!("tables/{i}.csv"), rows);
    }

    fn memo(&self, i: usize, night: u64) {
        self.h.write(&format!("memo/{i}.txt"), format!("申し送り {i} {night}\n").repeat(20));
    }

    /// Rows that stay, and a few that differ every night.
    fn dump(&mut self, night: u64) {
        let row = |r: u64| {
            if r % 997 == night {
                format!("{r}\tchanged in night {night}\n")
            } else {
                format!("{r}\tpatient {}\n", r * 7_919 % 10_007)
            }
        };
        self.h.write("dump/base.sql", (0..150_000).map(row).collect::<String>());
    }

    fn message(&mut self, i: usize, flag: u8) -> String {
        let path = format!("ssmix2/999/901/9999013/20261120/OML-11/9999013_20261120_OML-11_{i:015}_20261120103059000_01_{flag}");
        let text =
            format!("MSH|^~\\&|HIS|SEND|GW|RECV|20261120||ORU^R01|{i}|P|2.5\rOBX|1|NM|Na||{}\r", 120 + self.dice.below(30));
        self.h.write(&path, text.repeat(4));
        path
    }

    /// Everything was written hours ago.
    fn age(&self) {
        let then = SystemTime::now() - Duration::from_secs(7_200);
        for path in self.files("") {
            fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(then)).expect("a time");
        }
    }

    /// Files below a folder, in some order that does not change.
    fn files(&self, below: &str) -> Vec<PathBuf> {
        let walk = walkdir::WalkDir::new(self.h.source().join(below)).sort_by_file_name();
        walk.into_iter().map(|e| e.expect("an entry")).filter(|e| e.file_type().is_file()).map(|e| e.into_path()).collect()
    }

    fn options(&self) -> Options {
        let source = |name: &str, rules, canaries: &[&str]| SourceOptions {
            rules,
            canaries: canaries.iter().map(|c| c.as_bytes().to_vec()).collect(),
            ..SourceOptions::new(name, self.h.source().join(name))
        };
        let plain = ["ehr", "docs", "img", "tables", "dump", "few", "memo"].map(|name| source(name, Rules::Plain, &[]));
        let mut sources: Vec<SourceOptions> = plain.into();
        sources.push(source("log", Rules::AppendOnly, &[]));
        sources.push(source("canary", Rules::Plain, &["canary/payroll.xml"]));
        sources.push(source("ssmix2", Rules::SsMix2, &[]));
        sources.retain(|s| s.path.exists());
        let to = self.h.path(self.disk.as_deref().unwrap_or("medium"));
        fs::create_dir_all(&to).expect("a disk");
        Options { to, sources, tag: self.tag.clone(), ..self.h.options() }
    }

    fn back_up(&mut self) -> Told {
        let report = self.h.try_backup(&self.options()).expect("a backup");
        let tripwires = report.alarms.iter().map(|a| a.tripwire.clone()).collect();
        let paths = report.alarms.iter().flat_map(|a| &a.paths).map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        assert_eq!(report.verdict == Verdict::Alarm, !report.alarms.is_empty());
        Told { verdict: report.verdict, tripwires, paths }
    }

    /// What happens every day.
    fn day(&mut self) {
        self.night += 1;
        let n = self.night as usize;
        for i in 0..6 {
            self.xml(1_000 + n * 10 + i);
        }
        for _ in 0..4 {
            let i = self.dice.below(300);
            if self.h.source().join(format!("ehr/{i}.xml")).exists() {
                self.xml(i);
            }
        }
        self.put(&format!("img/new {n}.jpg"), b"\xff\xd8\xff\xe0", 12_000);
        self.put(&format!("docs/new {n}.pdf"), b"%PDF-1.4\n", 9_000);
        if self.h.source().join("dump/base.sql").exists() {
            self.dump(self.night);
        }
        self.memo(n % 40, self.night);
        let log = self.h.source().join("log/app.log");
        let more = format!("day {n}\n").repeat(200);
        fs::OpenOptions::new()
            .append(true)
            .open(log)
            .and_then(|mut f| std::io::Write::write_all(&mut f, more.as_bytes()))
            .expect("a log");
        // An update by the rules: the old message gets another flag, and a new one comes.
        let old = self.message(n, 1);
        let _ = fs::rename(self.h.source().join(&old), self.h.source().join(old.replace("_01_1", "_01_2")));
        self.message(500 + n, 1);
    }

    fn quiet_nights(&mut self, nights: u64) {
        for night in 0..nights {
            if night > 0 {
                self.day();
            }
            let told = self.back_up();
            assert_eq!(told.verdict, Verdict::Good, "night {night}: {:?} {:?}", told.tripwires, told.paths);
        }
    }

    /// Every `n`-th file below a folder.
    fn every(&mut self, n: usize, below: &str) -> Vec<PathBuf> {
        self.files(below).into_iter().step_by(n).collect()
    }
}

fn encrypt(w: &mut Ward, path: &PathBuf, keep: usize) {
    let mut content = fs::read(path).expect("a file");
    let keep = keep.min(content.len());
    let noise = w.dice.noise(content.len() - keep);
    content[keep..].copy_from_slice(&noise);
    fs::write(path, content).expect("encrypted");
}

fn add_extension(path: &PathBuf) {
    let mut name = path.clone().into_os_string();
    name.push(".locked");
    fs::rename(path, name).expect("a rename");
}

type Act = fn(&mut Ward);

/// Each after four quiet nights; the first night raises one of these.
const ATTACKS: [(&str, &[&str], Act); 22] = [
    ("three of five files encrypted and renamed", &["strange", "gone"], |w| {
        for path in w.files("ehr").into_iter().enumerate().filter(|(i, _)| i % 5 < 3).map(|(_, p)| p) {
            encrypt(w, &path, 0);
            add_extension(&path);
        }
    }),
    ("one of twenty files encrypted in place", &["noise", "header"], |w| {
        for path in w.every(20, "ehr") {
            encrypt(w, &path, 0);
        }
    }),
    ("every sixteenth block of files encrypted", &["noise"], |w| {
        for path in w.files("tables") {
            let mut content = fs::read(&path).expect("a file");
            for block in content.chunks_mut(4096).step_by(16) {
                let noise = w.dice.noise(block.len());
                block.copy_from_slice(&noise);
            }
            fs::write(&path, content).expect("encrypted in parts");
        }
    }),
    ("renamed, with content as it was", &["strange"], |w| w.files("ehr").iter().for_each(add_extension)),
    ("renamed to names that say nothing", &["gone"], |w| {
        for (i, path) in w.files("ehr").into_iter().enumerate() {
            fs::rename(&path, path.with_file_name(format!("{:08x}.xml", i * 7_919))).expect("a rename");
        }
    }),
    ("encrypted in place, times and lengths put back", &["noise", "header"], |w| {
        for path in w.every(8, "ehr") {
            let then = fs::metadata(&path).and_then(|m| m.modified()).expect("a time");
            encrypt(w, &path, 0);
            fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(then)).expect("a time");
        }
    }),
    ("a dump replaced by noise", &["noise"], |w| encrypt(w, &w.h.source().join("dump/base.sql"), 0)),
    ("a dump encrypted, and named otherwise", &["noise"], |w| {
        let path = w.h.source().join("dump/base.sql");
        encrypt(w, &path, 0);
        add_extension(&path);
    }),
    ("encrypted behind heads that were kept", &["noise"], |w| {
        for path in w.every(10, "ehr") {
            encrypt(w, &path, 200);
        }
    }),
    ("images and pages encrypted behind heads that were kept", &["finished"], |w| {
        for path in w.files("img") {
            encrypt(w, &path, 200);
        }
    }),
    ("images and pages encrypted", &["header"], |w| {
        for path in w.every(3, "docs") {
            encrypt(w, &path, 0);
        }
    }),
    ("half of the files deleted", &["gone"], |w| w.every(2, "ehr").iter().for_each(|p| fs::remove_file(p).expect("a deletion"))),
    ("all files of a source deleted, its folders left", &["gone"], |w| {
        for path in w.files("docs").into_iter().chain(w.files("dump")) {
            fs::remove_file(path).expect("a deletion");
        }
        fs::create_dir(w.h.source().join("docs/folder")).expect("a folder");
    }),
    ("a source emptied", &["gone"], |w| w.files("tables").iter().for_each(|p| fs::remove_file(p).expect("a deletion"))),
    ("one canary touched", &["canary"], |w| drop(w.h.write("canary/payroll.xml", "<payroll>!</payroll>"))),
    ("a dump cut to a tenth", &["shrunk"], |w| {
        let path = w.h.source().join("dump/base.sql");
        let length = fs::metadata(&path).expect("a dump").len();
        fs::File::options().write(true).open(&path).and_then(|f| f.set_len(length / 10)).expect("cut");
    }),
    ("one digit of one lab result", &["forbidden"], |w| {
        let path = w.files("ssmix2").remove(30);
        let text = fs::read_to_string(&path).expect("a message").replacen("NM|Na||1", "NM|Na||2", 1);
        fs::write(&path, text).expect("a message");
    }),
    ("a line taken out of a log", &["forbidden"], |w| {
        let path = w.h.source().join("log/app.log");
        let text = fs::read_to_string(&path).expect("a log").replacen("start\n", "", 1) + "more\nand more\n";
        fs::write(&path, text).expect("a log");
    }),
    ("nineteen records overwritten with the same note", &["changed"], |w| {
        w.files("few").iter().for_each(|path| fs::write(path, "Your files are ours. Pay.\n").expect("a note"));
    }),
    ("nineteen records deleted, and a note left", &["gone"], |w| {
        w.files("few").iter().skip(1).for_each(|path| fs::remove_file(path).expect("a deletion"));
        w.h.write("few/README.txt", "Your files are ours. Pay.\n");
    }),
    ("forty memos overwritten with words", &["changed"], |w| {
        for (i, path) in w.files("memo").iter().enumerate() {
            fs::write(path, format!("lorem ipsum dolor sit amet {i}\n").repeat(9)).expect("words");
        }
    }),
    ("encrypted, and written as text", &["header"], |w| {
        for path in w.every(10, "ehr") {
            let text: String = w.dice.noise(3_000).iter().map(|b| format!("{b:02x}")).collect();
            fs::write(&path, text).expect("armoured");
        }
    }),
];

const TABLE: &str = include_str!("../../docs/tripwires.md");

#[test]
fn every_attack_is_told_on_its_first_night() {
    for (name, tripwires, act) in ATTACKS {
        let mut w = Ward::new(name);
        w.quiet_nights(4);
        w.age();
        w.back_up();
        w.day();
        act(&mut w);
        let told = w.back_up();
        assert_eq!(told.verdict, Verdict::Alarm, "{name}: not told");
        assert!(tripwires.iter().all(|t| told.tripwires.contains(*t)), "{name}: {:?}", told.tripwires);
        let row = format!("| {name} | {} |", told.tripwires.into_iter().collect::<Vec<_>>().join(", "));
        assert!(TABLE.contains(&row), "not in docs/tripwires.md: {row}");
    }
}

/// A few files a night, for a month.
#[test]
fn a_slow_drip_is_told_within_a_week() {
    let mut w = Ward::new("drip");
    w.quiet_nights(4);
    let mut victims = w.every(3, "ehr").into_iter();
    for night in 1..=30 {
        w.day();
        // Two of some 400: less than one in a hundred.
        for path in victims.by_ref().take(2) {
            encrypt(&mut w, &path, 0);
        }
        if w.back_up().verdict == Verdict::Alarm {
            assert!(night <= 7, "night {night}");
            println!("told in night {night}");
            return;
        }
    }
    panic!("never told");
}

/// Each after four quiet nights; no alarm.
const INNOCENT: [(&str, Act); 17] = [
    ("a usual day", |_| {}),
    ("many new scans", |w| {
        for i in 0..200 {
            w.put(&format!("img/scan {i}.jpg"), b"\xff\xd8\xff\xe0", 5_000);
            w.put(&format!("docs/scan {i}.pdf"), b"%PDF-1.4\n", 5_000);
        }
    }),
    ("the master files of a new fee schedule", |w| (0..240).for_each(|i| w.xml(i))),
    ("a renewal that was announced", |w| {
        w.tag = Some("電子カルテ更新".into());
        for (i, path) in w.files("ehr").into_iter().enumerate() {
            fs::rename(&path, path.with_file_name(format!("record-{i}.xml"))).expect("a rename");
        }
    }),
    // The tables too, to names of a kind that was never there, and some messages are written anew where nothing may change.
    ("a renewal that was announced, with other kinds of files", |w| {
        w.tag = Some("電子カルテ更新".into());
        for path in [w.files("ehr"), w.files("tables")].concat() {
            fs::rename(&path, path.with_extension("rec2")).expect("a rename");
        }
        for path in w.every(4, "ssmix2") {
            let text = fs::read(&path).expect("a message");
            fs::write(&path, [&text[..], b"ZZZ|1\r"].concat()).expect("a message");
        }
    }),
    ("a kind of files that was never there", |w| {
        for i in 0..50 {
            w.put(&format!("img/film {i}.mp4"), b"\0\0\0\x20ftypisom", 20_000);
        }
    }),
    ("images of a new scanner, packed", |w| {
        for i in 0..60 {
            let head = [&[0; 128][..], b"DICM\x02\0\0\0"].concat();
            w.put(&format!("img/packed {i}.dcm"), &head, 9_000);
        }
    }),
    ("documents edited", |w| {
        for i in 0..30 {
            w.put(&format!("docs/{i}.docx"), b"PK\x03\x04", 6_500);
        }
    }),
    ("a year put into an archive", |w| {
        for path in w.every(6, "ehr") {
            fs::remove_file(path).expect("a deletion");
        }
        w.put("ehr/2025.zip", b"PK\x03\x04", 60_000);
    }),
    ("folders renamed", |w| {
        for path in w.every(5, "tables") {
            fs::rename(&path, path.with_extension("old.csv")).expect("a rename");
        }
    }),
    ("files copied back with other times", |w| w.age()),
    ("a log that was rotated in another source", |w| {
        w.put("dump/log.1.gz", b"\x1f\x8b\x08", 40_000);
    }),
    ("a few damaged scans", |w| {
        for i in 0..3 {
            w.h.write(&format!("docs/broken {i}.pdf"), "");
            w.put(&format!("img/broken {i}.jpg"), b"", 3_000);
        }
    }),
    ("half of the memos edited", |w| (0..24).for_each(|i| w.memo(i, 99))),
    ("a small folder renamed", |w| {
        fs::rename(w.h.source().join("few"), w.h.source().join("few.2"))
            .and_then(|()| {
                fs::create_dir(w.h.source().join("few"))?;
                fs::rename(w.h.source().join("few.2"), w.h.source().join("few/2025"))
            })
            .expect("a rename")
    }),
    ("fewer than ten files written anew", |w| {
        for i in 0..9 {
            w.h.write(&format!("few/{i}.txt"), format!("患者 {i}、転記\n").repeat(30));
        }
    }),
    ("tables of another program", |w| {
        for i in 0..30 {
            w.h.write(&format!("tables/{i}.csv"), "年度;部門;件数\n".repeat(2_600 + i));
        }
    }),
];

#[test]
fn what_a_hospital_does_is_no_alarm() {
    for (name, act) in INNOCENT {
        let mut w = Ward::new(name);
        w.quiet_nights(4);
        w.day();
        act(&mut w);
        let told = w.back_up();
        assert_eq!(told.verdict, Verdict::Good, "{name}: {:?} {:?}", told.tripwires, told.paths);
        w.tag = None;
        w.day();
        let told = w.back_up();
        assert_eq!(told.verdict, Verdict::Good, "the night after {name}: {:?} {:?}", told.tripwires, told.paths);
    }
}

/// Nights as they come, holidays among them, on one disk. `AZEKURA_NIGHTS` sets how many; CI runs a few.
#[test]
fn usual_nights_are_quiet() {
    usual_nights(|_| None);
}

/// The same on four disks in turn, one of which is replaced every eleven nights, and one more of which comes once a month.
#[test]
fn usual_nights_of_a_pool_are_quiet() {
    usual_nights(|night| {
        let (replaced, slot) = (night / 11, night % 4);
        let disk = if night % 30 == 29 { "monthly".to_owned() } else { format!("{slot}.{}", (replaced + 3 - slot) / 4) };
        Some(disk)
    });
}

fn usual_nights(disk_of: fn(u64) -> Option<String>) {
    let all: u64 = std::env::var("AZEKURA_NIGHTS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let mut left = all;
    while left > 0 {
        let nights = left.min(100);
        let mut w = Ward::new(&format!("nights {left}"));
        for night in 0..nights {
            // Nobody works on two days of seven.
            if night % 7 < 5 {
                w.day();
            }
            if night % 11 == 3 {
                let many = w.dice.below(60);
                (0..many).for_each(|i| w.xml(i));
            }
            if night % 13 == 5 {
                let many = w.dice.below(30);
                (0..many).for_each(|i| w.memo(i, night));
            }
            w.disk = disk_of(night);
            w.h.clock.fetch_add(86_400, std::sync::atomic::Ordering::Relaxed);
            let told = w.back_up();
            assert_eq!(told.verdict, Verdict::Good, "night {night} of {left}: {:?} {:?}", told.tripwires, told.paths);
        }
        left -= nights;
    }
}

/// The catalog and all that the host knew are lost: what was usual is in the last manifest.
#[test]
fn a_rebuilt_host_knows_what_was_usual() {
    let mut w = Ward::new("rebuilt");
    w.quiet_nights(5);
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(w.h.path("state").join(name));
    }
    let sets = fs::read_dir(w.h.path("state/sets")).expect("sets");
    sets.for_each(|set| fs::remove_file(set.expect("a set").path().join("watch")).expect("what is known"));
    let rebuild = |env: &azekura::env::Env| {
        azekura::job::rebuild::rebuild(&w.h.medium(), &w.h.path("state"), &w.h.identity, env, &azekura::event::NoObserver)
    };
    w.h.with_env(rebuild).expect("a catalog");
    w.day();
    w.files("ehr").iter().for_each(add_extension);
    let told = w.back_up();
    assert!(told.tripwires.contains("strange"), "{:?}", told.tripwires);
    assert!(told.paths.iter().any(|p| p.ends_with(".locked")), "{:?}", told.paths);
}

/// Somebody came in night 6 and struck in night 8: which generation is the last clean one is read from the medium and the key alone.
#[test]
fn the_last_clean_generation_is_found() {
    let mut w = Ward::new("clean");
    w.quiet_nights(5);
    w.day();
    let tool = w.h.write("docs/setup.exe", b"MZ not a virus, but one looks for it");
    let digest = sha2_of(&tool);
    for _ in 0..2 {
        assert_eq!(w.back_up().verdict, Verdict::Good);
        w.day();
    }
    for path in w.files("ehr") {
        encrypt(&mut w, &path, 0);
        add_extension(&path);
    }
    w.h.write("docs/HOW_TO_DECRYPT.txt", "pay");
    assert_eq!(w.back_up().verdict, Verdict::Alarm);
    fs::remove_dir_all(w.h.path("state")).expect("a host that is lost");
    let clean = |list: Option<&str>| {
        let indicators = list.map(|l| Indicators::parse(l.as_bytes()).expect("indicators"));
        let options = clean::Options { from: w.h.medium(), set: None, indicators };
        w.h.with_env(|env| clean::clean(&options, &w.h.identity, env, &azekura::event::NoObserver)).expect("a list")
    };
    let by_alarms = clean(None);
    assert_eq!((by_alarms.generations.len(), by_alarms.last_clean), (8, Some(7)));
    assert!(by_alarms.generations[7].alarms.iter().any(|a| a.tripwire == "noise" || a.tripwire == "strange"));
    assert!(by_alarms.generations[6].changes.iter().any(|(source, m)| source == b"ehr" && m.new == 6 && m.changed > 0));
    let by_indicators = clean(Some(&format!("*.locked\nhow_to_decrypt.txt\n{digest}\nnever-there.dll\n")));
    assert_eq!(by_indicators.last_clean, Some(5));
    let first: Vec<(&str, u64, &[u8])> =
        by_indicators.first_hits.iter().map(|f| (&f.indicator[..], f.generation, &f.path[..])).collect();
    assert_eq!(first[0], (&digest[..], 6, &b"docs/setup.exe"[..]));
    assert_eq!((first.len(), first[1].1, first[2].1), (3, 8, 8), "{first:?}");
    assert_eq!(by_indicators.generations[5].hits, 1);
    assert!(by_indicators.generations[7].hits > 300);
}

fn sha2_of(path: &PathBuf) -> String {
    let out = std::process::Command::new("sha256sum").arg(path).output().expect("sha256sum");
    String::from_utf8_lossy(&out.stdout).split_whitespace().next().expect("a digest").to_owned()
}
