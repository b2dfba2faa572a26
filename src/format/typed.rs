//! Keys and codes as people type them from paper: with blanks, line breaks, full-width letters, hyphens of any kind.

/// The first of the full-width characters that stand for ASCII, and the character that it stands for.
const FULL_WIDTH: (u32, u32) = ('！' as u32, '!' as u32);
const FULL_WIDTH_LAST: u32 = '～' as u32;

/// What was typed, with ASCII letters and digits where full-width ones stand for them, and without what only divides
/// groups: blanks, line breaks, marks that nobody sees, hyphens, dashes, and the Japanese signs that look like them.
pub fn without_dividers(typed: &str) -> impl Iterator<Item = char> {
    typed.chars().map(half_width).filter(|c| !is_divider(*c))
}

fn half_width(c: char) -> char {
    let is_full = (FULL_WIDTH.0..=FULL_WIDTH_LAST).contains(&(c as u32));
    is_full.then(|| char::from_u32(c as u32 - FULL_WIDTH.0 + FULL_WIDTH.1)).flatten().unwrap_or(c)
}

fn is_divider(c: char) -> bool {
    let is_unseen = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    let is_dash = matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}');
    // Long vowels, and lines that frames are drawn with.
    let looks_like_a_dash = matches!(c, 'ー' | 'ｰ' | '─' | '━');
    c.is_whitespace() || is_unseen || is_dash || looks_like_a_dash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_divides_groups_is_left_out_and_full_width_is_ascii() {
        for typed in [
            "7F3K-92QX",
            "７Ｆ３Ｋ－９２ＱＸ",
            "7F3Kー92QX",
            " 7F3K\u{3000}92QX\r\n",
            "7F3K\u{2011}92\u{200b}Q\u{2014}X",
            "\u{feff}7F3K‐92QX",
        ] {
            assert_eq!(without_dividers(typed).collect::<String>(), "7F3K92QX", "{typed}");
        }
        assert_eq!(without_dividers("é＿～x").collect::<String>(), "é_~x");
    }
}
