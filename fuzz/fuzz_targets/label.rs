//! A label is JSON that anybody may have written.
#![no_main]

use azekura::format::label::Label;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(label) = Label::decode(bytes) {
        let again = Label::decode(&label.encode());
        assert!(again.is_err() || again == Ok(label), "a label that is written again says the same, or is too long");
    }
});
