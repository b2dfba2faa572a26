//! What root must not use because somebody else may change it: the configuration names programs that root runs, and the
//! state directory has the keys of seals.

use super::ui::exit::Exit;
use super::ui::explain::CommandError;
use super::ui::text::message;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const OTHERS_WRITE: u32 = 0o022;

/// Fails if another user than root owns a file or folder, or may write to it. Links are followed. Of what is not there nothing is
/// said. Who may change the folder above can only put something of their own in its place, and that is refused.
pub fn check(path: &Path) -> Result<(), CommandError> {
    match path.metadata() {
        Ok(m) if m.uid() != 0 || m.mode() & OTHERS_WRITE != 0 => {
            Err(CommandError::new(message!("error.not-trusted", path = path), Exit::Usage))
        }
        _ => Ok(()),
    }
}
