//! The recovery-key sheet: one A4 page for the safe, in Japanese and English.
//!
//! The page loads nothing and has no scripts, so that it can be printed on a machine without a network and looks the same in
//! any browser.
//!
//! **Invariant:** the page is as secret as the key. All strings here that show the key wipe themselves, and the page's buffer has
//! its final size from the beginning, because a string that grows leaves copies behind.

use super::page::{frame, printable};
use super::qr;
use maud::{Escaper, Markup, PreEscaped, html};
use qrcode::EcLevel;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Characters in a group of the printed key, and groups in a row: as much as a person keeps in mind while typing.
const GROUP: usize = 4;
const GROUPS_IN_ROW: usize = 5;

/// The facts on the sheet. Dates are text as they are to be printed.
pub struct KeySheet<'a> {
    /// The set's name.
    pub set_name: &'a str,
    /// The set's id in hexadecimal.
    pub set_id: &'a str,
    /// When the key was made, `2026-11-23(月)`.
    pub created: &'a str,
    /// When the sheet was printed: that may happen again later.
    pub printed: &'a str,
    /// `AGE-SECRET-KEY-1…`, one key.
    pub identity: &'a str,
    /// `age1…`, the public half.
    pub recipient: &'a str,
    /// The first 16 hexadecimal digits by which a label names the recipient.
    pub fingerprint: &'a str,
    /// The public key of the first seal, in hexadecimal: the proof of every generation begins with it.
    pub root_key: &'a str,
}

/// The identity has more characters than a QR code can encode (some thousand): it is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key does not fit into a QR code")]
pub struct NotAKey;

/// The beginning of every key, in a row of its own.
const PREFIX: &str = "AGE-SECRET-KEY-1";
/// Where the QR code and the groups of the key go. No fact contains it, because they are escaped.
const QR_SLOT: &str = "<!--qr-->";
const GROUPS_SLOT: &str = "<!--groups-->";

impl KeySheet<'_> {
    /// The page as HTML.
    pub fn html(&self) -> Result<Zeroizing<String>, NotAKey> {
        let (qr, groups) = (self.qr()?, self.groups());
        let public = frame("ja", "復旧用 復号鍵 / Recovery key", include_str!("key_sheet.css"), &self.markup());
        let slots = public.split_once(QR_SLOT).and_then(|(start, rest)| Some((start, rest.split_once(GROUPS_SLOT)?)));
        let Some((start, (middle, end))) = slots else { unreachable!("the markup has both slots") };
        let parts = [start, &qr, middle, &groups, end];
        let mut page = Zeroizing::new(String::with_capacity(parts.iter().map(|p| p.len()).sum()));
        parts.iter().for_each(|part| page.push_str(part));
        Ok(page)
    }

    /// The key as a QR code that can be read with a third of it lost to stains and folds.
    fn qr(&self) -> Result<Zeroizing<String>, NotAKey> {
        qr::picture(self.identity, EcLevel::H, 4).map_err(|_| NotAKey)
    }

    /// The items of a list: the key in rows of groups, after its prefix.
    fn groups(&self) -> Zeroizing<String> {
        let secret = self.identity.strip_prefix(PREFIX);
        let mut rest = secret.unwrap_or(self.identity);
        // Escaped, a character takes up to 6 bytes; a group of 4 with its tags far less than 64.
        let mut out = Zeroizing::new(String::with_capacity(64 * (rest.len() + 2)));
        if secret.is_some() {
            out.push_str("<li>");
            out.push_str(PREFIX);
            out.push_str("</li>\n");
        }
        while !rest.is_empty() {
            out.push_str("<li>");
            for i in 0..GROUPS_IN_ROW {
                let end = rest.char_indices().nth(GROUP).map_or(rest.len(), |(at, _)| at);
                let (group, more) = rest.split_at(end);
                if group.is_empty() {
                    break;
                }
                out.push_str(if i > 0 { " <span>" } else { "<span>" });
                // Writing to a `String` does not fail.
                let _ = Escaper::new(&mut out).write_str(group);
                out.push_str("</span>");
                rest = more;
            }
            out.push_str("</li>\n");
        }
        out
    }

    /// The page without the key.
    fn markup(&self) -> Markup {
        html! {
            header {
                h1 { "復旧用 復号鍵 " small { "Recovery key" } }
                p.secret { "厳秘・金庫保管 " small { "Secret · keep in the safe" } }
            }
            (self.facts())
            (purpose())
            section.key {
                div.qr { (PreEscaped(QR_SLOT)) }
                div {
                    h2 { "復号鍵 " small { "Recovery key" } }
                    ol.groups { (PreEscaped(GROUPS_SLOT)) }
                    p {
                        small {
                            "一行に続けて、空白を入れずに入力します。数字の1と英字のB・I・Oは2行目以降には現れません。"
                            "打ち間違いは検出されます。" br;
                            "Type it as one line without spaces. The digit 1 and the letters B, I, O do not occur from row 2 on. "
                            "Typing errors are detected."
                        }
                    }
                }
            }
            (restore())
            (signatures())
        }
    }

    fn facts(&self) -> Markup {
        let rows = [
            ("媒体セット", "Medium set", self.set_name, None),
            ("セット番号", "Set id", self.set_id, Some("code")),
            ("鍵の作成日", "Key made on", self.created, None),
            ("印刷日", "Printed on", self.printed, None),
            ("公開鍵", "Recipient (public key)", self.recipient, Some("code")),
            ("公開鍵の指紋", "Fingerprint of the recipient", self.fingerprint, Some("code")),
            ("署名の根の鍵(公開)", "Root key of the seals (public)", self.root_key, Some("code")),
        ];
        html! {
            table {
                @for (ja, en, value, class) in rows {
                    tr { th { (ja) " " small { (en) } } td class=[class] { (printable(value)) } }
                }
            }
        }
    }
}

fn purpose() -> Markup {
    let rules = [
        (
            "バックアップを復元できる唯一の復号鍵です。失うと、どの世代も二度と読めません。",
            "The only key that opens the backup. If it is lost, no generation can ever be read again.",
        ),
        (
            "金庫に保管してください。写しを一枚、院外の別の金庫に置きます。媒体と同じ場所には置きません。",
            "Keep it in a safe, and a copy in another safe off site. Never keep it with the media.",
        ),
        (
            "バックアップを行う機器には、決して入力・保存しないでください。写真に撮らず、メールで送らないでください。",
            "Never type or store it on the machine that makes the backup. Do not photograph it or send it by mail.",
        ),
    ];
    html! {
        h2 { "この用紙について " small { "What this is" } }
        ul { @for (ja, en) in rules { li { (ja) br; small { (en) } } } }
    }
}

fn restore() -> Markup {
    html! {
        h2 { "復元手順 " small { "How to restore" } }
        ol {
            li {
                "ネットワークから切り離した、感染のおそれのない代替機を用意する。"
                small { "Prepare a clean substitute PC without any network." }
            }
            li { "媒体を書き込み禁止にして接続する。" small { "Write-protect the medium and attach it." } }
            li {
                "上の復号鍵を " code { "key.txt" } " に保存する。"
                small { "Save the key above as " code { "key.txt" } "." }
            }
            li {
                "検証し、台帳の照合番号と比べる。" small { "Verify, and compare with the check code in the ledger:" } " "
                code { "azekura verify MEDIUM --expect CODE" }
            }
            li {
                "復元する。" small { "Restore:" } " "
                code { "azekura restore --from MEDIUM --identity key.txt --to DIR" }
            }
        }
        p {
            small { "azekuraが無い場合 / Without azekura:" } " " code { "age -d -i key.txt PACK | zstd -dc" } " "
            small { "(媒体にある説明書を参照 / see the notes on the medium)" }
        }
    }
}

fn signatures() -> Markup {
    let headings = [("役割", "Role"), ("氏名", "Name"), ("日付", "Date"), ("保管場所", "Kept at"), ("印", "Seal")];
    let rows = [("作成者", "Made by"), ("立会者", "Witness"), ("管理者(院長)", "Director")];
    html! {
        h2 { "確認 " small { "Signatures" } }
        table."form sign" {
            thead { tr { @for (ja, en) in headings { th { (ja) " " small { (en) } } } } }
            tbody {
                @for (ja, en) in rows {
                    tr { th { (ja) " " small { (en) } } td {} td {} td {} td.stamp { "印" } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qrcode::QrCode;

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
    fn every_fact_is_on_the_page_and_names_are_escaped() {
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
    fn a_text_too_long_for_a_key_is_refused() {
        let long = "A".repeat(5000);
        assert_eq!(KeySheet { identity: &long, ..sheet() }.html().unwrap_err(), NotAKey);
    }

    /// As many dark modules are drawn as the key's code has.
    #[test]
    fn the_qr_code_is_the_keys() {
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
