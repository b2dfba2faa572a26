//! Section 7: the check code, 80 bits of a seal's digest for the paper ledger.

use data_encoding::{Encoding, Specification};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// Digits between two hyphens.
const GROUP: usize = 4;

/// Crockford's base32, which has no `I`, `L`, `O` and `U`: <https://www.crockford.com/base32.html>.
static CROCKFORD: LazyLock<Encoding> = LazyLock::new(|| {
    let mut base32 = Specification::new();
    base32.symbols.push_str("0123456789ABCDEFGHJKMNPQRSTVWXYZ");
    base32.translate.from.push_str("abcdefghjkmnpqrstvwxyzOoIiLl");
    base32.translate.to.push_str("ABCDEFGHJKMNPQRSTVWXYZ001111");
    base32.ignore.push_str("- ");
    base32.encoding().unwrap_or_else(|_| unreachable!("32 different symbols, and none of them is translated"))
});

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
        let digits = CROCKFORD.encode(&self.0);
        let (groups, _) = digits.as_bytes().as_chunks::<GROUP>();
        for (i, group) in groups.iter().enumerate() {
            f.write_str(if i > 0 { "-" } else { "" })?;
            f.write_str(&String::from_utf8_lossy(group))?;
        }
        Ok(())
    }
}

/// The text is not a check code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a check code has 16 letters and digits, like 7F3K-92QX-0ABC-DEFG")]
pub struct NotACheckCode;

/// Case, hyphens and spaces do not matter; `O` is read as `0`, `I` and `L` as `1`.
impl FromStr for CheckCode {
    type Err = NotACheckCode;

    fn from_str(typed: &str) -> Result<Self, NotACheckCode> {
        let code = CROCKFORD.decode(typed.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        code.map(Self).ok_or(NotACheckCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_code_is_read_back_in_either_case_and_with_look_alikes() {
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
