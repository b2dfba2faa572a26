//! What the program says and does about the disks of a pool: which one is set aside, which one is prepared, and what it asks for.

#[path = "machine/clinic.rs"]
mod clinic;
#[path = "machine/days.rs"]
mod days;
mod machine;

use clinic::Clinic;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

impl Clinic {
    /// `pool`: further lines of its `[[pool]]`.
    fn new(media: &[&str], pool: &str) -> Self {
        let clinic = Self::with_disks(&["CL-01", "CL-02", "CL-03", "blank", "copy"]);
        for i in 0..60 {
            fs::write(clinic.path(&format!("source/{i}.xml")), format!("<karte>{i}</karte>\n").repeat(40)).expect("a file");
        }
        let recipient = &clinic.recipient;
        let media: Vec<String> = media.iter().map(|name| format!("\"{name}\"")).collect();
        let config = format!(
            "medium = \"disks\"\nrecipients = [\"{recipient}\"]\n[[source]]\nname = \"karte\"\npath = \"{}\"\n\
             [[pool]]\nname = \"disks\"\nmedia = [{}]\nat = \"{}\"\n{pool}\n",
            clinic.text("source"),
            media.join(", "),
            clinic.text("dock"),
        );
        fs::write(clinic.path("config"), config).expect("a configuration");
        clinic
    }

    /// A clinic whose disks are prepared.
    fn prepared(media: &[&str]) -> Self {
        let clinic = Self::new(media, "mount = false");
        for disk in media {
            clinic.dock(disk);
            clinic.assert_ends(0, &["media", "init", disk]);
        }
        clinic.undock();
        clinic
    }

    /// Runs a command that has to end with this code; what it said.
    #[track_caller]
    fn assert_ends(&self, exit: i32, arguments: &[&str]) -> String {
        let out = self.run(arguments, "config");
        let said = [&out.stderr, &out.stdout].map(|out| String::from_utf8_lossy(out).into_owned()).concat();
        assert_eq!(out.status.code(), Some(exit), "{arguments:?}: {said}");
        said
    }

    /// A night with this disk in the dock; what it said. Then the disk is taken to the safe.
    #[track_caller]
    fn night(&self, exit: i32, disk: &str) -> String {
        if self.path("state").exists() {
            days::a_day_passes(&self.path("state"));
        }
        self.dock(disk);
        let said = self.assert_ends(exit, &["backup"]);
        self.undock();
        // What is not in the ledger is moved nowhere.
        self.run(&["media", "move", disk, "--to", "safe", "--by", "A"], "config");
        said
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.run(&[arguments, &["--json"]].concat(), "config");
        let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        json["result"].clone()
    }

    fn due(&self) -> String {
        self.json(&["media", "due"])["pools"][0]["due"].as_str().expect("a name").to_owned()
    }

    /// What speaks against "good", and about which medium.
    fn problems(&self) -> Vec<(String, Option<String>)> {
        let status = self.json(&["status"]);
        let word = |p: &Value, name: &str| p[name].as_str().map(str::to_owned);
        let problems = status["problems"].as_array().expect("a list").iter();
        problems.map(|p| (word(p, "problem").expect("a word"), word(p, "medium"))).collect()
    }

    fn is_against(&self, problem: &str, medium: &str) -> bool {
        self.problems().contains(&(problem.into(), Some(medium.into())))
    }

    fn copy_folder(&self, from: &str, to: &str) {
        assert!(Command::new("cp").args(["-a", &self.text(from), &self.text(to)]).status().expect("cp").success());
    }

    fn encrypt_the_records(&self) {
        for i in 0..60 {
            let mut noise = vec![0; 900];
            blake3::Hasher::new().update(&[i]).finalize_xof().fill(&mut noise);
            fs::write(self.path(&format!("source/{i}.xml")), noise).expect("encrypted");
        }
    }
}

/// A pack on a disk, cut short.
fn damage(disk: &Path) {
    let files = walkdir::WalkDir::new(disk).into_iter().flatten().map(|e| e.into_path());
    let pack = files.filter(|p| p.extension().is_some_and(|e| e == "pack")).min().expect("a pack");
    let bytes = fs::read(&pack).expect("a pack");
    fs::remove_file(&pack).expect("a pack");
    fs::write(&pack, &bytes[..bytes.len() / 2]).expect("half a pack");
}

/// Somebody has put back an old state of a disk. The night ends with 5 and says "set it aside"; the next night is good, on another
/// disk. Nobody may be asked for the first one then.
#[test]
fn a_disk_that_was_rolled_back_is_set_aside_until_it_is_verified() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    for disk in ["CL-01", "CL-02", "CL-01"] {
        clinic.night(0, disk);
    }
    clinic.copy_folder("CL-02", "old");
    for disk in ["CL-02", "CL-01"] {
        clinic.night(0, disk);
    }
    fs::rename(clinic.path("CL-02"), clinic.path("right")).expect("taken away");
    fs::rename(clinic.path("old"), clinic.path("CL-02")).expect("put in its place");
    clinic.night(5, "CL-02");
    assert!(clinic.is_against("mismatched", "CL-02"));
    assert_eq!(clinic.due(), "CL-01");
    clinic.night(0, "CL-01");
    let said = clinic.assert_ends(1, &["status"]);
    assert!(said.contains("CL-02 is not what this host wrote last") && !said.contains("Attach CL-02"), "{said}");
    assert_eq!(clinic.due(), "CL-01");
    // It is not written again, whoever brings it.
    let said = clinic.night(6, "CL-02");
    assert!(said.contains("keep it apart, and attach CL-01"), "{said}");
    let log = clinic.assert_ends(0, &["media", "log", "CL-02"]);
    assert!(log.contains("other than this host wrote it; nothing was sealed"), "{log}");
    clinic.assert_ends(5, &["verify", &clinic.text("CL-02")]);
    assert!(clinic.is_against("mismatched", "CL-02"), "a verification that is not good ends nothing");

    // The right one is found again.
    fs::rename(clinic.path("CL-02"), clinic.path("old")).expect("taken away");
    fs::rename(clinic.path("right"), clinic.path("CL-02")).expect("put in its place");
    clinic.assert_ends(0, &["verify", &clinic.text("CL-02")]);
    assert!(!clinic.is_against("mismatched", "CL-02") && !clinic.is_against("damaged", "CL-02"));
    assert_eq!(clinic.due(), "CL-02");
    clinic.night(0, "CL-02");
    clinic.assert_ends(0, &["status"]);
}

/// Where it is not found again, people say so.
#[test]
fn a_disk_that_is_set_aside_is_marked_in_the_end() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.copy_folder("CL-02", "old");
    clinic.night(0, "CL-02");
    clinic.night(0, "CL-01");
    fs::remove_dir_all(clinic.path("CL-02")).expect("a folder");
    fs::rename(clinic.path("old"), clinic.path("CL-02")).expect("put in its place");
    clinic.night(5, "CL-02");
    clinic.assert_ends(0, &["media", "move", "CL-02", "--out-of-use", "broken", "--by", "A"]);
    assert!(!clinic.is_against("mismatched", "CL-02") && clinic.is_against("out-of-use", "CL-02"));
}

/// One disk and no pool: it is in `status`, too, after somebody has found another disk for the night.
#[test]
fn a_disk_without_a_pool_is_set_aside_as_well() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    let to = |exit: i32, disk: &str| {
        let disk = clinic.text(disk);
        let arguments = ["backup", "--init", "--to", &disk, "--recipient", &clinic.recipient, &clinic.text("source")];
        let out = clinic.run(&[&arguments[..], &["--set", if disk.ends_with("CL-02") { "two" } else { "three" }]].concat(), "");
        assert_eq!(out.status.code(), Some(exit), "{out:?}");
    };
    to(0, "CL-02");
    clinic.copy_folder("CL-02", "old");
    to(0, "CL-02");
    fs::remove_dir_all(clinic.path("CL-02")).expect("a folder");
    fs::rename(clinic.path("old"), clinic.path("CL-02")).expect("put in its place");
    to(5, "CL-02");
    to(0, "CL-03");
    assert!(clinic.is_against("mismatched", "two"), "{:?}", clinic.problems());
}

/// The configuration says that a disk has to be mounted: whatever the medium is called, and whoever names the place.
#[test]
fn a_bare_folder_is_no_disk_of_a_pool_that_wants_one() {
    let clinic = Clinic::new(&["CL-01", "CL-02"], "mount = true");
    fs::create_dir(clinic.path("dock")).expect("a bare folder");
    let (dock, folder) = (clinic.text("dock"), clinic.text("blank"));
    for arguments in [
        &["media", "init", "CL-01"][..],
        &["media", "init", "CL-09"],
        &["media", "init", "CL-01", "--at", &dock],
        &["media", "init", "CL-09", "--at", &dock],
        &["media", "init", "CL-09", "--at", "disks"],
        &["media", "init", "CL-09", "--at", &format!("{dock}/../dock/")],
        &["media", "init", "CL-01", "--at", &folder],
        &["media", "init", "CL-09", "--pool", "disks", "--at", &folder],
    ] {
        let said = clinic.assert_ends(6, arguments);
        assert!(said.contains("No disk is mounted at"), "{said}");
        assert!([&dock, &folder].iter().all(|at| !Path::new(at).join("AZEKURA").exists()), "{arguments:?}");
    }
    // A folder that no pool has anything to do with.
    clinic.assert_ends(0, &["media", "init", "CL-09", "--at", &folder]);
}

/// A copy that somebody damaged says nothing of the disk that it was made from.
#[test]
fn damage_of_a_copy_is_not_entered_for_the_original() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.assert_ends(0, &["media", "copy", "--from", &clinic.text("CL-01"), "--to", &clinic.text("copy"), "--name", "CP-01"]);
    damage(&clinic.path("copy"));
    for (command, at) in [("verify", "copy"), ("scrub", "copy")] {
        let (at, media) = (clinic.text(at), ["media", command]);
        let arguments: Vec<&str> = media[usize::from(command == "verify")..].iter().copied().chain([&at[..]]).collect();
        clinic.assert_ends(5, &arguments);
        assert!(clinic.is_against("damaged", "CP-01") && !clinic.is_against("damaged", "CL-01"), "{:?}", clinic.problems());
    }
    assert_eq!(clinic.due(), "CL-02");
    // The other way round, and what clears each.
    clinic.copy_folder("CL-01", "whole");
    damage(&clinic.path("CL-01"));
    clinic.assert_ends(5, &["verify", &clinic.text("CL-01")]);
    assert!(clinic.is_against("damaged", "CL-01"));
    fs::rename(clinic.path("CL-01"), clinic.path("damaged")).expect("taken away");
    fs::rename(clinic.path("whole"), clinic.path("CL-01")).expect("put in its place");
    clinic.assert_ends(0, &["verify", &clinic.text("CL-01")]);
    assert!(clinic.is_against("damaged", "CP-01") && !clinic.is_against("damaged", "CL-01"), "{:?}", clinic.problems());
    fs::rename(clinic.path("copy"), clinic.path("bin")).expect("taken away");
    clinic.assert_ends(0, &["media", "move", "CP-01", "--out-of-use", "broken", "--by", "A"]);
    assert!(!clinic.is_against("damaged", "CP-01"), "{:?}", clinic.problems());
}

/// A clean disk is not prepared on a host that may be contaminated; one for evidence may be.
#[test]
fn under_a_hold_or_an_alarm_no_disk_of_a_pool_is_prepared() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    for disk in ["CL-01", "CL-02", "CL-01"] {
        clinic.night(0, disk);
    }
    clinic.encrypt_the_records();
    clinic.night(4, "CL-02");
    for what in ["a hold", "an alarm alone"] {
        clinic.dock("blank");
        for arguments in [&["media", "init", "CL-03", "--pool", "disks"][..], &["media", "init", "CL-09"]] {
            let said = clinic.assert_ends(4, arguments);
            assert!(said.contains("no medium of a pool is prepared"), "{what}: {said}");
        }
        assert!(!clinic.path("blank/AZEKURA").exists());
        let apart = clinic.text(&what.replace(' ', "-"));
        fs::create_dir(&apart).expect("a folder");
        clinic.assert_ends(0, &["media", "init", what, "--at", &apart]);
        clinic.run(&["hold", "off", "--by", "A", "--witness", "B"], "config");
    }
    clinic.dock("blank");
    clinic.assert_ends(0, &["hold", "harmless", "--generation", "2", "--by", "A", "--witness", "B", "--because", "a test"]);
    clinic.assert_ends(0, &["media", "init", "CL-03", "--pool", "disks"]);
}

/// The alarm is open and its hold released: an error that names the disk whose turn it would be asks for it.
#[test]
fn while_an_alarm_is_open_no_error_names_the_disk_that_is_due() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02", "CL-03"]);
    for disk in ["CL-01", "CL-02", "CL-03", "CL-01"] {
        clinic.night(0, disk);
    }
    clinic.encrypt_the_records();
    clinic.night(4, "CL-02");
    clinic.assert_ends(0, &["hold", "off", "--by", "A", "--witness", "B"]);
    clinic.assert_ends(0, &["media", "init", "MO-01", "--at", &clinic.text("copy")]);
    for disk in ["CL-01", "blank", "copy"] {
        clinic.dock(disk);
        let said = clinic.assert_ends(6, &["backup"]);
        assert!(!said.contains("CL-03") && said.contains("No medium is due"), "{disk}: {said}");
    }
    clinic.undock();
    fs::create_dir(clinic.path("dock")).expect("a bare folder");
    let said = clinic.assert_ends(6, &["backup"]);
    assert!(!said.contains("CL-03") && said.contains("No medium is due"), "{said}");
}

/// Nobody has erased what was never prepared.
#[test]
fn a_disk_that_was_never_prepared_is_told_so() {
    let clinic = Clinic::new(&["CL-01", "CL-02"], "mount = false");
    clinic.dock("CL-01");
    clinic.assert_ends(0, &["media", "init", "CL-01"]);
    clinic.night(0, "CL-01");
    let assert_told = |said: &str| {
        assert!(said.contains("CL-02, which has not been prepared yet"), "{said}");
        assert!(said.contains("azekura media init CL-02") && !said.contains("erased"), "{said}");
    };
    assert_told(&clinic.night(6, "blank"));
    let said = clinic.assert_ends(0, &["media", "due"]);
    assert!(said.contains("azekura media init CL-02"), "{said}");
    fs::create_dir(clinic.path("dock")).expect("a bare folder");
    assert_told(&clinic.assert_ends(6, &["backup"]));
    fs::remove_dir(clinic.path("dock")).expect("a bare folder");
    let wants = fs::read_to_string(clinic.path("config")).expect("the configuration").replace("mount = false", "mount = true");
    fs::write(clinic.path("wants"), wants).expect("a configuration");
    fs::create_dir(clinic.path("dock")).expect("a bare folder");
    let out = clinic.run(&["backup"], "wants");
    assert_eq!(out.status.code(), Some(6));
    assert_told(&String::from_utf8_lossy(&out.stderr));
}

/// The state folder is lost, and somebody takes the wrong disk: its label knows better.
#[test]
fn the_name_that_is_given_is_compared_with_the_label() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    for lost in ["state/ledger.jsonl", "state"] {
        let path = clinic.path(lost);
        match path.is_dir() {
            true => fs::remove_dir_all(&path).expect("the state"),
            false => {
                fs::remove_file(&path).expect("the ledger");
                fs::remove_file(clinic.path("state/ledger.end")).expect("its end");
            }
        }
        clinic.dock("CL-01");
        if lost != "state" {
            clinic.assert_ends(5, &["media", "init", "CL-01", "--beside-others"]);
            clinic.assert_ends(0, &["media", "accept", "--because", "a disk failed", "--by", "A", "--witness", "B"]);
        }
        for name in ["CL-02", "CL-09"] {
            let said = clinic.assert_ends(6, &["media", "init", name, "--beside-others"]);
            assert!(said.contains("is CL-01, by its label"), "{said}");
        }
        clinic.assert_ends(0, &["media", "init", "CL-01", "--beside-others"]);
        if lost != "state" {
            // What the ledger knew of it is known again.
            let list = clinic.json(&["media", "list"]);
            assert_eq!(list["media"][0]["written"]["generation"], 1, "{list}");
        }
    }
}

/// A disk that a backup refuses is not promised another night.
#[test]
fn what_is_said_of_a_damaged_disk_is_what_backup_does() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.night(0, "CL-02");
    damage(&clinic.path("CL-01"));
    for command in [&["verify"][..], &["media", "scrub"]] {
        let disk = clinic.text("CL-01");
        let said = clinic.assert_ends(5, &[command, &[&disk]].concat());
        assert!(said.contains("Backups pass over CL-01") && !said.contains("stores again"), "{said}");
    }
    let said = clinic.night(6, "CL-01");
    assert!(said.contains("CL-01 is damaged"), "{said}");
    // Where there is no other, it is written again, and that is said.
    clinic.assert_ends(0, &["media", "move", "CL-02", "--out-of-use", "lost", "--by", "A"]);
    let said = clinic.assert_ends(5, &["verify", &clinic.text("CL-01")]);
    assert!(said.contains("stores again") && !said.contains("pass over"), "{said}");
    assert!(clinic.night(3, "CL-01").contains("Write nothing more to it"));
}

/// What the failed night said to do is not repeated when somebody has done it.
#[test]
fn a_hint_that_was_followed_is_not_repeated() {
    let clinic = Clinic::new(&["CL-01", "CL-02"], "mount = false");
    clinic.dock("CL-01");
    clinic.assert_ends(0, &["media", "init", "CL-01"]);
    clinic.night(0, "CL-01");
    clinic.night(6, "CL-02");
    let next = || clinic.json(&["status"])["next"].as_str().unwrap_or_default().to_owned();
    assert!(next().contains("azekura media init CL-02"), "{}", next());
    clinic.dock("CL-02");
    clinic.assert_ends(0, &["media", "init", "CL-02"]);
    assert!(!next().contains("media init"), "{}", next());
    clinic.undock();
    clinic.night(0, "CL-02");
    clinic.night(0, "CL-01");
    // A verification that is good.
    clinic.copy_folder("CL-02", "right");
    let files = walkdir::WalkDir::new(clinic.path("CL-02")).into_iter().flatten().map(|e| e.into_path());
    let seal = files.filter(|p| p.extension().is_some_and(|e| e == "seal")).max().expect("a seal");
    fs::remove_file(seal).expect("a seal");
    clinic.night(5, "CL-02");
    assert!(next().contains("check it with azekura verify"), "{}", next());
    clinic.assert_ends(5, &["verify", &clinic.text("CL-02")]);
    assert!(!next().contains("check it with azekura verify"), "{}", next());
    fs::remove_dir_all(clinic.path("CL-02")).expect("a folder");
    fs::rename(clinic.path("right"), clinic.path("CL-02")).expect("put in its place");
    clinic.assert_ends(0, &["verify", &clinic.text("CL-02")]);
    assert!(!next().contains("verify"), "{}", next());
}

/// A medium of another pool, and one of no pool.
#[test]
fn a_disk_of_no_pool_belongs_to_no_other() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.assert_ends(0, &["media", "init", "MO-01", "--at", &clinic.text("copy")]);
    let said = clinic.night(6, "copy");
    assert!(said.contains("MO-01 is in no pool") && !said.contains("another pool"), "{said}");
}

/// The only disk is lost: nobody swaps it any more.
#[test]
fn a_lost_disk_is_not_overdue_for_its_swap() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.night(3, "CL-01");
    assert!(clinic.is_against("not-swapped", "CL-01"));
    clinic.assert_ends(0, &["media", "move", "CL-01", "--out-of-use", "lost", "--by", "A"]);
    assert!(clinic.is_against("out-of-use", "CL-01") && !clinic.is_against("not-swapped", "CL-01"), "{:?}", clinic.problems());
}

/// A folder was deleted, and somebody enters that it is in the safe: the table says on whose word that is.
#[test]
fn what_only_a_person_says_is_told_apart() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    let said = clinic.assert_ends(0, &["status"]);
    assert!(said.contains("detached (as entered)"), "{said}");
    assert_eq!(clinic.json(&["status"])["copies"][0]["left_by_word"], true);
}

/// A folder where nothing is mounted may be the place of a disk that is missing: nobody is told to begin a set there.
#[test]
fn no_hint_asks_for_a_set_on_an_empty_mount_point() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    let (empty, source) = (clinic.text("blank"), clinic.text("source"));
    let out = clinic.run(&["backup", "--to", &empty, &source], "");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(6), "{said}");
    assert!(said.contains("No disk is mounted at") && !said.contains("--init"), "{said}");
}

#[test]
fn help_is_a_word_of_its_own() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    for (typed, same) in [(&["help"][..], &["--help"][..]), (&["help", "media", "init"], &["media", "init", "--help"])] {
        let [typed, same] = [typed, same].map(|words| {
            let out = Command::new(env!("CARGO_BIN_EXE_azekura")).args(words).output().expect("the program");
            (out.status.code(), out.stdout)
        });
        assert_eq!(typed, same);
        assert_eq!(typed.0, Some(0));
    }
    // Where nothing says where the medium is, the option that says it is named.
    let out = clinic.run(&["media", "init", "CL-01", "--recipient", &clinic.recipient], "");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && said.contains("--at"), "{said}");
}

/// The clock was set back: nothing is older than anything then.
#[test]
fn a_backup_that_is_ahead_of_the_clock_is_not_called_old() {
    let clinic = Clinic::prepared(&["CL-01"]);
    clinic.night(0, "CL-01");
    let log = clinic.path("state/nights.jsonl");
    let text = fs::read_to_string(&log).expect("the log");
    let year = &text.split("\"time\":\"").nth(1).expect("a time")[..4];
    fs::write(&log, text.replace(&format!("\"{year}-"), "\"2999-")).expect("the log");
    let said = clinic.assert_ends(1, &["status"]);
    assert!(said.contains("ahead of this host's clock") && !said.contains("older than"), "{said}");
}

/// What the message names is what has to be corrected.
#[test]
fn an_age_that_is_no_age_names_its_pool() {
    let clinic = Clinic::new(&["CL-01"], "max_age_hours = 9000");
    let said = clinic.assert_ends(2, &["status"]);
    assert!(said.contains("max_age_hours of \"disks\" is 9000") && said.contains("1 to 8784"), "{said}");
}

#[test]
fn a_pool_of_which_no_disk_is_in_use_asks_for_another_one() {
    let clinic = Clinic::prepared(&["CL-01"]);
    clinic.night(0, "CL-01");
    fs::rename(clinic.path("CL-01"), clinic.path("carried")).expect("taken away");
    clinic.assert_ends(0, &["media", "move", "CL-01", "--out-of-use", "broken", "--by", "A"]);
    let said = clinic.assert_ends(6, &["backup"]);
    assert!(said.contains("All media of the pool") && said.contains("azekura media init"), "{said}");
    clinic.assert_ends(1, &["status"]);
}

/// The code of another disk was typed: the host knows whose it is, wherever a code is asked for.
#[test]
fn a_check_code_of_another_disk_is_named() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    clinic.night(0, "CL-01");
    clinic.night(0, "CL-02");
    let (disk, key, proof) = (clinic.text("CL-01"), clinic.text("key"), clinic.text("proof"));
    clinic.assert_ends(0, &["prove", "karte/1.xml", "--from", &disk, "--identity", &key, "--out", &proof]);
    let code = clinic.json(&["media", "list"])["media"][1]["written"]["check_code"].as_str().expect("a code").to_owned();
    for (code, is_known) in [(&code.to_lowercase().replace('-', "")[..], true), ("0000000000000000", false)] {
        for asked in [
            &["verify", &disk][..],
            &["restore", "--from", &disk, "--identity", &key, "--to", &clinic.text("back")],
            &["check-proof", &proof],
        ] {
            let said = clinic.assert_ends(5, &[asked, &["--expect", code]].concat());
            assert_eq!(said.contains("is that of generation 1 on CL-02"), is_known, "{asked:?}: {said}");
        }
    }
}

/// What is at the host is in no safe, whether or not a backup may be made to it: the ledger says so until somebody takes it away.
#[test]
fn a_disk_that_a_refused_night_has_seen_is_attached() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02", "CL-03"]);
    clinic.night(0, "CL-01");
    clinic.night(0, "CL-02");
    let off_site = ["media", "move", "CL-01", "--to", "branch", "--by", "A", "--off-site"];
    let out_of_use = ["media", "move", "CL-01", "--out-of-use", "lost", "--by", "A"];
    let is_seen = |what: &str| {
        let media = clinic.json(&["media", "list"])["media"].clone();
        assert_eq!((&media[0]["off_site"], &media[0]["place"]), (&false.into(), &Value::Null), "{what}");
        let log = clinic.json(&["media", "log", "CL-01", "--attached"])["attached"].clone();
        let last = log.as_array().expect("a list").last().expect("an interval").clone();
        assert_eq!(last["until"], Value::Null, "{what}: {log}");
        let status = clinic.json(&["status"]);
        let lacks = status["lacks"].as_array().expect("a list");
        assert!(lacks.iter().any(|l| l["lack"] == "attached" && l["medium"] == "CL-01"), "{what}: {status}");
        assert_ne!(status["verdict"], "good", "{what}");
    };
    // The program would find it where it was seen.
    let carry = |how: &[&str]| {
        fs::rename(clinic.path("CL-01"), clinic.path("carried")).expect("taken away");
        clinic.assert_ends(0, how);
        fs::rename(clinic.path("carried"), clinic.path("CL-01")).expect("brought");
    };
    carry(&off_site);
    clinic.dock("CL-01");
    assert!(clinic.assert_ends(6, &["backup"]).contains("CL-03"));
    is_seen("out of turn");
    clinic.undock();
    is_seen("not seen to leave");
    carry(&off_site);
    clinic.dock("CL-01");
    clinic.assert_ends(6, &["media", "init", "CL-09"]);
    is_seen("registered again");
    clinic.undock();
    for command in [&["verify"][..], &["media", "scrub"]] {
        carry(&off_site);
        clinic.assert_ends(0, &[command, &[&clinic.text("CL-01")]].concat());
        is_seen(command[0]);
    }
    carry(&out_of_use);
    clinic.dock("CL-01");
    clinic.assert_ends(6, &["backup"]);
    is_seen("out of use");
    carry(&off_site);
    clinic.assert_ends(0, &["hold", "on", "--by", "A", "--why", "a test"]);
    clinic.assert_ends(6, &["backup"]);
    is_seen("under a hold");
}

/// A copy is its original byte for byte: that it is good says nothing of a disk in the safe.
#[test]
fn a_copy_in_the_place_of_its_original_clears_nothing() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    let (disk, copy) = (clinic.text("CL-02"), clinic.text("copy"));
    let backup = ["backup", "--init", "--set", "two", "--to", &disk, "--recipient", &clinic.recipient, &clinic.text("source")];
    let night = || clinic.run(&backup, "");
    assert_eq!(night().status.code(), Some(0));
    clinic.assert_ends(0, &["media", "copy", "--from", &disk, "--to", &copy, "--name", "CP-01"]);
    damage(&clinic.path("CL-02"));
    clinic.assert_ends(5, &["verify", &disk]);
    fs::rename(&disk, clinic.path("safe")).expect("taken away");
    fs::rename(&copy, &disk).expect("put in its place");
    for command in [&["verify"][..], &["media", "scrub"]] {
        clinic.assert_ends(0, &[command, &[&disk]].concat());
        assert!(clinic.is_against("damaged", "two"), "{command:?}: {:?}", clinic.problems());
    }
    assert!(clinic.assert_ends(0, &["verify", &disk]).contains("cannot tell which medium"));
    // A backup to what is damaged is no good night.
    fs::rename(&disk, &copy).expect("put back");
    fs::rename(clinic.path("safe"), &disk).expect("put back");
    let out = night();
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("Write nothing more to it"), "{out:?}");
}

/// The only disk was erased, or another one is there: nobody begins a set on it by the way.
#[test]
fn no_hint_asks_for_a_set_where_a_disk_was_erased() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    let disk = clinic.text("CL-02");
    let source = clinic.text("source");
    let backup = |more: &[&str]| {
        let out = clinic.run(&[&["backup", "--to", &disk, &source][..], more].concat(), "");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!(backup(&["--init", "--set", "two", "--recipient", &clinic.recipient]).0, Some(0));
    fs::remove_dir_all(clinic.path("CL-02/AZEKURA")).expect("erased");
    let (exit, said) = backup(&[]);
    assert!(exit == Some(6) && said.contains("two") && !said.contains("--init") && said.contains("keep it apart"), "{said}");
}

/// The ledger was lost, examined and begun anew, and one of three disks is in it again: nobody forgets the others.
#[test]
fn a_disk_that_a_new_ledger_does_not_know_is_named_until_somebody_says_where_it_is() {
    let lost = [&["ledger.jsonl", "ledger.end"][..], &["nights.jsonl", "nights.end"], &["catalog.sqlite", "catalog.sqlite-wal"]];
    for parts in 1..=lost.len() {
        let clinic = Clinic::prepared(&["CL-01", "CL-02", "CL-03"]);
        clinic.night(0, "CL-01");
        clinic.night(0, "CL-02");
        for file in lost[..parts].concat() {
            let _ = fs::remove_file(clinic.path("state").join(file));
        }
        clinic.assert_ends(0, &["media", "accept", "--by", "A", "--witness", "B", "--because", "examined"]);
        clinic.dock("CL-01");
        clinic.assert_ends(0, &["media", "init", "CL-01"]);
        // Of the one that was written last, it is told as before.
        let is_missing = |disk: &str| ["not-registered", "not-in-ledger"].iter().any(|p| clinic.is_against(p, disk));
        assert_eq!(["CL-01", "CL-02", "CL-03"].map(is_missing), [false, true, true], "{parts}: {:?}", clinic.problems());
        let said = String::from_utf8(clinic.run(&["status"], "config").stderr).expect("UTF-8");
        assert!(said.contains("azekura media init CL-02"), "{said}");
        clinic.dock("CL-02");
        clinic.assert_ends(0, &["media", "init", "CL-02"]);
        clinic.undock();
        clinic.assert_ends(2, &["media", "move", "CL-03", "--to", "safe", "--by", "A"]);
        assert_eq!(["CL-02", "CL-03"].map(is_missing), [false, true], "{parts}");
        clinic.assert_ends(0, &["media", "move", "CL-03", "--out-of-use", "disposed", "--by", "A"]);
        assert!(!is_missing("CL-03") && clinic.is_against("out-of-use", "CL-03"), "{parts}: {:?}", clinic.problems());
        let log = clinic.json(&["media", "log", "CL-03"]);
        let events: Vec<&str> = log["lines"].as_array().expect("lines").iter().filter_map(|l| l["event"].as_str()).collect();
        assert_eq!(events, ["accepted", "moved"], "nobody has seen it");
    }
}

/// Two disks without a pool that people call the same: each is told.
#[test]
fn a_disk_without_a_pool_is_told_as_well() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    for disk in ["CL-02", "CL-03"] {
        let arguments = ["backup", "--init", "--set", "one", "--to", &clinic.text(disk), "--recipient", &clinic.recipient];
        let out = clinic.run(&[&arguments[..], &[&clinic.text("source")]].concat(), "");
        assert_eq!(out.status.code(), Some(0), "{out:?}");
    }
    for is_log_lost in [false, true] {
        let files =
            [&["ledger.jsonl", "ledger.end"][..], if is_log_lost { &["nights.jsonl", "nights.end"] } else { &[] }].concat();
        files.iter().for_each(|file| fs::remove_file(clinic.path("state").join(file)).expect("a file"));
        clinic.assert_ends(0, &["media", "accept", "--by", "A", "--witness", "B", "--because", "examined"]);
        let out = clinic.run(&["backup", "--to", &clinic.text("CL-02"), &clinic.text("source")], "");
        assert_eq!(out.status.code(), Some(0), "{out:?}");
        let missing: Vec<String> =
            clinic.problems().into_iter().filter(|(problem, _)| problem == "not-registered").filter_map(|(_, m)| m).collect();
        assert!(matches!(&missing[..], [other] if other.starts_with("one (")), "{missing:?}");
    }
}

/// Somebody has put another host's disk in the place of the only one: nobody begins a set on it by the way.
#[test]
fn no_hint_asks_for_a_set_on_somebody_elses_disk() {
    let clinic = Clinic::new(&["CL-01"], "mount = false");
    let (disk, source) = (clinic.text("CL-02"), clinic.text("source"));
    let begin = ["backup", "--init", "--recipient", &clinic.recipient, "--set"];
    let foreign = clinic.text("CL-03");
    let theirs = [&begin[..], &["theirs", "--to", &foreign, &source]].concat();
    let mut other = Command::new(env!("CARGO_BIN_EXE_azekura"));
    assert!(other.args(theirs).args(["--state", &clinic.text("their state")]).output().expect("the program").status.success());
    let out = clinic.run(&[&begin[..], &["ours", "--to", &disk, &source]].concat(), "");
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    fs::rename(&disk, clinic.path("safe")).expect("taken away");
    fs::rename(clinic.path("CL-03"), &disk).expect("put in its place");
    let refused = |what: &[&str]| {
        let out = clinic.run(&["backup", "--to", &disk, &source], "");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(6) && !said.contains("backup --init"), "{said}");
        what.iter().for_each(|what| assert!(said.contains(what), "{what}: {said}"));
    };
    refused(&["the medium set theirs (", "attach ours"]);
    // The ledger is lost: the host has a set all the same.
    for file in ["ledger.jsonl", "ledger.end"] {
        fs::remove_file(clinic.path("state").join(file)).expect("the ledger");
    }
    clinic.assert_ends(0, &["media", "accept", "--by", "A", "--witness", "B", "--because", "examined"]);
    refused(&["the medium set theirs (", "attach ours"]);
    // Keys and all are lost, and it is the right disk.
    fs::rename(&disk, clinic.path("CL-03")).expect("taken away");
    fs::rename(clinic.path("safe"), &disk).expect("put back");
    let out = clinic.run(&["backup", "--to", &disk, &source], "");
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    fs::remove_dir_all(clinic.path("state/sets")).expect("the sets");
    refused(&["azekura media init ours --beside-others"]);
}

/// The power failed while a seal was written: the ledger accuses no disk of it, whichever command reads it.
#[test]
fn half_a_seal_is_no_damage_for_a_scrub_either() {
    let clinic = Clinic::prepared(&["CL-01"]);
    clinic.night(0, "CL-01");
    let set =
        fs::read_dir(clinic.path("CL-01/AZEKURA")).expect("sets").flatten().find(|e| e.path().is_dir()).expect("a set").path();
    let (number, kind, seal) = machine::objects_in(&set).pop().expect("a seal");
    let bytes = fs::read(seal).expect("a seal");
    machine::put_object(&set, number + 1, kind, &bytes[..bytes.len() / 2]);
    for command in [&["media", "scrub"][..], &["verify"]] {
        clinic.assert_ends(5, &[command, &[&clinic.text("CL-01")]].concat());
        assert!(!clinic.problems().iter().any(|(problem, _)| problem == "damaged"), "{command:?}: {:?}", clinic.problems());
    }
    // What is damaged, is.
    damage(&clinic.path("CL-01"));
    clinic.assert_ends(5, &["media", "scrub", &clinic.text("CL-01")]);
    assert!(clinic.is_against("damaged", "CL-01"));
}

/// The catalog is lost, and each disk begins a set of its own beside the old one. What the night prints to check the disk with,
/// and a code from an old page of the paper ledger, say which of the two is meant.
#[test]
fn a_check_code_says_which_set_of_a_disk_is_meant() {
    let clinic = Clinic::prepared(&["CL-01", "CL-02"]);
    let code =
        |said: &str| said.lines().find_map(|l| l.strip_prefix("Check code  ")?.get(..19).map(str::to_owned)).expect("a code");
    let old = code(&clinic.night(0, "CL-01"));
    fs::remove_file(clinic.path("state/catalog.sqlite")).expect("the catalog");
    let said = clinic.night(3, "CL-01");
    assert!(said.contains("a new medium set was started"), "{said}");
    clinic.dock("CL-01");
    let printed = said.lines().find_map(|l| l.trim().strip_prefix("azekura verify ")).expect("a command to check the disk");
    clinic.assert_ends(0, &["verify"].into_iter().chain(printed.split(' ')).collect::<Vec<_>>());
    let dock = clinic.text("dock");
    let (new, key) = (code(&said), clinic.text("key"));
    assert_ne!(old, new);
    for (at, code) in [&old, &new].into_iter().enumerate() {
        assert!(clinic.assert_ends(0, &["verify", &dock, "--expect", code]).contains(code));
        let to = clinic.text(&format!("back-{at}"));
        clinic.assert_ends(0, &["restore", "--from", &dock, "--to", &to, "--identity", &key, "--expect", code]);
    }
    clinic.assert_ends(2, &["verify", &dock]);
    clinic.assert_ends(2, &["verify", &dock, "--expect", &old.replace(&old[..4], "0000")]);
}

/// Somebody has put the folder of a set in quarantine on a usual disk. A check code of it lets it be checked; content is taken out
/// of it only by whoever names it.
#[test]
fn a_check_code_takes_nothing_out_of_quarantine() {
    let clinic = Clinic::prepared(&["CL-01"]);
    clinic.night(0, "CL-01");
    let (aside, source, dock, key) = (clinic.text("CL-03"), clinic.text("source"), clinic.text("dock"), clinic.text("key"));
    let suspected = clinic.json(&["backup", "--quarantine", "--to", &aside, &source]);
    let (code, set) = (suspected["check_code"].as_str().expect("a code"), suspected["set"].as_str().expect("a set"));
    clinic.copy_folder(&format!("CL-03/AZEKURA/{set}"), &format!("CL-01/AZEKURA/{set}"));
    clinic.dock("CL-01");
    assert!(clinic.assert_ends(0, &["verify", &dock, "--expect", code]).contains(set));
    let to = clinic.text("back");
    let restore = ["restore", "--from", &dock, "--to", &to, "--identity", &key, "--expect", code];
    let said = clinic.assert_ends(2, &restore);
    assert!(said.contains("quarantine") && !clinic.path("back").exists(), "{said}");
    clinic.assert_ends(0, &[&restore[..], &["--set", set]].concat());
}
