//! Reading a session of evidence: which of its lines hold, and what the commands answered that they tell of.
//!
//! **Invariant:** no answer is given that the record does not bind. Each line is bound by the one after it, so of a record that breaks
//! at a line, that line and all before it bind nothing; and an answer is used only as far as its bytes hash to what its line says.

use super::answers::Content;
use super::judge::Mark;
use crate::answer::{Document, ShortTexts};
use crate::job::incident::evidence::{
    EvidenceError, RecordCheck, RecordLine, check, files_of, hex_sha256, open_named, read_record,
};
use crate::pipeline::hasher::ContentHasher;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
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
    /// `None` where the line has none.
    pub exit_code: Option<u64>,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub command: String,
    pub source: Source,
    pub time: String,
    pub exit_code: u64,
    pub content: Content,
    /// The same command answered again later, and nobody knows what.
    pub is_outdated: bool,
}

impl Answer {
    /// A mark that this answer gives, as far as the command ended with a code that goes with it and nothing unknown came later.
    pub fn sure(&self, mark: Mark, exits: &[u64]) -> Mark {
        match mark {
            Mark::Good | Mark::Partly if self.is_outdated || !exits.contains(&self.exit_code) => Mark::Unknown,
            mark => mark,
        }
    }
}

/// A session that was checked.
#[derive(Debug, Clone)]
pub struct Session {
    pub checked: RecordCheck,
    pub started: Option<Started>,
    pub runs: Vec<Run>,
    pub answers: Vec<Answer>,
    /// Runs whose answer is not there, was changed, or cannot be understood.
    pub lost: Vec<Run>,
}

impl Session {
    /// Reads and checks a session.
    pub fn read(folder: &Path) -> Result<Self, EvidenceError> {
        let checked = check(folder)?;
        let record = read_record(folder)?;
        let last_break = record.lines.iter().filter(|l| !l.fits).map(|l| l.number).max().unwrap_or(0);
        let mut session = Self { checked, started: None, runs: Vec::new(), answers: Vec::new(), lost: Vec::new() };
        for line in record.lines.iter().filter(|l| l.number > last_break) {
            match line.event["event"].as_str() {
                Some("started") if session.started.is_none() => session.started = Some(started(line)),
                Some("command") => session.take(folder, line),
                _ => {}
            }
        }
        // Whoever takes the newest answer away must not bring back the one before it.
        for lost in &session.lost {
            let earlier = session.answers.iter_mut().filter(|a| a.source.line < lost.source.line);
            earlier.filter(|a| a.command == lost.command).for_each(|a| a.is_outdated = true);
        }
        Ok(session)
    }

    fn take(&mut self, folder: &Path, line: &RecordLine) {
        let command = text(&line.event["command"]);
        let result = files_of(&line.event).find(|(name, _)| name.starts_with("results/"));
        let file = result.map(|(name, _)| name.clone()).unwrap_or_default();
        let run = Run {
            source: Source { line: line.number, file },
            time: text(&line.event["time"]),
            exit_code: line.event["exit_code"].as_u64(),
            command,
        };
        let name = result.map(|(name, digest)| (&name[..], digest.unwrap_or_default()));
        match read(folder, name.unwrap_or_default(), &run) {
            Told::Answer(content) => self.answers.push(Answer {
                command: run.command.clone(),
                source: run.source.clone(),
                time: run.time.clone(),
                exit_code: run.exit_code.unwrap_or(u64::MAX),
                content,
                is_outdated: false,
            }),
            Told::Lost => self.lost.push(run.clone()),
            Told::Nothing => {}
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

    pub fn is_good(&self) -> bool {
        self.checked.is_good()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn started(line: &RecordLine) -> Started {
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

/// Answers of the same commands that no report tells of: a list of generations, the versions of one path.
#[derive(Deserialize)]
struct Other {
    sets: Option<IgnoredAny>,
    versions: Option<IgnoredAny>,
}

enum Told {
    Answer(Content),
    /// An error, or nothing that reports tell of.
    Nothing,
    Lost,
}

fn read(folder: &Path, (name, digest): (&str, &str), run: &Run) -> Told {
    let from = From { folder, name, digest, run };
    match &run.command[..] {
        "backup" => from.told(Content::Backup),
        "verify" => from.told(Content::Verify),
        "generations" => from.told(Content::Clean),
        "compare" => from.told(Content::Compare),
        "restore" => from.told(Content::Restore),
        "history" => from.told(Content::Period),
        "stamp.import" => from.told(Content::Stamp),
        "media.list" => from.told(Content::Media),
        "media.log" => from.told(Content::Ledger),
        "hold.on" | "hold.show" | "hold.off" => from.told(Content::Hold),
        "prove" => from.told(Content::Proof),
        "check-proof" => from.told(Content::CheckedProof),
        _ => Told::Nothing,
    }
}

/// Where an answer lies, and what its line says of it.
struct From<'a> {
    folder: &'a Path,
    name: &'a str,
    digest: &'a str,
    run: &'a Run,
}

impl From<'_> {
    fn told<T: DeserializeOwned>(&self, kind: impl Fn(Box<T>) -> Content) -> Told {
        if let Some(Some(answer)) = self.parse() {
            return Told::Answer(kind(answer));
        }
        match self.parse::<Other>() {
            // A command that failed says why, and nothing else.
            Some(None) if self.run.exit_code.is_some_and(|code| code != 0) => Told::Nothing,
            Some(Some(other)) if other.sets.is_some() || other.versions.is_some() => Told::Nothing,
            _ => Told::Lost,
        }
    }

    /// Parses and hashes in one pass: what is used is what was hashed. `None` where the file is not what the line says.
    fn parse<T: DeserializeOwned>(&self) -> Option<Option<Box<T>>> {
        let hashed = Hashed { file: open_named(self.folder, self.name).ok()?, hasher: ContentHasher::new(true) };
        let mut reader = BufReader::with_capacity(64 << 10, ShortTexts::new(hashed));
        let document: Document<T> = serde_json::from_reader(&mut reader).ok()?;
        io::copy(&mut reader, &mut io::sink()).ok()?;
        let is_same = hex_sha256(reader.into_inner().into_inner().hasher) == self.digest;
        let is_of = document.command.as_deref() == Some(&self.run.command) && document.exit_code == self.run.exit_code;
        (is_same && is_of).then(|| document.result.map(Box::new))
    }
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
