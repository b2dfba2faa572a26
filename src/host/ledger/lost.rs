//! What other records of the host show to be missing in the ledger.

use super::LedgerContent;

/// What the ledger had once, and has no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LostLine {
    /// All of it.
    All,
    /// That a generation was written.
    Generation {
        /// Its number.
        generation: u64,
        /// The medium that it is on, or its set.
        medium: String,
        /// When it was sealed: RFC 3339, UTC.
        time: String,
    },
    /// That a generation was written in which this host raised an alarm, by the folder of its set.
    Alarm {
        /// Its number.
        generation: u64,
        /// What people call the set.
        set: String,
    },
    /// A line about a hold.
    Hold {
        /// When it was written: RFC 3339, UTC.
        time: String,
    },
}

impl LedgerContent {
    /// Whether other records show an alarm that it does not have.
    pub fn lacks_an_alarm(&self) -> bool {
        self.lost.iter().any(|lost| matches!(lost, LostLine::Alarm { .. }))
    }
}
