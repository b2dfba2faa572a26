//! Which sets are on a medium: their labels, found by walking two levels deep.

use super::MediumError;
use super::device::{Device, check_attached, fault, root_device};
use super::layout::{FOLDER, open_plain};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind, file_name, parse_file_name};
use crate::format::{Malformed, limit};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// The sets on a medium. Both lists ascend by path.
#[derive(Debug, Default)]
pub struct Sets {
    /// The sets whose label can be read.
    pub found: Vec<SetOnMedium>,
    /// Folders that look like a set's and have no label that can be read. The other sets are still usable.
    pub broken: Vec<BrokenLabel>,
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
        let mut labels: BTreeMap<PathBuf, Vec<u64>> = BTreeMap::new();
        let mut sets = Self::default();
        for entry in WalkDir::new(&above).min_depth(1).max_depth(2) {
            match entry {
                Ok(e) if e.depth() == 1 && e.file_type().is_dir() => {
                    labels.entry(e.into_path()).or_default();
                }
                Ok(e) if e.depth() == 2 => {
                    let number = e.file_name().to_str().and_then(parse_file_name).filter(|(_, k)| *k == ObjectKind::Label);
                    if let (Some((number, _)), Some(folder)) = (number, e.path().parent()) {
                        labels.entry(folder.to_owned()).or_default().push(number);
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    let code = e.io_error().map_or(Errno::IO, errno);
                    let path = e.path().unwrap_or(&above).to_owned();
                    let why = fault(&path, &device, "looking for labels", code);
                    if e.depth() == 0 || matches!(why, MediumError::Gone { .. }) {
                        return Err(why);
                    }
                    labels.remove(&path);
                    sets.broken.push(BrokenLabel { header: None, path, why });
                }
            }
        }
        for (path, mut numbers) in labels {
            numbers.sort_unstable();
            match first_label(&path, &numbers, &device) {
                Ok(label) => sets.found.push(SetOnMedium { id: label.set, label, path }),
                // A folder of something else.
                Err(MediumError::NoLabel { .. }) if BrokenLabel::is_foreign(&path) => {}
                Err(why) => sets.broken.push(BrokenLabel { header: None, path, why }),
            }
        }
        sets.broken.sort_by(|a, b| a.path.cmp(&b.path));
        // An unplugged disk must not be taken for a blank one.
        check_attached(root, &device)?;
        Ok(sets)
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

/// The lowest-numbered label that can be read; else the error of the lowest-numbered one.
fn first_label(folder: &Path, numbers: &[u64], device: &Device) -> Result<Label, MediumError> {
    let mut first_error = None;
    for number in numbers {
        match read_label(&folder.join(file_name(*number, ObjectKind::Label)), *number, device) {
            Ok(label) => return Ok(label),
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: folder.to_owned() }))
}

fn read_label(path: &Path, number: u64, device: &Device) -> Result<Label, MediumError> {
    let folder = || path.parent().unwrap_or(path).display().to_string();
    let kind = ObjectKind::Label;
    let file = match open_plain(rustix::fs::CWD, path) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(MediumError::NotAFile { medium: folder(), number, kind }),
        Err(e) => return Err(fault(path, device, "opening the label", e)),
    };
    let mut bytes = Vec::new();
    if let Err(source) = File::from(file).take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes) {
        return Err(match fault(path, device, "reading the label", errno(&source)) {
            gone @ MediumError::Gone { .. } => gone,
            _ => MediumError::Unreadable { medium: folder(), number, kind, source },
        });
    }
    decode_label(&bytes, path)
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
