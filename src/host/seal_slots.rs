//! Which bytes of a set's file of seal keys are whole: what anybody can tell without the keys.

use std::path::Path;

/// Bytes of a slot.
pub const SLOT_BYTES: usize = 4096;
/// How a slot begins.
pub const MAGIC: [u8; 8] = *b"AZSEALK1";
/// Bytes before the digest, the BLAKE3 of them.
pub const CHECKED_BYTES: usize = 88;

/// Whether one of the two slots of the file is whole. `None`: it cannot be read here.
pub fn has_whole_slot(file: &Path) -> Option<bool> {
    let bytes = super::files::read_own(file, 2 * SLOT_BYTES as u64).ok()?;
    let is_whole = |slot: &[u8]| {
        let (checked, digest) = slot.split_at(CHECKED_BYTES);
        checked.starts_with(&MAGIC) && digest.starts_with(blake3::hash(checked).as_bytes())
    };
    Some(bytes.chunks_exact(SLOT_BYTES).any(is_whole))
}
