//! Jobs after an incident: keep the evidence, stop the rotation, find the last clean generation.

pub mod clean;
pub mod evidence;
pub mod harmless;
pub mod hold;
pub mod indicators;
pub mod open_alarms;
pub mod people;
