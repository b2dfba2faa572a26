//! What all commands share: how answers, messages, names, sizes and progress are shown, and how a person is asked.

pub mod catalogue;
pub mod csv;
pub mod exit;
pub mod explain;
pub mod findings;
pub mod lang;
pub mod output;
pub mod printable;
pub mod progress;
pub mod recorded;
pub mod secret;
pub mod table;
pub mod text;
pub mod units;
pub mod values;
pub mod words;
