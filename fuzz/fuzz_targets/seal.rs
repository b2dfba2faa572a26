//! A seal is text that anybody may have written.
#![no_main]

use azekura::format::seal::Seal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signed) = Seal::decode(bytes) {
        let again = Seal::with_signature(signed.seal.encode_body(), &signed.signature);
        assert_eq!(again, bytes, "a seal has one spelling");
    }
});
