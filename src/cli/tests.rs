//! The catalogue: complete in both languages, and in step with the program.

use super::args::Azekura;
use super::help::argument_key;
use super::ui::catalogue::MESSAGES;
use super::ui::text::{ASKING_ACTIONS, ASKING_HINTS};
use clap::{Command, CommandFactory};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn catalogue(lang: &str) -> BTreeMap<String, String> {
    let column = ["en", "ja"].iter().position(|l| *l == lang).unwrap();
    MESSAGES.iter().map(|(key, texts)| ((*key).to_owned(), texts[column].to_owned())).collect()
}

/// Names between `%{` and `}`.
fn gaps(text: &str) -> BTreeSet<&str> {
    text.split("%{").skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

fn sources(dir: &Path, all: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, all),
            false if path.ends_with("tests.rs") => {}
            false => all.push_str(&std::fs::read_to_string(&path).unwrap()),
        }
    }
}

fn program() -> String {
    let mut all = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli"), &mut all);
    all
}

/// The parts between colons of all texts of the library and the program, as `recorded::cause` and `step` make keys of
/// them.
fn written_parts() -> BTreeSet<String> {
    let mut all = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    all.split('"').flat_map(|text| text.split(": ")).map(|part| part.replace(' ', "-")).collect()
}

/// Texts between quotation marks that look like a key of one of the catalogue's families.
fn quoted_keys(program: &str, families: &BTreeSet<&str>) -> BTreeSet<String> {
    let is_key =
        |t: &&str| t.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c)) && !t.ends_with('.');
    let in_family = |t: &&str| t.split_once('.').is_some_and(|(family, _)| families.contains(family));
    program.split('"').filter(is_key).filter(in_family).map(str::to_owned).collect()
}

#[test]
fn every_message_is_in_both_languages_with_the_same_gaps() {
    let (en, ja) = (catalogue("en"), catalogue("ja"));
    assert!(en.len() > 300);
    assert_eq!(en.keys().collect::<Vec<_>>(), ja.keys().collect::<Vec<_>>());
    for (key, text) in &en {
        assert_eq!(gaps(text), gaps(&ja[key]), "{key}");
        assert!(!text.trim().is_empty() && !ja[key].trim().is_empty(), "{key}");
    }
}

#[test]
fn every_key_that_is_used_exists() {
    let en = catalogue("en");
    let families: BTreeSet<&str> = en.keys().filter_map(|k| k.split_once('.')).map(|(family, _)| family).collect();
    let used = quoted_keys(&program(), &families);
    let commands = [
        "keys.new",
        "keys.rehearse",
        "keys.sheet",
        "keys.show-recipient",
        "catalog.rebuild",
        "catalog.log",
        "evidence.check",
        "evidence.export",
        "evidence.start",
        "hold.harmless",
        "hold.off",
        "hold.on",
        "hold.show",
        "report.authenticity",
        "report.incident",
        "report.readopt",
        "report.reconnect",
        "media.accept",
        "media.copy",
        "media.due",
        "media.init",
        "media.label",
        "media.list",
        "media.log",
        "media.move",
        "media.scrub",
        "media.seen",
        "stamp.export",
        "stamp.import",
    ];
    let missing: Vec<_> = used.iter().filter(|k| !en.contains_key(*k) && !commands.contains(&k.as_str())).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_key_is_used() {
    let program = program();
    // Put together at run time, and looked for by the other tests or by nobody's fault.
    let dynamic =
        ["help.", "exit.", "man.", "hint.", "held.", "reason.errno.", "reason.sense.", "said.", "step.", "finding.", "tripwire."];
    let en = catalogue("en");
    let unused: Vec<_> =
        en.keys().filter(|k| !dynamic.iter().any(|d| k.starts_with(d)) && !program.contains(&format!("\"{k}\""))).collect();
    assert_eq!(unused, [""; 0]);
}

/// A text of the library that was reworded would be shown in English only: its key has to follow.
#[test]
fn every_text_that_is_translated_is_written_somewhere() {
    let of_sqlite = [
        "database-disk-image-is-malformed",
        "file-is-not-a-database",
        "database-or-disk-is-full",
        "attempt-to-write-a-readonly-database",
        "unable-to-open-database-file",
        "disk-I/O-error",
        "database-is-locked",
    ];
    let (en, written) = (catalogue("en"), written_parts());
    let translated = en.keys().filter_map(|key| key.strip_prefix("said.").or_else(|| key.strip_prefix("step.")));
    let translated: Vec<&str> = translated.filter(|part| !of_sqlite.contains(part)).collect();
    assert!(translated.len() > 60, "{}", translated.len());
    let lost: Vec<&&str> = translated.iter().filter(|part| !written.contains(**part)).collect();
    assert!(lost.is_empty(), "nothing says this any more; rename the key, or remove it: {lost:#?}");
}

#[test]
fn every_tripwire_has_words() {
    for lang in ["en", "ja"] {
        let messages = catalogue(lang);
        for tripwire in azekura::tripwire::Tripwire::ALL {
            assert!(messages.contains_key(&format!("tripwire.{}", tripwire.name())), "{lang}: {tripwire:?}");
        }
    }
}

#[test]
fn every_error_has_one_next_action() {
    let en = catalogue("en");
    let named: BTreeSet<&str> = en.keys().filter_map(|k| k.strip_prefix("error.")).filter(|k| !k.starts_with("usage.")).collect();
    let hinted: BTreeSet<&str> = en.keys().filter_map(|k| k.strip_prefix("hint.")).filter(|k| !k.starts_with("usage.")).collect();
    assert_eq!(named, hinted);
    assert!(named.len() > 50, "{}", named.len());
    for id in named {
        let (error, hint) = (gaps(&en[&format!("error.{id}")]), gaps(&en[&format!("hint.{id}")]));
        assert!(hint.is_subset(&error), "hint.{id} has a gap that error.{id} does not fill");
    }
}

/// While a hold is active nobody is asked for a medium: a hint that asks for one is in the list of those that are not said
/// then, and another text has one of its own to take its place.
#[test]
fn under_a_hold_no_text_asks_for_a_medium() {
    let asks = [
        "Attach ",
        " attach %{",
        "attach a ",
        "attach the ",
        "Load a",
        "Load the",
        "nother medium",
        "blank medium",
        "Add a medium",
        "%{due}",
        "media copy",
        "another kind",
        "azekura backup today",
        "azekura backup again",
        "new disk",
    ];
    // Of a restore's target, of a key's file, of quarantine (evidence, on a medium of its own) and of a set on the medium that
    // is attached. Then: what asks for none, what is said of the past, and what only a changer or `init` says.
    let exempt = [
        "hint.restore.target-gone",
        "hint.restore.target-damaged",
        "hint.identity.file",
        "hint.backup.not-apart",
        "hint.backup.pool-in-quarantine",
        "hint.medium.other-place",
        "hint.media.moved-attached",
        "error.copy.other-set",
        "damage.kind",
        "fault.label",
        "hint.proof.root-key",
        "hint.target.gone",
        "status.do.hold",
        "status.do.source-alarm",
        "talk.held",
        "talk.not-held",
        "talk.other-alarm-open",
        "verify.code-elsewhere",
    ];
    let families = ["media.event.", "prompt.", "init.", "talk.changer", "help.", "exit.", "man.", "page.", "held.", "alarm."];
    let en = catalogue("en");
    let mut open = Vec::new();
    for (key, text) in en.iter().filter(|(key, text)| asks.iter().any(|a| text.contains(a)) && !exempt.contains(&&key[..])) {
        let is_listed = [ASKING_HINTS, ASKING_ACTIONS].iter().any(|list| list.contains(&&key[..]));
        let has_other = is_listed || en.contains_key(&format!("held.{key}"));
        if !has_other && !families.iter().any(|f| key.starts_with(f)) {
            open.push(format!("{key}: {text}"));
        }
    }
    assert_eq!(open, [""; 0]);
    for (key, text) in en.iter().filter_map(|(key, text)| Some((key.strip_prefix("held.")?, text))) {
        let instead_of = en.get(key).or_else(|| en.get("held.hint").filter(|_| key == "hint"));
        assert!(gaps(text).is_subset(&gaps(instead_of.unwrap_or_else(|| panic!("held.{key} takes the place of nothing")))));
    }
    let lost: Vec<_> = ASKING_HINTS.iter().chain(ASKING_ACTIONS).filter(|key| !en.contains_key(**key)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn every_message_fills_its_gaps() {
    let en = catalogue("en");
    let mut filled = 0;
    let program = program();
    // The key may stand on a line of its own; that of the macro's own description is none.
    let calls = program.split("message!(").skip(1).filter_map(|call| call.trim_start().strip_prefix('"')?.split_once('"'));
    for (key, rest) in calls.filter(|(key, _)| *key != "key") {
        for gap in gaps(&en[key]) {
            filled += 1;
            assert!(rest.chars().take(400).collect::<String>().contains(&format!("{gap} =")), "{key}: nothing fills {gap}");
        }
    }
    assert!(filled > 100, "{filled}");
}

#[test]
fn every_argument_has_its_help() {
    fn check(command: &Command, path: &str, wanted: &mut BTreeSet<String>) {
        for a in command.get_arguments() {
            wanted.insert(argument_key(path, a));
        }
        wanted.insert(if path.is_empty() { "help.about".into() } else { format!("help.{path}.about") });
        for s in command.get_subcommands() {
            let path = if path.is_empty() { s.get_name().to_owned() } else { format!("{path}.{}", s.get_name()) };
            check(s, &path, wanted);
        }
    }
    let en = catalogue("en");
    let mut wanted = BTreeSet::from(["help.after".to_owned()]);
    check(&Azekura::command(), "", &mut wanted);
    let there: BTreeSet<String> = en.keys().filter(|k| k.starts_with("help.")).cloned().collect();
    assert_eq!(wanted, there);
}

#[test]
fn the_command_line_is_well_formed() {
    super::help::command().debug_assert();
}
