//! A manifest's CBOR, from somebody who could encrypt to the recipients.
#![no_main]

use azekura::format::manifest::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::decode(bytes) {
        let again = manifest.encode();
        // Counts that a night lacks are read as 0, and written.
        if manifest.watch.is_empty() {
            assert!(again.len() <= bytes.len(), "the encoding is the shortest");
        }
        assert!(Manifest::decode(&again) == Ok(manifest));
    }
});
