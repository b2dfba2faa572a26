//! Azekura.
pub mod format;
