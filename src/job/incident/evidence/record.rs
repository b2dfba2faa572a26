//! The custody record: lines of JSON, each with the digest of the line before.

use super::folder::{open_file, sha256};
use super::{EvidenceError, Result, failed};
use crate::env::time_text;
use crate::format::cbor::Time;
use crate::host::append::append_line;
use serde_json::Value;
use std::io::{self, Read};
use std::path::Path;

/// Name of the file.
pub const RECORD: &str = "record.jsonl";

/// Largest record that is read. A command takes some 400 bytes: this is enough for a hundred thousand commands.
const RECORD_BYTES: u64 = 64 << 20;
/// Most lists, objects and members in a record that is read: ten for each of a hundred thousand commands.
const RECORD_VALUES: usize = 1 << 20;

/// A line of a custody record.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordLine {
    /// From 1.
    pub number: u64,
    /// Null if the line is not valid JSON.
    pub event: Value,
    /// It has the digest of the line before.
    pub fits: bool,
}

/// A custody record as it is in the folder.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CustodyRecord {
    /// All lines, in their order.
    pub lines: Vec<RecordLine>,
    /// SHA-256 of the last line, in hexadecimal.
    pub last: String,
}

/// Appends a line, durably, with the time and the digest of the line before.
pub fn append(folder: &Path, now: &dyn Fn() -> Time, mut event: Value) -> Result<()> {
    let path = folder.join(RECORD);
    let appended = append_line(&path, |before| {
        let last = before.strip_suffix(b"\n").unwrap_or(before).rsplit(|b| *b == b'\n').next().unwrap_or_default();
        event["time"] = time_text(now()).into();
        event["previous"] = if before.is_empty() { Value::Null } else { sha256(last).into() };
        Ok(event.to_string())
    });
    appended.map(drop).map_err(|(what, source)| failed(what, &path)(source))
}

/// Reads the record of a session, and checks which of its lines have the digest of the line before.
pub fn read_record(folder: &Path) -> Result<CustodyRecord> {
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
    // As values, a hundred times their length.
    if text.iter().filter(|b| b"{[,".contains(b)).count() > RECORD_VALUES {
        return Err(failed("read", &path)(io::ErrorKind::FileTooLarge.into()));
    }
    let mut record = CustodyRecord::default();
    let mut expected = Value::Null;
    let body = text.strip_suffix(b"\n").unwrap_or(&text);
    for (line, number) in body.split(|b| *b == b'\n').zip(1..) {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        let fits = event.is_object() && event["previous"] == expected;
        record.last = sha256(line);
        expected = record.last.clone().into();
        record.lines.push(RecordLine { number, event, fits });
    }
    if let Some(last) = record.lines.last_mut() {
        // A line without its end was cut off, even if it is valid JSON.
        last.fits &= text.ends_with(b"\n");
    }
    Ok(record)
}

/// The files that a line names, with the digests that it gives.
pub fn files_of(event: &Value) -> impl Iterator<Item = (&String, Option<&str>)> {
    event["files"].as_object().into_iter().flatten().map(|(name, digest)| (name, digest.as_str()))
}
