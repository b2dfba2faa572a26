//! A request for a medium.

use crate::format::object::Id;

/// A medium that a job needs to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumRequest {
    /// The set's id.
    pub set: Id,
    /// The set's name, for people.
    pub set_name: String,
    /// Its place in the set, from 1.
    pub place: u64,
    /// A blank medium is wanted, to continue the set on.
    pub blank: bool,
}
