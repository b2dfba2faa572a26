//! Whether two names are those of two people.
//!
//! **Invariant:** whatever takes two people asks here, so that one person cannot be two by typing a name in another way.

use unicode_normalization::UnicodeNormalization;

/// Whether two names belong to one person, or one of them is empty. Blanks, width, letter case, Unicode form and characters
/// that nobody sees make no second person.
pub fn is_same_person(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(plain);
    one.is_empty() || other.is_empty() || one == other
}

/// Whether a name is empty, or only looks as if it were there.
pub fn is_nobody(name: &str) -> bool {
    plain(name).is_empty()
}

/// A name without what a keyboard may add to it.
fn plain(name: &str) -> String {
    let is_seen = |c: &char| !c.is_whitespace() && !c.is_control() && !is_invisible(*c);
    // Again at the end: a letter in lower case may be written in two ways, too.
    name.nfkc().filter(is_seen).flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// Joiners, marks of direction, and the selectors that choose between forms of one ideograph.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use super::{is_nobody, is_same_person};

    #[test]
    fn one_person_stays_one_however_the_name_is_typed() {
        for (one, other) in [
            ("鈴木", " 鈴木"),
            ("鈴木 一郎", "鈴木\u{3000}一郎"),
            ("鈴木一郎", "鈴木 一郎\n"),
            ("Suzuki", "suzuki "),
            ("Suzuki", "SUZUKI"),
            ("スズキ", "ｽｽﾞｷ"),
            ("ガンジ", "カ\u{3099}ンジ"),
            ("José", "JOSE\u{301}"),
            ("Weiß", "WEISS"),
            ("葛城", "葛\u{E0101}城"),
            ("佐藤", "佐\u{200B}藤"),
            ("鈴木", ""),
            ("\u{3000}", "佐藤"),
            ("\u{200B}", "佐藤"),
        ] {
            assert!(is_same_person(one, other) && is_same_person(other, one), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn two_people_are_two() {
        assert!(is_nobody(" \u{3000}") && !is_nobody("佐"));
        for (one, other) in [("鈴木", "佐藤"), ("鈴木一郎", "鈴木二郎"), ("Suzuki", "Sato"), ("ハナ", "バナ")] {
            assert!(!is_same_person(one, other), "{one} and {other}");
        }
    }
}
