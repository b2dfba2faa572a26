//! Evidence preservation (証拠保全): a folder that keeps what was done with a medium, by whom, and what came of it.
//!
//! `record.jsonl` is the custody record: one JSON object a line, each with the SHA-256 of the line before, so that a line that is edited,
//! taken out or put in is found with `sha256sum` alone; of the last line the paper holds the digest. `results/` has what each command
//! answered, `seals/` the medium's seals as they lay there.
//!
//! **Invariant:** nothing in the folder is ever written over.

use super::open::OpenSet;
use super::restore::RestoreError;
use super::{TOOL, World};
use crate::format::object::{Kind, file_name};
use crate::ledger::append_line;
use crate::pipeline::hasher::Digests;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Who begins, and with what.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The medium that is evidence. It is only read.
    pub from: PathBuf,
    /// A new or empty folder.
    pub to: PathBuf,
    pub by: String,
    pub witness: String,
    /// Where the people and the medium are.
    pub place: String,
    /// The program that does it, for its digest.
    pub program: PathBuf,
}

/// How a session began.
#[derive(Debug, Clone)]
pub struct Started {
    pub seals: u64,
    /// SHA-256 of the program.
    pub program: String,
    /// The medium could be written to: whoever mounted it did not prevent that.
    pub writable: bool,
}

/// What a check of a record found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    pub lines: u64,
    /// SHA-256 of the last line: for the paper.
    pub last: String,
    /// Lines that do not fit the one before, or are none, from 1.
    pub broken: Vec<u64>,
    /// Files in the record that are missing or are not what it says.
    pub files: Vec<String>,
}

impl Checked {
    pub fn is_good(&self) -> bool {
        self.lines > 0 && self.broken.is_empty() && self.files.is_empty()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error("{} is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("{} holds no record", path.display())]
    NoRecord { path: PathBuf },
    #[error("{} cannot be {what}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the medium cannot be read")]
    Medium(#[source] RestoreError),
}

type Result<T> = std::result::Result<T, EvidenceError>;

const RECORD: &str = "record.jsonl";

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Io { what, path, source }
}

fn sha256(bytes: &[u8]) -> String {
    Digests::of(bytes, true).sha256.map_or_else(String::new, |d| crate::format::object::hex(&d))
}

/// Begins a session: the people, the program, the medium and its seals.
pub fn start(options: &StartOptions, world: &World) -> Result<Started> {
    let to = &options.to;
    std::fs::create_dir_all(to).map_err(failed("made", to))?;
    if std::fs::read_dir(to).map_err(failed("read", to))?.next().is_some() {
        return Err(EvidenceError::NotEmpty { path: to.clone() });
    }
    // Before it is opened: a drive is opened by one at a time.
    let writable = crate::medium::is_writable(&options.from);
    let opened = OpenSet::open(&options.from, None, world.loader).map_err(EvidenceError::Medium)?;
    let chain = opened.chain().map_err(EvidenceError::Medium)?;
    for folder in ["results", "seals"] {
        std::fs::create_dir(to.join(folder)).map_err(failed("made", &to.join(folder)))?;
    }
    let mut files = Map::new();
    for link in &chain.links {
        let (name, bytes) = (format!("seals/{}", file_name(link.number, Kind::Seal)), link.bytes());
        write_new(&to.join(&name), &bytes)?;
        files.insert(name, sha256(&bytes).into());
    }
    let program = std::fs::read(&options.program).map_err(failed("read", &options.program))?;
    let label = chain.label.as_ref();
    let started = Started { seals: chain.links.len() as u64, program: sha256(&program), writable };
    append(
        to,
        world,
        json!({
            "event": "started",
            "by": options.by,
            "witness": options.witness,
            "place": options.place,
            "host": world.host,
            "tool": TOOL,
            "program_sha256": started.program,
            "medium": {
                "at": options.from.display().to_string(),
                "set": chain.set.to_string(),
                "set_name": label.map(|l| &l.name),
                "medium": label.map(|l| l.medium.to_string()),
                "number": label.map(|l| l.place),
                "device": crate::medium::device_name(&options.from),
                "writable": started.writable,
            },
            "files": files,
        }),
    )?;
    Ok(started)
}

/// Adds what a command answered.
pub fn add(folder: &Path, command: &str, arguments: &[String], exit: u8, result: &[u8], world: &World) -> Result<()> {
    let lines = check(folder)?.lines;
    let name = format!("results/{:04}-{command}.json", lines + 1);
    write_new(&folder.join(&name), result)?;
    let event = json!({
        "event": "command",
        "command": command,
        "arguments": arguments,
        "exit_code": exit,
        "files": { name: sha256(result) },
    });
    append(folder, world, event)
}

fn append(folder: &Path, world: &World, mut event: Value) -> Result<()> {
    let path = folder.join(RECORD);
    let appended = append_line(&path, |before| {
        let last = before.strip_suffix(b"\n").unwrap_or(before).rsplit(|b| *b == b'\n').next().unwrap_or_default();
        event["time"] = world.time_text().into();
        event["previous"] = if before.is_empty() { Value::Null } else { sha256(last).into() };
        Ok(event.to_string())
    });
    appended.map_err(|(what, source)| failed(what, &path)(source))
}

/// Checks the record against itself and the files that it names.
pub fn check(folder: &Path) -> Result<Checked> {
    let path = folder.join(RECORD);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(EvidenceError::NoRecord { path: folder.to_owned() }),
        Err(e) => return Err(failed("read", &path)(e)),
    };
    let mut checked = Checked::default();
    let mut expected = Value::Null;
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    for line in body.split(|b| *b == b'\n') {
        checked.lines += 1;
        checked.last = sha256(line);
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        if !event.is_object() || event["previous"] != expected {
            checked.broken.push(checked.lines);
        }
        expected = checked.last.clone().into();
        for (name, digest) in event["files"].as_object().into_iter().flatten() {
            let is_inside = Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_)));
            let there = if is_inside { std::fs::read(folder.join(name)).ok() } else { None };
            if there.is_none_or(|bytes| Some(&sha256(&bytes)[..]) != digest.as_str()) {
                checked.files.push(name.clone());
            }
        }
    }
    if !text.ends_with(b"\n") {
        checked.broken.push(checked.lines);
    }
    Ok(checked)
}

/// Copies a session into a new folder, with a page that says how to check it without this program.
pub fn export(folder: &Path, to: &Path, page: &str) -> Result<Checked> {
    let checked = check(folder)?;
    std::fs::create_dir(to).map_err(failed("made", to))?;
    let mut sums = String::new();
    for inner in ["results", "seals"] {
        std::fs::create_dir(to.join(inner)).map_err(failed("made", &to.join(inner)))?;
    }
    let mut names = vec![RECORD.to_owned()];
    for inner in ["results", "seals"] {
        let from = folder.join(inner);
        for entry in std::fs::read_dir(&from).map_err(failed("read", &from))? {
            let entry = entry.map_err(failed("read", &from))?;
            names.push(format!("{inner}/{}", entry.file_name().to_string_lossy()));
        }
    }
    names.sort();
    for name in names {
        let bytes = std::fs::read(folder.join(&name)).map_err(failed("read", &folder.join(&name)))?;
        write_new(&to.join(&name), &bytes)?;
        sums.push_str(&format!("{}  {name}\n", sha256(&bytes)));
    }
    write_new(&to.join("README.txt"), page.as_bytes())?;
    sums.push_str(&format!("{}  README.txt\n", sha256(page.as_bytes())));
    write_new(&to.join("SHA256SUMS"), sums.as_bytes())?;
    Ok(checked)
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file: File = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed("made", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("written", path))
}
