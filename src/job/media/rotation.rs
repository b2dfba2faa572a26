//! Rotation: which medium of a pool is due tonight, and whether what is attached is it.
//!
//! Turns are counted in nights that were written, not in days: a holiday without runs moves nothing, and a medium that stayed in while
//! everybody was away is not mistaken for the next one.

use crate::format::object::Id;
use crate::host::ledger::{LedgerContent, MediumAccount};
use crate::job::incident::hold::standing;
use crate::medium::Sets;

/// Media that take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub name: String,
    /// Names, in the order of their turns.
    pub media: Vec<String>,
    /// Nights of one turn, at least 1.
    pub turn_nights: u64,
    /// Nights that a medium may stay in beyond its turn: nobody swapped it. It is written to, and said to be overdue.
    pub stay_nights: u64,
}

/// What is attached, against what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolTurn {
    /// The medium that is due.
    Due {
        medium: String,
        set: Id,
    },
    /// The last one, once more: it should have been swapped so many nights ago.
    Stayed {
        medium: String,
        set: Id,
        nights: u64,
        due: String,
    },
    Refused(Refusal),
}

/// Why nothing is written tonight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub due: String,
    pub found: FoundMedium,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundMedium {
    /// Another medium of the pool.
    OutOfTurn { medium: String },
    /// The last medium, which has stayed in for too long.
    Overstayed { medium: String, nights: u64 },
    /// Nothing is on it. `wiped`: the ledger knows the device as this medium's, so it was erased.
    Blank { wiped: Option<String> },
    /// A set that no medium of the pool is known by.
    Unregistered { set: Id },
    /// A set that the ledger knows, and another pool's.
    OtherPool { medium: String },
    /// A hold stands, and this is not the medium that was in when it was put on.
    Held { medium: String, since: String, why: String },
}

impl FoundMedium {
    /// For the ledger.
    pub fn text(&self) -> String {
        match self {
            Self::OutOfTurn { medium } => format!("{medium}: out of turn"),
            Self::Overstayed { medium, nights } => format!("{medium}: {nights} nights overdue"),
            Self::Blank { wiped: None } => "a blank medium".into(),
            Self::Blank { wiped: Some(medium) } => format!("{medium}: erased"),
            Self::Unregistered { set } => format!("set {set}: not in the ledger"),
            Self::OtherPool { medium } => format!("{medium}: of another pool"),
            Self::Held { medium, .. } => format!("{medium}: a hold stands"),
        }
    }
}

impl Pool {
    /// The medium that is due, and how long the last one has been in.
    pub fn due(&self, book: &LedgerContent) -> Option<(&str, Option<Streak>)> {
        let first = self.media.first()?;
        let mut nights = book.written_media(&self.media).rev();
        let Some(last) = nights.next() else { return Some((first, None)) };
        let streak = Streak { medium: last.to_owned(), nights: 1 + nights.take_while(|m| *m == last).count() as u64 };
        if streak.nights < self.turn_nights.max(1) {
            let at = self.media.iter().position(|m| m == last)?;
            return Some((&self.media[at], Some(streak)));
        }
        let at = self.media.iter().position(|m| m == last).map_or(0, |i| (i + 1) % self.media.len());
        Some((&self.media[at], Some(streak)))
    }

    /// Compares the sets that lie at hand with the medium that is due. `device`: what the hardware there calls itself.
    pub fn turn(&self, book: &LedgerContent, sets: &Sets, device: Option<&str>) -> Option<PoolTurn> {
        let (due, streak) = self.due(book)?;
        let hold = standing(book);
        let media = book.media();
        let is_there = |m: &&MediumAccount| device.is_some() && m.device.as_deref() == device;
        let known = |id: Id| {
            let of_set = || media.values().filter(move |m| m.set == id.to_string());
            // A copy looks like the medium that it was made from.
            of_set().find(|m| m.is_copy && is_there(m)).or_else(|| of_set().find(|m| !m.is_copy))
        };
        let refused = |found| Some(PoolTurn::Refused(Refusal { due: due.to_owned(), found }));
        let ids: Vec<Id> = sets.found.iter().map(|s| s.id).chain(sets.broken.iter().filter_map(|b| b.folder_id())).collect();
        let Some(first) = ids.first() else {
            let wiped = media.values().find(is_there);
            return refused(FoundMedium::Blank { wiped: wiped.map(|m| m.name.clone()) });
        };
        // The one that is due may lie beside others.
        let here: Vec<(&MediumAccount, Id)> = ids.iter().filter_map(|id| Some((known(*id)?, *id))).collect();
        // What is clean stays away from this host, even where it lies beside the one that was in; that one may go on, and is evidence.
        let was_in = |m: &MediumAccount| streak.as_ref().is_some_and(|s| s.medium == m.name);
        let here: Vec<(&MediumAccount, Id)> = match (&hold, here.first()) {
            (Some(hold), Some((m, _))) if !here.iter().any(|(m, _)| was_in(m)) => {
                return refused(FoundMedium::Held { medium: m.name.clone(), since: hold.since.clone(), why: hold.why.clone() });
            }
            (Some(_), _) => here.into_iter().filter(|(m, _)| was_in(m)).collect(),
            (None, _) => here,
        };
        if let Some((m, set)) = here.iter().find(|(m, _)| m.name == due) {
            return Some(PoolTurn::Due { medium: m.name.clone(), set: *set });
        }
        let Some((m, set)) = here.first() else { return refused(FoundMedium::Unregistered { set: *first }) };
        let medium = m.name.clone();
        match streak.clone().filter(|s| s.medium == medium) {
            Some(s) => {
                let nights = s.nights + 1 - self.turn_nights.max(1);
                if nights > self.stay_nights && hold.is_none() {
                    return refused(FoundMedium::Overstayed { medium, nights });
                }
                Some(PoolTurn::Stayed { medium, set: *set, nights, due: due.to_owned() })
            }
            None if self.media.contains(&medium) => refused(FoundMedium::OutOfTurn { medium }),
            None => refused(FoundMedium::OtherPool { medium }),
        }
    }
}

/// Nights running on one medium, up to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    pub medium: String,
    pub nights: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::label::Label;
    use crate::host::ledger::{LedgerEvent, LedgerLine, MediumKind};
    use crate::medium::{BrokenLabel, MediumError, SetOnMedium};

    const SETS: [Id; 3] = [Id([1; 16]), Id([2; 16]), Id([3; 16])];

    fn pool() -> Pool {
        Pool { name: "disks".into(), media: vec!["CL-01".into(), "CL-02".into()], turn_nights: 1, stay_nights: 2 }
    }

    /// Two disks of the pool, each a device of its own, and one of another pool; then what happened.
    fn book(happened: &[LedgerEvent]) -> LedgerContent {
        let media =
            [("CL-01", SETS[0], "disks", "USB-A"), ("CL-02", SETS[1], "disks", "USB-B"), ("MO-01", SETS[2], "months", "USB-C")];
        let registered = media.map(|(medium, set, pool, device)| LedgerEvent::Registered {
            medium: medium.into(),
            set: set.to_string(),
            pool: Some(pool.into()),
            device: Some(device.into()),
            kind: None,
        });
        let line = |(line, event)| LedgerLine { line, time: "2026-11-23T01:30:00Z".into(), event };
        let mut book = LedgerContent::default();
        book.lines.extend((1..).zip(registered.into_iter().chain(happened.iter().cloned())).map(line));
        book
    }

    fn written(medium: &str) -> LedgerEvent {
        LedgerEvent::Written { medium: medium.into(), generation: 1, check_code: "JHFB".into(), verdict: "good".into() }
    }

    fn held() -> LedgerEvent {
        LedgerEvent::Held { by: "当直".into(), why: "脅迫文".into() }
    }

    fn there(sets: &[Id]) -> Sets {
        let label = |set| Label {
            set,
            name: "karte".into(),
            medium: Id([9; 16]),
            place: 1,
            first_object: 0,
            created: String::new(),
            recipients: Vec::new(),
            root_key: [0; 32],
            tool: String::new(),
            quarantine: false,
        };
        let found = sets.iter().map(|id| SetOnMedium { id: *id, label: label(*id), path: "dock".into() });
        Sets { found: found.collect(), broken: Vec::new() }
    }

    fn found(turn: Option<PoolTurn>) -> FoundMedium {
        match turn {
            Some(PoolTurn::Refused(refusal)) => refusal.found,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn due(medium: &str, set: Id) -> Option<PoolTurn> {
        Some(PoolTurn::Due { medium: medium.into(), set })
    }

    /// The disk of the month's end is in the dock: a night on it would use up what is to be kept.
    #[test]
    fn another_pools_disk_is_not_written_to() {
        let turn = pool().turn(&book(&[]), &there(&[SETS[2]]), Some("USB-C"));
        assert_eq!(found(turn), FoundMedium::OtherPool { medium: "MO-01".into() });
    }

    /// A copy has the set of the medium that it was made from, and only its device tells it apart: a night on it would part the two.
    #[test]
    fn a_copy_does_not_take_the_turn_of_what_it_was_made_from() {
        for name in ["AA-copy", "ZZ-copy"] {
            let book = book(&[LedgerEvent::Copied {
                medium: name.into(),
                set: SETS[0].to_string(),
                generation: 1,
                check_code: "JHFB".into(),
                device: Some("USB-D".into()),
                kind: MediumKind::Disk,
            }]);
            let turn = |device| pool().turn(&book, &there(&[SETS[0]]), device);
            assert_eq!(found(turn(Some("USB-D"))), FoundMedium::OtherPool { medium: name.into() });
            assert_eq!(turn(Some("USB-A")), due("CL-01", SETS[0]));
        }
    }

    /// Somebody has wiped a disk and put it back: it is not said to be any blank disk.
    #[test]
    fn an_erased_disk_is_known_by_its_device() {
        let mut book = book(&[]);
        let wiped = |book: &LedgerContent, device| match found(pool().turn(book, &Sets::default(), device)) {
            FoundMedium::Blank { wiped } => wiped,
            other => panic!("{other:?}"),
        };
        assert_eq!(wiped(&book, Some("USB-B")), Some("CL-02".into()));
        assert_eq!(wiped(&book, Some("USB-Z")), None);
        // Of hardware that says nothing nobody knows what it was.
        let LedgerEvent::Registered { device, .. } = &mut book.lines[0].event else { panic!("a disk") };
        *device = None;
        assert_eq!(wiped(&book, None), None);
    }

    /// One bad sector in the label must not stop the nights: where the set lies tells which it is.
    #[test]
    fn a_disk_whose_label_cannot_be_read_keeps_its_turn() {
        let path = std::path::PathBuf::from("dock").join(SETS[0].to_string());
        let why = MediumError::NoLabel { path: path.clone() };
        let sets = Sets { found: Vec::new(), broken: vec![BrokenLabel { header: None, path, why }] };
        assert_eq!(pool().turn(&book(&[]), &sets, None), due("CL-01", SETS[0]));
    }

    #[test]
    fn under_a_hold_the_disk_that_was_in_goes_on_however_long_it_stays() {
        let nights = [written("CL-01"), written("CL-01"), written("CL-01"), written("CL-01")];
        let turn = |book: &LedgerContent| pool().turn(book, &there(&[SETS[0]]), None);
        assert_eq!(found(turn(&book(&nights))), FoundMedium::Overstayed { medium: "CL-01".into(), nights: 4 });
        let (set, due) = (SETS[0], "CL-02".into());
        let stayed = PoolTurn::Stayed { medium: "CL-01".into(), set, nights: 4, due };
        assert_eq!(turn(&book(&[&nights[..], &[held()]].concat())), Some(stayed));
    }

    /// Two sets on one disk, and a hold: the clean one is not written to because the other one may be.
    #[test]
    fn under_a_hold_a_clean_set_is_left_alone_beside_the_one_that_was_in() {
        let book = book(&[written("CL-01"), held()]);
        for sets in [[SETS[0], SETS[1]], [SETS[1], SETS[0]]] {
            let turn = pool().turn(&book, &there(&sets), None);
            assert!(matches!(&turn, Some(PoolTurn::Stayed { medium, .. }) if medium == "CL-01"), "{turn:?}");
        }
        assert!(matches!(found(pool().turn(&book, &there(&[SETS[1], SETS[2]]), None)), FoundMedium::Held { .. }));
    }
}
