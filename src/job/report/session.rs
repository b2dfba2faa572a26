//! Reading a session of evidence: which of its lines hold, and what the commands answered that they tell of.
//!
//! **Invariant:** no answer is given that the record does not bind. Each line is bound by the one after it, so of a record that breaks
//! at a line, that line and all before it bind nothing; and an answer is used only as far as its bytes hash to what its line says.

use super::answers::Content;
use super::bounded::ShortTexts;
use crate::job::evidence::{Checked, EvidenceError, Line, check, files_of, hex_sha256, open_named, read_record};
use crate::pipeline::hasher::ContentHasher;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Where a fact is recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Line of the record, from 1.
    pub line: u64,
    /// The file that the line names; empty where the line says it itself.
    pub file: String,
}

/// How the session began.
#[derive(Debug, Clone, Default)]
pub struct Started {
    pub line: u64,
    pub time: String,
    pub by: String,
    pub witness: String,
    pub place: String,
    pub host: String,
    pub tool: String,
    pub program_sha256: String,
    pub set: Option<String>,
    pub set_name: Option<String>,
    pub medium: Option<String>,
    pub device: Option<String>,
    pub writable: Option<bool>,
}

/// A command that was run.
#[derive(Debug, Clone)]
pub struct Run {
    pub source: Source,
    pub time: String,
    pub command: String,
    pub exit_code: u64,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub source: Source,
    pub time: String,
    pub exit_code: u64,
    pub content: Content,
}

/// A session that was checked.
#[derive(Debug, Clone)]
pub struct Session {
    pub checked: Checked,
    pub started: Option<Started>,
    pub runs: Vec<Run>,
    pub answers: Vec<Answer>,
}

impl Session {
    /// Reads and checks a session.
    pub fn read(folder: &Path) -> Result<Self, EvidenceError> {
        let checked = check(folder)?;
        let record = read_record(folder)?;
        let last_break = record.lines.iter().filter(|l| !l.fits).map(|l| l.number).max().unwrap_or(0);
        let mut session = Self { checked, started: None, runs: Vec::new(), answers: Vec::new() };
        for line in record.lines.iter().filter(|l| l.number > last_break) {
            match line.event["event"].as_str() {
                Some("started") if session.started.is_none() => session.started = Some(started(line)),
                Some("command") => session.take(folder, line),
                _ => {}
            }
        }
        Ok(session)
    }

    fn take(&mut self, folder: &Path, line: &Line) {
        let command = text(&line.event["command"]);
        let result = files_of(&line.event).find(|(name, _)| name.starts_with("results/"));
        let file = result.map(|(name, _)| name.clone()).unwrap_or_default();
        let run = Run {
            source: Source { line: line.number, file },
            time: text(&line.event["time"]),
            exit_code: line.event["exit_code"].as_u64().unwrap_or(u64::MAX),
            command,
        };
        if let Some((name, Some(digest))) = result
            && let Some(content) = read(folder, name, digest, &run.command)
        {
            let (source, time) = (run.source.clone(), run.time.clone());
            self.answers.push(Answer { source, time, exit_code: run.exit_code, content });
        }
        self.runs.push(run);
    }

    /// The answers of one kind, in the order in which they were given.
    pub fn all<'a, T: 'a>(
        &'a self,
        kind: impl Fn(&'a Content) -> Option<&'a T> + 'a,
    ) -> impl Iterator<Item = (&'a T, &'a Answer)> {
        self.answers.iter().filter_map(move |a| kind(&a.content).map(|t| (t, a)))
    }

    /// The newest answer of one kind for each set, in the order of the sets' first ones.
    pub fn newest<'a, T: 'a>(
        &'a self,
        kind: impl Fn(&'a Content) -> Option<&'a T> + 'a,
        set: impl Fn(&T) -> &str,
    ) -> Vec<(&'a T, &'a Answer)> {
        let mut newest: Vec<(&T, &Answer)> = Vec::new();
        for (told, answer) in self.all(kind) {
            match newest.iter_mut().find(|(t, _)| set(t) == set(told)) {
                Some(known) => *known = (told, answer),
                None => newest.push((told, answer)),
            }
        }
        newest
    }

    pub fn is_good(&self) -> bool {
        self.checked.is_good()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn started(line: &Line) -> Started {
    let (event, medium) = (&line.event, &line.event["medium"]);
    let optional = |v: &Value| v.as_str().map(str::to_owned);
    Started {
        line: line.number,
        time: text(&event["time"]),
        by: text(&event["by"]),
        witness: text(&event["witness"]),
        place: text(&event["place"]),
        host: text(&event["host"]),
        tool: text(&event["tool"]),
        program_sha256: text(&event["program_sha256"]),
        set: optional(&medium["set"]),
        set_name: optional(&medium["set_name"]),
        medium: optional(&medium["medium"]),
        device: optional(&medium["device"]),
        writable: medium["writable"].as_bool(),
    }
}

/// What is read of the document that `--json` prints.
#[derive(Deserialize)]
struct Document<T> {
    command: Option<String>,
    #[serde(default = "Option::default")]
    result: Option<T>,
}

/// `None` where the file is not what the line says, holds an error, or is no answer that reports tell of.
fn read(folder: &Path, name: &str, digest: &str, command: &str) -> Option<Content> {
    let file = || open_named(folder, name).ok();
    match command {
        "verify" => parse(file()?, digest, command).map(Content::Verify),
        "generations" => parse(file()?, digest, command).map(Content::Clean),
        "compare" => parse(file()?, digest, command).map(Content::Compare),
        "restore" => parse(file()?, digest, command).map(Content::Restore),
        "history" => parse(file()?, digest, command).map(Content::Period),
        "stamp.import" => parse(file()?, digest, command).map(Content::Stamp),
        "media.list" => parse(file()?, digest, command).map(Content::Media),
        "media.log" => parse(file()?, digest, command).map(Content::Ledger),
        "hold.on" | "hold.show" | "hold.off" => parse(file()?, digest, command).map(Content::Hold),
        "prove" | "check-proof" => parse(file()?, digest, command).map(Content::Proved),
        _ => None,
    }
}

/// Parses and hashes in one pass: what is used is what was hashed.
fn parse<T: DeserializeOwned>(file: File, digest: &str, command: &str) -> Option<Box<T>> {
    let hashed = Hashed { file, hasher: ContentHasher::new(true) };
    let mut reader = BufReader::with_capacity(64 << 10, ShortTexts::new(hashed));
    let document: Document<T> = serde_json::from_reader(&mut reader).ok()?;
    io::copy(&mut reader, &mut io::sink()).ok()?;
    let is_same = hex_sha256(reader.into_inner().into_inner().hasher) == digest;
    let is_of = document.command.as_deref() == Some(command);
    document.result.filter(|_| is_same && is_of).map(Box::new)
}

struct Hashed {
    file: File,
    hasher: ContentHasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
