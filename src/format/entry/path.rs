//! Paths of entries, and their order.

use super::{Malformed, limit};
use std::cmp::Ordering;

/// Fails unless a path is relative and its names are neither empty nor `.` nor `..` and contain no NUL.
pub fn check_path(path: &[u8]) -> Result<(), Malformed> {
    Malformed::limit("path", path.len() as u64, limit::PATH_BYTES)?;
    let good = |name: &[u8]| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0);
    if path.split(|b| *b == b'/').all(good) { Ok(()) } else { Err(Malformed::new("path", "not a plain relative path")) }
}

/// The order of the entry stream: name by name, as if `/` were smaller than every byte.
pub fn compare_paths(a: &[u8], b: &[u8]) -> Ordering {
    match a.iter().zip(b).position(|(x, y)| x != y) {
        Some(i) => {
            let rank = |c: u8| if c == b'/' { 0 } else { c as u16 + 1 };
            rank(a[i]).cmp(&rank(b[i]))
        }
        None => a.len().cmp(&b.len()),
    }
}
