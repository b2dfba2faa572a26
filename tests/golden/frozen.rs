//! What version 1 was when it was frozen: media, vectors and the page's examples, each by its SHA-256.
//!
//! `frozen.sha256` is what `sha256sum` prints and checks. A line of it is never changed, but where vectors are added to a file
//! that keeps all it has; new files get new lines. So `UPDATE_GOLDEN=1` cannot give a byte another meaning unnoticed.

use crate::folder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

const LIST: &str = "frozen.sha256";

/// Files that are no code and describe nothing: by path below this folder.
fn frozen_files() -> BTreeMap<String, String> {
    let files = walkdir::WalkDir::new(folder()).into_iter().map(|e| e.expect("an entry")).filter(|e| e.file_type().is_file());
    let is_frozen = |path: &Path| path.extension().is_none_or(|x| x != "rs" && x != "md") && path != folder().join(LIST);
    let digest = |path: &Path| {
        let bytes = std::fs::read(path).expect("a file");
        Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let name = |path: &Path| path.strip_prefix(folder()).expect("below").to_str().expect("a plain name").to_owned();
    files.filter(|e| is_frozen(e.path())).map(|e| (name(e.path()), digest(e.path()))).collect()
}

#[test]
fn nothing_that_is_frozen_has_changed() {
    let list = std::fs::read_to_string(folder().join(LIST)).expect("the list");
    let listed: BTreeMap<String, String> = list
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
        .collect();
    let found = frozen_files();
    for (name, digest) in &listed {
        assert_eq!(found.get(name), Some(digest), "tests/golden/{name} is frozen: a byte of version 1 keeps its meaning");
    }
    let new: Vec<_> = found.keys().filter(|name| !listed.contains_key(*name)).collect();
    assert!(new.is_empty(), "freeze these too, with a line in tests/golden/{LIST}: {new:?}");
}
