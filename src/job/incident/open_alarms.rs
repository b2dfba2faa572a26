//! The alarms of this host: which were raised, and which of them are open.
//!
//! **Invariant:** an alarm is open until two people have called it harmless. No later generation ends it: that nothing was
//! added says nothing about what was done.
//!
//! The ledger has each alarm as the reason of a hold, and the log of nights has it once more: an alarm whose hold could not
//! be entered is open all the same.

use crate::format::seal::Verdict;
use crate::host::ledger::{LedgerContent, LedgerError, LedgerEvent, LedgerLine};
use crate::host::nights::{Night, NightLog, SealedNight, SourceNight};
use std::collections::BTreeSet;
use std::path::Path;

/// A generation with an alarm. A repeated alarm belongs to the generation that raised it first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlarm {
    /// The id of the set, in hexadecimal.
    pub set: String,
    /// The generation.
    pub generation: u64,
    /// When it was raised: RFC 3339, UTC.
    pub time: String,
    /// Set, generation and tripwires, in English; without the tripwires where only the log of nights knows it.
    pub why: String,
}

/// The log of nights of a state. One that cannot be read is an error: an alarm may be in it.
pub fn nights_of(state: &Path) -> Result<Vec<Night>, LedgerError> {
    let log = NightLog::of(state);
    let unreadable = |e| LedgerError::Io { what: "read", path: log.path().to_owned(), source: e };
    Ok(log.read().map_err(unreadable)?.0)
}

/// All open alarms, in the order in which they were raised.
pub fn open_alarms(book: &LedgerContent, nights: &[Night]) -> Vec<OpenAlarm> {
    let harmless = harmless_alarms(book);
    let is_open = |a: &OpenAlarm| !harmless.contains(&(&a.set[..], a.generation));
    raised_alarms(book, nights).into_iter().map(|(_, alarm)| alarm).filter(is_open).collect()
}

/// All alarms that were ever raised, each with the line of the ledger at which it was.
pub(super) fn raised_alarms(book: &LedgerContent, nights: &[Night]) -> Vec<(usize, OpenAlarm)> {
    let since = |time: &str| book.lines.iter().rposition(|l| *l.time <= *time).unwrap_or(0);
    let held = |l: &LedgerLine| match &l.event {
        LedgerEvent::Held { why, set: Some(set), generation: Some(generation), .. } => {
            // A ledger that was set back does not have the line.
            let at = book.lines.iter().position(|own| own.event == l.event).unwrap_or_else(|| since(&l.time));
            Some((at, OpenAlarm { set: set.clone(), generation: *generation, time: l.time.clone(), why: why.clone() }))
        }
        _ => None,
    };
    let mut all: Vec<(usize, OpenAlarm)> = book.hold_lines().filter_map(held).collect();
    let known: BTreeSet<(String, u64)> = all.iter().map(|(_, a)| (a.set.clone(), a.generation)).collect();
    let sealed = nights.iter().filter_map(|n| n.end.as_ref()?.sealed.as_ref());
    for night in sealed.filter(|n| raises_an_alarm(n) && !known.contains(&(n.set.clone(), n.generation))) {
        let at = since(&night.time);
        let why = format!("set {} generation {}", night.set_name, night.generation);
        all.push((at, OpenAlarm { set: night.set.clone(), generation: night.generation, time: night.time.clone(), why }));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

/// The sources that a generation has an alarm of, by the log of nights.
pub(super) fn alarmed_sources<'n>(nights: &'n [Night], alarm: &OpenAlarm) -> Vec<&'n SourceNight> {
    let sealed = nights.iter().filter_map(|n| n.end.as_ref()?.sealed.as_ref());
    let of_alarm = sealed.filter(|n| (&n.set, n.generation) == (&alarm.set, alarm.generation));
    of_alarm.flat_map(|n| &n.sources).filter(|s| s.verdict == Verdict::Alarm).collect()
}

/// Whether a night has raised an alarm first.
fn raises_an_alarm(night: &SealedNight) -> bool {
    let is_own = |set: &str, generation| (set, generation) == (&night.set[..], night.generation);
    let alarmed = night.sources.iter().filter(|s| s.verdict == Verdict::Alarm);
    alarmed.into_iter().any(|s| s.alarms.is_empty() || s.alarms.iter().any(|a| is_own(&a.set, a.generation)))
}

/// Set and generation of each alarm that two people have called harmless.
pub fn harmless_alarms(book: &LedgerContent) -> BTreeSet<(&str, u64)> {
    let called = book.hold_lines().filter_map(|l| match &l.event {
        LedgerEvent::Harmless { set, generation, .. } => Some((&set[..], *generation)),
        _ => None,
    });
    called.collect()
}
