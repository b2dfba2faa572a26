//! The chunk index: where the chunk with a given id lies.

use super::{Catalog, CatalogError, SetRow, failure};
use crate::format::pack::ChunkId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::PathBuf;

/// Where a stored chunk lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    pub object: u64,
    pub frame: u32,
    pub offset: u32,
    pub length: u32,
}

pub(super) fn insert(db: &Connection, set: SetRow, chunks: &[(ChunkId, Location)]) -> rusqlite::Result<()> {
    let mut q = db.prepare_cached("INSERT OR IGNORE INTO chunks VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut new = 0;
    for (id, at) in chunks {
        new += q.execute(params![set.0, id.0, at.object as i64, at.frame, at.offset, at.length])?;
    }
    db.execute("UPDATE sets SET chunks = chunks + ?2 WHERE id = ?1", params![set.0, new as i64]).map(drop)
}

/// A thread's own read-only view of one set's chunk index.
pub struct ChunkLookup {
    db: Connection,
    set: SetRow,
    path: PathBuf,
}

impl Catalog {
    pub fn chunk_lookup(&self, set: SetRow) -> Result<ChunkLookup, CatalogError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || {
            let db = Connection::open_with_flags(self.path(), flags)?;
            db.busy_timeout(std::time::Duration::from_secs(30))?;
            db.pragma_update(None, "cache_size", -4096)?;
            db.pragma_update(None, "mmap_size", 1i64 << 30)?;
            Ok(db)
        };
        Ok(ChunkLookup { db: open().map_err(failure(self.path()))?, set, path: self.path().to_owned() })
    }
}

impl ChunkLookup {
    pub fn find(&self, id: &ChunkId) -> Result<Option<Location>, CatalogError> {
        let run = || {
            self.db
                .prepare_cached("SELECT object, frame, offset, length FROM chunks WHERE in_set = ?1 AND id = ?2")?
                .query_row(params![self.set.0, id.0], |r| {
                    Ok(Location { object: r.get::<_, i64>(0)? as u64, frame: r.get(1)?, offset: r.get(2)?, length: r.get(3)? })
                })
                .optional()
        };
        run().map_err(failure(&self.path))
    }

    /// Every chunk id of the set.
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
