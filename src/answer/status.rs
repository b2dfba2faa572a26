//! The answer of `status`.

use super::facts::FACTS;
use super::{List, Text, Word};
use crate::host::ledger::MediumKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The copies there are, by the ledger, and what they lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    pub copies: List<Copy, FACTS>,
    pub lacks: List<Lack, FACTS>,
    /// Whether a hold is active.
    pub hold: bool,
    /// Only with `--321`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_321: Option<Rule321>,
}

/// A medium with a generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    pub medium: Text,
    /// Null when it is not known.
    pub kind: Option<MediumKind>,
    /// Where somebody took it; null when nobody said.
    pub place: Option<Text>,
    pub off_site: bool,
    /// Of the newest generation on it.
    pub time: Word,
    pub generation: u64,
    pub check_code: Word,
    /// It was not seen to leave.
    pub attached: bool,
}

/// What the copies lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lack {
    pub lack: LackName,
    /// Of `attached` and `place-unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Text>,
    /// Of `few`: how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// Of `one-kind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediumKind>,
    /// Of `shared-place`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Text>,
    /// Of `shared-place`: the media there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<List<Text, FACTS>>,
}

/// What may be lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LackName {
    /// A copy is attached.
    Attached,
    /// There are too few copies.
    Few,
    /// All copies are of one kind.
    OneKind,
    /// No copy is off-site.
    NoneOffSite,
    /// Several copies lie in one place.
    SharedPlace,
    /// Nobody said where a copy lies.
    PlaceUnknown,
}

/// The rule of 3 copies of 2 kinds with 1 off-site, counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rule321 {
    /// The data in use among them.
    pub copies: u64,
    /// Kinds of media.
    pub kinds: u64,
    /// Copies out of the house.
    pub off_site: u64,
}
