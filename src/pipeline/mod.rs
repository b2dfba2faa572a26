//! The stations that data passes, in the order of its way; each holds both directions or has its mirror beside it.

pub mod source;
pub mod target;
