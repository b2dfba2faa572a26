//! What root must not use because somebody else may change it: the configuration names programs that root runs, and the
//! state directory has the keys of seals.

use super::ui::exit::Exit;
use super::ui::explain::CommandError;
use super::ui::text::message;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const OTHERS_WRITE: u32 = 0o022;
/// In such a folder nobody renames or removes what is somebody else's.
const STICKY: u32 = 0o1000;

/// Fails if another user than root owns a file or folder, or may write to it or replace it. Links are followed. Of what
/// is not there nothing is said.
pub fn check(path: &Path) -> Result<(), CommandError> {
    let Ok(real) = path.canonicalize() else { return Ok(()) };
    let is_safe = |path: &Path, allowed: u32| {
        path.metadata().is_ok_and(|m| m.uid() == 0 && (m.mode() & OTHERS_WRITE == 0 || m.mode() & allowed != 0))
    };
    let unsafe_one = match real.parent() {
        _ if !is_safe(&real, 0) => real.as_path(),
        Some(above) if !is_safe(above, STICKY) => above,
        _ => return Ok(()),
    };
    Err(CommandError::new(message!("error.not-trusted", path = unsafe_one), Exit::Usage))
}
