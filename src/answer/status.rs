//! The answer of `status`.

use super::facts::FACTS;
use super::{List, Text, Word};
use crate::host::ledger::MediumKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The copies there are, by the ledger, and what they lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// One item for each medium with a generation.
    pub copies: List<Copy, FACTS>,
    /// What the copies lack; empty where nothing does.
    pub lacks: List<Lack, FACTS>,
    /// Whether a hold is active.
    pub hold: bool,
    /// The rule of three copies, counted; absent without `--321`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_321: Option<Rule321>,
}

/// A medium with a generation.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Copy {
    /// The name of the medium.
    pub medium: Text,
    /// `disk` or `tape`; null where the ledger does not say.
    pub kind: Option<MediumKind>,
    /// Where a person last took it; null where nobody said.
    pub place: Option<Text>,
    /// Whether that is outside of the house.
    pub off_site: bool,
    /// When its newest generation was written.
    pub time: Word,
    /// The number of its newest generation.
    pub generation: u64,
    /// The check code of the seal: four groups of four characters, for the paper ledger.
    pub check_code: Word,
    /// Whether it may still be at the host: it was not seen to leave and nobody moved it.
    pub attached: bool,
}

/// Something that the copies lack.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Lack {
    /// What is lacking.
    pub lack: LackName,
    /// `attached`, `place-unknown`: the name of the medium. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Text>,
    /// `few`: how many copies there are. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u64>,
    /// `one-kind`: the kind of all copies. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediumKind>,
    /// `shared-place`: where. Else absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Text>,
    /// `shared-place`: the media there. Else absent.
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

/// The rule of 3 copies on 2 kinds of media with 1 off-site, counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Rule321 {
    /// Copies, the data in use among them.
    pub copies: u64,
    /// Kinds of media.
    pub kinds: u64,
    /// Copies outside of the house.
    pub off_site: u64,
}
