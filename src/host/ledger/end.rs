//! How far the ledger went, in a file of its own beside it: a ledger that was deleted, or whose last lines were removed, is
//! bound in itself, and only this file shows it.
//!
//! **Invariant:** it is made before the first line, and then written behind each. After a power cut it may be behind the ledger,
//! never ahead of it, and never missing.

use super::Ledger;
use crate::host::files::{overwrite, read_own, replace};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// As long as [`overwrite`] leaves one.
const END_BYTES: u64 = 1 << 20;

/// Where the ledger ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEnd {
    /// The number of its last line.
    pub line: u64,
    /// The digest of that line.
    pub chain: String,
    /// How many lines about holds the file beside the ledger had; 0 where an earlier version wrote this.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub holds: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Ledger {
    /// The ledger's file, and the one beside it that says where it ended.
    pub fn files(&self) -> [PathBuf; 2] {
        [self.path.clone(), LedgerEnd::path(&self.path)]
    }
}

impl LedgerEnd {
    /// The file beside a ledger.
    pub fn path(ledger: &Path) -> PathBuf {
        ledger.with_extension("end")
    }

    /// Before the first line.
    pub fn of_nothing() -> Self {
        Self { line: 0, chain: String::new(), holds: 0 }
    }

    /// Reads it. `None`: it is not there, or no such file. It is made before the first line and replaced as a whole, so that
    /// beside lines this is a sign that somebody has deleted it.
    pub fn read(ledger: &Path) -> Option<Self> {
        serde_json::from_slice(&read_own(&Self::path(ledger), END_BYTES).ok()?).ok()
    }

    /// Reads it, and fails where something is there that cannot be read: nothing could be written there, either.
    pub fn read_again(ledger: &Path) -> io::Result<Option<Self>> {
        match read_own(&Self::path(ledger), END_BYTES) {
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Replaces it, durably. Only who has locked the ledger may do it. In the cage no file can be made or renamed: there it is
    /// overwritten.
    pub fn write(&self, ledger: &Path) -> io::Result<()> {
        let (path, text) = (Self::path(ledger), serde_json::to_vec(self)?);
        match replace(&path, &text) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => overwrite(&path, &text),
            replaced => replaced,
        }
    }
}
