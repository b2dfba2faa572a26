//! The stations that data passes between a source and a pack, each with both directions in one place.

pub mod compressor;
pub mod encryptor;
