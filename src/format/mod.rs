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
pub mod typed;
pub mod watch;

/// The format version that this program writes, and the newest that it reads.
pub const VERSION: u64 = 1;

/// Bytes that the format does not allow. Nothing that was decoded from them is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They break a rule of the format: damage, or a writer's mistake.
    #[error("{what}: {why}")]
    Content {
        /// What was decoded: `label`, `entry`.
        what: &'static str,
        /// The rule that is broken, for people, in English.
        why: String,
    },
    /// They announce more than the limit. No memory was taken for it.
    #[error("{what}: {size} is more than the limit of {limit}")]
    TooLarge {
        /// What is too large; it decides the unit: `seal` is in bytes, `chunks in a frame` is a count.
        what: &'static str,
        /// What is announced, in the unit of the limit.
        size: u64,
        /// One of [`limit`].
        limit: u64,
    },
    /// Not damage: a newer version of this program can read it.
    #[error("{what}: format version {found}, newer than {VERSION}, which this program knows")]
    Newer {
        /// What was decoded: `label`, `seal`.
        what: &'static str,
        /// The version that it announces, above [`VERSION`].
        found: u64,
    },
    /// Not damage either: it has something of a later version that this one must not pass over.
    #[error("{what}: {why}: only a newer program knows it")]
    Unknown {
        /// What was decoded: `manifest`, `entry`.
        what: &'static str,
        /// What is unknown, for people, in English.
        why: String,
    },
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
