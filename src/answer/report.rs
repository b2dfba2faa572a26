//! The answers of `report`.

use super::evidence::Record;
use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A report was made of a session of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The session's folder.
    pub session: Text,
    /// The exact bytes of `session`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_hex: Option<Text>,
    /// The page; absent where no `--out` was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Text>,
    /// The exact bytes of `report`, in hexadecimal; absent where it is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_hex: Option<Text>,
    /// The session's custody record, as it was checked.
    pub record: Record,
    /// The sections that record something; those to be filled by hand are left out.
    pub sections: List<Section, FACTS>,
}

/// A section of a report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// The name of the section.
    pub section: Word,
    /// Facts; absent where the section has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<List<Fact, FACTS>>,
    /// Rows of a list, each an object with a member for each column; `source` is a list like `facts[].sources`.
    /// Absent where the section has no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<List<BTreeMap<String, Value>, FACTS>>,
    /// Rows that are left out; absent where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_more: Option<u64>,
}

/// A fact of a report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// The name of the fact.
    pub fact: Word,
    /// A number, a time, a date (`2026-11-01`), or text: names, or words for people in the language chosen. Null
    /// where nothing is recorded.
    pub value: Value,
    /// `good` (○), `partly` (△), `bad` (×) or `unknown` (未確認). A fact without a source is always `unknown`.
    pub mark: Word,
    /// Where the fact is recorded.
    pub sources: List<FactSource, FACTS>,
}

/// Where a fact is recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FactSource {
    /// The line of the session's record, from 1.
    pub line: u64,
    /// The file in the session that the line names; empty where the line itself says it.
    pub file: Text,
}
