//! The forger: well-signed media that contradict themselves, made from a seed. The program and the reference reader, which was
//! written from the page alone, must give the same answer for each: the same exit status, and the same files with the same content.
//!
//! `AZEKURA_FORGED` says how many media, `AZEKURA_SEED` makes a run again, `AZEKURA_CASE` one medium of it, and `AZEKURA_KEEP` names a
//! folder for those on which the readers disagree.

pub mod ages;
mod generation;
mod known;
mod log;
mod planted;
mod readers;

use crate::machine::skipped;
use crate::other_writer::hospital;
use crate::tools::{Dice, set_folder};
use crate::world::Hospital;
use azekura::format::check_code::CheckCode;
use azekura::format::label::Label;
use readers::{Answer, Call, ReferenceReader, by_the_program};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Media in a run where nothing else is asked for.
const USUAL_COUNT: u64 = 300;
/// The seed of that run: what both readers answer alike is looked at again and again.
const USUAL_SEED: u64 = 1;

/// A medium, and what is wrong with it.
struct Forged {
    hospital: Hospital,
    said: Vec<String>,
    call: Call,
}

fn forge(dice: &mut Dice) -> Forged {
    let h = hospital();
    let mut said = Vec::new();
    for _ in 0..[1, 1, 2][dice.below(3)] {
        generation::forge(&h, dice, &mut said);
    }
    let label = h.label();
    let set = set_folder(&h.medium());
    if dice.chance(40) {
        log::forge(&set, dice, &mut said);
    } else if dice.chance(8) {
        said.push("a rival's chain".into());
        log::rival(&set);
    }
    for _ in 0..[0, 0, 1, 1, 2][dice.below(5)] {
        planted::plant(&set, &label, dice, &mut said);
    }
    let call = any_call(&h, &label, dice);
    Forged { hospital: h, said, call }
}

/// What the readers are asked.
fn any_call(h: &Hospital, label: &Label, dice: &mut Dice) -> Call {
    let seals: Vec<_> = walkdir::WalkDir::new(h.medium())
        .sort_by_file_name()
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file() && e.path().extension().is_some_and(|x| x == "seal"))
        .collect();
    let code = |dice: &mut Dice| -> Option<String> {
        let bytes = std::fs::read(dice.pick(&seals).path()).ok()?;
        let end = bytes
            .windows(11)
            .position(|w| w == b"\nsignature ")
            .map_or(bytes.len(), |at| bytes[at + 1..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 2));
        Some(CheckCode::of(blake3::hash(&bytes[..end]).as_bytes()).to_string())
    };
    Call {
        set: dice.chance(15).then(|| label.set.to_string()),
        generation: dice.chance(20).then(|| 1 + dice.below(3) as u64),
        expect: match dice.below(10) {
            0..=2 if !seals.is_empty() => code(dice),
            3 if dice.chance(30) => Some("0123-4567-89AB-CDEF".into()),
            _ => None,
        },
    }
}

/// Where two answers may differ: what is saved from a pack of which nothing is known is left to each reader (section 4), and the
/// reference reader saves least.
fn may_save_otherwise(said: &[String], ours: &Answer, theirs: &Answer) -> bool {
    let is_bent = said.iter().any(|s| ["index", "age files", "list of"].iter().any(|how| s.starts_with(how)));
    let same_end = (ours.verify, ours.restore) == (5, 5) && (theirs.verify, theirs.restore) == (5, 5);
    let saves_least = theirs.files.iter().all(|file| ours.files.contains(file));
    // Both ended where an object is on another medium, which each meets in an order of its own.
    let needs_another = |a: &Answer| a.restore == 6 && !a.files.is_empty();
    let whole =
        |a: &Answer, b: &Answer| a.files.iter().all(|(path, content)| b.files.iter().all(|(p, c)| p != path || c == content));
    is_bent && same_end && saves_least
        || ours.verify == theirs.verify && needs_another(ours) && needs_another(theirs) && whole(ours, theirs)
}

/// What the two say of a medium, where they disagree.
fn disagreement(forged: &Forged, reader: &mut ReferenceReader, answers: &Mutex<BTreeMap<(i32, i32), u64>>) -> Option<String> {
    let Forged { hospital: h, said, call } = forged;
    let key = h.path("key");
    let text: String = h.identity.texts().iter().map(|t| format!("{}\n", **t)).collect();
    std::fs::write(&key, text).expect("a key");
    let (ours, first) = by_the_program(h, &key, call);
    let (theirs, second) = reader.answer(h, &key, call);
    *answers.lock().expect("no panic").entry((ours.verify, ours.restore)).or_default() += 1;
    if ours == theirs || may_save_otherwise(said, &ours, &theirs) {
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

/// Whether programs are missing that the reference reader needs; says so.
fn is_reader_missing() -> bool {
    let missing = ["python3", "age", "zstd", "b3sum"].into_iter().any(|p| Command::new(p).arg("--version").output().is_err());
    if missing {
        skipped("forged media: the reference reader needs python3, age, zstd and b3sum");
    }
    missing
}

#[test]
fn both_readers_give_one_answer_of_each_forged_medium() {
    if is_reader_missing() {
        return;
    }
    let (seed, only) = (variable("AZEKURA_SEED").unwrap_or(USUAL_SEED), variable("AZEKURA_CASE"));
    let cases = only.map_or(0..variable("AZEKURA_FORGED").unwrap_or(USUAL_COUNT), |case| case..case + 1);
    println!("both_readers_give_one_answer: AZEKURA_SEED={seed}");
    let (next, answers, disagreements) = (AtomicU64::new(cases.start), Mutex::default(), Mutex::new(BTreeMap::new()));
    let work = || {
        let mut reader = ReferenceReader::start();
        loop {
            let case = next.fetch_add(1, Ordering::Relaxed);
            if case >= cases.end {
                break;
            }
            let forged = forge(&mut Dice::of_case(seed, case));
            if let Some(text) = disagreement(&forged, &mut reader, &answers) {
                if let Some(keep) = std::env::var_os("AZEKURA_KEEP") {
                    let to = Path::new(&keep).join(format!("{seed}-{case}"));
                    let copied = Command::new("cp").arg("-a").arg(forged.hospital.dir.path()).arg(to).status();
                    assert!(copied.is_ok_and(|s| s.success()), "AZEKURA_KEEP names a folder");
                }
                disagreements.lock().expect("no panic").insert(case, text);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    println!(
        "{} media; (verify, restore) of the program: {:?}",
        cases.end - cases.start,
        answers.into_inner().expect("no panic")
    );
    let disagreements = disagreements.into_inner().expect("no panic");
    let all = disagreements.iter().fold(String::new(), |mut all, (case, text)| {
        let _ = writeln!(all, "AZEKURA_CASE={case}: {text}\n");
        all
    });
    assert!(disagreements.is_empty(), "{} disagreements\n{all}", disagreements.len());
}
