//! A proof that anybody may have made, held against the paper of the one genuine set. The digest at its end is put
//! there, or nothing would get past it.
#![no_main]

use azekura::format::check_code::{CheckCode, WrittenCode};
use azekura::format::proof::Proof;
use azekura::job::inspect::prove::{Anchors, check};
use azekura::pipeline::compressor::Decompressor;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Of the first generation and of the last, which have the same records.
static CODES: LazyLock<[WrittenCode; 2]> = LazyLock::new(|| {
    let texts = sample::chain_texts();
    [&texts[0], &texts[texts.len() - 1]].map(|head| CheckCode::of(blake3::hash(head).as_bytes()).into())
});

fuzz_target!(|bytes: &[u8]| {
    let bytes = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(proof) = Proof::decode(&bytes) {
        let again = proof.encode().expect("what was decoded can be encoded");
        assert_eq!(Proof::decode(&again).as_ref(), Ok(&proof));
    }
    assert!(check(&bytes, Anchors::default()).is_err(), "it hangs on nothing");
    let root_key = Some(sample::seal_key(1).public());
    for anchors in CODES.map(|code| Anchors { root_key: None, code: Some(code) }) {
        if let Ok(facts) = check(&bytes, anchors) {
            assert_eq!(facts.core, sample::entries()[facts.index as usize].core, "nobody else can seal a record");
        }
    }
    // The signature of a succession cannot be checked without the label: behind one, the root key alone shows nothing.
    if let Ok(facts) = check(&bytes, Anchors { root_key, code: None }) {
        let is_genuine = sample::entries().get(facts.index as usize).is_some_and(|entry| entry.core == facts.core);
        assert!(is_genuine || has_succession(&bytes), "nobody else can seal a record");
    }
});

fn has_succession(proof: &[u8]) -> bool {
    let mut texts = Vec::new();
    let proof = Proof::decode(proof).expect("it was checked");
    Decompressor::new().and_then(|mut d| d.decompress_seals(&proof.seals, &mut texts)).expect("it was checked");
    texts.windows(20).any(|w| w == b"\nazekura succession ")
}
