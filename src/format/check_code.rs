//! Section 7: the check code, 80 bits of a seal's digest for the paper ledger.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The first 80 bits of a seal's digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckCode([u8; 10]);

impl CheckCode {
    /// The code of the seal with this digest.
    pub fn of(seal_digest: &[u8; 32]) -> Self {
        let mut code = [0; 10];
        code.copy_from_slice(&seal_digest[..10]);
        Self(code)
    }
}

/// `7F3K-92QX-0ABC-DEFG`
impl fmt::Display for CheckCode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let bits = self.0.iter().fold(0u128, |n, b| n << 8 | u128::from(*b));
        for i in 0..16 {
            if i > 0 && i % 4 == 0 {
                f.write_str("-")?;
            }
            let digit = (bits >> (75 - 5 * i)) as usize & 31;
            write!(f, "{}", char::from(ALPHABET[digit]))?;
        }
        Ok(())
    }
}

/// What a person typed is not a check code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a check code has 16 letters and digits, like 7F3K-92QX-0ABC-DEFG")]
pub struct NotACheckCode;

/// Case, hyphens and spaces do not matter; `O` is `0`, `I` and `L` are `1`.
impl FromStr for CheckCode {
    type Err = NotACheckCode;

    fn from_str(typed: &str) -> Result<Self, NotACheckCode> {
        let (mut bits, mut digits) = (0u128, 0);
        for c in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                c => c,
            };
            let value = ALPHABET.iter().position(|a| char::from(*a) == c).ok_or(NotACheckCode)?;
            if digits == 16 {
                return Err(NotACheckCode);
            }
            bits = bits << 5 | value as u128;
            digits += 1;
        }
        if digits != 16 {
            return Err(NotACheckCode);
        }
        let mut code = [0; 10];
        code.copy_from_slice(&bits.to_be_bytes()[6..]);
        Ok(Self(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back_however_it_is_written() {
        let mut digest = [0u8; 32];
        for (i, b) in digest.iter_mut().enumerate() {
            *b = (i as u8).wrapping_mul(37).wrapping_add(11);
        }
        let code = CheckCode::of(&digest);
        let shown = code.to_string();
        assert_eq!(shown.len(), 19);
        assert_eq!(shown.parse(), Ok(code));
        assert_eq!(shown.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l").parse(), Ok(code));
        assert_eq!(shown[1..].parse::<CheckCode>(), Err(NotACheckCode));
        assert_eq!(format!("{shown}A").parse::<CheckCode>(), Err(NotACheckCode));
        assert_eq!(shown.replace(&shown[..1], "U").parse::<CheckCode>(), Err(NotACheckCode));
    }

    #[test]
    fn first_bits_come_first() {
        let mut digest = [0u8; 32];
        digest[0] = 0b1111_1000;
        assert_eq!(CheckCode::of(&digest).to_string(), "Z000-0000-0000-0000");
    }
}
