//! The media of each set, and copies of the seals, which the next medium begins with.

use super::{Catalog, Result, SetRow, failure, number};
use crate::format::label::Label;
use crate::format::object::Id;
use rusqlite::{OptionalExtension, params};

/// One medium of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumRow {
    /// Number within the set, from 1.
    pub place: u64,
    /// The medium's id.
    pub medium: Id,
    /// Number of its label.
    pub first_object: u64,
    /// RFC 3339, UTC.
    pub created: String,
    /// The label's public key, which verifies the first seal.
    pub root_key: [u8; 32],
}

impl MediumRow {
    /// The medium with this label.
    pub fn of(l: &Label) -> Self {
        let created = l.created.clone();
        Self { place: l.place, medium: l.medium, first_object: l.first_object, created, root_key: l.root_key }
    }
}

impl Catalog {
    /// Records a medium, or replaces what is recorded for its place.
    pub fn put_medium(&self, set: SetRow, m: &MediumRow) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO media (in_set, place, medium, first_object, created, root_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let row = params![set.0, m.place as i64, m.medium.0, m.first_object as i64, m.created, m.root_key];
        self.ask(self.db.execute(sql, row)).map(drop)
    }

    /// Number of each medium's first object, ascending.
    pub fn media_firsts(&self, set: SetRow) -> Result<Vec<u64>> {
        let run = || {
            let mut q = self.db.prepare_cached("SELECT first_object FROM media WHERE in_set = ?1 ORDER BY place")?;
            q.query_map([set.0], |r| number(r, 0))?.collect()
        };
        self.ask(run())
    }

    /// How many media the set has, counted from the one with object `number`.
    pub fn media_from(&self, set: SetRow, number: u64) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM media WHERE in_set = ?1 AND place >=
            (SELECT COALESCE(MAX(place), 0) FROM media WHERE in_set = ?1 AND first_object <= ?2)";
        self.ask(self.db.query_row(sql, params![set.0, number as i64], |r| r.get::<_, i64>(0))).map(|n| n as u64)
    }

    /// Of each medium, by place: the digest of the head of the last seal on it that was read back.
    pub fn last_seals(&self, set: SetRow) -> Result<Vec<(u64, [u8; 32])>> {
        // A medium ends where the next one begins.
        let sql = "SELECT m.place, (SELECT g.head FROM generations g WHERE g.in_set = m.in_set AND g.durable AND g.seal_object <
                (SELECT COALESCE(MIN(n.first_object), 1 << 62) FROM media n WHERE n.in_set = m.in_set AND n.place > m.place)
                ORDER BY g.seal DESC LIMIT 1)
            FROM media m WHERE m.in_set = ?1 ORDER BY m.place";
        let run = || {
            let mut q = self.db.prepare_cached(sql)?;
            let rows = q.query_map([set.0], |r| Ok((number(r, 0)?, r.get::<_, Option<[u8; 32]>>(1)?)))?;
            rows.filter_map(|row| row.map(|(place, digest)| Some((place, digest?))).transpose()).collect()
        };
        self.ask(run())
    }

    /// The medium to continue on.
    pub fn last_medium(&self, set: SetRow) -> Result<Option<MediumRow>> {
        let sql =
            "SELECT place, medium, first_object, created, root_key FROM media WHERE in_set = ?1 ORDER BY place DESC LIMIT 1";
        let row = self.db.query_row(sql, [set.0], |r| {
            let (place, medium, first_object) = (number(r, 0)?, Id(r.get(1)?), number(r, 2)?);
            Ok(MediumRow { place, medium, first_object, created: r.get(3)?, root_key: r.get(4)? })
        });
        self.ask(row.optional())
    }

    /// Keeps a copy of a seal that is durable.
    pub fn put_seal(&self, set: SetRow, object: u64, bytes: &[u8]) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO seals (in_set, number, bytes) VALUES (?1, ?2, ?3)";
        self.ask(self.db.execute(sql, params![set.0, object as i64, bytes])).map(drop)
    }

    /// Numbers of the seals below `end`, ascending.
    pub fn seal_numbers(&self, set: SetRow, end: u64) -> Result<Vec<u64>> {
        let run = || {
            let mut q = self.db.prepare_cached("SELECT number FROM seals WHERE in_set = ?1 AND number < ?2 ORDER BY number")?;
            q.query_map(params![set.0, end as i64], |r| number(r, 0))?.collect()
        };
        self.ask(run())
    }

    /// The copy of a seal. `object`: its number.
    pub fn seal(&self, set: SetRow, object: u64) -> Result<Vec<u8>> {
        let sql = "SELECT bytes FROM seals WHERE in_set = ?1 AND number = ?2";
        self.db.query_row(sql, params![set.0, object as i64], |r| r.get(0)).map_err(failure(&self.path))
    }

    /// Sets whose last medium was closed within a run and that wait for the next one; the newest first.
    pub fn sets_to_continue(&self) -> Result<Vec<(Id, SetRow)>> {
        let sql = "SELECT s.set_id, s.id FROM sets s JOIN generations g ON g.in_set = s.id
            WHERE g.closing AND g.durable AND g.seal = (SELECT MAX(seal) FROM generations WHERE in_set = s.id)
            ORDER BY s.id DESC";
        let run = || {
            let mut q = self.db.prepare_cached(sql)?;
            q.query_map([], |r| Ok((Id(r.get(0)?), SetRow(r.get(1)?))))?.collect()
        };
        self.ask(run())
    }
}
