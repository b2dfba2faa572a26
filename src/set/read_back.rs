//! The comparison of what was appended with what the medium returns.

use crate::format::digests::Hashes;
use crate::format::object::Object;
use crate::format::seal::ReadBack;
use crate::medium::{Medium, MediumError};

/// Reads an object again from the medium and compares its length and digest with those that were appended. Returns how
/// the medium read it; `None` if it differs.
pub(crate) fn read_back(medium: &dyn Medium, appended: &Object) -> Result<Option<ReadBack>, MediumError> {
    let reread = medium.read_back(appended.number, appended.kind, Hashes::Blake3)?;
    let is_same = reread.length == appended.length && Some(reread.digests.blake3) == appended.digest();
    Ok(is_same.then_some(reread.how))
}
