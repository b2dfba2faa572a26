//! What is mounted where, as the kernel tells this process.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The source of the mount that contains `path`. Of several mounts on one folder the last one hides the others.
pub(super) fn mount_source(table: &[u8], path: &Path) -> Option<PathBuf> {
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

/// Where file systems are mounted, as this process sees it. Those of other computers are left out: one that does not answer
/// would stop whoever looks into it; so are those that keep no files.
pub fn mount_points() -> Vec<PathBuf> {
    points_in(&std::fs::read("/proc/self/mountinfo").unwrap_or_default())
}

fn points_in(table: &[u8]) -> Vec<PathBuf> {
    const LEFT_OUT: [&[u8]; 19] = [
        b"autofs",
        b"binfmt_misc",
        b"bpf",
        b"ceph",
        b"cgroup",
        b"cgroup2",
        b"cifs",
        b"configfs",
        b"debugfs",
        b"devpts",
        b"fuse.sshfs",
        b"mqueue",
        b"nfs",
        b"nfs4",
        b"proc",
        b"securityfs",
        b"smb3",
        b"sysfs",
        b"tracefs",
    ];
    let point = |line: &[u8]| {
        let mut fields = line.split(|b| *b == b' ');
        let point = fields.nth(4).map(unescape)?;
        let kind = fields.skip_while(|f| *f != b"-").nth(1)?;
        (!LEFT_OUT.contains(&kind)).then_some(point)
    };
    table.split(|b| *b == b'\n').filter_map(point).collect()
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

/// Whether something is mounted at a folder: a disk of its own, or another folder. Links are followed.
///
/// A folder that is mounted on itself is not: a service manager does that to make it writable, whether a disk is there or not.
pub fn is_mounted(folder: &Path) -> bool {
    use rustix::fs::{AtFlags, StatxAttributes, StatxFlags, statx};
    let is_mount = match statx(rustix::fs::CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS) {
        // Linux 5.8 and later say it.
        Ok(s) if s.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT) => {
            s.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
        }
        _ => is_mount_point(folder),
    };
    let is_itself = || {
        let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        folder.canonicalize().is_ok_and(|real| is_mounted_on_itself(&table, &real))
    };
    is_mount && !is_itself()
}

struct Mount<'a> {
    id: &'a [u8],
    below: &'a [u8],
    device: &'a [u8],
    /// The folder of its file system that is shown.
    root: PathBuf,
    point: PathBuf,
}

fn mounts(table: &[u8]) -> Vec<Mount<'_>> {
    fn mount(line: &[u8]) -> Option<Mount<'_>> {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').take(5).collect();
        let [id, below, device, root, point] = fields.try_into().ok()?;
        Some(Mount { id, below, device, root: unescape(root), point: unescape(point) })
    }
    table.split(|b| *b == b'\n').filter_map(mount).collect()
}

/// Whether nothing is mounted at a folder but what would be seen there anyway.
fn is_mounted_on_itself(table: &[u8], folder: &Path) -> bool {
    let mounts = mounts(table);
    let mut top = mounts.iter().rfind(|m| m.point == folder);
    // Each of the mounts that lie on this folder shows what is below it.
    for _ in 0..mounts.len() {
        let Some(mount) = top else { return false };
        let Some(below) = mounts.iter().find(|m| m.id == mount.below) else { return false };
        let Ok(rest) = mount.point.strip_prefix(&below.point) else { return false };
        if below.device != mount.device || below.root.join(rest) != mount.root {
            return false;
        }
        if below.point != mount.point {
            return true;
        }
        top = Some(below);
    }
    false
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
    fn what_is_mounted_is_looked_into_unless_it_may_hang() {
        let table = b"21 1 0:20 / / rw shared:1 - ext4 /dev/sda2 rw\n22 21 0:5 / /proc rw - proc proc rw\n\
            31 21 7:0 / /mnt/back\\040up rw shared:2 master:3 - ext4 /dev/loop0 rw\n\
            32 21 0:33 / /mnt/share rw - nfs4 nas:/x rw\nnonsense\n";
        assert_eq!(points_in(table), [PathBuf::from("/"), "/mnt/back up".into()]);
    }

    #[test]
    fn unescapes_only_octal() {
        assert_eq!(unescape(b"a\\134b\\"), PathBuf::from("a\\b\\"));
        assert_eq!(unescape(b"\\999"), PathBuf::from("\\999"));
    }

    #[test]
    fn a_folder_that_is_mounted_on_itself_has_nothing_on_it() {
        let table = |lines: &[&str]| [&["21 1 8:2 / / rw shared:1 - ext4 /dev/sda2 rw"], lines].concat().join("\n");
        let is_bare = |lines: &[&str]| is_mounted_on_itself(table(lines).as_bytes(), Path::new("/mnt/back up"));
        let disk = "31 21 8:17 / /mnt/back\\040up rw - ext4 /dev/sdb1 rw";
        assert!(!is_bare(&[]));
        assert!(!is_bare(&[disk]));
        let itself = "32 21 8:2 /mnt/back\\040up /mnt/back\\040up rw - ext4 /dev/sda2 rw";
        assert!(is_bare(&[itself]));
        assert!(is_bare(&[itself, "33 32 8:2 /mnt/back\\040up /mnt/back\\040up ro - ext4 /dev/sda2 rw"]));
        // The disk below was made writable, or hides a folder that was.
        assert!(!is_bare(&[disk, "32 31 8:17 / /mnt/back\\040up rw - ext4 /dev/sdb1 rw"]));
        assert!(!is_bare(&[itself, "33 32 8:17 / /mnt/back\\040up rw - ext4 /dev/sdb1 rw"]));
        // Another folder.
        assert!(!is_bare(&["32 21 8:2 /srv/disk /mnt/back\\040up rw - ext4 /dev/sda2 rw"]));
        assert!(!is_bare(&["32 32 8:2 /mnt/back\\040up /mnt/back\\040up rw - ext4 /dev/sda2 rw", "nonsense"]));
    }
}
