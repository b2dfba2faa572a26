//! What follows what: the example's succession on a medium, and proofs whose heads are no chain.

use crate::example::{self, counting};
use crate::hostile::Gather;
use azekura::format::check_code::{CheckCode, WrittenCode};
use azekura::format::digests::BothDigests;
use azekura::format::label::Label;
use azekura::format::object::{Object, ObjectKind};
use azekura::format::proof::Proof;
use azekura::format::seal::{Seal, Verdict, encode_list};
use azekura::format::succession::Succession;
use azekura::job::inspect::prove::{Anchors, ProofError, check};
use azekura::medium::Medium;
use azekura::medium::simulated::Simulated;
use azekura::seal::chain::{Chain, FaultKind};
use azekura::seal::{SealKey, sign, sign_succession};

fn key(seed: usize) -> SealKey {
    SealKey::from_seed(&example::seal_seeds()[seed])
}

fn head(seal: &[u8]) -> Vec<u8> {
    seal[..Seal::decode(seal).expect("a seal").head_bytes].to_vec()
}

/// A seal behind the example's, over `succession` and a manifest; its head names `named`.
fn second_seal(succession: &[u8], named: Option<&[u8]>, key: &SealKey) -> Vec<u8> {
    let listed =
        [Object::of(4, ObjectKind::Succession, succession), Object::of(5, ObjectKind::Manifest, b"the manifest of generation 2")];
    let named = named.map(|bytes| *blake3::hash(bytes).as_bytes());
    sign(&Seal { succession: named, ..example::second_seal(&listed) }, &listed, key).expect("a seal").bytes
}

/// The example's set, with this succession and this seal behind it.
fn continued(succession: Option<&[u8]>, seal: &[u8]) -> Chain {
    let medium = Simulated::new();
    let append = |number, kind, bytes: &[u8]| medium.append(number, kind, bytes).expect("an object");
    for (number, (kind, bytes)) in (0..).zip(example::objects()) {
        append(number, kind, &bytes);
    }
    append(3, ObjectKind::Seal, &example::seal_bytes());
    succession.into_iter().for_each(|bytes| append(4, ObjectKind::Succession, bytes));
    append(5, ObjectKind::Manifest, b"the manifest of generation 2");
    append(6, ObjectKind::Seal, seal);
    Chain::read(&medium, example::label().set).expect("a chain")
}

#[test]
fn a_succession_continues_the_chain() {
    let (bytes, seal) = (example::succession_bytes(), example::continued_seal().bytes);
    let chain = continued(Some(&bytes), &seal);
    assert_eq!(chain.faults, []);
    assert!(chain.links.iter().all(|l| l.trusted) && chain.links.len() == 2);
    assert_eq!(chain.links[1].succession.as_ref(), Some(&bytes), "a reader can name it");

    // One that no head names decides nothing.
    let unnamed = second_seal(&bytes, None, &key(1));
    let chain = continued(Some(&bytes), &unnamed);
    assert!(chain.faults.is_empty() && chain.links[1].succession.is_none());
}

#[test]
fn a_succession_that_is_not_valid_continues_nothing() {
    let good = example::succession();
    let heir = example::heir_key();
    let set = azekura::format::object::Id([9; 16]);
    let previous = BothDigests { sha256: [9; 32], ..good.previous };
    let mut bent = sign_succession(&good, &heir);
    *bent.last_mut().expect("a line feed") = b' ';
    for (name, bytes) in [
        ("signed by the key of the host", sign_succession(&good, &key(1))),
        ("signed by the key that it names", sign_succession(&good, &key(2))),
        ("of another set", sign_succession(&Succession { set, ..good.clone() }, &heir)),
        ("behind another seal", sign_succession(&Succession { previous, ..good.clone() }, &heir)),
        ("of another form", bent),
    ] {
        let chain = continued(Some(&bytes), &second_seal(&bytes, Some(&bytes), &key(2)));
        let faults: Vec<_> = chain.faults.iter().map(|f| (f.object, &f.what)).collect();
        assert_eq!(faults, [(6, &FaultKind::Succession)], "{name}");
        assert!(!chain.links[1].trusted, "{name}");
    }
    let good = example::succession_bytes();
    let chain = continued(None, &second_seal(&good, Some(&good), &key(2)));
    assert_eq!(chain.faults[0].what, FaultKind::Succession, "it is not there");
    for (name, named, signer) in
        [("the next key of the seal before", Some(&good[..]), 1), ("a succession that no head names", None, 2)]
    {
        let chain = continued(Some(&good), &second_seal(&good, named, &key(signer)));
        assert_eq!(chain.faults[0].what, FaultKind::Signature, "signed with {name}");
    }
}

/// The example's set with another label, which its seal lists.
#[test]
fn a_label_without_a_succession_key_has_no_successions() {
    let label = Label { succession_key: None, ..example::label() }.encode();
    let objects = [Object::of(0, ObjectKind::Label, &label), Object::of(1, ObjectKind::Manifest, b"manifest")];
    let digest = *blake3::hash(&label).as_bytes();
    let first = Seal { label: digest, count: 2, list: BothDigests::of(&encode_list(&objects)), ..example::seal() };
    let first = sign(&first, &objects, &key(0)).expect("a seal");
    let succession = sign_succession(&Succession { previous: first.head, ..example::succession() }, &example::heir_key());
    let listed = [Object::of(3, ObjectKind::Succession, &succession), Object::of(4, ObjectKind::Manifest, b"manifest")];
    let second = Seal {
        label: digest,
        first: 3,
        heads: example::heads_root(&[first.head.blake3]),
        previous: Some(first.head),
        succession: Some(*blake3::hash(&succession).as_bytes()),
        ..example::second_seal(&listed)
    };
    let second = sign(&second, &listed, &key(2)).expect("a seal");
    let medium = Simulated::new();
    for (number, (kind, bytes)) in (0..).zip([
        (ObjectKind::Label, &label[..]),
        (ObjectKind::Manifest, b"manifest"),
        (ObjectKind::Seal, &first.bytes),
        (ObjectKind::Succession, &succession),
        (ObjectKind::Manifest, b"manifest"),
        (ObjectKind::Seal, &second.bytes),
    ]) {
        medium.append(number, kind, bytes).expect("an object");
    }
    let chain = Chain::read(&medium, example::label().set).expect("a chain");
    assert!(chain.label.is_some() && chain.links[0].trusted && !chain.links[1].trusted);
    assert_eq!(chain.faults[0].what, FaultKind::Succession);
}

/// Whoever has nothing but a genuine proof can put a succession of his own behind its heads: the root key alone proves
/// nothing there.
#[test]
fn a_proof_with_a_succession_needs_a_check_code() {
    let invented = sign_succession(&example::succession(), &SealKey::from_seed(&[66; 32]));
    let seal = head(&second_seal(&invented, Some(&invented), &key(2)));
    let good = example::proof();
    let forged = example::with_texts(good.clone(), &[&example::head_bytes(), &invented, &seal]).encode().expect("a proof");
    let root_key = Some(example::label().root_key);
    let count = |bytes: &[u8], code: Option<WrittenCode>| check(bytes, Anchors { root_key, code }).ok().map(|f| f.successions);
    assert_eq!(count(&good.encode().expect("a proof"), None), Some(0));
    assert!(matches!(check(&forged, Anchors { root_key, code: None }), Err(ProofError::Succession)));
    let paper = CheckCode::of(&example::continued_seal().head.blake3);
    assert_eq!(count(&forged, Some(paper.into())), None, "the check code is not deceived");
}

/// Proofs that have the right form. Somebody with the root key must refuse them.
pub fn invalid_proofs(g: &mut Gather) {
    let good = example::proof();
    let (first, succession) = (example::head_bytes(), example::succession_bytes());
    let second = head(&second_seal(&succession, None, &key(1)));
    let succeeding = head(&example::continued_seal().bytes);
    let of = |texts: &[&[u8]]| example::with_texts(good.clone(), texts);
    let mut add = |name: &str, proof: Proof| g.add_invalid(name, proof.encode().expect("a proof"));
    let closing = |seal: Seal| Seal { verdict: Verdict::Continued, record_count: 0, records: example::heads_root(&[]), ..seal };
    let pack = [Object::of(4, ObjectKind::Pack, b"pack")];
    let closing_last = sign(&closing(example::second_seal(&pack)), &pack, &key(1)).expect("a seal").bytes;
    add("a closing seal last", of(&[&first, &head(&closing_last)]));
    let alone = Proof { index: 0, path: Vec::new(), ..good.clone() };
    add("a closing seal last, and no path", example::with_texts(alone.clone(), &[&first, &head(&closing_last)]));
    add("the first head missing", of(&[&second]));
    add("a head twice", of(&[&first, &first]));
    add("heads out of order", of(&[&second, &first]));
    add("a head and a byte behind it", of(&[&[&first[..], b"\n"].concat()]));
    add("a head and its list", of(&[&example::seal_bytes()]));
    add("a head without its last byte", of(&[&first[..first.len() - 1]]));
    add("two heads as one", of(&[&[&first[..], &second].concat()]));
    add("a head in two parts", of(&[&first[..100], &first[100..]]));
    let n = first.len() as u64;
    add("lengths that are too short", Proof { seal_lengths: vec![n - 1], ..good.clone() });
    add("lengths that are too long", Proof { seal_lengths: vec![n + 1], ..good.clone() });
    add("bytes behind the heads", Proof { seals: example::raw_frame(&[&first[..], b"\n"].concat()), ..good.clone() });
    add("heads that are no frame", Proof { seals: first.clone(), ..good.clone() });
    add("two frames", Proof { seals: [good.seals.clone(), good.seals.clone()].concat(), ..good.clone() });
    add("another root key", of(&[&head(&sign(&example::seal(), &example::listed(), &key(1)).expect("a seal").bytes)]));
    let signed_by_another = head(&second_seal(&succession, None, &key(0)));
    add("a second head signed by another key", of(&[&first, &signed_by_another]));
    for (name, seal) in [
        ("a second head of another set", Seal { set: azekura::format::object::Id([9; 16]), ..example::second_seal(&manifest()) }),
        ("a second head of the first generation", Seal { generation: 1, ..example::second_seal(&manifest()) }),
        ("a second head with another tree", Seal { heads: example::heads_root(&[[9; 32]]), ..example::second_seal(&manifest()) }),
        ("a third head behind the first", Seal { earlier: 2, ..example::second_seal(&manifest()) }),
        (
            "a second head with another BLAKE3 before it",
            Seal {
                previous: Some(BothDigests { blake3: [9; 32], ..example::head_digests() }),
                ..example::second_seal(&manifest())
            },
        ),
        (
            "a second head with another SHA-256 before it",
            Seal {
                previous: Some(BothDigests { sha256: [9; 32], ..example::head_digests() }),
                ..example::second_seal(&manifest())
            },
        ),
    ] {
        add(name, of(&[&first, &head(&sign(&seal, &manifest(), &key(1)).expect("a seal").bytes)]));
    }
    add("a succession that is not there", of(&[&first, &succeeding]));
    add("a succession that no head names", of(&[&first, &succession, &second]));
    add("a succession twice", of(&[&first, &succession, &succession, &succeeding]));
    add("a succession behind the head that names it", of(&[&first, &succeeding, &succession]));
    add("a succession before the first head", of(&[&succession, &first]));
    add("a succession last", of(&[&first, &succession]));
    add("a succession alone", of(&[&succession]));
    add("another succession", of(&[&first, &sign_succession(&example::succession(), &key(0)), &succeeding]));
    let signed_by_host = head(&second_seal(&succession, Some(&succession), &key(1)));
    add("a succession, and a head signed by the key that it replaces", of(&[&first, &succession, &signed_by_host]));
    for (name, other) in [
        ("a succession of another set", Succession { set: azekura::format::object::Id([9; 16]), ..example::succession() }),
        (
            "a succession behind another seal",
            Succession { previous: BothDigests { sha256: [9; 32], ..example::head_digests() }, ..example::succession() },
        ),
    ] {
        let other = sign_succession(&other, &example::heir_key());
        add(name, of(&[&first, &other, &head(&second_seal(&other, Some(&other), &key(2)))]));
    }
    add("a succession of version 2", of(&[&first, &[b"azekura succession 2\n", &succession[21..]].concat(), &succeeding]));
    add("a head of version 2", of(&[&[b"azekura seal 2\n", &first[15..]].concat()]));
    add("another number of the record", Proof { index: 0, ..good.clone() });
    add("a number beyond the records", Proof { index: 2, ..good.clone() });
    add("another salt", Proof { salt: counting(0), ..good.clone() });
    add("no path", Proof { path: Vec::new(), ..good.clone() });
    add("a path that is too long", Proof { path: vec![good.path[0]; 2], ..good.clone() });
    add("another path", Proof { path: vec![[9; 32]], ..good.clone() });
    add("a core that is no record", Proof { core: vec![0xA0], ..good.clone() });
    let mut core = good.core.clone();
    *core.last_mut().expect("a digest") ^= 1;
    add("a record with another digest", Proof { core, ..good.clone() });
    // The tree's inner node, presented as a leaf of a tree of one.
    let node = example::record_leaves().concat();
    add(
        "an inner node in the place of a record",
        Proof { core: node[16..].to_vec(), salt: *node.first_chunk().expect("16"), ..alone },
    );
}

fn manifest() -> [Object; 1] {
    [Object::of(4, ObjectKind::Manifest, b"the manifest of generation 2")]
}
