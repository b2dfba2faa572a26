//! Lists for a spreadsheet: CSV as Excel takes it, UTF-8 with a byte order mark, lines that end with CR LF.
//!
//! **Invariant:** no cell is a formula. A file may be called `=cmd|…`, and a spreadsheet would run it on the desk of
//! whoever opens the list.

use super::exit::Exit;
use super::explain::{CommandError, io_reason};
use super::text::{find, message};
use azekura::host::files;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A new file that is being written. Only its owner may read it: the names in it may be those of patients.
pub struct Csv {
    path: PathBuf,
    out: BufWriter<File>,
    failed: Option<io::Error>,
    is_whole: bool,
}

impl Csv {
    /// `path` is absolute, `headings` are keys of the catalogue. Fails where the file exists.
    pub fn create(path: &Path, headings: &[&str]) -> Result<Self, CommandError> {
        let new = files::create_new(path, files::PRIVATE);
        let file = new.map_err(|e| unwritten(path, &e))?;
        let mut csv = Self { path: path.to_owned(), out: BufWriter::new(file), failed: None, is_whole: false };
        csv.write("\u{feff}");
        csv.row(headings.iter().map(|key| find(key)));
        Ok(csv)
    }

    /// Writes a line. An error is reported by [`finish`](Self::finish).
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|c| cell(&c)).collect();
        self.write(&(cells.join(",") + "\r\n"));
    }

    pub fn finish(mut self) -> Result<(), CommandError> {
        let done = match self.failed.take() {
            Some(e) => Err(e),
            None => self.out.flush().and_then(|()| self.out.get_ref().sync_all()),
        };
        self.is_whole = done.is_ok();
        done.map_err(|e| unwritten(&self.path, &e))
    }

    fn write(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = self.out.write_all(text.as_bytes()).err();
        }
    }
}

/// Removes a list that was not finished: nobody must take it for a whole one.
impl Drop for Csv {
    #[expect(clippy::disallowed_methods, reason = "a list that this very run began")]
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn unwritten(path: &Path, e: &io::Error) -> CommandError {
    CommandError::new(message!("error.csv", path = path), Exit::Failed).cause(io_reason(e))
}

/// A cell, always quoted. A spreadsheet of another country divides lines at other signs, whatever the quotes are: so no formula
/// begins behind any of these either.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 2);
    let mut is_begin = true;
    for c in text.chars() {
        if is_begin && matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\t' | '\r') {
            safe.push('\'');
        }
        is_begin = matches!(c, ',' | ';' | '|' | '\t' | '\r' | '\n' | '"') || is_begin && c.is_whitespace();
        safe.push(c);
    }
    format!("\"{}\"", safe.replace('"', "\"\""))
}

/// A digest, or nothing, in hexadecimal digits.
pub fn hex(digest: Option<[u8; 32]>) -> String {
    digest.map(|d| azekura::format::object::hex(&d)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "＝1+1", "＠A1"] {
            assert_eq!(cell(formula), format!("\"'{formula}\""));
        }
        assert_eq!(cell(" =1"), "\" '=1\"");
        assert_eq!(cell("a;=cmd|' /C calc'!A0"), "\"a;'=cmd|' /C calc'!A0\"");
        assert_eq!(cell("a\t=1"), "\"a\t'=1\"");
        assert_eq!(cell("=HYPERLINK(\"x\",1)"), "\"'=HYPERLINK(\"\"x\"\",1)\"");
        assert_eq!(cell("カルテ/a=b-c.txt"), "\"カルテ/a=b-c.txt\"");
        assert_eq!(cell("a,b"), "\"a,b\"");
    }
}
