//! Compares a night with the source's own history, and while that is short with what other sets of the host know.
//!
//! What is usual is the median of the last nights, and its variation the median absolute deviation (MAD): one odd night does not change
//! them. Each limit has a floor, below which no alarm is worth it. Nights with an alarm or with announced changes do not count as usual.
//!
//! Source of the statistics: Hampel, "The influence curve and its role in robust estimation" (1974); 1.4826 makes a MAD comparable with a
//! standard deviation.

use super::Tripwire;
use super::all_sets::HostHistory;
use crate::format::watch::{Measures, Night, NightKind};

/// Nights after which a source has a history to compare with.
const NIGHTS_KNOWN: usize = 3;
/// Files from which on it is an alarm that they are gone while the history is short.
const MANY_FILES: u64 = 20;
/// Files of a source from which on it is an alarm that nearly all of them changed, or are gone.
const FEW_FILES: u64 = 10;
/// Changed files from which on nine of ten are an alarm by themselves.
const MANY_CHANGED: u64 = 100;
/// Nights over which small amounts are added up.
const DRIP_NIGHTS: usize = 30;
/// Deviations beyond which a count is no coincidence.
const DEVIATIONS: f64 = 6.0;
const MIB: u64 = 1 << 20;

/// A count of one night that reached its limit: an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// The tripwire that counts it.
    pub tripwire: Tripwire,
    /// The count.
    pub measured: u64,
    /// The count from which on there is an alarm.
    pub limit: u64,
}

/// The source's last usual nights.
struct History<'a> {
    nights: Vec<&'a Measures>,
}

impl History<'_> {
    fn median(&self, of: impl Fn(&Measures) -> u64) -> u64 {
        median(self.nights.iter().map(|m| of(m)).collect())
    }

    /// The largest count of the quietest quarter of the nights. A slow attack changes it only after most of the nights.
    fn quiet(&self, of: impl Fn(&Measures) -> u64) -> u64 {
        let mut all: Vec<u64> = self.nights.iter().map(|m| of(m)).collect();
        all.sort_unstable();
        all.get(all.len() / 4).copied().unwrap_or(0)
    }

    /// The count from which on a night is unusual; at least `floor`.
    fn limit(&self, floor: u64, of: impl Fn(&Measures) -> u64) -> u64 {
        let usual = self.median(&of);
        let mad = median(self.nights.iter().map(|m| of(m).abs_diff(usual)).collect());
        let spread = (usual as f64 + DEVIATIONS * 1.4826 * mad as f64) as u64;
        floor.max(spread).max(usual.saturating_mul(3))
    }
}

fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// Judges a night of a source. `nights`: its own, in tonight's set. `announced`: somebody announced that much would change; then only
/// changes that no legitimate work makes raise an alarm.
pub fn judge(nights: &[Night], host: &HostHistory, tonight: &Measures, announced: bool) -> Vec<Excess> {
    let mut raised = measure(nights, host, tonight, announced);
    // Many changes at once are no drip.
    if raised.iter().any(|r| r.tripwire != Tripwire::Drip) {
        raised.retain(|r| r.tripwire != Tripwire::Drip);
    }
    raised
}

fn suspicious(m: &Measures) -> u64 {
    m.noisy + m.misfit
}

/// What a night adds to a drip.
pub(super) fn slow(m: &Measures) -> u64 {
    suspicious(m) + m.forbidden + m.strange.min(2 * m.gone)
}

/// What the source has tonight against what it had in all sets of the host: for a set whose own history is short. That a
/// source is empty is a finding.
fn measure_size(host: &HostHistory, t: &Measures) -> Vec<Excess> {
    let Some(usual) = host.usual_size().filter(|_| t.files > 0) else { return Vec::new() };
    let has_shrunk = usual.bytes >= MIB && t.bytes < usual.bytes / 2;
    let has_fewer = usual.files >= MANY_FILES && t.files < usual.files / 2;
    let shrunk = || Excess { tripwire: Tripwire::Shrunk, measured: usual.bytes - t.bytes, limit: usual.bytes / 2 };
    let fewer = || Excess { tripwire: Tripwire::Fewer, measured: usual.files - t.files, limit: usual.files / 2 };
    has_shrunk.then(shrunk).into_iter().chain(has_fewer.then(fewer)).collect()
}

/// Files that are gone from a set that has seen them, in the nights in which nobody knows how many usually go: half of them,
/// and half of these not replaced.
fn measure_gone(host: &HostHistory, last: &Measures, t: &Measures) -> Option<Excess> {
    let usual_files = host.usual_size().map_or(last.files, |usual| usual.files.min(last.files));
    let limit = (last.files / 2).max(MANY_FILES);
    let is_replaced = usual_files.saturating_sub(t.files).saturating_mul(2) < t.gone;
    (t.gone >= limit && !is_replaced).then_some(Excess { tripwire: Tripwire::Gone, measured: t.gone, limit })
}

/// Nearly all of a small source overwritten or gone in one night: fewer files than say something in a large one. It counts
/// where nothing like it is on record: no night in which half as much changed, and no folder that is emptied now and then. What
/// replaces a file that is gone makes up for it.
fn measure_small(history: &History, nights: &[Night], host: &HostHistory, files: u64, t: &Measures) -> Option<Excess> {
    let touched = |m: &Measures| m.changed + m.gone.saturating_sub(m.new);
    let on_record = nights.iter().map(|n| &n.measures).chain(host.nights.iter().map(|n| &n.measures));
    let is_known = on_record.map(touched).max().is_some_and(|most| most.saturating_mul(2) >= touched(t));
    let is_emptied_at_times = history.quiet(|m| m.files).saturating_mul(2) < files;
    if files * 9 / 10 >= MANY_CHANGED || t.files == 0 || is_known || is_emptied_at_times {
        return None;
    }
    let limit = history.limit((files * 9 / 10).max(FEW_FILES), touched);
    let tripwire = if t.changed > t.gone { Tripwire::Changed } else { Tripwire::Gone };
    (touched(t) >= limit).then_some(Excess { tripwire, measured: touched(t), limit })
}

fn measure(nights: &[Night], host: &HostHistory, tonight: &Measures, announced: bool) -> Vec<Excess> {
    let mut raised = Vec::new();
    let mut raise = |tripwire, measured: u64, limit: u64| {
        if measured >= limit {
            raised.push(Excess { tripwire, measured, limit });
        }
    };
    let t = tonight;
    raise(Tripwire::Canary, t.canaries, 1);
    let with = |wanted: fn(NightKind) -> bool| nights.iter().filter(move |n| wanted(n.kind)).map(|n| &n.measures);
    let own: Vec<&Measures> = with(|c| c == NightKind::Usual).collect();
    let Some(last) = with(|c| c != NightKind::Alarm).next_back() else {
        if !announced {
            raised.extend(measure_size(host, t));
        }
        return raised;
    };
    let (files, bytes) = (last.files.max(1), last.bytes.max(1));
    let is_known = own.len() >= NIGHTS_KNOWN;
    let borrowed: Vec<&Measures> = host.borrowed.iter().filter(|n| n.kind == NightKind::Usual).map(|n| &n.measures).collect();
    let usual = if is_known || borrowed.len() < NIGHTS_KNOWN { own.clone() } else { borrowed };
    let known = usual.len() >= NIGHTS_KNOWN;
    let history = History { nights: usual.clone() };

    // Changes that no legitimate work makes.
    raise(Tripwire::Noise, t.noisy, history.limit((files / 1_000).max(5), |m| m.noisy));
    raise(Tripwire::Header, t.misfit, history.limit((files / 1_000).max(5), |m| m.misfit));
    if t.noisy_bytes >= MIB && t.changed + t.gone > 0 {
        raise(Tripwire::Noise, t.noisy_bytes, history.limit(t.bytes / 2, |m| m.noisy_bytes).max(MIB));
    }
    // Small amounts, night after night; in an announced night only changes that no legitimate work makes.
    let before = own.iter().rev().take(DRIP_NIGHTS - 1).map(|m| slow(m)).sum::<u64>();
    let expected = history.quiet(slow) * DRIP_NIGHTS as u64;
    let now = if announced { suspicious(t) } else { slow(t) };
    raise(Tripwire::Drip, before + now, (files / 100).max(10) + 3 * expected);

    if announced {
        return raised;
    }
    raise(Tripwire::Forbidden, t.forbidden, history.limit(1, |m| m.forbidden));
    // A folder that is emptied now and then is one that files are taken from.
    if t.files == 0 && t.gone > 0 && history.quiet(|m| m.files) > 0 {
        raise(Tripwire::Gone, t.gone, if known { 1 } else { MANY_FILES });
    }
    if !known {
        raised.extend(measure_gone(host, last, t).filter(|_| t.files > 0));
        raised.extend(measure_size(host, t));
        return raised;
    }
    raise(Tripwire::Changed, t.changed, history.limit((files * 9 / 10).max(MANY_CHANGED), |m| m.changed));
    raise(Tripwire::Finished, t.finished, history.limit((files / 100).max(20), |m| m.finished));
    if t.strange.min(2 * t.gone) > 0 {
        raise(Tripwire::Strange, t.strange.min(2 * t.gone), history.limit((files / 50).max(10), |m| m.strange.min(2 * m.gone)));
    }
    if t.files > 0 {
        raise(Tripwire::Gone, t.gone, history.limit((files * 3 / 10).max(20), |m| m.gone));
    }
    if t.files > 0 && is_known {
        // The usual size since the last announced change.
        let since = nights.iter().rposition(|n| n.kind == NightKind::Announced).unwrap_or(0);
        let of_late = nights[since..].iter().filter(|n| n.kind != NightKind::Alarm).map(|n| n.measures.bytes);
        let usual_bytes = median(of_late.collect());
        if usual_bytes >= MIB && t.bytes < usual_bytes / 2 {
            raise(Tripwire::Shrunk, usual_bytes - t.bytes, usual_bytes / 2);
        }
    }
    // Usually most was stored already, and tonight nearly everything is new.
    let mostly_known = history.nights.iter().filter(|m| m.new_bytes * 2 <= m.bytes).count() * 4 >= usual.len() * 3;
    if mostly_known && t.bytes >= 16 * MIB && t.changed > 0 {
        raise(Tripwire::Dedup, t.new_bytes, (bytes.min(t.bytes) * 9 / 10).max(16 * MIB));
    }
    if !is_known {
        raised.extend(measure_size(host, t));
    }
    let is_told = raised.iter().any(|r| matches!(r.tripwire, Tripwire::Changed | Tripwire::Gone));
    raised.extend(measure_small(&history, nights, host, files, t).filter(|_| !is_told));
    raised
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nights(measures: &[Measures]) -> Vec<Night> {
        (1..).zip(measures).map(|(generation, m)| Night { generation, kind: NightKind::Usual, measures: *m }).collect()
    }

    fn quiet() -> Measures {
        Measures { files: 10_000, bytes: 100 * MIB, changed: 20, new: 100, gone: 10, new_bytes: MIB, ..Measures::default() }
    }

    fn names(nights: &[Night], tonight: Measures) -> Vec<Tripwire> {
        judge(nights, &HostHistory::default(), &tonight, false).iter().map(|r| r.tripwire).collect()
    }

    #[test]
    fn the_first_night_and_a_usual_one_are_quiet() {
        let everything_new = Measures { new: 10_000, noisy: 4_000, misfit: 300, new_bytes: 100 * MIB, ..quiet() };
        assert_eq!(names(&[], everything_new), []);
        assert_eq!(names(&nights(&[quiet(); 3]), quiet()), []);
    }

    #[test]
    fn what_is_usual_for_a_source_raises_no_alarm() {
        // A folder of exports that is replaced every night, packed files among them.
        let busy = Measures { files: 500, gone: 500, new: 500, noisy: 40, strange: 30, new_bytes: 100 * MIB, ..quiet() };
        assert_eq!(names(&nights(&[busy; 5]), busy), []);
        assert_eq!(names(&nights(&[quiet(), quiet(), quiet()]), busy), [Tripwire::Noise, Tripwire::Dedup]);
    }

    #[test]
    fn a_night_with_an_alarm_is_not_taken_for_usual() {
        let mut all = nights(&[quiet(); 4]);
        let bad = Measures { noisy: 600, changed: 600, ..quiet() };
        for generation in 5..12 {
            assert!(names(&all, bad).contains(&Tripwire::Noise), "generation {generation}");
            all.push(Night { generation, kind: NightKind::Alarm, measures: bad });
        }
    }

    #[test]
    fn small_amounts_add_up_to_an_alarm() {
        let mut all = nights(&[quiet(); 10]);
        let tonight = Measures { noisy: 4, changed: 24, ..quiet() };
        let alarmed = (1..=DRIP_NIGHTS as u64).find(|night| {
            let alarmed = names(&all, tonight).contains(&Tripwire::Drip);
            all.push(Night { generation: 10 + night, kind: NightKind::Usual, measures: tonight });
            alarmed
        });
        // 4 of 10,000 files a night are 1 in 100 after 25 nights, and not before.
        assert_eq!(alarmed, Some(25));
    }

    /// A renewal renames everything, removes two thirds of it and changes files against the rules; the nights after it are usual.
    #[test]
    fn announced_changes_raise_no_alarm_then_or_later() {
        let renewal =
            Measures { bytes: 30 * MIB, changed: 9_900, gone: 9_000, new: 2_000, strange: 1_900, forbidden: 900, ..quiet() };
        let mut all = nights(&[quiet(); 5]);
        assert!(names(&all, renewal).len() >= 5);
        assert_eq!(judge(&all, &HostHistory::default(), &renewal, true), []);
        assert!(
            judge(&all, &HostHistory::default(), &Measures { noisy: 900, ..renewal }, true)
                .iter()
                .any(|r| r.tripwire == Tripwire::Noise)
        );
        all.push(Night { generation: 6, kind: NightKind::Announced, measures: renewal });
        let after = Measures { files: 3_000, bytes: 30 * MIB, ..quiet() };
        for generation in 7..12 {
            assert_eq!(names(&all, after), [], "generation {generation}");
            assert!(names(&all, Measures { bytes: 14 * MIB, ..after }).contains(&Tripwire::Shrunk));
            all.push(Night { generation, kind: NightKind::Usual, measures: after });
        }
    }

    /// The drip of the nights before continues in an announced night.
    #[test]
    fn an_announcement_does_not_hide_a_drip() {
        let mut all = nights(&[quiet(); 10]);
        all.extend((11..=35).map(|generation| Night {
            generation,
            kind: NightKind::Usual,
            measures: Measures { noisy: 4, changed: 24, ..quiet() },
        }));
        let raised = judge(&all, &HostHistory::default(), &Measures { noisy: 4, strange: 500, gone: 500, ..quiet() }, true);
        assert_eq!(raised.iter().map(|r| (r.tripwire, r.measured)).collect::<Vec<_>>(), [(Tripwire::Drip, 104)]);
    }

    #[test]
    fn a_dump_that_shrinks_or_is_all_new_raises_an_alarm() {
        let dump = Measures { files: 1, bytes: 200 * MIB, changed: 1, new_bytes: 2 * MIB, ..Measures::default() };
        let history = nights(&[dump; 6]);
        assert_eq!(names(&history, dump), []);
        assert_eq!(names(&history, Measures { bytes: 90 * MIB, new_bytes: 0, ..dump }), [Tripwire::Shrunk]);
        assert_eq!(names(&history, Measures { new_bytes: 195 * MIB, ..dump }), [Tripwire::Dedup]);
        let replaced = Measures { new_bytes: 200 * MIB, noisy: 1, noisy_bytes: 200 * MIB, ..dump };
        assert!(names(&history, replaced).contains(&Tripwire::Noise));
    }

    /// Nineteen patients' records, each replaced by the same note.
    #[test]
    fn nearly_all_of_a_small_source_in_one_night_is_an_alarm() {
        let usual = Measures { files: 19, bytes: 40_000, changed: 1, ..Measures::default() };
        let quiet = nights(&[usual; 4]);
        let changed = |changed| Measures { changed, ..usual };
        assert_eq!(names(&quiet, changed(19)), [Tripwire::Changed]);
        assert_eq!(names(&quiet, changed(16)), []);
        let gone = Measures { files: 2, gone: 18, new: 1, changed: 0, ..usual };
        assert_eq!(names(&quiet, gone), [Tripwire::Gone]);
        assert_eq!(names(&quiet, Measures { gone: 9, changed: 10, files: 10, ..usual }), [Tripwire::Changed]);
        // A folder that was renamed, and exports that get other names every night.
        assert_eq!(names(&quiet, Measures { gone: 19, new: 19, changed: 0, ..usual }), []);
        // All of it is written anew once a week; or was once, and people have looked at it.
        let mut weekly = nights(&[usual, changed(19), usual, usual, usual, usual]);
        assert_eq!(names(&weekly, changed(19)), []);
        weekly[1].kind = NightKind::Alarm;
        assert_eq!(names(&weekly, changed(19)), []);
        // An inbox that somebody empties.
        let inbox: Vec<Measures> = [3, 6, 9, 12, 15, 18].map(|files| Measures { files, new: 3, changed: 0, ..usual }).into();
        assert_eq!(names(&nights(&inbox), Measures { files: 1, gone: 17, changed: 0, ..usual }), []);
        // Too few to say anything, or there is no history.
        let few = Measures { files: 9, ..usual };
        assert_eq!(names(&nights(&[few; 4]), Measures { changed: 9, ..few }), []);
        assert_eq!(names(&quiet[..2], changed(19)), []);
    }
}
