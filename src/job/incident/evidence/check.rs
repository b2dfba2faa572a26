//! The check of a custody record.

use super::Result;
use super::folder::{file_names, open_named, sha256_of};
use super::record::{files_of, read_record};
use std::collections::HashSet;
use std::path::Path;

/// What the check of a custody record found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordCheck {
    /// Number of lines.
    pub lines: u64,
    /// SHA-256 of the last line, in hexadecimal: the paper must have the same.
    pub last: String,
    /// Numbers of lines, from 1, that do not have the digest of the line before or are no lines.
    pub broken: Vec<u64>,
    /// Files that are missing or differ from what the record says, and files that no line names.
    pub files: Vec<String>,
}

impl RecordCheck {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.lines > 0 && self.broken.is_empty() && self.files.is_empty()
    }
}

/// Checks the record against itself and against the files that it names.
pub fn check(folder: &Path) -> Result<RecordCheck> {
    let record = read_record(folder)?;
    let broken = record.lines.iter().filter(|l| !l.fits).map(|l| l.number).collect();
    let mut files = Vec::new();
    for (name, digest) in record.lines.iter().flat_map(|l| files_of(&l.event)) {
        let found = open_named(folder, name).and_then(sha256_of).ok();
        if found.is_none_or(|found| Some(&found[..]) != digest) {
            files.push(name.clone());
        }
    }
    // An added file would be handed over with the others.
    let named: HashSet<&String> = record.lines.iter().flat_map(|l| files_of(&l.event)).map(|(name, _)| name).collect();
    files.extend(file_names(folder)?.into_iter().filter(|name| !named.contains(name)));
    Ok(RecordCheck { lines: record.lines.len() as u64, last: record.last, broken, files })
}
