//! Pages for people: facts in, text out. Nothing here reads a file, a clock or a language setting.
//!
//! All HTML has the frame and the stylesheet of `page`. A page with a size of its own adds to that stylesheet.

pub mod due;
pub mod key_sheet;
pub mod media_label;
pub mod page;
pub mod provisional;
mod qr;
