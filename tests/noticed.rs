//! What happens to a disk between two nights is noticed by whichever command meets it first, and told until somebody has seen to it.

#[path = "machine/practice.rs"]
mod practice;

use practice::Practice;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the only set on a disk, whose objects may be changed by hand.
fn set_on(disk: &Path) -> PathBuf {
    let set = fs::read_dir(disk.join("AZEKURA")).expect("sets").next().expect("a set").expect("a set").path();
    // Where the file system has no such attribute, nothing is in the way.
    let _ = Command::new("chattr").args(["-R", "-i"]).arg(&set).output();
    let _ = Command::new("chattr").args(["-R", "-a"]).arg(&set).output();
    set
}

/// The objects of the disk, ascending by number: each path below the set's folder.
fn objects(set: &Path) -> Vec<String> {
    let names = fs::read_dir(set.join("00000")).expect("objects").flatten().map(|e| e.file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.map(|name| format!("00000/{name}")).collect();
    names.sort();
    names
}

fn next_number(set: &Path) -> u64 {
    let last = objects(set).pop().expect("an object");
    last["00000/".len()..].split('.').next().and_then(|n| n.parse::<u64>().ok()).expect("a number") + 1
}

#[track_caller]
fn assert_says(practice: &Practice, command: &[&str], exit: i32, part: &str) {
    let (ended, said) = practice.says(command);
    assert!(ended == exit && said.contains(part), "{command:?} ended with {ended}: {said}");
}

/// Only somebody who verifies or scrubs it has met it; in the morning everybody is told all the same.
#[test]
fn what_somebody_else_has_written_is_told_whoever_has_found_it() {
    let practice = Practice::new();
    practice.good_night();
    practice.write("chart/b", "2");
    practice.good_night();
    let disk = practice.text("disk");
    let set = set_on(&practice.path("disk"));
    let next = next_number(&set);
    let planted = [
        "00000/note.txt".to_owned(),
        "00000/00000001.seal".to_owned(),
        // Where a run that was cut off would have left something: but none was.
        format!("00000/{next:08}.pack"),
        format!("00000/{:08}.pack", next + 40),
        format!("00000/{next:08}.seal"),
    ];
    for name in &planted {
        for command in [&["verify", &disk][..], &["media", "scrub", &disk]] {
            fs::write(set.join(name), "x").expect("a file");
            assert_says(&practice, command, 5, &format!("Not covered by any seal: {name}"));
            practice.put_away();
            practice.assert_status(3, "attention", &["foreign"]);
            assert_says(&practice, &["media", "log"], 0, &format!("no seal covers {name}"));
            fs::remove_file(set.join(name)).expect("it is moved away");
            practice.assert_status(3, "attention", &["foreign"]);
            assert_eq!(practice.exit(command), 0, "{command:?} {name}");
            practice.put_away();
            practice.assert_status(0, "good", &[]);
        }
    }
    for name in &planted {
        let is_object = !name.ends_with("txt");
        let name = match name.ends_with("0001.seal") || !is_object {
            true => name.clone(),
            false => name.replace(&format!("{:08}", next), &format!("{:08}", next_number(&set))),
        };
        fs::write(set.join(&name), "x").expect("a file");
        assert_says(&practice, &["backup"], 3, &format!("Not covered by any seal: {name}"));
        practice.put_away();
        practice.assert_status(3, "attention", &["foreign"]);
        if !is_object || name.ends_with("0001.seal") {
            fs::remove_file(set.join(&name)).expect("it is moved away");
        }
        practice.good_night();
        practice.assert_status(0, "good", &[]);
        assert_eq!(practice.exit(&["verify", &disk]), 0, "{name}: the night has sealed that it is nothing");
        practice.put_away();
    }
}

/// A run was killed, and what it has left is nobody's attack.
#[test]
fn what_a_night_that_was_cut_off_has_left_is_not_foreign() {
    let practice = Practice::new();
    practice.good_night();
    let set = set_on(&practice.path("disk"));
    let script = format!("cat {0}/big; touch {0}/begun; exec sleep 60", practice.dir.path().display());
    let mut noise = vec![0; 80 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fs::write(practice.path("big"), noise).expect("a dump");
    let chart = practice.text("chart");
    practice.configure(&format!(
        "[[source]]\npath = \"{chart}\"\n[[source]]\nname = \"dump\"\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\n"
    ));
    let before = objects(&set).len();
    let mut night = practice.night_that_stays();
    let begun = std::time::Instant::now();
    while objects(&set).len() == before {
        assert!(begun.elapsed().as_secs() < 60, "nothing is stored");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    night.kill().expect("a signal");
    night.wait().expect("an end");
    for command in [&["verify"][..], &["media", "scrub"]] {
        assert_eq!(practice.exit(&[command, &[&practice.text("disk")]].concat()), 0, "{command:?}");
    }
    assert!(!practice.status().2.contains(&"foreign".to_owned()), "{:?}", practice.status());
    practice.configure(&format!("[[source]]\npath = \"{chart}\"\n"));
    practice.good_night();
    practice.assert_status(0, "good", &[]);
}

/// A night that references a pack which is not there could not be restored, and a listing shows it.
#[test]
fn a_pack_that_is_gone_or_short_is_stored_again_the_same_night() {
    for is_gone in [true, false] {
        let practice = Practice::new();
        practice.good_night();
        let set = set_on(&practice.path("disk"));
        let pack = set.join(objects(&set).into_iter().find(|o| o.ends_with(".pack")).expect("a pack"));
        match is_gone {
            true => fs::remove_file(&pack).expect("it is gone"),
            false => fs::write(&pack, &fs::read(&pack).expect("a pack")[..100]).expect("a short pack"),
        }
        practice.write("chart/b", "2");
        assert_says(&practice, &["backup"], 3, if is_gone { "00000001.pack" } else { "has 100 bytes instead of" });
        practice.put_away();
        let (exit, verdict, against) = practice.status();
        assert_eq!((exit, &verdict[..]), (1, "failure"), "{against:?}");
        assert!(against.contains(&"damaged".to_owned()) && !against.contains(&"source-never".to_owned()), "{against:?}");
        let restore =
            ["restore", "--from", &practice.text("disk"), "--to", &practice.text("back"), "--identity", &practice.text("key")];
        assert_says(&practice, &restore, 0, "every file matches");
        for file in ["chart/a", "chart/b", "images/a"] {
            assert!(practice.path("back").join(file).exists(), "{file}");
        }
        // It is not stored again each night.
        for _ in 0..2 {
            let counts = practice.answer(&["backup"]).1["statistics"].clone();
            assert!(counts["new"] == 0 && counts["new_bytes"] == 0 && counts["unchanged"] != 0, "{counts}");
        }
    }
}

/// A restore has met the damage first.
#[test]
fn what_a_restore_has_found_damaged_is_stored_again() {
    let practice = Practice::new();
    practice.good_night();
    let set = set_on(&practice.path("disk"));
    let pack = set.join(objects(&set).into_iter().find(|o| o.ends_with(".pack")).expect("a pack"));
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).expect("a change");
    let (disk, key) = (practice.text("disk"), practice.text("key"));
    let restore = |to: &str| practice.exit(&["restore", "--from", &disk, "--to", &practice.text(to), "--identity", &key]);
    assert_eq!(restore("first"), 5);
    assert_says(&practice, &["backup"], 3, "clinic is damaged");
    assert_eq!(restore("second"), 0);
    assert_eq!(fs::read(practice.path("second/chart/a")).expect("a file"), b"1");
}

/// Every byte on it is what it was, a night ago: who copies or restores it is told, and gets no success.
#[test]
fn a_disk_that_was_rolled_back_is_not_copied_or_restored_without_a_word() {
    let practice = Practice::new();
    practice.good_night();
    let copied = Command::new("cp").args(["-r", &practice.text("disk"), &practice.text("old")]).status().expect("cp");
    assert!(copied.success());
    practice.write("chart/a", "2");
    practice.good_night();
    fs::rename(practice.path("disk"), practice.path("new")).expect("a disk");
    fs::rename(practice.path("old"), practice.path("disk")).expect("a disk");
    fs::create_dir(practice.path("copy")).expect("a folder");
    let (disk, key) = (practice.text("disk"), practice.text("key"));
    let said = "not what this host wrote last";
    let (exit, told) = practice.says(&["media", "copy", "--from", &disk, "--to", &practice.text("copy")]);
    assert!(exit == 5 && told.contains(said) && !told.contains("success"), "{told}");
    let restore = |to: &str, more: &[&str]| {
        let to = practice.text(to);
        practice.says(&[&["restore", "--from", &disk, "--to", &to, "--identity", &key], more].concat())
    };
    let (exit, told) = restore("first", &[]);
    assert!(exit == 5 && told.contains(said) && !told.contains("restored; every file matches"), "{told}");
    // What was asked for is there.
    let (exit, told) = restore("second", &["--generation", "1"]);
    assert!(exit == 0 && told.contains(said), "{told}");
}

/// A copy that was interrupted has what it has, and was neither rolled back nor replaced; nor was it when it is finished.
#[test]
fn a_copy_that_was_interrupted_is_accused_of_nothing() {
    let practice = Practice::new();
    let mut noise = vec![0; 150 << 20];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    fs::write(practice.path("pacs/large"), noise).expect("a file");
    practice.good_night();
    fs::create_dir(practice.path("copy")).expect("a folder");
    let (copy, key) = (practice.text("copy"), practice.text("key"));
    let copied = ["media", "copy", "--name", "CP", "--to", &copy];
    let mut running = practice.command(&copied, true).spawn().expect("the program");
    let begun = std::time::Instant::now();
    let has_pack =
        || walkdir::WalkDir::new(practice.path("copy")).into_iter().flatten().any(|e| e.path().ends_with("00000001.pack"));
    while !has_pack() {
        assert!(begun.elapsed().as_secs() < 60, "nothing is copied");
    }
    running.kill().expect("a signal");
    running.wait().expect("an end");
    let ledger = fs::read_to_string(practice.path("state/ledger.jsonl")).expect("the ledger");
    assert!(ledger.contains("\"copy-begun\"") && !ledger.contains("\"copied\""), "it was too quick: {ledger}");
    for command in [&["verify", &copy][..], &["media", "scrub", &copy]] {
        assert_says(&practice, command, 6, "no sealed generation");
    }
    let against = practice.status().2;
    assert!(!against.iter().any(|a| ["mismatched", "foreign", "damaged"].contains(&&a[..])), "{against:?}");
    set_on(&practice.path("copy"));
    let (exit, said) = practice.says(&copied);
    assert!(exit == 0 || said.contains("is incomplete"), "{said}");
    if exit == 0 {
        let restore = ["restore", "--from", &copy, "--to", &practice.text("back"), "--identity", &key];
        assert_says(&practice, &restore, 0, "every file matches");
    }
}

/// Nothing is sealed: nothing matches its seal.
#[test]
fn a_disk_without_a_seal_is_not_found_good() {
    let practice = Practice::new();
    practice.good_night();
    let set = set_on(&practice.path("disk"));
    for seal in objects(&set).iter().filter(|o| o.ends_with(".seal")) {
        fs::remove_file(set.join(seal)).expect("it is gone");
    }
    // On a host that knows nothing of it.
    fs::rename(practice.path("state"), practice.path("other")).expect("a state");
    let disk = practice.text("disk");
    for command in [&["verify", &disk][..], &["media", "scrub", &disk]] {
        assert_says(&practice, command, 6, "no sealed generation");
    }
    assert_eq!(practice.answer(&["media", "scrub", &disk]).1["verdict"], "unsealed");
}

/// Lines about holds are gone from their second place: two people have to look at that, and one who ends a hold has not.
#[test]
fn lost_lines_about_holds_are_told_until_two_people_have_looked_at_them() {
    let practice = Practice::new();
    practice.good_night();
    let hold = |by: &str| practice.exit(&["hold", "on", "--by", by, "--why", "threat"]);
    assert_eq!((hold("A"), hold("B")), (0, 0));
    fs::write(practice.path("state/holds.jsonl"), "").expect("lines");
    let is_told = || practice.status().2.contains(&"holds-lost".to_owned());
    assert!(is_told());
    assert_eq!(hold("C"), 0);
    assert_eq!(practice.exit(&["hold", "off", "--by", "A", "--witness", "B"]), 0);
    assert!(is_told(), "{:?}", practice.status());
    assert_eq!(practice.exit(&["media", "accept", "--because", "a script", "--by", "A", "--witness", "B"]), 0);
    assert!(!is_told(), "{:?}", practice.status());
}

#[test]
fn who_takes_a_lost_disk_into_use_again_is_told() {
    let practice = Practice::new();
    practice.good_night();
    let (disk, elsewhere) = (practice.path("disk"), practice.path("elsewhere"));
    fs::rename(&disk, &elsewhere).expect("nobody knows where");
    assert_eq!(practice.exit(&["media", "move", "clinic", "--out-of-use", "lost", "--by", "A"]), 0);
    assert_says(&practice, &["media", "move", "clinic", "--to", "safe", "--by", "A"], 0, "was out of use (lost)");
    let (_, said) = practice.says(&["media", "move", "clinic", "--to", "safe", "--by", "A"]);
    assert!(!said.contains("was out of use"), "{said}");
}

/// Its output is lacking, and not empty: nothing says that it was backed up.
#[test]
fn the_output_of_a_command_that_failed_is_not_taken_for_empty() {
    let practice = Practice::new();
    let chart = practice.text("chart");
    practice.configure(&format!(
        "[[source]]\npath = \"{chart}\"\n[[source]]\nname = \"dump\"\ncommand = [\"/bin/sh\", \"-c\", \"echo half; exit 1\"]\n"
    ));
    assert_eq!(practice.exit(&["backup", "--init"]), 3);
    let (disk, key, proof) = (practice.text("disk"), practice.text("key"), practice.text("dump.proof"));
    let from = ["--from", &disk, "--identity", &key];
    for command in [&["find", "dump"][..], &["history", "dump"]] {
        let (exit, said) = practice.says(&[command, &from].concat());
        assert!(exit == 0 && said.contains("not read") && !said.contains("0 B"), "{command:?}: {said}");
    }
    let (exit, proved) = practice.answer(&[&["prove", "dump", "--out", &proof], &from[..]].concat());
    assert_eq!(exit, 0, "{proved}");
    let code = proved["check_code"].as_str().expect("a code");
    let (exit, said) = practice.says(&["check-proof", &proof, "--expect", code]);
    assert!(exit == 0 && said.contains("No content was: it could not be read"), "{said}");
    assert!(!said.contains("this content was backed up"), "{said}");
}
