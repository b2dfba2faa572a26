//! What a merge needs of a record, decoded without copying.

use super::{CborReader, EntryKind, Malformed, Time};

/// The fields of a record by which a merge decides whether an entry has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead<'a> {
    /// Names joined by `/`, beginning with the source's name. Entries are merged by it.
    pub path: &'a [u8],
    /// Its type; with another one the entry has changed.
    pub kind: EntryKind,
    /// Time of the last change of content. Any program can set it back.
    pub mtime: Time,
    /// Time of the last change of the inode. No program can set it, short of changing the clock.
    pub ctime: Time,
    /// Number of the inode on its file system: another one means that the file was replaced.
    pub inode: u64,
    /// For a further name of an earlier entry: the path of the first name.
    pub link_to: Option<&'a [u8]>,
    /// Bytes, holes included; files only, else 0.
    pub size: u64,
    /// The state is [`ContentState::Good`](super::ContentState::Good).
    pub good: bool,
    /// The SHA-256 of the content is recorded.
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
                12 => {
                    r.bytes()?;
                }
                13 => {
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
