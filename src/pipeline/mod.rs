//! The stations that data passes, in the order of its way; each holds both directions or has its mirror beside it.

pub mod chunker;
pub mod compressor;
pub mod dedup_index;
pub mod encryptor;
pub mod hasher;
pub mod packer;
pub mod source;
pub mod target;
