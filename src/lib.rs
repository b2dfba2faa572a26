//! Azekura: sealed, encrypted, deduplicated generations on media that can be taken away.

pub mod format;
pub mod medium;
pub mod pipeline;
