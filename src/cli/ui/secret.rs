//! Reads and writes secrets: passphrases and key files.
//!
//! **Invariant:** no secret is ever an argument or an environment variable, where other users of the host can read it.

use super::exit::Exit;
use super::explain::{CommandError, io_reason};
use super::output::to_stderr;
use super::text::{find, message};
use azekura::host::files;
use azekura::pipeline::encryptor::{IDENTITY_FILE_BYTES, Identity, IdentityError, Passphrase};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

const OTHERS_READ: u32 = 0o044;

/// A new passphrase: from a file, or typed twice.
pub fn new_passphrase(file: Option<&Path>) -> Result<Passphrase, CommandError> {
    let text = match file {
        Some(file) => first_line(file)?,
        None => {
            let text = ask("prompt.new-passphrase")?;
            if *ask("prompt.again")? != *text {
                return Err(CommandError::new(message!("error.passphrase.differs"), Exit::Key));
            }
            text
        }
    };
    Ok(Passphrase::chosen(text)?)
}

/// Reads an identity file, and warns if other users can read it. Its passphrase, if it has one, comes from `passphrase_file` or is asked for.
pub fn read_identity(path: &Path, passphrase_file: Option<&Path>) -> Result<Identity, CommandError> {
    let unusable = || CommandError::new(message!("error.identity.file", path = path), Exit::Key);
    let (bytes, mode) = read_limited(path, IDENTITY_FILE_BYTES).map_err(|e| unusable().cause(io_reason(&e)))?;
    if mode & OTHERS_READ != 0 {
        to_stderr(&format!("{} {}\n", find("heading.warning"), message!("talk.identity-exposed", path = path)));
    }
    match Identity::parse(&bytes, None) {
        Err(IdentityError::PassphraseNeeded) => {
            let text = match passphrase_file {
                Some(file) => first_line(file)?,
                None => ask("prompt.passphrase")?,
            };
            Identity::parse(&bytes, Some(&Passphrase::entered(text)))
        }
        other => other,
    }
    .map_err(|e| unusable().because(e.into()))
}

/// The content and the mode of one and the same file.
fn read_limited(path: &Path, limit_bytes: usize) -> std::io::Result<(Zeroizing<Vec<u8>>, u32)> {
    // One more than the limit, so that a longer file shows as longer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit_bytes + 1));
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes, mode))
}

fn first_line(file: &Path) -> Result<Zeroizing<String>, CommandError> {
    let unusable = || CommandError::new(message!("error.passphrase.file", path = file), Exit::Key);
    let (bytes, _) = read_limited(file, 4096).map_err(|e| unusable().cause(io_reason(&e)))?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(text) => Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned())),
        Err(_) => Err(unusable().cause(message!("reason.not-utf8"))),
    }
}

/// Asks on the terminal, whatever standard input is.
fn ask(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    match rpassword::prompt_password(find(prompt)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(e) => Err(CommandError::new(message!("error.passphrase.prompt"), Exit::Key).cause(io_reason(&e))),
    }
}

/// Writes a new file that only its owner can read, and makes it durable. Fails where the file exists.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    files::write_new(path, files::PRIVATE, bytes).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => CommandError::new(message!("error.key-file.exists", path = path), Exit::Failed),
        _ => CommandError::new(message!("error.key-file.write", path = path), Exit::Failed).cause(io_reason(&e)),
    })
}
