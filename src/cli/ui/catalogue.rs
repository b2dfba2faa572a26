//! The catalogue: all messages of `locales/`, as `build.rs` made one table of them.

use super::lang::Lang;

/// Key and texts, in the order of [`Lang`]. Sorted by key; every text is there, and all of a message have the same gaps.
pub const MESSAGES: &[(&str, [&str; 2])] = include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// The text of a key, if there is one.
pub fn text(key: &str, lang: Lang) -> Option<&'static str> {
    let place = MESSAGES.binary_search_by_key(&key, |(key, _)| key).ok()?;
    let [en, ja] = MESSAGES[place].1;
    Some(match lang {
        Lang::En => en,
        Lang::Ja => ja,
    })
}

/// A text with its gaps, `%{name}`, filled. What is inserted is not searched for gaps; a gap that nothing fills stays.
pub fn filled(text: &str, gaps: &[(&str, String)]) -> String {
    let mut pieces = text.split("%{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let gap = piece.split_once('}').and_then(|(name, rest)| Some((&gaps.iter().find(|(n, _)| *n == name)?.1, rest)));
        match gap {
            Some((value, rest)) => filled.extend([value, rest]),
            None => filled.extend(["%{", piece]),
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found_and_no_other() {
        for (key, texts) in MESSAGES {
            assert_eq!([text(key, Lang::En), text(key, Lang::Ja)], texts.map(Some), "{key}");
        }
        assert_eq!(text("heading", Lang::En), None);
        assert_eq!(text("", Lang::Ja), None);
    }

    #[test]
    fn a_value_is_inserted_as_it_is() {
        let gaps = [("name", "%{size} %".to_owned()), ("size", "3".to_owned())];
        assert_eq!(filled("100 % of %{name}: %{size}", &gaps), "100 % of %{size} %: 3");
        assert_eq!(filled("%{other}, %{name", &gaps), "%{other}, %{name");
        assert_eq!(filled("%{size}%{size}%", &gaps), "33%");
    }
}
