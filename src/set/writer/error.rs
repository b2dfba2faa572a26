//! Why a set cannot be opened for writing, appended to, or sealed.

use crate::format::Malformed;
use crate::host::catalog::CatalogError;
use crate::host::state::StateError;
use crate::medium::MediumError;
use crate::pipeline::encryptor::RecipientError;
use crate::seal::KeyError;
use std::path::PathBuf;

/// Why a set cannot be opened for writing, appended to, or sealed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The medium has no set, and none is to be begun.
    #[error("no set has been begun on the medium {}", path.display())]
    Blank {
        /// Where the medium is.
        path: PathBuf,
        /// It is a folder where nothing is mounted: perhaps the disk that belongs there is missing.
        bare: bool,
    },
    /// The medium has sets, none of them of this host, and none is to be begun.
    #[error("the sets on {} are not this host's", path.display())]
    Unregistered {
        /// Where the medium is.
        path: PathBuf,
        /// One of the sets.
        set: String,
    },
    /// Sets in quarantine and others would share a medium.
    #[error("quarantine and clean generations do not go together on {}", path.display())]
    NotApart {
        /// Where the medium is.
        path: PathBuf,
        /// Whether the run was to write into quarantine.
        quarantine: bool,
    },
    /// The first object is no whole label.
    #[error("the set on the medium was begun, but its label is not whole")]
    HalfWritten,
    /// A set cannot be begun without a recipient.
    #[error("no recipient to encrypt to")]
    NoRecipients,
    /// The name of the new set is empty, longer than 255 bytes, or has characters that a label may not have.
    #[error("a set cannot have this name")]
    Name,
    /// Packs would be encrypted to other recipients than the label names.
    #[error("the recipients on this host are not those on the label of the set {name}")]
    OtherRecipients {
        /// What people call the set.
        name: String,
    },
    /// The last seal is not the one that the catalog remembers.
    #[error("generation {generation} is not on the medium as this host wrote it: it was rolled back, replaced or damaged")]
    RolledBack {
        /// The one that the catalog remembers.
        generation: u64,
    },
    /// The medium has gone on behind the last seal that this host remembers, with seals of this host's own keys: not the medium
    /// was set back, but the host.
    #[error("this host's records are older than this medium, which has generation {generation}: the state folder was set back")]
    StateSetBack {
        /// The newest generation on the medium.
        generation: u64,
    },
    /// So many names in a row are in use on the medium that no seal can list them.
    #[error("names from object {first} to {behind} are in the way")]
    NamesInTheWay {
        /// The first number that is in use.
        first: u64,
        /// The first one behind it that is not.
        behind: u64,
    },
    /// Catalog and medium, or catalog and seals, disagree.
    #[error("the catalog does not know everything that is on the medium")]
    StaleCatalog,
    /// The medium returns other bytes than were appended.
    #[error("object {object} does not read back as it was written")]
    ReadBack {
        /// Its number.
        object: u64,
    },
    /// The medium failed, or is not the one that is wanted.
    #[error("the medium failed")]
    Medium(#[from] MediumError),
    /// The catalog failed.
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
    /// The state directory failed.
    #[error("the state directory failed")]
    State(#[from] StateError),
    /// The seal keys cannot be loaded, moved on, or do not fit the last seal.
    #[error("the seal keys failed")]
    SealKeys(#[from] KeyError),
    /// A recipient cannot be parsed.
    #[error("a recipient is not usable")]
    Recipient(#[from] RecipientError),
    /// A seal cannot be decoded or encoded.
    #[error("a seal is not what it should be")]
    Seal(#[from] Malformed),
}
