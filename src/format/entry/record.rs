//! Records of the entry stream: encoding, and reading one after the other.

use super::refused::Survey;
use super::{CborReader, CborWriter, ContentState, Core, Malformed, RefusedEntry, WHAT, limit};
use crate::format::cbor::Time;
use crate::format::pack::{Extent, read_extents, write_extents};
use std::io::{self, BufRead};

/// Bytes of the length before each record.
const PREFIX_BYTES: usize = 4;

/// One record: an entry and where its content is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry itself.
    pub core: Core,
    /// Where its content is stored, in order, holes left out.
    pub extents: Vec<Extent>,
}

impl Entry {
    /// Appends `u32 length ‖ core ‖ extents` and returns the range of `core` in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> std::ops::Range<usize> {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX_BYTES]);
        self.core.encode(out);
        let end = out.len();
        write_extents(&mut CborWriter::new(out), &self.extents);
        let core = start + PREFIX_BYTES;
        let length = (out.len() - core) as u32;
        out[start..core].copy_from_slice(&length.to_le_bytes());
        core..end
    }

    /// Decodes a record's bytes without its length prefix; also returns the length of `core`. Refuses everything that the
    /// format does not allow; see [`Record`] for what that means for a stream.
    pub fn decode(record: &[u8]) -> Result<(Self, usize), Malformed> {
        let record = Record::decode(record)?;
        Ok((record.entry.map_err(|refused| refused.why)?, record.core_bytes))
    }

    fn decode_strictly(record: &[u8]) -> Result<(Self, usize), Malformed> {
        let mut r = CborReader::new(record, WHAT);
        let core = Core::decode(&mut r)?;
        let core_bytes = r.position();
        let extents = read_extents(&mut r)?;
        r.end()?;
        let entry = Self { core, extents };
        entry.check_lengths()?;
        Ok((entry, core_bytes))
    }

    /// A digest of everything that all names of one inode have in common. The record of a further name (hard link) MUST
    /// have that of the first one.
    pub fn inode_digest(&self) -> [u8; 32] {
        let core = Core {
            path: Vec::new(),
            user: None,
            group: None,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            link_to: None,
            xattrs: Vec::new(),
            flags: 0,
            state: match self.core.state {
                ContentState::Unreadable { .. } => ContentState::Unreadable { errno: 0 },
                state => state,
            },
            ..self.core.clone()
        };
        let mut bytes = Vec::with_capacity(256);
        Self { core, extents: self.extents.clone() }.encode(&mut bytes);
        *blake3::hash(&bytes).as_bytes()
    }

    fn check_lengths(&self) -> Result<(), Malformed> {
        let extents = self.extents.iter().try_fold(0u64, |sum, x| sum.checked_add(x.length));
        let holes: u64 = self.core.holes.iter().map(|h| h.length).sum();
        let content = match self.core.state {
            ContentState::Unreadable { .. } => 0,
            _ => self.core.size - holes,
        };
        if extents != Some(content) {
            return Err(Malformed::new(WHAT, "extents do not add up to the size"));
        }
        Ok(())
    }
}

/// A record as it is read out of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The entry; or, if the record breaks a rule that concerns no other record, why it is refused.
    pub entry: Result<Entry, RefusedEntry>,
    /// Bytes of `core` at the record's beginning.
    pub core_bytes: usize,
}

impl Record {
    /// Decodes a record's bytes without its length prefix. An error means that the whole stream is damaged.
    pub fn decode(record: &[u8]) -> Result<Self, Malformed> {
        let why = match Entry::decode_strictly(record) {
            Ok((entry, core_bytes)) => return Ok(Self { entry: Ok(entry), core_bytes }),
            Err(why) => why,
        };
        let survey = Survey::of(record)?;
        let core_bytes = survey.core_bytes;
        let mut r = CborReader::new(&record[core_bytes..], WHAT);
        if !r.is_array() {
            return Err(r.wrong("it has no list of extents"));
        }
        r.skip(0)?;
        r.end()?;
        Ok(Self { entry: Err(survey.refuse(why)?), core_bytes })
    }

    /// The entry's path.
    pub fn path(&self) -> &[u8] {
        match &self.entry {
            Ok(entry) => &entry.core.path,
            Err(refused) => &refused.path,
        }
    }
}

/// The length in bytes of the record behind a length prefix.
pub fn record_length(prefix: [u8; PREFIX_BYTES]) -> Result<usize, Malformed> {
    let n = u32::from_le_bytes(prefix);
    Malformed::limit("record", n.into(), limit::RECORD_BYTES)?;
    Ok(n as usize)
}

/// A record without its length prefix, and what follows it.
pub type RecordAndRest<'s> = (&'s [u8], &'s [u8]);

/// The first record of `stream` without its length prefix, and what follows it; `None` if `stream` ends before the
/// record does.
pub fn split_record(stream: &[u8]) -> Result<Option<RecordAndRest<'_>>, Malformed> {
    let Some((prefix, rest)) = stream.split_first_chunk() else { return Ok(None) };
    Ok(rest.split_at_checked(record_length(*prefix)?))
}

/// Why the next record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The stream failed, or ended within a record (`UnexpectedEof`).
    #[error("an entry stream could not be read")]
    Read(#[source] io::Error),
    /// The length is above the format's limit.
    #[error("a record of an entry stream is malformed")]
    Malformed(#[source] Malformed),
}

/// Reads records one after the other into one buffer.
#[derive(Debug)]
pub struct RecordReader<R> {
    stream: R,
    /// The record read last, with its length prefix.
    bytes: Vec<u8>,
}

impl<R: BufRead> RecordReader<R> {
    /// Begins at the stream's present position, where a record MUST begin.
    pub fn new(stream: R) -> Self {
        Self { stream, bytes: Vec::new() }
    }

    /// Reads the next record and returns it without its length prefix; `None` at the end of the stream.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, RecordError> {
        self.bytes.clear();
        if self.stream.fill_buf().map_err(RecordError::Read)?.is_empty() {
            return Ok(None);
        }
        let mut prefix = [0; PREFIX_BYTES];
        self.stream.read_exact(&mut prefix).map_err(RecordError::Read)?;
        let length = record_length(prefix).map_err(RecordError::Malformed)?;
        self.bytes.extend_from_slice(&prefix);
        self.bytes.resize(PREFIX_BYTES + length, 0);
        self.stream.read_exact(&mut self.bytes[PREFIX_BYTES..]).map_err(RecordError::Read)?;
        Ok(Some(&self.bytes[PREFIX_BYTES..]))
    }
}

impl<R> RecordReader<R> {
    /// The record read last without its length prefix; empty before the first one and at the end of the stream.
    pub fn record(&self) -> &[u8] {
        self.bytes.get(PREFIX_BYTES..).unwrap_or_default()
    }

    /// The same with its length prefix, as it is in the stream.
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::entry::EntryKind;

    #[test]
    fn records_are_read_one_after_the_other() {
        let entry = |name: &str| Entry { core: Core::new(name.into(), EntryKind::Directory), extents: Vec::new() };
        let mut stream = Vec::new();
        let ends = ["a", "a/long-name", "b"].map(|name| {
            entry(name).encode(&mut stream);
            stream.len()
        });
        let mut records = RecordReader::new(&stream[..]);
        assert_eq!((records.record(), records.encoded()), (&b""[..], &b""[..]));
        let mut rest = &stream[..];
        for (start, end) in [0, ends[0], ends[1]].into_iter().zip(ends) {
            let record = records.next_record().unwrap().unwrap().to_vec();
            assert_eq!((records.record(), records.encoded()), (&record[..], &stream[start..end]));
            let (split, after) = split_record(rest).unwrap().unwrap();
            assert_eq!((split, after), (&record[..], &stream[end..]));
            rest = after;
        }
        assert_eq!((records.next_record().unwrap(), split_record(rest).unwrap()), (None, None));
    }

    #[test]
    fn a_cut_stream_and_an_impossible_length_are_errors() {
        let mut stream = Vec::new();
        Entry { core: Core::new(b"a".to_vec(), EntryKind::Directory), extents: Vec::new() }.encode(&mut stream);
        for length in 1..stream.len() {
            let mut records = RecordReader::new(&stream[..length]);
            let is_cut = |e: RecordError| matches!(e, RecordError::Read(e) if e.kind() == io::ErrorKind::UnexpectedEof);
            assert!(records.next_record().is_err_and(is_cut), "{length} bytes");
            assert_eq!(split_record(&stream[..length]).unwrap(), None);
        }
        assert!(matches!(RecordReader::new(&[0xFF; 8][..]).next_record(), Err(RecordError::Malformed(_))));
        assert!(split_record(&[0xFF; 8]).is_err());
    }
}
