//! Names in either Unicode form. macOS writes `が` as two characters (NFD), all others as one (NFC): both look the same, and no
//! keyboard lets its user choose. On the medium a name stays as it was.

use std::borrow::Cow;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd};

/// The path with composed characters: that of all its spellings. Bytes that are no text stay.
pub fn composed(path: &[u8]) -> Cow<'_, [u8]> {
    if path.is_ascii() || str::from_utf8(path).is_ok_and(|text| is_nfc_quick(text.chars()) == IsNormalized::Yes) {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    for part in path.utf8_chunks() {
        bytes.extend_from_slice(part.valid().nfc().collect::<String>().as_bytes());
        bytes.extend_from_slice(part.invalid());
    }
    Cow::Owned(bytes)
}

/// A pattern in the forms that it may have: a wildcard stands for one character, and so a path has to be compared in both.
pub fn both_forms(pattern: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let composed: String = pattern.nfc().collect();
    let other = (composed != pattern).then_some(Cow::Owned(composed));
    std::iter::once(Cow::Borrowed(pattern)).chain(other)
}

/// The longest beginning of a path, in whole names, that has one spelling only; all of the path, if it has.
pub fn with_one_spelling(path: &[u8]) -> &[u8] {
    let mut end = 0;
    for name in path.split(|b| *b == b'/') {
        let is_unique = composed(name) == name && str::from_utf8(name).map_or(name.is_ascii(), is_nfd);
        if !is_unique {
            break;
        }
        // With the slash before it.
        end += name.len() + usize::from(end > 0);
    }
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NFC: &str = "カルテ/がん検診/ペースメーカー.pdf";
    const NFD: &str = "カルテ/か\u{3099}ん検診/ヘ\u{309a}ースメーカー.pdf";

    #[test]
    fn a_name_is_the_same_in_both_forms() {
        assert_ne!(NFC, NFD);
        assert_eq!(composed(NFD.as_bytes()), NFC.as_bytes());
        for same in [NFC.as_bytes(), b"ascii/path", b"x/\x83J\x83\x8b"] {
            assert!(matches!(composed(same), Cow::Borrowed(_)) || composed(same) == same, "{same:?}");
        }
        let mixed = [NFD.as_bytes(), b"/\xff/", "か\u{3099}".as_bytes()].concat();
        assert_eq!(composed(&mixed), [NFC.as_bytes(), b"/\xff/", "が".as_bytes()].concat());
    }

    #[test]
    fn a_search_begins_where_there_is_one_spelling() {
        for path in [NFC, NFD] {
            assert_eq!(with_one_spelling(path.as_bytes()), "カルテ".as_bytes());
        }
        for (path, one) in [("a/b", "a/b"), ("が/b", ""), ("a/が/b", "a"), ("", ""), ("漢字/片仮名", "漢字/片仮名")] {
            assert_eq!(with_one_spelling(path.as_bytes()), one.as_bytes(), "{path}");
        }
        assert_eq!(with_one_spelling(b"a/\xff/b"), b"a");
    }
}
