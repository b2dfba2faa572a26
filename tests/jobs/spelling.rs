//! Names that look the same and are not: macOS and an SMB share write `が` as two characters, a keyboard as one.

use crate::world::Hospital;
use azekura::event::NoObserver;
use azekura::job::inspect::find::{FindOptions, find};
use azekura::job::inspect::history::{PathOptions, of_path};
use azekura::job::restore::{NameList, Options};
use std::path::Path;

const NFC: &str = "がん検診/ペースメーカー.txt";
const NFD: &str = "か\u{3099}ん検診/ヘ\u{309a}ースメーカー.txt";
/// A folder made on one computer, a file on another.
const MIXED: &str = "がん検診/ヘ\u{309a}ースメーカー.txt";

fn found(h: &Hospital, typed: &str) -> Vec<String> {
    let options = FindOptions { from: h.medium(), set: None, generation: None, patterns: vec![typed.into()] };
    let report = h.with_env(|env| find(&options, &h.identity, env)).expect("a search");
    report.found.into_iter().map(|f| String::from_utf8(f.core.path).expect("UTF-8")).collect()
}

fn source_path(name: &str) -> String {
    format!("source/{name}")
}

#[test]
fn a_name_is_found_in_either_form() {
    for stored in [NFC, NFD, MIXED] {
        let h = Hospital::new();
        h.write(stored, stored);
        h.write("がん", "another");
        h.backup();
        for typed in [NFC, NFD, MIXED] {
            assert_eq!(found(&h, &source_path(typed)), [source_path(stored)], "{stored} {typed}");
            let (folder, name) = typed.split_once('/').expect("a folder");
            assert_eq!(found(&h, name), [source_path(stored)], "{stored} {typed}");
            assert_eq!(found(&h, &format!("{}*", &name[..name.len() - 4])), [source_path(stored)], "{stored} {typed}");
            assert_eq!(found(&h, &source_path(folder)).len(), 2, "{stored} {typed}");

            let options = PathOptions { from: h.medium(), set: None, path: source_path(typed).into_bytes() };
            let report = h.with_env(|env| of_path(&options, &h.identity, env, &NoObserver)).expect("a history");
            assert!(report.is_found() && report.is_sound(), "{stored} {typed}");
            assert_eq!(report.otherwise_spelled.len(), usize::from(stored != typed), "{stored} {typed}");

            for way in 0..3 {
                let to = tempfile::tempdir().expect("a folder");
                let defaults = Options { to: to.path().join("to"), ..h.restore_options("to") };
                let options = match way {
                    0 => Options { paths: vec![source_path(typed).into_bytes()], ..defaults },
                    1 => Options { only: Some(NameList::parse(source_path(typed).as_bytes()).expect("a list")), ..defaults },
                    _ => Options { patterns: vec![source_path(typed)], ..defaults },
                };
                let report = h.try_restore(&options).expect("a restore");
                assert!(report.not_found.is_empty(), "{stored} {typed} {way}");
                // Under the name that was backed up.
                let restored = |name: &str| to.path().join("to").join(source_path(name)).exists();
                assert!(restored(stored) && !restored("がん"), "{stored} {typed} {way}");
                let told = if way < 2 && stored != typed { 1 } else { 0 };
                assert_eq!(report.otherwise_spelled.len(), told, "{stored} {typed} {way}");
            }
        }
        assert!(found(&h, &source_path("か")).is_empty(), "no half of a character");
    }
}

#[test]
fn where_both_forms_exist_both_are_told_and_neither_hides_the_other() {
    let h = Hospital::new();
    h.write(NFC, "composed");
    h.write(NFD, "decomposed");
    h.backup();
    for (typed, other, content) in [(NFC, NFD, "composed"), (NFD, NFC, "decomposed")] {
        assert_eq!(found(&h, &source_path(typed)).len(), 2, "{typed}");
        let options = PathOptions { from: h.medium(), set: None, path: source_path(typed).into_bytes() };
        let report = h.with_env(|env| of_path(&options, &h.identity, env, &NoObserver)).expect("a history");
        assert_eq!(report.otherwise_spelled.into_iter().collect::<Vec<_>>(), [source_path(other).into_bytes()]);
        let azekura::job::inspect::history::PathState::Present(core) = &report.versions[0].state else { panic!("absent") };
        assert_eq!(core.path, source_path(typed).into_bytes(), "the exact name comes first");
        let to = format!("restored {content}");
        let options = Options { paths: vec![source_path(typed).into_bytes()], ..h.restore_options(&to) };
        let report = h.try_restore(&options).expect("a restore");
        assert_eq!(report.otherwise_spelled, [source_path(typed).into_bytes()]);
        for (name, content) in [(NFC, "composed"), (NFD, "decomposed")] {
            let restored = h.path(&to).join(Path::new(&source_path(name)));
            assert_eq!(std::fs::read_to_string(restored).expect("a file"), content);
        }
    }
}

/// SS-MIX2 storages have folders of patients; an id may have letters that people type otherwise.
#[test]
fn a_patient_is_found_in_either_form() {
    use azekura::format::manifest::Rules;
    use azekura::job::backup::SourceOptions;
    let h = Hospital::new();
    // As a copy made on macOS has it.
    h.write("か\u{3099}/い/か\u{3099}い01/20261130/x", "result");
    let source = SourceOptions { rules: Rules::SsMix2, ..SourceOptions::new("source", h.source()) };
    let mut options = h.options();
    options.sources = vec![source];
    h.try_backup(&options).expect("a backup");
    let wanted = NameList::parse("がい01\n".as_bytes()).expect("a list");
    let report = h.try_restore(&Options { only: Some(wanted), ..h.restore_options("restored") }).expect("a restore");
    assert!(report.not_found.is_empty());
}
