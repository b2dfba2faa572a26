//! Pages for people: facts in, text out. Nothing here reads a file, a clock or a language setting.

pub mod key_sheet;
