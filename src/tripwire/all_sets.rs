//! What all sets of a host together know of a source: a set that is new, or that had only a few nights, is not blind.
//!
//! How much a source contains is the same for every set. What changed since the last night is not: it depends on how long
//! that is ago. So another set's counts are borrowed only from one that is written about as often.

use super::canaries::CanaryDigest;
use crate::format::watch::{Measures, Night, NightKind};
use std::collections::BTreeMap;

/// A night of a source in any set of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostNight {
    /// When its run began, in nanoseconds since 1970.
    pub started: i64,
    /// What it contributes to what is usual. An alarm that two people have called harmless counts as announced.
    pub kind: NightKind,
    /// Its counts.
    pub measures: Measures,
}

/// What the sets of the host know of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostHistory {
    /// Name of the source.
    pub source: Vec<u8>,
    /// Of all sets, tonight's among them, ascending by when they began.
    pub nights: Vec<HostNight>,
    /// What its canaries contain, by what any set has read last.
    pub canaries: BTreeMap<Vec<u8>, CanaryDigest>,
    /// The longest history of another set that is written about as often as tonight's; empty where there is none.
    pub borrowed: Vec<Night>,
}

/// How much a source contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceSize {
    pub files: u64,
    pub bytes: u64,
}

impl HostHistory {
    /// The size below which the source hardly ever was since the last announced change: that of the quietest quarter of
    /// the nights, and not more than in the last one. `None` if no night is known.
    pub(super) fn usual_size(&self) -> Option<SourceSize> {
        let since = self.nights.iter().rposition(|n| n.kind == NightKind::Announced).unwrap_or(0);
        let of_late = self.nights[since..].iter().filter(|n| n.kind != NightKind::Alarm).map(|n| &n.measures);
        let last = of_late.clone().next_back()?;
        let quiet = |size: fn(&Measures) -> u64| {
            let mut all: Vec<u64> = of_late.clone().map(size).collect();
            all.sort_unstable();
            all.get(all.len() / 4).copied().unwrap_or(0).min(size(last))
        };
        Some(SourceSize { files: quiet(|m| m.files), bytes: quiet(|m| m.bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(nights: &[(NightKind, u64)]) -> HostHistory {
        let night = |(started, (kind, files)): (i64, &(NightKind, u64))| HostNight {
            started,
            kind: *kind,
            measures: Measures { files: *files, bytes: files * 10, ..Measures::default() },
        };
        HostHistory { nights: (1..).zip(nights).map(night).collect(), ..HostHistory::default() }
    }

    #[test]
    fn the_usual_size_is_that_of_quiet_nights_since_the_last_announced_change() {
        use NightKind::{Alarm, Announced, Usual};
        let files = |nights: &[(NightKind, u64)]| history(nights).usual_size().map(|s| s.files);
        assert_eq!(files(&[]), None);
        assert_eq!(files(&[(Alarm, 9)]), None);
        assert_eq!(files(&[(Usual, 100)]), Some(100));
        // An inbox that is emptied now and then.
        assert_eq!(files(&[(Usual, 200), (Usual, 3), (Usual, 180), (Usual, 190)]), Some(180));
        assert_eq!(files(&[(Usual, 200), (Usual, 3), (Usual, 180), (Usual, 0)]), Some(0));
        assert_eq!(files(&[(Usual, 200), (Usual, 210), (Alarm, 3)]), Some(200));
        assert_eq!(files(&[(Usual, 200), (Announced, 50), (Usual, 55), (Usual, 60)]), Some(50));
    }
}
