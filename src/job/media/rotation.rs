//! Rotation: which medium of a pool is due tonight, and whether it is attached.
//!
//! A turn is a number of nights with a backup, not of days: a holiday without runs changes nothing, and a medium that
//! stayed attached while everybody was away is not taken for the next one. Several runs in one night are one night: nobody
//! could have swapped the medium in between.

use crate::format::object::Id;
use crate::host::ledger::{LedgerContent, MediumAccount, MediumKind, OutOfUse, only_with_device};
use crate::job::incident::hold::active_hold;
use crate::medium::Sets;

/// Media that take turns. Media are named as people call them.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Media, in the order of their turns.
    pub media: Vec<String>,
    /// Nights of one turn, at least 1.
    pub turn_nights: u64,
    /// Nights that a medium may stay beyond its turn because nobody swapped it. The backup is made, and the medium
    /// reported as overdue.
    pub stay_nights: u64,
    /// Whether media are attached at a mount point. `None`: if the ledger saw one of them at a mount point.
    pub mount: Option<bool>,
    /// How long ago one of its media may have been written last, where there are several pools. `None`: by the rhythm of its own
    /// nights, at most 35 days.
    pub max_age_seconds: Option<i64>,
    /// The number of the night that a time (RFC 3339, UTC) belongs to.
    pub night_of: fn(&str) -> i64,
}

/// The attached medium, compared with the one that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolTurn {
    /// It is the medium that is due.
    Due {
        /// The medium.
        medium: String,
        /// The set on it.
        set: Id,
    },
    /// It is the last one, which should have been swapped.
    Stayed {
        /// The medium.
        medium: String,
        /// The set on it.
        set: Id,
        /// How many nights ago it should have been swapped, with tonight.
        nights: u64,
        /// The medium that is due.
        due: String,
    },
    /// No backup may be made to it.
    Refused(Refusal),
}

/// Why no backup is made tonight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The medium that is due.
    pub due: String,
    /// What is attached.
    pub found: FoundMedium,
}

/// An attached medium that no backup may be made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundMedium {
    /// Another medium of the pool.
    OutOfTurn {
        /// The medium.
        medium: String,
    },
    /// The last medium, which has stayed for too long.
    Overstayed {
        /// The medium.
        medium: String,
        /// How many nights ago it should have been swapped, with tonight.
        nights: u64,
    },
    /// No disk is mounted where the pool's media are attached.
    NotMounted,
    /// No medium, or one with nothing on it, and the ledger has no medium of the name that is due.
    Unprepared {
        /// A disk should be mounted there, and none is.
        bare: bool,
    },
    /// A medium with nothing on it.
    Blank {
        /// The medium whose hardware it is by the ledger: it was erased.
        wiped: Option<String>,
    },
    /// A disk with nothing on it, in hardware with the serial number of a medium of the ledger. A dock has a serial number of
    /// its own, which is that of any disk in it: the medium was erased, or it is another disk.
    BlankInDock {
        /// The medium.
        medium: String,
    },
    /// A set that belongs to no medium in the ledger.
    Unregistered {
        /// The set.
        set: Id,
    },
    /// What this host needs to go on with the medium's set was lost.
    SetLost {
        /// The medium.
        medium: String,
    },
    /// A medium of another pool.
    OtherPool {
        /// The medium.
        medium: String,
    },
    /// A medium that is in no pool.
    NoPool {
        /// The medium.
        medium: String,
    },
    /// The ledger says that the medium is not used any more.
    OutOfUse {
        /// The medium.
        medium: String,
        /// Why.
        why: OutOfUse,
    },
    /// Damage was found on the medium, and nobody has found it whole since.
    Damaged {
        /// The medium.
        medium: String,
    },
    /// A backup found on the medium something else than this host wrote, and nobody has verified it since.
    Mismatched {
        /// The medium.
        medium: String,
    },
    /// A hold is active, and this is not the medium that was attached when it began.
    Held {
        /// The medium.
        medium: String,
        /// When the hold began, RFC 3339 in UTC.
        since: String,
        /// Its reasons.
        why: String,
    },
}

impl FoundMedium {
    /// The text in the ledger.
    pub fn text(&self) -> String {
        match self {
            Self::OutOfTurn { medium } => format!("{medium}: out of turn"),
            Self::Overstayed { medium, nights } => format!("{medium}: {nights} nights overdue"),
            Self::NotMounted => "no disk mounted".into(),
            Self::Unprepared { .. } => "not prepared yet".into(),
            Self::BlankInDock { medium } => format!("{medium}: blank, or another disk in its dock"),
            Self::Blank { wiped: None } => "a blank medium".into(),
            Self::Blank { wiped: Some(medium) } => format!("{medium}: erased"),
            Self::Unregistered { set } => format!("set {set}: not in the ledger"),
            Self::OutOfUse { medium, why } => format!("{medium}: {}", why.name()),
            Self::SetLost { medium } => format!("{medium}: its set was lost on the host"),
            Self::OtherPool { medium } => format!("{medium}: of another pool"),
            Self::NoPool { medium } => format!("{medium}: of no pool"),
            Self::Damaged { medium } => format!("{medium}: damaged"),
            Self::Mismatched { medium } => format!("{medium}: not what was written"),
            Self::Held { medium, .. } => format!("{medium}: a hold is active"),
        }
    }
}

impl Pool {
    /// The medium that is due, and how many nights the last one has been written to. A medium that is not used any more is
    /// passed over, and a full or damaged one where another one is neither; one that is not what this host wrote even before
    /// those. `None`: the pool has no medium.
    pub fn due(&self, book: &LedgerContent) -> Option<(&str, Option<Streak>)> {
        let accounts = book.media();
        let is = |m: &String, fits: fn(&MediumAccount) -> bool| accounts.get(m).is_none_or(fits);
        let tiers: [fn(&MediumAccount) -> bool; 3] = [
            |m| m.out_of_use.is_none() && !m.is_full && !m.is_doubtful(),
            |m| m.out_of_use.is_none() && m.mismatched.is_none(),
            |m| m.out_of_use.is_none(),
        ];
        tiers.into_iter().find_map(|fits| self.due_of(book, |m| is(m, fits)))
    }

    /// The medium whose turn it is, full or not.
    fn in_turn(&self, book: &LedgerContent) -> Option<&str> {
        let accounts = book.media();
        self.due_of(book, |m| accounts.get(m).is_none_or(|m| m.out_of_use.is_none())).map(|(due, _)| due)
    }

    fn due_of(&self, book: &LedgerContent, may_be: impl Fn(&String) -> bool) -> Option<(&str, Option<Streak>)> {
        let is_in_use = |m: &&String| may_be(m);
        let first = self.media.iter().find(is_in_use)?;
        // A night on a medium that was taken out of the pool is a night on another one.
        let accounts = book.media();
        let was_in_pool = |m: &&MediumAccount| m.pool.as_ref() == Some(&self.name) && !self.media.contains(&m.name);
        let ever: Vec<String> =
            self.media.iter().cloned().chain(accounts.values().filter(was_in_pool).map(|m| m.name.clone())).collect();
        let mut runs = book.written_media(&ever).rev().skip_while(|(m, _)| !self.media.iter().any(|of_pool| of_pool == m));
        let Some((last, time)) = runs.next() else { return Some((first, None)) };
        let last_night = (self.night_of)(time);
        let mut nights: Vec<i64> = runs.take_while(|(m, _)| *m == last).map(|(_, time)| (self.night_of)(time)).collect();
        nights.insert(0, last_night);
        nights.dedup();
        let streak = Streak { medium: last.to_owned(), nights: nights.len() as u64, last_night };
        let at = self.media.iter().position(|m| m == last);
        // From the last one if its turn goes on, else from the one behind it.
        let from = at.map_or(0, |at| at + usize::from(streak.nights >= self.turn_nights.max(1)));
        let due = self.media.iter().cycle().skip(from).take(self.media.len()).find(is_in_use)?;
        Some((due, Some(streak)))
    }

    /// Whether a disk has to be mounted where the pool's media are attached.
    pub fn wants_mount(&self, book: &LedgerContent) -> bool {
        let of_pool = |m: &MediumAccount| self.media.contains(&m.name) || m.pool.as_ref() == Some(&self.name);
        self.mount.unwrap_or_else(|| book.media().values().any(|m| m.was_mounted && of_pool(m)))
    }

    /// Compares the attached sets with the medium that is due. `device` is the name that the attached hardware reports, `now`
    /// the time of the run (RFC 3339, UTC). `None`: the pool is empty.
    pub fn turn(&self, book: &LedgerContent, sets: &Sets, device: Option<&str>, now: &str) -> Option<PoolTurn> {
        let (due, streak) = self.due(book)?;
        let hold = active_hold(book);
        let media = book.media();
        let attached = only_with_device(&media, device);
        let is_attached = |m: &&MediumAccount| attached.is_some_and(|a| a.name == m.name);
        let known = |id: Id| {
            let of_set = || media.values().filter(move |m| m.set == id.to_string());
            // A copy has the same set as the medium that it was made from: only the device tells them apart.
            of_set().find(|m| m.is_copy && is_attached(m)).or_else(|| of_set().find(|m| !m.is_copy))
        };
        let refused = |found| Some(PoolTurn::Refused(Refusal { due: due.to_owned(), found }));
        let ids = sets.ids();
        let Some(first) = ids.first() else {
            return refused(match attached {
                // A cartridge has its serial number in a memory of its own.
                Some(m) if m.kind == Some(MediumKind::Tape) => FoundMedium::Blank { wiped: Some(m.name.clone()) },
                Some(m) => FoundMedium::BlankInDock { medium: m.name.clone() },
                None if !media.contains_key(due) => FoundMedium::Unprepared { bare: false },
                None => FoundMedium::Blank { wiped: None },
            });
        };
        // One folder may contain several sets, the one that is due among them.
        let here: Vec<(&MediumAccount, Id)> = ids.iter().filter_map(|id| Some((known(*id)?, *id))).collect();
        // Under a hold, no clean medium is written to, not even beside the one that was attached before; that one
        // continues, as evidence.
        let was_attached = |m: &MediumAccount| streak.as_ref().is_some_and(|s| s.medium == m.name);
        let here: Vec<(&MediumAccount, Id)> = match (&hold, here.first()) {
            (Some(hold), Some((m, _))) if !here.iter().any(|(m, _)| was_attached(m)) => {
                return refused(FoundMedium::Held { medium: m.name.clone(), since: hold.since.clone(), why: hold.why.clone() });
            }
            (Some(_), _) => here.into_iter().filter(|(m, _)| was_attached(m)).collect(),
            (None, _) => here,
        };
        // Under a hold it is written to as evidence.
        let is_refused = |m: &MediumAccount| m.is_doubtful() && m.name != due && hold.is_none();
        if let Some((m, _)) = here.first().filter(|_| here.iter().all(|(m, _)| is_refused(m))) {
            let medium = m.name.clone();
            return refused(match m.mismatched {
                Some(_) => FoundMedium::Mismatched { medium },
                None => FoundMedium::Damaged { medium },
            });
        }
        // Somebody may have made space on a full one, and put it there in its turn.
        let in_turn = self.in_turn(book);
        if let Some((m, set)) = here.iter().find(|(m, _)| m.name == due || m.is_full && Some(&m.name[..]) == in_turn) {
            return Some(PoolTurn::Due { medium: m.name.clone(), set: *set });
        }
        let Some((m, set)) = here.first() else { return refused(FoundMedium::Unregistered { set: *first }) };
        let medium = m.name.clone();
        if let Some(why) = m.out_of_use {
            return refused(FoundMedium::OutOfUse { medium, why });
        }
        match streak.clone().filter(|s| s.medium == medium) {
            Some(s) => {
                let is_same_night = s.last_night == (self.night_of)(now);
                let nights = (s.nights + u64::from(!is_same_night)).saturating_sub(self.turn_nights.max(1));
                if nights == 0 {
                    return Some(PoolTurn::Due { medium, set: *set });
                }
                if nights > self.stay_nights && hold.is_none() {
                    return refused(FoundMedium::Overstayed { medium, nights });
                }
                Some(PoolTurn::Stayed { medium, set: *set, nights, due: due.to_owned() })
            }
            // Nothing was written yet, as far as the ledger knows: with any of them the turns begin.
            None if streak.is_none() && self.media.contains(&medium) => Some(PoolTurn::Due { medium, set: *set }),
            None if self.media.contains(&medium) => refused(FoundMedium::OutOfTurn { medium }),
            None if m.pool.as_ref().is_none_or(|pool| *pool == self.name) => refused(FoundMedium::NoPool { medium }),
            None => refused(FoundMedium::OtherPool { medium }),
        }
    }
}

/// Consecutive nights on one medium, up to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    /// The medium.
    pub medium: String,
    /// Number of nights, at least 1.
    pub nights: u64,
    /// The number of the last of them.
    pub last_night: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::label::Label;
    use crate::host::ledger::{LedgerEvent, LedgerLine, MediumKind};
    use crate::medium::{BrokenLabel, MediumError, SetOnMedium};

    const NOW: &str = "2026-11-30T01:30:00Z";
    const SETS: [Id; 3] = [Id([1; 16]), Id([2; 16]), Id([3; 16])];

    fn pool() -> Pool {
        let (name, media) = ("disks".into(), vec!["CL-01".into(), "CL-02".into()]);
        // The nights of these tests are the days of their lines.
        Pool {
            name,
            media,
            turn_nights: 1,
            stay_nights: 2,
            mount: None,
            max_age_seconds: None,
            night_of: |time| time[8..10].parse().expect("a day"),
        }
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
            mounted: false,
        });
        let line = |(line, event)| LedgerLine { line, time: format!("2026-11-{line:02}T01:30:00Z"), event };
        let mut book = LedgerContent::default();
        book.lines.extend((1..).zip(registered.into_iter().chain(happened.iter().cloned())).map(line));
        book
    }

    fn written(medium: &str) -> LedgerEvent {
        LedgerEvent::Written {
            medium: medium.into(),
            generation: 1,
            check_code: "JHFB".into(),
            verdict: "good".into(),
            from_cache: false,
        }
    }

    fn held() -> LedgerEvent {
        LedgerEvent::Held { by: "当直".into(), why: "脅迫文".into(), set: None, generation: None }
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
            succession_key: None,
            tool: String::new(),
            quarantine: false,
        };
        let found = sets.iter().map(|id| SetOnMedium { id: *id, label: label(*id), path: "dock".into() });
        Sets { found: found.collect(), ..Sets::default() }
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

    /// The disk of the end of the month is in the dock: a night on it would use the space for what has to be kept.
    #[test]
    fn another_pools_disk_is_not_written_to() {
        let turn = pool().turn(&book(&[]), &there(&[SETS[2]]), Some("USB-C"), NOW);
        assert_eq!(found(turn), FoundMedium::OtherPool { medium: "MO-01".into() });
    }

    /// A copy has the set of the medium that it was made from, and only its device tells it apart. After a night on it
    /// the two would differ.
    #[test]
    fn a_copy_does_not_take_the_turn_of_what_it_was_made_from() {
        for name in ["AA-copy", "ZZ-copy"] {
            let book = book(&[LedgerEvent::Copied {
                from_cache: false,
                medium: name.into(),
                set: SETS[0].to_string(),
                generation: 1,
                check_code: "JHFB".into(),
                device: Some("USB-D".into()),
                kind: MediumKind::Disk,
            }]);
            let turn = |device| pool().turn(&book, &there(&[SETS[0]]), device, NOW);
            assert_eq!(found(turn(Some("USB-D"))), FoundMedium::NoPool { medium: name.into() });
            assert_eq!(turn(Some("USB-A")), due("CL-01", SETS[0]));
        }
    }

    /// Somebody has erased a disk and put it back: it is not reported as just any blank disk. But the serial number may be the
    /// dock's, and the disk a new one; only a cartridge has a number of its own.
    #[test]
    fn a_blank_disk_in_known_hardware_is_told_by_its_name() {
        let mut book = book(&[]);
        let found = |book: &LedgerContent, device| found(pool().turn(book, &Sets::default(), device, NOW));
        let (blank, medium) = (FoundMedium::Blank { wiped: None }, || "CL-02".to_owned());
        assert_eq!(found(&book, Some("USB-B")), FoundMedium::BlankInDock { medium: medium() });
        assert_eq!(found(&book, Some("USB-Z")), blank);
        let LedgerEvent::Registered { kind, .. } = &mut book.lines[1].event else { panic!("a disk") };
        *kind = Some(MediumKind::Tape);
        assert_eq!(found(&book, Some("USB-B")), FoundMedium::Blank { wiped: Some(medium()) });
        // Hardware without a name cannot be recognised.
        let LedgerEvent::Registered { device, .. } = &mut book.lines[0].event else { panic!("a disk") };
        *device = None;
        assert_eq!(found(&book, None), blank);
        // The dock's number, and both disks were in it.
        let LedgerEvent::Registered { device, .. } = &mut book.lines[0].event else { panic!("a disk") };
        *device = Some("USB-B".into());
        assert_eq!(found(&book, Some("USB-B")), blank);
    }

    /// The copy was made in the dock that the original is in tonight: the number tells nothing, and the original has its turn.
    #[test]
    fn a_serial_number_of_two_media_identifies_neither() {
        let copied = LedgerEvent::Copied {
            from_cache: false,
            medium: "AA-copy".into(),
            set: SETS[0].to_string(),
            generation: 1,
            check_code: "JHFB".into(),
            device: Some("USB-A".into()),
            kind: MediumKind::Disk,
        };
        let turn = pool().turn(&book(&[copied]), &there(&[SETS[0]]), Some("USB-A"), NOW);
        assert_eq!(turn, due("CL-01", SETS[0]));
    }

    /// Somebody runs the backup again because the first run had a finding: nobody could have swapped the disk in between.
    #[test]
    fn a_second_run_in_the_same_night_is_no_forgotten_swap() {
        let nights = |happened: &[LedgerEvent], night: u32| {
            let now = format!("2026-11-{night:02}T08:00:00Z");
            pool().turn(&book(happened), &there(&[SETS[0]]), None, &now)
        };
        let (set, medium, next) = (SETS[0], "CL-01".to_owned(), "CL-02".to_owned());
        let stayed = |nights| Some(PoolTurn::Stayed { medium: medium.clone(), set, nights, due: next.clone() });
        // The first line after the three media is of the fourth night.
        let first = [written("CL-01")];
        assert_eq!(nights(&first, 4), due("CL-01", set), "the same night");
        assert_eq!(nights(&first, 5), stayed(1), "the night after");
        // An overdue night stays overdue, by no more than before.
        let second = [written("CL-01"), written("CL-01")];
        assert_eq!(nights(&second, 5), stayed(1));
        assert_eq!(nights(&second, 6), stayed(2));
        // Three runs in one night are one night on the disk.
        let mut book = book(&[written("CL-01"), written("CL-01"), written("CL-01")]);
        book.lines.iter_mut().for_each(|l| l.time = "2026-11-04T01:30:00Z".into());
        let pool = pool();
        let (due, streak) = pool.due(&book).expect("a pool");
        assert_eq!((due, streak.map(|s| s.nights)), ("CL-02", Some(1)));
        // The other disk was brought after the first run: it is not refused.
        let turn = pool.turn(&book, &there(&[SETS[1]]), None, "2026-11-04T08:00:00Z");
        assert_eq!(turn, super::tests::due("CL-02", SETS[1]));
    }

    /// Once a disk was seen at a mount point, a bare folder there is no disk; the configuration has the last word.
    #[test]
    fn a_pool_of_disks_wants_a_mount() {
        let mut book = book(&[]);
        let wants = |book: &LedgerContent, mount| Pool { mount, ..pool() }.wants_mount(book);
        assert_eq!([None, Some(true), Some(false)].map(|mount| wants(&book, mount)), [false, true, false]);
        let attached =
            |medium: &str| LedgerEvent::Attached { medium: medium.into(), at: "/mnt".into(), device: None, mounted: true };
        book.lines.push(LedgerLine { line: 4, time: NOW.into(), event: attached("MO-01") });
        assert!(!wants(&book, None), "another pool's disk");
        book.lines.push(LedgerLine { line: 5, time: NOW.into(), event: attached("CL-02") });
        assert_eq!([None, Some(true), Some(false)].map(|mount| wants(&book, mount)), [true, true, false]);
    }

    /// One bad sector in the label must not stop the nights: the folder's name says which set it is.
    #[test]
    fn a_disk_whose_label_cannot_be_read_keeps_its_turn() {
        let path = std::path::PathBuf::from("dock").join(SETS[0].to_string());
        let why = MediumError::NoLabel { path: path.clone() };
        let sets = Sets { broken: vec![BrokenLabel { id: Some(SETS[0]), path, why }], ..Sets::default() };
        assert_eq!(pool().turn(&book(&[]), &sets, None, NOW), due("CL-01", SETS[0]));
    }

    #[test]
    fn under_a_hold_the_attached_disk_continues_however_long_it_stays() {
        let nights = [written("CL-01"), written("CL-01"), written("CL-01"), written("CL-01")];
        let turn = |book: &LedgerContent| pool().turn(book, &there(&[SETS[0]]), None, NOW);
        assert_eq!(found(turn(&book(&nights))), FoundMedium::Overstayed { medium: "CL-01".into(), nights: 4 });
        let (set, due) = (SETS[0], "CL-02".into());
        let stayed = PoolTurn::Stayed { medium: "CL-01".into(), set, nights: 4, due };
        assert_eq!(turn(&book(&[&nights[..], &[held()]].concat())), Some(stayed));
    }

    /// Two sets on one disk, and a hold: the clean one is not written to, although the other one is.
    #[test]
    fn under_a_hold_a_clean_set_is_not_written_beside_the_attached_one() {
        let book = book(&[written("CL-01"), held()]);
        for sets in [[SETS[0], SETS[1]], [SETS[1], SETS[0]]] {
            let turn = pool().turn(&book, &there(&sets), None, NOW);
            assert!(matches!(&turn, Some(PoolTurn::Stayed { medium, .. }) if medium == "CL-01"), "{turn:?}");
        }
        assert!(matches!(found(pool().turn(&book, &there(&[SETS[1], SETS[2]]), None, NOW)), FoundMedium::Held { .. }));
    }

    /// Nobody brings a blank disk at night: the other disks go on without the full one, and it is tried when it is there again
    /// in its turn.
    #[test]
    fn a_full_disk_is_passed_over_and_may_come_back_in_its_turn() {
        let full = |medium: &str| LedgerEvent::Full { medium: medium.into() };
        let with = |happened: &[LedgerEvent]| book(happened);
        let next = |book: &LedgerContent| pool().due(book).map(|(due, _)| due.to_owned());
        let turn = |book: &LedgerContent, set| pool().turn(book, &there(&[set]), None, NOW);
        let one_full = with(&[written("CL-02"), full("CL-01")]);
        assert_eq!(next(&one_full).as_deref(), Some("CL-02"));
        assert_eq!(turn(&one_full, SETS[0]), due("CL-01", SETS[0]), "somebody made space on it");
        let goes_on = with(&[written("CL-02"), full("CL-01"), written("CL-02"), full("CL-02")]);
        assert_eq!(next(&goes_on).as_deref(), Some("CL-01"), "where all are full, it is somebody's turn all the same");
        let emptied = with(&[written("CL-02"), full("CL-01"), written("CL-01"), written("CL-02")]);
        assert_eq!(next(&emptied).as_deref(), Some("CL-01"));
    }

    /// Two disks were taken out of the pool: their nights are nights on other disks, and not more of the one before.
    #[test]
    fn nights_on_a_disk_that_was_replaced_break_the_row() {
        let registered = LedgerEvent::Registered {
            medium: "OLD".into(),
            set: Id([9; 16]).to_string(),
            pool: Some("disks".into()),
            device: None,
            kind: None,
            mounted: false,
        };
        let book = book(&[registered, written("CL-01"), written("OLD"), written("CL-01")]);
        let pool = pool();
        let (due, streak) = pool.due(&book).expect("a pool");
        assert_eq!((due, streak.map(|s| s.nights)), ("CL-02", Some(1)));
    }

    /// A lost disk does not stop the turns. When it turns up, people say so first.
    #[test]
    fn what_is_not_used_any_more_is_passed_over_and_not_written() {
        let moved = |medium: &str, out_of_use| LedgerEvent::Moved {
            medium: medium.into(),
            to: String::new(),
            by: "鈴木".into(),
            witness: None,
            off_site: false,
            out_of_use,
            set: None,
        };
        let due_after = |happened: &[LedgerEvent]| pool().due(&book(happened)).map(|(due, _)| due.to_owned());
        for why in OutOfUse::ALL {
            let gone = moved("CL-02", Some(why));
            assert_eq!(due_after(&[gone.clone(), written("CL-01")]).as_deref(), Some("CL-01"), "the only one");
            assert_eq!(due_after(&[gone.clone(), written("CL-01"), moved("CL-02", None)]).as_deref(), Some("CL-02"), "found");
            assert_eq!(due_after(&[moved("CL-01", Some(why))]).as_deref(), Some("CL-02"));
            assert_eq!(due_after(&[moved("CL-01", Some(why)), gone.clone()]), None);
            // It was written last, and is still in the dock.
            let turn = pool().turn(&book(&[written("CL-02"), gone]), &there(&[SETS[1]]), None, NOW);
            assert_eq!(found(turn), FoundMedium::OutOfUse { medium: "CL-02".into(), why });
        }
    }
}
