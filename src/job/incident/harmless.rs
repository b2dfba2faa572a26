//! "Looked at, harmless, because …": how two people end an alarm.
//!
//! The ledger has who said so and why, and the next generation of each set seals it. What the alarm was about is in the
//! folders of the sets (`alarms`), so that tomorrow's run can tell what it has in common with it.
//!
//! **Invariant:** it ends what an alarm has found, and nothing that comes later: see [`crate::tripwire::earlier`].

use super::open_alarms::{OpenAlarm, alarmed_sources, harmless_alarms, nights_of, open_alarms, raised_alarms};
use super::people::{is_nobody, is_same_person};
use crate::env::Env;
use crate::format::object::Id;
use crate::format::watch::{Alarm, PATHS};
use crate::host::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent, LedgerLine};
use crate::host::nights::SourceNight;
use crate::host::state::{SetState, StateDir, StateError};
use crate::tripwire::Tripwire;
use crate::tripwire::earlier::{EarlierAlarm, RecordedAlarm, mark_of};
use std::collections::BTreeSet;
use std::path::Path;

/// Generations with an alarm that are remembered of a set.
const GENERATIONS: usize = 20;

/// What two people say of an alarm.
#[derive(Debug, Clone)]
pub struct Statement<'a> {
    /// The set; `None`: the only one with an open alarm.
    pub set: Option<Id>,
    /// The generation; `None`: the only one with an open alarm.
    pub generation: Option<u64>,
    /// Who says it.
    pub by: &'a str,
    /// The second person.
    pub witness: &'a str,
    /// Why it is harmless.
    pub because: &'a str,
}

/// Why an alarm cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum HarmlessError {
    /// Two names belong to one person, or one of them is empty.
    #[error("the witness is the same person")]
    SamePerson,
    /// No reason was given.
    #[error("there is no reason")]
    NoReason,
    /// No generation that fits has an open alarm.
    #[error("no alarm is open")]
    NoAlarm,
    /// Which alarm is meant?
    #[error("several generations have an alarm")]
    Several {
        /// They.
        open: Vec<OpenAlarm>,
    },
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Ends an alarm. Returns which.
pub fn call_harmless(state: &Path, statement: &Statement, env: &Env) -> Result<OpenAlarm, HarmlessError> {
    let Statement { set, generation, by, witness, because } = *statement;
    if is_nobody(by) || is_same_person(by, witness) {
        return Err(HarmlessError::SamePerson);
    }
    if is_nobody(because) {
        return Err(HarmlessError::NoReason);
    }
    let ledger = Ledger::of(state);
    let mut open = open_alarms(&ledger.read()?, &nights_of(state)?);
    let set = set.map(|id| id.to_string());
    open.retain(|a| set.as_ref().is_none_or(|set| a.set == *set) && generation.is_none_or(|g| a.generation == g));
    let alarm = match open.len() {
        0 => return Err(HarmlessError::NoAlarm),
        1 => open.remove(0),
        _ => return Err(HarmlessError::Several { open }),
    };
    let (set, generation, by, witness) = (alarm.set.clone(), alarm.generation, by.to_owned(), witness.to_owned());
    ledger.write(&env.time_text(), LedgerEvent::Harmless { set, generation, by, witness, why: because.to_owned() })?;
    Ok(alarm)
}

/// What a run of `set` has to know of the alarms before it, in the order in which they were raised. One that neither the ledger
/// nor the log of nights has is raised anew. `tonight`: the names of its sources, and what is backed up under them.
pub fn earlier_alarms(
    state: &StateDir,
    set: Id,
    next_generation: u64,
    tonight: &[(&[u8], String)],
) -> Result<Vec<EarlierAlarm>, LedgerError> {
    let book = Ledger::of(state.root()).read()?;
    // The log of nights only knows what could not be entered in the ledger.
    let nights = nights_of(state.root()).unwrap_or_default();
    let (harmless, last_written) = (harmless_alarms(&book), written(&book, set).first().copied());
    let mut all = Vec::new();
    for (raised_at, raised) in raised_alarms(&book, &nights) {
        let Ok(origin) = raised.set.parse::<Id>() else { continue };
        let is_own = origin == set;
        // A run that ended before its seal leaves an alarm that never was.
        if is_own && raised.generation >= next_generation {
            continue;
        }
        let is_harmless = harmless.contains(&(&raised.set[..], raised.generation));
        // Whether a generation of `set` was sealed after an alarm of another set.
        let is_sealed = is_own || last_written.is_some_and(|written| written > raised_at);
        let mut alarms: Vec<RecordedAlarm> = state.set(origin).iter().flat_map(recorded).collect();
        alarms.retain(|a| a.generation == raised.generation);
        let sources = alarmed_sources(&nights, &raised);
        if alarms.is_empty() && !is_harmless {
            alarms = sources.iter().flat_map(|source| unrecorded(source, &raised)).collect();
        }
        for mut alarm in alarms {
            if !is_harmless && tonight.iter().all(|(name, _)| *name != alarm.source) {
                let named = sources.iter().find(|s| s.name.as_bytes() == alarm.source).and_then(|s| s.origin.as_ref());
                let renamed = named.and_then(|origin| tonight.iter().find(|(_, o)| o == origin));
                renamed.inspect(|(name, _)| alarm.source = name.to_vec());
            }
            all.push(EarlierAlarm { set: origin, alarm, is_harmless, is_sealed });
        }
    }
    Ok(all)
}

/// An alarm of which only the ledger and the log of nights know: what it was about was lost.
fn unrecorded(source: &SourceNight, raised: &OpenAlarm) -> Vec<RecordedAlarm> {
    let tripwires = raised.why.rsplit_once(": ").map_or("", |(_, tripwires)| tripwires).split(", ");
    let known = tripwires.filter(|name| Tripwire::ALL.iter().any(|t| t.name() == *name));
    let alarm = |tripwire: &str| RecordedAlarm {
        generation: raised.generation,
        tripwire: tripwire.to_owned(),
        source: source.name.clone().into_bytes(),
        measured: 0,
        limit: 0,
        files: Vec::new(),
        is_cut: true,
    };
    known.map(alarm).collect()
}

/// Indices of the lines that say that a generation of `set` was sealed, the newest first.
fn written(book: &LedgerContent, set: Id) -> Vec<usize> {
    let (media, set) = (book.media(), set.to_string());
    let is_of_set = |l: &LedgerLine| match &l.event {
        LedgerEvent::Written { medium, .. } => media.get(medium).is_some_and(|m| m.set == set),
        _ => false,
    };
    (0..book.lines.len()).rev().filter(|at| is_of_set(&book.lines[*at])).collect()
}

fn recorded(set: &SetState) -> Vec<RecordedAlarm> {
    set.alarms().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Remembers alarms of the generation that is about to be sealed.
pub fn remember(set: &SetState, generation: u64, new: Vec<RecordedAlarm>) -> Result<(), StateError> {
    if new.is_empty() {
        return Ok(());
    }
    let mut all = recorded(set);
    all.retain(|a| a.generation < generation);
    all.extend(new);
    let generations: BTreeSet<u64> = all.iter().map(|a| a.generation).collect();
    let oldest = generations.iter().rev().nth(GENERATIONS - 1).copied().unwrap_or_default();
    all.retain(|a| a.generation >= oldest);
    set.put_alarms(&serde_json::to_vec(&all).unwrap_or_default())
}

/// Remembers what generations of a set have sealed of their alarms, where the host does not know it any more. Of each alarm only
/// the paths that it named are known then.
pub fn recall(set: &SetState, sealed: &[(u64, Vec<Alarm>)]) -> Result<(), StateError> {
    if set.alarms().is_some() || sealed.iter().all(|(_, alarms)| alarms.is_empty()) {
        return Ok(());
    }
    let recorded = |generation: u64, a: &Alarm| {
        let files: BTreeSet<u64> = a.paths.iter().map(|path| mark_of(path)).collect();
        RecordedAlarm {
            generation,
            tripwire: a.tripwire.clone(),
            source: a.source.clone(),
            measured: a.measured,
            limit: a.limit,
            files: files.into_iter().collect(),
            is_cut: a.paths.len() >= PATHS,
        }
    };
    let alarmed: Vec<_> = sealed.iter().filter(|(_, alarms)| !alarms.is_empty()).collect();
    let newest = &alarmed[alarmed.len().saturating_sub(GENERATIONS)..];
    let all: Vec<RecordedAlarm> = newest.iter().flat_map(|(n, alarms)| alarms.iter().map(|a| recorded(*n, a))).collect();
    set.put_alarms(&serde_json::to_vec(&all).unwrap_or_default())
}

/// A statement that the next generation of a set seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsealed {
    /// Names of the sources that the alarm was about; one empty name where nobody knows.
    pub sources: Vec<Vec<u8>>,
    /// Which alarm, why, and who says so.
    pub text: String,
}

/// What people call a set of the host: its name, or its id where that is not known any more.
pub fn name_of_set(state: &StateDir, set: Id) -> String {
    state.set(set).and_then(|s| s.info().ok()).map_or_else(|| set.to_string(), |i| i.name)
}

/// What people call a generation of any set of the host: `NAME NUMBER`.
pub fn name_of_generation(state: &StateDir, set: Id, generation: u64) -> String {
    format!("{} {generation}", name_of_set(state, set))
}

/// The statements that a generation of `set` has to name: those since the one before the last. The last one may have been
/// under way when a statement was made.
pub fn unsealed(state: &StateDir, set: Id) -> Result<Vec<Unsealed>, LedgerError> {
    let book = Ledger::of(state.root()).read()?;
    let since = written(&book, set).get(1).map_or(0, |at| at + 1);
    let statement = |l: &LedgerLine| match &l.event {
        LedgerEvent::Harmless { set, generation, by, witness, why } => {
            let origin = set.parse().ok().and_then(|id| state.set(id));
            let name = set.parse().map_or_else(|_| set.clone(), |id| name_of_generation(state, id, *generation));
            let alarms = origin.iter().flat_map(recorded).filter(|a| a.generation == *generation);
            let mut sources: Vec<Vec<u8>> = alarms.map(|a| a.source).collect::<BTreeSet<_>>().into_iter().collect();
            if sources.is_empty() {
                sources.push(Vec::new());
            }
            Some(Unsealed { sources, text: format!("{name}: {why} ({by}, {witness})") })
        }
        _ => None,
    };
    Ok(book.lines[since..].iter().filter_map(statement).collect())
}
