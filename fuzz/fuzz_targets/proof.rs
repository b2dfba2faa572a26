//! A proof that anybody may have made, held against the paper of the one genuine set. The digest at its end is put there,
//! or nothing would get past it.
#![no_main]

use azekura::format::check_code::CheckCode;
use azekura::format::object::ObjectKind;
use azekura::format::proof::Proof;
use azekura::job::inspect::prove::{Anchors, check};
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Of the first generation, whose records the others have too.
static CODE: LazyLock<CheckCode> = LazyLock::new(|| {
    let seal = sample::chain().into_iter().find(|(kind, _)| *kind == ObjectKind::Seal).map(|(_, bytes)| bytes).expect("a seal");
    CheckCode::of(blake3::hash(&seal).as_bytes())
});

fuzz_target!(|bytes: &[u8]| {
    let bytes = [bytes, blake3::hash(bytes).as_bytes()].concat();
    if let Ok(proof) = Proof::decode(&bytes) {
        let again = proof.encode().expect("what was decoded can be encoded");
        assert_eq!(Proof::decode(&again).as_ref(), Ok(&proof));
    }
    assert!(check(&bytes, Anchors::default()).is_err(), "it hangs on nothing");
    let root_key = Some(sample::seal_key(1).public());
    for anchors in [Anchors { root_key, code: None }, Anchors { root_key: None, code: Some(*CODE) }] {
        if let Ok(facts) = check(&bytes, anchors) {
            assert_eq!(facts.core, sample::entries()[facts.index as usize].core, "nobody else can seal a record");
        }
    }
});
