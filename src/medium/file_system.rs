//! What a folder lies on: the kind of file system, its room, and whether its device is still attached.

use super::tape::drive::Drive;
use super::tape::{mam, st};
use crate::format::seal::ReadBack;
use rustix::fd::AsFd;
use rustix::fs::{fstat, fstatfs, fstatvfs, major, minor};
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A kind of file system, by the magic number that `statfs(2)` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileSystem {
    Ext,
    Xfs,
    Btrfs,
    F2fs,
    Exfat,
    Vfat,
    Ntfs,
    Zfs,
    Bcachefs,
    Iso9660,
    Udf,
    Squashfs,
    Tmpfs,
    Overlay,
    Nfs,
    Smb,
    NineP,
    /// A program behind the kernel; ntfs-3g among them.
    Fuse,
    /// No file system: objects side by side on a tape.
    Tape,
    /// No file system: an in-memory medium.
    Memory,
    /// The magic number.
    Other(u32),
}

impl FileSystem {
    /// Numbers from `linux/magic.h` and, where a file system is not listed there, from its source.
    fn from_magic(magic: u32) -> Self {
        match magic {
            0xEF53 => Self::Ext,
            0x5846_5342 => Self::Xfs,
            0x9123_683E => Self::Btrfs,
            0xF2F5_2010 => Self::F2fs,
            0x2011_BAB0 => Self::Exfat,
            0x4D44 => Self::Vfat,
            0x5346_544E | 0x7366_746E => Self::Ntfs,
            0x2FC1_2FC1 => Self::Zfs,
            0xCA45_1A4E => Self::Bcachefs,
            0x9660 => Self::Iso9660,
            0x1501_3346 => Self::Udf,
            0x7371_7368 => Self::Squashfs,
            0x0102_1994 | 0x8584_58F6 => Self::Tmpfs,
            0x794C_7630 => Self::Overlay,
            0x6969 => Self::Nfs,
            0xFF53_4D42 | 0xFE53_4D42 | 0x517B => Self::Smb,
            0x0102_1997 => Self::NineP,
            0x6573_5546 => Self::Fuse,
            m => Self::Other(m),
        }
    }

    pub(super) fn of(fd: impl AsFd) -> Self {
        // A failing `statfs` is as good as an unknown kind: nothing is claimed of it.
        fstatfs(fd).map_or(Self::Other(0), |s| Self::from_magic(s.f_type as u32))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Ext => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
            Self::F2fs => "f2fs",
            Self::Exfat => "exfat",
            Self::Vfat => "vfat",
            Self::Ntfs => "ntfs",
            Self::Zfs => "zfs",
            Self::Bcachefs => "bcachefs",
            Self::Iso9660 => "iso9660",
            Self::Udf => "udf",
            Self::Squashfs => "squashfs",
            Self::Tmpfs => "tmpfs",
            Self::Overlay => "overlay",
            Self::Nfs => "nfs",
            Self::Smb => "smb",
            Self::NineP => "9p",
            Self::Fuse => "fuse",
            Self::Tape => "tape",
            Self::Memory => "memory",
            Self::Other(_) => "unknown",
        }
    }

    /// Whether a file that grows may be written past the cache. FAT takes such writes through the cache all the same and waits for
    /// each; btrfs does so with checksums, since what it would write could change under it.
    pub(super) fn writes_directly(self) -> bool {
        matches!(self, Self::Ext | Self::Xfs)
    }

    /// The most that may be said of a file read again on it. A read that the kernel answers with success is not enough: tmpfs takes
    /// `O_DIRECT` and reads memory; a fuse server and zfs keep a cache of their own that no advice reaches; a file server has
    /// its own too, which is at least not this machine's.
    pub(super) fn best_read_back(self) -> ReadBack {
        match self {
            Self::Ext
            | Self::Xfs
            | Self::Btrfs
            | Self::F2fs
            | Self::Exfat
            | Self::Vfat
            | Self::Ntfs
            | Self::Bcachefs
            | Self::Tape => ReadBack::Direct,
            Self::Tmpfs | Self::Fuse | Self::Zfs | Self::NineP | Self::Memory => ReadBack::Cached,
            Self::Iso9660 | Self::Udf | Self::Squashfs | Self::Overlay | Self::Nfs | Self::Smb | Self::Other(_) => {
                ReadBack::Dropped
            }
        }
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Other(magic) => write!(f, "unknown ({magic:#x})"),
            known => f.write_str(known.name()),
        }
    }
}

/// Bytes that an unprivileged writer may still use; `None` where the file system counts nothing (some network and fuse ones).
pub(super) fn free_bytes(fd: impl AsFd) -> Option<u64> {
    let s = fstatvfs(fd).ok()?;
    (s.f_blocks > 0).then(|| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Kept free of packs, so that what closes a medium finds room: a hundredth of the file system, and no more than 16 MiB.
pub(super) fn reserved_bytes(fd: impl AsFd) -> u64 {
    fstatvfs(fd).map_or(0, |s| (s.f_blocks.saturating_mul(s.f_frsize) / 100).min(16 << 20))
}

/// How the hardware below a folder calls itself (model and serial number, as udev tells them); `None` where it does not, or nobody knows.
/// It stays the same when the medium is formatted.
pub fn device_name(folder: &Path) -> Option<String> {
    if st::is_drive(folder) {
        return mam::serial(folder);
    }
    use std::os::unix::fs::MetadataExt;
    let device = std::fs::metadata(folder).ok()?.dev();
    let udev = std::fs::read_to_string(format!("/run/udev/data/b{}:{}", major(device), minor(device))).ok()?;
    let serial = udev.lines().find_map(|line| line.strip_prefix("E:ID_SERIAL="))?;
    (!serial.is_empty()).then(|| serial.to_owned())
}

/// Whether somebody with this process's rights may write to what is at a path: its mount allows it, and so does a drive's cartridge.
pub fn is_writable(at: &Path) -> bool {
    if st::is_drive(at) {
        let protected = st::StDrive::open(at).and_then(|mut drive| drive.is_write_protected());
        return !matches!(protected, Ok(true));
    }
    rustix::fs::statvfs(at).is_ok_and(|s| !s.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// The disk that a medium lies on, kept in view while it is told to leave.
#[derive(Debug)]
pub struct Watched(Option<Device>);

/// The disk below `medium`, if it is another one than that below `home`.
pub fn watch(medium: &Path, home: &Path) -> Watched {
    let device_number = |path| std::fs::metadata(path).ok().map(|m| std::os::unix::fs::MetadataExt::dev(&m));
    let folder = std::fs::File::open(medium).ok().filter(|_| device_number(medium) != device_number(home));
    let device = folder.map(|folder| Device::below(folder, medium)).filter(|d| d.node.is_some());
    Watched(device)
}

impl Watched {
    /// Whether it is gone: not only unmounted. `None` where there is no disk that could go.
    pub fn is_gone(&self) -> Option<bool> {
        self.0.as_ref().map(Device::is_gone_soon)
    }
}

/// One link for each block device, named by its number.
const SYSFS: &str = "/sys/dev/block";

/// The block device below a folder, as sysfs names it, to tell an unplugged medium from a full or read-only one.
///
/// After an unplug the kernel answers ENODEV, EIO, EROFS or ENOSPC, depending on file system and version, and some file
/// systems go on reading from the cache with no error at all. The node in sysfs goes at once on every one of them.
#[derive(Debug, Clone)]
pub(super) struct Device {
    /// `None`: no block device, or sysfs does not show it; then nothing can be said.
    node: Option<PathBuf>,
    /// The disks below an encrypted, joined or mirrored device, whose own node stays when they go.
    disks: Vec<PathBuf>,
}

impl Device {
    pub fn below(folder: impl AsFd, path: &Path) -> Self {
        let number = fstat(folder).ok().map(|s| (major(s.st_dev), minor(s.st_dev)));
        let node = match number {
            // File systems that span devices (btrfs) show an anonymous number; the mount table has the device's name.
            Some((0, _)) => mounted_device(path),
            Some((major, minor)) => Some((major, minor)),
            None => None,
        };
        // The place on the bus, not the number: a disk plugged in again may get the number of the one that went.
        let node = node.and_then(|(major, minor)| {
            let link = Path::new(SYSFS).join(format!("{major}:{minor}"));
            // Not there, though sysfs shows devices (some character device there always is): the disk went while it was mounted.
            // vfat then shows an empty folder, with no error.
            let shown = || std::fs::read_dir("/sys/dev/char").is_ok_and(|mut d| d.next().is_some());
            link.canonicalize().ok().or_else(|| shown().then_some(link))
        });
        let mut disks = Vec::new();
        if let Some(node) = &node {
            disks_below(node, LAYERS, &mut disks);
        }
        Self { node, disks }
    }

    /// Nothing can be said of it.
    pub fn unknown() -> Self {
        Self { node: None, disks: Vec::new() }
    }

    /// True only when the device was there and is not any more. Of several disks all must have gone: a mirror outlives one.
    pub fn is_gone(&self) -> bool {
        let gone = |p: &PathBuf| !p.exists();
        self.node.as_ref().is_some_and(gone) || (!self.disks.is_empty() && self.disks.iter().all(gone))
    }

    /// As [`Device::is_gone`], after an error that an unplugged disk gives too: the kernel fails a disk's requests first and takes
    /// its node away some moments later. Waits for that up to a second, which only a failing or full disk ever costs.
    pub fn is_gone_soon(&self) -> bool {
        const STEP: Duration = Duration::from_millis(50);
        (0..20).any(|step| {
            if step > 0 && self.node.is_some() {
                std::thread::sleep(STEP);
            }
            self.is_gone()
        })
    }
}

/// How many devices may lie upon each other: more than anybody stacks.
const LAYERS: usize = 8;

fn disks_below(node: &Path, layers: usize, disks: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(node.join("slaves")) else { return };
    for below in entries.flatten().filter_map(|e| e.path().canonicalize().ok()) {
        let before = disks.len();
        if layers > 0 {
            disks_below(&below, layers - 1, disks);
        }
        if disks.len() == before {
            disks.push(below);
        }
    }
}

fn mounted_device(path: &Path) -> Option<(u32, u32)> {
    let path = path.canonicalize().ok()?;
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    let source = mount_source(&table, &path)?;
    let stat = rustix::fs::stat(&source).ok()?;
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device().then(|| (major(stat.st_rdev), minor(stat.st_rdev)))
}

/// The source of the mount that `path` lies on. Of several on the same place the last one hides the others.
fn mount_source(table: &[u8], path: &Path) -> Option<PathBuf> {
    let mut best: Option<(PathBuf, PathBuf)> = None;
    for line in table.split(|b| *b == b'\n') {
        let mut fields = line.split(|b| *b == b' ');
        let Some(point) = fields.nth(4).map(unescape) else { continue };
        // Optional fields end with a lone hyphen; type and source follow.
        let Some(source) = fields.skip_while(|f| *f != b"-").nth(2).map(unescape) else { continue };
        let depth = point.as_os_str().len();
        if path.starts_with(&point) && best.as_ref().is_none_or(|(b, _)| depth >= b.as_os_str().len()) {
            best = Some((point, source));
        }
    }
    best.map(|(_, source)| source)
}

/// The mount table writes blanks, line feeds and backslashes as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u8::from_str_radix(d, 8).ok());
        out.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    std::ffi::OsString::from_vec(out).into()
}

/// Whether `path` is where something is mounted: its device differs from its parent's.
pub(super) fn is_mount_point(path: &Path) -> bool {
    let parent = path.join("..");
    match (rustix::fs::stat(path), rustix::fs::stat(&parent)) {
        (Ok(own), Ok(above)) => own.st_dev != above.st_dev,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_and_last_mount_is_the_one() {
        let table = b"21 1 0:20 / / rw shared:1 - btrfs /dev/sda2 rw\n\
            30 21 0:33 / /mnt rw - ext4 /dev/sdb1 rw\n\
            31 21 0:34 / /mnt/back\\040up rw shared:2 master:3 - btrfs /dev/sdc1 rw\n\
            32 21 0:35 / /mnt/back\\040up rw - btrfs /dev/mapper/x rw\n";
        let source = |p: &str| mount_source(table, Path::new(p));
        assert_eq!(source("/mnt/back up/AZEKURA"), Some("/dev/mapper/x".into()));
        assert_eq!(source("/mnt/backup"), Some("/dev/sdb1".into()));
        assert_eq!(source("/mntx"), Some("/dev/sda2".into()));
        assert_eq!(mount_source(b"", Path::new("/")), None);
        assert_eq!(mount_source(b"\n1 2 3\n", Path::new("/")), None);
    }

    #[test]
    fn unescapes_only_octal() {
        assert_eq!(unescape(b"a\\134b\\"), PathBuf::from("a\\b\\"));
        assert_eq!(unescape(b"\\999"), PathBuf::from("\\999"));
    }

    #[test]
    fn a_device_that_cannot_be_named_is_never_called_gone() {
        assert!(!Device::unknown().is_gone());
        let (here, away) = (PathBuf::from("/"), PathBuf::from("/never/there"));
        let device = |node: &PathBuf, disks: &[&PathBuf]| Device {
            node: Some(node.clone()),
            disks: disks.iter().copied().cloned().collect(),
        };
        assert!(device(&away, &[]).is_gone());
        assert!(!device(&here, &[]).is_gone());
        assert!(!device(&here, &[&away, &here]).is_gone());
        assert!(device(&here, &[&away, &away]).is_gone());
    }
}
