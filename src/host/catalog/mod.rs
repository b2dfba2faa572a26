//! The host's cache in SQLite: chunk index, objects, generations, operation log.
//!
//! **Invariant:** the medium is the truth. Everything here can be rebuilt from the media and an identity; nothing here
//! is secret, and no key is ever written here.
//!
//! **Invariant:** no other room knows SQL.

mod chunks;
mod log;
mod media;

pub use chunks::{ChunkLookup, Location};
pub use log::LogLine;
pub use media::MediumRow;

use crate::format::digests::{BothDigests, Digests};
use crate::format::limit;
use crate::format::object::{Id, Object, ObjectKind};
use crate::host::files::{PRIVATE, create_new};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE sets (
    id      INTEGER PRIMARY KEY,
    set_id  BLOB NOT NULL UNIQUE,
    name    TEXT NOT NULL,
    created TEXT NOT NULL,
    chunks  INTEGER NOT NULL DEFAULT 0,
    -- 1 from when packs were found damaged until a generation that read everything again is durable
    reread  INTEGER NOT NULL DEFAULT 0,
    -- number of the oldest object that later generations may reference
    base    INTEGER NOT NULL DEFAULT 0
);
-- generation: NULL until a seal covers the object
CREATE TABLE objects (
    in_set INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, length INTEGER NOT NULL, digest BLOB, sha256 BLOB,
    generation INTEGER,
    PRIMARY KEY (in_set, number)
) WITHOUT ROWID;
-- sum: over the rest of the row; a wrong row would make a generation that cannot be restored
CREATE TABLE chunks (
    in_set INTEGER NOT NULL, id BLOB NOT NULL, object INTEGER NOT NULL, frame INTEGER NOT NULL, offset INTEGER NOT NULL,
    length INTEGER NOT NULL, sum INTEGER NOT NULL,
    PRIMARY KEY (in_set, id)
) WITHOUT ROWID;
-- a row for each seal, counted from 1. number: of its generation; head, head_sha256: digests of its head; durable: 0 from
-- before the seal is written until it was read back; closing: it ends no generation
CREATE TABLE generations (
    in_set INTEGER NOT NULL, seal INTEGER NOT NULL, number INTEGER NOT NULL, seal_object INTEGER NOT NULL,
    head BLOB NOT NULL, head_sha256 BLOB NOT NULL, time TEXT NOT NULL, started INTEGER NOT NULL, entries_digest BLOB NOT NULL, durable INTEGER NOT NULL,
    closing INTEGER NOT NULL,
    PRIMARY KEY (in_set, seal)
) WITHOUT ROWID;
-- copies of all seals, for the beginning of the next medium
CREATE TABLE seals (in_set INTEGER NOT NULL, number INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (in_set, number));
CREATE TABLE media (
    in_set INTEGER NOT NULL, place INTEGER NOT NULL, medium BLOB NOT NULL, first_object INTEGER NOT NULL, created TEXT NOT NULL,
    root_key BLOB NOT NULL,
    PRIMARY KEY (in_set, place)
) WITHOUT ROWID;
-- labels that this host has written, from before they were written
CREATE TABLE labels (
    in_set INTEGER NOT NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (in_set, number, digest)
) WITHOUT ROWID;
CREATE TABLE log (
    line INTEGER PRIMARY KEY, time TEXT NOT NULL, operation TEXT NOT NULL, detail TEXT NOT NULL, chain BLOB NOT NULL
);
";

/// Why the catalog could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file is not a catalog, or its pages are damaged. It can be rebuilt from the media and an identity.
    #[error("the catalog {} is damaged", path.display())]
    Damaged {
        /// The catalog's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// It was not changed; the newer program can use it.
    #[error("the catalog {} was written by a newer program (version {found})", path.display())]
    Newer {
        /// The catalog's file.
        path: PathBuf,
        /// The version of its tables; this program knows 1.
        found: i64,
    },
    /// It cannot be opened, read or written: no room, no permission, or locked by another process for 30 seconds. A
    /// change that failed has not happened.
    #[error("the catalog {} cannot be used", path.display())]
    Failed {
        /// The catalog's file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

type Result<T> = std::result::Result<T, CatalogError>;

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunRow {
    /// It.
    pub set: Id,
    /// What people call it.
    pub name: String,
    /// When it was begun: RFC 3339, UTC.
    pub created: String,
}

/// A generation that is complete and was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Its set.
    pub set: Id,
    /// What people call the set.
    pub set_name: String,
    /// The generation's number.
    pub number: u64,
    /// The BLAKE3 of its seal's head, of which the check code is made.
    pub head: [u8; 32],
    /// RFC 3339, UTC.
    pub time: String,
}

/// The catalog's row of one seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealRow {
    /// Which seal of the set it is, from 1.
    pub seal: u64,
    /// The generation that it ends, or a part of which it closes; from 1.
    pub number: u64,
    /// Number of the seal's object.
    pub seal_object: u64,
    /// Digests of its head.
    pub head: BothDigests,
    /// RFC 3339, UTC.
    pub time: String,
    /// When the run began, in nanoseconds since 1970.
    pub started: i64,
    /// BLAKE3 of the entry stream: the host's copy of it is whole if it has this digest.
    pub entries_digest: [u8; 32],
    /// Its seal was read back.
    pub durable: bool,
    /// It is a closing seal: no complete generation belongs to it.
    pub closing: bool,
}

/// A connection to the catalog. Each thread has its own.
pub struct Catalog {
    db: Connection,
    path: PathBuf,
    /// How durable a change is made, in SQLite's word.
    synchronous: &'static str,
}

/// SQLite's journal mode and what makes it durable.
///
/// With a write-ahead log, SQLite maps an index of it into memory, and makes sure of its room by one byte in each 4 KiB. On a
/// file system with smaller blocks that leaves gaps: on a full disk, touching one ends the process by SIGBUS.
fn journal(path: &Path) -> (&'static str, &'static str) {
    const MAPPED_PAGE: u64 = 4096;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(fs) if fs.f_bsize >= MAPPED_PAGE => ("WAL", "NORMAL"),
        _ => ("TRUNCATE", "FULL"),
    }
}

/// The key of one set's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetRow(i64);

impl Catalog {
    /// Opens the catalog; creates an empty one if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = failure(path);
        // SQLite would let others read it, and gives its companions the mode that it has. What fails here, SQLite reports.
        if create_new(path, PRIVATE).is_err() {
            make_private(path);
        }
        let db = Connection::open(path).map_err(&failed)?;
        db.busy_timeout(std::time::Duration::from_secs(30)).map_err(&failed)?;
        let (journal, synchronous) = journal(path);
        db.pragma_update(None, "journal_mode", journal).map_err(&failed)?;
        db.pragma_update(None, "synchronous", synchronous).map_err(&failed)?;
        db.pragma_update(None, "cache_size", -8192).map_err(&failed)?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(&failed)?;
        match version {
            VERSION => {}
            0 => {
                let made = db.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"));
                made.map_err(&failed)?;
            }
            found => return Err(CatalogError::Newer { path: path.to_owned(), found }),
        }
        Ok(Self { db, path: path.to_owned(), synchronous })
    }

    /// Opens a catalog to look at it; creates and changes nothing. `None`: there is none, or nothing is in it yet.
    pub fn look(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let failed = failure(path);
        // Not read-only: SQLite would not see what is in its log yet.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(&failed)?;
        db.busy_timeout(std::time::Duration::from_secs(30)).map_err(&failed)?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0)).map_err(&failed)?;
        match version {
            VERSION => Ok(Some(Self { db, path: path.to_owned(), synchronous: journal(path).1 })),
            0 => Ok(None),
            found => Err(CatalogError::Newer { path: path.to_owned(), found }),
        }
    }

    /// Every generation that is complete and was read back, in the order of the sets.
    pub fn sealed_generations(&self) -> Result<Vec<SealedRow>> {
        let sql = "SELECT s.set_id, s.name, g.number, g.head, g.time FROM generations g JOIN sets s ON s.id = g.in_set
            WHERE g.durable AND NOT g.closing ORDER BY g.in_set, g.seal";
        let run = || {
            let mut q = self.db.prepare_cached(sql)?;
            let row = |r: &rusqlite::Row| {
                let (set, number) = (Id(r.get(0)?), number(r, 2)?);
                Ok(SealedRow { set, set_name: r.get(1)?, number, head: r.get(3)?, time: r.get(4)? })
            };
            q.query_map([], row)?.collect()
        };
        self.ask(run())
    }

    /// Every set, also one without a generation.
    pub fn begun_sets(&self) -> Result<Vec<BegunRow>> {
        let run = || {
            let mut q = self.db.prepare_cached("SELECT set_id, name, created FROM sets ORDER BY id")?;
            let row = |r: &rusqlite::Row| Ok(BegunRow { set: Id(r.get(0)?), name: r.get(1)?, created: r.get(2)? });
            q.query_map([], row)?.collect()
        };
        self.ask(run())
    }

    /// The catalog's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn ask<T>(&self, asked: rusqlite::Result<T>) -> Result<T> {
        asked.map_err(failure(&self.path))
    }

    /// Runs a change in one transaction.
    fn change(&mut self, f: impl FnOnce(&rusqlite::Transaction) -> rusqlite::Result<()>) -> Result<()> {
        let run = |db: &mut Connection| {
            let tx = db.transaction()?;
            f(&tx)?;
            tx.commit()
        };
        run(&mut self.db).map_err(failure(&self.path))
    }

    /// Adds a set, or renames a known one. `created`: RFC 3339, UTC.
    pub fn add_set(&self, set: Id, name: &str, created: &str) -> Result<SetRow> {
        let sql = "INSERT INTO sets (set_id, name, created) VALUES (?1, ?2, ?3) ON CONFLICT (set_id) DO UPDATE SET name = ?2 RETURNING id";
        self.ask(self.db.query_row(sql, params![set.0, name, created], |r| r.get(0))).map(SetRow)
    }

    /// The set's key; `None` if the catalog does not know the set.
    pub fn set(&self, set: Id) -> Result<Option<SetRow>> {
        self.ask(self.db.query_row("SELECT id FROM sets WHERE set_id = ?1", [set.0], |r| r.get(0)).optional())
            .map(|r| r.map(SetRow))
    }

    /// Deletes everything about a set, before it is rebuilt from its media.
    pub fn forget_set(&mut self, set: Id) -> Result<()> {
        let Some(SetRow(row)) = self.set(set)? else { return Ok(()) };
        self.change(|tx| {
            for table in ["chunks", "objects", "generations", "seals", "media", "labels"] {
                tx.execute(&format!("DELETE FROM {table} WHERE in_set = ?1"), [row])?;
            }
            tx.execute("DELETE FROM sets WHERE id = ?1", [row])?;
            Ok(())
        })
    }

    /// How many chunks the index has for the set.
    pub fn chunk_count(&self, set: SetRow) -> Result<u64> {
        let count = self.db.query_row("SELECT chunks FROM sets WHERE id = ?1", [set.0], |r| r.get::<_, i64>(0));
        self.ask(count).map(|n| n as u64)
    }

    /// Objects that no seal covers yet, ascending.
    pub fn unsealed(&self, set: SetRow) -> Result<Vec<Object>> {
        let run = || {
            let mut q = self.db.prepare_cached(
                "SELECT number, kind, length, digest, sha256 FROM objects WHERE in_set = ?1 AND generation IS NULL ORDER BY number",
            )?;
            q.query_map([set.0], object)?.collect()
        };
        self.ask(run())
    }

    /// Calls `f` with each object from number `first` on that a seal covers, ascending, and with the seal's generation.
    pub fn each_sealed(&self, set: SetRow, first: u64, mut f: impl FnMut(Object, u64)) -> Result<()> {
        let mut run = || {
            let mut q = self.db.prepare_cached(
                "SELECT number, kind, length, digest, sha256, generation FROM objects
                WHERE in_set = ?1 AND number >= ?2 AND generation IS NOT NULL ORDER BY number",
            )?;
            let mut rows = q.query(params![set.0, first as i64])?;
            while let Some(row) = rows.next()? {
                f(object(row)?, number(row, 5)?);
            }
            Ok(())
        };
        self.ask(run())
    }

    /// The digests of the heads of all durable seals, in their order.
    pub fn each_head(&self, set: SetRow, mut f: impl FnMut([u8; 32])) -> Result<()> {
        let mut run = || {
            let mut q = self.db.prepare_cached("SELECT head FROM generations WHERE in_set = ?1 AND durable ORDER BY seal")?;
            let mut rows = q.query([set.0])?;
            while let Some(row) = rows.next()? {
                f(row.get(0)?);
            }
            Ok(())
        };
        self.ask(run())
    }

    /// Whether a label was to be written under a number above `object`.
    pub fn has_label_behind(&self, set: SetRow, object: u64) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM labels WHERE in_set = ?1 AND number > ?2)";
        self.ask(self.db.query_row(sql, params![set.0, object as i64], |r| r.get(0)))
    }

    /// Records a label that is about to be written, before anything of it can be on the medium, also after a power cut.
    pub fn put_label(&self, set: SetRow, number: u64, digest: &[u8; 32]) -> Result<()> {
        let run = || {
            self.db.pragma_update(None, "synchronous", "FULL")?;
            let sql = "INSERT OR IGNORE INTO labels VALUES (?1, ?2, ?3)";
            let put = self.db.execute(sql, params![set.0, number as i64, digest]);
            self.db.pragma_update(None, "synchronous", self.synchronous)?;
            put.map(drop)
        };
        self.ask(run())
    }

    /// Whether this host has written the label.
    pub fn has_label(&self, set: SetRow, number: u64, digest: &[u8; 32]) -> Result<bool> {
        let sql = "SELECT COUNT(*) FROM labels WHERE in_set = ?1 AND number = ?2 AND digest = ?3";
        self.ask(self.db.query_row(sql, params![set.0, number as i64, digest], |r| r.get::<_, i64>(0))).map(|n| n > 0)
    }

    /// Records an object that was read back, and the location of each chunk in it. Sorts `chunks` by id.
    pub fn add_object(&mut self, set: SetRow, o: &Object, chunks: &mut [(crate::format::pack::ChunkId, Location)]) -> Result<()> {
        chunks.sort_unstable_by_key(|(id, _)| *id);
        self.change(|tx| {
            put_object(tx, set, o)?;
            chunks::insert(tx, set, chunks)?;
            Ok(())
        })
    }

    /// Records a leftover as what it turned out to be, usually void. Deletes the chunks that were recorded in it, and
    /// the medium whose label it was.
    pub fn void_object(&mut self, set: SetRow, o: &Object) -> Result<()> {
        self.change(|tx| {
            put_object(tx, set, o)?;
            tx.execute("DELETE FROM chunks WHERE in_set = ?1 AND object = ?2", params![set.0, o.number as i64])?;
            tx.execute("DELETE FROM media WHERE in_set = ?1 AND first_object = ?2", params![set.0, o.number as i64])?;
            Ok(())
        })
    }

    /// Records packs as damaged: deletes the chunks in them, and makes the next run read everything again.
    pub fn mark_damaged(&mut self, set: SetRow, packs: &[u64]) -> Result<()> {
        self.change(|tx| {
            for pack in packs {
                tx.execute("DELETE FROM chunks WHERE in_set = ?1 AND object = ?2", params![set.0, *pack as i64])?;
            }
            tx.execute("UPDATE sets SET reread = 1 WHERE id = ?1", [set.0])?;
            Ok(())
        })
    }

    /// Number of the oldest object that later generations may reference.
    pub fn oldest_referenced_object(&self, set: SetRow) -> Result<u64> {
        self.ask(self.db.query_row("SELECT base FROM sets WHERE id = ?1", [set.0], |r| number(r, 0)))
    }

    /// See [`Catalog::oldest_referenced_object`].
    pub fn set_oldest_referenced_object(&self, set: SetRow, oldest: u64) -> Result<()> {
        self.ask(self.db.execute("UPDATE sets SET base = ?2 WHERE id = ?1", params![set.0, oldest as i64])).map(drop)
    }

    /// Whether the next run must read everything again.
    pub fn wants_reread(&self, set: SetRow) -> Result<bool> {
        self.ask(self.db.query_row("SELECT reread FROM sets WHERE id = ?1", [set.0], |r| r.get(0)))
    }

    /// Records that a run which read everything again is sealed.
    pub fn clear_reread(&self, set: SetRow) -> Result<()> {
        self.ask(self.db.execute("UPDATE sets SET reread = 0 WHERE id = ?1", [set.0])).map(drop)
    }

    /// The newest seal, durable or not.
    pub fn last_seal_row(&self, set: SetRow) -> Result<Option<SealRow>> {
        self.generation_where(set, "1 ORDER BY seal DESC LIMIT 1")
    }

    /// The newest generation that is complete, durable or not.
    pub fn last_complete_generation(&self, set: SetRow) -> Result<Option<SealRow>> {
        self.generation_where(set, "NOT closing ORDER BY seal DESC LIMIT 1")
    }

    /// A generation that is complete, by its number.
    pub fn complete_generation(&self, set: SetRow, number: u64) -> Result<Option<SealRow>> {
        self.generation_where(set, &format!("NOT closing AND durable AND number = {number}"))
    }

    /// The newest seal that was read back.
    pub fn last_durable_seal(&self, set: SetRow) -> Result<Option<SealRow>> {
        self.generation_where(set, "durable ORDER BY seal DESC LIMIT 1")
    }

    /// The sets with a sealed generation, the last written first, by this host's clock.
    pub fn sets_written(&self) -> Result<Vec<Id>> {
        let sql = "SELECT s.set_id FROM generations g JOIN sets s ON s.id = g.in_set WHERE g.durable
            GROUP BY s.id ORDER BY MAX(g.started) DESC";
        let run = || self.db.prepare_cached(sql)?.query_map([], |r| Ok(Id(r.get(0)?)))?.collect();
        self.ask(run())
    }

    fn generation_where(&self, set: SetRow, condition: &str) -> Result<Option<SealRow>> {
        let sql = format!(
            "SELECT number, seal_object, head, time, started, entries_digest, durable, closing, seal, head_sha256 FROM generations
            WHERE in_set = ?1 AND {condition}"
        );
        let row = self.db.query_row(&sql, [set.0], |r| {
            Ok(SealRow {
                number: number(r, 0)?,
                seal_object: number(r, 1)?,
                head: BothDigests { blake3: r.get(2)?, sha256: r.get(9)? },
                seal: number(r, 8)?,
                time: r.get(3)?,
                started: r.get(4)?,
                entries_digest: r.get(5)?,
                durable: r.get(6)?,
                closing: r.get(7)?,
            })
        });
        self.ask(row.optional())
    }

    /// Records a seal that is about to be written (`durable` false) or was read back (true). Objects up to
    /// its seal belong to it from then on.
    pub fn put_seal_row(&mut self, set: SetRow, g: &SealRow) -> Result<()> {
        self.change(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO generations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                params![
                    set.0,
                    g.seal as i64,
                    g.number as i64,
                    g.seal_object as i64,
                    g.head.blake3,
                    g.head.sha256,
                    g.time,
                    g.started,
                    g.entries_digest,
                    g.durable,
                    g.closing
                ],
            )?;
            if g.durable {
                tx.execute(
                    "UPDATE objects SET generation = ?2 WHERE in_set = ?1 AND generation IS NULL AND number <= ?3",
                    params![set.0, g.number as i64, g.seal_object as i64],
                )?;
            }
            Ok(())
        })
    }

    /// Deletes a seal, counted from 1, that never became whole.
    pub fn forget_seal(&self, set: SetRow, seal: u64) -> Result<()> {
        let sql = "DELETE FROM generations WHERE in_set = ?1 AND seal = ?2 AND NOT durable";
        self.ask(self.db.execute(sql, params![set.0, seal as i64])).map(drop)
    }
}

/// An earlier version, or somebody's copy, may have left it to others. Not opened for this: closing it would drop the locks that
/// SQLite has on it in this process.
fn make_private(path: &Path) {
    for companion in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(companion);
        let exposed = Path::new(&name).symlink_metadata().is_ok_and(|m| m.is_file() && m.mode() & 0o077 != 0);
        if exposed {
            let _ = std::fs::set_permissions(&name, Permissions::from_mode(PRIVATE));
        }
    }
}

/// Distinguishes damage from other failures.
fn failure(path: &Path) -> impl Fn(rusqlite::Error) -> CatalogError {
    let path = path.to_owned();
    move |source| {
        use rusqlite::{Error, ErrorCode};
        let code = source.sqlite_error_code();
        let damaged = matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            || matches!(
                source,
                Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..)
            );
        match damaged {
            true => CatalogError::Damaged { path: path.clone(), source },
            false => CatalogError::Failed { path: path.clone(), source },
        }
    }
}

/// The number or length of an object, or a generation's number. A larger value is damage.
fn number(r: &rusqlite::Row, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = r.get(column)?;
    let in_range = u64::try_from(n).ok().filter(|n| *n <= limit::OBJECT_NUMBER);
    in_range.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, n))
}

fn put_object(db: &Connection, set: SetRow, o: &Object) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO objects (in_set, number, kind, length, digest, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![set.0, o.number as i64, o.kind.to_string(), o.length as i64, o.digest(), o.digests.and_then(|d| d.sha256)])
    .map(drop)
}

fn object(r: &rusqlite::Row) -> rusqlite::Result<Object> {
    let kind: String = r.get(1)?;
    let kind = ObjectKind::from_name(&kind).ok_or(rusqlite::Error::InvalidColumnType(1, kind, rusqlite::types::Type::Text))?;
    let (blake3, sha256) = (r.get::<_, Option<[u8; 32]>>(3)?, r.get(4)?);
    Ok(Object { number: number(r, 0)?, kind, length: number(r, 2)?, digests: blake3.map(|blake3| Digests { blake3, sha256 }) })
}
