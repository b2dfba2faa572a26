//! Section 3: the label.

use super::object::{Id, hex};
use super::text::TextLines;
use super::{Malformed, limit};
use std::fmt::Write;

/// The most recipients of a set.
const RECIPIENTS: u64 = 64;

/// Identifies a medium: the first object on it, not encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The medium set.
    pub set: Id,
    /// Name of the set.
    pub name: String,
    /// The medium.
    pub medium: Id,
    /// Number of the medium within its set, from 1.
    pub place: u64,
    /// Number of the first object on the medium: of the label itself.
    pub first_object: u64,
    /// `2026-11-23T03:31:54Z`
    pub created: String,
    /// The set is in quarantine: it keeps a state that may be contaminated, as evidence, and is used only when it is named.
    pub quarantine: bool,
    /// Public key that verifies the first seal.
    pub root_key: [u8; 32],
    /// Public key that verifies successions.
    pub succession_key: Option<[u8; 32]>,
    /// For people: fingerprints of the recipients.
    pub recipients: Vec<Fingerprint>,
    /// Name and version of the program that wrote it.
    pub tool: String,
}

/// How a label names a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// The recipient's algorithm.
    pub algorithm: Algorithm,
    /// First bytes of the BLAKE3 of the recipient's text.
    pub digest: [u8; 8],
}

/// The algorithm of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `age1…`
    X25519,
    /// `age1pq1…`: reserved.
    MlKem768X25519,
}

impl Algorithm {
    const ALL: [(Self, &str); 2] = [(Self::X25519, "x25519"), (Self::MlKem768X25519, "mlkem768x25519")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(a, _)| *a == self).map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, n)| *n == name).map(|(a, _)| *a)
    }
}

impl Fingerprint {
    /// Of a recipient's text.
    pub fn of(recipient: &str) -> Self {
        let mut digest = [0; 8];
        digest.copy_from_slice(&blake3::hash(recipient.as_bytes()).as_bytes()[..8]);
        let algorithm = if recipient.starts_with("age1pq1") { Algorithm::MlKem768X25519 } else { Algorithm::X25519 };
        Self { algorithm, digest }
    }
}

/// Its 16 hexadecimal digits.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&hex(&self.digest))
    }
}

impl Label {
    /// The label as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut t = String::with_capacity(1024);
        let key = |key: &[u8; 32]| format!("ed25519 {}", hex(key));
        // Writing to a `String` does not fail.
        let _ = write!(
            t,
            "azekura label 1\nset {}\nname {}\nmedium {}\nplace {}\nfirst-object {}\ncreated {}\nquarantine {}\nroot-key {}\nsuccession-key {}\nrecipients {}\n",
            self.set,
            self.name,
            self.medium,
            self.place,
            self.first_object,
            self.created,
            if self.quarantine { "yes" } else { "no" },
            key(&self.root_key),
            self.succession_key.as_ref().map_or_else(|| "none".to_owned(), key),
            self.recipients.len(),
        );
        for r in &self.recipients {
            let _ = writeln!(t, "recipient {} {r}", r.algorithm.name());
        }
        let _ = writeln!(t, "tool {}", self.tool);
        t.into_bytes()
    }

    /// Decodes a label and checks what the format promises of it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        Malformed::limit("label", bytes.len() as u64, limit::LABEL_BYTES)?;
        let mut lines = TextLines::begin("label", bytes)?;
        let set = lines.hex("set").map(Id)?;
        let name = lines.text("name")?;
        let medium = lines.hex("medium").map(Id)?;
        let place = lines.number("place")?;
        let first_object = lines.number("first-object")?;
        let created = lines.time("created")?;
        let quarantine = match lines.fields("quarantine")? {
            ["yes"] => true,
            ["no"] => false,
            _ => return Err(lines.wrong("quarantine is neither yes nor no")),
        };
        let root_key = lines.ed25519("root-key")?;
        let succession_key = match lines.line("succession-key")? {
            "none" => None,
            line => match line.strip_prefix("ed25519 ") {
                Some(key) => Some(lines.to_hex(key)?),
                None => return Err(lines.wrong("succession-key of an unknown algorithm")),
            },
        };
        let count = lines.number("recipients")?;
        Malformed::limit("recipients", count, RECIPIENTS)?;
        let mut recipients = Vec::new();
        for _ in 0..count {
            let [algorithm, digest] = lines.fields("recipient")?;
            let algorithm = Algorithm::from_name(algorithm).ok_or_else(|| lines.wrong("a recipient of an unknown algorithm"))?;
            recipients.push(Fingerprint { algorithm, digest: lines.to_hex(digest)? });
        }
        let tool = lines.text("tool")?;
        lines.end()?;
        if place == 0 {
            return Err(lines.wrong("places are counted from 1"));
        }
        Malformed::limit("object number", first_object, limit::OBJECT_NUMBER)?;
        Ok(Self { set, name, medium, place, first_object, created, quarantine, root_key, succession_key, recipients, tool })
    }

    /// Whether both are labels of one set: everything that has to be equal on all labels of a set is equal.
    pub fn is_of_same_set(&self, other: &Self) -> bool {
        let same = |l: &Self| (l.set, l.name.clone(), l.quarantine, l.root_key, l.succession_key);
        same(self) == same(other)
    }
}
