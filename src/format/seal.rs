//! Section 7: the seal that closes a generation: a signed head, and the list of the objects that it covers.
//!
//! Signatures are made and checked in the room `seal`: `format` knows no keys.

use super::digests::{BothDigests, Digests};
use super::merkle::{MerkleHash, MerkleTree};
use super::object::{Id, Object, ObjectKind, hex};
use super::text::TextLines;
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
    /// Not the end of a generation: a closing seal within a run. The medium is full, and the set goes on on the next one.
    Continued,
    /// Not the end of a generation: a closing seal within a run, so that its work is kept if it is interrupted.
    Checkpoint,
}

impl Verdict {
    /// In a seal and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Incomplete => "incomplete",
            Self::Alarm => "alarm",
            Self::Continued => "continued",
            Self::Checkpoint => "checkpoint",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Good, Self::Incomplete, Self::Alarm, Self::Continued, Self::Checkpoint];
        all.into_iter().find(|v| v.name() == name)
    }

    /// Whether it is the verdict of a closing seal, which ends no generation.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Continued | Self::Checkpoint)
    }
}

/// The head of a seal, without its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The medium set.
    pub set: Id,
    /// BLAKE3 of the label of the medium that the seal was written to.
    pub label: [u8; 32],
    /// Counted from 1. Of a closing seal: of the generation that the run was to make.
    pub generation: u64,
    /// `2026-11-23T03:31:54Z`
    pub time: String,
    /// How many seals the set has before this one.
    pub earlier: u64,
    /// Root of the Merkle tree over the heads of these seals.
    pub heads: MerkleHash,
    /// Of the previous seal's head; `None` in the first seal.
    pub previous: Option<BothDigests>,
    /// BLAKE3 of the succession whose key signs this seal; `None`: the previous seal names the key.
    pub succession: Option<[u8; 32]>,
    /// Number of the first object; the seal's own number is this plus the count of objects.
    pub first: u64,
    /// How many objects the seal covers: all since the previous seal.
    pub count: u64,
    /// Of the list of these objects.
    pub list: BothDigests,
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

/// A head as it is on the medium. The signature has not been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The facts of the head.
    pub seal: Seal,
    /// Ed25519, over the head's body.
    pub signature: [u8; 64],
    /// How many of the head's first bytes are signed.
    pub body_bytes: usize,
    /// Bytes of the head. The list follows.
    pub head_bytes: usize,
}

impl Seal {
    /// The seal's own object number.
    pub fn number(&self) -> u64 {
        self.first + self.count
    }

    /// Whether it is a closing seal: it does not end a generation.
    pub fn is_closing(&self) -> bool {
        self.verdict.is_closing()
    }

    /// The bytes to sign.
    pub fn encode_body(&self) -> Vec<u8> {
        let mut t = String::with_capacity(1024);
        let both = |d: &BothDigests| format!("{} {}", hex(&d.blake3), hex(&d.sha256));
        let none = || "none".to_owned();
        // Writing to a `String` does not fail.
        let _ = write!(
            t,
            "azekura seal 1\nset {}\nlabel {}\ngeneration {}\ntime {}\nseals {} {}\nprevious {}\nsuccession {}\nobjects {} {}\nlist {}\n",
            self.set,
            hex(&self.label),
            self.generation,
            self.time,
            self.earlier,
            hex(&self.heads),
            self.previous.as_ref().map_or_else(none, both),
            self.succession.as_ref().map_or_else(none, |d| hex(d)),
            self.first,
            self.count,
            both(&self.list),
        );
        let _ = write!(
            t,
            "records {} {}\nread-back {}\nverdict {}\nnext ed25519 {}\n",
            self.record_count,
            hex(&self.records),
            self.read_back.name(),
            self.verdict.name(),
            hex(&self.next)
        );
        t.into_bytes()
    }

    /// The whole head: a body with its signature appended.
    pub fn with_signature(body: Vec<u8>, signature: &[u8; 64]) -> Vec<u8> {
        let mut out = body;
        out.extend_from_slice(b"signature ed25519 ");
        out.extend_from_slice(hex(signature).as_bytes());
        out.push(b'\n');
        out
    }

    /// Decodes the head at the beginning of a seal and checks what the format promises of it, without its signature.
    pub fn decode(bytes: &[u8]) -> Result<Signed, Malformed> {
        let head = &bytes[..bytes.len().min(limit::HEAD_BYTES as usize)];
        let head_bytes = end_of_head(head);
        // Without an end the first line still tells a newer version from damage.
        let mut lines = TextLines::begin("seal", &head[..head_bytes.unwrap_or(head.len())])?;
        let head_bytes = head_bytes.ok_or_else(|| lines.wrong("it has no signature"))?;
        let set = lines.hex("set").map(Id)?;
        let label = lines.hex("label")?;
        let generation = lines.number("generation")?;
        let time = lines.time("time")?;
        let [earlier, heads] = lines.fields("seals")?;
        let (earlier, heads) = (lines.to_number(earlier)?, lines.to_hex(heads)?);
        let previous = match lines.line("previous")? {
            "none" => None,
            line => Some(both_digests(&lines, line)?),
        };
        let succession = match lines.line("succession")? {
            "none" => None,
            line => Some(lines.to_hex(line)?),
        };
        let [first, count] = lines.fields("objects")?;
        let (first, count) = (lines.to_number(first)?, lines.to_number(count)?);
        let list = lines.line("list")?;
        let list = both_digests(&lines, list)?;
        let [record_count, records] = lines.fields("records")?;
        let (record_count, records) = (lines.to_number(record_count)?, lines.to_hex(records)?);
        let [read_back] = lines.fields("read-back")?;
        let read_back = ReadBack::from_name(read_back).ok_or_else(|| lines.wrong("unknown read-back"))?;
        let [verdict] = lines.fields("verdict")?;
        let verdict = Verdict::from_name(verdict).ok_or_else(|| lines.wrong("unknown verdict"))?;
        let next = lines.ed25519("next")?;
        let body_bytes = head_bytes - lines.remaining();
        let signature = lines.ed25519("signature")?;
        lines.end()?;
        let seal = Self {
            set,
            label,
            generation,
            time,
            earlier,
            heads,
            previous,
            succession,
            first,
            count,
            list,
            record_count,
            records,
            read_back,
            verdict,
            next,
        };
        seal.check(&lines)?;
        Ok(Signed { seal, signature, body_bytes, head_bytes })
    }

    fn check(&self, lines: &TextLines) -> Result<(), Malformed> {
        Malformed::limit("objects of a seal", self.count, limit::OBJECTS_IN_LIST)?;
        Malformed::limit("object number", self.first.saturating_add(self.count), limit::OBJECT_NUMBER)?;
        if self.count == 0 {
            return Err(lines.wrong("no objects"));
        }
        let is_first = self.earlier == 0;
        if is_first != self.previous.is_none() || is_first != (self.first == 0) || is_first && self.succession.is_some() {
            return Err(lines.wrong("seals, previous, succession and objects do not fit"));
        }
        if self.generation == 0 || self.generation > self.earlier + 1 || is_first && self.heads != MerkleTree::default().root() {
            return Err(lines.wrong("generation and seals do not fit"));
        }
        if self.is_closing() && (self.record_count, self.records) != (0, MerkleTree::default().root()) {
            return Err(lines.wrong("a closing seal that counts records"));
        }
        Ok(())
    }

    /// Decodes the list behind this head. An error where its digests are not those of the head, or its form is not that
    /// of the format.
    pub fn decode_list(&self, list: &[u8]) -> Result<Vec<Object>, Malformed> {
        let wrong = |why: &str| Malformed::new("list of a seal", why);
        if BothDigests::of(list) != self.list {
            return Err(wrong("its digests are not those in the head"));
        }
        let text = std::str::from_utf8(list).map_err(|_| wrong("not text"))?;
        let mut lines = TextLines::within("list of a seal", text);
        let mut objects = Vec::with_capacity(self.count as usize);
        for i in 0..self.count {
            objects.push(object_line(&mut lines, self.first + i)?);
        }
        lines.end()?;
        let mut manifests = objects.iter().filter(|o| o.kind == ObjectKind::Manifest);
        match (self.is_closing(), manifests.next(), manifests.next()) {
            (true, None, _) => {}
            (false, Some(manifest), None) => {
                let behind = &objects[(manifest.number - self.first) as usize + 1..];
                if !behind.iter().all(|o| o.kind.is_skippable() || o.kind.is_newer()) {
                    return Err(wrong("something of the generation follows its manifest"));
                }
            }
            _ => return Err(wrong("a generation has one manifest, and a closing seal has none")),
        }
        Ok(objects)
    }
}

/// The list of a seal: one line for each object.
pub fn encode_list(objects: &[Object]) -> Vec<u8> {
    let mut t = String::with_capacity(180 * objects.len());
    for o in objects {
        let blake3 = o.digests.map_or("-".to_owned(), |d| hex(&d.blake3));
        let sha256 = o.digests.and_then(|d| d.sha256).map_or("-".to_owned(), |d| hex(&d));
        // Writing to a `String` does not fail.
        let _ = writeln!(t, "object {} {} {} {blake3} {sha256}", o.number, o.kind, o.length);
    }
    t.into_bytes()
}

/// How many bytes the head at the beginning of a seal has.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mark = b"\nsignature ";
    let at = bytes.windows(mark.len()).position(|w| w == mark)? + 1;
    let line = bytes[at..].iter().position(|b| *b == b'\n')?;
    Some(at + line + 1)
}

fn both_digests(lines: &TextLines, line: &str) -> Result<BothDigests, Malformed> {
    let (blake3, sha256) = line.split_once(' ').ok_or_else(|| lines.wrong("a digest is missing"))?;
    Ok(BothDigests { blake3: lines.to_hex(blake3)?, sha256: lines.to_hex(sha256)? })
}

fn object_line(lines: &mut TextLines, expected: u64) -> Result<Object, Malformed> {
    let [number, kind, length, blake3, sha256] = lines.fields("object")?;
    if lines.to_number(number)? != expected {
        return Err(lines.wrong("object numbers have a gap"));
    }
    let kind = ObjectKind::from_name(kind).filter(|k| *k != ObjectKind::Seal);
    let kind = kind.ok_or_else(|| lines.wrong("an unknown kind of object"))?;
    let length = lines.to_number(length)?;
    let digests = match (blake3, sha256) {
        ("-", "-") if kind == ObjectKind::Void && length == 0 => None,
        (blake3, "-") => Some(Digests { blake3: lines.to_hex(blake3)?, sha256: None }),
        (blake3, sha256) => Some(Digests { blake3: lines.to_hex(blake3)?, sha256: Some(lines.to_hex(sha256)?) }),
    };
    Ok(Object { number: expected, kind, length, digests })
}
