//! The stations that data passes, in order. Each contains both directions, or the station of the other direction is beside it.

pub mod chunker;
pub mod compressor;
pub mod dedup_index;
pub mod encryptor;
pub mod hasher;
pub mod pack_hasher;
pub mod packer;
pub mod place;
pub mod read_around;
pub mod source;
pub mod target;
