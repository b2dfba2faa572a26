//! "Is this restored record authentic?" asks somebody who has neither the medium, nor the host, nor any key: a file, and two
//! lines on paper.

use crate::tools::noise;
use crate::world::{Deck, Hospital};
use azekura::event::NoObserver;
use azekura::format::check_code::CheckCode;
use azekura::format::digests::{BothDigests, Digests};
use azekura::format::entry::{ContentDigests, Core, EntryKind};
use azekura::format::merkle::{MerkleTree, record_leaf_salted};
use azekura::format::object::{Object, ObjectKind, hex};
use azekura::format::proof::Proof;
use azekura::format::seal::{ReadBack, Seal, Verdict, encode_list};
use azekura::format::{Malformed, limit};
use azekura::generation::Generation;
use azekura::job::backup::Options as BackupOptions;
use azekura::job::inspect::prove::{
    Anchors, Mismatch, NewProof, Options, ProofError, ProveError, ProvedFacts, check, compare, prove,
};
use azekura::medium::Directory;
use azekura::medium::tape::simulated::Cartridge;
use azekura::pipeline::compressor::{Compressor, Decompressor};
use azekura::seal::{SealKey, sign};
use azekura::set::open::OpenSet;
use std::io::{Seek, Write};
use std::path::PathBuf;

const PATH: &str = "source/ward/2025/chart";

/// Three nights, in which the chart is written, corrected and left alone.
fn nights() -> Hospital {
    let h = Hospital::new();
    for (night, chart) in [(1, "first"), (2, "corrected"), (3, "corrected")] {
        h.write("ward/2025/chart", chart);
        h.write("ward/2025/neighbour's chart", "what nobody else may know");
        h.write(&format!("ward/night {night}"), format!("admissions of night {night}"));
        h.write("zoo", [night as u8; 900]);
        h.backup();
    }
    h
}

fn try_prove(h: &Hospital, from: PathBuf, generation: Option<u64>, path: &str) -> Result<NewProof, ProveError> {
    let options = Options { from, set: None, generation, path: path.into() };
    h.with_env(|w| prove(&options, &h.identity, w, &NoObserver))
}

fn made(h: &Hospital, generation: u64, path: &str) -> Vec<u8> {
    try_prove(h, h.medium(), Some(generation), path).expect("a proof").bytes
}

fn code(h: &Hospital, generation: u64) -> CheckCode {
    CheckCode::of(&h.chain().generation(generation).expect("a generation").digest())
}

/// What stands on paper: the root key, and the code of a generation.
fn paper(h: &Hospital, generation: u64) -> Anchors {
    Anchors { root_key: Some(h.label().root_key), code: Some(code(h, generation).into()) }
}

/// Whether a file with this content is the record.
fn compared(h: &Hospital, core: &Core, content: &[u8]) -> Option<Mismatch> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(content).and_then(|()| file.rewind()).expect("content");
    h.with_env(|w| compare(core, &file, w)).expect("a file that can be read")
}

fn seals_of(proof: &Proof) -> Vec<u8> {
    let mut seals = Vec::new();
    Decompressor::new().and_then(|mut d| d.decompress_seals(&proof.seals, &mut seals)).expect("seals");
    seals
}

/// All of a proof's bytes made to fit each other again, as a forger would.
fn sealed_anew(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 32;
    let digest = *blake3::hash(&bytes[..end]).as_bytes();
    bytes[end..].copy_from_slice(&digest);
    bytes
}

#[test]
fn a_record_of_any_generation_is_proved_by_paper_alone() {
    let h = nights();
    for (generation, chart) in [(1, "first"), (2, "corrected"), (3, "corrected")] {
        let proof = made(&h, generation, PATH);
        let paper = paper(&h, generation);
        for anchors in [paper, Anchors { root_key: None, ..paper }, Anchors { code: None, ..paper }] {
            let facts: ProvedFacts = check(&proof, anchors).expect("it holds");
            assert_eq!((facts.core.path.as_slice(), facts.core.kind), (PATH.as_bytes(), EntryKind::File));
            assert_eq!((facts.seal.seal.generation, facts.check_code), (generation, code(&h, generation)));
            assert_eq!(compared(&h, &facts.core, chart.as_bytes()), None);
            let other = |content: &[u8]| compared(&h, &facts.core, content);
            assert_eq!(other(b"forged"), Some(Mismatch::Size { found: 6 }));
            assert_eq!(other(chart.to_uppercase().as_bytes()), Some(Mismatch::Digest));
            // Each digest stands alone: one that was broken one day must not carry the other.
            let mut core = facts.core.clone();
            let Some(ContentDigests::Whole(digests)) = &mut core.digests else { panic!("digests of all bytes") };
            digests.sha256 = Some([0; 32]);
            assert_eq!(compared(&h, &core, chart.as_bytes()), Some(Mismatch::Digest));
        }
        assert!(matches!(check(&proof, Anchors::default()), Err(ProofError::NoAnchor)));
    }
    // Folders are records too, with nothing in them to compare.
    let facts = check(&made(&h, 2, "source/ward"), paper(&h, 2)).expect("it holds");
    assert_eq!((facts.core.kind, compared(&h, &facts.core, b"")), (EntryKind::Directory, Some(Mismatch::NoContent)));
    for path in ["source/ward/2026", "ward", "source/ward/", ""] {
        assert!(matches!(try_prove(&h, h.medium(), None, path), Err(ProveError::NotFound { generation: 3, .. })), "{path}");
    }
}

/// The first and the last record, and every one between, in trees of many shapes.
#[test]
fn every_record_of_a_generation_is_proved() {
    let h = Hospital::new();
    for night in 0..6 {
        (0..night).for_each(|i| drop(h.write(&format!("{night}/{i}"), "x")));
        h.backup();
        let chain = h.chain();
        let medium = Directory::open(&h.medium(), chain.set).expect("the set");
        let generation = Generation::open(&medium, &chain, None, &h.identity).expect("a generation");
        let paths: Vec<Vec<u8>> = generation.entries().map(|r| r.expect("a record").path().to_vec()).collect();
        for (index, path) in (0..).zip(paths) {
            let path = String::from_utf8(path).expect("text");
            let facts = check(&made(&h, night + 1, &path), paper(&h, night + 1)).expect("it holds");
            assert_eq!((facts.core.path, facts.index), (path.into_bytes(), index));
        }
    }
}

#[test]
fn no_byte_of_a_proof_can_be_another() {
    let h = nights();
    let (proof, paper) = (made(&h, 2, PATH), paper(&h, 2));
    let good = check(&proof, paper).expect("it holds");
    for at in 0..proof.len() {
        for mask in [0x01, 0x80, 0xFF] {
            let mut bent = proof.clone();
            bent[at] ^= mask;
            assert!(check(&bent, paper).is_err(), "byte {at} ^ {mask:x}");
            // A forger makes the digest at the end fit. What is left to him is how the seals are compressed.
            if let Ok(facts) = check(&sealed_anew(bent.clone()), paper) {
                let told = |f: &ProvedFacts| (f.core.clone(), f.index, f.seal.digest());
                assert_eq!(told(&facts), told(&good), "byte {at} ^ {mask:x}");
                let seals = proof.windows(4).position(|w| w == [0x28, 0xB5, 0x2F, 0xFD]).expect("a zstd frame");
                assert!(at >= seals, "byte {at} ^ {mask:x} is not looked at");
            }
        }
        assert!(check(&proof[..at], paper).is_err(), "the first {at} bytes");
    }
    assert!(check(&[&proof[..], &[0]].concat(), paper).is_err());
}

#[test]
fn other_paper_than_the_proofs_own_is_seen() {
    let h = nights();
    let proof = made(&h, 2, PATH);
    let right = paper(&h, 2);
    for other in [1, 3] {
        let wrong = check(&proof, Anchors { code: Some(code(&h, other).into()), ..right });
        assert!(matches!(wrong, Err(ProofError::Code { generation: 2, found }) if Some(found.into()) == right.code), "{wrong:?}");
        // Between generation 2 and 3 the chart was left alone.
        assert!(check(&made(&h, other, PATH), right).is_err());
    }
    for root_key in [h.chain().generation(1).expect("a generation").seal.next, nights().label().root_key, [0; 32]] {
        let wrong = check(&proof, Anchors { root_key: Some(root_key), ..right });
        assert!(matches!(wrong, Err(ProofError::RootKey)), "{wrong:?}");
    }
}

/// A forger who has everything but the keys of the past: a record of his own, under seals of his own or those that there are.
#[test]
fn a_proof_made_up_hangs_on_nothing() {
    let h = nights();
    let paper = paper(&h, 3);
    let genuine = Proof::decode(&made(&h, 3, PATH)).expect("a proof");
    let mut core = check(&made(&h, 3, PATH), paper).expect("it holds").core;
    let forged = Digests { blake3: *blake3::hash(b"what never was").as_bytes(), sha256: None };
    core.digests = Some(ContentDigests::Whole(forged));
    core.size = 14;
    let mut forged = genuine.clone();
    forged.core.clear();
    core.encode(&mut forged.core);
    let wrong = check(&forged.encode().expect("a proof"), paper);
    assert!(matches!(wrong, Err(ProofError::NotInGeneration { generation: 3 })), "{wrong:?}");

    // A set of one generation that holds his record, signed with his key.
    let mut records = MerkleTree::default();
    records.push(record_leaf_salted(&forged.salt, &forged.core));
    let manifest = Object { number: 0, kind: ObjectKind::Manifest, length: 9, digests: Some(Digests::of(b"manifest.", true)) };
    let (own, next) = (SealKey::from_seed(&[1; 32]), SealKey::from_seed(&[2; 32]));
    let seal = Seal {
        set: h.label().set,
        label: [0; 32],
        generation: 1,
        time: "2025-06-03T00:00:00Z".into(),
        earlier: 0,
        heads: MerkleTree::default().root(),
        previous: None,
        succession: None,
        first: 0,
        count: 1,
        list: BothDigests::of(&encode_list(&[manifest])),
        record_count: 1,
        records: records.root(),
        read_back: ReadBack::Direct,
        verdict: Verdict::Good,
        next: next.public(),
    };
    let head = Seal::decode(&sign(&seal, &[manifest], &own).expect("a seal").bytes).expect("a seal");
    let seal = Seal::with_signature(seal.encode_body(), &head.signature);
    let mut frame = Vec::new();
    Compressor::new(1).and_then(|mut c| c.compress_seals(&seal, &mut frame)).expect("a frame");
    let own_set = Proof { index: 0, path: Vec::new(), seal_lengths: vec![seal.len() as u64], seals: frame, ..forged };
    let own_set = own_set.encode().expect("a proof");
    check(&own_set, Anchors { root_key: Some(own.public()), code: None }).expect("consistent with itself");
    assert!(matches!(check(&own_set, Anchors { code: None, ..paper }), Err(ProofError::RootKey)));
    assert!(matches!(check(&own_set, Anchors { root_key: None, ..paper }), Err(ProofError::Code { generation: 1, .. })));

    let all = seals_of(&genuine);
    // Words behind the last seal, that somebody could be shown as if they were signed.
    let mut frame = Vec::new();
    let behind = [&all[..], b"and this, too"].concat();
    Compressor::new(1).and_then(|mut x| x.compress_seals(&behind, &mut frame)).expect("a frame");
    let bent = Proof { seals: frame, ..genuine.clone() }.encode().expect("a proof");
    assert!(matches!(check(&bent, paper), Err(ProofError::Malformed(_))));
    // More than anything here would ever make.
    let huge = vec![0; limit::PROOF_BYTES as usize + 1];
    assert!(matches!(check(&huge, paper), Err(ProofError::Malformed(Malformed::TooLarge { .. }))));

    // Seals left out, twice, in another order, or of another set between.
    let mut seals: Vec<&[u8]> = Vec::new();
    let mut rest = &all[..];
    for n in &genuine.seal_lengths {
        let (seal, behind) = rest.split_at(*n as usize);
        seals.push(seal);
        rest = behind;
    }
    let [a, b, c] = seals[..] else { panic!("three seals") };
    let orders: [&[&[u8]]; 7] = [&[c], &[b, c], &[a, c], &[a, a, b, c], &[b, a, c], &[a, b, c, c], &[&seal, b, c]];
    for order in orders {
        let mut frame = Vec::new();
        Compressor::new(1).and_then(|mut x| x.compress_seals(&order.concat(), &mut frame)).expect("a frame");
        let seal_lengths = order.iter().map(|s| s.len() as u64).collect();
        let bent = Proof { seal_lengths, seals: frame, ..genuine.clone() }.encode().expect("a proof");
        for anchors in [paper, Anchors { root_key: None, ..paper }, Anchors { code: None, ..paper }] {
            assert!(matches!(check(&bent, anchors), Err(ProofError::Chain(_))), "{anchors:?}");
        }
    }
}

/// What a proof gives away: its own record, and of the rest hashes.
#[test]
fn a_proof_names_nothing_else() {
    let h = nights();
    let bytes = made(&h, 2, PATH);
    let proof = Proof::decode(&bytes).expect("a proof");
    let everything = [&bytes[..], &seals_of(&proof)].concat();
    let holds = |what: &[u8]| everything.windows(what.len()).any(|w| w == what);
    assert!(holds(PATH.as_bytes()));

    let chain = h.chain();
    let medium = Directory::open(&h.medium(), chain.set).expect("the set");
    for generation in 1..=3 {
        let generation = Generation::open(&medium, &chain, Some(generation), &h.identity).expect("a generation");
        for record in generation.entries() {
            let core = record.expect("a record").entry.expect("a good one").core;
            let is_own = core.path == PATH.as_bytes();
            // The folders above it are part of its path.
            let name = core.path.rsplit(|b| *b == b'/').next().expect("a name").to_vec();
            assert_eq!(holds(&name), PATH.as_bytes().windows(name.len()).any(|w| w == name), "{core:?}");
            let own_state = is_own && generation.link.seal.generation > 1;
            let digests = core.whole();
            for digest in [digests.map(|d| d.blake3), digests.and_then(|d| d.sha256)].into_iter().flatten() {
                assert_eq!(holds(&digest), own_state, "{core:?}");
                assert!(!holds(hex(&digest).as_bytes()), "{core:?}");
            }
        }
        let key = &generation.set_key;
        for secret in [&key.0[..], &key.record_salt_key()] {
            assert!(!holds(secret) && !holds(hex(secret).as_bytes()));
        }
        assert!(!holds(generation.manifest.host.as_bytes()) && !holds(h.label().name.as_bytes()));
    }
    assert_eq!(proof.path.len(), 3, "of 8 records");

    // The one exception: a further name stands beside the first in its own record.
    std::fs::hard_link(h.source().join("ward/2025/chart"), h.source().join("ward/2025/chart again")).expect("a link");
    h.backup();
    let facts = check(&made(&h, 4, "source/ward/2025/chart again"), paper(&h, 4)).expect("it holds");
    assert_eq!(facts.core.link_to.as_deref(), Some(PATH.as_bytes()));
}

/// Nights over several cartridges: the seals of all are on the last one, the records of a night on two.
#[test]
fn a_record_of_a_set_over_several_cartridges_is_proved() {
    let cartridges: Vec<Cartridge> = (0..6).map(|_| Cartridge::with_capacity(3_000_000, 700_000)).collect();
    let h = Hospital::new();
    h.deck.load(&cartridges[0]);
    h.deck.shelf.lock().expect("no panic").extend(cartridges[1..].iter().cloned());
    let options = BackupOptions { to: Deck::path(), memory_bytes: 6 << 20, ..h.options() };
    let mut nights = Vec::new();
    for night in 1..=2 {
        (0..150).for_each(|i| drop(h.write(&format!("small/{i}"), format!("record {i} of night {night}"))));
        h.write(&format!("large {night}"), noise(night, 2_200_000));
        let report = h.try_backup(&options).expect("a backup");
        nights.push((report.generation, report.check_code, report.place as usize));
    }
    let last = nights[1].2;
    assert!(last > 1, "more than one cartridge");
    h.deck.library.lock().expect("no panic").clone_from(&cartridges[..last].to_vec());
    for (generation, code, _) in nights {
        h.deck.load(&cartridges[last - 1]);
        let made = try_prove(&h, Deck::path(), Some(generation), "source/small/77").expect("a proof");
        // Closing seals among them.
        let chain = h.with_env(|w| OpenSet::open(&Deck::path(), None, w.loader).and_then(|o| o.chain())).expect("seals");
        let seals = chain.links.iter().filter(|l| l.seal.generation <= generation).count();
        assert_eq!(Proof::decode(&made.bytes).expect("a proof").seal_lengths.len(), seals);
        for anchors in
            [Anchors { root_key: Some(made.root_key), code: None }, Anchors { root_key: None, code: Some(code.into()) }]
        {
            let facts = check(&made.bytes, anchors).expect("it holds");
            assert_eq!(facts.seal.seal.generation, generation);
        }
    }
}

/// macOS has written the name, and somebody types it.
#[test]
fn a_path_is_proved_in_either_unicode_form() {
    let (composed, decomposed) = ("ward/がん", "ward/か\u{3099}ん");
    for (written, typed) in [(composed, decomposed), (decomposed, composed)] {
        let h = Hospital::new();
        h.write(written, "chart");
        h.backup();
        let proof = try_prove(&h, h.medium(), None, &format!("source/{typed}")).expect("a proof");
        assert_eq!(proof.facts.core.path, format!("source/{written}").as_bytes(), "as it is on the medium");
        // Both are there: the one that was typed is meant.
        h.write(typed, "another chart");
        h.backup();
        for name in [written, typed] {
            let proof = try_prove(&h, h.medium(), None, &format!("source/{name}")).expect("a proof");
            assert_eq!(proof.facts.core.path, format!("source/{name}").as_bytes());
        }
    }
}
