//! A page of text that a restore leaves in the target's root, for whoever opens the folder.

use super::{Target, TargetError, failed};
use crate::format::entry::{Core, Kind};
use crate::pipeline::source::node::Node;
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Whoever looks at it writes nothing.
const MODE: u32 = 0o444;

impl Target {
    /// Puts a page under `name` into the root. The same page may stand there from another restore; with `resume` also its beginning.
    /// Anything else under the name stays, and is an error.
    pub fn put_page(&self, name: &str, text: &str) -> Result<(), TargetError> {
        let mut core = Core::new(name.into(), Kind::File);
        (core.size, core.mode) = (text.len() as u64, MODE);
        let refused = |e: std::io::Error| failed(&core.path, "write the page", Errno::from_io_error(&e).unwrap_or(Errno::IO));
        let made = match self.create_file(&core) {
            Err(TargetError::Exists { .. }) if self.options.into_existing => {
                let (folder, name) = self.place(&core.path)?;
                self.existing_file(&folder, name, &core)?
            }
            made => made?,
        };
        if made.existing.is_some() {
            let mut found = Vec::new();
            (&made.file).take(core.size).read_to_end(&mut found).map_err(refused)?;
            let is_begun = self.options.resume && text.as_bytes().starts_with(&found);
            if found != text.as_bytes() && !is_begun {
                return Err(TargetError::Exists { path: core.path });
            }
            if !is_begun {
                return Ok(());
            }
        }
        made.file.write_all_at(text.as_bytes(), 0).map_err(refused)?;
        // A file system without permissions keeps the page all the same.
        let _ = Node::open(made.file.as_fd()).set_mode(MODE);
        Ok(())
    }
}
