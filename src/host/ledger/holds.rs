//! The lines about holds once more, in a file of their own: `STATE/holds.jsonl`. Whoever sets the ledger back to an older one ends no
//! hold with it.
//!
//! **Invariant:** a line is in the ledger first. So after a power cut the ledger may have one that is not here, and the next line
//! about a hold brings it; a line that is only here was in the ledger once.
//!
//! **Invariant:** what says where the ledger ends is written last, and counts the lines that are here then. So fewer lines than
//! these are a sign that somebody has taken some.

use super::{Ledger, LedgerContent, LedgerEvent, LedgerLine};
use crate::host::append::append_line;
use crate::host::files::{STATE_BYTES, read_own};
use std::io;
use std::path::{Path, PathBuf};

impl Ledger {
    /// The file beside it that has the lines about holds once more.
    pub fn holds_file(&self) -> PathBuf {
        path(&self.path)
    }
}

/// The file beside a ledger.
pub fn path(ledger: &Path) -> PathBuf {
    ledger.with_file_name("holds.jsonl")
}

/// Reads it. What cannot be read is left out: it is no worse than a file that is not there.
pub fn read(ledger: &Path) -> Vec<LedgerLine> {
    parse(&read_own(&path(ledger), STATE_BYTES).unwrap_or_default())
}

fn parse(text: &[u8]) -> Vec<LedgerLine> {
    text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Adds what the ledger has about holds and this file does not have, durably. Only who has locked the ledger may do it. `counted`:
/// how many lines it had. Returns how many it should have then.
///
/// Where it has fewer, only the ledger's last line is added: that some were taken stays a finding until people have looked at it.
pub fn add(ledger: &Path, book: &LedgerContent, counted: u64) -> io::Result<u64> {
    let known = read(ledger);
    let is_short = (known.len() as u64) < counted;
    let is_new = |l: &&LedgerLine| is_about_holds(&l.event) && !known.contains(l);
    let new: Vec<&LedgerLine> = book.lines.iter().filter(is_new).collect();
    let new = if is_short { &new[new.len().saturating_sub(1)..] } else { &new[..] };
    for line in new {
        let text = serde_json::to_string(line)?;
        append_line(&path(ledger), |_| Ok(text)).map_err(|(_, e)| e)?;
    }
    Ok(counted.max(known.len() as u64) + new.len() as u64)
}

/// Whether an event begins a hold, or has to do with its end.
pub fn is_about_holds(event: &LedgerEvent) -> bool {
    use LedgerEvent::{Harmless, Held, ReleaseAsked, Released};
    matches!(event, Held { .. } | Harmless { .. } | ReleaseAsked { .. } | Released { .. })
}

impl LedgerContent {
    /// Every line about a hold, in their order, also those that only the file beside the ledger has.
    pub fn hold_lines(&self) -> impl Iterator<Item = &LedgerLine> {
        let is_new = |l: &&LedgerLine| is_about_holds(&l.event) && !self.kept.contains(l);
        self.kept.iter().chain(self.lines.iter().filter(is_new))
    }

    /// Those that only the file beside the ledger has.
    pub fn missing_hold_lines(&self) -> impl Iterator<Item = &LedgerLine> {
        self.kept.iter().filter(|k| !self.lines.contains(k))
    }
}
