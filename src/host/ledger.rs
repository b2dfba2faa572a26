//! The ledger of media (媒体台帳): what each medium is, its location, who moved it, what was written on it and when it was
//! detached.
//!
//! It cannot be rebuilt from the media, so it is not part of the catalog: a file of lines that people can read,
//! `STATE/ledger.jsonl`. Each line is bound to the one before by a digest, so that a changed or removed line is found.
//!
//! **Invariant:** the file is only ever appended to.

use crate::format::object::hex;
use crate::lock::FileLock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What a medium is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MediumKind {
    /// A folder, on whatever device.
    Disk,
    /// A cartridge.
    Tape,
}

/// What happened to a medium.
///
/// Members that later versions have added are omitted from a line while they have their default: the digest of an old
/// line stays the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "members are named as in the JSON, which docs/json.md describes")]
pub enum LedgerEvent {
    /// A medium was registered. `device`: model and serial number of the hardware, where known.
    Registered {
        medium: String,
        set: String,
        pool: Option<String>,
        device: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<MediumKind>,
    },
    /// It is now a copy of another medium, up to this generation.
    Copied { medium: String, set: String, generation: u64, check_code: String, device: Option<String>, kind: MediumKind },
    /// A run found it attached at a path.
    Attached { medium: String, at: String, device: Option<String> },
    /// A generation was sealed on it.
    Written { medium: String, generation: u64, check_code: String, verdict: String },
    /// It was ejected. `seen`: it was seen to be detached.
    Detached { medium: String, seen: bool },
    /// Somebody took it to another location.
    Moved {
        medium: String,
        to: String,
        by: String,
        witness: Option<String>,
        /// Outside the hospital.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        off_site: bool,
    },
    /// A run refused to write: the medium that was found, and the one that was due.
    Refused { pool: String, due: String, found: String },
    /// A hold was set: from now on only the medium that was written to last is written to.
    Held { by: String, why: String },
    /// One person has asked to release the hold; a second one has to confirm.
    ReleaseAsked { by: String },
    /// The hold was released.
    Released { by: String, witness: Option<String> },
    /// It was read in full.
    Scrubbed { medium: String, damaged: u64 },
}

impl LedgerEvent {
    /// The name of the medium that it is about; empty if it is about all media.
    pub fn medium(&self) -> &str {
        match self {
            Self::Registered { medium, .. }
            | Self::Copied { medium, .. }
            | Self::Attached { medium, .. }
            | Self::Written { medium, .. }
            | Self::Detached { medium, .. }
            | Self::Moved { medium, .. }
            | Self::Scrubbed { medium, .. } => medium,
            Self::Refused { due, .. } => due,
            Self::Held { .. } | Self::ReleaseAsked { .. } | Self::Released { .. } => "",
        }
    }
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// From 1.
    pub line: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub event: LedgerEvent,
}

/// A line with its digest, as it is in the file.
#[derive(Serialize, Deserialize)]
struct Bound {
    #[serde(flatten)]
    line: LedgerLine,
    chain: String,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it means")]
pub enum LedgerError {
    #[error("the ledger {} cannot be {what}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

type Result<T> = std::result::Result<T, LedgerError>;

/// The content of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerContent {
    /// Every line that can be read, in order.
    pub lines: Vec<LedgerLine>,
    /// Lines of the file, from 1, that cannot be read or do not fit the line before: something was changed there or
    /// removed.
    pub broken: Vec<u64>,
    /// Digest of the last line.
    last: String,
}

/// The ledger's file.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger of a state directory. The file is created with the first line.
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("ledger.jsonl") }
    }

    /// Reads the whole ledger; an empty one if there is no file.
    pub fn read(&self) -> Result<LedgerContent> {
        match std::fs::read(&self.path) {
            Ok(text) => Ok(parse(&text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(LedgerContent::default()),
            Err(e) => Err(self.failed("read", e)),
        }
    }

    /// Appends a line, durably. `time`: RFC 3339, UTC.
    pub fn write(&self, time: &str, event: LedgerEvent) -> Result<()> {
        let appended = append_line(&self.path, |before| {
            let content = parse(before);
            let line = LedgerLine { line: content.lines.last().map_or(1, |l| l.line + 1), time: time.to_owned(), event };
            let chain = chain(&content.last, &line);
            Ok(serde_json::to_string(&Bound { line, chain })?)
        });
        appended.map_err(|(what, source)| self.failed(what, source))
    }

    fn failed(&self, what: &'static str, source: io::Error) -> LedgerError {
        LedgerError::Io { what, path: self.path.clone(), source }
    }
}

/// Appends a line to a file that is only ever appended to, durably. `line` makes the line from the present content. An
/// error names the step that failed.
///
/// Two runs at once wait for each other. A line that was cut off stays, and is reported when the file is read; the new
/// one follows it.
pub fn append_line(
    path: &Path,
    line: impl FnOnce(&[u8]) -> io::Result<String>,
) -> std::result::Result<(), (&'static str, io::Error)> {
    let mut options = OpenOptions::new();
    let file = options.read(true).append(true).create(true).mode(0o600).open(path).map_err(|e| ("opened", e))?;
    let mut file = FileLock::wait(file).map_err(|e| ("locked", e))?;
    let mut before = Vec::new();
    file.read_to_end(&mut before).map_err(|e| ("read", e))?;
    let begin = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let line = line(&before).map_err(|e| ("written", e))?;
    file.write_all(format!("{begin}{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(|e| ("written", e))
}

fn parse(text: &[u8]) -> LedgerContent {
    let mut content = LedgerContent::default();
    for (number, bytes) in (1..).zip(text.split(|b| *b == b'\n').filter(|l| !l.is_empty())) {
        match serde_json::from_slice::<Bound>(bytes) {
            Ok(bound) => {
                if bound.chain != chain(&content.last, &bound.line)
                    || bound.line.line != content.lines.last().map_or(1, |l| l.line + 1)
                {
                    content.broken.push(number);
                }
                content.last = bound.chain;
                content.lines.push(bound.line);
            }
            Err(_) => content.broken.push(number),
        }
    }
    content
}

/// Digest of a line and of the one before.
fn chain(before: &str, line: &LedgerLine) -> String {
    let text = serde_json::to_string(line).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(before.len() as u64).to_le_bytes()).update(before.as_bytes()).update(text.as_bytes());
    hex(&hasher.finalize().as_bytes()[..16])
}

/// What the ledger says about one medium. Times are RFC 3339, UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MediumAccount {
    /// The medium's name.
    pub name: String,
    /// The set's id in hexadecimal.
    pub set: String,
    /// The pool that it belongs to.
    pub pool: Option<String>,
    /// Model and serial number of the hardware, where known.
    pub device: Option<String>,
    /// What it is, where known.
    pub kind: Option<MediumKind>,
    /// It is a copy of another medium: no backup is written to it.
    pub is_copy: bool,
    /// When it was registered.
    pub registered: String,
    /// The location that somebody took it to last.
    pub location: Option<String>,
    /// That location is outside the hospital.
    pub off_site: bool,
    /// When it was last known to be attached.
    pub attached: Option<String>,
    /// When it was seen to be detached after that.
    pub detached: Option<String>,
    /// It was attached, and neither seen to be detached nor moved since.
    pub at_host: bool,
    /// Time, generation and check code of what was written last.
    pub written: Option<(String, u64, String)>,
    /// Time of the last scrub, and how many objects were damaged.
    pub scrubbed: Option<(String, u64)>,
}

impl LedgerContent {
    /// All registered media, by name.
    pub fn media(&self) -> BTreeMap<String, MediumAccount> {
        let mut media: BTreeMap<String, MediumAccount> = BTreeMap::new();
        for l in &self.lines {
            let name = l.event.medium().to_owned();
            let new = MediumAccount { name: name.clone(), registered: l.time.clone(), ..MediumAccount::default() };
            match &l.event {
                LedgerEvent::Registered { set, pool, device, kind, .. } => {
                    let (set, pool, device, kind) = (set.clone(), pool.clone(), device.clone(), *kind);
                    media.insert(name, MediumAccount { set, pool, device, kind, ..new });
                    continue;
                }
                LedgerEvent::Copied { set, device, kind, generation, check_code, .. } => {
                    let copy = media.entry(name).or_insert(new);
                    (copy.set, copy.kind, copy.is_copy) = (set.clone(), Some(*kind), true);
                    copy.device = device.clone().or(copy.device.take());
                    (copy.attached, copy.detached, copy.at_host) = (Some(l.time.clone()), None, true);
                    copy.written = Some((l.time.clone(), *generation, check_code.clone()));
                    continue;
                }
                _ => {}
            }
            let Some(m) = media.get_mut(l.event.medium()) else { continue };
            match &l.event {
                LedgerEvent::Attached { device, .. } => {
                    (m.attached, m.detached, m.at_host) = (Some(l.time.clone()), None, true);
                    m.device = device.clone().or(m.device.take());
                }
                LedgerEvent::Written { generation, check_code, .. } => {
                    m.written = Some((l.time.clone(), *generation, check_code.clone()));
                }
                LedgerEvent::Detached { seen: true, .. } => (m.detached, m.at_host) = (Some(l.time.clone()), false),
                LedgerEvent::Moved { to, off_site, .. } => {
                    (m.location, m.off_site, m.at_host) = (Some(to.clone()), *off_site, false);
                }
                LedgerEvent::Scrubbed { damaged, .. } => m.scrubbed = Some((l.time.clone(), *damaged)),
                _ => {}
            }
        }
        media
    }

    /// Names of those of `media` on which generations were written, in the order of writing; a name for each
    /// generation.
    pub fn written_media<'b>(&'b self, media: &'b [String]) -> impl DoubleEndedIterator<Item = &'b str> {
        self.lines.iter().filter_map(move |l| match &l.event {
            LedgerEvent::Written { medium, .. } if media.contains(medium) => Some(medium.as_str()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(medium: &str, to: &str) -> LedgerEvent {
        LedgerEvent::Moved {
            medium: medium.into(),
            to: to.into(),
            by: "鈴木".into(),
            witness: Some("佐藤".into()),
            off_site: false,
        }
    }

    #[test]
    fn lines_come_back_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        assert_eq!(ledger.read().unwrap().lines, []);
        let set = "00".repeat(16);
        let registered = LedgerEvent::Registered {
            medium: "CL-01".into(),
            set: set.clone(),
            pool: Some("disks".into()),
            device: None,
            kind: None,
        };
        let written =
            LedgerEvent::Written { medium: "CL-01".into(), generation: 3, check_code: "JHFB".into(), verdict: "good".into() };
        for (n, event) in [registered, written, moved("CL-01", "金庫")].into_iter().enumerate() {
            ledger.write(&format!("2026-11-2{n}T01:30:00Z"), event).unwrap();
        }
        let content = ledger.read().unwrap();
        assert_eq!((content.lines.len(), &content.broken[..]), (3, &[][..]));
        let media = content.media();
        let m = &media["CL-01"];
        assert_eq!((&m.set, m.location.as_deref(), m.written.as_ref().unwrap().1), (&set, Some("金庫"), 3));
    }

    #[test]
    fn a_line_that_was_changed_removed_or_inserted_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        for n in 0..5 {
            ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {n}"))).unwrap();
        }
        let path = dir.path().join("ledger.jsonl");
        let good = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = good.lines().collect();
        let bend = |lines: Vec<String>| {
            std::fs::write(&path, lines.join("\n") + "\n").unwrap();
            ledger.read().unwrap().broken
        };
        for n in 0..5 {
            let mut changed: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
            changed[n] = changed[n].replace("鈴木", "田中");
            assert_eq!(bend(changed), [n as u64 + 1]);
        }
        for n in 0..4 {
            let mut fewer: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
            fewer.remove(n);
            assert_eq!(bend(fewer), [n as u64 + 1]);
        }
        let mut more: Vec<String> = lines.iter().map(|l| (*l).to_string()).collect();
        more.insert(2, lines[1].to_string());
        assert!(bend(more).contains(&3));
    }

    #[test]
    fn a_line_that_was_cut_off_stays_and_the_next_one_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        ledger.write("2026-11-23T01:30:00Z", moved("CL-01", "棚")).unwrap();
        let path = dir.path().join("ledger.jsonl");
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"line\":2,\"time\":\"20");
        std::fs::write(&path, text).unwrap();
        ledger.write("2026-11-24T01:30:00Z", moved("CL-01", "金庫")).unwrap();
        let content = ledger.read().unwrap();
        assert_eq!((content.lines.len(), &content.broken[..]), (2, &[2][..]));
    }

    #[test]
    fn runs_at_once_write_one_line_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::of(dir.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let ledger = &ledger;
                scope.spawn(move || {
                    (0..25).for_each(|n| {
                        ledger.write("2026-11-23T01:30:00Z", moved("CL-01", &format!("棚 {thread}.{n}"))).unwrap();
                    });
                });
            }
        });
        let content = ledger.read().unwrap();
        assert_eq!((content.lines.len(), &content.broken[..]), (100, &[][..]));
    }

    /// Digests have no key: whoever removes the first lines can make them anew.
    #[test]
    fn a_line_with_another_number_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let line = LedgerLine { line: 2, time: "2026-11-23T01:30:00Z".into(), event: moved("CL-01", "棚") };
        let bound = Bound { chain: chain("", &line), line };
        std::fs::write(dir.path().join("ledger.jsonl"), serde_json::to_string(&bound).unwrap() + "\n").unwrap();
        assert_eq!(Ledger::of(dir.path()).read().unwrap().broken, [1]);
    }
}
