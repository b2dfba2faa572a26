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
    pub attached: bool,
}

/// What the copies lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "lack", rename_all = "kebab-case")]
pub enum Lack {
    /// A copy is attached.
    Attached { medium: Text },
    /// There are too few.
    Few { copies: u64 },
    /// All are of one kind.
    OneKind { kind: MediumKind },
    /// None is off-site.
    NoneOffSite,
    /// Several lie in one place.
    SharedPlace { place: Text, media: List<Text, FACTS> },
    /// Nobody said where one lies.
    PlaceUnknown { medium: Text },
}

/// The rule of 3 copies of 2 kinds with 1 off-site, counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rule321 {
    /// The data in use among them.
    pub copies: u64,
    pub kinds: u64,
    pub off_site: u64,
}
