//! Files with several names: the first name in the order of the walk has the content.

use super::entries::FurtherNames;
use crate::format::entry::EntryKind;
use crate::pipeline::source::WalkedEntry;
use std::collections::HashMap;
use std::sync::Arc;

/// Files with several names whose further names are awaited; beyond that a further name is read like a file of its own,
/// which stores nothing twice.
const MOST_FILES: usize = 100_000;

/// Files whose first name was found and whose further names are still to come.
#[derive(Default)]
pub struct LinkedFiles(HashMap<Inode, FirstName>);

/// Device and inode.
type Inode = (u64, u64);

struct FirstName {
    path: Arc<[u8]>,
    further_names: u64,
}

/// What a name is to its file.
pub enum NameOfFile {
    /// The only name, or the first one.
    First(FurtherNames),
    /// A further name.
    Further { first: Arc<[u8]>, is_last: bool },
}

impl NameOfFile {
    /// The file's first name, if this is a further one.
    pub fn link_to(&self) -> Option<&[u8]> {
        match self {
            Self::First(_) => None,
            Self::Further { first, .. } => Some(first),
        }
    }

    pub fn further_names(&self) -> FurtherNames {
        match self {
            Self::First(further_names) => *further_names,
            Self::Further { .. } => FurtherNames::None,
        }
    }
}

impl LinkedFiles {
    /// Adds the name that the walk has found.
    pub fn add(&mut self, found: &WalkedEntry) -> NameOfFile {
        let stat = &found.stat;
        if stat.nlink < 2 || stat.kind == EntryKind::Directory {
            return NameOfFile::First(FurtherNames::None);
        }
        let inode = (stat.device, stat.inode);
        if let Some(file) = self.0.get_mut(&inode) {
            let first = file.path.clone();
            file.further_names -= 1;
            let is_last = file.further_names == 0;
            if is_last {
                self.0.remove(&inode);
            }
            return NameOfFile::Further { first, is_last };
        }
        if self.0.len() >= MOST_FILES {
            return NameOfFile::First(FurtherNames::None);
        }
        self.0.insert(inode, FirstName { path: found.path.as_slice().into(), further_names: stat.nlink - 1 });
        NameOfFile::First(FurtherNames::Follow)
    }
}
