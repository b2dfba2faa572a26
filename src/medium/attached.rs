//! What a person names as a medium: a folder, or the device of a tape drive.

use super::loader::Loader;
use super::tape::{Loaded, Tape};
use super::{Blame, BrokenLabel, Directory, Listing, Medium, MediumError, SetOnMedium, Sets};
use crate::format::label::Label;
use crate::format::object::{Id, ObjectKind};
use crate::format::{Malformed, limit};
use crate::lock::FileLock;
use std::io::Read;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, MediumError>;

/// Where a medium is, looked at far enough to know whose it is.
pub struct AttachedMedium {
    path: PathBuf,
    what: What,
}

enum What {
    Folder,
    Blank(Box<dyn super::tape::drive::Drive>),
    Tape(Id, Tape),
}

/// A medium that this run writes to, and what keeps others out until it is dropped. A tape's drive is opened by one process at a time.
pub type Writable = (Box<dyn Medium>, Option<FileLock>);

impl AttachedMedium {
    pub fn find(path: &Path, loader: &dyn Loader) -> Result<Self> {
        let what = match loader.drive(path)? {
            None => What::Folder,
            Some(drive) => match Loaded::in_drive(drive)? {
                Loaded::Blank(drive) => What::Blank(drive),
                Loaded::Known(set, drive) => What::Tape(set, Tape::open(drive, set)?),
            },
        };
        Ok(Self { path: path.to_owned(), what })
    }

    /// The set whose cartridge this is, by its headers.
    pub fn tape_set(&self) -> Option<Id> {
        match self.what {
            What::Tape(id, _) => Some(id),
            What::Folder | What::Blank(_) => None,
        }
    }

    pub fn is_tape(&self) -> bool {
        !matches!(self.what, What::Folder)
    }

    /// The sets on the medium. On a cartridge there is one, or none.
    pub fn sets(&self) -> Result<Sets> {
        match &self.what {
            What::Folder => Directory::sets(&self.path),
            What::Blank(_) => Ok(Sets::default()),
            What::Tape(id, tape) => {
                let path = self.path.clone();
                match label_on(tape, &self.path) {
                    Ok(label) => Ok(Sets { found: vec![SetOnMedium { id: *id, label, path }], broken: Vec::new() }),
                    Err(why) if why.blame() == Blame::Damage || matches!(why, MediumError::NewerFormat { .. }) => {
                        Ok(Sets { found: Vec::new(), broken: vec![BrokenLabel { header: Some(*id), path, why }] })
                    }
                    Err(e) => Err(e),
                }
            }
        }
    }

    /// What lies on the medium of a set.
    pub fn list(&self, set: Id) -> Result<Listing> {
        match &self.what {
            What::Folder => Directory::open(&self.path, set)?.list(),
            What::Tape(id, tape) if *id == set => tape.list(),
            _ => Err(MediumError::NoSuchSet { path: self.path.clone(), set }),
        }
    }

    /// Bytes that may still be appended; `None` where that cannot be told. A guess, as [`Medium::free_bytes`] is.
    pub fn free_bytes(&self) -> Option<u64> {
        match self.what {
            What::Folder => super::file_system::free_bytes(std::fs::File::open(&self.path).ok()?),
            What::Blank(_) | What::Tape(..) => None,
        }
    }

    /// Opens a set for reading.
    pub fn open(self, set: Id) -> Result<Box<dyn Medium>> {
        match self.what {
            What::Folder => Ok(Box::new(Directory::open(&self.path, set)?)),
            What::Tape(id, tape) if id == set => Ok(Box::new(tape)),
            _ => Err(MediumError::NoSuchSet { path: self.path, set }),
        }
    }

    /// Opens a set for writing.
    pub fn open_to_write(self, set: Id) -> Result<Writable> {
        match self.what {
            What::Folder => locked(Directory::open(&self.path, set)?, &self.path),
            _ => Ok((self.open(set)?, None)),
        }
    }

    /// Makes room for a set on a medium that has none of it. Nothing is written but an empty folder.
    pub fn begin(self, set: Id, block: u32) -> Result<Writable> {
        match self.what {
            What::Folder => locked(Directory::create(&self.path, set)?, &self.path),
            What::Blank(drive) => Ok((Box::new(Tape::create(drive, set, block)?), None)),
            What::Tape(..) => Err(MediumError::NotBlank { place: self.path.display().to_string() }),
        }
    }
}

fn locked(directory: Directory, root: &Path) -> Result<Writable> {
    let directory = directory.with_immutable(Directory::wants_immutable(root));
    let guard = directory.lock()?;
    Ok((Box::new(directory), Some(guard)))
}

/// The cartridge's own label: the first that can be read. One that a run has left in part may lie before it.
fn label_on(tape: &Tape, path: &Path) -> Result<Label> {
    let mut first_error = None;
    for o in tape.list()?.objects.iter().filter(|o| o.kind == ObjectKind::Label) {
        match read_label(tape, o.number, path) {
            Ok(label) => return Ok(label),
            Err(e) if e.blame() == Blame::Damage => first_error = first_error.or(Some(e)),
            Err(e) => return Err(e),
        }
    }
    Err(first_error.unwrap_or_else(|| MediumError::NoLabel { path: path.to_owned() }))
}

fn read_label(tape: &Tape, number: u64, path: &Path) -> Result<Label> {
    let mut bytes = Vec::new();
    let read = tape.open(number, ObjectKind::Label)?.take(limit::LABEL_BYTES + 1).read_to_end(&mut bytes);
    let place = path.display().to_string();
    read.map_err(|e| MediumError::of_read(place, number, ObjectKind::Label, e))?;
    Label::decode(&bytes).map_err(|e| match e {
        Malformed::Newer { found, .. } => MediumError::NewerFormat { path: path.to_owned(), found },
        source => MediumError::BadLabel { path: path.to_owned(), source },
    })
}
