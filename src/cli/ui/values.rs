//! Parsers for values of arguments that are neither a number nor a path.

use super::text::{Message, message};
use azekura::format::check_code::WrittenCode;
use azekura::format::object::{Id, unhex};
use azekura::format::typed::without_dividers;
use azekura::job::incident::people::is_nobody;

/// A check code from the paper ledger, in either width, with hyphens of any kind.
pub fn check_code(typed: &str) -> Result<WrittenCode, Message> {
    without_dividers(typed).collect::<String>().parse().map_err(|_| message!("value.check-code"))
}

/// A root key as the key sheet prints it.
pub fn root_key(typed: &str) -> Result<[u8; 32], Message> {
    unhex(&hex_digits(typed)).ok_or_else(|| message!("value.root-key"))
}

/// Who does something.
pub fn person(typed: &str) -> Result<String, Message> {
    if is_nobody(typed) { Err(message!("value.person")) } else { Ok(typed.to_owned()) }
}

/// A reason, for whoever asks later.
pub fn words(typed: &str) -> Result<String, Message> {
    if is_nobody(typed) { Err(message!("value.words")) } else { Ok(typed.to_owned()) }
}

pub fn set_id(typed: &str) -> Result<Id, Message> {
    hex_digits(typed).parse().map_err(|_| message!("value.set-id"))
}

/// As people type them: case, width, blanks and hyphens do not matter, and neither do letters that look like digits.
fn hex_digits(typed: &str) -> String {
    let digit = |c: char| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        digit => digit,
    };
    without_dividers(typed).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_codes_are_read_as_people_type_them() {
        let code = check_code("7F3K-92QX-0ABC-DEFG").unwrap();
        for typed in [
            "７Ｆ３Ｋ－９２ＱＸ－０ＡＢＣ－ＤＥＦＧ",
            "7f3kー92qxーoabcーdefg",
            " 7F3K 92QX\n0ABC\u{3000}DEFG ",
            "7F3K‐92QX–0ABC—DEFG",
        ] {
            assert_eq!(check_code(typed), Ok(code), "{typed}");
        }
        for bad in ["7F3K-92QX-0ABC-DEF", "7F3K-92QX-0ABC-DEFU", "7F3K_92QX_0ABC_DEFG", "7F3K-92QX-0ABC-DEFé"] {
            assert!(check_code(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_and_root_keys_are_read_as_people_type_them() {
        let id = "0123456789abcdef0123456789abcdef";
        for typed in
            [id.to_uppercase(), id.replace('0', "O").replace('1', "l"), "０１２３ー4567－89ab cdef\n0123456789ABCDEF".into()]
        {
            assert_eq!(set_id(&typed).unwrap().to_string(), id, "{typed}");
            assert_eq!(root_key(&typed.repeat(2)).unwrap(), unhex(&id.repeat(2)).unwrap(), "{typed}");
        }
        for bad in [&id[1..], &id.replace('a', "g"), ""] {
            assert!(set_id(bad).is_err() && root_key(bad).is_err(), "{bad}");
        }
    }
}
