//! What the compiler does not look after: which room may know which, which file imports which, who owns which crate, who may talk,
//! how long a file or a function is, and whether the documents name what is there.
//!
//! The sources are read as text, so a rule costs milliseconds. A complaint names a place and what to do there.

mod catalogue;
mod circles;
mod code;
mod documents;
mod rooms;
mod scan;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files below a folder with one of these endings, sorted; none where there is no such folder.
fn files(folder: &str, endings: &[&str]) -> Vec<String> {
    let all = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name();
    // What is built or found, not written. `src/pipeline/target` is ours.
    let built = ["target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "tests/vm/drive/target"].map(|p| root().join(p));
    let ours = |e: &walkdir::DirEntry| !built.iter().any(|p| p == e.path());
    all.into_iter()
        .filter_entry(ours)
        .flatten()
        .filter(|e| e.file_type().is_file())
        .filter_map(|e| Some(e.path().strip_prefix(root()).ok()?.to_str()?.to_owned()))
        .filter(|p| endings.iter().any(|e| p.ends_with(e)))
        .collect()
}

fn complain(rule: &str, complaints: &[String]) {
    let once: BTreeSet<&str> = complaints.iter().map(String::as_str).collect();
    assert!(once.is_empty(), "\n{rule}\n  {}\n", Vec::from_iter(once).join("\n  "));
}
