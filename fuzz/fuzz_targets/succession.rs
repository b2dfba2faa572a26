//! A succession is text that anybody may have written.
#![no_main]

use azekura::format::seal::Seal;
use azekura::format::succession::Succession;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = Succession::decode(bytes) {
        let again = Seal::with_signature(signed.succession.encode_body(), &signed.signature);
        assert_eq!(again, bytes, "a succession has one spelling");
        assert_eq!(signed.body_bytes, signed.succession.encode_body().len(), "what is signed is what it says");
    }
});
