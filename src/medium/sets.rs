//! Which sets are on a medium, by their labels.

use super::MediumError;
use super::device::{Device, check_attached, fault, root_device};
use super::layout::{FOLDER, SetEntry, each_name_of_thousands, open_folder, open_plain, thousands_in};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind, file_name, folder_name};
use crate::format::{Malformed, limit};
use rustix::fd::OwnedFd;
use rustix::fs::CWD;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The sets on a medium. The lists ascend by path, and each set is in them once.
#[derive(Debug, Default)]
pub struct Sets {
    /// The sets whose label can be read.
    pub found: Vec<SetOnMedium>,
    /// Folders that look like a set's and have no label that can be read. The other sets are still usable.
    pub broken: Vec<BrokenLabel>,
    /// Further folders with a label of a set that another folder is taken for: foreign.
    pub further: Vec<SetOnMedium>,
}

impl Sets {
    /// Finds the sets on the medium whose root folder is `root`: none on a blank medium.
    pub fn find(root: &Path) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let above = root.join(FOLDER);
        match std::fs::symlink_metadata(&above) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => return Err(MediumError::NotADirectory { path: above }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(fault(&above, &device, "looking for sets", errno(&e))),
        }
        let mut sets = Self::default();
        for entry in WalkDir::new(&above).min_depth(1).max_depth(1).sort_by_file_name() {
            let path = match entry {
                Ok(e) if e.file_type().is_dir() => e.into_path(),
                Ok(_) => continue,
                Err(e) => {
                    let path = e.path().unwrap_or(&above).to_owned();
                    let why = fault(&path, &device, "looking for sets", e.io_error().map_or(Errno::IO, errno));
                    if e.depth() == 0 || matches!(why, MediumError::Gone { .. }) {
                        return Err(why);
                    }
                    sets.broken.push(BrokenLabel { header: None, path, why });
                    continue;
                }
            };
            match first_label(&path, &device) {
                Ok(label) => sets.found.push(SetOnMedium { id: label.set, label, path }),
                Err(gone @ MediumError::Gone { .. }) => return Err(gone),
                // A folder of something else.
                Err(MediumError::NoLabel { .. }) if BrokenLabel::is_foreign(&path) => {}
                Err(why) => sets.broken.push(BrokenLabel { header: None, path, why }),
            }
        }
        sets.set_further_apart();
        // An unplugged disk must not be taken for a blank one.
        check_attached(root, &device)?;
        Ok(sets)
    }

    /// Of several folders with a label of one set, the one that is called after it is the set's; where none is, the first.
    fn set_further_apart(&mut self) {
        let mut taken: BTreeSet<Id> = self.broken.iter().filter_map(BrokenLabel::folder_id).collect();
        let (named, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.found).into_iter().partition(SetOnMedium::is_called_so);
        for set in named.into_iter().chain(others) {
            match taken.insert(set.id) {
                true => self.found.push(set),
                false => self.further.push(set),
            }
        }
        self.found.sort_by(|a, b| a.path.cmp(&b.path));
    }

    /// No set, and nothing that looks like one.
    pub fn is_blank(&self) -> bool {
        self.found.is_empty() && self.broken.is_empty()
    }
}

/// A set on a medium, identified by its label.
#[derive(Debug, Clone)]
pub struct SetOnMedium {
    /// As the label says, not the folder's name.
    pub id: Id,
    /// The first label that can be read. A folder with copies of several media has further ones.
    pub label: Label,
    /// The set's folder, or the tape device.
    pub path: PathBuf,
}

impl SetOnMedium {
    fn is_called_so(&self) -> bool {
        self.path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse().ok()) == Some(self.id)
    }
}

/// A set's folder, or a cartridge, whose label cannot be read.
#[derive(Debug)]
pub struct BrokenLabel {
    /// The set's id in the header of a cartridge; `None` for a folder.
    pub header: Option<Id>,
    /// The set's folder, or the tape device.
    pub path: PathBuf,
    /// Why the label cannot be read.
    pub why: MediumError,
}

impl BrokenLabel {
    /// The id in the folder's name or in the cartridge's header. Only a hint: no label confirms it.
    pub fn folder_id(&self) -> Option<Id> {
        if self.header.is_some() {
            return self.header;
        }
        self.path.file_name()?.to_str()?.parse().ok()
    }
}

impl BrokenLabel {
    fn is_foreign(path: &Path) -> bool {
        path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.parse::<Id>().is_err())
    }
}

/// The lowest-numbered label that can be read and names the set that the folder is called after; else the lowest-numbered
/// one; else the first error. Folders of thousands behind it are not read.
fn first_label(set: &Path, device: &Device) -> Result<Label, MediumError> {
    let named = set.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<Id>().ok());
    let mut first = None;
    let looking = |path: &Path, e| fault(path, device, "looking for labels", e);
    let fd = open_folder(CWD, set, false).map_err(|e| looking(set, e))?;
    let mut first_error = None;
    for thousands in thousands_in(&fd).map_err(|e| looking(set, e))? {
        let path = set.join(folder_name(thousands));
        let folder = match open_folder(&fd, Path::new(&folder_name(thousands)), false) {
            Ok(folder) => folder,
            // Foreign.
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NOENT) => continue,
            Err(e) => {
                first_error = first_error.or(Some(looking(&path, e)));
                continue;
            }
        };
        match labels_in(&folder, &path, thousands, device) {
            Ok(labels) => {
                for label in labels {
                    if named.is_none_or(|id| id == label.set) {
                        return Ok(label);
                    }
                    first = first.or(Some(label));
                }
            }
            Err(gone @ MediumError::Gone { .. }) => return Err(gone),
            Err(MediumError::NoLabel { .. }) => {}
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    match first {
        Some(label) => Ok(label),
        None => Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: set.to_owned() })),
    }
}

/// The labels in one folder of thousands, which is open as `folder`.
fn labels_in(folder: &OwnedFd, path: &Path, thousands: u64, device: &Device) -> Result<Vec<Label>, MediumError> {
    let mut numbers = Vec::new();
    let read = each_name_of_thousands(folder, path, thousands, |entry| {
        if let SetEntry::Object { number, kind: ObjectKind::Label, .. } = entry {
            numbers.push(number);
        }
        Ok(())
    });
    let mut first_error = read.err().map(|e| fault(path, device, "looking for labels", e));
    numbers.sort_unstable();
    let mut labels = Vec::new();
    for number in numbers {
        match read_label(folder, path, number, device) {
            Ok(label) => labels.push(label),
            Err(gone @ MediumError::Gone { .. }) => return Err(gone),
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    match labels.is_empty() {
        true => Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: path.to_owned() })),
        false => Ok(labels),
    }
}

fn read_label(folder: &OwnedFd, path: &Path, number: u64, device: &Device) -> Result<Label, MediumError> {
    let medium = || path.parent().unwrap_or(path).display().to_string();
    let name = file_name(number, ObjectKind::Label);
    let (path, kind) = (path.join(&name), ObjectKind::Label);
    let file = match open_plain(folder, name) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(MediumError::NotAFile { medium: medium(), number, kind }),
        Err(e) => return Err(fault(&path, device, "opening the label", e)),
    };
    let mut bytes = Vec::new();
    if let Err(source) = File::from(file).take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes) {
        return Err(match fault(&path, device, "reading the label", errno(&source)) {
            gone @ MediumError::Gone { .. } => gone,
            _ => MediumError::Unreadable { medium: medium(), number, kind, source },
        });
    }
    decode_label(&bytes, &path)
}

/// `path`: the label's file or the tape device, for the error.
pub(super) fn decode_label(bytes: &[u8], path: &Path) -> Result<Label, MediumError> {
    Label::decode(bytes).map_err(|e| match e {
        Malformed::Newer { found, .. } => MediumError::NewerFormat { path: path.to_owned(), found },
        source => MediumError::BadLabel { path: path.to_owned(), source },
    })
}

fn errno(e: &std::io::Error) -> Errno {
    Errno::from_io_error(e).unwrap_or(Errno::IO)
}
