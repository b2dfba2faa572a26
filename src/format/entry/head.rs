//! What a merge needs of a record, decoded without copying.

use super::{CborReader, EntryKind, LAST_KEY, Malformed, Time, WHAT, limit};

/// The fields of a record by which a merge decides whether an entry has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead<'a> {
    /// Names joined by `/`, beginning with the source's name. Entries are merged by it.
    pub path: &'a [u8],
    /// Its type; with another one the entry has changed. `None`: a later version's.
    pub kind: Option<EntryKind>,
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
    /// The state is [`ContentState::Good`](super::ContentState::Good), and nothing in the record is a later version's.
    pub good: bool,
    /// The SHA-256 of the content is recorded, or that of its stored bytes.
    pub has_sha256: bool,
    /// Bytes of `core` at the record's beginning.
    pub core_bytes: usize,
}

impl<'a> EntryHead<'a> {
    /// Decodes the head of a record (without its length prefix) that this host wrote, or a later version. The extents are
    /// not decoded, and the fields are not checked against each other.
    pub fn at(record: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(record, WHAT);
        let mut head = Self {
            path: &[],
            kind: None,
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
            let key = r.key(&mut last)?;
            match key {
                0 => head.path = r.bytes()?,
                1 => head.kind = EntryKind::from_code(r.uint()?),
                7 => head.mtime = r.time()?,
                8 => head.ctime = r.time()?,
                9 => head.inode = r.uint()?,
                10 => head.link_to = Some(r.bytes()?),
                11 => head.size = r.uint()?,
                13 | 22 => {
                    r.bytes()?;
                    head.has_sha256 = true;
                }
                19 => head.good &= r.uint()? == 0,
                _ => {
                    head.good &= key <= LAST_KEY || key > limit::LAST_CRITICAL_KEY;
                    r.skip(1)?;
                }
            }
        }
        head.good &= head.kind.is_some();
        head.core_bytes = r.position();
        Ok(head)
    }
}
