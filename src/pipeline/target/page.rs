//! A page of text that a restore writes into the target's root, for whoever opens the folder.

use super::{Target, TargetError, failed};
use crate::format::entry::{Core, EntryKind};
use crate::pipeline::source::node::Node;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Readers do not change it.
const MODE: u32 = 0o444;
/// No page of any version is longer.
const PAGE_BYTES: u64 = 64 << 10;

impl Target {
    /// Writes a page named `name` into the root. The page of another restore with the same `mark` may exist: in another time zone or
    /// from another version it has other words. With `resume`, the beginning of the page may exist. Anything else with that name
    /// stays as it is, and is an error.
    pub fn put_page(&self, name: &str, text: &str, mark: &str) -> Result<(), TargetError> {
        let mut core = Core::new(name.into(), EntryKind::File);
        (core.size, core.mode) = (PAGE_BYTES, MODE);
        let refused = |e: std::io::Error| failed(&core.path, "write the page", Errno::from_io_error(&e).unwrap_or(Errno::IO));
        let made = match self.create_file(&core) {
            Err(TargetError::Exists { .. }) if self.options.into_existing => {
                let (folder, name) = self.locate(&core.path)?;
                self.existing_file(&folder, name, &core)?
            }
            made => made?,
        };
        let mut is_whole = false;
        if made.existing.is_some() {
            let mut found = Vec::new();
            (&made.file).take(core.size).read_to_end(&mut found).map_err(refused)?;
            let is_begun = self.options.resume && found.len() < text.len() && text.as_bytes().starts_with(&found);
            is_whole = !is_begun && (found == text.as_bytes() || String::from_utf8_lossy(&found).contains(mark));
            if !is_begun && !is_whole {
                return Err(TargetError::Exists { path: core.path });
            }
        }
        if !is_whole {
            made.file.write_all_at(text.as_bytes(), 0).map_err(refused)?;
        }
        // The page stays even on a file system without permissions.
        let _ = Node::open(made.file.as_fd()).set_mode(MODE);
        self.folders.file_systems().flush_file(&made.file).map_err(|e| refused(e.into()))?;
        Ok(())
    }
}
