//! Reads an object whole.

use crate::format::object::{self, ObjectKind};
use crate::medium::{ErrorCategory, Medium, MediumError, OpenObject};
use std::io::Read;

/// Why an object could not be read whole.
#[derive(Debug)]
pub enum ReadError {
    /// The medium as a whole fails or is absent.
    Medium(MediumError),
    /// This object cannot be read, or is larger than it may be.
    Damaged(String),
}

/// Reads an object whole, if it is no longer than `limit_bytes`.
pub fn read_object(medium: &dyn Medium, number: u64, kind: ObjectKind, limit_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let mut open = match medium.open(number, kind) {
        Ok(open) => open,
        Err(e) if e.category() == ErrorCategory::Damage => return Err(ReadError::Damaged(e.to_string())),
        Err(e) => return Err(ReadError::Medium(e)),
    };
    read_opened(&mut *open, number, kind, limit_bytes).map_err(|why| match medium.check_attached() {
        Ok(()) => ReadError::Damaged(why),
        Err(e) => ReadError::Medium(e),
    })
}

/// Reads an opened object whole, from its present position. The error says why this object cannot be read.
pub fn read_opened(open: &mut dyn OpenObject, number: u64, kind: ObjectKind, limit_bytes: u64) -> Result<Vec<u8>, String> {
    let length = open.length();
    if length > limit_bytes {
        return Err(format!("{length} bytes, more than {limit_bytes}"));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    match open.take(limit_bytes).read_to_end(&mut bytes) {
        Ok(n) if n as u64 == length => Ok(bytes),
        Ok(_) => Err(format!("{} is shorter than the file system says", object::file_name(number, kind))),
        Err(e) => Err(e.to_string()),
    }
}
