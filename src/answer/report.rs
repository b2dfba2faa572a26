//! The answers of `report`.

use super::evidence::Record;
use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A report of a session of evidence.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The session's folder.
    pub session: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_hex: Option<Text>,
    /// The page; absent without `--out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_hex: Option<Text>,
    pub record: Record,
    /// Sections that are filled by hand are absent.
    pub sections: List<Section, FACTS>,
}

/// A section of a report.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Section {
    /// Its name.
    pub section: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Facts that are recorded.
    pub facts: Option<List<Fact, FACTS>>,
    /// A member for each column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<List<BTreeMap<String, Value>, FACTS>>,
    /// Rows that are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_more: Option<u64>,
}

/// A fact of a report. A fact without a source is `unknown`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Fact {
    /// Its name.
    pub fact: Word,
    /// A number, a time, a date (`2026-11-01`), or text: names, or words for people in the language chosen.
    pub value: Value,
    /// `good` (○), `partly` (△), `bad` (×) or `unknown` (未確認).
    pub mark: Word,
    pub sources: List<Source, FACTS>,
}

/// Where a fact is recorded.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Of the record, from 1.
    pub line: u64,
    /// In the session; empty where the line itself says it.
    pub file: Text,
}
