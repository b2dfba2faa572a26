//! What a command gives back, and how it is printed: results on standard output, talk on standard error.

use super::exit::Exit;
use super::explain::{Explained, io_reason};
use super::text::message;
use azekura::answer::{Document, SCHEMA_VERSION};
use azekura::env::TOOL;
use serde::Serialize;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A command's result, for people and for programs.
#[derive(Debug)]
pub struct Outcome {
    pub exit: Exit,
    /// Whole lines.
    pub text: String,
    pub json: Value,
}

impl Outcome {
    pub fn new(exit: Exit, text: String, answer: &impl Serialize) -> Self {
        // Answers are plain structs with text keys: turning them into JSON does not fail.
        Self { exit, text, json: serde_json::to_value(answer).unwrap_or_default() }
    }

    pub fn good(text: String, answer: &impl Serialize) -> Self {
        Self::new(Exit::Good, text, answer)
    }
}

/// Prints a result; `--json` prints nothing else on standard output.
pub fn print(outcome: &Result<Outcome, Explained>, command: Option<&str>, json: bool) -> Exit {
    let (exit, document) = document_of(command, outcome);
    if let Err(e) = outcome {
        to_stderr(&e.text());
    }
    let printed = match outcome {
        _ if json => to_stdout(&document),
        Ok(o) => to_stdout(&o.text),
        Err(_) => Ok(()),
    };
    match printed {
        Ok(()) => exit,
        // Whoever read it has seen enough: that is no failure of ours.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => exit,
        Err(e) => {
            to_stderr(&Explained::from_output(&e).text());
            // What was done is done; only a good end may not be claimed when nobody could be told of it.
            exit.max(Exit::Failed)
        }
    }
}

/// The document that `--json` prints, whatever is printed.
pub fn document_of(command: Option<&str>, outcome: &Result<Outcome, Explained>) -> (Exit, String) {
    let (exit, result, error) = match outcome {
        Ok(o) => (o.exit, Some(&o.json), None),
        Err(e) => (e.exit, None, Some(e.failure())),
    };
    let document = Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.into(),
        command: command.map(Into::into),
        exit_code: Some(exit.code().into()),
        result,
        error,
    };
    // By way of a value, whose members are in the order of their names.
    (exit, format!("{:#}\n", serde_json::to_value(document).unwrap_or_default()))
}

pub fn to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a new file that only its owner can read, and makes it durable. What is there already stays as it is.
pub fn create_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// The same for a result that the user named a file for.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Explained> {
    create_new(path, bytes).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Explained::new(message!("error.file.exists", path = path), Exit::Failed),
        _ => Explained::new(message!("error.file.write", path = path), Exit::Failed).cause(io_reason(&e)),
    })
}

/// Says something on the side. When standard error is closed there is nobody to tell.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
