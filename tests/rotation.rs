//! Three disks that take turns, as a clinic has them: 31 nights with holidays, mistakes and a blank disk. The program is run as cron runs it.

#[path = "machine/clinic.rs"]
mod clinic;
#[path = "machine/days.rs"]
mod days;
mod machine;

use azekura::host::ledger::Ledger;
use clinic::Clinic;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

impl Clinic {
    fn new() -> Self {
        let clinic = Self::with_disks(&["CL-01", "CL-02", "CL-03", "blank", "foreign"]);
        fs::write(clinic.path("source/karte"), "1").expect("a file");
        let recipient = &clinic.recipient;
        let config = format!(
            "medium = \"disks\"\nrecipients = [\"{recipient}\"]\n[[source]]\nname = \"karte\"\npath = \"{}\"\n[[pool]]\nname = \"disks\"\n\
             media = [\"CL-01\", \"CL-02\", \"CL-03\"]\nat = \"{}\"\nleave = [\"rm\", \"{1}\"]\n",
            clinic.text("source"),
            clinic.text("dock")
        );
        fs::write(clinic.path("config"), config).expect("a configuration");
        clinic
    }

    /// A night with this disk in the dock; its exit code, and what it said.
    fn night(&self, night: usize, disk: &str) -> (i32, String) {
        days::a_day_passes(&self.path("state"));
        self.once_more(night, disk)
    }

    /// Another run in the same night.
    fn once_more(&self, night: usize, disk: &str) -> (i32, String) {
        self.dock(disk);
        fs::write(self.path("source/karte"), format!("night {night}")).expect("a file");
        let out = self.run(&["backup"], "config");
        (out.status.code().expect("an end"), String::from_utf8_lossy(&out.stderr).into_owned())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let out = self.run(&arguments, "config");
        assert!(out.status.success(), "{out:?}");
        serde_json::from_slice::<Value>(&out.stdout).expect("JSON")["result"].clone()
    }

    fn due(&self) -> String {
        self.json(&["media", "due"])["pools"][0]["due"].as_str().expect("a name").to_owned()
    }
}

/// Every file below a folder with its content.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().flatten().filter(|e| e.file_type().is_file());
    files.map(|e| (e.path().to_owned(), fs::read(e.path()).expect("content"))).collect()
}

#[test]
fn thirty_one_nights() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        let taken = clinic.run(&["media", "init", disk], "config");
        assert!(taken.status.success(), "{taken:?}");
        let again = clinic.run(&["media", "init", disk], "config");
        assert_eq!(again.status.code(), Some(2), "a name is taken once");
    }
    // Another practice's disk.
    let foreign = [
        "backup",
        "--init",
        "--recipient",
        &clinic.recipient,
        "--to",
        &clinic.text("foreign"),
        &clinic.text("source"),
        "--state",
    ];
    let theirs = Command::new(env!("CARGO_BIN_EXE_azekura")).args(foreign).arg(clinic.path("their state")).output();
    assert!(theirs.expect("the program").status.success());
    let untouched = ["blank", "foreign"].map(|d| (d, content(&clinic.path(d))));

    let mut exits = Vec::new();
    let mut in_dock = String::new();
    for night in 1..=31 {
        let due = clinic.due();
        // Somebody forgets to swap; a holiday of nine days, through which the disk stays in.
        let stays = night == 9 || (13..=21).contains(&night);
        let wrong = match night {
            24 => Some(["CL-01", "CL-02", "CL-03"].into_iter().find(|d| *d != due && *d != in_dock).expect("a third")),
            26 => Some("blank"),
            28 => Some("foreign"),
            _ => None,
        };
        if let Some(disk) = wrong {
            let before = content(&clinic.path(disk));
            let (exit, said) = clinic.night(night, disk);
            assert_eq!(exit, 6, "night {night}: {said}");
            assert!(said.contains(&due), "night {night}: which disk is due is said: {said}");
            assert_eq!(content(&clinic.path(disk)), before, "night {night}: not a byte was written");
            exits.push(exit);
        }
        let disk = if stays { in_dock.clone() } else { due.clone() };
        let (exit, said) = clinic.night(night, &disk);
        assert_eq!(exit, if stays { 3 } else { 0 }, "night {night}: {said}");
        assert_eq!(stays, said.contains("overdue for its swap"), "night {night}: {said}");
        assert!(!clinic.path("dock").exists(), "night {night}: it was told to leave");
        exits.push(exit);
        in_dock = disk;
    }
    assert_eq!(exits.iter().filter(|e| **e == 6).count(), 3);
    assert_eq!(exits.iter().filter(|e| **e == 3).count(), 10);
    assert_eq!(exits.iter().filter(|e| **e == 0).count(), 21);
    for (disk, before) in untouched {
        assert_eq!(content(&clinic.path(disk)), before, "{disk}");
    }

    // The ledger tells all of it, in order.
    let log = clinic.json(&["media", "log"]);
    let lines = log["lines"].as_array().expect("lines");
    let count = |event: &str| lines.iter().filter(|l| l["event"] == event).count();
    assert_eq!([count("registered"), count("attached"), count("written"), count("refused")], [3, 32, 31, 3]);
    assert_eq!(count("detached"), 31);
    assert!(lines.iter().filter(|l| l["event"] == "detached").all(|l| l["seen"] == true));
    assert_eq!(log["broken"], serde_json::json!([]));
    // Each disk alone restores its newest night.
    for disk in ["CL-01", "CL-02", "CL-03"] {
        let to = format!("restored {disk}");
        let medium = clinic.text(disk);
        let (key, out) = (clinic.text("key"), clinic.text(&to));
        let restored = clinic.run(&["restore", "--from", &medium, "--identity", &key, "--to", &out], "");
        assert!(restored.status.success(), "{restored:?}");
        let karte = fs::read_to_string(clinic.path(&to).join("karte/karte")).expect("the file");
        assert!(karte.starts_with("night "), "{karte}");
        assert!(clinic.run(&["verify", &medium], "").status.success());
    }
}

/// The disk stays in for longer than the clinic allows: nothing more is written on it.
#[test]
fn a_disk_that_nobody_swaps_is_refused_in_the_end() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    let exits: Vec<i32> = (1..=12).map(|night| clinic.night(night, "CL-01").0).collect();
    assert_eq!(exits, [0, 3, 3, 3, 3, 3, 3, 3, 3, 3, 6, 6]);
    assert_eq!(clinic.due(), "CL-02");
    assert_eq!(clinic.night(13, "CL-02").0, 0);
}

/// What is only mounted at another place, and a folder that cannot go anywhere, are as near to an intruder as before.
#[test]
fn what_is_still_attached_was_not_taken_anywhere() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    let folder = clinic.text("blank");
    let alone = ["backup", "--init", "--set", "vm", "--recipient", &clinic.recipient, "--to", &folder, &clinic.text("source")];
    assert!(clinic.run(&alone, "").status.success());
    let refused = clinic.run(&["media", "move", "vm", "--to", "safe", "--by", "A"], "config");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(6) && said.contains(&folder), "{said}");

    // In a mount namespace of its own: nothing stays mounted.
    fs::create_dir(clinic.path("elsewhere")).expect("a folder");
    let script = "mount --bind \"$1\" \"$2\" || exit 77; shift 2; exec \"$@\"";
    let mut mounted = Command::new("unshare");
    mounted.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).args(["CL-01", "elsewhere"].map(|n| clinic.path(n)));
    mounted.arg(env!("CARGO_BIN_EXE_azekura")).args(["media", "move", "CL-01", "--to", "X", "--off-site", "--by", "A"]);
    mounted.args(["--state", &clinic.text("state"), "--config", &clinic.text("config"), "--lang", "en"]);
    let out = mounted.output();
    match out.as_ref().map(|out| out.status.code()) {
        Ok(Some(6)) => {
            let said = String::from_utf8_lossy(&out.as_ref().expect("an end").stderr).into_owned();
            assert!(said.contains("still attached") && said.contains(&clinic.text("elsewhere")), "{said}");
        }
        Ok(Some(1 | 77)) | Err(_) => machine::skipped(format!("a disk mounted elsewhere: no mounts in a namespace: {out:?}")),
        other => panic!("{other:?}: {out:?}"),
    }
    let moved = clinic.run(&["media", "move", "CL-01", "--to", "X", "--off-site", "--by", "A"], "config");
    assert!(moved.status.success(), "{moved:?}");
}

/// "What was stored is sealed" is said only where something was.
#[test]
fn a_full_disk_on_which_nothing_was_stored_says_so() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    let azekura = format!(
        "{} --lang en --state {} --config {}",
        env!("CARGO_BIN_EXE_azekura"),
        clinic.text("state"),
        clinic.text("config")
    );
    let script = format!(
        "mount -t tmpfs -o size=3m tmpfs {disk} || exit 77; {azekura} media init CL-01 && head -c 1500000 /dev/urandom > {source}/a && \
         {azekura} backup; ln -sfn {disk} {dock}; head -c 1700000 /dev/urandom > {source}/b; {azekura} backup",
        disk = clinic.text("CL-01"),
        dock = clinic.text("dock"),
        source = clinic.text("source"),
    );
    let out = Command::new("unshare").args(["--mount", "--map-root-user", "sh", "-c", &script]).output();
    match out.as_ref().map(|out| out.status.code()) {
        Ok(Some(6)) => {
            let said = String::from_utf8_lossy(&out.as_ref().expect("an end").stderr).into_owned();
            assert!(said.contains("CL-01 is full. Nothing of tonight's backup is sealed."), "{said}");
        }
        Ok(Some(1 | 77)) | Err(_) => machine::skipped(format!("a small disk: no mounts in a namespace: {out:?}")),
        other => panic!("{other:?}: {out:?}"),
    }
}

/// A copy that was not finished is attached, and its medium was written.
#[test]
fn a_copy_that_fails_is_in_the_ledger() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    let pack = content(&clinic.path("CL-01")).into_keys().find(|p| p.extension().is_some_and(|e| e == "pack")).expect("a pack");
    let bytes = fs::read(&pack).expect("a pack");
    fs::remove_file(&pack).expect("a pack");
    fs::write(&pack, &bytes[..bytes.len() / 2]).expect("half a pack");
    let copy = ["media", "copy", "--from", &clinic.text("CL-01"), "--to", &clinic.text("blank"), "--name", "CL-12"];
    let out = clinic.run(&copy, "config");
    assert_eq!(out.status.code(), Some(5), "{out:?}");
    let log = clinic.json(&["media", "log", "CL-12", "--attached"]);
    assert_eq!(log["attached"][0]["until"], Value::Null, "{log}");
    let list = clinic.json(&["media", "list"]);
    assert_eq!((&list["media"][1]["name"], &list["media"][1]["at_host"]), (&"CL-12".into(), &true.into()), "{list}");
    // The original is no copy of its own, whoever names it so.
    let itself = ["media", "copy", "--from", &clinic.text("CL-01"), "--to", &clinic.text("CL-01"), "--name", "CL-13"];
    assert!(!clinic.run(&itself, "config").status.success());
    assert_eq!(clinic.json(&["media", "list"])["media"].as_array().expect("media").len(), 2);
}

#[test]
fn the_ledger_knows_where_a_disk_is_and_who_took_it_there() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    let moving = ["media", "move", "CL-01", "--to", "金庫", "--by", "鈴木", "--witness", "佐藤"];
    // It is in the dock: nobody has taken it anywhere.
    let in_dock = clinic.run(&moving, "config");
    let said = String::from_utf8_lossy(&in_dock.stderr).into_owned();
    assert!(in_dock.status.code() == Some(6) && said.contains("still attached"), "{said}");
    assert_eq!(clinic.json(&["media", "list"])["media"][0]["place"], Value::Null);
    fs::remove_file(clinic.path("dock")).expect("it is taken out");
    for same in ["鈴木", "鈴\u{3000}木"] {
        let alone = ["media", "move", "CL-01", "--to", "金庫", "--by", "鈴木", "--witness", same];
        assert_eq!(clinic.run(&alone, "config").status.code(), Some(2), "nobody is their own witness: {same}");
    }
    let moved = clinic.run(&moving, "config");
    assert!(moved.status.success(), "{moved:?}");
    let list = clinic.json(&["media", "list"]);
    assert_eq!((&list["media"][0]["name"], &list["media"][0]["place"]), (&"CL-01".into(), &"金庫".into()));
    assert_eq!(clinic.run(&["media", "move", "CL-09", "--to", "x", "--by", "y"], "config").status.code(), Some(2));
    let label =
        clinic.run(&["media", "label", "CL-01", "--contact", "03-0000-0000", "--out", &clinic.text("label.html")], "config");
    assert!(label.status.success(), "{label:?}");
    let page = fs::read_to_string(clinic.path("label.html")).expect("a page");
    assert!(page.contains("CL-01") && page.contains("03-0000-0000"));
    // One disk's lines, and what is about all of them.
    clinic.dock("CL-02");
    assert!(clinic.run(&["media", "init", "CL-02"], "config").status.success());
    assert!(clinic.run(&["hold", "on", "--by", "当直", "--why", "脅迫文"], "").status.success());
    let log = clinic.json(&["media", "log", "CL-02"]);
    let events = |log: &Value| -> Vec<String> {
        log["lines"].as_array().expect("lines").iter().map(|l| l["event"].as_str().expect("a word").to_owned()).collect()
    };
    assert_eq!(events(&log), ["registered", "held"]);
    assert_eq!(events(&clinic.json(&["media", "log"])), ["registered", "moved", "registered", "held"]);
    assert_eq!(clinic.run(&["media", "log", "CL-09"], "config").status.code(), Some(2));
    // Somebody changes what was written.
    let ledger = clinic.path("state/ledger.jsonl");
    let text = fs::read_to_string(&ledger).expect("the ledger").replace("鈴木", "田中");
    fs::write(&ledger, text).expect("a change");
    let log = clinic.run(&["media", "log"], "config");
    assert_eq!(log.status.code(), Some(5), "{log:?}");
}

/// Which copies there are, and what the 3-2-1 rule says of them.
#[test]
fn status_tells_what_the_copies_lack() {
    let clinic = Clinic::new();
    let status = |rule: bool| {
        let arguments = ["status", "--json", "--321"];
        let out = clinic.run(&arguments[..2 + usize::from(rule)], "config");
        let json: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let result = &json["result"];
        let lacks: Vec<String> =
            result["lacks"].as_array().expect("lacks").iter().map(|l| l["lack"].as_str().expect("a word").to_owned()).collect();
        (out.status.code(), lacks, result.clone())
    };
    for disk in ["CL-01", "CL-02"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    assert_eq!(status(false).2["copies"], serde_json::json!([]), "nothing is written on them yet");
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    // It was seen to leave.
    assert_eq!((status(false).0, status(false).1.len()), (Some(0), 0));
    let (exit, lacks, result) = status(true);
    assert_eq!((exit, &lacks[..]), (Some(3), &["few", "one-kind", "none-off-site", "place-unknown"].map(String::from)[..]));
    assert_eq!(result["rule_321"], serde_json::json!({ "copies": 2, "kinds": 1, "off_site": 0 }));

    // A copy that nobody has taken away yet.
    fs::create_dir(clinic.path("copy")).expect("a folder");
    let copy = ["media", "copy", "--from", &clinic.text("CL-01"), "--to", &clinic.text("copy"), "--name", "CP-01"];
    assert!(clinic.run(&copy, "config").status.success());
    let taken = ["media", "copy", "--from", &clinic.text("CL-01"), "--to", &clinic.text("copy"), "--name", "CL-02"];
    assert_eq!(clinic.run(&taken, "config").status.code(), Some(2));
    let (exit, lacks, _) = status(false);
    // What it was made from was at the host, too.
    assert_eq!((exit, &lacks[..]), (Some(3), &["attached", "attached"].map(String::from)[..]));
    for (disk, off_site) in [("CP-01", true), ("CL-01", false)] {
        let mut moved = vec!["media", "move", disk, "--to", "金庫", "--by", "鈴木"];
        moved.extend(off_site.then_some("--off-site"));
        let folder = if off_site { "copy" } else { disk };
        assert_eq!(clinic.run(&moved, "config").status.code(), Some(6), "it is where it was written");
        fs::rename(clinic.path(folder), clinic.path(&format!("{disk} away"))).expect("it is taken away");
        assert!(clinic.run(&moved, "config").status.success());
    }
    let (exit, lacks, result) = status(true);
    assert_eq!((exit, &lacks[..]), (Some(3), &["one-kind", "shared-place"].map(String::from)[..]));
    assert_eq!(result["rule_321"], serde_json::json!({ "copies": 3, "kinds": 1, "off_site": 1 }));
    // Read in full, and said so: but not where nothing is sealed.
    let disk = clinic.text("CL-02");
    let scrub = || clinic.run(&["media", "scrub", &disk], "config").status.code();
    let scrubbed = || -> Vec<bool> {
        let list = clinic.json(&["media", "list"]);
        list["media"].as_array().expect("media").iter().map(|m| m["scrubbed"].is_object()).collect()
    };
    assert_eq!((scrub(), scrubbed()), (Some(6), vec![false, false, false]));
    // The copy is no medium of the rotation.
    assert_eq!(clinic.night(2, "CL-02").0, 0);
    assert_eq!((scrub(), scrubbed()), (Some(0), vec![false, true, false]));
    assert_eq!(clinic.due(), "CL-03");
}

/// Somebody encrypts the records. The night raises an alarm and is sealed; from then on no other disk is written to, until two people say so.
#[test]
fn an_alarm_keeps_the_clean_disks_away() {
    let clinic = Clinic::new();
    let karte = |i: usize| clinic.path(&format!("source/karte {i}.xml"));
    for i in 0..60 {
        fs::write(karte(i), format!("<karte>{i}</karte>\n").repeat(40)).expect("a file");
    }
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    let exits: Vec<i32> = ["CL-01", "CL-02", "CL-03"].iter().zip(1..).map(|(disk, night)| clinic.night(night, disk).0).collect();
    assert_eq!(exits, [0, 0, 0]);
    for i in 0..60 {
        let mut noise = vec![0; 900];
        blake3::Hasher::new().update(&[i as u8]).finalize_xof().fill(&mut noise);
        fs::write(karte(i), noise).expect("encrypted");
    }
    let (exit, said) = clinic.night(4, "CL-01");
    assert_eq!(exit, 4, "{said}");
    assert!(said.contains("ALARM in karte") && said.contains("karte/karte 0.xml") && said.contains("hold"), "{said}");
    assert_eq!(clinic.run(&["hold", "show"], "config").status.code(), Some(4));
    assert_eq!(clinic.run(&["status"], "config").status.code(), Some(4));

    // The clean disks are not written to; the one that was in may go on.
    for disk in ["CL-02", "CL-03"] {
        let before = content(&clinic.path(disk));
        let (exit, said) = clinic.night(5, disk);
        assert!(exit == 6 && said.contains("hold"), "{disk}: {exit} {said}");
        assert_eq!(content(&clinic.path(disk)), before, "{disk}");
    }
    let (exit, said) = clinic.night(5, "CL-01");
    assert_eq!(exit, 4, "written and overdue, but the hold counts: {said}");
    assert!(said.starts_with("Warning: A hold has been active since") && !said.contains("CL-02"), "{said}");
    // What is sealed says so, and the night before can be had.
    let list = clinic.json(&["generations", &clinic.text("CL-01")]);
    let verdicts: Vec<&str> = list["sets"][0]["generations"]
        .as_array()
        .expect("generations")
        .iter()
        .map(|g| g["verdict"].as_str().expect("a word"))
        .collect();
    assert_eq!(verdicts[..2], ["good", "alarm"]);

    let off = |arguments: &[&str]| clinic.run(&[&["hold", "off"], arguments].concat(), "config").status.code();
    for same in ["鈴木", "鈴木\u{3000}", "鈴 木"] {
        assert_eq!(off(&["--by", "鈴木", "--witness", same]), Some(2), "{same}");
    }
    assert_eq!(off(&["--by", "鈴木"]), Some(3));
    assert_eq!(off(&["--by", "鈴木"]), Some(2), "not on the same day");
    assert_eq!(clinic.night(6, "CL-02").0, 6);
    assert_eq!(off(&["--by", "佐藤"]), Some(0));
    assert_eq!(clinic.run(&["hold", "show"], "config").status.code(), Some(4), "the alarm is open");
}

/// Whatever somebody asks of this host while a hold is active: that is what it says first, in the same words, and it names no
/// medium to attach.
#[test]
fn under_a_hold_every_command_says_so_and_none_asks_for_a_disk() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    assert_eq!([clinic.night(1, "CL-01").0, clinic.night(2, "CL-02").0], [0, 0]);
    // A night that failed says which medium was due: under the hold nobody may read that as a request.
    assert_eq!(clinic.night(3, "CL-01").0, 6);
    assert!(clinic.run(&["hold", "on", "--by", "当直", "--why", "脅迫文"], "config").status.success());
    let (disk, copy, out) = (clinic.text("CL-01"), clinic.text("copy"), clinic.text("out"));
    fs::create_dir(&copy).expect("a folder");
    clinic.dock("CL-02");
    for (arguments, exit) in [
        (&["status", "--321"][..], 4),
        (&["media", "due"], 4),
        (&["media", "list"], 0),
        (&["media", "log"], 0),
        (&["generations", &disk], 0),
        (&["verify", &disk], 0),
        (&["media", "scrub", &disk], 0),
        (&["media", "copy", "--from", &disk, "--to", &copy], 0),
        (&["restore", "--from", &disk, "--identity", &clinic.text("key"), "--to", &out], 0),
        (&["backup"], 4),
        (&["backup"], 6),
    ] {
        if exit == 6 {
            // The disk has left; its mount point is bare.
            fs::create_dir(clinic.path("dock")).expect("a bare folder");
        }
        let ran = clinic.run(arguments, "config");
        let [said, result] = [&ran.stderr, &ran.stdout].map(|out| String::from_utf8_lossy(out).into_owned());
        assert_eq!(ran.status.code(), Some(exit), "{arguments:?}: {said}");
        let (first, rest) = said.split_once('\n').expect("a line");
        assert!(
            first.starts_with("Warning: A hold has been active since") && first.ends_with("当直: 脅迫文"),
            "{arguments:?}: {said}"
        );
        assert!(!rest.contains("A hold has been active"), "once: {said}");
        if arguments != ["media", "list"] && arguments != ["media", "log"] {
            let asks = ["CL-03", "Attach CL", "another medium", "Add a medium", "another kind"]
                .map(|a| format!("{said}{result}").contains(a));
            assert_eq!(asks, [false; 5], "{arguments:?}: {said}{result}");
        }
    }
    let due = clinic.run(&["media", "due", "--json"], "config");
    let due: Value = serde_json::from_slice(&due.stdout).expect("JSON");
    assert_eq!((&due["result"]["hold"], &due["result"]["pools"]), (&true.into(), &Value::Array(Vec::new())));
    assert_eq!(clinic.run(&["hold", "off", "--by", "鈴木", "--witness", "佐藤"], "config").status.code(), Some(0));
    assert_eq!(clinic.due(), "CL-03");
}

/// A clinic without a pool names the disk that it writes to. While a hold stands, the clean one is safe from a slip of the hand.
#[test]
fn a_hold_keeps_a_clean_disk_away_from_whoever_names_it() {
    let clinic = Clinic::new();
    let to = |disk: &str| {
        let arguments =
            ["backup", "--to", &clinic.text(disk), "--init", "--recipient", &clinic.recipient, &clinic.text("source")];
        let out = clinic.run(&arguments, "");
        (out.status.code().expect("an end"), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    assert_eq!([to("CL-01").0, to("CL-02").0], [0, 0]);
    assert!(clinic.run(&["hold", "on", "--by", "当直", "--why", "脅迫文"], "").status.success());
    let before = content(&clinic.path("CL-01"));
    let (exit, said) = to("CL-01");
    assert!(exit == 6 && said.contains("hold") && said.contains("脅迫文"), "{exit} {said}");
    assert_eq!(content(&clinic.path("CL-01")), before);
    // The one that was in is evidence already, and a blank one has nothing to lose; from then on that one is in.
    assert_eq!([to("CL-02").0, to("CL-03").0, to("CL-02").0], [4, 4, 6]);
    assert_eq!(clinic.run(&["hold", "off", "--by", "鈴木", "--witness", "佐藤"], "").status.code(), Some(0));
    assert_eq!([to("CL-01").0, to("CL-02").0], [0, 0]);
}

/// The infected state is evidence. It goes onto a disk of its own, and nobody who asks for the newest generation is given it.
#[test]
fn what_is_suspected_is_kept_apart() {
    let clinic = Clinic::new();
    let run = |arguments: &[&str]| {
        let out = clinic.run(arguments, "config");
        (out.status.code().expect("an end"), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let to = |disk: &str, how: &str| run(&["backup", "--to", &clinic.text(disk), how, &clinic.text("source")]);
    assert_eq!([to("CL-01", "--init").0, to("CL-02", "--init").0], [0, 0]);
    assert_eq!(run(&["hold", "on", "--by", "当直", "--why", "脅迫文"]).0, 0);
    fs::write(clinic.path("source/karte"), "encrypted").expect("a file");

    // Not beside what is clean, not in a rotation, and while the hold stands.
    let before = content(&clinic.path("CL-02"));
    assert_eq!(to("CL-02", "--quarantine").0, 6);
    assert_eq!(content(&clinic.path("CL-02")), before);
    assert_eq!(run(&["backup", "--to", "disks", "--quarantine"]).0, 2);
    assert_eq!(run(&["backup", "--quarantine"]).0, 2, "the medium has to be named");
    let (exit, said) = to("blank", "--quarantine");
    assert!(exit == 0 && said.contains("quarantine"), "{exit} {said}");
    assert!(said.starts_with("Warning: A hold has been active since"), "{said}");
    assert_eq!(to("CL-02", "--init").0, 4, "what was in is still what was in, and the hold is active");

    // No clean generation goes there, with a turn or without; more evidence does.
    let before = content(&clinic.path("blank"));
    assert_eq!(run(&["hold", "off", "--by", "鈴木", "--witness", "佐藤"]).0, 0);
    assert_eq!([to("blank", "--init").0, clinic.night(1, "blank").0], [6, 6]);
    assert_eq!(content(&clinic.path("blank")), before);
    fs::write(clinic.path("source/karte"), "encrypted").expect("a file");
    assert_eq!(to("blank", "--quarantine").0, 0);

    // It is listed as what it is, is checked like any other, and is restored when somebody names it.
    let list = clinic.json(&["generations", &clinic.text("blank")]);
    assert_eq!(
        (&list["sets"][0]["quarantine"], list["sets"][0]["generations"].as_array().map(Vec::len)),
        (&true.into(), Some(2))
    );
    assert_eq!(run(&["verify", &clinic.text("blank")]).0, 0);
    let restore = |disk: &str, more: &[&str]| {
        let target = clinic.path("back");
        let _ = fs::remove_dir_all(&target);
        let (disk, key, target) = (clinic.text(disk), clinic.text("key"), target.to_str().expect("UTF-8").to_owned());
        let arguments = ["restore", "--from", &disk, "--identity", &key, "--to", &target];
        run(&[&arguments[..], more].concat()).0
    };
    assert_eq!([restore("blank", &[]), restore("blank", &["--generation", "1"])], [2, 2]);
    assert!(!clinic.path("back").exists());
    let set = list["sets"][0]["set"].as_str().expect("an id");
    assert_eq!(restore("blank", &["--set", set]), 0);
    assert_eq!(fs::read(clinic.path("back/source/karte")).expect("a file"), b"encrypted");
    // Nobody takes it for clean later on: it says what it is, and cannot be written to.
    let mode = |name: &str| fs::metadata(clinic.path("back").join(name)).expect("a status").permissions().mode() & 0o777;
    let pages = || -> Vec<String> {
        let all = fs::read_dir(clinic.path("back")).expect("a folder").map(|e| e.expect("an entry"));
        let pages = all.filter(|e| e.file_type().expect("a type").is_file());
        pages.map(|e| fs::read_to_string(e.path()).expect("a page")).collect()
    };
    let all = pages();
    assert!(all.len() == 1 && all[0].contains("隔離") && all[0].contains("in quarantine"), "{all:?}");
    assert_eq!([mode("source"), mode("source/karte")], [0o555, 0o444]);
    assert_eq!(restore("blank", &["--set", set, "--no-provisional"]), 0);
    assert!(pages().is_empty());

    // Beside a clean one, as on an investigator's disk, it is not the one that is meant.
    for disk in ["CL-01", "blank"] {
        let (from, to) = (clinic.text(disk), clinic.text("foreign"));
        assert_eq!(run(&["media", "copy", "--from", &from, "--to", &to, "--beside-others"]).0, 0, "{disk}");
    }
    assert_eq!(restore("foreign", &[]), 0);
    assert_eq!(fs::read(clinic.path("back/source/karte")).expect("a file"), b"1");
    let list = clinic.json(&["generations", &clinic.text("foreign")]);
    assert_eq!([&list["sets"][0]["quarantine"], &list["sets"][1]["quarantine"]], [&Value::from(false), &Value::from(true)]);
}

/// What an incident responder asks of a medium is on record, the medium stays as it was, and an edited record is found.
#[test]
fn evidence_is_kept_and_cannot_be_edited() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    for night in 1..=3 {
        clinic.night(night, "CL-01");
    }
    let (medium, session, key) = (clinic.text("CL-01"), clinic.text("session"), clinic.text("key"));
    let before = content(&clinic.path("CL-01"));
    let start =
        ["evidence", "start", "--from", &medium, "--to", &session, "--by", "鈴木", "--witness", "佐藤", "--place", "院長室"];
    let mut alone = start;
    alone[9] = " 鈴木";
    assert_eq!(clinic.run(&alone, "").status.code(), Some(2), "nobody is their own witness");
    assert!(!clinic.path("session").exists());
    let started = clinic.run(&start, "");
    assert!(started.status.success(), "{started:?}");
    let said = String::from_utf8_lossy(&started.stderr).into_owned();
    assert!(said.contains("can be written to"), "the mount is warned of: {said}");
    assert_eq!(clinic.run(&start, "").status.code(), Some(2), "a session is not begun over another");

    let recorded = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.args(arguments).args(["--state", &clinic.text("nowhere"), "--lang", "en"]).env("AZEKURA_EVIDENCE", &session);
        command.output().expect("the program").status.code()
    };
    assert_eq!(recorded(&["verify", &medium]), Some(0));
    assert_eq!(recorded(&["restore", "--from", &medium, "--identity", &key, "--to", &clinic.text("back")]), Some(0));
    assert_eq!(recorded(&["compare", "--from", &medium, "--identity", &key, &clinic.text("back/karte")]), Some(0));
    assert_eq!(recorded(&["verify", &clinic.text("blank")]), Some(6), "what fails is recorded, too");
    assert_eq!(recorded(&["backup", "--to", &medium, &clinic.text("source")]), Some(2), "nothing is written in a session");
    assert_eq!(content(&clinic.path("CL-01")), before, "not a byte of the medium has changed");

    let check = || clinic.run(&["evidence", "check", &session, "--json"], "");
    let checked: Value = serde_json::from_slice(&check().stdout).expect("JSON");
    assert_eq!((checked["exit_code"].as_u64(), checked["result"]["lines"].as_u64()), (Some(0), Some(5)), "{checked}");
    let out = clinic.run(&["evidence", "export", &session, "--out", &clinic.text("handed over")], "");
    assert!(out.status.success(), "{out:?}");
    let sums = Command::new("sha256sum").args(["-c", "--quiet", "SHA256SUMS"]).current_dir(clinic.path("handed over")).status();
    assert!(sums.expect("sha256sum").success());
    assert_eq!(fs::read_dir(clinic.path("handed over/seals")).expect("seals").count(), 3);

    // Somebody improves the record, or a result.
    let record = clinic.path("session/record.jsonl");
    let good = fs::read_to_string(&record).expect("the record");
    for (from, to) in [("佐藤", "田中"), ("\"exit_code\":0", "\"exit_code\":5"), ("verify", "verily")] {
        fs::write(&record, good.replacen(from, to, 1)).expect("edited");
        assert_eq!(check().status.code(), Some(5), "{from} to {to}");
    }
    let mut lines: Vec<&str> = good.lines().collect();
    lines.remove(2);
    fs::write(&record, lines.join("\n") + "\n").expect("a line less");
    assert_eq!(check().status.code(), Some(5), "a line taken out");
    fs::write(&record, &good).expect("as it was");
    assert_eq!(check().status.code(), Some(0));
    let result = clinic.path("session/results/0002-verify.json");
    let before = fs::read_to_string(&result).expect("a result");
    fs::write(&result, before.replace("true", "false")).expect("edited");
    assert_eq!(check().status.code(), Some(5), "a result edited");
    fs::write(&result, before).expect("as it was");
    assert_eq!(check().status.code(), Some(0));
    let seal = fs::read_dir(clinic.path("session/seals")).expect("seals").flatten().next().expect("a seal").path();
    fs::write(&seal, fs::read_to_string(&seal).expect("a seal").replace("20", "19")).expect("edited");
    assert_eq!(check().status.code(), Some(5), "a seal edited");
}

/// The backup is sealed; only its result cannot be printed. "Nothing new was sealed" would be a lie, and so would "all good".
#[test]
fn a_sealed_night_without_an_output_has_a_code_of_its_own() {
    let clinic = Clinic::new();
    let full = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.args(arguments).args(["--state", &clinic.text("state"), "--lang", "en", "--config", &clinic.text("config")]);
        let out = command.stdout(fs::File::options().write(true).open("/dev/full").expect("a full disk")).output();
        let out = out.expect("the program");
        (out.status.code().expect("an end"), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    for disk in ["CL-01", "CL-02"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    for (disk, json) in [("CL-01", &[][..]), ("CL-02", &["--json"])] {
        clinic.dock(disk);
        let (exit, said) = full(&[&["backup"], json].concat());
        let list = clinic.json(&["generations", &clinic.text(disk)]);
        let newest = &list["sets"][0]["generations"][0];
        assert_eq!((exit, newest["generation"].as_u64()), (8, Some(1)), "{said}");
        let code = newest["check_code"].as_str().expect("a code");
        assert!(said.contains("Generation 1") && said.contains(code), "{code}: {said}");
    }
    // Nothing is sealed where nothing was: the disk is out of turn, or there is no backup at all.
    clinic.dock("CL-01");
    assert_eq!(full(&["backup"]).0, 6);
    assert_eq!(full(&["media", "list"]).0, 1);
}

/// Somebody runs the backup again in the same night; the next night on the same disk is a forgotten swap.
#[test]
fn a_second_run_in_the_same_night_is_no_forgotten_swap() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    let runs = [clinic.night(1, "CL-01"), clinic.once_more(1, "CL-01"), clinic.once_more(1, "CL-01")];
    assert!(runs.iter().all(|(exit, said)| *exit == 0 && !said.contains("overdue")), "{runs:?}");
    // In the morning the next one is due, however often the backup ran; brought at once, it is taken.
    assert_eq!(clinic.due(), "CL-02");
    let config = fs::read_to_string(clinic.path("config")).expect("the configuration");
    fs::write(clinic.path("config"), format!("{config}stay_nights = 1\n")).expect("a configuration");
    let forgotten = [clinic.night(2, "CL-01").0, clinic.once_more(2, "CL-01").0, clinic.night(3, "CL-01").0];
    assert_eq!(forgotten, [3, 3, 6]);
    assert_eq!([clinic.once_more(3, "CL-02").0, clinic.once_more(3, "CL-02").0], [0, 0]);
}

/// The catalog is lost once. That night begins a set anew, and says so; the nights after it go on there.
#[test]
fn a_lost_catalog_costs_one_new_set_on_each_disk() {
    for dies in [false, true] {
        let clinic = Clinic::new();
        for disk in ["CL-01", "CL-02", "CL-03"] {
            clinic.dock(disk);
            assert!(clinic.run(&["media", "init", disk], "config").status.success());
        }
        let nights = |numbers: std::ops::Range<usize>| -> Vec<(i32, String)> {
            numbers.map(|n| clinic.night(n, ["CL-01", "CL-02", "CL-03"][n % 3])).collect()
        };
        let exits = |nights: &[(i32, String)]| nights.iter().map(|n| n.0).collect::<Vec<_>>();
        assert_eq!(exits(&nights(0..3)), [0, 0, 0]);
        for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
            let _ = fs::remove_file(clinic.path("state").join(file));
        }
        let first = nights(3..6);
        assert_eq!(exits(&first), [3, 3, 3], "{first:?}");
        assert!(first.iter().all(|(_, said)| said.contains("catalog of the old medium set is lost")), "{first:?}");
        if dies {
            // The power failed before the ledger knew of the new sets: its last lines are lost.
            let ledger = Ledger::of(&clinic.path("state"));
            let lines = ledger.read().expect("the ledger").lines;
            for name in ["ledger.jsonl", "ledger.end"] {
                fs::remove_file(clinic.path("state").join(name)).expect("a file");
            }
            let mut known = std::collections::BTreeSet::new();
            for line in lines {
                let is_again = matches!(&line.event, azekura::host::ledger::LedgerEvent::Registered { medium, .. }
                    if !known.insert(medium.clone()));
                if !is_again {
                    ledger.write(&line.time, line.event).expect("a line");
                }
            }
        }
        assert_eq!(exits(&nights(6..12)), [0; 6]);
        for disk in ["CL-01", "CL-02", "CL-03"] {
            let list = clinic.json(&["generations", &clinic.text(disk)]);
            let mut generations: Vec<usize> =
                list["sets"].as_array().expect("sets").iter().map(|s| s["generations"].as_array().expect("some").len()).collect();
            generations.sort_unstable();
            assert_eq!(generations, [1, 3], "{disk}: the old set, and one new");
        }
        let list = clinic.json(&["media", "list"]);
        assert!(list["media"].as_array().expect("media").iter().all(|m| m["at_host"] == false), "{list}");
    }
}

/// The disks were in use before anybody thought of turns: each joins with what is on it.
#[test]
fn disks_in_use_join_the_pool() {
    let clinic = Clinic::new();
    let single = ["backup", "--init", "--recipient", &clinic.recipient, "--to", &clinic.text("CL-01"), &clinic.text("source")];
    assert!(clinic.run(&single, "").status.success());
    clinic.dock("CL-02");
    let apart = ["media", "init", "CL-02", "--recipient", &clinic.recipient, "--at", &clinic.text("dock")];
    assert!(clinic.run(&apart, "").status.success());
    clinic.dock("CL-01");
    let joined = clinic.run(&["media", "init", "CL-01"], "config");
    assert!(joined.status.success(), "{joined:?}");
    // It joins once, and as one medium.
    assert_eq!(clinic.run(&["media", "init", "CL-03"], "config").status.code(), Some(6));
    assert_eq!([clinic.night(1, "CL-01").0, clinic.night(2, "CL-02").0], [0, 0]);
    let list = clinic.json(&["generations", &clinic.text("CL-01")]);
    let generations = list["sets"][0]["generations"].as_array().expect("generations").len();
    assert_eq!((list["sets"].as_array().expect("sets").len(), generations), (1, 2));
    // Another host's disk does not.
    let theirs = ["backup", "--init", "--recipient", &clinic.recipient, "--to", &clinic.text("foreign"), &clinic.text("source")];
    let theirs = Command::new(env!("CARGO_BIN_EXE_azekura")).args(theirs).arg("--state").arg(clinic.path("theirs")).output();
    assert!(theirs.expect("the program").status.success());
    clinic.dock("foreign");
    assert_eq!(clinic.run(&["media", "init", "CL-03"], "config").status.code(), Some(6));
}

/// The program that ejects fails, or the disk does not leave: the night is sealed, and not all is well.
#[test]
fn a_disk_that_does_not_leave_is_no_good_night() {
    let clinic = Clinic::new();
    let config = fs::read_to_string(clinic.path("config")).expect("the configuration");
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    let dock = clinic.text("dock");
    let gone_but_failed = format!("[\"sh\", \"-c\", \"rm {dock}; exit 1\"]");
    for (leave, exit, word) in [
        ("[\"false\"]", 3, "still attached"),
        ("[\"true\"]", 3, "still attached"),
        ("[\"/no/such/program\"]", 3, "still attached"),
        (&gone_but_failed, 3, "failed"),
        (&format!("[\"rm\", \"{dock}\"]"), 0, ""),
    ] {
        let text: String = config.lines().filter(|l| !l.starts_with("leave")).map(|l| format!("{l}\n")).collect();
        fs::write(clinic.path("config"), format!("{text}leave = {leave}\n")).expect("a configuration");
        let (found, said) = clinic.once_more(1, "CL-01");
        assert!(found == exit && said.contains(word), "{leave}: {found} {said}");
        let status = clinic.run(&["status", "--json"], "config");
        let status = serde_json::from_slice::<Value>(&status.stdout).expect("JSON")["result"].clone();
        let is_there = |p: &Value| p["problem"] == "still-attached" && p["medium"] == "CL-01";
        let is_told = status["problems"].as_array().is_some_and(|all| all.iter().any(is_there));
        assert_eq!(is_told, exit == 3, "{leave}: {status:#}");
        // What a program that failed leaves behind is no proof that the disk is offline.
        assert_eq!(clinic.json(&["media", "list"])["media"][0]["at_host"], exit == 3, "{leave}");
        let log = clinic.json(&["media", "log", "CL-01", "--attached"]);
        let last = log["attached"].as_array().and_then(|a| a.last()).expect("an interval").clone();
        assert_eq!(last["until"].is_null(), exit == 3, "{leave}: {last}");
        assert_eq!(clinic.run(&["status"], "config").status.code(), Some(exit), "{leave}");
        // What is not there any more cannot be verified there.
        clinic.dock("CL-01");
        let out = clinic.run(&["backup"], "config");
        let is_next = String::from_utf8_lossy(&out.stdout).contains("azekura verify");
        assert_eq!(is_next, clinic.path("dock").exists(), "{leave}: {out:?}");
    }
}

/// Entered as off site, and in the dock: the ledger does not go on saying that it is away.
#[test]
fn a_disk_that_came_back_is_not_off_site() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    let away = clinic.run(&["media", "move", "CL-01", "--to", "分院", "--by", "鈴木", "--off-site"], "config");
    assert!(away.status.success(), "{away:?}");
    let of_list = || {
        let medium = &clinic.json(&["media", "list"])["media"][0];
        (medium["off_site"].clone(), medium["place"].clone())
    };
    assert_eq!(of_list(), (true.into(), "分院".into()));
    let (exit, said) = clinic.once_more(1, "CL-01");
    assert!(exit == 0 && said.contains("分院"), "{exit} {said}");
    assert_eq!(of_list(), (false.into(), Value::Null));
    assert!(!clinic.once_more(1, "CL-01").1.contains("分院"), "said once");
}

/// No disk is mounted where one was: nobody has erased anything, nothing is begun on the host's own disk, no name is used up.
#[test]
fn a_bare_mount_point_is_no_blank_disk() {
    let clinic = Clinic::new();
    let _ = fs::remove_file(clinic.path("dock"));
    fs::create_dir(clinic.path("dock")).expect("a folder");
    let mount = |arguments: &[&str]| {
        Command::new("mount").args(arguments).arg(clinic.path("dock")).status().is_ok_and(|status| status.success())
    };
    let unmount = || assert!(Command::new("umount").arg(clinic.path("dock")).status().expect("umount").success());
    let config = fs::read_to_string(clinic.path("config")).expect("the configuration");
    let config: String = config.lines().filter(|l| !l.starts_with("leave")).map(|l| format!("{l}\n")).collect();
    let set_config = |more: &str| fs::write(clinic.path("config"), format!("{config}{more}")).expect("a configuration");
    let ends = |arguments: &[&str], exit: i32, word: &str| {
        let out = clinic.run(arguments, "config");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let blames = ["erased", "blank", "--init"].iter().any(|w| said.contains(w));
        assert!(out.status.code() == Some(exit) && said.contains(word) && !blames, "{arguments:?}: {:?} {said}", out.status);
    };
    // As the configuration says, even before the first disk.
    set_config("mount = true\n");
    ends(&["media", "init", "CL-01"], 6, "No disk is mounted");
    ends(&["backup"], 6, "No disk is mounted");
    set_config("");
    if !mount(&["--bind", &clinic.text("CL-01")]) {
        return;
    }
    ends(&["media", "init", "CL-01"], 0, "");
    unmount();
    // As the ledger says, ever since.
    ends(&["media", "init", "CL-02"], 6, "No disk is mounted");
    ends(&["backup"], 6, "No disk is mounted");
    assert_eq!(fs::read_dir(clinic.path("dock")).expect("the folder").count(), 0);
    // Without turns, too.
    ends(&["backup", "--to", &clinic.text("dock"), &clinic.text("source")], 6, "No disk is mounted");
    let log = clinic.json(&["media", "log"]);
    assert_eq!(log["lines"][2]["found"], "no disk mounted", "{log}");
    assert!(mount(&["--bind", &clinic.text("CL-01")]));
    ends(&["backup"], 0, "");
    unmount();
    // Folders on this host, for whoever wants them.
    set_config("mount = false\n");
    ends(&["media", "init", "CL-02"], 0, "");
    let clinic = Clinic::new();
    for (disk, more, is_told) in [("CL-01", "", true), ("CL-02", "mount = false\n", false)] {
        clinic.dock(disk);
        fs::write(clinic.path("config"), format!("{config}{more}")).expect("a configuration");
        let out = clinic.run(&["media", "init", disk, "--at", &clinic.text("dock")], "config");
        assert!(out.status.success(), "{out:?}");
        assert_eq!(String::from_utf8_lossy(&out.stderr).contains("this host's own disk"), is_told, "{out:?}");
    }
}

/// A disk is lost, broken or thrown away: it is no copy, nobody waits for it, and it is written again only after somebody says so.
#[test]
fn a_lost_disk_does_not_stop_the_turns() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    assert_eq!([clinic.night(1, "CL-01").0, clinic.night(2, "CL-02").0], [0, 0]);
    let enter = |more: &[&str]| clinic.run(&[&["media", "move", "CL-02", "--by", "鈴木"], more].concat(), "config").status.code();
    assert_eq!(enter(&[]), Some(2), "where it is, or that it is not used");
    assert_eq!(enter(&["--out-of-use", "gone"]), Some(2));
    assert_eq!(enter(&["--out-of-use", "lost", "--to", "金庫"]), Some(2));
    assert_eq!(enter(&["--out-of-use", "lost"]), Some(0));
    // What is said of the nights is no matter here.
    let copies = || {
        let out = clinic.run(&["status", "--json"], "config");
        let answer = serde_json::from_slice::<Value>(&out.stdout).expect("JSON");
        answer["result"]["copies"].as_array().expect("copies").len()
    };
    assert_eq!(copies(), 1);
    assert_eq!(clinic.json(&["media", "list"])["media"][1]["out_of_use"], "lost");
    assert_eq!([clinic.night(3, "CL-03").0, clinic.night(4, "CL-01").0], [0, 0]);
    assert_eq!(clinic.due(), "CL-03", "CL-02 is passed over");
    let before = content(&clinic.path("CL-02"));
    let (exit, said) = clinic.night(5, "CL-02");
    assert!(exit == 6 && said.contains("entered as lost"), "{exit} {said}");
    assert_eq!(content(&clinic.path("CL-02")), before);
    fs::remove_file(clinic.path("dock")).expect("it is taken out");
    assert_eq!(enter(&["--to", "金庫"]), Some(0));
    assert_eq!((clinic.due(), copies()), ("CL-02".to_owned(), 3));
    assert_eq!(clinic.night(6, "CL-02").0, 0);
}

/// A disk was shown to a Mac and to a PC. What they leave there is no tampering, whatever reads or writes the disk next.
#[test]
fn what_a_desktop_leaves_on_a_disk_changes_no_exit_code() {
    let clinic = Clinic::new();
    clinic.dock("CL-01");
    assert!(clinic.run(&["media", "init", "CL-01"], "config").status.success());
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    let litter = |disk: &str| {
        let disk = clinic.path(disk);
        let sets = fs::read_dir(disk.join("AZEKURA")).into_iter().flatten().flatten().map(|e| e.path());
        let mut folders: Vec<PathBuf> = sets.filter(|path| path.is_dir()).collect();
        let inner: Vec<PathBuf> = folders.iter().map(|set| set.join("00000")).filter(|path| path.is_dir()).collect();
        folders.extend(inner);
        folders.extend([disk.clone(), disk.join("AZEKURA")].into_iter().filter(|path| path.is_dir()));
        for folder in folders {
            for name in [".DS_Store", "._00000001.pack", "Thumbs.db", "desktop.ini"] {
                fs::write(folder.join(name), "litter").expect("a file");
            }
            fs::create_dir_all(folder.join("System Volume Information")).expect("a folder");
        }
    };
    litter("CL-01");
    litter("CL-02");
    let (disk, copy, out, key) = (clinic.text("CL-01"), clinic.text("CL-02"), clinic.text("out"), clinic.text("key"));
    let ends = |arguments: &[&str]| {
        let done = clinic.run(arguments, "config");
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {done:?}");
        let is_told = String::from_utf8_lossy(&done.stderr).contains("harmless: 00000/.DS_Store");
        let tells = arguments[0] == "verify" && arguments[1] == disk || arguments[0] == "media";
        assert!(is_told || !tells, "{arguments:?}: {done:?}");
    };
    let restore = ["restore", "--from", &disk, "--identity", &key, "--to", &out];
    let all = [
        &["verify", &disk][..],
        &["media", "scrub", &disk],
        &["generations", &disk],
        &["media", "copy", "--from", &disk, "--to", &copy],
        &["verify", &copy],
        &restore,
    ];
    all.iter().for_each(|arguments| ends(arguments));
    let (exit, said) = clinic.once_more(1, "CL-01");
    assert!(exit == 0 && said.contains("harmless: 00000/.DS_Store"), "{said}");
    litter("CL-02");
    all[..5].iter().for_each(|arguments| ends(arguments));
}

/// The alarm was harmless, and two people have said so. The other disks of the pool have not seen its changes yet: they raise
/// no further alarm for them, and they do for anything else.
#[test]
fn a_harmless_alarm_is_not_raised_again_by_each_disk_of_the_pool() {
    let clinic = Clinic::new();
    let karte = |i: usize| clinic.path(&format!("source/karte {i}.xml"));
    let encrypt = |of: std::ops::Range<usize>| {
        for i in of {
            let mut noise = vec![0; 900];
            blake3::Hasher::new().update(&i.to_le_bytes()).finalize_xof().fill(&mut noise);
            fs::write(karte(i), noise).expect("encrypted");
        }
    };
    for i in 0..120 {
        fs::write(karte(i), format!("<karte>{i}</karte>\n").repeat(40)).expect("a file");
    }
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    let exits: Vec<i32> = ["CL-01", "CL-02", "CL-03"].iter().zip(1..).map(|(disk, night)| clinic.night(night, disk).0).collect();
    assert_eq!(exits, [0, 0, 0]);
    encrypt(0..60);
    assert_eq!(clinic.night(4, "CL-01").0, 4);
    let harmless = ["hold", "harmless", "--because", "新しい暗号化ソフト", "--by", "鈴木", "--witness", "佐藤"];
    let ended = clinic.run(&harmless, "config");
    assert!(ended.status.success(), "{ended:?}");
    // The hold had no other reason.
    assert_eq!(clinic.run(&["hold", "show"], "config").status.code(), Some(0));
    for (night, disk) in [(5, "CL-02"), (6, "CL-03"), (7, "CL-01")] {
        let (exit, said) = clinic.night(night, disk);
        assert_eq!(exit, 0, "{disk}: {said}");
        assert!(said.contains("looked at, harmless: karte (CL-01 2: 新しい暗号化ソフト (鈴木, 佐藤))"), "{said}");
    }
    encrypt(60..120);
    let (exit, said) = clinic.night(8, "CL-02");
    assert!(exit == 4 && said.contains("encrypted (60;") && said.contains("karte/karte 100.xml"), "{exit} {said}");
}

/// A disk on which a scrub found damage: tomorrow's backup would lie on packs that cannot be read.
#[test]
fn a_damaged_disk_is_passed_over_and_not_written_to() {
    let clinic = Clinic::new();
    for disk in ["CL-01", "CL-02", "CL-03"] {
        clinic.dock(disk);
        assert!(clinic.run(&["media", "init", disk], "config").status.success());
    }
    assert_eq!(clinic.night(1, "CL-01").0, 0);
    let packs = walkdir::WalkDir::new(clinic.path("CL-01")).into_iter().flatten().map(|e| e.into_path());
    let pack = packs.into_iter().find(|p| p.extension().is_some_and(|e| e == "pack")).expect("a pack");
    let mut bytes = fs::read(&pack).expect("a pack");
    bytes[100] ^= 1;
    fs::write(&pack, bytes).expect("a change");
    assert_eq!(clinic.run(&["verify", &clinic.text("CL-01")], "config").status.code(), Some(5));
    assert_eq!(clinic.due(), "CL-02");
    let (exit, said) = clinic.night(2, "CL-01");
    assert_eq!(exit, 6, "{said}");
    assert!(said.contains("CL-01 is damaged"), "{said}");
    for disk in ["CL-02", "CL-03"] {
        assert_eq!(clinic.night(3, disk).0, 0);
    }
    // Its turn would be now.
    assert_eq!(clinic.due(), "CL-02");
}
