//! Alarms that were raised before: what repeats one without news, and what two people have looked at since.
//!
//! **Invariant:** nothing that was not in the alarm is covered by it. A further file is news; so is another touch of a file
//! whose change this set has recorded since, unless the alarm named it and it only looks as it did (a dump that is encrypted
//! every night); so is half of what was left.
//!
//! A set that has no generation since the alarm, such as the other disks of a pool, sees the same changes for the first time.

use super::Tripwire;
use crate::format::object::Id;
use crate::format::watch::PATHS;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Files of an alarm that are remembered. Of more it is not known whether they are the same.
pub const FILES: usize = 16_384;

/// Tells a file from others without its name: the first 8 bytes of the path's BLAKE3.
pub fn mark_of(path: &[u8]) -> u64 {
    u64::from_le_bytes(*blake3::hash(path).as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

/// An alarm as the host remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedAlarm {
    /// The generation that raised it.
    pub generation: u64,
    /// Name of the tripwire.
    pub tripwire: String,
    /// Name of the source.
    pub source: Vec<u8>,
    /// The count.
    pub measured: u64,
    /// The count from which on there was an alarm.
    pub limit: u64,
    /// Marks of the files that showed it, ascending; at most [`FILES`].
    pub files: Vec<u64>,
    /// There were more.
    pub is_cut: bool,
}

/// An alarm of an earlier night, as tonight's run of a set has to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierAlarm {
    /// The set that it was raised in.
    pub set: Id,
    /// What was found.
    pub alarm: RecordedAlarm,
    /// Two people have looked at it and found it harmless.
    pub is_harmless: bool,
    /// Tonight's set has sealed its changes.
    pub is_sealed: bool,
}

impl EarlierAlarm {
    fn is_of(&self, tripwires: &[Tripwire]) -> bool {
        tripwires.iter().any(|t| t.name() == self.alarm.tripwire)
    }

    /// Whether people know of each of its files how it looks: the alarm has named all of them.
    fn shows_a_look(&self) -> bool {
        let looks = [Tripwire::Noise, Tripwire::Header, Tripwire::Drip, Tripwire::Dedup];
        self.is_of(&looks) && self.alarm.files.len() <= PATHS && !self.alarm.is_cut
    }

    /// Whether an alarm of tonight says nothing that this one did not say. `adds_up`: what tonight adds to a drip.
    pub fn covers(&self, tonight: &RecordedAlarm, adds_up: u64) -> bool {
        if (&tonight.tripwire, &tonight.source) != (&self.alarm.tripwire, &self.alarm.source) {
            return false;
        }
        match () {
            () if self.is_of(&[Tripwire::Shrunk, Tripwire::Fewer]) => left(tonight).saturating_mul(2) > left(&self.alarm),
            () if self.is_of(&[Tripwire::Drip]) => adds_up == 0,
            () if self.is_sealed && !self.shows_a_look() => false,
            () => !tonight.is_cut && tonight.files.iter().all(|f| self.alarm.files.binary_search(f).is_ok()),
        }
    }
}

/// Bytes, or files, that were left of a source that had shrunk: the limit is half of its usual size.
fn left(shrunk: &RecordedAlarm) -> u64 {
    shrunk.limit.saturating_mul(2).saturating_sub(shrunk.measured)
}

/// Marks of files that two people have looked at.
#[derive(Debug, Default)]
pub struct Settled {
    /// Files whose change has not reached this set yet: it is not counted.
    pub changes: HashSet<u64>,
    /// Files whose look is harmless: that they look like noise, or not like their kind.
    pub looks: HashSet<u64>,
    /// Files that this set has and that an alarm named for what they are: whoever puts others back takes these away.
    pub named: HashSet<u64>,
}

impl Settled {
    /// Of the alarms of one source.
    pub fn of(alarms: &[EarlierAlarm]) -> Self {
        let mut settled = Self::default();
        for a in alarms.iter().filter(|a| a.is_harmless) {
            if !a.is_sealed {
                settled.changes.extend(&a.alarm.files);
            }
            if a.shows_a_look() {
                settled.looks.extend(&a.alarm.files);
            }
            if a.is_sealed && a.is_of(&[Tripwire::Noise, Tripwire::Header, Tripwire::Strange]) {
                settled.named.extend(&a.alarm.files);
            }
        }
        settled
    }

    /// Whether the change of a file was looked at before it reached this set.
    pub fn has_change(&self, path: &[u8]) -> bool {
        !self.changes.is_empty() && self.changes.contains(&mark_of(path))
    }

    /// Whether an alarm that is settled named the file for what it is.
    pub fn has_named(&self, path: &[u8]) -> bool {
        !self.named.is_empty() && self.named.contains(&mark_of(path))
    }

    /// Whether people know how a file looks.
    pub fn has_look(&self, path: &[u8]) -> bool {
        !self.looks.is_empty() && self.looks.contains(&mark_of(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(tripwire: Tripwire, files: &[&str]) -> RecordedAlarm {
        let mut files: Vec<u64> = files.iter().map(|f| mark_of(f.as_bytes())).collect();
        files.sort_unstable();
        let (tripwire, source) = (tripwire.name().to_owned(), b"ehr".to_vec());
        RecordedAlarm { generation: 4, tripwire, source, measured: 6, limit: 5, files, is_cut: false }
    }

    fn earlier(alarm: RecordedAlarm, is_sealed: bool) -> EarlierAlarm {
        EarlierAlarm { set: Id([1; 16]), alarm, is_harmless: false, is_sealed }
    }

    #[test]
    fn a_further_file_is_news() {
        let noise = earlier(alarm(Tripwire::Noise, &["ehr/a", "ehr/b"]), true);
        assert!(noise.covers(&alarm(Tripwire::Noise, &["ehr/b"]), 1));
        assert!(!noise.covers(&alarm(Tripwire::Noise, &["ehr/b", "ehr/c"]), 1));
        assert!(!noise.covers(&RecordedAlarm { is_cut: true, ..alarm(Tripwire::Noise, &["ehr/b"]) }, 1));
        assert!(!noise.covers(&RecordedAlarm { source: b"pacs".to_vec(), ..alarm(Tripwire::Noise, &["ehr/b"]) }, 1));
        assert!(!noise.covers(&alarm(Tripwire::Header, &["ehr/b"]), 1), "another tripwire");
    }

    #[test]
    fn people_know_only_what_an_alarm_has_named() {
        let names: Vec<String> = (0..=PATHS).map(|i| format!("ehr/{i}")).collect();
        let names: Vec<&str> = names.iter().map(|n| &n[..]).collect();
        for tripwire in [Tripwire::Noise, Tripwire::Dedup] {
            assert!(earlier(alarm(tripwire, &names[1..]), true).covers(&alarm(tripwire, &names[1..]), 1));
            assert!(!earlier(alarm(tripwire, &names), true).covers(&alarm(tripwire, &names[1..]), 1));
        }
        let harmless = |files| EarlierAlarm { is_harmless: true, ..earlier(alarm(Tripwire::Noise, files), true) };
        let settled = |files| Settled::of(&[harmless(files)]).has_look(b"ehr/1");
        assert_eq!([settled(&names[1..]), settled(&names)], [true, false]);
        assert!(!Settled::of(&[harmless(&names[1..])]).has_change(b"ehr/1"), "this set has sealed it");
    }

    #[test]
    fn another_touch_is_news_where_the_first_is_sealed() {
        for tripwire in [Tripwire::Canary, Tripwire::Forbidden, Tripwire::Gone, Tripwire::Changed] {
            let touch = || alarm(tripwire, &["ehr/a"]);
            assert!(!earlier(touch(), true).covers(&touch(), 1), "{tripwire:?}");
            assert!(earlier(touch(), false).covers(&touch(), 1), "{tripwire:?}: the other disk of the pool");
        }
    }

    #[test]
    fn a_source_that_stays_small_is_no_news_and_half_of_it_is() {
        let shrunk =
            |bytes_left: u64| RecordedAlarm { measured: 100 - bytes_left, limit: 50, ..alarm(Tripwire::Shrunk, &["ehr/a"]) };
        let then = earlier(shrunk(40), true);
        assert_eq!([41, 40, 21, 20, 0].map(|left| then.covers(&shrunk(left), 0)), [true, true, true, false, false]);
        let drip = earlier(alarm(Tripwire::Drip, &["ehr/a"]), true);
        assert_eq!([0, 1].map(|added| drip.covers(&alarm(Tripwire::Drip, &[]), added)), [true, false]);
    }
}
