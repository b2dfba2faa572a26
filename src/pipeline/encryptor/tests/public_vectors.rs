//! The public test vectors of age, where somebody has them: `CONTRIBUTING.md` says where they come from.
//!
//! Each file begins with lines `name: value` and an empty line. An age file follows, deflated where `compressed` says
//! so. `expect` says how far a reader gets.

use super::super::key::{decrypt_with_passphrase, is_encrypted, without_armor};
use super::super::segment::{PayloadKey, TAG_BYTES};
use super::super::*;
use crate::format::object::{hex, unhex};
use age_core::format::FileKey;
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// How many files there are. Fewer would be a folder that somebody thinned out.
const FILES: usize = 143;

/// Of the files for hybrid identities, which this program does not take: those with a fault that every reader sees.
/// With an X25519 identity they are damaged. In all others an X25519 identity finds nothing that is for it; what is
/// wrong inside a stanza `mlkem768x25519`, only a hybrid identity would notice.
const DAMAGED_FOR_ALL: &[&str] = &["hybrid_not_canonical_body"];

struct Vector {
    name: String,
    lines: Vec<(String, String)>,
    age: Vec<u8>,
}

impl Vector {
    fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let end = bytes.windows(2).position(|w| w == b"\n\n").unwrap();
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let split = |line: &str| line.split_once(": ").map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap();
        let mut vector = Self { name, lines: head.lines().map(split).collect(), age: bytes[end + 2..].to_vec() };
        if let Some(how) = vector.one("compressed") {
            assert_eq!(how, "zlib", "{}", vector.name);
            vector.age = miniz_oxide::inflate::decompress_to_vec_zlib(&vector.age).unwrap();
        }
        vector
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// What the first segments contain whose tags are right, whether or not they are marked as the last one.
    fn authentic(&self, age: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mac = age.windows(4).position(|w| w == b"\n---");
        let Some((nonce, payload)) = mac.and_then(|at| age.get(at + 49..)?.split_first_chunk()) else { return out };
        let Some(file_key) = self.one("file key").and_then(unhex::<16>) else { return out };
        let key = PayloadKey::derive(&FileKey::init_with_mut(|k| *k = file_key), nonce);
        for (index, segment) in (0..).zip(payload.chunks(SEGMENT_BYTES + TAG_BYTES)) {
            let open = |last| {
                let mut content = segment.to_vec();
                key.decrypt(index, last, &mut content).map(|n| content[..n].to_vec())
            };
            let Ok(content) = open(false).or_else(|_| open(true)) else { break };
            out.extend(content);
        }
        out
    }

    fn is_payload(&self, content: &[u8]) -> bool {
        self.one("payload").is_some_and(|p| p == hex(&Sha256::digest(content)))
    }
}

fn failure(e: &DecryptError) -> &'static str {
    match e {
        DecryptError::NotAge | DecryptError::Damaged { part: DamagedPart::Header } => "header failure",
        DecryptError::WrongKey => "no match",
        DecryptError::Damaged { part: DamagedPart::Segment(_) } => "payload failure",
        _ => panic!("{e:?}"),
    }
}

/// Opens a binary file at once and in parts.
fn open(v: &Vector, identity: &Identity, age: &[u8]) -> &'static str {
    let mut whole = Vec::new();
    let at_once = decrypt_into(identity, age, u64::MAX, &mut whole);
    let mut read = Vec::new();
    let in_parts = Decryptor::open(identity, Cursor::new(age)).and_then(|mut d| {
        d.read_to_end(&mut read).map(|_| d.stanzas()).map_err(|e| *e.into_inner().unwrap().downcast::<DecryptError>().unwrap())
    });
    match (at_once, in_parts) {
        (Ok(stanzas), Ok(same)) => {
            assert_eq!(stanzas, same, "{}", v.name);
            assert!(v.is_payload(&whole) && v.is_payload(&read), "{}: another content", v.name);
            let header = &age[..age.windows(4).position(|w| w == b"\n---").unwrap()];
            let plain = String::from_utf8_lossy(header).lines().filter(|l| l.starts_with("-> X25519 ")).count();
            assert_eq!(stanzas.x25519, plain, "{}", v.name);
            "success"
        }
        (Err(e), Err(same)) => {
            assert_eq!(failure(&e), failure(&same), "{}", v.name);
            // Of a damaged payload nothing is returned at once, and in parts at most what is before the damage.
            assert!(whole.is_empty() && v.authentic(age).starts_with(&read), "{}: more than is authentic", v.name);
            failure(&e)
        }
        (a, b) => panic!("{}: {a:?}, but in parts {b:?}", v.name),
    }
}

/// As an object on a medium is opened, which is never armored.
fn as_object(v: &Vector, identity: &Identity) -> &'static str {
    if v.one("armored").is_none() {
        return open(v, identity, &v.age);
    }
    assert!(matches!(decrypt(identity, &v.age, u64::MAX), Err(DecryptError::NotAge)), "{}", v.name);
    match without_armor(&v.age) {
        Ok(age) if is_encrypted(&v.age) => open(v, identity, &age),
        _ => "armor failure",
    }
}

/// As an identity file is opened, which may be armored, and is encrypted with a passphrase only.
fn as_identity_file(v: &Vector, passphrase: &str) -> &'static str {
    let passphrase = Passphrase::entered(Zeroizing::new(passphrase.to_owned()));
    let parsed = Identity::parse(&v.age, Some(&passphrase)).err();
    match decrypt_with_passphrase(&v.age, &passphrase) {
        Ok(text) => {
            assert!(v.is_payload(&text), "{}: another content", v.name);
            assert!(matches!(parsed, Some(IdentityError::Line { line: 1 })), "{}: no key, but {parsed:?}", v.name);
            "success"
        }
        Err(e) => {
            assert_eq!(parsed.as_ref(), Some(&e), "{}", v.name);
            match e {
                IdentityError::Damaged | IdentityError::WorkFactor { required: 23 } => "header failure",
                IdentityError::PassphraseWrong => "no match",
                // There is no stanza `scrypt`.
                IdentityError::NotPassphrase => "no match",
                e => panic!("{}: {e:?}", v.name),
            }
        }
    }
}

/// The key that most files are for.
fn usual_identity(folder: &Path) -> Identity {
    let v = Vector::read(&folder.join("x25519"));
    Identity::parse(v.one("identity").unwrap().as_bytes(), None).unwrap()
}

fn check(v: &Vector, usual: &Identity) {
    let told = v.one("expect").unwrap();
    // A header's MAC is one of the things that may be wrong in a header.
    let expected = if told == "HMAC failure" { "header failure" } else { told };
    let (hybrid, plain): (Vec<_>, Vec<_>) = v.all("identity").partition(|i| i.starts_with("AGE-SECRET-KEY-PQ-1"));
    for text in &hybrid {
        let refused = Identity::parse(text.as_bytes(), None).unwrap_err();
        assert_eq!(refused, IdentityError::Line { line: 1 }, "{}: hybrid identities are not taken", v.name);
    }
    if !plain.is_empty() {
        let identity = Identity::parse(plain.join("\n").as_bytes(), None).unwrap();
        assert_eq!(as_object(v, &identity), expected, "{}", v.name);
    } else if !hybrid.is_empty() {
        let today = if DAMAGED_FOR_ALL.contains(&v.name.as_str()) { "header failure" } else { "no match" };
        assert_eq!(as_object(v, usual), today, "{}: for {told}", v.name);
    } else if v.one("passphrase").is_none() {
        assert_eq!(as_object(v, usual), expected, "{}", v.name);
    } else {
        // No object is encrypted with a passphrase. Some of these headers are damaged for every reader.
        let answer = as_object(v, usual);
        assert!(answer == "no match" || answer == "header failure" && expected == answer, "{}: {answer}", v.name);
    }
    for passphrase in v.all("passphrase") {
        assert_eq!(as_identity_file(v, passphrase), expected, "{}", v.name);
    }
    // Encrypted to a key or broken, it is no identity file.
    if v.one("passphrase").is_none() {
        let passphrase = Passphrase::entered(Zeroizing::new("password".to_owned()));
        let refused = Identity::parse(&v.age, Some(&passphrase)).unwrap_err();
        assert_ne!(refused, IdentityError::PassphraseWrong, "{}", v.name);
    }
}

#[test]
#[ignore = "reads the files that AZEKURA_PUBLIC_VECTORS names"]
fn every_public_file_is_answered_as_it_says() {
    let folder = PathBuf::from(std::env::var_os("AZEKURA_PUBLIC_VECTORS").unwrap()).join("age");
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= FILES, "{} files", paths.len());
    let usual = usual_identity(&folder);
    for path in &paths {
        check(&Vector::read(path), &usual);
    }
    println!("{} files", paths.len());
}
