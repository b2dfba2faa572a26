//! A header block is read off a cartridge that anybody may have written; and so is the trailer of a list.
#![no_main]

use azekura::format::tape::{Header, Trailer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(header)) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes, "a header has one form");
        assert!(header.blocks() <= header.length);
    }
    if let Ok(Some(trailer)) = Trailer::decode(bytes) {
        assert_eq!(trailer.encode(), bytes, "a trailer has one form");
    }
});
