//! A medium whose objects anybody may have changed, removed, exchanged or added: who has none of the keys cannot add a
//! seal, and not one character of a head or of a list.
#![no_main]

use azekura::format::check_code::CheckCode;
use azekura::format::label::Label;
use azekura::format::object::ObjectKind;
use azekura::seal::chain::Chain;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The seals that were really signed: their heads, and the whole of each.
static GENUINE: LazyLock<BTreeMap<[u8; 32], Vec<u8>>> = LazyLock::new(|| {
    let seals = sample::chain().into_iter().filter(|(kind, _)| *kind == ObjectKind::Seal);
    seals.map(|(_, bytes)| (*blake3::hash(sample::head(&bytes)).as_bytes(), bytes)).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let medium = sample::medium(bytes);
    let chain = Chain::read(&medium, sample::SET).expect("damage is a finding, not an error");
    let genuine_root = |l: &Label| l.root_key == sample::seal_key(1).public();
    if chain.label.as_ref().is_some_and(genuine_root) {
        for link in chain.links.iter().filter(|l| l.trusted) {
            let genuine = GENUINE.get(&link.digest());
            assert!(genuine.is_some(), "nobody else has the keys");
            assert!(!link.is_list_whole || link.bytes().as_ref() == genuine, "a list that is not the genuine one is not whole");
        }
    }
    let trusted: Vec<_> = chain.links.iter().filter(|l| l.trusted).map(|l| (l.seal.earlier, l.seal.generation)).collect();
    assert!(trusted.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "seals that are trusted follow on each other");
    let faulty = chain.label.is_none() || chain.links.iter().any(|l| !l.trusted || !l.is_list_whole);
    assert!(!faulty || !chain.faults.is_empty(), "what is not trusted is a fault");
    anchored(chain.clone());
    for number in 0..chain.listing.objects.len() as u64 + 2 {
        if let Some((object, _)) = chain.object(number) {
            assert_eq!(object.number, number);
        }
    }
});

/// With the check code of the last genuine seal, whatever is anchored is genuine, also without a label.
fn anchored(mut chain: Chain) {
    let last = sample::chain_texts().pop().expect("a head");
    let code = CheckCode::of(blake3::hash(&last).as_bytes());
    if chain.anchor(&code.into()).is_some() {
        for link in chain.links.iter().filter(|l| l.anchored) {
            assert!(GENUINE.contains_key(&link.digest()), "only what was written down is anchored");
        }
    }
}
