//! The answers of `stamp`.

use super::{Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request for a time stamp.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Export {
    /// The request's file.
    pub request: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hex: Option<Text>,
    pub kept_seal: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal_hex: Option<Text>,
    pub kept_request: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request_hex: Option<Text>,
    pub set: Word,
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    pub check_code: Word,
    /// Of the seal.
    pub sha256: Word,
}

/// A time stamp that was kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal_hex: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request_hex: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_reply: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_reply_hex: Option<Text>,
    pub set: Word,
    pub generation: u64,
    /// Of the seal.
    pub time: Word,
    pub check_code: Word,
    /// The authority's time.
    pub stamped: Word,
    /// Hexadecimal.
    pub serial: Text,
    /// The policy of the authority.
    pub policy: Option<Text>,
    /// Always `unchecked`: openssl checks it.
    pub signature: Option<Word>,
}
