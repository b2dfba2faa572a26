//! Reports after an incident (報告書): what a session of evidence proves, and what it does not.
//!
//! A report is made of a session and nothing else: [`Session`] reads it and leaves out what its record does not bind,
//! [`judge`] says what may be said of an answer, [`restored`](mod@restored) puts together what belongs to one restore,
//! [`traces`] what all searches for an intruder say together.

pub mod answers;
pub mod judge;
mod read;
pub mod restored;
pub mod traces;

pub use judge::Mark;
pub use read::{FactSource, RecordedCommand, Session, SessionAnswer, Started};
