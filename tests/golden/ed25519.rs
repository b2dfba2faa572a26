//! Signatures on which Ed25519 verifiers differ, and the one answer that section 7 of the format gives.
//!
//! `tests/golden/vectors/ed25519.json` is made here, with arithmetic of our own (`curve.rs`): key A, message, and
//! signature, R and S, in hexadecimal. What is `good` every verifier accepts, what is `bad` every one refuses;
//! `refused` says why, where several reasons are possible one of them. A *torsion point* is one of the eight points of
//! small order, 0 to 7 times a point of order 8; a point of *mixed order* is the sum of one of them and of a multiple
//! of the base point.

use crate::cbor::hex;
use crate::curve::{self, L, Number, P, Point, ZERO};
use crate::{folder, holds};
use azekura::seal::ed25519::verify;
use serde_json::{Value, json};
use std::path::PathBuf;

struct Case {
    name: String,
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Case {
    /// The points are `a` times the base point plus torsion point number `key_torsion`, and likewise R; both can be
    /// encoded otherwise. The message is the first one of a series for which `wanted` likes the remainders modulo 8 of
    /// k and of the hash before it was reduced.
    fn made(name: String, key: &Part, r: &Part, wanted: impl Fn(u64, u64) -> bool) -> Self {
        let (key_bytes, r_bytes) = (key.bytes(), r.bytes());
        for n in 0.. {
            let message = format!("azekura {n}").into_bytes();
            let (hash, k) = curve::challenge(&r_bytes, &key_bytes, &message);
            if wanted(k[0] % 8, u64::from(hash[0]) % 8) {
                let s = curve::bytes(&curve::muladd(&k, &key.scalar, &r.scalar));
                return Self { name, key: key_bytes, message, signature: joined(&r_bytes, &s) };
            }
        }
        unreachable!("the series has no end")
    }

    fn with_s(&self, what: &str, s: &[u8; 32]) -> Self {
        let signature = joined(self.signature[..32].try_into().expect("32"), s);
        Self { name: format!("{}: {what}", self.name), key: self.key, message: self.message.clone(), signature }
    }

    fn s(&self) -> Number {
        curve::number(self.signature[32..].try_into().expect("32"))
    }
}

fn joined(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    [*r, *s].concat().try_into().expect("64")
}

/// A point of known make, and another encoding of it, or of nothing.
#[derive(Clone)]
struct Part {
    scalar: Number,
    torsion: u64,
    encoded: Option<[u8; 32]>,
}

impl Part {
    fn new(scalar: Number, torsion: u64) -> Self {
        Self { scalar, torsion, encoded: None }
    }

    fn encoded(self, bytes: [u8; 32]) -> Self {
        Self { encoded: Some(bytes), ..self }
    }

    fn bytes(&self) -> [u8; 32] {
        self.encoded.unwrap_or_else(|| Point::base().times(&self.scalar).add(&torsion(self.torsion)).encode())
    }
}

/// A scalar for each word.
fn scalar(word: &str) -> Number {
    curve::challenge(b"azekura", b"ed25519", word.as_bytes()).1
}

/// `n` times a point of order 8: L times any point is of small order, and of some it is of order 8.
fn torsion(n: u64) -> Point {
    let of_eight = (2u8..).find_map(|y| {
        let point = Point::decode(&little(y))?.times(&L);
        (point.times(&[4, 0, 0, 0]).encode() != Point::NEUTRAL.encode()).then_some(point)
    });
    of_eight.expect("there are such points").times(&[n, 0, 0, 0])
}

fn little(y: u8) -> [u8; 32] {
    curve::bytes(&[u64::from(y), 0, 0, 0])
}

/// `y + P`, which is below 2²⁵⁵ for a y below 19; and the sign bit.
fn beyond(y: u8, sign: bool) -> [u8; 32] {
    let mut bytes = curve::bytes(&curve::plus(&[u64::from(y), 0, 0, 0], &P).0);
    bytes[31] |= u8::from(sign) << 7;
    bytes
}

/// All encodings of the eight torsion points: `(number, canonical, bytes)`.
fn small_encodings() -> Vec<(u64, bool, [u8; 32])> {
    let mut all = Vec::new();
    for n in 0..8 {
        let canonical = torsion(n).encode();
        let mut candidates = vec![canonical];
        for y in 0..19 {
            candidates.extend([beyond(y, false), beyond(y, true)]);
        }
        let mut other_sign = canonical;
        other_sign[31] ^= 0x80;
        candidates.push(other_sign);
        let same = |bytes: &[u8; 32]| Point::decode(bytes).is_some_and(|p| p.encode() == canonical);
        // With x = 0, each encoding has a second one with the sign bit.
        all.extend(candidates.into_iter().filter(same).map(|bytes| (n, bytes == canonical, bytes)));
    }
    all
}

fn any(_: u64, _: u64) -> bool {
    true
}

/// A and R of a multiple of the base point; and of mixed order, where the torsion points add up to nothing.
fn good() -> Vec<Case> {
    let mut all = Vec::new();
    for n in 1..=4 {
        let (a, r) = (scalar(&format!("key {n}")), scalar(&format!("nonce {n}")));
        all.push(Case::made(format!("ordinary {n}"), &Part::new(a, 0), &Part::new(r, 0), any));
    }
    let (a, r) = (scalar("mixed key"), scalar("mixed nonce"));
    for t in 1..8 {
        let nothing_left = move |k, _| k * t % 8 == 0;
        all.push(Case::made(format!("A of mixed order ({t})"), &Part::new(a, t), &Part::new(r, 0), nothing_left));
    }
    for t in 1..8 {
        let nothing_left = move |k, _| (k + t) % 8 == 0;
        all.push(Case::made(format!("A and R of mixed order (1, {t})"), &Part::new(a, 1), &Part::new(r, t), nothing_left));
    }
    let only_reduced = |k, hash| k == 0 && hash != 0;
    all.push(Case::made("A of mixed order, k modulo L".into(), &Part::new(a, 1), &Part::new(r, 0), only_reduced));
    all
}

/// The equation holds times the cofactor only.
fn with_the_cofactor_only() -> Vec<Case> {
    let mut all = Vec::new();
    let (a, r) = (scalar("mixed key"), scalar("mixed nonce"));
    for t in 1..8 {
        let left = move |k, _| k * t % 8 != 0;
        all.push(Case::made(format!("with the cofactor only: A of mixed order ({t})"), &Part::new(a, t), &Part::new(r, 0), left));
    }
    for t in 1..8 {
        all.push(Case::made(format!("with the cofactor only: R of mixed order ({t})"), &Part::new(a, 0), &Part::new(r, t), any));
    }
    for t in 1..8 {
        let left = move |k, _| (k * t + 3) % 8 != 0;
        let name = format!("with the cofactor only: A and R of mixed order ({t}, 3)");
        all.push(Case::made(name, &Part::new(a, t), &Part::new(r, 3), left));
    }
    let only_unreduced = |k, hash| k != 0 && hash == 0;
    let name = "with the cofactor only: it would hold for the whole hash, k not modulo L".into();
    all.push(Case::made(name, &Part::new(a, 1), &Part::new(r, 0), only_unreduced));
    all
}

/// The equation holds, but A or R is of small order.
fn of_small_order() -> Vec<Case> {
    let mut all = Vec::new();
    let (a, r) = (scalar("small key"), scalar("small nonce"));
    for (n, canonical, bytes) in small_encodings() {
        let form = if canonical { "" } else { ", not canonical" };
        let place = format!("{n}{form}, {}", hex(&[bytes[0], bytes[31]]));
        let small = Part::new(ZERO, n).encoded(bytes);
        let key = |k, _| k * n % 8 == 0;
        all.push(Case::made(format!("A of small order ({place})"), &small, &Part::new(r, 0), key));
        all.push(Case::made(format!("R of small order ({place})"), &Part::new(a, 1), &small, |k, _| (k + n) % 8 == 0));
        let both = |k, _| (k * n + 8 - n) % 8 == 0;
        all.push(Case::made(format!("A and R of small order ({place})"), &small, &Part::new(ZERO, 8 - n), both));
    }
    all
}

/// Encodings of y as y + P of points that are not of small order, and of no points. Nobody knows a signature of which
/// they are a part; the equation does not hold either.
fn not_canonical() -> Vec<Case> {
    let mut all = Vec::new();
    let ordinary = Part::new(scalar("ordinary"), 0);
    for y in 0..19 {
        let point = Point::decode(&little(y));
        if point.is_some_and(|p| p.is_of_small_order()) {
            continue;
        }
        let curve = if point.is_some() { "" } else { ", not on the curve" };
        for sign in [false, true] {
            let odd = Part::new(ZERO, 0).encoded(beyond(y, sign));
            let place = format!("y {y} + P, sign {}{curve}", u8::from(sign));
            all.push(Case::made(format!("A not canonical ({place})"), &odd, &ordinary, any));
            all.push(Case::made(format!("R not canonical ({place})"), &ordinary, &odd, any));
        }
    }
    let nowhere = (2..).find(|y| Point::decode(&little(*y)).is_none()).map(little).expect("half of all");
    let nowhere = Part::new(ZERO, 0).encoded(nowhere);
    all.push(Case::made("A not on the curve".into(), &nowhere, &ordinary, any));
    all.push(Case::made("R not on the curve".into(), &ordinary, &nowhere, any));
    all
}

fn with_another_s() -> Vec<Case> {
    let mut all = Vec::new();
    for case in good().iter().filter(|c| c.name.ends_with('1')) {
        let mut s = case.s();
        for n in 1..=15 {
            let (more, over) = curve::plus(&s, &L);
            if over {
                break;
            }
            s = more;
            if [1, 2, 4, 8, 14, 15].contains(&n) {
                all.push(case.with_s(&format!("S + {n} L"), &curve::bytes(&s)));
            }
        }
        all.push(case.with_s("S = 0", &[0; 32]));
        all.push(case.with_s("S = L", &curve::bytes(&L)));
        all.push(case.with_s("S = 2^256 - 1", &[0xFF; 32]));
    }
    all
}

fn changed() -> Vec<Case> {
    let mut all = Vec::new();
    let ordinary = || good().swap_remove(0);
    let mut add = |what: &str, change: &dyn Fn(&mut Case)| {
        let mut case = ordinary();
        change(&mut case);
        case.name = format!("ordinary 1: {what}");
        all.push(case);
    };
    add("another message", &|c| c.message.push(0));
    add("no message", &|c| c.message.clear());
    add("-A", &|c| c.key[31] ^= 0x80);
    add("-R", &|c| c.signature[31] ^= 0x80);
    add("S + 1", &|c| c.signature[32] = c.signature[32].wrapping_add(1));
    add("R and S exchanged", &|c| c.signature.rotate_left(32));
    add("signature of zeros", &|c| c.signature = [0; 64]);
    add("key of zeros", &|c| c.key = [0; 32]);
    let other = good().swap_remove(1);
    add("the key of another", &|c| c.key = other.key);
    add("the signature of another", &|c| c.signature = other.signature);
    all
}

fn described(case: &Case) -> Value {
    json!({"name": case.name, "key": hex(&case.key), "message": hex(&case.message), "signature": hex(&case.signature)})
}

/// The rule, word by word, and the program answer alike.
fn answer(key: &[u8; 32], message: &[u8], signature: &[u8; 64], name: &str) -> Result<(), &'static str> {
    let answer = curve::verify(key, message, signature);
    assert_eq!(verify(key, message, signature), answer.is_ok(), "{name}: {answer:?}");
    answer
}

#[test]
fn every_signature_has_one_answer() {
    let lines = |values: Vec<Value>| values.iter().map(Value::to_string).collect::<Vec<_>>().join(",\n");
    let mut accepted = Vec::new();
    for case in good() {
        assert_eq!(answer(&case.key, &case.message, &case.signature, &case.name), Ok(()), "{}", case.name);
        accepted.push(described(&case));
    }
    let mut refused = Vec::new();
    for case in [with_the_cofactor_only(), of_small_order(), not_canonical(), with_another_s(), changed()].into_iter().flatten() {
        let reason = answer(&case.key, &case.message, &case.signature, &case.name).expect_err(&case.name);
        let lenient = curve::holds_with_the_cofactor(&case.key, &case.message, &case.signature);
        match case.name.split([' ', ':']).next() {
            Some("with") => assert!(lenient && reason == "the equation does not hold", "{}", case.name),
            Some("A" | "R") if case.name.contains("of small order") => {
                assert!(lenient && reason != "the equation does not hold", "{}", case.name);
            }
            Some("A" | "R") => assert!(reason.ends_with("not canonical") || reason.ends_with("curve"), "{}: {reason}", case.name),
            _ => {}
        }
        let mut described = described(&case);
        described["refused"] = json!(reason);
        refused.push(described);
    }
    assert_eq!(small_encodings().len(), 14, "as everybody counts them");
    let text = format!("{{\n\"good\": [\n{}\n],\n\"bad\": [\n{}\n]\n}}\n", lines(accepted), lines(refused));
    holds(&folder().join("vectors/ed25519.json"), &text);
}

/// RFC 8032, section 7.1, tests 1 and 2: the arithmetic of the tests is that of everybody.
#[test]
fn the_arithmetic_is_that_of_rfc_8032() {
    for (key, message, signature) in [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        assert_eq!(answer(&array(key), &unhex(message), &array(signature), key), Ok(()));
    }
    let mut base = [0x66; 32];
    base[0] = 0x58;
    assert_eq!(Point::base().encode(), base);
    assert_eq!(Point::base().times(&L).encode(), Point::NEUTRAL.encode());
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hexadecimal")
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().expect("as long as it has to be")
}

fn public(name: &str) -> Vec<Value> {
    let folder = PathBuf::from(std::env::var_os("AZEKURA_PUBLIC_VECTORS").expect("AZEKURA_PUBLIC_VECTORS"));
    serde_json::from_slice(&std::fs::read(folder.join("ed25519").join(name)).expect("the file")).expect("JSON")
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("text")
}

/// C2SP/CCTV: what makes a signature bad is told by its flags.
#[test]
#[ignore = "reads the files that AZEKURA_PUBLIC_VECTORS names"]
fn public_signatures_of_cctv_are_answered_as_their_flags_say() {
    const BAD: &[&str] = &["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];
    const HARMLESS: &[&str] = &["low_order_component_A", "low_order_component_R", "reencoded_k"];
    let cases = public("cctv.json");
    let mut good = 0;
    for case in &cases {
        let flags: Vec<&str> = case["flags"].as_array().into_iter().flatten().map(|f| f.as_str().expect("text")).collect();
        assert!(flags.iter().all(|f| BAD.contains(f) || HARMLESS.contains(f)), "{flags:?}");
        let expected = !flags.iter().any(|f| BAD.contains(f));
        let (key, signature) = (array(text(case, "key")), array(text(case, "sig")));
        let found = answer(&key, text(case, "msg").as_bytes(), &signature, &case.to_string());
        assert_eq!(found.is_ok(), expected, "{found:?}: {case}");
        good += usize::from(expected);
    }
    assert!(cases.len() >= 914 && good > 0, "{} cases, {good} good", cases.len());
    println!("{} cases, {good} good", cases.len());
}

/// novifinancial/ed25519-speccheck, by the columns of its table: only case 3, with A and R of mixed order, is good.
#[test]
#[ignore = "reads the files that AZEKURA_PUBLIC_VECTORS names"]
fn public_signatures_of_speccheck_have_their_answers() {
    const REASONS: [&str; 12] = [
        "A is of small order",
        "A is of small order",
        "R is of small order",
        "",
        "the equation does not hold",
        "the equation does not hold",
        "S is not below L",
        "S is not below L",
        "R is not canonical",
        "R is not canonical",
        "A is not canonical",
        "A is not canonical",
    ];
    let cases = public("speccheck.json");
    assert_eq!(cases.len(), REASONS.len());
    for (case, reason) in cases.iter().zip(REASONS) {
        let (key, signature) = (array(text(case, "pub_key")), array(text(case, "signature")));
        let found = answer(&key, &unhex(text(case, "message")), &signature, &case.to_string());
        assert_eq!(found.err().unwrap_or(""), reason, "{case}");
    }
}
