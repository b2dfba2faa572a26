//! Packs and manifests as age files. Only this module uses the `age` crate.
//!
//! The crate does what is easy to get wrong: the header, the stanzas, the header's MAC, keys as text and passphrases. The
//! payload, nearly all bytes of a backup, is encrypted by `segment` with the AEAD of `ring`, about twice as fast as the one in
//! the crate. Both make the same file: the tests read files of this module with the crate and with the `age` command, and
//! files of the crate with this module.
//!
//! **Invariant:** a decoder returns no byte whose tag was not checked, and a file that ends at a segment's border is damaged.

mod header;
mod key;
mod payload;
mod segment;
mod stanzas;
#[cfg(test)]
mod tests;

pub use key::{
    DEFAULT_WORK_FACTOR, IDENTITY_FILE_BYTES, Identity, IdentityError, MAX_WORK_FACTOR, PASSPHRASE_CHARACTERS, Passphrase,
    PassphraseTooShort, RecipientError, Recipients, encrypt_with_passphrase,
};
pub use payload::{Decryptor, Encryptor, decrypt, decrypt_into};
pub use segment::SEGMENT_BYTES;
pub use stanzas::Stanzas;

/// A longer header is refused: this is enough for more than 500 recipients.
pub const HEADER_BYTES: usize = 64 << 10;

/// Why an age file could not be begun.
#[derive(Debug, thiserror::Error)]
#[error("the header of an age file could not be made")]
pub struct EncryptError {
    source: age::EncryptError,
}

/// Why an age file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The first bytes are not those of an age file: it is something else, or its beginning is damaged.
    #[error("this is not an age file of version 1")]
    NotAge,
    /// Also if the wrapped key in the header is damaged: the two cases look alike.
    #[error("none of the keys given opens this age file")]
    WrongKey,
    /// A tag or the header does not fit, or the file was cut short. No byte of that part was returned.
    #[error("damaged age file: {part}")]
    Damaged {
        /// Where. Other segments can still be decrypted; behind a damaged header nothing can.
        part: DamagedPart,
    },
    /// By the length of the file. Nothing was decrypted.
    #[error("the content takes {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Bytes of the content, computed from the file's length.
        size: u64,
        /// The most bytes that the caller wants.
        limit: u64,
    },
    /// The input failed; whether the file is whole is not known.
    #[error("an age file could not be read")]
    Read {
        /// What the input says. That of a medium may wrap the medium's own error.
        source: std::io::Error,
    },
}

/// Where an age file is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamagedPart {
    /// In the header.
    Header,
    /// In a segment of the payload, counted from 0.
    Segment(u64),
}

impl std::fmt::Display for DamagedPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header => f.write_str("header"),
            Self::Segment(n) => write!(f, "segment {n}"),
        }
    }
}

impl DecryptError {
    fn segment(index: u64) -> Self {
        Self::Damaged { part: DamagedPart::Segment(index) }
    }
}
