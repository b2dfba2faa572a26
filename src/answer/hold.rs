//! The answer of `hold on`, `hold show` and `hold off`.

use super::{Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a hold is active.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HoldAnswer {
    // Always present: it distinguishes an answer from anything else.
    /// The hold; null where none is active.
    #[serde(deserialize_with = "Option::deserialize")]
    pub hold: Option<Hold>,
}

/// A hold (保全): no medium with earlier generations is written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// When it was put on.
    pub since: Word,
    /// Who put it on.
    pub by: Text,
    /// Why: the words of that person, or the tripwires of a backup.
    pub why: Text,
    /// Who asked for its release and still needs a second person, or another day; null where nobody has.
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
