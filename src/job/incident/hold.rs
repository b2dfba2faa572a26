//! The hold (保全): from an alarm on, or from when somebody says so, no medium takes its turn, so that none that is clean comes near a host
//! that may not be.
//!
//! Anybody puts it on, with no key. Taking it off needs two people, or one person on two days: whoever has taken over the host is one,
//! and in a hurry.

use crate::env::Env;
use crate::format::object::Id;
use crate::host::catalog::{Catalog, CatalogError};
use crate::host::ledger::{Ledger, LedgerContent, LedgerError, LedgerEvent};
use crate::host::state::StateDir;
use crate::medium::{AttachedMedium, MediumError};
use std::path::Path;

/// Two days lie this far apart at least. Seconds.
const ANOTHER_DAY: i64 = 12 * 3_600;

/// A hold that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// RFC 3339, UTC.
    pub since: String,
    pub by: String,
    pub why: String,
    /// When somebody asked to take it off alone, and who.
    pub asked: Option<(String, String)>,
}

#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error("no hold stands")]
    NotHeld,
    #[error("the witness is the same person")]
    SamePerson,
    #[error("the day is not another one yet")]
    SameDay { asked: String },
    #[error("a hold stands since {since} ({why}), and {set} is not what was written to last")]
    Stands { set: String, since: String, why: String },
    #[error("the ledger failed")]
    Ledger(#[source] LedgerError),
    #[error("the medium failed")]
    Medium(#[source] MediumError),
    #[error("the catalog failed")]
    Catalog(#[source] CatalogError),
}

type Result<T> = std::result::Result<T, HoldError>;

/// What became of taking a hold off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// It is off.
    Done,
    /// The same person may take it off on another day.
    Asked,
}

/// The hold that stands by the ledger.
pub fn standing(book: &LedgerContent) -> Option<Hold> {
    let mut hold: Option<Hold> = None;
    for l in &book.lines {
        match (&l.event, &mut hold) {
            (LedgerEvent::Held { by, why }, None) => {
                hold = Some(Hold { since: l.time.clone(), by: by.clone(), why: why.clone(), asked: None });
            }
            // Another reason: whoever has asked to take it off did not know of it.
            (LedgerEvent::Held { why, .. }, Some(hold)) => {
                hold.asked = None;
                hold.why = format!("{}; {why}", hold.why);
            }
            (LedgerEvent::ReleaseAsked { by }, Some(hold)) => hold.asked = Some((l.time.clone(), by.clone())),
            (LedgerEvent::Released { .. }, _) => hold = None,
            _ => {}
        }
    }
    hold
}

/// Refuses the medium at `at` while a hold stands, if it holds generations and is not the one that was written to last: that one is evidence
/// already, and a blank one has nothing to lose.
pub fn check(state: &StateDir, at: &Path, env: &Env) -> Result<()> {
    let book = Ledger::of(state.root()).read().map_err(HoldError::Ledger)?;
    let Some(hold) = standing(&book) else { return Ok(()) };
    let sets = AttachedMedium::find(at, env.loader).and_then(|place| place.sets()).map_err(HoldError::Medium)?;
    let catalog = Catalog::open(&state.catalog()).map_err(HoldError::Catalog)?;
    // What is in quarantine was never in.
    let name = |id: Id| {
        let info = state.set(id).and_then(|s| s.info().ok());
        info.as_ref().is_none_or(|i| !i.quarantine).then(|| info.map_or_else(|| id.to_string(), |i| i.name))
    };
    let written = catalog.sets_written().map_err(HoldError::Catalog)?;
    let mut clean = written.iter().filter_map(|id| Some((*id, name(*id)?)));
    let last = clean.next().map(|(id, _)| id);
    let ids: Vec<Id> = sets.found.iter().map(|s| s.id).chain(sets.broken.iter().filter_map(|b| b.folder_id())).collect();
    if last.is_some_and(|last| ids.contains(&last)) {
        return Ok(());
    }
    match clean.find(|(id, _)| ids.contains(id)) {
        Some((_, set)) => Err(HoldError::Stands { set, since: hold.since, why: hold.why }),
        None => Ok(()),
    }
}

/// Puts a hold on, or adds a reason to the one that stands.
pub fn put_on(state: &Path, by: &str, why: &str, env: &Env) -> Result<()> {
    let event = LedgerEvent::Held { by: by.to_owned(), why: why.to_owned() };
    Ledger::of(state).write(&env.time_text(), event).map_err(HoldError::Ledger)
}

/// Takes the hold off: `by` with a `witness` at once; `by` alone in two steps on two days.
pub fn take_off(state: &Path, by: &str, witness: Option<&str>, env: &Env) -> Result<Release> {
    let ledger = Ledger::of(state);
    let book = ledger.read().map_err(HoldError::Ledger)?;
    let Some(hold) = standing(&book) else { return Err(HoldError::NotHeld) };
    let write = |event| ledger.write(&env.time_text(), event).map_err(HoldError::Ledger);
    let is_same = |other: &str| is_same_person(by, other);
    match (witness, hold.asked) {
        // Nobody is not somebody else.
        _ if by.trim().is_empty() => Err(HoldError::SamePerson),
        (Some(witness), _) if is_same(witness) => Err(HoldError::SamePerson),
        (Some(witness), _) => {
            write(LedgerEvent::Released { by: by.to_owned(), witness: Some(witness.to_owned()) })?;
            Ok(Release::Done)
        }
        // Somebody else asked: that makes two.
        (None, Some((_, other))) if !is_same(&other) => {
            write(LedgerEvent::Released { by: by.to_owned(), witness: Some(other) })?;
            Ok(Release::Done)
        }
        (None, Some((asked, _))) => {
            let passed = seconds_of(&asked).map(|then| (env.now)().seconds - then);
            // A clock that was set back makes no day.
            if passed.is_none_or(|seconds| seconds < ANOTHER_DAY) {
                return Err(HoldError::SameDay { asked });
            }
            write(LedgerEvent::Released { by: by.to_owned(), witness: None })?;
            Ok(Release::Done)
        }
        (None, None) => {
            write(LedgerEvent::ReleaseAsked { by: by.to_owned() })?;
            Ok(Release::Asked)
        }
    }
}

/// Whether two names are one person's, or one of them is nobody's.
pub fn is_same_person(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|name| name.trim().to_lowercase());
    one.is_empty() || other.is_empty() || one == other
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

        fn stands(&self) -> bool {
            standing(&Ledger::of(self.dir.path()).read().unwrap()).is_some()
        }
    }

    #[test]
    fn two_people_take_it_off() {
        let h = Host::new();
        assert!(matches!(h.off("鈴木", Some("佐藤")), Err(HoldError::NotHeld)));
        h.on();
        assert!(matches!(h.off("鈴木", Some(" 鈴木")), Err(HoldError::SamePerson)));
        assert!(matches!(h.off("鈴木", Some(" ")), Err(HoldError::SamePerson)));
        assert!(h.stands());
        assert_eq!(h.off("鈴木", Some("佐藤")).unwrap(), Release::Done);
        assert!(!h.stands());
        // One asks, and another one does it.
        h.on();
        assert_eq!(h.off("鈴木", None).unwrap(), Release::Asked);
        assert_eq!(h.off("佐藤", None).unwrap(), Release::Done);
        assert!(!h.stands());
    }

    #[test]
    fn one_person_takes_it_off_on_two_days() {
        let h = Host::new();
        h.on();
        assert_eq!(h.off("院長", None).unwrap(), Release::Asked);
        assert!(matches!(h.off("院長", None), Err(HoldError::SameDay { .. })));
        h.clock.fetch_add(-100_000, Ordering::Relaxed);
        assert!(matches!(h.off("院長", None), Err(HoldError::SameDay { .. })), "the clock was set back");
        h.clock.fetch_add(200_000, Ordering::Relaxed);
        // Something happened in between.
        h.on();
        assert_eq!(h.off("院長", None).unwrap(), Release::Asked);
        h.clock.fetch_add(ANOTHER_DAY, Ordering::Relaxed);
        assert_eq!(h.off("院長", None).unwrap(), Release::Done);
        assert!(!h.stands());
    }

    /// Whoever looks later must see since when, why, and which two people took it off.
    #[test]
    fn a_hold_tells_its_reasons_and_its_people() {
        let h = Host::new();
        h.on();
        h.run(|state, env| put_on(state, "鈴木", "canary", env)).unwrap();
        let hold = standing(&Ledger::of(h.dir.path()).read().unwrap()).unwrap();
        assert_eq!((&hold.since[..], &hold.by[..], &hold.why[..]), ("2026-09-21T14:13:20Z", "当直", "脅迫文; canary"));
        assert_eq!(h.off("Suzuki", None).unwrap(), Release::Asked);
        assert!(matches!(h.off("suzuki ", Some("SUZUKI")), Err(HoldError::SamePerson)));
        assert!(matches!(h.off("SUZUKI", None), Err(HoldError::SameDay { .. })), "the same person, typed otherwise");
        assert!(matches!(h.off(" ", None), Err(HoldError::SamePerson)), "nobody is no second person");
        assert!(matches!(h.off("", Some("Suzuki")), Err(HoldError::SamePerson)));
        assert_eq!(h.off("Sato", None).unwrap(), Release::Done);
        let book = Ledger::of(h.dir.path()).read().unwrap();
        let last = book.lines.last().unwrap();
        assert_eq!(last.event, LedgerEvent::Released { by: "Sato".into(), witness: Some("Suzuki".into()) });
    }
}
