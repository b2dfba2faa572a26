//! Labels to stick on media: the name in large letters, as a bar code and as a QR code, the set, and whom to call. They show
//! no data of patients.

use super::page::{frame, printable};
use super::qr;
use maud::{Markup, PreEscaped, html as markup};
use qrcode::EcLevel;

/// The facts on one label.
pub struct MediaLabel<'a> {
    /// The medium's name.
    pub name: &'a str,
    /// The pool of media that it belongs to. May be empty.
    pub pool: &'a str,
    /// The set's id in hexadecimal.
    pub set: &'a str,
    /// Whom to call when it is found. May be empty.
    pub contact: &'a str,
    /// The date of printing, as it is to be shown.
    pub printed: &'a str,
}

/// A name has more characters than a QR code can encode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name does not fit into a QR code")]
pub struct TooLong;

/// A page of labels.
pub fn html(labels: &[MediaLabel]) -> Result<String, TooLong> {
    let labels = labels.iter().map(MediaLabel::markup).collect::<Result<Vec<_>, _>>()?;
    let body = markup! { @for label in &labels { (label) "\n" } };
    Ok(frame("ja", "媒体ラベル / Media labels", include_str!("media_label.css"), &body))
}

impl MediaLabel<'_> {
    fn markup(&self) -> Result<Markup, TooLong> {
        let qr = qr::picture(&format!("azekura:{}:{}", self.name, self.set), EcLevel::M, 3).map_err(|_| TooLong)?;
        Ok(markup! {
            section {
                div.qr { (PreEscaped(&*qr)) }
                div {
                    h1 { (printable(self.name)) }
                    @if let Some(bars) = bars(self.name) { (bars) }
                    p { (printable(self.pool)) " " small { "校倉 azekura" } }
                    p.code { (printable(self.set)) }
                    p {
                        small { "作成 printed" } " " (printable(self.printed)) " "
                        small { "連絡先 contact" } " " (printable(self.contact))
                    }
                    p {
                        small { "照合番号 check code" } " ____-____-____-____ "
                        small { "日付 date" } " ____/__/__"
                    }
                }
            }
        })
    }
}

/// Code 39, which every bar-code reader and every tape library reads (ISO/IEC 16388): narrow and wide elements, `1` is wide.
const CODE_39: [(char, &str); 44] = [
    ('0', "000110100"),
    ('1', "100100001"),
    ('2', "001100001"),
    ('3', "101100000"),
    ('4', "000110001"),
    ('5', "100110000"),
    ('6', "001110000"),
    ('7', "000100101"),
    ('8', "100100100"),
    ('9', "001100100"),
    ('A', "100001001"),
    ('B', "001001001"),
    ('C', "101001000"),
    ('D', "000011001"),
    ('E', "100011000"),
    ('F', "001011000"),
    ('G', "000001101"),
    ('H', "100001100"),
    ('I', "001001100"),
    ('J', "000011100"),
    ('K', "100000011"),
    ('L', "001000011"),
    ('M', "101000010"),
    ('N', "000010011"),
    ('O', "100010010"),
    ('P', "001010010"),
    ('Q', "000000111"),
    ('R', "100000110"),
    ('S', "001000110"),
    ('T', "000010110"),
    ('U', "110000001"),
    ('V', "011000001"),
    ('W', "111000000"),
    ('X', "010010001"),
    ('Y', "110010000"),
    ('Z', "011010000"),
    ('-', "010000101"),
    ('.', "110000100"),
    (' ', "011000100"),
    ('*', "010010100"),
    ('$', "010101000"),
    ('/', "010100010"),
    ('+', "010001010"),
    ('%', "000101010"),
];

/// The name as bars; `None` if it has characters that Code 39 does not have.
fn bars(name: &str) -> Option<Markup> {
    // It marks the beginning and the end.
    if name.contains('*') {
        return None;
    }
    let mut bars = Vec::new();
    let mut x = 0;
    for c in std::iter::once('*').chain(name.chars()).chain(['*']) {
        let (_, elements) = CODE_39.iter().find(|(known, _)| *known == c)?;
        for (i, wide) in elements.bytes().enumerate() {
            let width = if wide == b'1' { 3 } else { 1 };
            if i % 2 == 0 {
                bars.push((x, width));
            }
            x += width;
        }
        // The gap between two characters.
        x += 1;
    }
    Some(markup! {
        svg.bars viewBox={ "0 0 " (x) " 20" } preserveAspectRatio="none" {
            @for (x, width) in bars { rect x=(x) width=(width) height="20" {} }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_shows_its_name_and_escapes_all_text() {
        let label = MediaLabel { name: "CL-01", pool: "<night>", set: "00", contact: "03-0000-0000 & co", printed: "2026-11-23" };
        let page = html(&[label]).unwrap();
        assert!(page.contains("<h1>CL-01</h1>") && page.contains("class=\"bars\"") && page.contains("&lt;night&gt;"));
        assert!(!page.contains("<night>") && page.contains("&amp; co"));
    }

    #[test]
    fn bars_begin_and_end_with_the_stop_character() {
        // `*` is narrow, narrow space wide …: 13 modules and 3 wide ones make 15, with the gap 16 each.
        let picture = bars("A").unwrap().into_string();
        assert!(picture.contains("viewBox=\"0 0 48 20\""), "{picture}");
        assert_eq!(picture.matches("<rect").count(), 15);
        assert!(bars("夜間").is_none() && bars("A*").is_none() && bars("a").is_none());
    }

    #[test]
    fn every_character_of_code_39_is_itself() {
        for (i, (c, elements)) in CODE_39.iter().enumerate() {
            assert_eq!(elements.matches('1').count(), 3, "{c}");
            assert!(CODE_39[i + 1..].iter().all(|(other, e)| other != c && e != elements), "{c}");
        }
    }
}
