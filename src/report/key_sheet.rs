//! The recovery-key sheet: one A4 page for the safe, in Japanese and English.
//!
//! The page loads nothing and has no scripts, so that it can be printed on a machine without a network and shows the same in
//! any browser. Its text is as secret as the key: it wipes itself, and whoever prints it keeps no file.

use super::escaped::Escaped;
use qrcode::{EcLevel, QrCode, render::svg};
use std::fmt::Write;
use zeroize::Zeroizing;

/// Characters in a group of the printed key, and groups in a row: what an eye keeps while typing.
const GROUP: usize = 4;
const GROUPS_IN_ROW: usize = 5;

/// What stands on the sheet. Dates are text as they are to be printed.
pub struct KeySheet<'a> {
    pub set_name: &'a str,
    /// The set's id in hexadecimal.
    pub set_id: &'a str,
    /// When the key was made, `2026-11-23(月)`.
    pub created: &'a str,
    /// When the sheet was made: it may be printed again later.
    pub printed: &'a str,
    /// `AGE-SECRET-KEY-1…`, one key.
    pub identity: &'a str,
    /// `age1…`, the public half.
    pub recipient: &'a str,
    /// The first 16 hexadecimal digits by which a label names the recipient.
    pub fingerprint: &'a str,
    /// The public key of the first seal, in hexadecimal: where the proof of every generation begins.
    pub root_key: &'a str,
}

/// The identity has more characters than a QR code holds (some thousand): it is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key does not fit into a QR code")]
pub struct NotAKey;

impl KeySheet<'_> {
    /// The page as HTML.
    pub fn html(&self) -> Result<Zeroizing<String>, NotAKey> {
        let qr = self.qr()?;
        // One allocation: a string that grows leaves copies of the secret behind.
        let mut page = Zeroizing::new(String::with_capacity(qr.len() + 64 * 1024));
        page.push_str(HEAD);
        page.push_str("<h1>復旧用 復号鍵 <small>Recovery key</small></h1>\n<p class=\"secret\">厳秘・金庫保管 <small>Secret · keep in the safe</small></p>\n");
        self.facts(&mut page);
        page.push_str(WHAT);
        page.push_str("<section class=\"key\">\n<div class=\"qr\">");
        page.push_str(&qr);
        page.push_str("</div>\n<div>\n<h2>復号鍵 <small>Recovery key</small></h2>\n");
        self.groups(&mut page);
        page.push_str(TYPING);
        page.push_str("</div>\n</section>\n");
        page.push_str(RESTORE);
        page.push_str(SIGNATURES);
        page.push_str("</body>\n</html>\n");
        Ok(page)
    }

    /// The key as a picture that survives stains and folds: a third of it may be lost.
    fn qr(&self) -> Result<Zeroizing<String>, NotAKey> {
        let code = QrCode::with_error_correction_level(self.identity, EcLevel::H).map_err(|_| NotAKey)?;
        let picture = Zeroizing::new(code.render::<svg::Color>().module_dimensions(4, 4).build());
        // Inside of HTML there is no place for an XML declaration.
        let start = picture.find("<svg").unwrap_or_default();
        Ok(Zeroizing::new(picture[start..].to_owned()))
    }

    fn facts(&self, page: &mut String) {
        page.push_str("<table>\n");
        let rows = [
            ("媒体セット", "Medium set", self.set_name, ""),
            ("セット番号", "Set id", self.set_id, " class=\"mono\""),
            ("鍵の作成日", "Key made on", self.created, ""),
            ("印刷日", "Printed on", self.printed, ""),
            ("公開鍵", "Recipient (public key)", self.recipient, " class=\"mono\""),
            ("公開鍵の指紋", "Fingerprint of the recipient", self.fingerprint, " class=\"mono\""),
            ("署名の根の鍵(公開)", "Root key of the seals (public)", self.root_key, " class=\"mono\""),
        ];
        for (ja, en, value, class) in rows {
            // Writing to a `String` does not fail.
            let _ = writeln!(page, "<tr><th>{ja} <small>{en}</small></th><td{class}>{}</td></tr>", Escaped(value));
        }
        page.push_str("</table>\n");
    }

    /// The key in numbered rows of groups. The prefix, always the same, is a row of its own.
    fn groups(&self, page: &mut String) {
        let secret = self.identity.strip_prefix(PREFIX);
        let prefix = if secret.is_some() { PREFIX } else { "" };
        let mut rest = secret.unwrap_or(self.identity);
        page.push_str("<ol class=\"groups\">\n");
        if !prefix.is_empty() {
            let _ = writeln!(page, "<li>{prefix}</li>");
        }
        while !rest.is_empty() {
            page.push_str("<li>");
            for i in 0..GROUPS_IN_ROW {
                let end = rest.char_indices().nth(GROUP).map_or(rest.len(), |(at, _)| at);
                let (group, more) = rest.split_at(end);
                if group.is_empty() {
                    break;
                }
                let _ = write!(page, "{}<span>{}</span>", if i > 0 { " " } else { "" }, Escaped(group));
                rest = more;
            }
            page.push_str("</li>\n");
        }
        page.push_str("</ol>\n");
    }
}

const PREFIX: &str = "AGE-SECRET-KEY-1";

/// The policy forbids the browser to fetch anything.
const HEAD: &str = r#"<!DOCTYPE html>
<html lang="ja">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>復旧用 復号鍵 / Recovery key</title>
<style>
@page { size: A4 portrait; margin: 12mm 14mm; }
* { box-sizing: border-box; }
body { max-width: 182mm; margin: 0 auto; color: #000; background: #fff; font: 9.5pt/1.45 "Noto Sans CJK JP", "Yu Gothic", Meiryo, "Hiragino Sans", sans-serif; }
h1 { margin: 0; font-size: 18pt; }
h2 { margin: 3mm 0 1mm; font-size: 11pt; }
small { font-size: 78%; font-weight: normal; }
p { margin: 0 0 1mm; }
.secret { display: inline-block; margin: 1mm 0 2mm; padding: 0 3mm; border: 2px solid #000; font-weight: bold; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .6mm 2mm; border: 1px solid #666; text-align: left; vertical-align: middle; }
th { width: 34%; font-weight: normal; }
td { overflow-wrap: anywhere; }
.mono, .groups, code { font-family: "Noto Sans Mono", "DejaVu Sans Mono", Consolas, "Courier New", monospace; }
.mono { font-size: 8.5pt; }
code { font-size: 8.5pt; }
.key { display: flex; gap: 6mm; align-items: center; margin-top: 3mm; padding: 3mm; border: 2px solid #000; break-inside: avoid; }
.qr svg { display: block; width: 48mm; height: 48mm; }
.groups { margin: 0 0 1mm; padding-left: 7mm; font-size: 13pt; line-height: 1.5; }
.groups span { margin-right: 2mm; white-space: nowrap; }
ol, ul { margin: 0; padding-left: 6mm; }
.sign th { width: auto; text-align: center; }
.sign td { height: 12mm; }
.sign td.seal { width: 18mm; color: #777; text-align: center; }
</style>
</head>
<body>
"#;

const WHAT: &str = "<h2>この用紙について <small>What this is</small></h2>
<ul>
<li>バックアップを復元できる唯一の復号鍵です。失うと、どの世代も二度と読めません。<br>\
<small>The only key that opens the backup. If it is lost, no generation can ever be read again.</small></li>
<li>金庫に保管してください。写しを一枚、院外の別の金庫に置きます。媒体と同じ場所には置きません。<br>\
<small>Keep it in a safe, and a copy in another safe off site. Never keep it with the media.</small></li>
<li>バックアップを行う機器には、決して入力・保存しないでください。写真に撮らず、メールで送らないでください。<br>\
<small>Never type or store it on the machine that makes the backup. Do not photograph it or send it by mail.</small></li>
</ul>
";

const TYPING: &str = "<p><small>一行に続けて、空白を入れずに入力します。数字の1と英字のB・I・Oは2行目以降には現れません。打ち間違いは検出されます。<br>\
Type it as one line without spaces. The digit 1 and the letters B, I, O do not occur from row 2 on. Typing errors are detected.</small></p>\n";

const RESTORE: &str = "<h2>復元手順 <small>How to restore</small></h2>
<ol>
<li>ネットワークから切り離した、感染のおそれのない代替機を用意する。<small>Prepare a clean substitute PC without any network.</small></li>
<li>媒体を書き込み禁止にして接続する。<small>Write-protect the medium and attach it.</small></li>
<li>上の復号鍵を <code>key.txt</code> に保存する。<small>Save the key above as <code>key.txt</code>.</small></li>
<li>検証し、台帳の照合番号と比べる。<small>Verify, and compare with the check code in the ledger:</small> <code>azekura verify MEDIUM --expect CODE</code></li>
<li>復元する。<small>Restore:</small> <code>azekura restore --from MEDIUM --identity key.txt --to DIR</code></li>
</ol>
<p><small>azekuraが無い場合 / Without azekura:</small> <code>age -d -i key.txt PACK | zstd -dc</code> <small>(媒体にある説明書を参照 / see the notes on the medium)</small></p>
";

const SIGNATURES: &str = "<h2>確認 <small>Signatures</small></h2>
<table class=\"sign\">
<tr><th>役割 <small>Role</small></th><th>氏名 <small>Name</small></th><th>日付 <small>Date</small></th><th>保管場所 <small>Kept at</small></th><th>印 <small>Seal</small></th></tr>
<tr><th>作成者 <small>Made by</small></th><td></td><td></td><td></td><td class=\"seal\">印</td></tr>
<tr><th>立会者 <small>Witness</small></th><td></td><td></td><td></td><td class=\"seal\">印</td></tr>
<tr><th>管理者(院長) <small>Director</small></th><td></td><td></td><td></td><td class=\"seal\">印</td></tr>
</table>
";

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: &str = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";

    fn sheet() -> KeySheet<'static> {
        KeySheet {
            set_name: "本館 <電子カルテ> & \"PACS\"",
            set_id: "000102030405060708090a0b0c0d0e0f",
            created: "2026-11-23(月)",
            printed: "2026-11-24(火)",
            identity: IDENTITY,
            recipient: "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa",
            fingerprint: "0123456789abcdef",
            root_key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        }
    }

    /// The text of the elements between two marks, without the elements.
    fn text(html: &str) -> String {
        let mut inside = false;
        html.chars()
            .filter(|c| match c {
                '<' => {
                    inside = true;
                    false
                }
                '>' => {
                    inside = false;
                    false
                }
                _ => !inside,
            })
            .collect()
    }

    #[test]
    fn every_fact_is_on_the_page_and_markup_in_names_is_harmless() {
        let page = sheet().html().unwrap();
        assert!(page.contains("本館 &lt;電子カルテ&gt; &amp; &quot;PACS&quot;"));
        for fact in [sheet().set_id, sheet().created, sheet().printed, sheet().recipient, sheet().fingerprint, sheet().root_key] {
            assert!(page.contains(fact), "{fact}");
        }
        for word in ["金庫", "復元手順", "印", "How to restore", "A4"] {
            assert!(page.contains(word), "{word}");
        }
    }

    #[test]
    fn the_groups_spell_the_key() {
        let page = sheet().html().unwrap();
        let start = page.find("<ol class=\"groups\">").unwrap();
        let end = start + page[start..].find("</ol>").unwrap();
        let typed: String = text(&page[start..end]).split_whitespace().collect();
        assert_eq!(typed, IDENTITY);
        assert_eq!(page[start..end].matches("<li>").count(), 4);
    }

    /// Every mention of an address is the name of the SVG language, which nothing fetches.
    #[test]
    fn nothing_is_fetched() {
        let page = sheet().html().unwrap().replace("xmlns=\"http://www.w3.org/2000/svg\"", "").replace("http-equiv", "");
        for word in ["http", "://", "src=", "href", "url(", "@import", "<script", "<?xml"] {
            assert!(!page.contains(word), "{word}");
        }
        assert_eq!(page.matches("<svg").count(), 1);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "A".repeat(5000);
        assert_eq!(KeySheet { identity: &long, ..sheet() }.html().unwrap_err(), NotAKey);
    }

    /// As many dark modules are drawn as the key's code has.
    #[test]
    fn the_picture_is_the_keys_code() {
        let code = QrCode::with_error_correction_level(IDENTITY, EcLevel::H).unwrap();
        let dark = code.to_colors().iter().filter(|c| **c == qrcode::Color::Dark).count();
        let qr = sheet().qr().unwrap();
        let drawn: usize = qr
            .split('M')
            .skip(1)
            .map(|d| d.split(['h', 'v', 'H']).skip(1).take(2).map(|n| n.parse::<usize>().unwrap()).product::<usize>())
            .sum();
        assert_eq!(drawn, dark * 16);
    }
}
