//! Indicators of compromise: names, patterns and SHA-256 of files that an intruder leaves behind, from a plain list, a
//! MISP event or a STIX 2 bundle.

use crate::format::entry::{Core, EntryKind};
use crate::format::object::unhex_any;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Indicators, numbered from 0.
#[derive(Debug)]
pub struct Indicators {
    /// As they were given.
    texts: Vec<String>,
    /// The number of each digest.
    digests: HashMap<[u8; 32], usize>,
    /// The number of each file name that is no pattern, in small ASCII letters.
    names: HashMap<Vec<u8>, usize>,
    /// All patterns.
    globs: Gitignore,
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
    #[error("more indicators than are read")]
    TooMany,
    /// It is longer than any that is read.
    #[error("longer than any list that is read")]
    TooLong,
    /// It has more patterns than can be looked for at once.
    #[error("more patterns than can be looked for at once")]
    TooManyPatterns,
}

/// Bytes of the longest file that is read: [`MAX_INDICATORS`] digests.
const MAX_BYTES: u64 = 80 << 20;
/// Bytes of all patterns together. Each may take four hundred bytes of memory.
const MAX_PATTERN_BYTES: usize = 256 << 10;
/// Most indicators that are read from one file.
const MAX_INDICATORS: usize = 1_000_000;

impl Indicators {
    /// Reads indicators from a file: see [`Self::parse`]. The outer error is one of reading.
    pub fn read(file: &mut impl Read) -> io::Result<Result<Self, IndicatorError>> {
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(if bytes.len() as u64 > MAX_BYTES { Err(IndicatorError::TooLong) } else { Self::parse(&bytes) })
    }

    /// Reads indicators. A plain list has one on each line: a SHA-256 (with or without `sha256:` before it), a file
    /// name, or a pattern of names in gitignore syntax; `#` begins a comment. JSON is a MISP event or a STIX 2 bundle,
    /// of which file names and SHA-256 are read.
    pub fn parse(bytes: &[u8]) -> Result<Self, IndicatorError> {
        let text =
            std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map_err(|_| IndicatorError::NotText)?;
        let mut gathered = Gatherer::default();
        match text.trim_start().chars().next() {
            Some('{') => gathered = gather(text)?.ok_or(IndicatorError::Unknown)?,
            // A pattern may begin with this character, too.
            Some('[') => match gather(text)? {
                Some(json) => gathered = json,
                None => gathered.found = lines(text)?,
            },
            _ => gathered.found = lines(text)?,
        }
        Self::of(gathered.found, gathered.passed_over)
    }

    fn of(found: Vec<(usize, String)>, passed_over: u64) -> Result<Self, IndicatorError> {
        if found.is_empty() {
            return Err(IndicatorError::Empty);
        }
        let (mut texts, mut digests, mut patterns) = (Vec::new(), HashMap::new(), HashMap::new());
        let (mut names, mut pattern_bytes) = (HashMap::new(), 0);
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
            } else if is_plain_name(&text) {
                names.entry(text.to_ascii_lowercase().into_bytes()).or_insert(number);
            } else {
                pattern_bytes += text.len();
                if pattern_bytes > MAX_PATTERN_BYTES {
                    return Err(IndicatorError::TooManyPatterns);
                }
                // Unescaped, `!` would exclude what other lines look for.
                let escaped = if text.starts_with('!') { format!("\\{text}") } else { text.clone() };
                let invalid = |_| IndicatorError::Invalid { line, text: text.clone() };
                builder.add_line(None, &escaped).map_err(invalid)?;
                patterns.entry(escaped).or_insert(number);
            }
            texts.push(text);
        }
        let globs = builder.build().map_err(|_| IndicatorError::TooManyPatterns)?;
        Ok(Self { texts, digests, names, globs, patterns, passed_over })
    }

    /// The number of an indicator that an entry matches.
    pub fn find(&self, core: &Core) -> Option<usize> {
        let by_digest = core.whole().and_then(|d| self.digests.get(&d.sha256?)).copied();
        by_digest.or_else(|| {
            let name = core.path.rsplit(|b| *b == b'/').next().unwrap_or_default();
            if let Some(number) = self.names.get(&name.to_ascii_lowercase()) {
                return Some(*number);
            }
            if self.globs.is_empty() {
                return None;
            }
            let path = Path::new(OsStr::from_bytes(&core.path));
            let matched = self.globs.matched(path, core.kind == EntryKind::Directory);
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

/// The indicators of a plain list, with their lines.
fn lines(text: &str) -> Result<Vec<(usize, String)>, IndicatorError> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if !text.is_empty() && !text.starts_with('#') {
            found.push((line, text.to_owned()));
        }
        // A list that is cut off would hide that some indicators were not looked for.
        if found.len() > MAX_INDICATORS {
            return Err(IndicatorError::TooMany);
        }
    }
    Ok(found)
}

/// The indicators in JSON; `None` if it is none.
fn gather(text: &str) -> Result<Option<Gatherer>, IndicatorError> {
    let mut gathered = Gatherer::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = (&mut gathered).deserialize(&mut json).and_then(|()| json.end());
    match read {
        Ok(()) => Ok(Some(gathered)),
        Err(_) if gathered.found.len() > MAX_INDICATORS => Err(IndicatorError::TooMany),
        Err(_) => Ok(None),
    }
}

/// Whether a pattern matches exactly the files of this name, in any folder. Only then it is one among millions.
fn is_plain_name(text: &str) -> bool {
    !text.bytes().any(|b| b"*?[]{}\\!#/".contains(&b) || b.is_ascii_control()) && text.trim() == text
}

fn digest_of(hex: &str) -> Option<[u8; 32]> {
    unhex_any(hex)?.try_into().ok()
}

/// Gathers names and digests from JSON. A MISP attribute has `type` and `value`, some have two values; STIX has patterns.
/// Nothing else of the JSON is kept: read as a whole, it may take a hundred times its length.
#[derive(Default)]
struct Gatherer {
    found: Vec<(usize, String)>,
    /// Indicators without a name or digest.
    passed_over: u64,
}

impl Gatherer {
    /// Takes the three members of an object that tell of an indicator.
    fn take(&mut self, [kind, value, pattern]: [Option<String>; 3]) {
        let (before, mut is_indicator) = (self.found.len(), false);
        let kind = kind.as_deref();
        if let (Some(kind), Some(value)) = (kind, &value) {
            is_indicator = true;
            let (name, hash) = value.split_once('|').unwrap_or((value, value));
            match kind {
                "sha256" => self.found.push((0, format!("sha256:{}", value.trim().to_lowercase()))),
                "filename|sha256" => {
                    self.found.extend([(0, literal(name)), (0, format!("sha256:{}", hash.trim().to_lowercase()))])
                }
                // The digest is of a kind that generations do not record, but the name can be looked for.
                _ if kind == "filename" || kind == "malware-sample" || kind.starts_with("filename|") => {
                    self.found.push((0, literal(name)))
                }
                _ => {}
            }
        }
        if let Some(pattern) = pattern.filter(|_| kind == Some("indicator")) {
            is_indicator = true;
            stix(&pattern, &mut self.found);
        }
        self.passed_over += u64::from(is_indicator && self.found.len() == before);
    }
}

impl<'de> DeserializeSeed<'de> for &mut Gatherer {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Gatherer {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut own = [const { None }; 3];
        while let Some(key) = members.next_key::<Cow<str>>()? {
            let place = ["type", "value", "pattern"].iter().position(|k| *k == key);
            match place {
                Some(place) => own[place] = members.next_value_seed(TextOr(self))?,
                None => members.next_value_seed(&mut *self)?,
            }
        }
        self.take(own);
        if self.found.len() > MAX_INDICATORS { Err(de::Error::custom("too many")) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(&mut *self)?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A text, or whatever else is there, which is searched.
struct TextOr<'g>(&'g mut Gatherer);

impl<'de> DeserializeSeed<'de> for TextOr<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextOr<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Option<String>, A::Error> {
        self.0.visit_map(members).map(|()| None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Option<String>, A::Error> {
        self.0.visit_seq(items).map(|()| None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
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
    use serde_json::Value;

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

    /// Lists that anybody can send by mail: whatever is in them, the memory that they take is a small multiple of their length.
    #[test]
    fn no_list_takes_more_memory_than_it_is_long() {
        // As a tree of values this takes 2 GB.
        let deep = format!("{{\"objects\":[{}{{\"type\":\"filename\",\"value\":\"evil.exe\"}}]}}", "{\"\":0},".repeat(3 << 20));
        let before = resident_kib();
        let all = Indicators::parse(deep.as_bytes()).unwrap();
        assert!(found(&all, "x/evil.exe", None).is_some());
        assert!(resident_kib() < before + (256 << 10), "{} KiB more", resident_kib() - before);
        // Plain names need no pattern; and a hundred thousand of those would take gigabytes.
        let names: String = (0..100_000).map(|i| format!("evil-{i}.dll\n")).collect();
        let all = Indicators::parse(names.as_bytes()).unwrap();
        assert_eq!(found(&all, "x/EVIL-99999.dll", None), Some("evil-99999.dll"));
        let patterns: String = (0..100_000).map(|i| format!("evil-{i}-*.dll\n")).collect();
        assert!(matches!(Indicators::parse(patterns.as_bytes()), Err(IndicatorError::TooManyPatterns)));
        let json = format!("[{}0]", "{\"type\":\"filename\",\"value\":\"a\"},".repeat(MAX_INDICATORS + 1));
        assert!(matches!(Indicators::parse(json.as_bytes()), Err(IndicatorError::TooMany)));
        assert!(matches!(Indicators::read(&mut std::io::repeat(b'a')), Ok(Err(IndicatorError::TooLong))));
    }

    /// The most memory that this process ever had.
    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
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
