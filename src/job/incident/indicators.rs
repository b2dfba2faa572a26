//! Indicators of compromise: names, patterns and SHA-256 of files that an intruder leaves behind, from a plain list, a
//! MISP event or a STIX 2 bundle.

use crate::format::entry::{Core, EntryKind};
use crate::format::object::unhex_any;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Indicators, numbered from 0.
#[derive(Debug)]
pub struct Indicators {
    /// As they were given.
    texts: Vec<String>,
    /// The number of each digest.
    digests: HashMap<[u8; 32], usize>,
    /// All patterns.
    names: Gitignore,
    /// The number of each pattern.
    patterns: HashMap<String, usize>,
    passed_over: u64,
}

/// Why a file gives no indicators.
#[derive(Debug, thiserror::Error)]
pub enum IndicatorError {
    /// It is not UTF-8.
    #[error("it is no text")]
    NotText,
    /// A line is neither a digest nor a valid pattern.
    #[error("line {line}: {text} cannot be understood")]
    Invalid {
        /// Number of the line, from 1; 0 in JSON.
        line: usize,
        /// The line.
        text: String,
    },
    /// It is JSON of another kind.
    #[error("it is no MISP event and no STIX bundle")]
    Unknown,
    /// It has no name and no digest of a file.
    #[error("nothing in it can be looked for in files")]
    Empty,
    /// It has more indicators than are read.
    #[error("more than {MAX_INDICATORS} indicators")]
    TooMany,
}

/// Most indicators that are read from one file.
const MAX_INDICATORS: usize = 1_000_000;

impl Indicators {
    /// Reads indicators. A plain list has one on each line: a SHA-256 (with or without `sha256:` before it), a file
    /// name, or a pattern of names in gitignore syntax; `#` begins a comment. JSON is a MISP event or a STIX 2 bundle,
    /// of which file names and SHA-256 are read.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndicatorError> {
        let text =
            std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map_err(|_| IndicatorError::NotText)?;
        let (mut found, mut passed_over) = (Vec::new(), 0);
        let json = match text.trim_start().chars().next() {
            Some('{') => Some(serde_json::from_str::<Value>(text).map_err(|_| IndicatorError::Unknown)?),
            // A pattern may begin with this character, too.
            Some('[') => serde_json::from_str::<Value>(text).ok(),
            _ => None,
        };
        match json {
            Some(json) => passed_over = gather(&json, &mut found),
            None => {
                for (line, text) in (1..).zip(text.lines()) {
                    let text = text.trim();
                    if !text.is_empty() && !text.starts_with('#') {
                        found.push((line, text.to_owned()));
                    }
                }
            }
        }
        // A list that is cut off would hide that some indicators were not looked for.
        if found.len() > MAX_INDICATORS { Err(IndicatorError::TooMany) } else { Self::of(found, passed_over) }
    }

    fn of(found: Vec<(usize, String)>, passed_over: u64) -> Result<Self, IndicatorError> {
        if found.is_empty() {
            return Err(IndicatorError::Empty);
        }
        let (mut texts, mut digests, mut patterns) = (Vec::new(), HashMap::new(), HashMap::new());
        let mut builder = GitignoreBuilder::new("");
        // The systems that intruders write for ignore the case of names.
        let _ = builder.case_insensitive(true);
        for (line, text) in found {
            let number = texts.len();
            let hex = text.strip_prefix("sha256:").unwrap_or(&text);
            if let Some(digest) = digest_of(hex) {
                digests.entry(digest).or_insert(number);
            } else if text.starts_with("sha256:") {
                return Err(IndicatorError::Invalid { line, text });
            } else {
                // Unescaped, `!` would exclude what other lines look for.
                let escaped = if text.starts_with('!') { format!("\\{text}") } else { text.clone() };
                let invalid = |_| IndicatorError::Invalid { line, text: text.clone() };
                builder.add_line(None, &escaped).map_err(invalid)?;
                patterns.entry(escaped).or_insert(number);
            }
            texts.push(text);
        }
        let names = builder.build().map_err(|_| IndicatorError::Unknown)?;
        Ok(Self { texts, digests, names, patterns, passed_over })
    }

    /// The number of an indicator that an entry matches.
    pub fn find(&self, core: &Core) -> Option<usize> {
        let by_digest = core.whole().and_then(|d| self.digests.get(&d.sha256?)).copied();
        by_digest.or_else(|| {
            if self.names.is_empty() {
                return None;
            }
            let path = Path::new(OsStr::from_bytes(&core.path));
            let matched = self.names.matched(path, core.kind == EntryKind::Directory);
            matched.inner().and_then(|glob| self.patterns.get(glob.original())).copied()
        })
    }

    /// Whether some indicators are digests, which match only files with a recorded SHA-256 of all bytes.
    pub fn has_digests(&self) -> bool {
        !self.digests.is_empty()
    }

    /// An indicator as it was given.
    pub fn text(&self, number: usize) -> &str {
        self.texts.get(number).map_or("", |t| t)
    }

    /// Number of indicators.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Number of indicators in the file that are not looked for: they are no names and no digests of files, or
    /// comparisons that cannot be made.
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Whether there is none. Never after [`Indicators::parse`].
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

fn digest_of(hex: &str) -> Option<[u8; 32]> {
    unhex_any(hex)?.try_into().ok()
}

/// Gathers names and digests. A MISP attribute has `type` and `value`, some have two values; STIX has patterns. Returns
/// the number of indicators without a name or digest.
fn gather(json: &Value, found: &mut Vec<(usize, String)>) -> u64 {
    match json {
        Value::Array(all) => all.iter().map(|each| gather(each, found)).sum(),
        Value::Object(object) => {
            let (before, mut is_indicator) = (found.len(), false);
            let text = |key: &str| object.get(key).and_then(Value::as_str);
            if let (Some(kind), Some(value)) = (text("type"), text("value")) {
                is_indicator = true;
                let (name, hash) = value.split_once('|').unwrap_or((value, value));
                match kind {
                    "sha256" => found.push((0, format!("sha256:{}", value.trim().to_lowercase()))),
                    "filename|sha256" => {
                        found.extend([(0, literal(name)), (0, format!("sha256:{}", hash.trim().to_lowercase()))])
                    }
                    // The digest is of a kind that generations do not record, but the name can be looked for.
                    _ if kind == "filename" || kind == "malware-sample" || kind.starts_with("filename|") => {
                        found.push((0, literal(name)))
                    }
                    _ => {}
                }
            }
            if let Some(pattern) = text("pattern").filter(|_| text("type") == Some("indicator")) {
                is_indicator = true;
                stix(pattern, found);
            }
            let nothing = u64::from(is_indicator && found.len() == before);
            nothing + object.values().map(|each| gather(each, found)).sum::<u64>()
        }
        _ => 0,
    }
}

/// Gathers the values that a pattern like `[file:hashes.'SHA-256' = '…' OR file:name IN ('…', '…')]` compares file
/// names and digests with. Other comparisons do not concern files at rest, or cannot be made.
fn stix(pattern: &str, found: &mut Vec<(usize, String)>) {
    let mut rest = pattern;
    while let Some(at) = rest.find("file:") {
        rest = &rest[at + 5..];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>')).unwrap_or(rest.len());
        let (property, comparison) = rest.split_at(end);
        rest = comparison;
        let property = property.replace(['\'', '"', '-'], "").to_lowercase();
        let comparison = comparison.trim_start();
        let values = match (comparison.strip_prefix('='), comparison.strip_prefix("IN")) {
            (Some(value), _) => value.split('\'').nth(1).into_iter().collect(),
            (_, Some(list)) => list.split(')').next().unwrap_or_default().split('\'').skip(1).step_by(2).collect(),
            _ => Vec::new(),
        };
        for value in values {
            match &property[..] {
                "hashes.sha256" => found.push((0, format!("sha256:{}", value.to_lowercase()))),
                "name" => found.push((0, literal(value))),
                _ => {}
            }
        }
    }
}

/// A pattern that matches exactly this name.
fn literal(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name).trim();
    name.chars().flat_map(|c| if "*?[]{}\\!#".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor::Time;
    use crate::format::digests::Digests;
    use crate::format::entry::{ContentDigests, ContentState};

    const DIGEST: &str = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";

    fn core(path: &str, sha256: Option<&str>) -> Core {
        Core {
            path: path.into(),
            kind: EntryKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            user: None,
            group: None,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 1,
            link_to: None,
            size: 0,
            digests: Some(ContentDigests::Whole(Digests { blake3: [0; 32], sha256: sha256.and_then(digest_of) })),
            target: None,
            device: None,
            xattrs: Vec::new(),
            holes: Vec::new(),
            flags: 0,
            state: ContentState::Good,
        }
    }

    fn found<'i>(all: &'i Indicators, path: &str, sha256: Option<&str>) -> Option<&'i str> {
        all.find(&core(path, sha256)).map(|n| all.text(n))
    }

    #[test]
    fn a_plain_list() {
        let list =
            format!("# from the police\n{}\n*.locked\nHOW_TO_DECRYPT.txt\n/ehr/tools/*.exe\n!odd\n", DIGEST.to_uppercase());
        let all = Indicators::parse(list.as_bytes()).unwrap();
        assert_eq!(all.len(), 5);
        assert_eq!(found(&all, "ehr/a.xml", Some(DIGEST)), Some(&DIGEST.to_uppercase()[..]));
        assert_eq!(found(&all, "ehr/a.xml.LOCKED", None), Some("*.locked"));
        assert_eq!(found(&all, "share/sub/how_to_decrypt.TXT", None), Some("HOW_TO_DECRYPT.txt"));
        assert_eq!(found(&all, "ehr/tools/x.exe", None), Some("/ehr/tools/*.exe"));
        assert_eq!(found(&all, "share/!odd", None), Some("!odd"));
        assert_eq!(found(&all, "ehr/a.xml", None), None);
        // As an editor on Windows writes it.
        let windows = Indicators::parse(format!("\u{feff}{DIGEST}\r\nevil\\ name.dll\r\nloot/\r\n").as_bytes()).unwrap();
        assert_eq!(found(&windows, "x", Some(DIGEST)), Some(DIGEST));
        assert!(found(&windows, "x/evil name.dll", None).is_some());
        let folder = Core { kind: EntryKind::Directory, ..core("share/loot", None) };
        assert!(windows.find(&folder).is_some(), "a folder");
        assert_eq!(found(&windows, "share/loot", None), None, "a file of that name");
        let many = "a\n".repeat(MAX_INDICATORS + 1);
        assert!(matches!(Indicators::parse(many.as_bytes()), Err(IndicatorError::TooMany)), "no list is silently cut off");
        assert!(matches!(Indicators::parse(b"ok\nsha256:12\n"), Err(IndicatorError::Invalid { line: 2, .. })));
        assert!(matches!(Indicators::parse(b"# nothing\n"), Err(IndicatorError::Empty)));
        assert!(matches!(Indicators::parse(b"\xff\xfe"), Err(IndicatorError::NotText)));
    }

    #[test]
    fn a_misp_event() {
        let event = format!(
            r#"{{"Event":{{"Attribute":[{{"type":"filename|sha256","value":"a[1].exe|{DIGEST}"}},{{"type":"ip-dst","value":"192.0.2.1"}}],
            "Object":[{{"Attribute":[{{"type":"filename","value":"note.txt"}}]}}]}}}}"#
        );
        let all = Indicators::parse(event.as_bytes()).unwrap();
        assert_eq!((all.len(), all.passed_over()), (3, 1), "an address is in no file's name");
        assert!(found(&all, "x/a[1].exe", None).is_some() && found(&all, "x/a1.exe", None).is_none());
        assert!(found(&all, "x/y", Some(DIGEST)).is_some() && found(&all, "x/note.txt", None).is_some());
    }

    /// Names as intruders choose them: in braces, with trailing spaces, with their folder; with digests that
    /// generations do not record.
    #[test]
    fn a_name_is_looked_for_literally() {
        let file = |value: &str| format!(r#"{{"type":"filename","value":{}}}"#, Value::from(value));
        let all = ["{8A69D345-D564}.exe", "a{b,c}.dll", "space.exe ", "C:\\Users\\Public\\drop.exe", "/tmp/dropper"].map(file);
        let all = Indicators::parse(format!("[{}]", all.join(",")).as_bytes()).unwrap();
        for name in ["{8a69d345-d564}.exe", "a{b,c}.dll", "space.exe", "drop.exe", "dropper"] {
            assert!(found(&all, &format!("share/x/{name}"), None).is_some(), "{name}");
        }
        for name in ["8A69D345-D564.exe", "ab.dll", "C:UsersPublicdrop.exe"] {
            assert_eq!(found(&all, &format!("share/{name}"), None), None, "{name}");
        }
        for kind in ["filename|md5", "filename|sha1", "malware-sample"] {
            let one = format!(r#"[{{"type":"{kind}","value":"evil.exe|d41d8cd98f00b204e9800998ecf8427e"}}]"#);
            assert!(found(&Indicators::parse(one.as_bytes()).unwrap(), "x/evil.exe", None).is_some(), "{kind}");
        }
    }

    /// Indicators that are not looked for have to be reported; and a list is not taken for JSON by its first character.
    #[test]
    fn what_is_not_looked_for_is_counted() {
        let bundle = r#"{"objects":[{"type":"indicator","pattern":"[file:name LIKE 'x%']"},{"type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']"},
            {"type":"indicator","pattern":"[file:name = 'evil.dll']"}]}"#;
        assert_eq!(Indicators::parse(bundle.as_bytes()).unwrap().passed_over(), 2);
        let all = Indicators::parse(b"[a-c]vil.exe\nnote.txt\n").unwrap();
        assert_eq!((all.passed_over(), found(&all, "x/bvil.exe", None)), (0, Some("[a-c]vil.exe")));
    }

    #[test]
    fn no_comparison_of_a_stix_pattern_hides_the_next_one() {
        let patterns = [
            "[file:name LIKE 'x%' OR file:name = 'evil.dll']",
            "[file:size > 100 AND file:name='evil.dll']",
            "[file:name != 'good.dll' AND file:name = 'evil.dll']",
            "[file:name IN ('worse.dll', 'evil.dll') OR file:hashes.MD5 = 'd41d']",
            "[file:hashes.MD5 = 'd41d' OR file:name\n= 'evil.dll']",
        ];
        for pattern in patterns {
            let bundle = format!(r#"{{"objects":[{{"type":"indicator","pattern":{}}}]}}"#, Value::from(pattern));
            let all = Indicators::parse(bundle.as_bytes()).unwrap();
            assert!(found(&all, "x/evil.dll", None).is_some(), "{pattern}");
            assert_eq!((found(&all, "x/good.dll", None), found(&all, "x/d41d", None)), (None, None), "{pattern}");
        }
    }

    #[test]
    fn a_stix_bundle() {
        let bundle = format!(
            r#"{{"type":"bundle","objects":[{{"type":"indicator","pattern":"[file:hashes.'SHA-256' = '{DIGEST}' OR file:name = 'evil.dll']"}},
            {{"type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']"}}]}}"#
        );
        let all = Indicators::parse(bundle.as_bytes()).unwrap();
        assert_eq!(all.len(), 2);
        assert!(found(&all, "x/evil.dll", None).is_some() && found(&all, "x", Some(DIGEST)).is_some());
        assert!(matches!(Indicators::parse(b"{\"type\":\"bundle\"}"), Err(IndicatorError::Empty)));
    }
}
