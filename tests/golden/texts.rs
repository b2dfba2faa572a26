//! Labels, seals and successions: texts of which each has exactly one encoding. Good ones, and what a decoder must
//! refuse.

use crate::cbor::hex;
use crate::example::{self, counting};
use crate::hostile::{Bad, Gather};
use crate::vectors::{Good, file};
use azekura::format::Malformed;
use azekura::format::digests::{BothDigests, Digests};
use azekura::format::label::{Algorithm, Fingerprint, Label};
use azekura::format::object::{Object, ObjectKind};
use azekura::format::seal::{Seal, Verdict, encode_list};
use azekura::format::succession::Succession;
use azekura::seal::{SealKey, sign, sign_succession, succession_key};
use serde_json::json;

/// The highest number of a text.
const HIGHEST: u64 = i64::MAX as u64;

/// Characters that no `TEXT` may have, and where: at the ends and around the gaps of their ranges.
const FORBIDDEN: [char; 23] = [
    '\0',
    '\t',
    '\u{1B}',
    '\u{1F}',
    '\u{7F}',
    '\u{80}',
    '\u{9B}',
    '\u{9F}',
    '\u{61C}',
    '\u{200B}',
    '\u{200E}',
    '\u{200F}',
    '\u{2028}',
    '\u{2029}',
    '\u{202A}',
    '\u{202E}',
    '\u{2060}',
    '\u{2066}',
    '\u{2069}',
    '\u{FEFF}',
    '\u{E0000}',
    '\u{E007F}',
    '\r',
];

fn digest_none() -> String {
    hex(&example::heads_root(&[]))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Whatever is flipped in something good, `again` returns `None`, or the bytes that it was given: nothing has two
/// encodings.
fn has_one_encoding(good: &[u8], again: fn(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(again(good).as_deref(), Some(good), "encoded again");
    let mut bent = good.to_vec();
    for bit in 0..good.len() * 8 {
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(again(&bent).is_none_or(|bytes| bytes == bent), "bit {bit} flipped: another encoding of the same");
        bent[bit / 8] ^= 1 << (bit % 8);
    }
}

/// What is wrong with any text. `good` is its lines; `rest` follows it.
fn lines(g: &mut Gather, word: &str, good: &str, rest: &[u8]) {
    let mut add = |name: &str, text: &str| g.add(name, [text.as_bytes(), rest].concat());
    let whole: Vec<&str> = good.split_inclusive('\n').collect();
    let first = whole[0];
    for (i, line) in whole.iter().enumerate() {
        let (before, after) = (whole[..i].concat(), whole[i + 1..].concat());
        let (n, bare) = (i + 1, line.trim_end_matches('\n'));
        add(&format!("without line {n}"), &[&before, &after[..]].concat());
        add(&format!("line {n} twice"), &[&before, *line, line, &after].concat());
        add(&format!("line {n} with a space at its end"), &format!("{before}{bare} \n{after}"));
        add(&format!("line {n} with two spaces behind its word"), &format!("{before}{}\n{after}", bare.replacen(' ', "  ", 1)));
        add(&format!("line {n} with a tab behind its word"), &format!("{before}{}\n{after}", bare.replacen(' ', "\t", 1)));
        add(&format!("an empty line before line {n}"), &format!("{before}\n{line}{after}"));
        if let Some(next) = whole.get(i + 1).filter(|next| *next != line) {
            add(&format!("lines {n} and {} exchanged", n + 1), &[&before, *next, line, &whole[i + 2..].concat()].concat());
        }
    }
    add("lines that end in CR LF", &good.replace('\n', "\r\n"));
    add("a byte order mark", &format!("\u{FEFF}{good}"));
    add("an empty line first", &format!("\n{good}"));
    for (name, version) in [
        ("version 2", "2"),
        ("version 0", "0"),
        ("the highest version", "9223372036854775807"),
        ("a version above 2^63 - 1", "9223372036854775808"),
        ("the version with a leading zero", "01"),
        ("the version with a sign", "+1"),
        ("the version with a fraction", "1.0"),
        ("no version", ""),
    ] {
        add(name, &good.replacen(first, &format!("azekura {word} {version}\n"), 1));
    }
    add("another program's", &good.replacen("azekura", "Azekura", 1));
    add("another kind of text", &good.replacen(first, "azekura object 1\n", 1));
    for i in 0..whole.len() {
        g.add(format!("only its first {i} lines"), whole[..i].concat());
    }
    g.add("nothing but version 2", format!("azekura {word} 2\n"));
    g.add("version 2 with other lines, not UTF-8", [format!("azekura {word} 2\n").as_bytes(), b"\xff\xfe\n"].concat());
    g.add("not UTF-8", [b"\xff", good.as_bytes(), rest].concat());
}

/// Replaces the first `from` of `good` for each fault, and takes `good` with `rest` behind it.
fn bends(g: &mut Gather, good: &str, rest: &[u8], faults: &[(&str, &str, &str)]) {
    for (name, from, to) in faults {
        let bent = good.replacen(from, to, 1);
        assert_ne!(bent, good, "{name}: {from}");
        g.add(*name, [bent.as_bytes(), rest].concat());
    }
}

/// A line with a key or a signature, bent in every way. `line` is it up to the digits, with the algorithm.
fn algorithms(g: &mut Gather, good: &str, rest: &[u8], line: &str) {
    let word = line.trim_end_matches(" ed25519 ");
    for (name, to) in [
        (format!("{word} of another algorithm"), line.replace("ed25519", "ed448")),
        (format!("{word} of an algorithm in capitals"), line.replace("ed25519", "Ed25519")),
        (format!("{word} without its algorithm"), line.replace("ed25519 ", "")),
        (format!("{word} of two digits more"), format!("{line}00")),
        (format!("{word} with a third field"), format!("{line}ed25519 ")),
    ] {
        bends(g, good, rest, &[(&name, line, &to)]);
    }
    let at = good.find(line).expect("the line") + line.len();
    let (before, digits) = good.split_at(at);
    let tail = &digits[2..];
    bends(g, good, rest, &[(&format!("{word} of two digits less"), good, &[before, tail].concat())]);
    for (name, two) in [("in capitals", "AB"), ("that is not hexadecimal", "0g")] {
        bends(g, good, rest, &[(&format!("{word} {name}"), good, &[before, two, tail].concat())]);
    }
}

/// A line `word value` with a number, bent in every way.
fn numbers(g: &mut Gather, good: &str, rest: &[u8], word: &str, value: &str) {
    let line = |value: &str| format!("\n{word} {value}");
    for (name, to) in [
        ("with a leading zero", format!("0{value}")),
        ("with a sign", format!("+{value}")),
        ("that is negative", format!("-{value}")),
        ("with a fraction", format!("{value}.0")),
        ("in hexadecimal", format!("0x{value}")),
        ("with another script's digits", "１".to_owned()),
        ("of 2^63", "9223372036854775808".to_owned()),
        ("of 2^64 + 1", "18446744073709551617".to_owned()),
        ("that is empty", String::new()),
        ("that is none", "none".to_owned()),
    ] {
        bends(g, good, rest, &[(&format!("{word} {name}"), &line(value), &line(&to))]);
    }
}

fn times(g: &mut Gather, good: &str, rest: &[u8], word: &str, value: &str) {
    for time in [
        "1969-12-31T23:59:59Z",
        "10000-01-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-00-23T03:31:54Z",
        "2026-13-23T03:31:54Z",
        "2026-11-00T03:31:54Z",
        "2026-11-31T03:31:54Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T03:60:54Z",
        "2016-12-31T23:59:60Z",
        "2026-11-23T03:31:61Z",
        "2026-11-23T03:31:54",
        "2026-11-23T03:31:54z",
        "2026-11-23t03:31:54Z",
        "2026-11-23 03:31:54Z",
        "2026-11-23T03:31:54.5Z",
        "2026-11-23T03:31:54+09:00",
        "2026-11-23T03:31Z",
        "2026-11-3T003:31:54Z",
        "+026-11-23T03:31:54Z",
        "２026-11-23T03:31:54Z",
        "1795404714",
        "",
    ] {
        bends(g, good, rest, &[(&format!("the time {time:?}"), &format!("\n{word} {value}\n"), &format!("\n{word} {time}\n"))]);
    }
}

/// A line that people read.
fn words(g: &mut Gather, good: &str, word: &str, value: &str) {
    let mut add = |name: &str, to: &str| {
        bends(g, good, b"", &[(&format!("{word} {name}"), &format!("\n{word} {value}\n"), &format!("\n{word} {to}\n"))]);
    };
    for c in FORBIDDEN {
        add(&format!("with U+{:04X}", u32::from(c)), &format!("a{c}b"));
    }
    add("that clears the terminal", "a\u{1B}[2J\u{1B}]0;b\u{7}");
    add("that is empty", "");
    add("with a space at its beginning", " a");
    add("with a space at its end", "a ");
    add("of a space", " ");
    add("of 256 bytes", &"x".repeat(256));
    add("of 86 characters with 258 bytes", &"倉".repeat(86));
    let (before, after) = good.split_once(&format!("\n{word} {value}\n")).expect("the line");
    for (name, bytes) in
        [("a byte that is not UTF-8", &b"\xff"[..]), ("a surrogate", b"\xed\xa0\x80"), ("a long form", b"\xc0\xaf")]
    {
        g.add(
            format!("{word} with {name}"),
            [before.as_bytes(), format!("\n{word} a").as_bytes(), bytes, b"\n", after.as_bytes()].concat(),
        );
    }
}

fn bad_labels() -> Vec<Bad> {
    let mut g = Gather::new(|b| Label::decode(b).err());
    let good = text(&example::label().encode());
    g.bend(good.as_bytes());
    lines(&mut g, "label", &good, b"");
    for (name, left_over) in [("an empty line", "\n"), ("a line", "note of somebody\n"), ("a byte", "\0"), ("a space", " ")] {
        g.add(format!("{name} left over"), format!("{good}{left_over}"));
    }
    g.add("longer than 64 KiB", [good.as_bytes(), &vec![b'\n'; (64 << 10) + 1 - good.len()]].concat());
    words(&mut g, &good, "name", "example");
    words(&mut g, &good, "tool", "azekura 0.1.0");
    times(&mut g, &good, b"", "created", "2026-11-23T03:31:54Z");
    numbers(&mut g, &good, b"", "place", "1");
    numbers(&mut g, &good, b"", "first-object", "0");
    numbers(&mut g, &good, b"", "recipients", "1");
    algorithms(&mut g, &good, b"", "root-key ed25519 ");
    algorithms(&mut g, &good, b"", "succession-key ed25519 ");
    let key = format!("succession-key ed25519 {}", hex(&example::heir_key().public()));
    let root = format!("root-key ed25519 {}", hex(&example::label().root_key));
    let recipient = good.lines().find(|l| l.starts_with("recipient ")).expect("a recipient");
    let many = |n: usize| format!("recipients {n}\n{}", vec![recipient; n].join("\n"));
    bends(
        &mut g,
        &good,
        b"",
        &[
            ("place 0", "place 1", "place 0"),
            ("an object number of 2^48", "first-object 0", "first-object 281474976710656"),
            ("a set id that is too short", "set 0001", "set 01"),
            ("a set id that is too long", "set 00", "set 0000"),
            ("a set id in capitals", "0c0d0e0f", "0C0D0E0F"),
            ("a set id that is not hexadecimal", "0c0d0e0f", "0c0d0e0g"),
            ("no set id", "set 000102030405060708090a0b0c0d0e0f", "set none"),
            ("a medium's id that is too short", "medium 1011", "medium 11"),
            ("a medium's id in capitals", "1a1b1c1d1e1f", "1A1B1C1D1E1F"),
            ("quarantine maybe", "quarantine no", "quarantine maybe"),
            ("quarantine in capitals", "quarantine no", "quarantine NO"),
            ("quarantine without a value", "quarantine no", "quarantine"),
            ("no root key", &root, "root-key none"),
            ("no succession key, in capitals", &key, "succession-key None"),
            ("no succession key, twice", &key, "succession-key none none"),
            ("a succession key without a value", &key, "succession-key"),
            ("fewer recipients than counted", "recipients 1", "recipients 2"),
            ("more recipients than counted", "recipients 1", "recipients 0"),
            ("65 recipients", &format!("recipients 1\n{recipient}"), &many(65)),
            ("2^62 recipients", "recipients 1", "recipients 4611686018427387904"),
            ("a recipient of an unknown algorithm", "recipient x25519", "recipient scrypt"),
            ("a recipient of an algorithm in capitals", "recipient x25519", "recipient X25519"),
            ("a recipient without its algorithm", "recipient x25519 ", "recipient "),
            ("a recipient of 14 digits", "recipient x25519 fd", "recipient x25519 "),
            ("a recipient of 18 digits", "recipient x25519 fd", "recipient x25519 fdfd"),
            ("a recipient in capitals", "recipient x25519 fd", "recipient x25519 FD"),
            ("JSON", &good, "{\n  \"azekura\": 1\n}\n"),
        ],
    );
    g.all
}

fn decode_seal(bytes: &[u8]) -> Result<(Seal, [u8; 64], Vec<Object>), Malformed> {
    let signed = Seal::decode(bytes)?;
    let objects = signed.seal.decode_list(&bytes[signed.head_bytes..])?;
    Ok((signed.seal, signed.signature, objects))
}

/// A seal whose facts no program would sign. The signature is that of another one.
fn unsigned(seal: &Seal, list: &[u8]) -> Vec<u8> {
    let signature = Seal::decode(&example::seal_bytes()).expect("a seal").signature;
    [&Seal::with_signature(seal.encode_body(), &signature)[..], list].concat()
}

fn object(number: u64, kind: ObjectKind) -> Object {
    Object::of(number, kind, format!("bytes of object {number}").as_bytes())
}

/// Heads whose form is right, and whose facts do not fit together.
fn bad_facts(g: &mut Gather) {
    let objects = [object(4, ObjectKind::Manifest)];
    let (first, later) = (example::seal(), example::second_seal(&objects));
    let previous = later.previous;
    let closing = Seal { verdict: Verdict::Continued, record_count: 0, records: example::heads_root(&[]), ..later.clone() };
    let beyond = (1 << 48) - 1;
    for (name, seal) in [
        ("generation 0", Seal { generation: 0, ..later.clone() }),
        ("generation 2 without a seal before", Seal { generation: 2, ..first.clone() }),
        ("generation 3 behind one seal", Seal { generation: 3, ..later.clone() }),
        ("a first seal with a previous one", Seal { previous, ..first.clone() }),
        ("a first seal that names a succession", Seal { succession: Some([7; 32]), ..first.clone() }),
        ("a first seal that begins with object 1", Seal { first: 1, ..first.clone() }),
        ("a first seal with the tree of one seal", Seal { heads: later.heads, ..first.clone() }),
        ("a later seal without a previous one", Seal { previous: None, ..later.clone() }),
        (
            "a later seal with a succession and without a previous one",
            Seal { previous: None, succession: Some([7; 32]), ..later.clone() },
        ),
        ("a later seal that begins with object 0", Seal { first: 0, ..later.clone() }),
        ("no objects", Seal { count: 0, ..later.clone() }),
        ("65,537 objects", Seal { count: 65_537, ..later.clone() }),
        ("2^63 - 1 objects", Seal { count: HIGHEST, ..later.clone() }),
        ("its own number above 2^48 - 1", Seal { first: beyond, count: 1, ..later.clone() }),
        ("a first object of 2^63 - 1", Seal { first: HIGHEST, ..later.clone() }),
        ("a closing seal that counts records", Seal { record_count: 1, ..closing.clone() }),
        ("a closing seal with a root of records", Seal { records: later.records, ..closing.clone() }),
    ] {
        g.add(name, unsigned(&seal, b""));
    }
}

/// What is wrong with heads. No list follows them: it would not be looked at.
fn bad_heads(g: &mut Gather) {
    let good = text(&example::head_bytes());
    times(g, &good, b"", "time", "2026-11-23T03:31:55Z");
    numbers(g, &good, b"", "generation", "1");
    numbers(g, &good, b"", "seals", "0");
    numbers(g, &good, b"", "objects", "0");
    numbers(g, &good, b"", "objects 0", "3");
    numbers(g, &good, b"", "records", "2");
    algorithms(g, &good, b"", "next ed25519 ");
    algorithms(g, &good, b"", "signature ed25519 ");
    let zeros = "0".repeat(64);
    let (digests, label) = (example::seal().list, format!("label {}", hex(&example::seal().label)));
    let (both, one) = (format!("list {} {}", hex(&digests.blake3), hex(&digests.sha256)), hex(&digests.blake3));
    bends(
        g,
        &good,
        b"",
        &[
            ("a set id in capitals", "0c0d0e0f", "0C0D0E0F"),
            ("a set id that is too short", "set 0001", "set 01"),
            ("a label that is none", &label, "label none"),
            ("a label with two digests", &label, &format!("{label} {one}")),
            ("a label of 65 digits", "label ", "label 0"),
            ("a label in capitals", &label, &label.to_uppercase().replace("LABEL", "label")),
            ("a generation with a second field", "generation 1", "generation 1 1"),
            ("seals without a root", &format!("seals 0 {}", digest_none()), "seals 0"),
            ("seals without a count", "seals 0 ", "seals "),
            ("seals with the root none", &format!("seals 0 {}", digest_none()), "seals 0 none"),
            ("seals with a root in capitals", "seals 0 a", "seals 0 A"),
            ("previous in capitals", "previous none", "previous None"),
            ("previous of one digest", "previous none", &format!("previous {zeros}")),
            ("previous of three digests", "previous none", &format!("previous {zeros} {zeros} {zeros}")),
            ("previous with a dash", "previous none", &format!("previous {zeros} -")),
            ("previous none, twice", "previous none", "previous none none"),
            ("a succession of two digests", "succession none", &format!("succession {zeros} {zeros}")),
            ("a succession with a dash", "succession none", "succession -"),
            ("a succession of 62 digits", "succession none", &format!("succession {}", &zeros[2..])),
            ("objects without a count", "objects 0 3", "objects 0"),
            ("objects with a third field", "objects 0 3", "objects 0 3 3"),
            ("a list with one digest", &both, &format!("list {one}")),
            ("a list without SHA-256", &both, &format!("list {one} -")),
            ("a list that is none", &both, "list none"),
            ("a list with a third digest", &both, &format!("{both} {one}")),
            ("a list in capitals", &both, &both.to_uppercase().replace("LIST", "list")),
            ("records without a root", &format!("records 2 {}", hex(&example::seal().records)), "records 2"),
            ("an unknown read-back", "read-back direct", "read-back perhaps"),
            ("a read-back in capitals", "read-back direct", "read-back Direct"),
            ("an unknown verdict", "verdict good", "verdict fine"),
            ("two verdicts", "verdict good", "verdict good incomplete"),
            ("a further line", "verdict good\n", "verdict good\nnote of somebody\n"),
            ("no next key", &format!("next ed25519 {}", hex(&example::seal().next)), "next none"),
        ],
    );
    let long = good.replacen("time ", &format!("time {}", "2".repeat(4 << 10)), 1);
    g.add("no signature within 4 KiB", long);
    g.add("a head without its last line feed", &good[..good.len() - 1]);
}

/// What is wrong with lists; the head has their digests.
fn bad_lists(g: &mut Gather) {
    let good =
        [object(4, ObjectKind::Pack), object(5, ObjectKind::Void), object(6, ObjectKind::Manifest), object(7, ObjectKind::Extra)];
    let around = |list: &[u8]| unsigned(&Seal { list: BothDigests::of(list), ..example::second_seal(&good) }, list);
    let list = text(&encode_list(&good));
    assert!(decode_seal(&around(list.as_bytes())).is_ok(), "so that what follows is refused for its list");
    let rows: Vec<&str> = list.split_inclusive('\n').collect();
    let fields: Vec<&str> = rows[0].trim_end().split(' ').collect();
    let (blake3, sha256) = (fields[4], fields[5]);
    let row = |kind: &str, length: &str, blake3: &str, sha256: &str| format!("object 4 {kind} {length} {blake3} {sha256}\n");
    let rest = rows[1..].concat();
    let mut add = |name: &str, list: &str| g.add(format!("list: {name}"), around(list.as_bytes()));
    add("nothing", "");
    add("fewer objects than the head says", &rows[..3].concat());
    add("more objects than the head says", &format!("{list}{}", text(&encode_list(&[object(8, ObjectKind::Extra)]))));
    add("an object twice", &[rows[0], rows[0], rows[2], rows[3]].concat());
    add("objects out of order", &[rows[1], rows[0], rows[2], rows[3]].concat());
    add("a gap in the numbers", &list.replacen("object 5 ", "object 6 ", 1));
    add("a number with a leading zero", &list.replacen("object 4 ", "object 04 ", 1));
    add("a number with a sign", &list.replacen("object 4 ", "object +4 ", 1));
    add("no line feed at the end", list.trim_end());
    add("an empty line at the end", &format!("{list}\n"));
    add("an empty line at the beginning", &format!("\n{list}"));
    add("lines that end in CR LF", &list.replace('\n', "\r\n"));
    add("two spaces", &list.replacen("object 4", "object  4", 1));
    add("a space at a line's end", &list.replacen('\n', " \n", 1));
    add("a field too many", &list.replacen('\n', " -\n", 1));
    add("a field too few", &format!("object 4 pack 9 {blake3}\n{rest}"));
    add("a word in capitals", &list.replacen("object", "Object", 1));
    for kind in [
        "seal",
        "tape",
        "Pack",
        "kind-0",
        "kind-1",
        "kind-4",
        "kind-7",
        "kind-8",
        "kind-09",
        "kind-+9",
        "kind-9a",
        "kind-",
        "kind-128",
        "kind-255",
        "kind-256",
        "kind-9223372036854775807",
        "Kind-9",
        "9",
    ] {
        add(&format!("the kind {kind}"), &format!("{}{rest}", row(kind, "9", blake3, sha256)));
    }
    for (name, length) in
        [("of 2^63", "9223372036854775808"), ("with a leading zero", "09"), ("below 0", "-9"), ("that is a dash", "-")]
    {
        add(&format!("a length {name}"), &format!("{}{rest}", row("pack", length, blake3, sha256)));
    }
    let capitals = blake3.to_uppercase();
    for (name, kind, length, blake3, sha256) in [
        ("a pack without digests", "pack", "0", "-", "-"),
        ("a kind of a later version without digests", "kind-64", "0", "-", "-"),
        ("a pack with SHA-256 alone", "pack", "9", "-", sha256),
        ("a void object with SHA-256 alone", "void", "0", "-", sha256),
        ("a void object without digests, with a length", "void", "9", "-", "-"),
        ("a void object whose digests are none", "void", "0", "none", "none"),
        ("a digest of 62 digits", "pack", "9", &blake3[2..], sha256),
        ("a SHA-256 of 62 digits", "pack", "9", blake3, &sha256[2..]),
        ("a digest in capitals", "pack", "9", &capitals, sha256),
        ("two dashes", "pack", "9", blake3, "--"),
    ] {
        add(name, &format!("{}{rest}", row(kind, length, blake3, sha256)));
    }
    let bytes = around(list.as_bytes());
    let head = bytes.len() - list.len();
    g.add("list: not that of the head's digests", [&bytes[..head], list.replacen("pack", "extra", 1).as_bytes()].concat());
    let whole = example::second_seal(&good);
    for (name, digests) in [
        ("another BLAKE3", BothDigests { blake3: [1; 32], ..whole.list }),
        ("another SHA-256", BothDigests { sha256: [1; 32], ..whole.list }),
    ] {
        g.add(format!("list: {name} in the head"), unsigned(&Seal { list: digests, ..whole.clone() }, list.as_bytes()));
    }
    let not_text = [&b"object 4 pack 9 \xff"[..], list.as_bytes()].concat();
    g.add("list: not UTF-8", around(&not_text));
}

/// Kinds of objects that a generation or a closing seal does not have, or not in this order.
fn bad_orders(g: &mut Gather) {
    use ObjectKind::{Extra, Label, Later, Manifest, Pack, Parity, Void};
    let seal = |kinds: &[ObjectKind], closing: bool| {
        let objects: Vec<Object> = (4..).zip(kinds).map(|(n, kind)| object(n, *kind)).collect();
        let seal = example::second_seal(&objects);
        let closing_seal =
            Seal { verdict: Verdict::Continued, record_count: 0, records: example::heads_root(&[]), ..seal.clone() };
        unsigned(if closing { &closing_seal } else { &seal }, &encode_list(&objects))
    };
    for (name, kinds) in [
        ("no manifest", &[Pack, Void][..]),
        ("two manifests", &[Pack, Manifest, Manifest]),
        ("two manifests, one behind an extra", &[Manifest, Extra, Manifest]),
        ("a pack behind the manifest", &[Manifest, Pack]),
        ("a label behind the manifest", &[Manifest, Label]),
        ("a succession behind the manifest", &[Manifest, ObjectKind::Succession]),
    ] {
        g.add(format!("list: {name}"), seal(kinds, false));
    }
    g.add("list: a closing seal with a manifest", seal(&[Pack, Manifest], true));
    for kinds in
        [&[Pack, Later(9), Later(63), Manifest][..], &[Manifest, Void, Parity, Extra, Later(9), Later(127)], &[Void, Manifest]]
    {
        assert!(decode_seal(&seal(kinds, false)).is_ok(), "{kinds:?}");
    }
    assert!(decode_seal(&seal(&[Pack, Later(9)], true)).is_ok());
}

fn bad_seals() -> Vec<Bad> {
    let mut g = Gather::new(|b| decode_seal(b).err());
    let whole = example::seal_bytes();
    g.bend(&whole);
    let head = text(&example::head_bytes());
    lines(&mut g, "seal", &head, &whole[head.len()..]);
    g.add("an empty line left over", [&whole[..], b"\n"].concat());
    g.add("a head without its list", head.as_bytes());
    g.add("a list without its head", &whole[head.len()..]);
    g.add("a head without its last line feed, and its list", [head.trim_end().as_bytes(), &whole[head.len()..]].concat());
    // What is refused from here on is refused for its head.
    g.decode = |b| Seal::decode(b).err();
    bad_facts(&mut g);
    bad_heads(&mut g);
    g.decode = |b| {
        assert!(Seal::decode(b).is_ok(), "the head is good");
        decode_seal(b).err()
    };
    bad_lists(&mut g);
    bad_orders(&mut g);
    g.all
}

fn bad_successions() -> Vec<Bad> {
    let mut g = Gather::new(|b| Succession::decode(b).err());
    let good = text(&example::succession_bytes());
    g.bend(good.as_bytes());
    lines(&mut g, "succession", &good, b"");
    for (name, left_over) in [("an empty line", "\n"), ("a line", "note of somebody\n"), ("a byte", "\0")] {
        g.add(format!("{name} left over"), format!("{good}{left_over}"));
    }
    g.add("longer than 64 KiB", [good.as_bytes(), &vec![b'\n'; (64 << 10) + 1 - good.len()]].concat());
    algorithms(&mut g, &good, b"", "next ed25519 ");
    algorithms(&mut g, &good, b"", "signature ed25519 ");
    let previous = example::succession().previous;
    let (blake3, both) = (hex(&previous.blake3), format!("previous {} {}", hex(&previous.blake3), hex(&previous.sha256)));
    bends(
        &mut g,
        &good,
        b"",
        &[
            ("a set id in capitals", "0c0d0e0f", "0C0D0E0F"),
            ("a set id that is too short", "set 0001", "set 01"),
            ("previous none", &both, "previous none"),
            ("previous of one digest", &both, &format!("previous {blake3}")),
            ("previous with a dash", &both, &format!("previous {blake3} -")),
            ("previous with a third digest", &both, &format!("{both} {blake3}")),
            ("previous in capitals", &both, &format!("previous {}", both[9..].to_uppercase())),
        ],
    );
    g.all
}

#[test]
fn labels() {
    let plain = example::label();
    let fingerprint = |algorithm, n| Fingerprint { algorithm, digest: [n; 8] };
    let later = Label {
        name: "倉".repeat(85),
        place: 2,
        first_object: (1 << 48) - 1,
        created: "2024-02-29T23:59:59Z".into(),
        recipients: Vec::new(),
        ..plain.clone()
    };
    let odd = Label {
        name: "夜間 \"A\"  {\\}\u{AD}\u{200A}\u{2010}\u{202F}\u{205F}\u{206A}\u{FFFF}\u{10FFFF}".into(),
        created: "1970-01-01T00:00:00Z".into(),
        tool: "x".into(),
        ..plain.clone()
    };
    let quarantine = Label { name: "none".into(), quarantine: true, created: "9999-12-31T23:59:59Z".into(), ..plain.clone() };
    let without = Label { succession_key: None, ..plain.clone() };
    let many = Label {
        place: HIGHEST,
        recipients: (0..64).map(|n| fingerprint([Algorithm::X25519, Algorithm::MlKem768X25519][n % 2], n as u8)).collect(),
        ..plain.clone()
    };
    let mut vectors: Vec<Good> = Vec::new();
    for (name, label) in [
        ("the example", plain),
        ("a second medium with the longest name and the highest object number, without recipients", later),
        ("characters that are odd and allowed", odd),
        ("in quarantine", quarantine),
        ("without a succession key", without),
        ("with the highest place and 64 recipients of both algorithms", many),
    ] {
        let bytes = label.encode();
        assert_eq!(Label::decode(&bytes), Ok(label));
        has_one_encoding(&bytes, |b| Label::decode(b).ok().map(|l| l.encode()));
        vectors.push((name, json!({"text": text(&bytes)}), bytes));
    }
    file("label.json", vectors, &bad_labels());
}

/// Seals of every kind behind the example's, with their lists.
fn odd_seals() -> Vec<(&'static str, Vec<Object>, Seal)> {
    use ObjectKind::{Extra, Label, Later, Manifest, Pack, Parity, Void};
    let closing = |seal: Seal| Seal { verdict: Verdict::Continued, record_count: 0, records: example::heads_root(&[]), ..seal };
    let blake3_alone =
        |number, kind| Object { digests: Some(Digests { blake3: counting(0x80), sha256: None }), ..object(number, kind) };
    let nothing = Object { length: 0, digests: None, ..object(4, Void) };
    let voids = vec![
        nothing,
        object(5, Void),
        blake3_alone(6, Void),
        Object::of(7, Void, b""),
        object(8, Manifest),
        Object { length: 1 << 30, ..object(9, Parity) },
        Object::of(10, Extra, b""),
        object(11, Later(64)),
        object(12, Later(127)),
        object(13, Void),
    ];
    let newer = vec![object(4, Later(9)), object(5, Pack), object(6, Later(63)), object(7, Manifest), object(8, Later(9))];
    let no_sha256 = vec![blake3_alone(4, Pack), blake3_alone(5, Manifest)];
    let closed = vec![object(4, Pack), object(5, Later(64)), object(6, Void)];
    let two_media = vec![object(4, Pack), object(5, Label), object(6, Manifest)];
    let farthest = [object((1 << 48) - 2, Manifest)];
    let farthest_seal = Seal {
        generation: HIGHEST,
        earlier: HIGHEST,
        first: (1 << 48) - 2,
        record_count: HIGHEST,
        ..example::second_seal(&farthest)
    };
    let seal = example::second_seal;
    vec![
        ("with void objects before the manifest, and all that may follow one", voids.clone(), seal(&voids)),
        ("with kinds of a newer version", newer.clone(), Seal { verdict: Verdict::Alarm, ..seal(&newer) }),
        ("with SHA-256 switched off", no_sha256.clone(), Seal { verdict: Verdict::Incomplete, ..seal(&no_sha256) }),
        ("a closing seal", closed.clone(), closing(seal(&closed))),
        ("over the objects of two media", two_media.clone(), seal(&two_media)),
        ("behind closing seals, of the first generation", two_media.clone(), Seal { generation: 1, ..seal(&two_media) }),
        ("with the highest numbers", farthest.to_vec(), farthest_seal),
    ]
}

#[test]
fn seals() {
    fn again(bytes: &[u8]) -> Option<Vec<u8>> {
        let (seal, signature, objects) = decode_seal(bytes).ok()?;
        Some([Seal::with_signature(seal.encode_body(), &signature), encode_list(&objects)].concat())
    }
    fn head_again(bytes: &[u8]) -> Option<Vec<u8>> {
        let signed = Seal::decode(bytes).ok().filter(|s| s.head_bytes == bytes.len())?;
        Some(Seal::with_signature(signed.seal.encode_body(), &signed.signature))
    }
    let [first, second, third] = example::seal_seeds();
    let (listed, continued) = example::continued();
    let mut all = vec![
        ("the example", first, example::listed(), example::seal()),
        ("of the second generation, behind a succession, signed by its key", third, listed, continued),
    ];
    all.extend(odd_seals().into_iter().map(|(name, objects, seal)| (name, second, objects, seal)));
    let mut vectors: Vec<Good> = Vec::new();
    for (name, seed, objects, seal) in all {
        let new = sign(&seal, &objects, &SealKey::from_seed(&seed)).expect("a seal");
        let head = Seal::decode(&new.bytes).expect("a seal").head_bytes;
        assert_eq!(decode_seal(&new.bytes).map(|(s, _, o)| (s, o)), Ok((seal, objects)), "{name}");
        assert_eq!(new.head, BothDigests::of(&new.bytes[..head]));
        has_one_encoding(&new.bytes[..head], head_again);
        assert_eq!(again(&new.bytes).as_ref(), Some(&new.bytes), "{name}");
        let input = json!({"signed_with": hex(&seed), "head": text(&new.bytes[..head]), "list": text(&new.bytes[head..])});
        vectors.push((name, input, new.bytes));
    }
    file("seal.json", vectors, &bad_seals());
}

/// Too long to be kept as a vector.
#[test]
fn a_seal_lists_65_536_objects_at_most() {
    let mut objects: Vec<Object> = (4..4 + 65_535).map(|n| object(n, ObjectKind::Pack)).collect();
    objects.push(object(4 + 65_535, ObjectKind::Manifest));
    let key = SealKey::from_seed(&example::seal_seeds()[1]);
    let new = sign(&example::second_seal(&objects), &objects, &key).expect("a seal");
    assert_eq!(decode_seal(&new.bytes).map(|(.., o)| o), Ok(objects.clone()));
    objects.insert(0, object(4, ObjectKind::Pack));
    objects.iter_mut().zip(4..).for_each(|(o, n)| o.number = n);
    let error = sign(&example::second_seal(&objects), &objects, &key).expect_err("one too many");
    assert!(matches!(error, Malformed::TooLarge { .. }), "{error}");
}

#[test]
fn successions() {
    let plain = example::succession();
    let other = Succession { next: counting(0xC0), ..plain.clone() };
    let mut vectors: Vec<Good> = Vec::new();
    for (name, succession, secret) in [
        ("the example", plain, example::identity_secret()),
        ("another next key, signed by the key of another identity", other, [9; 32]),
    ] {
        let key = succession_key(&secret);
        let bytes = sign_succession(&succession, &key);
        let signed = Succession::decode(&bytes).expect("a succession");
        assert_eq!(signed.succession, succession);
        assert!(azekura::seal::verify_succession(&signed, &bytes, &key.public()));
        has_one_encoding(&bytes, |b| {
            let signed = Succession::decode(b).ok()?;
            Some(Seal::with_signature(signed.succession.encode_body(), &signed.signature))
        });
        let input = json!({"identity": hex(&secret), "succession_key": hex(&key.public()), "text": text(&bytes)});
        vectors.push((name, input, bytes));
    }
    file("succession.json", vectors, &bad_successions());
}
