//! Tests of sessions that somebody changed, and of power cuts.

use super::folder::{FOLDERS, sha256, write_new};
use super::record::{RECORD, append};
use super::*;
use crate::env::Env;
use crate::format::cbor::Time;
use crate::medium::loader::NoLoader;
use serde_json::Value;
use std::sync::atomic::AtomicBool;

/// A session with one line, as it begins.
fn session() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    FOLDERS.iter().for_each(|f| std::fs::create_dir(dir.path().join(f)).unwrap());
    run(|env| append(dir.path(), env.now, json!({ "event": "started" }))).unwrap();
    dir
}

fn run<T>(f: impl FnOnce(&Env) -> T) -> T {
    let now = || Time { seconds: 1_790_000_000, nanoseconds: 0 };
    let interrupted = AtomicBool::new(false);
    f(&Env { now: &now, random: &|_| {}, host: "host", interrupted: &interrupted, loader: &NoLoader, threads: 1 })
}

fn added(folder: &Path, exit: u8, result: &str) -> Result<()> {
    let answer = RecordedAnswer { command: "verify", arguments: &[], exit, result: result.as_bytes(), pages: &[] };
    run(|env| add(folder, &answer, env.now))
}

fn last_line(folder: &Path) -> Value {
    let record = std::fs::read_to_string(folder.join(RECORD)).unwrap();
    serde_json::from_str(record.lines().last().unwrap()).unwrap()
}

#[test]
fn a_result_that_is_changed_removed_or_added_is_found() {
    let dir = session();
    added(dir.path(), 5, "damage").unwrap();
    assert!(check(dir.path()).unwrap().is_good());
    assert_eq!(last_line(dir.path())["exit_code"], 5, "its exit code");
    let (name, file) = ("results/0002-verify.json", dir.path().join("results/0002-verify.json"));
    std::fs::write(&file, "no damage").unwrap();
    assert_eq!(check(dir.path()).unwrap().files, [name]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(check(dir.path()).unwrap().files, [name]);
    std::fs::remove_dir(file.parent().unwrap()).unwrap();
    assert_eq!(check(dir.path()).unwrap().files, [name]);
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "damage").unwrap();
    for planted in ["results/0003-verify.json", "seals/00000099.seal"] {
        std::fs::write(dir.path().join(planted), "nobody asked").unwrap();
        assert_eq!(check(dir.path()).unwrap().files, [planted]);
        std::fs::remove_file(dir.path().join(planted)).unwrap();
    }
    assert!(check(dir.path()).unwrap().is_good());
}

/// A hostile record must not make the check open or confirm files elsewhere on the host.
#[test]
fn a_record_names_nothing_outside_its_folder() {
    let dir = session();
    std::fs::write(dir.path().join("secret"), "key").unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    for outside in ["../secret".to_owned(), dir.path().join("secret").display().to_string()] {
        run(|env| append(&inner, env.now, json!({ "files": { outside.clone(): sha256(b"key") } }))).unwrap();
        assert_eq!(check(&inner).unwrap().files, [&outside[..]], "{outside}");
        std::fs::remove_file(inner.join(RECORD)).unwrap();
    }
}

/// The power fails while a line is written: the record stays broken at that line, and later lines can still be read.
#[test]
fn a_line_that_was_cut_off_stays_and_is_reported() {
    let dir = session();
    added(dir.path(), 0, "good").unwrap();
    let record = dir.path().join(RECORD);
    let whole = std::fs::read(&record).unwrap();
    std::fs::write(&record, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(check(dir.path()).unwrap().broken, [2], "without its end");
    std::fs::write(&record, [&whole[..], b"{\"event\":\"com"].concat()).unwrap();
    assert!(!check(dir.path()).unwrap().is_good());
    added(dir.path(), 0, "good").unwrap();
    let checked = check(dir.path()).unwrap();
    assert_eq!((checked.lines, &checked.broken[..], checked.files.len()), (4, &[3][..], 0));
}

/// The power fails between a result and its line: the result is not overwritten, the check reports it, and the session
/// continues.
#[test]
fn no_result_is_overwritten() {
    let dir = session();
    let orphan = dir.path().join("results/0002-verify.json");
    std::fs::write(&orphan, "of the moment before").unwrap();
    added(dir.path(), 0, "good").unwrap();
    assert_eq!(std::fs::read_to_string(&orphan).unwrap(), "of the moment before");
    assert!(last_line(dir.path())["files"]["results/0003-verify.json"].is_string());
    assert_eq!(check(dir.path()).unwrap().files, ["results/0002-verify.json"]);
    assert!(write_new(&orphan, b"other").is_err());
}

/// What is handed over can be checked like the session itself, by this program and by `sha256sum`.
#[test]
fn all_of_a_session_is_handed_over() {
    let (dir, to) = (session(), tempfile::tempdir().unwrap());
    added(dir.path(), 0, "good").unwrap();
    std::fs::write(dir.path().join("seals/00000003.seal"), "seal").unwrap();
    let out = to.path().join("out");
    assert!(!export(dir.path(), &out, "page").unwrap().is_good(), "a seal that no line names is reported");
    assert_eq!(std::fs::read(out.join(RECORD)).unwrap(), std::fs::read(dir.path().join(RECORD)).unwrap());
    assert_eq!(check(&out).unwrap(), check(dir.path()).unwrap());
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let names: Vec<&str> = sums.lines().filter_map(|l| l.split("  ").nth(1)).collect();
    assert_eq!(names, [RECORD, "results/0002-verify.json", "seals/00000003.seal", "README.txt"]);
}

/// A link in the session must not hand over a key with it, and a pipe must not make the export wait for ever.
#[test]
fn nothing_outside_the_session_is_handed_over() {
    let (dir, to) = (session(), tempfile::tempdir().unwrap());
    added(dir.path(), 0, "good").unwrap();
    let elsewhere = to.path().join("keys");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("key.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("key.txt"), dir.path().join("results/0003-verify.json")).unwrap();
    std::fs::remove_dir(dir.path().join("seals")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, dir.path().join("seals")).unwrap();
    let pipe = std::process::Command::new("mkfifo").arg(dir.path().join("results/0004-verify.json")).status();
    assert!(pipe.unwrap().success());
    let out = to.path().join("out");
    let checked = export(dir.path(), &out, "page").unwrap();
    assert_eq!(checked.files, ["results/0003-verify.json", "results/0004-verify.json", "seals/key.txt"]);
    assert!(out.join("results/0002-verify.json").is_file());
    for name in checked.files {
        assert!(out.join(&name).symlink_metadata().is_err(), "{name}");
    }
}

/// The first line has nothing before it; that does not make any bytes a line.
#[test]
fn a_first_line_that_is_none_and_a_changed_line_are_found() {
    let dir = session();
    added(dir.path(), 0, "good").unwrap();
    let record = dir.path().join(RECORD);
    let good = std::fs::read_to_string(&record).unwrap();
    for (from, broken) in [("{\"", 1), ("started", 2)] {
        std::fs::write(&record, good.replacen(from, "x", 1)).unwrap();
        assert!(check(dir.path()).unwrap().broken.contains(&broken), "{from}");
    }
    std::fs::File::create(&record).unwrap().set_len((64 << 20) + 1).unwrap();
    assert!(check(dir.path()).is_err(), "no more is read than a record can be");
}

/// A file of a session that anybody made longer than any is not read, and a record of nothing but values takes no gigabytes.
#[test]
fn what_is_too_long_is_not_read() {
    let dir = session();
    added(dir.path(), 0, "good").unwrap();
    let file = dir.path().join("results/0002-verify.json");
    let before = std::time::Instant::now();
    std::fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(1 << 42).unwrap();
    assert_eq!(check(dir.path()).unwrap().files, ["results/0002-verify.json"]);
    let to = dir.path().join("to");
    assert!(matches!(export(dir.path(), &to, "page"), Err(EvidenceError::Io { what: "read", .. })));
    assert!(before.elapsed().as_secs() < 60);
    for content in [format!("[{}0]", "{\"\":0},".repeat(2 << 20)), "[".repeat(65 << 20)] {
        std::fs::write(dir.path().join(RECORD), content).unwrap();
        assert!(matches!(check(dir.path()), Err(EvidenceError::Io { what: "read", .. })));
    }
    let record = std::fs::OpenOptions::new().write(true).open(dir.path().join(RECORD)).unwrap();
    record.set_len(1 << 42).unwrap();
    let refused = run(|env| append(dir.path(), env.now, json!({ "event": "closed" })));
    assert!(matches!(refused, Err(EvidenceError::Io { what: "read", .. })), "{refused:?}");
}
