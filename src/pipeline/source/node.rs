//! One opened entry: its status, extended attributes, flags, owner and times, in both directions.

use crate::format::cbor::Time;
use crate::format::entry::{EntryKind, KEPT_FLAGS};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{
    self, AtFlags, FileType, Gid, IFlags, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, ioctl_getflags, ioctl_setflags,
};
use rustix::io::{self, Errno};

/// The status of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub kind: EntryKind,
    /// Permission bits, `0 ..= 0o7777`.
    pub mode: u32,
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Bytes, as the file system reports them, also for entries that are no files.
    pub size: u64,
    /// Time of the last change of content.
    pub mtime: Time,
    /// Time of the last change of the inode.
    pub ctime: Time,
    /// Number of the inode.
    pub inode: u64,
    /// Number of the file system.
    pub device: u64,
    /// Names of the inode.
    pub nlink: u64,
    /// For a device: major, minor.
    pub rdev: (u32, u32),
    /// Allocated units of 512 bytes.
    pub blocks: u64,
}

impl Stat {
    #[allow(clippy::unnecessary_cast, reason = "the fields' types differ from one processor to the next")]
    pub(in crate::pipeline) fn new(s: &fs::Stat) -> Self {
        let time = |seconds: i64, nanoseconds: u64| Time { seconds, nanoseconds: nanoseconds.min(999_999_999) as u32 };
        let kind = match FileType::from_raw_mode(s.st_mode as _) {
            FileType::Directory => EntryKind::Directory,
            FileType::Symlink => EntryKind::Symlink,
            FileType::Fifo => EntryKind::Fifo,
            FileType::CharacterDevice => EntryKind::CharDevice,
            FileType::BlockDevice => EntryKind::BlockDevice,
            FileType::Socket => EntryKind::Socket,
            FileType::RegularFile | FileType::Unknown => EntryKind::File,
        };
        Self {
            kind,
            mode: s.st_mode as u32 & 0o7777,
            uid: s.st_uid as u32,
            gid: s.st_gid as u32,
            size: s.st_size as u64,
            mtime: time(s.st_mtime as i64, s.st_mtime_nsec as u64),
            ctime: time(s.st_ctime as i64, s.st_ctime_nsec as u64),
            inode: s.st_ino as u64,
            device: s.st_dev as u64,
            nlink: s.st_nlink as u64,
            rdev: (fs::major(s.st_rdev as _), fs::minor(s.st_rdev as _)),
            blocks: s.st_blocks as u64,
        }
    }

    pub(in crate::pipeline) fn same_inode(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// Extended attributes: name and value.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// The kernel's limit of a list of names and of a value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR_BYTES: usize = 65_536;
/// Bytes of all extended attributes of an entry: a quarter of the longest record.
const XATTRS_BYTES: usize = 16 << 20;

/// An open entry. A handle (`O_PATH`) refers to the entry itself without its content. Calls that a handle does not support
/// use its path in `/proc/self/fd`, which leads to the handle's own inode, even of a symbolic link.
pub struct Node<'f> {
    fd: BorrowedFd<'f>,
    handle: Option<String>,
}

impl<'f> Node<'f> {
    /// A file or directory opened for reading or writing.
    pub fn open(fd: BorrowedFd<'f>) -> Self {
        Self { fd, handle: None }
    }

    /// Anything, opened with `O_PATH | O_NOFOLLOW`.
    pub fn handle(fd: BorrowedFd<'f>) -> Self {
        Self { fd, handle: Some(proc_path(fd)) }
    }

    /// Its status now.
    pub fn stat(&self) -> io::Result<Stat> {
        fs::fstat(self.fd).map(|s| Stat::new(&s))
    }

    /// All extended attributes that this process may see, ascending by name; and the first error, if not all could be read.
    pub fn xattrs(&self) -> (Xattrs, Option<Errno>) {
        let mut small = [0; 1024];
        let names = match filled(&mut small, |b| match &self.handle {
            None => fs::flistxattr(self.fd, b),
            Some(p) => fs::listxattr(p, b),
        }) {
            Ok(names) => names,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return (Vec::new(), None),
            Err(e) => return (Vec::new(), Some(e)),
        };
        let (mut found, mut error, mut bytes) = (Vec::new(), None, 0);
        let mut small = [0; 1024];
        for name in names.split(|b| *b == 0).filter(|n| !n.is_empty()) {
            match filled(&mut small, |b| match &self.handle {
                None => fs::fgetxattr(self.fd, name, b),
                Some(p) => fs::getxattr(p, name, b),
            }) {
                // The others are read all the same: an access list may come behind what somebody has put there.
                Ok(value) if bytes + name.len() + value.len() > XATTRS_BYTES => error = error.or(Some(Errno::TOOBIG)),
                Ok(value) => {
                    bytes += name.len() + value.len();
                    found.push((name.to_vec(), value.into_owned()));
                }
                // Removed since it was listed; or the file system lists it and denies reading it.
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                Err(e) => error = error.or(Some(e)),
            }
        }
        found.sort_unstable();
        found.dedup_by(|a, b| a.0 == b.0);
        (found, error)
    }

    /// Sets an extended attribute.
    pub fn set_xattr(&self, name: &[u8], value: &[u8]) -> io::Result<()> {
        match &self.handle {
            None => fs::fsetxattr(self.fd, name, value, XattrFlags::empty()),
            Some(p) => fs::setxattr(p, name, value, XattrFlags::empty()).map_err(without_proc),
        }
    }

    /// Removes an extended attribute, if the entry has it.
    pub fn remove_xattr(&self, name: &str) -> io::Result<()> {
        let done = match &self.handle {
            None => fs::fremovexattr(self.fd, name),
            Some(p) => fs::removexattr(p, name),
        };
        match done {
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            other => other,
        }
    }

    /// The file attributes that are recorded; 0 where the file system has none. Not of a handle.
    pub fn flags(&self) -> io::Result<u32> {
        Ok(self.all_flags()?.bits() & KEPT_FLAGS)
    }

    fn all_flags(&self) -> io::Result<IFlags> {
        match ioctl_getflags(self.fd) {
            Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => Ok(IFlags::empty()),
            other => other,
        }
    }

    /// Sets the file attributes that are recorded to `flags`, and does not change the others. Not of a handle.
    pub fn set_flags(&self, flags: u32) -> io::Result<()> {
        let now = self.all_flags()?.bits();
        let wanted = now & !KEPT_FLAGS | flags & KEPT_FLAGS;
        if wanted == now { Ok(()) } else { ioctl_setflags(self.fd, IFlags::from_bits_retain(wanted)) }
    }

    /// Sets user and group.
    pub fn set_owner(&self, uid: u32, gid: u32) -> io::Result<()> {
        fs::chownat(self.fd, c"", Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::EMPTY_PATH)
    }

    /// Sets the permission bits. Not of a symbolic link.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        match &self.handle {
            None => fs::fchmod(self.fd, mode),
            Some(p) => match fs::chmod(p, mode) {
                // Without /proc there is no other way to a handle; the entry may have been made with this mode.
                Err(Errno::NOENT) if fs::fstat(self.fd)?.st_mode & 0o7777 == mode.bits() => Ok(()),
                other => other.map_err(without_proc),
            },
        }
    }

    /// Sets the time of the last change of content, and not the time of access.
    pub fn set_mtime(&self, mtime: Time) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanoseconds.into() },
        };
        match &self.handle {
            None => fs::futimens(self.fd, &times),
            Some(p) => match fs::utimensat(fs::CWD, p, &times, AtFlags::empty()) {
                // Without /proc. Not before: kernels older than 5.8 do not know it.
                Err(Errno::NOENT) => fs::utimensat(self.fd, c"", &times, AtFlags::EMPTY_PATH),
                other => other,
            },
        }
    }
}

/// What needs `/proc` and does not find it is not about a missing file.
fn without_proc(e: Errno) -> Errno {
    if e == Errno::NOENT { Errno::NOSYS } else { e }
}

/// The path of an open descriptor, which leads to its own inode.
pub fn proc_path(fd: BorrowedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Calls `read` with a buffer that is large enough; small results stay in `small`.
fn filled<'b>(
    small: &'b mut [u8],
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
) -> io::Result<std::borrow::Cow<'b, [u8]>> {
    match read(small) {
        Ok(n) => Ok((&small[..n]).into()),
        Err(Errno::RANGE) => {
            let mut large = vec![0; XATTR_BYTES];
            let n = read(&mut large)?;
            large.truncate(n);
            Ok(large.into())
        }
        Err(e) => Err(e),
    }
}
