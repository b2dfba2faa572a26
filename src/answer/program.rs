//! The answers of commands about the program itself.

use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A script that completes the command line in a shell.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Completions {
    /// The name of the shell.
    pub shell: Word,
    /// The script.
    pub script: Text,
}

/// Man pages were written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Man {
    /// The files of the pages.
    pub pages: List<Text, FACTS>,
}

/// The help of every command.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Markdown.
    pub page: Text,
}
