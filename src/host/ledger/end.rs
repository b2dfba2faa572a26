//! How far the ledger went, in a file of its own beside it: a ledger that was deleted, or whose last lines were removed, is
//! bound in itself, and only this file shows it.
//!
//! **Invariant:** it is written behind the ledger's line. After a power cut it may be behind the ledger, never ahead of it.

use crate::host::files::{overwrite, replace};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// Where the ledger ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEnd {
    /// The number of its last line.
    pub line: u64,
    /// The digest of that line.
    pub chain: String,
}

impl LedgerEnd {
    /// The file beside a ledger.
    pub fn path(ledger: &Path) -> PathBuf {
        ledger.with_extension("end")
    }

    /// Reads it. `None`: a ledger of an earlier version, or a torn file. That is no sign of anything.
    pub fn read(ledger: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(ledger)).ok()?).ok()
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
