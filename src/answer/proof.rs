//! The answers of `prove` and `check-proof`.

use super::{List, Text, Word};
use crate::format::entry::{ContentState, EntryKind};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a proof shows. `prove` has written it; `check-proof` has compared it with what is on paper. A proof that is not
/// valid shows nothing: it is an `error` with exit code 5. Without `--root-key` and `--expect`, `check-proof` has nothing
/// to compare it with: an `error` with exit code 2.
// One type: a shared part would have to be flattened, and reading it would take memory without a bound.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Proof {
    /// Of `prove`: the proof's file. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Text>,
    /// The exact bytes of `proof`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_hex: Option<Text>,
    /// Of `prove`: bytes of the proof. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of `prove`: the public key of the first seal, in hexadecimal: what a reader compares with paper. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_key: Option<Word>,
    /// The path of the record that is proved.
    pub path: Text,
    /// The exact bytes of `path`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Of a further name of a file: the first name, which has the content. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<Text>,
    /// The exact bytes of `link_to`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to_hex: Option<Text>,
    /// Of a symbolic link: where it leads. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Text>,
    /// The exact bytes of `target`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_hex: Option<Text>,
    /// The type of the entry.
    #[serde(rename = "type")]
    pub kind: Option<EntryKind>,
    /// Bytes of the content; 0 where the entry is no file.
    #[serde(default)]
    pub size: u64,
    /// When the content was last changed, as the source had it.
    pub mtime: Option<Word>,
    /// How the file was when it was backed up.
    pub state: Option<State>,
    /// SHA-256 of the content, in hexadecimal; null where there is none.
    pub sha256: Option<Word>,
    /// BLAKE3 of the content, in hexadecimal; null where there is none.
    pub blake3: Option<Word>,
    /// Of a file whose holes add up to more than 1 GiB: SHA-256 of its content without the holes; absent where it was
    /// not recorded. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_sha256: Option<Word>,
    /// Of a file whose holes add up to more than 1 GiB: BLAKE3 of its content without the holes. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_blake3: Option<Word>,
    /// With `stored_blake3`: bytes of the holes. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hole_bytes: Option<u64>,
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Option<Word>,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written.
    pub time: Word,
    /// What the seal says of the generation.
    pub verdict: Option<Verdict>,
    /// How the objects were read again before the seal was written: from the operating system's cache, after asking
    /// it to drop its cache, or past the cache.
    pub read_back: Option<ReadBack>,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// BLAKE3 of the seal's bytes, in hexadecimal.
    pub seal_blake3: Option<Word>,
    /// The record's number in the generation, from 0.
    #[serde(default)]
    pub record: u64,
    /// Records of the generation.
    #[serde(default)]
    pub records: u64,
    /// Of `check-proof`: what was given to compare the proof with; it agrees with each. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchors: Option<List<Anchor, 8>>,
    /// Of `check-proof`: whether the file of `--record` is the record that is proved; null where none was given. Else
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Option<Content>>,
}

/// How a file was when it was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was read whole.
    Good,
    /// It changed while it was read.
    Changed,
    /// It could not be read.
    Unreadable,
}

impl State {
    /// What is said of an entry that is not as it should be: `None` where it was read whole.
    pub fn unless_good(state: ContentState) -> Option<Self> {
        Some(Self::from(state)).filter(|state| *state != Self::Good)
    }
}

impl From<ContentState> for State {
    fn from(state: ContentState) -> Self {
        match state {
            ContentState::Good => Self::Good,
            ContentState::Changed => Self::Changed,
            ContentState::Unreadable { .. } => Self::Unreadable,
        }
    }
}

/// What a proof is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// `--root-key`.
    RootKey,
    /// `--expect`.
    CheckCode,
}

/// Whether a file is the record that is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// It is.
    Same,
    /// It has another size.
    Size,
    /// It has the same size and other content.
    Digest,
    /// The record has no content to compare.
    NoContent,
}
