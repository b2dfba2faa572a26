//! The operation log: appended only, each line bound to the one before by a hash.

use super::{Catalog, CatalogError};
use rusqlite::{OptionalExtension, params};

/// One line of the operation log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// From 1.
    pub line: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// The job.
    pub operation: String,
    /// What it did.
    pub detail: String,
}

/// Hash of a line: over the hash of the line before and this line's fields, each with its length.
fn chain(before: &[u8; 32], l: &LogLine) -> [u8; 32] {
    let mut h = blake3::Hasher::new();
    h.update(before).update(&l.line.to_le_bytes());
    for field in [&l.time, &l.operation, &l.detail] {
        h.update(&(field.len() as u64).to_le_bytes()).update(field.as_bytes());
    }
    *h.finalize().as_bytes()
}

impl Catalog {
    /// Appends a line. `time`: RFC 3339, UTC.
    pub fn log(&mut self, time: &str, operation: &str, detail: &str) -> Result<(), CatalogError> {
        self.change(|tx| {
            let last: Option<(i64, [u8; 32])> = tx
                .query_row("SELECT line, chain FROM log ORDER BY line DESC LIMIT 1", [], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?;
            let (line, before) = last.map_or((1, [0; 32]), |(n, c)| (n + 1, c));
            let new = LogLine { line: line as u64, time: time.into(), operation: operation.into(), detail: detail.into() };
            let chain = chain(&before, &new);
            tx.execute("INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5)", params![line, time, operation, detail, chain])?;
            Ok(())
        })
    }

    /// All lines, and the number of the first one that does not fit the chain.
    pub fn log_lines(&self) -> Result<(Vec<LogLine>, Option<u64>), CatalogError> {
        let run = || {
            let mut q = self.db.prepare("SELECT line, time, operation, detail, chain FROM log ORDER BY line")?;
            let mut rows = q.query([])?;
            let (mut lines, mut broken, mut before) = (Vec::new(), None, [0; 32]);
            while let Some(r) = rows.next()? {
                let l = LogLine { line: r.get::<_, i64>(0)? as u64, time: r.get(1)?, operation: r.get(2)?, detail: r.get(3)? };
                let kept: [u8; 32] = r.get(4)?;
                if broken.is_none() && (kept != chain(&before, &l) || l.line != lines.len() as u64 + 1) {
                    broken = Some(l.line);
                }
                before = kept;
                lines.push(l);
            }
            Ok((lines, broken))
        };
        self.ask(run())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_line_breaks_the_chain() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = Catalog::open(&dir.path().join("catalog.sqlite")).unwrap();
        for i in 0..3 {
            c.log("2026-01-02T03:04:05Z", "backup", &format!("generation {i}")).unwrap();
        }
        assert_eq!(c.log_lines().unwrap().1, None);
        c.db.execute("UPDATE log SET detail = 'generation 9' WHERE line = 2", []).unwrap();
        assert_eq!(c.log_lines().unwrap().1, Some(2));
    }
}
