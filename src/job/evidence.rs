//! Evidence preservation (証拠保全): a folder that keeps what was done with a medium, by whom, and what came of it.
//!
//! `record.jsonl` is the custody record: one JSON object a line, each with the SHA-256 of the line before, so that a line that is edited,
//! taken out or put in is found with `sha256sum` alone; of the last line the paper holds the digest. `results/` has what each command
//! answered, `reports/` the pages that it made, `seals/` the medium's seals as they lay there.
//!
//! **Invariant:** nothing in the folder is ever written over.

use super::open::OpenSet;
use super::restore::RestoreError;
use super::{TOOL, World};
use crate::format::object::{Kind, file_name, hex};
use crate::pipeline::hasher::{ContentHasher, Digests};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
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
/// Made with the first page.
const REPORTS: &str = "reports";

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Io { what, path, source }
}

fn sha256(bytes: &[u8]) -> String {
    Digests::of(bytes, true).sha256.map_or_else(String::new, |d| hex(&d))
}

/// Begins a session: the people, the program, the medium and its seals.
pub fn start(options: &StartOptions, world: &World) -> Result<Started> {
    let to = &options.to;
    std::fs::create_dir_all(to).map_err(failed("made", to))?;
    if std::fs::read_dir(to).map_err(failed("read", to))?.next().is_some() {
        return Err(EvidenceError::NotEmpty { path: to.clone() });
    }
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
    let started = Started {
        seals: chain.links.len() as u64,
        program: sha256(&program),
        writable: crate::medium::is_writable(&options.from),
    };
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

/// What a command answered.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub command: &'a str,
    pub arguments: &'a [String],
    pub exit: u8,
    pub result: &'a [u8],
    /// Pages that it made, with their names.
    pub pages: &'a [(String, Vec<u8>)],
}

/// Adds what a command answered, and the pages that it made.
pub fn add(folder: &Path, answer: &Answer, world: &World) -> Result<()> {
    let number = read_record(folder)?.lines.len() + 1;
    let mut files = Map::new();
    let name = format!("results/{number:04}-{}.json", answer.command);
    write_new(&folder.join(&name), answer.result)?;
    files.insert(name, sha256(answer.result).into());
    for (page, bytes) in answer.pages {
        let reports = folder.join(REPORTS);
        std::fs::create_dir_all(&reports).map_err(failed("made", &reports))?;
        let name = format!("{REPORTS}/{number:04}-{page}");
        write_new(&folder.join(&name), bytes)?;
        files.insert(name, sha256(bytes).into());
    }
    let event = json!({
        "event": "command",
        "command": answer.command,
        "arguments": answer.arguments,
        "exit_code": answer.exit,
        "files": files,
    });
    append(folder, world, event)
}

fn append(folder: &Path, world: &World, mut event: Value) -> Result<()> {
    let path = folder.join(RECORD);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).append(true).create(true).mode(0o600).open(&path).map_err(failed("opened", &path))?;
    flock(&file, FlockOperation::LockExclusive).map_err(|e| failed("locked", &path)(e.into()))?;
    let mut before = Vec::new();
    file.read_to_end(&mut before).map_err(failed("read", &path))?;
    // A line that was cut off stays, and breaks the record: nobody can say what it was to be.
    let cut_off = !before.is_empty() && !before.ends_with(b"\n");
    let last = before.strip_suffix(b"\n").unwrap_or(&before).rsplit(|b| *b == b'\n').next().unwrap_or_default();
    event["time"] = world.time_text().into();
    event["previous"] = if before.is_empty() { Value::Null } else { sha256(last).into() };
    let line = format!("{}{event}\n", if cut_off { "\n" } else { "" });
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("written", &path))
}

/// A line of a record.
#[derive(Debug, Clone)]
pub struct Line {
    /// From 1.
    pub number: u64,
    /// Null where the line cannot be read.
    pub event: Value,
    /// It follows the line before it.
    pub fits: bool,
}

/// A record as it lies there.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub lines: Vec<Line>,
    /// SHA-256 of the last line.
    pub last: String,
}

/// A record takes some 400 bytes a command: this is enough for a hundred thousand.
const RECORD_BYTES: u64 = 64 << 20;

/// Reads a record, and which of its lines follow the one before.
pub fn read_record(folder: &Path) -> Result<Record> {
    let path = folder.join(RECORD);
    let mut text = Vec::new();
    let read = open_file(&path).and_then(|f| f.take(RECORD_BYTES + 1).read_to_end(&mut text));
    match read {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(EvidenceError::NoRecord { path: folder.to_owned() }),
        read => read.map_err(failed("read", &path))?,
    };
    if text.len() as u64 > RECORD_BYTES {
        return Err(failed("read", &path)(io::ErrorKind::FileTooLarge.into()));
    }
    let mut record = Record::default();
    let mut expected = Value::Null;
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    for (line, number) in body.split(|b| *b == b'\n').zip(1..) {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        let fits = event.is_object() && event["previous"] == expected;
        record.last = sha256(line);
        expected = record.last.clone().into();
        record.lines.push(Line { number, event, fits });
    }
    if let Some(last) = record.lines.last_mut() {
        // A line that was cut off is none, even where it can be read.
        last.fits &= text.ends_with(b"\n");
    }
    Ok(record)
}

/// Opens a file of a session that was named by its record: nothing outside, no link, and nothing that would be waited for.
pub fn open_named(folder: &Path, name: &str) -> io::Result<File> {
    if !Path::new(name).components().all(|c| matches!(c, std::path::Component::Normal(_))) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    open_file(&folder.join(name))
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

/// SHA-256 of a file of the session, in hexadecimal.
fn sha256_of(mut file: File) -> io::Result<String> {
    let mut hasher = ContentHasher::new(true);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex_sha256(hasher)),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// What a hasher of files says, as records write it.
pub fn hex_sha256(hasher: ContentHasher) -> String {
    hasher.finish().sha256.map_or_else(String::new, |d| hex(&d))
}

/// The files that a line names, with the digests that it gives.
pub fn files_of(event: &Value) -> impl Iterator<Item = (&String, Option<&str>)> {
    event["files"].as_object().into_iter().flatten().map(|(name, digest)| (name, digest.as_str()))
}

/// Checks the record against itself and the files that it names.
pub fn check(folder: &Path) -> Result<Checked> {
    let record = read_record(folder)?;
    let broken = record.lines.iter().filter(|l| !l.fits).map(|l| l.number).collect();
    let mut files = Vec::new();
    for (name, digest) in record.lines.iter().flat_map(|l| files_of(&l.event)) {
        let there = open_named(folder, name).and_then(sha256_of).ok();
        if there.is_none_or(|there| Some(&there[..]) != digest) {
            files.push(name.clone());
        }
    }
    Ok(Checked { lines: record.lines.len() as u64, last: record.last, broken, files })
}

/// Copies a session into a new folder, with a page that says how to check it without this program.
pub fn export(folder: &Path, to: &Path, page: &str) -> Result<Checked> {
    let checked = check(folder)?;
    std::fs::create_dir(to).map_err(failed("made", to))?;
    let mut sums = String::new();
    let folders: Vec<&str> = ["results", "seals", REPORTS].into_iter().filter(|inner| folder.join(inner).is_dir()).collect();
    let mut names = vec![RECORD.to_owned()];
    for inner in folders {
        std::fs::create_dir(to.join(inner)).map_err(failed("made", &to.join(inner)))?;
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
