//! Section 7: the check code of a seal, for the paper ledger.

use data_encoding::{Encoding, Specification};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// Digits between two hyphens.
const GROUP: usize = 4;
/// Digits that are shown: 80 bits.
const SHOWN: usize = 16;
/// The most digits that are compared: 255 of the digest's 256 bits.
const MOST: usize = 51;

/// Crockford's base32, which has no `I`, `L`, `O` and `U`: <https://www.crockford.com/base32.html>.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut base32 = Specification::new();
    base32.symbols.push_str(SYMBOLS);
    base32.encoding().unwrap_or_else(|_| unreachable!("32 different symbols"))
});

const SYMBOLS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn grouped(digits: &str, f: &mut fmt::Formatter) -> fmt::Result {
    for (i, digit) in digits.chars().enumerate() {
        let hyphen = if i > 0 && i % GROUP == 0 { "-" } else { "" };
        write!(f, "{hyphen}{digit}")?;
    }
    Ok(())
}

/// The check code of a seal: the beginning of the BLAKE3 of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckCode([u8; 32]);

impl CheckCode {
    /// The code of the seal whose head has this digest.
    pub fn of(head_digest: &[u8; 32]) -> Self {
        Self(*head_digest)
    }
}

/// `7F3K-92QX-0ABC-DEFG`
impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        grouped(&CROCKFORD.encode(&self.0)[..SHOWN], f)
    }
}

/// A check code as somebody wrote it down: 16 to 51 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenCode {
    /// The digits, then zeros.
    digits: [u8; MOST],
    length: usize,
}

impl WrittenCode {
    /// Whether it is the code of the seal whose head has this digest.
    pub fn is_of(&self, head_digest: &[u8; 32]) -> bool {
        CROCKFORD.encode(head_digest).as_bytes().starts_with(&self.digits[..self.length])
    }

    fn push(&mut self, digit: u8) -> Result<(), NotACheckCode> {
        *self.digits.get_mut(self.length).ok_or(NotACheckCode)? = digit;
        self.length += 1;
        Ok(())
    }
}

/// The digits that are shown.
impl From<CheckCode> for WrittenCode {
    fn from(code: CheckCode) -> Self {
        let mut written = Self { digits: [0; MOST], length: SHOWN };
        written.digits[..SHOWN].copy_from_slice(&CROCKFORD.encode(&code.0).as_bytes()[..SHOWN]);
        written
    }
}

/// All its digits, in groups of four.
impl fmt::Display for WrittenCode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        grouped(&String::from_utf8_lossy(&self.digits[..self.length]), f)
    }
}

/// The text is not a check code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a check code has at least 16 letters and digits, like 7F3K-92QX-0ABC-DEFG")]
pub struct NotACheckCode;

/// Case, hyphens and spaces do not matter; `O` is read as `0`, `I` and `L` as `1`.
impl FromStr for WrittenCode {
    type Err = NotACheckCode;

    fn from_str(typed: &str) -> Result<Self, NotACheckCode> {
        let mut code = Self { digits: [0; MOST], length: 0 };
        for c in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let digit = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                digit => digit,
            };
            // All symbols are ASCII.
            let digit = SYMBOLS.bytes().find(|s| char::from(*s) == digit).ok_or(NotACheckCode)?;
            code.push(digit)?;
        }
        if code.length < SHOWN { Err(NotACheckCode) } else { Ok(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> [u8; 32] {
        std::array::from_fn(|i| (i as u8).wrapping_mul(37).wrapping_add(11))
    }

    #[test]
    fn a_printed_code_is_read_back_in_either_case_and_with_look_alikes() {
        let shown = CheckCode::of(&digest()).to_string();
        assert_eq!(shown.len(), 19);
        let looks = shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        for typed in [shown.clone(), looks, shown.replace('-', "")] {
            let code: WrittenCode = typed.parse().unwrap();
            assert!(code.is_of(&digest()), "{typed}");
            assert_eq!(code, CheckCode::of(&digest()).into());
            assert_eq!(code.to_string(), shown);
        }
        for bad in [shown[1..].to_owned(), shown.replace(&shown[..1], "U"), format!("{shown}\u{e9}"), String::new()] {
            assert_eq!(bad.parse::<WrittenCode>(), Err(NotACheckCode), "{bad}");
        }
    }

    #[test]
    fn every_digit_that_was_written_counts() {
        let all = CROCKFORD.encode(&digest());
        assert_eq!(all.len(), 52);
        for length in SHOWN..=MOST {
            let code: WrittenCode = all[..length].parse().unwrap();
            assert!(code.is_of(&digest()), "{length}");
            let last = if all[..length].ends_with('0') { "1" } else { "0" };
            let other: WrittenCode = format!("{}{last}", &all[..length - 1]).parse().unwrap();
            assert!(!other.is_of(&digest()), "{length}");
        }
        assert_eq!(all.parse::<WrittenCode>(), Err(NotACheckCode));
    }

    #[test]
    fn first_bits_come_first() {
        let mut digest = [0u8; 32];
        digest[0] = 0b1111_1000;
        assert_eq!(CheckCode::of(&digest).to_string(), "Z000-0000-0000-0000");
    }
}
