//! Pages for people: facts in, text out. Nothing here reads a file, a clock or a language setting.

pub mod due;
mod escaped;
pub mod key_sheet;
pub mod media_label;
pub mod page;
pub mod provisional;
