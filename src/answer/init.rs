//! The answer of `init`.

use super::generations::LINES;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The host was set up.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Init {
    /// The configuration file that was written.
    pub config: Text,
    /// The exact bytes of `config`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hex: Option<Text>,
    /// The state directory.
    pub state: Text,
    /// The exact bytes of `state`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hex: Option<Text>,
    /// The recipients (public keys) of later sets.
    pub recipients: List<Word, LINES>,
    /// The new recovery key's file; absent where recipients were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key: Option<Text>,
    /// The exact bytes of `recovery_key`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key_hex: Option<Text>,
}
