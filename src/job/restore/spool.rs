//! Entries kept beside the restore: a medium with one head cannot go back for them, and a few out of millions are looked for only once.

use super::RestoreError;
use super::records::Records;
use super::wanted::Selection;
use crate::format::entry::{Entry, EntryKind, RecordError, RecordReader};
use crate::generation::{Gap, is_within};
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The records that are wanted, and of the folders above them, in their order, in a file without a name.
pub struct Spool {
    file: File,
    gaps: Vec<Gap>,
    lost: u64,
}

impl Spool {
    /// Reads `records` to their end, into a file on a disk: for the memory they may be too many.
    pub fn fill(mut records: Records, wanted: &Selection, interrupted: &AtomicBool, file: File) -> Result<Self, RestoreError> {
        let mut out = BufWriter::with_capacity(256 << 10, &file);
        let mut bytes = Vec::new();
        // Folders that nothing in them is wanted of so far.
        let mut above: Vec<Entry> = Vec::new();
        for record in records.by_ref() {
            if interrupted.load(Ordering::Relaxed) {
                return Err(RestoreError::Interrupted);
            }
            let entry = record?;
            while above.last().is_some_and(|folder| !is_within(&entry.core.path, &folder.core.path)) {
                above.pop();
            }
            let (is_wanted, is_folder) = (wanted.is_wanted(&entry.core), entry.core.kind == EntryKind::Directory);
            if is_wanted || is_folder {
                above.push(entry);
            }
            if !is_wanted {
                continue;
            }
            for entry in above.drain(..) {
                bytes.clear();
                entry.encode(&mut bytes);
                out.write_all(&bytes).map_err(RestoreError::Spool)?;
            }
        }
        out.flush().map_err(RestoreError::Spool)?;
        drop(out);
        Ok(Self { file, gaps: records.gaps().to_vec(), lost: records.lost() })
    }

    /// From the beginning. One at a time: they share the file's position.
    pub fn records(&self) -> Spooled<'_> {
        let rewound = (&self.file).rewind();
        let records = RecordReader::new(BufReader::with_capacity(256 << 10, &self.file));
        Spooled { spool: self, records, failed: rewound.err() }
    }
}

/// See [`Spool::records`].
pub struct Spooled<'s> {
    spool: &'s Spool,
    records: RecordReader<BufReader<&'s File>>,
    failed: Option<std::io::Error>,
}

impl Spooled<'_> {
    pub fn gaps(&self) -> &[Gap] {
        &self.spool.gaps
    }

    pub fn lost(&self) -> u64 {
        self.spool.lost
    }

    fn read(&mut self) -> std::io::Result<Option<Entry>> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let malformed = |e| std::io::Error::new(std::io::ErrorKind::InvalidData, e);
        match self.records.next_record() {
            Ok(Some(record)) => Ok(Some(Entry::decode(record).map_err(malformed)?.0)),
            Ok(None) => Ok(None),
            Err(RecordError::Read(e)) => Err(e),
            Err(RecordError::Malformed(e)) => Err(malformed(e)),
        }
    }
}

impl Iterator for Spooled<'_> {
    type Item = Result<Entry, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(RestoreError::Spool).transpose()
    }
}
