//! What a person names as a medium: a folder, or the device of a tape drive.

use super::directory::Directory;
use super::file_system::free_bytes;
use super::loader::Loader;
use super::sets::{BrokenLabel, PlaceOfSet, SetOnMedium, Sets, decode_label};
use super::tape::drive::Drive;
use super::tape::{Loaded, Tape, mam, st};
use super::{ErrorCategory, Listing, Medium, MediumError};
use crate::format::label::Label;
use crate::format::limit;
use crate::format::object::{Id, ObjectKind};
use crate::interruption::Interruption;
use crate::lock::FileLock;
use rustix::fs::{major, minor};
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, MediumError>;

/// The folder or drive at a path. Of a cartridge, the set is known by its headers.
pub struct AttachedMedium {
    path: PathBuf,
    kind: AttachedKind,
    interruption: Interruption,
}

enum AttachedKind {
    /// Where its sets are, as they were found once: whoever opens one after the other does not look for all of them each
    /// time.
    Folder(OnceCell<BTreeMap<Id, PlaceOfSet>>),
    BlankTape(Box<dyn Drive>),
    Tape(Id, Tape),
}

/// A medium that this run writes to, and the lock that excludes other writers. A tape needs none: the kernel opens a
/// drive for one process at a time.
pub type Writable = (Box<dyn Medium>, Option<FileLock>);

impl AttachedMedium {
    /// Looks at what is at a path. Fails for a drive without a cartridge, and with [`MediumError::Foreign`] for a
    /// cartridge that another program has written.
    pub fn find(path: &Path, loader: &dyn Loader) -> Result<Self> {
        let kind = match loader.drive(path)? {
            None => AttachedKind::Folder(OnceCell::new()),
            Some(drive) => match Loaded::in_drive(drive)? {
                Loaded::Blank(drive) => AttachedKind::BlankTape(drive),
                Loaded::Known(set, drive) => AttachedKind::Tape(set, Tape::open(drive, set)?),
            },
        };
        Ok(Self { path: path.to_owned(), kind, interruption: loader.interruption() })
    }

    /// The set of the cartridge in the drive; `None` for a blank one and for a folder.
    pub fn tape_set(&self) -> Option<Id> {
        match self.kind {
            AttachedKind::Tape(id, _) => Some(id),
            AttachedKind::Folder(_) | AttachedKind::BlankTape(_) => None,
        }
    }

    /// Whether it is a tape drive.
    pub fn is_tape(&self) -> bool {
        !matches!(self.kind, AttachedKind::Folder(_))
    }

    /// The sets on the medium. A cartridge has at most one.
    pub fn sets(&self) -> Result<Sets> {
        match &self.kind {
            AttachedKind::Folder(places) => {
                let sets = Sets::find_until(&self.path, self.interruption)?;
                let _ = places.set(sets.places());
                Ok(sets)
            }
            AttachedKind::BlankTape(_) => Ok(Sets::default()),
            AttachedKind::Tape(id, tape) => {
                let path = self.path.clone();
                match label_on(tape, &self.path) {
                    Ok(label) => Ok(Sets { found: vec![SetOnMedium { id: *id, label, path }], ..Sets::default() }),
                    Err(why) if why.category() == ErrorCategory::Damage || matches!(why, MediumError::NewerFormat { .. }) => {
                        Ok(Sets { broken: vec![BrokenLabel { id: Some(*id), path, why }], ..Sets::default() })
                    }
                    Err(e) => Err(e),
                }
            }
        }
    }

    /// The same medium once more, with the sets as they were found. `None` for a drive, which is open only once.
    pub fn again(&self) -> Option<Self> {
        let AttachedKind::Folder(places) = &self.kind else { return None };
        let kind = AttachedKind::Folder(places.clone());
        Some(Self { path: self.path.clone(), kind, interruption: self.interruption })
    }

    fn directory(&self, places: &OnceCell<BTreeMap<Id, PlaceOfSet>>, set: Id) -> Result<Directory> {
        let found = match places.get() {
            Some(found) => found,
            None => &Sets::find_until(&self.path, self.interruption)?.places(),
        };
        Ok(Directory::open_found(&self.path, found, set)?.stopped_by(self.interruption))
    }

    /// The objects of a set on this medium.
    pub fn list(&self, set: Id) -> Result<Listing> {
        match &self.kind {
            AttachedKind::Folder(places) => self.directory(places, set)?.list(),
            AttachedKind::Tape(id, tape) if *id == set => tape.list(),
            _ => Err(MediumError::NoSuchSet { path: self.path.clone(), set }),
        }
    }

    /// Calls `f` with a set on this medium, opened for reading.
    pub fn with_set<T>(&self, set: Id, f: impl FnOnce(&dyn Medium) -> Result<T>) -> Result<T> {
        match &self.kind {
            AttachedKind::Folder(places) => f(&self.directory(places, set)?),
            AttachedKind::Tape(id, tape) if *id == set => f(tape),
            _ => Err(MediumError::NoSuchSet { path: self.path.clone(), set }),
        }
    }

    /// All labels of a set on this medium that can be decoded, ascending by number.
    pub fn labels(&self, set: Id) -> Result<Vec<Label>> {
        self.with_set(set, |medium| {
            let mut labels = Vec::new();
            for o in medium.list()?.objects.iter().filter(|o| o.kind == ObjectKind::Label) {
                match read_label(medium, o.number, &self.path) {
                    Ok(label) => labels.push(label),
                    Err(e) if e.category() == ErrorCategory::Damage => {}
                    Err(MediumError::NewerFormat { .. }) => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(labels)
        })
    }

    /// Bytes that may still be appended; `None` where that is not known. An estimate, as [`Medium::free_bytes`] is.
    pub fn free_bytes(&self) -> Option<u64> {
        match self.kind {
            AttachedKind::Folder(_) => free_bytes(std::fs::File::open(&self.path).ok()?),
            AttachedKind::BlankTape(_) | AttachedKind::Tape(..) => None,
        }
    }

    /// Opens a set for reading. Reading ends when the user wants to stop.
    pub fn open(self, set: Id) -> Result<Box<dyn Medium>> {
        match self.kind {
            AttachedKind::Folder(ref places) => Ok(Box::new(self.directory(places, set)?)),
            AttachedKind::Tape(id, tape) if id == set => Ok(Box::new(tape.stopped_by(self.interruption))),
            _ => Err(MediumError::NoSuchSet { path: self.path, set }),
        }
    }

    /// Does not let the user stop the reading of what is written: a run that seals ends by itself.
    #[must_use]
    pub fn without_interruption(self) -> Self {
        Self { interruption: Interruption::default(), ..self }
    }

    /// Opens a set for writing. Reading ends when the user wants to stop, unless [`Self::without_interruption`].
    pub fn open_to_write(self, set: Id) -> Result<Writable> {
        match self.kind {
            AttachedKind::Folder(ref places) => locked(self.directory(places, set)?, &self.path),
            _ => Ok((self.open(set)?, None)),
        }
    }

    /// Begins a set, or its next medium, on a medium that has no object of the set: creates the set's folder. Nothing
    /// is written to a tape yet. `block`: bytes of a tape's block, see [`super::tape::check_block`].
    pub fn begin(self, set: Id, block: u32) -> Result<Writable> {
        match self.kind {
            AttachedKind::Folder(_) => locked(Directory::create(&self.path, set)?.stopped_by(self.interruption), &self.path),
            AttachedKind::BlankTape(drive) => {
                Ok((Box::new(Tape::create(drive, set, block)?.stopped_by(self.interruption)), None))
            }
            AttachedKind::Tape(..) => Err(MediumError::NotBlank { medium: self.path.display().to_string() }),
        }
    }
}

/// The hardware of a medium: model and serial number of the disk below a folder, as udev reports them, or the serial
/// number of the cartridge in a drive. `None` where there is none or it cannot be read. Formatting the medium does not
/// change it.
pub fn device_name(folder: &Path) -> Option<String> {
    if st::is_drive(folder) {
        return mam::serial(folder);
    }
    let device = rustix::fs::stat(folder).ok()?.st_dev;
    name_in_udev(Path::new(UDEV), &format!("{}:{}", major(device), minor(device)))
}

/// What udev knows of the devices that are plugged in.
const UDEV: &str = "/run/udev/data";

/// What udev calls the disk of a block device, given by its number as `major:minor`.
fn name_in_udev(udev: &Path, number: &str) -> Option<String> {
    let known = std::fs::read_to_string(udev.join(format!("b{number}"))).ok()?;
    let serial = known.lines().find_map(|line| line.strip_prefix("E:ID_SERIAL="))?;
    (!serial.is_empty()).then(|| serial.to_owned())
}

/// The node of a disk that is plugged in, by the name that [`device_name`] gives it. A dock without a disk, which has no
/// bytes, is none.
pub fn disk_with_name(name: &str) -> Option<PathBuf> {
    find_disk(Path::new("/sys/class/block"), Path::new(UDEV), name)
}

fn find_disk(sysfs: &Path, udev: &Path, name: &str) -> Option<PathBuf> {
    let mut disks: Vec<PathBuf> = std::fs::read_dir(sysfs).ok()?.flatten().map(|e| e.path()).collect();
    // The disk before its parts.
    disks.sort();
    disks.into_iter().find_map(|disk| {
        let read = |fact| std::fs::read_to_string(disk.join(fact)).ok().map(|text| text.trim().to_owned());
        let is_there = read("size").is_some_and(|sectors| sectors != "0");
        let is_named = || read("dev").and_then(|number| name_in_udev(udev, &number)).as_deref() == Some(name);
        (is_there && is_named()).then(|| Path::new("/dev").join(disk.file_name().unwrap_or_default()))
    })
}

/// Whether this process may write to the medium at a path: a folder's mount, or the cartridge in a drive, is not
/// write-protected.
pub fn is_writable(at: &Path) -> bool {
    if st::is_drive(at) {
        let protected = st::StDrive::open(at).and_then(|mut drive| drive.is_write_protected());
        return !matches!(protected, Ok(true));
    }
    rustix::fs::statvfs(at).is_ok_and(|s| !s.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

fn locked(directory: Directory, root: &Path) -> Result<Writable> {
    let directory = directory.with_immutable(Directory::wants_immutable(root));
    let guard = directory.lock()?;
    Ok((Box::new(directory), Some(guard)))
}

/// The cartridge's own label: the first that can be read. A torn one of an interrupted run may come before it.
fn label_on(tape: &Tape, path: &Path) -> Result<Label> {
    let mut first_error = None;
    for o in tape.list()?.objects.iter().filter(|o| o.kind == ObjectKind::Label) {
        match read_label(tape, o.number, path) {
            Ok(label) => return Ok(label),
            Err(e) if e.category() == ErrorCategory::Damage => first_error = first_error.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: path.to_owned() }))
}

fn read_label(medium: &dyn Medium, number: u64, path: &Path) -> Result<Label> {
    let mut bytes = Vec::new();
    let read = medium.open(number, ObjectKind::Label)?.take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|e| MediumError::of_read(path.display().to_string(), number, ObjectKind::Label, e))?;
    decode_label(&bytes, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is plugged in and not mounted is still there. A dock that is empty is not its disk.
    #[test]
    fn a_disk_is_found_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (sysfs, udev) = (dir.path().join("block"), dir.path().join("udev"));
        std::fs::create_dir(&udev).unwrap();
        for (disk, number, sectors, name) in
            [("sda", "8:0", "99", "System"), ("sdb", "8:16", "0", "Dock"), ("sdc1", "8:33", "7", "CL")]
        {
            std::fs::create_dir_all(sysfs.join(disk)).unwrap();
            std::fs::write(sysfs.join(disk).join("dev"), format!("{number}\n")).unwrap();
            std::fs::write(sysfs.join(disk).join("size"), format!("{sectors}\n")).unwrap();
            std::fs::write(udev.join(format!("b{number}")), format!("S:disk\nE:ID_SERIAL={name}\n")).unwrap();
        }
        let found = |name| find_disk(&sysfs, &udev, name);
        assert_eq!(found("CL"), Some("/dev/sdc1".into()));
        assert_eq!((found("Dock"), found("Away"), found("")), (None, None, None));
    }
}
