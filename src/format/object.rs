//! Section 2: objects, their names on a directory medium (section 10), and hexadecimal digits.

use super::{Malformed, limit};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// Identifies a medium: its first object.
    Label,
    /// Frames of content, encrypted.
    Pack,
    /// The head of a generation, encrypted.
    Manifest,
    /// Closes a generation or a medium.
    Seal,
    /// Reserved: no code writes it.
    Parity,
    /// An object that an interrupted run left behind; the next seal lists it as void.
    Void,
}

impl ObjectKind {
    const ALL: [Self; 6] = [Self::Label, Self::Pack, Self::Manifest, Self::Seal, Self::Parity, Self::Void];

    /// The kind's number in the log's Merkle tree and on tape.
    pub fn code(self) -> u8 {
        self as u8 + 1
    }

    /// The kind with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.code() == code)
    }

    /// The kind's name in seals and file names.
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

    /// The kind with this name.
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

/// An object as a seal lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its number in the set, from 0.
    pub number: u64,
    /// Its kind.
    pub kind: ObjectKind,
    /// Bytes as stored.
    pub length: u64,
    /// BLAKE3 of the bytes; `None` for a void object that cannot be read.
    pub digest: Option<[u8; 32]>,
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
