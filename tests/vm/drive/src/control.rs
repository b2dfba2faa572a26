//! What is done to drive and changer by hand, or befalls them: lines from a FIFO.
//!
//! ```text
//! put NAME SLOT|mail put a cartridge into the changer; slots are counted from 1
//! take SLOT|mail     take it out
//! load NAME          put a cartridge into the drive, instead of the one that is there
//! eject              take it out
//! swap NAME          load by force, though the host prevents removal
//! pull               eject by force
//! fail OPCODE KEY ASC ASCQ [once|always|COUNT] [after COUNT] [done]
//!                    answer commands of this kind with this sense: one of them, or COUNT, or all; after COUNT that succeed.
//!                    With `done` they are carried out all the same
//! heal               forget all `fail` lines
//! ua ASC ASCQ        a unit attention
//! reset              power was gone for a moment: unit attention 0x29 0; the tape is rewound, what the host set is forgotten
//! delay MS           take so long for every command from now on
//! alert FLAG         raise a TapeAlert flag
//! prevent obey|ignore
//!                    whether PREVENT MEDIUM REMOVAL binds; a real drive obeys
//! announce yes|no    whether a new cartridge is announced by a unit attention; a real drive's is
//! changer fail|heal|ua|delay|reset ...
//!                    the same, of the changer
//! ```
//!
//! Numbers are decimal, or hexadecimal with `0x`.

use crate::library::Library;
use crate::scsi::Sense;
use crate::scsi::mishaps::{Fault, Mishaps};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

pub struct Control {
    fifo: File,
    answers: File,
    /// A line whose end has not come yet.
    begun: Vec<u8>,
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }
}

impl Control {
    /// Makes the FIFO, and before it the file that the answers go to: whoever sees the one may use the other.
    pub fn create(path: &Path) -> io::Result<Self> {
        let answers = File::options().create(true).append(true).open(path.with_extension("answers"))?;
        match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Err(Errno::EXIST) | Ok(()) => {}
            Err(e) => return Err(e.into()),
        }
        // Also for writing: so there is always a writer, and never an end.
        let fifo = open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { fifo: fifo.into(), answers, begun: Vec::new() })
    }

    /// Obeys all lines that are there.
    pub fn obey(&mut self, library: &mut Library) -> io::Result<()> {
        let mut bytes = [0; 4096];
        let length = match self.fifo.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => 0,
            length => length?,
        };
        self.begun.extend(&bytes[..length]);
        while let Some(end) = self.begun.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let answer = match obey(library, &line) {
                Ok(()) => format!("ok {line}"),
                Err(why) => format!("refused {}: {why}\n", line.trim()),
            };
            self.answers.write_all(answer.as_bytes())?;
        }
        Ok(())
    }
}

fn obey(library: &mut Library, line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let drive = &mut library.drive;
    match words.as_slice() {
        ["load", name] => library.load(name),
        ["eject"] => library.eject(),
        ["swap", name] => library.swap(name),
        ["pull"] => library.pull(),
        ["put", name, place] => library.put(name, place),
        ["take", place] => library.take(place),
        ["changer", words @ ..] => {
            let changer = library.changer.as_mut().ok_or("there is no changer")?;
            match words {
                ["reset"] => {
                    changer.reset();
                    Ok(())
                }
                words => befall(&mut changer.mishaps, words),
            }
        }
        ["reset"] => {
            drive.reset();
            Ok(())
        }
        ["alert", flag] => drive.alert(number(flag)?),
        ["prevent", word @ ("obey" | "ignore")] => {
            drive.obeys_prevent = *word == "obey";
            Ok(())
        }
        ["announce", word @ ("yes" | "no")] => {
            drive.announces = *word == "yes";
            Ok(())
        }
        words => befall(&mut drive.mishaps, words),
    }
}

fn befall(mishaps: &mut Mishaps, words: &[&str]) -> Result<(), String> {
    match words {
        ["fail", operation, key, code, qualifier, how @ ..] => {
            let sense = Sense::new(number(key)?, number(code)?, number(qualifier)?);
            mishaps.faults.push(fault(number(operation)?, sense, how)?);
        }
        ["heal"] => mishaps.faults.clear(),
        ["ua", code, qualifier] => mishaps.attend(Sense::new(0x6, number(code)?, number(qualifier)?)),
        ["delay", ms] => mishaps.delay = Duration::from_millis(number(ms)?),
        _ => return Err("not a line that I know".to_owned()),
    }
    Ok(())
}

fn fault(operation: u8, sense: Sense, mut how: &[&str]) -> Result<Fault, String> {
    let mut fault = Fault { operation, sense, after: 0, count: 1, is_done: false };
    loop {
        how = match how {
            [] => return Ok(fault),
            ["after", count, rest @ ..] => {
                fault.after = number(count)?;
                rest
            }
            ["done", rest @ ..] => {
                fault.is_done = true;
                rest
            }
            [count, rest @ ..] => {
                fault.count = match *count {
                    "once" => 1,
                    "always" => Fault::ALWAYS,
                    count => number(count)?,
                };
                rest
            }
        };
    }
}

fn number<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let number = parsed.map_err(|e| format!("{text}: {e}"))?;
    number.try_into().map_err(|_| format!("{text} is too much"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_gets_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drive");
        let mut library = Library::new(folder.path().to_owned(), None);
        let mut control = Control::create(&path).unwrap();
        let mut hand = File::options().write(true).open(&path).unwrap();
        hand.write_all(b"load T1\nload T1\nfail 0x0a 3 12 0 1\nejec").unwrap();
        control.obey(&mut library).unwrap();
        hand.write_all(b"t\neject\ndelay soon\nfail 0x100 0 0 0 1\ndance\n").unwrap();
        control.obey(&mut library).unwrap();
        // Nothing is there: must not wait.
        control.obey(&mut library).unwrap();
        let answers = std::fs::read_to_string(folder.path().join("drive.answers")).unwrap();
        let told = "ok load T1
refused load T1: T1 is in the drive
ok fail 0x0a 3 12 0 1
ok eject
refused eject: there is no cartridge
refused delay soon: soon: invalid digit found in string
refused fail 0x100 0 0 0 1: 0x100 is too much
refused dance: not a line that I know
";
        assert_eq!(answers, told);
    }

    #[test]
    fn a_cartridge_is_in_one_place_only() {
        let folder = tempfile::tempdir().unwrap();
        let mut library = Library::new(folder.path().to_owned(), Some(2));
        let mut told = |line: &str| obey(&mut library, line).err().unwrap_or_default();
        assert_eq!(told("put T1 2"), "");
        assert_eq!(told("put T2 mail"), "");
        assert_eq!(told("put T3 2"), "there is a cartridge already");
        assert_eq!(told("put T3 3"), "there is no slot 3");
        assert_eq!(told("put T3 0"), "there is no slot 0");
        assert_eq!(told("load T1"), "T1 is in the changer");
        assert_eq!(told("swap T2"), "T2 is in the changer");
        assert_eq!(told("take 2"), "");
        assert_eq!(told("take 2"), "there is no cartridge");
        assert_eq!(told("load T1"), "");
        assert_eq!(told("put T1 2"), "T1 is in the drive");
        assert_eq!(told("changer delay 5"), "");
        assert_eq!(told("changer load T1"), "not a line that I know");
        assert_eq!(library.changer.as_ref().unwrap().mishaps.delay, Duration::from_millis(5));
        library.changer = None;
        assert_eq!(obey(&mut library, "take mail").unwrap_err(), "there is no changer");
    }

    #[test]
    fn a_fault_is_what_its_words_say() {
        let sense = Sense::MEDIUM_ERROR_WRITING;
        let plain = Fault { operation: 0x0a, sense, after: 0, count: 1, is_done: false };
        let told = |how: &[&str]| fault(0x0a, sense, how);
        assert_eq!(told(&[]), Ok(plain));
        assert_eq!(told(&["once"]), Ok(plain));
        assert_eq!(told(&["5", "after", "0x10"]), Ok(Fault { count: 5, after: 16, ..plain }));
        assert_eq!(told(&["always", "done"]), Ok(Fault { count: Fault::ALWAYS, is_done: true, ..plain }));
        assert!(told(&["after"]).is_err());
        assert!(told(&["seldom"]).is_err());
    }
}
