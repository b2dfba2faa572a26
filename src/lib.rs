//! Azekura.
pub mod format;
pub mod pipeline;
