//! Records kept in a file beside the restore. A medium with one head cannot go back for them, and a few out of
//! millions are searched for only once.

use super::RestoreError;
use super::selection::Selection;
use crate::format::entry::{Entry, EntryKind, RecordError, RecordReader};
use crate::generation::is_within;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Of the writer's and of the reader's buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// The selected records and those of the folders above them, in their order, in a file without a name.
pub(super) struct Spool {
    file: File,
}

impl Spool {
    /// Reads `records` to their end. They are kept in a file because memory may be too small for them.
    pub(super) fn fill(
        records: impl Iterator<Item = Result<Entry, RestoreError>>,
        selection: &Selection,
        interrupted: &AtomicBool,
        file: File,
    ) -> Result<Self, RestoreError> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &file);
        let mut bytes = Vec::new();
        // Folders above the present entry that are not written yet: so far nothing in them is selected.
        let mut ancestors: Vec<Entry> = Vec::new();
        for record in records {
            if interrupted.load(Ordering::Relaxed) {
                return Err(RestoreError::Interrupted);
            }
            let entry = record?;
            while ancestors.last().is_some_and(|folder| !is_within(&entry.core.path, &folder.core.path)) {
                ancestors.pop();
            }
            let (is_selected, is_folder) = (selection.contains(&entry.core), entry.core.kind == EntryKind::Directory);
            if is_selected || is_folder {
                ancestors.push(entry);
            }
            if !is_selected {
                continue;
            }
            for entry in ancestors.drain(..) {
                bytes.clear();
                entry.encode(&mut bytes);
                out.write_all(&bytes).map_err(RestoreError::Spool)?;
            }
        }
        out.flush().map_err(RestoreError::Spool)?;
        drop(out);
        Ok(Self { file })
    }

    /// Reads all records from the beginning. Only one reader may be in use at a time: readers share the file's
    /// position.
    pub(super) fn records(&self) -> SpoolReader<'_> {
        let rewound = (&self.file).rewind();
        let records = RecordReader::new(BufReader::with_capacity(BUFFER_BYTES, &self.file));
        SpoolReader { records, failed: rewound.err() }
    }
}

/// See [`Spool::records`].
pub(super) struct SpoolReader<'s> {
    records: RecordReader<BufReader<&'s File>>,
    failed: Option<std::io::Error>,
}

impl SpoolReader<'_> {
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

impl Iterator for SpoolReader<'_> {
    type Item = Result<Entry, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(RestoreError::Spool).transpose()
    }
}
