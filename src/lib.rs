//! Azekura.
pub mod format;
pub mod pipeline;
pub mod seal;
