//! A medium whose objects anybody may have changed, removed, exchanged or added.
#![no_main]

use azekura::format::label::Label;
use azekura::format::object::ObjectKind;
use azekura::seal::chain::Chain;
use azekura_fuzz as sample;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The seals that were really signed.
static GENUINE: LazyLock<BTreeSet<[u8; 32]>> = LazyLock::new(|| {
    let seals = sample::chain().into_iter().filter(|(kind, _)| *kind == ObjectKind::Seal);
    seals.map(|(_, bytes)| *blake3::hash(&bytes).as_bytes()).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let medium = sample::medium(bytes);
    let chain = Chain::read(&medium, sample::SET).expect("damage is a finding, not an error");
    let genuine_root = |l: &Label| l.root_key == sample::seal_key(1).public();
    if chain.label.as_ref().is_some_and(genuine_root) {
        for link in chain.links.iter().filter(|l| l.trusted) {
            assert!(GENUINE.contains(&link.digest), "nobody else has the keys");
        }
    }
    let trusted: Vec<u64> = chain.links.iter().filter(|l| l.trusted).map(|l| l.seal.generation).collect();
    assert!(trusted.is_sorted_by(|a, b| a < b), "generations that are trusted follow on each other");
    let faulty = chain.label.is_none() || chain.links.iter().any(|l| !l.trusted);
    assert!(!faulty || !chain.faults.is_empty(), "what is not trusted is a fault");
    for number in 0..chain.listing.objects.len() as u64 + 2 {
        if let Some((object, _)) = chain.object(number) {
            assert_eq!(object.number, number);
        }
    }
});
