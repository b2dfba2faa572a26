//! What may stand in code, and how much of it in one place.

use crate::scan::{Source, functions, places, sources};
use crate::{complain, files, read};
use std::collections::BTreeMap;

const MOST_LINES: usize = 600;

const MOST_LINES_OF_A_FUNCTION: usize = 80;

/// Functions that are longer all the same: the file, the name, the most lines, and why.
const LONG_FUNCTIONS: &[(&str, &str, usize, &str)] = &[];

/// Every file with unsafe code: how often, and what for.
const UNSAFE: &[(&str, usize, &str)] = &[
    ("medium/tape/sg.rs", 1, "a SCSI command to a changer or to a cartridge's own memory"),
    ("medium/tape/st.rs", 3, "the calls of the tape driver"),
    ("pipeline/chunker/avx2.rs", 1, "a vector is loaded from an array of its length"),
    ("pipeline/chunker/avx512.rs", 1, "a vector is loaded from an array of its length"),
    ("pipeline/chunker/mod.rs", 4, "a kernel is called where the processor has it"),
    ("sha256/mod.rs", 1, "a kernel is called where the processor has it"),
    ("sha256/x86.rs", 3, "vectors are loaded from and stored to arrays of their length"),
];

/// Ways to make a channel that takes without end.
const UNBOUNDED: &[&str] = &["unbounded", "channel(", "channel::<", "mpsc::channel"];

#[test]
fn nothing_gives_up_without_a_reason() {
    let mut complaints = Vec::new();
    for s in sources() {
        for word in [".unwrap()", ".unwrap_err()", ".expect(", ".expect_err(", "panic!", "todo!", "unimplemented!"] {
            complaints.extend(s.code.match_indices(word).map(|(at, _)| format!("{}: {word}", s.place(at))));
        }
        for at in places(&s.code, "unreachable!") {
            let reason = s.code[at..].strip_prefix("unreachable!(\"").is_some_and(|r| !r.starts_with('"'));
            if !reason {
                complaints.push(format!("{}: unreachable! without a reason", s.place(at)));
            }
        }
    }
    complain("Answer with an error, or say with unreachable!(\"…\") why it cannot be.", &complaints);
}

#[test]
fn no_public_item_is_exempt_from_documentation() {
    let mut complaints = Vec::new();
    for s in sources() {
        let exempt = places(&s.code, "missing_docs").filter(|at| !s.code[..*at].ends_with("warn("));
        complaints.extend(exempt.map(|at| s.place(at)));
    }
    complain("Say what the item means to a caller; no lint is told to pass over it.", &complaints);
}

#[test]
fn files_stay_short() {
    let long = |s: &Source| {
        let lines = s.text.lines().count();
        (lines > MOST_LINES).then(|| format!("src/{}: {lines} lines", s.path))
    };
    complain(&format!("One idea a file, at most {MOST_LINES} lines."), &sources().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn functions_stay_short() {
    let sources = sources();
    let mut complaints = Vec::new();
    let mut met = Vec::new();
    for s in &sources {
        for f in functions(&s.code).iter().filter(|f| f.lines > MOST_LINES_OF_A_FUNCTION) {
            let exempt = LONG_FUNCTIONS.iter().find(|(path, name, ..)| (*path, *name) == (s.path.as_str(), f.name));
            met.extend(exempt);
            if exempt.is_none_or(|(_, _, most, _)| f.lines > *most) {
                complaints.push(format!("{}: {}: {} lines", s.place(f.at), f.name, f.lines));
            }
        }
    }
    let gone = LONG_FUNCTIONS.iter().filter(|e| !met.contains(e));
    complaints.extend(gone.map(|(path, name, ..)| format!("src/{path}: {name} is exempt and need not be")));
    complain(&format!("A function has at most {MOST_LINES_OF_A_FUNCTION} lines: look for the missing noun."), &complaints);
}

#[test]
fn unsafe_code_is_counted() {
    let count = |s: &Source| (s.path.clone(), places(&s.code, "unsafe").count());
    let found: BTreeMap<_, _> = sources().iter().map(count).filter(|(_, n)| *n > 0).collect();
    let told: BTreeMap<_, _> = UNSAFE.iter().map(|(path, n, _)| ((*path).to_owned(), *n)).collect();
    assert_eq!(found, told, "Unsafe code stands where tests/tidy/code.rs says, and says what for.");
}

#[test]
fn channels_are_bounded() {
    let mut complaints = Vec::new();
    for s in sources() {
        for word in UNBOUNDED {
            complaints.extend(places(&s.code, word).map(|at| format!("{}: {word}", s.place(at))));
        }
    }
    complain("A channel is as long as what may wait in it: bounded(n), sync_channel(n).", &complaints);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"]].map(|w| w.concat());
    let mut complaints = Vec::new();
    let all = ["src", "tests", "benches", "fuzz", "docs", "reference", "man", ".ci"];
    for path in all.iter().flat_map(|f| files(f, &[".rs", ".md", ".py", ".sh", ".toml", "/run"])) {
        let text = read(&path);
        for word in &words {
            for at in places(&text, word) {
                complaints.push(format!("{path}:{}: {word}", text[..at].matches('\n').count() + 1));
            }
        }
    }
    complain("Do it, or open an issue.", &complaints);
}
