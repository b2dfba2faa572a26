//! Which sets are on a medium, by their labels.

use super::device::{Device, fault, gone, root_device};
use super::layout::{FOLDER, SetEntry, each_entry, each_name, each_name_of_thousands, open_folder, open_plain, thousands_in};
use super::{MediumError, probe};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind, file_name, folder_name};
use crate::format::seal::Seal;
use crate::format::{Malformed, limit};
use crate::interruption::Interruption;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Names beside the sets' folders and these, together: a label of each is in memory. A medium has a few sets.
const MOST_NAMES: usize = 4096;

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
        Self::find_until(root, Interruption::default())
    }

    /// The same, until the user wants to stop.
    pub fn find_until(root: &Path, interruption: Interruption) -> Result<Self, MediumError> {
        let device = root_device(root)?;
        let search = Search { device: &device, interruption };
        let (sets, is_doubtful) = probe::look(&device, || Self::find_once(root, search))?;
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

    fn find_once(root: &Path, search: Search) -> Result<Self, MediumError> {
        let above = root.join(FOLDER);
        let folder = match open_folder(CWD, &above, false) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(Self::default()),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(MediumError::NotADirectory { path: above }),
            Err(e) => return Err(search.fault(&above, "looking for sets", e)),
        };
        let (names, unread) = search.names_in(&folder, &above)?;
        let mut sets = Self::default();
        if let Some(e) = unread {
            match search.fault(&above, "looking for sets", e) {
                gone @ MediumError::Gone { .. } => return Err(gone),
                why => sets.broken.push(BrokenLabel { id: None, path: above.clone(), why }),
            }
        }
        for path in names.iter().map(|name| above.join(OsStr::from_bytes(name))) {
            match search.label_of_set(&path) {
                Ok(None) => {}
                Ok(Some(label)) => sets.found.push(SetOnMedium { id: label.set, label, path }),
                Err(end @ (MediumError::Gone { .. } | MediumError::Interrupted)) => return Err(end),
                Err(why) => {
                    let id = search.set_of_first_seal(&path)?.or_else(|| id_in_name(&path));
                    // Without an id and a label it is a folder of something else.
                    if id.is_some() || !matches!(why, MediumError::NoLabel { .. }) {
                        sets.broken.push(BrokenLabel { id, path, why });
                    }
                }
            }
        }
        sets.set_further_apart(search)?;
        Ok(sets)
    }

    /// Of several folders of one set, one with a seal of it is taken before one without; of these the one that is called after
    /// it; else the first with a label that can be read.
    fn set_further_apart(&mut self, search: Search) -> Result<(), MediumError> {
        let all = self.found.iter().map(|s| (s.id, &s.path));
        let all = all.chain(self.broken.iter().filter_map(|b| Some((b.id?, &b.path))));
        let mut folders: BTreeMap<Id, Vec<&PathBuf>> = BTreeMap::new();
        all.for_each(|(id, path)| folders.entry(id).or_default().push(path));
        let mut taken: BTreeMap<Id, PathBuf> = BTreeMap::new();
        for (id, paths) in folders {
            let mut first: Option<((bool, bool), &PathBuf)> = None;
            for path in &paths {
                let lacks_seal = paths.len() > 1 && !search.has_seal_of(path, id)?;
                let order = (lacks_seal, id_in_name(path) != Some(id));
                if first.is_none_or(|(least, _)| order < least) {
                    first = Some((order, path));
                }
            }
            taken.extend(first.map(|(_, path)| (id, path.clone())));
        }
        let is_taken = |id: Id, path: &Path| taken.get(&id).is_some_and(|one| one == path);
        let is_further = |(id, path): &(Id, PathBuf)| !is_taken(*id, path);
        let found = self.found.iter().map(|s| (s.id, s.path.clone()));
        let broken = self.broken.iter().filter_map(|b| Some((b.id?, b.path.clone())));
        self.further = found.chain(broken).filter(is_further).collect();
        self.found.retain(|s| is_taken(s.id, &s.path));
        self.broken.retain(|b| b.id.is_none_or(|id| is_taken(id, &b.path)));
        Ok(())
    }

    /// The ids of all sets; of those whose label cannot be read, as far as something names them.
    pub fn ids(&self) -> Vec<Id> {
        self.found.iter().map(|s| s.id).chain(self.broken.iter().filter_map(|b| b.id)).collect()
    }

    /// The same, without folders that have no object: such a folder is no set to a reader. To a writer it may be the beginning of
    /// one, whose label a power failure has taken; and where there is nothing else, it is what there is.
    pub fn ids_to_read(&self) -> Vec<Id> {
        let empty = self.empty_folders();
        let ids: Vec<Id> = self.ids().into_iter().filter(|id| !empty.contains(id)).collect();
        if ids.is_empty() { self.ids() } else { ids }
    }

    /// The sets whose folder has no object.
    pub(crate) fn empty_folders(&self) -> BTreeSet<Id> {
        let is_empty = |b: &&BrokenLabel| matches!(b.why, MediumError::NoLabel { .. }) && !has_objects(&b.path);
        self.broken.iter().filter(is_empty).filter_map(|b| b.id).collect()
    }

    /// Where each set is, for those who open one after the other.
    pub(super) fn places(&self) -> BTreeMap<Id, PlaceOfSet> {
        let broken = self.broken.iter().filter_map(|b| Some((b.id?, b.place())));
        let found = self.found.iter().map(|s| (s.id, PlaceOfSet::At(s.path.clone())));
        // What has a label comes first.
        broken.chain(found).collect()
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
    /// Beside seals of this version, a newer label is damage, or was put there.
    fn place(&self) -> PlaceOfSet {
        match &self.why {
            MediumError::NewerFormat { path, found } if first_sealed_set(&self.path).is_none() => {
                PlaceOfSet::Newer { path: path.clone(), found: *found }
            }
            _ => PlaceOfSet::At(self.path.clone()),
        }
    }
}

/// Where a set on a medium is.
#[derive(Debug, Clone)]
pub(super) enum PlaceOfSet {
    /// Its folder.
    At(PathBuf),
    /// A newer version has begun it.
    Newer { path: PathBuf, found: u64 },
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
fn first_sealed_set(set: &Path) -> Option<Id> {
    Search { device: &Device::unknown(), interruption: Interruption::default() }.set_of_first_seal(set).ok()?
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

/// A search for sets on a medium. It ends when the user wants to stop.
#[derive(Clone, Copy)]
struct Search<'d> {
    device: &'d Device,
    interruption: Interruption,
}

impl Search<'_> {
    fn check(self) -> Result<(), MediumError> {
        if self.interruption.is_there() { Err(MediumError::Interrupted) } else { Ok(()) }
    }

    fn fault(self, path: &Path, what: &'static str, e: Errno) -> MediumError {
        fault(path, self.device, what, e)
    }

    /// The names in the folder of the sets, ascending, and why it could not be read whole.
    fn names_in(self, folder: &OwnedFd, path: &Path) -> Result<(Vec<Vec<u8>>, Option<Errno>), MediumError> {
        let mut names = Vec::new();
        let read = each_name(folder, |name| {
            names.push(name.to_vec());
            if names.len() > MOST_NAMES || self.interruption.is_there() { Err(Errno::CANCELED) } else { Ok(()) }
        });
        self.check()?;
        if names.len() > MOST_NAMES {
            return Err(MediumError::TooManySets { path: path.to_owned(), most: MOST_NAMES });
        }
        names.sort_unstable();
        Ok((names, read.err()))
    }

    /// The set that the first seal in its place names.
    fn set_of_first_seal(self, set: &Path) -> Result<Option<Id>, MediumError> {
        self.find_sealed_set(set, |_| true)
    }

    /// Whether a seal in its place names a set.
    fn has_seal_of(self, set: &Path, id: Id) -> Result<bool, MediumError> {
        Ok(self.find_sealed_set(set, |sealed| sealed == id)?.is_some())
    }

    /// The first set that a seal in its place names, and `wanted` takes.
    fn find_sealed_set(self, set: &Path, wanted: impl Fn(Id) -> bool) -> Result<Option<Id>, MediumError> {
        let Ok(fd) = open_folder(CWD, set, false) else { return Ok(None) };
        let Ok(all) = thousands_in(&fd) else { return Ok(None) };
        for thousands in all {
            self.check()?;
            let path = set.join(folder_name(thousands));
            let Ok(folder) = open_folder(&fd, Path::new(&folder_name(thousands)), false) else { continue };
            for number in numbers_of(ObjectKind::Seal, &folder, &path, thousands).0 {
                self.check()?;
                let mut head = Vec::new();
                if let Ok(Some(file)) = open_plain(&folder, file_name(number, ObjectKind::Seal))
                    && File::from(file).take(limit::HEAD_BYTES).read_to_end(&mut head).is_ok()
                    && let Ok(signed) = Seal::decode(&head)
                    && signed.seal.number() == number
                    && wanted(signed.seal.set)
                {
                    return Ok(Some(signed.seal.set));
                }
            }
        }
        Ok(None)
    }

    /// The label that says which set is in a folder: one with the set that the folder is called after, else the first; if there
    /// are seals and none is of its set, one with the set of the first seal. What other labels say was put there by somebody.
    /// `None`: it is no folder.
    fn label_of_set(self, set: &Path) -> Result<Option<Label>, MediumError> {
        self.check()?;
        let Some(label) = self.first_label(set, id_in_name(set))? else { return Ok(None) };
        if self.has_seal_of(set, label.set)? {
            return Ok(Some(label));
        }
        match self.set_of_first_seal(set)? {
            None => Ok(Some(label)),
            Some(sealed) => match self.first_label(set, Some(sealed))? {
                Some(label) if label.set == sealed => Ok(Some(label)),
                _ => Err(MediumError::NoLabel { path: set.to_owned() }),
            },
        }
    }

    /// The lowest-numbered label that can be read and names the set `wanted`; else the lowest-numbered
    /// one; else the first error. Folders of thousands behind it are not read.
    fn first_label(self, set: &Path, wanted: Option<Id>) -> Result<Option<Label>, MediumError> {
        let mut first = None;
        let looking = |path: &Path, e| self.fault(path, "looking for labels", e);
        let fd = match open_folder(CWD, set, false) {
            Ok(fd) => fd,
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(e) => return Err(looking(set, e)),
        };
        let mut first_error = None;
        for thousands in thousands_in(&fd).map_err(|e| looking(set, e))? {
            self.check()?;
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
            match self.labels_in(&folder, &path, thousands) {
                Ok(labels) => {
                    for label in labels {
                        if wanted.is_none_or(|id| id == label.set) {
                            return Ok(Some(label));
                        }
                        first = first.or(Some(label));
                    }
                }
                Err(end @ (MediumError::Gone { .. } | MediumError::Interrupted)) => return Err(end),
                Err(MediumError::NoLabel { .. }) => {}
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        match first {
            Some(label) => Ok(Some(label)),
            None => Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: set.to_owned() })),
        }
    }

    /// The labels in one folder of thousands, which is open as `folder`.
    fn labels_in(self, folder: &OwnedFd, path: &Path, thousands: u64) -> Result<Vec<Label>, MediumError> {
        let (numbers, unread) = numbers_of(ObjectKind::Label, folder, path, thousands);
        let mut first_error = unread.map(|e| self.fault(path, "looking for labels", e));
        let mut labels = Vec::new();
        for number in numbers {
            self.check()?;
            match self.read_label(folder, path, number) {
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

    fn read_label(self, folder: &OwnedFd, path: &Path, number: u64) -> Result<Label, MediumError> {
        let medium = || path.parent().unwrap_or(path).display().to_string();
        let name = file_name(number, ObjectKind::Label);
        let (path, kind) = (path.join(&name), ObjectKind::Label);
        let file = match open_plain(folder, name) {
            Ok(Some(file)) => file,
            Ok(None) => return Err(MediumError::NotAFile { medium: medium(), number, kind }),
            Err(e) => return Err(self.fault(&path, "opening the label", e)),
        };
        let mut bytes = Vec::new();
        if let Err(source) = File::from(file).take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes) {
            return Err(match self.fault(&path, "reading the label", errno(&source)) {
                gone @ MediumError::Gone { .. } => gone,
                _ => MediumError::Unreadable { medium: medium(), number, kind, source },
            });
        }
        decode_label(&bytes, &path)
    }
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
