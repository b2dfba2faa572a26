//! A label is text that anybody may have written.
#![no_main]

use azekura::format::label::Label;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(label) = Label::decode(bytes) {
        assert_eq!(label.encode(), bytes, "a label has one spelling");
        assert!(!label.name.chars().chain(label.tool.chars()).any(char::is_control), "it can be shown");
    }
});
