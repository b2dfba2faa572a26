//! The command line as it is printed: text in, text out, exit code; and the pages that are made from it.
//!
//! After a change of help texts, make everything anew with
//!
//! ```text
//! TRYCMD=overwrite cargo test --test cli
//! cargo run -- man man
//! cargo run -- --lang en reference > docs/commands.md
//! cargo run -- --lang ja reference > docs/commands.ja.md
//! ```

mod machine;

use machine::{is_root, tried};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program in an environment of its own: nothing of the host's or the user's shows.
fn azekura(home: &Path) -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_azekura")), home)
}

fn program_at(path: &Path, home: &Path) -> Command {
    let mut command = Command::new(path);
    command.env_clear().env("HOME", home).env("AZEKURA_STATE", home.join("state")).env("TZ", "UTC").current_dir(home);
    command.arg("--config").arg(home.join("config.toml"));
    std::fs::write(home.join("config.toml"), "").unwrap();
    command
}

fn run(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = azekura(home).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn json(home: &Path, arguments: &[&str]) -> serde_json::Value {
    let (_, stdout, _) = run(home, &[&["--json"], arguments].concat());
    serde_json::from_str(&stdout).unwrap()
}

/// A folder that every user can reach; not in `/tmp`, which is often memory: nothing there is read back from a medium.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

/// A home with a source and a medium, and its first backup.
fn first_night() -> (tempfile::TempDir, PathBuf) {
    let dir = on_disk();
    let home = dir.path().to_owned();
    std::fs::create_dir_all(home.join("chart/2025")).unwrap();
    std::fs::create_dir(home.join("medium")).unwrap();
    std::fs::write(home.join("chart/2025/a.txt"), "a").unwrap();
    let (code, _, stderr) = run(&home, &["backup", "--to", "medium", "--init", "chart"]);
    assert_eq!(code, Some(0), "{stderr}");
    (dir, home)
}

#[test]
fn help_and_usage() {
    let cases = trycmd::TestCases::new();
    cases.env("TZ", "UTC").env("HOME", "/home/nurse").env("LC_ALL", "C").env("AZEKURA_STATE", "/nowhere/state");
    cases.case("tests/cli/*.trycmd");
}

#[test]
fn the_first_help_fits_on_a_screen() {
    let dir = on_disk();
    for lang in ["en", "ja"] {
        let (code, stdout, _) = run(dir.path(), &["--lang", lang, "--help"]);
        assert_eq!(code, Some(0));
        assert!(stdout.lines().count() <= 20, "{stdout}");
    }
}

#[test]
fn the_pages_are_those_of_the_program() {
    let dir = on_disk();
    let (code, stdout, _) = run(dir.path(), &["man", "man"]);
    assert_eq!(code, Some(0));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = |dir: &Path| -> Vec<String> {
        let mut names: Vec<String> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert!(stdout.lines().count() > 20);
    for folder in ["man", "man/ja"] {
        assert_eq!(pages(&dir.path().join(folder)), pages(&root.join(folder)), "{folder}: see this file's beginning");
    }
    for page in stdout.lines() {
        let made = std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(made == std::fs::read_to_string(root.join(page)).unwrap(), "{page} is out of date: see this file's beginning");
    }
    for (lang, page) in [("en", "docs/commands.md"), ("ja", "docs/commands.ja.md")] {
        let (_, made, _) = run(dir.path(), &["--lang", lang, "reference"]);
        assert!(made == std::fs::read_to_string(root.join(page)).unwrap(), "{page} is out of date: see this file's beginning");
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    let dir = on_disk();
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = run(dir.path(), &["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(stdout.contains("azekura"));
    }
}

#[test]
fn a_recovery_key_is_made_once_and_kept_from_other_eyes() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, home) = first_night();
    let key = home.join("azekura-recovery-key.txt");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&key).unwrap();
    // Every night says --init; the key stays as it is, and no second one is made.
    let (code, stdout, stderr) = run(&home, &["backup", "--to", "medium", "--init", "chart"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!stdout.contains("Recovery key") && !stderr.contains("recovery key"));
    assert_eq!(std::fs::read(&key).unwrap(), before);
}

#[test]
fn a_recovery_key_is_never_written_into_the_medium_or_the_state() {
    let dir = on_disk();
    let home = dir.path();
    std::fs::create_dir_all(home.join("medium")).unwrap();
    std::fs::create_dir_all(home.join("chart")).unwrap();
    for place in ["medium/key.txt", "state/key.txt"] {
        let (code, _, stderr) = run(home, &["backup", "--to", "medium", "--init", "--identity-out", place, "chart"]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(!home.join(place).exists());
    }
    assert!(!home.join("medium/AZEKURA").exists());
}

#[test]
fn a_night_in_japanese_speaks_japanese_throughout() {
    let (_dir, home) = first_night();
    std::fs::write(home.join("chart/b.txt"), "b").unwrap();
    let (code, stdout, stderr) = run(&home, &["--lang", "ja", "backup", "--to", "medium", "chart"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("照合番号") && stdout.contains("紙の台帳に書き写してください"), "{stdout}");
    assert!(stderr.is_empty(), "{stderr}");
    let (code, _, stderr) = run(&home, &["--lang", "ja", "backup", "--to", "nowhere", "chart"]);
    assert_eq!(code, Some(6));
    assert!(stderr.starts_with("エラー: ") && stderr.contains("次にすること: "), "{stderr}");
    assert!(!stderr.contains("Hint") && !stderr.contains("Error"));
}

#[test]
fn the_check_code_on_paper_is_the_one_that_verify_finds() {
    let (_dir, home) = first_night();
    let report = json(&home, &["generations", "medium"]);
    let code = report["result"]["sets"][0]["generations"][0]["check_code"].as_str().unwrap().to_owned();
    let (exit, stdout, _) = run(&home, &["verify", "medium", "--expect", &code.to_lowercase().replace('-', " ")]);
    assert_eq!(exit, Some(0), "{stdout}");
    let (exit, stdout, _) = run(&home, &["verify", "medium", "--expect", "0000-0000-0000-0000"]);
    assert_eq!(exit, Some(5), "{stdout}");
}

#[test]
fn what_was_backed_up_is_found_compared_and_restored() {
    let (_dir, home) = first_night();
    let key = ["--identity", "azekura-recovery-key.txt"];
    std::fs::write(home.join("chart/2025/b.txt"), "b").unwrap();
    assert_eq!(run(&home, &["backup", "--to", "medium", "--tag", "second night", "chart"]).0, Some(0));

    let (code, stdout, _) = run(&home, &[&["find", "--from", "medium", "*.txt"], &key[..]].concat());
    assert_eq!(code, Some(0));
    assert!(stdout.contains("chart/2025/a.txt") && stdout.contains("1-2"), "{stdout}");
    assert_eq!(run(&home, &[&["find", "--from", "medium", "*.doc"], &key[..]].concat()).0, Some(1));
    let (code, stdout, _) = run(&home, &[&["diff", "--from", "medium", "1", "2"], &key[..]].concat());
    assert_eq!((code, stdout.lines().next()), (Some(0), Some("m chart/2025")), "{stdout}");
    assert!(stdout.contains("+ chart/2025/b.txt\n"));
    let (_, stdout, _) = run(&home, &[&["generations", "medium"], &key[..]].concat());
    assert!(stdout.contains("second night"), "{stdout}");
    let (code, _, stderr) = run(&home, &[&["restore", "--from", "medium", "--to", "back"], &key[..]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(std::fs::read(home.join("back/chart/2025/b.txt")).unwrap(), b"b");
    let (code, _, stderr) = run(&home, &[&["restore", "--from", "medium", "--to", "back"], &key[..]].concat());
    assert_eq!(code, Some(1), "a folder that is not empty is not touched: {stderr}");
    assert_eq!(run(&home, &["restore", "--from", "medium", "--to", "other"]).0, Some(7));
    assert_eq!(run(&home, &[&["catalog", "rebuild", "--from", "medium"], &key[..]].concat()).0, Some(0));
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
}

/// On the first day somebody types a list in haste: a slip must not restore everything, and nothing may be missing unseen.
#[test]
fn a_list_of_what_is_needed_first_is_restored_and_what_is_missing_is_named() {
    let (_dir, home) = first_night();
    std::fs::write(home.join("chart/2025/b.txt"), "b").unwrap();
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    let restore = |list: &[u8], to: &str| {
        std::fs::write(home.join("list.txt"), list).unwrap();
        let options = ["--identity", "azekura-recovery-key.txt", "--only", "list.txt", "--to", to];
        run(&home, &[&["restore", "--from", "medium"], &options[..]].concat())
    };
    let (code, _, stderr) = restore(b"\xef\xbb\xbfchart/2025/b.txt\r\n", "b");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(home.join("b/chart/2025/b.txt").exists() && !home.join("b/chart/2025/a.txt").exists());
    let (code, _, stderr) = restore(b"chart/2025/a.txt\n12345\n", "a");
    assert_eq!(code, Some(1));
    assert!(stderr.contains("Not in this generation: 12345") && stderr.contains("rules ss-mix2"), "{stderr}");
    assert!(home.join("a/chart/2025/a.txt").exists());
    for (list, why) in [(&b"# later\n"[..], "the list has no items"), (b"a\n/\n", "line 2: there is no name")] {
        let (code, _, stderr) = restore(list, "nothing");
        assert_eq!((code, stderr.contains(why), stderr.contains("list.txt")), (Some(2), true, true), "{stderr}");
    }
    assert!(!home.join("nothing").exists());
}

/// On the ward's PC nobody is root: the folders that the first restore closed are opened for the next one, and closed again.
#[test]
fn a_provisional_restore_is_gone_on_with_by_an_ordinary_user() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let (_dir, home) = first_night();
    std::fs::write(home.join("chart/2025/b.txt"), "b").unwrap();
    let note = rustix::fs::setxattr(home.join("chart/2025/a.txt"), "user.note", b"x", rustix::fs::XattrFlags::empty());
    tried("an extended attribute in a provisional restore", note);
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    std::fs::create_dir(home.join("ward")).unwrap();
    // Where another user can reach it: the folder that it was built in may be root's alone.
    let program = home.join("program");
    // By another process: what this one has open for writing, a program that another test starts has open, too, for a moment.
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_azekura")).arg(&program).status().unwrap().success());
    if is_root() {
        for path in ["", "ward", "azekura-recovery-key.txt"] {
            chown(home.join(path), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // The disk, too: a desktop mounts exFAT for its user.
        for entry in walkdir::WalkDir::new(home.join("medium")) {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
    let restore = |list: &str, options: &[&str]| {
        std::fs::write(home.join("list.txt"), list).unwrap();
        let mut command = program_at(&program, &home);
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        let all = ["--json", "restore", "--from", "medium", "--identity", "azekura-recovery-key.txt", "--to", "ward/day1"];
        let ended = command.args(all).args(["--only", "list.txt"]).args(options).output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stdout).unwrap() + &String::from_utf8(ended.stderr).unwrap())
    };
    for (list, options) in [("chart/2025/a.txt", &[][..]), ("chart/2025/b.txt", &["--into-existing"]), ("chart", &["--resume"])] {
        let (code, output) = restore(list, options);
        assert_eq!(code, Some(0), "{list}: {output}");
        assert!(output.contains(r#""provisional": true"#) && output.contains("UNVERIFIED_REFERENCE-ONLY_2_"), "{output}");
        for path in ["chart", "chart/2025"] {
            let folder = home.join("ward/day1").join(path).metadata().unwrap();
            assert_eq!(folder.permissions().mode() & 0o777, 0o555, "{list}: {path}");
        }
    }
    let file = home.join("ward/day1/chart/2025/b.txt").metadata().unwrap();
    assert_eq!((file.permissions().mode() & 0o777, file.size()), (0o444, 1));
    // The page is on top, in both languages.
    let first = std::fs::read_dir(home.join("ward/day1")).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    let page = std::fs::read_to_string(first).unwrap();
    assert!(page.contains("未検証・参照のみ") && page.contains("Do not write them back"), "{page}");
    // Root restores to no folder of another user, and uses no state in one.
    if is_root() {
        chown(&home, Some(0), Some(0)).unwrap();
    }
    let compared = json(&home, &["compare", "--from", "medium", "--identity", "azekura-recovery-key.txt", "ward/day1"]);
    assert_eq!(compared["result"]["counts"]["identical"], 2, "{compared:#}");
    assert_eq!(compared["result"]["differences"].as_array().unwrap().len(), 0);
    // Unless somebody says that it is none.
    let (_, text, _) = run(&home, &["restore", "--from", "medium", "--identity", "azekura-recovery-key.txt", "--to", "real"]);
    assert!(!text.contains("unverified"), "{text}");
    assert_ne!(home.join("real/chart/2025/b.txt").metadata().unwrap().permissions().mode() & 0o200, 0);
}

#[test]
fn a_tree_is_held_against_a_generation() {
    let (_dir, home) = first_night();
    let key = ["--identity", "azekura-recovery-key.txt"];
    let compare = |more: &[&str]| run(&home, &[&["compare", "--from", "medium"], &key[..], more].concat());
    let (code, stdout, stderr) = compare(&["chart"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("OK: nothing is missing") && stdout.contains("chart (no rules): "), "{stdout}");
    std::fs::write(home.join("chart/=cmd|' \"x\"!A1"), "formula").unwrap();
    std::fs::remove_file(home.join("chart/2025/a.txt")).unwrap();
    let (code, stdout, _) = compare(&["chart", "--csv", "list.csv"]);
    assert_eq!(code, Some(5));
    assert!(stdout.starts_with("Class") && stdout.contains("Missing  chart/2025/a.txt"), "{stdout}");
    let list = std::fs::read(home.join("list.csv")).unwrap();
    assert!(list.starts_with(b"\xef\xbb\xbf\"Class\",\"Path\",\"Former path\","));
    let list = String::from_utf8(list).unwrap();
    let digest = blake3::hash(b"a").to_hex();
    assert_eq!(list.lines().nth(1), Some(&*format!(r#""Missing","chart/2025/a.txt","","","1","","{digest}","","","""#)));
    assert_eq!(list.lines().nth(2), Some(r#""Added","chart/=cmd|' ""x""!A1","","","","7","","","","""#));
    let (_, _, stderr) = compare(&["chart", "--csv", "list.csv"]);
    assert!(stderr.contains("Cannot write"), "a list is never written over: {stderr}");
    assert_eq!(compare(&["chart", "--csv", "chart/list.csv"]).0, Some(2));
    assert!(!home.join("chart/list.csv").exists());
    assert_eq!(compare(&["other=chart"]).0, Some(2));
    assert_eq!(run(&home, &["compare", "--from", "medium", "chart"]).0, Some(7));
    let document = json(&home, &[&["compare", "--from", "medium", "chart"], &key[..]].concat());
    assert_eq!((&document["exit_code"], &document["result"]["counts"]["missing"]), (&5.into(), &1.into()));
    assert_eq!(document["result"]["differences"][0]["before"]["size"], 1);
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    assert_eq!(compare(&["chart"]).0, Some(0));
    // Nothing says whether these changes are right: it is not called good.
    let new = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
    let changed = home.join("chart/=cmd|' \"x\"!A1");
    std::fs::write(&changed, "form").unwrap();
    std::fs::File::options().write(true).open(&changed).unwrap().set_modified(new).unwrap();
    let (code, stdout, _) = compare(&["chart"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("not judged") && stdout.contains("1 files changed") && !stdout.contains("OK:"), "{stdout}");
    std::fs::create_dir(home.join("lab")).unwrap();
    std::fs::write(home.join("lab/a"), "a").unwrap();
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart", "lab"]).0, Some(0));
    let (code, stdout, _) = compare(&["--exact", "lab"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("chart: no tree was given"), "{stdout}");
    assert!(stdout.contains("the same as in the generation. Of the generation, 1 sources were not compared"), "{stdout}");
    let document = json(&home, &[&["compare", "--from", "medium", "--exact", "lab"], &key[..]].concat());
    assert_eq!(document["result"]["not_compared"][0]["name"], "chart");
    let (code, stdout, _) = compare(&["--generation", "1", "--with-generation", "2"]);
    assert_eq!(code, Some(5), "{stdout}");
    assert_eq!(compare(&["--with-generation", "9"]).0, Some(2));
}

#[test]
fn a_file_and_a_period_have_their_history() {
    let (_dir, home) = first_night();
    let history =
        |more: &[&str]| run(&home, &[&["history", "--from", "medium", "--identity", "azekura-recovery-key.txt"], more].concat());
    std::fs::write(home.join("chart/2025/a.txt"), "b").unwrap();
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    let (code, stdout, _) = history(&["chart/2025/a.txt/", "--csv", "versions.csv"]);
    assert_eq!((code, stdout.lines().count()), (Some(0), 3), "{stdout}");
    // SHA-256 of "b".
    assert!(stdout.contains("3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"), "{stdout}");
    assert_eq!(std::fs::read_to_string(home.join("versions.csv")).unwrap().lines().count(), 3);
    assert_eq!(history(&["chart/nobody"]).0, Some(1));
    let (code, stdout, stderr) = history(&["--since", "2020-01-01"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stdout.contains("Changed  1 B   chart/2025/a.txt") && stderr.contains("Nothing can be proved older"),
        "{stdout}{stderr}"
    );
    assert_eq!(history(&["--since", "2020-01-01", "--until", "2020-12-31"]).0, Some(1));
    assert_eq!(history(&["--since", "yesterday"]).0, Some(2));
    assert_eq!(history(&[]).0, Some(2));
}

#[test]
fn names_that_are_not_text_are_shown_and_kept() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (_dir, home) = first_night();
    let name = OsStr::from_bytes(b"\x83J\x83\x8b\x83e\x1b[2J");
    std::fs::write(home.join("chart").join(name), "x").unwrap();
    assert_eq!(run(&home, &["backup", "--to", "medium", "chart"]).0, Some(0));
    let find = ["find", "--from", "medium", "--identity", "azekura-recovery-key.txt", "chart"];
    let (_, stdout, _) = run(&home, &find);
    assert!(stdout.contains(r"chart/\x{83}J\x{83}\x{8b}\x{83}e\x{1b}[2J"), "{stdout}");
    let hits = json(&home, &find);
    let hexes: Vec<_> = hits["result"]["hits"].as_array().unwrap().iter().filter_map(|h| h["path_hex"].as_str()).collect();
    assert_eq!(hexes, ["63686172742f834a838b83651b5b324a"]);
}

#[test]
fn what_a_command_writes_is_a_source_and_its_failure_is_ours() {
    let (_dir, home) = first_night();
    let dump = ["backup", "--to", "medium", "--stdin-from-command", "--stdin-name", "orca.sql", "--", "/bin/sh", "-c"];
    let (code, _, stderr) = run(&home, &[&dump[..], &["echo CREATE TABLE"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = run(&home, &[&dump[..], &["echo CREATE; exit 3"]].concat());
    assert_eq!(code, Some(1), "{stderr}");
}

#[test]
fn every_command_prints_one_json_document() {
    let (_dir, home) = first_night();
    std::fs::create_dir(home.join("disk")).unwrap();
    let commands: [&[&str]; 13] = [
        &["backup", "--to", "medium", "chart"],
        &["generations", "medium"],
        &["verify", "medium"],
        &["media", "copy", "--from", "medium", "--to", "disk"],
        &["media", "copy", "--from", "medium", "--to", "medium"],
        &["media", "scrub", "disk"],
        &["catalog", "log"],
        &["prove", "--from", "medium", "--identity", "azekura-recovery-key.txt", "--out", "a.proof", "chart"],
        &["check-proof", "a.proof"],
        &["stamp", "export", "--from", "medium", "--out", "r.tsq"],
        &["stamp", "import", "r.tsq"],
        &["restore", "--from", "medium", "--to", "x"],
        &["backup", "--to", "nowhere", "chart"],
    ];
    for command in commands {
        let document = json(&home, command);
        assert_eq!(document["schema_version"], 1);
        assert_eq!(
            document["command"],
            command
                .iter()
                .take(if matches!(command[0], "catalog" | "media" | "stamp") { 2 } else { 1 })
                .copied()
                .collect::<Vec<_>>()
                .join(".")
        );
        let (failed, exit) = (document.get("error").is_some(), document["exit_code"].as_i64().unwrap());
        assert_eq!(failed, document.get("result").is_none());
        assert_eq!(exit != 0, failed, "{document:#}");
    }
    assert_eq!(json(&home, &["backup", "--bogus"])["exit_code"], 2);
}

/// The one who checks has the proof, the restored file, and the paper: no medium, no state, no configuration, no home.
#[test]
fn a_proof_is_checked_in_a_clean_environment_against_paper_only() {
    let (_dir, home) = first_night();
    let key = ["--identity", "azekura-recovery-key.txt"];
    let prove = [&["prove", "--from", "medium", "--out", "a.proof", "chart/2025/a.txt"], &key[..]].concat();
    let (code, stdout, stderr) = run(&home, &prove);
    assert_eq!(code, Some(0), "{stderr}");
    let word = |label: &str| {
        let line = stdout.lines().find(|l| l.starts_with(label)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    let (root_key, check_code) = (word("Root key"), word("Check code"));
    // The same as on the sheet for the safe.
    let sheet = [&["keys", "sheet", "--from", "medium", "--out", "sheet.html"], &key[..]].concat();
    assert_eq!(run(&home, &sheet).0, Some(0));
    assert!(std::fs::read_to_string(home.join("sheet.html")).unwrap().contains(&root_key));
    let (code, _, stderr) = run(&home, &prove);
    assert_eq!((code, stderr.contains("not overwritten")), (Some(1), true), "{stderr}");
    let missing = [&["prove", "--from", "medium", "--out", "b.proof", "chart/b.txt"], &key[..]].concat();
    assert_eq!((run(&home, &missing).0, home.join("b.proof").exists()), (Some(1), false));

    let clean = on_disk();
    std::fs::copy(home.join("a.proof"), clean.path().join("a.proof")).unwrap();
    std::fs::copy(home.join("chart/2025/a.txt"), clean.path().join("a.txt")).unwrap();
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        let output = command.env_clear().current_dir(clean.path()).arg("check-proof").args(arguments).output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    // As a person types it.
    let typed =
        root_key.to_uppercase().as_bytes().chunks(8).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>().join(" ");
    let paper = ["--root-key", &typed, "--expect", &check_code];
    for anchors in [&paper[..2], &paper[2..], &paper[..]] {
        let (code, stdout, stderr) = check(&[&["a.proof", "--record", "a.txt"], anchors].concat());
        assert_eq!(code, Some(0), "{stderr}");
        for fact in
            ["chart/2025/a.txt", "1 bytes", &check_code, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"]
        {
            assert!(stdout.contains(fact), "{fact}: {stdout}");
        }
        assert!(stderr.is_empty(), "{stderr}");
    }
    assert!(!clean.path().join(".local").exists());
    assert_eq!(std::fs::read_dir(clean.path()).unwrap().count(), 2, "nothing is left behind");

    // Without paper nothing is said to be good, and nothing is shown.
    let (code, stdout, stderr) = check(&["a.proof"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("NOT CHECKED: nothing was given to compare this proof with"), "{stderr}");
    for wrong in [["--expect", "0000-0000-0000-0000"], ["--root-key", &"07".repeat(32)]] {
        let (code, stdout, stderr) = check(&[&["a.proof"], &wrong[..]].concat());
        assert_eq!((code, stdout.as_str(), stderr.contains("NOT PROVED")), (Some(5), "", true), "{stderr}");
    }
    std::fs::write(clean.path().join("a.txt"), "b").unwrap();
    let (code, stdout, _) = check(&[&["a.proof", "--record", "a.txt"], &paper[..]].concat());
    assert_eq!((code, stdout.contains("MISMATCH")), (Some(5), true), "{stdout}");
    assert_eq!(check(&[&["nowhere.proof"], &paper[..]].concat()).0, Some(1));

    let proof = std::fs::read(clean.path().join("a.proof")).unwrap();
    for at in 0..proof.len() {
        let mut bent = proof.clone();
        bent[at] ^= 1 << (at % 8);
        std::fs::write(clean.path().join("a.proof"), &bent).unwrap();
        let (code, stdout, _) = check(&[&["a.proof"], &paper[..]].concat());
        assert_eq!((code, stdout.as_str()), (Some(5), ""), "byte {at}");
    }
}

#[test]
fn a_request_for_a_time_stamp_is_made_and_a_reply_to_nothing_is_refused() {
    let (_dir, home) = first_night();
    let export = ["stamp", "export", "--from", "medium", "--out", "night.tsq", "--to", "stamps"];
    let (code, stdout, stderr) = run(&home, &export);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("SHA-256") && stdout.contains(".head"), "{stdout}");
    let document = json(&home, &["stamp", "export", "--from", "medium", "--generation", "1", "--out", "again.tsq"]);
    let kept = document["result"]["kept_request"].as_str().unwrap();
    assert!(kept.starts_with(home.join("state/stamps").to_str().unwrap()), "{kept}");
    assert_eq!(std::fs::read(kept).unwrap(), std::fs::read(home.join("again.tsq")).unwrap());
    assert_eq!(run(&home, &["stamp", "export", "--from", "medium", "--generation", "2", "--out", "x"]).0, Some(2));
    std::fs::write(home.join("night.tsr"), "no reply").unwrap();
    assert_eq!(run(&home, &["stamp", "import", "night.tsr", "--to", "stamps"]).0, Some(5));
    // Rejected: PKIStatus 2 and nothing else.
    std::fs::write(home.join("night.tsr"), b"\x30\x05\x30\x03\x02\x01\x02").unwrap();
    let (code, _, stderr) = run(&home, &["stamp", "import", "night.tsr", "--to", "stamps"]);
    assert_eq!((code, stderr.contains("status 2")), (Some(1), true), "{stderr}");
}

#[test]
fn a_medium_is_copied_without_a_key_and_its_condition_is_in_the_log() {
    let (_dir, home) = first_night();
    for disk in ["disk", "other"] {
        std::fs::create_dir(home.join(disk)).unwrap();
    }
    let copy = ["media", "copy", "--from", "medium", "--to", "disk"];
    let (code, stdout, stderr) = run(&home, &copy);
    assert_eq!(code, Some(0), "{stderr}");
    let document = json(&home, &copy);
    let (result, verified) = (&document["result"], json(&home, &["verify", "disk"]));
    assert_eq!(result["already_objects"], result["objects"]);
    assert_eq!(result["check_code"], verified["result"]["generations"][0]["check_code"]);
    assert!(stdout.contains("success: the copy contains every byte"), "{stdout}");
    let (code, ..) = run(&home, &["media", "scrub", "disk"]);
    assert_eq!(code, Some(0));

    // A disk that wears out.
    let packs = |medium: &str| -> Vec<PathBuf> {
        let all = walkdir::WalkDir::new(home.join(medium)).into_iter().map(|e| e.unwrap().into_path());
        all.filter(|p| p.extension().is_some_and(|x| x == "pack")).collect()
    };
    let pack = packs("medium").remove(0);
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[100] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let (code, stdout, stderr) = run(&home, &["media", "scrub", "medium"]);
    assert_eq!(code, Some(5), "{stderr}");
    assert!(
        stdout.contains("copy it to another medium now") && stderr.contains("differs from what was sealed"),
        "{stdout}{stderr}"
    );
    let (code, stdout, stderr) = run(&home, &["media", "copy", "--from", "medium", "--to", "other"]);
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stdout.contains("objects missing in the copy: 1"), "{stdout}");
    assert_eq!(packs("other").len() + 1, packs("disk").len());
    let log = json(&home, &["catalog", "log"]);
    let lines: Vec<&str> = log["result"]["lines"].as_array().unwrap().iter().filter_map(|l| l["detail"].as_str()).collect();
    assert!(lines.iter().any(|l| l.ends_with("1 damaged: copy-forward")), "{lines:?}");

    // Media that are none of the copy's.
    let (code, ..) = run(&home, &["media", "copy", "--from", "medium", "--to", "nowhere"]);
    assert_eq!(code, Some(6));
    let (code, ..) = run(&home, &["backup", "--to", "other", "--init", "--state", "another", "--identity-out", "k", "chart"]);
    assert_eq!(code, Some(0));
    let (code, _, stderr) = run(&home, &["media", "copy", "--from", "disk", "--to", "other"]);
    assert_eq!(code, Some(6));
    assert!(stderr.contains("has another medium set"), "{stderr}");
}

#[test]
fn a_key_file_may_have_a_passphrase_from_a_file_but_not_a_short_one() {
    let dir = on_disk();
    let home = dir.path();
    std::fs::write(home.join("short"), "password\n").unwrap();
    let (code, _, stderr) = run(home, &["keys", "new", "--out", "key.txt", "--passphrase-file", "short"]);
    assert_eq!(code, Some(7), "{stderr}");
    assert!(!home.join("key.txt").exists());
    let (code, stdout, stderr) = run(home, &["keys", "new", "--out", "key.txt", "--sheet", "sheet.html"]);
    assert_eq!(code, Some(0), "{stderr}");
    let recipient = stdout.split_whitespace().find(|w| w.starts_with("age1")).unwrap().to_owned();
    let (_, stdout, _) = run(home, &["keys", "show-recipient", "--identity", "key.txt"]);
    assert_eq!(stdout.trim(), recipient);
    assert!(std::fs::read_to_string(home.join("sheet.html")).unwrap().contains(&recipient));
    let (code, _, _) = run(home, &["keys", "new", "--out", "key.txt"]);
    assert_eq!(code, Some(1), "a key file is never overwritten");
}

#[test]
fn a_host_is_set_up_once_and_then_needs_no_arguments() {
    let dir = on_disk();
    let home = dir.path();
    std::fs::create_dir_all(home.join("chart")).unwrap();
    std::fs::create_dir_all(home.join("medium")).unwrap();
    std::fs::write(home.join("chart/a"), "a").unwrap();
    let with = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_azekura"));
        command.env_clear().env("HOME", home).env("AZEKURA_STATE", home.join("state")).current_dir(home);
        command.args(["--config", "etc/azekura.toml"]).args(arguments).output().unwrap().status.code()
    };
    assert_eq!(with(&["init", "--to", "medium", "--set", "honin", "chart"]), Some(0));
    assert_eq!(with(&["init", "chart"]), Some(1), "a configuration is never overwritten");
    assert_eq!(with(&["backup", "--init"]), Some(0));
    assert_eq!(with(&["backup"]), Some(0));
    assert_eq!(with(&["verify"]), Some(0));
}

#[test]
fn why_there_is_a_hold_is_said_in_the_language_chosen_by_every_command() {
    let (dir, _) = first_night();
    let why = "set CL-01 generation 3: header, noise";
    assert_eq!(run(dir.path(), &["hold", "on", "--by", "A", "--why", why]).0, Some(0));
    for command in ["hold show", "status"] {
        let words: Vec<&str> = command.split(' ').chain(["--lang", "ja"]).collect();
        let (code, stdout, stderr) = run(dir.path(), &words);
        let text = stdout + &stderr;
        assert_eq!(code, Some(4), "{text}");
        assert!(text.contains("CL-01") && !text.contains("noise"), "{command}: {text}");
    }
}

/// A device is refused before a key is made for it; what is no path below the source is taken as it is meant.
#[test]
fn sources_that_are_no_files_and_patterns_that_are_no_patterns() {
    let dir = on_disk();
    let home = dir.path();
    for folder in ["chart/#recycle", "chart/tmp", "chart/cache", "medium"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    for file in ["chart/#recycle/f", "chart/tmp/f", "chart/cache/f", "chart/pay.xml"] {
        std::fs::write(home.join(file), "1").unwrap();
    }
    let init = ["backup", "--to", "medium", "--init"];
    let (code, _, stderr) = run(home, &[&init[..], &["zero=/dev/zero"]].concat());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--stdin-from-command"), "{stderr}");
    assert!(!home.join("azekura-recovery-key.txt").exists() && !home.join("state").exists());

    let absolute = format!("{}/chart/tmp", home.display());
    let excludes = ["--exclude", "#recycle", "--exclude", &absolute, "--exclude", "./cache", "--exclude", " ", "chart"];
    let (code, stdout, stderr) = run(home, &[&init[..], &excludes].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("1 file"), "{stdout}");
    assert!(stderr.contains("The exclude pattern \" \" excludes nothing."), "{stderr}");
    assert!(!stderr.contains("recycle") && !stderr.contains("cache"), "{stderr}");

    // What people write in a list of patterns, and what it does not do.
    let idle = ["/srv/nothing", "/etc", "/var/log/**", "/home/*/tmp", "# comment", "*.tmp", "/tmp"];
    let excludes: Vec<&str> = idle.iter().flat_map(|pattern| ["--exclude", pattern]).collect();
    let (code, _, stderr) = run(home, &[&["backup", "--to", "medium"], &excludes[..], &["chart"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    for pattern in &idle[..4] {
        let told = format!("The exclude pattern \"{pattern}\" excludes nothing: there is no such path in the source.");
        assert_eq!(stderr.matches(&told).count(), 1, "{stderr}");
    }
    assert!(stderr.contains("\"# comment\" in excludes is not a comment"), "{stderr}");
    assert!(!stderr.contains("*.tmp") && !stderr.contains("\"/tmp\""), "{stderr}");

    let pay = format!("{}/chart/pay.xml", home.display());
    for canary in ["pay.xml", "./pay.xml", "/pay.xml", &pay] {
        let config = format!("[[source]]\nname = \"chart\"\npath = \"{}/chart\"\ncanaries = [\"{canary}\"]\n", home.display());
        let run = |config: &str| {
            let mut command = azekura(home);
            std::fs::write(home.join("config.toml"), config).unwrap();
            let Output { status, stderr, .. } = command.args(["backup", "--to", "medium"]).output().unwrap();
            (status.code(), String::from_utf8(stderr).unwrap())
        };
        let (code, stderr) = run(&config);
        assert_eq!(code, Some(0), "{canary}: {stderr}");
        let (code, stderr) = run(&config.replace("pay.xml", "salary.xml"));
        assert_eq!(code, Some(3), "{canary}: {stderr}");
        assert!(stderr.contains("salary.xml"), "{stderr}");
        std::fs::write(home.join("chart/pay.xml"), format!("another {canary}")).unwrap();
        assert_eq!(run(&config).0, Some(4), "{canary}");
        let looked_at = ["hold", "harmless", "--by", "A", "--witness", "B", "--because", "new pay"];
        let harmless = azekura(home).args(looked_at).output().unwrap();
        assert_eq!(harmless.status.code(), Some(0), "{canary}: while the alarm is open, no night ends with 0 or 3");
    }
}

/// Extended attributes that one night could not read are in the next generation, and a restore of that night says what it
/// lacks. strace makes the calls fail.
#[test]
fn attributes_that_cannot_be_read_once_are_read_the_next_night() {
    let (_dir, home) = first_night();
    let file = home.join("chart/2025/b.txt");
    std::fs::write(&file, "b").unwrap();
    let set = rustix::fs::setxattr(&file, "user.ward", b"3", rustix::fs::XattrFlags::empty());
    if !tried("attributes that cannot be read", set) {
        return;
    }
    // Long enough ago that nothing but what is remembered makes the next night read it again.
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    let backup = azekura(&home);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fgetxattr,flistxattr"]);
    traced.args(["-e", "inject=fgetxattr,flistxattr:error=EIO"]).arg(backup.get_program()).args(backup.get_args());
    traced.env_clear().envs(backup.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(&home);
    traced.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let night = traced.args(["backup", "--to", "medium", "chart"]).output();
    let night = night.and_then(|out| match String::from_utf8_lossy(&out.stderr).contains("ptrace") {
        true => Err(std::io::Error::other("no tracing")),
        false => Ok(out),
    });
    let night = match night {
        Ok(night) => night,
        Err(e) => {
            tried("attributes that cannot be read", Err(e));
            return;
        }
    };
    let stderr = String::from_utf8_lossy(&night.stderr);
    assert_eq!(night.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("some attributes cannot be read") && stderr.contains("chart/2025/b.txt"), "{stderr}");

    for code in [0, 0] {
        let (ended, _, stderr) = run(&home, &["backup", "--to", "medium", "chart"]);
        assert_eq!(ended, Some(code), "{stderr}");
    }
    let restore = |generation: &str, to: &str| {
        let key = ["restore", "--from", "medium", "--identity", "azekura-recovery-key.txt"];
        run(&home, &[&key[..], &["--generation", generation, "--to", to]].concat())
    };
    let mut value = [0; 8];
    let (code, _, stderr) = restore("2", "night 2");
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("attributes could not be read in the backup") && stderr.contains("chart/2025/b.txt"), "{stderr}");
    for generation in ["3", "4"] {
        let (code, _, stderr) = restore(generation, generation);
        assert_eq!(code, Some(0), "{stderr}");
        let n = rustix::fs::getxattr(home.join(generation).join("chart/2025/b.txt"), "user.ward", &mut value).unwrap();
        assert_eq!(&value[..n], b"3");
    }
}

#[test]
fn a_folder_of_a_database_is_warned_of_once() {
    let dir = on_disk();
    let home = dir.path();
    for folder in ["pgdata/base", "dumps", "chart"] {
        std::fs::create_dir_all(home.join(folder)).unwrap();
    }
    for file in ["pgdata/PG_VERSION", "dumps/orca.sql.gz", "chart/PG_VERSION", "chart/log.gz"] {
        std::fs::write(home.join(file), "16").unwrap();
    }
    let init = |config: &str, source: &str| {
        let mut command = azekura(home);
        std::fs::remove_file(home.join("config.toml")).unwrap();
        let key = format!("{config}.key");
        let Output { status, stderr, .. } = command.args(["init", "--identity-out", &key, source]).output().unwrap();
        (status.code(), String::from_utf8(stderr).unwrap())
    };
    for (source, is_warned) in [("pgdata", true), ("dumps", true), ("dumps/orca.sql.gz", true), ("chart", false)] {
        let (code, stderr) = init(&source.replace('/', "-"), source);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(
            stderr.contains("the data folder of a database") || stderr.contains("a compressed dump"),
            is_warned,
            "{stderr}"
        );
    }
    let (code, stderr) = init("null", "null=/dev/null");
    assert_eq!(code, Some(2), "{stderr}");
}

/// What is said of a medium from which an object is gone, and of a restore that brought nothing back, is a fact.
#[test]
fn what_is_not_there_is_not_counted_as_verified_or_restored() {
    let (_dir, home) = first_night();
    let _ = azekura(&home).args(["verify", "medium"]).output().unwrap();
    let objects = || json(&home, &["verify", "medium"])["result"]["objects"].as_u64().unwrap();
    let scrubbed = || json(&home, &["media", "scrub", "medium"])["result"]["objects"].as_u64().unwrap();
    let before = (objects(), scrubbed());
    let set = std::fs::read_dir(home.join("medium/AZEKURA")).unwrap().next().unwrap().unwrap().path();
    let pack = set.join("00000/00000001.pack");
    let bytes = std::fs::read(&pack).unwrap();
    tried("chattr -i", Command::new("chattr").args(["-R", "-i"]).arg(&set).output().map(|_| ()));
    std::fs::remove_file(&pack).unwrap();
    assert_eq!((objects() + 1, scrubbed() + 1), before, "one of them is missing");
    let (code, stdout, stderr) =
        run(&home, &["--lang", "en", "restore", "--from", "medium", "--to", "back", "--identity", "azekura-recovery-key.txt"]);
    assert!(code == Some(5) && stdout.contains("failure, call: 1 entries could not be restored"), "{code:?} {stdout} {stderr}");
    // Where the key opens everything else, it is not the key that is wrong.
    let mut damaged = bytes.clone();
    damaged[90] = if damaged[90] == b'A' { b'B' } else { b'A' };
    std::fs::write(&pack, damaged).unwrap();
    let restore = ["--lang", "en", "restore", "--from", "medium", "--to", "again", "--identity", "azekura-recovery-key.txt"];
    let (code, _, stderr) = run(&home, &restore);
    assert!(code == Some(5) && !stderr.contains("keys") && stderr.contains("damaged age file"), "{code:?} {stderr}");
    std::fs::write(&pack, bytes).unwrap();
    let (code, stdout, _) = run(&home, &["--lang", "en", "keys", "rehearse", "medium", "--identity", "azekura-recovery-key.txt"]);
    assert!(code == Some(0) && stdout.contains("content of the files was not read"), "{code:?} {stdout}");
}

/// A hold names everybody who asked for it, and nobody asks without a name and a reason.
#[test]
fn a_hold_names_its_people() {
    let (_dir, home) = first_night();
    let home = &home;
    for typed in [["--by", "", "--why", "threat"], ["--by", "Sato", "--why", " "], ["--by", "-", "--why", "threat"]] {
        let (code, _, stderr) = run(home, &[&["--lang", "en", "hold", "on"], &typed[..]].concat());
        assert_eq!(code, Some(2), "{typed:?}: {stderr}");
    }
    let (code, stdout, _) = run(home, &["--lang", "en", "hold", "on", "--by", "Sato", "--why", "threat"]);
    assert!(code == Some(0) && stdout.contains("now active"), "{stdout}");
    let (code, stdout, _) = run(home, &["--lang", "en", "hold", "on", "--by", "Suzuki", "--why", "files gone"]);
    assert!(code == Some(0) && stdout.contains("Sato, Suzuki") && !stdout.contains("now active"), "{stdout}");
    let (_, stdout, _) = run(home, &["--lang", "en", "hold", "show"]);
    assert!(stdout.contains("Sato, Suzuki"), "{stdout}");
}

/// Somebody types the key where its file belongs. Others see the screen, the answer and the record of the session.
#[test]
fn a_key_that_is_typed_as_an_argument_is_refused_and_not_shown() {
    let (_dir, home) = first_night();
    let file = std::fs::read_to_string(home.join("azekura-recovery-key.txt")).unwrap();
    let key = file.lines().find(|l| l.starts_with("AGE-SECRET-KEY-")).expect("a key");
    for typed in [key.to_owned(), key.to_lowercase(), format!("--identity={key}")] {
        let (code, stdout, stderr) = run(&home, &["restore", "--from", "medium", "--to", "back", "--json", "--identity", &typed]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("recovery key was typed"), "{stderr}");
        let said = (stdout + &stderr).to_uppercase();
        assert!(!said.contains(&key[20..].to_uppercase()), "{said}");
    }
    assert!(!home.join("back").exists());
}

/// What a program that is started sees of this one.
#[test]
fn a_command_learns_nothing_of_the_keys_and_leaves_no_core() {
    let (_dir, home) = first_night();
    let mut command = program_at(Path::new(env!("CARGO_BIN_EXE_azekura")), &home);
    command.env("AZEKURA_IDENTITY", home.join("azekura-recovery-key.txt")).env("AZEKURA_EVIDENCE", "").env("OWN", "kept");
    let script = "env > seen; grep core /proc/self/limits >> seen; echo dump";
    command.args(["backup", "--to", "medium", "--stdin-from-command", "--stdin-name", "x", "--", "sh", "-c", script]);
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    let seen = std::fs::read_to_string(home.join("seen")).unwrap();
    assert!(seen.contains("OWN=kept") && !seen.contains("AZEKURA"), "{seen}");
    assert!(seen.lines().any(|l| l.starts_with("Max core file size") && l.split_whitespace().nth(4) == Some("0")), "{seen}");
}
