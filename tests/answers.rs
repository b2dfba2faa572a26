//! The contract of `--json`: the page and the schemas are those of the types.
//!
//! `UPDATE_DOCS=1 cargo test --test answers` writes them anew; the difference then shows what a program that reads the JSON meets.

use azekura::answer::reference::{answers, document, file_name, page, schema_text};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What has to lie in the repository.
fn made() -> BTreeMap<PathBuf, String> {
    let schemas = answers().into_iter().map(|a| (file_name(a.command), a.schema));
    let schemas = schemas.chain([("document.json".to_owned(), document())]);
    let mut made: BTreeMap<PathBuf, String> =
        schemas.map(|(name, schema)| (Path::new("docs/schema").join(name), schema_text(&schema))).collect();
    made.insert("docs/json.md".into(), page());
    made
}

#[test]
fn the_documents_are_those_of_the_types() {
    let made = made();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(root().join("docs/schema")).unwrap();
        made.iter().for_each(|(path, text)| fs::write(root().join(path), text).unwrap());
    }
    for (path, text) in &made {
        let there = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(there == *text, "{} is not what the types say: UPDATE_DOCS=1 cargo test --test answers", path.display());
    }
    for entry in fs::read_dir(root().join("docs/schema")).unwrap() {
        let path = Path::new("docs/schema").join(entry.unwrap().file_name());
        assert!(made.contains_key(&path), "{}: no command answers that", path.display());
    }
}

#[test]
fn every_member_is_described() {
    let page = page();
    let bare: Vec<&str> = page.lines().filter(|l| l.starts_with("| `") && l.ends_with("|  |")).collect();
    assert!(bare.is_empty(), "members without a doc comment:\n{}", bare.join("\n"));
}
