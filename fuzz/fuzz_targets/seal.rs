//! A seal is text that anybody may have written.
#![no_main]

use azekura::format::digests::BothDigests;
use azekura::format::seal::{Seal, encode_list};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(signed) = Seal::decode(bytes) else { return };
    let (head, list) = bytes.split_at(signed.head_bytes);
    let again = Seal::with_signature(signed.seal.encode_body(), &signed.signature);
    assert_eq!(again, head, "a head has one spelling");
    // With the digests of whatever list is there, or no list would get past them.
    let seal = Seal { list: BothDigests::of(list), ..signed.seal };
    if let Ok(objects) = seal.decode_list(list) {
        assert_eq!(encode_list(&objects), list, "a list has one spelling");
        assert_eq!(objects.len() as u64, seal.count);
        assert!(objects.iter().zip(seal.first..).all(|(o, n)| o.number == n), "numbers have no gaps");
    }
});
