//! Which sets lie on a medium: their labels, found by walking two levels deep.

use super::directory::{FOLDER, fault, open_plain};
use super::file_system::Device;
use super::{Directory, MediumError};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind, file_name, parse_file_name};
use crate::format::{Malformed, limit};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// What [`Directory::sets`] found. Both lists ascend by path.
#[derive(Debug, Default)]
pub struct Sets {
    pub found: Vec<SetOnMedium>,
    /// Folders that look like a set's and have no label that can be read. The other sets are none the worse for them.
    pub broken: Vec<BrokenLabel>,
}

impl Sets {
    /// No set, and nothing that looks like one.
    pub fn is_blank(&self) -> bool {
        self.found.is_empty() && self.broken.is_empty()
    }
}

/// A set that lies on a medium, by its label.
#[derive(Debug, Clone)]
pub struct SetOnMedium {
    /// The label's word, not the folder's name.
    pub id: Id,
    /// The first label that can be read. A folder that holds copies of several media has further ones.
    pub label: Label,
    pub path: PathBuf,
}

/// A set's folder whose label cannot be read.
#[derive(Debug)]
pub struct BrokenLabel {
    /// The set's id, where something else than the label tells it: a cartridge's header.
    pub header: Option<Id>,
    pub path: PathBuf,
    pub why: MediumError,
}

impl BrokenLabel {
    /// The id in the folder's name or in the cartridge's header: a hint, since no label vouches for it.
    pub fn folder_id(&self) -> Option<Id> {
        if self.header.is_some() {
            return self.header;
        }
        self.path.file_name()?.to_str()?.parse().ok()
    }
}

impl Directory {
    /// The sets on the medium whose root folder is `root`. A blank medium has none, and that is no error.
    pub fn sets(root: &Path) -> Result<Sets, MediumError> {
        let device = root_device(root)?;
        let above = root.join(FOLDER);
        match std::fs::symlink_metadata(&above) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => return Err(MediumError::NotADirectory { path: above }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Sets::default()),
            Err(e) => return Err(fault(&above, &device, "looking for sets", errno(&e))),
        }
        let mut labels: BTreeMap<PathBuf, Vec<u64>> = BTreeMap::new();
        let mut sets = Sets::default();
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
                // Somebody's folder, not a set's.
                Err(MediumError::NoLabel { .. }) if BrokenLabel::is_foreign(&path) => {}
                Err(why) => sets.broken.push(BrokenLabel { header: None, path, why }),
            }
        }
        sets.broken.sort_by(|a, b| a.path.cmp(&b.path));
        // A disk that went must not pass for a blank one.
        still_there(root, &device)?;
        Ok(sets)
    }
}

impl BrokenLabel {
    fn is_foreign(path: &Path) -> bool {
        path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.parse::<Id>().is_err())
    }
}

/// The device below a medium's root, or why it is no medium's root.
pub(super) fn root_device(root: &Path) -> Result<Device, MediumError> {
    let folder = super::directory::open_folder(rustix::fs::CWD, root, true).map_err(|e| match e {
        Errno::NOENT => MediumError::NotFound { path: root.to_owned() },
        Errno::NOTDIR => MediumError::NotADirectory { path: root.to_owned() },
        // Nothing can be asked about what cannot be opened; a disk that fails here is none, gone or not.
        Errno::IO => gone(root, Some(e)),
        e => fault(root, &Device::unknown(), "opening the folder", e),
    })?;
    let device = Device::below(folder, root);
    still_there(root, &device)?;
    Ok(device)
}

fn gone(root: &Path, e: Option<Errno>) -> MediumError {
    MediumError::Gone { place: root.display().to_string(), what: "opening the folder", source: e.map(Into::into) }
}

fn still_there(root: &Path, device: &Device) -> Result<(), MediumError> {
    if device.is_gone() { Err(gone(root, None)) } else { Ok(()) }
}

/// The lowest-numbered label that can be read; else what is wrong with the lowest-numbered one.
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
    let place = || path.parent().unwrap_or(path).display().to_string();
    let kind = ObjectKind::Label;
    let file = match open_plain(rustix::fs::CWD, path) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(MediumError::NotAFile { place: place(), number, kind }),
        Err(e) => return Err(fault(path, device, "opening the label", e)),
    };
    let mut bytes = Vec::new();
    if let Err(source) = File::from(file).take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes) {
        return Err(match fault(path, device, "reading the label", errno(&source)) {
            gone @ MediumError::Gone { .. } => gone,
            _ => MediumError::Unreadable { place: place(), number, kind, source },
        });
    }
    Label::decode(&bytes).map_err(|e| match e {
        Malformed::Newer { found, .. } => MediumError::NewerFormat { path: path.to_owned(), found },
        source => MediumError::BadLabel { path: path.to_owned(), source },
    })
}

fn errno(e: &std::io::Error) -> Errno {
    Errno::from_io_error(e).unwrap_or(Errno::IO)
}
