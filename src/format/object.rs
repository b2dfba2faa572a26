//! Section 2: objects, their names on a directory medium (section 10), and hexadecimal digits.

use super::digests::Digests;
use super::{Malformed, limit};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
#[schemars(with = "String")]
pub enum ObjectKind {
    /// Identifies a medium: its first object.
    Label,
    /// Frames of content, encrypted.
    Pack,
    /// The head of a generation, encrypted.
    Manifest,
    /// Closes a generation, or a part of one.
    Seal,
    /// Reserved: no code writes it.
    Parity,
    /// An object that an interrupted run left behind, or a number that was in use; the next seal lists it as void.
    Void,
    /// A file for people, which no reader needs.
    Extra,
    /// Names the key of the seal behind it, when the host that had it is lost.
    Succession,
    /// A kind of a later version, with its code: `kind-9` to `kind-127`.
    Later(u8),
}

/// Codes of later versions that a reader of version 1 may skip.
const SKIPPABLE: std::ops::RangeInclusive<u8> = 64..=127;

impl ObjectKind {
    const NAMED: [(Self, u8, &str); 8] = [
        (Self::Label, 1, "label"),
        (Self::Pack, 2, "pack"),
        (Self::Manifest, 3, "manifest"),
        (Self::Seal, 4, "seal"),
        (Self::Parity, 5, "parity"),
        (Self::Void, 6, "void"),
        (Self::Extra, 7, "extra"),
        (Self::Succession, 8, "succession"),
    ];

    /// The kind's number on tape.
    pub fn code(self) -> u8 {
        match self {
            Self::Later(code) => code,
            named => Self::NAMED.iter().find(|(kind, ..)| *kind == named).map_or(0, |(_, code, _)| *code),
        }
    }

    /// The kind with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        match Self::NAMED.iter().find(|(_, c, _)| *c == code) {
            Some((kind, ..)) => Some(*kind),
            None => (9..=*SKIPPABLE.end()).contains(&code).then_some(Self::Later(code)),
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match Self::NAMED.iter().find(|(.., n)| *n == name) {
            Some((kind, ..)) => Some(*kind),
            None => {
                let kind = name.strip_prefix("kind-")?.parse().ok().and_then(Self::from_code)?;
                (kind.to_string() == name).then_some(kind)
            }
        }
    }

    /// Whether a reader may do without its content.
    pub fn is_skippable(self) -> bool {
        match self {
            Self::Parity | Self::Void | Self::Extra => true,
            Self::Later(code) => SKIPPABLE.contains(&code),
            _ => false,
        }
    }

    /// Whether a generation that has it can only be read by a newer program.
    pub fn is_newer(self) -> bool {
        matches!(self, Self::Later(code) if !SKIPPABLE.contains(&code))
    }

    /// The most bytes that an object of this kind may have.
    pub fn limit_bytes(self) -> u64 {
        match self {
            Self::Label | Self::Succession => limit::LABEL_BYTES,
            Self::Manifest => limit::MANIFEST_BYTES,
            Self::Seal => limit::SEAL_BYTES,
            _ => limit::PACK_BYTES,
        }
    }

    /// Why an object of this kind with so many bytes is none, if it is longer than it may be. Whoever may write on a
    /// medium can make files of any length that take no room: such an object is damage, and nobody reads it.
    pub fn misfit(self, length: u64) -> Option<String> {
        let limit = self.limit_bytes();
        (length > limit).then(|| format!("{length} bytes, more than {limit}"))
    }
}

/// The kind's name in seals and file names.
impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Later(code) => write!(f, "kind-{code}"),
            named => f.write_str(Self::NAMED.iter().find(|(kind, ..)| kind == named).map_or("", |(.., name)| name)),
        }
    }
}

impl From<ObjectKind> for String {
    fn from(kind: ObjectKind) -> Self {
        kind.to_string()
    }
}

impl TryFrom<String> for ObjectKind {
    type Error = Malformed;
    fn try_from(name: String) -> Result<Self, Malformed> {
        Self::from_name(&name).ok_or_else(|| Malformed::new("object", "unknown kind"))
    }
}

/// A set's id or a medium's id: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

impl std::str::FromStr for Id {
    type Err = Malformed;
    fn from_str(s: &str) -> Result<Self, Malformed> {
        unhex(s).map(Self).ok_or_else(|| Malformed::new("id", "not 32 hexadecimal digits"))
    }
}

/// An object as a seal lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its number in the set, from 0.
    pub number: u64,
    /// Its kind.
    pub kind: ObjectKind,
    /// Bytes as stored.
    pub length: u64,
    /// Of the bytes; `None` for a void object of which nothing is known.
    pub digests: Option<Digests>,
}

impl Object {
    /// An object with these bytes.
    pub fn of(number: u64, kind: ObjectKind, bytes: &[u8]) -> Self {
        Self { number, kind, length: bytes.len() as u64, digests: Some(Digests::of(bytes, true)) }
    }

    /// Whether `found` may be this object: all is equal but for a digest that one of them does not have.
    pub fn agrees_with(&self, found: &Self) -> bool {
        let digests = self.digests.zip(found.digests).is_some_and(|(a, b)| a.agree_with(&b));
        digests && (self.number, self.kind, self.length) == (found.number, found.kind, found.length)
    }

    /// BLAKE3 of the bytes; `None` for a void object of which nothing is known.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digests.map(|d| d.blake3)
    }
}

/// The most objects in a folder of a directory medium.
pub const FOLDER_OBJECTS: u64 = 1000;

/// The name of an object's file: `00012345.pack`.
pub fn file_name(number: u64, kind: ObjectKind) -> String {
    format!("{number:08}.{kind}")
}

/// The number and kind in a name that [`file_name`] makes; `None` for any other name.
pub fn parse_file_name(name: &str) -> Option<(u64, ObjectKind)> {
    let (digits, kind) = name.split_once('.')?;
    let kind = ObjectKind::from_name(kind).filter(|k| *k != ObjectKind::Void)?;
    let number = parse_digits(digits).filter(|n| *n <= limit::OBJECT_NUMBER)?;
    (file_name(number, kind) == name).then_some((number, kind))
}

/// The name of the folder of objects whose number, divided by [`FOLDER_OBJECTS`], is `thousands`: `00012`.
pub fn folder_name(thousands: u64) -> String {
    format!("{thousands:05}")
}

/// The thousands in a name that [`folder_name`] makes; `None` for any other name.
pub fn parse_folder_name(name: &str) -> Option<u64> {
    let thousands = parse_digits(name).filter(|t| *t <= limit::OBJECT_NUMBER / FOLDER_OBJECTS)?;
    (folder_name(thousands) == name).then_some(thousands)
}

/// The path of an object's file below its set's folder: `00012/00012345.pack`.
pub fn object_path(number: u64, kind: ObjectKind) -> String {
    format!("{}/{}", folder_name(number / FOLDER_OBJECTS), file_name(number, kind))
}

/// `parse` alone would accept a sign.
fn parse_digits(digits: &str) -> Option<u64> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The `N` bytes of exactly `2 * N` lower-case hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let fits = text.len() == 2 * N;
    (fits && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).is_ok()).then_some(bytes)
}

/// The bytes of hexadecimal digits of either case, any number of bytes.
pub fn unhex_any(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}
