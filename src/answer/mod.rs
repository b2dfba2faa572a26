//! What commands answer: one type for each, printed by the command line and read again by reports.

pub mod session;
