//! The answers of commands about the program itself.

use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A script that teaches a shell the command line.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Completions {
    /// Which shell.
    pub shell: Word,
    /// The script.
    pub script: Text,
}

/// Man pages that were written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Man {
    /// Their files.
    pub pages: List<Text, FACTS>,
}

/// A page of documentation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Markdown.
    pub page: Text,
}
