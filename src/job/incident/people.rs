//! Whether two names are those of two people.
//!
//! **Invariant:** whatever takes two people asks here, so that one person cannot be two by typing a name in another way.

use unicode_normalization::UnicodeNormalization;

/// Words of one name whose order is tried. A longer name is compared as it is typed.
const WORDS: usize = 6;

/// What people put behind a name, in katakana where it has kana.
const HONORIFICS: [&str; 9] = ["サン", "サマ", "様", "氏", "先生", "殿", "クン", "君", "チャン"];
/// The same as words of their own.
const HONORIFIC_WORDS: [&str; 9] = ["san", "sama", "sensei", "kun", "dr", "prof", "mr", "mrs", "ms"];

/// Forms of one character in Japanese names, and the usual one: variants of the family registers and of the old spelling.
const VARIANTS: [(&str, char); 19] = [
    ("髙", '高'),
    ("﨑", '崎'),
    ("邊邉", '辺'),
    ("齋", '斎'),
    ("齊", '斉'),
    ("濵濱", '浜'),
    ("澤", '沢'),
    ("嶋嶌", '島'),
    ("國", '国'),
    ("廣", '広'),
    ("惠", '恵'),
    ("櫻", '桜'),
    ("眞", '真'),
    ("德", '徳'),
    ("瀨", '瀬'),
    ("栁", '柳'),
    ("𠮷", '吉'),
    ("冨", '富'),
    ("峯", '峰'),
];

/// Whether two names belong to one person, or one of them is empty. Blanks, punctuation, the order of the words, width, letter
/// case, Unicode form, kana, variants of a character, honorifics and characters that nobody sees make no second person.
pub fn is_same_person(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(words);
    let is_in_some_order = |words: &[String], name: &str| words.len() <= WORDS && is_made_of(words, name);
    let [whole, other_whole] = [&one, &other].map(|words| words.concat());
    whole.is_empty()
        || other_whole.is_empty()
        || whole == other_whole
        || is_in_some_order(&one, &other_whole)
        || is_in_some_order(&other, &whole)
}

/// Whether a name is all of these words, in whatever order.
fn is_made_of(words: &[String], name: &str) -> bool {
    let rest = |at: usize| words.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, w)| w.clone()).collect::<Vec<_>>();
    let begins = |(at, word): (usize, &String)| name.strip_prefix(&word[..]).is_some_and(|tail| is_made_of(&rest(at), tail));
    if words.is_empty() { name.is_empty() } else { words.iter().enumerate().any(begins) }
}

/// Whether a name is empty, or only looks as if it were there.
pub fn is_nobody(name: &str) -> bool {
    words(name).is_empty()
}

/// The words of a name, without what a keyboard may add to them.
fn words(name: &str) -> Vec<String> {
    let is_seen = |c: &char| !c.is_control() && !is_invisible(*c);
    // Again at the end: a letter in lower case may be written in two ways, too.
    let plain: String = name
        .nfkc()
        .filter(|c| c.is_whitespace() || is_seen(c))
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .map(usual_form)
        .collect();
    let all: Vec<&str> = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let named: Vec<String> =
        all.iter().filter(|w| !HONORIFIC_WORDS.contains(w)).map(|w| without_honorific(w).to_owned()).collect();
    if named.is_empty() { all.into_iter().map(str::to_owned).collect() } else { named }
}

/// A character as it is compared.
fn usual_form(c: char) -> char {
    match c {
        // Hiragana as katakana, which is this much farther on.
        'ぁ'..='ゖ' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        c => VARIANTS.iter().find(|(forms, _)| forms.contains(c)).map_or(c, |(_, usual)| *usual),
    }
}

fn without_honorific(word: &str) -> &str {
    let name = HONORIFICS.iter().find_map(|honorific| word.strip_suffix(honorific));
    name.filter(|name| !name.is_empty()).unwrap_or(word)
}

/// Joiners, fillers, marks of direction, and the selectors that choose between forms of one ideograph.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{2800}' | '\u{3164}' | '\u{FFA0}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
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
            ("Suzuki", "Suzuki."),
            ("suzuki,", "suzuki"),
            ("Suzuki Taro", "Taro Suzuki"),
            ("SUZUKI, Taro", "taro suzuki"),
            ("Taro-Suzuki", "SuzukiTaro"),
            ("鈴木・一郎", "一郎 鈴木"),
            ("鈴木", "鈴木さん"),
            ("鈴木 一郎", "鈴木一郎様"),
            ("佐藤先生", "佐藤"),
            ("Suzuki", "Suzuki-san"),
            ("Dr. Suzuki", "suzuki"),
            ("すずき", "スズキ"),
            ("髙橋", "高橋"),
            ("渡邊", "渡辺"),
            ("Suzuki", "Suzuki\u{3164}"),
            ("鈴木", "\u{3164}"),
            ("鈴木", "、。"),
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
        for (one, other) in [
            ("鈴木", "佐藤"),
            ("鈴木一郎", "鈴木二郎"),
            ("Suzuki", "Sato"),
            ("ハナ", "バナ"),
            ("Suzuki Taro", "Suzuki Jiro"),
            ("佐々木", "佐木"),
            ("ユーコ", "ユコ"),
        ] {
            assert!(!is_same_person(one, other), "{one} and {other}");
        }
    }
}
