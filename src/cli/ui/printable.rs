//! Names and texts from outside, made fit for a terminal, a page or JSON.
//!
//! A file's name is any bytes but `/` and NUL. On a terminal it may move the cursor, change colours, or be shown
//! backwards so that `exe.txt` reads as something else. So whatever is not plainly visible is written as its number:
//! `\x{1b}`.

use azekura::answer::{Text, name};
use azekura::host::nights::Words;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A value that can be written to a terminal or a page, with everything that is not plainly visible escaped.
pub trait Printable {
    fn printable(&self) -> String;

    /// As a log keeps it that is read in another language.
    fn words(&self) -> Words {
        Words::Text(self.printable())
    }
}

/// How a recovery key begins, in either case.
const SECRET: &[u8] = b"AGE-SECRET-KEY-";

/// Whether there is a recovery key in a text.
pub fn has_secret(text: &[u8]) -> bool {
    text.windows(SECRET.len()).any(|w| w.eq_ignore_ascii_case(SECRET))
}

impl Printable for [u8] {
    fn printable(&self) -> String {
        if let Some(at) = self.windows(SECRET.len()).position(|w| w.eq_ignore_ascii_case(SECRET)) {
            // A key where a file or a name belongs. Nothing behind its beginning is shown.
            let (before, _) = self.split_at(at + SECRET.len());
            return plain(before) + "…";
        }
        plain(self)
    }
}

fn plain(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.utf8_chunks() {
        for c in part.valid().chars() {
            if is_plain(c) {
                out.push(c);
            } else {
                escape(&mut out, u32::from(c));
            }
        }
        part.invalid().iter().for_each(|b| escape(&mut out, u32::from(*b)));
    }
    out
}

fn escape(out: &mut String, number: u32) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\x{{{number:02x}}}");
}

/// Whether a character shows as itself, in its place, and changes nothing around it.
pub fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(u32::from(c),
            // soft hyphen, Arabic letter mark, Hangul fillers
            0xAD | 0x61C | 0x115F | 0x1160 | 0x3164 | 0xFFA0
            // zero width, direction marks; line and paragraph separators, embeddings and overrides; invisible
            // operators, isolates
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F
            // byte order mark, interlinear annotation, language tags
            | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F))
}

impl Printable for str {
    fn printable(&self) -> String {
        self.as_bytes().printable()
    }
}

impl Printable for OsStr {
    fn printable(&self) -> String {
        self.as_bytes().printable()
    }
}

impl Printable for Path {
    fn printable(&self) -> String {
        self.as_os_str().printable()
    }
}

impl<const MOST: usize> Printable for azekura::answer::Clipped<MOST> {
    fn printable(&self) -> String {
        (**self).printable()
    }
}

impl<T: Printable + ?Sized> Printable for &T {
    fn printable(&self) -> String {
        (**self).printable()
    }

    fn words(&self) -> Words {
        (**self).words()
    }
}

macro_rules! printable_as {
    ($($owned:ty => $borrowed:ty),*) => { $(impl Printable for $owned {
        fn printable(&self) -> String {
            let borrowed: &$borrowed = self;
            borrowed.printable()
        }
    })* };
}
printable_as!(String => str, OsString => OsStr, PathBuf => Path, Vec<u8> => [u8]);

macro_rules! printable_by_display {
    ($($t:ty),*) => { $(impl Printable for $t {
        fn printable(&self) -> String {
            self.to_string().printable()
        }
    })* };
}
printable_by_display!(
    u8,
    u32,
    u64,
    usize,
    i32,
    i64,
    azekura::format::object::Id,
    azekura::format::object::ObjectKind,
    azekura::format::check_code::CheckCode,
    azekura::format::check_code::WrittenCode
);

/// A word for a shell: quoted where it needs to be, so that a line that is shown can be typed again.
pub fn shell_word(word: &OsStr) -> String {
    let shown = word.printable();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%^".contains(c);
    match shown.chars().all(plain) && !shown.is_empty() {
        true => shown,
        false => format!("'{}'", shown.replace('\'', r"'\''")),
    }
}

/// A path as answers have it: text, and the exact bytes beside it where it is not UTF-8.
pub fn path_name(path: &Path) -> (Text, Option<Text>) {
    name(path.as_os_str().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_where_a_name_belongs_is_not_shown() {
        for typed in ["AGE-SECRET-KEY-1GQ9778", "/srv/age-secret-key-1gq9778", "Age-Secret-Key-PQ-1GQ9778"] {
            assert!(has_secret(typed.as_bytes()));
            let shown = typed.printable();
            assert!(!shown.contains("9778") && shown.ends_with("-…"), "{shown}");
        }
        assert!(!has_secret(b"age1qqq") && "age-secret".printable() == "age-secret");
    }

    #[test]
    fn what_is_not_plainly_visible_is_written_as_its_number() {
        assert_eq!(b"report.txt".printable(), "report.txt");
        assert_eq!("カルテ 2025年度(控).pdf".printable(), "カルテ 2025年度(控).pdf");
        assert_eq!("\x1b[2Jgone\n".printable(), r"\x{1b}[2Jgone\x{0a}");
        assert_eq!("inv\u{202e}txt.exe".printable(), r"inv\x{202e}txt.exe");
        assert_eq!(b"\x83J\x83\x8b\x83e".printable(), r"\x{83}J\x{83}\x{8b}\x{83}e");
    }

    #[test]
    fn a_shown_command_can_be_typed_again() {
        assert_eq!(shell_word(OsStr::new("/mnt/disk-1")), "/mnt/disk-1");
        assert_eq!(shell_word(OsStr::new("my disk's")), r"'my disk'\''s'");
        assert_eq!(shell_word(OsStr::new("")), "''");
    }
}
