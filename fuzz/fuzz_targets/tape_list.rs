//! The list of contents of a cartridge that anybody may have written: `u64 address of the trailer`, the trailer without
//! its digest, the list. The digests are put in here, since no fuzzer would find them.
#![no_main]

use azekura::format::tape::{Contents, HEADER_BYTES, Trailer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((at, rest)) = bytes.split_first_chunk::<8>() else { return };
    let Some((fields, list)) = rest.split_first_chunk::<{ HEADER_BYTES - 32 }>() else { return };
    let (at, mut fields) = (u64::from_le_bytes(*at), *fields);
    fields[48..80].copy_from_slice(blake3::hash(list).as_bytes());
    let block = [&fields[..], blake3::hash(&fields).as_bytes()].concat();
    let Ok(Some(trailer)) = Trailer::decode(&block) else { return };
    assert_eq!(trailer.encode()[..], block, "a trailer has one form");
    if trailer.check(trailer.set, trailer.block, at).is_err() {
        return;
    }
    assert_eq!(trailer.first + trailer.blocks(), at);
    let Ok(contents) = Contents::decode(&trailer, list) else { return };
    assert_eq!(contents.encode(trailer.set, trailer.block, trailer.first), (list.to_vec(), trailer), "a list has one form");
    // No two objects share an address, and all are before the list.
    let length = |length: u64| 1 + length.div_ceil(trailer.block.into());
    assert!(contents.items.iter().map(|i| length(i.length)).sum::<u64>() <= trailer.first);
    assert!(contents.items.iter().all(|i| Some(i.at) <= contents.last && i.at + length(i.length) <= trailer.first));
});
