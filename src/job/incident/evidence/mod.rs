//! Evidence preservation (証拠保全): a folder that keeps what was done with a medium, by whom, and with what result.
//!
//! `record.jsonl` is the custody record: one JSON object a line, each with the SHA-256 of the line before. A line that
//! was changed, removed or inserted is found with `sha256sum` alone; the digest of the last line is written on paper.
//! `results/` has what each command answered, `reports/` the pages that it made, `seals/` the medium's seals as they
//! were on the medium.
//!
//! **Invariant:** no file in the folder is ever overwritten, and the record is only appended to.

mod check;
mod export;
mod folder;
mod record;

pub use check::{RecordCheck, check};
pub use export::export;
pub use folder::{hex_sha256, open_named};
pub use record::{CustodyRecord, RecordLine, files_of, read_record};

use super::people::is_same_person;
use crate::env::{Env, TOOL};
use crate::format::cbor::Time;
use crate::format::object::{ObjectKind, file_name};
use crate::medium::{device_name, is_writable};
use crate::set::open::{OpenError, OpenSet};
use folder::{FOLDERS, REPORTS, sha256, write_new};
use serde_json::{Map, json};
use std::io;
use std::path::{Path, PathBuf};

/// Who starts a session, and with what.
#[derive(Debug, Clone)]
pub struct StartOptions {
    /// The medium that is evidence. It is only read.
    pub from: PathBuf,
    /// A new or empty folder.
    pub to: PathBuf,
    /// Who works with the medium.
    pub by: String,
    /// Who watches.
    pub witness: String,
    /// Where the people and the medium are.
    pub location: String,
    /// The program that is used: its digest is recorded.
    pub program: PathBuf,
}

/// How a session started.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionStart {
    /// Number of seals on the medium.
    pub seals: u64,
    /// SHA-256 of the program, in hexadecimal.
    pub program: String,
    /// The medium is mounted in a way that permits writing.
    pub writable: bool,
}

/// Why a session cannot be started, recorded or checked.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A new session needs a new or empty folder.
    #[error("{} is not empty", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Two names belong to one person, or one of them is empty.
    #[error("the witness is the same person, or has no name")]
    SamePerson,
    /// The folder is no session.
    #[error("there is no custody record in {}", path.display())]
    NoRecord {
        /// The folder.
        path: PathBuf,
    },
    /// A call to the system failed.
    #[error("{} cannot be {what}", path.display())]
    Io {
        /// What was done: `made`, `read`, `written` …
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The set on the medium cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

type Result<T> = std::result::Result<T, EvidenceError>;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> EvidenceError {
    let path = path.to_owned();
    move |source| EvidenceError::Io { what, path, source }
}

/// Starts a session: records the people, the program, the medium and its seals.
pub fn start(options: &StartOptions, env: &Env) -> Result<SessionStart> {
    if is_same_person(&options.by, &options.witness) {
        return Err(EvidenceError::SamePerson);
    }
    let to = &options.to;
    std::fs::create_dir_all(to).map_err(failed("made", to))?;
    if std::fs::read_dir(to).map_err(failed("read", to))?.next().is_some() {
        return Err(EvidenceError::NotEmpty { path: to.clone() });
    }
    // Before the set is opened: only one process at a time can open a tape drive.
    let writable = is_writable(&options.from);
    let opened = OpenSet::open(&options.from, None, env.loader)?;
    let chain = opened.chain()?;
    for folder in FOLDERS {
        std::fs::create_dir(to.join(folder)).map_err(failed("made", &to.join(folder)))?;
    }
    let mut files = Map::new();
    for link in &chain.links {
        let name = format!("seals/{}", file_name(link.number, ObjectKind::Seal));
        // Of a seal whose list is damaged the head remains.
        let bytes = link.bytes().unwrap_or_else(|| link.head_bytes());
        write_new(&to.join(&name), &bytes)?;
        files.insert(name, sha256(&bytes).into());
    }
    let program = std::fs::read(&options.program).map_err(failed("read", &options.program))?;
    let label = chain.label.as_ref();
    let started = SessionStart { seals: chain.links.len() as u64, program: sha256(&program), writable };
    record::append(
        to,
        env.now,
        json!({
            "event": "started",
            "by": options.by,
            "witness": options.witness,
            "place": options.location,
            "host": env.host,
            "tool": TOOL,
            "program_sha256": started.program,
            "medium": {
                "at": options.from.display().to_string(),
                "set": chain.set.to_string(),
                "set_name": label.map(|l| &l.name),
                "medium": label.map(|l| l.medium.to_string()),
                "number": label.map(|l| l.place),
                "device": device_name(&options.from),
                "writable": started.writable,
            },
            "files": files,
        }),
    )?;
    Ok(started)
}

/// What a command answered.
#[derive(Debug, Clone, Copy)]
pub struct RecordedAnswer<'a> {
    /// The command, as JSON names it.
    pub command: &'a str,
    /// As they were typed.
    pub arguments: &'a [String],
    /// Exit code.
    pub exit: u8,
    /// The answer, as `--json` prints it.
    pub result: &'a [u8],
    /// Pages that the command made, with their names.
    pub pages: &'a [(String, Vec<u8>)],
}

/// Adds the answer of a command, and the pages that it made, to the session. `now`: the clock.
pub fn add(folder: &Path, answer: &RecordedAnswer, now: &dyn Fn() -> Time) -> Result<()> {
    // A power cut may leave a result without a line in the record: its number is not used again.
    let is_free = |n: &usize| !folder.join(result_name(*n, answer.command)).exists();
    let number = (read_record(folder)?.lines.len() + 1..).find(is_free).unwrap_or_default();
    let mut files = Map::new();
    let name = result_name(number, answer.command);
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
    record::append(folder, now, event)
}

fn result_name(number: usize, command: &str) -> String {
    format!("results/{number:04}-{command}.json")
}

#[cfg(test)]
mod tests;
