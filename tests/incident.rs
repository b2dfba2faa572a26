//! `docs/incident.md`, from day 0 to day 60: every command of the page is run as it stands there, in both languages, against a hospital that
//! was attacked. Only the folders are others: `/mnt` and `/srv` lie below a temporary one.

#[path = "machine/days.rs"]
mod days;
mod machine;
#[path = "machine/pages.rs"]
mod pages;

use machine::skipped;
use pages::{Hospital, STEP, Step, content, step_line, steps};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// The code that stands in the page for the one on paper.
const CODE: &str = "7F3K-92QX-0M4D-VH1C";
const PAGES: [(&str, &str); 2] = [("ja", include_str!("../docs/incident.ja.md")), ("en", include_str!("../docs/incident.md"))];

impl Hospital {
    /// A hospital with two disks, a week each, on the night after it was attacked.
    fn attacked(lang: &'static str) -> Self {
        let h = Self { dir: tempfile::tempdir_in("/var/tmp").expect("a folder"), lang };
        for name in ["tmp", "mnt/CL-01", "mnt/CL-02", "mnt/copy", "mnt/quarantine", "mnt/new", "srv/key"] {
            fs::create_dir_all(h.path(name)).expect("a folder");
        }
        let (root, program) = (h.dir.path().display().to_string(), env!("CARGO_BIN_EXE_azekura"));
        h.program("azekura", &format!("#!/bin/sh\nexec {program} --config {root}/config.toml --lang {lang} \"$@\"\n"));
        h.scanner();
        h.authority();
        h.put("config.toml", "");
        h.good("azekura keys new --out srv/key/recovery-key.txt");
        let recipient = h.good("azekura keys show-recipient --identity srv/key/recovery-key.txt");
        let source = |name: &str, rules: &str| {
            format!("[[source]]\nname = \"{name}\"\npath = \"{root}/srv/infected/{name}\"\nrules = \"{rules}\"\n")
        };
        h.put(
            "config.toml",
            format!(
                "medium = \"disks\"\nrecipients = [\"{}\"]\n{}{}[[pool]]\nname = \"disks\"\nmedia = [\"CL-02\", \"CL-01\"]\n\
                 at = \"{root}/dock\"\nturn_nights = 5\nleave = [\"rm\", \"{root}/dock\"]\n",
                recipient.trim(),
                source("ehr", "plain"),
                source("ssmix2", "ss-mix2")
            ),
        );
        for i in 0..80 {
            h.put(&format!("srv/infected/ehr/karte/{i:04}.xml"), h.chart(i));
        }
        for patient in ["9999013", "9999021"] {
            for i in 0..20 {
                let (a, b) = (&patient[..3], &patient[3..6]);
                let name = format!("{patient}_20261101_OML-11_{i:015}_20261101103059{i:03}_01_1");
                h.put(
                    &format!("srv/infected/ssmix2/{a}/{b}/{patient}/20261101/OML-11/{name}"),
                    format!("MSH|^~\\&|HIS|||||ORU^R01|{i}|P|2.5\rOBX|1|NM|Na||13{}\r", i % 10),
                );
            }
        }
        for disk in ["CL-01", "CL-02"] {
            h.dock(disk);
            h.good(&format!("azekura media init {disk}"));
        }
        for night in 1..=5 {
            h.night(night, "CL-02", 0);
        }
        for night in 6..=9 {
            h.night(night, "CL-01", 0);
        }
        // Somebody comes in, and on the next night acts.
        h.put("srv/infected/ehr/tools/evil.exe", "MZ");
        h.night(10, "CL-01", 0);
        for i in 0..80 {
            let path = h.path(&format!("srv/infected/ehr/karte/{i:04}.xml"));
            fs::write(&path, noise(i, 4_000)).expect("encrypted");
            if i >= 70 {
                fs::rename(&path, path.with_extension("xml.locked")).expect("a rename");
            }
        }
        let message = h.path("srv/infected/ssmix2/999/901/9999013/20261101/OML-11");
        let message = fs::read_dir(message).expect("a folder").next().expect("a message").expect("a message").path();
        fs::write(&message, fs::read_to_string(&message).expect("text").replace("||13", "||18")).expect("falsified");
        // It should have been swapped, and nobody did.
        h.night(11, "CL-01", 4);
        h
    }

    fn dock(&self, disk: &str) {
        let _ = fs::remove_file(self.path("dock"));
        symlink(self.path(&format!("mnt/{disk}")), self.path("dock")).expect("a link");
    }

    /// A night after a usual day.
    fn night(&self, night: usize, disk: &str, exit: i32) {
        days::a_day_passes(&self.path("state"));
        self.put(&format!("srv/infected/ehr/booking/{night}.csv"), format!("09:00,9999013,内科,{night}\n"));
        self.dock(disk);
        let out = self.shell("azekura backup");
        assert_eq!(out.status.code(), Some(exit), "night {night}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// All commands of a page in one shell, each with the exit code that the page tells.
    fn follow(&self, page: &str) {
        let list = self.good("azekura generations mnt/CL-01 --json");
        let list: Value = serde_json::from_str(&list).expect("JSON");
        let code = list["result"]["sets"][0]["generations"][3]["check_code"].as_str().expect("a code").to_owned();
        let mut script = STEP.to_owned();
        for Step { line, exit, typed } in steps(page) {
            let typed = self.moved(&typed, &["/mnt/", "/srv/"]).replace(CODE, &code);
            script.push_str(&step_line(line, exit, &typed));
        }
        let out = self.shell(&script);
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        assert!(out.status.success(), "{}: {said}", self.lang);
    }
}

fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

#[test]
fn both_pages_tell_the_same_commands() {
    let [ja, en] = PAGES.map(|(_, page)| steps(page).into_iter().map(|s| (s.exit, s.typed)).collect::<Vec<_>>());
    assert_eq!(ja, en);
    assert!(ja.len() > 25, "{}", ja.len());
}

#[test]
fn the_page_can_be_followed_from_day_0_to_day_60() {
    if Command::new("openssl").arg("version").output().is_err() {
        skipped("the page of the incident: openssl is missing");
        return;
    }
    for (lang, page) in PAGES {
        let h = Hospital::attacked(lang);
        let media = ["mnt/CL-01", "mnt/CL-02"].map(|disk| content(&h.path(disk)));
        h.follow(page);

        assert_eq!(
            ["mnt/CL-01", "mnt/CL-02"].map(|disk| content(&h.path(disk))),
            media,
            "{lang}: the originals are as they were"
        );
        // Day 1: the bookings and the one patient, and nothing else.
        let day1: Vec<String> = content(&h.path("srv/day1")).into_keys().map(|p| p.display().to_string()).collect();
        assert!(day1.iter().any(|p| p == "ehr/booking/9.csv") && day1.iter().any(|p| p.contains("/9999013/")), "{day1:?}");
        assert!(!day1.iter().any(|p| p.contains("karte") || p.contains("9999021")), "{day1:?}");
        // Days 10 to 40: what it was on the night before somebody came in.
        for restored in ["srv/restored", "srv/rebuilt"] {
            let back = content(&h.path(restored));
            for i in 0..80 {
                assert_eq!(back[Path::new(&format!("ehr/karte/{i:04}.xml"))], h.chart(i).as_bytes(), "{lang} {restored} {i}");
            }
            assert!(!back.keys().any(|p| p.ends_with("evil.exe")), "{lang} {restored}");
        }
        let changes = fs::read_to_string(h.path("srv/changes.csv")).expect("a list");
        let word = if lang == "ja" { "規格外の変更" } else { "Changed outside the rules" };
        let odd: Vec<&str> = changes.lines().filter(|l| l.contains(word)).collect();
        assert!(odd.len() == 1 && odd[0].contains("OML-11"), "{lang}: {changes}");
        for page in ["incident", "incident-final", "changes", "readopt", "reconnect", "authenticity"] {
            let html = fs::read_to_string(h.path(&format!("srv/{page}.html"))).expect("a page");
            assert!(html.contains("</html>"), "{lang} {page}");
        }
        let handed_over = content(&h.path("srv/handover"));
        assert!(handed_over.contains_key(Path::new("record.jsonl")) && handed_over.contains_key(Path::new("SHA256SUMS")));
        h.good("cd srv/handover && sha256sum --quiet -c SHA256SUMS");
    }
}
