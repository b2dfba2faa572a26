//! Azekura.
pub mod format;
pub mod medium;
