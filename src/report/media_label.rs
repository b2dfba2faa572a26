//! Labels to stick on media: name in large letters, a bar code and a QR code of it, whose it is, and whom to call. No patient's data.
//!
//! The page loads nothing and has no scripts.

use super::escaped::Escaped;
use qrcode::{EcLevel, QrCode, render::svg};
use std::fmt::Write;

/// What stands on one label.
pub struct MediaLabel<'a> {
    pub name: &'a str,
    /// May be empty.
    pub pool: &'a str,
    /// The set's id in hexadecimal.
    pub set: &'a str,
    /// Whom to call when it is found. May be empty.
    pub contact: &'a str,
    /// As it is to be printed.
    pub printed: &'a str,
}

/// A name has more characters than a QR code holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name does not fit into a QR code")]
pub struct TooLong;

/// A page of labels.
pub fn html(labels: &[MediaLabel]) -> Result<String, TooLong> {
    let mut page = HEAD.to_owned();
    for l in labels {
        let qr = QrCode::with_error_correction_level(format!("azekura:{}:{}", l.name, l.set), EcLevel::M).map_err(|_| TooLong)?;
        let picture = qr.render::<svg::Color>().module_dimensions(3, 3).build();
        // Inside of HTML there is no place for an XML declaration.
        let start = picture.find("<svg").unwrap_or_default();
        // Writing to a `String` does not fail.
        let _ = writeln!(
            page,
            "<section><div class=\"qr\">{}</div><div><h1>{}</h1>{}<p>{} <small>校倉 azekura</small></p><p class=\"mono\">{}</p>\
             <p><small>作成 printed</small> {} <small>連絡先 contact</small> {}</p><p><small>照合番号 check code</small> ____-____-____-____ \
             <small>日付 date</small> ____/__/__</p></div></section>",
            &picture[start..],
            Escaped(l.name),
            bars(l.name).unwrap_or_default(),
            Escaped(l.pool),
            Escaped(l.set),
            Escaped(l.printed),
            Escaped(l.contact),
        );
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
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

/// The name as bars; `None` when it has characters that Code 39 has not.
fn bars(name: &str) -> Option<String> {
    // It marks the beginning and the end.
    if name.contains('*') {
        return None;
    }
    let mut picture = String::new();
    let mut x = 0;
    for c in std::iter::once('*').chain(name.chars()).chain(['*']) {
        let (_, elements) = CODE_39.iter().find(|(known, _)| *known == c)?;
        for (i, wide) in elements.bytes().enumerate() {
            let width = if wide == b'1' { 3 } else { 1 };
            if i % 2 == 0 {
                let _ = write!(picture, "<rect x=\"{x}\" width=\"{width}\" height=\"20\"/>");
            }
            x += width;
        }
        // The gap between two characters.
        x += 1;
    }
    Some(format!("<svg class=\"bars\" viewBox=\"0 0 {x} 20\" preserveAspectRatio=\"none\">{picture}</svg>"))
}

/// The policy forbids the browser to fetch anything.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>媒体ラベル / Media labels</title>
<style>
@page { size: A4 portrait; margin: 12mm; }
* { box-sizing: border-box; }
body { margin: 0; color: #000; background: #fff; font: 8.5pt/1.4 "Noto Sans CJK JP", "Yu Gothic", Meiryo, "Hiragino Sans", sans-serif; }
section { display: inline-flex; gap: 3mm; width: 92mm; height: 42mm; margin: 0 1mm 2mm 0; padding: 2mm; border: 1px dashed #666; break-inside: avoid; overflow: hidden; }
h1 { margin: 0; font-size: 16pt; line-height: 1.1; overflow-wrap: anywhere; }
p { margin: 0; overflow-wrap: anywhere; }
small { font-size: 75%; }
.mono { font-family: "Noto Sans Mono", "DejaVu Sans Mono", Consolas, monospace; font-size: 6.5pt; }
.qr svg { display: block; width: 24mm; height: 24mm; }
.bars { display: block; width: 55mm; height: 7mm; margin: 1mm 0; }
</style>
</head>
<body>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_its_name_in_three_ways_and_no_markup_of_strangers() {
        let label = MediaLabel { name: "CL-01", pool: "<night>", set: "00", contact: "03-0000-0000 & co", printed: "2026-11-23" };
        let page = html(&[label]).unwrap();
        assert!(page.contains("<h1>CL-01</h1>") && page.contains("class=\"bars\"") && page.contains("&lt;night&gt;"));
        assert!(!page.contains("<night>") && page.contains("&amp; co"));
    }

    #[test]
    fn bars_begin_and_end_with_the_stop_and_say_nothing_wrong() {
        // `*` is narrow, narrow space wide …: 13 modules and 3 wide ones make 15, with the gap 16 each.
        let picture = bars("A").unwrap();
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
