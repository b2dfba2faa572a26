//! How a line is appended to the ledger, to the log of nights, or to another file that only ever grows.

use super::files::{STATE_BYTES, open_own_to_append};
use crate::lock::FileLock;
use std::io::{self, Read, Write};
use std::path::Path;

/// Appends a line to a file that is only ever appended to, durably. `line` makes the line from the present content. Returns
/// the lock, so that the caller can do more before the next run's line. An error names the step that failed.
///
/// Two runs at once wait for each other. A line that was cut off stays, and is reported when the file is read; the new
/// one follows it.
pub fn append_line(
    path: &Path,
    line: impl FnOnce(&[u8]) -> io::Result<String>,
) -> std::result::Result<FileLock, (&'static str, io::Error)> {
    let file = open_own_to_append(path).map_err(|e| ("opened", e))?;
    let mut file = FileLock::wait(file).map_err(|e| ("locked", e))?;
    let mut before = Vec::new();
    (&*file).take(STATE_BYTES + 1).read_to_end(&mut before).map_err(|e| ("read", e))?;
    if before.len() as u64 > STATE_BYTES {
        return Err(("read", io::ErrorKind::FileTooLarge.into()));
    }
    let begin = if before.is_empty() || before.ends_with(b"\n") { "" } else { "\n" };
    let line = line(&before).map_err(|e| ("written", e))?;
    file.write_all(format!("{begin}{line}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(|e| ("written", e))?;
    Ok(file)
}
