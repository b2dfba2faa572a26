//! Section 6: the records of the entry stream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cbor::{Reader, Sure, Time, Writer, write_extents, write_time};
use super::pack::Extent;
use super::{Malformed, limit};
use std::cmp::Ordering;

/// File attributes (`FS_IOC_GETFLAGS`) that are kept.
pub const KEPT_FLAGS: u32 = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    File,
    Directory,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentState {
    #[default]
    Good,
    /// There is no content; the number is Linux's errno.
    Unreadable { errno: u32 },
    /// The digests are those of the bytes stored, which may be a mix of two moments.
    Changed,
}

/// A run of bytes in a file: `offset .. offset + length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataRange {
    pub offset: u64,
    pub length: u64,
}

/// Everything about one entry except where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Names joined by `/`, beginning with the source's name.
    pub path: Vec<u8>,
    pub kind: EntryKind,
    /// Permission bits, `0 ..= 0o7777`.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub user: Option<Vec<u8>>,
    pub group: Option<Vec<u8>>,
    pub mtime: Time,
    pub ctime: Time,
    pub inode: u64,
    /// For a further name of a file already given: the path of the first name.
    pub link_to: Option<Vec<u8>>,
    /// Bytes, holes included; files only, else 0.
    pub size: u64,
    pub blake3: Option<[u8; 32]>,
    pub sha256: Option<[u8; 32]>,
    /// Symbolic links only.
    pub target: Option<Vec<u8>>,
    /// Devices only: major, minor.
    pub device: Option<(u32, u32)>,
    /// Ascending by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Ascending, apart, within `size`.
    pub holes: Vec<DataRange>,
    pub flags: u32,
    pub state: ContentState,
}

impl Core {
    /// An entry with nothing but a path and a kind.
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
            blake3: None,
            sha256: None,
            target: None,
            device: None,
            xattrs: Vec::new(),
            holes: Vec::new(),
            flags: 0,
            state: ContentState::Good,
        }
    }

    /// The record's `core` in its one and only encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let file = self.kind == EntryKind::File;
        let optional = [
            self.user.is_some(),
            self.group.is_some(),
            self.link_to.is_some(),
            file,
            self.blake3.is_some(),
            self.sha256.is_some(),
            self.target.is_some(),
            self.device.is_some(),
            !self.xattrs.is_empty(),
            !self.holes.is_empty(),
            self.flags != 0,
            self.state != ContentState::Good,
            matches!(self.state, ContentState::Unreadable { .. }),
        ];
        let mut e = Writer::new(out);
        e.map(8 + optional.iter().filter(|x| **x).count() as u64).sure();
        e.u8(0).sure().bytes(&self.path).sure().u8(1).sure().u64(self.kind.code()).sure();
        e.u8(2).sure().u32(self.mode).sure().u8(3).sure().u32(self.uid).sure().u8(4).sure().u32(self.gid).sure();
        let bytes = |e: &mut Writer, key: u8, value: Option<&[u8]>| {
            if let Some(v) = value {
                e.u8(key).sure().bytes(v).sure();
            }
        };
        bytes(&mut e, 5, self.user.as_deref());
        bytes(&mut e, 6, self.group.as_deref());
        e.u8(7).sure();
        write_time(&mut e, self.mtime);
        e.u8(8).sure();
        write_time(&mut e, self.ctime);
        e.u8(9).sure().u64(self.inode).sure();
        bytes(&mut e, 10, self.link_to.as_deref());
        if file {
            e.u8(11).sure().u64(self.size).sure();
        }
        bytes(&mut e, 12, self.blake3.as_ref().map(|d| &d[..]));
        bytes(&mut e, 13, self.sha256.as_ref().map(|d| &d[..]));
        bytes(&mut e, 14, self.target.as_deref());
        if let Some((major, minor)) = self.device {
            e.u8(15).sure().array(2).sure().u32(major).sure().u32(minor).sure();
        }
        if !self.xattrs.is_empty() {
            e.u8(16).sure().array(self.xattrs.len() as u64).sure();
            for (name, value) in &self.xattrs {
                e.array(2).sure().bytes(name).sure().bytes(value).sure();
            }
        }
        if !self.holes.is_empty() {
            e.u8(17).sure().array(self.holes.len() as u64).sure();
            for h in &self.holes {
                e.array(2).sure().u64(h.offset).sure().u64(h.length).sure();
            }
        }
        if self.flags != 0 {
            e.u8(18).sure().u32(self.flags).sure();
        }
        match self.state {
            ContentState::Good => {}
            ContentState::Unreadable { errno } => {
                e.u8(19).sure().u8(1).sure().u8(20).sure().u32(errno).sure();
            }
            ContentState::Changed => {
                e.u8(19).sure().u8(2).sure();
            }
        }
    }

    /// Decodes a `core` that stands alone, as in a proof.
    pub fn decode_alone(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes, "entry");
        let core = Self::decode(&mut r)?;
        r.end()?;
        Ok(core)
    }

    /// Decodes one `core` and checks what the format promises of it; `r` stands behind it afterwards.
    fn decode(r: &mut Reader) -> Result<Self, Malformed> {
        let mut c = Self::new(Vec::new(), EntryKind::File);
        let (mut seen, mut last) = (0u32, None);
        let mut state = (0, 0);
        for _ in 0..r.map()? {
            let key = r.key(&mut last)?;
            if key < 21 {
                seen |= 1 << key;
            }
            match key {
                0 => c.path = r.bytes()?.to_vec(),
                1 => c.kind = EntryKind::from_code(r.uint()?).ok_or_else(|| r.wrong("unknown type"))?,
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
                12 => c.blake3 = Some(r.fixed()?),
                13 => c.sha256 = Some(r.fixed()?),
                14 => c.target = Some(r.bytes()?.to_vec()),
                15 => {
                    r.tuple(2)?;
                    c.device = Some((r.u32()?, r.u32()?));
                }
                16 => {
                    let n = r.array()?;
                    c.xattrs.reserve(r.room(n, 3));
                    for _ in 0..n {
                        r.tuple(2)?;
                        c.xattrs.push((r.bytes()?.to_vec(), r.bytes()?.to_vec()));
                    }
                }
                17 => {
                    let n = r.array()?;
                    c.holes.reserve(r.room(n, 3));
                    for _ in 0..n {
                        r.tuple(2)?;
                        c.holes.push(DataRange { offset: r.count()?, length: r.count()? });
                    }
                }
                18 => c.flags = r.u32()?,
                19 => state.0 = r.uint()?,
                20 => state.1 = r.u32()?,
                _ => r.skip(1)?,
            }
        }
        c.state = match state.0 {
            0 => ContentState::Good,
            1 => ContentState::Unreadable { errno: state.1 },
            2 => ContentState::Changed,
            _ => return Err(r.wrong("unknown state")),
        };
        c.check(r, seen)?;
        Ok(c)
    }

    fn check(&self, r: &Reader, seen: u32) -> Result<(), Malformed> {
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
            && wants(12, file && !unreadable)
            && (file && !unreadable || wants(13, false))
            && wants(14, self.kind == EntryKind::Symlink)
            && wants(15, matches!(self.kind, EntryKind::CharDevice | EntryKind::BlockDevice))
            && (file && !unreadable || wants(17, false)))
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
        Ok(())
    }
}

/// One record: an entry and where its bytes lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub core: Core,
    pub extents: Vec<Extent>,
}

impl Entry {
    /// Appends `u32 length ‖ core ‖ extents` and returns the range of `core` in `out`.
    pub fn encode(&self, out: &mut Vec<u8>) -> std::ops::Range<usize> {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        self.core.encode(out);
        let end = out.len();
        write_extents(&mut Writer::new(out), &self.extents);
        let length = (out.len() - start - 4) as u32;
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        start + 4..end
    }

    /// Decodes a record's bytes without its length prefix; also returns the length of `core`.
    pub fn decode(record: &[u8]) -> Result<(Self, usize), Malformed> {
        let mut r = Reader::new(record, "entry");
        let core = Core::decode(&mut r)?;
        let core_bytes = r.d.position();
        let extents = r.extents()?;
        r.end()?;
        let entry = Self { core, extents };
        entry.check_lengths()?;
        Ok((entry, core_bytes))
    }

    fn check_lengths(&self) -> Result<(), Malformed> {
        let extents = self.extents.iter().try_fold(0u64, |sum, x| sum.checked_add(x.length));
        let holes: u64 = self.core.holes.iter().map(|h| h.length).sum();
        let content = match self.core.state {
            ContentState::Unreadable { .. } => 0,
            _ => self.core.size - holes,
        };
        if extents != Some(content) {
            return Err(Malformed::new("entry", "extents do not add up to the size"));
        }
        Ok(())
    }
}

/// The length of the next record, without its prefix, from a stream that holds at least the prefix.
pub fn record_length(prefix: [u8; 4]) -> Result<usize, Malformed> {
    let n = u32::from_le_bytes(prefix);
    Malformed::limit("record", n.into(), limit::RECORD_BYTES)?;
    Ok(n as usize)
}

/// Paths are relative, made of names that are neither empty nor `.` nor `..`, without NUL.
pub fn check_path(path: &[u8]) -> Result<(), Malformed> {
    Malformed::limit("path", path.len() as u64, limit::PATH_BYTES)?;
    let good = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    if path.split(|b| *b == b'/').all(good) { Ok(()) } else { Err(Malformed::new("path", "not a plain relative path")) }
}

/// The order of the entry stream: name by name, as if `/` were smaller than every byte.
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    match a.iter().zip(b).position(|(x, y)| x != y) {
        Some(i) => {
            let rank = |c: u8| if c == b'/' { 0 } else { c as u16 + 1 };
            rank(a[i]).cmp(&rank(b[i]))
        }
        None => a.len().cmp(&b.len()),
    }
}

/// What a merge needs of a record, without copying anything out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead<'a> {
    pub path: &'a [u8],
    pub kind: EntryKind,
    pub mtime: Time,
    pub ctime: Time,
    pub inode: u64,
    pub link_to: Option<&'a [u8]>,
    pub size: u64,
    pub good: bool,
    pub has_sha256: bool,
    /// Bytes of `core` at the record's beginning.
    pub core_bytes: usize,
}

impl<'a> EntryHead<'a> {
    /// Looks at a record (without its length prefix) that this host wrote; the extents are not looked at.
    pub fn at(record: &'a [u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(record, "entry");
        let mut g = Self {
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
                0 => g.path = r.bytes()?,
                1 => g.kind = EntryKind::from_code(r.uint()?).ok_or_else(|| r.wrong("unknown type"))?,
                7 => g.mtime = r.time()?,
                8 => g.ctime = r.time()?,
                9 => g.inode = r.uint()?,
                10 => g.link_to = Some(r.bytes()?),
                11 => g.size = r.uint()?,
                12 => {
                    r.bytes()?;
                }
                13 => {
                    r.bytes()?;
                    g.has_sha256 = true;
                }
                19 => g.good = r.uint()? == 0,
                _ => r.skip(1)?,
            }
        }
        g.core_bytes = r.d.position();
        Ok(g)
    }
}
