//! What a merge needs of a record, decoded without copying.

use super::{CborReader, EntryKind, Malformed, Time};

/// The fields of a record by which a merge decides whether an entry has changed. Fields are those of
/// [`Core`](super::Core).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "documented at Core")]
pub struct EntryHead<'a> {
    pub path: &'a [u8],
    pub kind: EntryKind,
    pub mtime: Time,
    pub ctime: Time,
    pub inode: u64,
    pub link_to: Option<&'a [u8]>,
    pub size: u64,
    /// The state is [`ContentState::Good`](super::ContentState::Good).
    pub good: bool,
    /// The SHA-256 of the content is recorded, or that of its stored bytes.
    pub has_sha256: bool,
    /// Bytes of `core` at the record's beginning.
    pub core_bytes: usize,
}

impl<'a> EntryHead<'a> {
    /// Decodes the head of a record (without its length prefix) that this host wrote. The extents are not decoded, and the
    /// fields are not checked against each other.
    pub fn at(record: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(record, "entry");
        let mut head = Self {
            path: &[],
            kind: EntryKind::File,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            link_to: None,
            size: 0,
            good: true,
            has_sha256: false,
            core_bytes: 0,
        };
        let mut last = None;
        for _ in 0..r.map()? {
            match r.key(&mut last)? {
                0 => head.path = r.bytes()?,
                1 => head.kind = EntryKind::from_code(r.uint()?).ok_or_else(|| r.wrong("unknown type"))?,
                7 => head.mtime = r.time()?,
                8 => head.ctime = r.time()?,
                9 => head.inode = r.uint()?,
                10 => head.link_to = Some(r.bytes()?),
                11 => head.size = r.uint()?,
                13 | 22 => {
                    r.bytes()?;
                    head.has_sha256 = true;
                }
                19 => head.good = r.uint()? == 0,
                _ => r.skip(1)?,
            }
        }
        head.core_bytes = r.position();
        Ok(head)
    }
}
