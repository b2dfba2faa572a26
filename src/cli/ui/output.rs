//! A command's outcome, and how it is printed: results on standard output, messages on standard error.

use super::exit::Exit;
use super::explain::{CommandError, io_reason};
use super::printable::is_plain;
use super::text::{Message, find, message};
use azekura::answer::{Document, SCHEMA_VERSION};
use azekura::env::TOOL;
use azekura::host::files;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// A command's result, for people and for programs.
#[derive(Debug)]
pub struct Outcome {
    pub exit: Exit,
    /// Whole lines.
    pub text: String,
    pub json: Value,
    /// Warnings of which the text's first line is the sum: they come behind it, as people look for that line.
    pub warnings: Vec<Message>,
    /// Of a run that has sealed: what to say where the result cannot be printed.
    pub unprinted: Option<Message>,
}

impl Outcome {
    pub fn new(exit: Exit, text: String, answer: &impl Serialize) -> Self {
        // Does not fail: answers are plain structs whose keys are text.
        Self { exit, text, json: serde_json::to_value(answer).unwrap_or_default(), warnings: Vec::new(), unprinted: None }
    }

    pub fn good(text: String, answer: &impl Serialize) -> Self {
        Self::new(Exit::Good, text, answer)
    }
}

/// Prints a result; `--json` prints nothing else on standard output.
pub fn print(outcome: &Result<Outcome, CommandError>, command: Option<&str>, json: bool) -> Exit {
    let (exit, document) = document_of(command, outcome);
    if let Err(e) = outcome {
        to_stderr(&e.text());
    }
    let printed = match outcome {
        _ if json => to_stdout(&document),
        Ok(o) => to_stdout(&o.text),
        Err(_) => Ok(()),
    };
    outcome.iter().flat_map(|o| &o.warnings).for_each(warn);
    match printed {
        Ok(()) => exit,
        // The reader closed the pipe: it has all it wanted.
        Err(e) if e.kind() == ErrorKind::BrokenPipe => exit,
        // The work is done. But without its result on standard output the end is not a good one.
        Err(e) => match outcome.as_ref().ok().and_then(|o| o.unprinted.clone()) {
            Some(sealed) => {
                to_stderr(&CommandError::new(sealed, exit.sealed_only()).cause(io_reason(&e)).text());
                exit.sealed_only()
            }
            None => {
                to_stderr(&CommandError::from_output(&e).text());
                exit.max(Exit::Failed)
            }
        },
    }
}

/// The exit code, and the document that `--json` prints.
pub fn document_of(command: Option<&str>, outcome: &Result<Outcome, CommandError>) -> (Exit, String) {
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
    // A `Value` has its members in the order of their names.
    (exit, json_text(&format!("{:#}\n", serde_json::to_value(document).unwrap_or_default())))
}

/// JSON with escapes for whatever is not plainly visible: it is read on terminals, too. Such characters are only within its texts.
fn json_text(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c == '\n' || is_plain(c) {
            true => out.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }),
        }
    }
    out
}

pub fn to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a result into a new file that the user named. Only its owner can read it.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    files::write_new(path, files::PRIVATE, bytes).map_err(|e| not_written(path, &e))
}

/// Why a new file that the user named could not be written.
pub fn not_written(path: &Path, error: &io::Error) -> CommandError {
    match error.kind() {
        ErrorKind::AlreadyExists => CommandError::new(message!("error.file.exists", path = path), Exit::Failed),
        _ => CommandError::new(message!("error.file.write", path = path), Exit::Failed).cause(io_reason(error)),
    }
}

/// A warning beside the result.
pub fn warn(text: &Message) {
    to_stderr(&format!("{} {text}\n", find("heading.warning")));
}

/// Writes to standard error. If that is closed, nobody reads it, and there is nothing else to do.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name may turn the rest of a line around, or move the cursor of whoever looks at the answer.
    #[test]
    fn json_shows_no_character_that_changes_what_is_around_it() {
        let name = "カルテ\u{202e}fdp.exe\u{200b}\u{7f}\u{9b}2J\u{e0041}";
        let printed = json_text(&format!("{:#}\n", serde_json::json!({ "path": name })));
        assert!(printed.chars().all(|c| c == '\n' || is_plain(c)), "{printed}");
        assert!(printed.contains("カルテ\\u202efdp.exe\\u200b\\u007f\\u009b2J\\udb40\\udc41"), "{printed}");
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["path"], name);
    }
}
