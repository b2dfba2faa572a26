//! What a report may say of an answer: ○, △, × or 未確認.
//!
//! **Invariant:** ○ only from a recorded fact. What was not asked, or not answered, is not known.

use crate::answer::backup::Backup;
use crate::answer::compare::Compare;
use crate::answer::proof::{Content, Proof, State};
use crate::answer::restore::{Restore, Scan};
use crate::answer::verify::{ExpectedSeal, VerifiedGeneration, Verify};
use crate::format::seal::{ReadBack, Verdict};

/// The mark of a fact in a report, as JSON names it too: how far what is recorded supports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// ○
    Good,
    /// △: good, with something missing that is named beside it.
    Partly,
    /// ×
    Bad,
    /// 未確認
    Unknown,
}

impl Mark {
    /// As JSON names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partly => "partly",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    /// What several facts say together: all of them have to hold.
    pub fn and(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The worse, the higher.
    pub fn rank(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Partly => 1,
            Self::Unknown => 2,
            Self::Bad => 3,
        }
    }
}

/// Every byte under a seal was read and is what it was. Read from a cache it was not read from the medium; and what
/// lies on another medium was not read at all.
pub fn verify(v: &Verify) -> Mark {
    let is_bad = |g: &VerifiedGeneration| !g.trusted || g.damaged_objects > 0;
    match v.read_back {
        _ if !v.good || !v.faults.is_empty() || !v.damage.is_empty() => Mark::Bad,
        _ if expected(v.expected.as_ref()) == Mark::Bad || v.generations.first.iter().any(is_bad) => Mark::Bad,
        _ if v.generations.is_empty() || v.objects == 0 => Mark::Unknown,
        ReadBack::Direct | ReadBack::Dropped if v.objects_elsewhere.unwrap_or(0) == 0 => Mark::Good,
        _ => Mark::Partly,
    }
}

/// The check code on paper was given, and a seal has it.
pub fn expected(e: Option<&ExpectedSeal>) -> Mark {
    match e {
        None => Mark::Unknown,
        Some(ExpectedSeal { found: true, .. }) => Mark::Good,
        Some(ExpectedSeal { found: false, .. }) => Mark::Bad,
    }
}

/// One generation in a verification: its seal is valid, and all of its objects are whole.
pub fn seal(v: &Verify, generation: u64) -> Mark {
    match v.generations.first.iter().find(|g| g.generation == generation) {
        None => Mark::Unknown,
        Some(g) if !g.trusted || g.damaged_objects > 0 => Mark::Bad,
        Some(_) => verify(v),
    }
}

/// ○ where every file is identical; △ where some were added, updated or renamed; × where one is missing or was changed
/// outside of the rules, and where any difference was to count. What could not be read is neither.
pub fn compare(c: &Compare) -> Mark {
    let n = &c.counts;
    match () {
        () if !c.trusted || !c.faults.is_empty() || c.entries_lost > 0 || n.missing > 0 || n.outside_rules > 0 => Mark::Bad,
        () if c.exact && !c.is_same_content() => Mark::Bad,
        () if n.not_verified > 0 || !c.not_compared.is_empty() || n.identical == 0 => Mark::Unknown,
        () if n.added > 0 || n.updated > 0 || n.renamed > 0 => Mark::Partly,
        () if c.exact && c.metadata > 0 => Mark::Partly,
        () => Mark::Good,
    }
}

/// Of what was restored any difference counts, whatever rules its sources have and however it was compared.
pub fn compare_restored(c: &Compare) -> Mark {
    match compare(c) {
        Mark::Good | Mark::Partly if !c.is_same_content() => Mark::Bad,
        Mark::Good if c.exact && c.metadata > 0 => Mark::Partly,
        mark => mark,
    }
}

/// With which codes a comparison ends that is as good as it says.
pub fn compare_exits(c: &Compare) -> &'static [u64] {
    if c.exact && c.metadata > 0 { &[3] } else { &[0] }
}

/// What a set in quarantine gives back is the infected state.
pub fn restore(r: &Restore) -> Mark {
    match () {
        () if r.quarantine == Some(true) => Mark::Bad,
        () if !r.trusted || !r.faults.is_empty() || r.not_restored > 0 || r.entries_lost > 0 || !r.not_found.is_empty() => {
            Mark::Bad
        }
        () if r.entries == 0 => Mark::Unknown,
        () if is_partly(r) => Mark::Partly,
        () => Mark::Good,
    }
}

/// Whether something is not as it was, or was lacking in the backup already.
fn is_partly(r: &Restore) -> bool {
    r.shortfalls > 0 || r.withheld > 0 || !r.lacking.is_empty()
}

/// With which codes a restore ends that is as good as it says: a scan that found something, or failed, has its own
/// mark.
pub fn restore_exits(r: &Restore) -> &'static [u64] {
    let is_scanned_clean = r.scan.as_ref().is_none_or(|s| s.result == "clean");
    match (is_partly(r), is_scanned_clean) {
        (false, true) => &[0],
        (true, true) => &[3],
        (false, false) => &[1, 5],
        (true, false) => &[1, 3, 5],
    }
}

/// That a scanner found nothing proves nothing by itself; a report says so beside it. △ where it is not known which
/// scanner it was, or of which day its signatures are.
pub fn scan(s: Option<&Scan>) -> Mark {
    let Some(s) = s else { return Mark::Unknown };
    match &s.result[..] {
        _ if s.found() > 0 => Mark::Bad,
        "found" => Mark::Bad,
        "clean" if s.engine.is_some() && s.signature_date.is_some() => Mark::Good,
        "clean" | "skipped" => Mark::Partly,
        _ => Mark::Unknown,
    }
}

/// An infected state was kept as evidence. That it raised an alarm speaks for it.
pub fn quarantine(b: &Backup) -> Mark {
    let is_whole = matches!(b.verdict, Verdict::Good | Verdict::Alarm) && b.statistics.of("findings") == 0;
    match b.read_back {
        _ if b.verdict.is_closing() || b.statistics.of("files") == 0 => Mark::Unknown,
        ReadBack::Direct | ReadBack::Dropped if is_whole => Mark::Good,
        _ => Mark::Partly,
    }
}

/// A record is what a seal says, and the seal is that of paper. A file that was another when it was read is not proved.
pub fn proved(p: &Proof) -> Mark {
    let is_anchored = p.anchors.as_ref().is_some_and(|a| !a.is_empty());
    match (p.content.flatten(), p.state) {
        (Some(content), _) if content != Content::Same => Mark::Bad,
        _ if !is_anchored => Mark::Unknown,
        (_, None | Some(State::Good)) => Mark::Good,
        _ => Mark::Partly,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn compared(counts: Value) -> Mark {
        compare(&answer(counts, false))
    }

    fn answer(counts: Value, exact: bool) -> Compare {
        let mut all = json!({ "identical": 5, "added": 0, "updated": 0, "outside_rules": 0, "missing": 0, "renamed": 0, "not_verified": 0 });
        all.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let answer = json!({
            "set": "00", "set_name": "s", "generation": 1, "time": "", "trusted": true, "faults": [], "sources": [],
            "not_compared": [], "counts": all, "metadata": 0, "entries_lost": 0, "exact": exact,
        });
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn only_a_tree_of_which_every_file_is_identical_is_good() {
        assert_eq!(compared(json!({})), Mark::Good);
        assert_eq!(compared(json!({ "added": 1 })), Mark::Partly);
        assert_eq!(compared(json!({ "not_verified": 1 })), Mark::Unknown);
        assert_eq!(compared(json!({ "missing": 1, "added": 1 })), Mark::Bad);
        assert_eq!(compared(json!({ "outside_rules": 1 })), Mark::Bad);
        assert_eq!(compared(json!({ "updated": 1 })), Mark::Partly);
        // Nothing may differ in an exact comparison, and in what was restored.
        for class in ["added", "updated", "renamed", "outside_rules", "missing"] {
            assert_eq!(compare(&answer(json!({ class: 1 }), true)), Mark::Bad);
            assert_eq!(compare_restored(&answer(json!({ class: 1 }), false)), Mark::Bad);
        }
        assert_eq!(compare_restored(&answer(json!({}), false)), Mark::Good);
        assert_eq!(compare_restored(&answer(json!({ "not_verified": 1 }), true)), Mark::Unknown);
        let with_other_owners = Compare { metadata: 1, ..answer(json!({}), true) };
        assert_eq!(compare_restored(&with_other_owners), Mark::Partly);
        // A comparison that compared nothing.
        assert_eq!(compared(json!({ "identical": 0 })), Mark::Unknown);
    }

    #[test]
    fn a_scan_that_failed_or_was_not_made_is_not_known() {
        let scanned = |result: &str| {
            scan(Some(
                &serde_json::from_value(json!({ "result": result, "engine": "x", "signature_date": "2026-11-01" })).unwrap(),
            ))
        };
        assert_eq!(scan(None), Mark::Unknown);
        assert_eq!(["clean", "found", "failed", "fine"].map(scanned), [Mark::Good, Mark::Bad, Mark::Unknown, Mark::Unknown]);
    }

    #[test]
    fn what_is_not_known_is_no_good_whole() {
        assert_eq!(Mark::Good.and(Mark::Unknown), Mark::Unknown);
        assert_eq!(Mark::Bad.and(Mark::Unknown), Mark::Bad);
        assert_eq!(Mark::Partly.and(Mark::Good), Mark::Partly);
    }
}
