//! The hold (保全): after an alarm, or when somebody asks for it, the rotation stops, so that no clean medium is attached
//! to a host that may be compromised.
//!
//! Anybody may put it on, with no key. Taking it off needs two people, or one person twice, hours apart: an intruder is
//! one person, and in a hurry.

use super::people::{is_nobody, is_same_person};
use crate::env::Env;
use crate::format::object::Id;
use crate::host::catalog::{Catalog, CatalogError};
use crate::host::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent, LedgerLine};
use crate::host::state::StateDir;
use crate::medium::{AttachedMedium, MediumError};
use std::path::Path;

/// Seconds between the two requests of one person.
const APART_SECONDS: i64 = 12 * 3_600;

/// An active hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// When it was put on, RFC 3339 in UTC.
    pub since: String,
    /// Who put it on.
    pub by: String,
    /// Other people who added a reason to it.
    pub added_by: Vec<String>,
    /// All reasons.
    pub why: String,
    /// When one person alone asked to take it off, and who.
    pub release_requested: Option<(String, String)>,
}

/// Why a hold cannot be taken off, or a medium not be written to.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// There is nothing to take off.
    #[error("no hold is active")]
    NotHeld,
    /// Two names belong to one person, or one of them is empty.
    #[error("the witness is the same person")]
    SamePerson,
    /// The request to take it off alone is less than 12 hours old.
    #[error("less than 12 hours have passed")]
    TooSoon {
        /// When it was requested, RFC 3339 in UTC.
        requested: String,
    },
    /// The medium may not be written to.
    #[error("a hold is active since {since} ({why}), and {set} is not the set that was written last")]
    Active {
        /// Name of the set on the medium.
        set: String,
        /// When the hold began, RFC 3339 in UTC.
        since: String,
        /// Its reasons.
        why: String,
    },
    /// The set of a medium of a pool would continue on another medium.
    #[error("a hold is active since {since} ({why}), and the set of {medium} is continued on no other medium")]
    Continued {
        /// The medium of the pool.
        medium: String,
        /// When the hold began, RFC 3339 in UTC.
        since: String,
        /// Its reasons.
        why: String,
    },
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The medium failed.
    #[error(transparent)]
    Medium(#[from] MediumError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

type Result<T> = std::result::Result<T, HoldError>;

/// The result of taking a hold off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It is off.
    Done,
    /// One person alone requested it, and may repeat the request 12 hours later.
    Requested,
}

/// The hold that is active by the ledger. It ends when it is released, or when the alarms of all its reasons are harmless.
pub fn active_hold(book: &LedgerContent) -> Option<Hold> {
    let mut hold: Option<Hold> = None;
    // Each reason, and the alarm that it comes from.
    let mut reasons: Vec<(&str, Option<(&str, u64)>)> = Vec::new();
    for l in book.hold_lines() {
        match &l.event {
            LedgerEvent::Held { by, why, set, generation } => {
                reasons.push((why, set.as_deref().zip(*generation)));
                let (since, by) = (l.time.clone(), by.clone());
                let begun = || Hold { since, by: by.clone(), added_by: Vec::new(), why: String::new(), release_requested: None };
                let hold = hold.get_or_insert_with(begun);
                // Whoever requested the release did not know this reason.
                hold.release_requested = None;
                // What a backup adds names itself in its reason.
                if set.is_none() && hold.by != by && !hold.added_by.contains(&by) {
                    hold.added_by.push(by);
                }
            }
            LedgerEvent::Harmless { set, generation, .. } => {
                reasons.retain(|(_, alarm)| *alarm != Some((set, *generation)));
                hold = hold.filter(|_| !reasons.is_empty());
            }
            LedgerEvent::ReleaseAsked { by } => {
                if let Some(hold) = &mut hold {
                    hold.release_requested = Some((l.time.clone(), by.clone()));
                }
            }
            LedgerEvent::Released { .. } => {
                hold = None;
                reasons.clear();
            }
            _ => {}
        }
    }
    let why = reasons.iter().map(|(why, _)| *why).collect::<Vec<_>>().join("; ");
    hold.map(|hold| Hold { why, ..hold })
}

/// Fails while a hold is active if the medium at `at` has generations and is not the one that was written last: the
/// last one is evidence already, and a blank one has nothing to lose.
pub fn check(state: &StateDir, at: &Path, env: &Env) -> Result<()> {
    let book = Ledger::of(state.root()).read()?;
    let Some(hold) = active_hold(&book) else { return Ok(()) };
    let sets = AttachedMedium::find(at, env.loader)?.sets()?;
    let catalog = Catalog::open(&state.catalog())?;
    // A set in quarantine takes no part in the rotation.
    let name = |id: Id| {
        let info = state.set(id).and_then(|s| s.info().ok());
        info.as_ref().is_none_or(|i| !i.quarantine).then(|| info.map_or_else(|| id.to_string(), |i| i.name))
    };
    // Where the catalog is lost, the ledger knows it.
    let written = [catalog.sets_written()?, sets_in_ledger(&book)].concat();
    let mut clean = written.iter().filter_map(|id| Some((*id, name(*id)?)));
    let last = clean.next().map(|(id, _)| id);
    let ids = sets.ids();
    if last.is_some_and(|last| ids.contains(&last)) {
        return Ok(());
    }
    match clean.find(|(id, _)| ids.contains(id)) {
        Some((_, set)) => Err(HoldError::Active { set, since: hold.since, why: hold.why }),
        None => Ok(()),
    }
}

/// The sets that generations were written to by the ledger, the last written first.
fn sets_in_ledger(book: &LedgerContent) -> Vec<Id> {
    let media = book.media();
    let set = |l: &LedgerLine| match &l.event {
        LedgerEvent::Written { medium, .. } => media.get(medium)?.set.parse().ok(),
        _ => None,
    };
    book.lines.iter().rev().filter_map(set).collect()
}

/// Puts a hold on, or adds a reason to the active one.
pub fn put_on(state: &Path, by: &str, why: &str, env: &Env) -> Result<()> {
    let event = LedgerEvent::Held { by: by.to_owned(), why: why.to_owned(), set: None, generation: None };
    Ok(Ledger::of(state).write(&env.time_text(), event)?)
}

/// Puts a hold on, or adds a reason to the active one, because a generation has an alarm.
pub fn put_on_for_alarm(state: &Path, set: Id, generation: u64, why: &str, env: &Env) -> Result<()> {
    let (set, generation) = (Some(set.to_string()), Some(generation));
    let event = LedgerEvent::Held { by: "azekura".into(), why: why.to_owned(), set, generation };
    Ok(Ledger::of(state).write(&env.time_text(), event)?)
}

/// Takes the hold off: `by` with a `witness` at once; `by` alone in two steps, 12 hours apart.
pub fn take_off(state: &Path, by: &str, witness: Option<&str>, env: &Env) -> Result<Release> {
    let ledger = Ledger::of(state);
    let book = ledger.read()?;
    let Some(hold) = active_hold(&book) else { return Err(HoldError::NotHeld) };
    let write = |event| ledger.write(&env.time_text(), event);
    let is_same = |other: &str| is_same_person(by, other);
    match (witness, hold.release_requested) {
        // An empty name is not a second person.
        _ if is_nobody(by) => Err(HoldError::SamePerson),
        (Some(witness), _) if is_same(witness) => Err(HoldError::SamePerson),
        (Some(witness), _) => {
            write(LedgerEvent::Released { by: by.to_owned(), witness: Some(witness.to_owned()) })?;
            Ok(Release::Done)
        }
        // Another person requested it: these are two people.
        (None, Some((_, other))) if !is_same(&other) => {
            write(LedgerEvent::Released { by: by.to_owned(), witness: Some(other) })?;
            Ok(Release::Done)
        }
        (None, Some((requested, _))) => {
            let passed = seconds_of(&requested).map(|then| (env.now)().seconds - then);
            // Negative if the clock was set back: nobody knows how much has passed.
            if passed.is_none_or(|seconds| seconds < APART_SECONDS) {
                return Err(HoldError::TooSoon { requested });
            }
            write(LedgerEvent::Released { by: by.to_owned(), witness: None })?;
            Ok(Release::Done)
        }
        (None, None) => {
            write(LedgerEvent::ReleaseAsked { by: by.to_owned() })?;
            Ok(Release::Requested)
        }
    }
}

fn seconds_of(rfc3339: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(rfc3339).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor::Time;
    use crate::medium::loader::NoLoader;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    struct Host {
        dir: tempfile::TempDir,
        clock: AtomicI64,
    }

    impl Host {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap(), clock: AtomicI64::new(1_790_000_000) }
        }

        fn run<T>(&self, f: impl FnOnce(&Path, &Env) -> T) -> T {
            let now = || Time { seconds: self.clock.fetch_add(1, Ordering::Relaxed), nanoseconds: 0 };
            let interrupted = AtomicBool::new(false);
            let env = Env { now: &now, random: &|_| {}, host: "host", interrupted: &interrupted, loader: &NoLoader, threads: 1 };
            f(self.dir.path(), &env)
        }

        fn off(&self, by: &str, witness: Option<&str>) -> Result<Release> {
            self.run(|state, env| take_off(state, by, witness, env))
        }

        fn on(&self) {
            self.run(|state, env| put_on(state, "当直", "脅迫文", env)).unwrap();
        }

        fn is_held(&self) -> bool {
            active_hold(&Ledger::of(self.dir.path()).read().unwrap()).is_some()
        }
    }

    #[test]
    fn two_people_take_it_off() {
        let h = Host::new();
        assert!(matches!(h.off("鈴木", Some("佐藤")), Err(HoldError::NotHeld)));
        h.on();
        assert!(matches!(h.off("鈴木", Some(" 鈴木")), Err(HoldError::SamePerson)));
        assert!(matches!(h.off("鈴木", Some(" ")), Err(HoldError::SamePerson)));
        assert!(h.is_held());
        assert_eq!(h.off("鈴木", Some("佐藤")).unwrap(), Release::Done);
        assert!(!h.is_held());
        // One person requests it, and another one does it.
        h.on();
        assert_eq!(h.off("鈴木", None).unwrap(), Release::Requested);
        assert_eq!(h.off("佐藤", None).unwrap(), Release::Done);
        assert!(!h.is_held());
    }

    #[test]
    fn one_person_takes_it_off_on_two_days() {
        let h = Host::new();
        h.on();
        assert_eq!(h.off("院長", None).unwrap(), Release::Requested);
        assert!(matches!(h.off("院長", None), Err(HoldError::TooSoon { .. })));
        h.clock.fetch_add(-100_000, Ordering::Relaxed);
        assert!(matches!(h.off("院長", None), Err(HoldError::TooSoon { .. })), "the clock was set back");
        h.clock.fetch_add(200_000, Ordering::Relaxed);
        // Something happened in between.
        h.on();
        assert_eq!(h.off("院長", None).unwrap(), Release::Requested);
        h.clock.fetch_add(APART_SECONDS, Ordering::Relaxed);
        assert_eq!(h.off("院長", None).unwrap(), Release::Done);
        assert!(!h.is_held());
    }

    /// Whoever looks later must see since when, why, and which two people took it off.
    #[test]
    fn a_hold_lists_its_reasons_and_its_people() {
        let h = Host::new();
        h.on();
        h.run(|state, env| put_on(state, "鈴木", "canary", env)).unwrap();
        let hold = active_hold(&Ledger::of(h.dir.path()).read().unwrap()).unwrap();
        assert_eq!((&hold.since[..], &hold.by[..], &hold.why[..]), ("2026-09-21T14:13:20Z", "当直", "脅迫文; canary"));
        assert_eq!(hold.added_by, ["鈴木"], "and who added to it");
        assert_eq!(h.off("Suzuki", None).unwrap(), Release::Requested);
        assert!(matches!(h.off("suzuki ", Some("SUZUKI")), Err(HoldError::SamePerson)));
        assert!(matches!(h.off("SUZUKI", None), Err(HoldError::TooSoon { .. })), "the same person, in other letters");
        assert!(matches!(h.off(" ", None), Err(HoldError::SamePerson)), "an empty name is no second person");
        assert!(matches!(h.off("", Some("Suzuki")), Err(HoldError::SamePerson)));
        assert_eq!(h.off("Sato", None).unwrap(), Release::Done);
        let book = Ledger::of(h.dir.path()).read().unwrap();
        let last = book.lines.last().unwrap();
        assert_eq!(last.event, LedgerEvent::Released { by: "Sato".into(), witness: Some("Suzuki".into()) });
    }
}
