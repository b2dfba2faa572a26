//! An opened set: for reading, for checking, for writing.

pub mod check;
pub mod open;
pub mod read_back;
pub mod writer;
