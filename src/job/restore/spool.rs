//! Entries kept beside the restore while a medium with one head is read: it cannot go back for them.

use super::RestoreError;
use super::records::Records;
use crate::format::entry::{Entry, record_length};
use crate::generation::Gap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

/// All records that were wanted, in their order, in a file without a name.
pub struct Spool {
    file: File,
    gaps: Vec<Gap>,
    lost: u64,
}

impl Spool {
    /// Reads `records` to their end, into a file on a disk: for the memory they may be too many.
    pub fn fill(mut records: Records, file: File) -> Result<Self, RestoreError> {
        let mut out = BufWriter::with_capacity(256 << 10, &file);
        let mut bytes = Vec::new();
        while let Some(record) = records.next() {
            bytes.clear();
            bytes.push(u8::from(records.is_behind_gap()));
            record?.encode(&mut bytes);
            out.write_all(&bytes).map_err(RestoreError::Spool)?;
        }
        out.flush().map_err(RestoreError::Spool)?;
        drop(out);
        Ok(Self { file, gaps: records.gaps().to_vec(), lost: records.lost() })
    }

    /// From the beginning. One at a time: they share the file's position.
    pub fn records(&self) -> Spooled<'_> {
        let rewound = (&self.file).rewind();
        Spooled { spool: self, reader: BufReader::with_capacity(256 << 10, &self.file), failed: rewound.err(), behind_gap: false }
    }
}

/// See [`Spool::records`].
pub struct Spooled<'s> {
    spool: &'s Spool,
    reader: BufReader<&'s File>,
    failed: Option<std::io::Error>,
    behind_gap: bool,
}

impl Spooled<'_> {
    pub fn is_behind_gap(&self) -> bool {
        self.behind_gap
    }

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
        let mut head = [0; 5];
        if self.reader.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.reader.read_exact(&mut head[1..])?;
        self.behind_gap = head[0] == 1;
        let length = record_length([head[1], head[2], head[3], head[4]]).map_err(malformed)?;
        let mut record = vec![0; length];
        self.reader.read_exact(&mut record)?;
        Ok(Some(Entry::decode(&record).map_err(malformed)?.0))
    }
}

impl Iterator for Spooled<'_> {
    type Item = Result<Entry, RestoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map_err(RestoreError::Spool).transpose()
    }
}
