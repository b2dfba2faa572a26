//! Azekura.
pub mod format;
pub mod pipeline;
pub mod report;
pub mod seal;
