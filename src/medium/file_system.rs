//! The file system below a folder: its kind, what it is capable of, and its free room.

use crate::format::seal::ReadBack;
use rustix::fd::AsFd;
use rustix::fs::{fstatfs, fstatvfs};
use std::fmt;

/// A kind of file system, by the magic number that `statfs(2)` gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum FileSystem {
    /// ext2, ext3 and ext4, which have one number. Written past the cache.
    #[strum(serialize = "ext4")]
    Ext,
    /// Written past the cache, like ext4.
    Xfs,
    /// It checks its own checksums when it reads, and so is written through the cache.
    Btrfs,
    /// For flash memory.
    F2fs,
    /// Of USB disks. It has no permissions.
    Exfat,
    /// FAT: no permissions, and no file of 4 GiB or more.
    Vfat,
    /// Of Windows, by a driver in the kernel. By ntfs-3g it is [`Self::Fuse`].
    Ntfs,
    /// It has a cache of its own, besides the operating system's.
    Zfs,
    /// It checks its own checksums when it reads.
    Bcachefs,
    /// Of CDs and DVDs; read-only.
    Iso9660,
    /// Of DVDs and Blu-ray discs, and sometimes of USB disks.
    Udf,
    /// A compressed image; read-only.
    Squashfs,
    /// In memory (also ramfs): gone after a restart.
    Tmpfs,
    /// Layers of other file systems, whose kinds are not known.
    Overlay,
    /// On a server, over the network.
    Nfs,
    /// On a server, over the network; also CIFS.
    Smb,
    /// A folder of a virtual machine's host.
    #[strum(serialize = "9p")]
    NineP,
    /// A program in user space; ntfs-3g is one.
    Fuse,
    /// No file system: objects on a tape, one after the other.
    Tape,
    /// No file system: an in-memory medium.
    Memory,
    /// An unknown one, with its magic number.
    #[strum(serialize = "unknown")]
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
        // A file system whose `statfs` fails is treated as unknown: nothing is claimed of it.
        fstatfs(fd).map_or(Self::Other(0), |s| Self::from_magic(s.f_type as u32))
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a file that grows may be written past the cache. FAT sends such writes through the cache all the same
    /// and waits for each one; so does btrfs where it has checksums, because the caller's memory could change during
    /// the write.
    pub(super) fn writes_directly(self) -> bool {
        matches!(self, Self::Ext | Self::Xfs)
    }

    /// The most that may be claimed of a file read again on it. A successful direct read is not enough: tmpfs accepts
    /// `O_DIRECT` and reads memory; a fuse server and zfs have a cache of their own that no advice reaches; a file
    /// server has one too, but on another machine.
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

/// Bytes that an unprivileged writer may still use; `None` where the file system does not count them (some network and
/// fuse ones).
pub(super) fn free_bytes(fd: impl AsFd) -> Option<u64> {
    let s = fstatvfs(fd).ok()?;
    (s.f_blocks > 0).then(|| s.f_bavail.saturating_mul(s.f_frsize))
}

/// Bytes kept free of packs, so that a closing seal still fits: a hundredth of the file system, at most 16 MiB.
pub(super) fn reserved_bytes(fd: impl AsFd) -> u64 {
    fstatvfs(fd).map_or(0, |s| (s.f_blocks.saturating_mul(s.f_frsize) / 100).min(16 << 20))
}
