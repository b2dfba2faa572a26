//! The answers of `stamp`.

use super::{Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request for a time stamp was written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Export {
    /// The request's file, to be sent to the time-stamping authority.
    pub request: Text,
    /// The exact bytes of `request`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hex: Option<Text>,
    /// Where a copy of the seal is kept.
    pub kept_seal: Text,
    /// The exact bytes of `kept_seal`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal_hex: Option<Text>,
    /// Where a copy of the request is kept.
    pub kept_request: Text,
    /// The exact bytes of `kept_request`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request_hex: Option<Text>,
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written, by the clock of the host.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// SHA-256 of the seal, in hexadecimal: what is stamped.
    pub sha256: Word,
}

/// A time stamp was kept.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Import {
    /// Where the copy of the seal is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal: Option<Text>,
    /// The exact bytes of `kept_seal`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_seal_hex: Option<Text>,
    /// Where the copy of the request is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request: Option<Text>,
    /// The exact bytes of `kept_request`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_request_hex: Option<Text>,
    /// Where the reply is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_reply: Option<Text>,
    /// The exact bytes of `kept_reply`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_reply_hex: Option<Text>,
    /// The id of the medium set, 32 hexadecimal digits.
    pub set: Word,
    /// The number of the generation within its set, from 1.
    pub generation: u64,
    /// When the seal was written, by the clock of the host.
    pub time: Word,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// When the seal was stamped, by the authority's clock.
    pub stamped: Word,
    /// The serial number of the stamp, in hexadecimal.
    pub serial: Text,
    /// The authority's policy: an object identifier (`1.2.3`).
    pub policy: Option<Text>,
    /// Always `unchecked`: the authority's signature is checked with openssl.
    pub signature: Option<Word>,
}
