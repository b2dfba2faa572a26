//! Files with several names: the first name in the order of the walk has the content.

use super::entries::FurtherNames;
use crate::format::entry::EntryKind;
use crate::pipeline::source::WalkedEntry;
use std::collections::HashMap;
use std::sync::Arc;

/// Files with several names whose further names are awaited; beyond that a further name is read like a file of its own,
/// which stores nothing twice.
const MOST_FILES: usize = 100_000;

/// Bytes of the first names of those files.
const MOST_BYTES: usize = 64 << 20;

/// Files whose first name was found and whose further names are still to come.
#[derive(Default)]
pub struct LinkedFiles {
    files: HashMap<Inode, FirstName>,
    path_bytes: usize,
}

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
        if let Some(file) = self.files.get_mut(&inode) {
            let first = file.path.clone();
            file.further_names -= 1;
            let is_last = file.further_names == 0;
            if is_last {
                self.files.remove(&inode);
                self.path_bytes -= first.len();
            }
            return NameOfFile::Further { first, is_last };
        }
        if self.files.len() >= MOST_FILES || self.path_bytes + found.path.len() > MOST_BYTES {
            return NameOfFile::First(FurtherNames::None);
        }
        self.path_bytes += found.path.len();
        self.files.insert(inode, FirstName { path: found.path.as_slice().into(), further_names: stat.nlink - 1 });
        NameOfFile::First(FurtherNames::Follow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::cbor::Time;
    use crate::pipeline::source::Stat;

    fn found(name: &str, kind: EntryKind, device: u64, inode: u64, nlink: u64) -> WalkedEntry {
        let time = Time { seconds: 0, nanoseconds: 0 };
        let (mode, uid, gid, size, rdev, blocks) = (0o644, 0, 0, 0, (0, 0), 0);
        let stat = Stat { kind, mode, uid, gid, size, mtime: time, ctime: time, inode, device, nlink, rdev, blocks };
        WalkedEntry { path: name.into(), stat }
    }

    /// The first name and whether it is the last one; or whether further names follow.
    fn told(name: NameOfFile) -> Result<(Vec<u8>, bool), bool> {
        match name {
            NameOfFile::Further { first, is_last } => Ok((first.to_vec(), is_last)),
            NameOfFile::First(further_names) => Err(further_names == FurtherNames::Follow),
        }
    }

    #[test]
    fn names_of_one_inode_are_found_up_to_the_last() {
        let mut linked = LinkedFiles::default();
        let mut add = |name, kind, device, inode, nlink| told(linked.add(&found(name, kind, device, inode, nlink)));
        let file = EntryKind::File;
        assert_eq!(add("a", file, 1, 7, 3), Err(true));
        assert_eq!(add("alone", file, 1, 8, 1), Err(false));
        assert_eq!(add("folder", EntryKind::Directory, 1, 9, 5), Err(false));
        assert_eq!(add("b", file, 1, 7, 3), Ok((b"a".to_vec(), false)));
        assert_eq!(add("on another disk", file, 2, 7, 2), Err(true));
        assert_eq!(add("c", file, 1, 7, 3), Ok((b"a".to_vec(), true)));
        // All names are known: the inode may have been given to another file since.
        assert_eq!(add("d", file, 1, 7, 2), Err(true));
        assert_eq!(linked.files.len(), 2);
    }

    #[test]
    fn no_more_files_are_awaited_than_the_bound() {
        let mut linked = LinkedFiles::default();
        for inode in 0..MOST_FILES as u64 + 10 {
            linked.add(&found("a", EntryKind::File, 1, inode, 2));
        }
        assert_eq!(linked.files.len(), MOST_FILES);
        let mut linked = LinkedFiles::default();
        for inode in 0..100 {
            linked.add(&found(&"a".repeat(1 << 20), EntryKind::File, 1, inode, 2));
        }
        assert_eq!(linked.files.len(), 64, "names of a megabyte");
    }
}
