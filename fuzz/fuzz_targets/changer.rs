//! What a changer answers, whose firmware anybody may have written.
#![no_main]

use azekura::medium::scsi::Sense;
use azekura::medium::tape::changer::element::{Addresses, decode_status};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = (Sense::decode(bytes), Addresses::decode(bytes));
    let Ok(slots) = decode_status(bytes) else { return };
    assert!(slots.len() <= bytes.len() / 12, "every place has bytes of its own");
    for slot in slots {
        for text in slot.barcode.iter().chain(&slot.device) {
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "what is shown is printable");
        }
        assert!(slot.barcode.is_none_or(|b| (1..=32).contains(&b.len())));
        assert!(slot.full || slot.source.is_none());
    }
});
