//! Section 1: the text of labels, seals and successions, line by line.

use super::object::unhex;
use super::{Malformed, VERSION, limit};
use chrono::{NaiveDateTime, Timelike};

/// The most bytes of a field that people read.
const TEXT_BYTES: usize = 255;

/// The most bytes of a first line that says a version.
pub(crate) const FIRST_LINE_BYTES: u64 = 64;

/// The version that the first line of a text says; `None` where it is no such line.
pub(crate) fn version_of(what: &str, bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().take(FIRST_LINE_BYTES as usize).position(|b| *b == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    decimal(line.strip_prefix("azekura ")?.strip_prefix(what)?.strip_prefix(' ')?)
}

/// The lines of a text that are still to be decoded.
pub(crate) struct TextLines<'a> {
    what: &'static str,
    rest: &'a str,
}

impl<'a> TextLines<'a> {
    /// Begins a text whose first line has to be `azekura <what> 1`.
    pub fn begin(what: &'static str, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let version = version_of(what, bytes)
            .ok_or_else(|| Malformed::new(what, format!("the first line is not \"azekura {what} {VERSION}\"")))?;
        if version != VERSION {
            return Err(Malformed::Newer { what, found: version });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed::new(what, "not text"))?;
        let (_, rest) = text.split_once('\n').ok_or_else(|| Malformed::new(what, "cut short"))?;
        Ok(Self { what, rest })
    }

    /// Begins in the middle of a text.
    pub fn within(what: &'static str, rest: &'a str) -> Self {
        Self { what, rest }
    }

    pub fn wrong(&self, why: impl Into<String>) -> Malformed {
        Malformed::new(self.what, why)
    }

    /// Bytes that are still to be decoded.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// What follows `word` and a space on the next line.
    pub fn line(&mut self, word: &str) -> Result<&'a str, Malformed> {
        let missing = || Malformed::new(self.what, format!("no line {word:?} where it belongs"));
        let (line, rest) = self.rest.split_once('\n').ok_or_else(missing)?;
        let value = line.strip_prefix(word).and_then(|l| l.strip_prefix(' ')).ok_or_else(missing)?;
        self.rest = rest;
        Ok(value)
    }

    /// A line of exactly `N` fields behind `word`.
    pub fn fields<const N: usize>(&mut self, word: &str) -> Result<[&'a str; N], Malformed> {
        let line = self.line(word)?;
        let mut fields = [""; N];
        let mut found = line.split(' ');
        for field in &mut fields {
            *field = found.next().filter(|f| !f.is_empty()).ok_or_else(|| self.wrong_fields(word))?;
        }
        if found.next().is_none() { Ok(fields) } else { Err(self.wrong_fields(word)) }
    }

    fn wrong_fields(&self, word: &str) -> Malformed {
        self.wrong(format!("line {word:?} has the wrong number of fields"))
    }

    /// A line with a number of at most [`limit::COUNT`].
    pub fn number(&mut self, word: &str) -> Result<u64, Malformed> {
        let [n] = self.fields(word)?;
        self.to_number(n)
    }

    pub fn to_number(&self, field: &str) -> Result<u64, Malformed> {
        decimal(field).ok_or_else(|| self.wrong(format!("{field:?} is not a number")))
    }

    /// A field of exactly `2 * N` hexadecimal digits.
    pub fn to_hex<const N: usize>(&self, field: &str) -> Result<[u8; N], Malformed> {
        unhex(field).ok_or_else(|| self.wrong(format!("{field:?} is not {} hexadecimal digits", 2 * N)))
    }

    pub fn hex<const N: usize>(&mut self, word: &str) -> Result<[u8; N], Malformed> {
        let [field] = self.fields(word)?;
        self.to_hex(field)
    }

    /// A line with the name of an algorithm, `ed25519`, and its bytes.
    pub fn ed25519<const N: usize>(&mut self, word: &str) -> Result<[u8; N], Malformed> {
        match self.fields(word)? {
            ["ed25519", bytes] => self.to_hex(bytes),
            [other, _] => Err(self.wrong(format!("{word} of an unknown algorithm {other:?}"))),
        }
    }

    /// A line with a point in time.
    pub fn time(&mut self, word: &str) -> Result<String, Malformed> {
        let line = self.line(word)?;
        if is_time(line) { Ok(line.to_owned()) } else { Err(self.wrong(format!("{line:?} is not a time"))) }
    }

    /// A line that people read.
    pub fn text(&mut self, word: &str) -> Result<String, Malformed> {
        let line = self.line(word)?;
        if is_text(line) {
            Ok(line.to_owned())
        } else {
            Err(self.wrong(format!("{word} has characters or a length that it may not have")))
        }
    }

    /// Fails if anything follows.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("something follows the last line")) }
    }
}

/// A decimal number without sign or leading zeros, at most [`limit::COUNT`].
fn decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|n| digits && *n <= limit::COUNT)
}

/// `2026-11-23T03:31:54Z`: UTC, years 1970 to 9999, no leap second.
pub fn is_time(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let shaped =
        text.len() == shape.len() && text.bytes().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == *s });
    // chrono takes second 60 as a leap second of the second before.
    shaped
        && text >= "1970"
        && NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").is_ok_and(|t| t.nanosecond() < 1_000_000_000)
        && &text[17..19] != "60"
}

/// Whether people may be shown this text as it is: no control characters, nothing invisible, nothing that changes the direction of writing.
pub fn is_text(text: &str) -> bool {
    let bad = |c: char| {
        let hidden =
            matches!(c, '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}');
        c.is_control() || hidden || matches!(c, '\u{E0000}'..='\u{E007F}')
    };
    !text.is_empty() && text.len() <= TEXT_BYTES && !text.starts_with(' ') && !text.ends_with(' ') && !text.chars().any(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_form_and_exist() {
        for good in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-11-23T03:31:54Z", "9999-12-31T23:59:59Z"] {
            assert!(is_time(good), "{good}");
        }
        let bad = [
            "yesterday",
            "",
            "1969-12-31T23:59:59Z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-11-31T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T03:60:54Z",
            "2016-12-31T23:59:60Z",
            "2026-11-23t03:31:54z",
            "2026-11-23 03:31:54Z",
            "2026-11-23T03:31:54+00:00",
            "2026-11-23T03:31:54.5Z",
            "+026-11-23T03:31:54Z",
            "2026-1-023T03:31:54Z",
            "2026-11-23T03:31:54Z ",
            "\u{1b}[2J26-11-23T03:31:5Z",
        ];
        for bad in bad {
            assert!(!is_time(bad), "{bad}");
        }
    }

    #[test]
    fn text_for_people_cannot_touch_a_terminal() {
        for good in ["a", "外来 DB 1", "x".repeat(255).as_str()] {
            assert!(is_text(good), "{good}");
        }
        for bad in ["", " a", "a ", "a\u{1b}[2J", "a\u{9b}2J", "a\nb", "a\u{202E}b", "a\u{2066}b", "\u{FEFF}a", &"x".repeat(256)]
        {
            assert!(!is_text(bad), "{bad:?}");
        }
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("9223372036854775807"), Some(limit::COUNT));
        for bad in ["", "00", "01", "+1", "-1", "1 ", "１", "9223372036854775808", "18446744073709551616"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
