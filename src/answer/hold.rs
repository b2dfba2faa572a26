//! The answer of `hold on`, `hold show` and `hold off`.

use super::{Text, Word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a hold is active.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct HoldAnswer {
    /// Null when none is active.
    // Always there: it tells an answer from anything else.
    #[serde(deserialize_with = "Option::deserialize")]
    pub hold: Option<Hold>,
}

/// A hold: no medium with earlier generations is written.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    pub since: Word,
    pub by: Text,
    pub why: Text,
    /// Somebody asked for its release and needs a second person, or another day; or null.
    pub release_asked: Option<ReleaseAsked>,
}

/// Who asked for the release of a hold.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseAsked {
    pub since: Word,
    pub by: Text,
}
