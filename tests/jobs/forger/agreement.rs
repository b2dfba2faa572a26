//! The program and the reference reader give the same answer for each forged medium: the same exit status, and the same files with
//! the same content.
//!
//! `AZEKURA_FORGED` says how many media, `AZEKURA_SEED` makes a run again, `AZEKURA_CASE` one medium of it, and `AZEKURA_KEEP` names a
//! folder for those on which the readers disagree.

use super::readers::{Answer, BY_THE_PROGRAM, BY_THE_READER, ReferenceReader, by_the_program, is_reader_missing, key_file};
use super::{Forged, forge};
use crate::other_writer::hospital;
use crate::tools::Dice;
use crate::world::Hospital;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Media in a run where nothing else is asked for.
const USUAL_COUNT: u64 = 300;
/// The seed of that run: what both readers answer alike is looked at again and again.
const USUAL_SEED: u64 = 1;

/// Where two answers may differ: what is saved from a pack of which nothing is known, or that is not what its seal lists, is left
/// to each reader (section 4), and the reference reader saves least.
fn may_save_otherwise(h: &Hospital, said: &[String], ours: &Answer, theirs: &Answer) -> bool {
    let starts = ["index", "age files", "list of", "another pack in the place of"];
    let is_bent = said.iter().any(|s| starts.iter().any(|how| s.starts_with(how)));
    let same_end = (ours.verify, ours.restore) == (5, 5) && (theirs.verify, theirs.restore) == (5, 5);
    let saves_least = theirs.files.iter().all(|file| ours.files.contains(file));
    // Both began, and ended where an object is on another medium, which each meets in an order of its own.
    let needs_another =
        (ours.restore, theirs.restore) == (6, 6) && [BY_THE_PROGRAM, BY_THE_READER].iter().all(|to| h.path(to).exists());
    let whole =
        |a: &Answer, b: &Answer| a.files.iter().all(|(path, content)| b.files.iter().all(|(p, c)| p != path || c == content));
    is_bent && same_end && saves_least || ours.verify == theirs.verify && needs_another && whole(ours, theirs)
}

/// What a run met.
#[derive(Default)]
struct Seen {
    /// Media by the exit codes of the program's verification and restore.
    answers: BTreeMap<(i32, i32), u64>,
    /// Media by what the reference reader says is wrong. Its sentences are one for one the checks of the page.
    reasons: BTreeMap<String, u64>,
}

impl Seen {
    fn count(&mut self, ours: &Answer, said_by_reader: &str) {
        *self.answers.entry((ours.verify, ours.restore)).or_default() += 1;
        let starts = ["PROBLEM: ", "NEWER: ", "NEWER, ", "ERROR: ", "Traceback"];
        let faults = said_by_reader.lines().filter(|line| starts.iter().any(|s| line.starts_with(s)));
        for reason in faults.map(reason).collect::<BTreeSet<_>>() {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// The reasons, the most frequent one first.
    fn table(&self) -> String {
        let mut sorted: Vec<_> = self.reasons.iter().collect();
        sorted.sort_by_key(|(_, count)| Reverse(**count));
        sorted.iter().fold(String::new(), |table, (reason, count)| table + &format!("{count:7}  {reason}\n"))
    }
}

/// A sentence of the reference reader without what differs from medium to medium: numbers, hexadecimal, paths, what is quoted.
fn reason(line: &str) -> String {
    // Names and types of stanzas may have any signs. Nothing behind one: it goes on to the end.
    let spans = [
        ("PROBLEM: ", ": not restored ("),
        ("PROBLEM: ", ": not used ("),
        ("PROBLEM: ", ": refused ("),
        (" is encrypted to ", ", and the manifest names "),
        ("a malformed path: ", ""),
        ("no object of this set: ", ""),
        ("have the check code ", ""),
    ];
    let mut line = line.to_owned();
    for (before, after) in spans {
        if let Some(from) = line.find(before).map(|at| at + before.len())
            && let Some(length) = if after.is_empty() { Some(line.len() - from) } else { line[from..].find(after) }
        {
            line.replace_range(from..from + length, "N");
        }
    }
    let outside: Vec<&str> = line.split('"').step_by(2).collect();
    let word = |word: &str| -> String {
        if word.contains('/') {
            return format!("N{}", if word.ends_with(':') { ":" } else { "" });
        }
        word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).map(part).collect()
    };
    outside.join("N").split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A run of letters and digits, and perhaps the sign behind it.
fn part(part: &str) -> String {
    let run = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_number = !run.is_empty() && run.bytes().all(|b| b.is_ascii_digit());
    let is_hex = run.len() >= 8 && run.bytes().all(|b| b.is_ascii_hexdigit());
    if is_number || is_hex { format!("N{}", &part[run.len()..]) } else { part.into() }
}

#[test]
fn a_reason_is_the_same_on_each_medium() {
    for (line, is) in [
        ("PROBLEM: seal 12: it has another number than its file", "PROBLEM: seal N: it has another number than its file"),
        ("PROBLEM: s/with a space: not restored (key 9 is missing)", "PROBLEM: N: not restored (key N is missing)"),
        ("ERROR: /dev/shm/x/00000007.pack is no age file", "ERROR: N is no age file"),
        ("PROBLEM: set 0123456789abcdef: its SHA-256 is bad", "PROBLEM: set N: its SHA-N is bad"),
        (
            "PROBLEM: object 3 is encrypted to X25519 /a\" b, c-grease, and the manifest names X25519: somebody else",
            "PROBLEM: object N is encrypted to N, and the manifest names X25519: somebody else",
        ),
        ("PROBLEM: foreign, no object of this set: 0 1.pack", "PROBLEM: foreign, no object of this set: N"),
        (r#"ERROR: no "name" here"#, "ERROR: no N here"),
    ] {
        assert_eq!(reason(line), is);
    }
}

#[test]
fn an_input_decides_and_its_end_seeds_the_rest() {
    let rolls = |input: &[u8]| {
        let mut dice = Dice::of_input(input);
        [dice.below(10), dice.below(256), dice.below(3), dice.next() as usize, dice.below(1000)]
    };
    assert_eq!(rolls(&[13, 255, 5, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7]), [3, 255, 2, 0x0102, 7]);
    assert_eq!(rolls(b"abc")[..3], rolls(b"abcd")[..3]);
    assert!(rolls(b"abc") == rolls(b"abc") && rolls(b"abc")[3] != rolls(b"abf")[3]);
}

/// Where a file system knows no such flags, nothing is locked.
#[test]
fn no_forged_medium_stays_behind() {
    use rustix::fs::{IFlags, Mode, OFlags, ioctl_setflags, open};
    let forged = forge(hospital(), &mut Dice::of_case(USUAL_SEED, 0));
    let dir = forged.hospital.dir.path().to_owned();
    for name in ["restored", "restored/folder"] {
        std::fs::create_dir(dir.join(name)).expect("a folder");
    }
    std::fs::write(dir.join("restored/folder/file"), "locked").expect("a file");
    for (name, flags) in [("folder/file", IFlags::APPEND), ("folder", IFlags::IMMUTABLE)] {
        let opened = open(dir.join("restored").join(name), OFlags::RDONLY, Mode::empty()).expect("an entry");
        let _ = ioctl_setflags(opened, flags);
    }
    drop(forged);
    assert!(!dir.exists(), "{}", dir.display());
}

/// What the two say of a medium, where they disagree.
fn disagreement(forged: &Forged, reader: &mut ReferenceReader, seen: &Mutex<Seen>) -> Option<String> {
    let Forged { hospital: h, said, call } = forged;
    let key = key_file(h);
    let (ours, first) = by_the_program(h, &key, call);
    let (theirs, second) = reader.answer(h, &key, call);
    seen.lock().expect("no panic").count(&ours, &second);
    if ours == theirs || may_save_otherwise(h, said, &ours, &theirs) {
        return None;
    }
    let names = |a: &Answer| a.files.iter().map(|(p, _)| p.display().to_string()).collect::<Vec<_>>().join(" ");
    let of = |a: &Answer| format!("verify {} restore {} [{}]", a.verify, a.restore, names(a));
    let (ours, theirs) = (of(&ours), of(&theirs));
    Some(format!("{said:?} {call:?}\n  program: {ours}\n  reader:  {theirs}\n--- program\n{first}\n--- reader\n{second}"))
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|n| n.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn both_readers_give_one_answer_of_each_forged_medium() {
    if is_reader_missing() {
        return;
    }
    let (seed, only) = (variable("AZEKURA_SEED").unwrap_or(USUAL_SEED), variable("AZEKURA_CASE"));
    let cases = only.map_or(0..variable("AZEKURA_FORGED").unwrap_or(USUAL_COUNT), |case| case..case + 1);
    println!("both_readers_give_one_answer: AZEKURA_SEED={seed}");
    let (next, seen, disagreements) = (AtomicU64::new(cases.start), Mutex::default(), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut reader = ReferenceReader::start();
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases.end {
                break;
            }
            let forged = forge(hospital(), &mut Dice::of_case(seed, case));
            if let Some(text) = disagreement(&forged, &mut reader, &seen) {
                if let Some(keep) = std::env::var_os("AZEKURA_KEEP") {
                    let to = Path::new(&keep).join(format!("{seed}-{case}"));
                    std::fs::create_dir_all(&keep).expect("AZEKURA_KEEP names a folder");
                    let copied = Command::new("cp").arg("-a").arg(forged.hospital.dir.path()).arg(to).status();
                    assert!(copied.is_ok_and(|s| s.success()), "a copy of the medium");
                }
                disagreements.lock().expect("no panic").insert(case, text);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let seen = seen.into_inner().expect("no panic");
    let answers = format!("{} media; (verify, restore) of the program: {:?}\n", cases.end - cases.start, seen.answers);
    if variable("AZEKURA_FORGED").is_some() {
        // Not `println!`: what a passing test prints is swallowed, and who asks for so many media wants to know what they were.
        let table = format!("{answers}  media  what the reference reader says is wrong\n{}", seen.table());
        std::io::stderr().write_all(table.as_bytes()).expect("standard error");
    } else {
        print!("{answers}");
    }
    let disagreements = disagreements.into_inner().expect("no panic");
    let all = disagreements.iter().fold(String::new(), |mut all, (case, text)| {
        let _ = writeln!(all, "AZEKURA_CASE={case}: {text}\n");
        all
    });
    assert!(disagreements.is_empty(), "{} disagreements\n{all}", disagreements.len());
}
