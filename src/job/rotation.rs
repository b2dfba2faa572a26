//! Rotation: which medium of a pool is due tonight, and whether what is attached is it.
//!
//! Turns are counted in nights that were written, not in days: a holiday without runs moves nothing, and a medium that stayed in while
//! everybody was away is not mistaken for the next one.

use super::hold::standing;
use crate::format::object::Id;
use crate::ledger::{Book, Medium};
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
pub enum Turn {
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
    pub found: Found,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
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

impl Found {
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
    pub fn due(&self, book: &Book) -> Option<(&str, Option<Streak>)> {
        let first = self.media.first()?;
        let mut nights = book.nights(&self.media).rev();
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
    pub fn turn(&self, book: &Book, sets: &Sets, device: Option<&str>) -> Option<Turn> {
        let (due, streak) = self.due(book)?;
        let hold = standing(book);
        let media = book.media();
        let is_there = |m: &&Medium| device.is_some() && m.device.as_deref() == device;
        let known = |id: Id| {
            let of_set = || media.values().filter(move |m| m.set == id.to_string());
            // A copy looks like the medium that it was made from.
            of_set().find(|m| m.is_copy && is_there(m)).or_else(|| of_set().find(|m| !m.is_copy))
        };
        let refused = |found| Some(Turn::Refused(Refusal { due: due.to_owned(), found }));
        let ids: Vec<Id> = sets.found.iter().map(|s| s.id).chain(sets.broken.iter().filter_map(|b| b.folder_id())).collect();
        let Some(first) = ids.first() else {
            let wiped = media.values().find(is_there);
            return refused(Found::Blank { wiped: wiped.map(|m| m.name.clone()) });
        };
        // The one that is due may lie beside others.
        let here: Vec<(&Medium, Id)> = ids.iter().filter_map(|id| Some((known(*id)?, *id))).collect();
        // What is clean stays away from this host; what was in may go on, and is evidence.
        let was_in = |m: &Medium| streak.as_ref().is_some_and(|s| s.medium == m.name);
        if let (Some(hold), Some((m, _))) = (&hold, here.first())
            && !was_in(m)
        {
            return refused(Found::Held { medium: m.name.clone(), since: hold.since.clone(), why: hold.why.clone() });
        }
        if let Some((m, set)) = here.iter().find(|(m, _)| m.name == due) {
            return Some(Turn::Due { medium: m.name.clone(), set: *set });
        }
        let Some((m, set)) = here.first() else { return refused(Found::Unregistered { set: *first }) };
        let medium = m.name.clone();
        match streak.clone().filter(|s| s.medium == medium) {
            Some(s) => {
                let nights = s.nights + 1 - self.turn_nights.max(1);
                if nights > self.stay_nights && hold.is_none() {
                    return refused(Found::Overstayed { medium, nights });
                }
                Some(Turn::Stayed { medium, set: *set, nights, due: due.to_owned() })
            }
            None if self.media.contains(&medium) => refused(Found::OutOfTurn { medium }),
            None => refused(Found::OtherPool { medium }),
        }
    }
}

/// Nights running on one medium, up to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    pub medium: String,
    pub nights: u64,
}
