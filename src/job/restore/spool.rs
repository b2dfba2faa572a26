//! Records kept in a file beside the restore. A medium with one head cannot go back for them, and a few out of
//! millions are searched for only once.

use super::RestoreError;
use super::record::{NotRestorable, RestoreRecord, path_and_type};
use super::selection::Selection;
use crate::event::FindingKind;
use crate::format::Malformed;
use crate::format::entry::{Entry, RecordError, RecordReader};
use crate::generation::is_within;
use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Of the writer's and of the reader's buffer.
const BUFFER_BYTES: usize = 256 << 10;
/// The first byte of an item that is no record. A record begins with a CBOR map.
const NOT_RESTORABLE: u8 = 0xFF;
const KINDS: [FindingKind; 3] = [FindingKind::NotRestored, FindingKind::Refused, FindingKind::Newer];

/// The selected records and those of the folders above them, in their order, in a file without a name.
pub(super) struct Spool {
    file: File,
}

impl Spool {
    /// Reads `records` to their end. They are kept in a file because memory may be too small for them.
    pub(super) fn fill(
        records: impl Iterator<Item = Result<RestoreRecord, RestoreError>>,
        selection: &Selection,
        interrupted: &AtomicBool,
        file: File,
    ) -> Result<Self, RestoreError> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &file);
        let mut bytes = Vec::new();
        // Folders above the present entry that are not written yet, so far nothing in them is selected; and what is refused,
        // which may be such a folder.
        let mut ancestors: Vec<RestoreRecord> = Vec::new();
        for record in records {
            if interrupted.load(Ordering::Relaxed) {
                return Err(RestoreError::Interrupted);
            }
            let record = record?;
            let (path, is_folder) = path_and_type(&record);
            while ancestors.last().is_some_and(|folder| !is_within(path, path_and_type(folder).0)) {
                ancestors.pop();
            }
            let is_selected = selection.contains_record(&record);
            if is_selected || is_folder || record.is_err() {
                ancestors.push(record);
            }
            if !is_selected {
                continue;
            }
            for record in ancestors.drain(..) {
                bytes.clear();
                encode(&record, &mut bytes);
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
    fn read(&mut self) -> std::io::Result<Option<RestoreRecord>> {
        if let Some(e) = self.failed.take() {
            return Err(e);
        }
        let malformed = |e| std::io::Error::new(std::io::ErrorKind::InvalidData, e);
        match self.records.next_record() {
            Ok(Some([NOT_RESTORABLE, rest @ ..])) => {
                let refused = decode_not_restorable(rest).ok_or_else(|| Malformed::new("spool", "an item is cut short"));
                Ok(Some(Err(refused.map_err(malformed)?)))
            }
            Ok(Some(record)) => Ok(Some(Ok(Entry::decode(record).map_err(malformed)?.0))),
            Ok(None) => Ok(None),
            Err(RecordError::Read(e)) => Err(e),
            Err(RecordError::Malformed(e)) => Err(malformed(e)),
        }
    }
}

impl Iterator for SpoolReader<'_> {
    type Item = Result<RestoreRecord, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(RestoreError::Spool).transpose()
    }
}

/// Appends an item: its length, and the record; or the kind, whether it is a directory, the length of the path, the path and the
/// reason.
fn encode(record: &RestoreRecord, out: &mut Vec<u8>) {
    let refused = match record {
        Ok(entry) => {
            entry.encode(out);
            return;
        }
        Err(refused) => refused,
    };
    let kind = KINDS.iter().position(|k| *k == refused.kind).unwrap_or_default();
    let mut item = vec![NOT_RESTORABLE, kind as u8, refused.is_directory.into()];
    item.extend_from_slice(&(refused.path.len() as u32).to_le_bytes());
    item.extend_from_slice(&refused.path);
    item.extend_from_slice(refused.why.as_bytes());
    out.extend_from_slice(&(item.len() as u32).to_le_bytes());
    out.extend_from_slice(&item);
}

fn decode_not_restorable(item: &[u8]) -> Option<NotRestorable> {
    let ([kind, is_directory, length @ ..], rest) = item.split_first_chunk::<6>()?;
    let (path, why) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some(NotRestorable {
        path: path.to_vec(),
        is_directory: *is_directory == 1,
        kind: *KINDS.get(usize::from(*kind))?,
        why: String::from_utf8_lossy(why).into_owned(),
    })
}
