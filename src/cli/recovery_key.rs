//! The recovery key: made once, before a set's first generation; then the user takes it off the host.
//!
//! **Invariant:** it is written before anything is encrypted to it, and never inside the medium or the state directory.

use super::context::Context;
use super::environment::{absolute, now};
use crate::cli::ui::exit::Exit;
use crate::cli::ui::explain::CommandError;
use crate::cli::ui::secret::write_new;
use crate::cli::ui::text::message;
use azekura::env::time_text;
use azekura::pipeline::encryptor::Identity;
use std::path::{Path, PathBuf};

/// The file in the current folder where the user names none.
const FILE_NAME: &str = "azekura-recovery-key.txt";

/// A key that was made and lies in a file.
#[derive(Debug)]
pub struct RecoveryKey {
    pub path: PathBuf,
    pub recipients: Vec<String>,
}

/// Makes a recovery key and writes it to `out`, else to the current folder. It must not be in one of the folders
/// `keep_out`.
pub fn make(out: Option<&Path>, keep_out: &[&Path], context: &Context) -> Result<RecoveryKey, CommandError> {
    let path = absolute(out.unwrap_or(Path::new(FILE_NAME)));
    if let Some(folder) = keep_out.iter().find(|folder| lies_in(&path, folder)) {
        return Err(CommandError::new(message!("error.key-file.place", path = path, folder = folder), Exit::Usage));
    }
    let identity = Identity::generate();
    write_new(&path, identity.file_text(&time_text(now())).as_bytes())?;
    let recipients = identity.recipients().texts().to_vec();
    context.warn(&message!("talk.recovery-key", path = path));
    Ok(RecoveryKey { path, recipients })
}

/// Whether a new file would be in a folder, links followed.
fn lies_in(file: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
    file.parent().is_some_and(|parent| real(parent).starts_with(real(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_into_the_medium_is_seen_through() {
        let dir = tempfile::tempdir().unwrap();
        let medium = dir.path().join("medium");
        std::fs::create_dir(&medium).unwrap();
        std::os::unix::fs::symlink(&medium, dir.path().join("link")).unwrap();
        assert!(lies_in(&dir.path().join("link/key.txt"), &medium));
        assert!(!lies_in(&dir.path().join("key.txt"), &medium));
    }
}
