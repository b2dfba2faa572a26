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

/// The version, and what the kernel has for the cage.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The version of the program.
    pub version: Word,
    /// The cage that commands enter before they read a medium. Null without `--verbose`.
    pub cage: Option<Cage>,
}

/// What the kernel has for the cage, tried just now.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Cage {
    /// The version of its Landlock. Null where it has none: then files are not limited to those that a command needs.
    pub landlock: Option<u64>,
    /// Whether system calls can be refused, of starting a program, opening a socket or mounting something among them.
    pub seccomp: bool,
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
