//! The log by somebody who has the keys of its seals, or keys of their own: labels, seals, lists, checkpoints and successions, signed
//! as they should be and wrong in what they say.

use super::generation::PLACEHOLDER;
use crate::machine::{object_file, objects_in};
use crate::tools::Dice;
use azekura::format::digests::BothDigests;
use azekura::format::label::Label;
use azekura::format::merkle::{MerkleTree, head_leaf};
use azekura::format::object::{Id, ObjectKind, hex};
use azekura::format::seal::{Seal, Verdict};
use azekura::seal::SealKey;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The encoding of the neutral element, with which everything seems to be signed.
const NEUTRAL: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

/// What is signed behind the seals that are there already.
struct Chain {
    set: Id,
    /// Whether object lines have SHA-256.
    with_sha256: bool,
    has_heir: bool,
    /// How many keys were named as the next one.
    keys: u8,
    heads: MerkleTree,
    previous: Option<([u8; 32], [u8; 32])>,
    generation: u64,
    first: u64,
    label: [u8; 32],
    /// A succession behind the last seal, and the key that it names.
    succession: Option<([u8; 32], [u8; 32])>,
    /// Public keys whose seeds nobody has.
    next_is_neutral: bool,
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn public(seed: [u8; 32]) -> [u8; 32] {
    SealKey::from_seed(&seed).public()
}

/// The seed of the heir's key; what it names as the next one is the same in another case.
const HEIR: [u8; 32] = [0xA0; 32];
const HEIRS_NEXT: [u8; 32] = [0xA1; 32];

fn blake3_of(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// One line or field of a text, wrong in one way; what was done.
fn bend_text(text: &str, dice: &mut Dice) -> (Vec<u8>, String) {
    let mut lines: Vec<String> = text.lines().map(Into::into).collect();
    if lines.is_empty() {
        lines.push("a line".into());
    }
    let at = dice.below(lines.len());
    let was = lines[at].clone();
    let mut end = "\n";
    match dice.below(14) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, was.clone()),
        2 if at > 0 => lines.swap(at, at - 1),
        3 => lines.insert(at, "colour blue".into()),
        4 => lines[at] = format!("{was} "),
        5 => lines[at] = was.replacen(' ', "  ", 1),
        6 => lines[at] = format!("{was}\r"),
        7 => lines[at] = was.to_uppercase(),
        8 => lines[at] = was.replacen(' ', "\t", 1),
        9 => end = ["", "\n\n", "\n\0", "\nx"][dice.below(4)],
        _ => {
            let mut fields: Vec<String> = was.split(' ').map(Into::into).collect();
            let field = dice.below(fields.len());
            fields[field] = bend_field(&fields[field], dice);
            lines[at] = fields.join(" ");
        }
    }
    let bent = lines.join("\n") + end;
    let now = lines.get(at).map_or("", String::as_str);
    (bent.into_bytes(), format!("{was:?} is now {now:?}, the end {end:?}"))
}

fn bend_field(field: &str, dice: &mut Dice) -> String {
    if let Ok(n) = field.parse::<u64>() {
        let numbers = [
            "0",
            "1",
            "2",
            "01",
            "+1",
            "-1",
            "",
            "1e3",
            "18446744073709551615",
            "9223372036854775807",
            "9223372036854775808",
            "65537",
            "281474976710656",
            "１",
        ];
        return match dice.below(3) {
            0 => (n + 1).to_string(),
            1 => n.saturating_sub(1).to_string(),
            _ => (*dice.pick(&numbers)).into(),
        };
    }
    if field.len() >= 32 && field.bytes().all(|b| b.is_ascii_hexdigit()) {
        return match dice.below(6) {
            0 => field.to_uppercase(),
            1 => field[2..].into(),
            2 => format!("{field}00"),
            3 => "-".into(),
            4 => "none".into(),
            _ => {
                let at = dice.below(field.len());
                let digit = if field.as_bytes()[at] == b'0' { "1" } else { "0" };
                format!("{}{digit}{}", &field[..at], &field[at + 1..])
            }
        };
    }
    if field.ends_with('Z') && field.contains('T') {
        let times = [
            "yesterday",
            "1969-12-31T23:59:59Z",
            "2026-02-29T00:00:00Z",
            "2024-02-29T00:00:00Z",
            "2026-11-29T24:00:00Z",
            "2026-11-29T23:59:60Z",
            "9999-12-31T23:59:59Z",
            "2026-11-29t00:00:00Z",
            "2026-11-29T00:00:00+00:00",
            "2026-1-29T00:00:00Z",
            "2026-11-29T00:00:00.5Z",
            "1970-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "2026-00-10T00:00:00Z",
            "２026-11-29T00:00:00Z",
        ];
        return (*dice.pick(&times)).into();
    }
    let words = [
        "good",
        "incomplete",
        "alarm",
        "continued",
        "checkpoint",
        "direct",
        "dropped",
        "cached",
        "none",
        "yes",
        "no",
        "x25519",
        "mlkem768x25519",
        "ed25519",
        "ed448",
        "",
        "\u{1b}[2J",
        "\u{202e}",
        "\u{feff}",
        "病院",
        "label",
        "pack",
        "void",
        "seal",
        "extra",
        "kind-9",
        "kind-64",
        "kind-128",
        "kind-064",
        "parity",
        "2",
    ];
    (*dice.pick(&words)).into()
}

impl Chain {
    /// What becomes of a placeholder.
    fn fill(&mut self, number: u64, label: &Label, dice: &mut Dice, said: &mut Vec<String>) -> Option<(ObjectKind, Vec<u8>)> {
        match dice.below(12) {
            0 => {
                let kind = ObjectKind::Later([9, 40, 63][dice.below(3)]);
                said.push(format!("object {number} is a {kind}"));
                Some((kind, b"later".to_vec()))
            }
            1 => Some((ObjectKind::Later([64, 127][dice.below(2)]), b"later".to_vec())),
            2 => Some((ObjectKind::Parity, b"parity".to_vec())),
            3 | 4 => {
                let (set, previous) = (self.set, self.previous?);
                let mut body = format!(
                    "azekura succession 1\nset {set}\nprevious {} {}\nnext ed25519 {}\n",
                    hex(&previous.0),
                    hex(&previous.1),
                    hex(&public(HEIRS_NEXT))
                );
                if dice.chance(20) {
                    let (bent, what) = bend_text(&body, dice);
                    said.push(format!("succession {number}: {what}"));
                    body = String::from_utf8(bent).expect("text");
                }
                let by = if dice.chance(90) { HEIR } else { [1; 32] };
                let bytes = Seal::with_signature(
                    body.clone().into_bytes(),
                    &SigningKey::from_bytes(&by).sign(body.as_bytes()).to_bytes(),
                );
                said.push(format!("object {number} is a succession"));
                self.succession = Some((blake3_of(&bytes), HEIRS_NEXT));
                Some((ObjectKind::Succession, bytes))
            }
            5 => {
                let label = Label { place: 2, first_object: number, medium: Id([5; 16]), ..label.clone() };
                let mut bytes = self.relabelled(&label);
                said.push(format!("object {number} is a label"));
                match dice.below(4) {
                    0 => {
                        let (bent, what) = bend_text(&String::from_utf8(bytes).expect("text"), dice);
                        said.push(format!("label {number}: {what}"));
                        bytes = bent;
                    }
                    1 => self.label = blake3_of(&bytes),
                    _ => {}
                }
                Some((ObjectKind::Label, bytes))
            }
            6 => Some((ObjectKind::Void, Vec::new())),
            _ => Some((ObjectKind::Extra, PLACEHOLDER.to_vec())),
        }
    }

    fn relabelled(&self, label: &Label) -> Vec<u8> {
        let heir = self.has_heir.then(|| public(HEIR));
        Label { root_key: key(1).verifying_key().to_bytes(), succession_key: heir, ..label.clone() }.encode()
    }

    /// A seal over what is listed, which are the objects from `first` on.
    fn seal(&mut self, facts: Option<&Seal>, list: &[String], dice: &mut Dice, said: &mut Vec<String>) -> Vec<u8> {
        let number = self.first + list.len() as u64;
        let mut list = list.concat();
        if dice.chance(5) {
            let (bent, what) = bend_text(&list, dice);
            said.push(format!("list of seal {number}: {what}"));
            list = String::from_utf8(bent).expect("text");
        }
        let digest = |bytes: &[u8]| format!("{} {}", hex(&blake3_of(bytes)), hex(&sha256_of(bytes)));
        let closing = (0, blake3_of(b""));
        let (records, root) = facts.map_or(closing, |f| (f.record_count, f.records));
        let by_heir = self.succession.take().filter(|_| dice.chance(80));
        self.keys += 1;
        let (seed, next) = ([self.keys; 32], public([self.keys + 1; 32]));
        let was_neutral = std::mem::replace(&mut self.next_is_neutral, dice.chance(1));
        let next = if self.next_is_neutral { NEUTRAL } else { next };
        let mut body = format!(
            "azekura seal 1\nset {}\nlabel {}\ngeneration {}\ntime {}\nseals {} {}\nprevious {}\nsuccession {}\nobjects {} {}\nlist {}\nrecords {records} {}\nread-back {}\nverdict {}\nnext ed25519 {}\n",
            self.set,
            hex(&self.label),
            self.generation,
            facts.map_or("2026-11-29T03:00:00Z", |f| &f.time),
            self.heads.count(),
            hex(&self.heads.root()),
            self.previous.map_or("none".into(), |(b, s)| format!("{} {}", hex(&b), hex(&s))),
            by_heir.map_or("none".into(), |(digest, _)| hex(&digest)),
            self.first,
            number - self.first,
            digest(list.as_bytes()),
            hex(&root),
            ["direct", "dropped", "cached"][dice.below(3)],
            if facts.is_none() { ["continued", "checkpoint"][dice.below(2)] } else { ["good", "incomplete", "alarm"][dice.below(3)] },
            hex(&next),
        )
        .into_bytes();
        if dice.chance(8) {
            let (bent, what) = bend_text(std::str::from_utf8(&body).expect("text"), dice);
            said.push(format!("seal {number}: {what}"));
            body = bent;
        }
        let signer = match by_heir {
            Some((_, seed)) => SigningKey::from_bytes(&seed),
            None => SigningKey::from_bytes(&seed),
        };
        let mut signature = signer.sign(&body).to_bytes();
        if was_neutral {
            said.push(format!("seal {number} is signed by a key of small order"));
            signature = [0; 64];
            signature[0] = 1;
        }
        if dice.chance(2) {
            said.push(format!("seal {number} is signed by somebody else"));
            signature = key(77).sign(&body).to_bytes();
        }
        let mut head = Seal::with_signature(body, &signature);
        let digests = (blake3_of(&head), sha256_of(&head));
        self.heads.push(head_leaf(&digests.0));
        (self.previous, self.first) = (Some(digests), number + 1);
        self.generation += u64::from(facts.is_some());
        if dice.chance(3) {
            let (bent, what) = bend_text(&list, dice);
            said.push(format!("list of seal {number}, behind its hashes: {what}"));
            list = String::from_utf8(bent).expect("text");
        }
        head.extend(list.into_bytes());
        head
    }

    fn line(&self, number: u64, kind: ObjectKind, bytes: &[u8]) -> String {
        let sha256 = if self.with_sha256 { hex(&sha256_of(bytes)) } else { "-".into() };
        format!("object {number} {kind} {} {} {sha256}\n", bytes.len(), hex(&blake3_of(bytes)))
    }
}

/// Writes the log of a set's folder anew, with keys of its own.
pub fn forge(set: &Path, dice: &mut Dice, said: &mut Vec<String>) {
    let objects: Vec<_> =
        objects_in(set).into_iter().map(|(n, kind, path)| (n, kind, fs::read(&path).expect("an object"), path)).collect();
    let first = Label::decode(&objects[0].2).expect("a label");
    let mut chain = Chain {
        set: first.set,
        with_sha256: dice.chance(85),
        has_heir: dice.chance(60),
        keys: 0,
        heads: MerkleTree::default(),
        previous: None,
        generation: 1,
        first: 0,
        label: [0; 32],
        succession: None,
        next_is_neutral: false,
    };
    let mut list: Vec<String> = Vec::new();
    for (number, kind, bytes, path) in objects {
        let (kind, bytes) = match kind {
            ObjectKind::Label => {
                let mut bytes = chain.relabelled(&first);
                if dice.chance(6) {
                    let (bent, what) = bend_text(&String::from_utf8(bytes).expect("text"), dice);
                    said.push(format!("label {number}: {what}"));
                    bytes = bent;
                }
                chain.label = blake3_of(&bytes);
                (kind, bytes)
            }
            ObjectKind::Seal => {
                let facts = Seal::decode(&bytes).expect("a seal").seal;
                let bytes = chain.seal(Some(&facts), &list, dice, said);
                list.clear();
                (kind, bytes)
            }
            ObjectKind::Extra if bytes == PLACEHOLDER && dice.chance(25) => {
                said.push(format!("seal {number} closes"));
                let bytes = chain.seal(None, &list, dice, said);
                list.clear();
                (ObjectKind::Seal, bytes)
            }
            ObjectKind::Extra if bytes == PLACEHOLDER => chain.fill(number, &first, dice, said).unwrap_or((kind, bytes)),
            _ => (kind, bytes),
        };
        fs::remove_file(&path).expect("a deletion");
        if kind == ObjectKind::Void {
            list.push(void(set, number, dice, said, &chain));
            continue;
        }
        fs::write(object_file(set, number, kind), &bytes).expect("an object");
        if kind != ObjectKind::Seal {
            list.push(chain.line(number, kind, &bytes));
        }
    }
}

/// What an interrupted run leaves at a number, and the line of the list about it.
fn void(set: &Path, number: u64, dice: &mut Dice, said: &mut Vec<String>, chain: &Chain) -> String {
    let absent = format!("object {number} void 0 - -\n");
    let how = dice.below(6);
    said.push(format!("object {number} is void {how}"));
    let put = |kind, bytes: &[u8]| fs::write(object_file(set, number, kind), bytes).expect("an object");
    match how {
        0 => absent,
        1 => {
            put(ObjectKind::Seal, b"half a seal");
            absent
        }
        2 => {
            put(ObjectKind::Pack, b"half a pack");
            chain.line(number, ObjectKind::Void, b"half a pack")
        }
        3 => {
            put(ObjectKind::Manifest, b"half");
            put(ObjectKind::Seal, b"ha1f");
            chain.line(number, ObjectKind::Void, b"ha1f")
        }
        4 => {
            put(ObjectKind::Label, b"azekura label 2\n");
            chain.line(number, ObjectKind::Void, b"azekura label 2\n")
        }
        _ => chain.line(number, ObjectKind::Void, b"gone"),
    }
}

/// Writes the log of a set with one generation anew, with keys of its own: `bend` gives each line of the list.
pub fn reseal(set: &Path, bend: impl Fn(&str) -> String) {
    let objects = objects_in(set);
    let (seal, label) = (&objects.last().expect("a seal").2, &objects[0].2);
    let bytes = fs::read(seal).expect("a seal");
    let signed = Seal::decode(&bytes).expect("a seal");
    let relabelled = {
        let label = Label::decode(&fs::read(label).expect("a label")).expect("a label");
        Label { root_key: key(1).verifying_key().to_bytes(), ..label }.encode()
    };
    let list = String::from_utf8(bytes[signed.head_bytes..].to_vec()).expect("text");
    let mut lines = list.split_inclusive('\n').skip(1);
    let (blake3, sha256) = (hex(&blake3_of(&relabelled)), hex(&sha256_of(&relabelled)));
    let first = format!("object 0 label {} {blake3} {sha256}\n", relabelled.len());
    let list = lines.by_ref().fold(first, |list, line| list + &bend(line));
    let facts =
        Seal { label: blake3_of(&relabelled), list: BothDigests::of(list.as_bytes()), next: public([2; 32]), ..signed.seal };
    let body = facts.encode_body();
    let signature = key(1).sign(&body).to_bytes();
    for path in [seal, label] {
        fs::remove_file(path).expect("a deletion");
    }
    fs::write(label, relabelled).expect("a label");
    fs::write(seal, [Seal::with_signature(body, &signature), list.into_bytes()].concat()).expect("a seal");
}

/// The end of a chain that is signed with keys of the forger's own.
#[derive(Clone)]
struct Resigned {
    keys: u8,
    heads: MerkleTree,
    previous: Option<BothDigests>,
    label: [u8; 32],
}

/// A seal of such a chain, and the chain's end before it.
struct ResignedSeal {
    before: Resigned,
    facts: Seal,
    list: String,
    path: PathBuf,
}

impl Resigned {
    /// Signs the next seal. `facts`: what it says of anything but chain and list.
    fn sign(&mut self, facts: &Seal, list: &str) -> Vec<u8> {
        self.keys += 1;
        let facts = Seal {
            label: self.label,
            earlier: self.heads.count(),
            heads: self.heads.root(),
            previous: self.previous,
            list: BothDigests::of(list.as_bytes()),
            next: public([self.keys + 1; 32]),
            ..facts.clone()
        };
        let body = facts.encode_body();
        let head = Seal::with_signature(body.clone(), &key(self.keys).sign(&body).to_bytes());
        let digests = BothDigests::of(&head);
        self.heads.push(head_leaf(&digests.blake3));
        self.previous = Some(digests);
        [&head, list.as_bytes()].concat()
    }
}

/// Writes the log of a set anew, as it is, with keys of the forger's own.
fn resign(set: &Path) -> (Vec<ResignedSeal>, Resigned) {
    let mut chain = Resigned { keys: 0, heads: MerkleTree::default(), previous: None, label: [0; 32] };
    let (mut seals, mut list) = (Vec::new(), String::new());
    for (number, kind, path) in objects_in(set) {
        let mut bytes = fs::read(&path).expect("an object");
        if kind == ObjectKind::Seal {
            let facts = Seal::decode(&bytes).expect("a seal").seal;
            let (before, list) = (chain.clone(), std::mem::take(&mut list));
            bytes = chain.sign(&facts, &list);
            seals.push(ResignedSeal { before, facts, list, path: path.clone() });
        } else {
            if kind == ObjectKind::Label {
                let was = Label::decode(&bytes).expect("a label");
                bytes = Label { root_key: key(1).verifying_key().to_bytes(), ..was }.encode();
                chain.label = blake3_of(&bytes);
            }
            list += &line_of(number, kind, &bytes);
        }
        replace(&path, &bytes);
    }
    (seals, chain)
}

fn line_of(number: u64, kind: ObjectKind, bytes: &[u8]) -> String {
    format!("object {number} {kind} {} {} {}\n", bytes.len(), hex(&blake3_of(bytes)), hex(&sha256_of(bytes)))
}

fn replace(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).expect("an object");
}

/// Adds a closing seal over all objects behind a seal, each of them void but what is there as `extra`.
fn close(set: &Path, chain: &mut Resigned, behind: &Seal, verdict: Verdict) {
    let rest: Vec<_> = objects_in(set).into_iter().filter(|(n, ..)| *n > behind.number()).collect();
    let kind = |kind| if kind == ObjectKind::Extra { kind } else { ObjectKind::Void };
    let lines = rest.iter().map(|(n, was, path)| line_of(*n, kind(*was), &fs::read(path).expect("an object")));
    let list: String = lines.collect();
    let facts = Seal {
        generation: behind.generation + 1,
        first: behind.number() + 1,
        count: rest.len() as u64,
        record_count: 0,
        records: blake3_of(b""),
        verdict,
        ..behind.clone()
    };
    let bytes = chain.sign(&facts, &list);
    replace(&object_file(set, facts.number(), ObjectKind::Seal), &bytes);
}

/// A run that found the medium full, and ended.
pub fn end_full(set: &Path) {
    let (seals, mut chain) = resign(set);
    let last = &seals.last().expect("a seal").facts;
    replace(&object_file(set, last.number() + 1, ObjectKind::Extra), b"extra");
    close(set, &mut chain, last, Verdict::Continued);
}

/// Somebody who has stolen a key makes another chain from the seal before the last on: replaces that one, and says that
/// everything behind it is the rest of an interrupted run.
pub fn rival(set: &Path) {
    let (mut seals, _) = resign(set);
    if seals.len() < 2 {
        return;
    }
    let ResignedSeal { before: mut chain, facts, list, path } = seals.swap_remove(seals.len() - 2);
    let facts = Seal { time: "2026-11-29T03:00:00Z".into(), ..facts };
    replace(&path, &chain.sign(&facts, &list));
    close(set, &mut chain, &facts, Verdict::Checkpoint);
}
