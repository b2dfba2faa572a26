//! The device below a folder: whether it is still attached, and what the kernel's errors mean on it.

use super::MediumError;
use super::direct::{open_past_cache, read_first};
use super::layout::open_folder;
use super::mounts::mount_source;
use rustix::fd::AsFd;
use rustix::fs::{fstat, major, minor};
use rustix::io::Errno;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The device below a medium's root folder. Fails if the folder cannot be opened, or the device is gone.
pub(super) fn root_device(root: &Path) -> Result<Device, MediumError> {
    let folder = open_folder(rustix::fs::CWD, root, true).map_err(|e| match e {
        Errno::NOENT => MediumError::NotFound { path: root.to_owned() },
        Errno::NOTDIR => MediumError::NotADirectory { path: root.to_owned() },
        // Without an open folder nothing can be found out about its device. A disk that fails here counts as gone.
        Errno::IO => gone(root, "opening the folder", Some(e)),
        e => fault(root, &Device::unknown(), "opening the folder", e),
    })?;
    let device = Device::below(folder, root);
    check_attached(root, &device)?;
    Ok(device)
}

pub(super) fn gone(root: &Path, what: &'static str, e: Option<Errno>) -> MediumError {
    MediumError::Gone { medium: root.display().to_string(), what, source: e.map(Into::into) }
}

pub(super) fn check_attached(root: &Path, device: &Device) -> Result<(), MediumError> {
    if device.is_gone() { Err(gone(root, "opening the folder", None)) } else { Ok(()) }
}

/// What an error of the kernel means on a medium. ENOSPC and EROFS, too, may come from a disk that was unplugged.
pub(super) fn fault(path: &Path, device: &Device, what: &'static str, e: Errno) -> MediumError {
    let medium = path.display().to_string();
    let source = e.into();
    match e {
        Errno::IO | Errno::NOSPC | Errno::ROFS if device.is_gone_soon() => {
            MediumError::Gone { medium, what, source: Some(source) }
        }
        _ if device.is_gone() => MediumError::Gone { medium, what, source: Some(source) },
        Errno::IO if matches!(device.read_first(), Some(Err(e)) if is_no_answer(e)) => {
            MediumError::Gone { medium, what, source: Some(source) }
        }
        e if e != Errno::IO && is_no_answer(e) => MediumError::Gone { medium, what, source: Some(source) },
        Errno::NOSPC | Errno::DQUOT => MediumError::Full { medium, needed: 0, free: None, torn: false },
        Errno::ROFS => MediumError::ReadOnly { medium },
        Errno::ACCESS | Errno::PERM => MediumError::Denied { medium, what, source },
        _ => MediumError::Io { medium, what, source },
    }
}

/// Whether an error says that a disk does not answer.
pub(super) fn is_no_answer(e: Errno) -> bool {
    matches!(e, Errno::IO | Errno::NODEV | Errno::NXIO | Errno::NOMEDIUM | Errno::STALE | Errno::NOTCONN)
}

pub(super) fn folder_fault(path: &Path, device: &Device, e: Errno) -> MediumError {
    match e {
        Errno::NOENT => MediumError::NotFound { path: path.to_owned() },
        Errno::NOTDIR | Errno::LOOP => MediumError::NotADirectory { path: path.to_owned() },
        e => fault(path, device, "opening the folder", e),
    }
}

/// The disk below a medium, watched while it is detached.
#[derive(Debug)]
pub struct WatchedDisk(Option<Device>);

/// The disk below `medium`; no disk if `home` is on the same one.
pub fn watch(medium: &Path, home: &Path) -> WatchedDisk {
    let device_number = |path| std::fs::metadata(path).ok().map(|m| std::os::unix::fs::MetadataExt::dev(&m));
    let folder = std::fs::File::open(medium).ok().filter(|_| device_number(medium) != device_number(home));
    let device = folder.map(|folder| Device::below(folder, medium)).filter(|d| d.node.is_some());
    WatchedDisk(device)
}

impl WatchedDisk {
    /// The disk's node in `/dev`. `None` where there is no disk to watch, or its name is not known.
    pub fn node(&self) -> Option<PathBuf> {
        self.0.as_ref()?.device_file()
    }

    /// Whether the disk is gone, not only unmounted. `None` where there is no disk to watch.
    pub fn is_gone(&self) -> Option<bool> {
        self.0.as_ref().map(Device::is_gone_soon)
    }
}

/// One link for each block device, named by its number.
const SYSFS: &str = "/sys/dev/block";

/// The block device below a folder, as sysfs names it. Distinguishes an unplugged medium from a full or read-only one.
///
/// After an unplug the kernel answers ENODEV, EIO, EROFS or ENOSPC, depending on file system and version, and some file
/// systems continue to read from the cache and report no error. On every one of them the node in sysfs disappears at
/// once.
#[derive(Debug, Clone)]
pub(super) struct Device {
    /// `None`: no block device, or sysfs does not show it. Such a device is never called gone.
    node: Option<PathBuf>,
    /// The disks below an encrypted, joined or mirrored device. Its own node stays when they are unplugged.
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
        // The path on the bus, not the number: a disk plugged in later may get the number of the one that was
        // unplugged.
        let node = node.and_then(|(major, minor)| {
            let link = Path::new(SYSFS).join(format!("{major}:{minor}"));
            // No link, though sysfs shows devices (there is always some character device): the disk was unplugged while
            // it was mounted. vfat then shows an empty folder and no error.
            let shown = || std::fs::read_dir("/sys/dev/char").is_ok_and(|mut d| d.next().is_some());
            link.canonicalize().ok().or_else(|| shown().then_some(link))
        });
        let mut disks = Vec::new();
        if let Some(node) = &node {
            disks_below(node, LAYERS, &mut disks);
        }
        Self { node, disks }
    }

    /// A device of which nothing is known; never called gone.
    pub fn unknown() -> Self {
        Self { node: None, disks: Vec::new() }
    }

    /// The device as sysfs has it.
    #[cfg(test)]
    pub fn at(node: &Path) -> Self {
        Self { node: Some(node.to_owned()), disks: Vec::new() }
    }

    /// How often the disk has answered with an error since it was plugged in. `None` where it is not counted.
    pub fn errors(&self) -> Option<u64> {
        // A partition's folder lies in that of its disk.
        let below = |node: &PathBuf| ["device/ioerr_cnt", "../device/ioerr_cnt"].map(|name| node.join(name));
        let counts = self.node.iter().chain(&self.disks).flat_map(below).filter_map(|path| {
            let text = std::fs::read_to_string(path).ok()?;
            u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
        });
        counts.fold(None, |sum, n| Some(sum.unwrap_or(0) + n))
    }

    /// Reads the disk's first bytes past the cache, whatever the file system says. `None` for whoever may not read it.
    pub fn read_first(&self) -> Option<Result<(), Errno>> {
        match open_past_cache(&self.device_file()?) {
            Ok(disk) => Some(read_first(disk.as_fd())),
            Err(e) => is_no_answer(e).then_some(Err(e)),
        }
    }

    fn device_file(&self) -> Option<PathBuf> {
        let facts = std::fs::read_to_string(self.node.as_ref()?.join("uevent")).ok()?;
        facts.lines().find_map(|line| line.strip_prefix("DEVNAME=")).map(|name| Path::new("/dev").join(name))
    }

    /// True only if the device was there and is not any more. Of several disks all must be gone: a mirror survives the
    /// loss of one.
    pub fn is_gone(&self) -> bool {
        let gone = |p: &PathBuf| !p.exists();
        self.node.as_ref().is_some_and(gone) || (!self.disks.is_empty() && self.disks.iter().all(gone))
    }

    /// As [`Device::is_gone`], after an error that may come from an unplugged disk: the kernel first fails the disk's
    /// requests and removes its node some moments later. Waits up to a second for that; only a failing or full disk
    /// costs this time.
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

/// How many devices may be stacked: more than anybody stacks.
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

#[cfg(test)]
mod tests {
    use super::*;

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
