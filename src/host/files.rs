//! Files that this program makes for its user or for itself.

use rustix::fs::OFlags;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode of a file that only its owner may read.
pub const PRIVATE: u32 = 0o600;

/// For [`OpenOptionsExt::custom_flags`]: a symbolic link is not followed.
pub const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Opens a file that is only ever appended to, for reading and appending. It is created with mode 0600, and gets that mode if it
/// has another one.
///
/// Fails where it is a link, no plain file, or belongs to another user than root and the caller: what is written
/// would be theirs.
pub fn open_own_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(PRIVATE).custom_flags(NO_LINK | OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || ![0, rustix::process::geteuid().as_raw()].contains(&found.uid()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to another user, or is no file"));
    }
    if found.mode() & 0o077 != 0 {
        // Fails only where it is root's, and another user may append to it.
        let _ = file.set_permissions(Permissions::from_mode(PRIVATE));
    }
    Ok(file)
}

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
    let mut file = options.write(true).create(true).truncate(true).mode(PRIVATE).custom_flags(NO_LINK).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    #[expect(clippy::disallowed_methods, reason = "the host's own state, not a medium")]
    std::fs::rename(&next, path)?;
    sync_folder_of(path)
}

/// Gives a file of the host's own state a name that is free, durably.
pub fn set_aside(path: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the host's own state, not a medium: it stays under another name")]
    std::fs::rename(path, to)?;
    sync_folder_of(to)
}

/// Overwrites a file of the host's own state that nobody may rename, with a text at whose end blanks mean nothing. A power cut may
/// tear it; whoever reads it meanwhile may see a part.
pub fn overwrite(path: &Path, text: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(NO_LINK).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(1 << 20);
    let mut padded = text.to_vec();
    padded.resize(text.len().max(length), b' ');
    file.write_all_at(&padded, 0)?;
    file.sync_all()
}

/// Makes the name of a file durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Most bytes of a file of the host's own state that is read whole; those that grow have a thousand years of nights.
pub const STATE_BYTES: u64 = 256 << 20;

/// Opens a file of the host's own state for reading: a plain file, and no link to one. A pipe is not waited for.
pub fn open_own(path: &Path) -> io::Result<File> {
    let flags = NO_LINK | OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "is no file")) }
}

/// Reads such a file whole. Fails with [`io::ErrorKind::FileTooLarge`] where it is longer than `limit` bytes.
pub fn read_own(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_own(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
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
    use crate::machine::{is_root, skipped};
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn what_is_appended_to_is_ones_own_file_and_no_link() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (path, link) = (dir.path().join("f"), dir.path().join("l"));
        std::fs::write(&path, "first\n")?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        open_own_to_append(&path)?.write_all(b"second\n")?;
        assert_eq!((std::fs::read(&path)?, path.metadata()?.mode() & 0o7777), (b"first\nsecond\n".to_vec(), 0o600));
        symlink(&path, &link)?;
        assert!(open_own_to_append(&link).is_err());
        let pipe = dir.path().join("p");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR)?;
        assert!(open_own_to_append(&pipe).is_err());
        if is_root() {
            chown(&path, Some(12_345), None)?;
            assert!(open_own_to_append(&path).is_err());
        } else {
            skipped("a file of somebody else to append to: this is not root");
        }
        Ok(())
    }

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
    fn what_is_overwritten_with_less_reads_the_same() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("f");
        write_new(&path, PRIVATE, b"{\"line\":10}")?;
        for (text, expected) in [("{\"line\":9}", "{\"line\":9} "), ("{\"line\":1000}", "{\"line\":1000}")] {
            overwrite(&path, text.as_bytes())?;
            assert_eq!(std::fs::read_to_string(&path)?, expected);
        }
        symlink(&path, dir.path().join("l"))?;
        assert!(overwrite(&dir.path().join("l"), b"other").is_err());
        assert!(overwrite(&dir.path().join("new"), b"other").is_err());
        Ok(())
    }

    #[test]
    fn the_hosts_own_files_are_read_to_a_limit_and_through_no_link() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (path, link, pipe) = (dir.path().join("f"), dir.path().join("l"), dir.path().join("p"));
        write_new(&path, PRIVATE, b"12345")?;
        assert_eq!(read_own(&path, 5)?, b"12345");
        assert_eq!(read_own(&path, 4).map_err(|e| e.kind()), Err(io::ErrorKind::FileTooLarge));
        symlink(&path, &link)?;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR)?;
        for other in [&link, &pipe, &dir.path().to_owned()] {
            assert!(read_own(other, 5).is_err(), "{other:?}");
        }
        assert_eq!(read_own(&dir.path().join("away"), 5).map_err(|e| e.kind()), Err(io::ErrorKind::NotFound));
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
