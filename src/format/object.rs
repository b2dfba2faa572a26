//! Section 2: objects, and the names they bear on a directory medium (section 10).

use super::{Malformed, limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    Label,
    Pack,
    Manifest,
    Seal,
    Parity,
    /// Leftovers of interrupted work, named by the next seal.
    Void,
}

impl ObjectKind {
    const ALL: [Self; 6] = [Self::Label, Self::Pack, Self::Manifest, Self::Seal, Self::Parity, Self::Void];

    /// The code under the log's Merkle tree.
    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.code() == code)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Pack => "pack",
            Self::Manifest => "manifest",
            Self::Seal => "seal",
            Self::Parity => "parity",
            Self::Void => "void",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
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

/// An object as a seal names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    pub number: u64,
    pub kind: ObjectKind,
    /// Bytes as stored.
    pub length: u64,
    /// BLAKE3 of the bytes; `None` for a void object that cannot be read.
    pub digest: Option<[u8; 32]>,
}

/// `00000012.pack`
pub fn file_name(number: u64, kind: ObjectKind) -> String {
    format!("{number:08}.{kind}")
}

/// The number and kind in a file's name, if it is one that [`file_name`] makes.
pub fn parse_file_name(name: &str) -> Option<(u64, ObjectKind)> {
    let (digits, kind) = name.split_once('.')?;
    let kind = ObjectKind::from_name(kind).filter(|k| *k != ObjectKind::Void)?;
    if digits.len() < 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok().filter(|n| *n <= limit::OBJECT_NUMBER)?;
    (file_name(number, kind) == name).then_some((number, kind))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(b"0123456789abcdef"[usize::from(d)])).collect()
}

/// The `N` bytes of exactly `2 * N` lower-case hexadecimal digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |d: u8| match d {
        b'0'..=b'9' => Some(d - b'0'),
        b'a'..=b'f' => Some(d - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    for (o, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *o = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(out)
}
