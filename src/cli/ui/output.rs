//! What a command gives back, and how it is printed: results on standard output, talk on standard error.

use super::exit::Exit;
use super::explain::{Explained, io_reason};
use super::text::message;
use super::units::pad;
use azekura::answer::{Document, SCHEMA_VERSION};
use azekura::env::TOOL;
use azekura::host::files;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, ErrorKind, Write};
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

/// Writes a result into a new file that the user named. Only its owner can read it.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Explained> {
    files::write_new(path, files::PRIVATE, bytes).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Explained::new(message!("error.file.exists", path = path), Exit::Failed),
        _ => Explained::new(message!("error.file.write", path = path), Exit::Failed).cause(io_reason(&e)),
    })
}

/// Says something on the side. When standard error is closed there is nobody to tell.
pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Lines of a label and its value, the values in one column.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    pub fn row(&mut self, label: impl Into<String>, value: impl Into<String>) {
        self.rows.push((label.into(), value.into()));
    }

    pub fn text(&self) -> String {
        let width = |label: &String| unicode_width::UnicodeWidthStr::width(label.as_str());
        let columns = self.rows.iter().map(|(label, _)| width(label)).max().unwrap_or(0) + 2;
        self.rows.iter().map(|(label, value)| format!("{}{value}\n", pad(label, columns))).collect()
    }
}

/// Rows of several columns under headings.
#[derive(Debug)]
pub struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    pub fn new<const N: usize>(headings: [String; N]) -> Self {
        Self { rows: vec![headings.into()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub fn text(&self) -> String {
        let width = |cell: &String| unicode_width::UnicodeWidthStr::width(cell.as_str());
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> =
            (0..count).map(|i| self.rows.iter().filter_map(|r| r.get(i)).map(width).max().unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells: String = row.iter().zip(&widths).map(|(cell, width)| pad(cell, width + 2)).collect();
            format!("{}\n", cells.trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}
