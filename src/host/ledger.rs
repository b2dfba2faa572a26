//! The ledger of media (媒体台帳): what each medium is, its location, who moved it, what was written on it and when it was
//! detached.
//!
//! It cannot be rebuilt from the media, so it is not part of the catalog: a file of lines that people can read,
//! `STATE/ledger.jsonl`. Each line is bound to the one before by a digest, so that a changed or removed line is found.
//!
//! **Invariant:** the file is only ever appended to.

mod accounts;
pub mod attached;
mod end;
mod event;
mod holds;
mod lost;
pub mod sealed;

use self::accounts::enter;
pub use self::accounts::{MediumAccount, only_with_device};
use self::end::LedgerEnd;
pub use self::event::{LedgerEvent, LedgerLine, MediumKind, OutOfUse};
pub use self::lost::LostLine;
use crate::format::object::hex;
use crate::host::append::append_line;
use crate::host::files::{STATE_BYTES, read_own, set_aside};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A line with its digest, as it is in the file.
#[derive(Serialize, Deserialize)]
struct Bound {
    #[serde(flatten)]
    line: LedgerLine,
    chain: String,
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A line that could not be written whole is found by the next reader; the lines before it stay.
    #[error("the ledger {} cannot be {what}", path.display())]
    Io {
        /// The step that failed: `opened`, `locked`, `read`, `written`, `renamed`.
        what: &'static str,
        /// The ledger's file.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// What says where the ledger ended does not fit it: a line behind would hide what is missing. Nothing was written.
    #[error("the ledger {} does not end where it ended", path.display())]
    NotWhole {
        /// The ledger's file.
        path: PathBuf,
        /// The lines may all be there: only what says where they end is not.
        is_end_missing: bool,
    },
}

type Result<T> = std::result::Result<T, LedgerError>;

/// The content of the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerContent {
    /// Every line that can be read, in order.
    pub lines: Vec<LedgerLine>,
    /// Lines of the file, from 1, that cannot be read or do not fit the line before: something was changed there or
    /// removed.
    pub broken: Vec<u64>,
    /// Lines of the file, from 1, that were cut off while they were written: the power failed. The lines before and behind
    /// such a piece are bound to each other, so nothing that was written whole is missing.
    pub torn: Vec<u64>,
    /// How many of these are behind the last generation in the ledger.
    pub torn_lately: u64,
    /// What other records of this host show to be missing in it, where somebody has compared them
    /// ([`crate::host::consistency`]).
    pub lost: Vec<LostLine>,
    /// There are lines, and the file that says where they end is gone or unreadable: nobody knows whether all are there. The line
    /// behind the last one is in `broken` then.
    pub is_end_missing: bool,
    /// The lines about holds, as the file beside the ledger has them.
    kept: Vec<LedgerLine>,
    /// Lines that this file had, and has no more.
    pub lost_hold_copies: u64,
    /// The digest of each line, as the file has it.
    chain: Vec<String>,
}

/// The ledger's file.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger of a state directory. The file is created with the first line.
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("ledger.jsonl") }
    }

    /// Renames the ledger to a free name, and what says where it ended: the next line begins a new one. Returns the new path;
    /// `None` where there was nothing.
    pub fn set_aside(&self) -> Result<Option<PathBuf>> {
        let aside =
            |n: u64, file: &Path| file.with_file_name(format!("{}.aside-{n}", file.file_name().unwrap_or_default().display()));
        let files = self.files();
        let is_there = |file: &Path| file.symlink_metadata().is_ok();
        let Some(free) = (1..).find(|n| !files.iter().any(|f| is_there(&aside(*n, f)))) else {
            unreachable!("some number is free")
        };
        let mut moved = None;
        for file in files.iter().filter(|f| is_there(f)) {
            let to = aside(free, file);
            set_aside(file, &to).map_err(|e| self.failed("renamed", e))?;
            moved.get_or_insert(to);
        }
        Ok(moved)
    }

    /// Reads the whole ledger; an empty one if there is no file.
    pub fn read(&self) -> Result<LedgerContent> {
        // Before the ledger: what another run writes meanwhile is behind it.
        let end = LedgerEnd::read(&self.path);
        let mut content = match read_own(&self.path, STATE_BYTES) {
            Ok(text) => parse(&text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => LedgerContent::default(),
            Err(e) => return Err(self.failed("read", e)),
        };
        content.kept = holds::read(&self.path);
        content.lost_hold_copies = end.as_ref().map_or(0, |end| end.holds.saturating_sub(content.kept.len() as u64));
        if !content.is_whole(end.as_ref()) {
            content.broken.push(content.lines.last().map_or(1, |l| l.line + 1));
            content.is_end_missing = end.is_none();
        }
        Ok(content)
    }

    /// Appends a line, durably, where nothing is missing at the end. `time`: RFC 3339, UTC.
    pub fn write(&self, time: &str, event: LedgerEvent) -> Result<()> {
        self.append(time, event, false)
    }

    /// Appends the line with which people say that they know why records are missing: also to a ledger without the file that says
    /// where it ended. What the file with the lines about holds has lost is not missed any more.
    pub fn write_accepted(&self, time: &str, event: LedgerEvent) -> Result<()> {
        self.append(time, event, true)
    }

    fn append(&self, time: &str, event: LedgerEvent, is_accepted: bool) -> Result<()> {
        let not_whole = |is_end_missing| LedgerError::NotWhole { path: self.path.clone(), is_end_missing };
        // To open it would make it.
        let ended = LedgerEnd::read(&self.path).is_some_and(|end| end != LedgerEnd::of_nothing());
        if ended && self.path.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return Err(not_whole(false));
        }
        let (mut end, mut book, mut refused) = (None, LedgerContent::default(), None);
        let brings_holds = is_accepted || holds::is_about_holds(&event);
        let appended = append_line(&self.path, |before| {
            let content = parse(before);
            let known = LedgerEnd::read_again(&self.path)?;
            if known.is_none() && before.is_empty() {
                LedgerEnd::of_nothing().write(&self.path)?;
            }
            let last = content.lines.last().map_or(0, |l| l.line);
            // A line that was changed is found however many follow it. Lines that are missing at the end must not be covered.
            let is_short = known.as_ref().map_or(last > 0 && !is_accepted, |end| end.line > last);
            if is_short {
                refused = Some(not_whole(known.is_none()));
                return Err(io::ErrorKind::InvalidData.into());
            }
            let number = 1 + last;
            let line = LedgerLine { line: number, time: time.to_owned(), event };
            let chain = chain(content.last(), &line);
            let holds = known.filter(|_| !is_accepted).map_or(0, |end| end.holds);
            end = Some(LedgerEnd { line: number, chain: chain.clone(), holds });
            book = content;
            book.lines.push(line.clone());
            Ok(serde_json::to_string(&Bound { line, chain })?)
        });
        if let Some(refused) = refused {
            return Err(refused);
        }
        let _locked = appended.map_err(|(what, source)| self.failed(what, source))?;
        let counted = end.as_ref().map_or(0, |end| end.holds);
        let kept = if brings_holds { holds::add(&self.path, &book, counted) } else { Ok(0) };
        let ended = end.map_or(Ok(()), |end| {
            let holds = end.holds.max(*kept.as_ref().unwrap_or(&0));
            LedgerEnd { holds, ..end }.write(&self.path)
        });
        ended.and(kept.map(drop)).map_err(|e| self.failed("written", e))
    }

    fn failed(&self, what: &'static str, source: io::Error) -> LedgerError {
        LedgerError::Io { what, path: self.path.clone(), source }
    }
}

fn parse(text: &[u8]) -> LedgerContent {
    let mut content = LedgerContent::default();
    // Pieces behind the last line that could be read.
    let mut pieces = Vec::new();
    for (number, bytes) in (1..).zip(text.split(|b| *b == b'\n').filter(|l| !l.is_empty())) {
        let Ok(bound) = serde_json::from_slice::<Bound>(bytes) else {
            pieces.push(number);
            continue;
        };
        let fits = bound.chain == chain(content.last(), &bound.line)
            && bound.line.line == content.lines.last().map_or(1, |l| l.line + 1);
        // A line that was whole once leaves a gap. A piece leaves none: the next line was bound to the one before it.
        if fits {
            content.torn_lately += pieces.len() as u64;
            content.torn.append(&mut pieces);
        } else {
            content.broken.append(&mut pieces);
            content.broken.push(number);
        }
        if matches!(bound.line.event, LedgerEvent::Written { .. }) {
            content.torn_lately = 0;
        }
        content.chain.push(bound.chain);
        content.lines.push(bound.line);
    }
    // The line feed is written with the line, behind it.
    let is_cut_off = |piece: &[u64]| piece.len() == 1 && !text.ends_with(b"\n");
    if is_cut_off(&pieces) {
        content.torn_lately += 1;
        content.torn.append(&mut pieces)
    } else {
        content.broken.append(&mut pieces)
    }
    content
}

/// Digest of a line and of the one before.
fn chain(before: &str, line: &LedgerLine) -> String {
    let text = serde_json::to_string(line).unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(before.len() as u64).to_le_bytes()).update(before.as_bytes()).update(text.as_bytes());
    hex(&hasher.finalize().as_bytes()[..16])
}

impl LedgerContent {
    /// Whether nothing of it was changed or removed, as far as anybody can see.
    pub fn is_sound(&self) -> bool {
        self.broken.is_empty() && self.lost.is_empty()
    }

    /// Whether nothing of it can be read, and there was something.
    pub fn is_gone(&self) -> bool {
        self.lines.is_empty() && !self.is_sound()
    }

    /// When two people last said that they know why records are missing: RFC 3339, UTC.
    pub fn accepted(&self) -> Option<&str> {
        self.lines.iter().rev().find(|l| matches!(l.event, LedgerEvent::Accepted { .. })).map(|l| &l.time[..])
    }

    /// The digest of the last line.
    fn last(&self) -> &str {
        self.chain.last().map_or("", |d| d)
    }

    /// Whether the line is there with which the ledger ended. Without the file that knows it, only an empty ledger is whole.
    fn is_whole(&self, end: Option<&LedgerEnd>) -> bool {
        end.map_or(self.lines.is_empty(), |end| self.leads_through(end))
    }

    /// Whether a line of this number and digest is there. Behind a line that was changed, the ledger is broken anyhow.
    fn leads_through(&self, end: &LedgerEnd) -> bool {
        if *end == LedgerEnd::of_nothing() {
            return true;
        }
        let at = self.lines.iter().rposition(|l| l.line == end.line);
        at.is_some_and(|at| self.chain.get(at) == Some(&end.chain))
    }

    /// The digest after each line, made anew: where a line was changed or removed, it and all behind it differ from what they
    /// were, whatever digests the file has.
    pub fn digests(&self) -> Vec<String> {
        let mut digests: Vec<String> = Vec::new();
        for line in &self.lines {
            digests.push(chain(digests.last().map_or("", |d| d), line));
        }
        digests
    }
}

#[cfg(test)]
mod tests;
