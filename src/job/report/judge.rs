//! What a report may say of an answer: ○, △, × or 未確認.
//!
//! **Invariant:** ○ only from a recorded fact. What was not asked, or not answered, is not known.

use super::answers::{Clean, Compare, Expected, Restore, Scan, Verify};

/// What stands in the last column.
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
        let rank = |m| match m {
            Self::Good => 0,
            Self::Partly => 1,
            Self::Unknown => 2,
            Self::Bad => 3,
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// Every byte under a seal was read and is what it was. Read from a cache it was not read from the medium.
pub fn verify(v: &Verify) -> Mark {
    match (v.good, &v.read_back[..]) {
        (false, _) => Mark::Bad,
        (true, "direct" | "dropped") if v.faults.is_empty() && v.damage.is_empty() => Mark::Good,
        (true, "cached") => Mark::Partly,
        (true, _) => Mark::Unknown,
    }
}

/// The check code on paper was given, and a seal has it.
pub fn expected(e: Option<&Expected>) -> Mark {
    match e {
        None => Mark::Unknown,
        Some(Expected { found: true, .. }) => Mark::Good,
        Some(Expected { found: false, .. }) => Mark::Bad,
    }
}

/// One generation in a verification: its seal holds, and all of its objects are whole.
pub fn seal(v: &Verify, generation: u64) -> Mark {
    match v.generations.first.iter().find(|g| g.generation == generation) {
        None => Mark::Unknown,
        Some(g) if !g.trusted || g.damaged_objects > 0 => Mark::Bad,
        Some(_) => verify(v),
    }
}

/// ○ where every file is identical; △ where some were added, updated by the rules or renamed; × where one is missing or was changed
/// outside of them. What could not be read is neither.
pub fn compare(c: &Compare) -> Mark {
    let n = &c.counts;
    match () {
        () if !c.trusted || !c.faults.is_empty() || c.entries_lost > 0 || n.missing + n.outside_rules > 0 => Mark::Bad,
        () if n.not_verified > 0 || !c.not_compared.is_empty() || n.identical == 0 => Mark::Unknown,
        () if n.added + n.updated + n.renamed > 0 => Mark::Partly,
        () => Mark::Good,
    }
}

pub fn restore(r: &Restore) -> Mark {
    match () {
        () if !r.trusted || !r.faults.is_empty() || r.not_restored > 0 || r.entries_lost > 0 || !r.not_found.is_empty() => {
            Mark::Bad
        }
        () if r.shortfalls > 0 => Mark::Partly,
        () => Mark::Good,
    }
}

/// That a scanner found nothing proves nothing by itself; a report says so beside it.
pub fn scan(s: Option<&Scan>) -> Mark {
    match s.map(|s| &s.result[..]) {
        Some("clean") => Mark::Good,
        Some("found") => Mark::Bad,
        _ => Mark::Unknown,
    }
}

/// Whether a generation is before the first sign of an intruder.
pub fn before_signs(c: &Clean, generation: u64) -> Mark {
    let of = c.generations.first.iter().find(|g| g.generation == generation);
    match (of, c.last_clean) {
        (None, _) => Mark::Unknown,
        (Some(_), _) if !c.faults.is_empty() => Mark::Unknown,
        (Some(g), Some(last)) if g.clean && g.trusted && generation <= last => Mark::Good,
        (Some(_), _) => Mark::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn compared(counts: Value) -> Mark {
        let mut all = json!({ "identical": 5, "added": 0, "updated": 0, "outside_rules": 0, "missing": 0, "renamed": 0, "not_verified": 0 });
        all.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let answer = json!({
            "set": "00", "set_name": "s", "generation": 1, "time": "", "trusted": true, "faults": [], "sources": [],
            "not_compared": [], "counts": all, "metadata": 0, "entries_lost": 0,
        });
        compare(&serde_json::from_value(answer).unwrap())
    }

    #[test]
    fn only_a_tree_of_which_every_file_is_identical_is_good() {
        assert_eq!(compared(json!({})), Mark::Good);
        assert_eq!(compared(json!({ "added": 1 })), Mark::Partly);
        assert_eq!(compared(json!({ "not_verified": 1 })), Mark::Unknown);
        assert_eq!(compared(json!({ "missing": 1, "added": 1 })), Mark::Bad);
        assert_eq!(compared(json!({ "outside_rules": 1 })), Mark::Bad);
        // A comparison that compared nothing.
        assert_eq!(compared(json!({ "identical": 0 })), Mark::Unknown);
    }

    #[test]
    fn a_scan_that_failed_or_was_not_made_is_not_known() {
        let scanned = |result: &str| scan(Some(&serde_json::from_value(json!({ "result": result, "found": [] })).unwrap()));
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
