//! The medium that a set is being written to.

use super::{Result, WriteError};
use crate::format::object::{Object, ObjectKind};
use crate::format::seal::ReadBack;
use crate::lock::FileLock;
use crate::medium::{Listed, Medium, MediumError, NoMedium, Writable};
use crate::set::read_back::read_back;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The attached medium, its place in the set, and how what was appended to it was read back.
pub struct MountedMedium {
    /// [`NoMedium`] until one is mounted.
    pub medium: Arc<dyn Medium>,
    /// The medium's place in the set, from 1.
    pub place: u64,
    /// BLAKE3 of the medium's label.
    pub(super) label: [u8; 32],
    /// The weakest way in which an object of the next generation was read back.
    pub read_back: ReadBack,
    lock: Option<FileLock>,
    /// Where the user attaches media.
    pub(super) root: PathBuf,
    /// Bytes of a block on the next blank tape.
    pub(super) tape_block: u32,
}

impl MountedMedium {
    /// No medium yet. Media are attached at `root`.
    pub(super) fn none(root: &Path, tape_block: u32) -> Self {
        let root = root.to_owned();
        Self { medium: Arc::new(NoMedium), place: 0, label: [0; 32], read_back: ReadBack::Direct, lock: None, root, tape_block }
    }

    pub(super) fn mount(&mut self, (medium, lock): Writable) {
        (self.medium, self.lock) = (medium.into(), lock);
    }

    /// Closes the medium, so that it can be detached.
    pub(super) fn unmount(&mut self) {
        self.medium = Arc::new(NoMedium);
        self.lock = None;
    }

    /// All of its objects: whoever writes has to know.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let listed = self.medium.list()?.objects;
        self.medium.check_complete()?;
        Ok(listed)
    }

    /// Whether no content lies on the medium.
    pub fn is_without_packs(&self) -> Result<bool> {
        Ok(!self.list()?.iter().any(|o| o.kind == ObjectKind::Pack))
    }

    /// Appends an object and makes it durable. It counts only after [`Self::check`].
    pub(super) fn append(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> Result<Object, MediumError> {
        self.medium.append(number, kind, bytes)?;
        self.medium.sync()?;
        Ok(Object::of(number, kind, bytes))
    }

    /// Reads a durable object again and compares it with what was appended.
    pub fn check(&mut self, appended: &Object) -> Result<()> {
        match read_back(&*self.medium, appended)? {
            Some(how) => {
                self.read_back = self.read_back.min(how);
                Ok(())
            }
            None => Err(WriteError::ReadBack { object: appended.number }),
        }
    }
}
