//! Files that this program makes for its user or for itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Mode of a file that only its owner may read.
pub const PRIVATE: u32 = 0o600;

/// Creates a file for writing, with this mode less the umask. Fails with [`io::ErrorKind::AlreadyExists`] where the
/// name is in use.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Creates a file as [`create_new`] does, writes its content, and makes content and name durable.
pub fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_new(path, mode)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    sync_folder_of(path)
}

/// Replaces a file of the host's own state, or makes it: content and name are durable, and no reader sees a part.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(PRIVATE).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    #[expect(clippy::disallowed_methods, reason = "the host's own state, not a medium")]
    std::fs::rename(&next, path)?;
    sync_folder_of(path)
}

/// Makes the name of a file durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Reads a file of at most `limit` bytes. The answer is longer by one byte if the file is longer.
pub fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_file_has_its_mode_and_content_and_an_old_one_stays() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("f");
        write_new(&path, PRIVATE, b"first")?;
        assert_eq!(path.metadata()?.permissions().mode() & 0o7777, 0o600);
        let again = write_new(&path, PRIVATE, b"second");
        assert_eq!(again.map_err(|e| e.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read(&path)?, b"first");
        Ok(())
    }

    #[test]
    fn a_longer_file_is_read_one_byte_beyond_the_limit() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("f");
        write_new(&path, PRIVATE, b"12345")?;
        assert_eq!(read_limited(&path, 5)?, b"12345");
        assert_eq!(read_limited(&path, 3)?, b"1234");
        Ok(())
    }
}
