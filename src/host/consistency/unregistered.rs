//! Which media a ledger that was begun anew does not know, as far as the other parts of the state tell: the log of nights, the
//! catalog, and the folders of the sets.
//!
//! **Invariant:** before two people have said why records are missing, it is lines of the ledger that are missing, and no medium is
//! named here. So a state that never had a ledger is not accused.

use super::Parts;
use crate::host::ledger::LedgerContent;
use crate::host::state::StateDir;
use std::collections::BTreeMap;
use std::path::Path;

/// By their names, the sets of media that this host has written or prepared, and that no medium of the ledger has.
pub fn unregistered(state: &Path, book: &LedgerContent) -> BTreeMap<String, String> {
    Parts::of(state).unregistered(book, &StateDir::of(state))
}

/// What a part calls a set.
struct Named {
    name: String,
    /// By the log of nights it is the name of the medium. A set that was begun anew has the name of the old one.
    is_of_medium: bool,
    is_in_catalog: bool,
}

impl Parts {
    pub(super) fn unregistered(&self, book: &LedgerContent, state: &StateDir) -> BTreeMap<String, String> {
        let Some(since) = book.accepted() else { return BTreeMap::new() };
        let media = book.media();
        let mut named: BTreeMap<String, Named> = BTreeMap::new();
        let of_set = |name: &str, is_in_catalog| Named { name: name.to_owned(), is_of_medium: false, is_in_catalog };
        // Later than that, a run has begun it, and nothing may be on it yet.
        let begun = self.begun.iter().filter(|b| &b.created[..] <= since);
        named.extend(begun.map(|b| (b.set.to_string(), of_set(&b.name, false))));
        let is_known = |set: String| self.begun.iter().any(|b| b.set.to_string() == set);
        let folders = self.sets.iter().filter(|s| !is_known(s.id().to_string()));
        named.extend(folders.filter_map(|s| Some((s.id().to_string(), of_set(&s.info().ok()?.name, false)))));
        named.extend(self.catalog.iter().flatten().map(|r| (r.set.to_string(), of_set(&r.set_name, true))));
        for night in self.recorded() {
            let is_in_catalog = named.get(&night.set).is_some_and(|n| n.is_in_catalog);
            named.insert(night.set.clone(), Named { name: night.medium.clone(), is_of_medium: true, is_in_catalog });
        }
        let has_set = |set: &str| media.values().any(|m| m.set == set);
        let is_kept = |set: &str| set.parse().is_ok_and(|id| state.set(id).is_some());
        let missing = named.into_iter().filter(|(set, _)| !has_set(set)).filter_map(|(set, n)| {
            let is_there = media.contains_key(&n.name);
            // Two sets of one name are on two media where neither took the place of the other.
            let is_another = is_there && !n.is_of_medium && n.is_in_catalog && is_kept(&set);
            match is_there {
                true if is_another => Some((format!("{} ({})", n.name, set.get(..8)?), set)),
                true => None,
                false => Some((n.name, set)),
            }
        });
        missing.filter(|(name, _)| !media.contains_key(name)).collect()
    }
}
