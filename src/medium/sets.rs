//! Which sets are on a medium, by their labels.

use super::device::{Device, fault, gone, root_device};
use super::layout::{FOLDER, SetEntry, each_entry, each_name_of_thousands, open_folder, open_plain, thousands_in};
use super::{MediumError, probe};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind, file_name, folder_name};
use crate::format::seal::Seal;
use crate::format::{Malformed, limit};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::collections::BTreeMap;
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
    /// Further folders of a set that another folder is taken for: foreign.
    pub further: Vec<(Id, PathBuf)>,
}

impl Sets {
    /// Finds the sets on the medium whose root folder is `root`: none on a blank medium.
    pub fn find(root: &Path) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let (sets, is_doubtful) = probe::look(&device, || Self::find_once(root, &device))?;
        if sets.is_blank() && is_doubtful {
            return Err(gone(root, "looking for sets", Some(Errno::IO)));
        }
        // A disk that does not answer must not be taken for a blank one.
        let looking = |path: &Path| open_folder(CWD, path, true).map_err(|e| fault(path, &device, "looking for sets", e));
        let folders = sets.found.iter().map(|s| &s.path).chain(sets.broken.iter().map(|b| &b.path));
        let set = folders.filter_map(|path| looking(path).ok()).next();
        probe::check(root, &device, set.as_ref().map(AsFd::as_fd), looking(root)?.as_fd())?;
        Ok(sets)
    }

    fn find_once(root: &Path, device: &Device) -> Result<Self, MediumError> {
        let above = root.join(FOLDER);
        match std::fs::symlink_metadata(&above) {
            Ok(m) if m.is_dir() => {}
            Ok(_) => return Err(MediumError::NotADirectory { path: above }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(fault(&above, device, "looking for sets", errno(&e))),
        }
        let mut sets = Self::default();
        for entry in WalkDir::new(&above).min_depth(1).max_depth(1).sort_by_file_name() {
            let path = match entry {
                Ok(e) if e.file_type().is_dir() => e.into_path(),
                Ok(_) => continue,
                Err(e) => {
                    let path = e.path().unwrap_or(&above).to_owned();
                    let why = fault(&path, device, "looking for sets", e.io_error().map_or(Errno::IO, errno));
                    if e.depth() == 0 || matches!(why, MediumError::Gone { .. }) {
                        return Err(why);
                    }
                    sets.broken.push(BrokenLabel { id: id_in_name(&path), path, why });
                    continue;
                }
            };
            match label_of_set(&path, device) {
                Ok(label) => sets.found.push(SetOnMedium { id: label.set, label, path }),
                Err(gone @ MediumError::Gone { .. }) => return Err(gone),
                Err(why) => {
                    let id = set_of_first_seal(&path).or_else(|| id_in_name(&path));
                    // Without an id and a label it is a folder of something else.
                    if id.is_some() || !matches!(why, MediumError::NoLabel { .. }) {
                        sets.broken.push(BrokenLabel { id, path, why });
                    }
                }
            }
        }
        sets.set_further_apart();
        Ok(sets)
    }

    /// Of several folders of one set, one with a seal of it is taken before one without; of these the one that is called after
    /// it; else the first with a label that can be read.
    fn set_further_apart(&mut self) {
        let all = self.found.iter().map(|s| (s.id, &s.path));
        let all = all.chain(self.broken.iter().filter_map(|b| Some((b.id?, &b.path))));
        let mut folders: BTreeMap<Id, Vec<&PathBuf>> = BTreeMap::new();
        all.for_each(|(id, path)| folders.entry(id).or_default().push(path));
        let taken: BTreeMap<Id, PathBuf> = folders
            .into_iter()
            .filter_map(|(id, paths)| {
                let one = match paths[..] {
                    [only] => Some(only),
                    _ => {
                        let order = |path: &&&PathBuf| (!has_seal_of(path, id), id_in_name(path) != Some(id));
                        paths.iter().min_by_key(order).copied()
                    }
                };
                Some((id, one?.clone()))
            })
            .collect();
        let is_taken = |id: Id, path: &Path| taken.get(&id).is_some_and(|one| one == path);
        let is_further = |(id, path): &(Id, PathBuf)| !is_taken(*id, path);
        let found = self.found.iter().map(|s| (s.id, s.path.clone()));
        let broken = self.broken.iter().filter_map(|b| Some((b.id?, b.path.clone())));
        self.further = found.chain(broken).filter(is_further).collect();
        self.found.retain(|s| is_taken(s.id, &s.path));
        self.broken.retain(|b| b.id.is_none_or(|id| is_taken(id, &b.path)));
    }

    /// The ids of all sets; of those whose label cannot be read, as far as something names them.
    pub fn ids(&self) -> Vec<Id> {
        self.found.iter().map(|s| s.id).chain(self.broken.iter().filter_map(|b| b.id)).collect()
    }

    /// The same, without folders that have no object: such a folder is no set to a reader. To a writer it may be the beginning of
    /// one, whose label a power failure has taken; and where there is nothing else, it is what there is.
    pub fn ids_to_read(&self) -> Vec<Id> {
        let ids: Vec<Id> = self.ids().into_iter().filter(|id| !self.is_empty_folder(*id)).collect();
        if ids.is_empty() { self.ids() } else { ids }
    }

    fn is_empty_folder(&self, id: Id) -> bool {
        let mut of_set = self.broken.iter().filter(|b| b.id == Some(id));
        of_set.any(|b| matches!(b.why, MediumError::NoLabel { .. }) && !has_objects(&b.path))
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
    /// The set: by the header of a cartridge, or by the first seal, or by the folder's name. Only a hint: no label confirms it.
    pub id: Option<Id>,
    /// The set's folder, or the tape device.
    pub path: PathBuf,
    /// Why the label cannot be read.
    pub why: MediumError,
}

impl BrokenLabel {
    /// Whether a newer version has begun the set. Beside seals of this version, a newer label is damage, or was put there.
    pub(super) fn is_newer(&self) -> bool {
        matches!(self.why, MediumError::NewerFormat { .. }) && set_of_first_seal(&self.path).is_none()
    }
}

fn id_in_name(path: &Path) -> Option<Id> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Whether there is anything with the name of an object; also if that cannot be told.
fn has_objects(set: &Path) -> bool {
    let mut found = false;
    let looked = open_folder(CWD, set, false).map_err(|e| (None, e)).and_then(|fd| {
        each_entry(&fd, |entry| {
            found |= matches!(entry, SetEntry::Object { .. });
            Ok(())
        })
    });
    found || looked.is_err()
}

/// The set that the first seal in its place names.
fn set_of_first_seal(set: &Path) -> Option<Id> {
    find_sealed_set(set, |_| true)
}

/// Whether a seal in its place names a set.
fn has_seal_of(set: &Path, id: Id) -> bool {
    find_sealed_set(set, |sealed| sealed == id).is_some()
}

/// The first set that a seal in its place names, and `wanted` takes.
fn find_sealed_set(set: &Path, wanted: impl Fn(Id) -> bool) -> Option<Id> {
    let fd = open_folder(CWD, set, false).ok()?;
    for thousands in thousands_in(&fd).ok()? {
        let path = set.join(folder_name(thousands));
        let Ok(folder) = open_folder(&fd, Path::new(&folder_name(thousands)), false) else { continue };
        for number in numbers_of(ObjectKind::Seal, &folder, &path, thousands).0 {
            let mut head = Vec::new();
            if let Ok(Some(file)) = open_plain(&folder, file_name(number, ObjectKind::Seal))
                && File::from(file).take(limit::HEAD_BYTES).read_to_end(&mut head).is_ok()
                && let Ok(signed) = Seal::decode(&head)
                && signed.seal.number() == number
                && wanted(signed.seal.set)
            {
                return Some(signed.seal.set);
            }
        }
    }
    None
}

/// The objects of a kind in a folder of thousands, ascending, and why it could not be read whole.
fn numbers_of(kind: ObjectKind, folder: &OwnedFd, path: &Path, thousands: u64) -> (Vec<u64>, Option<Errno>) {
    let mut numbers = Vec::new();
    let read = each_name_of_thousands(folder, path, thousands, |entry| {
        if let SetEntry::Object { number, kind: found, .. } = entry
            && found == kind
        {
            numbers.push(number);
        }
        Ok(())
    });
    numbers.sort_unstable();
    (numbers, read.err())
}

/// The label that says which set is in a folder: one with the set that the folder is called after, else the first; if there
/// are seals and none is of its set, one with the set of the first seal. What other labels say was put there by somebody.
fn label_of_set(set: &Path, device: &Device) -> Result<Label, MediumError> {
    let label = first_label(set, id_in_name(set), device)?;
    if has_seal_of(set, label.set) {
        return Ok(label);
    }
    match set_of_first_seal(set) {
        None => Ok(label),
        Some(sealed) => match first_label(set, Some(sealed), device)? {
            label if label.set == sealed => Ok(label),
            _ => Err(MediumError::NoLabel { path: set.to_owned() }),
        },
    }
}

/// The lowest-numbered label that can be read and names the set `wanted`; else the lowest-numbered
/// one; else the first error. Folders of thousands behind it are not read.
fn first_label(set: &Path, wanted: Option<Id>, device: &Device) -> Result<Label, MediumError> {
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
                    if wanted.is_none_or(|id| id == label.set) {
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
    let (numbers, unread) = numbers_of(ObjectKind::Label, folder, path, thousands);
    let mut first_error = unread.map(|e| fault(path, device, "looking for labels", e));
    let mut labels = Vec::new();
    for number in numbers {
        match read_label(folder, path, number, device) {
            Ok(label) if label.first_object == number => labels.push(label),
            Ok(_) => {}
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
