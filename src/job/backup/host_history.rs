//! What all sets of this host know of the sources, out of what each set's last run has left (`watch`).

use super::Result;
use crate::format::object::Id;
use crate::format::watch::{self, Night, NightKind, SourceWatch};
use crate::host::catalog::Catalog;
use crate::host::state::{SetState, StateDir};
use crate::tripwire::all_sets::{HostHistory, HostNight};
use crate::tripwire::earlier::EarlierAlarm;
use std::collections::BTreeMap;

/// A set whose nights are this much farther apart than another's is not judged by that one's counts.
const MUCH_RARER: i64 = 2;

/// A night of one set, and when it began, in nanoseconds since 1970.
type DatedNight = (i64, Night);

/// Of each source in `own`, the histories that tonight's set is judged by. `now`: when tonight's run began, in nanoseconds
/// since 1970. `earlier`: the alarms that this host knows.
pub fn host_histories(
    state: &StateDir,
    catalog: &Catalog,
    (set, own): (Id, &[SourceWatch]),
    sources: &[&[u8]],
    earlier: &[EarlierAlarm],
    now: i64,
) -> Result<Vec<HostHistory>> {
    let mut all: BTreeMap<&[u8], HostHistory> = BTreeMap::new();
    let own = (set, own.to_vec());
    let others = state.sets().into_iter().filter(|s| s.id() != set).map(|s| (s.id(), known(&s)));
    // Tonight's set first: whether another one is written as often is known by then.
    let mut gaps: BTreeMap<&[u8], i64> = BTreeMap::new();
    for (id, watched) in [own].into_iter().chain(others) {
        let mut started = BTreeMap::new();
        for (source, watch) in sources.iter().filter_map(|name| Some((*name, watched.iter().find(|w| w.source == *name)?))) {
            let nights = dated(catalog, id, &watch.nights, &mut started)?;
            let host = all.entry(source).or_default();
            host.source = source.to_vec();
            host.nights.extend(nights.iter().map(|night| host_night(id, source, night, earlier)));
            match gaps.get(source) {
                None if id == set => drop(nights.last().map(|(last, _)| gaps.insert(source, now.saturating_sub(*last)))),
                Some(gap) if is_as_frequent(&nights, *gap) && usual(&nights) > usual_of(&host.borrowed) => {
                    host.borrowed = nights.into_iter().map(|(_, night)| night).collect();
                }
                _ => {}
            }
        }
    }
    let mut all: Vec<HostHistory> = all.into_values().collect();
    all.iter_mut().for_each(|host| host.nights.sort_by_key(|n| n.started));
    Ok(all)
}

fn known(set: &SetState) -> Vec<SourceWatch> {
    set.watch().and_then(|bytes| watch::decode(&bytes).ok()).unwrap_or_default()
}

/// The nights that were sealed, with their times. `started`: of the generations that were looked up before.
fn dated(catalog: &Catalog, set: Id, nights: &[Night], started: &mut BTreeMap<u64, Option<i64>>) -> Result<Vec<DatedNight>> {
    let Some(row) = catalog.set(set)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for night in nights {
        let known = match started.get(&night.generation) {
            Some(known) => *known,
            None => catalog.complete_generation(row, night.generation)?.map(|g| g.started),
        };
        started.insert(night.generation, known);
        all.extend(known.map(|at| (at, *night)));
    }
    Ok(all)
}

/// What two people have called harmless is how the source is from then on.
fn host_night(set: Id, source: &[u8], (started, night): &DatedNight, earlier: &[EarlierAlarm]) -> HostNight {
    let is_of_night = |e: &&EarlierAlarm| (e.set, e.alarm.generation, &e.alarm.source[..]) == (set, night.generation, source);
    let is_harmless = earlier.iter().filter(is_of_night).any(|e| e.is_harmless);
    let kind = if is_harmless { NightKind::Announced } else { night.kind };
    HostNight { started: *started, kind, measures: night.measures }
}

fn usual(nights: &[DatedNight]) -> usize {
    nights.iter().filter(|(_, n)| n.kind == NightKind::Usual).count()
}

fn usual_of(nights: &[Night]) -> usize {
    nights.iter().filter(|n| n.kind == NightKind::Usual).count()
}

/// Whether a set's nights are about as far apart as tonight is from the last night of tonight's set: `gap` nanoseconds.
fn is_as_frequent(nights: &[DatedNight], gap: i64) -> bool {
    let widest = nights.windows(2).map(|w| w[1].0.saturating_sub(w[0].0)).max().unwrap_or(0);
    gap <= widest.saturating_mul(MUCH_RARER)
}
