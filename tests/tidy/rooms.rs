//! Rooms: which may know which, who owns which crate, and what only one of them may do.

use crate::scan::{Source, first_names, places, sources};
use crate::{complain, read};
use std::collections::{BTreeMap, BTreeSet};

/// Crates that one room, or a few, have for themselves. A place is a beginning of a path below `src`.
const OWNERS: &[(&str, &[&str])] = &[
    ("age", &["pipeline/encryptor"]),
    ("age_core", &["pipeline/encryptor"]),
    ("chrono", &["cli", "env", "format/text", "job", "report"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("data_encoding", &["format/object", "format/check_code"]),
    ("der", &["format/stamp"]),
    ("ed25519_dalek", &["seal"]),
    ("ignore", &["job/inspect", "job/incident/indicators", "job/restore", "pipeline/source"]),
    ("indicatif", &["cli"]),
    ("landlock", &["cage"]),
    ("libc", &["cage"]),
    ("maud", &["report"]),
    ("minicbor", &["format"]),
    ("qrcode", &["report"]),
    ("ring", &["pipeline/encryptor"]),
    ("rusqlite", &["host/catalog"]),
    ("shlex", &["cli"]),
    ("signal_hook", &["cli"]),
    ("seccompiler", &["cage"]),
    ("schemars", &["answer", "format", "host/ledger"]),
    ("sha2", &["sha256/"]),
    ("unicode_normalization", &["generation/spelling", "job/incident/people"]),
    ("zstd", &["pipeline/compressor"]),
];

/// What only the command line may do: talk, listen, and ask the machine.
const TALK: &[&str] = &[
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "io::stdin",
    "io::stdout",
    "io::stderr",
    "std::env",
    "env::var",
    "process::exit",
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
];

/// The only files that may remove, rename or cut off something, and what. The command line may, of what is not a medium.
const REMOVERS: &[(&str, &str)] = &[
    ("host/files.rs", "the host's own state"),
    ("host/state.rs", "the host's own cache"),
    ("pipeline/target/mod.rs", "files of a restore that could not be filled"),
    ("job/restore/pending_file.rs", "what an interrupted restore left"),
];

/// The rooms as `src/lib.rs` draws them: the place in the row of arrows.
fn levels() -> BTreeMap<String, usize> {
    let lib = read("src/lib.rs");
    let drawn = lib.split('`').find(|s| s.contains('→')).expect("src/lib.rs draws the rooms with arrows");
    assert!(
        read("docs/architecture.md").lines().any(|l| l == drawn),
        "docs/architecture.md draws the same as src/lib.rs: {drawn}"
    );
    let level = |(i, rooms): (usize, &str)| -> Vec<(String, usize)> {
        rooms.split('·').map(|r| (r.replace("(bin)", "").trim().to_owned(), i)).collect()
    };
    drawn.split('→').enumerate().flat_map(level).collect()
}

fn against_the_arrows(sources: &[Source], levels: &BTreeMap<String, usize>) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut rooms = BTreeSet::new();
    for s in sources {
        let Some(room) = s.room() else { continue };
        rooms.insert(room.to_owned());
        let Some(level) = levels.get(room) else {
            complaints.push(format!("{}: the room {room} is not drawn in src/lib.rs", s.place(0)));
            continue;
        };
        for root in ["crate::", "azekura::"] {
            for at in places(&s.code, root) {
                for name in first_names(&s.code[at + root.len()..]) {
                    let right = levels.get(name).is_none_or(|l| l > level);
                    if !right && name != room {
                        complaints.push(format!("{}: {room} may not know {name}", s.place(at)));
                    }
                }
            }
        }
        let climb = "super::".repeat(s.depth());
        for at in places(&s.code, &climb) {
            complaints.push(format!("{}: leaves its room by `super`; write `crate::`", s.place(at)));
        }
    }
    let drawn = levels.keys().filter(|r| !rooms.contains(*r));
    complaints.extend(drawn.map(|r| format!("src/lib.rs: draws {r}, which is not there")));
    complaints
}

#[test]
fn arrows_point_right_only() {
    complain("Arrows point right only. Move the code, not the table.", &against_the_arrows(&sources(), &levels()));
}

#[test]
fn an_import_against_the_arrows_is_found() {
    let levels = BTreeMap::from([("job", 0), ("seal", 1), ("medium", 1), ("format", 2)].map(|(r, l)| (r.to_owned(), l)));
    let complaints = |path: &str, text: &str| {
        let others = [("job/mod.rs", ""), ("seal.rs", ""), ("medium/mod.rs", ""), ("format/mod.rs", "")];
        let mut sources: Vec<_> = others.iter().filter(|(p, _)| *p != path).map(|(p, t)| Source::new(p, t)).collect();
        sources.push(Source::new(path, text));
        against_the_arrows(&sources, &levels)
    };
    let right = "use crate::{format::{a, b}, medium, job::own};\nuse super::copy::Job;\n// use crate::cli;";
    assert_eq!(complaints("job/backup.rs", right), [""; 0]);
    for (path, text, complaint) in [
        ("format/cbor.rs", "\nuse crate::job::World;", "src/format/cbor.rs:2: format may not know job"),
        ("format/cbor.rs", "use crate::{buffer, seal::{Key, job}};", "src/format/cbor.rs:1: format may not know seal"),
        ("medium/mod.rs", "fn f() { crate::seal::sign() }", "src/medium/mod.rs:1: medium may not know seal"),
        ("seal.rs", "use super::job::World;", "src/seal.rs:1: leaves its room by `super`; write `crate::`"),
        ("medium/disk.rs", "use super::super::job;", "src/medium/disk.rs:1: leaves its room by `super`; write `crate::`"),
        ("attic.rs", "", "src/attic.rs:1: the room attic is not drawn in src/lib.rs"),
    ] {
        assert_eq!(complaints(path, text), [complaint], "{path}: {text}");
    }
    let drawn =
        against_the_arrows(&[Source::new("job.rs", ""), Source::new("seal.rs", ""), Source::new("medium.rs", "")], &levels);
    assert_eq!(drawn, ["src/lib.rs: draws format, which is not there"]);
}

#[test]
fn a_crate_stays_with_its_owner() {
    let mut complaints = Vec::new();
    for s in sources() {
        for (name, owners) in OWNERS {
            let is_owner = owners.iter().any(|o| s.path.starts_with(o)) || s.is_cli() && owners.contains(&"cli");
            let path = format!("{name}::");
            let used = places(&s.code, &path).filter(|at| !s.code[..*at].ends_with("::"));
            let imported = ["use ", "extern crate "].map(|u| format!("{u}{name}"));
            let imported = imported.iter().flat_map(|u| places(&s.code, u)).collect::<Vec<_>>();
            for at in used.chain(imported).filter(|_| !is_owner) {
                complaints.push(format!("{}: {name} belongs to {}", s.place(at), owners.join(", ")));
            }
        }
    }
    complain("Ask the room that owns the crate.", &complaints);
}

#[test]
fn only_the_command_line_talks() {
    let mut complaints = Vec::new();
    for s in sources().iter().filter(|s| !s.is_cli()) {
        for word in TALK {
            complaints.extend(places(&s.code, word).map(|at| format!("{}: {word}", s.place(at))));
        }
    }
    complain("The library does not print, prompt, read the environment or ask the time: env::Env brings it.", &complaints);
}

#[test]
fn who_may_remove_is_known() {
    let mut complaints = Vec::new();
    for s in sources() {
        let exempt = REMOVERS.iter().any(|(path, _)| *path == s.path) || s.is_cli();
        for at in places(&s.code, "clippy::disallowed_methods") {
            let for_tests = s.code[..at].ends_with("cfg_attr(not(test), deny(");
            if !exempt && !for_tests {
                complaints.push(format!("{}: lifts the ban on removing", s.place(at)));
            }
        }
        // The ban is on calls; this one is harmless with `false`.
        for (at, _) in s.code.match_indices(".truncate(true)").filter(|_| !exempt) {
            complaints.push(format!("{}: empties a file that exists", s.place(at)));
        }
    }
    complain("We only append. What is exempt stands in tests/tidy/, with what it removes.", &complaints);
}
