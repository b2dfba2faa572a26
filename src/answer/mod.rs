//! What commands answer: one type for each command. The command line prints it and shows it to people, reports read it
//! again, and `docs/json.md` and `docs/schema/` are made from it ([`reference`](mod@reference)).
//!
//! A member's doc comment is its documentation: the first line says what it is, in which unit, and when it is null.
//!
//! **Invariant:** reading an answer takes bounded memory, whoever wrote it: each text is a [`Text`] or a [`Word`], each
//! list a [`List`].

pub mod backup;
mod bounded;
pub mod catalog;
pub mod compare;
pub mod diff;
pub mod evidence;
pub mod facts;
pub mod find;
pub mod generations;
pub mod history;
pub mod hold;
pub mod init;
pub mod keys;
pub mod media;
pub mod program;
pub mod proof;
pub mod reference;
pub mod report;
pub mod restore;
pub mod session;
pub mod stamp;
pub mod status;
pub mod verify;

pub(crate) use bounded::ShortTexts;
pub use bounded::{Clipped, List, Loose, NamedCounts, Text, Word};

use crate::format::object::{hex, unhex_any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the documents that `--json` prints. It grows when a member changes its meaning or goes; new members
/// do not change it.
pub const SCHEMA_VERSION: u64 = 1;

/// What `--json` prints.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Document<T> {
    /// Now 1. It grows when a member changes its meaning or is removed. New members alone do not change it: skip members
    /// that you do not know.
    pub schema_version: u64,
    /// Name and version of the program.
    #[serde(default)]
    pub tool: Word,
    /// The command; of one inside another with a point: `keys.new`. Null where the command line was not understood.
    pub command: Option<Word>,
    /// The exit code of the process.
    pub exit_code: Option<u64>,
    /// The answer of the command, whatever it found; each command below has its own. Absent where the command failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<T>,
    /// Why the command failed. Absent where there is a `result`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// Why a command failed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Which error; stable: `medium.full`.
    pub id: Word,
    /// What happened, for people, in the language chosen.
    #[serde(default)]
    pub message: Text,
    /// Why it happened, from the nearest cause to the farthest, for people.
    #[serde(default)]
    pub causes: List<Text, 100>,
    /// The one next action, for people.
    #[serde(default)]
    pub hint: Text,
}

/// The name of a file or source, and its exact bytes in hexadecimal where it is not UTF-8 (in the text, what is not
/// UTF-8 is replaced).
pub fn name(bytes: &[u8]) -> (Text, Option<Text>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let hex = std::str::from_utf8(bytes).is_err().then(|| hex(bytes).into());
    (text.into(), hex)
}

/// The exact bytes of a name: the way back of [`name`].
pub fn exact(name: &str, hex: Option<&str>) -> Vec<u8> {
    hex.and_then(unhex_any).unwrap_or_else(|| name.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_comes_back_exactly() {
        for bytes in [&b"b"[..], b"a\xff", "\u{fffd}".as_bytes(), b""] {
            let (text, hex) = name(bytes);
            assert_eq!(exact(&text, hex.as_deref()), bytes);
        }
        let (text, hex) = name(b"a\xff");
        assert_eq!((&*text, hex.as_deref()), ("a\u{fffd}", Some("61ff")));
    }
}
