//! What may be wrong with a chain.

use crate::format::Malformed;
use crate::format::object::ObjectKind;

/// A fault of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Number of the object at fault.
    pub object: u64,
    /// Label or seal.
    pub kind: ObjectKind,
    /// What is wrong with it.
    pub what: FaultKind,
}

/// What is wrong with a label or a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// No seal of a chain that it begins lists the label, or it differs from the set's first.
    Label,
    /// The seal cannot be decoded: damaged, cut short, or left behind by a run that was interrupted while it wrote it.
    Unreadable {
        /// The decoder's reason.
        why: String,
    },
    /// It has a later version of the format. Nothing from there on is judged.
    Newer {
        /// The version.
        version: u64,
    },
    /// A seal lists an object of a kind that only a later version knows. What it covers cannot be used.
    NewerKind,
    /// A seal is missing between others.
    Missing,
    /// The seal's range, number, set or generation does not follow from the previous seal.
    OutOfPlace,
    /// The digest of the previous seal, or of all earlier ones, is wrong: one of them was replaced.
    Forked,
    /// It has the check code from paper, and somebody with keys of this host has made another chain beside it.
    Rival,
    /// The signature is wrong.
    Signature,
    /// The signature is one of the key of a later seal: somebody with that key rewrote the seal.
    SignedByLaterKey {
        /// The generation of the seal that the key belongs to.
        generation: u64,
    },
    /// The seal names a succession that is not there, or that is not valid.
    Succession,
    /// The list of objects is not the one that the head names.
    List,
}

impl Fault {
    /// Whether a newer program is needed; nothing is damaged.
    pub fn is_newer(&self) -> bool {
        matches!(self.what, FaultKind::Newer { .. } | FaultKind::NewerKind)
    }
}

impl FaultKind {
    pub(super) fn unreadable(e: &Malformed) -> Self {
        match e {
            Malformed::Newer { found, .. } => Self::Newer { version: *found },
            e => Self::Unreadable { why: e.to_string() },
        }
    }
}
