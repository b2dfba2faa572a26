//! The answer of `hold on`, `hold show`, `hold off` and `hold harmless`.

use super::facts::FACTS;
use super::{List, Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a hold is active.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HoldAnswer {
    // Always present: it distinguishes an answer from anything else.
    /// The hold; null where none is active.
    #[serde(deserialize_with = "Option::deserialize")]
    pub hold: Option<Hold>,
    /// Alarms that two people may call harmless, the oldest first.
    #[serde(default)]
    pub open_alarms: List<OpenAlarm, FACTS>,
}

/// An alarm that nobody has called harmless.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct OpenAlarm {
    /// The id of the set, 32 hexadecimal digits.
    pub set: Word,
    /// The generation that raised it first.
    pub generation: u64,
    /// When it was raised.
    pub time: Word,
    /// The name of the set, the generation and the tripwires, in English.
    pub why: Text,
}

/// A hold (保全): no medium with earlier generations is written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// When it was put on.
    pub since: Word,
    /// Who put it on.
    pub by: Text,
    /// Other people who added a reason to it.
    #[serde(default)]
    pub added_by: List<Text, FACTS>,
    /// Why: the words of these people, or the tripwires of a backup.
    pub why: Text,
    /// Who asked for its release and still needs a second person, or 12 hours; null where nobody has.
    pub release_asked: Option<ReleaseAsked>,
}

/// Who asked for the release of a hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseAsked {
    /// When.
    pub since: Word,
    /// Who asked.
    pub by: Text,
}
