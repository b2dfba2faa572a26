//! Whether the parts of the state directory fit each other: ledger, log of nights, catalog and the folders of the sets. Each of them
//! can be deleted or set back to an older copy that is whole in itself; only the others show it.
//!
//! What was sealed is known to all of them. A generation that one of them has, and that another one had to have, is missing there
//! until two people say why ([`LedgerEvent::Accepted`]).
//!
//! **Invariant:** it only reads. What cannot be opened here (in the cage, for example) is not compared, and never called lost.
//!
//! **Invariant:** a power cut at any point of a run leaves nothing that is called missing: a run that began and did not end may have
//! sealed what nobody could enter.

mod unregistered;

pub use self::unregistered::unregistered;
use super::catalog::{BegunRow, Catalog, CatalogError, SealedRow};
use super::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent, LostLine};
use super::nights::{Night, NightLog, SealedNight};
use super::state::{SetState, StateDir};
use crate::format::check_code::CheckCode;
use crate::format::object::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The exit code of a run that sealed what it could not enter.
const SEALED_ONLY: u8 = 8;

/// What does not fit, besides what the ledger lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// The log of nights knows nothing of generations that were sealed.
    NightsMissing {
        /// How many.
        generations: u64,
        /// When the newest of them was sealed: RFC 3339, UTC.
        time: String,
    },
    /// There is no catalog, it is damaged, or it is older than the last night.
    CatalogLost,
    /// What the host needs to go on with a set is not there.
    SetLost {
        /// The medium that the set is on.
        medium: String,
    },
    /// The host does not know any more how the sources of a set usually are, or what was in its last generation.
    MemoryLost {
        /// What people call the set.
        set: String,
    },
    /// Lines about holds are not in their second place any more: who sets the ledger back ends a hold with it.
    HoldsLost {
        /// How many.
        lines: u64,
    },
    /// The ledger was begun anew, and does not know a medium that this host has written or prepared.
    NotRegistered {
        /// The medium.
        medium: String,
    },
}

/// What the parts say that was sealed.
#[derive(Debug, Default)]
struct Parts {
    /// `None`: the log cannot be read.
    nights: Option<Vec<Night>>,
    /// `None`: the catalog cannot be asked.
    catalog: Option<Vec<SealedRow>>,
    is_catalog_lost: bool,
    /// The sets that the catalog knows, also those without a generation.
    begun: Vec<BegunRow>,
    sets: Vec<SetState>,
}

/// A generation that one part knows.
struct Known<'p> {
    generation: u64,
    medium: &'p str,
    time: &'p str,
}

/// Reads the ledger, with what the other parts show to be missing in it.
pub fn read_ledger(state: &Path) -> Result<LedgerContent, LedgerError> {
    let mut book = Ledger::of(state).read()?;
    book.lost = Parts::of(state).lost_lines(&book);
    Ok(book)
}

/// What of the other parts is missing.
pub fn misfits(state: &Path, book: &LedgerContent) -> Vec<Misfit> {
    let parts = Parts::of(state);
    let mut misfits = parts.misfits(book);
    let unregistered = parts.unregistered(book, &StateDir::of(state)).into_keys();
    misfits.extend(unregistered.map(|medium| Misfit::NotRegistered { medium }));
    misfits
}

impl Parts {
    fn of(state: &Path) -> Self {
        // Where there is no state, none is begun.
        if !state.join("sets").is_dir() && !state.join("catalog.sqlite").exists() && !NightLog::of(state).path().exists() {
            return Self::default();
        }
        let dir = StateDir::of(state);
        let quarantine = |set: &SetState| set.info().is_ok_and(|info| info.quarantine);
        let look = |c: Catalog| Ok((c.sealed_generations()?, c.begun_sets()?));
        let rows = Catalog::look(&dir.catalog()).and_then(|catalog| catalog.map(look).transpose());
        let is_catalog_lost = matches!(rows, Ok(None) | Err(CatalogError::Damaged { .. }));
        let is_of_nights = |set: Id| dir.set(set).is_none_or(|set| !quarantine(&set));
        let rows = rows.ok().map(Option::unwrap_or_default);
        let (mut catalog, mut begun) = rows.map_or((None, Vec::new()), |(sealed, begun)| (Some(sealed), begun));
        catalog.iter_mut().for_each(|rows| rows.retain(|row| is_of_nights(row.set)));
        begun.retain(|row| is_of_nights(row.set));
        let sets = dir.sets().into_iter().filter(|set| !quarantine(set)).collect();
        let nights = NightLog::of(state).read().ok().map(|(nights, _)| nights);
        Self { nights, catalog, is_catalog_lost, begun, sets }
    }

    /// What the log of nights has sealed and entered.
    fn recorded(&self) -> impl DoubleEndedIterator<Item = &SealedNight> {
        let ended = self.nights.iter().flatten().filter_map(|n| n.end.as_ref());
        ended.filter(|e| e.exit != SEALED_ONLY).filter_map(|e| e.sealed.as_ref())
    }

    /// By their check codes, the generations that the catalog knows.
    fn of_catalog(&self) -> BTreeMap<String, Known<'_>> {
        let known = |r: &'_ SealedRow| CheckCode::of(&r.head).to_string();
        let rows = self.catalog.iter().flatten();
        rows.map(|r| (known(r), Known { generation: r.number, medium: &r.set_name, time: &r.time })).collect()
    }

    fn lost_lines(&self, book: &LedgerContent) -> Vec<LostLine> {
        let since = book.accepted().unwrap_or_default();
        let entered: BTreeSet<&str> = written(book).map(|(code, _)| code).collect();
        let mut missing: BTreeMap<String, Known> = self.of_catalog();
        let excused = self.unentered(&missing);
        missing.retain(|code, _| !excused.contains(code));
        let of_night = |s: &'_ SealedNight| s.check_code.clone();
        missing
            .extend(self.recorded().map(|s| (of_night(s), Known { generation: s.generation, medium: &s.medium, time: &s.time })));
        missing.retain(|code, known| known.time > since && !entered.contains(&code[..]));
        let mut missing: Vec<Known> = missing.into_values().collect();
        missing.sort_by_key(|known| known.time.to_owned());
        let holds = book.missing_hold_lines().filter(|l| &l.time[..] > since);
        let mut lost: Vec<LostLine> = holds.map(|l| LostLine::Hold { time: l.time.clone() }).collect();
        lost.extend(self.lost_alarms(book, since));
        lost.extend(missing.iter().rev().map(|known| LostLine::Generation {
            generation: known.generation,
            medium: known.medium.to_owned(),
            time: known.time.to_owned(),
        }));
        let is_all = book.lines.is_empty() && (!lost.is_empty() || self.is_last_generation_kept());
        if is_all { vec![LostLine::All] } else { lost }
    }

    /// Alarms that a set's own folder has of generations behind the last one that the ledger has of it, where no run may have noted
    /// one and then sealed nothing.
    fn lost_alarms(&self, book: &LedgerContent, since: &str) -> Vec<LostLine> {
        let Some(nights) = self.nights.as_ref().filter(|_| !book.lines.is_empty()) else { return Vec::new() };
        let media = book.media();
        let of_set = |s: &SetState| {
            let (id, generation) = (s.id().to_string(), s.alarmed_generations().pop_last()?);
            let own = media.values().filter(|m| m.set == id && !m.is_copy).filter_map(|m| m.written.as_ref());
            let (last, number) = own.map(|(time, number, _)| (&time[..], *number)).max_by_key(|(_, number)| *number)?;
            let is_unsealed = |(at, n): (usize, &Night)| {
                let is_this = n.process == std::process::id() && at + 1 == nights.len();
                let has_sealed = n.end.as_ref().is_some_and(|e| e.sealed.is_some() && e.exit != SEALED_ONLY);
                let has_noted = n.end.as_ref().is_none_or(|e| e.noted_alarm != Some(false));
                !is_this && !has_sealed && has_noted && n.end.as_ref().map_or(&n.begun, |e| &e.time)[..] >= *last
            };
            let is_lost = generation > number && last > since;
            let is_lost = is_lost && !nights.iter().enumerate().any(is_unsealed);
            is_lost.then(|| LostLine::Alarm { generation, set: s.info().map(|i| i.name).unwrap_or_default() })
        };
        self.sets.iter().filter_map(of_set).collect()
    }

    /// Whether what is kept of the last generation shows that there was one, where the log of nights is lost, too, and knows of no run
    /// that may have been cut off before it could enter anything.
    fn is_last_generation_kept(&self) -> bool {
        let Some(nights) = &self.nights else { return false };
        let is_open = |(at, n): (usize, &Night)| match &n.end {
            None => !(n.process == std::process::id() && at + 1 == nights.len()),
            Some(end) => end.exit == SEALED_ONLY,
        };
        !nights.iter().enumerate().any(is_open) && self.sets.iter().any(|s| s.entries().exists())
    }

    /// Check codes of generations in `known` that a run has sealed and not entered, because it was killed or could not: each such
    /// run has sealed one at most.
    fn unentered(&self, known: &BTreeMap<String, Known>) -> BTreeSet<String> {
        let mut codes: BTreeSet<String> = BTreeSet::new();
        let nights: &[Night] = self.nights.as_deref().unwrap_or_default();
        for (at, night) in nights.iter().enumerate() {
            let end = night.end.as_ref();
            if let Some(sealed) = end.and_then(|e| e.sealed.as_ref()) {
                codes.extend((end.is_some_and(|e| e.exit == SEALED_ONLY)).then(|| sealed.check_code.clone()));
                continue;
            }
            // The one that asks has sealed nothing yet.
            if end.is_none() && night.process == std::process::id() && at + 1 == nights.len() {
                continue;
            }
            let until = end.map(|e| &e.time).or_else(|| nights.get(at + 1).map(|next| &next.begun));
            let is_of_run = |time: &str| time >= &night.begun[..] && until.is_none_or(|until| time <= &until[..]);
            let recorded = |code: &String| self.recorded().any(|s| s.check_code == *code);
            let of_run = known.iter().find(|(code, k)| is_of_run(k.time) && !codes.contains(*code) && !recorded(code));
            codes.extend(of_run.map(|(code, _)| code.clone()));
        }
        codes
    }

    fn misfits(&self, book: &LedgerContent) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        misfits.extend(self.missing_nights(book));
        let last = self.recorded().next_back();
        let has_backups = last.is_some() || written(book).next().is_some() || self.sets.iter().any(|s| s.entries().exists());
        // Of the sets only the last one: an older one may have been begun anew, for want of a catalog.
        let has_row = |s: &SealedNight| {
            let mut rows = self.catalog.iter().flatten().filter(|r| r.set.to_string() == s.set);
            self.catalog.is_none() || rows.any(|r| r.number >= s.generation)
        };
        if has_backups && (self.is_catalog_lost || last.is_some_and(|s| !has_row(s))) {
            misfits.push(Misfit::CatalogLost);
        }
        let media = book.media();
        let in_use = media.values().filter(|m| m.out_of_use.is_none() && !m.is_copy && m.written.is_some());
        let is_there = |set: &str| self.sets.iter().any(|s| s.id().to_string() == set && s.is_whole());
        misfits.extend(in_use.filter(|m| !is_there(&m.set)).map(|m| Misfit::SetLost { medium: m.name.clone() }));
        let last = |s: &SetState| self.catalog.iter().flatten().filter(|r| r.set == s.id()).map(|r| r.number).max();
        let night = |s: &SetState| self.recorded().rfind(|n| n.set == s.id().to_string());
        let forgets = |s: &&SetState| {
            let is_old = last(s).is_some_and(|last| !s.knows_sources(last) || !s.knows_entries());
            is_old || night(s).is_some_and(|night| s.has_forgotten(night))
        };
        misfits.extend(
            self.sets.iter().filter(forgets).map(|s| Misfit::MemoryLost { set: s.info().map(|i| i.name).unwrap_or_default() }),
        );
        let lines = book.lost_hold_copies;
        misfits.extend((lines > 0).then_some(Misfit::HoldsLost { lines }));
        misfits
    }

    /// The log of nights has all that the catalog and the ledger know, or a run that may have sealed it.
    fn missing_nights(&self, book: &LedgerContent) -> Option<Misfit> {
        self.nights.as_ref()?;
        let since = book.accepted().unwrap_or_default();
        let mut known = self.of_catalog();
        for (code, time) in written(book) {
            known.entry(code.to_owned()).or_insert(Known { generation: 0, medium: "", time });
        }
        let excused = self.unentered(&known);
        let recorded: BTreeSet<&str> = self.recorded().map(|s| &s.check_code[..]).collect();
        known.retain(|code, k| k.time > since && !recorded.contains(&code[..]) && !excused.contains(code));
        let time = known.values().map(|k| k.time).max()?.to_owned();
        Some(Misfit::NightsMissing { generations: known.len() as u64, time })
    }
}

/// Check code and time of each generation that the ledger has.
fn written(book: &LedgerContent) -> impl Iterator<Item = (&str, &str)> {
    book.lines.iter().filter_map(|l| match &l.event {
        LedgerEvent::Written { check_code, .. } => Some((&check_code[..], &l.time[..])),
        _ => None,
    })
}
