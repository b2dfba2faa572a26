//! Entries whose attributes could not be read: the next run reads them again, although nothing has changed.
//!
//! The paths are in a file of the host, because the record itself looks like any other. Who loses that file loses the
//! entry stream beside it too, and reads everything again; a rebuilt host finds them in the manifest.

use super::Result;
use crate::host::state::SetState;
use std::collections::BTreeSet;

/// Paths that are remembered. Beyond that, everything is read again.
const PATHS: usize = 100_000;

/// The entries of the last generation that lack attributes.
pub enum Lacking {
    These(BTreeSet<Vec<u8>>),
    /// So many that they are not told apart.
    Any,
}

impl Lacking {
    /// What the last run has left.
    pub fn of(state: &SetState) -> Self {
        let bytes = state.lacking().unwrap_or_default();
        let paths = bytes.split_inclusive(|b| *b == 0).map(|path| path.strip_suffix(&[0]).unwrap_or(path).to_vec());
        let paths: BTreeSet<Vec<u8>> = paths.collect();
        // No path is empty.
        if paths.contains(&b""[..]) { Self::Any } else { Self::These(paths) }
    }

    /// Whether the entry has to be read again.
    pub fn contains(&self, path: &[u8]) -> bool {
        match self {
            Self::These(paths) => paths.contains(path),
            Self::Any => true,
        }
    }

    /// Before the seal: a run that ends without one leaves the last generation as it is, with what it lacks.
    pub fn add(&self, tonight: &BTreeSet<Vec<u8>>, state: &SetState) -> Result<()> {
        match self {
            Self::These(before) => put(&before.union(tonight).cloned().collect(), state),
            Self::Any => Ok(()),
        }
    }
}

/// Keeps the paths for the next run.
pub fn put(paths: &BTreeSet<Vec<u8>>, state: &SetState) -> Result<()> {
    let bytes: Vec<u8> = match paths.len() {
        0 if state.lacking().is_none_or(|before| before.is_empty()) => return Ok(()),
        0..=PATHS => paths.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect(),
        _ => vec![0],
    };
    Ok(state.put_lacking(&bytes)?)
}
