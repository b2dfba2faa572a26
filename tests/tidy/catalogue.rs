//! The catalogue: what `build.rs` refuses. What it accepts, the program's own tests look at.

use crate::{complain, files};

#[path = "../../build.rs"]
#[expect(dead_code, reason = "the build calls the rest of it")]
mod build;

fn read(files: &[&str]) -> Result<Vec<String>, String> {
    let mut catalogue = build::Catalogue::new();
    files.iter().try_for_each(|file| build::add(file, &mut catalogue))?;
    Ok(catalogue.into_keys().collect())
}

#[test]
fn a_message_that_could_not_be_said_rightly_does_not_build() {
    let refused = |file: &str, why: &str| {
        let error = read(&[file]).expect_err(file);
        assert!(error.contains(why), "{file}: {error}");
    };
    refused("[a.b]\nen = 'Hint'", "a.b: there is no text in ja");
    refused("[a.b]\nen = ' '\nja = '指摘'", "a.b: there is no text in en");
    refused("[a.b]\nen = '%{count} of %{all}'\nja = '%{count}'", "a.b: the gaps differ");
    refused("[a.b]\nen = 'Hint'\nja = '指摘'\nde = 'Hinweis'", "a.b: de is no language");
    refused("[a.b]\nen = 'Hint'\nja = 3", "a.b: ja is no language of the catalogue, or no text");
    refused("[a.b]\nen = 'Hint'\nja = '指摘'\n[a.b]\nen = 'Hint'\nja = '指摘'", "duplicate key");
    refused("[a.b]\nen: 'Hint'", "TOML parse error");
}

#[test]
fn a_message_is_in_one_file_and_may_have_others_below_it() {
    let (one, below) = ("[a.b]\nen = '%{n} of %{all}'\nja = '%{all} %{n}'", "[a.b.\"it's-c\"]\nen = 'c'\nja = 'c'");
    assert_eq!(read(&[one, below]), Ok(vec!["a.b".to_owned(), "a.b.it's-c".to_owned()]));
    assert_eq!(read(&[one, one]), Err("a.b: is in another file, too".to_owned()));
}

/// Only these are read: a text in another file would be missing, or go stale.
#[test]
fn the_catalogue_is_toml() {
    let others: Vec<String> = files("locales", &[""]).into_iter().filter(|f| !f.ends_with(".toml")).collect();
    complain("in locales/ are only .toml files", &others);
}
