//! Section 6: the records of the entry stream.

mod content;
mod head;
mod path;
mod record;
mod refused;

pub use content::{ContentDigests, ContentId, HASHED_HOLE_BYTES, leaves_out_holes};
pub use head::EntryHead;
pub use path::{check_path, compare_paths};
pub use record::{Entry, Record, RecordError, RecordReader, record_length, split_record};
pub use refused::RefusedEntry;

use super::cbor::{CborReader, CborWriter, Time};
use super::digests::Digests;
use super::{Malformed, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// File attributes (`FS_IOC_GETFLAGS`) that are stored: secure deletion, synchronous updates, immutable, append only, no dump,
/// no time of access, synchronous folder. A reader ignores all others.
pub const KEPT_FLAGS: u32 = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000;

/// The last key of a `core` that is known.
const LAST_KEY: u64 = 22;
/// What the errors of this module call a record.
const WHAT: &str = "entry";

/// The type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A regular file: the only type with content.
    File,
    /// A folder.
    Directory,
    /// A symbolic link; it is never followed.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A character device, such as a terminal.
    CharDevice,
    /// A block device, such as a disk; its content is not backed up.
    BlockDevice,
    /// The name of a Unix socket; a program that listens makes it anew.
    Socket,
}

impl EntryKind {
    const ALL: [Self; 7] =
        [Self::File, Self::Directory, Self::Symlink, Self::Fifo, Self::CharDevice, Self::BlockDevice, Self::Socket];

    fn code(self) -> u64 {
        self as u64
    }

    fn from_code(code: u64) -> Option<Self> {
        usize::try_from(code).ok().and_then(|c| Self::ALL.get(c)).copied()
    }
}

/// Whether the content of a file was stored as it was. Other entries are always `Good`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentState {
    /// All of it.
    #[default]
    Good,
    /// Nothing: the file could not be read.
    Unreadable {
        /// Linux's number of the error.
        errno: u32,
    },
    /// The file changed while it was read.
    /// The digests are those of the stored bytes, which may mix the content of two moments.
    Changed,
}

/// The sum of sizes of files, at most [`limit::COUNT`]: a few sparse files exceed it.
pub fn add_sizes(sum: u64, size: u64) -> u64 {
    sum.saturating_add(size).min(limit::COUNT)
}

/// A run of bytes in a file: `offset .. offset + length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRange {
    /// Bytes from the file's beginning.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// Everything about one entry except where its content is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Names joined by `/`, beginning with the source's name.
    pub path: Vec<u8>,
    /// Its type.
    pub kind: EntryKind,
    /// Permission bits, `0 ..= 0o7777`.
    pub mode: u32,
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Name of the user, where the host has one.
    pub user: Option<Vec<u8>>,
    /// Name of the group, where the host has one.
    pub group: Option<Vec<u8>>,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Time of the last change of the inode.
    pub ctime: Time,
    /// Number of the inode on its file system.
    pub inode: u64,
    /// For a further name of an earlier entry: the path of the first name.
    pub link_to: Option<Vec<u8>>,
    /// Bytes, holes included; files only, else 0.
    pub size: u64,
    /// The digests of the content; files that could be read only.
    pub digests: Option<ContentDigests>,
    /// Where a symbolic link leads; symbolic links only.
    pub target: Option<Vec<u8>>,
    /// Devices only: major, minor.
    pub device: Option<(u32, u32)>,
    /// Extended attributes, name and value, ascending by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Ascending, not adjacent, within `size`.
    pub holes: Vec<DataRange>,
    /// File attributes, of [`KEPT_FLAGS`].
    pub flags: u32,
    /// Whether the content was stored as it was.
    pub state: ContentState,
}

impl Core {
    /// An entry with a path and a type; everything else is empty or 0.
    pub fn new(path: Vec<u8>, kind: EntryKind) -> Self {
        Self {
            path,
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            user: None,
            group: None,
            mtime: Time::default(),
            ctime: Time::default(),
            inode: 0,
            link_to: None,
            size: 0,
            digests: None,
            target: None,
            device: None,
            xattrs: Vec::new(),
            holes: Vec::new(),
            flags: 0,
            state: ContentState::Good,
        }
    }

    /// The digests of the content, if they are of all its bytes.
    pub fn whole(&self) -> Option<&Digests> {
        self.digests.as_ref().and_then(ContentDigests::whole)
    }

    /// The digests of the stored bytes, if the holes are left out.
    pub fn stored(&self) -> Option<&Digests> {
        self.digests.as_ref().and_then(ContentDigests::stored)
    }

    /// What tells the content from other content; files that could be read only.
    pub fn content_id(&self) -> Option<ContentId> {
        self.digests.as_ref().map(|d| d.content_id(&self.holes))
    }

    /// Appends the record's `core`. It has exactly one encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let file = self.kind == EntryKind::File;
        let [blake3, sha256, stored_blake3, stored_sha256] = ContentDigests::keys(self.digests);
        let optional = [
            self.user.is_some(),
            self.group.is_some(),
            self.link_to.is_some(),
            file,
            blake3.is_some(),
            sha256.is_some(),
            stored_blake3.is_some(),
            stored_sha256.is_some(),
            self.target.is_some(),
            self.device.is_some(),
            !self.xattrs.is_empty(),
            !self.holes.is_empty(),
            self.flags != 0,
            self.state != ContentState::Good,
            matches!(self.state, ContentState::Unreadable { .. }),
        ];
        let mut w = CborWriter::new(out);
        w.map(8 + optional.iter().filter(|x| **x).count() as u64);
        w.u8(0).bytes(&self.path).u8(1).u64(self.kind.code());
        w.u8(2).u32(self.mode).u8(3).u32(self.uid).u8(4).u32(self.gid);
        let bytes = |w: &mut CborWriter, key: u8, value: Option<&[u8]>| {
            if let Some(v) = value {
                w.u8(key).bytes(v);
            }
        };
        bytes(&mut w, 5, self.user.as_deref());
        bytes(&mut w, 6, self.group.as_deref());
        w.u8(7);
        w.time(self.mtime);
        w.u8(8);
        w.time(self.ctime);
        w.u8(9).u64(self.inode);
        bytes(&mut w, 10, self.link_to.as_deref());
        if file {
            w.u8(11).u64(self.size);
        }
        bytes(&mut w, 12, blake3.as_ref().map(|d| &d[..]));
        bytes(&mut w, 13, sha256.as_ref().map(|d| &d[..]));
        bytes(&mut w, 14, self.target.as_deref());
        if let Some((major, minor)) = self.device {
            w.u8(15).array(2).u32(major).u32(minor);
        }
        if !self.xattrs.is_empty() {
            w.u8(16).array(self.xattrs.len() as u64);
            for (name, value) in &self.xattrs {
                w.array(2).bytes(name).bytes(value);
            }
        }
        if !self.holes.is_empty() {
            w.u8(17).array(self.holes.len() as u64);
            for h in &self.holes {
                w.array(2).u64(h.offset).u64(h.length);
            }
        }
        if self.flags != 0 {
            w.u8(18).u32(self.flags);
        }
        match self.state {
            ContentState::Good => {}
            ContentState::Unreadable { errno } => {
                w.u8(19).u8(1).u8(20).u32(errno);
            }
            ContentState::Changed => {
                w.u8(19).u8(2);
            }
        }
        bytes(&mut w, 21, stored_blake3.as_ref().map(|d| &d[..]));
        bytes(&mut w, 22, stored_sha256.as_ref().map(|d| &d[..]));
    }

    /// Decodes a `core` with nothing behind it, as in a proof.
    pub fn decode_alone(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = CborReader::new(bytes, WHAT);
        let decoded = Self::decode(&mut r).and_then(|core| r.end().map(|()| core));
        // What a newer version has may come before the key that says so.
        decoded.map_err(|e| refused::newer(bytes).unwrap_or(e))
    }

    /// Decodes one `core` and checks what the format promises of it; `r` continues behind it.
    fn decode(r: &mut CborReader) -> Result<Self, Malformed> {
        let mut c = Self::new(Vec::new(), EntryKind::File);
        let (mut seen, mut last) = (0u32, None);
        let (mut state, mut digests) = ((0, 0), [None; 4]);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            if key <= LAST_KEY {
                seen |= 1 << key;
            }
            match key {
                0 => c.path = r.bytes()?.to_vec(),
                1 => c.kind = EntryKind::from_code(r.uint()?).ok_or_else(|| r.unknown("its type is unknown"))?,
                2 => c.mode = r.u32()?,
                3 => c.uid = r.u32()?,
                4 => c.gid = r.u32()?,
                5 => c.user = Some(r.bytes()?.to_vec()),
                6 => c.group = Some(r.bytes()?.to_vec()),
                7 => c.mtime = r.time()?,
                8 => c.ctime = r.time()?,
                9 => c.inode = r.uint()?,
                10 => c.link_to = Some(r.bytes()?.to_vec()),
                11 => c.size = r.count()?,
                12 => digests[0] = Some(r.fixed()?),
                13 => digests[1] = Some(r.fixed()?),
                14 => c.target = Some(r.bytes()?.to_vec()),
                15 => {
                    r.tuple(2)?;
                    c.device = Some((r.u32()?, r.u32()?));
                }
                16 => {
                    let n = r.array()?;
                    c.xattrs.reserve(r.capacity(n, 3));
                    for _ in 0..n {
                        r.tuple(2)?;
                        c.xattrs.push((r.bytes()?.to_vec(), r.bytes()?.to_vec()));
                    }
                }
                17 => {
                    let n = r.array()?;
                    c.holes.reserve(r.capacity(n, 3));
                    for _ in 0..n {
                        r.tuple(2)?;
                        c.holes.push(DataRange { offset: r.count()?, length: r.count()? });
                    }
                }
                18 => c.flags = r.u32()? & KEPT_FLAGS,
                19 => state.0 = r.uint()?,
                20 => state.1 = r.u32()?,
                21 => digests[2] = Some(r.fixed()?),
                LAST_KEY => digests[3] = Some(r.fixed()?),
                _ => r.skip_unknown(key, 1)?,
            }
        }
        c.state = match state.0 {
            0 => ContentState::Good,
            1 => ContentState::Unreadable { errno: state.1 },
            2 => ContentState::Changed,
            _ => return Err(r.unknown("its state is unknown")),
        };
        c.digests = ContentDigests::from_keys(digests, r)?;
        c.check(r, seen)?;
        Ok(c)
    }

    fn check(&self, r: &CborReader, seen: u32) -> Result<(), Malformed> {
        const ALWAYS: u32 = 0b11_1001_1111;
        if seen & ALWAYS != ALWAYS {
            return Err(r.wrong("a required key is missing"));
        }
        check_path(&self.path)?;
        if let Some(first) = &self.link_to {
            check_path(first)?;
            if self.kind == EntryKind::Directory || compare_paths(first, &self.path).is_ge() {
                return Err(r.wrong("a link that does not lead back to a name that may have several"));
            }
        }
        let unreadable = matches!(self.state, ContentState::Unreadable { .. });
        if self.state != ContentState::Good && self.kind != EntryKind::File {
            return Err(r.wrong("a state that only files have"));
        }
        let wants = |key: u32, wanted: bool| (seen >> key & 1 == 1) == wanted;
        let file = self.kind == EntryKind::File;
        if !(wants(11, file)
            && self.digests.is_some() == (file && !unreadable)
            && wants(14, self.kind == EntryKind::Symlink)
            && wants(15, matches!(self.kind, EntryKind::CharDevice | EntryKind::BlockDevice))
            && (file && !unreadable || wants(17, false))
            && (unreadable || wants(20, false)))
        {
            return Err(r.wrong("keys that do not fit the type"));
        }
        if self.mode > 0o7777 {
            return Err(r.wrong("mode out of range"));
        }
        if !self.xattrs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(r.wrong("extended attributes out of order"));
        }
        let mut end = 0;
        for (i, h) in self.holes.iter().enumerate() {
            if h.length == 0
                || (i > 0 && h.offset <= end)
                || h.offset < end
                || h.length > self.size
                || h.offset > self.size - h.length
            {
                return Err(r.wrong("holes out of order or out of the file"));
            }
            end = h.offset + h.length;
        }
        if self.digests.is_some_and(|d| d.stored().is_some() != leaves_out_holes(&self.holes)) {
            return Err(r.wrong("digests of other bytes than the holes allow"));
        }
        Ok(())
    }
}
