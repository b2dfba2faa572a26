//! Where the roots of a set's sources led to in the last night.
//!
//! The file has name, path and place of each source, each followed by a NUL, which none of them contains.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Sources that are kept. A host has a few; names that were typed once must not add up for ever.
const MOST: usize = 10_000;

/// The places of the sources' roots, by name and by the path that was configured: another path is another root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceRoots(BTreeMap<Vec<u8>, (PathBuf, PathBuf)>);

impl SourceRoots {
    /// What [`SourceRoots::encode`] made. What is cut off is not known.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut fields = bytes.split(|b| *b == 0);
        let mut roots = BTreeMap::new();
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        while let (Some(name), Some(root), Some(place)) = (fields.next(), fields.next(), fields.next()) {
            roots.insert(name.to_vec(), (path(root), path(place)));
        }
        Self(roots)
    }

    /// For the state directory.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, (path, place)) in &self.0 {
            for field in [&name[..], path.as_os_str().as_bytes(), place.as_os_str().as_bytes()] {
                bytes.extend_from_slice(field);
                bytes.push(0);
            }
        }
        bytes
    }

    /// Where the root of a source led to, if its configured path is the same.
    pub fn place(&self, name: &[u8], path: &Path) -> Option<&Path> {
        self.0.get(name).filter(|(known, _)| known == path).map(|(_, place)| place.as_path())
    }

    /// Notes where the root of a source leads to.
    pub fn put(&mut self, name: &[u8], path: &Path, place: &Path) {
        if self.0.len() >= MOST && !self.0.contains_key(name) {
            self.0.pop_first();
        }
        self.0.insert(name.to_vec(), (path.to_owned(), place.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_kept_by_name_and_path() {
        let mut roots = SourceRoots::default();
        roots.put(b"chart", Path::new("/data"), Path::new("/mnt/x"));
        roots.put(b"\xff", Path::new("/data/\n"), Path::new("/data/\n"));
        let bytes = roots.encode();
        assert_eq!(SourceRoots::decode(&bytes), roots);
        assert_eq!(roots.place(b"chart", Path::new("/data")), Some(Path::new("/mnt/x")));
        assert_eq!(roots.place(b"chart", Path::new("/other")), None);
        assert_eq!(SourceRoots::decode(&bytes[..bytes.len() / 2]).0.len(), 1);
        assert_eq!(SourceRoots::decode(b""), SourceRoots::default());
    }
}
