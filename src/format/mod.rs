//! The bytes on the medium, and nothing else: no files, no clocks, no keys, no threads.
//!
//! One file per section of `docs/format.md`, both directions side by side.
//!
//! **Invariant:** every decoder treats its input as hostile. It compares lengths with [`limit`] before it takes memory, and
//! returns [`Malformed`]; it never panics.

pub mod cbor;
pub mod check_code;
pub mod digests;
pub mod entry;
pub mod label;
pub mod limit;
pub mod manifest;
pub mod merkle;
pub mod object;
pub mod pack;
pub mod proof;
pub mod rules;
pub mod seal;
pub mod set_key;
pub mod stamp;
pub mod succession;
pub mod tape;
pub(crate) mod text;
pub mod watch;

/// The format version that this program writes, and the newest that it reads.
pub const VERSION: u64 = 1;

/// Bytes that the format does not allow. `what` is what was decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Malformed {
    #[error("{what}: {why}")]
    Content { what: &'static str, why: String },
    #[error("{what}: {size} is more than the limit of {limit}")]
    TooLarge { what: &'static str, size: u64, limit: u64 },
    #[error("{what}: format version {found}, newer than {VERSION}, which this program knows")]
    Newer { what: &'static str, found: u64 },
    #[error("{what}: {why}: only a newer program knows it")]
    Unknown { what: &'static str, why: String },
}

impl Malformed {
    pub(crate) fn new(what: &'static str, why: impl Into<String>) -> Self {
        Self::Content { what, why: why.into() }
    }

    /// Whether a newer program may know what this is: it is not damaged.
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. } | Self::Unknown { .. })
    }

    /// Refuses `size` when it is above `limit`.
    pub(crate) fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), Self> {
        if size > limit { Err(Self::TooLarge { what, size, limit }) } else { Ok(()) }
    }
}
