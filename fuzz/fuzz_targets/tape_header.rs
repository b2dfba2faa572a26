//! A header block is read off a cartridge that anybody may have written.
#![no_main]

use azekura::format::tape::Header;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(header)) = Header::decode(bytes) {
        assert_eq!(header.encode(), bytes, "a header has one form");
        assert!(header.blocks() <= header.length);
    }
});
