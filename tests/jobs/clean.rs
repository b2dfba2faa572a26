//! Which generation is the last one without a sign of an intruder? Asked of a medium that may be damaged itself.

use crate::tools::{forge, objects, overwrite};
use crate::world::Hospital;
use azekura::event::NoObserver;
use azekura::format::object::ObjectKind;
use azekura::job::backup::SourceOptions;
use azekura::job::incident::clean::{Options, Report, clean};
use azekura::job::incident::harmless::{Statement, call_harmless};
use azekura::job::incident::indicators::Indicators;
use azekura::job::inspect::InspectError;
use std::fs;
use std::os::unix::fs::PermissionsExt;

fn cleaned(h: &Hospital, list: &str) -> Result<Report, InspectError> {
    let indicators = Some(Indicators::parse(list.as_bytes()).expect("indicators"));
    let options = Options { from: h.medium(), set: None, indicators };
    h.with_env(|w| clean(&options, &h.identity, w, &NoObserver))
}

fn nights(first: &[&str]) -> Hospital {
    let h = Hospital::new();
    for (night, name) in (1..).zip(first) {
        h.write(name, format!("night {night}"));
        h.backup();
    }
    h
}

/// Where it was first is where the responders look first: of several the first one, of the generation that has it first.
#[test]
fn the_first_file_that_bears_an_indicator_is_told() {
    let h = nights(&["a"]);
    for names in [["b/2.locked", "c.locked"], ["a.locked", "b/1.locked"]] {
        for name in names {
            h.write(name, "encrypted");
        }
        h.backup();
    }
    let report = cleaned(&h, "*.locked\n").expect("a list");
    assert_eq!((report.last_clean, report.generations[1].hits, report.generations[2].hits), (Some(1), 2, 4));
    assert_eq!(
        (report.first_hits.len(), report.first_hits[0].generation, &report.first_hits[0].path[..]),
        (1, 2, &b"source/b/2.locked"[..])
    );
}

/// A generation that cannot be looked through is no generation without a sign.
#[test]
fn a_damaged_generation_is_not_passed_over() {
    let h = nights(&["a", "b", "c"]);
    let manifest = objects(&h.medium()).into_iter().filter(|o| o.1 == ObjectKind::Manifest).nth(1).expect("a manifest").2;
    let good = fs::read(&manifest).expect("a manifest");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o644)).expect("a mode");
    overwrite(&manifest, good.len() as u64 / 2, &[good[good.len() / 2] ^ 1]);
    let report = cleaned(&h, "*.locked\n").expect("a list");
    assert_eq!(report.generations.iter().map(|r| r.damaged.is_some()).collect::<Vec<_>>(), [false, true, false]);
    // The others are looked at, and it is not called clean itself.
    assert!(!report.generations[1].is_clean());
    assert_eq!(report.last_clean, Some(3));
    let report = cleaned(&h, "c\n").expect("a list");
    assert_eq!((report.last_clean, report.first_hits[0].generation), (Some(1), 3));
}

/// A forger may have made it: its seal does not hold.
#[test]
fn a_generation_that_cannot_be_trusted_is_not_the_last_clean_one() {
    let h = nights(&["a", "b"]);
    assert_eq!(cleaned(&h, "*.locked\n").expect("a list").last_clean, Some(2));
    let seal = objects(&h.medium()).into_iter().rfind(|o| o.1 == ObjectKind::Seal).expect("a seal").2;
    forge(&seal);
    assert_eq!(cleaned(&h, "*.locked\n").expect("a list").last_clean, Some(1));
}

/// A hospital without SHA-256 gets digests from the police: that none was found says nothing, and that is said.
#[test]
fn digests_looked_for_where_there_are_none_are_not_a_clean_bill() {
    let h = Hospital::new();
    h.write("a", "malware");
    h.write("b", "malware");
    h.try_backup(&azekura::job::backup::Options { with_sha256: false, ..h.options() }).expect("a backup");
    h.backup();
    let digest = "00".repeat(32);
    let unhashed = |list: &str| cleaned(&h, list).expect("a list").generations.iter().map(|r| r.unhashed).collect::<Vec<_>>();
    assert_eq!(unhashed(&digest), [2, 0]);
    assert_eq!(unhashed("*.locked\n"), [0, 0]);
}

/// Two people have looked at the canary's alarm, and the next generation says so: it is no trace, and is named.
#[test]
fn an_alarm_that_was_declared_harmless_is_no_trace() {
    let h = Hospital::new();
    let source = SourceOptions { canaries: vec![b"source/pay".to_vec()], ..SourceOptions::new("source", h.source()) };
    let night = |content: &str| {
        h.write("pay", content);
        h.try_backup(&azekura::job::backup::Options { sources: vec![source.clone()], ..h.options() }).expect("a backup")
    };
    night("1");
    let told = night("2");
    assert_eq!(told.alarms.len(), 1);
    assert_eq!(cleaned(&h, "*.locked\n").expect("a list").last_clean, Some(1));
    let (set, generation) = (Some(told.set), Some(told.generation));
    let statement = Statement { set, generation, by: "Suzuki", witness: "Sato", because: "a new reader" };
    h.with_env(|env| call_harmless(&h.path("state"), &statement, env)).expect("a statement");
    night("2");
    let report = cleaned(&h, "*.locked\n").expect("a list");
    assert_eq!((report.last_clean, report.generations[1].alarms.len()), (Some(3), 1));
    assert_eq!(report.generations[1].harmless.as_deref(), Some("a new reader (Suzuki, Sato)"));
    // Another touch is another alarm.
    night("3");
    assert_eq!(cleaned(&h, "*.locked\n").expect("a list").last_clean, Some(3));
}
