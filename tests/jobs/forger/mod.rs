//! The forger: well-signed media that contradict themselves, made as dice fall.
//!
//! `agreement` asks the program and the reference reader, which was written from the page alone, and wants one answer. And a fuzz
//! target takes the forger: in `fuzz/fuzz_targets/forged.rs` the dice fall by the bytes of an input, and the library is asked.

pub mod ages;
#[cfg(test)]
mod agreement;
mod generation;
#[cfg(test)]
mod known;
#[cfg(test)]
mod known_codes;
mod log;
mod planted;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod vectors;

use crate::tools::{Dice, set_folder, unlock};
use crate::world::Hospital;
use azekura::format::check_code::CheckCode;
use azekura::format::label::Label;

/// A medium, and what is wrong with it.
pub struct Forged {
    pub hospital: Hospital,
    pub said: Vec<String>,
    pub call: Call,
}

/// A record may have flags that lock what is restored of it.
impl Drop for Forged {
    fn drop(&mut self) {
        unlock(self.hospital.dir.path());
    }
}

/// What the readers are asked.
#[derive(Debug)]
pub struct Call {
    pub set: Option<String>,
    pub generation: Option<u64>,
    pub expect: Option<String>,
}

/// Forges the medium of a hospital that has none yet.
pub fn forge(h: Hospital, dice: &mut Dice) -> Forged {
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
