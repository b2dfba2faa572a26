//! The folder of a session: its files and their digests. Whatever is in it may be hostile: it may come from somebody
//! else's hands.

use super::{Result, failed};
use crate::format::object::hex;
use crate::host::files;
use crate::pipeline::hasher::{DigestHasher, Digests, Hashes};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

/// The folder for pages.
pub const REPORTS: &str = "reports";
/// All folders of a session.
pub const FOLDERS: [&str; 3] = ["results", "seals", REPORTS];

/// Opens a file of a session that its record names. Opens nothing outside the folder, follows no link, and waits for no
/// pipe.
pub fn open_named(folder: &Path, name: &str) -> io::Result<File> {
    if !Path::new(name).components().all(|c| matches!(c, Component::Normal(_))) {
        return Err(io::ErrorKind::InvalidFilename.into());
    }
    if !has_own_folder(folder, name) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    open_file(&folder.join(name))
}

/// Most bytes of a file in a session: a result names every damaged file at most. A longer one is not what a record names,
/// and hashing a hole of a terabyte would take hours.
const FILE_BYTES: u64 = 1 << 30;

/// Opens a file, but no link, nothing that would have to be waited for, and nothing that is longer than any file of a
/// session.
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    match file.metadata()? {
        is if !is.is_file() => Err(io::ErrorKind::InvalidInput.into()),
        is if is.len() > FILE_BYTES => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(file),
    }
}

/// Opens a file of the session; `None` if it is no file, or not in the session's own folders.
pub fn open_own(folder: &Path, name: &str) -> Result<Option<File>> {
    let path = folder.join(name);
    match path.symlink_metadata() {
        Ok(is) if is.is_file() && has_own_folder(folder, name) => {
            open_named(folder, name).map(Some).map_err(failed("read", &path))
        }
        Ok(_) => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed("read", &path)(e)),
    }
}

/// Whether the folder with the file is a folder of the session, and no link to another one.
fn has_own_folder(folder: &Path, name: &str) -> bool {
    let inner = Path::new(name).parent().filter(|p| !p.as_os_str().is_empty());
    inner.is_none_or(|inner| folder.join(inner).symlink_metadata().is_ok_and(|is| is.is_dir()))
}

/// Names of all results, seals and reports in a session, sorted.
pub fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for inner in FOLDERS {
        let from = folder.join(inner);
        match std::fs::read_dir(&from) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(failed("read", &from))?;
                    names.push(format!("{inner}/{}", entry.file_name().to_string_lossy()));
                }
            }
            // The check of the record reports each of its files.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read", &from)(e)),
        }
    }
    names.sort();
    Ok(names)
}

/// Writes a new file, durably.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    files::write_new(path, files::PRIVATE, bytes).map_err(failed("written", path))
}

/// Copies a file to a new one, durably. Returns its SHA-256 in hexadecimal.
pub fn copy_new(mut from: impl Read, path: &Path) -> io::Result<String> {
    let mut to = files::create_new(path, files::PRIVATE)?;
    let mut hasher = DigestHasher::new(Hashes::Both);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
            }
        }
    }
    to.sync_all()?;
    files::sync_folder_of(path)?;
    Ok(hex_sha256(hasher))
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Digests::of(bytes, true).sha256.map_or_else(String::new, |d| hex(&d))
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256_of(mut file: File) -> io::Result<String> {
    let mut hasher = DigestHasher::new(Hashes::Both);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex_sha256(hasher)),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// The SHA-256 of a hasher in hexadecimal, as records contain it; empty if the hasher computes none.
pub fn hex_sha256(hasher: DigestHasher) -> String {
    hasher.finish().sha256.map_or_else(String::new, |d| hex(&d))
}
