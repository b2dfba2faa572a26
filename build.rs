//! Makes one sorted table of all messages from the catalogue, `locales/*.toml`; `src/cli/ui/catalogue.rs` includes it.
//!
//! A message is a table with a text for each language: `[heading.hint]`, `en = "Hint:"`, `ja = "次にすること:"`. A text has
//! gaps, `%{name}`. What the program could not say rightly does not build: a language or a text that is missing, gaps
//! that differ, a key that is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};
use toml::{Table, Value};

const LOCALES: &str = "locales";

/// The languages, in the order of the table's columns.
const LANGUAGES: [&str; 2] = ["en", "ja"];

pub type Catalogue = BTreeMap<String, [String; LANGUAGES.len()]>;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={LOCALES}");
    let mut catalogue = Catalogue::new();
    for entry in fs::read_dir(LOCALES)? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        let named = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        add(&fs::read_to_string(&path).map_err(|e| named(&e))?, &mut catalogue).map_err(|e| named(&e))?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("messages.rs"), table(&catalogue)?)?;
    Ok(())
}

/// Adds the messages of one file.
pub fn add(file: &str, catalogue: &mut Catalogue) -> Result<(), String> {
    add_table(String::new(), &file.parse().map_err(|e: toml::de::Error| e.to_string())?, catalogue)
}

/// A table is a message, or has tables below it whose keys begin with its own, or both.
fn add_table(key: String, table: &Table, catalogue: &mut Catalogue) -> Result<(), String> {
    let mut texts = BTreeMap::new();
    for (name, value) in table {
        match value {
            Value::Table(below) => {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                add_table(key, below, catalogue)?;
            }
            Value::String(text) if LANGUAGES.contains(&name.as_str()) => drop(texts.insert(name.as_str(), text.as_str())),
            _ => return Err(format!("{key}: {name} is no language of the catalogue, or no text")),
        }
    }
    if texts.is_empty() { Ok(()) } else { add_message(key, &texts, catalogue) }
}

fn add_message(key: String, texts: &BTreeMap<&str, &str>, catalogue: &mut Catalogue) -> Result<(), String> {
    let mut message = [const { String::new() }; LANGUAGES.len()];
    for (language, column) in LANGUAGES.iter().zip(&mut message) {
        match texts.get(language).filter(|text| !text.trim().is_empty()) {
            Some(text) => (*text).clone_into(column),
            None => return Err(format!("{key}: there is no text in {language}")),
        }
    }
    let gaps = message.each_ref().map(|text| gaps(text));
    if gaps.iter().any(|g| *g != gaps[0]) {
        return Err(format!("{key}: the gaps differ: {gaps:?}"));
    }
    match catalogue.insert(key.clone(), message) {
        Some(_) => Err(format!("{key}: is in another file, too")),
        None => Ok(()),
    }
}

/// Names between `%{` and `}`.
fn gaps(text: &str) -> BTreeSet<&str> {
    text.split("%{").skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

/// Rust source: an array, sorted by key.
fn table(catalogue: &Catalogue) -> Result<String, std::fmt::Error> {
    let mut source = String::from("&[\n");
    for (key, texts) in catalogue {
        writeln!(source, "({key:?}, {texts:?}),")?;
    }
    source.push(']');
    Ok(source)
}
