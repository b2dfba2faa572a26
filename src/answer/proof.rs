//! The answers of `prove` and `check-proof`.

use super::{List, Text, Word};
use crate::format::entry::{ContentState, EntryKind};
use crate::format::seal::{ReadBack, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A proof that was made, and what it shows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Prove {
    /// The proof's file.
    pub proof: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_hex: Option<Text>,
    /// Of the proof.
    pub bytes: u64,
    pub root_key: Word,
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Of a further name: the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to_hex: Option<Text>,
    /// Of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_hex: Option<Text>,
    #[serde(rename = "type")]
    pub kind: Option<EntryKind>,
    #[serde(default)]
    pub size: u64,
    pub mtime: Option<Word>,
    /// Of the file when it was backed up.
    pub state: Option<State>,
    /// Null where there is none.
    pub sha256: Option<Word>,
    /// Null where there is none.
    pub blake3: Option<Word>,
    pub set: Option<Word>,
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    pub verdict: Option<Verdict>,
    pub read_back: Option<ReadBack>,
    pub check_code: Word,
    /// Of the seal's bytes.
    pub seal_blake3: Option<Word>,
    /// The record's number in the generation, from 0.
    #[serde(default)]
    pub record: u64,
    /// Records of the generation.
    #[serde(default)]
    pub records: u64,
}

/// What a proof shows. A proof that does not hold is an `error` with exit code 5 and shows nothing; without an anchor it is one with 2.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CheckProof {
    pub path: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<Text>,
    /// Of a further name: the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to_hex: Option<Text>,
    /// Of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_hex: Option<Text>,
    #[serde(rename = "type")]
    pub kind: Option<EntryKind>,
    #[serde(default)]
    pub size: u64,
    pub mtime: Option<Word>,
    /// Of the file when it was backed up.
    pub state: Option<State>,
    /// Null where there is none.
    pub sha256: Option<Word>,
    /// Null where there is none.
    pub blake3: Option<Word>,
    pub set: Option<Word>,
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    pub verdict: Option<Verdict>,
    pub read_back: Option<ReadBack>,
    pub check_code: Word,
    /// Of the seal's bytes.
    pub seal_blake3: Option<Word>,
    /// The record's number in the generation, from 0.
    #[serde(default)]
    pub record: u64,
    /// Records of the generation.
    #[serde(default)]
    pub records: u64,
    /// What the proof was compared with, and agrees with.
    pub anchors: Option<List<Anchor, 8>>,
    /// Whether a file is the record that is proved; null without `--record`.
    pub content: Option<Content>,
}

/// How a file was when it was backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Good,
    /// It changed while it was read.
    Changed,
    Unreadable,
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
    RootKey,
    CheckCode,
}

/// Whether a file is the record that is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    Same,
    Size,
    Digest,
    /// The record has no content.
    NoContent,
}
