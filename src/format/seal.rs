//! Section 7: the seal that closes a generation.
//!
//! Signatures are made and checked in the room `seal`: `format` knows no keys.

use super::merkle::{MerkleHash, MerkleTree};
use super::object::{Id, Object, ObjectKind, hex, unhex};
use super::{Malformed, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// How a generation's objects were read back before its seal was written, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadBack {
    /// Perhaps only from the operating system's cache.
    Cached,
    /// After asking the operating system to drop its cache.
    Dropped,
    /// Bypassing the operating system's cache.
    Direct,
}

impl ReadBack {
    /// In a seal and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Dropped => "dropped",
            Self::Cached => "cached",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Direct, Self::Dropped, Self::Cached].into_iter().find(|r| r.name() == name)
    }
}

/// The result of the run, as its seal says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything was backed up.
    Good,
    /// Something in the sources was unreadable, stale or missing.
    Incomplete,
    /// A tripwire raised an alarm.
    Alarm,
    /// Not a generation: the seal closes a medium, and the run continues on the next one.
    Continued,
}

impl Verdict {
    /// In a seal and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Incomplete => "incomplete",
            Self::Alarm => "alarm",
            Self::Continued => "continued",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Good, Self::Incomplete, Self::Alarm, Self::Continued].into_iter().find(|v| v.name() == name)
    }
}

/// The facts of a seal, without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The medium set.
    pub set: Id,
    /// Counted from 1.
    pub generation: u64,
    /// RFC 3339, UTC.
    pub time: String,
    /// Digest of the previous seal; `None` in generation 1.
    pub previous: Option<[u8; 32]>,
    /// Number of the first object; the seal's own number is this plus the count of objects.
    pub first: u64,
    /// All objects since the previous seal, in order.
    pub objects: Vec<Object>,
    /// Root of the log: the Merkle tree of all objects of the set before this seal.
    pub log: MerkleHash,
    /// Records of the entry stream.
    pub record_count: u64,
    /// Root of the records' Merkle tree.
    pub records: MerkleHash,
    /// How the objects were read back.
    pub read_back: ReadBack,
    /// The result of the run.
    pub verdict: Verdict,
    /// Public key that verifies the next seal.
    pub next: [u8; 32],
}

/// A seal as it is on the medium. The signature has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The facts of the seal.
    pub seal: Seal,
    /// Ed25519, over the seal's body.
    pub signature: [u8; 64],
    /// How many of the seal's first bytes are signed.
    pub body_bytes: usize,
}

impl Seal {
    /// The seal's own object number.
    pub fn number(&self) -> u64 {
        self.first + self.objects.len() as u64
    }

    /// Whether it closes a medium within a run. There is no generation with its number.
    pub fn is_closing(&self) -> bool {
        self.verdict == Verdict::Continued
    }

    /// The generation's manifest: the last one listed. Earlier ones are of interrupted runs.
    pub fn manifest(&self) -> Option<&Object> {
        self.objects.iter().rev().find(|o| o.kind == ObjectKind::Manifest)
    }

    /// The bytes to sign.
    pub fn encode_body(&self) -> Vec<u8> {
        let mut t = String::with_capacity(512 + 100 * self.objects.len());
        let previous = self.previous.map_or("none".to_owned(), |p| hex(&p));
        // Writing to a `String` does not fail.
        let _ = write!(
            t,
            "azekura seal 1\nset {}\ngeneration {}\ntime {}\nprevious {previous}\nobjects {} {}\n",
            self.set,
            self.generation,
            self.time,
            self.first,
            self.objects.len()
        );
        for o in &self.objects {
            let digest = o.digest.map_or("-".to_owned(), |d| hex(&d));
            let _ = writeln!(t, "object {} {} {} {digest}", o.number, o.kind, o.length);
        }
        let _ = write!(
            t,
            "log {}\nrecords {} {}\nread-back {}\nverdict {}\nnext {}\n",
            hex(&self.log),
            self.record_count,
            hex(&self.records),
            self.read_back.name(),
            self.verdict.name(),
            hex(&self.next)
        );
        t.into_bytes()
    }

    /// The whole seal: a body with its signature appended.
    pub fn with_signature(body: Vec<u8>, signature: &[u8; 64]) -> Vec<u8> {
        let mut out = body;
        out.extend_from_slice(b"signature ");
        out.extend_from_slice(hex(signature).as_bytes());
        out.push(b'\n');
        out
    }

    /// Decodes a whole seal and checks what the format promises of it, without its signature.
    pub fn decode(bytes: &[u8]) -> Result<Signed, Malformed> {
        Malformed::limit("seal", bytes.len() as u64, limit::SEAL_BYTES)?;
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("not text"))?;
        let mut lines = SealLines { rest: text };
        match lines.fields("azekura")?[..] {
            ["seal", "1"] => {}
            ["seal", n] => return Err(Malformed::Newer { what: "seal", found: number(n)? }),
            _ => return Err(wrong("not a seal")),
        }
        let set = lines.one("set")?.parse()?;
        let generation = number(lines.one("generation")?)?;
        let time = lines.one("time")?.to_owned();
        let previous = match lines.one("previous")? {
            "none" => None,
            h => Some(digest(h)?),
        };
        let (first, count) = lines.two("objects")?;
        let (first, count) = (number(first)?, number(count)?);
        Malformed::limit("object number", first.saturating_add(count), limit::OBJECT_NUMBER)?;
        if count == 0 {
            return Err(wrong("no objects"));
        }
        let mut objects = Vec::with_capacity((count as usize).min(lines.rest.len() / 20));
        for i in 0..count {
            objects.push(lines.object(first + i)?);
        }
        let log = digest(lines.one("log")?)?;
        let (record_count, records) = lines.two("records")?;
        let (record_count, records) = (number(record_count)?, digest(records)?);
        let read_back = ReadBack::from_name(lines.one("read-back")?).ok_or_else(|| wrong("unknown read-back"))?;
        let verdict = Verdict::from_name(lines.one("verdict")?).ok_or_else(|| wrong("unknown verdict"))?;
        let next = digest(lines.one("next")?)?;
        let body_bytes = text.len() - lines.rest.len();
        let signature = unhex(lines.one("signature")?).ok_or_else(|| wrong("signature is not 128 hexadecimal digits"))?;
        if !lines.rest.is_empty() {
            return Err(wrong("text after the signature"));
        }
        if generation == 0 || (generation == 1) != previous.is_none() || (generation == 1) != (first == 0) {
            return Err(wrong("generation, previous and objects do not fit"));
        }
        let counts = |o: &&Object| !matches!(o.kind, ObjectKind::Void | ObjectKind::Parity);
        let closing = verdict == Verdict::Continued;
        if !closing && objects.iter().rev().find(counts).is_none_or(|o| o.kind != ObjectKind::Manifest) {
            return Err(wrong("its last object is no manifest"));
        }
        if closing && (record_count, records) != (0, MerkleTree::default().root()) {
            return Err(wrong("it closes a medium and counts records"));
        }
        let seal = Seal { set, generation, time, previous, first, objects, log, record_count, records, read_back, verdict, next };
        Ok(Signed { seal, signature, body_bytes })
    }
}

fn wrong(why: impl Into<String>) -> Malformed {
    Malformed::new("seal", why)
}

/// A decimal number without sign or leading zeros.
fn number(text: &str) -> Result<u64, Malformed> {
    let n =
        text.parse().ok().filter(|n: &u64| n.to_string() == text).ok_or_else(|| wrong(format!("{text:?} is not a number")))?;
    Malformed::limit("number in a seal", n, limit::COUNT)?;
    Ok(n)
}

fn digest(text: &str) -> Result<[u8; 32], Malformed> {
    unhex(text).ok_or_else(|| wrong("a digest is not 64 hexadecimal digits"))
}

/// The lines of a seal that are still to be decoded.
struct SealLines<'a> {
    rest: &'a str,
}

impl<'a> SealLines<'a> {
    /// The fields of the next line, which MUST begin with `word`.
    fn fields(&mut self, word: &str) -> Result<Vec<&'a str>, Malformed> {
        let missing = || wrong(format!("no line {word:?} where it belongs"));
        let (line, rest) = self.rest.split_once('\n').ok_or_else(missing)?;
        self.rest = rest;
        let mut fields = line.split(' ');
        if fields.next() != Some(word) {
            return Err(missing());
        }
        Ok(fields.take(8).collect())
    }

    fn one(&mut self, word: &str) -> Result<&'a str, Malformed> {
        match self.fields(word)?[..] {
            [a] => Ok(a),
            _ => Err(wrong(format!("line {word:?} has the wrong number of fields"))),
        }
    }

    fn two(&mut self, word: &str) -> Result<(&'a str, &'a str), Malformed> {
        match self.fields(word)?[..] {
            [a, b] => Ok((a, b)),
            _ => Err(wrong(format!("line {word:?} has the wrong number of fields"))),
        }
    }

    fn object(&mut self, expected: u64) -> Result<Object, Malformed> {
        let [n, kind, length, hash] = self.fields("object")?[..] else {
            return Err(wrong("line \"object\" has the wrong number of fields"));
        };
        if number(n)? != expected {
            return Err(wrong("object numbers have a gap"));
        }
        let kind =
            ObjectKind::from_name(kind).filter(|k| *k != ObjectKind::Seal).ok_or_else(|| wrong("unknown kind of object"))?;
        let length = number(length)?;
        let digest = match hash {
            "-" if kind == ObjectKind::Void && length == 0 => None,
            h => Some(digest(h)?),
        };
        Ok(Object { number: expected, kind, length, digest })
    }
}
