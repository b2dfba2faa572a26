//! How long proofs and seals become.

use crate::example;
use azekura::format::digests::{BothDigests, Digests};
use azekura::format::merkle::{MerkleTree, head_leaf};
use azekura::format::object::{Object, ObjectKind};
use azekura::format::seal::{Seal, encode_list};
use azekura::pipeline::compressor::Compressor;
use azekura::seal::{SealKey, sign};

/// Bytes that nothing compresses, as digests are.
fn digest(of: &str, number: u64) -> [u8; 32] {
    *blake3::hash(format!("{of} {number}").as_bytes()).as_bytes()
}

fn objects(first: u64, packs: u64, length: u64) -> Vec<Object> {
    let object = |(n, kind): (u64, ObjectKind)| {
        let digests = Digests { blake3: digest("blake3", n), sha256: Some(digest("sha256", n)) };
        Object { number: n, kind, length, digests: Some(digests) }
    };
    let kinds = (0..packs).map(|_| ObjectKind::Pack).chain([ObjectKind::Manifest]);
    (first..).zip(kinds).map(object).collect()
}

/// A chain of 500 generations of 20 objects each: what a proof of its last generation holds of it.
#[test]
fn a_proof_takes_less_than_a_kilobyte_a_generation() {
    let (mut heads, mut all, mut first, mut previous) = (MerkleTree::default(), Vec::new(), 0, None);
    for generation in 1..=500u64 {
        let listed = objects(first, 19, 16 << 20);
        let seal = Seal {
            generation,
            earlier: generation - 1,
            heads: heads.root(),
            previous,
            first,
            count: 20,
            list: BothDigests::of(&encode_list(&listed)),
            record_count: 14_000_000 + generation,
            records: digest("records", generation),
            next: SealKey::from_seed(&digest("key", generation + 1)).public(),
            ..example::seal()
        };
        let new = sign(&seal, &listed, &SealKey::from_seed(&digest("key", generation))).expect("a seal");
        heads.push(head_leaf(&new.head.blake3));
        (first, previous) = (seal.number() + 1, Some(new.head));
        let head_bytes = Seal::decode(&new.bytes).expect("a seal").head_bytes;
        all.extend_from_slice(&new.bytes[..head_bytes]);
    }
    let mut frame = Vec::new();
    Compressor::new(1).and_then(|mut c| c.compress_seals(&all, &mut frame)).expect("a frame");
    println!("500 generations of 20 objects: {} bytes of heads, {} in the proof", all.len(), frame.len());
    assert!(frame.len() < 500 << 10);
}

/// The largest list between two checkpoints: 64 GiB in packs of 2 MiB.
#[test]
fn a_seal_between_checkpoints_stays_small() {
    let listed = objects(10_000_000, 32_768, 2 << 20);
    let bytes = encode_list(&listed).len();
    println!("20 TB in packs of 2 MiB: {} seals of {bytes} bytes", (20_000_000_000_000u64 >> 36) + 1);
    assert!(bytes < 8 << 20);
}
