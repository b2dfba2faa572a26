//! age's header, written and read by the `age` crate. The crate does not expose the file key, which the payload needs.
//!
//! A [`FileKeyCapture`] wraps each recipient (or identity), passes every call on, and copies the file key that is
//! wrapped or unwrapped. So the crate still wraps the key, and computes and checks the header's MAC. A [`Counter`] sees
//! the stanzas.

use super::segment::{NONCE_BYTES, PayloadKey};
use super::stanzas::{Counter, Stanzas};
use super::{DamagedPart, DecryptError, EncryptError, HEADER_BYTES, Identity, Recipients};
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Write;
use std::ops::Deref;

/// First bytes of every age file of version 1.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// A recipient or an identity, and where to keep the file key. `FileKey` wipes itself when it is dropped.
struct FileKeyCapture<'a, T> {
    inner: &'a T,
    captured: &'a RefCell<Option<FileKey>>,
}

impl<T> FileKeyCapture<'_, T> {
    fn capture(&self, key: &FileKey) {
        *self.captured.borrow_mut() = Some(FileKey::init_with_mut(|copy| copy.copy_from_slice(key.expose_secret())));
    }
}

impl<T: age::Recipient> age::Recipient for FileKeyCapture<'_, T> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        self.capture(key);
        self.inner.wrap_file_key(key)
    }
}

impl<T: age::Identity> age::Identity for FileKeyCapture<'_, T> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let result = self.inner.unwrap_stanza(stanza);
        if let Some(Ok(key)) = &result {
            self.capture(key);
        }
        result
    }
}

/// Appends a new file's header and the payload's nonce.
pub(super) fn write(recipients: &Recipients, out: &mut (impl Write + Deref<Target = [u8]>)) -> Result<PayloadKey, EncryptError> {
    let captured = RefCell::new(None);
    let captures: Vec<_> = recipients.keys().iter().map(|inner| FileKeyCapture { inner, captured: &captured }).collect();
    let encryptor = age::Encryptor::with_recipients(captures.iter().map(|t| t as _)).map_err(|source| EncryptError { source })?;
    // The crate's writer appends the header and the nonce; dropped without `finish`, it writes nothing more.
    encryptor.wrap_output(&mut *out).map_err(|e| EncryptError { source: e.into() })?;
    let Some(key) = captured.take() else { unreachable!("there is a recipient, and it was asked to wrap the key") };
    let Some(nonce) = out.last_chunk() else { unreachable!("the nonce has just been written") };
    Ok(PayloadKey::derive(&key, nonce))
}

/// What a header says.
pub(super) struct Opened {
    pub key: PayloadKey,
    /// Where the payload begins.
    pub payload: usize,
    pub stanzas: Stanzas,
}

/// Reads a header from a file's first bytes, at least [`HEADER_BYTES`] of them where there are so many.
pub(super) fn read(identity: &Identity, start: &[u8]) -> Result<Opened, DecryptError> {
    if !start.starts_with(VERSION_LINE) {
        return Err(DecryptError::NotAge);
    }
    let start = &start[..start.len().min(HEADER_BYTES)];
    let mut rest = start;
    let decryptor = age::Decryptor::new_buffered(&mut rest).map_err(wrong)?;
    if !has_whole_stanzas(start) {
        return Err(DecryptError::Damaged { part: DamagedPart::Header });
    }
    let captured = RefCell::new(None);
    let captures: Vec<_> = identity.keys().iter().map(|inner| FileKeyCapture { inner, captured: &captured }).collect();
    let counter = Counter::default();
    // Checks the header's MAC.
    decryptor.decrypt(std::iter::once(&counter as _).chain(captures.iter().map(|t| t as _))).map_err(wrong)?;
    let read = start.len() - rest.len();
    let Some(nonce) = start[..read].last_chunk::<NONCE_BYTES>() else { unreachable!("the crate has read the nonce") };
    let Some(key) = captured.take() else { unreachable!("the crate got the file key from one of the identities") };
    Ok(Opened { key: PayloadKey::derive(&key, nonce), payload: read, stanzas: counter.counted() })
}

/// Whether each stanza of a header that the crate takes ends as age prescribes, with a line of fewer than 64 columns,
/// which may be empty. The crate takes those of old programs, too, which wrote no line behind one of 64.
fn has_whole_stanzas(header: &[u8]) -> bool {
    let mut ended = true;
    for line in header.split(|b| *b == b'\n').skip(1) {
        if line.starts_with(b"---") {
            return ended;
        }
        let begins = line.starts_with(b"->");
        if begins && !ended {
            return false;
        }
        ended = !begins && line.len() < 64;
    }
    false
}

fn wrong(e: age::DecryptError) -> DecryptError {
    match e {
        age::DecryptError::NoMatchingKeys => DecryptError::WrongKey,
        age::DecryptError::UnknownFormat => DecryptError::NotAge,
        // The others (MAC, syntax, an early end) mean that the header was changed.
        _ => DecryptError::Damaged { part: DamagedPart::Header },
    }
}
