//! Jobs on media as things: register, rotate, copy, read in full.

pub mod copies;
pub mod copy;
pub mod register;
pub mod rotation;
pub mod scrub;
