//! The chunk index: from a chunk's id to its location.

use super::{Catalog, CatalogError, SetRow, failure, number};
use crate::format::pack::ChunkId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The location of a stored chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Number of the pack.
    pub object: u64,
    /// Number of the frame within the pack, from 0.
    pub frame: u32,
    /// Bytes before the chunk in the decompressed frame.
    pub offset: u32,
    /// Bytes of the chunk.
    pub length: u32,
}

/// A checksum of a row: SQLite has none of its own.
fn sum(id: &ChunkId, at: &Location) -> u32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&id.0).update(&at.object.to_le_bytes());
    for n in [at.frame, at.offset, at.length] {
        hasher.update(&n.to_le_bytes());
    }
    let digest = *hasher.finalize().as_bytes();
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]])
}

pub(super) fn insert(db: &Connection, set: SetRow, chunks: &[(ChunkId, Location)]) -> rusqlite::Result<()> {
    let mut q = db.prepare_cached("INSERT OR IGNORE INTO chunks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    // The chunk was stored again. The newer location is on the newer medium.
    let mut again = db.prepare_cached(
        "UPDATE chunks SET object = ?3, frame = ?4, offset = ?5, length = ?6, sum = ?7 WHERE in_set = ?1 AND id = ?2 AND object < ?3",
    )?;
    let mut new = 0;
    for (id, at) in chunks {
        let row = params![set.0, id.0, at.object as i64, at.frame, at.offset, at.length, sum(id, at)];
        match q.execute(row)? {
            0 => drop(again.execute(row)?),
            n => new += n,
        }
    }
    db.execute("UPDATE sets SET chunks = chunks + ?2 WHERE id = ?1", params![set.0, new as i64]).map(drop)
}

fn damaged_row() -> rusqlite::Error {
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(corrupt, Some("a row does not have the sum that it was written with".into()))
}

/// A read-only view of one set's chunk index, for one thread.
pub struct ChunkLookup {
    db: Connection,
    set: SetRow,
    /// Chunks in objects before this one are not used any more.
    oldest_object: u64,
    path: PathBuf,
}

impl Catalog {
    /// Whether the index has chunks in one of these objects.
    pub fn has_chunks_in(&self, set: SetRow, objects: &BTreeSet<u64>) -> Result<bool, CatalogError> {
        let run = || {
            let mut q = self.db.prepare_cached("SELECT DISTINCT object FROM chunks WHERE in_set = ?1")?;
            let mut rows = q.query([set.0])?;
            while let Some(row) = rows.next()? {
                if objects.contains(&number(row, 0)?) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.ask(run())
    }

    /// Opens a lookup that finds only chunks in `oldest_object` and later objects.
    pub fn chunk_lookup(&self, set: SetRow, oldest_object: u64) -> Result<ChunkLookup, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(self.path(), flags)?;
            db.busy_timeout(std::time::Duration::from_secs(30))?;
            db.pragma_update(None, "cache_size", -4096)?;
            Ok(db)
        };
        Ok(ChunkLookup { db: open().map_err(failure(self.path()))?, set, oldest_object, path: self.path().to_owned() })
    }
}

impl ChunkLookup {
    /// The location of a chunk; `None` if it is not known to be stored.
    pub fn find(&self, id: &ChunkId) -> Result<Option<Location>, CatalogError> {
        let run = || {
            self.db
                .prepare_cached(
                    "SELECT object, frame, offset, length, sum FROM chunks WHERE in_set = ?1 AND id = ?2 AND object >= ?3",
                )?
                .query_row(params![self.set.0, id.0, self.oldest_object as i64], |r| {
                    let at = Location { object: number(r, 0)?, frame: r.get(1)?, offset: r.get(2)?, length: r.get(3)? };
                    if r.get::<_, u32>(4)? == sum(id, &at) { Ok(at) } else { Err(damaged_row()) }
                })
                .optional()
        };
        run().map_err(failure(&self.path))
    }

    /// Calls `f` with every chunk id of the set.
    pub fn each_id(&self, mut f: impl FnMut(ChunkId)) -> Result<(), CatalogError> {
        let mut run = || {
            let mut q = self.db.prepare("SELECT id FROM chunks WHERE in_set = ?1")?;
            let mut rows = q.query([self.set.0])?;
            while let Some(r) = rows.next()? {
                f(ChunkId(r.get(0)?));
            }
            Ok(())
        };
        run().map_err(failure(&self.path))
    }
}
