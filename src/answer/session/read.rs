//! Reads a session of evidence: which lines of its record are valid, and what the commands answered that they name.
//!
//! **Invariant:** no answer is used that the record does not bind. Each line is bound by the line after it. If the
//! record breaks at a line, that line and all lines before it bind nothing. An answer is used only if its bytes have
//! the digest that its line names.

use super::answers::Content;
use super::judge::Mark;
use crate::answer::{Document, ShortTexts};
use crate::job::incident::evidence::{
    EvidenceError, RecordCheck, RecordLine, check, files_of, hex_sha256, open_named, read_record,
};
use crate::pipeline::hasher::{DigestHasher, Hashes};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// Where a fact is recorded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FactSource {
    /// Line of the record, from 1.
    pub line: u64,
    /// The file that the line names; empty where the line says it itself.
    pub file: String,
}

/// How the session began.
#[derive(Debug, Clone, Default)]
pub struct Started {
    /// Line of the record, from 1.
    pub line: u64,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// Who began it.
    pub by: String,
    /// The second person.
    pub witness: String,
    /// Where the people were, in words.
    pub location: String,
    /// The name of the host.
    pub host: String,
    /// Name and version of the program.
    pub tool: String,
    /// SHA-256 of the program's file, in hexadecimal.
    pub program_sha256: String,
    /// The id of the set on the medium.
    pub set: Option<String>,
    /// The name of the set.
    pub set_name: Option<String>,
    /// The id of the medium.
    pub medium: Option<String>,
    /// What the hardware calls itself.
    pub device: Option<String>,
    /// Whether the medium could have been written to.
    pub writable: Option<bool>,
}

/// A command that was run.
#[derive(Debug, Clone)]
pub struct RecordedCommand {
    /// Where it is recorded.
    pub source: FactSource,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// The command, as JSON names it: `media.list`.
    pub command: String,
    /// `None` where the line has none.
    pub exit_code: Option<u64>,
}

/// What a command answered.
#[derive(Debug, Clone)]
pub struct SessionAnswer {
    /// The command, as JSON names it: `media.list`.
    pub command: String,
    /// Where the answer is recorded.
    pub source: FactSource,
    /// When, RFC 3339, UTC.
    pub time: String,
    /// The exit code of the command; `u64::MAX` where the line has none.
    pub exit_code: u64,
    /// The answer itself.
    pub content: Content,
    /// The same command answered again later, and that answer is lost.
    pub is_outdated: bool,
}

impl SessionAnswer {
    /// `mark`, which this answer supports, unless the command ended with another code than `exits` or a later answer is
    /// lost: then a good mark becomes unknown.
    pub fn supported_mark(&self, mark: Mark, exits: &[u64]) -> Mark {
        match mark {
            Mark::Good | Mark::Partly if self.is_outdated || !exits.contains(&self.exit_code) => Mark::Unknown,
            mark => mark,
        }
    }
}

/// A session that was checked.
#[derive(Debug, Clone)]
pub struct Session {
    /// What a check of the record found.
    pub checked: RecordCheck,
    /// How it began; `None` where that line does not count.
    pub started: Option<Started>,
    /// The commands that were run, in their order.
    pub runs: Vec<RecordedCommand>,
    /// The answers that count, in their order.
    pub answers: Vec<SessionAnswer>,
    /// Runs whose answer is not there, was changed, or cannot be understood.
    pub lost: Vec<RecordedCommand>,
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
                Some("command") => session.add_command(folder, line),
                _ => {}
            }
        }
        // Removing the newest answer must not make the one before it count again.
        for lost in &session.lost {
            let earlier = session.answers.iter_mut().filter(|a| a.source.line < lost.source.line);
            earlier.filter(|a| a.command == lost.command).for_each(|a| a.is_outdated = true);
        }
        Ok(session)
    }

    fn add_command(&mut self, folder: &Path, line: &RecordLine) {
        let command = text(&line.event["command"]);
        let result = files_of(&line.event).find(|(name, _)| name.starts_with("results/"));
        let file = result.map(|(name, _)| name.clone()).unwrap_or_default();
        let run = RecordedCommand {
            source: FactSource { line: line.number, file },
            time: text(&line.event["time"]),
            exit_code: line.event["exit_code"].as_u64(),
            command,
        };
        let name = result.map(|(name, digest)| (&name[..], digest.unwrap_or_default()));
        match read(folder, name.unwrap_or_default(), &run) {
            ReadAnswer::Answer(content) => self.answers.push(SessionAnswer {
                command: run.command.clone(),
                source: run.source.clone(),
                time: run.time.clone(),
                exit_code: run.exit_code.unwrap_or(u64::MAX),
                content,
                is_outdated: false,
            }),
            ReadAnswer::Lost => self.lost.push(run.clone()),
            ReadAnswer::Nothing => {}
        }
        self.runs.push(run);
    }

    /// The answers of one kind, in the order in which they were given.
    pub fn all<'a, T: 'a>(
        &'a self,
        kind: impl Fn(&'a Content) -> Option<&'a T> + 'a,
    ) -> impl Iterator<Item = (&'a T, &'a SessionAnswer)> {
        self.answers.iter().filter_map(move |a| kind(&a.content).map(|t| (t, a)))
    }

    /// Whether the whole record is valid, and every file is what it says.
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
        location: text(&event["place"]),
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

/// Answers of the same commands that no report uses: a list of generations, the versions of one path.
#[derive(Deserialize)]
struct Other {
    sets: Option<IgnoredAny>,
    versions: Option<IgnoredAny>,
}

/// What was read of a command's answer.
enum ReadAnswer {
    Answer(Content),
    /// An error, or an answer that no report uses.
    Nothing,
    /// The file is missing, is not what was recorded, or cannot be understood.
    Lost,
}

fn read(folder: &Path, (name, digest): (&str, &str), run: &RecordedCommand) -> ReadAnswer {
    let recorded = RecordedFile { folder, name, digest, run };
    match &run.command[..] {
        "backup" => recorded.read_as(Content::Backup),
        "verify" => recorded.read_as(Content::Verify),
        "generations" => recorded.read_as(Content::Clean),
        "compare" => recorded.read_as(Content::Compare),
        "restore" => recorded.read_as(Content::Restore),
        "history" => recorded.read_as(Content::Period),
        "stamp.import" => recorded.read_as(Content::Stamp),
        "media.list" => recorded.read_as(Content::Media),
        "media.log" => recorded.read_as(Content::Ledger),
        "hold.on" | "hold.show" | "hold.off" | "hold.harmless" => recorded.read_as(Content::Hold),
        "prove" | "check-proof" => recorded.read_as(Content::Proof),
        _ => ReadAnswer::Nothing,
    }
}

/// The file of an answer, and what its line of the record says of it.
struct RecordedFile<'a> {
    folder: &'a Path,
    name: &'a str,
    digest: &'a str,
    run: &'a RecordedCommand,
}

impl RecordedFile<'_> {
    fn read_as<T: DeserializeOwned>(&self, kind: impl Fn(Box<T>) -> Content) -> ReadAnswer {
        if let Some(Some(answer)) = self.parse() {
            return ReadAnswer::Answer(kind(answer));
        }
        match self.parse::<Other>() {
            // A command that failed says why, and nothing else.
            Some(None) if self.run.exit_code.is_some_and(|code| code != 0) => ReadAnswer::Nothing,
            Some(Some(other)) if other.sets.is_some() || other.versions.is_some() => ReadAnswer::Nothing,
            _ => ReadAnswer::Lost,
        }
    }

    /// Parses and hashes in one pass: what is used is what was hashed. `None` where the file is not what the line says.
    fn parse<T: DeserializeOwned>(&self) -> Option<Option<Box<T>>> {
        let hashed = Hashed { file: open_named(self.folder, self.name).ok()?, hasher: DigestHasher::new(Hashes::Both) };
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
    hasher: DigestHasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}
