//! What a test needs of the machine that it runs on. What is not there is skipped aloud, never silently. Whether
//! golden files are written. And where objects are in a folder.

#![allow(dead_code, reason = "each test program takes what it needs")]

use azekura::format::object::{ObjectKind, object_path, parse_file_name};
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Says what is not tried here, and why. `.ci/run` fails where such a line is not in `.ci/skips`.
///
/// Not `eprintln!`: the test passes, and what a passing test prints is swallowed.
pub fn skipped(what: impl Display) {
    let line = format!("\n*** SKIPPED: {what} ***\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error");
}

/// Whether golden files are to be written anew.
pub fn updates() -> bool {
    let wanted = std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1");
    assert!(!wanted || std::env::var_os("CI").is_none(), "UPDATE_GOLDEN is for people; CI compares");
    wanted
}

/// Whether something that not every machine permits was done; if not, says so.
pub fn tried<E: Display>(what: &str, done: Result<(), E>) -> bool {
    if let Err(e) = &done {
        skipped(format!("{what}: {e}"));
    }
    done.is_ok()
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs `f` as a user who may not read everything; the threads that it starts are that user's too.
pub fn without_privileges<T>(f: impl FnOnce() -> T) -> T {
    use rustix::process::Uid;
    use rustix::thread::set_thread_res_uid;
    if !is_root() {
        return f();
    }
    let (root, nobody) = (Uid::ROOT, Uid::from_raw(65_534));
    set_thread_res_uid(root, nobody, root).expect("another user");
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    set_thread_res_uid(root, root, root).expect("root again");
    done.unwrap_or_else(|e| std::panic::resume_unwind(e))
}

/// The file of an object, by its set's folder.
pub fn object_file(set: &Path, number: u64, kind: ObjectKind) -> PathBuf {
    set.join(object_path(number, kind))
}

/// Writes a file where an object belongs: what an interrupted run leaves, or somebody else.
pub fn put_object(set: &Path, number: u64, kind: ObjectKind, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = object_file(set, number, kind);
    fs::create_dir_all(path.parent().expect("a folder of thousands")).expect("a folder of thousands");
    fs::write(&path, bytes).expect("an object");
    path
}

/// The objects in a set's folder, ascending. It must have nothing else.
pub fn objects_in(set: &Path) -> Vec<(u64, ObjectKind, PathBuf)> {
    let names = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let mut all: Vec<_> = names(set)
        .flat_map(|thousands| names(&thousands))
        .map(|path| {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            let (number, kind) = parse_file_name(name).expect("an object's name");
            assert_eq!(path, object_file(set, number, kind));
            (number, kind, path)
        })
        .collect();
    all.sort_by_key(|o| o.0);
    all
}
