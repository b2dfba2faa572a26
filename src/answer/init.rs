//! The answer of `init`.

use super::generations::LINES;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was made.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Init {
    pub config: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hex: Option<Text>,
    pub state: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_hex: Option<Text>,
    pub recipients: List<Word, LINES>,
    /// The recovery key's file, if one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_key_hex: Option<Text>,
}
