//! The vectors under `tests/golden/vectors`, and the examples in `docs/format.md` that are made of them.
//!
//! Each file: `good`, inputs and the bytes they become; `bad`, bytes that a decoder refuses, with the reason:
//! `malformed`, `limit` (more than section 11 allows), `newer`, or `invalid`: a proof that has the right form, and
//! proves nothing with the root key of the good ones. Of a record also whether it `concerns` only this `record`, which
//! is then refused, or the whole `stream`. Of a list on tape, the bytes are the list and then its trailer, on the cartridge
//! of the example. Bytes are hexadecimal; `00*16` means 16 times `00`.

use crate::cbor::{Item, annotated_line, hex};
use crate::example::{self, set_key};
use crate::hostile::{self, Bad};
use crate::{folder, holds};
use azekura::format::check_code::{CheckCode, WrittenCode};
use azekura::format::entry::{Core, Entry};
use azekura::format::manifest::{Manifest, SourceKind};
use azekura::format::merkle::{head_leaf, record_salt};
use azekura::format::object::{ObjectKind, object_path};
use azekura::format::pack::Index;
use azekura::format::proof::Proof;
use azekura::format::seal::Seal;
use azekura::format::stamp::{Reply, TimeStampRequest};
use azekura::format::tape::{Contents, HEADER_BYTES, Header, Item as OnTape};
use azekura::job::inspect::prove::{Anchors, check};
use azekura::pipeline::hasher::Ids;
use azekura::seal::{SealKey, succession_key};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// A vector: a name, an input in words or numbers, the bytes.
pub type Good = (&'static str, Value, Vec<u8>);

pub fn file(name: &str, good: Vec<Good>, bad: &[Bad]) {
    let mut out = String::from("{\n\"good\": [\n");
    let lines: Vec<String> =
        good.iter().map(|(n, input, bytes)| json!({"name": n, "input": input, "bytes": hex(bytes)}).to_string()).collect();
    out.push_str(&lines.join(",\n"));
    out.push_str("\n],\n\"bad\": [\n");
    let lines: Vec<String> = bad
        .iter()
        .map(|b| {
            let mut vector = json!({"name": b.name, "bytes": hostile::folded(&b.bytes), "refused": b.refused});
            if let Some(concerns) = b.concerns {
                vector["concerns"] = concerns.into();
            }
            vector.to_string()
        })
        .collect();
    out.push_str(&lines.join(",\n"));
    out.push_str("\n]\n}\n");
    holds(&folder().join("vectors").join(name), &out);
}

fn index_bytes(index: &Index) -> Vec<u8> {
    let mut out = Vec::new();
    index.encode(&mut out);
    out[8..out.len() - 8].to_vec()
}

fn record_bytes(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    entry.encode(&mut out);
    out
}

#[test]
fn packs() {
    let (payload, index) = example::payload();
    assert_eq!(Index::decode(&index_bytes(&index)), Ok(index.clone()));
    let frames: Vec<Value> = index
        .frames
        .iter()
        .map(|f| json!({"stored": f.stored, "chunks": f.chunks.iter().map(|(id, n)| json!([hex(&id.0), n])).collect::<Vec<_>>()}))
        .collect();
    let contents = [hex(example::CONTENT), hex(&example::stream())];
    let empty = index_bytes(&Index::default());
    assert_eq!(Index::decode(&empty), Ok(Index::default()));
    let good = vec![
        ("the example's payload", json!({"contents": contents, "set_key": hex(&set_key().0)}), payload),
        ("the example's index", json!({"frames": frames}), index_bytes(&index)),
        ("an index of no frames", json!({"frames": []}), empty),
    ];
    file("pack.json", good, &hostile::packs());
}

#[test]
fn manifests() {
    let mut vectors = Vec::new();
    for (name, m) in [("the example", example::manifest()), ("with everything", example::full_manifest())] {
        assert_eq!(Manifest::decode(&m.encode()).as_ref(), Ok(&m));
        vectors.push((name, described(&Item::parse(&m.encode())), m.encode()));
    }
    // A decoder skips what it does not know, up to 16 deep.
    let known = Item::parse(&example::manifest().encode());
    let unknown = known.with(99, hostile::nested(15)).with(100, Item::Map(vec![(Item::Uint(7), Item::Text("later".into()))]));
    assert_eq!(Manifest::decode(&unknown.encode()).as_ref(), Ok(&example::manifest()));
    vectors.push(("keys of a later version", described(&unknown), unknown.encode()));
    // What nobody depends on may have any form, and another kind of source is for people.
    let odd = [13, 16, 17].iter().fold(known.clone(), |m, key| m.with(*key, hostile::nested(15)));
    let odd = odd.bent(|m| *m.at(7).at(0) = m.at(7).at(0).with(2, Item::Uint(1 << 40)));
    let mut expected = example::manifest();
    (expected.statistics, expected.sources[0].kind) = (Vec::new(), SourceKind::Other(1 << 40));
    assert_eq!(Manifest::decode(&odd.encode()).as_ref(), Ok(&expected));
    vectors.push(("statistics, media and a watch of another form", described(&odd), odd.encode()));
    file("manifest.json", vectors, &hostile::manifests());
}

#[test]
fn records() {
    let mut all: Vec<(&str, Entry)> = ["a directory", "a file"].into_iter().zip(example::records()).collect();
    all.extend(example::odd_records());
    let mut vectors = Vec::new();
    for (name, entry) in all {
        let bytes = record_bytes(&entry);
        let (core, rest) = Item::first(&bytes[4..]);
        assert_eq!(Entry::decode(&bytes[4..]), Ok((entry, core.encode().len())), "{name}");
        vectors.push((name, json!({"core": described(&core), "extents": described(&Item::parse(rest))}), bytes));
    }
    // A reader takes forms that are not the shortest, ignores flags that it does not know, and skips keys that are not critical.
    let file_record = example::records().remove(1);
    let bytes = record_bytes(&file_record);
    let (core, rest) = Item::first(&bytes[4..]);
    let long_form = core.with(2, Item::Raw(vec![0x1B, 0, 0, 0, 0, 0, 0, 1, 0xA4])).with(18, Item::Uint(0x8000_0012));
    let long_form = [&long_form.with(64, hostile::nested(15)).encode()[..], rest].concat();
    let expected = Entry { core: Core { flags: 0x10, ..file_record.core.clone() }, ..file_record };
    assert_eq!(Entry::decode(&long_form).map(|(entry, _)| entry), Ok(expected));
    file("record.json", vectors, &hostile::records());
}

#[test]
fn proofs() {
    let whole = example::proof();
    let later = Item::parse(&example::proof_content()).with(64, Item::Text("later".into()));
    let folder = Proof { core: core_bytes(0), salt: salt(0), index: 0, path: vec![example::record_leaves()[1]], ..whole.clone() };
    let (head, next, succession) = (example::head_bytes(), example::continued_seal(), example::succession_bytes());
    let next_head = &next.bytes[..Seal::decode(&next.bytes).expect("a seal").head_bytes];
    let succeeded = example::with_texts(whole.clone(), &[&head, &succession, next_head]);
    let mut vectors: Vec<Good> = Vec::new();
    for (name, p, digest) in [
        ("the example", &whole, example::head_digests().blake3),
        ("of a folder", &folder, example::head_digests().blake3),
        ("of the second generation, behind a succession", &succeeded, next.head.blake3),
    ] {
        let bytes = p.encode().expect("a proof");
        assert_eq!(Proof::decode(&bytes).as_ref(), Ok(p));
        let code = CheckCode::of(&digest);
        let root_key = Some(example::label().root_key);
        let both = Anchors { root_key, code: Some(code.into()) };
        // Behind a succession the root key alone proves nothing.
        let alone = (p.seal_lengths.len() == 1).then_some(Anchors { code: None, ..both });
        for anchors in [both, Anchors { root_key: None, ..both }].into_iter().chain(alone) {
            let facts = check(&bytes, anchors).expect("it holds");
            assert_eq!(facts.core, example::records()[facts.index as usize].core);
        }
        let content = Item::parse(&bytes[16..bytes.len() - 32]);
        let input =
            json!({"content": described(&content), "root_key": hex(&example::label().root_key), "check_code": code.to_string()});
        vectors.push((name, input, bytes));
    }
    check_with_reader(&vectors[0].2);
    let bytes = example::around_proof(&later.encode());
    assert_eq!(Proof::decode(&bytes), Ok(whole));
    vectors.push(("a key of a later version", described(&later), bytes));
    file("proof.json", vectors, &hostile::proofs());
}

/// The independent reader says the same of the example, if it is there: with each anchor, with neither, with others,
/// bent.
fn check_with_reader(proof: &[u8]) {
    if !crate::reader::is_available() {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).expect("a file");
        dir.path().join(name)
    };
    let mut bent = proof.to_vec();
    bent[100] ^= 1;
    let (good, bent, record) = (path("good", proof), path("bent", &bent), path("record", example::CONTENT));
    let root_key = hex(&example::label().root_key);
    let code = CheckCode::of(&example::head_digests().blake3).to_string();
    let other = hex(&example::seal().next);
    let record = ["--record", record.to_str().expect("text")];
    for (proof, anchors, status) in [
        (&good, ["--root-key", &root_key], 0),
        (&good, ["--expect", &code], 0),
        (&good, ["--root-key", &other], 5),
        (&good, ["--expect", "0000-0000-0000-0000"], 5),
        (&bent, ["--expect", &code], 5),
    ] {
        let (found, said) = crate::reader::run(&["check-proof"], proof, &[anchors, record].concat());
        assert_eq!(found, status, "{anchors:?}: {said}");
    }
    assert_eq!(crate::reader::run(&["check-proof"], &good, &[]).0, 5, "it hangs on nothing");
    let not_it = ["--expect", &code, "--record", good.to_str().expect("text")];
    assert_eq!(crate::reader::run(&["check-proof"], &good, &not_it).0, 5);
}

fn core_bytes(record: usize) -> Vec<u8> {
    let mut core = Vec::new();
    example::records()[record].core.encode(&mut core);
    core
}

fn salt(record: usize) -> [u8; 16] {
    record_salt(&set_key().record_salt_key(), &example::records()[record].core.path)
}

#[test]
fn time_stamps() {
    let request = example::stamp_request();
    let highest = TimeStampRequest { sha256: [0xFF; 32], nonce: u64::MAX };
    let zero = TimeStampRequest { nonce: 0, ..request };
    let mut vectors: Vec<Good> = Vec::new();
    for (name, r) in [("the example", request), ("the highest numbers", highest), ("nonce 0", zero)] {
        assert_eq!(TimeStampRequest::decode(&r.encode()), Ok(r));
        vectors.push((name, json!({"sha256": hex(&r.sha256), "nonce": r.nonce}), r.encode()));
    }
    for (name, reply) in example::stamp_replies() {
        let input = match Reply::decode(&reply).expect("a reply") {
            Reply::Granted(s) => {
                let nonce = s.nonce.map(|n| n.to_string());
                json!({"sha256": hex(&s.sha256), "nonce": nonce, "time": s.time, "serial": s.serial, "policy": s.policy})
            }
            Reply::Refused { status, why } => json!({"status": status, "why": why}),
        };
        vectors.push((name, input, reply));
    }
    file("stamp.json", vectors, &hostile::stamps());
}

#[test]
fn tape_headers() {
    let plain = example::tape_header();
    let first = Header { number: 0, kind: ObjectKind::Label, length: 469, before: None, ..plain };
    let farthest = Header {
        number: (1 << 48) - 1,
        kind: ObjectKind::Parity,
        length: 1 << 30,
        before: Some(u64::MAX - 1),
        block: 8 << 20,
        ..plain
    };
    let mut vectors = Vec::new();
    for (name, h) in [("the example", plain), ("the first on a cartridge", first), ("the farthest", farthest)] {
        assert_eq!(Header::decode(&h.encode()), Ok(Some(h)));
        let input = json!({"set": hex(&h.set.0), "number": h.number, "kind": h.kind.to_string(), "length": h.length,
            "block": h.block, "before": h.before});
        vectors.push((name, input, h.encode().to_vec()));
    }
    file("tape.json", vectors, &hostile::tape_headers());
}

#[test]
fn tape_lists() {
    let example::Cartridge { set, block, list_at } = example::cartridge();
    let at_zero = |kind| OnTape { number: 7, kind, length: 0, at: 0 };
    // Appended in another order than that of their numbers; torn to its header; two of one number; behind them a header that is foreign.
    let farthest = Contents {
        items: vec![
            OnTape { at: 3, ..at_zero(ObjectKind::Pack) },
            OnTape { length: 1, at: 1, ..at_zero(ObjectKind::Later(127)) },
            OnTape { number: (1 << 48) - 1, ..at_zero(ObjectKind::Parity) },
        ],
        last: Some(list_at - 1),
    };
    let empty = Contents::default();
    let mut vectors = Vec::new();
    for (name, c) in [("the example", example::tape_contents()), ("no order of addresses", farthest), ("empty", empty)] {
        let (list, trailer) = c.encode(set, block, list_at);
        let bytes = [&list[..], &trailer.encode()].concat();
        assert_eq!(hostile::decode_tape_list(&bytes), Ok(c.clone()), "{name}");
        let item = |i: &OnTape| json!({"number": i.number, "kind": i.kind.to_string(), "length": i.length, "at": i.at});
        let objects: Vec<Value> = c.items.iter().map(item).collect();
        let input = json!({"set": hex(&set.0), "block": block, "first": list_at, "last": c.last, "objects": objects});
        vectors.push((name, input, bytes));
    }
    file("list.json", vectors, &hostile::tape_lists());
}

#[test]
fn keys_codes_and_names() {
    let key = set_key();
    let cut: Vec<u8> = {
        let mut out = vec![0; 64];
        blake3::Hasher::new_derive_key("azekura 1 chunker").update(&key.0).finalize_xof().fill(&mut out);
        out
    };
    let id = |content: &[u8]| Ids::new(&key).id(blake3::hash(content).as_bytes()).0.to_vec();
    let digest = example::head_digests().blake3;
    let code = |d: &[u8; 32]| CheckCode::of(d).to_string().into_bytes();
    let secret = example::identity_secret();
    let succession = json!({"identity": crate::identity().texts()[0].as_str(), "secret": hex(&secret)});
    let good = vec![
        ("K_salt", json!({"set_key": hex(&key.0)}), key.record_salt_key().to_vec()),
        ("K_cut, its first 64 bytes", json!({"set_key": hex(&key.0)}), cut),
        ("chunk id", json!({"set_key": hex(&key.0), "chunk": hex(example::CONTENT)}), id(example::CONTENT)),
        ("check code of the example's seal, as text", json!({"digest": hex(&digest)}), code(&digest)),
        ("check code of the highest digest, as text", json!({"digest": hex(&[0xFF; 32])}), code(&[0xFF; 32])),
        ("seed of the succession key", succession.clone(), blake3::derive_key("azekura 1 succession", &secret).to_vec()),
        ("public succession key", succession, succession_key(&secret).public().to_vec()),
        ("path, as text", json!({"number": 12345, "kind": "pack"}), object_path(12_345, ObjectKind::Pack).into()),
        (
            "longest path, as text",
            json!({"number": (1u64 << 48) - 1, "kind": "manifest"}),
            object_path((1 << 48) - 1, ObjectKind::Manifest).into(),
        ),
    ];
    let written =
        written_codes(&digest).into_iter().map(|(name, text)| (name, json!({"digest": hex(&digest)}), text.into_bytes()));
    file("names.json", good.into_iter().chain(written).collect(), &hostile::names());
}

/// The check code of a digest as people write it down, of up to 51 digits; each is its code, and no other digit is.
fn written_codes(digest: &[u8; 32]) -> Vec<(&'static str, String)> {
    // Section 7, as written: the first bits first.
    let bits: Vec<bool> = digest.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let digit = |bits: &[bool]| bits.iter().fold(0, |value, bit| value << 1 | usize::from(*bit));
    let all: String = bits.chunks_exact(5).map(|bits| char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[digit(bits)])).collect();
    let grouped = |n: usize| {
        let groups: Vec<&str> = (0..n).step_by(4).map(|i| &all[i..n.min(i + 4)]).collect();
        groups.join("-")
    };
    assert_eq!(grouped(16), CheckCode::of(digest).to_string());
    let careless = grouped(26).to_lowercase().replace('-', "  ").replace('0', "o").replace('1', "l");
    let written = vec![
        ("the same of 17 digits, as written", grouped(17)),
        ("the same of 26 digits, as written", grouped(26)),
        ("the same of 51 digits, as written", grouped(51)),
        ("the same of 26 digits in small letters, with o for 0, l for 1 and spaces, as written", careless),
        ("the same with I for 1, as written", grouped(16).replace('1', "I")),
    ];
    for (name, text) in &written {
        let code: WrittenCode = text.parse().unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(code.is_of(digest), "{name}");
        let mut other = text.clone();
        let last = other.pop().expect("a digit");
        other.push(if last == '0' || last == 'o' { '2' } else { '0' });
        assert!(other.parse::<WrittenCode>().is_ok_and(|c| !c.is_of(digest)), "{name}: every digit counts");
    }
    written
}

#[test]
fn trees() {
    // Leaves 0, 1, 2 …: H of the number as u32.
    let leaves: Vec<_> = (0..9u32).map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
    let roots = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"].into_iter().zip(0..).map(|(name, n)| {
        (
            name,
            json!({"leaves": leaves[..n].iter().map(|l| hex(l)).collect::<Vec<_>>()}),
            example::root(leaves[..n].to_vec()).to_vec(),
        )
    });
    let mut good: Vec<Good> = roots.collect();
    let head = example::head_digests().blake3;
    good.push(("seal", json!({"head": hex(&head)}), head_leaf(&head).to_vec()));
    let heads: Vec<_> = (0..5u8).map(|n| *blake3::hash(&[n]).as_bytes()).collect();
    let tree = json!({"heads": heads.iter().map(|d| hex(d)).collect::<Vec<_>>()});
    good.push(("seals", tree, example::heads_root(&heads).to_vec()));
    for (entry, leaf) in example::records().iter().zip(example::record_leaves()) {
        let salt = record_salt(&set_key().record_salt_key(), &entry.core.path);
        let mut core = Vec::new();
        entry.core.encode(&mut core);
        good.push(("record", json!({"path": hex(&entry.core.path), "salt": hex(&salt), "core": hex(&core)}), leaf.to_vec()));
    }
    file("merkle.json", good, &[]);
}

/// CBOR in words, for people: bytes as hexadecimal in `h'…'`.
fn described(item: &Item) -> Value {
    match item {
        Item::Uint(n) => json!(n),
        Item::Negative(n) => json!(-1 - i128::from(*n) as i64),
        Item::Bytes(b) => json!(format!("h'{}'", hex(b))),
        Item::Text(t) => json!(t),
        Item::Array(items) => items.iter().map(described).collect(),
        Item::Map(pairs) => {
            let mut map = serde_json::Map::new();
            for (k, v) in pairs {
                let Item::Uint(k) = k else { panic!("keys are numbers") };
                map.insert(k.to_string(), described(v));
            }
            Value::Object(map)
        }
        Item::Raw(b) => json!(b == &[0xF5]),
    }
}

/// Section 15 of the page: the text between `<!-- example: NAME -->` and `<!-- end -->`.
#[test]
fn the_pages_examples_are_the_vectors() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let mut made = String::new();
    let mut rest = &page[..];
    let mut names = Vec::new();
    while let Some((before, after)) = rest.split_once("<!-- example: ") {
        let (name, after) = after.split_once(" -->\n").expect("a name");
        let (_, after) = after.split_once("<!-- end -->").expect("an end");
        let _ = write!(made, "{before}<!-- example: {name} -->\n```\n{}```\n<!-- end -->", example_text(name));
        names.push(name);
        rest = after;
    }
    made.push_str(rest);
    assert_eq!(
        names,
        [
            "keys",
            "label",
            "record",
            "pack",
            "manifest",
            "trees",
            "seal",
            "check code",
            "tape header",
            "tape list",
            "proof",
            "time-stamp request",
            "succession"
        ],
        "an example for every object"
    );
    holds(&path, &made);
}

fn example_text(name: &str) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    match name {
        "keys" => {
            let key = set_key();
            let [one, two, three] = example::seal_seeds();
            let secret = example::identity_secret();
            let seed = blake3::derive_key("azekura 1 succession", &secret);
            let public = |seed| hex(&SealKey::from_seed(seed).public());
            line(format!("set key     {}", hex(&key.0)));
            line(format!("K_id        {}", hex(&blake3::derive_key("azekura 1 chunk id", &key.0))));
            line(format!("K_salt      {}", hex(&key.record_salt_key())));
            line(format!("seal key 1  {}   public {}", hex(&one), public(&one)));
            line(format!("seal key 2  {}   public {}", hex(&two), public(&two)));
            line(format!("another 2   {}   public {}", hex(&three), public(&three)));
            line(format!("identity    {}   its secret", hex(&secret)));
            line(format!("succession  {}   public {}", hex(&seed), public(&seed)));
            line(format!("chunk id    {}", hex(&Ids::new(&key).id(blake3::hash(example::CONTENT).as_bytes()).0)));
        }
        "label" => {
            let bytes = example::label().encode();
            line(String::from_utf8_lossy(&bytes).trim_end().to_owned());
        }
        "record" => {
            let record = &example::records()[1];
            let bytes = record_bytes(record);
            let (core, rest) = Item::first(&bytes[4..]);
            annotated_line(&mut out, &hex(&bytes[..4]), 0, &format!("length {}", bytes.len() - 4));
            out.push_str(&core.annotated());
            out.push_str(&Item::parse(rest).annotated());
        }
        "pack" => {
            let (payload, index) = example::payload();
            let mut at = 0;
            for (f, what) in index.frames.iter().zip(["frame: \"hello, world\\n\" in a raw block", "frame: the entry stream"]) {
                annotated_line(&mut out, &hex(&payload[at..at + f.stored as usize]), 0, what);
                at += f.stored as usize;
            }
            let bytes = index_bytes(&index);
            annotated_line(&mut out, &hex(&payload[at..at + 8]), 0, &format!("skippable frame of {} bytes", bytes.len() + 8));
            out.push_str(&Item::parse(&bytes).annotated());
            annotated_line(
                &mut out,
                &hex(&payload[payload.len() - 8..]),
                0,
                &format!("index of {} bytes, \"AZIX\"", bytes.len()),
            );
        }
        "manifest" => out.push_str(&Item::parse(&example::manifest().encode()).annotated()),
        "trees" => {
            let head = example::head_digests().blake3;
            line(format!("no seals     {}", hex(&example::seal().heads)));
            line(format!("head         {}", hex(&head)));
            line(format!("leaf 0       {}", hex(&head_leaf(&head))));
            line(format!("seals        {}", hex(&example::heads_root(&[head]))));
            for (i, (entry, leaf)) in example::records().iter().zip(example::record_leaves()).enumerate() {
                line(format!("salt {i}       {}", hex(&record_salt(&set_key().record_salt_key(), &entry.core.path))));
                line(format!("leaf {i}       {}", hex(&leaf)));
            }
            line(format!("records      {}", hex(&example::seal().records)));
        }
        "seal" => line(String::from_utf8_lossy(&example::seal_bytes()).trim_end().to_owned()),
        "check code" => {
            let head = example::head_digests();
            line(format!("H of the head  {}", hex(&head.blake3)));
            line(format!("S of the head  {}", hex(&head.sha256)));
            line(format!("check code     {}", CheckCode::of(&head.blake3)));
        }
        "tape header" => {
            let bytes = example::tape_header().encode();
            let mut at = 0;
            let zeros = format!("{} zeros", HEADER_BYTES - 61 - 32);
            for (n, what) in [
                (16, "\"azekura tape 1\\r\\n\""),
                (16, "set"),
                (8, "number 1"),
                (8, &format!("length {}", example::tape_header().length)),
                (8, "the header before lies at 0"),
                (4, "blocks of 524288 bytes"),
                (1, "a pack"),
            ] {
                annotated_line(&mut out, &hex(&bytes[at..at + n]), 0, what);
                at += n;
            }
            annotated_line(&mut out, "00…", 0, &zeros);
            annotated_line(&mut out, &hex(&bytes[HEADER_BYTES - 32..]), 0, "H of the 480 bytes above");
        }
        "tape list" => {
            let example::Cartridge { set, block, list_at } = example::cartridge();
            let contents = example::tape_contents();
            let (list, trailer) = contents.encode(set, block, list_at);
            for (i, record) in contents.items.iter().zip(list.chunks_exact(25)) {
                let what = format!("object {}, {}, {} bytes, header at {}", i.number, i.kind, i.length, i.at);
                annotated_line(&mut out, &hex(record), 0, &what);
            }
            let bytes = trailer.encode();
            let mut at = 0;
            let zeros = format!("{} zeros", HEADER_BYTES - 92 - 32);
            for (n, what) in [
                (16, "the trailer: \"azekura list 1\\r\\n\""),
                (16, "set"),
                (8, "4 objects"),
                (8, "the last header before the list lies at 6"),
                (32, "H of the list"),
                (4, "blocks of 524288 bytes"),
                (8, "the list begins at 8"),
            ] {
                annotated_line(&mut out, &hex(&bytes[at..at + n]), 0, what);
                at += n;
            }
            annotated_line(&mut out, "00…", 0, &zeros);
            annotated_line(&mut out, &hex(&bytes[HEADER_BYTES - 32..]), 0, "H of the 480 bytes above");
        }
        "proof" => {
            let bytes = example::proof().encode().expect("a proof");
            let (magic, rest) = bytes.split_at(16);
            let (content, digest) = rest.split_at(rest.len() - 32);
            annotated_line(&mut out, &hex(magic), 0, "\"azekura proof 1\\n\"");
            out.push_str(&Item::parse(content).annotated());
            annotated_line(&mut out, &hex(digest), 0, &format!("H of the {} bytes above", 16 + content.len()));
        }
        "time-stamp request" => {
            let bytes = example::stamp_request().encode();
            let mut at = 0;
            for (n, what) in [
                (2, "SEQUENCE"),
                (3, "version 1"),
                (2, "SEQUENCE: the imprint"),
                (15, "SHA-256, parameters NULL"),
                (34, "SHA-256 of the seal's head"),
                (10, "nonce"),
                (3, "certReq TRUE"),
            ] {
                annotated_line(&mut out, &hex(&bytes[at..at + n]), 0, what);
                at += n;
            }
            assert_eq!(at, bytes.len());
        }
        "succession" => line(String::from_utf8_lossy(&example::succession_bytes()).trim_end().to_owned()),
        other => panic!("no example {other}"),
    }
    out
}
