//! age's header: written and read by the `age` crate, which does not give away the file key that we need for the payload.
//!
//! A [`FileKeyCapture`] stands before each recipient (or identity), passes every call on, and keeps a copy of the file key
//! that goes by. So wrapping, the MAC over the header and its check stay the crate's work.

use super::segment::{NONCE_BYTES, PayloadKey};
use super::{DamagedPart, DecryptError, EncryptError, HEADER_BYTES, Identity, Recipients};
use age::secrecy::ExposeSecret;
use age_core::format::{FileKey, Stanza};
use std::cell::RefCell;
use std::collections::HashSet;
use std::io::Write;
use std::ops::Deref;

/// First bytes of every age file that we read.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";

/// `FileKey` wipes itself when it is dropped.
struct FileKeyCapture<'a, T> {
    real: &'a T,
    seen: &'a RefCell<Option<FileKey>>,
}

impl<T> FileKeyCapture<'_, T> {
    fn keep(&self, key: &FileKey) {
        *self.seen.borrow_mut() = Some(FileKey::init_with_mut(|copy| copy.copy_from_slice(key.expose_secret())));
    }
}

impl<T: age::Recipient> age::Recipient for FileKeyCapture<'_, T> {
    fn wrap_file_key(&self, key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        self.keep(key);
        self.real.wrap_file_key(key)
    }
}

impl<T: age::Identity> age::Identity for FileKeyCapture<'_, T> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        let result = self.real.unwrap_stanza(stanza);
        if let Some(Ok(key)) = &result {
            self.keep(key);
        }
        result
    }
}

/// Appends a new file's header and the payload's nonce.
pub(super) fn write(recipients: &Recipients, out: &mut (impl Write + Deref<Target = [u8]>)) -> Result<PayloadKey, EncryptError> {
    let seen = RefCell::new(None);
    let taps: Vec<_> = recipients.keys().iter().map(|real| FileKeyCapture { real, seen: &seen }).collect();
    let encryptor = age::Encryptor::with_recipients(taps.iter().map(|t| t as _)).map_err(|source| EncryptError { source })?;
    // The crate's writer appends the header and the nonce; dropped without `finish`, it writes nothing more.
    encryptor.wrap_output(&mut *out).map_err(|e| EncryptError { source: e.into() })?;
    let Some(key) = seen.take() else { unreachable!("there is a recipient, and it was asked to wrap the key") };
    let Some(nonce) = out.last_chunk() else { unreachable!("the nonce has just been written") };
    Ok(PayloadKey::derive(&key, nonce))
}

/// Reads a header from a file's first bytes, at least [`HEADER_BYTES`] of them where there are so many. Returns the payload's
/// key and where the payload begins.
pub(super) fn read(identity: &Identity, start: &[u8]) -> Result<(PayloadKey, usize), DecryptError> {
    if !start.starts_with(VERSION_LINE) {
        return Err(DecryptError::NotAge);
    }
    let start = &start[..start.len().min(HEADER_BYTES)];
    let mut rest = start;
    let decryptor = age::Decryptor::new_buffered(&mut rest).map_err(wrong)?;
    let seen = RefCell::new(None);
    let taps: Vec<_> = identity.keys().iter().map(|real| FileKeyCapture { real, seen: &seen }).collect();
    // Checks the header's MAC.
    decryptor.decrypt(taps.iter().map(|t| t as _)).map_err(wrong)?;
    let read = start.len() - rest.len();
    let Some(nonce) = start[..read].last_chunk::<NONCE_BYTES>() else { unreachable!("the crate has read the nonce") };
    let Some(key) = seen.take() else { unreachable!("the crate has got the file key from a tap") };
    Ok((PayloadKey::derive(&key, nonce), read))
}

fn wrong(e: age::DecryptError) -> DecryptError {
    match e {
        age::DecryptError::NoMatchingKeys => DecryptError::WrongKey,
        age::DecryptError::UnknownFormat => DecryptError::NotAge,
        // What is left (the MAC, the syntax, an early end) says that the header is not what was written.
        _ => DecryptError::Damaged { part: DamagedPart::Header },
    }
}
