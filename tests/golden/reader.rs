//! Runs the independent reader, `reference/reader.py`.

use crate::key_file;
use crate::machine::skipped;
use std::path::Path;
use std::process::Command;

const PROGRAMS: [&str; 4] = ["python3", "age", "zstd", "b3sum"];

/// Whether the reader can run here.
pub fn is_available() -> bool {
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|p| Command::new(p).arg("--version").output().is_err()).collect();
    if missing.is_empty() {
        return true;
    }
    skipped(format!("the reference reader was not run: {missing:?} missing"));
    false
}

/// Exit status, and what it said.
pub fn run(arguments: &[&str], medium: &Path, more: &[&str]) -> (i32, String) {
    let out = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/reader.py"))
        .args(arguments)
        .arg(medium)
        .args(more)
        .output()
        .expect("python3");
    let said = [&out.stdout[..], &out.stderr[..]].map(|b| String::from_utf8_lossy(b).into_owned()).concat();
    (out.status.code().unwrap_or(-1), said)
}

fn with_key<'a>(more: &[&'a str], key: &'a str) -> Vec<&'a str> {
    [&["-i", key], more].concat()
}

/// What the reader lists of a generation.
pub fn lists(medium: &Path, generation: u64) -> (i32, String) {
    let (key, n) = (key_file().display().to_string(), generation.to_string());
    run(&["list"], medium, &with_key(&["--generation", &n], &key))
}

/// Restores with the reader.
pub fn restore(medium: &Path, more: &[&str], to: &Path) -> (i32, String) {
    let (key, to) = (key_file().display().to_string(), to.display().to_string());
    run(&["restore"], medium, &with_key(&[more, &["--to", &to]].concat(), &key))
}

/// The reader verifies and restores without a complaint, if it is there.
pub fn restores(medium: &Path, more: &[&str], to: &Path) -> bool {
    if !is_available() {
        return false;
    }
    let (status, said) = run(&["verify"], medium, &[]);
    assert_eq!(status, 0, "{said}");
    let (status, said) = restore(medium, more, to);
    assert_eq!(status, 0, "{said}");
    true
}
